"""Printing of types and expressions as documents of `layout`, with brackets only where the grammar needs them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.comment_places import CommentPlaces, chain
from ttscale.compiler.docs import is_doc
from ttscale.compiler.layout import (
    HARD,
    SOFT,
    SPACE,
    Doc,
    IfBroken,
    Trailing,
    concat,
    group,
    indent,
    join,
)
from ttscale.compiler.literals import quote, read_text
from ttscale.grammar import RESERVED

PIPE, OR, AND, NOT, COMPARISON, SUM, PRODUCT, UNARY, POSTFIX = range(9)
"""Precedence, loosest first."""

_BINARY_LEVELS = {"or": OR, "and": AND, "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "%": PRODUCT}


class ExpressionPrinter:
    """Prints types and expressions.

    `places` says where comments and empty lines go. `docs` is False for the canonical form, which has none.
    `source` is the text that a tree was read from, "" if it was read from none.
    """

    def __init__(self, places: CommentPlaces, source: str, *, docs: bool) -> None:
        self.places = places
        self.source = source
        self.docs = docs

    # --- items and lists -------------------------------------------------------------------------

    def item(self, node: object, doc: Doc, comma: Doc = "", documentation: str = "", *, spaced: bool = False) -> Doc:
        """An item with its comments: those before it, `doc`, a comma, the one behind it, those after it.

        With `spaced`, empty lines between them stay; statements have such, the items of a list do not."""
        key = id(node)
        before: list[Doc] = []
        apart = spaced and key in self.places.blanks  # an empty line before the item and its documentation
        for text, blank in self.places.before.get(key, ()):
            if before and spaced and (blank or (apart and is_doc(text))):
                before.append(HARD)
            apart = apart and not is_doc(text)
            before.extend((text, HARD))
        if before and apart:
            before.append(HARD)
        lines = [f"## {line}" if line else "##" for line in documentation.split("\n")] if documentation else []
        behind = self.places.behind.get(key, "")
        if lines and not behind and self._documented_behind(node, lines):
            behind = lines.pop()
        for line in lines:
            before.extend((line, HARD))
        after: list[Doc] = []
        for text, blank in self.places.after.get(key, ()):
            after.extend(([HARD] if blank and spaced else []) + [HARD, text])
        trailing: list[Doc] = [Trailing(behind)] if behind else []
        return concat(*before, doc, comma, *trailing, *after)

    def _documented_behind(self, node: object, lines: list[str]) -> bool:
        """Whether the last line of an item's documentation stands behind it: where the author had it there, and
        for a tree without a text, where it is the only line for a field or parameter."""
        if self.source:
            return id(node) in self.places.trailing_docs
        return len(lines) == 1 and isinstance(node, ast_expressions.FieldDef | ast.Param)

    def listing(self, opener: str, items: Sequence[tuple[object, Doc, str]], closer: str, pad: str = "") -> Doc:
        """Items between brackets, separated by commas: on one line, or one per line with a trailing comma.

        An item is its node, its document and its documentation. `pad` is the space inside the brackets on one line.
        """
        if not items:
            return opener + closer
        inner: list[Doc] = []
        for index, (node, doc, documentation) in enumerate(items):
            last = index == len(items) - 1
            inner.append(self.item(node, doc, IfBroken(",") if last else ",", documentation))
            if not last:
                inner.append(SPACE)
        edge = SPACE if pad else SOFT
        return group(opener, indent(edge, *inner), edge, closer)

    def block(self, header: Doc, lines: Iterable[tuple[object, Doc, str]], gap: str = " ") -> Doc:
        """Statements between braces, each on its line; empty lines between them as the author had them.

        `gap` stands before the brace."""
        body: list[Doc] = []
        for node, doc, documentation in lines:
            body.append(HARD)
            if len(body) > 1 and self.blank_before(node):
                body.append(HARD)
            body.append(self.item(node, doc, "", self.shown(documentation), spaced=True))
        return concat(header, gap, "{}") if not body else concat(header, gap, "{", indent(*body), HARD, "}")

    def blank_before(self, node: object) -> bool:
        """Whether an empty line stands before an item, or before its comments if it has some before it."""
        comments = self.places.before.get(id(node))
        return comments[0][1] if comments else id(node) in self.places.blanks

    def shown(self, documentation: str) -> str:
        """The documentation to print: none in the canonical form."""
        return documentation if self.docs else ""

    # --- types -----------------------------------------------------------------------------------

    def type(self, node: ast_expressions.TypeExpr) -> Doc:
        """Any type."""
        match node:
            case ast_expressions.OptionalType():
                return concat(self.type(node.item), "?")
            case ast_expressions.ListType():
                return concat("[", self.type(node.item), "]")
            case ast_expressions.RecordType():
                return self.fields("{", node.fields, "}")
        parts: list[Doc] = [node.name]
        if node.items:
            parts.append(group("[", indent(SOFT, join(concat(",", SPACE), map(self.type, node.items))), SOFT, "]"))
        if node.args:
            parts.append(self.arguments(node.args))
        return concat(*parts)

    def field(self, node: ast_expressions.FieldDef) -> Doc:
        """`name: Type = default`."""
        default: tuple[Doc, ...] = (" = ", self.expr(node.default)) if node.default is not None else ()
        return concat(f"{node.name}: ", self.type(node.type), *default)

    def fields(self, opener: str, fields: Sequence[ast_expressions.FieldDef], closer: str) -> Doc:
        """Fields between brackets."""
        return self.listing(opener, [(item, self.field(item), self.shown(item.doc)) for item in fields], closer)

    # --- expressions -----------------------------------------------------------------------------

    def expr(self, node: ast_expressions.Expr, level: int = PIPE) -> Doc:
        """Any expression, in round brackets if it binds looser than `level`."""
        if _level(node) < level:
            return group("(", indent(SOFT, self._bare(node)), SOFT, ")")
        return self._bare(node)

    def _bare(self, node: ast_expressions.Expr) -> Doc:
        match node:
            case ast_expressions.Name():
                return node.name
            case ast_expressions.Attribute():
                return concat(self.expr(node.value, POSTFIX), f".{node.name}")
            case ast_expressions.LiteralValue():
                return self._literal(node)
            case ast_expressions.Quantity():
                return node.raw or _quantity(node)
            case ast_expressions.ListExpr():
                return self.listing("[", [(item, self.expr(item), "") for item in node.items], "]")
            case ast_expressions.MapExpr():
                return self.listing("{", [(entry, self._entry(entry), "") for entry in node.entries], "}")
            case ast_expressions.Range():
                return concat(self.expr(node.low, SUM), ".." if _texts(node) else " .. ", self.expr(node.high, SUM))
            case ast_expressions.UpTo():
                return concat("up to ", self.expr(node.limit, OR))
            case ast_expressions.Call():
                return self._call(node)
            case ast_expressions.Pipe():
                return self._chain(node)
            case ast_expressions.Unary():
                return self._unary(node)
            case ast_expressions.Slice():
                return self._slice(node)
            case ast_expressions.Match() | ast_expressions.Repeat() | ast_expressions.MapLoop():
                return self._block_expr(node)
            case ast_expressions.Binary() | ast_expressions.Compare():
                return self._operators(node)

    def _literal(self, node: ast_expressions.LiteralValue) -> Doc:
        value = node.value
        if isinstance(value, str):
            if node.raw.startswith('"""'):
                return self.fenced(value, read_text(node.raw).fence, "\n" in node.raw)
            return node.raw or quote(value)
        if value is None or isinstance(value, bool):
            return {None: "none", True: "true", False: "false"}[value]
        return node.raw or repr(value)

    def fenced(self, text: str, quotes: int, spread: bool) -> Doc:
        """A text in fences: on lines of its own if `spread` or if it has several, else between the quotes."""
        fence = '"' * quotes
        inline = "\n" not in text and not text.startswith('"') and not text.endswith('"') and text.strip(" \t")
        if inline and (not spread or text[0] in " \t"):
            return fence + text + fence
        lines = [part for line in text.split("\n") for part in (HARD, line)] if text else []
        return concat(fence, *lines, HARD, fence)

    def _entry(self, node: ast_expressions.MapEntry) -> Doc:
        return concat(quote(node.key) if node.quoted else node.key, ": ", self.expr(node.value))

    def argument(self, node: ast_expressions.Arg) -> Doc:
        """`name: value` or a value."""
        return concat(f"{node.name}: " if node.name is not None else "", self.expr(node.value))

    def arguments(self, args: Sequence[ast_expressions.Arg]) -> Doc:
        """The arguments of a call or a type."""
        return self.listing("(", [(arg, self.argument(arg), "") for arg in args], ")")

    def _call(self, node: ast_expressions.Call) -> Doc:
        call = concat(self.expr(node.callee, POSTFIX), self.arguments(node.args))
        if node.when is None:
            return call
        return group(call, indent(SPACE, "when ", self.expr(node.when, OR)))

    def _chain(self, node: ast_expressions.Pipe) -> Doc:
        """A chain of stages; two or more that do not fit stand one per line."""
        head, stages = chain(node)
        first = self.item(head, self.expr(head))
        printed = [concat("|> ", self._call(stage)) for stage in stages]
        if len(stages) == 1 and not self._has_comments(head) and not self._has_comments(stages[0]):
            return concat(first, " ", printed[0])
        rest = [part for stage, doc in zip(stages, printed, strict=True) for part in (SPACE, self.item(stage, doc))]
        return group(first, indent(*rest))

    def _has_comments(self, node: object) -> bool:
        places = self.places
        return id(node) in places.before or id(node) in places.behind or id(node) in places.after

    def _unary(self, node: ast_expressions.Unary) -> Doc:
        if node.op == "not":
            return concat("not ", self.expr(node.operand, NOT))
        return concat("-", self.expr(node.operand, UNARY))

    def _operators(self, node: ast_expressions.Binary | ast_expressions.Compare) -> Doc:
        """A run of operators of one level; one that does not fit has each operator begin a line."""
        if isinstance(node, ast_expressions.Compare):
            first, *others = (self.expr(operand, SUM) for operand in node.operands)
            steps = list(zip(node.ops, others, strict=True))
        else:
            level = _level(node)
            tail: list[tuple[str, Doc]] = []
            left: ast_expressions.Expr = node
            while (
                isinstance(left, ast_expressions.Binary)
                and _level(left) == level
                and not (level == COMPARISON and tail)
            ):
                tail.append((left.op, self.expr(left.right, level + 1)))
                left = left.left
            first = self.expr(left, level + 1 if level == COMPARISON else level)
            steps = tail[::-1]
        return group(first, indent(*(concat(SPACE, f"{op} ", right) for op, right in steps)))

    def _slice(self, node: ast_expressions.Slice) -> Doc:
        value = self.expr(node.value, POSTFIX)
        if node.index is not None:
            return concat(value, "[", self.expr(node.index), "]")
        low = self.expr(node.low) if node.low is not None else ""
        high = self.expr(node.high) if node.high is not None else ""
        return concat(value, "[", low, ":", high, "]")

    # --- match, repeat, map ----------------------------------------------------------------------

    def _block_expr(self, node: ast_expressions.Match | ast_expressions.Repeat | ast_expressions.MapLoop) -> Doc:
        match node:
            case ast_expressions.Match():
                arms = [(arm, self._arm(arm), "") for arm in node.arms]
                return self.block(concat("match ", self.expr(node.subject)), arms)
            case ast_expressions.Repeat():
                return self.block(self._repeat_header(node), self._steps(node.bindings, node.yields), gap="")
        limit: tuple[Doc, ...] = (", max: ", self.expr(node.limit)) if node.limit is not None else ()
        seen = f" with {node.earlier}" if node.earlier else ""
        header = concat(f"map {node.name} in ", self.expr(node.items), *limit, seen)
        return self.block(header, self._steps(node.bindings, (node.yield_,)))

    def _repeat_header(self, node: ast_expressions.Repeat) -> Doc:
        """With the space before its brace; one line if it fits; otherwise several states stand one per line."""
        states = [concat(f"{state.name} = ", self.expr(state.init)) for state in node.states]
        until: tuple[Doc, ...] = ("until ", self.expr(node.until)) if node.until is not None else ()
        head = concat("repeat ", self.expr(node.count), " with")
        if len(states) == 1:
            return concat(head, " ", states[0], *((" ", *until) if until else ()), " ")
        listed = join(concat(",", SPACE), states)
        return group(head, indent(SPACE, listed, *((SPACE, *until) if until else ())), SPACE)

    def _arm(self, node: ast_expressions.Arm) -> Doc:
        labels = " | ".join(_label(label) for label in node.labels) if node.labels else "_"
        return concat(f"{labels} => ", self.expr(node.value))

    def _steps(
        self, bindings: Sequence[ast_expressions.Binding], yields: Sequence[ast_expressions.Expr]
    ) -> list[tuple[object, Doc, str]]:
        steps: list[tuple[object, Doc, str]] = [(item, self.binding(item), item.doc) for item in bindings]
        return [*steps, (yields[0], concat("yield ", join(", ", map(self.expr, yields))), "")]

    def binding(self, node: ast_expressions.Binding) -> Doc:
        """`name = value`."""
        return concat(f"{node.name} = ", self.expr(node.value))


def _level(node: ast_expressions.Expr) -> int:
    match node:
        case ast_expressions.Pipe() | ast_expressions.UpTo() | ast_expressions.Range():
            return PIPE
        case ast_expressions.Call():
            return PIPE if node.when is not None else POSTFIX
        case ast_expressions.Binary():
            return _BINARY_LEVELS.get(node.op, COMPARISON)
        case ast_expressions.Compare():
            return COMPARISON
        case ast_expressions.Unary():
            return NOT if node.op == "not" else UNARY
    return POSTFIX


def _texts(node: ast_expressions.Range) -> bool:
    return isinstance(node.low, ast_expressions.LiteralValue) and isinstance(node.low.value, str)


def _label(label: str | int | bool) -> str:
    if isinstance(label, bool):
        return "true" if label else "false"
    if isinstance(label, int):
        return str(label)
    plain = label.isascii() and label.isidentifier() and label not in RESERVED and label != "_"
    return label if plain else quote(label)


def _quantity(node: ast_expressions.Quantity) -> str:
    """The spelling of a quantity that was read from no text."""
    amount = Decimal(repr(node.amount))
    if node.unit == "":
        return f"{(amount / 1000).normalize():f}k"
    return f"{amount:f}" + {"bytes": "B", "seconds": "s", "usd": "usd"}[node.unit]
