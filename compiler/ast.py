"""The abstract syntax tree: what a `.tts` file says, before names are resolved.

Plain frozen dataclasses, one per form of the language. Every node has a `span`. Equality ignores spans
(`compare=False`), so that trees of differently laid out texts compare equal. Comments are kept beside
the tree in `Module.comments`, in order, for the formatter; `##` text is in `doc` of what it documents.

Declarations are here; the types and expressions that they hold are in `ast_expressions`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from ttscale.compiler.ast_expressions import Arg, Binding, Expr, FieldDef, TypeExpr
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.source import Span


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
