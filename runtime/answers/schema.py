"""Checking JSON against a schema: what is wrong with a value, in words.

Checked are the keywords of JSON Schema that restrict data (types, values, numbers, texts, lists, properties, and how
schemas are combined). `format` is an annotation, as the standard has it, and `$ref` leads to places in the same file.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from ttscale.compiler import types as t
from ttscale.compiler.schema import follow, parsed, part_of, schema_file

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
Root = Mapping[str, object]


class SchemaError(Exception):
    """A schema file is missing or is not one; message and hint are for the user."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def schema_of(type_: t.Json, folder: Path | None = None) -> tuple[object, Root] | None:
    """The part of a schema that a type means, and the whole of it; None for JSON of any form.

    A schema that the compiler did not read is looked for in `folder`. Raises SchemaError.
    """
    if type_.text:
        root = parsed(type_.text)
    elif type_.schema:
        root = load_schema(str((folder or Path()) / type_.schema))
    else:
        return None
    at = follow(root, f"#{type_.at}")
    if at is None:
        raise SchemaError(f"{type_.schema} has no part #{type_.at}")
    return part_of(root, at), root


@lru_cache(maxsize=64)
def load_schema(path: str) -> Root:
    """The schema in the file at `path`. Raises SchemaError."""
    try:
        file = schema_file(path, Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        near = get_close_matches(Path(path).name, [file.name for file in Path(path).parent.glob("*.json")], n=1)
        hint = f'did you mean Json("{near[0]}")?' if near else "its path counts from the folder of the program"
        raise SchemaError(f"the schema file {path} cannot be read: {error.strerror}", hint) from error
    except UnicodeDecodeError as error:
        raise SchemaError(f"the schema file {path} is not text in UTF-8") from error
    for flaw in file.flaws:
        if not flaw.mild:
            raise SchemaError(f"the schema file {path}: {flaw.message}", flaw.hint)
    return parsed(file.canonical)


def problems(value: object, schema: object, root: Root, where: str = "", depth: int = 0) -> list[str]:
    """What is wrong with `value`, as "total: a text, not a number" lines; empty when it fits."""
    if schema is True or not isinstance(schema, Mapping) or depth > _DEPTH:
        return ["nothing is allowed here"] if schema is False else []
    found: list[str] = []
    reference = schema.get("$ref")
    target = follow(root, reference) if isinstance(reference, str) else None
    if target is not None:
        found += problems(value, part_of(root, target), root, where, depth + 1)
    label = where or "the value"
    kinds = schema.get("type")
    names = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    if value is None and schema.get("nullable") is True:
        return found
    if names and not any(_has_type(value, str(name)) for name in names):
        return [*found, f"{label}: {type(value).__name__}, not {' or '.join(map(str, names))}"]
    if "enum" in schema and not any(_same(value, one) for one in _list(schema["enum"])):
        found.append(f"{label}: not one of {_list(schema['enum'])}")
    if "const" in schema and not _same(value, schema["const"]):
        found.append(f"{label}: not {schema['const']!r}")
    found += _bounds(value, schema, label)
    if isinstance(value, dict):
        found += _object(value, schema, root, where, depth)
    if isinstance(value, list):
        found += _array(value, schema, root, where, depth)
    return found + list(_combined(value, schema, root, where, depth))


def _object(value: dict[str, object], schema: Root, root: Root, where: str, depth: int) -> list[str]:
    before = where + "." if where else ""
    found = [f"{before}{name}: missing" for name in _list(schema.get("required")) if name not in value]
    for name, others in _mapping(schema.get("dependentRequired")).items():
        lacking = [other for other in _list(others) if other not in value] if name in value else []
        found += [f"{before}{other}: missing beside {name}" for other in lacking]
    known, patterns = _mapping(schema.get("properties")), _mapping(schema.get("patternProperties"))
    extra = schema.get("additionalProperties", True)
    for name, item in value.items():
        inner = f"{before}{name}"
        matching = [part for pattern, part in patterns.items() if re.search(pattern, name)]
        for part in ([known[name]] if name in known else []) + matching:
            found += problems(item, part, root, inner, depth + 1)
        if name not in known and not matching:
            if extra is False:
                found.append(f"{inner}: not a known property")
            else:
                found += problems(item, extra, root, inner, depth + 1)
        if "propertyNames" in schema:
            found += problems(name, schema["propertyNames"], root, f"the name {name}", depth + 1)
    for name, part in _mapping(schema.get("dependentSchemas")).items():
        if name in value:
            found += problems(value, part, root, where, depth + 1)
    return found


def _array(value: list[object], schema: Root, root: Root, where: str, depth: int) -> list[str]:
    items = schema.get("items", True)
    first = _list(items) or _list(schema.get("prefixItems"))
    rest = schema.get("additionalItems", True) if isinstance(items, list) else items
    found: list[str] = []
    for index, item in enumerate(value):
        part = first[index] if index < len(first) else rest
        found += problems(item, part, root, f"{where}[{index}]", depth + 1)
    if schema.get("uniqueItems") is True and any(
        _same(one, other) for place, one in enumerate(value) for other in value[:place]
    ):
        found.append(f"{where or 'the value'}: has an item twice")
    if "contains" in schema:
        fitting = sum(not problems(item, schema["contains"], root, where, depth + 1) for item in value)
        low, high = schema.get("minContains", 1), schema.get("maxContains")
        if (isinstance(low, int) and fitting < low) or (isinstance(high, int) and fitting > high):
            found.append(f"{where or 'the value'}: {fitting} items are what it must contain")
    return found


def _combined(value: object, schema: Root, root: Root, where: str, depth: int) -> Iterator[str]:
    def fits(part: object) -> bool:
        return not problems(value, part, root, where, depth + 1)

    label = where or "the value"
    for part in _list(schema.get("allOf")):
        yield from problems(value, part, root, where, depth + 1)
    if "anyOf" in schema and not any(fits(part) for part in _list(schema["anyOf"])):
        yield f"{label}: fits none of the alternatives"
    if "oneOf" in schema and sum(fits(part) for part in _list(schema["oneOf"])) != 1:
        yield f"{label}: does not fit exactly one alternative"
    if "not" in schema and fits(schema["not"]):
        yield f"{label}: is what it must not be"
    if "if" in schema:
        following = schema.get("then" if fits(schema["if"]) else "else", True)
        yield from problems(value, following, root, where, depth + 1)


_Compare = Callable[[float, float], bool]


def _bounds(value: object, schema: Root, label: str) -> list[str]:
    size = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    checks: tuple[tuple[str, float | None, _Compare], ...] = (
        ("minimum", size, operator.gt if schema.get("exclusiveMinimum") is True else operator.ge),
        ("maximum", size, operator.lt if schema.get("exclusiveMaximum") is True else operator.le),
        ("exclusiveMinimum", size, operator.gt),
        ("exclusiveMaximum", size, operator.lt),
        ("multipleOf", size, _is_multiple),
        ("minLength", len(value) if isinstance(value, str) else None, operator.ge),
        ("maxLength", len(value) if isinstance(value, str) else None, operator.le),
        ("minItems", len(value) if isinstance(value, list) else None, operator.ge),
        ("maxItems", len(value) if isinstance(value, list) else None, operator.le),
        ("minProperties", len(value) if isinstance(value, dict) else None, operator.ge),
        ("maxProperties", len(value) if isinstance(value, dict) else None, operator.le),
    )
    found = []
    for keyword, measured, holds in checks:
        limit = schema.get(keyword)
        if isinstance(limit, bool) or not isinstance(limit, int | float) or measured is None:
            continue
        if not holds(measured, limit):
            found.append(f"{label}: breaks {keyword} {limit}")
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and isinstance(value, str) and not re.search(pattern, value):
        found.append(f"{label}: does not match {pattern}")
    return found


def _is_multiple(value: float, of: float) -> bool:
    if not of:
        return True
    if isinstance(value, int) and isinstance(of, int):
        return value % of == 0
    parts = value / of
    return abs(parts - round(parts)) < 1e-9


def _has_type(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(name, ()))


def _same(one: object, other: object) -> bool:
    """Equality of JSON values: `true` is not 1."""
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return one == other


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
