"""`revise`: every candidate is written again by a model, in the light of its critique where it has one.

Madaan et al., "Self-Refine: Iterative Refinement with Self-Feedback", 2023 (with a critic before it, round by round);
Snell et al., "Scaling LLM Test-Time Compute Optimally", 2024 (sequential revisions, several of each answer).

Equal asks are one sample. In a loop that would hold a text for good once a rewrite gave it back as it was: the next
round would ask the very same, and be given the very same. So a prompt that already stands in a candidate's line of
revisions is asked in a further series: the sample is a fresh one, and the same in every run of the program. Greedy
rewrites (temperature 0) have no other sample, and ask the same again.
"""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler.types import Optional
from ttscale.runtime.desk import Ask
from ttscale.runtime.engines.base import Message
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.stages.context import MissingValue, Origin, StageContext, offered_answer, usable


async def revise(context: StageContext, pool: Pool) -> Pool:
    """`n` new candidates in the place of each one, whose parent it is; what was known of the old ones is gone.

    One of which no rewrite came (refused, failed, empty) stays as it was where it still is of the right type, bare of
    its scores and critiques, and so does one without a text, of which nothing can be written.
    """
    candidates = usable(pool)
    n = context.integer("n", 1)
    writer = _Writer(context)
    filled = writer.filled
    try:
        asks = [ask for place, one in enumerate(candidates) for ask in writer.asks(one, place * n, n)]
    except MissingValue as error:
        context.note(error.diagnostic.message)
        asks, candidates = [], ()
    found = await context.candidates(asks, [Origin(filled.prompt.name, context.item_type)] * len(asks))
    written = {id(one): found[place * n : place * n + n] for place, one in enumerate(candidates)}
    stays = pool.type == context.item_type
    kept = 0
    made: list[Candidate] = []
    for candidate in pool:
        new = [one for one in written.get(id(candidate), ()) if one is not None]
        if stays and not any(_is_good(one) for one in new):
            kept += 1
            made.append(replace(_bare(candidate), parents=(candidate,)))
        else:
            made += [replace(one, parents=(candidate,)) for one in new]
    if kept:
        context.note(f"revise wrote nothing new of {kept} of {len(pool)} candidates, which stay as they were")
    return Pool(tuple(made), context.item_type)


class _Writer:
    """What the rewrites of one stage ask for."""

    def __init__(self, context: StageContext) -> None:
        self.context = context
        self.filled = context.using()
        wanted = dict(self.filled.prompt.params).get("critique")
        self._absent = None if isinstance(wanted, Optional) else ""
        self._series = context.integer("series", 0)

    def asks(self, candidate: Candidate, first: int, n: int) -> list[Ask]:
        """The asks for all rewrites of one candidate, numbered from `first` on."""
        messages = self._messages(candidate)
        series = self._series + self._asked_before(candidate, messages)
        reads = self.filled.prompt.result
        return [self.context.ask(messages, series=series, index=first + k, reads=reads) for k in range(n)]

    def _messages(self, candidate: Candidate) -> tuple[Message, ...]:
        offered = {
            "answer": offered_answer(candidate, self.filled),
            "critique": candidate.critique or self._absent,
        }
        return self.context.messages(self.filled, offered)

    def _asked_before(self, candidate: Candidate, messages: tuple[Message, ...]) -> int:
        """How many candidates in its line of revisions this prompt was asked about already; 0 for greedy rewrites."""
        if self.context.number("temperature") == 0:
            return 0
        count, one = 0, candidate
        while len(one.parents) == 1:
            (one,) = one.parents
            count += self._messages(one) == messages
        return count


def _is_good(candidate: Candidate) -> bool:
    return candidate.finish in ("stop", "length") and bool(candidate.text.strip())


def _bare(candidate: Candidate) -> Candidate:
    """A candidate without what judges, critics and tests said of it."""
    return replace(candidate, scores={}, critique=None, verified=None, rank=None, step_scores=(), tests=(), outputs=())
