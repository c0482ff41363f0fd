"""Pages about watchers on a running answer: E0268 and E0269."""

from __future__ import annotations

from ttscale.compiler.explanation import page, pipeline, table

WATCH = table(
    page(
        "E0268",
        "A watcher that does not exist",
        "`watch:` takes one watcher or a list of them; a Choice parameter may stand there if all its labels are "
        "watchers or `off`.",
        pipeline("return generate(p.solve_number(question), from: small, watch: repetitions)"),
        "repetitions",
        "repetition",
    ),
    page(
        "E0269",
        "A watcher that cannot do what it is told",
        "`then: inject` needs a text, and `drop` and `branch` put none in. `overthinking`, `underthinking` and "
        "`stable` read answers on the way, so the prompt must give a Number, Math, Choice or Bool. Answers that are "
        "kept to a form take no texts.",
        pipeline("return generate(p.solve_number(question), from: small, watch: repetition(then: inject))"),
        "then: inject",
        'then: inject, say: "\\n\\nLet me try another way."',
    ),
)
