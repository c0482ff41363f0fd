"""Pipelines: inputs, parameters, rules, budget, bindings and the result; and calls that go in a circle.

Codes:
    E0208  a name that has a value already
    E0215  an input's default of the wrong type
    E0237  pipelines that call themselves
    E0238  a result of the wrong type
    E0249  an input or a result that is not a value, such as a Model
    L003   a parameter that nothing uses
    L007   an input that nothing uses
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

from ttscale.compiler import ast, ast_expressions, types
from ttscale.compiler.check_blocks import bind_name, body, report_unused
from ttscale.compiler.check_chats import chat_value
from ttscale.compiler.check_conditions import MAYBE
from ttscale.compiler.check_expressions import expression
from ttscale.compiler.check_frame import UNKNOWN, Facet, Frame, Local, Program, Typed
from ttscale.compiler.check_params import check_budget, check_requires, declare
from ttscale.compiler.check_strategies import is_rule
from ttscale.compiler.check_types import describe, fits, plain
from ttscale.compiler.check_values import expect, fit, typed_as
from ttscale.compiler.combination_signatures import COMBINATION_ALIASES, COMBINATIONS
from ttscale.compiler.diagnostics import Label
from ttscale.compiler.policy_signatures import POLICIES, POLICY_ALIASES
from ttscale.compiler.resolve import is_broken, lookup, type_of
from ttscale.compiler.scope import Linked, ModuleScope, Symbol
from ttscale.compiler.signatures import FACETS
from ttscale.compiler.source import Span
from ttscale.compiler.walk import nodes
from ttscale.compiler.watch_signatures import WATCHER_ALIASES, WATCHERS

UNUSED = ("L002", "L003", "L007")
"""Lints that say little while there are errors: what is unused may be what the error is about."""


def check_pipeline(declaration: ast.PipelineDecl, scope: ModuleScope, program: Program) -> None:
    """Everything that is wrong with one pipeline, for all assignments of its parameters."""
    mark = len(program.diagnostics)
    frame = Frame(program, scope, expression, "pipeline")
    inputs: dict[str, Local] = {}
    for field in declaration.inputs:
        local = _input(field, frame)
        if field.name in inputs:
            bind_name(field.name, local, _holding(inputs, frame))
        else:
            inputs[field.name] = local
    declare(declaration.params, frame)
    for name, local in inputs.items():
        if name in frame.locals:
            other = frame.locals.pop(name)
            bind_name(name, other, _holding(inputs, frame))
        frame.locals[name] = local
    check_requires(declaration.requires, frame, frozenset(binding.name for binding in declaration.bindings))
    check_budget(declaration.budget, frame)
    body(declaration.bindings, frame)
    _returned(declaration, frame)
    report_unused(frame)
    _unused_inputs(frame)
    if program.has_errors_since(mark):
        program.forget_lints_since(mark, UNUSED)


def _holding(names: dict[str, Local], frame: Frame) -> Frame:
    return Frame(frame.program, frame.scope, frame.typer, frame.purpose, locals=names)


def _input(field: ast_expressions.FieldDef, frame: Frame) -> Local:
    kind, found = type_of(field.type, frame.scope, frame.program.linked)
    frame.program.diagnostics += found
    if isinstance(kind, types.ModelType | types.PromptType):
        what = describe(kind)
        hint = f"make it a parameter: `param {field.name}: {'Model' if 'model' in what else 'Prompt'} in {{a, b}}`"
        frame.report("E0249", f"an input is data, and this is {what}", field.type.span, hint=hint)
        kind = types.ANY
    if field.default is not None:
        what = f"the default of `{field.name}`"
        if kind == types.CHAT and isinstance(field.default, ast_expressions.ListExpr | ast_expressions.MapExpr):
            chat_value(field.default, frame, what)
        else:
            expect(field.default, frame, kind, what)
    span = Span(field.span.file, field.span.start, field.span.start + len(field.name))
    facets = {name: Facet(MAYBE) for name in FACETS}
    return Local("input", Typed(kind, UNKNOWN, facets), span)


def _returned(declaration: ast.PipelineDecl, frame: Frame) -> None:
    wanted, found = type_of(declaration.result, frame.scope, frame.program.linked)
    frame.program.diagnostics += found
    if isinstance(wanted, types.ModelType | types.PromptType | types.Simple) and wanted in (
        types.ModelType(),
        types.CHAT,
        types.ROW,
    ):
        hint = "return what is read from answers: Text, Number, a list or a pool of them"
        frame.report("E0249", f"a pipeline cannot return {describe(wanted)}", declaration.result.span, hint=hint)
        wanted = types.ANY
    value = declaration.value
    typed = typed_as(value, frame, wanted)
    if not typed.is_known or wanted == types.ANY:
        return
    given = typed.value
    inner = wanted.item if isinstance(wanted, types.Answers | types.ListOf) and typed.is_pool else wanted
    listed = isinstance(given, types.ListOf) and isinstance(wanted, types.ListOf)
    if typed.is_pool and not fits(given, inner) and not (listed and fits(given, wanted)):
        _wrong_result(declaration, wanted, inner, given, frame)
        return
    before = len(frame.program.diagnostics)
    fit(typed, value, frame, wanted, "the result")
    added = frame.program.diagnostics[before:]
    if any(diagnostic.code == "E0215" for diagnostic in added):
        del frame.program.diagnostics[before:]
        _wrong_result(declaration, wanted, wanted, typed.type, frame)


def _wrong_result(
    declaration: ast.PipelineDecl, wanted: types.Type, inner: types.Type, given: types.Type, frame: Frame
) -> None:
    """A pipeline that gives something other than it says."""
    labels = (Label(declaration.result.span, f"it says {wanted}"),)
    hint = f"read the answers as {inner}: declare the prompt `-> {inner}`; or declare the pipeline `-> {given}`"
    value = declaration.value
    last = value.right if isinstance(value, ast_expressions.Pipe) else value
    made = _type_of_its_own(declaration)
    if made and not isinstance(wanted, types.Text):
        hint = f"{made} declare the pipeline `-> {given}`"
    elif isinstance(last, ast_expressions.Call) and last.callee.name == "text" and not isinstance(inner, types.Text):
        hint = f"leave out `text(…)`, which makes a value into Text; or declare the pipeline `-> {given}`"
    elif isinstance(inner, types.Text) and not isinstance(given, types.MessageType | types.ModelType):
        hint = f"write `return text(…)`, or declare the pipeline `-> {given}`"
    elif isinstance(given, types.MessageType):
        hint = "ask a model: `return generate(…)`"
    elif isinstance(given, types.ListOf | types.Record | types.ModelType | types.PromptType):
        hint = f"declare the pipeline `-> {given}`, or return a value of type {wanted}"
        shape = plain(inner)
        if isinstance(shape, types.Record) and isinstance(given, types.Record):
            fields = ", ".join(f"{field.name}: …" for field in shape.fields)
            hint = f"write `return {{{fields}}}`"
    own = given.fields if isinstance(given, types.Record) else ()
    fitting = [field.name for field in own if fits(field.type, inner)]
    if fitting and not isinstance(plain(inner), types.Record):
        base = value.name if isinstance(value, ast_expressions.Name) else "answer"
        bound = "" if base != "answer" or isinstance(value, ast_expressions.Name) else "`answer = …` and "
        hint = f"to return one field write {bound}`return {base}.{fitting[0]}`; or declare the pipeline `-> {given}`"
    message = f"`{declaration.name}` returns {describe(given)}, and it says {wanted}"
    frame.report("E0238", message, declaration.value.span, labels=labels, hint=hint)


OWN_TYPES = {
    "prove": "`prove` answers with its own labels, whatever the prompt says:",
    "retrieve": "`retrieve` gives texts: ask a model about them, `return generate(…)`; or",
}
"""What to say of stages whose answers no prompt's result type decides, by name."""


def _type_of_its_own(declaration: ast.PipelineDecl) -> str:
    """What to say where a stage of `OWN_TYPES` made what is returned; empty elsewhere."""
    values = {binding.name: binding.value for binding in declaration.bindings}
    value = declaration.value
    for _ in range(len(values) + 1):
        while isinstance(value, ast_expressions.Pipe):
            if value.right.callee.name in OWN_TYPES:
                return OWN_TYPES[value.right.callee.name]
            value = value.left
        if isinstance(value, ast_expressions.Call):
            return OWN_TYPES.get(value.callee.name, "")
        if not isinstance(value, ast_expressions.Name) or value.name not in values:
            return ""
        value = values[value.name]
    return ""


def _unused_inputs(frame: Frame) -> None:
    for name, local in frame.locals.items():
        if local.used or name.startswith("_"):
            continue
        if local.kind == "param":
            hint = "leave it out; a search would try its values for nothing"
            frame.report("L003", f"the parameter `{name}` is never used", local.span, hint=hint)
        elif local.kind == "input":
            frame.report("L007", f"the input `{name}` is never used", local.span, hint="give it to a prompt")


# --- recursion -----------------------------------------------------------------------------------

Place = tuple[str, str]
"""A pipeline: its module and name."""


def check_recursion(program: Program) -> None:
    """Reports each circle of pipelines that call each other, once, with its path."""
    graph: dict[Place, list[tuple[Place, Span]]] = {}
    linked = program.linked
    for scope in linked.modules.values():
        names = _pipelines_in_sight(scope, linked)
        text = linked.sources[scope.name].text
        for declaration in scope.tree.declarations:
            if not isinstance(declaration, ast.PipelineDecl):
                continue
            # Few pipelines call others; words are found much faster than all nodes of a tree are walked.
            if not names.isdisjoint(_WORD.findall(text, declaration.result.span.end, declaration.span.end)):
                graph[(scope.name, declaration.name)] = list(_calls(declaration, scope, linked))
    done: set[Place] = set()
    for start in graph:
        _walk(start, graph, [], done, program)


_WORD = re.compile(r"[A-Za-z_]\w*")


def _pipelines_in_sight(scope: ModuleScope, linked: Linked) -> set[str]:
    """The names by which a module may call pipelines: their own, and those of modules that have some."""
    with_pipelines = {
        name
        for name, module in linked.modules.items()
        if any(isinstance(declaration, ast.PipelineDecl) for declaration in module.tree.declarations)
    }
    return {
        name
        for name, symbol in scope.names.items()
        if symbol.kind == "pipeline" or (symbol.kind == "module" and symbol.module in with_pipelines)
    }


def _walk(
    place: Place, graph: dict[Place, list[tuple[Place, Span]]], path: list[Place], done: set[Place], program: Program
) -> None:
    if place in done:
        return
    path.append(place)
    for target, span in graph.get(place, ()):
        if target in path:
            circle = [name for _, name in [*path[path.index(target) :], target]]
            message = f"pipeline `{target[1]}` calls itself"
            hint = "a loop is written `repeat N with …`, so that its cost can be bounded"
            program.report("E0237", message, span, label=" -> ".join(circle), hint=hint)
        else:
            _walk(target, graph, path, done, program)
    path.pop()
    done.add(place)


def _calls(declaration: ast.PipelineDecl, scope: ModuleScope, linked: Linked) -> Iterator[tuple[Place, Span]]:
    rules: set[int] = set()  # `select(by: majority(…))` names the rule, whatever the pipeline is called
    for node in nodes(declaration):
        if isinstance(node, ast_expressions.Call) and id(node) not in rules:
            given = [(arg.name, value) for arg in node.args for value in _each(arg.value)]
            rules |= {id(value) for name, value in given if _names_rule(node, value, name)}
            symbol: Symbol | None = lookup(node.callee, scope, linked)
            if symbol is not None and symbol.kind == "pipeline" and not is_broken(symbol):
                yield (symbol.module, symbol.name), node.callee.span


def _each(value: ast_expressions.Expr) -> tuple[ast_expressions.Expr, ...]:
    """The items of a list that is written out, else the value itself."""
    return value.items if isinstance(value, ast_expressions.ListExpr) else (value,)


_OTHER_RULES: dict[str, Container[str]] = {
    "policy": POLICIES.keys() | POLICY_ALIASES.keys(),
    "combine": COMBINATIONS.keys() | COMBINATION_ALIASES.keys(),
    "watch": WATCHERS.keys() | WATCHER_ALIASES.keys(),
}


def _names_rule(call: ast_expressions.Call, value: ast_expressions.Expr, argument: str | None) -> bool:
    """Whether an argument of a call is a rule of the language, as in `select(by: adaptive(score))`."""
    if not (isinstance(value, ast_expressions.Call) and isinstance(value.callee, ast_expressions.Name)):
        return False
    if argument in _OTHER_RULES:
        return value.callee.name in _OTHER_RULES[argument]
    named = argument in ("by", "weight", "judge") or (argument is None and call.callee.name in ("select", "score"))
    return named and is_rule(value.callee.name) is not None
