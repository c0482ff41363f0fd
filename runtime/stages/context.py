"""What a stage sees while it runs: its arguments and question, prompts to fill, calls to make, a place for notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeGuard

from ttscale.compiler.diagnostics import Diagnostic, InternalError
from ttscale.compiler.expand_settings import FLOATS
from ttscale.compiler.ir import (
    Apply,
    Argument,
    Column,
    Const,
    Filled,
    Input,
    Item,
    Model,
    Operand,
    Own,
    Ref,
    Rows,
    Stage,
    Strategy,
    UpTo,
)
from ttscale.compiler.types import CHAT, Answers, ListOf, Optional, Text, Type
from ttscale.runtime.answers import read_reply
from ttscale.runtime.answers.reasoning import reasoning_logprob
from ttscale.runtime.answers.schema import SchemaError
from ttscale.runtime.calls import Caller
from ttscale.runtime.chats import asked_in
from ttscale.runtime.desk import Ask, Reply
from ttscale.runtime.engines.base import Constraint, EngineError, Message, Sampling
from ttscale.runtime.fewshot import RowStore, with_examples
from ttscale.runtime.grammars import constraint_for, is_structured
from ttscale.runtime.memory import Memories, View
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.prompts import PromptError, render
from ttscale.runtime.result import Judgements, RunError
from ttscale.runtime.trace import Recorder
from ttscale.runtime.watch import Watch

JUDGE_TOKENS = 256
"""New tokens of a judgement in words, where the stage has no `max_tokens` of its own."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that failed: its stage, why, and the engine's error where there was one."""

    stage: Stage
    reason: str
    error: EngineError | None


@dataclass
class RunNotes:
    """What stages say about themselves during one run, for the result."""

    notes: dict[str, None] = field(default_factory=dict)
    judgements: dict[str, Judgements] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    decided: dict[str, tuple[Pool, str]] = field(default_factory=dict)
    made: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a candidate comes from, besides its stage: the prompt's name and the type its text reads as."""

    prompt: str
    type: Type


class Values(Protocol):
    """What stages read of a run: the values of operands."""

    def evaluate(self, operand: Operand, own: Pool | None = None) -> object:
        """The value of an operand; `own` is what `Own()` means. Raises RunError."""
        ...

    def exists(self, operand: Operand) -> bool:
        """Whether every stage that the operand reads has run."""
        ...


class StageContext:
    """One stage of one run."""

    def __init__(
        self,
        stage: Stage,
        caller: Caller,
        recorder: Recorder,
        notes: RunNotes,
        values: Values,
        folder: Path | None = None,
        rows: RowStore | None = None,
        memories: View | None = None,
    ) -> None:
        self.stage = stage
        self.caller = caller
        self._recorder = recorder
        self._notes = notes
        self._values = values
        self._folder = folder
        self._rows = rows if rows is not None else RowStore(folder)
        self.memories = memories if memories is not None else Memories(kept=False).view()

    def acting(self, stage: Stage) -> StageContext:
        """The same run as another stage sees it, whose calls are this one's: for a judge inside a stage."""
        notes, values, folder, rows = self._notes, self._values, self._folder, self._rows
        return StageContext(stage, self.caller, self._recorder, notes, values, folder, rows, self.memories)

    @property
    def folder(self) -> Path | None:
        """Where schema files are looked for."""
        return self._folder

    def explored(self, data: Mapping[str, object]) -> None:
        """Record the states of a step-wise search, or how it ended."""
        self._recorder.emit("explored", self.stage, data=data)

    # --- arguments -------------------------------------------------------------------------------------

    @property
    def item_type(self) -> Type:
        """The type that answers of this stage's pool read as."""
        return self.stage.type.item if isinstance(self.stage.type, Answers) else self.stage.type

    def constant(self, name: str) -> object:
        """The value of an argument known when the plan was made; None where it is absent."""
        argument = self.stage.args.get(name)
        if argument is None or isinstance(argument, Const):
            return argument.value if argument is not None else None
        raise InternalError(f"`{name}` of {self.stage.path} is not a constant")

    def integer(self, name: str, default: int) -> int:
        """A whole number, or `default` where the stage decides."""
        value = self.constant(name)
        return default if value is None else int(value)  # type: ignore[call-overload]

    def number(self, name: str) -> float | None:
        """A number, or None where the stage decides."""
        value = self.constant(name)
        return None if value is None else float(value)  # type: ignore[arg-type]

    def model(self, name: str = "from") -> Model:
        """The model that is asked."""
        argument = self.stage.args.get(name)
        if not isinstance(argument, Model):
            raise InternalError(f"{self.stage.path} has no model in `{name}`")
        return argument

    def optional_model(self, name: str) -> Model | None:
        """A model, or None."""
        argument = self.stage.args.get(name)
        return argument if isinstance(argument, Model) else None

    def using(self) -> Filled:
        """The prompt that this stage fills."""
        argument = self.stage.args.get("using")
        if not isinstance(argument, Filled):
            raise InternalError(f"{self.stage.path} has no prompt in `using`")
        return argument

    def strategy(self, name: str) -> Strategy | None:
        """A named rule, or None."""
        argument = self.stage.args.get(name)
        return argument if isinstance(argument, Strategy) else None

    def value(self, operand: Operand, own: Pool | None = None) -> object:
        """What an operand gives in this run."""
        return self._values.evaluate(operand, own)

    def exists(self, operand: Operand) -> bool:
        """Whether every stage that the operand reads has run."""
        return self._values.exists(operand)

    def operands(self, name: str) -> tuple[Operand, ...]:
        """The operands listed in an argument."""
        argument = self.stage.args.get(name)
        if not isinstance(argument, tuple):
            raise InternalError(f"{self.stage.path} lacks `{name}`")
        return tuple(operand for operand in argument if is_operand(operand))

    # --- asking ----------------------------------------------------------------------------------------

    def sampling(self, temperature: float | None = None) -> Sampling:
        """How this stage's samples are drawn; `temperature` overrides the stage's own argument."""
        chosen: dict[str, Any] = {name: value for name in FLOATS if (value := self.number(name)) is not None}
        if temperature is not None:
            chosen["temperature"] = temperature
        own = Sampling()
        chosen |= {name: self.integer(name, getattr(own, name)) for name in ("top_k", "penalty_window")}
        return replace(own, **chosen)

    def ask(
        self,
        messages: tuple[Message, ...],
        *,
        model: Model | None = None,
        temperature: float | None = None,
        series: int | None = None,
        index: int = 0,
        reads: Type | None = None,
        watch: Watch | None = None,
    ) -> Ask:
        """An ask with this stage's settings; `reads` is what a new candidate's answer is read as."""
        stop, patterns = self.constant("stop"), self.constant("stop_pattern")
        return Ask(
            model if model is not None else self.model(),
            messages,
            self.sampling(temperature),
            self.integer("max_tokens", JUDGE_TOKENS),
            series if series is not None else self.integer("series", 0),
            index,
            (stop,) if isinstance(stop, str) else tuple(stop or ()),  # type: ignore[arg-type]
            self._thinking(self.stage.args.get("thinking")),
            self.integer("retry", 0),
            self.number("timeout"),
            self.optional_model("or_else"),
            None if reads is None or messages[-1].role == "assistant" else self._constraint(reads),
            stop_patterns=(patterns,) if isinstance(patterns, str) else tuple(patterns or ()),  # type: ignore[arg-type]
            watch=watch,
        )

    def _constraint(self, reads: Type) -> Constraint | None:
        """What an answer may say: where `constrain` does not say otherwise, JSON is kept to its type and schema."""
        wanted = self.constant("constrain")
        if wanted is False or (wanted is None and not is_structured(reads)):
            return None
        try:
            return constraint_for(reads, self._folder)
        except SchemaError as error:
            raise RunError(Diagnostic("R0705", str(error), self.stage.span, hint=error.hint)) from error

    @staticmethod
    def _thinking(argument: Argument | None) -> str:
        if isinstance(argument, UpTo):
            return f"up to {argument.limit}"
        return str(argument.value) if isinstance(argument, Const) and argument.value is not None else "auto"

    def messages(self, filled: Filled, offered: Mapping[str, object]) -> tuple[Message, ...]:
        """The turns of a prompt: its own arguments first, then what the stage offers, by name."""
        given = dict(filled.args)
        values: dict[str, object] = {}
        for name, type_ in filled.prompt.params:
            if name in given:
                values[name] = as_argument(self.value(given[name]), type_)
            elif name in offered:
                values[name] = offered[name]
            elif name == "question":
                asked = None if self.stage.question is None else self.value(self.stage.question)
                values[name] = asked if type_ == CHAT else asked_in(asked)
            else:
                raise InternalError(f"nothing fills `{name}` of prompt {filled.prompt.name} in {self.stage.path}")
            if values[name] is None and not isinstance(type_, Optional):
                message = f"prompt `{filled.prompt.name}` needs `{name}`, which has no value in this run"
                raise MissingValue(Diagnostic("R0706", message, self.stage.span))
        try:
            return render(filled.prompt, values, filled.prompt.result, folder=self._folder)
        except PromptError as error:
            where = error.span or self.stage.span
            raise RunError(Diagnostic("R0705", str(error), where, hint=error.hint)) from error

    def example_texts(self, filled: Filled) -> tuple[str, ...]:
        """What a prompt would ask about each row that may be an example, in order. Raises RunError."""
        rows = self.stage.args.get("examples")
        return tuple(one.user for one in self._rows.examples(filled, rows)) if isinstance(rows, Rows) else ()

    def examples(
        self, filled: Filled, messages: tuple[Message, ...], near: Sequence[int] | None = None
    ) -> tuple[Message, ...]:
        """The turns of a prompt with this stage's few-shot examples among them. Raises RunError.

        `near` are the places of rows in the order of their likeness to the question, where that is known.
        """
        rows, shots = self.stage.args.get("examples"), self.integer("shots", 0)
        if not isinstance(rows, Rows) or not shots:
            return messages
        known = self._rows.examples(filled, rows)
        if len(known) < shots:
            self.note(f"`shots: {shots}` shows {len(known)}, all there are")
        choose = str(self.constant("choose") or "first")
        seed, span = self.caller.run_seed, self.stage.span
        return with_examples(messages, known, shots, choose, filled.prompt.result, seed, span, near)

    async def candidates(
        self,
        asks: Sequence[Ask],
        origins: Sequence[Origin],
        *,
        stage_path: str | None = None,
        heard: list[Reply] | None = None,
    ) -> list[Candidate | None]:
        """New candidates, in order; None where the budget refused one. Failed ones are there, without an answer.

        What became of each ask is added to `heard`.
        """
        path = stage_path or self.stage.path
        built: dict[int, Candidate] = {}

        def done(place: int, reply: Reply) -> None:
            built[place] = candidate = make_candidate(reply, origins[place], path, self._folder)
            self._recorder.emit("candidate", self.stage, data={"place": place, "candidate": candidate})

        replies = await self.caller.sample(asks, done)
        if heard is not None:
            heard += replies
        self._note_routes(replies)
        found: list[Candidate | None] = []
        for place, reply in enumerate(replies):
            if reply.state == "done":
                self._notes.made += 1
                if reply.completion is not None and reply.completion.error:
                    self.note(f"{self.stage.op} with {reply.ask.model.name}: {reply.completion.error}")
            elif reply.state != "refused":
                built[place] = make_candidate(reply, origins[place], path, self._folder)
                if reply.state == "failed":
                    self.failed(reply)
            found.append(built.get(place))
        return found

    def _note_routes(self, replies: Sequence[Reply]) -> None:
        """Say which share of tokens another model wrote, where the first one was unsure."""
        shares: dict[Model, tuple[int, int]] = {}
        for reply in replies:
            completion = reply.completion
            if completion is not None and completion.routed_tokens is not None:
                routed, made = shares.get(reply.ask.model, (0, 0))
                shares[reply.ask.model] = routed + completion.routed_tokens, made + completion.new_tokens
        for model, (routed, made) in shares.items():
            share = routed / made if made else 0.0
            self.note(f"{routed} of {made} new tokens ({share:.0%}) of {model.name} are those of the larger model")

    def made(self, candidate: Candidate) -> None:
        """Announce a candidate that was made without a completion."""
        self._notes.made += 1
        self._recorder.emit("candidate", self.stage, data={"place": 0, "candidate": candidate})

    # --- saying ----------------------------------------------------------------------------------------

    def failed(self, reply: Reply) -> None:
        """Keep a failed sample for the result."""
        self.lost(reply.ask.model, reply.reason, reply.error)

    def lost(self, model: Model, reason: str, error: EngineError | None) -> None:
        """Keep a failed call of a model for the result."""
        self._notes.failures.append(Failure(self.stage, reason, error))
        self.note(f"{self.stage.op} with {model.name} failed: {reason}")

    def note(self, text: str) -> None:
        """A sentence for the result's notes and the trace."""
        self._notes.notes.setdefault(text)
        self._recorder.emit("note", self.stage, cause=text)

    def remembered(self, memory: str, texts: Sequence[str], new: int) -> None:
        """Record what was kept in a concept memory, and how many of it were new."""
        cause = f"kept in the memory `{memory}`: {len(texts)}, of which {new} new"
        self._recorder.emit("note", self.stage, cause=cause, data={"concepts": list(texts)})

    def decided(self, pool: Pool, words: str) -> None:
        """Keep what this stage chose among, and why it chose as it did."""
        self._notes.decided[self.stage.path] = (pool, words)

    @property
    def is_degraded(self) -> bool:
        """Whether anything was refused, failed or could not be read so far."""
        unreadable = any(judgements.unreadable for judgements in self._notes.judgements.values())
        return unreadable or bool(self._notes.failures) or self.caller.limits_met

    def judged(self, asked: int, unreadable: Sequence[str]) -> None:
        """Count judgements; `unreadable` are the texts that could not be read."""
        before = self._notes.judgements.get(self.stage.path, Judgements())
        self._notes.judgements[self.stage.path] = Judgements(before.asked + asked, before.unreadable + len(unreadable))
        for text in unreadable:
            self._recorder.emit("unreadable", self.stage, cause="the judgement could not be read", data={"text": text})


def is_operand(argument: object) -> TypeGuard[Operand]:
    """Whether an argument is an operand, and not a prompt, model or rule."""
    return isinstance(argument, Apply | Column | Const | Input | Item | Own | Ref)


class MissingValue(RunError):
    """A prompt's argument has no value in this run, since what makes it gave none."""


def make_candidate(reply: Reply, origin: Origin, stage: str, folder: Path | None = None) -> Candidate:
    """The candidate that a reply gives; only a sample that ended by itself or at its own limit is read."""
    ask = reply.ask
    base = Candidate(
        "", stage=stage, model=ask.model.name, prompt=origin.prompt, series=ask.series, index=ask.index, finish="failed"
    )
    completion = reply.completion
    if completion is None:
        finish = "cancelled" if reply.state == "cancelled" else "failed"
        return replace(base, finish=finish, error=reply.reason)
    logprobs = completion.logprobs
    base = replace(
        base,
        text=completion.text,
        thoughts=completion.thoughts,
        tokens=completion.new_tokens,
        logprob_sum=sum(logprobs) if logprobs else None,
        logprob_mean=sum(logprobs) / len(logprobs) if logprobs else None,
        token_logprobs=tuple(logprobs),
        reasoning_logprob=reasoning_logprob(completion.text, completion.pieces, logprobs),
        finish="cut" if reply.cut else completion.finish,
        error=reply.reason,
    )
    if base.finish not in ("stop", "length") or reply.is_dropped:
        return base
    last = ask.messages[-1]
    opening = last.content if last.role == "assistant" else ""
    answer, key = read_reply(origin.type, opening, completion.text, folder=folder)
    return replace(base, answer=answer, key=key)


def as_argument(value: object, type_: Type) -> object:
    """A value as an argument or a result: where a list is wanted a pool is its texts or answers in order, else its only
    candidate's answer. The only candidate of a pool of lists is its list."""
    if not isinstance(value, Pool):
        return value
    wanted, given = _present(type_), _present(value.type)
    if isinstance(wanted, ListOf):
        as_text = isinstance(wanted.item, Text)
        if isinstance(given, ListOf) and not isinstance(wanted.item, ListOf) and len(value.candidates) == 1:
            only = value.candidates[0]
            if only.is_readable or not as_text:
                return only.answer
        return [c.text if as_text else c.answer for c in usable(value) if as_text or c.is_readable]
    if not value.candidates:
        return None
    only = value.candidates[0]
    return only.text if isinstance(wanted, Text) and not isinstance(given, Text) else only.answer


def _present(type_: Type) -> Type:
    """The type without its `?`."""
    return type_.item if isinstance(type_, Optional) else type_


def usable(pool: Pool) -> tuple[Candidate, ...]:
    """The candidates that have a text to be judged or merged, in order."""
    return tuple(c for c in pool if c.finish != "failed" and c.text.strip())


def latest_score(candidate: Candidate) -> float | None:
    """What a bare `score` means for this candidate."""
    return list(candidate.scores.values())[-1] if candidate.scores else None


def offered_answers(candidates: Sequence[Candidate]) -> list[dict[str, object]]:
    """Candidates as a prompt sees them: `index` from 1, `text`, `answer`, `critique`, `score`; never their thoughts."""
    return [
        {
            "index": place,
            "text": candidate.text,
            "answer": candidate.answer,
            "critique": candidate.critique or "",
            "score": latest_score(candidate),
        }
        for place, candidate in enumerate(candidates, 1)
    ]


def offered_answer(candidate: Candidate, filled: Filled) -> object:
    """One candidate as the argument `answer`: its whole text where the prompt takes a Text, else what was read."""
    wanted = dict(filled.prompt.params).get("answer")
    if wanted is None or isinstance(wanted, Text):
        return candidate.text
    return candidate.answer
