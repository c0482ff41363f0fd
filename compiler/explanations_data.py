"""Pages about few-shot examples, Python files and recipes: E0275, E0276, E0405 to E0409."""

from __future__ import annotations

from ttscale.compiler.explanation import HEAD, page, pipeline, table

ROWS = HEAD + '\ndataset gsm = jsonl("gsm8k.jsonl", question: question, answer: after(answer, "####"))\n'
SHOWN = "return generate(p.solve_number(question), from: small, examples: gsm[0:50], shots: 4)"

DATA = table(
    page(
        "E0275",
        "Examples whose rows do not fit the prompt",
        "A row is shown as the prompt would ask about it, with its `answer`. So every argument of the prompt that is "
        "not fixed must be a field of the dataset, of the argument's own name or of the input's that it is given.",
        pipeline(SHOWN, head=ROWS.replace("question: question, ", "problem: question, ")),
        "problem: question",
        "question: question",
    ),
    page(
        "E0276",
        "Examples among the rows on which a pipeline is measured",
        "A model that is shown the answers to the rows that a `search` or an `eval` measures is not measured at all. "
        "Take disjoint slices, such as `gsm[0:50]` for the examples and `gsm[50:250]` for the rest.",
    ),
    page(
        "E0405",
        "A Python file that may not run without permission",
        "A Python file in the folder of the program, or below it, is your own. Any other one could do anything on your "
        "machine: read it, then pass `--allow-python`, or `allow_python=True` to `load`.",
    ),
    page(
        "E0406",
        "A Python file that fails while it is loaded",
        "The file that `use python(…)` names is run once when the program is loaded, and it raised something. It may "
        "import installed packages, but not the files beside it.",
    ),
    page(
        "E0407",
        "A Python function that no program can use",
        "A marked function takes a pool (a `@scorer` also a candidate, a `@metric` an answer and a row), and then only "
        "parameters that a program can give: int, float, bool, str, `Literal[…]` of texts, and `Numbers`.",
    ),
    page(
        "E0408",
        "A recipe that is not installed",
        "A path without `./` names an installed recipe: a Python package with an entry point in the group "
        "`ttscale.recipes`. Install it, or write `./name` for a file beside this one.",
    ),
    page(
        "E0409",
        "A recipe of which no installed version fits",
        "After `@` stands a range: `1` is any 1.x, `1.4` any 1.4.x, `~1.4` is 1.4 or newer and below 2, and `>=1.2 <2` "
        "says it in full. Install a version that fits, or change the range.",
    ),
)
