"""The signatures of rules for `by:` and `weight:`: names, aliases, arguments, where they belong and what they need.

One table, read as that of the stages is, and by `replay --select`. What a rule computes stands with the function that
does it, in `runtime/strategies`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ttscale.compiler.parameters import Parameter


@dataclass(frozen=True, slots=True)
class RuleSignature:
    """A named rule for `by:` or `weight:`.

    `gives` is "numbers" (one a candidate), "pick" (one candidate) or "keep" (a sub-pool); `judge` says that it asks a
    model; `needs` are facets. `positional` parameters may be given by position, in order.
    """

    name: str
    gives: Literal["numbers", "pick", "keep"]
    where: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    positional: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    judge: bool = False
    aliases: tuple[str, ...] = ()
    doc: str = ""
    plugin: str = ""
    """The key of the Python function that it is, where it is one."""


_SOURCE = Parameter("by", "strategy", doc="a source of numbers; default the latest score")

RULES: dict[str, RuleSignature] = {
    r.name: r
    for r in (
        RuleSignature(
            "likelihood",
            "numbers",
            ("score", "vote", "select", "filter"),
            (Parameter("of", "name", "mean", choices=("mean", "sum"), doc="mean or sum of token log-probabilities"),),
            positional=("of",),
            aliases=("ppl", "perplexity"),
            doc="exp of the mean log-probability of the candidate's own tokens",
        ),
        RuleSignature(
            "score",
            "numbers",
            ("vote", "select", "filter"),
            (Parameter("name", "text", doc="which score; default the latest"),),
            positional=("name",),
            needs=frozenset({"scored"}),
            doc="a score given earlier",
        ),
        RuleSignature(
            "steps",
            "numbers",
            ("vote", "select", "filter"),
            (Parameter("of", "name", "last", choices=("min", "last", "mean", "prod")),),
            positional=("of",),
            needs=frozenset({"stepped"}),
            doc="step scores put together; none at all counts as -1",
        ),
        RuleSignature("length", "numbers", ("score", "vote", "select", "filter"), doc="new tokens of the candidate"),
        RuleSignature(
            "grounded",
            "numbers",
            ("score",),
            (Parameter("source", "content", doc="the text that answers come from; default the question"),),
            positional=("source",),
            aliases=("k_precision",),
            doc="share of the answer's words that stand in a source text",
        ),
        RuleSignature("yes_no", "numbers", ("score",), judge=True, aliases=("p_true",), doc="P(yes) of a judge"),
        RuleSignature(
            "best_of_majority",
            "pick",
            ("select",),
            (
                _SOURCE,
                Parameter("share", "float", 0.5, low=0, high=1, doc="least share of the pool"),
            ),
            positional=("by",),
            aliases=("bom",),
            doc="the best-scored among answers that are frequent enough",
        ),
        RuleSignature(
            "majority_of_bests",
            "pick",
            ("select",),
            (_SOURCE, Parameter("m", "int", low=1, doc="subset size; default the root of the pool's")),
            positional=("by",),
            aliases=("mob",),
            doc="the commonest best answer over subsets of the pool",
        ),
        RuleSignature(
            "weighted_best_of_n", "pick", ("select",), (_SOURCE,), positional=("by",), doc="sum of scores per answer"
        ),
        RuleSignature("first", "pick", ("select",), doc="the first candidate"),
        RuleSignature(
            "likelihood_mixture",
            "keep",
            ("filter",),
            aliases=("rpc", "weibull"),
            doc="reasoning pruning: a two-component Weibull fit of the likelihoods drops the unlikely part",
        ),
    )
}
