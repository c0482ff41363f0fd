"""The one evaluator of pure expressions: conditions of a run, dataset fields, metrics and expectations of tests.

    evaluate(Apply(">=", (Apply("agreement", (Ref("main/drafts"),)), Const(0.75))), {}, {"main/drafts": pool})

`none` compares false except with `== none`; sums with it, divisions by zero and elements that are not there are
`none`. A pool where one value is wanted is its only candidate's answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass

from ttscale.compiler import ir
from ttscale.compiler import types as t
from ttscale.compiler.constants import ARITHMETIC, ORDER, compute
from ttscale.compiler.diagnostics import suggest
from ttscale.compiler.source import Span
from ttscale.runtime import answers, part_functions
from ttscale.runtime.answers.reasoning import marked
from ttscale.runtime.plugins import holds
from ttscale.runtime.pool import Pool
from ttscale.runtime.strategies import agreement, class_ids, item_type, margin, readable_share
from ttscale.runtime.strategies.stopping import certainty, is_decided, streak

Value = object


class EvaluationError(Exception):
    """An expression cannot be evaluated; the message is for the user, `span` the place where it is known."""

    def __init__(self, message: str, span: Span | None = None, *, hint: str = "") -> None:
        super().__init__(message)
        self.span = span
        self.hint = hint


def evaluate(
    operand: ir.Operand,
    inputs: Mapping[str, object] | None = None,
    values: Mapping[str, object] | None = None,
    own: Pool | None = None,
    columns: Mapping[str, object] | None = None,
) -> object:
    """The value of `operand`.

    `inputs` are the pipeline's (or metric's) inputs by name, `values` what stages gave by path, `own` the pool being
    made (in `until:`), `columns` a dataset's row. Raises EvaluationError.
    """
    match operand:
        case ir.Const(value):
            return value
        case ir.Input(name):
            return _named(name, inputs, "input", None)
        case ir.Ref(path):
            return _named(path, values, "value", None)
        case ir.Column(name):
            return _named(name, columns, "column", None)
        case ir.Own():
            if own is None:
                raise EvaluationError("no pool is being made here")
            return own
        case ir.Item(of, index):
            return _element(evaluate(of, inputs, values, own, columns), index)
        case ir.Apply("attr", (of, ir.Const(str(name))), span):
            return _attribute(evaluate(of, inputs, values, own, columns), name, span)
        case ir.Apply(op, args, span):
            if op in ("and", "or"):
                decides = op == "or"
                found = (single(evaluate(arg, inputs, values, own, columns)) for arg in args)
                return decides if any(bool(value) is decides for value in found) else not decides
            given = [evaluate(arg, inputs, values, own, columns) for arg in args]
            present = any(isinstance(arg, ir.Const) and arg.value is None for arg in args)
            return _apply(op, given, span, compares_none=present)


def single(value: object) -> object:
    """A pool's only answer (none of an empty pool), or the value itself."""
    if isinstance(value, Pool):
        return value.candidates[0].answer if value.candidates else None
    return value


def _named(name: str, known: Mapping[str, object] | None, what: str, span: Span | None) -> object:
    if known is None or name not in known:
        near = suggest(name, known or ())
        raise EvaluationError(f"there is no {what} `{name}`", span, hint=f"did you mean `{near}`?" if near else "")
    return known[name]


def _element(value: object, index: int) -> object:
    if isinstance(value, Pool):
        return value.candidates[index].answer if -len(value) <= index < len(value) else None
    if isinstance(value, list | tuple | str):
        return value[index] if -len(value) <= index < len(value) else None
    if value is None:
        return None
    raise EvaluationError(f"{_kind(value)} has no elements")


def _attribute(value: object, name: str, span: Span | None) -> object:
    if isinstance(value, Pool) and name == "probabilities":
        return dict(value.candidates[0].scores) if value.candidates else None
    value = single(value)
    if value is None:
        return None
    if isinstance(value, answers.JsonObject) and name in value.optional:
        return None
    if isinstance(value, Mapping):
        return _named(name, {str(key): item for key, item in value.items()}, "field", span)
    if is_dataclass(value) and not name.startswith("_") and hasattr(value, name):
        found: object = getattr(value, name)
        return found
    raise EvaluationError(f"{_kind(value)} has no `{name}`", span)


def _apply(op: str, given: list[object], span: Span | None, *, compares_none: bool) -> object:
    if op == "python":
        return _python(given, span)
    function = _FUNCTIONS.get(op)
    if function is not None:
        return function(given, span)
    args = [single(value) for value in given]
    if op == "record":
        names, *fields = args
        return dict(zip(names, fields, strict=True)) if isinstance(names, tuple) else {}
    if op == "list":
        return tuple(args)
    if op in ("==", "!=") and len(args) == 2:
        same = _equal(args[0], args[1])
        if op == "==":
            return same
        return not same and (None not in args or compares_none)
    if op == "not" and len(args) == 1:
        return not args[0]
    if op == "neg" and args == [None]:
        return None
    found = compute(op, tuple(args))
    if found is not None:
        return found.value
    if op in ORDER or op in ARITHMETIC or op == "neg":
        raise EvaluationError(f"`{op}` does not go with {' and '.join(map(_kind, args))}", span)
    near = suggest(op, _FUNCTIONS)
    hint = f"did you mean `{near}`?" if near else f"the functions are {', '.join(sorted(_FUNCTIONS))}"
    raise EvaluationError(f"there is no function `{op}`", span, hint=hint)


def _python(given: list[object], span: Span | None) -> bool:
    """A condition on a pool that a Python file declares."""
    key, pool, names, *values = given
    if pool == ():  # what a source that a settled `when` left out stands for
        pool = Pool((), t.ANY)
    if not isinstance(pool, Pool) or not isinstance(names, tuple):
        raise EvaluationError(f"a condition of a Python file is about a pool, not {_kind(pool)}", span)
    return holds(str(key), pool, dict(zip(names, map(single, values), strict=True)), span)


def _equal(left: object, right: object) -> bool:
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(_equal(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    return left == right


def _kind(value: object) -> str:
    """What a value is, in the user's words."""
    match value:
        case None:
            return "none"
        case bool():
            return "a Bool"
        case int() | float():
            return "a number"
        case str():
            return f'the text "{value[:40]}"'
        case Pool():
            return "a pool"
        case Mapping():
            return "a record"
        case list() | tuple():
            return "a list"
    return f"a {type(value).__name__}"


# --- functions --------------------------------------------------------------------------------------


def _of_pool(measure: Callable[[Pool], object]) -> Callable[[list[object], Span | None], object]:
    def function(args: list[object], span: Span | None) -> object:
        if len(args) != 1 or not isinstance(args[0], Pool):
            raise EvaluationError("a pool is wanted here", span)
        return measure(args[0])

    return function


def _best(pool: Pool) -> float | None:
    """The highest latest score of the pool; none where nothing is scored."""
    latest = [list(c.scores.values())[-1] for c in pool if c.scores]
    return max(latest, default=None)


def _size(args: list[object], span: Span | None) -> object:
    match args:
        case [Pool() as pool]:
            return len(pool)
        case [str() | list() | tuple() | dict() as value]:
            return len(value)
        case [None]:
            return 0
    raise EvaluationError("a pool or a list is wanted here", span)


def _length(args: list[object], span: Span | None) -> object:
    return _size([single(args[0])] if args else args, span)


def _text(args: list[object], span: Span | None) -> object:
    match args:
        case [Pool() as pool]:
            answer = single(pool)
            return None if answer is None else answers.show(item_type(pool.type), answer)
        case [None]:
            return None
        case [value]:
            return answers.show(t.TEXT, value)
    raise EvaluationError("`text` takes one value", span)


def _cut(keep: str) -> Callable[[list[object], Span | None], object]:
    def function(args: list[object], span: Span | None) -> object:
        match [single(arg) for arg in args]:
            case [None, _]:
                return None
            case [value, str(mark)] if mark:
                text = value if isinstance(value, str) else answers.show(t.TEXT, value)
                head, found, tail = text.rpartition(mark) if keep == "after" else text.partition(mark)
                return (tail if keep == "after" else head).strip() if found else None
        raise EvaluationError(f"`{keep}` takes a text and the mark to look for", span)

    return function


def _as_number(args: list[object], span: Span | None) -> object:
    """The number that a column spells; none where it spells none."""
    if len(args) != 1:
        raise EvaluationError("`number` takes one value", span)
    return answers.coerce(t.NUMBER, single(args[0]))[0]


def _on_text(change: Callable[[str], object]) -> Callable[[list[object], Span | None], object]:
    def function(args: list[object], span: Span | None) -> object:
        if len(args) != 1:
            raise EvaluationError("one value is wanted here", span)
        value = single(args[0])
        return None if value is None else change(value if isinstance(value, str) else answers.show(t.TEXT, value))

    return function


def _contains(args: list[object], span: Span | None) -> object:
    match [single(arg) for arg in args]:
        case [None, _]:
            return False
        case [str(text), str(part)]:
            return part in text
        case [list() | tuple() | dict() as items, part]:
            return any(_equal(item, part) for item in items)
    raise EvaluationError("`contains` takes a text or a list, and what to look for", span)


def _join(args: list[object], span: Span | None) -> object:
    """`join(list, between)` as text; several texts without a list are put one after the other."""
    match [single(arg) for arg in args]:
        case [list() | tuple() as items, str(between)]:
            return between.join(answers.show(t.TEXT, item) for item in items)
        case [list() | tuple() as items]:
            return "\n".join(answers.show(t.TEXT, item) for item in items)
    raise EvaluationError("`join` takes a list and what stands between its items", span)


def _letter(args: list[object], span: Span | None) -> object:
    """`letter(0)` is "A": the label of the choice at a position from 0."""
    match [single(arg) for arg in args]:
        case [None]:
            return None
        case [int(index)] if 0 <= index < 26:
            return chr(ord("A") + index)
        case [str(text)] if re.fullmatch(r"[0-9]{1,2}", text.strip()) and int(text) < 26:
            return chr(ord("A") + int(text))
    raise EvaluationError("`letter` takes a position from 0 to 25", span)


def _decided(args: list[object], span: Span | None) -> object:
    """Whether the vote over a pool stays as it is, whatever comes up to the most samples that it may have."""
    if len(args) == 2 and isinstance(args[0], Pool) and isinstance(args[1], int):
        return is_decided(class_ids(args[0]), args[1])
    raise EvaluationError("`decided` is about the pool that is being sampled", span)


def _depth(args: list[object], span: Span | None) -> object:
    if len(args) == 1:
        return part_functions.depth(args[0])
    raise EvaluationError("`depth` takes the parts of a question", span)


def _fill(args: list[object], span: Span | None) -> object:
    if len(args) == 2:
        return part_functions.fill(single(args[0]), args[1])
    raise EvaluationError("`fill` takes a text and answers", span)


def _combinations(args: list[object], span: Span | None) -> object:
    match args:
        case [items, int(most)] if most >= 0:
            return part_functions.combinations(items, most)
    raise EvaluationError("`combinations` takes a list and how many items a group has at most", span)


_FUNCTIONS: dict[str, Callable[[list[object], Span | None], object]] = {
    "agreement": _of_pool(lambda pool: agreement(class_ids(pool))),
    "margin": _of_pool(lambda pool: margin(class_ids(pool))),
    "certainty": _of_pool(lambda pool: certainty(class_ids(pool))),
    "streak": _of_pool(lambda pool: streak(class_ids(pool))),
    "decided": _decided,
    "depth": _depth,
    "fill": _fill,
    "combinations": _combinations,
    "marked": _on_text(marked),
    "readable": _of_pool(lambda pool: readable_share(class_ids(pool))),
    "best": _of_pool(_best),
    "size": _size,
    "length": _length,
    "text": _text,
    "number": _as_number,
    "after": _cut("after"),
    "before": _cut("before"),
    "lower": _on_text(str.lower),
    "upper": _on_text(str.upper),
    "trim": _on_text(str.strip),
    "lines": _on_text(lambda text: tuple(text.splitlines())),
    "contains": _contains,
    "join": _join,
    "letter": _letter,
}
"""Functions by name. What datasets and metrics may call beyond the language's own is `after before number lower upper
trim lines contains join letter`; the checker keeps the list it accepts."""
