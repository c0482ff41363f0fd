"""Turn chat messages into the text a model was trained on.

The Jinja template comes from the GGUF file and is rendered by us, in a sandbox, so that a trailing assistant
message can be continued: the conversation before it is rendered with the generation prompt and the message is
appended. A file without a template gets plain text, messages joined by blank lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from ttscale.runtime.engines.base import EngineError, Message
from ttscale.runtime.engines.llama.thinking import tags_of

SETTINGS = ("off", "on", "auto")
"""Of `thinking`, as far as a prompt may differ."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt's text; `thinking` says that it ends inside an open block of thoughts."""

    text: str
    thinking: bool


class _Refused(Exception):
    """The template itself raised an exception about its input."""


def _unchanged(text: str) -> str:
    return text


class ChatTemplate:
    """One model's template.

    `system_role` says whether it takes a system message as it is, `tags` how it marks thoughts, `variants` which
    settings of `thinking` give prompts of their own; `thinks` that it knows of thoughts at all.
    """

    def __init__(self, source: str, *, bos: str = "", eos: str = "") -> None:
        self.exists = bool(source.strip())
        self._tokens = {"bos_token": bos, "eos_token": eos}
        self._compiled = _compile(source) if self.exists else None
        self.tags = tags_of(source)
        self.thinks = self.tags.close in source or "analysis" in self.tags.open
        self.system_role = self._takes_system()
        self.variants = self._variants()

    def render(
        self, messages: Sequence[Message], *, thinking: str = "auto", shield: Callable[[str], str] = _unchanged
    ) -> Rendered:
        """The prompt for the next assistant turn, or for the rest of a trailing one.

        With `thinking` "off" it ends where an answer begins, also where the template has no such switch but opens a
        block, or has a mark that begins an answer. `shield` is applied to every content before it enters the template.
        Raises EngineError when the template refuses the conversation.
        """
        if not messages:
            raise EngineError("a request needs at least one message", hint="please report this", fatal=False)
        prefill = messages[-1].content if messages[-1].role == "assistant" else None
        turns = list(messages if prefill is None else messages[:-1])
        if self._compiled is None:
            return Rendered("\n\n".join(shield(message.content) for message in messages), False)
        if not turns:
            raise EngineError(
                "an assistant message alone cannot be continued",
                hint="put a user message before the text to continue",
                fatal=False,
            )
        if not self.system_role:
            turns = fold_system(turns)
        tags = self.tags
        if prefill is not None:
            # What begins an answer comes after the thoughts, and what begins with a block of them opens it itself.
            begins = prefill.lstrip().startswith(tags.open)
            is_answer = tags.open not in prefill and tags.close not in prefill
            thinking = "on" if begins else "off" if is_answer else thinking
        try:
            text = self._fill(turns, thinking, shield)
        except _Refused as error:
            raise EngineError(
                f"the model's chat template refuses this conversation: {error}",
                hint="most templates want user and assistant turns in alternation, the user's first",
                fatal=False,
            ) from None
        opened = text.rstrip().endswith(tags.open)
        if prefill is None:
            return Rendered(self._answering(text) if thinking == "off" else text, opened and thinking != "off")
        prefill = shield(prefill)
        if opened and begins:
            prefill = prefill.lstrip()[len(tags.open) :].lstrip("\n")
        elif is_answer:
            text = self._answering(text)
        begun = len(text)
        text += prefill
        return Rendered(text, text.rfind(tags.open, begun - len(tags.open) - 8) > text.rfind(tags.close))

    def _answering(self, text: str) -> str:
        """A prompt's text up to where an answer begins."""
        if text.rstrip().endswith(self.tags.open):
            return text + self.tags.ending
        return text if text.endswith(self.tags.header) else text + self.tags.header

    def _variants(self) -> tuple[str, ...]:
        if self._compiled is None:
            return ("auto",)
        try:
            texts = {self.render((Message("user", "PROBE"),), thinking=setting).text: setting for setting in SETTINGS}
        except EngineError:
            return SETTINGS
        return tuple(texts.values())

    def _fill(self, turns: Sequence[Message], thinking: str, shield: Callable[[str], str]) -> str:
        assert self._compiled is not None
        values: dict[str, Any] = dict(self._tokens)
        if thinking != "auto":
            values["enable_thinking"] = values["thinking"] = thinking != "off"  # templates use the one or the other
        try:
            return self._compiled.render(
                messages=[{"role": turn.role, "content": shield(turn.content)} for turn in turns],
                add_generation_prompt=True,
                **values,
            )
        except (jinja2.TemplateError, TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise _Refused(str(error) or type(error).__name__) from None

    def _takes_system(self) -> bool:
        if self._compiled is None:
            return True
        probe = (Message("system", "PROBE-SYSTEM"), Message("user", "PROBE-USER"))
        try:
            return "PROBE-SYSTEM" in self._fill(probe, "auto", _unchanged)
        except _Refused:
            return False


def fold_system(turns: Sequence[Message]) -> list[Message]:
    """The same conversation with system texts put before the user message that follows them."""
    folded: list[Message] = []
    held: list[str] = []
    for turn in turns:
        if turn.role == "system":
            held.append(turn.content)
        elif turn.role == "user" and held:
            folded.append(Message("user", "\n\n".join([*held, turn.content])))
            held = []
        else:
            folded.append(turn)
    if held:
        folded.append(Message("user", "\n\n".join(held)))
    return folded


def _raise(message: object = "") -> str:
    raise jinja2.TemplateError(str(message))


def _to_json(value: object, indent: int | None = None, **_: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _now(pattern: str) -> str:
    return datetime.now().strftime(pattern)


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}` marks what a model wrote, for training; here it is only what is in it."""

    tags: set[str] = {"generation"}  # noqa: RUF012 (as the base class declares it)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The nodes between the two tags."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _compile(source: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation], keep_trailing_newline=True
    )
    environment.globals.update(raise_exception=_raise, strftime_now=_now)
    environment.filters["tojson"] = _to_json
    try:
        return environment.from_string(source)
    except jinja2.TemplateError as error:
        raise EngineError(
            f"the model's chat template is not valid Jinja: {error}", hint="use another conversion of this model"
        ) from None
