"""The functions of expressions that are about parts of a question and groups of a list, on values of a run."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from ttscale.compiler import types as t
from ttscale.runtime import answers
from ttscale.runtime.answers.reasoning import marked
from ttscale.runtime.pool import Pool
from ttscale.runtime.strategies import parts


def depth(value: object) -> int | None:
    """How deep the parts hang together; none for what are no parts."""
    if not isinstance(value, Pool):
        return 0 if value == () else None
    needs = []
    for candidate in value:
        wanted = candidate.answer.get("needs") if isinstance(candidate.answer, Mapping) else None
        needs.append([n - 1 for n in wanted if isinstance(n, int)] if isinstance(wanted, list | tuple) else [])
    return parts.depth(needs)


def fill(text: object, known: object) -> str | None:
    """A text with the answers of a pool, in order, in the place of `#1`, `#2` …; none where there is no text.

    A Text is what it marks as its answer. An answer that could not be read leaves its place as it is. Of what a `map`
    gave, `#2` is the first answer of the second item that can be read, whatever the first item gave.
    """
    if text is None:
        return None
    if isinstance(known, Pool):
        shown = [_shown(known.type, one.answer) if one.is_readable else None for one in known]
        if known.counts:
            places = iter(shown)
            shown = [next(filter(None, list(itertools.islice(places, n))), None) for n in known.counts]
    else:
        shown = [_shown(t.TEXT, item) for item in known] if isinstance(known, list | tuple) else []
    return parts.fill(text if isinstance(text, str) else answers.show(t.TEXT, text), shown)


def combinations(items: object, most: int) -> tuple[tuple[object, ...], ...]:
    """The groups of at most `most` of a list, of a pool's texts, or of the list that its only answer is."""
    if isinstance(items, Pool):
        listed = [one.answer for one in items if one.is_readable]
        only = listed[0] if len(listed) == 1 else None
        items = only if isinstance(only, list | tuple) else listed
    given = list(items) if isinstance(items, list | tuple) else []
    keys: dict[str, object] = {}
    for item in given:
        keys.setdefault(answers.json_key(item), item)
    return tuple(tuple(keys[key] for key in group) for group in parts.combinations(list(keys), most))


def _shown(type_: t.Type, answer: object) -> str | None:
    if answer is None:
        return None
    inner = type_.item if isinstance(type_, t.Answers) else type_
    shown = answers.show(inner, answer)
    return marked(shown) if isinstance(inner, t.Text) else shown
