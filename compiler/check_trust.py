"""What a recipe would do besides asking models that lie on this machine, and whether that was granted.

A recipe is data: it reads no file outside its folder, names no secret, reaches no host and runs no code, unless the
user grants that capability by name. A loader that knows recipes has a method `granted`, which gives the capabilities of
a module: None for the user's own files, which may do what they like. Rows and schemas outside a recipe's folder are
refused where they are read, and nobody can grant them.

    python     runs Python: `use python(…)`
    code       runs programs that models write, in the sandbox: `run_tests`, `execute`, the metric `code`, named
               or brought by the shape of rows
    network    reaches another machine: `openai(…)`, `gguf("hf:…")`, `hf(…)`
    files      reads weights outside the recipe: absolute paths, paths with `..`, models of Ollama
    memory     keeps what runs learned, and reads it: `recall`, `remember`
    env:NAME   reads a variable of the environment: `env("NAME")`

Codes:
    E0414  a recipe that does what nobody granted
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

from ttscale.compiler import ast
from ttscale.compiler import ast_expressions as expr
from ttscale.compiler.columns import ColumnReader, shape_metrics
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.scope import Linked, ModuleScope
from ttscale.compiler.source import Span
from ttscale.compiler.walk import nodes

Granted = Callable[[str], Set[str] | None]
RUNNERS = ("run_tests", "execute")
CODE_METRICS = ("code", "code_share")
LEARNERS = ("recall", "remember")
WORDS = {
    "python": "runs Python",
    "code": "runs programs that models write",
    "network": "reaches another machine",
    "files": "reads weights outside its folder",
    "memory": "keeps and reads what questions and answers taught",
}


@dataclass(frozen=True, slots=True)
class Need:
    """One capability that a module needs, the text that says so, and its place."""

    capability: str
    said: str
    span: Span


def needs(tree: ast.Module) -> list[Need]:
    """All capabilities that a module needs by itself, in the order of its text; each place once."""
    found: list[Need] = []
    for declaration in tree.declarations:
        if isinstance(declaration, ast.Use):
            if declaration.kind == "python":
                found.append(Need("python", f'python("{declaration.path}")', declaration.span))
            continue
        for node in nodes(declaration):
            if isinstance(node, expr.Call) and isinstance(node.callee, expr.Name):
                found += _of_call(node, node.callee.name)
            elif isinstance(node, expr.Name) and isinstance(declaration, ast.SearchDecl | ast.EvalDecl):
                found += [Need("code", f"the metric `{node.name}`", node.span)] if node.name in CODE_METRICS else []
    return list(dict.fromkeys(found))


def _of_call(call: expr.Call, name: str) -> Iterator[Need]:
    given = [arg.value for arg in call.args if isinstance(arg.value, expr.LiteralValue)]
    first = next((literal.value for literal in given if isinstance(literal.value, str)), "")
    if name == "env":
        yield Need(f"env:{first}", f'env("{first}")', call.span)
    elif name in RUNNERS:
        yield Need("code", f"`{name}`", call.span)
    elif name in LEARNERS:
        yield Need("memory", f"`{name}`", call.span)
    elif name == "openai":
        yield Need("network", f'openai("{first}")', call.span)
    elif name == "hf" or (name == "gguf" and first.startswith("hf:")):
        yield Need("network", f'{name}("{first}")', call.span)
    elif name == "gguf":
        # adapters and templates are files too, in lists and maps of options
        for node in nodes(call):
            text = (
                node.key
                if isinstance(node, expr.MapEntry)
                else node.value
                if isinstance(node, expr.LiteralValue)
                else ""
            )
            if isinstance(text, str) and (text.startswith("ollama:") or is_outside(text)):
                yield Need("files", f'{name}("{text}")', call.span)


def is_outside(path: str) -> bool:
    """Whether a path, as a program writes it, may lead out of the program's folder."""
    plain = path.replace("\\", "/")
    return plain.startswith(("/", "~")) or plain[1:3] == ":/" or ".." in plain.split("/")


def by_shape(linked: Linked, scope: ModuleScope, columns: ColumnReader | None) -> list[Need]:
    """What evals of a file need that name no metric and get one that runs programs, from the shape of their rows."""
    if columns is None:
        return []
    said = "the metric `{}`, which the shape of its rows brings"
    found = shape_metrics(linked, scope, columns)
    return [Need("code", said.format(metric), span) for metric, span in found if metric in CODE_METRICS]


def check_trust(linked: Linked, granted: Granted, columns: ColumnReader | None = None) -> list[Diagnostic]:
    """An error for every place where a module of a recipe needs what it was not granted; `columns` tells of its rows.

    Python is left to the loader, which refuses it before it runs (E0405).
    """
    found: list[Diagnostic] = []
    for name, scope in linked.modules.items():
        allowed = granted(name)
        if allowed is None:
            continue
        for need in (*needs(scope.tree), *by_shape(linked, scope, columns)):
            if need.capability not in allowed and need.capability != "python":
                found.append(_refused(need, name))
    return found


def _refused(need: Need, module: str) -> Diagnostic:
    recipe = module.partition("/")[0]
    what = WORDS.get(need.capability) or f"reads the variable {need.capability.partition(':')[2]} of the environment"
    message = f"the recipe `{recipe}` {what} ({need.said}), which nobody granted"
    hint = f"read it, then grant it with `--allow {need.capability}`"
    return Diagnostic("E0414", message, need.span, hint=hint)
