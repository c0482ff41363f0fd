"""What a checked stage call gives: the type of its answers, how many there are, and their facets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_conditions import MAYBE, TRUE
from ttscale.compiler.check_facets import GIVEN
from ttscale.compiler.check_frame import (
    ANYTHING,
    NEVER,
    ONE,
    UNKNOWN,
    Facet,
    Size,
    Typed,
    all_facets,
    exactly,
    is_score_key,
)
from ttscale.compiler.check_scores import with_score
from ttscale.compiler.check_values import size_of
from ttscale.compiler.diagnostics import Label
from ttscale.compiler.signatures import told

if TYPE_CHECKING:
    from ttscale.compiler.check_stages import StageCall


def result_of(call: StageCall) -> Typed:
    """The type, size and facets of the pool that a checked call gives."""
    signature, source = call.signature, call.source
    kind = _type(call)
    if kind is None:
        return ANYTHING
    facets: dict[str, Facet] = {}
    for name in all_facets(source):
        if name in signature.gives:
            facets[name] = Facet(TRUE)
        elif signature.keeps:
            facets[name] = source.facet(name)
        else:
            facets[name] = _lost(name, call) if signature.source == "pool" else NEVER
    if "scored" in signature.gives:
        facets = with_score(facets, call)
    size = _size(call)
    if signature.source == "none":
        return Typed(kind, size, facets, question=call.question, classified=signature.name == "classify")
    return Typed(kind, size, facets, question=source.question, classified=source.classified)


def _lost(name: str, call: StageCall) -> Facet:
    before = call.source.facet(name)
    if is_score_key(name) or before == NEVER or before.present == MAYBE:
        return NEVER
    text = f"`{call.signature.name}` makes new answers, and {GIVEN[name].noun} of the old ones are gone"
    return Facet(lost=Label(call.expr.callee.span, text))


def _type(call: StageCall) -> types.Type | None:
    if call.signature.source == "none":
        return None if call.result is None else types.Answers(call.result)
    if call.signature.name in ("prove", "execute") and isinstance(call.source.type, types.Answers):
        return types.Answers(told(call.signature.name, call.source.type.item))
    if call.signature.name in ("fuse", "revise") and call.result is not None:
        return types.Answers(call.result)
    return call.source.type if call.source.is_pool else None


def _size(call: StageCall) -> Size:
    name, source, given, frame = call.signature.name, call.source.size, call.given, call.frame
    match name:
        case "generate":
            size = _samples(call)
            for part in ("prompt", "from", "temperature"):
                size = size.times(call.counts.get(part, ONE))
            size = size.plus(ONE) if "hedge" in given else size
            return size.times(call.counts.get("watch", ONE))
        case "classify":
            return ONE
        case "explore":
            return call.counts.get("explored", UNKNOWN)
        case "decompose":
            return (size_of(given["most"], frame) if "most" in given else exactly(6)).some(1)
        case "retrieve" | "recall":
            return (size_of(given["k"], frame) if "k" in given else exactly(5)).some(0)
        case "fuse":
            made = size_of(given["n"], frame) if "n" in given else ONE
            return made if source.low > 0 else replace(made, low=0)
        case "revise":
            return source.times(size_of(given["n"], frame)) if "n" in given else source
        case "vote" | "select":
            return source.capped(ONE)
        case "rank" | "filter":
            limit = given.get("keep" if name == "rank" else "top")
            size = source if limit is None else source.capped(size_of(limit, frame))
            return size.some(0 if {"min_share", "min_score"} & set(given) else 1) if name == "filter" else size
        case _ if call.signature.plugin:
            return source.capped(ONE).some(0) if call.signature.at_most_one else source.some(0)
        case "verify":
            return source.some(0 if "otherwise" in given else 1)
    return source


def _samples(call: StageCall) -> Size:
    n = call.given.get("n")
    if n is None:
        return ONE
    if isinstance(n, ast_expressions.UpTo):
        limit = size_of(n.limit, call.frame)
        return limit if "until" not in call.given else limit.some()
    size = size_of(n, call.frame)
    return size if size != UNKNOWN else Size(1, None, 1)
