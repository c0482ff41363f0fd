"""A schema as the shape that a prompt shows: an example of the form with a comment behind every field.

    {
      "vendor": "<text>",  // the company that sent it
      "total": <number>,  // what is to be paid, with tax; at least 0
    }

Schemas that choose between forms, or that contain themselves, have no one shape and are shown as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ttscale.compiler.schema_parts import follow, part_of
from ttscale.compiler.schema_types import description_of

_CHOOSING = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
_NO_SHAPE = {*_CHOOSING, "contains", "dependentRequired", "dependentSchemas", "patternProperties", "prefixItems"}
_LIMITS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "less than {}"),
    ("multipleOf", "a multiple of {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
    ("pattern", "matches {}"),
    ("format", "format {}"),
)
_SPREAD = 2
"""A shape may be this many times as long as its schema, and a little more; references can make it far longer."""


class _NoShape(Exception):
    """This schema has no one shape."""


def commented(shape: str, words: str) -> str:
    """A shape with a comment behind its first line."""
    said = " ".join(words.split())
    first, newline, rest = shape.partition("\n")
    return f"{first}  // {said}{newline}{rest}" if said else shape


def asked_shape(schema: object, root: Mapping[str, object]) -> str:
    """What a prompt says of an answer that must fit a schema: its shape, or the schema where it has none."""
    shape = shape_of_schema(schema, root, "")
    if shape is None:
        return f"Reply with one JSON value and nothing else. It must fit this schema:\n{schema_text(schema, root)}"
    what = "object" if shape.startswith("{") else "array" if shape.startswith("[") else "value"
    return f"Reply with one JSON {what} and nothing else, of this shape:\n{shape}"


def schema_text(schema: object, root: Mapping[str, object]) -> str:
    """A schema as JSON, with the definitions that it may refer to."""
    shared = {key: root[key] for key in ("$defs", "definitions") if key in root}
    whole = {**schema, **shared} if isinstance(schema, Mapping) else schema
    return json.dumps(whole, ensure_ascii=False)


def shape_of_schema(schema: object, root: Mapping[str, object], indent: str, *, described: bool = False) -> str | None:
    """The shape of a schema that is a part of `root`; None where it has none.

    Where the value is `described` already, the schema's own description is left out.
    """
    try:
        shape = commented(_shape(schema, root, indent, ()), "" if described else _words(schema, root))
    except _NoShape:
        return None
    return shape if len(shape) <= _SPREAD * len(schema_text(schema, root)) + 512 else None


def _shape(schema: object, root: Mapping[str, object], indent: str, inside: tuple[str, ...]) -> str:
    if not isinstance(schema, Mapping) or len(inside) > 16:
        raise _NoShape
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = follow(root, reference)
        if target is None or reference in inside:
            raise _NoShape
        return _shape(part_of(root, target), root, indent, (*inside, reference))
    either = _alternatives(schema)
    if either is not None:
        shapes = [_shape(part, root, indent, inside) for part in either]
        return " or ".join(dict.fromkeys(shapes))
    if _NO_SHAPE & set(schema):
        raise _NoShape
    values = schema["enum"] if isinstance(schema.get("enum"), list) else [schema["const"]] if "const" in schema else []
    if values:
        return " or ".join(json.dumps(value, ensure_ascii=False) for value in values)
    names = schema.get("type")
    kinds = names if isinstance(names, list) else [names]
    if names is None:
        kinds = ["object" if "properties" in schema else "array" if "items" in schema else None]
    if schema.get("nullable") is True:
        kinds = [*kinds, "null"]
    return " or ".join(_of_kind(kind, schema, root, indent, inside) for kind in kinds)


def _alternatives(schema: Mapping[str, object]) -> list[object] | None:
    """The two parts of a schema that is one thing or null, as generators of schemas write it."""
    for keyword in ("anyOf", "oneOf"):
        parts = schema.get(keyword)
        if isinstance(parts, list) and len(parts) == 2 and {"type": "null"} in parts:
            return sorted(parts, key=lambda part: part == {"type": "null"})
    return None


def _of_kind(
    kind: object, schema: Mapping[str, object], root: Mapping[str, object], indent: str, inside: tuple[str, ...]
) -> str:
    match kind:
        case "object":
            return _object(schema, root, indent, inside)
        case "array":
            items = schema.get("items")
            if not isinstance(items, Mapping):
                return "[...]"
            return f"[{_shape(items, root, indent, inside)}, ...]"
        case "string":
            return '"<text>"'
        case "integer":
            return "<whole number>"
        case "number":
            return "<number>"
        case "boolean":
            return "true or false"
        case "null":
            return "null"
    return "<JSON>"


def _object(schema: Mapping[str, object], root: Mapping[str, object], indent: str, inside: tuple[str, ...]) -> str:
    properties = schema.get("properties")
    extra = schema.get("additionalProperties")
    if not isinstance(properties, Mapping) or not properties:
        if isinstance(extra, Mapping):
            return "{" + f'"<name>": {_shape(extra, root, indent, inside)}, ...' + "}"
        return "{...}"
    required = schema.get("required")
    needed = required if isinstance(required, list) else []
    lines = []
    for place, (name, part) in enumerate(properties.items()):
        comma = "," if place < len(properties) - 1 else ""
        words = _words(part, root)
        if name not in needed:
            words = f"{words}; may be left out" if words else "may be left out"
        inner = _shape(part, root, indent + "  ", inside) + comma
        lines.append(f"{indent}  {json.dumps(name, ensure_ascii=False)}: {commented(inner, words)}")
    return "{\n" + "\n".join(lines) + f"\n{indent}}}"


def _words(schema: object, root: Mapping[str, object]) -> str:
    """What a schema says about a value beyond its type: its description, and its limits."""
    if not isinstance(schema, Mapping):
        return ""
    said = [description_of(schema, root)]
    for keyword, words in _LIMITS:
        limit = schema.get(keyword)
        if limit is not None and not isinstance(limit, bool | list | Mapping):
            said.append(words.format(limit))
    if schema.get("uniqueItems") is True:
        said.append("no item twice")
    return "; ".join(part for part in said if part)
