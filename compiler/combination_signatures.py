"""The signatures of combined decoding: `generate(…, combine: contrastive(amateur: small, alpha: 0.1))`.

One table, read by the checker, the expander, editors and the documentation. What a combination computes stands with
the engine that does it, in `runtime/engines/llama/combining.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.parameters import Parameter


@dataclass(frozen=True, slots=True)
class CombinationSignature:
    """A named way to make one distribution of the next token of those of the model asked and of further ones."""

    name: str
    parameters: tuple[Parameter, ...]
    positional: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    doc: str = ""
    paper: str = ""


ROUTING = "routing"
"""The one whose further models compute only what they are asked for."""

_SHARE = Parameter("share", "float", 0.5, low=0, high=1, doc="what counts of the other model; the rest is the first's")
_OTHER = Parameter("other", "model", required=True, doc="the second model")

_ALL = (
    CombinationSignature(
        "emulated_tuning",
        (
            Parameter("tuned", "model", required=True, doc="a small model after tuning"),
            Parameter("base", "model", required=True, doc="the small model before it"),
            Parameter("beta", "float", 1.0, low=-10, high=10, doc="how much of the difference is added"),
        ),
        aliases=("emulated_fine_tuning", "eft", "proxy_tuning"),
        doc="the model asked, with what tuning changed in a small one: log p + beta (log p_tuned - log p_base)",
        paper="An Emulator for Fine-Tuning (Mitchell et al. 2023); Tuning Language Models by Proxy (Liu et al. 2024)",
    ),
    CombinationSignature(
        "contrastive",
        (
            Parameter(
                "amateur", "model", required=True, doc="a weaker model, whose likely words are held against them"
            ),
            Parameter("alpha", "float", 0.1, low=0, high=1, doc="only tokens with this share of the likeliest one's p"),
            Parameter("beta", "float", 0.5, low=-1, high=10, doc="(1 + beta) log p - beta log p_amateur"),
        ),
        positional=("amateur",),
        aliases=("contrastive_decoding", "contrast"),
        doc="the model asked, without what a weaker one would say as well, among tokens that it finds plausible",
        paper="Contrastive Decoding (Li et al. 2022); Contrastive Decoding Improves Reasoning (O'Brien & Lewis 2023)",
    ),
    CombinationSignature(
        ROUTING,
        (
            Parameter(
                "large", "model", required=True, doc="the model that writes a token of which the first is unsure"
            ),
            Parameter("below", "float", 0.5, low=0, high=1, doc="unsure is whatever is less than this"),
            Parameter(
                "by",
                "name",
                "probability",
                choices=("probability", "margin"),
                doc="of the likeliest token, or how much more probable it is than the second",
            ),
        ),
        positional=("large",),
        aliases=("token_routing", "route"),
        doc="the model asked, token by token, and a larger one where it is unsure",
        paper="Fast and Slow Generating (Zhang et al. 2024)",
    ),
    CombinationSignature(
        "mixture",
        (_OTHER, _SHARE),
        positional=("other",),
        aliases=("ensemble",),
        doc="the mean of both models' probabilities",
    ),
    CombinationSignature(
        "product",
        (_OTHER, _SHARE),
        positional=("other",),
        aliases=("product_of_experts",),
        doc="the mean of both models' log-probabilities, made to sum to one",
        paper="Products of Experts (Hinton 2002)",
    ),
)

COMBINATIONS: Mapping[str, CombinationSignature] = {one.name: one for one in _ALL}
COMBINATION_ALIASES: Mapping[str, str] = {alias: one.name for one in _ALL for alias in one.aliases}


def combination_named(name: str) -> CombinationSignature | None:
    """The combination of a name or of another name of it."""
    return COMBINATIONS.get(COMBINATION_ALIASES.get(name, name))
