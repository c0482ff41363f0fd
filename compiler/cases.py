"""Tests written in the language, as the runtime reads them.

Each call of a pipeline inside an `expect` is bound to a graph of its own, with the models that the test's `given`s
put in place of the declared ones:

    expect main("6 * 7?", n: 4) == 42
    Expectation(Apply("==", (Ref("call[0]"), Const(42))), (TestCall(graph, (("question", "6 * 7?"),)),), …)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ttscale.compiler import ast, ast_expressions, ir
from ttscale.compiler.bind import bind_symbol
from ttscale.compiler.data import operand_of
from ttscale.compiler.diagnostics import CompileError, Diagnostic, Label, suggest
from ttscale.compiler.models import read_model
from ttscale.compiler.resolve_types import literal, lookup
from ttscale.compiler.scope import Linked, Symbol
from ttscale.compiler.space import plain_form


def tests_ir(
    linked: Linked,
    models: Mapping[str, ir.Model] | None = None,
    *,
    std: Mapping[str, ir.Prompt] | None = None,
) -> list[ir.TestCase]:
    """The tests of the entry file, in order. `models` replace declared ones; a test's own `given`s come first.

    Raises CompileError for a call that cannot be bound.
    """
    found: list[Diagnostic] = []
    cases: list[ir.TestCase] = []
    for declaration in linked.main.tree.declarations:
        if isinstance(declaration, ast.TestDecl):
            reader = CaseReader(linked, dict(models or {}), std)
            cases.append(reader.case(declaration))
            found += reader.diagnostics
    if any(d.severity == "error" for d in found):
        raise CompileError(found, linked.sources)
    return cases


@dataclass
class CaseReader:
    """Reads one test."""

    linked: Linked
    models: dict[str, ir.Model]
    std: Mapping[str, ir.Prompt] | None
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def case(self, test: ast.TestDecl) -> ir.TestCase:
        """The whole test."""
        for given in test.givens:
            self._given(given)
        expectations = tuple(self._expectation(expect) for expect in test.expects)
        return ir.TestCase(test.name, test.live, expectations, test.span)

    def _given(self, given: ast.Given) -> None:
        symbol = self.linked.main.names.get(given.name)
        if symbol is None or symbol.kind != "model":
            known = [name for name, s in self.linked.main.names.items() if s.kind == "model"]
            near = suggest(given.name, known)
            hint = f"did you mean `{near}`?" if near else f"it declares {', '.join(known) or 'none'}"
            self.diagnostics.append(Diagnostic("E0272", f"there is no model `{given.name}`", given.span, hint=hint))
            return
        model, wrong = read_model(symbol.name, given.value, self.linked.main, self.linked)
        self.diagnostics += wrong
        if model is not None:
            self.models[symbol.name] = model

    def _expectation(self, expect: ast.Expect) -> ir.Expectation:
        calls: list[ir.TestCall] = []

        def calling(call: ast_expressions.Call) -> ir.Operand | None:
            symbol = lookup(call.callee, self.linked.main, self.linked)
            if symbol is None or symbol.kind != "pipeline":
                return None
            made = self._call(call, symbol)
            if made is not None:
                calls.append(made)
            return ir.Ref(f"call[{len(calls) - 1 if made is not None else len(calls)}]")

        condition = operand_of(expect.condition, _name, calling)
        span = expect.condition.span
        source = self.linked.sources.get(span.file)
        text = source.text[span.start : span.end] if source is not None else ""
        return ir.Expectation(condition, tuple(calls), text, expect.span)

    def _call(self, call: ast_expressions.Call, symbol: Symbol) -> ir.TestCall | None:
        """A pipeline call: its arguments parted into inputs and parameters."""
        declaration = symbol.declaration
        assert isinstance(declaration, ast.PipelineDecl)
        waiting = [item.name for item in declaration.inputs]
        known = list(waiting)
        inputs: dict[str, object] = {}
        params: dict[str, object] = {}
        for arg in call.args:
            name = arg.name if arg.name is not None else (waiting[0] if waiting else "")
            if name in waiting:
                waiting.remove(name)
            if name in known:
                inputs[name] = plain_input(arg.value)
            else:
                params[name] = plain_form(arg.value)
        defaults = {item.name: item.default for item in declaration.inputs if item.default is not None}
        for name in list(waiting):
            if name in defaults:
                inputs[name] = plain_input(defaults[name])
                waiting.remove(name)
        if waiting:
            hint = f"write `{declaration.name}({', '.join(known)}: …)`"
            message = f"`{declaration.name}` is called without its input `{waiting[0]}`"
            self.diagnostics.append(Diagnostic("E0212", message, call.span, hint=hint))
            return None
        graph, wrong = bind_symbol(self.linked, symbol, params, self.models, std=self.std)
        where = (Label(call.span, "in this call"),)
        self.diagnostics += [
            Diagnostic(d.code, d.message, d.primary or call.span, d.severity, d.label, (*d.labels, *where), d.hint)
            for d in wrong
            if d.severity == "error"
        ]
        return None if graph is None else ir.TestCall(graph, tuple(inputs.items()))


def _name(name: str) -> ir.Operand | None:
    return ir.Ref("trace") if name == "trace" else None


def plain_input(expr: ast_expressions.Expr) -> object:
    """The value of an input that is written out: a list is a tuple, a map a dict."""
    match expr:
        case ast_expressions.MapExpr(entries=entries):
            return {entry.key: plain_input(entry.value) for entry in entries}
        case ast_expressions.ListExpr(items=items):
            return tuple(plain_input(item) for item in items)
    return literal(expr)
