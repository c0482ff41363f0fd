"""Hypothesis strategies for syntax trees: any module that the grammar can say, written by no one."""

from __future__ import annotations

from hypothesis import strategies as st
from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.literals import quote, read_number, read_text
from ttscale.compiler.source import Span

NOWHERE = Span("made.tts", 0, 0)

NAMES = st.sampled_from(
    [
        "a",
        "b",
        "question",
        "drafts",
        "n",
        "x_1",
        "Model",
        "model",
        "prompt",
        "from",
        "record",
        "test",
        "on",
        "as",
        "over",
        "fix",
        "live",
        "use",
        "up",
        "to",
        "tts",
        "max",
        "with",
        "seed",
        "search",
        "eval",
        "metric",
        "dataset",
        "pipeline",
        "given",
        "expect",
        "system",
        "user",
        "chat",
        "subsets",
        "python",
        "generate",
        "vote",
    ]
)
# `in`, `log` and `step` right behind a parameter's domain are keywords, so no binding is called so.
ANY_NAMES = st.one_of(NAMES, st.sampled_from(["in", "log", "step"]))
TEXTS = st.text(st.sampled_from('ab {}"\\\n\tλ日#/.\u00a0\u2028'), max_size=12)
DOC_LINES = st.text(st.sampled_from("ab .#λ"), min_size=1, max_size=8).map(str.strip).filter(bool)


def _literal(raw: str) -> ast_expressions.LiteralValue | ast_expressions.Quantity:
    value, unit = read_number(raw)
    if unit is None:
        return ast_expressions.LiteralValue(value, raw, NOWHERE)
    return ast_expressions.Quantity(value, unit, raw, NOWHERE)


def _text(text: str) -> ast_expressions.LiteralValue:
    return ast_expressions.LiteralValue(text, quote(text), NOWHERE)


def _fence(content: str) -> ast.Template:
    read = read_text(f'"""\n{content}\n"""')
    return ast.Template(read.value, 3, (), NOWHERE)


NUMBERS = st.sampled_from(
    ["0", "1", "16", "1_000", "0.5", "2e3", "40k", "8Ki", "4GiB", "60s", "30min", "250ms", "0.02usd"]
)
CONSTANTS = st.sampled_from(
    [
        ast_expressions.LiteralValue(True, "true", NOWHERE),
        ast_expressions.LiteralValue(False, "false", NOWHERE),
        ast_expressions.LiteralValue(None, "none", NOWHERE),
    ]
)
FENCES = st.text(st.sampled_from("ab {}\n \tλ#'"), max_size=20).map(_fence)
ATOMS = st.one_of(
    ANY_NAMES.map(lambda name: ast_expressions.Name(name, NOWHERE)), NUMBERS.map(_literal), TEXTS.map(_text), CONSTANTS
)


def optional(strategy: st.SearchStrategy) -> st.SearchStrategy:
    """The strategy, or None."""
    return st.one_of(st.none(), strategy)


def several(strategy: st.SearchStrategy, low: int = 0, high: int = 3) -> st.SearchStrategy:
    """A tuple of a few."""
    return st.lists(strategy, min_size=low, max_size=high).map(tuple)


def _dotted(names: list[str]) -> ast_expressions.Name | ast_expressions.Attribute:
    callee: ast_expressions.Name | ast_expressions.Attribute = ast_expressions.Name(names[0], NOWHERE)
    for name in names[1:]:
        callee = ast_expressions.Attribute(callee, name, NOWHERE)
    return callee


CALLEES = st.lists(NAMES, min_size=1, max_size=2).map(_dotted)


def _bindings(expr: st.SearchStrategy) -> st.SearchStrategy:
    return several(st.builds(ast_expressions.Binding, NAMES, expr, DOCS, st.just(NOWHERE)), 0, 2)


DOCS = st.lists(DOC_LINES, max_size=2).map("\n".join)


def _arguments(expr: st.SearchStrategy) -> st.SearchStrategy:
    value = st.one_of(expr, st.builds(ast_expressions.UpTo, expr, st.just(NOWHERE)))
    names = optional(st.one_of(ANY_NAMES, st.sampled_from(["until", "budget"])))
    return several(st.builds(ast_expressions.Arg, names, value, st.just(NOWHERE)))


def _larger(expr: st.SearchStrategy) -> st.SearchStrategy:
    here = st.just(NOWHERE)
    operators = st.sampled_from(["or", "and", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"])
    comparisons = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    stage = st.builds(ast_expressions.Call, CALLEES, _arguments(expr), optional(expr), here)
    chains = several(expr, 3, 4).flatmap(
        lambda operands: st.builds(
            ast_expressions.Compare, st.just(operands), several(comparisons, len(operands) - 1, len(operands) - 1), here
        )
    )
    labels = st.one_of(ANY_NAMES, TEXTS, st.integers(0, 9), st.booleans())
    arms = several(st.builds(ast_expressions.Arm, several(labels, 0, 2), expr, here), 1, 2)
    states = several(st.builds(ast_expressions.State, NAMES, expr, here), 1, 2)
    entries = st.one_of(
        st.builds(ast_expressions.MapEntry, ANY_NAMES, st.just(False), expr, here),
        st.builds(ast_expressions.MapEntry, TEXTS, st.just(True), expr, here),
    )
    return st.one_of(
        st.builds(ast_expressions.Attribute, expr, NAMES, here),
        st.builds(ast_expressions.ListExpr, several(expr), here),
        st.builds(ast_expressions.MapExpr, several(entries), here),
        stage,
        st.builds(
            ast_expressions.Call,
            st.builds(ast_expressions.Attribute, expr, NAMES, here),
            _arguments(expr),
            st.none(),
            here,
        ),
        st.builds(ast_expressions.Pipe, expr, stage, here),
        st.builds(ast_expressions.Binary, operators, expr, expr, here),
        chains,
        st.builds(ast_expressions.Unary, st.sampled_from(["not", "-"]), expr, here),
        st.builds(ast_expressions.Slice, expr, optional(expr), optional(expr), st.none(), here),
        st.builds(ast_expressions.Slice, expr, st.none(), st.none(), expr, here),
        st.builds(ast_expressions.Match, expr, arms, here),
        st.builds(
            ast_expressions.Repeat,
            st.one_of(expr, st.builds(ast_expressions.UpTo, expr, here)),
            states,
            optional(expr),
            _bindings(expr),
            several(expr, 1, 2),
            here,
        ),
        st.builds(
            ast_expressions.MapLoop,
            NAMES,
            expr,
            optional(expr),
            _bindings(expr),
            expr,
            here,
            optional(NAMES).map(lambda name: name or ""),
        ),
    )


EXPRESSIONS = st.recursive(ATOMS, _larger, max_leaves=12)

_TYPE_ARGUMENTS = several(
    st.builds(
        ast_expressions.Arg,
        optional(NAMES),
        st.one_of(ATOMS, st.builds(ast_expressions.Range, ATOMS, ATOMS, st.just(NOWHERE))),
        st.just(NOWHERE),
    )
)


def _field(type_: st.SearchStrategy, default: st.SearchStrategy) -> st.SearchStrategy:
    return st.builds(ast_expressions.FieldDef, ANY_NAMES, type_, default, DOCS, st.just(NOWHERE))


def _larger_types(inner: st.SearchStrategy) -> st.SearchStrategy:
    here = st.just(NOWHERE)
    plain = st.one_of(
        st.builds(ast_expressions.ListType, inner, here),
        st.builds(ast_expressions.RecordType, several(_field(inner, st.none())), here),
        st.builds(
            ast_expressions.TypeName,
            st.sampled_from(["Answers", "p.Pair"]),
            several(inner, 0, 2),
            _TYPE_ARGUMENTS,
            here,
        ),
    )
    return st.one_of(plain, st.builds(ast_expressions.OptionalType, plain, here))


TYPES = st.recursive(
    st.builds(
        ast_expressions.TypeName,
        st.sampled_from(["Text", "Number", "Choice", "in"]),
        st.just(()),
        _TYPE_ARGUMENTS,
        st.just(NOWHERE),
    ),
    _larger_types,
    max_leaves=4,
)
INPUTS = several(_field(TYPES, optional(EXPRESSIONS)))
PATHS = st.sampled_from(["std/prompts", "./judges", "../a/b-c.d", "some-recipe/name", "model", "python"])
VERSIONS = optional(st.sampled_from(["1", "~1.4", "^2", "1.2.3"]))


@st.composite
def templates(draw: st.DrawFn) -> ast.Template:
    """A prompt's text in one quote or in fences."""
    if draw(st.booleans()):
        return draw(FENCES)
    return ast.Template(draw(TEXTS), 1, (), NOWHERE)


def _limits() -> st.SearchStrategy:
    return st.builds(ast.Budget, several(st.builds(ast.Limit, NAMES, EXPRESSIONS, st.just(NOWHERE))), st.just(NOWHERE))


def _domains() -> st.SearchStrategy:
    here = st.just(NOWHERE)
    return st.one_of(
        st.builds(ast.SetDomain, several(EXPRESSIONS, 1), here),
        st.builds(ast.RangeDomain, EXPRESSIONS, EXPRESSIONS, st.booleans(), optional(EXPRESSIONS), here),
        st.builds(ast.SubsetsDomain, several(EXPRESSIONS, 1), here),
    )


def _clauses() -> st.SearchStrategy:
    here, none = st.just(NOWHERE), st.none()
    one, few = several(EXPRESSIONS, 1, 1), several(EXPRESSIONS, 1, 2)
    simple = st.sampled_from(["holdout", "trials", "sampler", "seed", "seeds", "match"])
    return several(
        st.one_of(
            st.builds(
                ast.Clause, st.sampled_from(["maximize", "minimize"]), none, few, optional(EXPRESSIONS), none, here
            ),
            st.builds(ast.Clause, simple, none, one, none, none, here),
            st.builds(ast.Clause, st.just("metric"), none, few, none, none, here),
            st.builds(ast.Clause, st.just("fix"), NAMES, one, none, none, here),
            st.builds(ast.Clause, st.just("budget"), none, st.just(()), none, _limits(), here),
        )
    )


def _prompts() -> st.SearchStrategy:
    here = st.just(NOWHERE)
    message = st.builds(ast.MessagePart, st.sampled_from(["system", "user", "assistant"]), templates(), st.none(), here)
    chat = st.builds(ast.MessagePart, st.just("chat"), st.none(), NAMES, here)
    settings = several(
        st.builds(ast_expressions.Arg, st.sampled_from(["temperature", "top_p", "stop"]), EXPRESSIONS, here), 0, 2
    )
    parts = several(st.one_of(message, chat), 1)
    user = st.builds(ast.MessagePart, st.just("user"), templates(), st.none(), here).map(lambda part: (part,))
    return st.one_of(
        st.builds(ast.PromptDecl, NAMES, INPUTS, TYPES, st.just(True), parts, settings, DOCS, here, here),
        st.builds(ast.PromptDecl, NAMES, INPUTS, TYPES, st.just(False), user, st.just(()), DOCS, here, here),
    )


def declarations() -> st.SearchStrategy:
    """Any declaration."""
    here = st.just(NOWHERE)
    imported = several(st.builds(ast.ImportName, NAMES, optional(NAMES), here), 0, 2)
    params = several(
        st.builds(ast.Param, NAMES, TYPES, optional(_domains()), optional(EXPRESSIONS), DOCS, here, here), 0, 2
    )
    return st.one_of(
        st.builds(ast.Use, st.just("module"), PATHS, VERSIONS, optional(NAMES), imported, DOCS, here),
        st.builds(ast.Use, st.just("python"), TEXTS, st.none(), optional(NAMES), imported, DOCS, here),
        st.builds(ast.ModelDecl, NAMES, EXPRESSIONS, DOCS, here, here),
        st.builds(ast.DatasetDecl, NAMES, EXPRESSIONS, DOCS, here, here),
        st.builds(ast.RecordDecl, NAMES, several(_field(TYPES, st.none())), DOCS, here, here),
        _prompts(),
        st.builds(ast.MetricDecl, NAMES, INPUTS, TYPES, EXPRESSIONS, DOCS, here, here),
        st.builds(
            ast.PipelineDecl,
            NAMES,
            INPUTS,
            TYPES,
            params,
            several(st.builds(ast.Require, EXPRESSIONS, here), 0, 2),
            optional(_limits()),
            _bindings(EXPRESSIONS),
            EXPRESSIONS,
            DOCS,
            here,
            here,
        ),
        st.builds(ast.SearchDecl, NAMES, EXPRESSIONS, _clauses(), DOCS, here, here),
        st.builds(ast.EvalDecl, several(EXPRESSIONS, 1, 2), EXPRESSIONS, _clauses(), DOCS, here),
        st.builds(
            ast.TestDecl,
            TEXTS,
            st.booleans(),
            several(st.builds(ast.Given, NAMES, EXPRESSIONS, here), 0, 2),
            several(st.builds(ast.Expect, EXPRESSIONS, here), 0, 2),
            DOCS,
            here,
        ),
    )


def modules() -> st.SearchStrategy[ast.Module]:
    """Whole modules."""
    return st.builds(
        ast.Module, st.sampled_from([None, 1]), several(declarations(), 0, 3), st.just(()), st.just(NOWHERE)
    )
