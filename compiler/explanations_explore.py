"""Pages about step-wise search: E0265 and E0266."""

from __future__ import annotations

from ttscale.compiler.explanation import HEAD, page, pipeline, table

TWO = HEAD + 'model large = gguf("large.gguf")\n'

EXPLORE = table(
    page(
        "E0265",
        "A policy that does not exist",
        "`policy:` says from which beginnings `explore` goes on; a Choice parameter may stand there if all its labels "
        "are policies.",
        pipeline("return explore(p.solve_number(question), from: small, policy: beem) |> vote(weight: score)"),
        "beem",
        "beam",
    ),
    page(
        "E0266",
        "A policy and models that do not go together",
        "A cascade has two models: the first writes each step, the second writes anew what the judge does not accept. "
        "All other policies ask one.",
        pipeline(
            "return explore(p.solve_number(question), from: [small, large], policy: beam) |> vote(weight: score)",
            head=TWO,
        ),
        "policy: beam",
        "policy: cascade",
    ),
)
