"""Checking: everything that is wrong with a linked program, before any parameter has a value.

Each kind of declaration has a function in a module of its own (`check_models`, `check_prompts`, `check_pipeline`,
`check_data`); expressions are in `check_expressions` and what it calls. What is already wrong has the type Any,
of which nothing more is said.

    check(linked)   # [Diagnostic("E0210", "there is no stage or prompt `vot`", …, hint="did you mean `vote`?")]

Modules of the standard library are checked by its own tests, not by every program that uses them.

Codes:
    E0201  a field declared twice
    L005   an import that nothing uses
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.check_data import check_metric, check_test
from ttscale.compiler.check_datasets import check_dataset
from ttscale.compiler.check_evals import check_eval
from ttscale.compiler.check_frame import Program
from ttscale.compiler.check_leakage import check_leakage
from ttscale.compiler.check_models import check_model
from ttscale.compiler.check_pipeline import check_pipeline, check_recursion
from ttscale.compiler.check_prompts import check_prompt
from ttscale.compiler.check_searches import check_search
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.evidence import check_evidence
from ttscale.compiler.resolve import is_broken, type_of
from ttscale.compiler.scope import Linked, ModuleScope
from ttscale.compiler.source import Span
from ttscale.compiler.walk import nodes

STD = "std/"
Each = Callable[[ast.Declaration, ModuleScope, Program], None]
"""Adds what is wrong with one declaration."""


def check(linked: Linked, each: Each | None = None) -> list[Diagnostic]:
    """Everything that is wrong with a linked program, for all assignments of its parameters.

    An editor gives `each`, which stands in for `check_declaration` and remembers what that found.
    """
    check_one = each or check_declaration
    program = Program(linked)
    for name, scope in linked.modules.items():
        if name == linked.entry or not name.startswith(STD):
            mark = len(program.diagnostics)
            for declaration in scope.tree.declarations:
                check_one(declaration, scope, program)
            if not program.has_errors_since(mark):
                _unused_imports(scope, program)
    check_recursion(program)
    program.diagnostics += check_evidence(linked)
    return program.diagnostics


def check_declaration(declaration: ast.Declaration, scope: ModuleScope, program: Program) -> None:
    """Add what is wrong with one declaration to the program's diagnostics; nothing else is changed."""
    match declaration:
        case ast.ModelDecl():
            check_model(declaration, scope, program)
        case ast.RecordDecl():
            _record(declaration, scope, program)
        case ast.PromptDecl():
            check_prompt(declaration, scope, program)
        case ast.DatasetDecl():
            check_dataset(declaration, scope, program)
        case ast.MetricDecl():
            check_metric(declaration, scope, program)
        case ast.PipelineDecl():
            check_pipeline(declaration, scope, program)
        case ast.TestDecl():
            check_test(declaration, scope, program)
        case ast.SearchDecl():
            check_search(declaration, scope, program)
            check_leakage(declaration, scope, program)
        case ast.EvalDecl():
            check_eval(declaration, scope, program)
            check_leakage(declaration, scope, program)


def _record(declaration: ast.RecordDecl, scope: ModuleScope, program: Program) -> None:
    """A record's fields: their types, each name once, at least one."""
    seen: dict[str, Span] = {}
    if not declaration.fields:
        hint = f"write `record {declaration.name} {{ name: Text }}`"
        program.report("E0205", f"record `{declaration.name}` has no fields", declaration.name_span, hint=hint)
    whole = ast_expressions.TypeName(declaration.name, (), (), declaration.name_span)
    for field in declaration.fields:
        if field.name in seen:
            labels = (Label(seen[field.name], "first here"),)
            hint = "give one of them another name"
            program.report("E0201", f"`{field.name}` is declared twice", field.span, labels=labels, hint=hint)
        seen[field.name] = field.span
    if scope.names.get(declaration.name) is not None:
        program.diagnostics += [d for d in type_of(whole, scope, program.linked)[1] if d not in program.diagnostics]


def _unused_imports(scope: ModuleScope, program: Program) -> None:
    """Lint for imports that no declaration mentions.

    A model may be imported to be replaced, and a metric to be named when the command is given.
    """
    mentioned: set[str] | None = None
    for declaration in scope.tree.declarations:
        if not isinstance(declaration, ast.Use):
            continue
        if mentioned is None:
            others = [d for d in scope.tree.declarations if not isinstance(d, ast.Use)]
            if any(isinstance(d, ast.BadDecl) for d in others):
                return
            mentioned = set(_mentioned(others))
        for item in declaration.names:
            name = item.alias or item.name
            symbol = scope.names.get(name)
            if symbol is None or is_broken(symbol) or symbol.kind in ("model", "metric"):
                continue
            function = program.linked.python_function(symbol)
            if function is not None and function.kind == "metric":
                continue
            if name not in mentioned:
                program.report("L005", f"`{name}` is imported and never used", item.span, hint="leave it out")
        alias = declaration.alias or ("" if declaration.names else declaration.path.rpartition("/")[2])
        known = scope.names.get(alias)
        if known is not None and not is_broken(known) and alias not in mentioned:
            program.report("L005", f"`{alias}` is imported and never used", declaration.span, hint="leave it out")


def _mentioned(declarations: Iterable[ast.Declaration]) -> Iterable[str]:
    for declaration in declarations:
        for node in nodes(declaration):
            if isinstance(node, ast_expressions.Name):
                yield node.name
            elif isinstance(node, ast_expressions.TypeName):
                yield node.name.partition(".")[0]
            elif isinstance(node, ast.Given):
                yield node.name
