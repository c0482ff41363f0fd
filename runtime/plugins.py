"""Functions of Python files as rules, numbers, conditions, metrics, stages and kinds of models: marked, read, called.

    from ttscale.plugin import Candidate, scorer

    @scorer
    def brief(candidate: Candidate, weight: float = 1.0) -> float:
        return -weight * candidate.tokens

The mark says what a function is, its signature what a `.tts` file may give it. A function is called by its key, the
hash of its file and its name; whatever it raises becomes a `PluginFault` with the line in the Python file.

Codes:
    R0720  a function of a Python file failed
    R0721  a function of a Python file gave something that cannot be used
"""

from __future__ import annotations

import inspect
import math
import operator
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, TypeVar, Union, get_args, get_origin, overload

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.ir import Argument, Const, Strategy
from ttscale.compiler.model_kinds import OF_EVERY_KIND
from ttscale.compiler.python_names import LoadFault, PythonKind, PythonSignature
from ttscale.compiler.signatures import FACETS, Kind, Parameter
from ttscale.compiler.source import Span
from ttscale.runtime.pool import Candidate, Pool

Function = TypeVar("Function", bound=Callable[..., object])
_MARK = "__ttscale__"
_KINDS: Mapping[object, Kind] = {int: "int", float: "float", bool: "bool", str: "text"}


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a number, both included: `share: Annotated[float, Between(0, 1)] = 0.5`."""

    low: float | None = None
    high: float | None = None


class _FromSource:
    """Marks the parameter that takes a source of numbers."""


Numbers = Annotated[Sequence[float | None], _FromSource()]
"""A number for each candidate of the pool, from what a file names (`my_rule(score)`); by default the latest score."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a decorator says of its function."""

    kind: PythonKind
    needs: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()
    keeps: bool = True
    one: bool = False
    abilities: tuple[tuple[str, bool], ...] = ()


def _marked(function: Function, mark: Mark) -> Function:
    unknown = (mark.needs | mark.uses | mark.gives) - set(FACETS)
    if unknown:
        raise ValueError(f"there is no facet {sorted(unknown)[0]!r}; facets are {', '.join(FACETS)}")
    setattr(function, _MARK, mark)
    return function


@overload
def scorer(function: Function, /) -> Function: ...
@overload
def scorer(*, needs: Iterable[str] = ()) -> Callable[[Function], Function]: ...
def scorer(function: Function | None = None, /, *, needs: Iterable[str] = ()) -> object:
    """A number for a candidate, or, where its first parameter is a Pool, one for each of them; None is no number."""
    mark = Mark("scorer", frozenset(needs))
    return (lambda found: _marked(found, mark)) if function is None else _marked(function, mark)


@overload
def selector(function: Function, /) -> Function: ...
@overload
def selector(*, needs: Iterable[str] = ()) -> Callable[[Function], Function]: ...
def selector(function: Function | None = None, /, *, needs: Iterable[str] = ()) -> object:
    """One candidate of a pool: its place (from 0), the candidate itself, or None for no answer."""
    mark = Mark("selector", frozenset(needs))
    return (lambda found: _marked(found, mark)) if function is None else _marked(function, mark)


def metric(function: Function, /) -> Function:
    """A measure of an answer (None: unreadable) and its row's fields by name, as a number or a truth value."""
    return _marked(function, Mark("metric"))


def policy(function: Function, /) -> Function:
    """A condition on a pool, such as one for `until:`."""
    return _marked(function, Mark("policy"))


@overload
def stage(function: Function, /) -> Function: ...
@overload
def stage(
    *,
    needs: Iterable[str] = (),
    uses: Iterable[str] = (),
    gives: Iterable[str] = (),
    keeps: bool = True,
    one: bool = False,
) -> Callable[[Function], Function]: ...
def stage(
    function: Function | None = None,
    /,
    *,
    needs: Iterable[str] = (),
    uses: Iterable[str] = (),
    gives: Iterable[str] = (),
    keeps: bool = True,
    one: bool = False,
) -> object:
    """A stage over a pool that asks no model: it gives at most as many candidates as it takes.

    `needs`, `uses` and `gives` are facets. `keeps` says that candidates keep the facets they have; `one` that at
    most one is left. The function may be a coroutine.
    """
    mark = Mark("stage", frozenset(needs), frozenset(uses), frozenset(gives), keeps, one)
    return (lambda found: _marked(found, mark)) if function is None else _marked(function, mark)


@overload
def engine(function: Function, /) -> Function: ...
@overload
def engine(
    *, logprobs: bool | None = None, scoring: bool | None = None, thinking: bool | None = None
) -> Callable[[Function], Function]: ...
def engine(
    function: Function | None = None,
    /,
    *,
    logprobs: bool | None = None,
    scoring: bool | None = None,
    thinking: bool | None = None,
) -> object:
    """A kind of model: a function that gives an `Engine`, not started, for `model small = my_kind("where", option: 1)`.

    A first parameter of type `str` or `Path` is what the program writes without a name; a `Path` is taken from the
    folder of the file that declares the model. What all its models can do is said by name, so that programs are checked
    against it: `logprobs` of the tokens they chose, `scoring` of given labels, `thinking`; None says that it depends.
    """
    said = {"logprobs": logprobs, "scoring": scoring, "thinking": thinking}
    mark = Mark("engine", abilities=tuple((name, value) for name, value in said.items() if value is not None))
    return (lambda found: _marked(found, mark)) if function is None else _marked(function, mark)


# --- reading signatures ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loaded:
    """A function that may be called, with its signature; `whole` says that a scorer takes the pool."""

    function: Callable[..., object]
    signature: PythonSignature
    whole: bool


_FIRST = {
    "metric": ("an answer and a row", "pred: object, row: dict[str, object]"),
    "scorer": ("a candidate or a pool", "candidate: Candidate"),
}
_LOADED: dict[str, Loaded] = {}
"""Functions by key. A key holds the hash of the file, so one function never takes the place of another."""


def mark_of(value: object) -> Mark | None:
    """What a decorator said of a function; None for anything else."""
    mark = getattr(value, _MARK, None)
    return mark if isinstance(mark, Mark) and callable(value) else None


def register(function: Callable[..., object], digest: str, file: str) -> PythonSignature:
    """The signature of a marked function, which can be called by its key from now on. Raises LoadFault."""
    mark = mark_of(function)
    assert mark is not None
    name = getattr(function, "__name__", "function")
    line = getattr(getattr(inspect.unwrap(function), "__code__", None), "co_firstlineno", 1)
    try:
        params = list(inspect.signature(function, eval_str=True).parameters.values())
    except (NameError, TypeError, ValueError, SyntaxError) as error:
        hint = "write its types so that they can be looked up in its file"
        raise _fault(name, f"{file}:{line}", f"has a signature that cannot be read: {error}", hint) from error
    locator = _locator(params) if mark.kind == "engine" else None
    wanted = 2 if mark.kind == "metric" else 1 if mark.kind != "engine" or locator is not None else 0
    first = params[:wanted]
    if len(first) < wanted or any(p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in first):
        what, shown = _FIRST.get(mark.kind, ("a pool", "pool: Pool"))
        raise _fault(name, f"{file}:{line}", f"must take {what} first", f"write `def {name}({shown}, …)`")
    parameters = tuple(_parameter(p, name, f"{file}:{line}") for p in params[wanted:])
    if mark.kind == "metric" and parameters:
        raise _fault(name, f"{file}:{line}", "takes more than an answer and a row", "a metric takes these two alone")
    if mark.kind == "engine":
        _no_clash(parameters, name, f"{file}:{line}")
    signature = PythonSignature(
        mark.kind,
        name,
        f"{digest}#{name}",
        file,
        line,
        parameters,
        mark.needs,
        mark.uses,
        mark.gives,
        mark.keeps,
        mark.one,
        inspect.getdoc(function) or "",
        locator,
        mark.abilities,
    )
    _LOADED[signature.key] = Loaded(function, signature, mark.kind == "scorer" and first[0].annotation is Pool)
    return signature


def _locator(params: list[inspect.Parameter]) -> Parameter | None:
    """What a program writes without a name in `my_kind("…")`: a first parameter that is a text or a path."""
    first = params[0] if params else None
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        return None
    annotation = first.annotation
    annotation, *extras = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    if annotation not in (str, Path):
        return None
    doc = next((extra for extra in extras if isinstance(extra, str)), "")
    choices = ("path",) if annotation is Path else ()
    return Parameter(first.name, "text", required=first.default is first.empty, choices=choices, doc=doc)


def _no_clash(parameters: tuple[Parameter, ...], name: str, where: str) -> None:
    taken = next((p.name for p in parameters if p.name in OF_EVERY_KIND or p.kind == "strategy"), None)
    if taken is not None:
        of_all = taken in OF_EVERY_KIND
        hint = "programs say it of every model, and requests carry it" if of_all else "give it a plain type"
        raise _fault(name, where, f"has a parameter `{taken}`, which a kind of model cannot have", hint)


def _fault(name: str, where: str, message: str, hint: str) -> LoadFault:
    return LoadFault("E0407", f"`{name}` ({where}) {message}", hint=hint)


def _parameter(param: inspect.Parameter, owner: str, where: str) -> Parameter:
    """A parameter as a `.tts` file sees it: its kind, default, bounds and documentation."""
    if param.kind in (param.VAR_KEYWORD, param.VAR_POSITIONAL):
        raise _fault(owner, where, f"takes `{param.name}`, which may be anything", "name its parameters one by one")
    required = param.default is param.empty
    default = None if required else param.default
    kind = param.annotation
    bounds, doc = Between(), ""
    if get_origin(kind) is Annotated:
        kind, *extras = get_args(kind)
        if any(isinstance(extra, _FromSource) for extra in extras):
            return Parameter(param.name, "strategy", doc="a source of numbers; default the latest score")
        bounds = next((extra for extra in extras if isinstance(extra, Between)), bounds)
        doc = next((extra for extra in extras if isinstance(extra, str)), "")
    if get_origin(kind) in (Union, UnionType):
        others = [part for part in get_args(kind) if part is not NoneType]
        kind = others[0] if len(others) == 1 else kind
    if get_origin(kind) is Literal and all(isinstance(choice, str) for choice in get_args(kind)):
        choices = tuple(str(choice) for choice in get_args(kind))
        return Parameter(param.name, "name", default, required, choices=choices, doc=doc)
    found = _KINDS.get(kind)
    if found is None:
        shown = "no type" if param.annotation is param.empty else f"the type {kind}"
        hint = 'give it one of int, float, bool, str, Literal["a", "b"] or Numbers'
        raise _fault(owner, where, f"has a parameter `{param.name}` with {shown}, which no program can give", hint)
    return Parameter(param.name, found, default, required, low=bounds.low, high=bounds.high, doc=doc)


# --- calling -----------------------------------------------------------------------------------------


class PluginFault(Exception):
    """A function failed, or gave something that cannot be used; `where` is the line in the Python file."""

    def __init__(self, code: str, message: str, span: Span | None, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.span = span
        self.where = where
        self.hint = hint


def loaded(key: str, span: Span | None = None) -> Loaded:
    """The function under a key. Raises PluginFault where no loader read its file in this process."""
    found = _LOADED.get(key)
    if found is None:
        name = key.rpartition("#")[2]
        raise PluginFault("R0720", f"`{name}` was not loaded in this process", span, hint="load its program first")
    return found


def arguments_of(rule: Strategy) -> dict[str, object]:
    """The plain arguments of a rule by name; sources of numbers are left out."""
    return {name: value.value for name, value in rule.named if isinstance(value, Const)}


def call(found: Loaded, span: Span | None, *positional: object, **named: object) -> object:
    """Calls a function. Raises PluginFault for whatever it raises."""
    given = {name: value for name, value in named.items() if value is not None or _takes_none(found, name)}
    try:
        return found.function(*positional, **given)
    except Exception as error:  # a user's function may raise anything; it is the program's mistake, not ours
        raise failure(found, error, span) from error


def _takes_none(found: Loaded, name: str) -> bool:
    parameter = next((p for p in found.signature.parameters if p.name == name), None)
    return parameter is None or (parameter.default is None and not parameter.required)


def failure(found: Loaded, error: BaseException, span: Span | None) -> PluginFault:
    """The fault for an exception of a function, with the last line of its file that was running."""
    file = found.signature.file
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if frame.filename == file]
    place = ""
    if inside:
        text = f": {inside[-1].line}" if inside[-1].line else ""
        place = f"{Path(file).name}:{inside[-1].lineno}{text}"
    said = " ".join(str(error).split()) or "no message"
    message = f"`{found.signature.name}` failed with {type(error).__name__}: {said}"
    return PluginFault("R0720", message, span, where=place, hint="mend the function, or choose a rule of the language")


def wrong(found: Loaded, what: str, span: Span | None) -> PluginFault:
    """The fault for a result that cannot be used; `what` completes "`name` gave …"."""
    where = f"{Path(found.signature.file).name}:{found.signature.line}"
    return PluginFault("R0721", f"`{found.signature.name}` gave {what}", span, where=where)


def numbers_of(rule: Strategy, pool: Sequence[Candidate], type_: object = None) -> list[float | None]:
    """A scorer's number for each candidate, None where it has none. Raises PluginFault."""
    found = loaded(rule.plugin, rule.span)
    named = arguments_of(rule)
    if found.whole:
        given = call(found, rule.span, Pool(tuple(pool), type_), **named)  # type: ignore[arg-type]
        if not isinstance(given, Iterable) or isinstance(given, str):
            raise wrong(found, f"{_shown(given)}, not a number for each candidate", rule.span)
        values = list(given)
        if len(values) != len(pool):
            raise wrong(found, f"{len(values)} numbers for {len(pool)} candidates", rule.span)
    else:
        values = [call(found, rule.span, candidate, **named) for candidate in pool]
    return [_number(value, found, rule.span) for value in values]


def _number(value: object, found: Loaded, span: Span | None) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise wrong(found, f"{_shown(value)}, not a number", span) from None
    return None if math.isnan(number) else number


def picked_by(rule: Strategy, pool: Pool, values: Mapping[str, Argument | object]) -> int | None:
    """The place of the candidate that a selector picks; `values` are the numbers of its sources by parameter."""
    found = loaded(rule.plugin, rule.span)
    given = call(found, rule.span, pool, **{**arguments_of(rule), **values})
    if given is None:
        return None
    if isinstance(given, Candidate):
        place = next((i for i, candidate in enumerate(pool) if candidate is given), None)
        place = next((i for i, candidate in enumerate(pool) if candidate == given), None) if place is None else place
        if place is None:
            raise wrong(found, "a candidate that is not of the pool", rule.span)
        return place
    try:
        number = None if isinstance(given, bool) else operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None:
        raise wrong(found, f"{_shown(given)}, not a candidate or its place", rule.span)
    if not -len(pool) <= number < len(pool):
        raise wrong(found, f"the place {number} in a pool of {len(pool)}", rule.span)
    return number % len(pool)


def holds(key: str, pool: Pool, named: Mapping[str, object], span: Span | None) -> bool:
    """Whether a condition holds of a pool. Raises PluginFault."""
    found = loaded(key, span)
    given = call(found, span, pool, **named)
    if isinstance(given, bool) or type(given).__name__ in ("bool_", "bool"):
        return bool(given)
    raise wrong(found, f"{_shown(given)}, not True or False", span)


def measured(key: str, pred: object, row: Mapping[str, object], span: Span | None = None) -> float:
    """A metric's number for one answer. Raises PluginFault."""
    found = loaded(key, span)
    number = _number(call(found, span, pred, row), found, span)
    if number is None or not math.isfinite(number):
        raise wrong(found, "no number", span)
    return number


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
