"""Expressions: names, operators, comparisons, lists; calls and blocks are in modules of their own.

Codes:
    E0202  a name that nothing declares
    E0207  a name used before it has a value
    E0210  a stage or function used as a name (and unknown ones, in check_calls)
    E0228  an operator that does not work on these types
    E0229  a comparison that can never be true for a reason
    E0240  a field that does not exist
    E0246  something that cannot stand here
    L006   a pool added to itself
"""

from __future__ import annotations

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_blocks import map_loop, match, repeat
from ttscale.compiler.check_calls import call, pipe
from ttscale.compiler.check_conditions import TRUE, Atom, both, is_over, negate
from ttscale.compiler.check_facets import fresh_samples_have_none
from ttscale.compiler.check_frame import ANYTHING, Facet, Frame, Typed, all_facets, did_you_mean, listed
from ttscale.compiler.check_names import member, symbol_value
from ttscale.compiler.check_row_steps import check_slice
from ttscale.compiler.check_types import comparable, describe, is_numeric, join, literal_type, ordered, plain
from ttscale.compiler.check_values import must_be_static, typed_as, value_of, was_unreadable
from ttscale.compiler.diagnostics import Label
from ttscale.compiler.foreign_names import instead_of
from ttscale.compiler.schema_types import as_list, fields_of, type_of_schema
from ttscale.compiler.signatures import FUNCTIONS, SIGNATURES

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
TRACE: dict[str, types.Type] = {
    "calls": types.INT,
    "tokens": types.INT,
    "seconds": types.FLOAT,
    "cost": types.FLOAT,
}
"""What `trace` of a test has."""
TRACE_TYPE = types.Record("trace", tuple(types.Field(name, kind) for name, kind in TRACE.items()))


def expression(expr: ast_expressions.Expr, frame: Frame) -> Typed:
    """What is known of an expression in a frame; its mistakes are reported, and it is then of type Any."""
    match expr:
        case ast_expressions.Name():
            return _name(expr, frame)
        case ast_expressions.Attribute():
            return _attribute(expr, frame)
        case ast_expressions.LiteralValue() if was_unreadable(expr):
            return ANYTHING
        case ast_expressions.LiteralValue(value=value):
            return Typed(literal_type(value), static=True)
        case ast_expressions.Quantity(amount=amount, unit=unit):
            whole = isinstance(amount, int) and unit in ("", "bytes")
            return Typed(types.INT if whole else types.FLOAT, static=True)
        case ast_expressions.ListExpr():
            return _list(expr, frame)
        case ast_expressions.MapExpr(entries=entries):
            values = [(entry.key, value_of(frame.type(entry.value), entry.value, frame, "here")) for entry in entries]
            fields = tuple(types.Field(key, typed.type) for key, typed in values)
            return Typed(types.Record("", fields), static=all(typed.static for _, typed in values))
        case ast_expressions.Call():
            return call(expr, frame)
        case ast_expressions.Pipe():
            return pipe(expr, frame)
        case ast_expressions.Binary():
            return _binary(expr, frame)
        case ast_expressions.Compare():
            return _compare(expr, frame)
        case ast_expressions.Unary():
            return _unary(expr, frame)
        case ast_expressions.Slice():
            return _slice(expr, frame)
        case ast_expressions.Match():
            return match(expr, frame)
        case ast_expressions.Repeat():
            return repeat(expr, frame)
        case ast_expressions.MapLoop():
            return map_loop(expr, frame)
        case ast_expressions.Range():
            hint = 'a range belongs in a domain, `in [0.2 .. 1.2]`, or in `Choice("A".."E")`'
            frame.report("E0246", "a range cannot stand here", expr.span, hint=hint)
        case ast_expressions.UpTo():
            frame.report("E0246", "`up to` cannot stand here", expr.span, hint="write the number alone")
    return ANYTHING


# --- names ---------------------------------------------------------------------------------------


def _name(expr: ast_expressions.Name, frame: Frame) -> Typed:
    local = frame.local(expr.name)
    if local is not None:
        local.used = True
        return local.value
    if expr.name == "trace" and frame.purpose == "test":
        return Typed(TRACE_TYPE)
    if frame.own is not None and expr.name in FUNCTIONS and FUNCTIONS[expr.name].takes == ("pool",):
        if expr.name == "best":
            fresh_samples_have_none(expr, "`best`", frame)
        return Typed({"Int": types.INT, "Bool": types.BOOL}.get(FUNCTIONS[expr.name].gives, types.FLOAT))
    symbol = frame.symbol(expr.name)
    if symbol is not None:
        return symbol_value(symbol, expr, expr.name, frame)
    _unknown(expr, frame)
    return ANYTHING


def _unknown(expr: ast_expressions.Name, frame: Frame) -> None:
    name = expr.name
    later = frame.bound_later(name)
    if later is not None:
        message = f"`{name}` is used before it has a value"
        labels = (Label(frame.program.word(later, name), "it gets its value here"),)
        inside = later.file == expr.span.file and later.start <= expr.span.start < later.end
        hint = f"give what stands before it a name of its own: `first_{name} = …`" if inside else "move that line up"
        frame.report("E0207", message, expr.span, labels=labels, hint=hint)
    elif name in SIGNATURES:
        signature = SIGNATURES.get(name)
        hint = f"write `… |> {name}(…)`" if signature is None or signature.source == "pool" else f"write `{name}(…)`"
        frame.report("E0210", f"`{name}` is a stage, not a value", expr.span, hint=hint)
    elif name in FUNCTIONS:
        takes = "pool" if FUNCTIONS[name].takes == ("pool",) else "…"
        message = f"`{name}` is a function, and here it does not say of what"
        frame.report("E0210", message, expr.span, hint=f"write `{name}({takes})`")
    elif frame.names_are_complete():
        known = [*frame.visible(), *frame.scope.names]
        if frame.own is not None:
            known = [*(own for own, function in FUNCTIONS.items() if function.takes == ("pool",)), *known]
        other = instead_of(name) if name in ("True", "False", "None", "null", "self", "dspy") else None
        otherwise = f"there is {listed(known, 8)}" if known else "declare it, or write a text in quotes"
        hint = other or did_you_mean(name, known, otherwise)
        frame.report("E0202", f"there is nothing called `{name}` here", expr.span, hint=hint)


def _attribute(expr: ast_expressions.Attribute, frame: Frame) -> Typed:
    base = expr.value
    if isinstance(base, ast_expressions.Name) and frame.local(base.name) is None:
        owner = frame.symbol(base.name)
        if owner is not None and owner.kind == "module":
            symbol = member(expr, base.name, owner, frame)
            return ANYTHING if symbol is None else symbol_value(symbol, expr, f"{base.name}.{expr.name}", frame)
    typed = frame.type(base)
    if not typed.is_known:
        return ANYTHING
    if typed.states is not None:
        if expr.name in typed.states:
            return typed.states[expr.name]
        return _no_member(expr, "this loop's result", list(typed.states), frame)
    if typed.classified and expr.name == "probabilities":
        labels = typed.value.labels if isinstance(typed.value, types.Choice) else ("true", "false")
        return Typed(types.Record("", tuple(types.Field(label, types.FLOAT) for label in labels)))
    value = plain(typed.value)
    if isinstance(value, types.Record | types.Json):
        value_of(typed, base, frame, "before the dot")
    match value:
        case types.Record(fields=fields):
            found = next((field.type for field in fields if field.name == expr.name), None)
            if found is not None:
                return Typed(found, static=typed.static)
            owner_name = f"`{value.name}`" if value.name else "this record"
            return _no_member(expr, owner_name, [f.name for f in fields], frame)
        case types.Json():
            return _property(expr, value, frame)
        case types.Simple("Row") | types.Simple("Any"):
            return ANYTHING
    return _no_member(expr, describe(typed.type), ["probabilities"] if typed.classified else [], frame)


def _property(expr: ast_expressions.Attribute, owner: types.Json, frame: Frame) -> Typed:
    """A property of an object that a schema describes; one that is not there is a mistake unless others are let in."""
    kind = type_of_schema(owner)
    if not isinstance(kind, types.Json):
        return _no_member(expr, f"{owner}, which is {describe(kind)},", [], frame)
    members = fields_of(owner)
    if expr.name in members.known:
        return Typed(members.known[expr.name])
    return ANYTHING if members.open else _no_member(expr, f"`{owner}`", list(members.known), frame)


def _no_member(expr: ast_expressions.Attribute, owner: str, known: list[str], frame: Frame) -> Typed:
    otherwise = f"it has {listed(known)}" if known else _instead_of_field(expr, _quietly(expr.value, frame), frame)
    message = f"{owner} has no `{expr.name}`"
    if not known and isinstance(expr.value, ast_expressions.Call):
        message = f"this call gives {owner}, which has no `{expr.name}`"
    frame.report("E0240", message, expr.span, hint=did_you_mean(expr.name, known, otherwise))
    return ANYTHING


def _instead_of_field(expr: ast_expressions.Attribute, typed: Typed, frame: Frame) -> str:
    """What to write instead of a field of something that has none."""
    base = frame.text(expr.value.span)
    base = base if len(base) <= 30 and "\n" not in base else "…"
    if expr.name in TRACE:
        return f"what a run spent is in `trace.{expr.name}`, in a test"
    if expr.name in ("score", "scores") and typed.is_pool:
        return f"`best({base})` is the highest score, and `{base} |> select(by: score)` the answer that has it"
    if expr.name in SIGNATURES:
        return f"pipe into it: `{base} |> {expr.name}(…)`"
    one_text = isinstance(typed.value, types.Text) or (typed.is_pool and typed.size.sure > 1)
    if expr.name in FUNCTIONS and not (expr.name == "text" and one_text):
        return f"write `{expr.name}({base})`"
    if typed.is_pool and typed.size.sure > 1:
        return f"choose one answer: `{base} |> vote()`; a prompt that takes `[Text]` sees all of them"
    return (
        f"write `{base}` alone: it is the answer itself" if base != "…" else "leave it out: this is the answer itself"
    )


# --- lists ---------------------------------------------------------------------------------------


def _list(expr: ast_expressions.ListExpr, frame: Frame) -> Typed:
    items = [frame.type(item) for item in expr.items]
    for item, typed in zip(expr.items, items, strict=True):
        if typed.is_pool and typed.size.sure > 1:
            hint = "join pools with `+`"
            frame.report("E0246", "a pool of several answers cannot be an element of a list", item.span, hint=hint)
            return ANYTHING
    kind = join(typed.value for typed in items)
    if kind is None:
        first = items[0].value
        wrong = next(i for i, typed in enumerate(items) if join((first, typed.value)) is None)
        message = f"this list holds {describe(first)} and {describe(items[wrong].value)}"
        hint = "all elements must have the same type"
        frame.report("E0215", message, expr.items[wrong].span, hint=hint)
        return ANYTHING
    static = all(typed.static for typed in items)
    return Typed(types.ListOf(kind), static=static, question=all(typed.question for typed in items))


def _slice(expr: ast_expressions.Slice, frame: Frame) -> Typed:
    typed = frame.type(expr.value)
    for part in (expr.low, expr.high, expr.index):
        if part is not None:
            bound = value_of(frame.type(part), part, frame, "in brackets")
            if bound.is_known and bound.type != types.INT:
                message = f"a place must be Int, and this is {describe(bound.type)}"
                frame.report("E0215", message, part.span, hint="places are counted from 0: `drafts[0]`")
            else:
                must_be_static(part, frame, bound, "a place in a list")
    if expr.index is None and isinstance(typed.type, types.ListOf):
        check_slice(expr, frame.program)
    if not typed.is_known:
        return ANYTHING
    if expr.index is not None:
        if isinstance(typed.type, types.Answers):
            inner = as_list(typed.type.item)
            single = typed.size.high is not None and typed.size.high <= 1
            return Typed(inner.item if single and isinstance(inner, types.ListOf) else typed.type.item)
        kind = as_list(typed.type)
        if isinstance(kind, types.ListOf):
            return Typed(kind.item, static=typed.static)
        if isinstance(kind, types.Json) and fields_of(kind).open:
            return ANYTHING
    elif isinstance(typed.type, types.ListOf):
        return typed
    elif isinstance(typed.type, types.Answers):
        hint = "to keep some of them write `|> filter(top: …, by: …)` or `|> rank(keep: …)`"
        frame.report("E0246", "a pool has no slices", expr.span, hint=hint)
        return ANYTHING
    hint = "only lists and pools have places, counted from 0: `drafts[0]`"
    frame.report("E0228", f"`[…]` does not work on {describe(typed.type)}", expr.span, hint=hint)
    return ANYTHING


# --- operators -----------------------------------------------------------------------------------


def _binary(expr: ast_expressions.Binary, frame: Frame) -> Typed:
    if expr.op in COMPARISONS:
        return _compare(ast_expressions.Compare((expr.left, expr.right), (expr.op,), expr.span), frame)
    if expr.op in ("and", "or"):
        static = True
        for side, other in ((expr.left, expr.right), (expr.right, expr.left)):
            # What parameters decide alone keeps the other side from being looked at: `judge and best(p) > 0.5`.
            settled = Atom(closed) if is_over(closed := frame.close(other), frame.space.values) else TRUE
            inside = frame.under(settled if expr.op == "and" else negate(settled)) if settled != TRUE else frame
            typed = value_of(inside.type(side), side, frame, f"beside `{expr.op}`")
            static = static and typed.static
            if typed.is_known and typed.type != types.BOOL:
                message = f"`{expr.op}` joins conditions, and this is {describe(typed.type)}"
                hint = "write a comparison"
                if isinstance(side, ast_expressions.Call) and expr.op == "or":
                    hint = "for a second model where the first fails write `or_else: other` in the call"
                frame.report("E0228", message, side.span, hint=hint)
                return ANYTHING
        return Typed(types.BOOL, static=static)
    left, right = frame.type(expr.left), frame.type(expr.right)
    if not (left.is_known and right.is_known):
        return ANYTHING
    if expr.op == "+" and (left.is_pool or right.is_pool):
        return _concat(expr, left, right, frame)
    return _arithmetic(expr, left, right, frame)


def _concat(expr: ast_expressions.Binary, left: Typed, right: Typed, frame: Frame) -> Typed:
    if not (left.is_pool and right.is_pool):
        pool, other = (left, right) if left.is_pool else (right, left)
        if pool.size.sure <= 1:
            return _arithmetic(expr, left, right, frame)
        message = f"`+` joins two pools, and one of these is {describe(other.type)}"
        hint = "to add to one answer choose it first: `(… |> vote()) + …`"
        if other.type == types.BOOL:
            hint = "`when` beside `+` needs parentheses: `(g(q) when c) + f(q)`"
        elif isinstance(other.type, types.ModelType | types.PromptType | types.MessageType):
            hint = "ask several models or prompts in one call: `generate([one(q), two(q)], from: [a, b])`"
        frame.report("E0228", message, expr.span, hint=hint)
        return ANYTHING
    kind = join((left.value, right.value))
    if kind is None:
        message = f"`+` joins pools of one type, and these are {left.value} and {right.value}"
        frame.report("E0228", message, expr.span, hint="use prompts with the same result type")
        return ANYTHING
    if isinstance(expr.left, ast_expressions.Name) and expr.left == expr.right:
        message = f"`{expr.left.name}` is added to itself, which counts every answer twice"
        hint = "for more samples raise `n:`, or use `series: 1` in a second call"
        frame.report("L006", message, expr.span, hint=hint)
    facets: dict[str, Facet] = {}
    for name in all_facets(left, right):
        first, second = left.facet(name), right.facet(name)
        facets[name] = Facet(both(first.present, second.present), first.lost or second.lost)
    question = left.question and right.question
    return Typed(types.Answers(kind), left.size.plus(right.size), facets, question=question)


def _arithmetic(expr: ast_expressions.Binary, left: Typed, right: Typed, frame: Frame) -> Typed:
    one = value_of(left, expr.left, frame, f"beside `{expr.op}`")
    other = value_of(right, expr.right, frame, f"beside `{expr.op}`")
    static = left.static and right.static
    first, second = plain(one.type), plain(other.type)
    if types.ANY in (first, second):
        return ANYTHING
    if is_numeric(first) and is_numeric(second):
        if expr.op == "/":
            number = types.NUMBER in (first, second)
            return Typed(types.NUMBER if number else types.FLOAT, static=static)
        kind = join((first, second))
        return Typed(kind if kind is not None else types.NUMBER, static=static)
    if expr.op == "+":
        if isinstance(first, types.Text) and isinstance(second, types.Text):
            return Typed(types.TEXT, static=static)
        kind = join((first, second))
        if isinstance(kind, types.ListOf):
            return Typed(kind, static=static)
    message = f"`{expr.op}` does not work on {describe(one.type)} and {describe(other.type)}"
    frame.report("E0228", message, expr.span, hint=_operands_hint(expr, first, second, frame))
    return ANYTHING


def _operands_hint(expr: ast_expressions.Binary, first: types.Type, second: types.Type, frame: Frame) -> str:
    """What to write instead of an operator between these types."""
    if types.NONE in (first, second) or isinstance(first, types.Optional) or isinstance(second, types.Optional):
        return "one of them may be `none`: `match` on it, or compare it with `!= none` first"
    if isinstance(first, types.Text) != isinstance(second, types.Text):
        text, wrong = (first, expr.right) if isinstance(first, types.Text) else (second, expr.left)
        if expr.op == "+" and isinstance(text, types.Text):
            return f"only `text(…)` makes a value into Text: write `text({frame.text(wrong.span)})`"
        return "a prompt that gives `-> Number` reads a number; Text is no number"
    if isinstance(first, types.ListOf) or isinstance(second, types.ListOf):
        return "`+` joins two lists of the same type" if expr.op == "+" else "lists have only `+`"
    if expr.op == "+":
        return "`+` adds numbers, and joins two texts, two lists or two pools"
    return f"`{expr.op}` works on numbers"


def _unary(expr: ast_expressions.Unary, frame: Frame) -> Typed:
    typed = value_of(frame.type(expr.operand), expr.operand, frame, f"after `{expr.op}`")
    if not typed.is_known:
        return ANYTHING
    wanted = typed.type == types.BOOL if expr.op == "not" else is_numeric(plain(typed.type))
    if not wanted:
        hint = "write a comparison" if expr.op == "not" else ""
        frame.report("E0228", f"`{expr.op}` does not work on {describe(typed.type)}", expr.span, hint=hint)
        return ANYTHING
    return Typed(typed.type, static=typed.static)


def _compare(expr: ast_expressions.Compare, frame: Frame) -> Typed:
    typed = [_side(i, expr, frame) for i in range(len(expr.operands))]
    values = [value_of(t, o, frame, "in a comparison") for t, o in zip(typed, expr.operands, strict=True)]
    for i, op in enumerate(expr.ops):
        one, other = values[i].type, values[i + 1].type
        good = comparable(one, other) if op in ("==", "!=") else ordered(one, other)
        if not good:
            message = f"`{op}` cannot compare {describe(one)} with {describe(other)}"
            label = "the two are never equal" if op in ("==", "!=") else ""
            hint = _comparison_hint(expr, plain(one), plain(other))
            frame.report("E0229", message, expr.span, label=label, hint=hint)
            break
    return Typed(types.BOOL, static=all(value.static for value in values))


def _comparison_hint(expr: ast_expressions.Compare, one: types.Type, other: types.Type) -> str:
    """What to compare instead of values of unlike types."""
    for kind, side in ((other, expr.operands[0]), (one, expr.operands[-1])):
        text = side.value if isinstance(side, ast_expressions.LiteralValue) and isinstance(side.value, str) else None
        if text is not None and is_numeric(kind) and text.strip().replace(".", "", 1).isdigit():
            return f"write it without quotes: `{text.strip()}`"
        if text is not None and kind == types.BOOL and text.lower() in ("true", "false", "yes", "no"):
            return f"write `{'true' if text.lower() in ('true', 'yes') else 'false'}`"
    if isinstance(one, types.Text) or isinstance(other, types.Text):
        return "compare its text: `text(…)`"
    return "compare values of the same type"


def _side(index: int, expr: ast_expressions.Compare, frame: Frame) -> Typed:
    """One side of a comparison; a bare name or a text beside a Choice is a label of it."""
    side = expr.operands[index]
    bare = isinstance(side, ast_expressions.Name) and frame.local(side.name) is None
    if bare or (isinstance(side, ast_expressions.LiteralValue) and isinstance(side.value, str)):
        for beside in (index - 1, index + 1):
            if 0 <= beside < len(expr.operands):
                other = expr.operands[beside]
                if not isinstance(other, ast_expressions.Name) or frame.local(other.name) is not None:
                    kind = plain(_quietly(other, frame).value)
                    if isinstance(kind, types.Choice):
                        return typed_as(side, frame, kind)
    return frame.type(side)


def _quietly(expr: ast_expressions.Expr, frame: Frame) -> Typed:
    """The type of an expression whose mistakes are reported when it is looked at in its own right."""
    program = frame.program
    kept = list(program.diagnostics)
    try:
        return frame.type(expr)
    finally:
        program.diagnostics[:] = kept
