"""The bank in front of an engine: what is there is read, what others make is waited for, the rest is made and kept."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import machine, system
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

from ttscale.compiler.ir import Model
from ttscale.compiler.models import GGUF_PREFIXES, option
from ttscale.runtime.bank.claims import Grant
from ttscale.runtime.bank.keys import Draw, Key, Scoring, Spot
from ttscale.runtime.bank.rows import Row, Want, best
from ttscale.runtime.bank.runs import BankRun
from ttscale.runtime.bank.schema import BankError
from ttscale.runtime.bank.store import SCORED, Bank
from ttscale.runtime.engines.base import (
    UNKNOWN_ROUTE,
    Completion,
    Engine,
    Given,
    Message,
    Request,
    Scored,
    thoughts_limit,
)
from ttscale.runtime.seeds import messages_digest

if TYPE_CHECKING:
    from ttscale.runtime.desk import Ask

T = TypeVar("T")
JOURNAL_TOKENS = 64
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.25  # seconds between looks at what another is making
Source = Literal["fresh", "bank", "continued"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A completion, where it came from, and how many of its tokens were made now."""

    completion: Completion
    source: Source
    fresh_tokens: int


@dataclass(slots=True)
class Claimed:
    """Samples of one request that are ours to make, by place in the request: what each begins with, and so far has."""

    draw: Draw
    wants: Mapping[int, Want]
    begun: dict[int, Given | None]
    kept: dict[int, Given] = field(default_factory=dict)


class Asking:
    """The bank as the calls of one question see it. `trouble` says what went wrong with it, once something did."""

    def __init__(self, run: BankRun, question: Mapping[str, object]) -> None:
        self._run = run
        self._bank: Bank = run.bank
        self._question = question
        self._failed = ""
        self._rows: dict[tuple[bytes, Want], Row] = {}  # read before a request was made of them
        self._scores: dict[bytes, list[Scored]] = {}

    @property
    def trouble(self) -> str:
        """Why samples of this question may not have been kept; empty where all is well."""
        return self._failed or self._bank.trouble

    # --- what is there ---------------------------------------------------------------------------------

    def prompt_tokens(self, engine: Engine, ask: Ask, attempt: int, run_seed: int) -> int | None:
        """The tokens of a prompt whose sample is there, as it is asked for; None where an engine will be needed."""
        apart = thoughts_limit(ask.thinking) is not None
        draw = Draw(
            engine.digest,
            messages_digest(ask.messages),
            ask.sampling,
            ask.stop,
            ask.grammar,
            ask.thinking,
            run_seed,
            ask.stop_patterns,
            ask.watched_by,
        )
        spot, limit = Spot(ask.series, attempt, ask.index), ask.max_tokens if apart else ask.most_tokens
        want = Want(spot, limit, apart, bool(ask.watched_by))
        try:
            rows = self._bank.find(draw, [want.spot])
        except (BankError, sqlite3.Error) as error:
            self._failed = str(error)
            return None
        row = best(rows.get(want.spot, ()), want, engine.capabilities.context)
        if row is None:
            return None
        self._rows[draw.digest, want] = row
        return row.prompt_tokens

    def known_scores(
        self, engine: Engine, messages: tuple[Message, ...], continuations: Sequence[str]
    ) -> list[Scored] | None:
        """A judgement that is there."""
        scoring = Scoring(engine.digest, messages_digest(messages), tuple(continuations))
        try:
            found = self._bank.find_scores(scoring)
        except (BankError, sqlite3.Error) as error:
            self._failed = str(error)
            return None
        if found is not None:
            self._scores[scoring.digest] = found
        return found

    # --- samples ---------------------------------------------------------------------------------------

    async def samples(
        self, stage: str, model: Model, engine: Engine, request: Request, spots: Sequence[Spot], run_seed: int
    ) -> AsyncGenerator[Drawn, None]:
        """As `engine.generate`, for samples at these spots, one a seed; each says where it came from."""
        apart = thoughts_limit(request.thinking) is not None
        if (apart or request.watch) and request.limits is not None:
            # A budget's limit counts thoughts and answer together, and rows are cut by the answer's alone; watchers may
            # do something else with a shorter sample than they did with a longer one.
            async for drawn in plainly(engine, request):
                yield drawn
            return
        prompt = messages_digest(request.messages)
        grammar = "" if request.constraint is None else request.constraint.grammar
        draw = Draw(
            engine.digest,
            prompt,
            request.sampling,
            request.stop,
            grammar,
            request.thinking,
            run_seed,
            request.stop_patterns,
            request.watch,
        )
        limits = (request.max_tokens,) * len(spots) if apart else request.most
        wants = {place: Want(spot, limits[place], apart, bool(request.watch)) for place, spot in enumerate(spots)}
        missing = dict(wants)
        for drawn in self._there(stage, draw, engine, missing):
            yield drawn
        pause = FIRST_PAUSE
        while missing:
            places = list(missing)
            grants = await self._claim(draw, model, engine, request, [missing[place] for place in places])
            if grants is None:
                async for drawn in plainly(engine, request, places):
                    yield drawn
                return
            mine = Claimed(draw, wants, {place: g.given for place, g in zip(places, grants, strict=True) if g.mine})
            try:
                for place, grant in zip(places, grants, strict=True):
                    if grant.row is not None:
                        self._run.asked(self._question, stage, draw, missing.pop(place).spot, kept=True)
                        yield Drawn(grant.row.completion(place, wants[place]), "bank", 0)
                if mine.begun:
                    pause = FIRST_PAUSE
                    for place in mine.begun:
                        del missing[place]
                    async for drawn in self._make(stage, engine, request, mine):
                        yield drawn
                elif missing:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
            finally:
                self._give_back(draw, [wants[place].spot for place in mine.begun])

    def _there(self, stage: str, draw: Draw, engine: Engine, missing: dict[int, Want]) -> list[Drawn]:
        """What the bank has of what is missing, which is missing no longer."""
        context = engine.capabilities.context
        # Where a budget made a want smaller since it was read, another row may serve it.
        ready = {place: self._rows.get((draw.digest, want)) for place, want in missing.items()}
        unread = [want.spot for place, want in missing.items() if ready[place] is None]
        try:
            rows = self._bank.find(draw, unread) if unread else {}
        except (BankError, sqlite3.Error) as error:
            self._failed = str(error)
            return []
        found: list[Drawn] = []
        for place, want in list(missing.items()):
            row = ready[place] or best(rows.get(want.spot, ()), want, context)
            if row is not None:
                del missing[place]
                self._run.asked(self._question, stage, draw, want.spot, kept=True)
                found.append(Drawn(row.completion(place, want), "bank", 0))
        return found

    async def _claim(
        self, draw: Draw, model: Model, engine: Engine, request: Request, wants: Sequence[Want]
    ) -> list[Grant] | None:
        """What became of these wants; None where the bank cannot be written."""
        able = engine.capabilities
        try:
            asked = self._bank.claim(
                draw, request.messages, wants, label=label_of(model), context=able.context, resumes=able.resumes
            )
            return await self._answer(
                asked, draw, lambda grants: [w.spot for w, g in zip(wants, grants, strict=True) if g.mine]
            )
        except (BankError, sqlite3.Error) as error:
            self._failed = str(error)
            return None

    async def _answer(self, asked: Future[T], key: Key, mine: Any) -> T:
        """The outcome of a claim; whoever is cancelled while it is decided gives back what it was granted."""
        try:
            return await asyncio.shield(asyncio.wrap_future(asked))
        except asyncio.CancelledError:

            def undo(done: Future[T]) -> None:
                if done.exception() is None:
                    self._give_back(key, mine(done.result()))

            asked.add_done_callback(undo)
            raise

    def _give_back(self, key: Key, spots: Sequence[Spot]) -> None:
        if spots:
            try:
                self._bank.release(key, spots)
            except (BankError, sqlite3.Error) as error:  # the bank was closed, which gives back all
                self._failed = str(error)

    async def _make(self, stage: str, engine: Engine, request: Request, mine: Claimed) -> AsyncGenerator[Drawn, None]:
        """Generate what is ours, keep each sample as it finishes, and take it out of `mine.begun`."""
        places = list(mine.begun)
        apart = mine.wants[places[0]].answer_only
        resumes = engine.capabilities.resumes and not apart
        given = tuple(mine.begun[place] for place in places)
        wanted = replace(
            request.only(places),
            given=given if any(given) else None,
            report_every=JOURNAL_TOKENS if resumes else 0,
        )
        await engine.start()  # what was to be read from the bank needed no engine, and is gone or too long
        async for made in engine.generate(wanted):
            place = places[made.index]
            completion = replace(made, index=place)
            begun = mine.begun.get(place)
            if completion.finish == "running":
                self._journal(mine, place, completion)
                continue
            if completion.finish in ("stop", "length"):
                self._keep(mine, place, engine, completion)
            elif resumes and completion.token_ids:
                tokens = Given(completion.token_ids, completion.logprobs, routes=completion.routes)
                self._bank.journal(mine.draw, mine.wants[place].spot, tokens)
            fresh = max(0, completion.made_tokens - (len(begun.token_ids) if begun is not None else 0))
            self._run.asked(self._question, stage, mine.draw, mine.wants[place].spot, kept=False, new_tokens=fresh)
            yield Drawn(completion, "fresh" if begun is None else "continued", fresh)

    def _keep(self, mine: Claimed, place: int, engine: Engine, completion: Completion) -> None:
        try:
            self._bank.save(mine.draw, mine.wants[place].spot, completion, provenance_of(engine))
            del mine.begun[place]
        except (BankError, sqlite3.Error) as error:
            self._failed = str(error)

    def _journal(self, mine: Claimed, place: int, news: Completion) -> None:
        """Keep what a running sample has so far."""
        begun = mine.kept.get(place) or mine.begun.get(place) or Given((), (), routes=b"")
        start = news.new_tokens - len(news.token_ids)
        if len(begun.token_ids) < start:
            return  # its model was started again meanwhile, and reports of the first part were lost
        routes = None
        if news.routes is not None:
            before = bytes([UNKNOWN_ROUTE]) * start if begun.routes is None else begun.routes[:start]
            routes = before + news.routes
        tokens = Given(begun.token_ids[:start] + news.token_ids, begun.logprobs[:start] + news.logprobs, routes=routes)
        mine.kept[place] = tokens
        try:
            self._bank.journal(mine.draw, mine.wants[place].spot, tokens)
        except (BankError, sqlite3.Error) as error:
            self._failed = str(error)

    # --- scored judgements -----------------------------------------------------------------------------

    async def scores(
        self,
        stage: str,
        model: Model,
        engine: Engine,
        messages: tuple[Message, ...],
        continuations: Sequence[str],
        priority: tuple[int, ...],
    ) -> tuple[list[Scored], Source]:
        """As `engine.score`, and where it came from."""
        scoring = Scoring(engine.digest, messages_digest(messages), tuple(continuations))
        pause = FIRST_PAUSE
        while True:
            try:
                found: list[Scored] | bool | None = self._scores.get(scoring.digest)
                if found is None:
                    found = self._bank.find_scores(scoring)
                if found is None:
                    asked = self._bank.claim_scores(scoring, messages, label_of(model))
                    found = await self._answer(asked, scoring, lambda got: [SCORED] if got is True else [])
            except (BankError, sqlite3.Error) as error:
                self._failed = str(error)
                await engine.start()
                return await engine.score(messages, continuations, priority=priority), "fresh"
            if isinstance(found, list):
                self._run.asked(self._question, stage, scoring, SCORED, kept=True)
                return found, "bank"
            if found:
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        try:
            await engine.start()
            scored = await engine.score(messages, continuations, priority=priority)
        except BaseException:
            self._give_back(scoring, [SCORED])
            raise
        try:
            self._bank.save_scores(scoring, scored, provenance_of(engine))
        except (BankError, sqlite3.Error) as error:
            self._failed = str(error)
        self._run.asked(self._question, stage, scoring, SCORED, kept=False)
        return scored, "fresh"


async def plainly(engine: Engine, request: Request, places: Sequence[int] | None = None) -> AsyncGenerator[Drawn, None]:
    """Samples made without a bank; only those at `places` of the request where that is given."""
    if places is not None:
        request = request.only(places)
    await engine.start()
    async for made in engine.generate(request):
        completion = made if places is None else replace(made, index=places[made.index])
        yield Drawn(completion, "fresh", completion.made_tokens)


def is_local(model: Model) -> bool:
    """Whether a model's engine counts prompts as exactly as the bank's samples tell, and takes long to start."""
    return model.kind == "gguf" and not model.plugin


def label_of(model: Model) -> str:
    """What people call a model: no path of this machine, no secret of an address."""
    if model.combine is not None:
        parts = (replace(model, combine=None), *model.beside)
        return f"{model.combine.name} of {', '.join(label_of(part) for part in parts)}"
    if model.kind == "openai":
        return f"{option(model, 'name', '') or model.name} at {urlsplit(model.locator).hostname or model.locator}"
    return model.locator if model.locator.startswith(GGUF_PREFIXES) else Path(model.locator).name or model.name


def provenance_of(engine: Engine) -> dict[str, object]:
    """What made a sample, beside its key: the engine and its build, and the machine."""
    return {"engine": type(engine).__name__, "context": engine.capabilities.context, **_builds()}


@cache
def _builds() -> dict[str, object]:
    found: dict[str, object] = {"machine": f"{system()} {machine()}"}
    for package in ("ttscale", "llama-cpp-python"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found
