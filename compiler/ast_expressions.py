"""Types and expressions of the abstract syntax tree (`ast` describes the whole).

They are one module because they contain each other: a type has arguments, a field has a default.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.source import Span

# --- types ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TypeName:
    """`Text`, `Answers[Number]`, `Choice(yes, no)`, `Choice("A".."E")`, `Text(max: 2k)`, `Code(python)`.

    `items` holds the square-bracket arguments, `args` the round-bracket ones (a `Range` for "A".."E").
    """

    name: str
    items: tuple[TypeExpr, ...]
    args: tuple[Arg, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class ListType:
    """`[T]`."""

    item: TypeExpr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class OptionalType:
    """`T?`."""

    item: TypeExpr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class FieldDef:
    """A field of a record, or an input of a prompt, metric or pipeline (`default` only there)."""

    name: str
    type: TypeExpr
    default: Expr | None
    doc: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class RecordType:
    """`{vendor: Text, total: Number}` written in place."""

    fields: tuple[FieldDef, ...]
    span: Span = field(compare=False)


TypeExpr = TypeName | ListType | OptionalType | RecordType

# --- expressions ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name:
    """A bare name."""

    name: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Attribute:
    """`p.solve_number`, `both.x`, `trace.calls`."""

    value: Expr
    name: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class LiteralValue:
    """A number (int or float), text, `true`, `false` or `none`; `raw` is its spelling."""

    value: int | float | str | bool | None
    raw: str = field(compare=False)
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit: `60s`, `40k`, `8Ki`, `0.02usd`.

    `amount` is in base units: a plain count for `k M G Ki Mi Gi`, bytes for `B KiB MiB GiB KB MB GB`,
    seconds for `ms s min h d`, US dollars for `usd`. `unit` is one of "" "bytes" "seconds" "usd".
    """

    amount: int | float
    unit: Literal["", "bytes", "seconds", "usd"]
    raw: str = field(compare=False)
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class ListExpr:
    """`[a, b]`."""

    items: tuple[Expr, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class MapEntry:
    """One `key: value` of a `{…}` value; `key` is a name or a quoted text."""

    key: str
    quoted: bool
    value: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class MapExpr:
    """`{vendor: vendor, total: total}` or `{"substring": ["reply"]}`."""

    entries: tuple[MapEntry, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Range:
    """`"A".."E"` or `0.2 .. 1.2`; both ends belong to it."""

    low: Expr
    high: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class UpTo:
    """`up to N`, as in `n: up to 16` and `thinking: up to 2k`."""

    limit: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument of a call; `name` is None for a positional one."""

    name: str | None
    value: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`callee(args) when cond`; a stage after `|>` without brackets has `args == ()`."""

    callee: Name | Attribute
    args: tuple[Arg, ...]
    when: Expr | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Pipe:
    """`left |> right`: `right`'s first argument is `left`."""

    left: Expr
    right: Call
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """`or and == != < <= > >= + - * / %`."""

    op: str
    left: Expr
    right: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Compare:
    """A chain of comparisons, `1 <= n <= 4`: `len(operands) == len(ops) + 1`."""

    operands: tuple[Expr, ...]
    ops: tuple[str, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`not x` or `-x`."""

    op: Literal["not", "-"]
    operand: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Slice:
    """`gsm[0:50]`, `gsm[200:]`, `gsm[:]`, or with `index` set the single element `xs[0]`."""

    value: Expr
    low: Expr | None
    high: Expr | None
    index: Expr | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Arm:
    """`a | b => expr`; `labels` is empty for `_`. A label is a name, text, int or bool."""

    labels: tuple[str | int | bool, ...]
    value: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Match:
    """`match EXPR { arms }`."""

    subject: Expr
    arms: tuple[Arm, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class State:
    """`x = init` after `with`."""

    name: str
    init: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Binding:
    """`name = value`, one statement of a body."""

    name: str
    value: Expr
    doc: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Repeat:
    """`repeat N with x = init, … until COND { bindings  yield e, … }`; `count` is an `UpTo` with `until`."""

    count: Expr
    states: tuple[State, ...]
    until: Expr | None
    bindings: tuple[Binding, ...]
    yields: tuple[Expr, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class MapLoop:
    """`map q in items, max: 6 with known { bindings  yield e }`; `earlier` is `known`, or "" without it."""

    name: str
    items: Expr
    limit: Expr | None
    bindings: tuple[Binding, ...]
    yield_: Expr
    span: Span = field(compare=False)
    earlier: str = ""


Expr = (
    Name
    | Attribute
    | LiteralValue
    | Quantity
    | ListExpr
    | MapExpr
    | Range
    | UpTo
    | Call
    | Pipe
    | Binary
    | Compare
    | Unary
    | Slice
    | Match
    | Repeat
    | MapLoop
)
