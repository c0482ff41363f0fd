"""What passes between stages and engines: asks, replies, judgements, verdicts, and the desk where calls meet."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ttscale.compiler.ir import Model
from ttscale.runtime.engines.base import Completion, Constraint, Engine, EngineError, Message, Sampling, thoughts_limit
from ttscale.runtime.ledger import Admission
from ttscale.runtime.trace import Recorder

if TYPE_CHECKING:
    from ttscale.runtime.bank.asking import Asking
    from ttscale.runtime.watch import Watch


class Engines(Protocol):
    """Where a run gets its engines."""

    async def get(self, model: Model) -> Engine:
        """The engine of a declared model; with a bank its `start` may be left to who needs it. Raises EngineError."""
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """One sample that a stage wants. `series` and `index` are part of its identity, `timeout` is in seconds.

    `watch` looks at it while it runs. `constraint` is kept where the engine can. What is computed of it stays in the
    engine's memory under the name `keep`, if it has one and the engine can.
    """

    model: Model
    messages: tuple[Message, ...]
    sampling: Sampling
    max_tokens: int
    series: int = 0
    index: int = 0
    stop: tuple[str, ...] = ()
    thinking: str = "auto"
    retry: int = 0
    timeout: float | None = None
    or_else: Model | None = None
    constraint: Constraint | None = None
    keep: str = ""
    stop_patterns: tuple[str, ...] = ()
    watch: Watch | None = None

    @property
    def watched_by(self) -> str:
        """What identifies its watchers; empty where nobody watches it."""
        return "" if self.watch is None else self.watch.key

    @property
    def grammar(self) -> str:
        """The grammar that its answer keeps to; empty where there is none."""
        return "" if self.constraint is None else self.constraint.grammar

    @property
    def most_tokens(self) -> int:
        """The most new tokens it may make: those of the answer, and of thoughts where these have their own limit."""
        return self.max_tokens + (thoughts_limit(self.thinking) or 0)


ReplyState = Literal["done", "failed", "refused", "cancelled"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of an ask.

    `completion` is there where an engine gave one. `cut` says that the budget shortened it and it ended at that length;
    `reason` is the limit that refused or the error that failed it. `can_retry` is False where asking again cannot help.
    """

    ask: Ask
    state: ReplyState
    completion: Completion | None = None
    cut: bool = False
    reason: str = ""
    can_retry: bool = True
    error: EngineError | None = None

    @property
    def is_dropped(self) -> bool:
        """Whether a watcher ended it as one that gives no answer."""
        events = () if self.completion is None else self.completion.watched
        return bool(events) and events[-1].what == "drop"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Labels to be scored after one prompt, each in the spellings that count as it."""

    messages: tuple[Message, ...]
    labels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Log-probabilities of a judgement's spellings, label by label; None where it was refused or failed."""

    logprobs: tuple[tuple[float, ...], ...] | None
    state: ReplyState = "done"
    reason: str = ""
    error: EngineError | None = None


@dataclass
class Desk:
    """What all stages of one run share: engines, admission, trace, the bank, and the requests now running."""

    engines: Engines
    admission: Admission
    recorder: Recorder
    run_seed: int
    running: set[asyncio.Future[Any]] = field(default_factory=set)
    limits_met: dict[str, None] = field(default_factory=dict)
    bank: Asking | None = None

    def track(self, request: asyncio.Future[Any]) -> None:
        """Enter a request on its way to an engine, so that the end of the run cancels it.

        One that was admitted just before the end, and starts just after, is cancelled here.
        """
        self.running.add(request)
        request.add_done_callback(self.running.discard)
        if self.admission.expired:
            request.cancel()

    def cancel_running(self) -> None:
        """Cancel every request now at an engine; each notes which of its samples are missing."""
        for task in self.running:
            task.cancel()


Prompt = tuple[Message, ...]


async def prompt_sizes(
    prompts: Iterable[tuple[Engine, Prompt]], known: Mapping[tuple[int, Prompt], int] | None = None
) -> dict[tuple[int, Prompt], int | EngineError]:
    """The tokens of each prompt, or why its engine cannot tell, by the engine's identity and the prompt.

    Each prompt that is not `known` is counted once and all at the same time, since an engine may have to ask another
    process.
    """
    told = known or {}

    async def count(engine: Engine, messages: Prompt) -> int | EngineError:
        try:
            return await engine.count_tokens(messages)
        except EngineError as error:
            return error

    asked = {(id(engine), messages): engine for engine, messages in prompts if (id(engine), messages) not in told}
    sizes = await asyncio.gather(*(count(engine, messages) for (_, messages), engine in asked.items()))
    return {**told, **dict(zip(asked, sizes, strict=True))}


async def together(work: Sequence[Coroutine[object, object, None]], *, ordered: bool) -> None:
    """Run coroutines side by side, or (`ordered`) one after the other, as a script's replies need it."""
    if ordered:
        for coroutine in work:
            await coroutine
        return
    async with asyncio.TaskGroup() as tasks:
        for coroutine in work:
            tasks.create_task(coroutine)
