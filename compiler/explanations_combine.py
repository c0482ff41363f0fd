"""Pages about combined decoding: E0278 and E0279."""

from __future__ import annotations

from ttscale.compiler.explanation import HEAD, page, pipeline, table

TWO = HEAD + 'model large = gguf("large.gguf")\n'

COMBINE = table(
    page(
        "E0278",
        "A combination of models that does not exist",
        "`combine:` names how the next tokens of several models are put together, with the other models as arguments: "
        "`contrastive`, `emulated_tuning`, `routing`, `mixture` or `product`.",
        pipeline(
            "return generate(p.solve_number(question), from: large, combine: contrastiv(amateur: small))", head=TWO
        ),
        "contrastiv(",
        "contrastive(",
    ),
    page(
        "E0279",
        "Models that cannot be combined",
        "Combining needs the probability of every token, so all models run in the process (`gguf(…)`), none is "
        "`reproducible:`, and each is another one. That they have the same vocabulary is seen when they are loaded.",
        pipeline(
            "return generate(p.solve_number(question), from: large, combine: contrastive(amateur: large))", head=TWO
        ),
        "amateur: large",
        "amateur: small",
    ),
)
