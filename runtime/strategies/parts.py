"""Parts of a question: how deep they hang together, references to earlier answers, and groups of a few of a list.

`depth` is from "Atom of Thoughts" (Teng et al. 2025), `combinations` from PlanSearch ("Planning in Natural Language
Improves LLM Search for Code Generation", Wang et al. 2024), `#1` in a text for the answer to the first part from
ProbTree ("Probabilistic Tree-of-Thought Reasoning", Cao et al. 2023), whose own spelling is `<1>`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T", bound=Hashable)

REFERENCE = re.compile(r"#(\d{1,3})(?!\w)|<(\d{1,3})>")
MOST_PLACES = 2
"""How often one answer is put into a text: what `plan` counts with."""
MOST_COMBINATIONS = 10_000


def references(text: str, put: Callable[[int], str | None]) -> str:
    """The text with what `put` gives in the place of every reference `#n` or `<n>`; None leaves one as it is."""

    def one(match: re.Match[str]) -> str:
        found = put(int(match[1] or match[2]))
        return match[0] if found is None else found

    return REFERENCE.sub(one, text)


def fill(text: str, answers: Sequence[str | None]) -> str:
    """The text with the answers in the place of references: `#1` (or `<1>`) is the first.

    A reference to an answer that is not there, and the third and later ones to the same, stay as they are.
    """
    used: dict[int, int] = {}

    def put(number: int) -> str | None:
        used[number] = used.get(number, 0) + 1
        return answers[number - 1] if 0 < number <= len(answers) and used[number] <= MOST_PLACES else None

    return references(text, put)


def depth(needs: Sequence[Sequence[int]]) -> int:
    """The longest of all shortest ways from a part to one that needs it, in steps; 0 where nothing needs another.

    `needs[i]` are the places (from 0) of the parts whose answers part i needs; a place that is not there is left out
    (the authors' code then gives 3 for the whole). As `calculate_depth` of the authors' code: the greatest finite
    distance of two parts, along any direction of needing.
    """
    size = len(needs)
    asks: list[list[int]] = [[] for _ in range(size)]
    for place, wanted in enumerate(needs):
        for other in wanted:
            if 0 <= other < size:
                asks[other].append(place)
    deepest = 0
    for start in range(size):
        distance, edge = {start: 0}, [start]
        while edge:
            following: list[int] = []
            for one in edge:
                for other in asks[one]:
                    if other not in distance:
                        distance[other] = distance[one] + 1
                        following.append(other)
            edge = following
        deepest = max(deepest, *distance.values())
    return deepest


def combinations(items: Sequence[T], most: int) -> list[tuple[T, ...]]:
    """All groups of 0 to `most` different items: the empty one, then those of one, of two and so on, in list order.

    Items that are equal count once, as the first. At most 10,000 groups are given. PlanSearch goes on from the groups
    of up to two of ten observations, 56 in all.
    """
    distinct = list(dict.fromkeys(items))
    sizes = range(min(most, len(distinct)) + 1)
    groups = itertools.chain.from_iterable(itertools.combinations(distinct, size) for size in sizes)
    return list(itertools.islice(groups, MOST_COMBINATIONS))
