"""The one canonical layout of a module: what `ttscale fmt` writes.

Two columns for each level, one line for what fits in 100 columns, otherwise one item per line with a trailing
comma. Every comment stays, as do single empty lines between statements. The text of fences keeps its inner shape
and moves with its indentation. Formatting a formatted text changes nothing.
"""

from __future__ import annotations

from ttscale.compiler import ast
from ttscale.compiler.comment_places import CommentPlaces, place_comments
from ttscale.compiler.docs import is_doc
from ttscale.compiler.layout import HARD, SPACE, Doc, Line, concat, group, indent, render_lines
from ttscale.compiler.literals import quote
from ttscale.compiler.print_expressions import SUM, ExpressionPrinter
from ttscale.compiler.source import SourceFile

Lines = list[tuple[object, Doc, str]]


def format_module(module: ast.Module, source: SourceFile) -> str:
    """The text of `module` in canonical layout; `source` is the text it was read from.

    For a module made by hand, `source` has an empty text. Ends with one newline; empty for an empty module.
    """
    places = place_comments(module, source)
    return ModulePrinter(places, source.text, docs=True).module(module)


class ModulePrinter(ExpressionPrinter):
    """Prints declarations and whole modules."""

    def module(self, module: ast.Module) -> str:
        """The whole text."""
        out = _comment_lines(self.places.top)
        if out and self.places.edition_apart:
            out.append("")
        if module.edition is not None:
            comment = f"  {self.places.edition}" if self.places.edition else ""
            out.append(f"tts {module.edition}{comment}")
        previous_long: bool | None = None
        for declaration in module.declarations:
            lines, long = self.declaration_lines(declaration)
            wide_gap = previous_long is not None and (long or previous_long)
            if out and (wide_gap or self.blank_before(declaration)):
                out.append("")
            out.extend(lines)
            previous_long = long
        out.extend(_comment_lines(self.places.alone))
        return "\n".join(out) + "\n" if out else ""

    def declaration_lines(self, node: ast.Declaration) -> tuple[list[str], bool]:
        """The lines of a declaration with its comments, and whether it wants empty lines around it."""
        documentation = "" if isinstance(node, ast.BadDecl) else self.shown(node.doc)
        doc = self.declaration(node)
        lines = render_lines(self.item(node, doc, "", documentation, spaced=True))
        documented = bool(documentation) or any(is_doc(text) for text, _ in self.places.before.get(id(node), ()))
        return lines, documented or len(render_lines(doc)) > 1

    def declaration(self, node: ast.Declaration) -> Doc:
        """One declaration without its comments and documentation."""
        match node:
            case ast.Use():
                return self._use(node)
            case ast.ModelDecl():
                return concat(f"model {node.name} = ", self.expr(node.value))
            case ast.DatasetDecl():
                return concat(f"dataset {node.name} = ", self.expr(node.value))
            case ast.RecordDecl():
                return self.block(f"record {node.name}", [(item, self.field(item), item.doc) for item in node.fields])
            case ast.PromptDecl():
                return self._prompt(node)
            case ast.MetricDecl():
                return concat(self._signature("metric", node), " = ", self.expr(node.body))
            case ast.PipelineDecl():
                return self.block(self._signature("pipeline", node), self._statements(node))
            case ast.SearchDecl():
                header = concat(f"search {node.name} over ", self.expr(node.over))
                return self.block(header, self._clauses(node.clauses))
            case ast.EvalDecl():
                return self._eval(node)
            case ast.TestDecl():
                return self._test(node)
            case ast.BadDecl():
                return self._verbatim(node)

    def _verbatim(self, node: ast.BadDecl) -> Doc:
        text = self.source[node.span.start : node.span.end]
        lines: list[Doc] = []
        for line in text.split("\n"):
            lines.extend((HARD, line.rstrip()))
        return concat(*lines[1:])

    def _use(self, node: ast.Use) -> Doc:
        path = f"python({quote(node.path)})" if node.kind == "python" else node.path
        version = f"@{node.version}" if node.version is not None else ""
        alias = f" as {node.alias}" if node.alias is not None else ""
        head = f"use {path}{version}{alias}"
        if not node.names:
            return head
        names = [(item, item.name + (f" as {item.alias}" if item.alias else ""), "") for item in node.names]
        return concat(head, " ", self.listing("{", names, "}", pad=" "))

    # --- prompts ---------------------------------------------------------------------------------

    def _signature(self, keyword: str, node: ast.PromptDecl | ast.MetricDecl | ast.PipelineDecl) -> Doc:
        inputs = node.inputs if isinstance(node, ast.PipelineDecl) else node.params
        return concat(f"{keyword} {node.name}", self.fields("(", inputs, ")"), " -> ", self.type(node.result))

    def _prompt(self, node: ast.PromptDecl) -> Doc:
        signature = self._signature("prompt", node)
        if not node.block and len(node.parts) == 1 and node.parts[0].template is not None:
            return concat(signature, " = ", self._template(node.parts[0].template))
        lines: Lines = [(setting, self.argument(setting), "") for setting in node.settings]
        lines.extend((part, self._message(part), "") for part in node.parts)
        return self.block(signature, self._in_order(lines))

    def _message(self, node: ast.MessagePart) -> Doc:
        if node.template is None:
            return f"chat {node.chat}"
        return concat(f"{node.role} ", self._template(node.template))

    def _template(self, node: ast.Template) -> Doc:
        if node.fence < 3:
            return quote(node.text)
        spread = not self.source or "\n" in self.source[node.span.start : node.span.end]
        return self.fenced(node.text, node.fence, spread)

    # --- pipelines -------------------------------------------------------------------------------

    def _in_order(self, lines: Lines) -> Lines:
        """Statements in the order of the text; those of a tree without one stay as they are."""
        return sorted(lines, key=lambda line: line[0].span.start) if self.source else lines  # type: ignore[attr-defined]

    def _statements(self, node: ast.PipelineDecl) -> Lines:
        lines: Lines = [(item, self._param(item), item.doc) for item in node.params]
        lines.extend((item, concat("require ", self.expr(item.condition)), "") for item in node.requires)
        if node.budget is not None:
            lines.append((node.budget, self._budget(node.budget), ""))
        lines.extend((item, self.binding(item), item.doc) for item in node.bindings)
        return [*self._in_order(lines), (node.value, concat("return ", self.expr(node.value)), "")]

    def _param(self, node: ast.Param) -> Doc:
        parts: list[Doc] = [f"param {node.name}: ", self.type(node.type)]
        if node.domain is not None:
            parts.extend((" in ", self._domain(node.domain)))
        if node.default is not None:
            parts.extend((" = ", self.expr(node.default)))
        return concat(*parts)

    def _domain(self, node: ast.Domain) -> Doc:
        match node:
            case ast.SetDomain():
                return self.listing("{", [(item, self.expr(item), "") for item in node.items], "}")
            case ast.SubsetsDomain():
                return self.listing("subsets(", [(item, self.expr(item), "") for item in node.items], ")")
        step: tuple[Doc, ...] = (" step ", self.expr(node.step, SUM)) if node.step is not None else ()
        ends = concat("[", self.expr(node.low, SUM), " .. ", self.expr(node.high, SUM), "]")
        return concat(ends, " log" if node.log else "", *step)

    def _one_line_block(self, header: Doc, lines: Lines) -> Doc:
        """A short block: on one line if it fits, its parts two spaces apart."""
        if not lines:
            return concat(header, " {}")
        body: list[Doc] = []
        for index, (node, doc, _) in enumerate(lines):
            body.extend((Line("  ") if index else SPACE, self.item(node, doc)))
        return concat(header, group(" {", indent(*body), SPACE, "}"))

    def _budget(self, node: ast.Budget) -> Doc:
        limits: Lines = [(item, concat(f"{item.measure} <= ", self.expr(item.amount, SUM)), "") for item in node.limits]
        return self._one_line_block("budget", limits)

    # --- search, eval, test ----------------------------------------------------------------------

    def _clauses(self, clauses: tuple[ast.Clause, ...]) -> Lines:
        return [(clause, self._clause(clause), "") for clause in clauses]

    def _clause(self, node: ast.Clause) -> Doc:
        if node.budget is not None:
            return self._budget(node.budget)
        values: list[Doc] = []
        for value in node.values:
            values.extend((", " if values else "", self.expr(value)))
        name = f"{node.name} = " if node.name is not None else ""
        on: tuple[Doc, ...] = (" on ", self.expr(node.on)) if node.on is not None else ()
        return concat(f"{node.keyword} {name}", *values, *on)

    def _eval(self, node: ast.EvalDecl) -> Doc:
        pipelines: list[Doc] = []
        for pipeline in node.pipelines:
            pipelines.extend((", " if pipelines else "", self.expr(pipeline)))
        header = concat("eval ", *pipelines, " on ", self.expr(node.on))
        return self._one_line_block(header, self._clauses(node.clauses)) if node.clauses else header

    def _test(self, node: ast.TestDecl) -> Doc:
        lines: Lines = [(item, concat(f"given {item.name} = ", self.expr(item.value)), "") for item in node.givens]
        lines.extend((item, concat("expect ", self.expr(item.condition)), "") for item in node.expects)
        header = f"test {quote(node.name)}" + (" live" if node.live else "")
        return self.block(header, self._in_order(lines))


def _comment_lines(comments: list[tuple[str, bool]]) -> list[str]:
    lines: list[str] = []
    for text, blank in comments:
        lines.extend(["", text] if blank and lines else [text])
    return lines


def canonical_printer() -> ModulePrinter:
    """A printer without comments, documentation and empty lines, whatever text the tree was read from."""
    return ModulePrinter(CommentPlaces(), "", docs=False)
