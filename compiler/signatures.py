"""The signatures of stages: their arguments, the facets they need, use and give, and what they offer a prompt.

One table, read by the checker (names, types, facets), the expander (defaults), the planner (calls) and the
documentation. A stage of a plug-in declares the same record. Those of rules are in `rule_signatures`,
the records themselves in `signatures_making` and `signatures_judging`.
"""

from __future__ import annotations

from dataclasses import field, replace
from functools import cache

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.parameters import FACETS, Kind, Parameter
from ttscale.compiler.rule_signatures import RULES, RuleSignature
from ttscale.compiler.signature import USING, Signature, asking
from ttscale.compiler.signatures_judging import (
    CHECKLIST,
    CRITIQUE,
    EXECUTE,
    FILTER,
    LIKENESS,
    PROVE,
    RANK,
    RUN_TESTS,
    SCORE,
    SELECT,
    VERIFY,
    VOTE,
    by_checklist,
    by_likeness,
    testing,
)
from ttscale.compiler.signatures_making import (
    BOUNDARIES,
    CLASSIFY,
    DECOMPOSE,
    EXPLORE,
    FUSE,
    GENERATE,
    RETRIEVE,
    REVISE,
)
from ttscale.compiler.signatures_memory import RECALL, REMEMBER
from ttscale.compiler.types import INT, TEXT, Choice, Code, Field, ListOf, Record, Type

__all__ = [
    "ARGUED",
    "BOUNDARIES",
    "CHANNEL",
    "CHANNEL_FILLS",
    "CHECKLIST",
    "EXPLORE",
    "FACETS",
    "FUNCTIONS",
    "GENERATE",
    "LIKENESS",
    "META",
    "PART",
    "PROOF",
    "RULES",
    "SIGNATURES",
    "USING",
    "FunctionSignature",
    "Kind",
    "Parameter",
    "RuleSignature",
    "Signature",
    "asking",
    "by_checklist",
    "by_likeness",
    "judging",
    "testing",
    "told",
]


_STAGES = (
    *(GENERATE, CLASSIFY, SCORE, CRITIQUE, RANK, VERIFY, RUN_TESTS, FUSE, FILTER, VOTE, SELECT),
    *(EXPLORE, RETRIEVE, PROVE, REVISE, EXECUTE, DECOMPOSE, RECALL, REMEMBER),
)

SIGNATURES: dict[str, Signature] = {s.name: s for s in _STAGES}


def told(stage: str, before: Type) -> Type:
    """What answers are after a stage that finds them itself and asks no model: `prove`, or `execute` of programs."""
    if stage == "prove":
        return PROOF
    return TEXT if stage == "execute" and isinstance(before, Code) else before


PROOF = Choice(("True", "False", "Uncertain"))
"""What `prove` finds: the conclusion follows, its negation does, or neither."""

PART = Record(
    "Part",
    (
        Field("question", TEXT, "what is asked"),
        Field("needs", ListOf(INT), "the numbers of the earlier parts whose answers it needs, from 1"),
        Field("level", INT, "0 where it needs none, else one more than the highest of those it needs"),
    ),
)
"""What `decompose` makes of a question: one part of it."""

META = "judge_grading"
"""The prompt that judges a set of principles, critiques and grades of a rubric."""

CHANNEL = "question_behind"
"""The prompt behind which the question is read, given a context and an answer: the channel of a noisy-channel model."""

CHANNEL_FILLS = Signature("forced", "pool", (), calls="each", offers=("context", "answer"))
"""What a prompt of one's own for that is filled with."""

ARGUED = ("argue_verdict", 0.7)
"""The prompt and temperature of verdicts that are argued before they are given."""


@cache
def judging(stage: str, rule: str = "", argued: bool = False) -> Signature:
    """The signature of a stage that judges by a rule, or with argued verdicts: its prompt, offers and temperature."""
    signature = SIGNATURES[stage]
    own = RULES[rule] if rule else None
    std_prompt, heat = (own.std_prompt, own.temperature) if own is not None else ARGUED if argued else ("", 0.0)
    return replace(
        signature,
        parameters=tuple(replace(p, default=heat) if p.name == "temperature" else p for p in signature.parameters),
        std_prompt=std_prompt or signature.std_prompt,
        offers=(own.offers if own is not None else ()) or signature.offers,
        prompt_results=(own.results if own is not None else ()) or signature.prompt_results,
    )


@dataclass(frozen=True, slots=True)
class FunctionSignature:
    """A pure function of expressions: `text(x)`, `agreement(pool)`.

    A bare `agreement` in `until:` is of the pool being made.
    """

    name: str
    takes: tuple[str, ...]
    gives: str
    doc: str = field(default="")


FUNCTIONS: dict[str, FunctionSignature] = {
    f.name: f
    for f in (
        FunctionSignature("text", ("any",), "Text", "a typed answer as text"),
        FunctionSignature("agreement", ("pool",), "Float", "share of the largest readable class among all candidates"),
        FunctionSignature("size", ("pool",), "Int", "how many candidates"),
        FunctionSignature("readable", ("pool",), "Float", "share of candidates whose answer could be read"),
        FunctionSignature("best", ("pool",), "Float", "the highest latest score"),
        FunctionSignature("margin", ("pool",), "Float", "share of the largest class minus that of the next"),
        FunctionSignature("certainty", ("pool",), "Float", "how probably the largest class stays the largest"),
        FunctionSignature("streak", ("pool",), "Int", "how many of the latest candidates gave one answer"),
        FunctionSignature("depth", ("parts",), "Int", "how many steps deep the parts of a question hang together"),
        FunctionSignature("marked", ("any",), "Text", "what a text marks as its answer, else the whole text"),
        FunctionSignature("fill", ("text", "answers"), "Text", "a text with answers in the place of #1, #2 and so on"),
        FunctionSignature("combinations", ("list", "most"), "[[T]]", "all groups of at most so many items of a list"),
        FunctionSignature("decided", ("pool",), "Bool", "whether further samples, up to N, cannot change the vote"),
    )
}
