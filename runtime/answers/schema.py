"""Checking JSON against a schema file: the keywords that describe data, no remote references.

Known: type enum const properties required additionalProperties items minItems maxItems minimum maximum
exclusiveMinimum exclusiveMaximum minLength maxLength pattern anyOf allOf oneOf not $ref (inside the file). Other
keywords do not restrict.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
_DEPTH = 64


class SchemaError(Exception):
    """A schema file is missing or is not one; message and hint are for the user."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@lru_cache(maxsize=64)
def load_schema(path: str) -> Mapping[str, object]:
    """The schema in the file at `path`. Raises SchemaError."""
    try:
        schema = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        near = get_close_matches(Path(path).name, [file.name for file in Path(path).parent.glob("*.json")], n=1)
        hint = f'did you mean Json("{near[0]}")?' if near else "its path counts from the folder of the program"
        raise SchemaError(f"the schema file {path} cannot be read: {error.strerror}", hint) from error
    except ValueError as error:
        raise SchemaError(f"the schema file {path} is not JSON: {error}") from error
    if not isinstance(schema, dict):
        raise SchemaError(f"the schema file {path} holds no schema object")
    _verify(schema, schema, path)
    return schema


def _verify(schema: object, root: Mapping[str, object], path: str) -> None:
    """Raise SchemaError where a part of the schema names a type that JSON does not have, or refers to nothing."""
    if not isinstance(schema, Mapping):
        return
    kinds = schema.get("type")
    for kind in [kinds] if isinstance(kinds, str) else _list(kinds):
        if kind not in _TYPES:
            near = get_close_matches(str(kind), _TYPES, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(_TYPES)}"
            raise SchemaError(f'the schema file {path} names a type "{kind}", which JSON does not have', hint)
    if isinstance(schema.get("$ref"), str):
        _resolve(str(schema["$ref"]), root)
    for keyword in ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"):
        inner = schema.get(keyword)
        for part in inner.values() if isinstance(inner, Mapping) else ():
            _verify(part, root, path)
    for keyword in ("items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames"):
        _verify(schema.get(keyword), root, path)
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for part in _list(schema.get(keyword)):
            _verify(part, root, path)


def problems(value: object, schema: object, root: Mapping[str, object], where: str = "", depth: int = 0) -> list[str]:
    """What is wrong with `value`, as "total: a text, not a number" lines; empty when it fits."""
    if schema is True or not isinstance(schema, Mapping) or depth > _DEPTH:
        return ["nothing is allowed here"] if schema is False else []
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return problems(value, _resolve(reference, root), root, where, depth + 1)
    label = where or "the value"
    kinds = schema.get("type")
    names = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    if names and not any(_has_type(value, str(name)) for name in names):
        return [f"{label}: {type(value).__name__}, not {' or '.join(map(str, names))}"]
    found: list[str] = []
    if "enum" in schema and value not in _list(schema["enum"]):
        found.append(f"{label}: not one of {_list(schema['enum'])}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{label}: not {schema['const']!r}")
    found += _bounds(value, schema, label)
    if isinstance(value, dict):
        found += _object(value, schema, root, where, depth)
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += problems(item, schema.get("items", True), root, f"{where}[{index}]", depth + 1)
    return found + _combined(value, schema, root, where, depth)


def _object(
    value: dict[str, object], schema: Mapping[str, object], root: Mapping[str, object], where: str, depth: int
) -> list[str]:
    found = [
        f"{where + '.' if where else ''}{name}: missing" for name in _list(schema.get("required")) if name not in value
    ]
    properties = schema.get("properties")
    known = properties if isinstance(properties, Mapping) else {}
    extra = schema.get("additionalProperties", True)
    for name, item in value.items():
        inner = f"{where}.{name}" if where else name
        if name in known:
            found += problems(item, known[name], root, inner, depth + 1)
        elif extra is False:
            found.append(f"{inner}: not a known property")
        else:
            found += problems(item, extra, root, inner, depth + 1)
    return found


def _combined(
    value: object, schema: Mapping[str, object], root: Mapping[str, object], where: str, depth: int
) -> list[str]:
    def fits(part: object) -> bool:
        return not problems(value, part, root, where, depth + 1)

    found: list[str] = []
    for part in _list(schema.get("allOf")):
        found += problems(value, part, root, where, depth + 1)
    if "anyOf" in schema and not any(fits(part) for part in _list(schema["anyOf"])):
        found.append(f"{where or 'the value'}: fits none of the alternatives")
    if "oneOf" in schema and sum(fits(part) for part in _list(schema["oneOf"])) != 1:
        found.append(f"{where or 'the value'}: does not fit exactly one alternative")
    if "not" in schema and fits(schema["not"]):
        found.append(f"{where or 'the value'}: is what it must not be")
    return found


def _bounds(value: object, schema: Mapping[str, object], label: str) -> list[str]:
    size = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    characters = len(value) if isinstance(value, str) else None
    items = len(value) if isinstance(value, list) else None
    checks = (
        ("minimum", size, operator.ge),
        ("maximum", size, operator.le),
        ("exclusiveMinimum", size, operator.gt),
        ("exclusiveMaximum", size, operator.lt),
        ("minLength", characters, operator.ge),
        ("maxLength", characters, operator.le),
        ("minItems", items, operator.ge),
        ("maxItems", items, operator.le),
    )
    found = []
    for keyword, measured, holds in checks:
        limit = schema.get(keyword)
        if isinstance(limit, int | float) and measured is not None and not holds(measured, limit):
            found.append(f"{label}: breaks {keyword} {limit}")
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and isinstance(value, str) and not re.search(pattern, value):
        found.append(f"{label}: does not match {pattern}")
    return found


def _has_type(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(name, ()))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _resolve(reference: str, root: Mapping[str, object]) -> object:
    if not reference.startswith("#"):
        raise SchemaError(f"the schema refers to {reference}; only references inside the file are followed")
    node: object = root
    for part in filter(None, reference[1:].split("/")):
        node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, Mapping) else None
        if node is None:
            raise SchemaError(f"the schema refers to {reference}, which is not in it")
    return node
