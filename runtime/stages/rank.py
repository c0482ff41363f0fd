"""`rank`: a judge orders the candidates, all at once or in pairs, and the best stay."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.ir import Filled
from ttscale.runtime.desk import Reply
from ttscale.runtime.engines.base import Message
from ttscale.runtime.pool import Candidate, Comparison, Pool
from ttscale.runtime.result import RunError
from ttscale.runtime.stages.closing import closed, was_cut
from ttscale.runtime.stages.context import MissingValue, StageContext, offered_answers, usable
from ttscale.runtime.stages.forms import END_TOKENS, best_at_end, is_kept, order_of
from ttscale.runtime.stages.judging import labels_of, opinions
from ttscale.runtime.stages.likeness import by_likeness
from ttscale.runtime.strategies import tournament
from ttscale.runtime.strategies.ordering import kendall_centre, mean_places

_CHAIN = re.compile(r"[\[(#]?\d{1,4}[\])]?(?:\s*(?:>=?|≻|,|;|->|→|\bthen\b)\s*(?:and\s+)?[\[(#]?\d{1,4}[\])]?)+")
_NUMBER = re.compile(r"\d{1,4}")
_LISTED = re.compile(
    r"^\s*(?:\d{1,4}[.):]\s*)?(?:answer|candidate|response)?\s*[\[(#]?(\d{1,4})[\])]?\s*$", re.I | re.M
)


async def rank(context: StageContext, pool: Pool) -> Pool:
    """The best `keep` candidates in the judge's order, with their ranks.

    Where the judgement cannot be made or read, the order is kept and nothing has a rank; that is counted and said.
    Candidates that failed come last.
    """
    keep = context.integer("keep", max(len(pool), 1))
    if keep > len(pool):
        context.note(f"rank keeps {len(pool)} answers; {keep} were wanted")
    candidates = usable(pool)
    rest = tuple(c for c in pool if all(c is not good for good in candidates))
    if len(candidates) < 2:
        return Pool((*candidates, *rest)[:keep], pool.type)
    verdicts: tuple[Comparison, ...] = ()
    try:
        method = context.constant("method")
        by_pairs = method == "pairwise"
        if method == "listwise" and _is_duel(context.using()):
            message = f"prompt `{context.using().prompt.name}` compares two answers, and `rank` asks about all at once"
            raise RunError(Diagnostic("R0710", message, context.stage.span, hint="write `method: pairwise`"))
        if by_pairs:
            order, verdicts = await _pairwise(context, candidates)
        elif method == "likeness":
            order = await by_likeness(context, candidates)
        else:
            order = await _listwise(context, candidates, keep)
    except MissingValue as error:
        context.note(error.diagnostic.message)
        order = None
    if order is None:
        context.note(f"the order of {context.stage.op} is the one it was given")
        return Pool((*candidates, *rest)[:keep], pool.type)
    ranked = {place: replace(candidates[place], rank=number) for number, place in enumerate(order, 1)}
    found = Pool(tuple(ranked[place] for place in range(len(candidates))), pool.type, verdicts)
    return _all_verdicts(pool, candidates, order, found.part(order), rest, keep)


def _all_verdicts(
    before: Pool,
    candidates: tuple[Candidate, ...],
    order: Sequence[int],
    ranked: Pool,
    rest: Sequence[Candidate],
    keep: int,
) -> Pool:
    """The ranked candidates with the verdicts of this judge and of those before it."""
    at = {id(candidate): place for place, candidate in enumerate(before)}
    earlier = before.part([at[id(candidates[place])] for place in order]).comparisons
    joined = Pool((*ranked.candidates, *rest), before.type, (*earlier, *ranked.comparisons))
    return joined.part(range(min(keep, len(joined))))


def _is_duel(filled: Filled) -> bool:
    """Whether a prompt is about two candidates, and not about a list."""
    names = {name for name, _ in filled.prompt.params}
    return bool(names & {"first", "second"}) or bool(labels_of(filled.prompt.result))


async def _listwise(context: StageContext, candidates: tuple[Candidate, ...], keep: int) -> tuple[int, ...] | None:
    """The order of one list, or with `orders: k` that of the mean places in k lists, each shuffled by the run's seed.

    Shuffling takes a judge's liking for a place out. `combine: kendall` gives the order that is nearest to all of them
    instead (Tang et al., "Found in the Middle: Permutation Self-Consistency", 2023). Candidates that a judge did not
    name are tied behind those that it named; ties go to the first.
    """
    filled = context.using()
    count, wanted, lists = len(candidates), min(keep, len(candidates)), context.integer("orders", 0)
    shown = [shuffled(context, count, number) for number in range(lists)] or [tuple(range(count))]
    heat = context.number("temperature")
    asks = []
    for number, places in enumerate(shown):
        offered = {"answers": offered_answers([candidates[place] for place in places]), "keep": wanted}
        asks.append(
            context.ask(context.messages(filled, offered), temperature=0.0 if heat is None else heat, index=number)
        )
    is_checklist = context.constant("method") == "checklist"
    if is_kept(filled):
        form = best_at_end(count, wanted, asks[0].max_tokens) if is_checklist else order_of(count, wanted)
        asks = [replace(ask, constraint=form) for ask in asks]
    given: list[tuple[int, ...]] = []
    unreadable: list[str] = []
    asked = 0
    replies = await context.caller.sample(asks)
    texts = await _whole(context, replies, count, wanted) if is_checklist and is_kept(filled) else {}
    for number, (places, reply) in enumerate(zip(shown, replies, strict=True)):
        if reply.state == "failed":
            context.failed(reply)
        if reply.state != "done" or reply.completion is None:
            continue
        asked += 1
        order = parse_ranking(_verdict(context, texts.get(number, reply.completion.text)), count, wanted)
        if order is None:
            unreadable.append(reply.completion.text)
            continue
        if not lists:
            context.judged(1, [])
            return order
        given.append(tuple(places[standing] for standing in order[:wanted]))
    if asked:
        context.judged(asked, unreadable)
    if asked == len(unreadable):
        return None
    return (kendall_centre if context.constant("combine") == "kendall" else mean_places)(given, count)


async def _whole(context: StageContext, replies: Sequence[Reply], count: int, wanted: int) -> dict[int, str]:
    """By place, checklists that were cut before they named the best, with what was then asked for alone."""
    cut = [number for number, reply in enumerate(replies) if was_cut(reply)]
    form, most = order_of(count, wanted), END_TOKENS + 4 * wanted
    ends = await closed(context, [replies[number] for number in cut], "\nBest:", form, most)
    return {number: text for number, text in zip(cut, ends, strict=True) if text is not None}


def shuffled(context: StageContext, count: int, number: int) -> tuple[int, ...]:
    """Places in another order for each number, the same in every run with this seed."""
    order = list(range(count))
    random.Random(f"{context.caller.run_seed} {context.stage.path} {number}").shuffle(order)
    return tuple(order)


async def _pairwise(
    context: StageContext, candidates: tuple[Candidate, ...]
) -> tuple[tuple[int, ...] | None, tuple[Comparison, ...]]:
    """Order by the sum of win probabilities, each pair asked in both orders (Copeland's count, softened).

    With `pairs: k` so many pairs are drawn (Fortytwo's judges see three times as many as there are candidates), and the
    order is that of Bradley-Terry strengths, since not everyone plays as often. The verdicts stay with the pool, for
    `select(by: bradley_terry)`.
    """
    filled = context.using()
    pairs = _pairs(context, len(candidates))
    listed = offered_answers(candidates)
    prompts = [
        context.messages(
            filled,
            {"first": candidates[i].text, "second": candidates[j].text, "answers": [listed[i], listed[j]], "keep": 1},
        )
        for i, j in pairs
    ]
    shares = await _shares(context, prompts)
    if all(share is None for share in shares):
        return None, ()
    judge = context.model().name
    verdicts = tuple(Comparison(i, j, s, judge) for (i, j), s in zip(pairs, shares, strict=True) if s is not None)
    if context.constant("pairs") is not None:
        return tournament(len(candidates), verdicts).ranking, verdicts
    wins = [0.0] * len(candidates)
    for (i, j), share in zip(pairs, shares, strict=True):
        wins[i] += 0.5 if share is None else share
        wins[j] += 0.5 if share is None else 1 - share
    return tuple(sorted(range(len(candidates)), key=lambda place: -wins[place])), verdicts


def _pairs(context: StageContext, count: int) -> list[tuple[int, int]]:
    """The pairs to ask about, in both orders: all, or with `pairs: k` a random round of everyone and random others."""
    every = [(i, j) for i in range(count) for j in range(i + 1, count)]
    wanted = context.integer("pairs", len(every))
    if wanted >= len(every):
        return [(i, j) for i in range(count) for j in range(count) if i != j]
    order = shuffled(context, count, 0)
    around = [(min(i, j), max(i, j)) for i, j in zip(order, (*order[1:], order[0]), strict=True)]
    rest = [pair for pair in every if pair not in around]
    random.Random(f"{context.caller.run_seed} {context.stage.path} pairs").shuffle(rest)
    return [both for i, j in (*around, *rest)[:wanted] for both in ((i, j), (j, i))]


async def _shares(context: StageContext, prompts: Sequence[tuple[Message, ...]]) -> list[float | None]:
    """For each pair how probable it is that the first wins, None where that is not known.

    A Choice is scored or read, its first label being the first answer; of a list, the first number is read.
    """
    filled = context.using()
    if labels_of(filled.prompt.result):
        found = await opinions(context, filled, context.model(), prompts)
        return [opinion.probabilities[0] if opinion.state == "done" else None for opinion in found]
    heat = context.number("temperature")
    asks = [context.ask(messages, temperature=0.0 if heat is None else heat) for messages in prompts]
    if is_kept(filled):
        asks = [replace(ask, constraint=order_of(2, 1)) for ask in asks]
    shares: list[float | None] = []
    unreadable: list[str] = []
    asked = 0
    for reply in await context.caller.sample(asks):
        if reply.state == "failed":
            context.failed(reply)
        text = reply.completion.text if reply.state == "done" and reply.completion is not None else None
        order = None if text is None else parse_ranking(text, 2, 1)
        asked += text is not None
        if text is not None and order is None:
            unreadable.append(text)
        shares.append(None if order is None else float(order[0] == 0))
    context.judged(asked, unreadable)
    return shares


_BEST = re.compile(r"\bbest\b[^\w\n]*:(.*)", re.I)


def _verdict(context: StageContext, text: str) -> str:
    """Where a judge's order is: all it wrote, or after a checklist, which is full of numbers, what follows "Best:"."""
    if context.constant("method") != "checklist":
        return text
    found = _BEST.findall(text)
    return found[-1] if found else ""


def parse_ranking(text: str, count: int, wanted: int) -> tuple[int, ...] | None:
    """Places (from 0) in order of merit, from text such as "[2] > [1]" or "2, 1, 3"; None where it says no order.

    At least `wanted` different numbers from 1 to `count` must be named; the others follow in their old order. A number
    outside that range, or one named twice, makes a chain unreadable. The last readable chain counts.
    """
    chains = [tuple(int(number) for number in _NUMBER.findall(match.group())) for match in _CHAIN.finditer(text)]
    chains.append(tuple(int(match) for match in _LISTED.findall(text)))
    for chain in reversed(chains[:-1]):
        if _is_order(chain, count, wanted):
            return _completed(chain, count)
    if _is_order(chains[-1], count, wanted):
        return _completed(chains[-1], count)
    if wanted == 1:
        named = {int(number) for number in _NUMBER.findall(text)}
        if len(named) == 1 and 1 <= min(named) <= count:
            return _completed(tuple(named), count)
    return None


def _is_order(chain: Sequence[int], count: int, wanted: int) -> bool:
    return len(chain) >= wanted and len(set(chain)) == len(chain) and all(1 <= number <= count for number in chain)


def _completed(chain: Sequence[int], count: int) -> tuple[int, ...]:
    places = [number - 1 for number in chain]
    return (*places, *(place for place in range(count) if place not in places))
