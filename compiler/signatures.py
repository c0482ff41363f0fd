"""The signatures of stages: their arguments, the facets they need, use and give, and what they offer a prompt.

One table, read by the checker (names, types, facets), the expander (defaults), the planner (calls) and the
documentation. A stage of a plug-in declares the same record. Those of rules are in `rule_signatures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from functools import cache, cached_property
from typing import Literal

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.parameters import FACETS, Kind, Parameter
from ttscale.compiler.rule_signatures import RULES, RuleSignature
from ttscale.compiler.types import TEXT, Choice, Code, Type

__all__ = [
    "FACETS",
    "FUNCTIONS",
    "LATER",
    "RULES",
    "SIGNATURES",
    "USING",
    "FunctionSignature",
    "Kind",
    "Parameter",
    "RuleSignature",
    "Signature",
    "asking",
]


@dataclass(frozen=True)
class Signature:
    """What a stage takes and gives.

    `source` says whether a pool must be piped in ("pool"), or none is taken ("none"). `positional` names the
    parameters that may be given by position, in order (after the piped pool). `needs` are facets that must be there,
    `uses` those taken if there, `gives` those added. `keeps` is True where the candidates stay the same ones (so
    their facets stay) and False where new ones are made. `offers` are the names that a `using:` prompt may ask for
    besides `question`, and `prompt_results` the result types (by their first word) that it may have; `std_prompt` is
    used when `using:` is absent. `calls` is what one run may ask of a model: "none", "once", "each" (per candidate),
    "n" or "labels".
    """

    name: str
    source: Literal["none", "pool"]
    parameters: tuple[Parameter, ...]
    positional: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()
    keeps: bool = True
    offers: tuple[str, ...] = ()
    prompt_results: tuple[str, ...] = ()
    std_prompt: str | None = None
    calls: Literal["none", "once", "each", "n", "labels"] = "none"
    at_most_one: bool = False
    doc: str = ""
    plugin: str = ""
    """The key of the Python function that does it, where one does."""

    @cached_property
    def by_name(self) -> Mapping[str, Parameter]:
        """The parameters by name, in order."""
        return {parameter.name: parameter for parameter in self.parameters}

    def parameter(self, name: str) -> Parameter | None:
        """The parameter called `name`, or None."""
        return self.by_name.get(name)


def asking(max_tokens: int, temperature: float | None) -> tuple[Parameter, ...]:
    """The arguments shared by every stage that asks a model. A `temperature` of None is the model's own default."""
    return (
        Parameter("from", "model", doc="the model asked; may be left out where the file declares only one"),
        Parameter("temperature", "float", temperature, low=0, high=5, doc="0 is greedy"),
        Parameter("top_p", "float", low=0, high=1, doc="nucleus; default 0.95"),
        Parameter("top_k", "int", low=0, doc="0 is off"),
        Parameter("min_p", "float", low=0, high=1, doc="0 is off"),
        Parameter("repeat_penalty", "float", low=0.1, high=10, doc="1 is off"),
        Parameter("max_tokens", "int", max_tokens, low=1, doc="new tokens a sample, at most"),
        Parameter("stop", "text", many=True, doc="texts that end a sample"),
        Parameter("stop_pattern", "text", many=True, doc="regular expressions that end a sample"),
        Parameter("thinking", "thinking", up_to=True, doc="auto, off, on, or up to N tokens"),
        Parameter("series", "int", 0, low=0, doc="another series means fresh samples"),
        Parameter("retry", "int", 0, low=0, high=10, doc="how often a failed call is tried again"),
        Parameter("timeout", "seconds", doc="wall time of one call"),
        Parameter("or_else", "model", doc="asked when the first one fails"),
    )


BOUNDARIES = ("paragraph", "line", "sentence", "code", "tokens")
"""Where a step of `explore` may end."""

USING = Parameter("using", "using", doc="a prompt; the stage fills the arguments it offers by name")

GENERATE = Signature(
    "generate",
    "none",
    (
        Parameter("prompt", "prompt", required=True, many=True, doc="one filled prompt or a list of them"),
        *(
            Parameter(p.name, p.kind, p.default, many=True, low=p.low, high=p.high, doc=p.doc)
            if p.name in ("from", "temperature")
            else p
            for p in asking(512, None)
        ),
        Parameter("n", "int", 1, up_to=True, low=1, high=4096, doc="samples for each prompt, model and temperature"),
        Parameter("start", "int", 4, low=1, doc="size of the first round of `n: up to N`"),
        Parameter("round", "int", low=1, doc="samples of every further round; default rounds double"),
        Parameter("until", "condition", doc="tested on complete rounds of `n: up to N`"),
        Parameter("hedge", "bool", False, doc="adds one greedy sample"),
        Parameter("constrain", "bool", doc="keep answers to the form of their type; JSON is unless this is false"),
        Parameter("more", "pool", doc="fresh samples: a series that this pool did not use"),
        Parameter("examples", "pool", doc="rows shown as few-shot turns"),
        Parameter("shots", "int", 0, low=0, doc="how many of them"),
        Parameter("choose", "name", "first", choices=("first", "random", "balanced", "similar")),
    ),
    positional=("prompt",),
    keeps=False,
    calls="n",
    doc="samples answers to a prompt",
)

CLASSIFY = Signature(
    "classify",
    "none",
    (
        Parameter("prompt", "prompt", required=True, doc="a prompt whose answer is a Choice or a Bool"),
        Parameter("from", "model"),
        Parameter("min_probability", "float", low=0, high=1, doc="below it the answer is none"),
    ),
    positional=("prompt",),
    keeps=False,
    calls="labels",
    at_most_one=True,
    doc="scores every label from one prefill and answers with the likeliest",
)

SCORE = Signature(
    "score",
    "pool",
    (
        Parameter("by", "strategy", required=True, doc="likelihood, yes_no, …"),
        USING,
        *asking(256, 0.0),
        Parameter("as", "name", doc="the score's name; default the rule's"),
    ),
    positional=("by",),
    gives=frozenset({"scored"}),
    offers=("answer",),
    prompt_results=("Choice", "Bool", "Number", "Int", "Float"),
    std_prompt="judge_answer",
    calls="each",
    doc="gives every candidate a number",
)

CRITIQUE = Signature(
    "critique",
    "pool",
    (USING, *asking(256, None)),
    gives=frozenset({"critiqued"}),
    offers=("answers", "answer"),
    prompt_results=("Text", "[Text]"),
    std_prompt="critique_answer",
    calls="each",
    doc="writes strengths and weaknesses of every candidate",
)

RANK = Signature(
    "rank",
    "pool",
    (
        USING,
        *asking(256, 0.0),
        Parameter("keep", "int", low=1, doc="how many stay; default all"),
        Parameter("method", "name", "listwise", choices=("listwise", "pairwise", "checklist", "likeness")),
        Parameter("pairs", "int", low=1, high=4096, doc="so many random pairs, each in both orders; default all"),
        Parameter(
            "orders", "int", low=1, high=64, doc="lists in so many shuffled orders, put together; default as given"
        ),
        Parameter("evidence", "pool", doc="further answers that candidates are compared with by `likeness`"),
        Parameter("combine", "name", "mean", choices=("mean", "kendall"), doc="mean places, or the nearest order"),
    ),
    uses=frozenset({"critiqued"}),
    gives=frozenset({"ranked"}),
    offers=("answers", "keep", "first", "second"),
    prompt_results=("[Int]", "Choice"),
    std_prompt="rank_answers",
    calls="once",
    doc="orders the candidates and keeps the best",
)

VERIFY = Signature(
    "verify",
    "pool",
    (
        USING,
        *asking(256, 0.0),
        Parameter("min_probability", "float", 0.5, low=0, high=1, doc="accepted from this probability on"),
        Parameter("otherwise", "name", "all", choices=("all", "none"), doc="what stays when nothing is accepted"),
        Parameter("verdicts", "int", low=1, high=256, doc="argued verdicts that are averaged; else one prefill"),
    ),
    gives=frozenset({"verified"}),
    offers=("answer",),
    prompt_results=("Choice", "Bool", "Number"),
    std_prompt="verify_answer",
    calls="each",
    doc="keeps the candidates that a judge accepts",
)

RUN_TESTS = Signature(
    "run_tests",
    "pool",
    (
        Parameter("with", "tests", doc="a pool, a text or a list of texts with assertions, or inputs and outputs"),
        USING,
        *(p for p in asking(512, None) if p.name != "timeout"),
        Parameter("n", "int", 1, low=1, high=256, doc="samples of tests, where the model writes them"),
        Parameter("most", "int", 64, low=1, high=4096, doc="tests that count, at most"),
        Parameter("method", "name", "executed", choices=("executed", "judged"), doc="run, or judged by a model"),
        Parameter("entry", "text", doc="the function tested; default the one that the question defines"),
        Parameter("timeout", "seconds", 2.0, doc="CPU time that one test may take"),
        Parameter("as", "name", doc="the score's name; default tests"),
    ),
    gives=frozenset({"tested", "scored"}),
    offers=("entry",),
    prompt_results=("Code", "Text", "[Text]"),
    std_prompt="write_tests",
    calls="n",
    doc="tries every candidate on tests: the share passed is its score",
)

FUSE = Signature(
    "fuse",
    "pool",
    (
        USING,
        *asking(512, None),
        Parameter("n", "int", 1, low=1, high=4096, doc="new candidates"),
        Parameter("show", "int", low=1, doc="how many candidates each new one is written from; default all"),
        Parameter("choose", "name", choices=("first", "random"), doc="which of them; default the first"),
        Parameter("group", "int", low=2, doc="merge groups of this size, then what they gave, until one is left"),
        Parameter("among", "pool", doc="an earlier pool: it is listed, and the candidates are named by number"),
    ),
    uses=frozenset({"critiqued", "ranked", "scored"}),
    keeps=False,
    offers=("answers", "n", "kept"),
    std_prompt="fuse_answers",
    calls="n",
    doc="writes new candidates from the ones it sees",
)

REVISE = Signature(
    "revise",
    "pool",
    (USING, *asking(512, None), Parameter("n", "int", 1, low=1, high=4096, doc="rewrites of each candidate")),
    uses=frozenset({"critiqued"}),
    keeps=False,
    offers=("answer", "critique"),
    std_prompt="revise_answer",
    calls="each",
    doc="writes every candidate again, in the light of its critique where it has one",
)

FILTER = Signature(
    "filter",
    "pool",
    (
        Parameter("top", "int", low=1, doc="keep this many by `by`"),
        Parameter("min_share", "float", low=0, high=1, doc="keep answers that this share of the pool gave"),
        Parameter("min_score", "float", doc="keep candidates with at least this number"),
        Parameter("by", "strategy", doc="a source of numbers, or a rule such as likelihood_mixture"),
        Parameter("unique", "bool", False, doc="keep the first of equal answers"),
    ),
    doc="drops candidates",
)

VOTE = Signature(
    "vote",
    "pool",
    (
        Parameter("weight", "strategy", doc="a source of numbers; default one each"),
        Parameter("by", "name", choices=("fields", "whole", "behaviour"), doc="what is voted; default fields"),
        Parameter("lists", "name", choices=("ordered", "unordered"), doc="how lists are compared; default ordered"),
        Parameter("key", "name", many=True, doc="the field by which items of lists are aligned"),
    ),
    at_most_one=True,
    doc="answers with the commonest answer",
)

SELECT = Signature(
    "select",
    "pool",
    (
        Parameter("by", "strategy", required=True, doc="a source of numbers, or a rule such as best_of_majority"),
        USING,
        *asking(768, 0.0),
    ),
    positional=("by",),
    offers=("answers", "keep"),
    prompt_results=("[Int]",),
    at_most_one=True,
    doc="picks one candidate",
)

EXPLORE = Signature(
    "explore",
    "none",
    (
        Parameter("prompt", "prompt", required=True, doc="a filled prompt, whose answer is written step by step"),
        Parameter("policy", "policy", "beam", doc="what is gone on from: beam, particles, mcts, …"),
        Parameter("width", "int", 4, low=1, high=1024, doc="states kept, particles, or answers wanted"),
        Parameter("branch", "int", 4, low=1, high=256, doc="continuations written of one state"),
        Parameter("judge", "judge", "yes_no", doc="a rule that scores a beginning, or a prompt"),
        *(
            replace(p, many=True, doc="the model; two for `cascade`: small, then large") if p.name == "from" else p
            for p in asking(512, None)
            if p.name not in ("max_tokens", "thinking")
        ),
        Parameter("steps", "int", 10, low=1, high=1024, doc="steps of an answer, at most"),
        Parameter("step_tokens", "int", 128, low=1, doc="new tokens of a step, at most"),
        Parameter("boundary", "name", "paragraph", choices=BOUNDARIES, doc="where a step ends"),
        Parameter("separator", "text", many=True, doc="texts of one's own that end a step, in the place of `boundary`"),
        Parameter("final", "text", many=True, doc="texts in a step that end the answer with it"),
        Parameter("of", "name", "last", choices=("last", "min", "mean", "prod"), doc="step scores as one number"),
        Parameter("expansions", "int", low=1, doc="states gone on from, at most; default as the policy"),
        Parameter("judgements", "int", low=1, doc="beginnings judged, at most"),
        Parameter("tokens", "int", low=1, doc="new tokens of all steps together, at most"),
        Parameter("as", "name", doc="the score's name; default the judge's rule"),
    ),
    positional=("prompt",),
    gives=frozenset({"scored", "stepped"}),
    keeps=False,
    offers=("steps", "step", "answer"),
    prompt_results=("Choice", "Bool", "Number", "Int", "Float"),
    std_prompt="judge_step",
    calls="n",
    doc="grows answers step by step, judges their beginnings and goes on from promising ones",
)

RETRIEVE = Signature(
    "retrieve",
    "none",
    (
        Parameter("query", "content", required=True, doc="what is looked up: a Text of the run"),
        Parameter("files", "text", many=True, doc="files or patterns, beside the file that names them"),
        Parameter("among", "content", many=True, doc="texts of the run instead of files: an input, or a pool"),
        Parameter("k", "int", 5, low=1, high=1024, doc="passages, at most"),
        Parameter("field", "text", "text", doc="what is read of the rows of .jsonl and .json files"),
        Parameter("length", "int", 1200, low=16, doc="bytes of a passage, at most"),
        Parameter("order", "name", "reversed", choices=("reversed", "ranked"), doc="the best last, or first"),
    ),
    positional=("query",),
    gives=frozenset({"scored", "ranked"}),
    keeps=False,
    doc="looks up the passages of documents that have most to do with a text",
)

PROVE = Signature(
    "prove",
    "pool",
    (Parameter("timeout", "seconds", 10.0, doc="time of one proof; what takes longer counts as not proved"),),
    gives=frozenset({"verified"}),
    doc="proves what candidates wrote in logic: their last formula is True, False or Uncertain by the others",
)

EXECUTE = Signature(
    "execute",
    "pool",
    (
        Parameter("timeout", "seconds", 10.0, doc="CPU time of one program"),
        Parameter("memory", "int", 512, low=16, high=65536, doc="memory of one program, in MiB"),
        Parameter("output", "int", 2000, low=1, high=1048576, doc="bytes that one program may print"),
    ),
    gives=frozenset({"critiqued"}),
    doc="runs the programs of candidates: what they print is the answer, and read by critics and revisers",
)

SIGNATURES: dict[str, Signature] = {
    s.name: s for s in (GENERATE, CLASSIFY, SCORE, CRITIQUE, RANK, VERIFY, RUN_TESTS, FUSE, FILTER, VOTE, SELECT)
}

SIGNATURES |= {EXPLORE.name: EXPLORE, RETRIEVE.name: RETRIEVE, PROVE.name: PROVE}
SIGNATURES |= {REVISE.name: REVISE, EXECUTE.name: EXECUTE}


def told(stage: str, before: Type) -> Type:
    """What answers are after a stage that finds them itself and asks no model: `prove`, or `execute` of programs."""
    if stage == "prove":
        return PROOF
    return TEXT if stage == "execute" and isinstance(before, Code) else before


PROOF = Choice(("True", "False", "Uncertain"))
"""What `prove` finds: the conclusion follows, its negation does, or neither."""

META = "judge_grading"
"""The prompt that judges a set of principles, critiques and grades of a rubric."""

ARGUED = ("argue_verdict", 0.7)
"""The prompt and temperature of verdicts that are argued before they are given."""


CHECKLIST = "check_and_choose"
"""The prompt of `rank(method: checklist)`, which wants room for the list before the verdict."""
CHECKLIST_TOKENS = 768


@cache
def by_checklist() -> Signature:
    """The signature of a ranking by one checklist for all candidates."""
    parameters = (replace(p, default=CHECKLIST_TOKENS) if p.name == "max_tokens" else p for p in RANK.parameters)
    return replace(RANK, parameters=tuple(parameters), std_prompt=CHECKLIST)


LIKENESS = "judge_likeness"
"""The prompt of `rank(method: likeness)`, and of the judge that `bayes_risk` may ask."""


@cache
def by_likeness() -> Signature:
    """The signature of a ranking by how like each candidate is to all others, as a model holds it."""
    results = ("Choice", "Bool", "Number")
    return replace(RANK, std_prompt=LIKENESS, offers=("answer", "reference"), prompt_results=results, calls="labels")


@cache
def testing(judged: bool) -> Signature:
    """The signature of `run_tests`: its model writes the tests, or judges whether candidates pass them."""
    if not judged:
        return RUN_TESTS
    parameters = (replace(p, default=0.0) if p.name == "temperature" else p for p in RUN_TESTS.parameters)
    return replace(
        RUN_TESTS,
        parameters=tuple(parameters),
        offers=("answer", "test"),
        prompt_results=("Choice", "Bool", "Number"),
        std_prompt="passes_test",
        calls="labels",
    )


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


LATER: dict[str, str] = {
    "decompose": "splitting a question into parts",
    "recall": "concept memory",
    "remember": "concept memory",
}
"""Stages that the language names and this version does not run yet, with what they are about."""


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
        FunctionSignature("decided", ("pool",), "Bool", "whether further samples, up to N, cannot change the vote"),
    )
}
