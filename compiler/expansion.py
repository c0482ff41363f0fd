"""The state of one expansion: values, frames, sites, and the growing list of stages.

A *value* is what an expression means with the parameters bound: an operand with a type (`Plain`), a pool
with its bounds (`Pool`), a model, a prompt, a list. A *frame* holds the names that can be seen, and the
guards under which stages stand. A *site* says which paths new stages get:

    Site("main", "drafts").path("generate")   # main/drafts          (what is bound gets the binding's name)
    Site("main", None).path("vote")           # main/vote
    Site("main", "drafts").inner()            # Site("main/drafts", None): the earlier stages of a chain
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import Protocol

from ttscale.compiler import ast, ast_expressions, ir
from ttscale.compiler.diagnostics import Diagnostic, InternalError, Label, suggest
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.models import read_model
from ttscale.compiler.resolve_types import lookup, prompt_ir
from ttscale.compiler.scope import Linked, ModuleScope, Symbol
from ttscale.compiler.source import Span
from ttscale.compiler.types import TEXT, Answers, ListOf, Type

# --- values --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plain:
    """One value of `type`: known (`Const`) or read at run time."""

    operand: ir.Operand
    type: Type


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of candidates whose answers read as `item`.

    `question` is what the candidates answer; `made` where they were made and `amount` how many, in the file's words;
    `next_series` is the first series that none of them used. What a `map` gave has in `items` what each item gave.
    """

    operand: ir.Operand
    item: Type
    size: ir.Bounds
    facets: frozenset[str] = frozenset()
    question: ir.Operand | None = None
    made: Span | None = None
    amount: str = ""
    next_series: int = 1
    items: tuple[ir.Operand, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelValue:
    """A model."""

    model: ir.Model


@dataclass(frozen=True, slots=True)
class PromptValue:
    """A prompt with the arguments bound so far; `called` says that it was written as a call.

    `defaults` are for parameters that nobody fills.
    """

    filled: ir.Filled
    called: bool
    defaults: tuple[tuple[str, ir.Operand], ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A list written out, or a parameter's list of models."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class States:
    """What a loop with several states gives: read as `both.x`."""

    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class RowsValue:
    """Rows of a dataset."""

    rows: ir.Rows


@dataclass(frozen=True, slots=True)
class Named:
    """A bare name that is neither bound nor declared: a label, a rule, an option."""

    name: str


Value = Plain | Pool | ModelValue | PromptValue | Listing | States | RowsValue | Named


@dataclass(frozen=True, slots=True)
class Site:
    """Where in the tree of paths an expression stands; `name` is what its value is bound to, if anything."""

    scope: str
    name: str | None = None

    def path(self, op: str) -> str:
        """The path wished for a stage that is the value of this site."""
        return f"{self.scope}/{self.name or op}"

    def inner(self) -> Site:
        """The site of what stands inside or before that stage."""
        return Site(f"{self.scope}/{self.name}") if self.name else self


def with_names(names: Mapping[str, Value], more: Mapping[str, Value]) -> Mapping[str, Value]:
    """Names with some more; a dict decides itself what it becomes, since one may watch what is looked up."""
    return names | dict(more) if isinstance(names, dict) else {**names, **more}


@dataclass(frozen=True)
class Frame:
    """What an expression sees: its file, local names, and the circumstances of the stages it makes.

    `own` says that a bare `agreement` is of the pool being made; `calls` are the pipelines being inlined.
    """

    module: ModuleScope
    names: Mapping[str, Value]
    guards: tuple[ir.Guard, ...] = ()
    origin: tuple[Span, ...] = ()
    question: ir.Operand | None = None
    own: bool = False
    calls: tuple[str, ...] = ()
    params: frozenset[str] = frozenset()

    def bind(self, name: str, value: Value) -> Frame:
        """This frame with one more name."""
        names = with_names(self.names, {name: value})
        return Frame(self.module, names, self.guards, self.origin, self.question, self.own, self.calls, self.params)

    def guarded(self, *guards: ir.Guard) -> Frame:
        """This frame, where stages stand under more guards."""
        return replace(self, guards=(*self.guards, *guards))


class Stop(Exception):
    """The expansion cannot go on after an error that is already among the diagnostics."""


@dataclass(frozen=True, slots=True)
class Oversize:
    """A `keep`, a `top` or a subset that is larger than the pool it is taken from, for one assignment."""

    op: str
    argument: str
    span: Span
    amount: int
    pool: int
    made: Span | None
    makes: str
    wanted: ast_expressions.Expr
    verb: str = "keeps"


_QUICK = (ast_expressions.Name, ast_expressions.LiteralValue, ast_expressions.Compare, ast_expressions.Quantity)
"""Expressions that are quicker evaluated than remembered."""


class Memory(Protocol):
    """What remembers parts of earlier expansions of the same pipeline; see `expand_memory`."""

    models: dict[str, ir.Model]
    combined: dict[str, ir.Model]
    prompts: dict[int, ir.Prompt]

    def evaluate(self, expansion: Expansion, expr: ast_expressions.Expr, frame: Frame, site: Site) -> Value:
        """As `Expansion.evaluate`."""

    def forget(self) -> None:
        """Remember nothing from now on."""


@dataclass
class Journal:
    """What an expansion was asked for, in order: paths with how often each was taken by then, and models."""

    claims: list[tuple[str, int]] = field(default_factory=list)
    models: list[Symbol] = field(default_factory=list)


Evaluate = Callable[["Expansion", ast_expressions.Expr, Frame, Site], Value]
EvaluateBody = Callable[["Expansion", ast.PipelineDecl, Frame, str, Span], Value]


@dataclass
class Expansion:
    """One expansion under way; all parts call back `evaluate` and `evaluate_body`."""

    linked: Linked
    evaluate_with: Evaluate
    body_with: EvaluateBody
    replacements: Mapping[str, ir.Model] = field(default_factory=dict)
    std: Mapping[str, ir.Prompt] = field(default_factory=dict)
    stages: list[ir.Stage] = field(default_factory=list)
    by_path: dict[str, ir.Stage] = field(default_factory=dict)
    claimed: dict[str, int] = field(default_factory=dict)
    models: dict[str, ir.Model] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    oversized: list[Oversize] = field(default_factory=list)
    capped: list[ir.Capped] = field(default_factory=list)
    prompts: dict[int, ir.Prompt] = field(default_factory=dict)
    model_owners: dict[str, str] = field(default_factory=dict)
    memory: Memory | None = None
    journal: Journal = field(default_factory=Journal)

    def evaluate(self, expr: ast_expressions.Expr, frame: Frame, site: Site) -> Value:
        """What an expression means here; may add stages."""
        if self.memory is not None and not isinstance(expr, _QUICK):
            return self.memory.evaluate(self, expr, frame, site)
        return self.evaluate_with(self, expr, frame, site)

    def evaluate_body(self, declaration: ast.PipelineDecl, frame: Frame, scope: str, span: Span) -> Value:
        """What a pipeline returns; its stages get paths below `scope`."""
        return self.body_with(self, declaration, frame, scope, span)

    def fail(
        self,
        code: str,
        message: str,
        span: Span | None,
        *,
        label: str = "",
        hint: str = "",
        labels: Iterable[Label] = (),
    ) -> Stop:
        """Note an error; to be raised by the caller."""
        self.diagnostics.append(Diagnostic(code, message, span, label=label, hint=hint, labels=tuple(labels)))
        return Stop()

    def claim(self, path: str) -> str:
        """`path`, or with `#2`, `#3`, … if it is taken."""
        number = self.claimed.get(path, 0) + 1
        self.journal.claims.append((path, number - 1))
        unique = path if number == 1 else f"{path}#{number}"
        self.claimed[path] = number
        if unique != path:
            self.claimed[unique] = 1
        return unique

    def add(self, stage: ir.Stage) -> ir.Ref:
        """Append a stage in plan order."""
        if stage.path in self.by_path:
            raise InternalError(f"two stages at {stage.path}")
        self.stages.append(stage)
        self.by_path[stage.path] = stage
        return ir.Ref(stage.path)

    def text(self, span: Span) -> str:
        """What the file says at `span`, on one line."""
        source = self.linked.sources.get(span.file)
        return " ".join(source.text[span.start : span.end].split()) if source is not None else ""

    # --- names -----------------------------------------------------------------------------------

    def symbol(self, expr: ast_expressions.Expr, frame: Frame) -> Symbol | None:
        """The declaration that a name or a module's member stands for; local names hide declarations."""
        root = expr
        while isinstance(root, ast_expressions.Attribute):
            root = root.value
        if isinstance(root, ast_expressions.Name) and root.name in frame.names:
            return None
        return lookup(expr, frame.module, self.linked)

    def model(self, symbol: Symbol) -> ir.Model:
        """The model of a declaration, or the one put in its place from outside."""
        owner = f"{symbol.module}#{symbol.name}"
        self.journal.models.append(symbol)
        if owner in self.model_owners:
            return self.models[self.model_owners[owner]]
        name = symbol.name
        if self.memory is not None and owner in self.memory.models:
            self.models[name] = self.memory.models[owner]
            self.model_owners[owner] = name
            return self.models[name]
        if name in self.models:
            stem = symbol.module.rpartition("/")[2].partition(".")[0].partition("@")[0]
            name = self.claim(f"{stem}.{symbol.name}")
        if symbol.name in self.replacements:
            model: ir.Model | None = self.replacements[symbol.name]
        else:
            if not isinstance(symbol.declaration, ast.ModelDecl):
                raise InternalError(f"{symbol.name} is not a declared model")
            model, found = read_model(name, symbol.declaration.value, self.linked.scope_of(symbol), self.linked)
            self.diagnostics += found
            if found and self.memory is not None:
                self.memory.forget()
        if model is None:
            raise Stop
        self.models[name] = replace(model, name=name)
        self.model_owners[owner] = name
        if self.memory is not None:
            self.memory.models[owner] = self.models[name]
        return self.models[name]

    def prompt(self, symbol: Symbol) -> ir.Prompt:
        """The prompt of a declaration."""
        key = id(symbol.declaration)
        prompts = self.prompts if self.memory is None else self.memory.prompts
        if key not in prompts:
            prompts[key] = prompt_ir(symbol, self.linked)
        return prompts[key]

    def std_prompt(self, name: str, stage: str, span: Span) -> ir.Prompt:
        """The prompt that a stage uses when the file names none."""
        if name in self.std:
            return self.std[name]
        raise self.fail(
            "E0257",
            f"`{stage}` has no prompt of its own here",
            span,
            label=f"the standard prompt `{name}` is not loaded",
            hint="give it one with `using:`",
        )


# --- reading values ------------------------------------------------------------------------------


def one(expansion: Expansion, value: Value, span: Span) -> ir.Operand:
    """The operand of a value where one value is wanted; a pool must have at most one candidate."""
    match value:
        case Plain(operand=operand):
            return operand
        case Pool(operand=operand, size=size):
            if size.high > 1:
                raise many_where_one(expansion, value, span)
            return operand
        case Named(name=name):
            return ir.Const(name)
        case Listing(items=items):
            operands = tuple(one(expansion, item, span) for item in items)
            if all(isinstance(operand, ir.Const) for operand in operands):
                return ir.Const(tuple(o.value for o in operands if isinstance(o, ir.Const)))
            return ir.Apply("list", operands)
        case ModelValue(model=model):
            return ir.Const(model.name)
        case PromptValue(filled=filled):
            return ir.Const(filled.prompt.name)
        case _:
            raise expansion.fail("E0209", "this is not a value", span, hint="name one of its parts")


def many_where_one(expansion: Expansion, pool: Pool, span: Span) -> Stop:
    """The error for a pool of several where one value is wanted."""
    labels: list[Label] = []
    if pool.made is not None and pool.made != span:
        labels = [Label(pool.made, f"makes {pool.amount}" if pool.amount else "made here")]
    return expansion.fail(
        "E0220",
        f"one value is wanted here, and this pool may have {pool.size.high}",
        span,
        labels=labels,
        hint="choose one with `|> vote()` or `|> select(by: …)`",
    )


def type_of_value(value: Value) -> Type:
    """The type of a value, as far as stages need it."""
    match value:
        case Plain(type=kind):
            return kind
        case Pool(item=item):
            return Answers(item)
        case Listing(items=items):
            return ListOf(type_of_value(items[0])) if items else ListOf(TEXT)
        case _:
            return TEXT


def unknown_option(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt option."""
    listed = list(known)
    near = suggest(name, listed)
    return f"did you mean `{near}`?" if near else f"known are {', '.join(listed)}"
