"""Schema files: what `Json("form.schema.json")` says about an answer, read and verified, with places for mistakes.

    read_schema('{"type": "objet"}')
    # (None, [Flaw("`type` is \\"objet\\", which JSON does not have", 9, 16, hint='did you mean "object"?')])

The keywords are those of JSON Schema (draft 2020-12, and what earlier drafts call differently); references lead to
places inside the same file. A keyword that nobody knows restricts nothing, as the standard wants it; one that looks
like a known one misspelt is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.decoder import scanstring
from typing import Protocol

from ttscale.compiler.diagnostics import suggest

Schema = Mapping[str, object] | bool
Pointer = tuple[str, ...]
"""The keys and places that lead from the whole schema to a part of it."""

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
_SPACE = re.compile(r"[ \t\n\r]*")
_ATOM = re.compile(r"[^\s,\]}]+")


@dataclass(frozen=True, slots=True)
class Flaw:
    """A mistake in a schema file between two characters of its text; `mild` where the schema still means something."""

    message: str
    start: int
    end: int
    hint: str = ""
    mild: bool = False


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """A schema file that a program names: its name for messages, its text as read, and its canonical form.

    `canonical` is empty where the text is no schema. Layout does not count in it, the order of keys does, since
    prompts show fields in that order.
    """

    name: str
    text: str
    canonical: str
    flaws: tuple[Flaw, ...] = ()


class SchemaReader(Protocol):
    """Reads the text of a schema file; implemented outside the compiler, which reads no files."""

    def __call__(self, path: str, importing_file: str, /) -> tuple[str, str] | None:
        """The name for messages and the text of `path` as seen from a `.tts` file; None for one that is not read.

        Raises LoadFault for a file that is missing or no text.
        """
        ...


def schema_file(name: str, text: str) -> SchemaFile:
    """A schema file from its text."""
    schema, flaws = read_schema(text)
    canonical = "" if schema is None else json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return SchemaFile(name, text, canonical, tuple(flaws))


def read_schema(text: str) -> tuple[Mapping[str, object] | None, list[Flaw]]:
    """The schema that a text is, None where it is none, and what is wrong with it."""
    try:
        value: object = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        return None, [_no_json(text, error)]
    except ValueError as error:
        return None, [Flaw(f"this is not JSON: {error}", 0, 1)]
    except RecursionError:
        return None, [Flaw("the schema is nested too deeply", 0, 1)]
    if not isinstance(value, dict):
        hint = 'write {"type": "object", "properties": {…}}'
        return None, [Flaw(f"a schema is a JSON object, and this is {_kind(value)}", 0, len(text.rstrip()), hint)]
    found = list(_Verifier(value).of(value, ()))
    if not found:
        return value, []
    places = _places(text)
    flaws = [
        Flaw(message, *places.get(pointer, (0, 1)), hint=hint, mild=mild) for pointer, message, hint, mild in found
    ]
    return (None if any(not flaw.mild for flaw in flaws) else value), flaws


@lru_cache(maxsize=64)
def parsed(canonical: str) -> Mapping[str, object]:
    """The schema of a canonical text."""
    value: Mapping[str, object] = json.loads(canonical)
    return value


def follow(root: Mapping[str, object], reference: str) -> Pointer | None:
    """Where `#/$defs/Item` or `#name` leads inside the schema; None where it leads nowhere."""
    if reference in ("#", ""):
        return ()
    if not reference.startswith("#/"):
        return _anchor(root, reference[1:], ()) if reference.startswith("#") else None
    found = tuple(part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/"))
    return found if isinstance(part_of(root, found), Mapping | bool) else None


def definitions(root: Mapping[str, object]) -> Iterator[str]:
    """References to all definitions of a schema."""
    for key in ("$defs", "definitions"):
        for name in _names(root.get(key)):
            yield f"#/{key}/{name}"


def part_of(root: object, pointer: Pointer) -> object:
    """What stands at a place of a schema; None for a place that it does not have."""
    node = root
    for part in pointer:
        if isinstance(node, Mapping):
            node = node.get(part)
        elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            return None
    return node


def _anchor(node: object, name: str, at: Pointer) -> Pointer | None:
    if isinstance(node, Mapping):
        if name in (node.get("$anchor"), node.get("$dynamicAnchor")):
            return at
        parts: list[tuple[str, object]] = list(node.items())
    elif isinstance(node, list):
        parts = [(str(place), part) for place, part in enumerate(node)]
    else:
        return None
    for key, part in parts:
        found = _anchor(part, name, (*at, key))
        if found is not None:
            return found
    return None


# --- verifying -----------------------------------------------------------------------------------

Found = tuple[Pointer, str, str, bool]
"""A place, what is wrong there, a hint, and whether the schema still means something."""


class _Verifier:
    """Walks through the parts of a schema that are schemas themselves."""

    def __init__(self, root: Mapping[str, object]) -> None:
        self.root = root

    def of(self, schema: object, at: Pointer) -> Iterator[Found]:
        """Everything wrong with one schema and those inside it."""
        if isinstance(schema, bool):
            return
        if not isinstance(schema, Mapping):
            yield at, f"a schema is wanted here, and this is {_kind(schema)}", 'write {"type": "…"}', False
            return
        if len(at) > _DEPTH:
            return
        for keyword, value in schema.items():
            place = (*at, keyword)
            if keyword in BY_NAME:
                if not isinstance(value, Mapping):
                    yield place, f"`{keyword}` names schemas, and this is {_kind(value)}", "write {…}", False
                    continue
                for name, part in value.items():
                    yield from self.of(part, (*place, name))
            elif keyword in SEVERAL or (keyword == "items" and isinstance(value, list)):
                if not isinstance(value, list) or not value:
                    yield place, f"`{keyword}` lists schemas, and this is {_kind(value)}", "write [{…}, {…}]", False
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
            yield place, f"`$ref` is {_kind(value)}, not a text", 'write {"$ref": "#/$defs/Item"}', False
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
            return f"is {_kind(name)}, not the name of a type", f"there are {', '.join(TYPES)}"
        if name not in TYPES:
            near = ELSEWHERE.get(name.lower()) or suggest(name, TYPES)
            hint = f'did you mean "{near}"?' if near else f"there are {', '.join(TYPES)}"
            return f'is "{name}", which JSON does not have', hint
    return None


def _pattern(value: object) -> tuple[str, str] | None:
    if not isinstance(value, str):
        return f"is {_kind(value)}, not a text", "write a regular expression"
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}", "a backslash is written twice in JSON: \\\\d"
    return None


def _number(value: object) -> tuple[str, str] | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {_kind(value)}, not a number", "write a number without quotes"
    return None


def _limit(value: object) -> tuple[str, str] | None:
    return None if isinstance(value, bool) else _number(value)  # a flag in draft 4


def _count(value: object) -> tuple[str, str] | None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return f"is {_kind(value)}, not a whole number from 0 on", "write a whole number without quotes"
    return None


def _texts(value: object) -> tuple[str, str] | None:
    if isinstance(value, bool):  # a flag of the property in draft 3
        return f"is {_kind(value)}, not a list of names", 'write "required": ["name"] beside "properties"'
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return "is not a list of names", 'write ["name", "other"]'
    return None


def _values(value: object) -> tuple[str, str] | None:
    if not isinstance(value, list) or not value:
        return f"is {_kind(value)}, not a list of values", 'write ["a", "b"]'
    return None


def _text(value: object) -> tuple[str, str] | None:
    return None if isinstance(value, str) else (f"is {_kind(value)}, not a text", "")


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


def _kind(value: object) -> str:
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


# --- places --------------------------------------------------------------------------------------


def _refuse(name: str) -> object:
    raise ValueError(f"it has no {name}")


def _no_json(text: str, error: json.JSONDecodeError) -> Flaw:
    """What is wrong where the reader of JSON stopped, in the same words whatever its version."""
    place = error.pos
    found = _SPACE.match(text, place + 1 if text[place : place + 1] == "," else place)
    after = place if found is None else found.end()
    before = text[:after].rstrip()
    here = text[place : place + 1]
    if not text.strip():
        return Flaw("the file is empty", 0, 1, 'write {"type": "object", "properties": {…}}')
    if before.endswith(",") and text[after : after + 1] in ("}", "]"):
        comma = len(before) - 1
        return Flaw("this is not JSON: nothing follows a comma", comma, comma + 1, "leave out this comma")
    if here == "#" or text[place : place + 2] in ("//", "/*"):
        hint = 'write "description": "…" or "$comment": "…"'
        return Flaw("this is not JSON, which has no comments", place, place + 2, hint)
    if here == "'":
        return Flaw("this is not JSON, which has double quotes only", place, place + 1, 'write "…"')
    if error.msg.startswith("Expecting ','"):
        return Flaw("this is not JSON: a comma is missing before this", place, place + 1, "put one there")
    if not text[place:].strip():
        return Flaw("this is not JSON: it ends too early", max(0, len(text.rstrip()) - 1), place, "close what is open")
    return Flaw(f"this is not JSON: {error.msg[:1].lower()}{error.msg[1:]}", place, place + 1)


def _places(text: str) -> dict[Pointer, tuple[int, int]]:
    """Where the values of a JSON text stand, by the keys and places that lead to them."""
    found: dict[Pointer, tuple[int, int]] = {}

    def space(position: int) -> int:
        matched = _SPACE.match(text, position)
        return position if matched is None else matched.end()

    def value(start: int, at: Pointer) -> int:
        opening = text[start]
        if opening == '"':
            end = scanstring(text, start + 1, True)[1]
        elif opening in "{[":
            end = inside(start, at)
        else:
            matched = _ATOM.match(text, start)
            end = start + 1 if matched is None else matched.end()
        found[at] = (start, end if opening not in "{[" else start + 1)
        return end

    def inside(start: int, at: Pointer) -> int:
        position, place = space(start + 1), 0
        while text[position] not in "}]":
            key = str(place)
            if text[start] == "{":
                key, position = scanstring(text, position + 1, True)
                position = space(space(position) + 1)
            position = space(value(position, (*at, key)))
            place += 1
            if text[position] == ",":
                position = space(position + 1)
        return position + 1

    value(space(0), ())
    return found
