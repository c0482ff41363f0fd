"""`{{ output_format }}`: what a prompt tells the model about the shape of its answer."""

from __future__ import annotations

import json
from pathlib import Path

from ttscale.compiler import types as t
from ttscale.compiler.schema_shape import asked_shape, commented, schema_text, shape_of_schema
from ttscale.runtime.answers.schema import schema_of


def output_format(type_: t.Type, *, folder: Path | None = None) -> str:
    """One or a few sentences that ask for an answer which the reader of `type_` can read; "" for free text."""
    match type_:
        case t.Simple(name="Int"):
            return 'End with "Answer: <whole number>".'
        case t.Simple(name="Float" | "Number"):
            return 'End with "Answer: <number>".'
        case t.Simple(name="Bool"):
            return 'End with "Answer: yes" or "Answer: no".'
        case t.Simple(name="Math"):
            return "End with the final answer in \\boxed{...}."
        case t.Choice(labels):
            return f'End with "Answer: " and one of: {", ".join(labels)}.'
        case t.Code(language):
            return f"Give the program in one fenced block that begins with ```{language} and ends with ```."
        case t.Json():
            known = schema_of(type_, folder)
            return "Reply with one JSON value and nothing else." if known is None else asked_shape(*known)
        case t.Record():
            return "Reply with one JSON object and nothing else, of this shape:\n" + _shape(type_, "", folder)
        case t.ListOf(item):
            if isinstance(item, t.Simple) and item.name in ("Int", "Float", "Number"):
                return "Reply with numbers only, separated by commas."
            if isinstance(item, t.Text):
                return 'Reply with a list, one entry a line, each line beginning with "- ".'
            return "Reply with one JSON array and nothing else, of this shape:\n" + _shape(type_, "", folder)
        case t.Optional(item):
            inner = output_format(item, folder=folder)
            return f'{inner} If there is none, reply with "none".'.strip()
        case _:
            return ""


def _shape(type_: t.Type, indent: str, folder: Path | None, *, described: bool = False) -> str:
    """The shape of a type; where it is `described` a schema does not add its own description."""
    match type_:
        case t.Record(_, fields):
            lines = []
            for index, field in enumerate(fields):
                comma = "," if index < len(fields) - 1 else ""
                inner = _shape(field.type, indent + "  ", folder, described=bool(field.doc)) + comma
                lines.append(f'{indent}  "{field.name}": {commented(inner, field.doc)}')
            return "{\n" + "\n".join(lines) + f"\n{indent}}}"
        case t.ListOf(item):
            return f"[{_shape(item, indent, folder)}, ...]"
        case t.Optional(item):
            return f"{_shape(item, indent, folder, described=described)} or null"
        case t.Choice(labels):
            return " or ".join(json.dumps(label, ensure_ascii=False) for label in labels)
        case t.Simple(name="Bool"):
            return "true or false"
        case t.Simple(name="Int"):
            return "<whole number>"
        case t.Simple(name="Float" | "Number"):
            return "<number>"
        case t.Json():
            known = schema_of(type_, folder)
            shape = None if known is None else shape_of_schema(*known, indent, described=described)
            if shape is not None or known is None:
                return shape or "<JSON>"
            return f"<JSON that fits this schema: {schema_text(*known)}>"
        case _:
            return '"<text>"'
