"""What may be wrong in a schema: keywords, their values, references that lead nowhere, required properties.

A keyword that nobody knows restricts nothing, as the standard wants it; one that looks like a known one misspelt is
told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from ttscale.compiler.diagnostics import suggest
from ttscale.compiler.schema_parts import Pointer, definitions, follow, part_of

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
ELSEWHERE = {
    "str": "string",
    "text": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
    "map": "object",
    "none": "null",
}
BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
ONE = (
    "items",
    "additionalItems",
    "additionalProperties",
    "contains",
    "else",
    "if",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
)
SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems")
NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
COUNTS = (
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minContains",
    "maxContains",
)
OTHERS = (
    "$anchor",
    "$comment",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$ref",
    "$schema",
    "$vocabulary",
    "const",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "dependencies",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "example",
    "examples",
    "format",
    "id",
    "nullable",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
)
KEYWORDS = (*BY_NAME, *ONE, *SEVERAL, *NUMBERS, *COUNTS, *OTHERS)
_DEPTH = 64

Found = tuple[Pointer, str, str, bool]
"""A place, what is wrong there, a hint, and whether the schema still means something."""


class Verifier:
    """Walks through the parts of a schema that are schemas themselves."""

    def __init__(self, root: Mapping[str, object]) -> None:
        self.root = root

    def of(self, schema: object, at: Pointer) -> Iterator[Found]:
        """Everything wrong with one schema and those inside it."""
        if isinstance(schema, bool):
            return
        if not isinstance(schema, Mapping):
            yield at, f"a schema is wanted here, and this is {kind_of(schema)}", 'write {"type": "…"}', False
            return
        if len(at) > _DEPTH:
            return
        for keyword, value in schema.items():
            place = (*at, keyword)
            if keyword in BY_NAME:
                if not isinstance(value, Mapping):
                    yield place, f"`{keyword}` names schemas, and this is {kind_of(value)}", "write {…}", False
                    continue
                for name, part in value.items():
                    yield from self.of(part, (*place, name))
            elif keyword in SEVERAL or (keyword == "items" and isinstance(value, list)):
                if not isinstance(value, list) or not value:
                    yield place, f"`{keyword}` lists schemas, and this is {kind_of(value)}", "write [{…}, {…}]", False
                    continue
                for number, part in enumerate(value):
                    yield from self.of(part, (*place, str(number)))
            elif keyword in ONE:
                yield from self.of(value, place)
            else:
                yield from self._keyword(keyword, value, schema, place)
        yield from self._required(schema, at)

    def _keyword(self, keyword: str, value: object, schema: Mapping[str, object], place: Pointer) -> Iterator[Found]:
        check = _CHECKS.get(keyword)
        if keyword == "$ref":
            yield from self._reference(value, place)
        elif check is not None:
            wrong = check(value)
            if wrong is not None:
                yield place, f"`{keyword}` {wrong[0]}", wrong[1], False
        elif keyword not in KEYWORDS and not keyword.startswith(("x-", "$")):
            near = suggest(keyword, [known for known in KEYWORDS if known not in schema])
            if near is not None:
                message = f"`{keyword}` is no keyword of a schema, so it restricts nothing"
                yield place, message, f'did you mean "{near}"?', True

    def _reference(self, value: object, place: Pointer) -> Iterator[Found]:
        if not isinstance(value, str):
            yield place, f"`$ref` is {kind_of(value)}, not a text", 'write {"$ref": "#/$defs/Item"}', False
        elif not value.startswith("#"):
            message = f"`$ref` leads to {value}, and only references inside the file are followed"
            yield place, message, "copy that part into `$defs` of this file", False
        elif follow(self.root, value) is None:
            own = list(definitions(self.root))
            near = suggest(value, own)
            hint = f'did you mean "{near}"?' if near else f"there is {', '.join(own[:6])}" if own else ""
            yield place, f"`$ref` leads to {value}, which is not in this file", hint, False
        elif self._is_circle(value):
            yield place, f"`$ref` leads to {value} and from there back to itself", "give it a schema of its own", False

    def _is_circle(self, reference: str) -> bool:
        """Whether references only lead to each other."""
        seen: set[str] = set()
        while reference not in seen:
            seen.add(reference)
            pointer = follow(self.root, reference)
            part = None if pointer is None else part_of(self.root, pointer)
            following = part.get("$ref") if isinstance(part, Mapping) else None
            if not isinstance(following, str):
                return False
            reference = following
        return True

    def _required(self, schema: Mapping[str, object], at: Pointer) -> Iterator[Found]:
        """A required property that is described nowhere, and looks like one that is."""
        required, described = schema.get("required"), list(_names(schema.get("properties")))
        if not isinstance(required, list) or not described:
            return
        for number, name in enumerate(required):
            if isinstance(name, str) and name not in described:
                near = suggest(name, [one for one in described if one not in required])
                never = schema.get("additionalProperties") is False and "patternProperties" not in schema
                if near is not None or never:
                    more = ", and no other is allowed" if never else ""
                    message = f"`{name}` is required and not among the properties{more}"
                    hint = f'did you mean "{near}"?' if near else "describe it, or do not require it"
                    yield (*at, "required", str(number)), message, hint, not never


Check = Callable[[object], tuple[str, str] | None]
"""What is wrong with a keyword's value, and a hint; None where nothing is."""


def _type(value: object) -> tuple[str, str] | None:
    names = value if isinstance(value, list) and value else [value]
    for name in names:
        if not isinstance(name, str):
            return f"is {kind_of(name)}, not the name of a type", f"there are {', '.join(TYPES)}"
        if name not in TYPES:
            near = ELSEWHERE.get(name.lower()) or suggest(name, TYPES)
            hint = f'did you mean "{near}"?' if near else f"there are {', '.join(TYPES)}"
            return f'is "{name}", which JSON does not have', hint
    return None


def _pattern(value: object) -> tuple[str, str] | None:
    if not isinstance(value, str):
        return f"is {kind_of(value)}, not a text", "write a regular expression"
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}", "a backslash is written twice in JSON: \\\\d"
    return None


def _number(value: object) -> tuple[str, str] | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {kind_of(value)}, not a number", "write a number without quotes"
    return None


def _limit(value: object) -> tuple[str, str] | None:
    return None if isinstance(value, bool) else _number(value)  # a flag in draft 4


def _count(value: object) -> tuple[str, str] | None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return f"is {kind_of(value)}, not a whole number from 0 on", "write a whole number without quotes"
    return None


def _texts(value: object) -> tuple[str, str] | None:
    if isinstance(value, bool):  # a flag of the property in draft 3
        return f"is {kind_of(value)}, not a list of names", 'write "required": ["name"] beside "properties"'
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return "is not a list of names", 'write ["name", "other"]'
    return None


def _values(value: object) -> tuple[str, str] | None:
    if not isinstance(value, list) or not value:
        return f"is {kind_of(value)}, not a list of values", 'write ["a", "b"]'
    return None


def _text(value: object) -> tuple[str, str] | None:
    return None if isinstance(value, str) else (f"is {kind_of(value)}, not a text", "")


_CHECKS: Mapping[str, Check] = {
    "type": _type,
    "pattern": _pattern,
    "required": _texts,
    "enum": _values,
    "description": _text,
    "title": _text,
    **dict.fromkeys(NUMBERS, _number),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), _limit),
    **dict.fromkeys(COUNTS, _count),
}


def _names(value: object) -> Iterator[str]:
    yield from (str(name) for name in value) if isinstance(value, Mapping) else ()


def kind_of(value: object) -> str:
    """A JSON value in words for a message: `null`, `the number 3`, `an empty list`, `an object`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'the text "{value[:30]}"'
        case int() | float():
            return f"the number {value}"
        case list():
            return "a list" if value else "an empty list"
    return "an object"
