"""From concrete to abstract syntax: the tree of `ast` with exact spans, documentation and templates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.docs import DocComments
from ttscale.compiler.literals import BadLiteral, read_number
from ttscale.compiler.lower_expressions import BrokenDeclaration, ExpressionLowering, Node, tokens, tree, trees
from ttscale.compiler.parse import Parsed
from ttscale.compiler.source import SourceFile, Span
from ttscale.compiler.trees import Token

EDITIONS = (1,)
"""The editions of the language that this compiler knows, oldest first."""

_NAMES = {"prompt_text": "prompt", "prompt_block": "prompt", "use_python": "use"}


def lower(parsed: Parsed, source: SourceFile) -> tuple[ast.Module, list[Diagnostic]]:
    """The module that `parsed` says, and the mistakes found on the way (those of `parsed` not among them).

    A declaration that did not parse, or lacks what it cannot do without, is a `BadDecl`.
    """
    diagnostics: list[Diagnostic] = []
    docs = DocComments(source)
    declarations: list[ast.Declaration] = []
    edition: int | None = None
    if parsed.tree is not None:
        lowering = DeclarationLowering(source, 0, docs, diagnostics)
        edition = lowering.edition(parsed.tree)
        declarations.extend(lowering.declarations(parsed.tree))
    for part in parsed.parts:
        if part.tree is None:
            declarations.append(ast.BadDecl(part.keyword, part.name, _trimmed(source, part.start, part.end)))
            continue
        lowering = DeclarationLowering(source, part.start, docs, diagnostics)
        edition = lowering.edition(part.tree) if edition is None else edition
        declarations.extend(lowering.declarations(part.tree))
    span = Span(source.name, 0, len(source.text))
    return ast.Module(edition, tuple(declarations), docs.rest(), span), diagnostics


def _trimmed(source: SourceFile, start: int, end: int) -> Span:
    text = source.text[start:end]
    return Span(source.name, start + len(text) - len(text.lstrip()), start + len(text.rstrip()))


class DeclarationLowering(ExpressionLowering):
    """Lowers the declarations of one tree."""

    def edition(self, module: Node) -> int | None:
        """The edition that the file names; an unknown one is reported and then taken for the newest."""
        node = tree(module, "edition")
        if node is None:
            return None
        token = tokens(node, "NUMBER")[0]
        try:
            value, unit = read_number(str(token))
        except BadLiteral:
            value, unit = 0, None
        if unit is None and isinstance(value, int) and value in EDITIONS:
            return value
        self.report(
            "E0005",
            f"there is no edition {token} of the language",
            self.span(token),
            label=f"this ttscale knows edition {EDITIONS[-1]}",
            hint=f"write `tts {EDITIONS[-1]}`",
        )
        return EDITIONS[-1]

    def declarations(self, module: Node) -> list[ast.Declaration]:
        """All declarations of a module's tree."""
        return [self._declaration(node) for node in trees(module) if node.data != "edition"]

    def _declaration(self, node: Node) -> ast.Declaration:
        method: Callable[[Node], ast.Declaration] = getattr(self, f"_{node.data}")
        try:
            return method(node)
        except BrokenDeclaration:
            name = tokens(node, "NAME")
            keyword = _NAMES.get(node.data, str(node.data))
            return ast.BadDecl(keyword, str(name[0]) if name else None, self.span(node))

    # --- use -------------------------------------------------------------------------------------

    def _use(self, node: Node) -> ast.Use:
        version = tokens(node, "VERSION")
        return self._finish_use(
            node, "module", str(tokens(node, "USE_PATH")[0]), " ".join(str(version[0])[1:].split()) if version else None
        )

    def _use_python(self, node: Node) -> ast.Use:
        return self._finish_use(node, "python", self.text_of(tokens(node, "STRING")[0]).value, None)

    def _finish_use(self, node: Node, kind: Literal["module", "python"], path: str, version: str | None) -> ast.Use:
        alias, names = tree(node, "alias"), tree(node, "import_names")
        span = self.span(node)
        return ast.Use(
            kind,
            path,
            version,
            self._alias(alias),
            tuple(self._import_name(child) for child in trees(names)) if names is not None else (),
            self.doc(span),
            span,
        )

    def _import_name(self, node: Node) -> ast.ImportName:
        return ast.ImportName(str(tokens(node, "NAME")[0]), self._alias(tree(node, "alias")), self.span(node))

    def _alias(self, node: Node | None) -> str | None:
        return str(tokens(node, "NAME")[0]) if node is not None else None

    # --- declarations of one value ---------------------------------------------------------------

    def _head(self, node: Node) -> tuple[str, str, Span, Span]:
        """Name, documentation, span and span of the name of a named declaration."""
        name = tokens(node, "NAME")[0]
        span = self.span(node)
        return str(name), self.doc(span), span, self.span(name)

    def _model(self, node: Node) -> ast.ModelDecl:
        name, doc, span, name_span = self._head(node)
        return ast.ModelDecl(name, self.expr(trees(node)[0]), doc, span, name_span)

    def _dataset(self, node: Node) -> ast.DatasetDecl:
        name, doc, span, name_span = self._head(node)
        return ast.DatasetDecl(name, self.expr(trees(node)[0]), doc, span, name_span)

    def _record(self, node: Node) -> ast.RecordDecl:
        name, doc, span, name_span = self._head(node)
        return ast.RecordDecl(name, tuple(self.field(child) for child in trees(node)), doc, span, name_span)

    def _inputs(self, node: Node) -> tuple[ast_expressions.FieldDef, ...]:
        return tuple(self.field(child) for child in trees(node, "input"))

    def _metric(self, node: Node) -> ast.MetricDecl:
        name, doc, span, name_span = self._head(node)
        inputs, result, body = trees(node)
        return ast.MetricDecl(name, self._inputs(inputs), self.type(result), self.expr(body), doc, span, name_span)

    # --- prompts ---------------------------------------------------------------------------------

    def _template(self, node: Node) -> ast.Template:
        token = tokens(node)[0]
        read = self.text_of(token)
        start = self.base + (token.start_pos or 0)
        return ast.Template(read.value, read.fence, tuple(start + offset for offset in read.offsets), self.span(token))

    def _prompt_text(self, node: Node) -> ast.PromptDecl:
        name, doc, span, name_span = self._head(node)
        inputs, result, template = trees(node)
        part = ast.MessagePart("user", self._template(template), None, self.span(template))
        return ast.PromptDecl(name, self._inputs(inputs), self.type(result), False, (part,), (), doc, span, name_span)

    def _prompt_block(self, node: Node) -> ast.PromptDecl:
        name, doc, span, name_span = self._head(node)
        inputs, result, *items = trees(node)
        parts = tuple(self._message(item) for item in items if item.data != "setting")
        settings = tuple(self.argument(item) for item in items if item.data == "setting")
        if not parts and not any(setting.name in ("system", "user", "assistant") for setting in settings):
            self.report(
                "E0118",
                f"the prompt `{name}` says nothing",
                name_span,
                label="no message in its block",
                hint='add `user """..."""`',
            )
        return ast.PromptDecl(
            name, self._inputs(inputs), self.type(result), True, parts, settings, doc, span, name_span
        )

    def _message(self, node: Node) -> ast.MessagePart:
        if node.data == "chat":
            return ast.MessagePart("chat", None, str(tokens(node, "NAME")[0]), self.span(node))
        role = cast(Literal["system", "user", "assistant"], str(tokens(node)[0]))
        return ast.MessagePart(role, self._template(trees(node)[0]), None, self.span(node))

    # --- pipelines -------------------------------------------------------------------------------

    def _pipeline(self, node: Node) -> ast.PipelineDecl:
        name, doc, span, name_span = self._head(node)
        inputs_node, result, *statements = trees(node)
        inputs = self._inputs(inputs_node)
        value = self._returned(name, span, statements)
        return ast.PipelineDecl(
            name,
            inputs,
            self.type(result),
            tuple(self._param(item) for item in statements if item.data == "param"),
            tuple(self._require(item) for item in statements if item.data == "require"),
            self._only_budget([item for item in statements if item.data == "budget"]),
            tuple(self.binding(item) for item in statements if item.data == "binding"),
            self.expr(value),
            doc,
            span,
            name_span,
        )

    def _returned(self, name: str, span: Span, statements: list[Node]) -> Node:
        """What a pipeline returns: the value of its only `return`, which is its last statement."""
        returns = [item for item in statements if item.data == "return"]
        yields = [item for item in statements if item.data == "yield"]
        for item in yields:
            self.report(
                "E0119",
                "a pipeline has no `yield`",
                self.span(item),
                label="outside `repeat` and `map`",
                hint="end the pipeline with `return VALUE`; `yield` ends the body of a `repeat` or `map`",
            )
        if not returns:
            if not yields:
                self.report(
                    "E0116",
                    f"the pipeline `{name}` returns nothing",
                    Span(self.file, span.end - 1, span.end),
                    label="expected `return VALUE` before this",
                    hint=self._return_hint(statements),
                )
            raise BrokenDeclaration
        self.only_last(statements, returns, "return")
        return trees(returns[0])[0]

    def _return_hint(self, statements: list[Node]) -> str:
        bindings = [item for item in statements if item.data == "binding"]
        value = str(tokens(bindings[-1], "NAME")[0]) if bindings else "generate(...) |> vote()"
        return f"end it with what it answers, for example `return {value}`"

    def _param(self, node: Node) -> ast.Param:
        name, doc, span, name_span = self._head(node)
        type_, *rest = trees(node)
        domain = next((item for item in rest if item.data != "default"), None)
        default = tree(node, "default")
        return ast.Param(
            name,
            self.type(type_),
            self._domain(domain) if domain is not None else None,
            self.expr(trees(default)[0]) if default is not None else None,
            doc,
            span,
            name_span,
        )

    def _domain(self, node: Node) -> ast.Domain:
        span = self.span(node)
        if node.data == "set_domain":
            return ast.SetDomain(tuple(self.expr(child) for child in trees(node)), span)
        if node.data == "subsets_domain":
            return ast.SubsetsDomain(tuple(self.expr(child) for child in trees(node)), span)
        low, high = (self.expr(child) for child in trees(node) if child.data != "step")
        step = tree(node, "step")
        return ast.RangeDomain(
            low, high, bool(tokens(node, "LOG")), self.expr(trees(step)[0]) if step is not None else None, span
        )

    def _require(self, node: Node) -> ast.Require:
        return ast.Require(self.expr(trees(node)[0]), self.span(node))

    def _only_budget(self, nodes: list[Node]) -> ast.Budget | None:
        if len(nodes) > 1:
            self.report(
                "E0118",
                "a second `budget`",
                self.span(nodes[1]),
                labels=(Label(self.span(nodes[0]), "the first is here"),),
                hint="put all limits into one `budget`",
            )
        return self._budget_of(nodes[0]) if nodes else None

    def _budget_of(self, node: Node) -> ast.Budget:
        limits: list[ast.Limit] = []
        for child in trees(node):
            name = tokens(child, "NAME")[0]
            limit = ast.Limit(str(name), self.expr(trees(child)[0]), self.span(child))
            earlier = next((other for other in limits if other.measure == limit.measure), None)
            if earlier is not None:
                self.report(
                    "E0118",
                    f"`{name}` is limited twice",
                    limit.span,
                    labels=(Label(earlier.span, "the first limit is here"),),
                    hint="keep one of them",
                )
            limits.append(limit)
        return ast.Budget(tuple(limits), self.span(node))

    # --- search, eval, test ----------------------------------------------------------------------

    def _search(self, node: Node) -> ast.SearchDecl:
        name, doc, span, name_span = self._head(node)
        over, *clauses = trees(node)
        return ast.SearchDecl(name, self.expr(over), self._clauses(clauses), doc, span, name_span)

    def _eval(self, node: Node) -> ast.EvalDecl:
        pipelines, on, *clauses = trees(node)
        span = self.span(node)
        return ast.EvalDecl(
            tuple(self.expr(child) for child in trees(pipelines)),
            self.expr(on),
            self._clauses(clauses),
            self.doc(span),
            span,
        )

    def _clauses(self, nodes: list[Node]) -> tuple[ast.Clause, ...]:
        """The clauses of a block; all but `maximize`, `minimize`, `metric` and `fix` come at most once."""
        clauses = tuple(self._clause(node) for node in nodes)
        seen: dict[tuple[str, str | None], ast.Clause] = {}
        for clause in clauses:
            key = (clause.keyword, clause.name)
            if clause.keyword in ("maximize", "minimize", "metric"):
                continue
            if key in seen:
                what = f"fix {clause.name}" if clause.keyword == "fix" else clause.keyword
                self.report(
                    "E0118",
                    f"a second `{what}`",
                    clause.span,
                    labels=(Label(seen[key].span, "the first is here"),),
                    hint="keep one of them",
                )
            seen[key] = clause
        return clauses

    def _clause(self, node: Node) -> ast.Clause:
        span = self.span(node)
        if node.data == "budget_clause":
            return ast.Clause("budget", None, (), None, self._budget_of(trees(node)[0]), span)
        keyword = str(cast(Token, node.children[0]))
        on = tree(node, "on")
        values = tuple(self.expr(child) for child in trees(node) if child.data != "on")
        name = str(tokens(node, "NAME")[0]) if node.data == "fix" else None
        return ast.Clause(keyword, name, values, self.expr(trees(on)[0]) if on is not None else None, None, span)

    def _test(self, node: Node) -> ast.TestDecl:
        span = self.span(node)
        return ast.TestDecl(
            self.text_of(tokens(node, "STRING")[0]).value,
            bool(tokens(node, "LIVE")),
            tuple(
                ast.Given(str(tokens(item, "NAME")[0]), self.expr(trees(item)[0]), self.span(item))
                for item in trees(node, "given")
            ),
            tuple(ast.Expect(self.expr(trees(item)[0]), self.span(item)) for item in trees(node, "expect")),
            self.doc(span),
            span,
        )
