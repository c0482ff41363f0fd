"""The engine protocol: what every way of running a model must offer.

An engine is one loaded model. It takes requests from all stages, questions and trials at once and decides
by itself how to batch them. Requests carry chat messages, never rendered text: the engine knows its own
template. Everything is asynchronous; cancelling the task that consumes a stream cancels the work at the
next step and frees its memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import zip_longest
from typing import Literal, Protocol, runtime_checkable

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "cancelled", "failed", "running", "paused"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. A trailing `assistant` message is a prefill: the model continues it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn, applied in this order: penalties, top_k, typical_p, top_p, min_p, temperature.

    `temperature` 0 is greedy. `top_k` 0, `typical_p` 1, `top_p` 1, `min_p` 0, `repeat_penalty` 1, `frequency_penalty` 0
    and `presence_penalty` 0 are off. Penalties look back on the last `penalty_window` tokens, those of the prompt too.
    """

    temperature: float = 0.8
    top_p: float = 0.95
    top_k: int = 0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    typical_p: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    penalty_window: int = 64

    @property
    def penalises(self) -> bool:
        """Whether tokens that were there before are drawn with another probability."""
        return self.repeat_penalty != 1 or self.frequency_penalty != 0 or self.presence_penalty != 0

    def told(self) -> dict[str, float]:
        """The settings by name as a sample's identity has them: those that came later only where they are set."""
        settings = {one.name: (float(getattr(self, one.name)), one.default) for one in fields(self)}
        return {name: value for name, (value, default) in settings.items() if name in _EVER or value != default}


_EVER = frozenset({"temperature", "top_p", "top_k", "min_p", "repeat_penalty"})


@dataclass(frozen=True, slots=True)
class Given:
    """The beginning of an answer that is already there: its tokens and their log-probabilities, as many of each.

    With `stops` False what would end a sample is looked for behind it only, so that it may end with such a text; behind
    the first `free` tokens only, where that is more than 0. With `closes` an open block of thoughts is ended behind it.
    `routes` are as those of a completion, None where they are not known.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    stops: bool = True
    free: int = 0
    closes: bool = False
    routes: bytes | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Where samples end for now, with finish "paused", so that they may be looked at and gone on from as `given`.

    Behind a token with which one of `texts` has come, in thoughts or in the answer; at so many tokens as `at` says, one
    number a seed, 0 for none; and with `thoughts` behind the token that closes a block of thoughts.
    """

    texts: tuple[str, ...] = ()
    at: tuple[int, ...] = ()
    thoughts: bool = False


@dataclass(frozen=True, slots=True)
class Watched:
    """What a watcher did with a sample that had `seen` tokens, and why.

    `what` is stop, drop, inject or branch. It is gone on from, ends, or has branches from its first `at` tokens; where
    it is cut back to these, the rest is lost (`dropped`). `said` was put in there, which is `tokens` tokens.
    """

    watcher: str
    what: str
    seen: int
    at: int
    cause: str
    said: str = ""
    tokens: int = 0

    @property
    def dropped(self) -> int:
        """Tokens that were made and taken back."""
        return self.seen - self.at if self.what in ("stop", "inject") else 0


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an answer may be: a grammar in GBNF that begins at `root`, and the JSON schema it comes from, if any."""

    grammar: str
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """Samples of one prompt.

    One completion comes back for every seed, sharing one prefill. `max_tokens` counts new tokens of each, thoughts
    included. With `thinking` "up to N" it counts those of the answer alone, and up to N of thoughts may come before it,
    the end of their block among them. `limits`, when given, has one number a seed, for all its new tokens. `stop` texts
    end a sample and are not part of its text; neither is what a regular expression among `stop_patterns` finds (see
    `compiler.stop_patterns`). A higher `priority` (lower number) is served first among what waits.

    Where the engine `resumes`, `given` has one beginning a seed, or None, to go on from; its tokens count as new ones.
    `keep`, when given, has one name a seed, or "": what was computed of that sample stays, as long as there is room,
    until `Keeping.release` is told its name. With `top_logprobs` k an engine with that capability tells the k likeliest
    tokens at every place.
    With `report_every` n a completion with finish "running" comes for every n tokens of a sample, with these alone.
    Where the engine `pauses`, samples end at `pause` for now. `watch` is what identifies the watchers that look at
    these samples, "" without any; it is part of what a sample is, and nothing to an engine.
    Where the engine has the capability `grammar`, every answer (after its thoughts) that is not cut fits `constraint`.
    """

    messages: tuple[Message, ...]
    seeds: tuple[int, ...]
    max_tokens: int = 512
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    thinking: str = "auto"
    limits: tuple[int, ...] | None = None
    timeout_seconds: float | None = None
    priority: tuple[int, ...] = ()
    given: tuple[Given | None, ...] | None = None
    report_every: int = 0
    constraint: Constraint | None = None
    stop_patterns: tuple[str, ...] = ()
    keep: tuple[str, ...] | None = None
    top_logprobs: int = 0
    pause: Pause | None = None
    watch: str = ""

    @property
    def most(self) -> tuple[int, ...]:
        """The most new tokens of each sample, thoughts included."""
        return self.limits or (self.max_tokens + (thoughts_limit(self.thinking) or 0),) * len(self.seeds)

    def only(self, places: Sequence[int]) -> Request:
        """The same request for some of its seeds alone."""
        return replace(
            self,
            seeds=tuple(self.seeds[place] for place in places),
            limits=None if self.limits is None else tuple(self.limits[place] for place in places),
            given=None if self.given is None else tuple(self.given[place] for place in places),
            keep=None if self.keep is None else tuple(self.keep[place] for place in places),
            pause=None
            if self.pause is None
            else replace(self.pause, at=tuple(self.pause.at[place] for place in places if self.pause.at)),
        )


def thoughts_limit(thinking: str) -> int | None:
    """The N of `up to N`; None for the settings that set no limit of their own."""
    words = thinking.split()
    return int(words[2]) if words[:2] == ["up", "to"] else None


@dataclass(frozen=True, slots=True)
class Completion:
    """One finished sample.

    `index` is the position of its seed in the request. `logprobs` are natural-log probabilities of the
    chosen tokens under the model's own distribution (temperature 1, no truncation or constraint), empty where the
    engine cannot tell; tokens that the engine put in by itself, to end a block of thoughts, have 0 there.
    `prompt_tokens` counts the whole rendered prompt, `new_tokens` what was generated and put in, `thought_tokens` those
    of them up to the end of the last block of thoughts.
    `error` says why when `finish` is "failed" or "cancelled", and when it is "length" because the context was full.
    `pieces` are the bytes of every token, thoughts and their tags included, or empty where the engine cannot tell.
    `beyond` is what came after `text`: the stop text that ended it and the rest of its last token, "" where the answer
    ended by itself or at its length, None where the engine cannot tell.
    `stopped_by` is the text or pattern that ended it, "" where the model did so itself or a limit did, None where
    that cannot be told, as of a sample from the bank.
    `computed_tokens` counts rows that ran for this sample beside those of its own new tokens: of its prompt and of
    given tokens what no cache had, and what was taken from it in between. Samples that share a prompt share its rows,
    the first to end has them. None where the engine cannot tell. `top` has the likeliest tokens at the place of each
    token with their log-probabilities, the likeliest first, where they were asked for; none for given ones.
    `routes`, where several models take turns, has for each token the place of the model that it was drawn from, 0 for
    the first and for what was put in, UNKNOWN_ROUTE where that is forgotten; None elsewhere.
    `thinking` says that a block of thoughts was open at its end, `block_tokens` how many tokens stand before the tag
    that closed the last one, -1 where there is none. `watched` is what watchers did with it, in order. `lost_tokens`
    were made by tries of a server that broke off, so that all was made again, and `lost_prompt` is what these read.
    """

    index: int
    text: str
    finish: Finish
    prompt_tokens: int
    new_tokens: int
    thoughts: str = ""
    thought_tokens: int = 0
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    seconds: float = 0.0
    error: str = ""
    pieces: tuple[bytes, ...] = ()
    beyond: str | None = None
    stopped_by: str | None = None
    computed_tokens: int | None = None
    top: tuple[tuple[tuple[int, float], ...], ...] = ()
    routes: bytes | None = None
    thinking: bool = False
    block_tokens: int = -1
    watched: tuple[Watched, ...] = ()
    lost_tokens: int = 0
    lost_prompt: int = 0

    @property
    def routed_tokens(self) -> int | None:
        """Tokens that were drawn from another model than the first; None where models do not take turns."""
        return None if self.routes is None else sum(0 < route < UNKNOWN_ROUTE for route in self.routes)

    def read_by(self, model: int) -> tuple[int, int]:
        """Tokens of the prompt and of the answer that the model at this place has read, as if nothing were cached.

        One that takes turns with others has read what stands before the last token that it was asked for, and that. Of
        tokens that watchers took back all count, since nobody knows.
        """
        if self.routes is None:
            return self.read_tokens, self.made_tokens
        asked = max((place for place, route in enumerate(self.routes, 1) if route >= model), default=0)
        gone = self.made_tokens - self.new_tokens
        return (self.read_tokens if asked or gone else 0), asked + gone

    @property
    def made_tokens(self) -> int:
        """All tokens that were made for it: its new ones, those that watchers took back, and those that were lost."""
        return self.new_tokens + sum(one.dropped for one in self.watched) + self.lost_tokens

    @property
    def read_tokens(self) -> int:
        """Tokens of prompts that were read for it, those of tries that broke off among them."""
        return self.prompt_tokens + self.lost_prompt


UNKNOWN_ROUTE = 255
"""Among `Completion.routes`: nobody knows which model wrote this token."""


def rest_of(data: bytes, text: str) -> str | None:
    """What the bytes of all tokens have after a text that they begin with; None where they begin otherwise."""
    begun = text.encode("utf-8", "replace")
    return data[len(begun) :].decode("utf-8", "replace") if data.startswith(begun) else None


@dataclass(frozen=True, slots=True)
class Scored:
    """Natural-log probabilities of one given continuation, token by token, and its prompt's length.

    `computed_tokens` is as that of a completion, its own tokens included.
    """

    continuation: str
    logprobs: tuple[float, ...]
    prompt_tokens: int
    computed_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Embedding:
    """The vector of one text, of length 1, and the text's length in tokens."""

    vector: tuple[float, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this engine can do with this model; `None` means unprobed.

    `resumes` says that it goes on from given tokens of an answer and reports running ones (see Request), `grammar`
    that it keeps answers to a `constraint`, `keeps` that it has the methods of `Keeping`, `pauses` that it has them
    too, lets samples `pause` and goes on from given tokens, `stop_patterns` that it takes those of a request,
    `top_logprobs` that it tells likely tokens. `writes` is False for models that only read;
    `embeds` and `ranks` say that it has the methods of `Reading` for this model. `models` is how many models it holds,
    whose next tokens may be combined.
    """

    chat_template: bool | None = True
    system_role: bool | None = True
    logprobs: bool | None = True
    scoring: bool | None = True
    continuation: bool | None = True
    context: int | None = None
    resumes: bool = False
    grammar: bool | None = False
    keeps: bool = False
    pauses: bool = False
    stop_patterns: bool = False
    top_logprobs: bool = False
    writes: bool = True
    embeds: bool = False
    ranks: bool = False
    models: int = 1


@dataclass(frozen=True, slots=True)
class Work:
    """What one model has computed: rows (tokens of prompts and answers, those again among them), in how many calls."""

    rows: int = 0
    calls: int = 0
    seconds: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(self.rows + other.rows, self.calls + other.calls, self.seconds + other.seconds)


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Counters since load.

    `prompt_asked` counts tokens of prompts, given beginnings and scored texts as if each were alone, `prompt_computed`
    those that ran. `recomputed` counts rows that ran once more, for their cells had been taken or could not be shared.
    All of these are about the model that is asked; where others work with it, `models` is what each has done, in order.
    """

    requests: int = 0
    prompt_asked: int = 0
    prompt_computed: int = 0
    new_tokens: int = 0
    steps: int = 0
    decode_seconds: float = 0.0
    recomputed: int = 0
    models: tuple[Work, ...] = ()

    def __add__(self, other: EngineStats) -> EngineStats:
        """The sums of two sets of counters."""
        sums = {
            one.name: getattr(self, one.name) + getattr(other, one.name)
            for one in fields(EngineStats)
            if one.name != "models"
        }
        models = (a + b for a, b in zip_longest(self.models, other.models, fillvalue=Work()))
        return EngineStats(**sums, models=tuple(models))


class EngineError(Exception):
    """A model could not be loaded or a request could not be served; the message is for the user.

    `hint` says what to do about it; `fatal` is False when other requests may still succeed.
    """

    def __init__(self, message: str, *, hint: str = "", fatal: bool = True) -> None:
        super().__init__(message)
        self.hint = hint
        self.fatal = fatal


def checked(text: str) -> str:
    """The text itself. Raises EngineError where it has half of a surrogate pair, which cannot be sent or read."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise EngineError(
            f"a text has half of a character at place {error.start} ({text[error.start]!r}) and cannot be read",
            hint="it was cut inside of a pair of surrogates, or its file is not UTF-8",
            fatal=False,
        ) from None
    return text


class ContextExceeded(EngineError):
    """The prompt does not fit the model's context; `needed` and `available` are tokens."""

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(
            f"the prompt has {needed} tokens and the model's context holds {available}",
            hint="shorten the input, or load the model with a larger `ctx:`",
            fatal=False,
        )
        self.needed = needed
        self.available = available

    def __reduce__(self) -> tuple[type[ContextExceeded], tuple[int, int]]:
        return ContextExceeded, (self.needed, self.available)


@runtime_checkable
class Engine(Protocol):
    """One loaded model. All methods may be called concurrently from one event loop."""

    @property
    def digest(self) -> str:
        """Identity of what answers: "sha256:…" of the weights, or the endpoint and model name; no secret."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None:
        """Load the model; idempotent. Raises EngineError with a hint."""
        ...

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the rendered prompt (an upper estimate where the engine cannot tokenise)."""
        ...

    def generate(self, request: Request) -> AsyncIterator[Completion]:
        """Yield one completion per seed, as each finishes. Raises EngineError or ContextExceeded."""
        ...

    async def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, priority: tuple[int, ...] = ()
    ) -> list[Scored]:
        """Log-probabilities of given continuations of one prompt, from one shared prefill, without generating."""
        ...

    def stats(self) -> EngineStats: ...

    async def close(self) -> None:
        """Stop the engine and free its memory; idempotent."""
        ...


@runtime_checkable
class Keeping(Protocol):
    """What an engine with the capability `keeps` offers beside, for answers that grow step by step."""

    async def tokens(self, text: str) -> tuple[int, ...]:
        """The tokens of a text on its own, as it may be put into an answer; special tokens in it are only text."""
        ...

    def release(self, names: Sequence[str]) -> None:
        """Let go of what was kept under these names; unknown ones do no harm."""
        ...


@runtime_checkable
class Reading(Protocol):
    """What an engine offers that can read texts without writing: see `Capabilities.embeds` and `ranks`."""

    async def embed(self, texts: Sequence[str]) -> list[Embedding]:
        """The vectors of texts, in order. Raises EngineError where the model has none, ContextExceeded."""
        ...

    async def rank(self, query: str, documents: Sequence[str]) -> list[float]:
        """How well each document answers the query, as the model's head scores it: any numbers, higher is better."""
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """What an engine offers that shows whole distributions."""

    async def next_tokens(self, messages: Sequence[Message], given: Sequence[int] = ()) -> list[Sequence[float]]:
        """Natural-log probabilities of every token after a prompt and a given beginning, one list a model."""
        ...
