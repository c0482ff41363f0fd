"""Every rule on one recorded pool, side by side: `ttscale replay POOL --select all`.

Which rules there are depends on what the pool has: texts, log-probabilities, token by token or in sum, scores, step
scores, ranks, comparisons, further evidence. Each row is a selector in the text of a pipeline, compared with the plain
majority question by question.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ttscale.compiler import types as t
from ttscale.compiler.python_names import PythonSignature
from ttscale.compiler.rule_signatures import RULES, SC
from ttscale.compiler.selectors import parse_selector
from ttscale.runtime.metrics import wilson
from ttscale.runtime.poolfile import Question
from ttscale.runtime.replay import Ties, replay
from ttscale.runtime.strategies import StrategyError, item_type

BASELINE = "vote()"
ROUNDS = 4_000
"""How many resamples of the questions an interval is made of."""
OWN = "your own"
BEHAVIOUR = "Natural Language to Code Translation with Execution (Shi et al. 2022)"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a pool has. A field counts where every question with a readable answer has it at least once.

    `tokens` is the median number of tokens with log-probabilities of a sample, 0 without any.
    """

    texts: bool = False
    lengths: bool = False
    likelihoods: bool = False
    sums: bool = False
    tokens: int = 0
    scores: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    steps: bool = False
    ranks: bool = False
    comparisons: bool = False
    judges: int = 0
    evidence: bool = False
    fields: bool = False
    lists: bool = False
    tests: bool = False
    outputs: bool = False


def recorded(questions: Sequence[Question]) -> Recorded:
    """What the questions of a pool have for rules to work on; `shares` are the scores that lie in [0, 1]."""
    asked = [[c for c in q.pool if c.is_readable] for q in questions]
    asked = [own for own in asked if own]
    named = dict.fromkeys(name for own in asked for c in own for name in c.scores)
    scores = tuple(name for name in named if all(any(name in c.scores for c in own) for own in asked))
    lengths = sorted(len(c.token_confidences or c.token_logprobs) for own in asked for c in own)
    return Recorded(
        texts=bool(asked) and all(any(c.text for c in own) for own in asked),
        lengths=bool(asked) and all(any(c.tokens or c.text for c in own) for own in asked),
        likelihoods=bool(asked) and all(any(c.logprob_mean is not None for c in own) for own in asked),
        sums=bool(asked) and all(any(c.logprob_sum is not None for c in own) for own in asked),
        tokens=lengths[len(lengths) // 2] if lengths else 0,
        scores=scores,
        shares=tuple(n for n in scores if all(0 <= c.scores.get(n, 0) <= 1 for own in asked for c in own)),
        steps=bool(asked) and all(any(c.step_scores for c in own) for own in asked),
        ranks=bool(asked) and all(any(c.rank is not None for c in own) for own in asked),
        comparisons=any(q.pool.comparisons for q in questions)
        and all(q.pool.comparisons for q in questions if sum(c.is_readable for c in q.pool) > 1),
        judges=len({one.judge for q in questions for one in q.pool.comparisons}),
        evidence=any(q.evidence for q in questions),
        tests=bool(asked) and all(any(c.tests for c in own) for own in asked),
        outputs=bool(asked) and all(any(c.outputs for c in own) for own in asked),
        lists=bool(asked) and all(isinstance(c.answer, list | tuple) for own in asked for c in own),
        fields=any(isinstance(item_type(q.pool.type), t.Record) for q in questions),
    )


def rules_for(pool: Recorded, functions: Mapping[str, PythonSignature] | None = None) -> dict[str, str]:
    """The selectors that a pool permits, in the text of a pipeline, each with where it is described."""
    rows = dict(_rules(pool))
    for name, function in (functions or {}).items():
        rule = function.rule()
        if rule is None or any(p.required for p in rule.parameters):
            continue
        rows[f"select(by: {name})" if rule.gives == "pick" else f"vote(weight: {name})"] = OWN
    return rows


def _rules(pool: Recorded) -> Iterator[tuple[str, str]]:
    yield "select(by: first)", "one sample"
    yield BASELINE, SC
    if pool.lengths:
        yield "select(by: majority(ties: brevity))", _paper("shortest")
        yield "filter(by: shortest(share: 0.5)) |> vote()", _paper("shortest")
    if pool.texts:
        yield "vote(weight: features)", _paper("features")
        yield "select(by: bayes_risk(token_f1))", _paper("bayes_risk")
        yield "select(by: bayes_risk(chrf))", _paper("bayes_risk")
    if pool.lists:
        yield "select(by: bayes_risk(kendall))", _paper("bayes_risk")
    if pool.evidence:
        yield "select(by: bayes_risk(token_f1, evidence: evidence))", _paper("bayes_risk")
        yield "select(by: bayes_risk(equal, evidence: evidence))", _paper("bayes_risk")
    if pool.fields:
        yield "filter(by: abduction(threshold: 0.2)) |> vote()", _paper("abduction")
    if pool.likelihoods:
        yield "select(by: rpc)", _paper("rpc")
        yield "select(by: perplexity_consistency)", _paper("perplexity_consistency")
        yield "filter(by: likelihood_mixture) |> vote()", _paper("likelihood_mixture")
        yield from _by_number("likelihood", "likelihood")
    if pool.likelihoods and pool.sums:
        yield "select(by: likelihood(sum))", _paper("likelihood")
        yield "vote(weight: likelihood(sum))", _paper("likelihood")
    if pool.tokens:
        window = 1 << max(0, min(2048, pool.tokens // 4).bit_length() - 1)
        for of in ("lowest_group", "bottom", "tail", "mean"):
            yield f"vote(weight: confidence({of}, window: {window}))", _paper("confidence")
        for share in (0.1, 0.9):
            yield f"select(by: deepconf(bottom, window: {window}, share: {share}))", _paper("deepconf")
            yield f"select(by: deepconf(tail, window: {window}, share: {share}))", _paper("deepconf")
    for name in pool.scores:
        yield from _by_number(f'score("{name}")', "score")
        if name in pool.shares:
            yield f'select(by: adaptive(score("{name}"), threshold: 0.9))', _paper("adaptive")
    if pool.steps:
        for of in ("min", "last", "avg"):
            yield f"select(by: prm_{of}_max)", _paper(f"prm_{of}_max")
            yield f"select(by: prm_{of}_vote)", _paper(f"prm_{of}_vote")
        yield "select(by: best_of_n(steps(prod)))", _paper("best_of_n")
        yield "select(by: weighted_best_of_n(steps(prod)))", _paper("weighted_best_of_n")
    if pool.tests:
        for by in ("tests", "test_agreement", "test_agreement(root: true)"):
            yield f"select(by: {by})", _paper("tests")
        yield "vote(weight: tests)", _paper("tests")
        yield "filter(by: top_share(tests, share: 0.5)) |> vote()", _paper("tests")
    if pool.outputs:
        yield "vote(by: behaviour)", BEHAVIOUR
        yield "vote(by: behaviour, weight: tests)", BEHAVIOUR
        yield "select(by: bayes_risk(behaviour))", BEHAVIOUR
    if pool.ranks:
        yield "select(by: rank)", _paper("rank")
        yield "vote(weight: rank)", _paper("rank")
    if pool.comparisons:
        yield "select(by: bradley_terry)", _paper("bradley_terry")
        if pool.judges > 1:
            yield "select(by: bradley_terry(memory: 0.5))", _paper("bradley_terry")


def _by_number(source: str, name: str) -> Iterator[tuple[str, str]]:
    """What may be done with a number for each candidate."""
    yield f"select(by: best_of_n({source}))", _paper("best_of_n")
    if name != "likelihood":
        yield f"select(by: weighted_best_of_n({source}))", _paper("weighted_best_of_n")
    yield f"vote(weight: min_max({source}))", _paper("min_max")
    yield f"vote(weight: borda({source}))", _paper("borda")
    yield f"select(by: best_of_majority({source}, share: 0.25))", _paper("best_of_majority")
    yield f"select(by: majority_of_bests({source}))", _paper("majority_of_bests")
    yield f"filter(by: top_share({source}, share: 0.5)) |> vote()", _paper("top_share")


def _paper(name: str) -> str:
    return RULES[name].paper


def every_rule(
    questions: Sequence[Question], functions: Mapping[str, PythonSignature] | None = None, ties: Ties = "first"
) -> dict[str, Any]:
    """All rules on one pool, as plain data for JSON; rules keep the order of `rules_for`.

    `{"questions": n, "rules": [{"select", "paper", "accuracy", "interval", "difference", "difference_interval",
    "better", "worse"}], "oracle": {"any", "interval", "samples"}, "one_sample", "left_out": {selector: why}}`.
    `interval` is Wilson's; `difference` is to the plain majority over the same questions, its interval that of 4,000
    resamples of the questions, drawn with a fixed seed; `better` and `worse` count questions. All intervals are 95%
    and for one row alone. Figures are null where the pool does not say which answers are right.
    """
    rows: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    base = _credits(replay(questions, parse_selector(BASELINE), ties))
    for text, paper in rules_for(recorded(questions), functions).items():
        try:
            found = replay(questions, parse_selector(text, functions), ties)
        except StrategyError as error:
            left_out[text] = str(error)
            continue
        rows.append({"select": text, "paper": paper, **_compared(_credits(found), base), **_accuracy(found)})
    known = [[bool(c) for c in q.correct] for q in questions if q.correct and None not in q.correct]
    right = sum(map(any, known))
    return {
        "questions": len(questions),
        "baseline": BASELINE,
        "rules": rows,
        "oracle": {
            "any": right / len(known) if known else None,
            "interval": list(wilson(right, len(known))) if known else None,
            "samples": max(map(len, known), default=0),
        },
        "one_sample": math.fsum(sum(own) / len(own) for own in known) / len(known) if known else None,
        "left_out": left_out,
    }


def _credits(found: Mapping[str, Any]) -> list[float | None]:
    return [None if q["correct"] is None else float(q["correct"]) for q in found["questions"]]


def _accuracy(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"accuracy": found["accuracy"], "interval": found["interval"]}


def _compared(credits: Sequence[float | None], base: Sequence[float | None]) -> dict[str, Any]:
    pairs = [(a, b) for a, b in zip(credits, base, strict=True) if a is not None and b is not None]
    if not pairs:
        return {"difference": None, "difference_interval": None, "better": 0, "worse": 0}
    differences = [a - b for a, b in pairs]
    return {
        "difference": math.fsum(differences) / len(differences),
        "difference_interval": list(resampled(differences)),
        "better": sum(x > 0 for x in differences),
        "worse": sum(x < 0 for x in differences),
    }


def resampled(differences: Sequence[float], seed: int = 0, rounds: int = ROUNDS) -> tuple[float, float]:
    """The 95% percentile interval of a mean over resampled questions; deterministic for a seed.

    The bootstrap of `metrics.paired_bootstrap`, drawn by how often each distinct difference comes up: with right and
    wrong answers these are three, whatever the number of questions.
    """
    import numpy

    values, counts = numpy.unique(numpy.asarray(differences, dtype=float), return_counts=True)
    n = len(differences)
    drawn = numpy.random.default_rng(seed).multinomial(n, counts / n, size=rounds)
    means = numpy.sort(drawn @ values / n)
    low, high = int(0.025 * rounds), min(rounds - 1, math.ceil(0.975 * rounds) - 1)
    return float(means[low]), float(means[high])
