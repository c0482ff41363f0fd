"""How structured answers are voted: `vote(by: fields, lists: unordered, key: sku)`.

Codes:
    E0217  a name that `by:` or `lists:` cannot be
    E0240  a `key:` that no item of a list has
    E0260  a way of voting that these answers do not have
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_facets import must_have
from ttscale.compiler.check_frame import Frame, Typed, did_you_mean, listed
from ttscale.compiler.schema_types import fields_of, type_of_schema
from ttscale.compiler.types import Type

ABOUT = ("by", "lists", "key")
"""The arguments of `vote` that say how answers with fields or items are compared."""
_DEPTH = 12


@dataclass
class Parts:
    """What a type is made of: whether there are lists, and the fields of their items; `open` where it is not known."""

    has_fields: bool = False
    has_lists: bool = False
    item_fields: dict[str, None] = field(default_factory=dict)
    open: bool = False


def parts_of(kind: Type) -> Parts:
    """The parts of a type, at any depth."""
    found = Parts()
    _walk(kind, found, frozenset(), 0)
    inner = kind.item if isinstance(kind, types.Optional) else kind
    inner = type_of_schema(inner) if isinstance(inner, types.Json) else inner
    found.has_fields = isinstance(inner, types.Record | types.Json)
    return found


def _walk(kind: Type, found: Parts, seen: frozenset[Type], depth: int) -> None:
    if kind in seen or depth > _DEPTH:
        return
    seen |= {kind}
    match kind:
        case types.Optional(item=item):
            _walk(item, found, seen, depth + 1)
        case types.Record(fields=fields):
            for own in fields:
                _walk(own.type, found, seen, depth + 1)
        case types.ListOf(item=item):
            found.has_lists = True
            inner = item.item if isinstance(item, types.Optional) else item
            if isinstance(inner, types.Record):
                found.item_fields |= dict.fromkeys(own.name for own in inner.fields)
            elif isinstance(inner, types.Json):
                found.item_fields |= dict.fromkeys(fields_of(inner).known)
                found.open |= fields_of(inner).open
            found.open |= inner == types.ANY
            _walk(item, found, seen, depth + 1)
        case types.Json():
            inner = type_of_schema(kind)
            if inner != kind:
                _walk(inner, found, seen, depth + 1)
                return
            members = fields_of(kind)
            found.open |= members.open
            for own_type in members.known.values():
                _walk(own_type, found, seen, depth + 1)
        case types.Simple("Any"):
            found.open = True


def check_vote(given: Mapping[str, ast_expressions.Expr], source: Typed, frame: Frame) -> None:
    """Checks that what `by:`, `lists:` and `key:` are about is there in the answers of the pool."""
    if not source.is_known or not isinstance(source.type, types.Answers) or source.type.item == types.ANY:
        return
    kind = source.type.item
    parts = parts_of(kind)
    by, lists, key = (given.get(name) for name in ABOUT)
    if isinstance(by, ast_expressions.Name) and by.name == "behaviour" and frame.local(by.name) is None:
        must_have("tested", source, by.span, "`by: behaviour`", frame)
        for name, value in (("lists", lists), ("key", key)):
            if value is not None:
                message = f"`{name}:` is about what answers say, and `by: behaviour` is about what programs do"
                frame.report("E0260", message, value.span, hint="leave it out")
        return
    way = by.name if isinstance(by, ast_expressions.Name) and frame.local(by.name) is None else None
    is_keyed = key is not None and parts.has_lists
    known = way in ("whole", "fields") or not isinstance(by, ast_expressions.Name)
    if by is not None and known and not parts.has_fields and not is_keyed:
        message = f"`by:` is for answers that have fields, and these are {kind}"
        hint = "leave it out: such answers are voted as a whole"
        if isinstance(kind, types.ListOf) and parts.item_fields:
            hint = f"name the field by which items are aligned: `key: {next(iter(parts.item_fields))}`"
        frame.report("E0260", message, by.span, hint=hint)
    for name, value in (("lists", lists), ("key", key)):
        if value is not None and not parts.has_lists and not parts.open:
            message = f"`{name}:` is about lists, and there are none in {kind}"
            frame.report("E0260", message, value.span, hint="leave it out")
            return
    if key is None:
        return
    if way == "whole":
        message = "`key:` aligns items whose fields are voted one by one, and `by: whole` votes none"
        hint = "leave one of them out; to compare lists in no order write `lists: unordered`"
        frame.report("E0260", message, key.span, hint=hint)
        return
    for item in key.items if isinstance(key, ast_expressions.ListExpr) else (key,):
        _check_key(item, parts, kind, frame)


def _check_key(item: ast_expressions.Expr, parts: Parts, kind: Type, frame: Frame) -> None:
    if isinstance(item, ast_expressions.Name):
        name = item.name
    elif isinstance(item, ast_expressions.LiteralValue) and isinstance(item.value, str):
        name = item.value
    else:
        return
    known = list(parts.item_fields)
    if name in known or parts.open:
        return
    if not known:
        message = f"no list in {kind} has items with fields, so none can be aligned by `{name}`"
        frame.report("E0260", message, item.span, hint="to compare lists in no order write `lists: unordered`")
        return
    message = f"no list in {kind} has items with a field `{name}`"
    frame.report("E0240", message, item.span, hint=did_you_mean(name, known, f"they have {listed(known)}"))
