"""Prompts to messages: Jinja templates rendered in a sandbox, with errors mapped to the line in the `.tts` file.

    render(prompt, {"question": "6 * 7?"}, NUMBER)   # (Message("user", "6 * 7?\\nThink …"),)

Templates see their arguments and `output_format`, and nothing of Python: attributes that begin with an underscore,
methods that change a value, and other templates are refused. Every text that a template makes is bounded
(`OUTPUT` characters), and so are calls, filters and loops (`STEPS`), so that a short template cannot fill the memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from ttscale.compiler import ir
from ttscale.compiler import types as t
from ttscale.compiler.source import Span
from ttscale.runtime.answers import JsonObject, output_format, show
from ttscale.runtime.chats import ChatError, turns_of
from ttscale.runtime.engines.base import Message

OUTPUT = 1_000_000
"""Characters that one rendered part may have."""
STEPS = 100_000
"""Calls, filters and rounds of loops that one part may take."""


class PromptError(Exception):
    """A prompt could not be compiled or filled; `span` is the place in the file, None where it is unknown."""

    def __init__(self, message: str, span: Span | None = None, *, hint: str = "") -> None:
        super().__init__(message)
        self.span = span
        self.hint = hint


_steps: ContextVar[int] = ContextVar("_steps", default=0)
"""Calls and range items of the part being rendered."""


class _Generator(CodeGenerator):
    """Compiles `a ~ b` to a bounded join; Jinja offers no hook for that operator."""

    def visit_Concat(self, node: nodes.Concat, frame: Any) -> None:
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with bounds on what single operations may make."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})
    code_generator_class = _Generator

    def __init__(self) -> None:
        super().__init__(
            undefined=jinja2.StrictUndefined,
            finalize=_printed,
            keep_trailing_newline=True,
            trim_blocks=True,  # a line that is only a tag leaves no empty line in the prompt
            lstrip_blocks=True,
            autoescape=False,
            cache_size=0,
        )
        self.globals = {"range": _bounded_range}
        for name in _GROWING_FILTERS:
            self.filters.pop(name, None)
        self.filters |= {"tojson": _tojson, "join": _join, "replace": _replace}
        self.filters = {name: _weighed(function) for name, function in self.filters.items()}
        self.filters[_COUNTED] = _counted

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """As Jinja does, with every round of a loop counted."""
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.iter.lineno)
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field of a record before what Python has under its name: `{{ form.items }}` is the field `items`."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, JsonObject) and attribute in obj.optional:
            return None
        return super().getattr(obj, attribute)

    def concat(self, parts: Iterable[str]) -> str:
        """The text of a macro or a `set` block, from the pieces that it wrote."""
        pieces = list(parts)
        _within(sum(map(len, pieces)))
        return "".join(pieces)

    def joined(self, parts: Iterable[object]) -> str:
        """The parts as one text."""
        return _short("".join(str(part) for part in parts))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse sums, products and powers that would be huge."""
        if operator == "%" and isinstance(left, str):
            raise SecurityError("texts are not formatted with %; write the values where they belong")
        if operator == "**" and not (_is_small(left, STEPS) and _is_small(right, 64)):
            raise SecurityError("the power is too large")
        _count(_weight(left) + _weight(right))
        for value, times in ((left, right), (right, left)):
            if operator == "*" and isinstance(value, str | list | tuple) and isinstance(times, int):
                _within(len(value) * times)
        if operator == "+" and isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
            _within(len(left) + len(right))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Count every call, so that macros that call themselves end."""
        _count(1)
        return super().call(__context, __obj, *args, **kwargs)

    def is_safe_callable(self, obj: Any) -> bool:
        """All that the sandbox allows, less the methods of texts that make long ones."""
        return getattr(obj, "__name__", "") not in _GROWING_METHODS and super().is_safe_callable(obj)


_GROWING_FILTERS = ("center", "indent", "random", "pprint", "urlize", "xmlattr", "format", "slice", "batch", "wordwrap")
_GROWING_METHODS = frozenset(
    {"format", "format_map", "center", "ljust", "rjust", "zfill", "expandtabs", "replace", "translate", "join"}
)


def _within(size: int) -> None:
    if size > OUTPUT:
        raise SecurityError(f"a text of more than {OUTPUT:,} characters")


def _short(text: str) -> str:
    _within(len(text))
    return text


def _is_small(value: object, limit: int) -> bool:
    return isinstance(value, int | float) and abs(value) <= limit


def _count(steps: int) -> None:
    total = _steps.get() + steps
    if total > STEPS:
        raise SecurityError(f"the template takes more than {STEPS:,} steps")
    _steps.set(total)


def _bounded_range(*bounds: int) -> range:
    """`range`, of no more items than a part may take steps."""
    items = range(*bounds)
    if len(items) > STEPS:
        raise SecurityError(f"the template takes more than {STEPS:,} steps")
    return items


_COUNTED = "rounds of a loop"
"""The name of a filter that no template can write."""


def _counted(items: Iterable[object]) -> Iterator[object]:
    """The items of a loop, each a step: loops in loops over one list end too."""
    rounds = iter(items)

    def each() -> Iterator[object]:
        for item in rounds:
            _count(1)
            yield item

    return each()


def _weight(value: object) -> int:
    """The steps that copying or walking a value takes: one for a thousand characters or items."""
    return len(value) // 1_000 if isinstance(value, str | list | tuple | range | Mapping) else 0


def _weighed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose use counts, by the size of what it is used on."""

    @wraps(function)
    def used(*args: Any, **kwargs: Any) -> Any:
        _count(1 + sum(_weight(value) for value in args[:3]))
        return function(*args, **kwargs)

    return used


def _tojson(value: object) -> str:
    """JSON without HTML escapes, since a model reads it."""
    return _short(json.dumps(value, ensure_ascii=False, default=str))


def _join(value: Iterable[object], between: str = "", attribute: str | None = None) -> str:
    """The items of a list as one text, `between` them; of mappings one `attribute` each."""
    items = [str(item[attribute] if attribute and isinstance(item, Mapping) else item) for item in value]
    _within(sum(map(len, items)) + len(between) * len(items))
    return between.join(items)


def _replace(value: object, old: str, new: str, count: int = -1) -> str:
    """A text with `old` replaced by `new`."""
    text = str(value)
    _within(len(text) + text.count(old) * max(0, len(new) - len(old)))
    return text.replace(old, new, count)


@lru_cache(maxsize=1)
def _environment() -> _Environment:
    return _Environment()


@lru_cache(maxsize=1024)
def _compiled(text: str) -> jinja2.Template:
    return _environment().from_string(text)


def check_prompt(prompt: ir.Prompt) -> list[PromptError]:
    """What is wrong with a prompt's templates before any run: syntax, unknown filters, names it does not take."""
    known = {name for name, _ in prompt.params} | {"output_format", "range"}
    found: list[PromptError] = []
    for part in prompt.parts:
        if part.role == "chat":
            continue
        try:
            tree = _environment().parse(part.text)
            _compiled(part.text)
        except jinja2.TemplateSyntaxError as error:
            found.append(PromptError(_worded(error.message or "wrong template"), _place(part, error.lineno)))
            continue
        except RecursionError:
            found.append(PromptError("the template is nested too deeply", part.span))
            continue
        for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            found.append(PromptError("templates cannot load other templates", _place(part, node.lineno)))
        missing = meta.find_undeclared_variables(tree) - known
        for name in sorted(missing):
            line = next((n.lineno for n in tree.find_all(nodes.Name) if n.name == name), 1)
            found.append(PromptError(f"the prompt `{prompt.name}` takes no `{name}`", _place(part, line)))
    return found


def render(
    prompt: ir.Prompt, values: Mapping[str, object], result: t.Type, *, folder: Path | None = None
) -> tuple[Message, ...]:
    """The messages that `prompt` gives for `values`, its arguments by name.

    Texts stand as they are, typed values as `show` prints them, lists of texts stay lists for loops, `answers` are
    objects with `index text answer critique score` (attributes of mappings). `result` decides `output_format`; `folder`
    is where a `Json` schema lies. A `chat` part inserts the turns of its argument. Raises PromptError.
    """
    types = dict(prompt.params)
    names: dict[str, object] = {name: _presented(types.get(name, t.ANY), value) for name, value in values.items()}
    messages: list[Message] = []
    for part in prompt.parts:
        if part.role == "chat":
            messages.extend(_turns(part, values, first=not messages))
            continue
        if "output_format" in part.text and "output_format" not in names:
            names["output_format"] = output_format(result, folder=folder)
        messages.append(Message(_role(part), _rendered(part, names)))
    if prompt.parts and prompt.parts[-1].role == "chat" and (not messages or messages[-1].role != "user"):
        part = prompt.parts[-1]
        ends = f"ends with a turn of role {messages[-1].role}" if values.get(part.text) else "is empty"
        message = f"the conversation in `chat {part.text}` {ends}, so there is nothing to answer"
        raise PromptError(message, part.span, hint="end it with a user turn, or the prompt with a `user` part")
    return tuple(messages)


def _rendered(part: ir.PromptPart, names: Mapping[str, object]) -> str:
    pieces: list[str] = []
    size = 0
    _steps.set(0)
    try:
        for piece in _compiled(part.text).generate(dict(names)):
            size += len(piece)
            if size > OUTPUT:
                raise PromptError(f"the prompt grows beyond {OUTPUT:,} characters", part.span)
            pieces.append(piece)
    except PromptError:
        raise
    except jinja2.TemplateSyntaxError as error:
        raise PromptError(_worded(error.message or "wrong template"), _place(part, error.lineno)) from error
    except jinja2.UndefinedError as error:
        hint = "give it where the prompt is called, or guard it with `{% if name is defined %}`"
        if "no element" in (error.message or ""):
            hint = "places count from 0; guard it, as with `{% if items|length > 2 %}`"
        raise PromptError(_worded(error.message or "a name is missing"), _failed_at(part, error), hint=hint) from error
    except Exception as error:  # a template is a small program: whatever it raises is the prompt's mistake
        raise PromptError(f"the prompt cannot be filled: {error}", _failed_at(part, error)) from error
    text = "".join(pieces)
    # A last line that was only a tag, or an empty `output_format`, leaves a newline that nobody wrote.
    return text if part.text.endswith("\n") else text.rstrip("\n")


def _presented(type_: t.Type, value: object) -> object:
    """`value` as a template sees it: whole floats as ints, lists and records in depth, all else as it is."""
    match value:
        case bool() | str() | None:
            return value
        case Mapping():
            fields = {f.name: f.type for f in type_.fields} if isinstance(type_, t.Record) else {}
            made = {str(name): _presented(fields.get(str(name), t.ANY), item) for name, item in value.items()}
            return value.like(made) if isinstance(value, JsonObject) else made
        case float() if value.is_integer() and abs(value) < 1e15:
            return int(value)
        case list() | tuple():
            inner = type_.item if isinstance(type_, t.ListOf) else t.ANY
            return tuple(_presented(inner, item) for item in value)
        case _:
            return value


def _printed(value: object) -> object:
    """How `{{ … }}` prints what is no text: as `text(x)` would."""
    match value:
        case bool() | float() | None | Mapping():
            return show(t.ANY, value)
        case list() | tuple():
            return show(t.ListOf(t.TEXT if all(isinstance(x, str) for x in value) else t.ANY), value)
        case _:
            return value


def _turns(part: ir.PromptPart, values: Mapping[str, object], *, first: bool) -> list[Message]:
    """The messages of a chat argument: a conversation, or a text that is one user turn."""
    try:
        turns = turns_of(values.get(part.text))
    except ChatError as error:
        raise PromptError(f"`chat {part.text}` needs a conversation: {error}", part.span, hint=error.hint) from error
    if turns and turns[0]["role"] == "system" and not first:
        hint = "leave out the prompt's own system message, or the conversation's"
        message = f"`chat {part.text}` begins with a system turn, and the prompt has turns before it"
        raise PromptError(message, part.span, hint=hint)
    return [Message(_role_of(turn["role"]), turn["content"]) for turn in turns]


def _role_of(role: str) -> Any:
    return role


def _role(part: ir.PromptPart) -> Any:
    return part.role


def _place(part: ir.PromptPart, line: int | None) -> Span:
    """The file's span of line `line` (from 1) of a template."""
    if not line or not part.offsets:
        return part.span
    lines = part.text.split("\n")
    index = min(max(line, 1), len(lines), len(part.offsets)) - 1
    start = part.offsets[index] + (len(lines[index]) - len(lines[index].lstrip()))
    return Span(part.span.file, start, max(start + 1, part.offsets[index] + len(lines[index].rstrip())))


def _failed_at(part: ir.PromptPart, error: BaseException) -> Span:
    """The template's line in which a run-time error arose: Jinja puts it into the traceback as a frame of its own."""
    line: int | None = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in ("<template>", "<unknown>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return _place(part, line)


_OBJECTS = tuple(
    (f"{name} object has no element", f"{ours} has no element")
    for name, ours in (("tuple", "the list"), ("list", "the list"), ("str", "the text"))
)


def _worded(message: str) -> str:
    """Jinja's message in the style of ours: first letter small, no full stop, names in backticks."""
    text = message.strip().rstrip(".").replace("'", "`")
    for python, ours in (("`dict object` has no attribute", "the record has no field"), *_OBJECTS):
        text = text.replace(python, ours)
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
