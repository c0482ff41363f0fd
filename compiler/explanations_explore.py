"""Pages about step-wise search: E0265, E0266 and W0264."""

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
    page(
        "W0264",
        "Scores that are no shares",
        "Particles weigh logit(score), A* takes 1 - score as the distance that is left, and a cascade accepts from 0.5 "
        "on. A judge whose numbers go beyond 1 makes all of these alike: say with `top:` which number is the highest, "
        "let weights be of the score itself, or take a judge between 0 and 1.",
        pipeline(
            "return explore(p.solve_number(question), from: small, policy: particles, judge: length) "
            "|> vote(weight: score)"
        ),
        "policy: particles",
        "policy: particles(reward: score)",
    ),
)
