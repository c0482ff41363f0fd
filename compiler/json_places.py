"""Places in a JSON text: where its values stand, and where it stops being JSON."""

from __future__ import annotations

import json
import re

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.schema_parts import Pointer

_SPACE = re.compile(r"[ \t\n\r]*")
_ATOM = re.compile(r"[^\s,\]}]+")
_DECODER = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A mistake in a schema file between two characters of its text; `mild` where the schema still means something."""

    message: str
    start: int
    end: int
    hint: str = ""
    mild: bool = False


def no_json(text: str, error: json.JSONDecodeError) -> Flaw:
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


def places(text: str, keys: dict[Pointer, tuple[int, int]] | None = None) -> dict[Pointer, tuple[int, int]]:
    """Where the values of a JSON text stand, by the keys and places that lead to them; `keys` gets where keys stand."""
    found: dict[Pointer, tuple[int, int]] = {}

    def space(position: int) -> int:
        matched = _SPACE.match(text, position)
        return position if matched is None else matched.end()

    def value(start: int, at: Pointer) -> int:
        opening = text[start]
        if opening == '"':
            end = _DECODER.raw_decode(text, start)[1]
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
                begin = position
                key, position = _DECODER.raw_decode(text, position)
                if keys is not None:
                    keys[(*at, key)] = (begin, position)
                position = space(space(position) + 1)
            position = space(value(position, (*at, key)))
            place += 1
            if text[position] == ",":
                position = space(position + 1)
        return position + 1

    value(space(0), ())
    return found
