"""`vote`, `select` and `filter` on a pool: what a run and a replay both call."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ttscale.compiler import types as t
from ttscale.compiler.ir import Argument, Strategy
from ttscale.runtime import answers
from ttscale.runtime.plugins import loaded, picked_by
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.strategies import choosing
from ttscale.runtime.strategies.arguments import check_arguments
from ttscale.runtime.strategies.choosing import MARGIN, Choice, Classes, Numbers
from ttscale.runtime.strategies.equality import class_numbers
from ttscale.runtime.strategies.keeps import keep
from ttscale.runtime.strategies.picks import NEEDED, Values, known, pick, votes_once
from ttscale.runtime.strategies.records import described, elect, form_of, has_fields
from ttscale.runtime.strategies.sources import StrategyError, numbers, plain

LATEST = Strategy("score")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage made of a pool.

    `pool` is the new pool (at most one candidate after `vote` and `select`), `kept` the positions of its candidates in
    the old one. `picked` is the position that `vote` or `select` chose, `weight` its class's weight, `tied` the first
    positions of all classes that had as much. `note` is for the trace and the result: what was cut short and why.
    A vote by fields may put its winner together: `parents` are then the positions of the candidates that it is of.
    `decided` says in a few words what decided, where that is not plain from `picked`.
    """

    pool: Pool
    kept: tuple[int, ...]
    picked: int | None = None
    weight: float = 0.0
    tied: tuple[int, ...] = ()
    note: str = ""
    parents: tuple[int, ...] = ()
    decided: str = ""


def class_ids(pool: Pool) -> list[int | None]:
    """The equality class of each candidate, None for unreadable ones."""
    return answers.classes(item_type(pool.type), [c.key for c in pool])


def item_type(type_: t.Type) -> t.Type:
    """The type of one answer, whether a pool's type was given as `T` or as `Answers[T]`."""
    return type_.item if isinstance(type_, t.Answers) else type_


def apply_stage(op: str, args: Mapping[str, Argument], pool: Pool, values: Values | None = None) -> Outcome:
    """Apply `vote`, `select` or `filter` with a stage's arguments (as in `ir.Stage.args`) to a pool.

    `values` gives what operands among a rule's arguments are. Pure: the same pool gives the same outcome. Raises
    StrategyError where a rule lacks what it needs.
    """
    for given in args.values():
        if isinstance(given, Strategy):
            check_arguments(given)
    match op:
        case "vote":
            return _vote(args, pool)
        case "select":
            return _select(_rule(args.get("by")) or LATEST, pool, values)
        case "filter":
            return _filter(args, pool)
    raise StrategyError(f"`{op}` does not choose among candidates", hint="vote, select and filter do")


def _vote(args: Mapping[str, Argument], pool: Pool) -> Outcome:
    """The commonest answer, or the answer whose every field is the commonest."""
    weight, form, type_ = _rule(args.get("weight")), form_of(args), item_type(pool.type)
    if plain(args.get("by")) == "behaviour":
        return _vote_by_behaviour(weight, pool)
    classes = class_numbers(type_, [c.key for c in pool], ordered=form.ordered)
    values = None if weight is None else known(weight, pool, classes)
    once = votes_once(weight, pool)
    if has_fields(type_, form, pool.candidates):
        found = elect(type_, pool.candidates, form, values, once)
        if found is not None:
            single = Pool((found.candidate,), pool.type)
            return Outcome(
                single,
                (found.index,),
                found.index,
                found.agreement * len(pool),
                (found.index,),
                found.note,
                found.parents,
                described(found, len(pool)),
            )
    outcome = _picked(choosing.vote(classes, values, once), pool, classes)
    if form.ordered or outcome.picked is None or classes[outcome.picked] is None:
        return outcome
    return replace(outcome, decided=f"{classes.count(classes[outcome.picked])} of {len(pool)} agree")


def behaviours(pool: Pool) -> list[int | None]:
    """The class of programs whose functions gave the same in every test; None for one that never gave anything.

    Shi et al., "Natural Language to Code Translation with Execution", 2022 (MBR-exec): the program whose outputs agree
    with the most others. Programs that only fail are in no class, as the authors leave out those that do not run.
    """
    seen: dict[tuple[str, ...], int] = {}
    return [
        seen.setdefault(c.outputs, len(seen)) if any(one and one[0] != "!" for one in c.outputs) else None for c in pool
    ]


def _vote_by_behaviour(weight: Strategy | None, pool: Pool) -> Outcome:
    """The first program of the commonest behaviour; raises StrategyError where none was tested."""
    if pool.candidates and not any(c.tests for c in pool):
        raise StrategyError("no candidate has test results", hint=NEEDED["tests"][1])
    classes = behaviours(pool)
    if all(number is None for number in classes):
        classes = class_ids(pool)
        note = "no program gave anything, so equal texts were counted"
    else:
        note = ""
    values = None if weight is None else known(weight, pool, classes)
    outcome = _picked(choosing.vote(classes, values, votes_once(weight, pool)), pool, classes)
    if outcome.picked is None or classes[outcome.picked] is None:
        return outcome
    alike = f"{classes.count(classes[outcome.picked])} of {len(pool)} do the same"
    return replace(outcome, decided=alike, note=note or outcome.note)


def agreement_by_fields(type_: t.Type, candidates: Sequence[Candidate], args: Mapping[str, Argument]) -> float | None:
    """The mean share of candidates that agree with a vote's winner in a field; None where it is no vote by fields."""
    form = form_of(args)
    pool = Pool(tuple(candidates), type_)
    if not has_fields(type_, form, candidates):
        return None
    weight = _rule(args.get("weight"))
    try:
        values = None if weight is None else known(weight, pool, class_ids(pool))
    except StrategyError:
        values = None  # the run went without its weights too
    found = elect(type_, candidates, form, values, votes_once(weight, pool))
    return None if found is None else found.agreement


def _select(rule: Strategy, pool: Pool, values: Values | None) -> Outcome:
    classes = class_ids(pool)
    if rule.plugin and loaded(rule.plugin, rule.span).signature.kind == "selector":
        return _picked_by_python(rule, pool, classes)
    choice = pick(rule, pool, classes, values)
    return _picked(choice or choosing.highest(classes, known(rule, pool, classes)), pool, classes)


def _picked_by_python(rule: Strategy, pool: Pool, classes: Classes) -> Outcome:
    """What a selector of a Python file picks, given the numbers of the sources that it was told."""
    sources = {name: numbers(value, pool) for name, value in rule.named if isinstance(value, Strategy)}
    place = picked_by(rule, pool, sources)
    if place is None:
        return Outcome(Pool((), pool.type), ())
    return Outcome(Pool((pool.candidates[place],), pool.type), (place,), place, 0.0, (place,))


def _filter(args: Mapping[str, Argument], pool: Pool) -> Outcome:
    """Apply the filters in this order: a pruning rule, min_share, min_score, unique, top; order of the pool is kept.

    A filter that would drop every candidate is left out, and the note says so, as `verify` does.
    """
    classes = class_ids(pool)
    rule = _rule(args.get("by"))
    kept = list(range(len(pool)))
    notes: list[str] = []
    pruning = None if rule is None else keep(rule, pool, classes)
    if rule is not None and pruning is not None:
        kept = _left(kept, list(pruning.kept), rule.name, notes)
        notes.extend(filter(None, [pruning.note]))
        rule = None
    min_share = _optional(args, "min_share")
    if min_share is not None:
        sizes = {c: classes.count(c) for c in set(classes) if c is not None}
        least = min_share * len(pool) - MARGIN
        kept = _left(kept, [i for i in kept if sizes.get(_id(classes[i]), 0) >= least], "min_share", notes)
    top, min_score = _optional(args, "top"), _optional(args, "min_score")
    values: Numbers = [None] * len(pool)
    if min_score is not None or (top is not None and (rule is not None or any(c.scores for c in pool))):
        values = known(rule or LATEST, pool, classes)
    if min_score is not None:
        values = numbers(rule or LATEST, pool.candidates)
        passing = [i for i in kept if (value := values[i]) is not None and value >= min_score]
        kept = _left(kept, passing, "min_score", notes)
    if plain(args.get("unique")) is True:
        kept = _first_of_each(kept, classes)
    if top is not None:
        if top > len(kept):
            notes.append(f"`top: {int(top)}` keeps {len(kept)}, all there are")
        order = sorted(kept, key=lambda i: (classes[i] is None, -_ranked(values[i]), i))
        kept = sorted(order[: int(top)])
    return Outcome(pool.part(kept), tuple(kept), note="; ".join(notes))


def _first_of_each(kept: list[int], classes: Classes) -> list[int]:
    """The first of equal answers; unreadable ones equal nothing and stay."""
    firsts: dict[object, int] = {}
    for i in kept:
        firsts.setdefault(("unreadable", i) if classes[i] is None else classes[i], i)
    return list(firsts.values())


def _left(before: list[int], after: list[int], name: str, notes: list[str]) -> list[int]:
    if before and not after:
        notes.append(f"`{name}` would drop every candidate, so it was left out")
        return before
    return after


def _picked(choice: Choice, pool: Pool, classes: Classes) -> Outcome:
    if choice.index is None:
        return Outcome(Pool((), pool.type), (), note=choice.note)
    ties = [] if choice.settled else choosing.tied(choice.weights)
    firsts = tuple(next(i for i, c in enumerate(classes) if c == number) for number in ties)
    single = Pool((pool.candidates[choice.index],), pool.type)
    return Outcome(single, (choice.index,), choice.index, choice.weight, firsts or (choice.index,), choice.note)


def _rule(given: Argument | None) -> Strategy | None:
    if isinstance(given, Strategy):
        return given
    name = plain(given)
    if name is None:
        return None
    if isinstance(name, str):
        return Strategy(name)
    raise StrategyError(f"a rule is wanted, not {name!r}")


def _optional(args: Mapping[str, Argument], name: str) -> float | None:
    value = plain(args.get(name))
    return None if value is None else _number(value, name)


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise StrategyError(f"`{name}` wants a number, not {value!r}")
    return float(value)


def _ranked(number: float | None) -> float:
    return -math.inf if number is None else number


def _id(number: int | None) -> int:
    return -1 if number is None else number
