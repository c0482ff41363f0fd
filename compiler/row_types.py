"""Types of expressions over a row: `length(question) < 400`, `number(level) + 1`.

What a column holds is known only where its file was read; until then it is anything, and nothing is said of it.
Functions and literals have types always.

Codes:
    E0215  an argument that a function of rows cannot take
    E0228  an operator that does not work on these types
    E0229  a comparison that can never be true for a reason
    E0230  a condition that is neither true nor false
    E0240  a field of something that has none
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ttscale.compiler import ast_expressions, types
from ttscale.compiler.check_rows import ROW_FUNCTIONS
from ttscale.compiler.check_types import comparable, describe, is_numeric, join, literal_type, ordered
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.source import Span

Tell = Callable[[str, str, Span, str], None]
"""Takes a code, a message, its place and a hint."""
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class RowTypes:
    """The types of columns that are known, how the file is written, and whom mistakes are told."""

    columns: Mapping[str, types.Type]
    text: Callable[[Span], str]
    tell: Tell

    def condition(self, expr: ast_expressions.Expr) -> None:
        """Reports a condition over a row that is neither true nor false."""
        kind = self.of(expr)
        if kind not in (types.ANY, types.BOOL):
            written = self.text(expr.span)
            hint = f"compare it, as in `{written} > 0`" if is_numeric(kind) else f'compare it: `{written} == "…"`'
            self.tell("E0230", f"a condition must be true or false, and this is {describe(kind)}", expr.span, hint)

    def of(self, expr: ast_expressions.Expr) -> types.Type:
        """The type of an expression; Any where it is not known, or wrong and told."""
        match expr:
            case ast_expressions.Name(name=name):
                return self.columns.get(name, types.ANY)
            case ast_expressions.LiteralValue(value=value):
                return types.ANY if value is None else literal_type(value)
            case ast_expressions.Quantity():
                return types.FLOAT
            case ast_expressions.Attribute():
                return self._field(expr)
            case ast_expressions.Unary(operand=operand):
                kind = self.of(operand)
                if kind != types.ANY and (kind != types.BOOL if expr.op == "not" else not is_numeric(kind)):
                    message = f"`{expr.op}` does not work on {describe(kind)}"
                    self.tell("E0228", message, expr.span, "write a comparison")
                return types.BOOL if expr.op == "not" else kind if is_numeric(kind) else types.ANY
            case ast_expressions.Compare(operands=operands, ops=ops):
                kinds = [self.of(operand) for operand in operands]
                for place, op in enumerate(ops):
                    self._compared(op, operands[place : place + 2], kinds[place : place + 2], expr.span)
                return types.BOOL
            case ast_expressions.Binary():
                return self._binary(expr)
            case ast_expressions.ListExpr(items=items):
                return types.ListOf(join([self.of(item) for item in items]) or types.ANY)
            case ast_expressions.Slice(value=value):
                inner = self.of(value)
                return inner.item if isinstance(inner, types.ListOf) else types.ANY
            case ast_expressions.Pipe(left=left, right=right):
                return self._function(right, left)
            case ast_expressions.Call():
                return self._function(expr, None)
        return types.ANY

    def _field(self, expr: ast_expressions.Attribute) -> types.Type:
        kind = self.of(expr.value)
        if kind != types.ANY:
            base = self.text(expr.value.span)
            hint = f"take one of its elements: `{base}[0]`" if isinstance(kind, types.ListOf) else f"write `{base}`"
            if expr.name in ROW_FUNCTIONS:
                hint = f"write `{expr.name}({base})`"
            self.tell("E0240", f"`{base}` is {describe(kind)}, which has no field `{expr.name}`", expr.span, hint)
        return types.ANY

    def _binary(self, expr: ast_expressions.Binary) -> types.Type:
        sides, kinds = (expr.left, expr.right), [self.of(expr.left), self.of(expr.right)]
        if expr.op in _COMPARISONS:
            self._compared(expr.op, sides, kinds, expr.span)
            return types.BOOL
        if expr.op in ("and", "or"):
            for side, kind in zip(sides, kinds, strict=True):
                if kind not in (types.ANY, types.BOOL):
                    message = f"`{expr.op}` joins conditions, and this is {describe(kind)}"
                    self.tell("E0228", message, side.span, "write a comparison")
            return types.BOOL
        if types.ANY in kinds:
            return types.ANY
        if all(is_numeric(kind) for kind in kinds):
            return join(kinds) or types.NUMBER
        if expr.op == "+" and all(isinstance(kind, types.Text) for kind in kinds):
            return types.TEXT
        message = f"`{expr.op}` does not work on {describe(kinds[0])} and {describe(kinds[1])}"
        self.tell("E0228", message, expr.span, self._alike(sides, kinds, expr.op == "+"))
        return types.ANY

    def _compared(self, op: str, sides: tuple[ast_expressions.Expr, ...], kinds: list[types.Type], span: Span) -> None:
        one, other = kinds
        if not (comparable(one, other) if op in ("==", "!=") else ordered(one, other)):
            message = f"`{op}` cannot compare {describe(one)} with {describe(other)}"
            self.tell("E0229", message, span, self._alike(sides, kinds, False, op))

    def _alike(
        self, sides: tuple[ast_expressions.Expr, ...], kinds: list[types.Type], joins: bool, op: str = ""
    ) -> str:
        """How to make a text beside a number a number, or where texts are joined the number a text."""
        texts = [isinstance(kind, types.Text) for kind in kinds]
        if any(is_numeric(kind) for kind in kinds) and any(texts):
            text, number = (sides[0], sides[1]) if texts[0] else (sides[1], sides[0])
            raw = text.value if isinstance(text, ast_expressions.LiteralValue) else ""
            if isinstance(raw, str) and raw.strip().replace(".", "", 1).isdigit():
                return f"write it without quotes: `{raw.strip()}`"
            if joins and isinstance(text, ast_expressions.LiteralValue):
                return f"write `text({self.text(number.span)})`"
            if isinstance(text, ast_expressions.LiteralValue) and op not in ("==", "!="):
                return f"compare it with a number: `{self.text(number.span)} {op} 10`" if op else "write a number"
            if isinstance(text, ast_expressions.LiteralValue):
                return f"compare texts: `text({self.text(number.span)})`"
            return f"write `number({self.text(text.span)})`"
        return "both sides must be numbers, or both texts"

    def _function(self, call: ast_expressions.Call, piped: ast_expressions.Expr | None) -> types.Type:
        name = call.callee.name if isinstance(call.callee, ast_expressions.Name) else ""
        function = ROW_FUNCTIONS.get(name)
        values = [*([] if piped is None else [piped]), *(arg.value for arg in call.args)]
        kinds = [self.of(value) for value in values]
        if function is None:
            return types.ANY
        for value, kind, takes in zip(values, kinds, function.takes, strict=False):
            if kind != types.ANY and not _takes(kind, takes):
                message = f"`{name}` takes {takes} here, and this is {describe(kind)}"
                self.tell("E0215", message, value.span, f"write `{function.example}`")
        return function.gives


def _takes(kind: types.Type, wanted: str) -> bool:
    """Whether a function takes a value of this type: "a text", "a list", "a number", or one of two."""
    found = "a list" if isinstance(kind, types.ListOf) else "a text" if isinstance(kind, types.Text) else "a number"
    return wanted == "anything" or (found in wanted and kind != types.BOOL)
