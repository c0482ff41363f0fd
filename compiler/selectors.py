"""Selectors: the text of stages that choose among recorded answers, as `ttscale replay --select` takes it.

    parse_selector('filter(top: 4, by: score("reward")) |> vote()')
    # [Stage("select/0/filter", "filter", …), Stage("select/1/vote", "vote", …)]

The text is the right side of a pipeline's `drafts |> …`. It is parsed inside a module made for it, and every span is
moved back to the text that the user wrote. Facets are not checked here: a recorded pool has what it has. Rules may
also be functions of Python files, whose signatures are handed in.

Codes:
    E0290  an argument that the stage or rule does not have
    E0291  something that is no rule
    E0292  a stage that needs a model, or none at all
    E0293  an argument whose value does not fit
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ttscale.compiler import ast, ast_expressions, ir, types
from ttscale.compiler.diagnostics import CompileError, Diagnostic, suggest
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.python_names import KIND_WORDS, PythonSignature
from ttscale.compiler.resolve_types import literal
from ttscale.compiler.rule_judges import utility_is_judged
from ttscale.compiler.rule_signatures import ALIASES
from ttscale.compiler.signatures import RULES, SIGNATURES, Parameter, RuleSignature, Signature
from ttscale.compiler.source import SourceFile, Span

NAME = "--select"
"""The name under which diagnostics show the text."""
CHOOSING = ("vote", "select", "filter")
EVIDENCE = "evidence"
"""What the further samples of a pool file are called, where a rule takes a pool."""

_BEFORE = "tts 1\npipeline main(recorded: Answers[Text]) -> Answers[Text] {\n  return recorded |>\n"
_AFTER = "\n}\n"


Functions = Mapping[str, PythonSignature]
"""Functions of Python files by the names under which the text may use them."""


def parse_selector(text: str, functions: Functions | None = None) -> list[ir.Stage]:
    """The stages that `text` names, each reading the one before. Raises CompileError."""
    shown = SourceFile(NAME, text)
    if not text.strip():
        raise _error(shown, "E0292", "nothing says how to choose", Span(NAME, 0, 0), hint="write `vote()`")
    source = SourceFile(NAME, f"{_BEFORE}{text}{_AFTER}")
    parsed = parse(source)
    module, found = lower(parsed, source)
    wrong = [d for d in (*parsed.diagnostics, *found) if d.severity == "error"]
    if wrong:
        raise CompileError([_moved(d, len(text)) for d in wrong], {NAME: shown})
    pipelines = [d for d in module.declarations if isinstance(d, ast.PipelineDecl)]
    if len(module.declarations) != 1 or not pipelines or pipelines[0].bindings:
        hint = "write stages joined by `|>`, such as `filter(top: 4, by: score) |> vote()`"
        raise _error(shown, "E0292", "this is more than a chain of stages", Span(NAME, 0, len(text)), hint=hint)
    return _stages(pipelines[0].value, shown, functions or {})


def _stages(value: ast_expressions.Expr, shown: SourceFile, functions: Functions) -> list[ir.Stage]:
    calls: list[ast_expressions.Call] = []
    while isinstance(value, ast_expressions.Pipe):
        calls.append(value.right)
        value = value.left
    if not isinstance(value, ast_expressions.Name) or not calls:
        span = Span(NAME, 0, len(shown.text))
        raise _error(shown, "E0292", "this is not a chain of stages", span, hint="write `vote()`")
    stages: list[ir.Stage] = []
    for place, call in enumerate(reversed(calls)):
        span = _back(call.span, len(shown.text))
        signature = _signature(call, span, shown)
        previous: ir.Operand = ir.Ref(stages[-1].path) if stages else ir.Input("recorded")
        path = f"select/{place}/{signature.name}"
        size = ir.Bounds(0, 1) if signature.at_most_one else ir.Bounds(0, 1 << 30)
        args = _arguments(signature, call, shown, functions)
        stages.append(
            ir.Stage(path, signature.name, previous, args, types.Answers(types.TEXT), size, frozenset(), span)
        )
    return stages


def _signature(call: ast_expressions.Call, span: Span, shown: SourceFile) -> Signature:
    name = call.callee.name
    if call.when is not None:
        raise _error(shown, "E0292", "a recorded pool is chosen from without conditions", span, hint="leave `when` out")
    if name in CHOOSING and isinstance(call.callee, ast_expressions.Name):
        return SIGNATURES[name]
    near = suggest(name, CHOOSING)
    hint = f"did you mean `{near}`?" if near else f"the stages that choose are {', '.join(CHOOSING)}"
    what = "needs a model, which a replay does not have" if name in SIGNATURES else "is no stage"
    raise _error(shown, "E0292", f"`{name}` {what}", span, hint=hint)


def _arguments(
    signature: Signature, call: ast_expressions.Call, shown: SourceFile, functions: Functions
) -> dict[str, ir.Argument]:
    given = _given(signature.name, signature.parameters, signature.positional, call.args, shown)
    args: dict[str, ir.Argument] = {}
    for parameter in signature.parameters:
        if parameter.name in given:
            args[parameter.name] = _value(parameter, given[parameter.name], shown, functions, where=signature.name)
        elif parameter.required:
            span = _back(call.span, len(shown.text))
            hint = f'write `{signature.name}({parameter.name}: score("…"))`'
            raise _error(shown, "E0293", f"`{signature.name}` needs `{parameter.name}`", span, hint=hint)
        else:
            args[parameter.name] = ir.Const(parameter.default)
    return args


def _given(
    owner: str,
    parameters: tuple[Parameter, ...],
    positional: tuple[str, ...],
    args: tuple[ast_expressions.Arg, ...],
    shown: SourceFile,
) -> dict[str, ast_expressions.Expr]:
    """The arguments by name. Unknown, doubled and surplus ones are errors."""
    names = [parameter.name for parameter in parameters]
    waiting = list(positional)
    given: dict[str, ast_expressions.Expr] = {}
    for arg in args:
        name = arg.name if arg.name is not None else (waiting.pop(0) if waiting else "")
        if name not in names or name in given:
            near = suggest(name, names) if name else None
            hint = f"did you mean `{near}`?" if near else f"it has {', '.join(names)}" if names else "it has none"
            what = f"`{owner}` has no argument `{name}`" if name else f"`{owner}` takes no such argument"
            message = f"`{owner}` has `{name}` twice" if name in given else what
            raise _error(shown, "E0290", message, _back(arg.span, len(shown.text)), hint=hint)
        given[name] = arg.value
    return given


def _value(
    parameter: Parameter, expr: ast_expressions.Expr, shown: SourceFile, functions: Functions, *, where: str
) -> ir.Argument:
    if parameter.kind == "strategy":
        return _rule(expr, shown, functions, where)
    span = _back(expr.span, len(shown.text))
    if parameter.kind == "pool":
        if isinstance(expr, ast_expressions.Name) and expr.name == EVIDENCE:
            return ir.Input(EVIDENCE)
        hint = f"write `{parameter.name}: {EVIDENCE}` for the `evidence` that the pool file has"
        raise _error(shown, "E0293", f"`{parameter.name}` wants recorded samples", span, hint=hint)
    value = (
        expr.name if isinstance(expr, ast_expressions.Name) and parameter.kind in ("name", "text") else literal(expr)
    )
    fits: Mapping[str, tuple[type, ...]] = {
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
        "name": (str,),
        "text": (str,),
    }
    if parameter.many and isinstance(value, tuple) and value and all(isinstance(one, str) for one in value):
        return ir.Const(value)
    wanted = fits.get(parameter.kind, ())
    if not isinstance(value, wanted) or (isinstance(value, bool) and parameter.kind != "bool"):
        raise _error(shown, "E0293", f"`{parameter.name}` wants {_wanted(parameter)}", span)
    if parameter.choices and value not in parameter.choices:
        hint = f"use {' or '.join(parameter.choices)}"
        raise _error(shown, "E0293", f"`{parameter.name}` cannot be {value}", span, hint=hint)
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = parameter.low, parameter.high
        if (low is not None and value < low) or (high is not None and value > high):
            bounds = f"at least {low:g}" if high is None else f"from {low or 0:g} to {high:g}"
            raise _error(shown, "E0293", f"`{parameter.name}` must be {bounds}", span)
    return ir.Const(value)


def _wanted(parameter: Parameter) -> str:
    words = {"int": "a whole number", "float": "a number", "bool": "true or false", "text": "a text"}
    return words.get(parameter.kind, f"one of {', '.join(parameter.choices)}" if parameter.choices else "a name")


def _rule(expr: ast_expressions.Expr, shown: SourceFile, functions: Functions, where: str) -> ir.Strategy:
    """A rule with all its arguments by name, defaults filled in."""
    span = _back(expr.span, len(shown.text))
    match expr:
        case ast_expressions.Name(name=name):
            args: tuple[ast_expressions.Arg, ...] = ()
        case ast_expressions.Call(callee=ast_expressions.Name(name=name), args=args, when=None):
            pass
        case _:
            hint = 'name one, such as `likelihood` or `score("reward")`'
            raise _error(shown, "E0291", "a rule is wanted here", span, hint=hint)
    function = functions.get(name)
    rule = RULES.get(ALIASES.get(name, name)) if function is None else function.rule()
    if rule is not None and rule.name == "bayes_risk" and utility_is_judged(expr):
        hint = "compare texts: `bayes_risk(chrf)`, `bayes_risk(token_f1)`"
        raise _error(shown, "E0291", "`bayes_risk(judge)` asks a model, which a replay does not have", span, hint=hint)
    if rule is None or rule.judge or where not in rule.where:
        raise _no_rule(name, rule, where, span, shown, functions)
    given = _given(rule.name, rule.parameters, rule.positional, args, shown)
    named: list[tuple[str, ir.Argument]] = []
    for parameter in rule.parameters:
        if parameter.required and parameter.name not in given:
            hint = f"write `{name}({parameter.name}: …)`"
            raise _error(shown, "E0293", f"`{name}` needs `{parameter.name}`", span, hint=hint)
        if parameter.name in given:
            # A rule's own source may be anything that gives numbers to `select`.
            named.append((parameter.name, _value(parameter, given[parameter.name], shown, functions, where="select")))
        elif parameter.kind == "strategy" and parameter.default is None:
            named.append((parameter.name, ir.Strategy("score", (), (("name", ir.Const(None)),))))
        else:
            named.append((parameter.name, ir.Const(parameter.default)))
    return ir.Strategy(rule.name, (), tuple(named), span, rule.plugin)


def _no_rule(
    name: str, rule: RuleSignature | None, where: str, span: Span, shown: SourceFile, functions: Functions
) -> CompileError:
    usable = [r.name for r in RULES.values() if where in r.where and not r.judge]
    usable += [own for own, function in functions.items() if (r := function.rule()) is not None and where in r.where]
    if rule is None and name in functions:
        hint = f"`{where}` knows {', '.join(usable)}"
        return _error(shown, "E0291", f"`{name}` is {KIND_WORDS[functions[name].kind]}, not a rule", span, hint=hint)
    if rule is None:
        near = suggest(name, [*usable, *ALIASES])
        hint = f"did you mean `{near}`?" if near else f"`{where}` knows {', '.join(usable)}"
        return _error(shown, "E0291", f"there is no rule `{name}`", span, hint=hint)
    if rule.judge:
        hint = f'take a recorded score: `score("{name}")`'
        return _error(shown, "E0291", f"`{name}` asks a model, which a replay does not have", span, hint=hint)
    hint = f"`{where}` knows {', '.join(usable)}"
    return _error(shown, "E0291", f"`{name}` cannot be used in `{where}`", span, hint=hint)


def _back(span: Span, length: int) -> Span:
    """A span of the module made for the text, in the text itself."""
    start = min(max(span.start - len(_BEFORE), 0), length)
    return Span(NAME, start, min(max(span.end - len(_BEFORE), start), length))


def _moved(diagnostic: Diagnostic, length: int) -> Diagnostic:
    primary = None if diagnostic.primary is None else _back(diagnostic.primary, length)
    labels = tuple(replace(label, span=_back(label.span, length)) for label in diagnostic.labels)
    return replace(diagnostic, primary=primary, labels=labels)


def _error(shown: SourceFile, code: str, message: str, span: Span, *, hint: str = "") -> CompileError:
    return CompileError([Diagnostic(code, message, span, hint=hint)], {NAME: shown})
