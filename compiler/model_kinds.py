"""Kinds of models: the options that mean the same for all of them, and kinds that a program imports from Python.

    use python("some-package") { onnx }
    model small = onnx("small.onnx", threads: 4, temperature: 0.7)

The function's signature, which the loader has read, says what the call may give; nothing is opened here.

Codes:
    E0241  a function of a Python file that is no kind of model
    E0242  a model without its locator, or with one that its kind does not take
    E0243  an argument that this kind of model does not have, or of the wrong kind
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ttscale.compiler import ast_expressions, ir
from ttscale.compiler.diagnostics import Diagnostic, suggest
from ttscale.compiler.python_names import KIND_WORDS, PythonSignature
from ttscale.compiler.resolve_types import literal
from ttscale.compiler.signatures import Parameter

SAMPLING_OPTIONS = (
    *("temperature", "top_p", "top_k", "min_p", "repeat_penalty"),
    *("typical_p", "frequency_penalty", "presence_penalty", "penalty_window"),
    *("max_tokens", "stop", "stop_pattern", "thinking", "constrain"),
)
OF_EVERY_KIND = (*SAMPLING_OPTIONS, "price")
"""What a model of any imported kind takes besides the arguments of its function."""


def read_plugin_model(
    name: str, call: ast_expressions.Call, function: PythonSignature
) -> tuple[ir.Model | None, list[Diagnostic]]:
    """The model that a call of an imported kind makes, and what is wrong with it."""
    if function.kind != "engine":
        message = f"`{function.name}` is {KIND_WORDS[function.kind]}, not a kind of model"
        hint = "its function needs `@engine` of `ttscale.plugin`"
        return None, [Diagnostic("E0241", message, call.callee.span, hint=hint)]
    positional = [arg for arg in call.args if arg.name is None]
    locator, found = _locator(call, positional, function)
    options: dict[str, object] = {}
    parameters = {parameter.name: parameter for parameter in function.parameters}
    for arg in call.args:
        if arg.name is None:
            continue
        if arg.name in options:
            found.append(Diagnostic("E0243", f"`{arg.name}` is given twice", arg.span, hint="keep one of them"))
        elif arg.name in parameters:
            options[arg.name] = literal(arg.value)
            found += _unfitting(parameters[arg.name], options[arg.name], arg)
        elif arg.name in OF_EVERY_KIND:
            options[arg.name] = literal(arg.value)
            found += wrong_kind(arg.name, options[arg.name], arg)
        else:
            known = (*parameters, *OF_EVERY_KIND)
            near = suggest(arg.name, known)
            hint = f"did you mean `{near}:`?" if near else f"it takes {', '.join(known)}"
            found.append(Diagnostic("E0243", f"`{function.name}` has no argument `{arg.name}`", arg.span, hint=hint))
    for parameter in function.parameters:
        if parameter.required and parameter.name not in options:
            message = f"`{function.name}` needs `{parameter.name}:`"
            found.append(Diagnostic("E0243", message, call.span, hint=f"add `{parameter.name}: …`"))
    given = tuple(options.items())
    model = ir.Model(name, function.name, locator, given, call.span, function.key, function.abilities)
    return (None if any(d.severity == "error" for d in found) else model), found


def _locator(
    call: ast_expressions.Call, positional: list[ast_expressions.Arg], function: PythonSignature
) -> tuple[str, list[Diagnostic]]:
    wanted = function.locator
    match positional:
        case [] if wanted is None or not wanted.required:
            return "", []
        case [ast_expressions.Arg(value=ast_expressions.LiteralValue(value=str(text)))] if wanted is not None:
            return text, []
    span = positional[-1].span if positional else call.span
    if wanted is None:
        message = f"`{function.name}` takes its arguments by name only"
        names = ", ".join(f"{parameter.name}: …" for parameter in function.parameters)
        return "", [Diagnostic("E0242", message, span, hint=f"write `{function.name}({names})`")]
    message = f"`{function.name}` needs {wanted.doc or f'its `{wanted.name}`'}, one text"
    return "", [Diagnostic("E0242", message, span, hint=f'write `{function.name}("…")`')]


_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "text": "a text",
}


def _unfitting(parameter: Parameter, value: object, arg: ast_expressions.Arg) -> list[Diagnostic]:
    """What is wrong with the value of an argument, by its kind, names and bounds."""
    if _is_of(parameter, value, arg.value):
        bounds = _bounds(parameter, value)
        if not bounds:
            return []
        message = f"`{parameter.name}` must be {bounds}, and this is {value}"
        return [Diagnostic("E0243", message, arg.value.span, hint=f"give a number {bounds}")]
    wanted = f"one of {', '.join(parameter.choices)}" if parameter.kind == "name" else _WANTED[parameter.kind]
    return [Diagnostic("E0243", f"`{parameter.name}` needs {wanted}", arg.value.span, hint=f"give {wanted}")]


def _is_of(parameter: Parameter, value: object, expr: ast_expressions.Expr) -> bool:
    is_bool = isinstance(value, bool)
    match parameter.kind:
        case "int":
            return isinstance(value, int) and not is_bool
        case "float":
            return isinstance(value, int | float) and not is_bool
        case "bool":
            return is_bool
        case "name":
            return value in parameter.choices
        case "text":
            return isinstance(value, str) and isinstance(expr, ast_expressions.LiteralValue)
    return False


def _bounds(parameter: Parameter, value: object) -> str:
    """The bounds that a number breaks, in words; empty where it keeps to them."""
    low, high = parameter.low, parameter.high
    number = value if isinstance(value, int | float) else 0
    if (low is None or number >= low) and (high is None or number <= high):
        return ""
    if low is not None and high is not None:
        return f"from {low:g} to {high:g}"
    return f"at least {low:g}" if low is not None else f"at most {high:g}"


# --- options that mean the same for every kind ---------------------------------------------------


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _price(value: object) -> bool:
    if _number(value):
        return True
    return isinstance(value, tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 and pair[0] in ("input", "output") and _number(pair[1])
        for pair in value
    )


_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "ctx": (_count, "a number of tokens, such as `ctx: 4096`"),
    "threads": (_count, "a whole number"),
    "batch": (_count, "a whole number"),
    "ubatch": (_count, "a whole number"),
    "slots": (_count, "a whole number"),
    "max_tokens": (_count, "a number of tokens"),
    "top_k": (_count, "a whole number"),
    "temperature": (_number, "a number, such as `temperature: 0.7`"),
    "top_p": (_number, "a number from 0 to 1"),
    "min_p": (_number, "a number from 0 to 1"),
    "repeat_penalty": (_number, "a number, 1 being off"),
    "typical_p": (_number, "a number from 0 to 1"),
    "frequency_penalty": (_number, "a number, 0 being off"),
    "presence_penalty": (_number, "a number, 0 being off"),
    "penalty_window": (_count, "a number of tokens"),
    "name": (lambda value: isinstance(value, str), "a text"),
    "constrain": (lambda value: isinstance(value, bool), "true or false"),
    "grammar": (lambda value: isinstance(value, bool), "true or false"),
    "once": (lambda value: isinstance(value, bool), "true or false"),
    "logprobs": (lambda value: isinstance(value, bool), "true or false"),
    "continuation": (lambda value: isinstance(value, bool), "true or false"),
    "stream": (lambda value: isinstance(value, bool), "true or false"),
    "samples_a_call": (lambda value: _count(value) and value != 0, "a whole number from 1 on"),
    "price": (_price, "dollars for a million tokens, such as `price: {input: 0.15usd, output: 0.60usd}`"),
}


def wrong_kind(
    name: str, value: object, arg: ast_expressions.Arg, own: Mapping[str, tuple[Callable[[object], bool], str]] = _KINDS
) -> list[Diagnostic]:
    """What is wrong with the value of an option: one of the kind's own, or one that means the same for all of them."""
    known = own.get(name) or _KINDS.get(name)
    if known is None or known[0](value):
        return []
    wanted = known[1]
    return [Diagnostic("E0243", f"`{name}` needs {wanted}", arg.value.span, hint=f"give {wanted}")]
