"""Calls: what a name in front of brackets means, prompts filled with arguments, pipelines and functions called.

Codes:
    E0209  a call of something that is not called
    E0210  a stage or function that does not exist
    E0211  an argument that does not exist
    E0212  an argument that is missing
    E0213  an argument given twice, or one too many
    E0218  a pipe into something that takes no pool, or from something that is none
"""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ast, ast_expressions, types
from ttscale.compiler.check_conditions import MAYBE
from ttscale.compiler.check_facets import fresh_samples_have_none, must_have
from ttscale.compiler.check_fill import Callee, arguments, bind_arguments, callee_of, look_at, missing_of
from ttscale.compiler.check_frame import (
    ANYTHING,
    ONE,
    UNKNOWN,
    Facet,
    Frame,
    Typed,
    did_you_mean,
    exactly,
    listed,
    merged,
)
from ttscale.compiler.check_functions import EXAMPLES, part_function
from ttscale.compiler.check_names import member
from ttscale.compiler.check_policies import policy_call
from ttscale.compiler.check_row_steps import ROW_STEPS, check_row_step
from ttscale.compiler.check_scores import same_latest_score
from ttscale.compiler.check_stages import stage
from ttscale.compiler.check_types import describe
from ttscale.compiler.check_values import condition, fit, value_of
from ttscale.compiler.diagnostics import Label, suggest
from ttscale.compiler.foreign_names import instead_of
from ttscale.compiler.python_names import KIND_WORDS
from ttscale.compiler.resolve import is_broken, param_type, type_of
from ttscale.compiler.scope import Symbol
from ttscale.compiler.signatures import FACETS, FUNCTIONS, RULES, SIGNATURES, FunctionSignature

ROWS = types.ListOf(types.ROW)
GIVES: Mapping[str, types.Type] = {"Text": types.TEXT, "Float": types.FLOAT, "Int": types.INT, "Bool": types.BOOL}


def call(expr: ast_expressions.Call, frame: Frame) -> Typed:
    """A call that nothing is piped into."""
    return _called(expr, None, None, frame)


def pipe(expr: ast_expressions.Pipe, frame: Frame) -> Typed:
    """`left |> stage(…)`."""
    return _called(expr.right, frame.type(expr.left), expr.left, frame)


def _called(
    expr: ast_expressions.Call, piped: Typed | None, source: ast_expressions.Expr | None, frame: Frame
) -> Typed:
    callee = expr.callee
    written = _written(callee)
    if isinstance(callee, ast_expressions.Attribute):
        base = callee.value
        owner = (
            frame.symbol(base.name)
            if isinstance(base, ast_expressions.Name) and frame.local(base.name) is None
            else None
        )
        if owner is None or owner.kind != "module":
            typed = frame.type(base)
            if typed.type == ROWS and callee.name in ROW_STEPS:
                check_row_step(expr, callee.name, expr.args, frame.program)
                return Typed(ROWS, static=True)
            if not typed.is_known:
                return _unknown_call(expr, frame)
            owner_text = frame.text(base.span)
            short = owner_text if len(owner_text) <= 30 and "\n" not in owner_text else "…"
            if callee.name in SIGNATURES:
                hint = f"pipe into it: `{short} |> {callee.name}({'…' if expr.args else ''})`"
            elif callee.name in FUNCTIONS:
                hint = f"write `{callee.name}({short})`"
            else:
                hint = instead_of(callee.name) or "there are no methods: call a stage, a function or a pipeline"
            frame.report("E0210", f"`{short}.{callee.name}` cannot be called", callee.span, hint=hint)
            return _unknown_call(expr, frame)
        symbol = member(callee, _written(base), owner, frame)
        if symbol is None:
            return _unknown_call(expr, frame)
        return _symbol_call(expr, symbol, written, piped, source, frame)
    local = frame.local(callee.name)
    if local is not None:
        local.used = True
        if isinstance(local.value.type, types.PromptType):
            return fill(expr, Callee(written, local.value.type), piped, frame)
        if local.value.is_known:
            kind = describe(local.value.type)
            frame.report("E0209", f"`{written}` is {kind}, which cannot be called", callee.span, hint="leave out `(…)`")
        return _unknown_call(expr, frame)
    found = frame.symbol(callee.name)
    if found is not None:
        return _symbol_call(expr, found, written, piped, source, frame)
    if piped is not None and piped.type == ROWS and callee.name in ROW_STEPS:
        check_row_step(expr, callee.name, expr.args, frame.program)
        return Typed(ROWS, static=True)
    if callee.name in SIGNATURES:
        return stage(expr, SIGNATURES[callee.name], piped, source, frame)
    if callee.name in FUNCTIONS:
        return _function(expr, FUNCTIONS[callee.name], piped, source, frame)
    return _no_such(expr, frame)


def _written(callee: ast_expressions.Expr) -> str:
    if isinstance(callee, ast_expressions.Attribute):
        return f"{_written(callee.value)}.{callee.name}"
    return callee.name if isinstance(callee, ast_expressions.Name) else "…"


def _unknown_call(expr: ast_expressions.Call, frame: Frame) -> Typed:
    """Looks at the arguments of something unknown only to see what they use."""
    kept = list(frame.program.diagnostics)
    for arg in expr.args:
        look_at(arg.value, frame)
    if expr.when is not None:
        frame.type(expr.when)
    frame.program.diagnostics[:] = kept
    return ANYTHING


def _no_such(expr: ast_expressions.Call, frame: Frame) -> Typed:
    name = _written(expr.callee)
    if not frame.names_are_complete():
        return _unknown_call(expr, frame)
    if name in RULES:
        where = RULES[name].where[0]
        argument = "weight" if where == "vote" else "by"
        hint = f"write `… |> {where}({argument}: {name})`"
        frame.report("E0209", f"`{name}` is a rule, not a stage", expr.callee.span, hint=hint)
        return _unknown_call(expr, frame)
    later = frame.bound_later(name)
    callables = [n for n, s in frame.scope.names.items() if s.kind in ("prompt", "pipeline")]
    near = suggest(name, callables)
    member = _in_a_module(name, frame)
    hint = f"did you mean `{near}`?" if near is not None else instead_of(name) or ""
    if member is not None:
        hint = f"did you mean `{member}`?"
    if not hint:
        hint = did_you_mean(name, [*SIGNATURES, *FUNCTIONS], f"stages are {listed(tuple(SIGNATURES), 20)}")
    labels = () if later is None else (Label(later, "this is bound further down, and is a value"),)
    frame.report("E0210", f"there is no stage or prompt `{name}`", expr.callee.span, hint=hint, labels=labels)
    return _unknown_call(expr, frame)


def _in_a_module(name: str, frame: Frame) -> str | None:
    """`p.solve` where a module `p` has what is called as `solve`."""
    for alias, symbol in frame.scope.names.items():
        module = frame.program.linked.modules.get(symbol.module) if symbol.kind == "module" else None
        if module is not None and not is_broken(symbol) and module.exported(name) is not None:
            return f"{alias}.{name}"
    return None


def _symbol_call(
    expr: ast_expressions.Call,
    symbol: Symbol,
    written: str,
    piped: Typed | None,
    source: ast_expressions.Expr | None,
    frame: Frame,
) -> Typed:
    if is_broken(symbol):
        return _unknown_call(expr, frame)
    match symbol.kind:
        case "prompt":
            if piped is not None and written in SIGNATURES:
                message = f"`{written}` is a prompt of this file, which hides the stage of that name"
                frame.report("E0218", message, expr.callee.span, hint=f"rename the prompt, such as `{written}_prompt`")
                return _unknown_call(expr, frame)
            return fill(expr, callee_of(symbol, written, frame), piped, frame)
        case "pipeline":
            return _pipeline(expr, symbol, written, piped, source, frame)
        case "python":
            return _python(expr, symbol, piped, source, frame)
        case "model":
            hint = f"ask it with `from: {written}`"
        case "module":
            hint = f"call something in it: `{written}.…(…)`"
        case "dataset":
            hint = f"its rows are `{written}[0:100]`, or `{written} |> where(…)`"
        case "metric":
            hint = f"name it in an `eval`: `eval main on rows {{ metric {written} }}`"
        case "record":
            fields = ", ".join(frame.text(arg.span) for arg in expr.args if arg.name is not None)
            hint = f"write a value of it with braces: `{{{fields if fields and len(fields) <= 80 else ' … '}}}`"
        case _:
            hint = "call a stage, a function, a prompt or a pipeline"
    message = f"`{written}` is a {symbol.kind}, which cannot be called"
    frame.report("E0209", message, expr.callee.span, hint=hint)
    return _unknown_call(expr, frame)


def _python(
    expr: ast_expressions.Call, symbol: Symbol, piped: Typed | None, source: ast_expressions.Expr | None, frame: Frame
) -> Typed:
    """A stage or a condition that a Python file declares; a function of a file that was not read is anything."""
    function = frame.program.linked.python_function(symbol)
    if function is None:
        return _unknown_call(expr, frame)
    signature = function.stage()
    if signature is not None:
        return stage(expr, signature, piped, source, frame)
    if function.kind == "policy":
        return policy_call(expr, function, piped, frame)
    words = KIND_WORDS[function.kind]
    hint = f"write `select(by: {function.name})`" if function.rule() is not None else "name it where a metric is wanted"
    message = f"`{function.name}` is {words}, which is not called like a stage"
    frame.report("E0209", message, expr.callee.span, hint=hint)
    return _unknown_call(expr, frame)


# --- prompts -------------------------------------------------------------------------------------


def fill(expr: ast_expressions.Call, callee: Callee, piped: Typed | None, frame: Frame) -> Typed:
    """A prompt with all its arguments, ready for `generate`."""
    written = callee.written
    if piped is not None:
        message = f"`{written}` is a prompt, and nothing can be piped into it"
        frame.report("E0218", message, expr.callee.span, hint=f"write `generate({written}(…))`")
        return _unknown_call(expr, frame)
    if expr.when is not None:
        frame.report("E0246", "`when` belongs to a stage, and this is a prompt", expr.when.span, hint="move it behind")
    if callee.type.result == types.ANY and not callee.type.params:
        return _unknown_call(expr, frame)
    given = arguments(expr, callee, frame)
    missing = missing_of([name for name, _ in callee.type.params if name not in callee.optional], given)
    if missing:
        shown = ", ".join(f"{name}: …" for name in missing)
        message = f"`{written}` needs {listed(missing)}"
        frame.report("E0212", message, expr.span, hint=f"write `{written}({'…, ' if given else ''}{shown})`")
    names = {name for name, _ in callee.type.params}
    asks = "question" in names or any(kind == types.CHAT for _, kind in callee.type.params)
    return Typed(types.MessageType(callee.type.result), question=asks)


# --- pipelines -----------------------------------------------------------------------------------


def _pipeline(
    expr: ast_expressions.Call,
    symbol: Symbol,
    written: str,
    piped: Typed | None,
    source: ast_expressions.Expr | None,
    frame: Frame,
) -> Typed:
    declaration = symbol.declaration
    assert isinstance(declaration, ast.PipelineDecl)
    linked = frame.program.linked
    home = linked.scope_of(symbol)
    inputs = {field.name: type_of(field.type, home, linked)[0] for field in declaration.inputs}
    params = {param.name: (param, param_type(param, home, linked)[0]) for param in declaration.params}
    optional = {field.name for field in declaration.inputs if field.default is not None}
    positions = list(inputs)
    given: set[str] = set()
    runs = None if expr.when is None else condition(expr.when, frame)
    inside = frame if runs is None else frame.under(runs)
    if piped is not None and source is not None:
        if not positions:
            message = f"`{written}` has no input to pipe this into"
            frame.report("E0218", message, expr.callee.span, hint=f"call it alone: `{written}(…)`, or give it an input")
        else:
            first = positions.pop(0)
            given.add(first)
            fit(piped, source, frame, inputs[first], f"`{first}` of `{written}`")
    given |= bind_arguments(expr, written, inputs, positions, params, inside, for_prompt=False, symbol=symbol)
    missing = missing_of([name for name in inputs if name not in optional], given)
    if missing:
        rest = "…, " if expr.args else ""
        hint = f"write `{written}({rest}{', '.join(f'{name}: …' for name in missing)})`"
        frame.report("E0212", f"`{written}` needs {listed(missing)}", expr.span, hint=hint)
    kind = type_of(declaration.result, home, linked)[0]
    if kind == types.ANY:
        return ANYTHING
    facets = {name: Facet(MAYBE) for name in FACETS}
    result = Typed(kind, UNKNOWN if isinstance(kind, types.Answers) else ONE, facets)
    if runs is None:
        return result
    pool = kind if isinstance(kind, types.Answers) else types.Answers(kind)
    before = piped if piped is not None and piped.is_pool else Typed(pool, exactly(0), facets)
    size, after, question = merged(result, before, runs, frame)
    return Typed(pool, size, after, question=question)


# --- functions -----------------------------------------------------------------------------------


def _function(
    expr: ast_expressions.Call,
    function: FunctionSignature,
    piped: Typed | None,
    source: ast_expressions.Expr | None,
    frame: Frame,
) -> Typed:
    name = function.name
    if name in EXAMPLES:
        return part_function(expr, function, piped, source, frame)
    if expr.when is not None:
        message = f"`when` belongs to a stage, and `{name}` is a function"
        hint = "choose with `match condition { true => …  false => … }`"
        frame.report("E0246", message, expr.when.span, hint=hint)
    if name == "decided" and (frame.own is None or expr.args or piped is not None):
        message = "`decided` is about the pool that is being sampled, up to its `n: up to N`"
        frame.report("E0210", message, expr.span, hint="write `generate(…, n: up to 16, until: decided)`")
        return Typed(GIVES[function.gives])
    values = [] if piped is None or source is None else [(piped, source)]
    for arg in expr.args:
        if arg.name is not None:
            hint = f"write `{name}(…)`"
            frame.report("E0211", f"`{name}` has no argument `{arg.name}`", arg.span, hint=hint)
        values.append((frame.type(arg.value), arg.value))
    gives = GIVES[function.gives]
    if not values and frame.own is not None and function.takes == ("pool",):
        if name == "best":
            fresh_samples_have_none(expr, "`best`", frame)
        return Typed(gives)
    if len(values) != 1:
        code = "E0213" if values else "E0212"
        hint = f"write `{name}({'drafts' if function.takes == ('pool',) else 'x'})`"
        frame.report(code, f"`{name}` takes one argument", expr.span, hint=hint)
        return Typed(gives)
    typed, value = values[0]
    if function.takes == ("pool",):
        if typed.is_known and not typed.is_pool:
            message = f"`{name}` is about a pool, and this is {describe(typed.type)}"
            frame.report("E0215", message, value.span, hint=f"write `{name}(…)` of what a stage gave")
        elif name == "best":
            must_have("scored", typed, value.span, "`best`", frame)
            same_latest_score(typed, value.span, frame)
        return Typed(gives)
    typed = value_of(typed, value, frame, f"for `{name}`")
    if isinstance(typed.type, types.ModelType | types.PromptType | types.MessageType):
        message = f"`{name}` makes a value into Text, and this is {describe(typed.type)}"
        hint = f"ask it first: `{name}(generate(…))`" if isinstance(typed.type, types.MessageType) else "name an answer"
        frame.report("E0215", message, value.span, hint=hint)
    return Typed(gives, static=typed.static)
