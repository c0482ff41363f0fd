"""Pages about searches: E0560 to W0569."""

from __future__ import annotations

from ttscale.compiler.explanation import HEAD, page, pipeline, table

ROWS = HEAD + '\ndataset gsm = jsonl("gsm8k.jsonl", question: question, answer: after(answer, "####"))\n'
SAMPLED = "param n: Int in {1, 2, 4} = 4\nreturn generate(p.solve_number(question), from: small, n: n) |> vote()"
LIMITED = SAMPLED.replace("= 4\n", "= 4\nparam m: Int = 64\n").replace("n: n)", "n: n, max_tokens: m)")
TUNED = (
    pipeline(SAMPLED, head=ROWS) + "\nsearch tune over main { maximize accuracy on gsm[0:200]  minimize tokens"
    "  holdout gsm[200:400]  trials 20 }\n"
)

SEARCHES = table(
    page(
        "E0560",
        "A `search` over something that is not a pipeline",
        "`search NAME over PIPELINE` tries values of the parameters of a pipeline of this file, or of an imported one.",
        TUNED.replace("over main", "over mian"),
        "over mian",
        "over main",
    ),
    page(
        "E0561",
        "A `search` without a goal or without rows",
        "A search makes something as large or as small as it can, measured on rows: `maximize accuracy on gsm[0:200]`. "
        "Several goals give a front; all are measured on the same rows, which one of them names.",
        TUNED.replace(" on gsm[0:200]", ""),
        "maximize accuracy",
        "maximize accuracy on gsm[0:200]",
    ),
    page(
        "E0562",
        "A clause that a `search` does not have, or a value that it cannot have",
        "It has `maximize minimize holdout budget trials sampler seed fix`. Measures are `accuracy`, metrics, and the "
        "costs `tokens calls seconds cost`, which can only be minimized, as accuracy and the library's metrics can "
        "only be maximized. Samplers are `tpe gp nsga2 random exhaustive greedy`; without one the space decides.",
        TUNED.replace("trials 20", "trials 0"),
        "trials 0",
        "trials 20",
    ),
    page(
        "E0563",
        "A `search` with nothing to search",
        "Only parameters with a domain are searched, as `param n: Int in {1, 2, 4}`; one without a domain is set from "
        "outside, and one that `fix` sets stays as it is.",
        TUNED.replace("param n: Int in {1, 2, 4} = 4", "param n: Int = 4"),
        "param n: Int = 4",
        "param n: Int in {1, 2, 4} = 4",
    ),
    page(
        "E0564",
        "`fix` of a parameter, or to a value, that the searched pipeline does not have",
        "`fix n = 4` holds a parameter at one value while the others are searched. It must be one that the parameter "
        "may have.",
        pipeline(
            SAMPLED.replace("= 4\n", "= 4\nparam m: Int = 64\n").replace("n: n)", "n: n, max_tokens: m)"), head=ROWS
        )
        + "\nsearch tune over main { maximize accuracy on gsm[0:200]  fix k = 128 }\n",
        "fix k",
        "fix m",
    ),
    page(
        "W0569",
        "An evaluation on rows that a search has seen",
        "The search chose the parameters that did best on its rows, so what is measured there is too good. Measure on "
        "rows that neither the search nor, best of all, its holdout has.",
        TUNED + "eval main on gsm[100:300]\n",
        "gsm[100:300]",
        "gsm[400:600]",
    ),
    page(
        "W0565",
        "A holdout with rows that the search has seen",
        "What wins on the rows of a search was chosen for them, so its figure there is too good. The holdout's rows "
        "are for testing the winner, and say nothing where the search has seen them.",
        TUNED.replace("holdout gsm[200:400]", "holdout gsm[100:300]"),
        "holdout gsm[100:300]",
        "holdout gsm[200:400]",
    ),
    page(
        "W0566",
        "Evidence about another version of the program",
        "`ttscale search` writes at the top of the recipe that won how well it did, with the hash of the program. The "
        "program has been changed since (layout and comments do not count), so the figures may not be its own. "
        "`ttscale eval` measures it again.",
    ),
    page(
        "W0567",
        "Evidence that was measured with other rows",
        "`ttscale search` writes the hash of the dataset's file at the top of the recipe that won. `ttscale check` "
        "hashes the file that is there now: it is another one, or is missing. The figures are about the old rows; "
        "`ttscale eval` measures it again.",
    ),
    page(
        "W0568",
        "Evidence that was measured with other weights",
        "`ttscale search` writes the hash of each model's weights at the top of the recipe that won. `ttscale check` "
        "hashes the files that are declared now: they are others, or are missing. Another model, or another "
        "quantisation of it, may do better or worse; `ttscale eval` measures it again.",
    ),
)
