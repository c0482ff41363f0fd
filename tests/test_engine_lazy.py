"""A model that catches up only when it is asked: the same rows as one that computes all, with fewer of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import hybrid_model, plain_model, sliding_window_model
from ttscale.runtime.engines.base import UNKNOWN_ROUTE, Completion, Given, Message, Request, Sampling, Watched
from ttscale.runtime.engines.llama.cells import Branch, Cells
from ttscale.runtime.engines.llama.combining import Combination, Floats
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.engines.llama.lazy import Lazy
from ttscale.runtime.engines.llama.link import ProcessLink
from ttscale.runtime.engines.llama.options import LoadOptions
from ttscale.runtime.engines.llama.together import Together
from ttscale.runtime.engines.llama.work import Copy, Drop, Group, Piece
from ttscale.runtime.watch import Watch, WatchingEngine
from ttscale.runtime.watch.follower import Watching
from ttscale.runtime.watch.watchers import Deepen

SEQUENCES = 6


class Paper:
    """A runner on paper: its row behind a path is a number that the path alone decides; cells are counted."""

    def __init__(self, *, most_rows: int = 64, ranges: bool = True) -> None:
        self.most_rows = most_rows
        self.ranges = ranges
        self.cells = Cells(4096)
        self.branches: dict[int, Branch] = {}
        self.rows = self.calls = 0

    @property
    def positions(self) -> list[int]:
        return [self.branches[seq].done if seq in self.branches else 0 for seq in range(SEQUENCES)]

    def apply(self, operations: Sequence[Copy | Drop]) -> None:
        for one in operations:
            if isinstance(one, Drop):
                self.cells.release(self.branches.pop(one.seq))
                continue
            assert one.length > 0
            source = self.branches[one.source]
            if one.start:
                target = self.branches[one.target]
                assert self.ranges and target.done == one.start < one.length <= source.done
                assert target.tokens == source.tokens[: one.start]
                rest = Branch(-1, [])
                self.cells.share(source, rest, one.length)
                both = Branch(-1, [], rest.cells[: one.start])
                self.cells.release(both)
                target.cells += rest.cells[one.start :]
                target.tokens = source.tokens[: one.length]
                continue
            assert one.target not in self.branches and one.length <= source.done
            assert self.ranges or one.length == source.done, "a state cannot be cut"
            made = self.branches[one.target] = Branch(one.target, source.tokens[: one.length])
            self.cells.share(source, made, one.length)

    def decode(self, pieces: Sequence[Piece], idle: Sequence[int] = ()) -> Floats:
        assert pieces and not idle
        found = []
        self.calls += 1
        for piece in pieces:
            assert piece.tokens
            branch = self.branches.setdefault(piece.seq, Branch(piece.seq, []))
            assert piece.start == branch.done
            branch.tokens += piece.tokens
            self.cells.take(branch, len(piece.tokens))
            self.rows += len(piece.tokens)
            found += [number_of(branch.tokens[: piece.start + offset + 1]) for offset in piece.outputs]
        assert sum(len(piece.tokens) for piece in pieces) <= self.most_rows
        return np.asarray(found, np.float32).reshape(-1, 1)

    @property
    def taken(self) -> int:
        return self.cells.total - self.cells.free


def number_of(path: Sequence[int]) -> float:
    return float(hash(tuple(path)) % 65521)


def piece(seq: int, start: int, tokens: Sequence[int]) -> Piece:
    return Piece(Group(-1, [], []), None, Branch(seq, []), start, list(tokens), range(len(tokens) - 1, len(tokens)))


def asked(lazy: Lazy, first: Paper, *places: tuple[int, int]) -> None:
    """Ask for rows, which have to be those of the paths."""
    rows = lazy.rows(places)
    assert [float(row[0]) for row in rows] == [number_of(first.branches[s].tokens[: at + 1]) for s, at in places]


class Both:
    """A first runner with a lazy one behind it, told the same."""

    def __init__(self, *, ranges: bool = True, most_rows: int = 64) -> None:
        self.first = Paper(ranges=ranges)
        self.second = Paper(ranges=ranges, most_rows=most_rows)
        self.lazy = Lazy(self.second, ranges=ranges)

    def apply(self, *operations: Copy | Drop) -> None:
        self.first.apply(operations)
        self.lazy.apply(operations)

    def decode(self, *pieces: Piece) -> None:
        self.first.decode(pieces)
        self.lazy.follow(pieces)

    def ask(self, *places: tuple[int, int]) -> None:
        asked(self.lazy, self.first, *places)


@pytest.mark.parametrize("ranges", [True, False])
def test_nothing_is_computed_until_it_is_asked_and_then_a_shared_prompt_once(ranges: bool) -> None:
    both = Both(ranges=ranges)
    both.decode(piece(5, 0, range(20)))
    for seq in range(4):
        both.apply(Copy(5, seq, 20))
    both.decode(*(piece(seq, 20, [100 + seq]) for seq in range(4)))
    both.decode(*(piece(seq, 21, [200 + seq]) for seq in range(4)))
    assert both.second.rows == 0
    both.ask((1, 21), (3, 21))
    assert both.second.rows == 20 + 2 + 2 and both.second.calls <= 3
    both.decode(piece(0, 22, [7]))
    both.ask((0, 22))
    assert both.second.rows == 24 + 3, "the prompt was shared with those that did not ask"


def test_long_ways_are_computed_in_calls_that_a_runner_can_make() -> None:
    both = Both(most_rows=8)
    both.decode(piece(0, 0, range(30)))
    both.decode(piece(1, 0, range(50, 80)))
    both.ask((0, 29), (1, 29))
    assert both.second.rows == 60 and both.second.calls == 8


def test_rows_inside_of_a_given_text_are_found() -> None:
    both = Both()
    both.decode(piece(0, 0, range(30)))
    both.ask((0, 3), (0, 29), (0, 17))
    assert both.second.rows == 30


def test_a_path_that_was_dropped_begins_anew() -> None:
    both = Both()
    both.decode(piece(0, 0, range(10)))
    both.ask((0, 9))
    both.apply(Drop(0))
    both.decode(piece(0, 0, range(40, 45)))
    both.ask((0, 4))
    assert both.second.rows == 15 and both.second.positions[0] == 5


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**9), ranges=st.booleans(), most_rows=st.sampled_from((3, 8, 64)))
def test_whatever_is_shared_dropped_and_asked_rows_are_those_of_the_paths(
    seed: int, ranges: bool, most_rows: int
) -> None:
    """Few different tokens, so that paths agree by chance too; where ranges can be shared no cell is taken twice."""
    dice = random.Random(seed)
    both = Both(ranges=ranges, most_rows=most_rows)
    for _ in range(40):
        lengths = both.first.positions
        used = [seq for seq, length in enumerate(lengths) if length]
        free = [seq for seq, length in enumerate(lengths) if not length]
        what = dice.random()
        if what < 0.15 and used:
            both.apply(Drop(dice.choice(used)))
        elif what < 0.4 and used and free:
            source = dice.choice(used)
            length = dice.randint(1, lengths[source]) if ranges else lengths[source]
            both.apply(Copy(source, dice.choice(free), length))
        else:
            chosen = dice.sample(range(SEQUENCES), dice.randint(1, 3))
            pieces = [piece(s, lengths[s], [dice.randint(0, 1) for _ in range(dice.randint(1, 6))]) for s in chosen]
            both.decode(*pieces)
            places = [(one.seq, one.start + len(one.tokens) - 1) for one in pieces if dice.random() < 0.4]
            if places:
                both.ask(*places)
        if ranges:
            assert both.second.taken <= both.first.taken


# --- small models ---------------------------------------------------------------------------------------------------

ASK = (Message("user", "hello there, what is the sum of seven and eleven?"),)
FLOOR = 0.13  # of random models: about every second token


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    pytest.importorskip("llama_cpp")
    return [plain_model(tmp_path / f"{seed}.gguf", seed=seed) for seed in (7, 8, 9)]


def engine(paths: Sequence[Path], floor: float = FLOOR, **options: object) -> LlamaEngine:
    how = Combination("route", floor=floor)
    given: dict[str, object] = {"ctx": 256, "threads": 1, "max_sequences": 16} | options
    return LlamaEngine(paths[0], others=paths[1:], combination=how, **given)  # type: ignore[arg-type]


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Undo it to have lazy models again; models in this process only."""
    made = Together.__init__

    def init(self: Together, *args: object) -> None:
        made(self, *args)  # type: ignore[arg-type]
        self._lazy = []

    monkeypatch.setattr(Together, "__init__", init)
    return monkeypatch


async def tokens(stream: AsyncIterator[Completion]) -> dict[int, tuple[int, ...]]:
    return {one.index: one.token_ids async for one in stream}


MODELS = {
    "plain": ({}, None),
    "three": ({}, None),
    "own caches": ({"options": LoadOptions(kv_unified=False)}, None),
    "short batches": ({"options": LoadOptions(batch=32, ubatch=32)}, None),
    "states": ({}, hybrid_model),
    "windows": ({"options": LoadOptions(swa_full=False)}, sliding_window_model),
    "little room": ({"ctx": 96, "memory": 1}, None),
}


@pytest.mark.model
@pytest.mark.parametrize("kind", MODELS)
async def test_the_tokens_are_those_of_models_that_compute_everything(
    kind: str, paths: list[Path], tmp_path: Path, eager: pytest.MonkeyPatch
) -> None:
    options, make = MODELS[kind]
    if make is not None:
        paths[1] = make(tmp_path / "other.gguf")
        if kind == "windows":
            paths[0] = make(tmp_path / "first.gguf")
    used = paths if kind == "three" else paths[:2]
    requests = [
        Request(ASK, tuple(range(12)), max_tokens=24, sampling=Sampling(1.0)),
        Request((Message("user", "hello there"),), (5, 6), max_tokens=30, sampling=Sampling(0.0)),
        Request(ASK, (77,), max_tokens=3),
    ]
    found = []
    for lazily in (False, True):
        if lazily:
            eager.undo()
        together = engine(used, in_process=True, **options)
        try:
            made = [await tokens(together.generate(request)) for request in requests]
            scored = await together.score(ASK, [" the cat", " a dog"])
            found.append((made, [one.logprobs for one in scored]))
            stats = together.stats()
        finally:
            await together.close()
    (tokens_of_all, scores_of_all), (own, scores) = found
    assert own == tokens_of_all
    for some, others in zip(scores, scores_of_all, strict=True):
        assert some == pytest.approx(others, abs=0.02)
    first, second = stats.models[:2]
    assert 0 < second.rows < first.rows + (0 if kind != "little room" else second.rows)


async def grown(together: LlamaEngine) -> tuple[int, int]:
    """Rows of both models so far."""
    first, second = together.stats().models
    return first.rows, second.rows


@pytest.mark.model
async def test_a_large_model_reads_a_shared_prompt_once_and_nothing_while_nobody_asks(paths: list[Path]) -> None:
    request = Request(ASK, tuple(range(10)), max_tokens=12, sampling=Sampling(1.0))
    never, always = engine(paths[:2], 0.0), engine(paths[:2], 1.0)
    try:
        done = [one async for one in never.generate(request)]
        assert await grown(never) == (done[0].prompt_tokens + 10 * 11, 0)
        assert {one.read_by(1) for one in done} == {(0, 0)} and {one.routed_tokens for one in done} == {0}
        done = [one async for one in always.generate(request)]
        first, second = await grown(always)
        assert first == second == done[0].prompt_tokens + 10 * 11
        assert {one.read_by(1) for one in done} == {(done[0].prompt_tokens, 12)}
        assert never.stats().models[1].calls == 0 < always.stats().models[1].calls
    finally:
        await never.close()
        await always.close()


@pytest.mark.model
async def test_what_a_large_model_has_missed_comes_in_one_call(paths: list[Path]) -> None:
    together = engine(paths[:2], 0.25)
    try:
        done = [one async for one in together.generate(Request(ASK, (3,), max_tokens=60, sampling=Sampling(1.0)))]
        routes = done[0].routes
        assert routes is not None and len(routes) == done[0].new_tokens
        work = together.stats().models[1]
        assert work.calls == sum(routes) == done[0].routed_tokens
        last = max(place for place, route in enumerate(routes, 1) if route)
        assert work.rows == done[0].prompt_tokens + last - 1
        assert done[0].read_by(1) == (done[0].prompt_tokens, last)
    finally:
        await together.close()


@pytest.mark.model
async def test_watched_samples_are_routed_as_if_in_one_go(paths: list[Path]) -> None:
    together = engine(paths[:2])
    deepen = Watching("deepen", Deepen("again", 5, 2.0, 2), "inject", most=2)
    try:
        await together.start()
        request = Request(ASK, (1, 2), max_tokens=32, sampling=Sampling(0.0))
        watching = WatchingEngine(together, Watch((deepen,), "again"))
        for one in [one async for one in watching.generate(request)]:
            said = {event.at + place for event in one.watched for place in range(event.tokens)}
            assert one.routes is not None and len(one.routes) == one.new_tokens
            for place, (token, route) in enumerate(zip(one.token_ids, one.routes, strict=True)):
                if place in said:
                    assert route == 0
                    continue
                rows = await together.next_tokens(ASK, one.token_ids[:place])
                sure = max(np.exp(rows[0])) >= FLOOR
                assert route == (0 if sure else 1) and token == int(np.argmax(rows[route]))
        assert together.stats().recomputed == 0
    finally:
        await together.close()


@pytest.mark.model
async def test_samples_that_are_left_and_a_process_that_ends_do_no_harm(paths: list[Path]) -> None:
    together = engine(paths[:2])
    request = Request(ASK, (1, 2, 3), max_tokens=20, sampling=Sampling(1.0))
    try:
        wanted = await tokens(together.generate(request))
        stream = together.generate(replace(request, max_tokens=200))
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await stream.aclose()
        assert await tokens(together.generate(request)) == wanted
        link = together._link
        assert isinstance(link, ProcessLink)
        asked = asyncio.ensure_future(tokens(together.generate(replace(request, max_tokens=150))))
        while not together._busy:
            await asyncio.sleep(0.01)
        os.kill(link.pid, signal.SIGKILL)
        assert {len(one) for one in (await asked).values()} == {150}
        assert await tokens(together.generate(request)) == wanted
    finally:
        await together.close()


@pytest.mark.model
async def test_a_sample_that_is_gone_on_from_knows_what_was_routed_before(paths: list[Path]) -> None:
    together = engine(paths[:2])
    request = Request(ASK, (4,), max_tokens=30, sampling=Sampling(1.0))
    try:
        (whole,) = [one async for one in together.generate(request)]
        for routes in (whole.routes, None):
            begun = Given(whole.token_ids[:11], whole.logprobs[:11], routes=None if routes is None else routes[:11])
            (again,) = [one async for one in together.generate(replace(request, given=(begun,)))]
            assert again.token_ids == whole.token_ids and again.routes is not None and whole.routes is not None
            assert again.routes[11:] == whole.routes[11:]
            assert again.routes[:11] == (whole.routes[:11] if routes is not None else bytes([UNKNOWN_ROUTE] * 11))
        assert again.routed_tokens == sum(whole.routes[11:])
    finally:
        await together.close()


def test_what_a_model_has_read_ends_with_the_last_token_that_it_was_asked_for() -> None:
    one = Completion(0, "", "stop", 10, 6, routes=bytes([0, 2, 1, 0, 0, 0]))
    assert [one.read_by(model) for model in (1, 2)] == [(10, 3), (10, 2)]
    assert replace(one, routes=bytes(6)).read_by(1) == (0, 0)
    assert replace(one, routes=None).read_by(1) == (10, 6)
    unknown = replace(one, routes=bytes([255, 255, 0, 0, 0, 0]))
    assert unknown.read_by(2) == (10, 2) and unknown.routed_tokens == 0
    taken_back = (Watched("deepen", "inject", seen=5, at=2, cause=""),)
    assert replace(one, watched=taken_back).read_by(1) == (10, 3 + 3)
    assert replace(one, routes=bytes(6), watched=taken_back).read_by(1) == (10, 3)
