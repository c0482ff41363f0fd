"""`retrieve`: what is looked up, and where: in files, or among texts of the run.

Codes (besides those of check_values):
    E0212  nowhere to look, or no model for vectors
    E0213  files and texts of the run at once, or a model where no vectors are made
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_values import expect
from ttscale.compiler.parameters import Parameter

if TYPE_CHECKING:
    from ttscale.compiler.check_stages import StageCall


def content(call: StageCall, parameter: Parameter, value: ast_expressions.Expr) -> None:
    """A text that a run has, or where `many` a list or pool of texts."""
    wanted = types.ListOf(types.TEXT) if parameter.many else types.TEXT
    expect(value, call.frame, wanted, f"`{parameter.name}:`", for_prompt=parameter.many)


def check_nearness(call: StageCall) -> None:
    """Vectors need a model that makes them, and nothing else does."""
    by, given, name = call.given.get("by"), call.given, call.signature.name
    word = by.name if isinstance(by, ast_expressions.Name) else "words" if by is None else ""
    if word in ("embedding", "both") and "from" not in given and "from" not in call.meant:
        message = f"`{name}` does not say which model makes the vectors"
        call.frame.report("E0212", message, call.expr.span, hint="add `from:` with a model of the llama engine")
    if word in ("words", "latest", "score") and "from" in given:
        message = f"`from:` is about vectors, and `{name}` goes by {'words' if word == 'words' else f'the {word}'} here"
        call.frame.report("E0213", message, given["from"].span, hint="add `by: embedding`, or leave `from:` out")


def check_retrieve(call: StageCall) -> None:
    """Checks that there is one place to look in; what comes out are texts."""
    call.result = types.TEXT
    given, frame = call.given, call.frame
    check_nearness(call)
    if "files" in given and "among" in given:
        message = "`retrieve` looks in files or among texts of the run, not both"
        frame.report("E0213", message, given["among"].span, hint="retrieve twice, and join both with `+`")
    elif "files" not in given and "among" not in given and not {"files", "among"} & call.meant:
        message = "`retrieve` does not say where to look"
        frame.report("E0212", message, call.expr.span, hint='write `files: "notes/*.md"` or `among: paragraphs`')
