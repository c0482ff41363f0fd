"""Binding: from a program and values given from outside to the graph of one pipeline.

    graph, diagnostics = bind(linked, "main", {"n": "8"}, {"small": model_from_locator("small", "x.gguf")})

Values are Python values or texts as typed on a command line (`--param n=8`, `--param judge=a`,
`--param models=a,b`). What is not given has its default.

The graph has been through all `passes`. The stages' standard prompts (`judge_answer`, `rank_answers`, …) are those of
the module `std/stages` where the program links it; a loader that keeps them elsewhere passes them as `std`, by name.

Codes:
    E0550  a pipeline that does not exist, or no pipeline at all
    E0557  a model that the program does not declare
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ttscale.compiler import ast, ir
from ttscale.compiler.diagnostics import Diagnostic, suggest
from ttscale.compiler.expand import expand
from ttscale.compiler.feasible import infeasible
from ttscale.compiler.oversize import certain
from ttscale.compiler.passes import optimise
from ttscale.compiler.scope import Linked, Symbol
from ttscale.compiler.space import bound_values, broken_rules, space_of

if TYPE_CHECKING:
    from ttscale.compiler.driver import Checked


def bind(
    program: Checked | Linked,
    pipeline: str | None = None,
    params: Mapping[str, object] | None = None,
    models: Mapping[str, ir.Model] | None = None,
    *,
    std: Mapping[str, ir.Prompt] | None = None,
) -> tuple[ir.Graph | None, list[Diagnostic]]:
    """The graph of a pipeline with its parameters bound; None with at least one error where that cannot be.

    `pipeline` None is `main`, or the only one of the file. `models` replaces declared models by name; the name ""
    stands for the only one.
    """
    linked = program if isinstance(program, Linked) else program.linked
    symbol, found = choose_pipeline(linked, pipeline)
    if symbol is None:
        return None, found
    replacements, found = _replacements(linked, models or {})
    if found:
        return None, found
    return bind_symbol(linked, symbol, params or {}, replacements, std=std)


def bind_symbol(
    linked: Linked,
    symbol: Symbol,
    params: Mapping[str, object],
    models: Mapping[str, ir.Model],
    *,
    std: Mapping[str, ir.Prompt] | None = None,
) -> tuple[ir.Graph | None, list[Diagnostic]]:
    """As `bind`, for the declaration `symbol`; `models` are by declared name."""
    space = space_of(linked, symbol, models)
    values, names, found = bound_values(space, params)
    if not found:
        found += broken_rules(space, values)
    if found:
        return None, found
    graph, found, oversized = expand(linked, symbol, values, names, models=models, std=std, named=space.expansion)
    found = [*found, *(certain(note, "with these parameters") for note in oversized)]
    if graph is not None:
        graph = optimise(graph)
        found += infeasible(graph, symbol, linked.known(graph.models))
    if any(d.severity == "error" for d in found):
        return None, found
    return graph, found


def choose_pipeline(linked: Linked, name: str | None) -> tuple[Symbol | None, list[Diagnostic]]:
    """The pipeline that is meant: the one named, else `main`, else the only one of the file."""
    known = {n: s for n, s in linked.main.names.items() if s.kind == "pipeline" and _is_whole(s)}
    if name is not None:
        symbol = _dotted(linked, name) or known.get(name)
        if symbol is not None:
            return symbol, []
        near = suggest(name, known)
        hint = f"did you mean `{near}`?" if near else (f"it has {', '.join(known)}" if known else "declare one")
        return None, [Diagnostic("E0550", f"there is no pipeline `{name}`", None, hint=hint)]
    if "main" in known:
        return known["main"], []
    if len(known) == 1:
        return next(iter(known.values())), []
    if known:
        hint = f"say which one: {', '.join(known)}"
        return None, [Diagnostic("E0550", "this file has several pipelines and no `main`", None, hint=hint)]
    hint = "add `pipeline main(question: Text) -> Text { return … }`"
    return None, [Diagnostic("E0550", "this file has no pipeline", None, hint=hint)]


def _is_whole(symbol: Symbol) -> bool:
    return isinstance(symbol.declaration, ast.PipelineDecl)


def _dotted(linked: Linked, name: str) -> Symbol | None:
    """A pipeline of an imported module, `inner.main`."""
    owner, _, member = name.partition(".")
    module = linked.main.names.get(owner)
    if not member or module is None or module.kind != "module" or module.module not in linked.modules:
        return None
    symbol = linked.modules[module.module].exported(member)
    return symbol if symbol is not None and symbol.kind == "pipeline" and _is_whole(symbol) else None


def _replacements(linked: Linked, models: Mapping[str, ir.Model]) -> tuple[dict[str, ir.Model], list[Diagnostic]]:
    """Models given from outside by the name that they take the place of."""
    declared = [s.name for m in linked.modules.values() for s in m.names.values() if s.kind == "model"]
    known = list(dict.fromkeys(declared))
    found: list[Diagnostic] = []
    chosen: dict[str, ir.Model] = {}
    for name, model in models.items():
        if name == "" and len(known) == 1:
            chosen[known[0]] = replace(model, name=known[0])
        elif name in known:
            chosen[name] = replace(model, name=name)
        else:
            near = suggest(name, known) if name else None
            hint = f"did you mean `{near}`?" if near else f"it declares {', '.join(known) or 'none'}"
            message = f"this program declares no model `{name}`" if name else "say which model is to be replaced"
            found.append(Diagnostic("E0557", message, None, hint=hint))
    return chosen, found
