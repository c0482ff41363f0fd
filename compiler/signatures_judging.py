"""The signatures of the stages that look at candidates: they score, order, try, drop and choose."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from ttscale.compiler.parameters import Parameter
from ttscale.compiler.signature import USING, Signature, asking

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
