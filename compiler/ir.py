"""The intermediate representation: one pipeline with its parameters bound, as a flat graph of stages.

Loops are unrolled, calls between pipelines inlined, conditions on parameters settled. What only a run can
decide stays in the graph as guards: a stage whose `guards` do not all hold is not run and has no value.
Stages stand in plan order, which is a topological order; this is the order in which a budget admits calls.
Identity is the semantic path (`main/fused[2]/rank`), never a position.

The graph of `pipeline main(q: Text) -> Number { return generate(solve(q), from: m, n: 8) |> vote() }`:

    Stage("main/generate", "generate", source=None, prompts=(Filled(solve, {"question": Input("q")}),), …)
    Stage("main/vote", "vote", source=Ref("main/generate"), …)
    result = Ref("main/vote")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.source import Span
from ttscale.compiler.types import Type

# --- operands: how one thing in the graph names another -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Const:
    """A value known when the plan is made: text, number, bool, None, or a tuple of such."""

    value: object


@dataclass(frozen=True, slots=True)
class Input:
    """An input of the pipeline."""

    name: str


@dataclass(frozen=True, slots=True)
class Ref:
    """What the stage at `path` gives."""

    path: str


@dataclass(frozen=True, slots=True)
class Item:
    """Element `index` (from 0) of a pool or list, as a value.

    `Item(Ref(pool), 0)` is a candidate's answer, so element 2 of a list that it gave is `Item(Item(Ref(pool), 0), 2)`.
    """

    of: Operand
    index: int


@dataclass(frozen=True, slots=True)
class Apply:
    """A pure function of operands, evaluated at run time.

    `op` is an operator (`+ - * / % == != < <= > >= and or not neg`), `attr` (operand, Const name), `list`,
    `record` (Const names tuple, then values), `length` (of a list), `python` (Const key of a condition that a Python
    file declares, pool, Const names tuple, then values), or a function of the language: `text agreement
    size readable best margin certainty streak decided` (the last with the most samples). In `until:` conditions the
    pool being sampled is the operand `Own()`.
    """

    op: str
    args: tuple[Operand, ...]
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Own:
    """The pool that a stage is making, inside its own `until:` condition."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a dataset's row, inside a dataset's field expressions and `where(…)`."""

    name: str


Operand = Const | Input | Ref | Item | Apply | Own | Column
_OPERANDS = frozenset({Const, Input, Ref, Item, Apply, Own, Column})

# --- what stages use ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PromptPart:
    """One part of a prompt: `role` is system, user, assistant or chat; `text` is a Jinja template.

    For `chat`, `text` is the name of the argument that holds the turns. `span` covers the template;
    `offsets[i]` is the file offset of the first character of its line i.
    """

    role: str
    text: str
    span: Span = field(compare=False)
    offsets: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A declared prompt: its parameters in order with their types, the type of its answer, its parts.

    `settings` are sampling defaults written on it.
    """

    name: str
    params: tuple[tuple[str, Type], ...]
    result: Type
    parts: tuple[PromptPart, ...]
    settings: tuple[tuple[str, object], ...] = ()
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Filled:
    """A prompt with arguments; those not given are offered by the stage (`question`, `answers`, …)."""

    prompt: Prompt
    args: tuple[tuple[str, Operand], ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """A declared model after replacement from outside: `kind` is gguf, openai, script or that of a Python package.

    `locator` is the path, `pypi:…`, `hf:…` or URL ("" for script). `options` are its other arguments by name:
    `ctx gpu_layers thinking temperature …` for gguf, `name key price` for openai (`key` is the name of an
    environment variable, never a secret), `replies once` for script. Sampling defaults are among them. `plugin` is
    the key of the function that opens its engine where a package or Python file declares the kind, and `abilities`
    are what that function's decorator says of its models (`logprobs scoring thinking`). A model that `combine:`
    made of several has the locator and options of the first, and a name that says what of which.
    """

    name: str
    kind: str
    locator: str
    options: tuple[tuple[str, object], ...] = ()
    span: Span | None = field(default=None, compare=False)
    plugin: str = ""
    abilities: tuple[tuple[str, bool], ...] = ()
    combine: Strategy | None = None
    """How its next tokens are put together with those of the models among the arguments, where they are."""

    @property
    def beside(self) -> tuple[Model, ...]:
        """The further models that have a say in every token, in the order of the rule's arguments."""
        parts = () if self.combine is None else self.combine.named
        return tuple(part for _, part in parts if isinstance(part, Model))


@dataclass(frozen=True, slots=True)
class Strategy:
    """A named rule with its arguments: `yes_no`, `likelihood`, `best_of_majority(score("r"), share: 0.5)`.

    An argument may itself be a strategy (a source of numbers: `likelihood`, `score("name")`, `steps(min)`,
    which have `name` "likelihood", "score", "steps"), a Filled prompt, a Model, or an Operand.
    """

    name: str
    args: tuple[Argument, ...] = ()
    named: tuple[tuple[str, Argument], ...] = ()
    span: Span | None = field(default=None, compare=False)
    plugin: str = ""
    """The key of the Python function that the rule is, where it is one."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A declared dataset: `kind` is jsonl, csv, …; `locator` is the path as written, relative to `file`.

    `fields` are expressions over a row's columns by field name; the field `answer` is the gold. `options` are the
    other named arguments.
    """

    name: str
    kind: str
    locator: str
    file: str
    fields: tuple[tuple[str, Operand], ...]
    options: tuple[tuple[str, object], ...] = ()
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a dataset: `steps` apply left to right, each ("slice", low, high) with None for an open end,
    ("shuffle", seed) or ("where", operand)."""

    dataset: Dataset
    steps: tuple[tuple[object, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class UpTo:
    """`n: up to 16`."""

    limit: int


Argument = Operand | Strategy | Filled | Model | Prompt | UpTo | Rows | tuple["Argument", ...]


@dataclass(frozen=True, slots=True)
class Guard:
    """A stage runs only when the value of `operand` is one of `values`."""

    operand: Operand
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and greatest number of candidates that a stage may give."""

    low: int
    high: int


_LOOK_UPS = frozenset({"retrieve", "recall", "value"})
"""Stages that ask no model of their own."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One node of the graph.

    `op` is a stage name of the language, or one of three that only the compiler writes: `concat` (sources
    joined left to right), `choose` (`arms`: the value of the first operand whose guard stage ran) and `value`
    (an `Apply` made a node). `source` is the pool that is piped in, None for sources. `args` are all other arguments by
    name, defaults filled in, so that the runtime never guesses. `when` is a condition left for run time: where it
    is false the stage is the identity (a source gives an empty pool). `type` is what it gives; `facets` which of
    scored critiqued verified tested ranked stepped its candidates surely have.

    Every argument of the stage's signature is in `args` under its own name, with these forms:

    - int, float, bool, text, seconds, name: `Const` (None where the stage decides); `stop` a Const tuple of texts;
    - `n`: `Const` or `UpTo` (then `start` and `until`, an `Apply` over `Own()`, or Const(None));
    - `thinking`: Const "auto", "off" or "on", or `UpTo`;
    - model: `Model`, or Const(None) where none is asked or `or_else` is absent; using: `Filled`, or Const(None);
    - strategy: `Strategy` with all its arguments in `named`, defaults filled in, `args` empty; or Const(None);
    - `generate` has, instead of `prompt`, `from` and `temperature`: `prompts` (tuple of Filled), `models` (tuple of
      Model), `temperatures` (tuple of Const), and `model_series`, a Const tuple of one series a model (`series`, plus
      one for every earlier listing of that model; `more:` is settled into it). Samples come prompt by prompt, in it
      model by model, in it temperature by temperature, `n` each; `hedge` adds one sample at temperature 0 of the
      first prompt and model at the end. `watch` is a tuple of Strategy, the watchers in order, or Const(None).
      `examples` is `Rows` or Const(None). Where prompts or models bring
      different sampling defaults the stage is split into one a combination, joined by a `concat`;
    - `classify` has `prompts` and `models`, of one each, instead of `prompt` and `from`;
    - a stage that a Python file declares has the `op` "python", and its key in `function`;
    - `concat` has `sources` (tuple of operands; ones that did not run add nothing), `choose` has `arms`, `value` has
      `value`. A `concat` with `apart` gives a pool that knows how many candidates each source gave, so none of its
      sources is left out: Const(()) stands in the place of one that never runs;
    - `recall` and `remember` of one memory have `after` where they must wait for each other: the stages that were
      written before, whatever becomes of these.

    A `Ref` to a pool where one value is wanted means its only candidate's answer (such pools have at most one). A
    guard on a stage that did not run does not hold. A `choose` of which no arm ran gives an empty pool, or none.
    """

    path: str
    op: str
    source: Operand | None
    args: Mapping[str, Argument]
    type: Type
    size: Bounds
    facets: frozenset[str]
    span: Span = field(compare=False)
    origin: tuple[Span, ...] = field(default=(), compare=False)
    when: Operand | None = None
    guards: tuple[Guard, ...] = ()
    question: Operand | None = None

    def operands(self) -> tuple[Operand, ...]:
        """Every operand this stage reads, in a fixed order (source, args by name, when, guards, question)."""
        found: list[Operand] = [] if self.source is None else [self.source]

        def walk(value: object) -> None:
            if type(value) in _OPERANDS:
                found.append(value)  # type: ignore[arg-type]
            elif isinstance(value, Strategy):
                for part in value.args:
                    walk(part)
                for _, part in value.named:
                    walk(part)
            elif isinstance(value, Filled):
                for _, operand in value.args:
                    walk(operand)
            elif isinstance(value, tuple):
                for part in value:
                    walk(part)

        for name in sorted(self.args):
            walk(self.args[name])
        if self.when is not None:
            found.append(self.when)
        found.extend(guard.operand for guard in self.guards)
        if self.question is not None:
            found.append(self.question)
        return tuple(found)

    def needs(self) -> tuple[str, ...]:
        """Paths of the stages that must have finished before this one, without repeats, in order."""
        found: dict[str, None] = {}
        for operand in self.operands():
            kind = type(operand)
            if kind is not Const and kind is not Input:
                found.update(dict.fromkeys(refs(operand)))
        return tuple(found)


def refs(operand: Operand) -> tuple[str, ...]:
    """Paths of all stages that an operand reads, left to right."""
    match operand:
        case Ref(path):
            return (path,)
        case Item(of, _):
            return refs(of)
        case Apply(_, args):
            return tuple(path for arg in args for path in refs(arg))
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class Budget:
    """Hard ceilings for one question; None is no limit. `cost` is in US dollars."""

    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Capped:
    """A `map … max: limit` over a list that may be longer: items behind the first `limit` are left out.

    It runs where `guards` hold, and then takes `limit` of `size` items. `text` is its head in the file's words; the
    stages of item i have paths below `path[i]`, i counting from 1.
    """

    path: str
    text: str
    size: Operand
    limit: int
    guards: tuple[Guard, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """A pipeline with its parameters bound, ready to plan and run.

    `params` are the values bound, by name; `models` every model that a stage may ask, by declared name.
    `result` is read at the end; `returns` is its declared type. `capped` are the loops that may leave items out, for
    the notes of a run.
    """

    pipeline: str
    inputs: tuple[tuple[str, Type], ...]
    params: Mapping[str, object]
    budget: Budget
    stages: tuple[Stage, ...]
    result: Operand
    returns: Type
    models: Mapping[str, Model]
    capped: tuple[Capped, ...] = ()

    def stage(self, path: str) -> Stage:
        """The stage at `path`. Raises KeyError."""
        for stage in self.stages:
            if stage.path == path:
                return stage
        raise KeyError(path)

    def first_layer(self) -> frozenset[str]:
        """Paths of the `generate` stages that read nothing a model made; what was looked up may be read."""
        made: set[str] = set()
        first: set[str] = set()
        for stage in self.stages:
            later = not made.isdisjoint(stage.needs())
            if stage.op == "generate" and not later:
                first.add(stage.path)
            if later or stage.op not in _LOOK_UPS:
                made.add(stage.path)
        return frozenset(first)


# --- metrics and tests -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Metric:
    """A user's metric: `body` reads `Input("pred")` and `Input("row")` under the parameters' own names."""

    name: str
    params: tuple[tuple[str, Type], ...]
    result: Type
    body: Operand
    span: Span | None = field(default=None, compare=False)
    plugin: str = ""
    """The key of the Python function that computes it in the place of `body`, where one does."""


@dataclass(frozen=True, slots=True)
class TestCall:
    """A pipeline call inside `expect`: its bound graph and the values of its inputs."""

    __test__ = False

    graph: Graph
    inputs: tuple[tuple[str, object], ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """One `expect`: `condition` reads the calls as `Ref("call[0]")`, `Ref("call[1]")`, …, and the trace of the latest
    finished call as `Ref("trace")` (attributes calls, tokens, seconds, cost)."""

    condition: Operand
    calls: tuple[TestCall, ...]
    text: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class TestCase:
    """A `test` block, its models already replaced by its `given`s."""

    __test__ = False

    name: str
    live: bool
    expectations: tuple[Expectation, ...]
    span: Span = field(compare=False)
