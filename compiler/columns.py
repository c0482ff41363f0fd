"""Columns of data files: names that expressions over rows read, and that a file does not have.

The compiler reads no files. A loader that can has `columns`, which gives the columns of a declared dataset where they
can be told before a run; what it cannot tell is left to the run.

    dataset gsm = jsonl("gsm8k.jsonl", question: qestion)     # E0285: no column `qestion`; did you mean `question`?

Codes:
    E0285  a column, or a field of rows, that the data does not have
    W0285  the same where only the first rows were read
    E0287  an expression over rows that does not go with what their columns hold
    W0287  the same where only the first rows were read
    W0288  a data file that is missing or cannot be read
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace

from ttscale.compiler import ast, ast_expressions, ir, types
from ttscale.compiler.check_frame import Program, did_you_mean, listed
from ttscale.compiler.data import dataset_ir, is_option, rows_ir
from ttscale.compiler.diagnostics import Diagnostic, InternalError, Label
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.readers import READERS
from ttscale.compiler.resolve_types import lookup
from ttscale.compiler.row_types import RowTypes
from ttscale.compiler.scope import Linked, ModuleScope
from ttscale.compiler.source import Span
from ttscale.compiler.walk import nodes

ID = "id"


@dataclass(frozen=True, slots=True)
class Columns:
    """What a file of rows has.

    `file` is its name for people, `names` its columns in order, `shaped` the fields that its published shape gives,
    `rows` how many rows were read, `whole` whether those are all that matter. `kinds` are the types of columns that
    hold values of one type in all of these rows, and `metric` is what answers to rows of this shape are measured by.
    """

    file: str
    names: tuple[str, ...]
    shaped: tuple[str, ...]
    rows: int
    whole: bool
    kinds: Mapping[str, types.Type] = field(default_factory=dict)
    metric: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a data file cannot be read, in words, and what may help."""

    message: str
    hint: str


ColumnReader = Callable[[ir.Dataset], Columns | Unreadable | None]
"""The columns of a dataset; None where they cannot be told without running something, or at all."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A dataset with the columns of its file."""

    dataset: ir.Dataset
    columns: Columns

    @property
    def fields(self) -> tuple[str, ...]:
        """Everything that one can ask of a row: columns, fields and the id."""
        own = tuple(name for name, _ in self.dataset.fields)
        return tuple(dict.fromkeys((*own, *self.columns.shaped, *self.columns.names, ID)))


def check_columns(linked: Linked, read: ColumnReader, before: list[Diagnostic]) -> list[Diagnostic]:
    """Names that data files do not have, in all that reads rows; `before` is what is known to be wrong."""
    program = Program(linked)
    check = _Check(program, read)
    for scope in linked.modules.values():
        if scope.name.startswith("std/"):
            continue
        for declaration in scope.tree.declarations:
            if not _is_wrong(declaration.span, before):
                check.declaration(declaration, scope)
    return program.diagnostics


def shape_metrics(linked: Linked, scope: ModuleScope, read: ColumnReader) -> list[tuple[str, Span]]:
    """The metrics that evals of a file get from the published shape of their rows, since they name none."""
    check = _Check(Program(linked), read)
    found: list[tuple[str, Span]] = []
    for declaration in scope.tree.declarations:
        if isinstance(declaration, ast.EvalDecl) and all(clause.keyword != "metric" for clause in declaration.clauses):
            table = check.table(declaration.on, scope)
            if table is not None and table.columns.metric:
                found.append((table.columns.metric, declaration.on.span))
    return found


def _is_wrong(span: Span, found: list[Diagnostic]) -> bool:
    """Whether something is wrong with a declaration already."""
    places = [d.primary for d in found if d.severity == "error" and d.primary is not None]
    return any(place.file == span.file and span.start <= place.start < span.end for place in places)


class _Check:
    """Looks at declarations; a file is read once."""

    def __init__(self, program: Program, read: ColumnReader) -> None:
        self.program = program
        self.read = read
        self.tables: dict[tuple[str, str], _Table | None] = {}
        self.unreadable: dict[tuple[str, str], Unreadable] = {}

    def declaration(self, declaration: ast.Declaration, scope: ModuleScope) -> None:
        """Everything in one declaration that reads rows."""
        match declaration:
            case ast.DatasetDecl():
                self.dataset(declaration, scope)
            case ast.EvalDecl(pipelines=pipelines, on=on, clauses=clauses):
                self.measured(pipelines, on, clauses, scope)
            case ast.SearchDecl(over=over, clauses=clauses):
                for clause in clauses:
                    for rows in (*(() if clause.on is None else (clause.on,)), *_holdout(clause)):
                        self.measured((over,), rows, (), scope)
            case ast.PipelineDecl():
                for node in nodes(declaration):
                    if isinstance(node, ast_expressions.Call):
                        for arg in node.args:
                            if arg.name == "examples":
                                self.steps(arg.value, scope)

    def table(self, expr: ast_expressions.Expr, scope: ModuleScope) -> _Table | None:
        """The dataset behind an expression of rows, where its columns are known."""
        try:
            dataset = rows_ir(expr, scope, self.program.linked).dataset
        except (InternalError, KeyError):
            return None
        return self.of(dataset)

    def of(self, dataset: ir.Dataset) -> _Table | None:
        """A dataset with its columns, where these are known."""
        key = (dataset.file, dataset.name)
        if key not in self.tables:
            found = self.read(dataset)
            self.tables[key] = _Table(dataset, found) if isinstance(found, Columns) else None
            if isinstance(found, Unreadable):
                self.unreadable[key] = found
        return self.tables[key]

    def dataset(self, declaration: ast.DatasetDecl, scope: ModuleScope) -> None:
        """The fields of a dataset, in which earlier ones may be read, and its options over rows."""
        symbol, value = scope.names.get(declaration.name), declaration.value
        if symbol is None or symbol.declaration is not declaration or not isinstance(value, ast_expressions.Call):
            return
        reader = READERS.get(value.callee.name) if isinstance(value.callee, ast_expressions.Name) else None
        if reader is None:
            return
        try:
            dataset = dataset_ir(symbol, self.program.linked)
            table = self.of(dataset)
        except InternalError:
            return
        fault = self.unreadable.get((dataset.file, dataset.name))
        if fault is not None:
            place = next((arg.span for arg in value.args if arg.name is None), value.span)
            self.program.report("W0288", fault.message, place, hint=fault.hint)
        if table is None:
            return
        known = [*table.columns.names, *table.columns.shaped]
        kinds = self.kinds(table)
        for arg in value.args:
            if arg.name is None:
                continue
            option = is_option(reader, arg)
            kind: types.Type = types.ANY
            if not option or reader.option(arg.name) in ("condition", "row"):
                mark = len(self.program.diagnostics)
                self.names(arg.value, table.fields if option else known, table)
                if len(self.program.diagnostics) == mark and reader.option(arg.name) == "condition":
                    kinds.condition(arg.value)
                elif len(self.program.diagnostics) == mark:
                    kind = kinds.of(arg.value)
            if not option:
                known.append(arg.name)
                kinds = replace(kinds, columns={**kinds.columns, arg.name: kind})

    def kinds(self, table: _Table) -> RowTypes:
        """The types of a table's columns; a field of the same name may be anything."""
        own = dict.fromkeys((*(name for name, _ in table.dataset.fields), *table.columns.shaped), types.ANY)
        known = {**table.columns.kinds, **own} if table.columns.shaped else dict(table.columns.kinds)

        def tell(code: str, message: str, span: Span, hint: str) -> None:
            label = "" if table.columns.whole else f"in its first {table.columns.rows:,} rows"
            self.program.report("E0287" if table.columns.whole else "W0287", message, span, hint=hint, label=label)

        return RowTypes(known, self.program.text, tell)

    def names(self, expr: ast_expressions.Expr, known: tuple[str, ...] | list[str], table: _Table) -> None:
        """The columns that an expression over a row reads."""
        for name in _columns_in(expr):
            if name.name not in known:
                hint = did_you_mean(name.name, list(known), f"it has {listed(list(table.columns.names))}")
                if name.name in ("row", "item", "example", "sample", "record", "x"):
                    hint = f"columns are written alone, without `{name.name}.`: `{table.columns.names[0]}`"
                self.tell(f"column `{name.name}` is not in {table.columns.file}", name.span, hint, table)

    def tell(
        self, message: str, span: Span, hint: str, table: _Table, label: str = "", labels: tuple[Label, ...] = ()
    ) -> None:
        """An error, or a warning where only the first rows are known."""
        if table.columns.whole:
            self.program.report("E0285", message, span, hint=hint, label=label, labels=labels)
        else:
            label = label or f"not in its first {table.columns.rows:,} rows"
            self.program.report("W0285", message, span, hint=hint, label=label, labels=labels)

    def steps(self, expr: ast_expressions.Expr, scope: ModuleScope) -> None:
        """The conditions of `where(…)` in an expression of rows."""
        table = self.table(expr, scope)
        if table is None:
            return
        for node in nodes(expr):
            if not isinstance(node, ast_expressions.Call) or node.callee.name != "where":
                continue
            rows_first = isinstance(node.callee, ast_expressions.Name) and len(node.args) > 1
            for arg in node.args[1 if rows_first else 0 :]:
                mark = len(self.program.diagnostics)
                self.names(arg.value, table.fields, table)
                if len(self.program.diagnostics) == mark:
                    self.fields(table).condition(arg.value)

    def fields(self, table: _Table) -> RowTypes:
        """The types of what `where(…)` reads of rows: columns that no field hides."""
        kinds = self.kinds(table)
        hidden = {name for name, _ in table.dataset.fields}
        return replace(kinds, columns={name: kind for name, kind in kinds.columns.items() if name not in hidden})

    def measured(
        self,
        pipelines: tuple[ast_expressions.Expr, ...],
        rows: ast_expressions.Expr,
        clauses: tuple[ast.Clause, ...],
        scope: ModuleScope,
    ) -> None:
        """What pipelines and metrics want of the rows on which they are measured."""
        self.steps(rows, scope)
        table = self.table(rows, scope)
        if table is None:
            return
        linked, given = self.program.linked, table.fields
        for expr in pipelines:
            symbol = lookup(expr, scope, linked)
            declaration = None if symbol is None else symbol.declaration
            if symbol is None or not isinstance(declaration, ast.PipelineDecl):
                continue
            for wanted in declaration.inputs:
                if wanted.default is None and wanted.name not in given:
                    message = f"the rows of `{table.dataset.name}` have no `{wanted.name}`, which `{symbol.name}` takes"
                    near = did_you_mean(wanted.name, list(table.columns.names))
                    column = near.split("`")[1] if near else "COLUMN"
                    has = f"; {table.columns.file} has {listed(list(table.columns.names))}"
                    hint = f"add `{wanted.name}: {column}` to the dataset{has}"
                    self.tell(message, rows.span, hint, table)
        for clause in clauses:
            if clause.keyword == "metric":
                for value in clause.values:
                    self.metric(value, rows, table, scope)

    def metric(
        self, value: ast_expressions.Expr, rows: ast_expressions.Expr, table: _Table, scope: ModuleScope
    ) -> None:
        """The fields of a row that a declared metric reads."""
        symbol = lookup(value, scope, self.program.linked)
        declaration = None if symbol is None else symbol.declaration
        if not isinstance(declaration, ast.MetricDecl) or len(declaration.params) < 2:
            return
        row = declaration.params[1].name
        for node in nodes(declaration.body):
            if not isinstance(node, ast_expressions.Attribute) or not isinstance(node.value, ast_expressions.Name):
                continue
            if node.value.name == row and node.name not in table.fields:
                hint = did_you_mean(node.name, list(table.fields), f"it has {listed(list(table.fields))}")
                labels = (Label(rows.span, "measured on these"),)
                message = f"the rows of `{table.dataset.name}` have no `{node.name}`"
                self.tell(message, node.span, hint, table, labels=labels)


def _holdout(clause: ast.Clause) -> tuple[ast_expressions.Expr, ...]:
    return clause.values if clause.keyword == "holdout" else ()


def _columns_in(expr: ast_expressions.Expr) -> Iterator[ast_expressions.Name]:
    """The bare names of an expression over a row; those in front of brackets are functions."""
    match expr:
        case ast_expressions.Name():
            yield expr
        case ast_expressions.Call(args=args):
            for arg in args:
                yield from _columns_in(arg.value)
        case ast_expressions.Pipe(left=left, right=right):
            yield from _columns_in(left)
            yield from _columns_in(right)
        case ast_expressions.Attribute(value=inner) | ast_expressions.Unary(operand=inner):
            yield from _columns_in(inner)
        case ast_expressions.Slice(value=inner):
            yield from _columns_in(inner)
        case ast_expressions.Binary(left=left, right=right):
            yield from _columns_in(left)
            yield from _columns_in(right)
        case ast_expressions.Compare(operands=items) | ast_expressions.ListExpr(items=items):
            for item in items:
                yield from _columns_in(item)
        case ast_expressions.MapExpr(entries=entries):
            for entry in entries:
                yield from _columns_in(entry.value)
