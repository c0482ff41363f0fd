"""Step-wise search without models: writers and judges that answer from tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ttscale.runtime.explore import Explored, Limits, Policy, Wanted, Written, grow
from ttscale.runtime.explore.loop import Path

Tells = tuple[str, bool, float | None]
"""A step's text, whether it is the last, and the score of the state that it leads to."""


@dataclass
class Table:
    """Writes and judges from `steps`: for every beginning its continuations, the n-th wish taking the n-th of them.

    With `cycle` they begin anew when they are used up; otherwise a step fails. `tokens` are those of each step.
    """

    steps: Callable[[str], Sequence[Tells]]
    cycle: bool = True
    tokens: Mapping[str, int] = field(default_factory=dict)
    asked: list[Wanted] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)
    spent: bool = False
    _scores: dict[str, float | None] = field(default_factory=dict)

    async def write(self, wanted: Sequence[Wanted]) -> list[Written | None]:
        found: list[Written | None] = []
        for wish in wanted:
            self.asked.append(wish)
            listed = self.steps(wish.before)
            if not listed or (wish.index >= len(listed) and not self.cycle):
                found.append(None)
                continue
            text, is_last, score = listed[wish.index % len(listed)]
            self._scores[wish.before + text] = score
            found.append(Written(text, is_last, self.tokens.get(wish.before + text, 1), (-0.5,)))
        return found

    async def judge(self, paths: Sequence[Path]) -> list[float | None]:
        self.judged += [path.text for path in paths]
        return [self._scores.get(path.text) for path in paths]


ROOMY = Limits(expansions=10_000, written=10_000, judged=10_000, steps=40, step_tokens=1)


def explored(policy: Policy, table: Table, answers: int = 100, limits: Limits = ROOMY, of: str = "last") -> Explored:
    """A search to its end."""
    return asyncio.run(grow(policy, limits, table, table, answers=answers, of=of))


def texts(found: Explored) -> list[str]:
    """The answers' texts, in order."""
    return [found.tree.text(node) for node in found.answers]
