"""Lowering of types and expressions: from concrete to abstract syntax."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ttscale.compiler import ast_expressions
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.docs import DocComments
from ttscale.compiler.literals import OTHER_SPELLINGS, UNITS, BadLiteral, ReadText, read_number, read_text
from ttscale.compiler.source import SourceFile, Span
from ttscale.compiler.trees import Token, Tree

Node = Tree


class BrokenDeclaration(Exception):
    """The declaration being lowered lacks something it cannot do without; the diagnostic is already recorded."""


def trees(node: Node, *rules: str) -> list[Node]:
    """The children of `node` that are trees, of the given rules if any are named."""
    return [child for child in node.children if isinstance(child, Tree) and (not rules or child.data in rules)]


def tree(node: Node, rule: str) -> Node | None:
    """The first child of `node` made by `rule`."""
    return next(iter(trees(node, rule)), None)


def tokens(node: Node, *types: str) -> list[Token]:
    """The children of `node` that are tokens, of the given types if any are named."""
    return [child for child in node.children if isinstance(child, Token) and (not types or child.type in types)]


class ExpressionLowering:
    """Lowers types and expressions of one tree whose positions count from `base` in the file."""

    def __init__(self, source: SourceFile, base: int, docs: DocComments, diagnostics: list[Diagnostic]) -> None:
        self.file = source.name
        self.base = base
        self.docs = docs
        self.diagnostics = diagnostics

    # --- helpers ---------------------------------------------------------------------------------

    def span(self, node: Node | Token) -> Span:
        """Where `node` stands in the file."""
        if node.start_pos < 0:
            return Span(self.file, self.base, self.base)
        return Span(self.file, self.base + node.start_pos, self.base + node.end_pos)

    def report(
        self, code: str, message: str, span: Span, *, label: str = "", hint: str = "", labels: tuple[Label, ...] = ()
    ) -> None:
        """Record an error."""
        self.diagnostics.append(Diagnostic(code, message, span, label=label, hint=hint, labels=labels))

    def text_of(self, token: Token) -> ReadText:
        """The value of a string or fence token; a bad escape is recorded and the text kept as it stands."""
        try:
            return read_text(str(token))
        except BadLiteral as bad:
            start = self.base + (token.start_pos or 0)
            self.report(
                "E0120",
                f"there is no escape `{bad.text}`",
                Span(self.file, start + bad.start, start + bad.end),
                hint='escapes are `\\n`, `\\t`, `\\r`, `\\"`, `\\\\` and `\\u{1F600}`; write `\\\\` for a backslash',
            )
            return ReadText(str(token)[1:-1], 1, (1,))

    def doc(self, span: Span) -> str:
        """The documentation of what stands at `span`."""
        return self.docs.doc(span.start, span.end)

    # --- types -----------------------------------------------------------------------------------

    def type(self, node: Node) -> ast_expressions.TypeExpr:
        """Any type."""
        span = self.span(node)
        if node.data == "optional_type":
            return ast_expressions.OptionalType(self.type(trees(node)[0]), span)
        if node.data == "list_type":
            return ast_expressions.ListType(self.type(trees(node)[0]), span)
        if node.data == "record_type":
            return ast_expressions.RecordType(tuple(self.field(child) for child in trees(node, "field")), span)
        path = tree(node, "type_path")
        assert path is not None
        items = tree(node, "type_items")
        args = tree(node, "type_args")
        return ast_expressions.TypeName(
            ".".join(tokens(path, "NAME")),
            tuple(self.type(child) for child in trees(items)) if items is not None else (),
            tuple(self.argument(child) for child in trees(args)) if args is not None else (),
            span,
        )

    def field(self, node: Node) -> ast_expressions.FieldDef:
        """A field of a record, or an input."""
        span = self.span(node)
        doc = self.doc(span)
        name = tokens(node, "NAME")[0]
        type_, *default = trees(node)
        return ast_expressions.FieldDef(
            str(name), self.type(type_), self.expr(default[0]) if default else None, doc, span
        )

    # --- expressions -----------------------------------------------------------------------------

    def expr(self, node: Node) -> ast_expressions.Expr:
        """Any expression."""
        method: Callable[[Node], ast_expressions.Expr] = getattr(self, f"_expr_{node.data}")
        return method(node)

    def _exprs(self, nodes: Iterable[Node]) -> tuple[ast_expressions.Expr, ...]:
        return tuple(self.expr(node) for node in nodes)

    def _expr_name(self, node: Node) -> ast_expressions.Name:
        return ast_expressions.Name(str(node.children[0]), self.span(node))

    def _expr_number(self, node: Node) -> ast_expressions.LiteralValue | ast_expressions.Quantity:
        token = tokens(node)[0]
        span = self.span(token)
        raw = str(token)
        try:
            value, unit = read_number(raw)
        except BadLiteral as bad:
            self._report_number(bad, span)
            return ast_expressions.LiteralValue(0, raw, span)
        if unit is None:
            return ast_expressions.LiteralValue(value, raw, span)
        return ast_expressions.Quantity(value, unit, raw, span)

    def _report_number(self, bad: BadLiteral, span: Span) -> None:
        if bad.reason == "size":
            self.report("E0122", "this number is too large", span, hint="use a unit, as in `40k` or `2M`")
            return
        other = OTHER_SPELLINGS.get(bad.text)
        self.report(
            "E0121",
            f"there is no unit `{bad.text}`",
            Span(self.file, span.start + bad.start, span.start + bad.end),
            hint=f"did you mean `{other}`?" if other else f"units are {' '.join(UNITS)}",
        )

    def _expr_text(self, node: Node) -> ast_expressions.LiteralValue:
        token = tokens(node)[0]
        return ast_expressions.LiteralValue(self.text_of(token).value, str(token), self.span(token))

    def _expr_constant(self, node: Node) -> ast_expressions.LiteralValue:
        raw = str(node.children[0])
        return ast_expressions.LiteralValue({"true": True, "false": False, "none": None}[raw], raw, self.span(node))

    def _expr_paren(self, node: Node) -> ast_expressions.Expr:
        # The brackets belong to the place, so that what stands behind them stands behind the value.
        return replace(self.expr(trees(node)[0]), span=self.span(node))

    def _expr_list(self, node: Node) -> ast_expressions.ListExpr:
        return ast_expressions.ListExpr(self._exprs(trees(node)), self.span(node))

    def _expr_map_value(self, node: Node) -> ast_expressions.MapExpr:
        return ast_expressions.MapExpr(tuple(self._entry(child) for child in trees(node)), self.span(node))

    def _entry(self, node: Node) -> ast_expressions.MapEntry:
        key = tokens(node)[0]
        quoted = key.type == "STRING"
        text = self.text_of(key).value if quoted else str(key)
        return ast_expressions.MapEntry(text, quoted, self.expr(trees(node)[0]), self.span(node))

    def _expr_attribute(self, node: Node) -> ast_expressions.Attribute:
        return ast_expressions.Attribute(self.expr(trees(node)[0]), str(tokens(node, "NAME")[0]), self.span(node))

    def _expr_call(self, node: Node) -> ast_expressions.Call:
        callee_node, arguments = trees(node)
        callee = self.expr(callee_node)
        if not isinstance(callee, ast_expressions.Name | ast_expressions.Attribute):
            self.report(
                "E0124",
                "only a name can be called",
                self.span(callee_node),
                label="this is a value, not a stage, prompt or pipeline",
            )
            raise BrokenDeclaration
        return ast_expressions.Call(callee, self.arguments(arguments), None, self.span(node))

    def arguments(self, node: Node) -> tuple[ast_expressions.Arg, ...]:
        """The arguments of a call."""
        return tuple(self.argument(child) for child in trees(node, "argument"))

    def argument(self, node: Node) -> ast_expressions.Arg:
        """One argument of a call or of a type, or one setting of a prompt."""
        name = tokens(node)
        return ast_expressions.Arg(str(name[0]) if name else None, self.expr(trees(node)[0]), self.span(node))

    def _expr_range(self, node: Node) -> ast_expressions.Range:
        low, high = self._exprs(trees(node))
        return ast_expressions.Range(low, high, self.span(node))

    def _expr_up_to(self, node: Node) -> ast_expressions.UpTo:
        return ast_expressions.UpTo(self.expr(trees(node)[0]), self.span(node))

    def _expr_index(self, node: Node) -> ast_expressions.Slice:
        value, index = self._exprs(trees(node))
        return ast_expressions.Slice(value, None, None, index, self.span(node))

    def _expr_slice(self, node: Node) -> ast_expressions.Slice:
        low, high = tree(node, "low"), tree(node, "high")
        return ast_expressions.Slice(
            self.expr(trees(node)[0]),
            self.expr(trees(low)[0]) if low is not None else None,
            self.expr(trees(high)[0]) if high is not None else None,
            None,
            self.span(node),
        )

    def _expr_lone_when(self, node: Node) -> ast_expressions.Call:
        call_node, when = trees(node)
        call = self._expr_call(call_node)
        return ast_expressions.Call(call.callee, call.args, self.expr(trees(when)[0]), self.span(node))

    def _expr_pipe(self, node: Node) -> ast_expressions.Pipe:
        left, stage = trees(node)
        name = tree(stage, "stage_name")
        arguments, when = tree(stage, "arguments"), tree(stage, "when")
        assert name is not None
        right = ast_expressions.Call(
            self._stage_name(name),
            self.arguments(arguments) if arguments is not None else (),
            self.expr(trees(when)[0]) if when is not None else None,
            self.span(stage),
        )
        return ast_expressions.Pipe(self.expr(left), right, self.span(node))

    def _stage_name(self, node: Node) -> ast_expressions.Name | ast_expressions.Attribute:
        first, *rest = tokens(node, "NAME")
        start = self.span(first)
        callee: ast_expressions.Name | ast_expressions.Attribute = ast_expressions.Name(str(first), start)
        for token in rest:
            callee = ast_expressions.Attribute(callee, str(token), start.to(self.span(token)))
        return callee

    def _binary(self, node: Node) -> ast_expressions.Binary:
        left, right = self._exprs(trees(node))
        operator = tokens(node)[0]
        return ast_expressions.Binary(str(operator), left, right, self.span(node))

    _expr_or = _expr_and = _expr_sum = _expr_product = _binary

    def _expr_not(self, node: Node) -> ast_expressions.Unary:
        return ast_expressions.Unary("not", self.expr(trees(node)[0]), self.span(node))

    def _expr_negative(self, node: Node) -> ast_expressions.Unary:
        return ast_expressions.Unary("-", self.expr(trees(node)[0]), self.span(node))

    def _expr_comparison(self, node: Node) -> ast_expressions.Binary | ast_expressions.Compare:
        operands = self._exprs(trees(node))
        ops = tuple(str(token) for token in tokens(node))
        if len(ops) == 1:
            return ast_expressions.Binary(ops[0], operands[0], operands[1], self.span(node))
        return ast_expressions.Compare(operands, ops, self.span(node))

    # --- match, repeat, map ----------------------------------------------------------------------

    def _expr_match(self, node: Node) -> ast_expressions.Match:
        subject, *arms = trees(node)
        return ast_expressions.Match(self.expr(subject), tuple(self._arm(arm) for arm in arms), self.span(node))

    def _arm(self, node: Node) -> ast_expressions.Arm:
        labels: list[str | int | bool] = []
        wildcard = False
        names = tokens(node, "NAME", "STRING", "NUMBER", "TRUE", "FALSE")
        for token in names:
            if token.type == "NAME" and token == "_":
                wildcard = True
            else:
                labels.append(self._label(token))
        if wildcard and len(names) > 1:
            self.report(
                "E0125",
                "`_` stands alone in an arm",
                self.span(names[0]).to(self.span(names[-1])),
                label="`_` already takes everything else",
                hint="write `_ => ...` as the last arm",
            )
        return ast_expressions.Arm(() if wildcard else tuple(labels), self.expr(trees(node)[0]), self.span(node))

    def _label(self, token: Token) -> str | int | bool:
        if token.type == "STRING":
            return self.text_of(token).value
        if token.type != "NUMBER":
            return {"true": True, "false": False}.get(str(token), str(token))
        try:
            value, unit = read_number(str(token))
        except BadLiteral as bad:
            self._report_number(bad, self.span(token))
            return 0
        if unit is not None or not isinstance(value, int):
            self.report(
                "E0125",
                "an arm of a `match` is a name, a text, a whole number, `true` or `false`",
                self.span(token),
                label="not one of these",
            )
            return 0
        return value

    def _expr_repeat(self, node: Node) -> ast_expressions.Repeat:
        count = trees(node)[0]
        states = tuple(
            ast_expressions.State(str(tokens(state, "NAME")[0]), self.expr(trees(state)[0]), self.span(state))
            for state in trees(node, "state")
        )
        until = tree(node, "until")
        bindings, yields = self._loop_body(node, "repeat")
        return ast_expressions.Repeat(
            self.expr(count),
            states,
            self.expr(trees(until)[0]) if until is not None else None,
            bindings,
            yields,
            self.span(node),
        )

    def _expr_map(self, node: Node) -> ast_expressions.MapLoop:
        limit, earlier = tree(node, "limit_items"), tree(node, "earlier")
        items = trees(node)[0]
        bindings, yields = self._loop_body(node, "map")
        if len(yields) > 1:
            self.report(
                "E0119",
                "a `map` yields one value",
                yields[1].span,
                label="a second value",
                hint="add pools with `+`: `yield a + b`",
            )
        return ast_expressions.MapLoop(
            str(tokens(node, "NAME")[0]),
            self.expr(items),
            self.expr(trees(limit)[0]) if limit is not None else None,
            bindings,
            yields[0],
            self.span(node),
            str(tokens(earlier, "NAME")[0]) if earlier is not None else "",
        )

    def binding(self, node: Node) -> ast_expressions.Binding:
        """`name = value`."""
        span = self.span(node)
        doc = self.doc(span)
        return ast_expressions.Binding(str(tokens(node, "NAME")[0]), self.expr(trees(node)[0]), doc, span)

    def _loop_body(
        self, node: Node, word: str
    ) -> tuple[tuple[ast_expressions.Binding, ...], tuple[ast_expressions.Expr, ...]]:
        """The bindings and yielded values of a `repeat` or `map`, whose body ends with its only `yield`."""
        steps = trees(node, "binding", "return", "yield")
        yields = [step for step in steps if step.data == "yield"]
        for step in steps:
            if step.data == "return":
                self.report(
                    "E0119",
                    f"a `{word}` has no `return`",
                    self.span(step),
                    label="inside the loop's body",
                    hint="end the body with `yield VALUE`; `return` ends the pipeline",
                )
        if not yields:
            end = self.span(node).end
            if not any(step.data == "return" for step in steps):
                self.report(
                    "E0119",
                    f"this `{word}` yields nothing",
                    Span(self.file, end - 1, end),
                    label="expected `yield VALUE` before this",
                    hint="end the body with `yield VALUE`, what the next round or the result is made of",
                )
            raise BrokenDeclaration
        self.only_last(steps, yields, "yield")
        bindings = tuple(self.binding(step) for step in steps if step.data == "binding")
        return bindings, self._exprs(trees(yields[0]))

    def only_last(self, steps: list[Node], ends: list[Node], word: str) -> None:
        """Report a second `return` or `yield`, and statements behind the only one."""
        if len(ends) > 1:
            self.report(
                "E0117",
                f"a second `{word}`",
                self.span(ends[1]),
                labels=(Label(self.span(ends[0]), "the first is here"),),
                hint="choose between values with `match`, or add pools with `+`",
            )
        elif steps[-1] is not ends[0]:
            behind = steps[steps.index(ends[0]) + 1]
            self.report(
                "E0117",
                f"`{word}` is the last line of its body",
                self.span(behind),
                label="this comes after it",
                labels=(Label(self.span(ends[0]), f"the `{word}`"),),
                hint=f"move it above the `{word}`",
            )
