"""Servers at their worst: keys that no header carries, floods, drops, strange replies, what was paid for in vain."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from openai_servers import Served
from running import answer, pipeline
from ttscale.compiler.ir import Budget
from ttscale.runtime.engines.base import EngineError, Message, Request
from ttscale.runtime.engines.openai import OpenAIEngine
from ttscale.runtime.engines.openai_reading import alternatives, label_value, logprobs_of, retry_after
from ttscale.runtime.engines.openai_stream import Made
from ttscale.testing import collect

ASK = (Message("user", "Say something."),)
SECRET = "sk-very-secret"


# --- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["sk-very\nsecret", "sk-véry-secret", "sk-very-secret\x00"])
async def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    for engine in (
        OpenAIEngine("http://127.0.0.1:9/v1", "m", key=key),
        OpenAIEngine("http://127.0.0.1:9/v1", "m", headers={"X-Key": key}),
    ):
        with pytest.raises(EngineError, match="letters that none can have") as caught:
            await collect(engine, Request(ASK, seeds=(1,)))
        assert "secret" not in f"{caught.value}{caught.value.hint}" and caught.value.__cause__ is None
        await engine.close()


async def test_a_key_may_end_in_a_line_break_and_secret_headers_are_not_shown(server: Served) -> None:
    heard: list[str] = []

    def refuse(handler: Any) -> None:
        heard.append(handler.headers["Authorization"])
        said = f"no {handler.headers['X-Api-Key']} and no {SECRET} for {handler.headers['X-Title']}"
        handler._json(402, {"error": {"message": said}})

    server.faults = [refuse]
    headers = {"X-Api-Key": "another-secret", "X-Title": "programs"}
    engine = OpenAIEngine(server.url, "m", key=f"{SECRET}\n", headers=headers)
    try:
        (found,) = await collect(engine, Request(ASK, seeds=(1,)))
    finally:
        await engine.close()
    assert heard == [f"Bearer {SECRET}"]
    assert found.finish == "failed" and found.error.endswith("answered 402: no [key] and no [key] for programs")


# --- strange replies -------------------------------------------------------------------------------


def packed_wrongly(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", "8")
    handler.end_headers()
    handler.wfile.write(b"not gzip")


@pytest.mark.parametrize(
    "fault",
    [
        packed_wrongly,
        lambda handler: handler._send(200, b"[" * 200_000, "application/json"),
        lambda handler: handler._json(200, {"choices": [{"finish_reason": "stop"}]}),
        lambda handler: handler._json(200, {"choices": ["Hello."]}),
        lambda handler: handler._json(200, {"error": {"message": "no provider"}}),
        lambda handler: handler._send(200, b"data: " + b"[" * 200_000 + b"\n\n", "Text/Event-Stream"),
    ],
)
async def test_replies_that_are_none_are_asked_for_again(
    server: Served, engine: OpenAIEngine, fault: Callable[..., None]
) -> None:
    server.faults = [fault, fault]
    (found,) = await collect(engine, Request(ASK, seeds=(1,)))
    assert (found.finish, len(found.text), len(server.seen)) == ("stop", 9, 3)


async def test_what_a_server_says_in_place_of_an_answer_is_told(server: Served) -> None:
    server.faults = [lambda handler: handler._json(200, {"error": {"message": "no provider has room"}})]
    engine = OpenAIEngine(server.url, "m", retries=0)
    try:
        (found,) = await collect(engine, Request(ASK, seeds=(1,)))
    finally:
        await engine.close()
    assert found.finish == "failed" and "no provider has room" in found.error


def test_probabilities_that_are_none_are_not_believed() -> None:
    def shown(*rows: tuple[str, float]) -> dict[str, float]:
        table = {"content": [{"top_logprobs": [{"token": token, "logprob": value} for token, value in rows]}]}
        return alternatives({"logprobs": table})

    never = shown(("Yes", -0.1), ("No", -9999.0), ("Odd", math.nan), ("Gone", -math.inf))
    assert label_value("No", never) == -9999.0 and label_value("Odd", never) is None
    assert set(never) == {"Yes", "No"}
    both = label_value("Yes", shown(("Yes", math.log(0.5)), (" Yes", math.log(0.25))))
    assert both == pytest.approx(math.log(0.75))
    chosen = {"logprobs": {"content": [{"logprob": 1e-7}, {"logprob": -0.5}]}}
    assert logprobs_of(chosen) == (0.0, -0.5)
    assert logprobs_of({"logprobs": {"content": [{"logprob": math.nan}, {"logprob": -0.5}]}}) == ()


async def test_a_text_that_is_none_fails_alone(server: Served, engine: OpenAIEngine) -> None:
    half = (Message("user", "a pair: \ud83d"),)
    (found,) = await collect(engine, Request(half, seeds=(1,)))
    assert found.finish == "failed" and "half of a character at place 8" in found.error
    assert not server.seen and len(await collect(engine, Request(ASK, seeds=(1,)))) == 1
    for asked in (engine.count_tokens(half), engine.score(half, ["Yes"])):
        with pytest.raises(EngineError, match="half of a character") as caught:
            await asked
        assert not caught.value.fatal


# --- pauses ----------------------------------------------------------------------------------------


def test_dates_are_read() -> None:
    import httpx

    def asked(value: str) -> float | None:
        return retry_after(httpx.Response(429, headers={"Retry-After": value}))

    soon = asked(email.utils.formatdate(time.time() + 100, usegmt=True))
    assert soon is not None and 90 < soon <= 100
    assert asked(email.utils.formatdate(time.time() - 100, usegmt=True)) == 0
    assert asked("-3") == 0 and asked("soon") is None and asked("") is None and asked("7.5") == 7.5


async def test_a_date_that_has_passed_is_no_reason_to_hurry(
    server: Served, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("ttscale.runtime.engines.openai_link.asyncio.sleep", sleep)

    def refuse(value: str) -> Callable[[Any], None]:
        def fault(handler: Any) -> None:
            handler.send_response(429)
            handler.send_header("Retry-After", value)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        return fault

    server.faults = [refuse("0"), refuse(email.utils.formatdate(time.time() - 60, usegmt=True))]
    (found,) = await collect(engine, Request(ASK, seeds=(1,)))
    assert found.finish == "stop"
    assert 0.0075 <= pauses[0] <= 0.0125 and 0.015 <= pauses[1] <= 0.025, "as where it asks for nothing"


async def test_who_waits_for_a_place_waits_as_long_as_the_server_asks(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    over = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await over.wait()

    monkeypatch.setattr("ttscale.runtime.engines.openai_link.asyncio.sleep", sleep)

    def refuse(handler: Any) -> None:
        handler.send_response(429)
        handler.send_header("Retry-After", "300")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.faults = [refuse]
    engine = OpenAIEngine(server.url, "m", concurrency=1, retries=2)
    work = asyncio.create_task(collect(engine, Request(ASK, seeds=(1, 2, 3))))
    while len(pauses) < 2:
        await asyncio.wait([work], timeout=0.01)
    assert len(server.seen) == 1 and 290 < pauses[1] <= 300, "the next in line has the place, and does not use it"
    over.set()
    assert [one.finish for one in await work] == ["stop"] * 3
    await engine.close()


async def test_who_still_waits_when_the_engine_is_closed_is_told(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.set()

    monkeypatch.setattr("ttscale.runtime.engines.openai_link.asyncio.sleep", sleep)
    server.stalls = 1
    engine = OpenAIEngine(server.url, "m", concurrency=1)
    work = asyncio.create_task(collect(engine, Request(ASK, seeds=(1, 2))))
    while server.sent < 1:
        await asyncio.wait([work], timeout=0.01)
    await engine.close()
    assert ["closed" in one.error for one in await work] == [True, True] and slept.is_set()


# --- floods and drops ------------------------------------------------------------------------------


def stream(handler: Any) -> None:
    """Begin an answer in pieces."""
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()


def piece(handler: Any, text: str) -> None:
    handler._event({"choices": [{"index": 0, "delta": {"content": text}}]})


async def test_a_stream_without_end_is_given_up_and_what_came_counts(server: Served) -> None:
    def flood(handler: Any) -> None:
        stream(handler)
        with contextlib.suppress(OSError):
            while not server.over.is_set():
                piece(handler, "la ")

    server.faults = [flood]
    engine = OpenAIEngine(server.url, "m", retries=3, pause=0.01)
    try:
        (found,) = await collect(engine, Request(ASK, seeds=(1,), max_tokens=4))
    finally:
        await engine.close()
    assert found.finish == "failed" and "goes on and on" in found.error
    assert len(server.seen) == 1 and found.lost_tokens == 4 * 16 + 1024 + 1


async def test_a_line_without_end_is_given_up(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttscale.runtime.engines.openai_link.LONGEST_LINE", 100_000)

    def flood(handler: Any) -> None:
        stream(handler)
        with contextlib.suppress(OSError):
            while not server.over.is_set():
                handler.wfile.write(b"data: " + b"x" * 10_000)

    server.faults = [flood]
    engine = OpenAIEngine(server.url, "m", retries=0)
    try:
        (found,) = await collect(engine, Request(ASK, seeds=(1,)))
    finally:
        await engine.close()
    assert found.finish == "failed" and "a line of the server's answer has no end" in found.error


@pytest.mark.parametrize(("begun", "words"), [(False, "no token for 0.4 s"), (True, "no token for 0.4 s")])
async def test_events_that_say_nothing_only_keep_the_connection(server: Served, begun: bool, words: str) -> None:
    def ping(handler: Any) -> None:
        stream(handler)
        with contextlib.suppress(OSError):
            if begun:
                piece(handler, "well")
            while not server.over.wait(0.02):
                handler._event({"type": "ping"})

    server.faults = [ping]
    engine = OpenAIEngine(server.url, "m", retries=0, timeout=0.4)
    try:
        (found,) = await collect(engine, Request(ASK, seeds=(1,)))
    finally:
        await engine.close()
    assert found.finish == "failed" and words in found.error and found.lost_tokens == begun


@pytest.mark.parametrize("streams", [True, False])
async def test_a_whole_answer_that_drips_is_given_up_without_a_limit_of_the_request(
    server: Served, streams: bool
) -> None:
    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not server.over.wait(0.02):
                handler.wfile.write(b" ")

    server.faults = [drip]
    engine = OpenAIEngine(server.url, "m", retries=0, timeout=0.4, streams=streams)
    try:
        (found,) = await collect(engine, Request(ASK, seeds=(1,)))
    finally:
        await engine.close()
    assert found.finish == "failed" and "no whole answer in 0.4 s" in found.error


# --- what was paid for nothing ---------------------------------------------------------------------


def test_pieces_of_tries_that_broke_off_are_remembered() -> None:
    made = Made()
    made.clear()
    assert (made.lost, made.broken) == (0, 0)
    for _ in range(2):
        for text in ("a", "b"):
            made.add(json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}))
        made.clear()
    made.add('{"choices": [{"index": 0, "delta": {"content": "whole"}}]}')
    assert (made.lost, made.broken, made.tokens, made.events, made.heard) == (4, 2, 1, 1, 1)


@pytest.mark.parametrize("fault", ["breaks", "fails"])
async def test_tokens_of_a_try_that_broke_off_count(server: Served, engine: OpenAIEngine, fault: str) -> None:
    setattr(server, fault, 2)
    (found,) = await collect(engine, Request(ASK, seeds=(1,)))
    assert (found.finish, found.new_tokens, found.lost_tokens, found.made_tokens) == ("stop", 3, 2, 5)
    assert (found.prompt_tokens, found.lost_prompt, found.read_tokens) == (8, 8, 16)
    (next_one,) = await collect(engine, Request(ASK, seeds=(1,)))
    assert replace(next_one, seconds=0.0) == replace(found, seconds=0.0, lost_tokens=0, lost_prompt=0)


async def test_of_several_samples_the_first_has_what_was_lost(server: Served) -> None:
    server.breaks = 4
    engine = OpenAIEngine(server.url, "m", many=3, pause=0.01)
    try:
        found = await collect(engine, Request(ASK, seeds=(1, 2, 3)))
    finally:
        await engine.close()
    assert [(one.lost_tokens, one.lost_prompt) for one in found] == [(4, 8), (0, 0), (0, 0)]


async def test_what_fails_for_good_has_cost_what_came(server: Served) -> None:
    engine = OpenAIEngine(server.url, "m", retries=1, pause=0.01)

    def breaks_off(handler: Any) -> None:
        stream(handler)
        piece(handler, "well")

    try:
        await collect(engine, Request(ASK, seeds=(9,)))
        server.faults = [breaks_off, breaks_off]
        (found,) = await collect(engine, Request(ASK, seeds=(1,)))
        assert (found.finish, found.new_tokens, found.made_tokens) == ("failed", 0, 2)
        assert found.read_tokens == 16, "the prompt's length is known from the answer before"
        server.faults, server.stalls = [breaks_off], 1
        (cut,) = await collect(engine, Request(ASK, seeds=(1,), timeout_seconds=1.0))
        assert (cut.finish, cut.made_tokens - cut.new_tokens) == ("cancelled", 1)
    finally:
        await engine.close()


async def test_a_budget_counts_what_was_lost(server: Served) -> None:
    text = pipeline(
        "  return generate(say(question), from: far, n: 3, max_tokens: 20) |> select(by: first)",
        models=f'model far = openai("{server.url}", name: "m", slots: 1, price: {{input: 1usd, output: 2usd}})',
        returns="Text",
    )
    plain = await answer(text, question="one")
    assert plain.cost.new_tokens == 9
    server.sent = 0
    server.breaks = 2
    found = await answer(text, question="one")
    assert found.cost.new_tokens == plain.cost.new_tokens + 2
    assert found.cost.prompt_tokens == plain.cost.prompt_tokens + plain.cost.prompt_tokens // 3
    assert found.cost.usd > plain.cost.usd
    room = Budget(tokens=2 * (8 + 3) + 11 + 1)  # the third, whose prompt may have 11, has room for one new token
    assert (await answer(text, question="one", budget=room)).cost.calls == 3
    server.sent, server.breaks = 0, 2
    assert (await answer(text, question="one", budget=room)).cost.calls == 2
