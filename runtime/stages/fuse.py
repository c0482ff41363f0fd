"""`fuse`: new candidates written from the ones it sees: all, some for each, group by group, or named by number."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import MissingValue, Origin, StageContext, is_operand, offered_answers, usable


async def fuse(context: StageContext, pool: Pool) -> Pool:
    """`n` new candidates; where none can be made, the old ones if they are of the same type.

    With `group: g` candidates are merged g at a time, and what that gave again, until g or fewer are left for the `n`
    new ones (map and reduce). With `show: k` each new one is written from k candidates: the first, or drawn for each by
    the run's seed (the workspaces of PDR, Madaan et al. 2025: extractive top-k, and random-k per generation).
    """
    candidates = usable(pool)
    if not candidates:
        context.note(f"{context.stage.op} has no answers to merge")
        return Pool((), context.item_type)
    n = context.integer("n", 1)
    try:
        candidates = await _reduced(context, candidates)
        made = await _made(context, [_shown(context, candidates, index) for index in range(n)], n)
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return Pool((), context.item_type)
    if usable(Pool(made, context.item_type)) or pool.type != context.item_type:
        return Pool(made, context.item_type)
    context.note(f"{context.stage.op} made no answer, so the {len(pool)} it was given stay")
    return pool


async def _reduced(context: StageContext, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """Candidates merged group by group until few enough are left; a group whose merge fails leaves its first one."""
    size = context.integer("group", 0)
    while size and len(candidates) > size:
        groups = grouped(candidates, size)
        merged = iter(await _made(context, [group for group in groups if len(group) > 1], 1, keep_failed=True))
        following = (next(merged) if len(group) > 1 else group[0] for group in groups)
        kept = [new if _is_good(new) else group[0] for new, group in zip(following, groups, strict=True)]
        candidates = tuple(kept)
    return candidates


def grouped(candidates: Sequence[Candidate], size: int) -> list[tuple[Candidate, ...]]:
    """Neighbours in as few groups as `size` permits, as equal in number as can be, the larger ones first."""
    count = -(-len(candidates) // size)
    small, larger = divmod(len(candidates), count)
    sizes = [small + (place < larger) for place in range(count)]
    starts = [sum(sizes[:place]) for place in range(count)]
    return [tuple(candidates[start : start + own]) for start, own in zip(starts, sizes, strict=True)]


def _is_good(candidate: Candidate) -> bool:
    return candidate.finish in ("stop", "length") and bool(candidate.text.strip())


def _shown(context: StageContext, candidates: tuple[Candidate, ...], index: int) -> tuple[Candidate, ...]:
    """The candidates that the new one of this index is written from, in their order."""
    most = context.integer("show", len(candidates))
    if most >= len(candidates):
        return candidates
    if context.constant("choose") != "random":
        return candidates[:most]
    draw = random.Random(f"{context.caller.run_seed} {context.stage.path} {index}")
    return tuple(candidates[place] for place in sorted(draw.sample(range(len(candidates)), most)))


async def _made(
    context: StageContext, shown: Sequence[tuple[Candidate, ...]], n: int, *, keep_failed: bool = False
) -> tuple[Candidate, ...]:
    """One new candidate for each group that is shown; with `keep_failed` a refused one is there, without a text."""
    filled = context.using()
    origin = Origin(filled.prompt.name, filled.prompt.result)
    asks = [
        context.ask(context.messages(filled, {**_listed(context, group), "n": n}), index=index, reads=origin.type)
        for index, group in enumerate(shown)
    ]
    found = await context.candidates(asks, [origin] * len(asks))
    absent = Candidate("", finish="cut", stage=context.stage.path)
    return tuple(c if c is not None else absent for c in found if c is not None or keep_failed)


def _listed(context: StageContext, group: tuple[Candidate, ...]) -> dict[str, object]:
    """What a prompt is offered: the group itself, or with `among:` that whole pool and the group's numbers in it."""
    among = context.stage.args.get("among")
    listed = context.value(among) if among is not None and is_operand(among) else None
    if isinstance(listed, Pool):
        whole = usable(listed)
        numbers = {_identity(candidate): place for place, candidate in enumerate(whole, 1)}
        kept = [numbers[_identity(candidate)] for candidate in group if _identity(candidate) in numbers]
        if len(kept) == len(group):
            return {"answers": offered_answers(whole), "kept": kept}
        context.note(f"{context.stage.op} lists what it was given, which is not all in `among:`")
    return {"answers": offered_answers(group), "kept": None}


def _identity(candidate: Candidate) -> tuple[object, ...]:
    """What stays the same of a candidate when it is judged."""
    return (candidate.stage, candidate.model, candidate.prompt, candidate.series, candidate.index, candidate.text)
