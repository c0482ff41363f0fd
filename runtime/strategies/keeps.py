"""`filter(by: …)`: every rule that keeps a part of a pool, by name."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from ttscale.compiler import types as t
from ttscale.compiler.ir import Strategy
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.strategies import choosing, confidence, features
from ttscale.runtime.strategies.abduction import abduce
from ttscale.runtime.strategies.choosing import Classes
from ttscale.runtime.strategies.mixture import Pruning, likelihood_mixture
from ttscale.runtime.strategies.picks import known
from ttscale.runtime.strategies.sources import argument, canonical, length_of, number_of, numbers, source_of


def keep(rule: Strategy, pool: Pool, classes: Classes) -> Pruning | None:
    """What a rule keeps; None where it is none of these rules. Raises StrategyError where it lacks what it needs."""
    found = _KEEPS.get(canonical(rule.name)) if not rule.plugin else None
    return None if found is None else found(rule, pool, classes)


def _mixture(rule: Strategy, pool: Pool, classes: Classes) -> Pruning:
    return likelihood_mixture(numbers(Strategy("likelihood"), pool.candidates))


def _shortest(rule: Strategy, pool: Pool, classes: Classes) -> Pruning:
    """The shortest share of the readable candidates; of all where none can be read."""
    able = [length_of(c) if number is not None else None for c, number in zip(pool, classes, strict=True)]
    places = [i for i, number in enumerate(classes) if number is not None] or list(range(len(pool)))
    kept = features.shortest([able[i] for i in places], number_of(rule, "share", 0.5))
    return Pruning(tuple(places[i] for i in kept))


def _top_share(rule: Strategy, pool: Pool, classes: Classes) -> Pruning:
    found = known(source_of(rule), pool, classes)
    able = [x if number is not None else None for x, number in zip(found, classes, strict=True)]
    return Pruning(tuple(confidence.surest(able, number_of(rule, "share", 0.1))))


def _best_of_majority(rule: Strategy, pool: Pool, classes: Classes) -> Pruning:
    """The best-scored member of each of the k best classes that are frequent enough: k answers, for any-of-k."""
    found = known(source_of(rule), pool, classes)
    ranked = choosing.frequent_classes(classes, found, number_of(rule, "share", 0.5))
    best = (choosing.best_member(classes, found, number) for number in ranked[: int(number_of(rule, "k", 1))])
    return Pruning(tuple(sorted(best)))


def _abduction(rule: Strategy, pool: Pool, classes: Classes) -> Pruning:
    by = argument(rule, "by", -1)
    weights = known(by, pool, classes) if isinstance(by, Strategy) else None
    able = [i for i, number in enumerate(classes) if number is not None]
    chosen = abduce(
        [_statements(pool.type, pool.candidates[i], classes[i]) for i in able],
        number_of(rule, "threshold", 0.0),
        None if weights is None else [weights[i] for i in able],
    )
    return Pruning(tuple(able[i] for i in chosen))


def _statements(type_: t.Type, candidate: Candidate, number: int | None) -> Mapping[Hashable, Hashable]:
    """What an answer says: of a record each field that has a value, of anything else that it is this answer."""
    kind = type_.item if isinstance(type_, t.Answers) else type_
    if isinstance(kind, t.Record) and isinstance(candidate.key, tuple):
        given = candidate.answer if isinstance(candidate.answer, Mapping) else {}
        pairs = zip(kind.fields, candidate.key, strict=False)
        return {f.name: key for f, key in pairs if given.get(f.name) is not None}
    return {"": number}


_KEEPS: Mapping[str, Callable[[Strategy, Pool, Classes], Pruning]] = {
    "likelihood_mixture": _mixture,
    "rpc": _mixture,
    "shortest": _shortest,
    "top_share": _top_share,
    "best_of_majority": _best_of_majority,
    "abduction": _abduction,
}
