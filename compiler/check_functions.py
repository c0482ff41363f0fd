"""Functions of parts and lists: `depth(parts)`, `fill(text, answers)`, `combinations(items, 2)`.

Codes:
    E0211  an argument with a name
    E0212  an argument too few
    E0213  an argument too many
    E0215  a value of the wrong type
"""

from __future__ import annotations

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_frame import Frame, Typed
from ttscale.compiler.check_types import describe
from ttscale.compiler.check_values import expect, must_be_static, within
from ttscale.compiler.schema_types import as_list
from ttscale.compiler.signatures import PART, FunctionSignature

MOST_IN_A_GROUP = 16
EXAMPLES = {
    "depth": "depth(parts)",
    "fill": "fill(part.question, known)",
    "combinations": "combinations(observations, 2)",
}


def part_function(
    expr: ast_expressions.Call,
    function: FunctionSignature,
    piped: Typed | None,
    source: ast_expressions.Expr | None,
    frame: Frame,
) -> Typed:
    """What a function of parts or lists gives; `source` is what was piped into it."""
    name, example = function.name, EXAMPLES[function.name]
    values = [] if piped is None or source is None else [source]
    for arg in expr.args:
        if arg.name is not None:
            frame.report("E0211", f"`{name}` has no argument `{arg.name}`", arg.span, hint=f"write `{example}`")
        values.append(arg.value)
    if len(values) != len(function.takes):
        code = "E0212" if len(values) < len(function.takes) else "E0213"
        takes = "one argument" if len(function.takes) == 1 else "two arguments"
        frame.report(code, f"`{name}` takes {takes}", expr.span, hint=f"write `{example}`")
        for value in values:
            frame.type(value)
        return Typed(types.ANY)
    match name:
        case "depth":
            _parts(values[0], frame)
            return Typed(types.INT)
        case "fill":
            expect(values[0], frame, types.TEXT, "the text of `fill`")
            _answers(values[1], frame)
            return Typed(types.TEXT)
    item = _items(values[0], frame)
    typed = expect(values[1], frame, types.INT, "the size of a group")
    if typed.is_known and must_be_static(values[1], frame, typed, "the size of a group"):
        within(values[1], frame, 0, MOST_IN_A_GROUP, "the size of a group")
    return Typed(types.ANY if item == types.ANY else types.ListOf(types.ListOf(item)))


def _parts(value: ast_expressions.Expr, frame: Frame) -> None:
    typed = frame.type(value)
    if typed.is_known and typed.type != types.Answers(PART):
        message = f"`depth` is about the parts of a question, and this is {describe(typed.type)}"
        frame.report("E0215", message, value.span, hint="name what a `decompose(…)` gave")


def _answers(value: ast_expressions.Expr, frame: Frame) -> None:
    typed = frame.type(value)
    if typed.is_known and not typed.is_pool and not isinstance(typed.type, types.ListOf):
        message = f"`fill` takes a pool of answers or a list, and this is {describe(typed.type)}"
        frame.report("E0215", message, value.span, hint="write `map part in parts, max: 6 with known { … }`")


def _items(value: ast_expressions.Expr, frame: Frame) -> types.Type:
    """The type of the items that are put together in groups."""
    typed = frame.type(value)
    kind = typed.type
    if isinstance(kind, types.Answers):
        listed = as_list(kind.item)
        return listed.item if isinstance(listed, types.ListOf) else kind.item
    listed = as_list(kind)
    if isinstance(listed, types.ListOf):
        return listed.item
    if typed.is_known:
        message = f"`combinations` takes a list or a pool, and this is {describe(kind)}"
        frame.report("E0215", message, value.span, hint="name a pool, or an input of type `[Text]`")
    return types.ANY
