"""Schema files: what `Json("form.schema.json")` says about an answer, read and verified, with places for mistakes.

    read_schema('{"type": "objet"}')
    # (None, [Flaw("`type` is \\"objet\\", which JSON does not have", 9, 16, hint='did you mean "object"?')])

The keywords are those of JSON Schema (draft 2020-12, and what earlier drafts call differently); references lead to
places inside the same file. A keyword that nobody knows restricts nothing, as the standard wants it; one that looks
like a known one misspelt is told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.json_places import Flaw, no_json, places
from ttscale.compiler.schema_parts import Pointer, definitions, follow, parsed, part_of
from ttscale.compiler.schema_verify import Verifier, kind_of

__all__ = [
    "Flaw",
    "Pointer",
    "SchemaFile",
    "SchemaReader",
    "definitions",
    "follow",
    "parsed",
    "part_of",
    "read_schema",
    "schema_file",
]


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
        return None, [no_json(text, error)]
    except ValueError as error:
        return None, [Flaw(f"this is not JSON: {error}", 0, 1)]
    except RecursionError:
        return None, [Flaw("the schema is nested too deeply", 0, 1)]
    if not isinstance(value, dict):
        hint = 'write {"type": "object", "properties": {…}}'
        return None, [Flaw(f"a schema is a JSON object, and this is {kind_of(value)}", 0, len(text.rstrip()), hint)]
    found = list(Verifier(value).of(value, ()))
    if not found:
        return value, []
    keys: dict[Pointer, tuple[int, int]] = {}
    known = places(text, keys)
    flaws: list[Flaw] = []
    for pointer, message, hint, mild in found:
        own = keys if pointer and message.startswith(f"`{pointer[-1]}` is no keyword") else known
        flaws.append(Flaw(message, *own.get(pointer, (0, 1)), hint=hint, mild=mild))
    return (None if any(not flaw.mild for flaw in flaws) else value), flaws


def _refuse(name: str) -> object:
    raise ValueError(f"it has no {name}")
