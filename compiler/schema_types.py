"""What a schema says about types: the fields of an object, and the type of the language that each of them is.

    invoice = types.Json("invoice.schema.json", text)
    fields_of(invoice).known["total"]     # types.NUMBER, or `Number?` where it may be left out
    type_of_schema(invoice)               # the type of a value: itself for an object, `[Text]` for an array of strings

An object stays a `Json` type that names its part of the schema, so that a schema may contain itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from ttscale.compiler import types
from ttscale.compiler.check_types import join
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.schema_parts import Pointer, follow, parsed, part_of
from ttscale.compiler.types import Json, Type

_SIMPLE: Mapping[str, Type] = {
    "string": types.TEXT,
    "number": types.NUMBER,
    "integer": types.INT,
    "boolean": types.BOOL,
    "null": types.NONE,
}
_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Members:
    """The properties that an object may have, in the order of the schema, with their descriptions.

    `required` are always there; `open` says that others are let in on purpose, or that nothing is known.
    """

    known: Mapping[str, Type]
    docs: Mapping[str, str]
    required: frozenset[str]
    open: bool


NO_MEMBERS = Members({}, {}, frozenset(), True)


@lru_cache(maxsize=1024)
def fields_of(kind: Json) -> Members:
    """The properties of an object that `kind` describes; nothing is known of a file that was not read."""
    if not kind.text:
        return NO_MEMBERS
    root = parsed(kind.text)
    places: dict[str, list[Pointer]] = {}
    required: set[str] = set()
    opens: list[bool] = []
    for at, schema, sure in _objects(root, _place(root, kind)):
        properties = schema.get("properties")
        for name in properties if isinstance(properties, Mapping) else ():
            places.setdefault(name, []).append((*at, "properties", name))
        names = schema.get("required")
        if sure and isinstance(names, list):
            required |= {name for name in names if isinstance(name, str)}
        extra = schema.get("additionalProperties", schema.get("unevaluatedProperties", False))
        opens.append(extra is not False or "patternProperties" in schema)
    known: dict[str, Type] = {}
    docs: dict[str, str] = {}
    for name, found in places.items():
        parts = [_type(kind, root, at, 0) for at in found]
        own = join(parts) or types.ANY
        may_lack = name not in required and own != types.ANY and not isinstance(own, types.Optional)
        known[name] = types.Optional(own) if may_lack else own
        docs[name] = next(filter(None, (description_of(part_of(root, at), root) for at in found)), "")
    return Members(known, docs, frozenset(required), any(opens) or not places)


def type_of_schema(kind: Json) -> Type:
    """The type of a value that `kind` describes: `kind` for objects, and where the schema says nothing simpler."""
    if not kind.text:
        return kind
    root = parsed(kind.text)
    found = _type(kind, root, _place(root, kind), 0)
    return kind if found == types.ANY else found


def member_of(kind: Type, name: str) -> Type:
    """The type of the field `name` of a record or of JSON, optional or not; ANY where nothing is known of it."""
    match kind:
        case types.Optional(item=item) | types.Answers(item=item):
            return member_of(item, name)
        case types.Record(fields=fields):
            return next((field.type for field in fields if field.name == name), types.ANY)
        case Json():
            return fields_of(kind).known.get(name, types.ANY)
    return types.ANY


def as_list(kind: Type) -> Type:
    """The list that a value is, whether optional or described by a schema; other types as they are."""
    inner = kind.item if isinstance(kind, types.Optional) else kind
    inner = type_of_schema(inner) if isinstance(inner, Json) else inner
    return inner if isinstance(inner, types.ListOf) else kind


def description_of(schema: object, root: Mapping[str, object]) -> str:
    """What a schema says in words about its value: its description or title, else those of what it refers to."""
    for _ in range(_DEPTH):
        if not isinstance(schema, Mapping):
            return ""
        for keyword in ("description", "title"):
            if isinstance(schema.get(keyword), str):
                return " ".join(str(schema[keyword]).split())
        reference = schema.get("$ref")
        target = follow(root, reference) if isinstance(reference, str) else None
        if target is None:
            return ""
        schema = part_of(root, target)
    return ""


def _place(root: Mapping[str, object], kind: Json) -> Pointer:
    """Where the part of the schema stands that a type means; a part that is not there has an error already."""
    return follow(root, f"#{kind.at}") or ()


def _written(at: Pointer) -> str:
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in at)


def _objects(root: Mapping[str, object], at: Pointer) -> Iterator[tuple[Pointer, Mapping[str, object], bool]]:
    """The schemas that together describe the object at a place, and whether each of them surely does."""
    waiting: list[tuple[Pointer, bool]] = [(at, True)]
    seen: set[Pointer] = set()
    while waiting:
        place, sure = waiting.pop(0)
        schema = part_of(root, place)
        if place in seen or not isinstance(schema, Mapping):
            continue
        seen.add(place)
        yield place, schema, sure
        reference = schema.get("$ref")
        target = follow(root, reference) if isinstance(reference, str) else None
        if target is not None:
            waiting.append((target, sure))
        for keyword in ("allOf", "anyOf", "oneOf"):
            parts = schema.get(keyword)
            for number in range(len(parts) if isinstance(parts, list) else 0):
                waiting.append(((*place, keyword, str(number)), sure and keyword == "allOf"))
        for keyword in ("then", "else"):
            if keyword in schema:
                waiting.append(((*place, keyword), False))


def _type(kind: Json, root: Mapping[str, object], at: Pointer, depth: int) -> Type:
    """The type of what stands at a place; ANY where the schema leaves it open."""
    schema = part_of(root, at)
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return types.ANY
    labels = schema["enum"] if isinstance(schema.get("enum"), list) else [schema["const"]] if "const" in schema else []
    if labels:
        return _of_values(labels)
    names = schema.get("type")
    if isinstance(names, str | list):
        found = [_named(name, kind, root, at, depth) for name in ([names] if isinstance(names, str) else names)]
        return _either(found, schema.get("nullable") is True)
    reference = schema.get("$ref")
    if isinstance(reference, str) and (target := follow(root, reference)) is not None:
        return _type(kind, root, target, depth + 1)
    for keyword in ("anyOf", "oneOf"):
        parts = schema.get(keyword)
        if isinstance(parts, list):
            found = [_type(kind, root, (*at, keyword, str(i)), depth + 1) for i in range(len(parts))]
            if sum(isinstance(one, Json) for one in found) > 1:  # what they have together is known of the whole
                return Json(kind.schema, kind.text, _written(at))
            return _either(found)
    if "properties" in schema or "additionalProperties" in schema:
        return Json(kind.schema, kind.text, _written(at))
    if "items" in schema or "prefixItems" in schema:
        return _named("array", kind, root, at, depth)
    parts = schema.get("allOf")
    for i in range(len(parts) if isinstance(parts, list) else 0):
        one = _type(kind, root, (*at, "allOf", str(i)), depth + 1)
        if one != types.ANY:
            return Json(kind.schema, kind.text, _written(at)) if isinstance(one, Json) else one
    return types.ANY


def _named(name: object, kind: Json, root: Mapping[str, object], at: Pointer, depth: int) -> Type:
    if name == "object":
        return Json(kind.schema, kind.text, _written(at))
    if name == "array":
        schema = part_of(root, at)
        is_same = isinstance(schema, Mapping) and isinstance(schema.get("items"), Mapping)
        return types.ListOf(_type(kind, root, (*at, "items"), depth + 1) if is_same else types.ANY)
    return _SIMPLE.get(str(name), types.ANY)


def _of_values(values: list[object]) -> Type:
    """The type of a few values: labels where all are texts, numbers where all are numbers; null makes it optional."""
    given = [value for value in values if value is not None]
    optional = len(given) < len(values)
    if given and all(isinstance(value, str) for value in given):
        return _either([types.Choice(tuple(dict.fromkeys(map(str, given))))], optional)
    if given and all(isinstance(value, bool) for value in given):
        return _either([types.BOOL], optional)
    if given and all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        return _either([types.INT if all(isinstance(value, int) for value in given) else types.NUMBER], optional)
    return types.ANY


def _either(found: list[Type], nullable: bool = False) -> Type:
    """The common type of alternatives; with null among them it is optional."""
    kinds = [kind for kind in dict.fromkeys(found) if kind != types.NONE]
    nullable = nullable or types.NONE in found
    if types.ANY in kinds or not kinds:
        return types.NONE if found and not kinds else types.ANY
    inner = join(kinds)
    if inner is None or inner == types.ANY:
        return types.ANY
    return types.Optional(inner) if nullable and not isinstance(inner, types.Optional) else inner
