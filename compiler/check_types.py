"""How types go together: what fits where, what can be compared, and the common type of several values."""

from __future__ import annotations

from collections.abc import Iterable

from ttscale.compiler import types
from ttscale.compiler.types import Type

NUMERIC: tuple[Type, ...] = (types.INT, types.FLOAT, types.NUMBER)
FORMS = (types.Record, types.Json)
"""Types whose prompts get `output_format`."""


def is_numeric(kind: Type) -> bool:
    """Whether arithmetic and `<` work on it."""
    return kind in NUMERIC


def literal_type(value: object) -> Type:
    """The type of a value that is written out."""
    match value:
        case bool():
            return types.BOOL
        case int():
            return types.INT
        case float():
            return types.FLOAT
        case str():
            return types.TEXT
    return types.NONE


def fits(given: Type, wanted: Type) -> bool:
    """Whether a value of one type can stand where the other is wanted.

    A Text is a Chat of one turn; a list of maps with role and content is one of several. Whole numbers fit Float, Float
    fits Number; only `text(x)` makes a typed answer into Text. A pool never fits
    a plain type here: that depends on its size, which `check_values` looks at.
    """
    if types.ANY in (given, wanted) or given == wanted:
        return True
    match given, wanted:
        case types.Optional(item=item), types.Optional(item=want):
            return fits(item, want)
        case _, types.Optional(item=want):
            return given == types.NONE or fits(given, want)
        case types.Text(), types.Text():
            return True
        case types.Text(), types.Simple("Chat"):
            return True
        case types.ListOf(item=types.Record(fields=fields)), types.Simple("Chat"):
            return {field.name for field in fields} == {"role", "content"}
        case types.Choice(labels=labels), types.Choice(labels=want):
            return set(labels) <= set(want)
        case types.ListOf(item=item), types.ListOf(item=want):
            return fits(item, want)
        case types.Answers(item=item), types.Answers(item=want):
            return fits(item, want)
        case types.Record(fields=fields), types.Record(fields=want):
            known = {field.name: field.type for field in fields}
            return all(
                fits(known[field.name], field.type) if field.name in known else isinstance(field.type, types.Optional)
                for field in want
            ) and set(known) <= {field.name for field in want}
        case types.PromptType(params=params, result=result), types.PromptType(params=want, result=wanted_result):
            names = {name for name, _ in params}
            return fits(result, wanted_result) and (not want or names == {name for name, _ in want})
        case types.MessageType(result=result), types.MessageType(result=want):
            return fits(result, want)
        case types.Json(text=text, at=at), types.Json(text=other, at=part) if text:
            return text == other and at == part  # one schema under two paths
    if given == types.INT:
        return wanted in (types.FLOAT, types.NUMBER, types.MATH)
    if given == types.FLOAT:
        return wanted in (types.NUMBER, types.MATH)
    return given == types.NUMBER and wanted == types.MATH


def join(kinds: Iterable[Type]) -> Type | None:
    """The narrowest type that all of them fit; None where there is none, ANY where there are none."""
    found: Type = types.ANY
    for kind in kinds:
        if found == types.ANY or fits(found, kind):
            found = kind
        elif not fits(kind, found):
            wider = _widen(found, kind)
            if wider is None:
                return None
            found = wider
    return found


def _widen(one: Type, other: Type) -> Type | None:
    match one, other:
        case (kind, types.Simple("None")) | (types.Simple("None"), kind):
            return types.Optional(kind)
        case types.Optional(item=item), kind if not isinstance(kind, types.Optional):
            inner = join((item, kind))
            return None if inner is None else types.Optional(inner)
        case kind, types.Optional(item=item):
            inner = join((kind, item))
            return None if inner is None else types.Optional(inner)
        case types.Choice(labels=labels), types.Choice(labels=more):
            return types.Choice(tuple(dict.fromkeys((*labels, *more))))
    return None


def comparable(one: Type, other: Type) -> bool:
    """Whether `==` between them can ever be true for a reason."""
    if types.NONE in (one, other) or fits(one, other) or fits(other, one):
        return True
    match one, other:
        case (types.Optional(item=item), kind) | (kind, types.Optional(item=item)):
            return comparable(item, kind)
        case types.Choice(labels=labels), types.Choice(labels=more):
            return bool(set(labels) & set(more))
        case types.ListOf(item=item), types.ListOf(item=more):
            return comparable(item, more)
    return False


def ordered(one: Type, other: Type) -> bool:
    """Whether `<` between them means something: numbers with numbers, texts with texts."""
    one, other = plain(one), plain(other)
    if types.ANY in (one, other):
        return True
    numbers = (*NUMERIC, types.MATH)
    return (one in numbers and other in numbers) or (isinstance(one, types.Text) and isinstance(other, types.Text))


def plain(kind: Type) -> Type:
    """The type without its `?`."""
    return kind.item if isinstance(kind, types.Optional) else kind


def describe(kind: Type) -> str:
    """A type in a sentence: "a pool of Number answers", "Number", "a model"."""
    match kind:
        case types.Answers(item=item):
            return f"a pool of {item} answers"
        case types.ModelType():
            return "a model"
        case types.PromptType():
            return "a prompt"
        case types.MessageType(result=result):
            return f"a filled prompt for {result}"
        case types.ListOf(item=types.Simple("Row")):
            return "rows of a dataset"
        case types.Simple("None"):
            return "none"
    return str(kind)
