"""`select(by: …)`: every rule that picks one candidate, by name.

A rule takes what `Picking` holds and gives a `Choice`. The functions that decide are in `choosing`, `mixture`,
`confidence`, `consensus` and `tournament`; here they are given the numbers that the rule's arguments name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttscale.compiler.ir import Const, Operand, Strategy
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.strategies import choosing, confidence, consensus, tournament
from ttscale.runtime.strategies.choosing import Choice, Classes, Numbers
from ttscale.runtime.strategies.mixture import likelihood_mixture
from ttscale.runtime.strategies.ordering import kendall_likeness
from ttscale.runtime.strategies.sources import (
    StrategyError,
    argument,
    canonical,
    number_of,
    numbers,
    source_of,
    word_of,
)

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

Values = Callable[[Operand], object]
"""What an operand among a rule's arguments is: the evidence of `bayes_risk`."""

NEEDED = {
    "likelihood": ("log-probabilities", "use a model that gives them, or another source of numbers"),
    "score": ("such a score", "put `score(by: …)` before this stage, or check the score's name"),
    "steps": ("step scores", "step scores come from `explore`, or from a pool file"),
    "confidence": ("log-probabilities of its tokens", "use a model that gives them, or another source of numbers"),
    "tests": ("test results", "put `run_tests(…)` before this stage, or record `tests`"),
    "test_agreement": ("test results", "put `run_tests(…)` before this stage, or record `tests`"),
    "rank": ("a rank", "put `rank(…)` before this stage"),
    "length": ("a length", "lengths are counted when samples are made, or from their texts"),
    "features": ("a text", "features are of texts; a pool of answers alone has none"),
}


@dataclass(frozen=True, slots=True)
class Picking:
    """A rule at work: its name and arguments, the pool, the class of each candidate, and what operands are."""

    rule: Strategy
    pool: Pool
    classes: Classes
    values: Values | None = None

    def known(self) -> list[float | None]:
        """The numbers of the rule's own source."""
        return known(source_of(self.rule), self.pool, self.classes)

    def number(self, name: str, default: float) -> float:
        """A plain number among the arguments."""
        return number_of(self.rule, name, default)


def known(rule: Strategy, pool: Pool, classes: Classes) -> list[float | None]:
    """The numbers of a source, checked to be there for at least one readable candidate. Raises StrategyError."""
    found = numbers(rule, pool.candidates, relative=True)
    innermost = rule
    while isinstance(inner := argument(innermost, "by"), Strategy):
        innermost = inner
    name = canonical(innermost.name)
    what, hint = NEEDED.get(name, (f"a number for `{innermost.name}`", "use another source of numbers"))
    choosing.require_numbers(classes, found, what, hint)
    return found


def pick(rule: Strategy, pool: Pool, classes: Classes, values: Values | None = None) -> Choice | None:
    """What a rule picks; None where it is no rule that picks. Raises StrategyError where it lacks what it needs."""
    found = _PICKS.get(canonical(rule.name)) if not rule.plugin else None
    return None if found is None else found(Picking(rule, pool, classes, values))


def votes_once(rule: Strategy | None, pool: Pool) -> list[str] | None:
    """The texts by which equal samples count once: those of a vote by likelihood alone."""
    return [c.text for c in pool] if rule is not None and canonical(rule.name) == "likelihood" else None


def _majority(at: Picking) -> Choice:
    ties = argument(at.rule, "ties", -1)
    return choosing.majority(at.classes, known(ties, at.pool, at.classes) if isinstance(ties, Strategy) else None)


def _best_of_majority(at: Picking) -> Choice:
    if at.number("k", 1) > 1:
        hint = "write `filter(by: best_of_majority(…, k: 4))` to keep several answers"
        raise StrategyError("`select` gives one answer, and `k` asks for more", hint=hint)
    share = argument(at.rule, "share", 1)
    return choosing.best_of_majority(at.classes, at.known(), float(share) if isinstance(share, int | float) else 0.5)


def _majority_of_bests(at: Picking) -> Choice:
    m = argument(at.rule, "m", 1)
    return choosing.majority_of_bests(at.classes, at.known(), int(m) if isinstance(m, int | float) else None)


def _by_steps(of: str, how: str) -> Callable[[Picking], Choice]:
    source = Strategy("steps", (), (("of", Const(of)),))
    choose = choosing.highest if how == "max" else choosing.weighted_best_of_n
    return lambda at: choose(at.classes, known(source, at.pool, at.classes))


def _perplexity_consistency(at: Picking) -> Choice:
    source = Strategy("likelihood", (), (("of", Const(word_of(at.rule, "of", "mean"))),))
    return choosing.vote(at.classes, known(source, at.pool, at.classes), [c.text for c in at.pool])


def _rpc(at: Picking) -> Choice:
    """Reasoning pruning, then perplexity consistency: RPC whole (Zhou et al. 2025)."""
    likelihoods = known(Strategy("likelihood"), at.pool, at.classes)
    pruning = likelihood_mixture(likelihoods)
    left = choosing.only(at.classes, pruning.kept)
    choice = choosing.vote(left, likelihoods, [c.text for c in at.pool])
    return Choice(choice.index, choice.weight, choice.weights, choice.note or pruning.note)


def _deepconf(at: Picking) -> Choice:
    """The surest share of the readable candidates votes, each weighing its confidence (DeepConf, offline)."""
    named = (("of", Const(word_of(at.rule, "of", "lowest_group"))), ("window", Const(int(at.number("window", 2048)))))
    found = known(Strategy("confidence", (), named), at.pool, at.classes)
    able: Numbers = [x if c is not None else None for x, c in zip(found, at.classes, strict=True)]
    kept = confidence.surest(able, at.number("share", 0.1))
    return choosing.vote(choosing.only(at.classes, kept), found)


def _bayes_risk(at: Picking) -> Choice:
    """Minimum Bayes risk among the readable candidates; the evidence is all of them, and a further pool."""
    given = argument(at.rule, "evidence", -1)
    further: tuple[Candidate, ...] = ()
    if isinstance(given, Operand):  # an Input, or a Ref to a stage's pool
        value = at.values(given) if at.values is not None else None
        if not isinstance(value, Pool):
            raise StrategyError("there is no evidence to compare with", hint="record `evidence`, or leave it out")
        further = value.candidates
    able = [i for i, c in enumerate(at.classes) if c is not None]
    own = [at.pool.candidates[i] for i in able]
    evidence = [*own, *(c for c in further if c.is_readable)]
    found = _utilities(word_of(at.rule, "utility", "token_f1"), at, own, evidence, further)
    expected: list[float | None] = [None] * len(at.classes)
    for i, utility in zip(able, consensus.expected_utility(found), strict=True):
        expected[i] = round(utility, 12)
    return choosing.highest(at.classes, expected)


def _utilities(
    name: str, at: Picking, own: Sequence[Candidate], evidence: Sequence[Candidate], further: Sequence[Candidate]
) -> NDArray[float64]:
    """How like every candidate is to every piece of evidence. Raises StrategyError for what they do not have."""
    if name == "equal":
        classes = [number for number in at.classes if number is not None]
        return consensus.equal(classes, [*classes, *_classes_of(further, own, classes)])
    if name == "judge":
        raise StrategyError("a likeness that a model judges is no rule by itself", hint="use `chrf` or `token_f1`")
    if name == "behaviour":
        if not any(c.outputs for c in own):
            raise StrategyError("no candidate has test results", hint=NEEDED["tests"][1])
        return consensus.behaviour([c.outputs for c in own], [c.outputs for c in evidence])
    if name == "kendall":
        orders = [[_order(c) for c in part] for part in (own, evidence)]
        if None in orders[1]:
            raise StrategyError("`kendall` is for answers that are lists", hint="use `token_f1` or `chrf` for texts")
        return consensus.pairwise(kendall_likeness, *[[one or () for one in part] for part in orders])
    compare = consensus.chrf if name == "chrf" else consensus.token_f1
    return compare([_words(c) for c in own], [_words(c) for c in evidence])


def _classes_of(further: Sequence[Candidate], own: Sequence[Candidate], classes: Sequence[int | None]) -> list[object]:
    """The class of each readable piece of further evidence, by a candidate's key; a new answer is its own class."""
    by_key = {c.key: number for c, number in zip(own, classes, strict=True)}
    return [by_key.get(c.key, ("new", c.key)) for c in further if c.is_readable]


def _order(candidate: Candidate) -> tuple[Hashable, ...] | None:
    """The items of an answer that is a list, as a list of its type or as JSON of a pool file; else None."""
    if isinstance(candidate.key, tuple):
        return candidate.key
    if isinstance(candidate.answer, list):
        return tuple(json.dumps(item, sort_keys=True) for item in candidate.answer)
    return None


def _words(candidate: Candidate) -> str:
    """What is compared word by word: an answer that is a text, else the candidate's whole text."""
    return candidate.answer if isinstance(candidate.answer, str) else candidate.text


def _bradley_terry(at: Picking) -> Choice:
    if not at.pool.comparisons:
        raise StrategyError(
            "nothing says which candidates are better than which",
            hint="record `comparisons` in the pool file, or ask a judge: `rank(method: pairwise)`",
        )
    memory = argument(at.rule, "memory", -1)
    learnt = float(memory) if isinstance(memory, int | float) else None
    try:
        found = tournament.tournament(len(at.pool), at.pool.comparisons, at.number("l2", tournament.L2), learnt)
    except ValueError as error:
        raise StrategyError(str(error), hint="leave `l2` at 0.1") from error
    return choosing.highest(at.classes, [round(share, 12) for share in found.shares])


_PICKS: Mapping[str, Callable[[Picking], Choice]] = {
    "first": lambda at: choosing.first(at.classes),
    "majority": _majority,
    "best_of_n": lambda at: choosing.highest(at.classes, at.known()),
    "weighted_best_of_n": lambda at: choosing.weighted_best_of_n(at.classes, at.known()),
    "best_of_majority": _best_of_majority,
    "majority_of_bests": _majority_of_bests,
    "perplexity_consistency": _perplexity_consistency,
    "rpc": _rpc,
    "deepconf": _deepconf,
    "adaptive": lambda at: choosing.adaptive(at.classes, at.known(), at.number("threshold", 0.9)),
    "bayes_risk": _bayes_risk,
    "bradley_terry": _bradley_terry,
    **{f"prm_{of}_{how}": _by_steps(of, how) for of in ("min", "last", "avg") for how in ("max", "vote")},
}
