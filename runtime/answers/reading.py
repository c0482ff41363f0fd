"""What a type means at run time: how its answer is read from text, keyed, compared, shown and asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from ttscale.compiler import types as t
from ttscale.compiler.schema_types import as_list, fields_of, member_of
from ttscale.runtime.answers import labels, maths, numbers, schema, structure
from ttscale.runtime.answers.markers import last_line, tails

Read = tuple[object, Hashable]
UNREADABLE: Read = (None, None)
NONE_KEY = "none"
_ABSENT = frozenset({"", "none", "null", "n/a", "na", "unknown", "-", "nil"})
_ABSENT_FIRST = re.compile(r"[\s*_`\"'(\[{$]*+(?:\\text\{)?(?:none|null|n/a|na|unknown|nil)(?![\w/-])", re.I)
_ENUMERATED = re.compile(r"^[ \t]{0,8}(?:[0-9]{1,3}[.):][ \t]|[-*•][ \t])[ \t]{0,8}(.*)$")


def read(type_: t.Type, text: str, *, folder: Path | None = None) -> Read:
    """The value that a model's `text` gives for `type_`, and the key of its equality class.

    Both are None when no answer can be read. `T?` answered "none" has value None and a key. `folder` is where a
    `Json` type's schema file is looked for. Never raises on a text; SchemaError when the schema file is missing.
    """
    try:
        return _read(type_, text, folder)
    except RecursionError:  # nesting deeper than Python's stack is no answer
        return UNREADABLE


def read_reply(type_: t.Type, opening: str, text: str, *, folder: Path | None = None) -> Read:
    """What a reply gives whose beginning the prompt wrote: `opening` is that beginning, `text` what the model added.

    Programs, JSON, records and lists are read from both together, where a block that the opening began may end with
    the reply (its closing mark is often the stop string); else, and for all other types, from what the model added.
    """
    whole = type_.item if isinstance(type_, t.Optional) else type_
    if opening.strip() and isinstance(whole, t.Code | t.Json | t.Record | t.ListOf):
        for together in (opening + text, f"{opening}{text}\n```"):
            found = read(type_, together, folder=folder)
            if found[1] is not None:
                return found
    return read(type_, text, folder=folder)


def _read(type_: t.Type, text: str, folder: Path | None) -> Read:
    match type_:
        case t.Simple(name="Bool"):
            return coerce(type_, labels.find_bool(text))
        case t.Simple(name="Int" | "Float" | "Number"):
            found = numbers.find_number(text)
            return UNREADABLE if found is None else _number(type_, found)
        case t.Simple(name="Math"):
            expression = maths.find_math(text)
            return UNREADABLE if expression is None else (expression, maths.normal_form(expression))
        case t.Choice(names):
            return coerce(type_, labels.find_label(text, names))
        case t.Code(language):
            code = structure.find_code(text, language)
            return UNREADABLE if code is None else (code, structure.code_key(code, language))
        case t.Json():
            return _read_json(type_, text, folder)
        case t.Record():
            return _first(type_, structure.json_values(text, "{"), folder)
        case t.ListOf(item):
            return _read_list(type_, item, text, folder)
        case t.Optional(item):
            if text.strip(" \t\r\n.*_`\"'").casefold() in _ABSENT:
                return None, NONE_KEY
            return _read_optional(item, text, folder)
        case _:
            return coerce(type_, text.strip())


def _read_optional(item: t.Type, text: str, folder: Path | None) -> Read:
    """A `T?` in a longer text: "Answer: none" says that there is none, whatever the reasoning before it mentions."""
    marked = isinstance(item, t.Simple | t.Choice)
    if marked and _says_none(text):
        return None, NONE_KEY
    found = _read(item, text, folder)
    # What records, lists and programs hold may itself say "Answer: none", so their own reading goes first.
    if found[1] is None and not isinstance(item, t.Text) and _says_none(text):
        return None, NONE_KEY
    return found


def _says_none(text: str) -> bool:
    """Whether the last mark's tail begins with a word for nothing, or the last line is one where there is no mark."""
    tail = next(tails(text), None)
    if tail is not None:
        return _ABSENT_FIRST.match(tail.text) is not None or tail.text.strip(" .*_`") == "-"
    return _ABSENT_FIRST.fullmatch(last_line(text).rstrip(" .*_`\"'!")) is not None


def coerce(type_: t.Type, value: object, *, folder: Path | None = None) -> Read:
    """The value and key of plain data (a JSON field, a gold answer) that should be a `type_`; unreadable if it is not.

    A text where another type is wanted is first taken as that value's spelling, then read as a model's text is.
    """
    match type_:
        case t.Optional(item):
            if value is None or (isinstance(value, str) and value.strip().casefold() in _ABSENT):
                return None, NONE_KEY
            return coerce(item, value, folder=folder)
        case _ if value is None:
            return UNREADABLE
        case t.Simple(name="Bool"):
            if isinstance(value, str):
                value = labels.find_bool(value)
            elif value in (0, 1):
                value = bool(value)
            return (value, "true" if value else "false") if isinstance(value, bool) else UNREADABLE
        case t.Simple(name="Int" | "Float" | "Number"):
            return _coerce_number(type_, value)
        case t.Simple(name="Math"):
            return _coerce_math(value)
        case t.Choice(names):
            spelt = show(t.TEXT, value)
            label = spelt if spelt in names else labels.find_label(spelt, names)
            return (label, label) if label is not None else UNREADABLE
        case t.Code(language):
            code = structure.find_code(value, language) if isinstance(value, str) else None
            if code is None and isinstance(value, str) and value.strip():
                code = value  # gold programs are taken as they stand
            return UNREADABLE if code is None else (code, structure.code_key(code, language))
        case t.Json():
            return _read_json(type_, value, folder) if isinstance(value, str) else _checked_json(type_, value, folder)
        case t.Record():
            return _coerce_record(type_, value, folder)
        case t.ListOf(item):
            return _coerce_list(type_, item, value, folder)
        case _:
            shown = value if isinstance(value, str) else show(t.TEXT, value)
            key = text_key(shown)
            return (shown, key) if key else UNREADABLE


def text_key(text: str) -> str:
    """The canonical form of free text: white space collapsed, case folded, one closing dot and outer quotes dropped."""
    folded = " ".join(text.split()).casefold()
    return folded.removesuffix(".").strip("\"'“”‘’ ") or folded


def equal(type_: t.Type, a: Hashable, b: Hashable) -> bool:
    """Whether two keys of `type_` are one answer. An unreadable one equals nothing, not even another."""
    if a is None or b is None:
        return False
    if a == b:
        return True
    match type_:
        case t.Simple(name="Math"):
            return isinstance(a, str) and isinstance(b, str) and maths.same_math(a, b)
        case t.Optional(item):
            return NONE_KEY not in (a, b) and equal(item, a, b)
        case t.ListOf(item) if isinstance(a, tuple) and isinstance(b, tuple):
            return len(a) == len(b) and all(equal(item, x, y) for x, y in zip(a, b, strict=True))
        case t.Record(_, fields) if isinstance(a, tuple) and isinstance(b, tuple):
            return len(a) == len(b) and all(equal(f.type, x, y) for f, x, y in zip(fields, a, b, strict=False))
        case _:
            return False


def classes(type_: t.Type, keys: Sequence[Hashable]) -> list[int | None]:
    """The equality class of each key, numbered from 0 by first appearance; None for unreadable ones.

    Types whose equality is looser than that of keys (`Math`, and what holds it) join a class by comparing with its
    first member.
    """
    seen: dict[Hashable, int] = {}
    firsts: list[Hashable] = []
    loose = _is_loose(type_)
    found: list[int | None] = []
    for key in keys:
        if key is None:
            found.append(None)
            continue
        number = seen.get(key)
        if number is None:
            number = next((i for i, first in enumerate(firsts) if equal(type_, first, key)), None) if loose else None
            if number is None:
                number = len(firsts)
                firsts.append(key)
            seen[key] = number
        found.append(number)
    return found


def _is_loose(type_: t.Type) -> bool:
    match type_:
        case t.Simple(name="Math"):
            return True
        case t.ListOf(item) | t.Optional(item):
            return _is_loose(item)
        case t.Record(_, fields):
            return any(_is_loose(f.type) for f in fields)
        case _:
            return False


def show(type_: t.Type, value: object) -> str:
    """`value` as text, as `text(x)` and prompts give it: numbers without needless digits, records as JSON."""
    match type_:
        case t.Optional(item) if value is not None:
            return show(item, value)
        case t.ListOf(item) if isinstance(value, list | tuple) and not isinstance(item, t.Record | t.Json | t.ListOf):
            shown = [show(item, part) for part in value]
            return "\n".join(f"- {part}" for part in shown) if isinstance(item, t.Text) else ", ".join(shown)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        found = numbers.fraction_of(value)
        return (
            repr(value)
            if found is None
            else str(int(value))
            if value.is_integer() and abs(value) < 1e15
            else repr(value)
        )
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


# --- numbers and mathematics ------------------------------------------------------------------------


def _number(type_: t.Type, found: Fraction) -> Read:
    value = numbers.plain_value(found)
    if value is None or (type_ == t.INT and found.denominator != 1):
        return UNREADABLE
    if type_ == t.FLOAT:
        try:
            value = float(value)
        except OverflowError:
            return UNREADABLE
    return value, numbers.number_key(found)


def _coerce_number(type_: t.Type, value: object) -> Read:
    found: Fraction | None = None
    if isinstance(value, str):
        found = numbers.parse_number(value)
        if found is None:
            found = numbers.find_number(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found = numbers.fraction_of(value)
    return UNREADABLE if found is None else _number(type_, found)


def _coerce_math(value: object) -> Read:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _coerce_number(t.NUMBER, value)
    if not isinstance(value, str) or not value.strip():
        return UNREADABLE
    has_mark = len(value) > maths.LENGTH or next(tails(value), None) is not None
    expression = maths.find_math(value) if has_mark else value.strip()
    return UNREADABLE if expression is None else (expression, maths.normal_form(expression))


# --- records, lists, JSON ---------------------------------------------------------------------------


def _first(type_: t.Type, values: Iterable[object], folder: Path | None) -> Read:
    """The first of `values` that is a `type_`."""
    for value in values:
        found = coerce(type_, value, folder=folder)
        if found[1] is not None:
            return found
    return UNREADABLE


def _coerce_record(type_: t.Record, value: object, folder: Path | None) -> Read:
    if isinstance(value, str):
        return _first(type_, structure.json_values(value, "{"), folder)
    if not isinstance(value, Mapping):
        return UNREADABLE
    folded = {str(name).casefold(): item for name, item in value.items()}
    result: dict[str, object] = {}
    keys: list[Hashable] = []
    for field in type_.fields:
        given = value.get(field.name, folded.get(field.name.casefold()))
        read_value, key = coerce(field.type, given, folder=folder)
        if key is None:
            return UNREADABLE
        result[field.name] = read_value
        keys.append(key)
    return result, tuple(keys)


def _coerce_list(type_: t.ListOf, item: t.Type, value: object, folder: Path | None) -> Read:
    if isinstance(value, str):
        return _read_list(type_, item, value, folder)
    if not isinstance(value, list | tuple):
        return UNREADABLE
    parts = [coerce(item, part, folder=folder) for part in value]
    if any(key is None for _, key in parts):
        return UNREADABLE
    return [part for part, _ in parts], tuple(key for _, key in parts)


def _read_list(type_: t.ListOf, item: t.Type, text: str, folder: Path | None) -> Read:
    """A JSON array, else numbers or pieces of the marked tail or of the last line that has some."""
    found = _first(type_, (v for v in structure.json_values(text, "[") if isinstance(v, list)), folder)
    if found[1] is not None or isinstance(item, t.Record | t.Json | t.ListOf):
        return found
    lines = [line for line in text.splitlines() if line.strip()][:2_000]
    listed = [m[1] for m in map(_ENUMERATED.match, lines) if m is not None]
    pieces: list[str] = [tail.text for tail in tails(text) if tail.kind != "hash"][:1]
    if isinstance(item, t.Simple) and item.name in ("Int", "Float", "Number"):
        return _read_numbers(type_, item, pieces or lines[::-1], listed)
    if listed:
        return coerce(type_, [piece for piece in map(str.strip, listed) if piece], folder=folder)
    if isinstance(item, t.Text):
        kept = lines if len(lines) > 1 else [part for line in lines for part in line.split(";")]
        return coerce(type_, [p.strip() for p in kept if p.strip()], folder=folder) if kept else UNREADABLE
    piece = pieces[0] if pieces else last_line(text)
    parts = [p for p in re.split(r"[,;>]| and ", piece) if p.strip()]
    return coerce(type_, parts, folder=folder) if parts else UNREADABLE


def _read_numbers(type_: t.ListOf, item: t.Type, pieces: Sequence[str], listed: Sequence[str]) -> Read:
    """`2, 1, 3` or `2 > 1 > 3`; of a numbered list, the first number of each entry."""
    if len(listed) > 1:
        firsts = [numbers.numbers_in(entry[:200]) for entry in listed]
        if all(firsts):
            return coerce(type_, [numbers.plain_value(found[0]) for found in firsts])
    best: list[Fraction] = []
    for piece in pieces:
        found = numbers.numbers_in(re.sub(r"(?<=[0-9])\s?,(?=[0-9])", ", ", piece))
        if len(found) > len(best):
            best = found
    return coerce(type_, [numbers.plain_value(value) for value in best]) if best else UNREADABLE


class JsonObject(dict[str, object]):
    """An object that was read as `Json`: a property that its schema has and the answer leaves out is None."""

    optional: frozenset[str] = frozenset()

    def __missing__(self, name: str) -> object:
        if name in self.optional:
            return None
        raise KeyError(name)

    def like(self, items: Mapping[str, object]) -> JsonObject:
        """Other items with the same properties to leave out."""
        made = JsonObject(items)
        made.optional = self.optional
        return made


def _read_json(type_: t.Json, text: str, folder: Path | None) -> Read:
    whole = structure.parse_json(text.strip()) if len(text) < 1_000_000 else None
    if whole is not None and not isinstance(whole, str | int | float | bool):
        found = _checked_json(type_, whole, folder)
        if found[1] is not None:
            return found
    for opening in "{[":
        for value in structure.json_values(text, opening):
            found = _checked_json(type_, value, folder)
            if found[1] is not None:
                return found
    return UNREADABLE


def _checked_json(type_: t.Json, value: object, folder: Path | None) -> Read:
    known = schema.schema_of(type_, folder)
    given = _plain(value)
    if known is not None and schema.problems(given, *known):
        return UNREADABLE
    return _marked(type_, value), json_key(value)


def _plain(value: object) -> object:
    """A value as JSON has it: tuples are lists."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _marked(type_: t.Type, value: object) -> object:
    """A value whose objects know the properties that they may leave out."""
    if isinstance(value, Mapping):
        made = JsonObject((str(name), _marked(member_of(type_, str(name)), item)) for name, item in value.items())
        inner = type_.item if isinstance(type_, t.Optional) else type_
        if isinstance(inner, t.Json):
            made.optional = frozenset(fields_of(inner).known) - made.keys()
        return made
    if isinstance(value, list | tuple):
        listed = as_list(type_)
        return [_marked(listed.item if isinstance(listed, t.ListOf) else t.ANY, item) for item in value]
    return value


def json_key(value: object, *, ordered: bool = True) -> str:
    """The canonical form of a JSON value: texts as Text compares them, 1 and 1.0 alike, keys in no order.

    Unless `ordered`, lists are compared in no order either, each item as often as it is there.
    """
    return json.dumps(_folded(value, ordered), sort_keys=True, ensure_ascii=False)


def _folded(value: object, ordered: bool) -> object:
    if isinstance(value, Mapping):
        return {str(name): _folded(item, ordered) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_folded(item, ordered) for item in value]
        return items if ordered else sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, str):
        return text_key(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value
