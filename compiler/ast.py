"""The abstract syntax tree: what a `.tts` file says, before names are resolved.

Plain frozen dataclasses, one per form of the language. Every node has a `span`. Equality ignores spans
(`compare=False`), so that trees of differently laid out texts compare equal. Comments are kept beside
the tree in `Module.comments`, in order, for the formatter; `##` text is in `doc` of what it documents.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
    """`map q in items, max: 6 { bindings  yield e }`."""

    name: str
    items: Expr
    limit: Expr | None
    bindings: tuple[Binding, ...]
    yield_: Expr
    span: Span = field(compare=False)


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

# --- declarations --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImportName:
    """`main` or `main as inner` between the braces of a `use`."""

    name: str
    alias: str | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Use:
    """`use std/prompts@1 as p`, `use ./judges { numeric }`, `use python("./mine.py") { my_vote }`.

    `path` is `std/prompts`, `./judges` or the file for `python`; `version` is what follows `@`, or None.
    """

    kind: Literal["module", "python"]
    path: str
    version: str | None
    alias: str | None
    names: tuple[ImportName, ...]
    doc: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class ModelDecl:
    """`model NAME = gguf("…", …)`."""

    name: str
    value: Expr
    doc: str
    span: Span = field(compare=False)
    name_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class RecordDecl:
    """`record NAME { fields }`."""

    name: str
    fields: tuple[FieldDef, ...]
    doc: str
    span: Span = field(compare=False)
    name_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Template:
    """A quoted or fenced text.

    `text` is what the model or Jinja sees (first newline and last line dropped, common indentation
    removed, escapes of a one-quote text resolved). `offsets[i]` is the file offset of the first character
    of line `i` of `text`, so that a Jinja error's line maps back. `fence` is the number of quotes.
    """

    text: str
    fence: int
    offsets: tuple[int, ...] = field(compare=False)
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class MessagePart:
    """One part of a prompt's block: a role and its text, or `chat NAME`."""

    role: Literal["system", "user", "assistant", "chat"]
    template: Template | None
    chat: str | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class PromptDecl:
    """`prompt NAME(params) -> T = TEXT` (`block` False, one user part) or `… -> T { parts }` (`block` True).

    `settings` are sampling defaults written on the prompt (`temperature: 0.2`), in order."""

    name: str
    params: tuple[FieldDef, ...]
    result: TypeExpr
    block: bool
    parts: tuple[MessagePart, ...]
    settings: tuple[Arg, ...]
    doc: str
    span: Span = field(compare=False)
    name_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class DatasetDecl:
    """`dataset NAME = jsonl("…", …)`."""

    name: str
    value: Expr
    doc: str
    span: Span = field(compare=False)
    name_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class MetricDecl:
    """`metric NAME(pred: T, row: Row) -> Bool = expr`."""

    name: str
    params: tuple[FieldDef, ...]
    result: TypeExpr
    body: Expr
    doc: str
    span: Span = field(compare=False)
    name_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class SetDomain:
    """`in {1, 2, 4}`; for Model and Prompt the items are names."""

    items: tuple[Expr, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class RangeDomain:
    """`in [0.2 .. 1.2]`, `in [1 .. 64] log`, `in [1 .. 9] step 2`."""

    low: Expr
    high: Expr
    log: bool
    step: Expr | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class SubsetsDomain:
    """`in subsets(a, b, c)`: the non-empty ones."""

    items: tuple[Expr, ...]
    span: Span = field(compare=False)


Domain = SetDomain | RangeDomain | SubsetsDomain


@dataclass(frozen=True, slots=True)
class Param:
    """`param n: Int in {1, 2, 4} = 8  ## doc`."""

    name: str
    type: TypeExpr
    domain: Domain | None
    default: Expr | None
    doc: str
    span: Span = field(compare=False)
    name_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Require:
    """`require EXPR`."""

    condition: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Limit:
    """`tokens <= 8k` in a budget; `measure` is `calls tokens seconds cost` (the checker says if not)."""

    measure: str
    amount: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Budget:
    """`budget { limits }`."""

    limits: tuple[Limit, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class PipelineDecl:
    """`pipeline NAME(inputs) -> T { params, requires, budget, bindings, return }`."""

    name: str
    inputs: tuple[FieldDef, ...]
    result: TypeExpr
    params: tuple[Param, ...]
    requires: tuple[Require, ...]
    budget: Budget | None
    bindings: tuple[Binding, ...]
    value: Expr
    doc: str
    span: Span = field(compare=False)
    name_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a `search` or `eval` block, kept by its keyword.

    `maximize accuracy on gsm[0:200]` has `keyword="maximize"`, `values=(Name accuracy,)`, `on=Slice`;
    `trials 60` has `values=(60,)`; `fix n = 16` has `name="n"`; `budget { … }` has `budget`; `match tokens`,
    `holdout EXPR`, `sampler tpe`, `seed 7`, `seeds 3`, `metric NAME` have `values`.
    """

    keyword: str
    name: str | None
    values: tuple[Expr, ...]
    on: Expr | None
    budget: Budget | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class SearchDecl:
    """`search NAME over PIPELINE { clauses }`."""

    name: str
    over: Expr
    clauses: tuple[Clause, ...]
    doc: str
    span: Span = field(compare=False)
    name_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class EvalDecl:
    """`eval main, other on gsm[200:] { clauses }`."""

    pipelines: tuple[Expr, ...]
    on: Expr
    clauses: tuple[Clause, ...]
    doc: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Given:
    """`given small = script("…")` in a test."""

    name: str
    value: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Expect:
    """`expect CONDITION` in a test."""

    condition: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class TestDecl:
    """`test "…" live { givens, expects }`."""

    __test__ = False  # the name is the language's; pytest must not collect it

    name: str
    live: bool
    givens: tuple[Given, ...]
    expects: tuple[Expect, ...]
    doc: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class BadDecl:
    """A declaration that did not parse; its error is among the diagnostics."""

    keyword: str
    name: str | None
    span: Span = field(compare=False)


Declaration = (
    Use
    | ModelDecl
    | RecordDecl
    | PromptDecl
    | DatasetDecl
    | MetricDecl
    | PipelineDecl
    | SearchDecl
    | EvalDecl
    | TestDecl
    | BadDecl
)


@dataclass(frozen=True, slots=True)
class Comment:
    """A `#` comment, with its `#`, where it stands."""

    text: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Module:
    """A whole file: its edition (`tts 1`; None when absent), declarations and comments in order."""

    edition: int | None
    declarations: tuple[Declaration, ...]
    comments: tuple[Comment, ...] = field(compare=False)
    span: Span = field(compare=False)
