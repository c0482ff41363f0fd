"""Prompts for stages (`using:`): whether the stage can fill them, and whether it can use their answers.

Codes:
    E0215  something that is no prompt
    E0225  a prompt that needs an argument which the stage does not offer
    E0226  a prompt whose answers the stage cannot use
"""

from __future__ import annotations

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_facets import must_have
from ttscale.compiler.check_fill import Callee, arguments, callee_of
from ttscale.compiler.check_frame import Frame, Typed, listed
from ttscale.compiler.check_types import describe
from ttscale.compiler.resolve import is_broken, lookup
from ttscale.compiler.signatures import Signature


def using_prompt(signature: Signature, source: Typed, value: ast_expressions.Expr, frame: Frame) -> types.Type | None:
    """Checks the prompt of `using:` and gives the type that its answers read as; None where it is wrong."""
    given: set[str] = set()
    named = value.callee if isinstance(value, ast_expressions.Call) else value
    symbol = None
    if not (isinstance(named, ast_expressions.Name) and frame.local(named.name) is not None):
        symbol = lookup(named, frame.scope, frame.program.linked)
    if symbol is not None and is_broken(symbol):
        return None
    if symbol is not None and symbol.kind == "prompt":
        callee = callee_of(symbol, _written(named), frame)
    else:
        typed = frame.type(named)
        if not typed.is_known:
            return None
        if not isinstance(typed.type, types.PromptType):
            message = f"`using:` must be a prompt, and this is {describe(typed.type)}"
            hint = "name a prompt; the stage fills its arguments"
            frame.report("E0215", message, value.span, hint=hint)
            return None
        callee = Callee(_written(named), typed.type)
    if isinstance(value, ast_expressions.Call):
        given = arguments(value, callee, frame)
    prompt = callee.type
    names = [name for name, _ in prompt.params]
    offered = (*signature.offers, "question")
    missing = [name for name in names if name not in given and name not in callee.optional and name not in offered]
    stage = signature.name
    if missing:
        shown = ", ".join(f"{name}: …" for name in missing)
        hint = f"bind it in place: `using: {callee.written}({shown})`"
        meant = [(name, own) for name in missing if (own := _meant(name, offered, names)) is not None]
        if meant:
            pairs = " and ".join(f"`{name}` to `{own}`" for name, own in meant)
            rest = ", ".join(f"{name}: …" for name in missing if name not in dict(meant))
            more = f", and bind the rest: `using: {callee.written}({rest})`" if rest else f"; or {hint}"
            hint = f"rename {pairs}, which `{stage}` fills{more}"
        frame.report(
            "E0225",
            f"prompt `{callee.written}` needs {listed(missing)}, which `{stage}` does not offer",
            value.span,
            label=f"`{stage}` offers {listed(tuple(dict.fromkeys(('question', *signature.offers))))}",
            hint=hint,
        )
    if "question" in names and "question" not in given and not source.question:
        no_question(callee.written, value, frame)
    if stage == "revise" and "critique" in names and "critique" not in given and "critique" not in callee.optional:
        kind = dict(prompt.params)["critique"]
        if not isinstance(kind, types.Optional):
            must_have("critiqued", source, value.span, f"prompt `{callee.written}`", frame)
    return _usable(signature, callee.written, prompt.result, value, frame)


_ANSWER = ("response", "reply", "output", "completion", "solution", "candidate", "prediction", "result", "attempt")
_ALIKE = {
    "answer": _ANSWER,
    "answers": (*(f"{name}s" for name in _ANSWER), "replies", "options", "drafts", "samples", "proposals"),
    "question": ("query", "problem", "input", "prompt", "task", "instruction", "user_query"),
    "critique": ("feedback", "review", "notes"),
    "keep": ("k", "top_k", "n"),
    "first": ("a", "one", "answer_a", "response_a"),
    "second": ("b", "two", "other", "answer_b", "response_b"),
}
"""What others call the arguments that a stage fills."""


def _meant(name: str, offered: tuple[str, ...], taken: list[str]) -> str | None:
    """What a stage calls an argument of another name, where the prompt does not have that too."""
    return next((own for own, others in _ALIKE.items() if name in others and own in offered and own not in taken), None)


def no_question(written: str, value: ast_expressions.Expr, frame: Frame) -> None:
    """The prompt wants the question, and the one that made the answers had no argument of that name."""
    frame.report(
        "E0225",
        f"prompt `{written}` needs the `question`, and the prompt that made these answers has no argument of that name",
        value.span,
        hint=f"bind it in place: `using: {written}(question: …)`",
    )


def _usable(
    signature: Signature, written: str, result: types.Type, value: ast_expressions.Expr, frame: Frame
) -> types.Type | None:
    allowed = signature.prompt_results
    kind = str(result).partition("(")[0]
    if result == types.ANY:
        return None
    if allowed and kind not in allowed:
        wanted = " or ".join(allowed)
        message = f"`{signature.name}` reads {wanted} from its prompt, and `{written}` gives {result}"
        hint = f"declare it with `-> {_example(allowed[0])}`"
        frame.report("E0226", message, value.span, hint=hint)
        return None
    return result


def _example(kind: str) -> str:
    return "Choice(yes, no)" if kind == "Choice" else kind


def _written(named: ast_expressions.Expr) -> str:
    if isinstance(named, ast_expressions.Attribute):
        return f"{_written(named.value)}.{named.name}"
    return named.name if isinstance(named, ast_expressions.Name) else "…"
