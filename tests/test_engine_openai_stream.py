"""Servers that send answers in pieces, and several samples for one call."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from openai_servers import Served
from ttscale.compiler.ir import Model
from ttscale.runtime.engines.base import Completion, EngineError, Message, Request, Sampling
from ttscale.runtime.engines.openai import OpenAIEngine
from ttscale.runtime.engines.openai_gate import Gate
from ttscale.runtime.engines.openai_link import Refused
from ttscale.runtime.engines.openai_reading import Malformed
from ttscale.runtime.engines.openai_sample import sample, shared
from ttscale.runtime.engines.openai_stream import Interrupted, Made
from ttscale.runtime.models import open_engine, samples_a_call
from ttscale.runtime.probes import VARIABLE, Probed, keep
from ttscale.testing import collect

ASK = (Message("user", "Say something."),)


# --- pieces --------------------------------------------------------------------------------------


def test_pieces_are_put_together_and_counted() -> None:
    made = Made()
    lines = (
        '{"choices": [{"index": 1, "delta": {"role": "assistant", "content": ""}}]}',
        '{"choices": [{"index": 0, "delta": {"reasoning_content": "Hm."}}, {"index": 1, "delta": {"content": "B"}}]}',
        '{"choices": [{"index": 0, "delta": {"content": "A"}, "logprobs": {"content": [{"logprob": -1.0}]}}]}',
        '{"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "length"}]}',
        '{"choices": [], "usage": {"prompt_tokens": 7}}',
    )
    assert all(made.add(line) for line in lines) and not made.add("[DONE]")
    first, second = made.answer()["choices"]
    assert first["message"] == {"role": "assistant", "content": "Aa", "reasoning_content": "Hm."}
    assert (first["finish_reason"], first["tokens"], first["logprobs"]) == (
        "length",
        1,
        {"content": [{"logprob": -1.0}]},
    )
    assert (second["message"]["content"], second["finish_reason"], second["tokens"]) == ("B", None, 1)
    assert made.answer()["usage"] == {"prompt_tokens": 7}


@pytest.mark.parametrize("line", ["", "{", "[]", '{"choices": [{"delta": {"content": 3}}]}'])
def test_pieces_that_cannot_be_read(line: str) -> None:
    with pytest.raises(Malformed):
        Made().add(line)


def test_an_error_among_the_pieces_and_an_answer_of_none() -> None:
    with pytest.raises(Interrupted, match="out of memory"):
        Made().add('{"error": {"message": "out of memory"}}')
    with pytest.raises(Malformed, match="no choices"):
        Made().answer()


async def test_an_answer_in_pieces_is_the_whole_answer(server: Served, engine: OpenAIEngine) -> None:
    whole_answers = OpenAIEngine(server.url, "m", streams=False)
    request = Request(ASK, seeds=(1, 2, 3))
    try:
        plain = await collect(whole_answers, request)
    finally:
        await whole_answers.close()
    pieces = await collect(engine, request)
    assert [replace(one, seconds=0.0) for one in pieces] == [replace(one, seconds=0.0) for one in plain]
    assert server.seen[0].keys().isdisjoint({"stream", "stream_options"})
    assert server.seen[-1]["stream"] is True and server.seen[-1]["stream_options"] == {"include_usage": True}


async def test_separators_of_lines_in_a_text_end_no_piece() -> None:
    import httpx
    from ttscale.runtime.engines.openai_link import _lines

    async def parts() -> AsyncIterator[bytes]:
        yield 'data: {"a": "one\u2028'.encode()
        yield b'two\x0bthree"}\r\n\nda'
        yield b"ta: [DONE]"

    found = [line async for line in _lines(httpx.Response(200, content=parts()))]
    assert found == ['data: {"a": "one\u2028two\x0bthree"}', "", "data: [DONE]"]


async def test_a_server_that_refuses_to_stream_or_to_count_is_asked_otherwise(
    server: Served, engine: OpenAIEngine
) -> None:
    server.refuses = {"stream_options"}
    server.heeds -= {"stream_options"}
    first, second = await collect(engine, Request(ASK, seeds=(1,))), await collect(engine, Request(ASK, seeds=(2,)))
    assert first[0].prompt_tokens == 0 and second[0].prompt_tokens == 8  # without counts it is asked for whole answers
    assert "stream" not in server.seen[-1]
    server.refuses = {"stream"}
    other = OpenAIEngine(server.url, "m")
    try:
        (found,) = await collect(other, Request(ASK, seeds=(1,)))
    finally:
        await other.close()
    assert found.prompt_tokens == 8 and len(found.text) == 9


@pytest.mark.parametrize("fault", ["breaks", "fails"])
async def test_an_answer_that_ends_in_the_middle_is_asked_for_again(
    server: Served, engine: OpenAIEngine, fault: str
) -> None:
    (whole,) = await collect(engine, Request(ASK, seeds=(1,)))
    setattr(server, fault, server.sent + 2)
    (found,) = await collect(engine, Request(ASK, seeds=(1,)))
    assert (found.text, found.finish, len(server.seen)) == (whole.text, "stop", 3)


async def test_a_stream_that_stands_still_is_given_up_whatever_keeps_it_open(server: Served) -> None:
    engine = OpenAIEngine(server.url, "m", retries=0, timeout=0.3)
    server.stalls = 2
    try:
        (found,) = await collect(engine, Request(ASK, seeds=(1,)))
    finally:
        await engine.close()
    assert found.finish == "failed" and "no token for 0.3 s" in found.error
    assert await asyncio.to_thread(server.left.wait, 20)  # the connection was closed, not kept


async def test_a_time_limit_leaves_what_has_come(server: Served, engine: OpenAIEngine) -> None:
    (whole,) = await collect(engine, Request(ASK, seeds=(1,)))
    server.stalls = server.sent + 2
    (found,) = await collect(engine, Request(ASK, seeds=(1,), timeout_seconds=2.0))
    assert (found.finish, found.text, found.new_tokens) == ("cancelled", whole.text[:6], 2)
    assert found.prompt_tokens == whole.prompt_tokens and "time limit" in found.error
    assert await asyncio.to_thread(server.left.wait, 20)


async def test_who_stops_listening_ends_the_work(server: Served, engine: OpenAIEngine) -> None:
    server.stalls = 1
    task = asyncio.create_task(collect(engine, Request(ASK, seeds=(1,))))
    while server.sent < 1:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await asyncio.to_thread(server.left.wait, 20)


async def test_a_pattern_ends_the_work_at_the_server(server: Served, engine: OpenAIEngine) -> None:
    (whole,) = await collect(engine, Request(ASK, seeds=(1,)))
    server.stalls = server.sent + 2  # what comes after the pattern would never come
    (found,) = await collect(engine, Request(ASK, seeds=(1,), stop_patterns=(whole.text[4:6],)))
    assert (found.text, found.finish, found.new_tokens) == (whole.text[:4], "stop", 2)
    assert found.prompt_tokens == whole.prompt_tokens  # told by the answer before


# --- several samples for one call ----------------------------------------------------------------


async def test_samples_of_a_prompt_are_one_call_up_to_a_bound(server: Served) -> None:
    engine = OpenAIEngine(server.url, "m", many=4, concurrency=8)
    seeds = tuple(range(11, 21))
    try:
        found = await collect(engine, Request(ASK, seeds=seeds))
    finally:
        await engine.close()
    assert sorted((sent.get("n", 1), sent["seed"]) for sent in server.seen) == [(2, 19), (4, 11), (4, 15)]
    assert [one.index for one in found] == list(range(10)) and len({one.text for one in found}) == 10
    assert [one.computed_tokens for one in found] == [8, 0, 0, 0, 8, 0, 0, 0, 8, 0]
    assert {one.prompt_tokens for one in found} == {8} and {one.new_tokens for one in found} == {3}
    assert engine.stats().prompt_asked == 80 and engine.stats().prompt_computed == 24


async def test_the_first_of_a_call_is_the_sample_that_its_seed_makes_alone(server: Served) -> None:
    engine = OpenAIEngine(server.url, "m", many=4)
    try:
        first = await collect(engine, Request(ASK, seeds=(5, 6)))
        alone = await collect(engine, Request(ASK, seeds=(5,)))
        later = await collect(engine, Request(ASK, seeds=(7, 8)))
    finally:
        await engine.close()
    assert first[0].text == alone[0].text
    assert len({one.text for one in (*first, *later)}) == 4  # a call goes on from no seed of another


async def test_a_server_that_gives_fewer_than_asked_is_asked_one_by_one(server: Served) -> None:
    server.most = 3
    engine = OpenAIEngine(server.url, "m", many=8)
    try:
        found = await collect(engine, Request(ASK, seeds=(1, 2, 3, 4, 5)))
        assert engine.many == 1
    finally:
        await engine.close()
    assert [one.index for one in found] == [0, 1, 2, 3, 4] and all(len(one.text) == 9 for one in found)
    assert sorted(sent.get("n", 1) for sent in server.seen) == [1, 1, 5]


async def test_a_server_that_refuses_so_many_gets_half_as_many(server: Served) -> None:
    server.most, server.counts = 2, True
    engine = OpenAIEngine(server.url, "m", many=8)
    try:
        found = await collect(engine, Request(ASK, seeds=tuple(range(8))))
        assert engine.many == 2 and [one.finish for one in found] == ["stop"] * 8
        server.counts, server.status, server.says = False, 400, "no such parameter"
        failed = await collect(engine, Request(ASK, seeds=(1, 2)))
    finally:
        await engine.close()
    assert sorted((sent["n"] for sent in server.seen[:7]), reverse=True) == [8, 4, 4, 2, 2, 2, 2]  # side by side
    assert [one.finish for one in failed] == ["failed", "failed"] and "no such parameter" in failed[0].error


async def test_samples_with_other_limits_are_other_calls(server: Served) -> None:
    engine = OpenAIEngine(server.url, "m", many=4)
    try:
        await collect(engine, Request(ASK, seeds=(1, 2, 3), limits=(9, 5, 9)))
    finally:
        await engine.close()
    assert sorted((sent["max_tokens"], sent.get("n", 1)) for sent in server.seen) == [(5, 1), (9, 2)]


async def test_what_ends_one_of_the_smaller_calls_for_good_ends_the_others(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, ended = OpenAIEngine(server.url, "m", many=2), asyncio.Event()

    async def samples(request: Request, places: list[int], *_: object) -> list[Completion]:
        if len(places) > 1:
            raise Refused("one at a time", fatal=False)
        if places == [1]:
            raise EngineError("the key is wrong")
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return []

    monkeypatch.setattr(engine, "_samples", samples)
    with pytest.raises(EngineError, match="the key is wrong"):
        await collect(engine, Request(ASK, seeds=(1, 2)))
    async with asyncio.timeout(20):
        await ended.wait()
    await engine.close()


def test_what_was_cut_at_its_length_has_that_many_tokens() -> None:
    choice = {"message": {"content": "ab"}, "finish_reason": "length", "tokens": 2}
    assert sample(choice, 0, Request(ASK, (1,)), 8, {}, 12).new_tokens == 12
    assert sample({**choice, "finish_reason": "stop"}, 0, Request(ASK, (1,)), 8, {}, 12).new_tokens == 2
    assert sample(choice, 0, Request(ASK, (1,)), 8, {"completion_tokens": 11}, 12).new_tokens == 11


def test_new_tokens_of_a_call_are_divided_where_nobody_tells_them_apart() -> None:
    found = [Completion(0, "a" * 59, "stop", 8, 1), Completion(1, "a" * 19, "stop", 8, 1, thoughts="a" * 20)]
    first, second = shared(found, 20)
    assert (first.new_tokens, second.new_tokens) == (12, 8)
    told = replace(found[0], logprobs=(-1.0,) * 15, new_tokens=15)  # one of them is told
    assert [one.new_tokens for one in shared([told, found[1]], 20)] == [15, 5]
    assert shared(found, None) == found and shared(found, 1) == found


def test_what_was_cut_at_its_length_keeps_its_tokens_beside_others() -> None:
    found = [Completion(0, "a", "stop", 8, 1), Completion(1, "a" * 19, "length", 8, 12)]
    assert [one.new_tokens for one in shared(found, 15)] == [3, 12], "the bank finds only a cut sample of full length"
    assert shared([found[1]], 15) == [found[1]]


async def test_a_call_for_several_holds_as_many_places() -> None:
    gate = Gate(4)
    order: list[str] = []

    async def use(name: str, count: int) -> None:
        async with gate.places(count):
            order.append(name)
            assert gate.running <= 4
            await asyncio.sleep(0)

    async with gate.places(3):
        tasks = [asyncio.create_task(use(name, count)) for name, count in (("two", 2), ("one", 1), ("nine", 9))]
        await asyncio.sleep(0.01)
        assert order == []  # one would fit, and waits behind two
    with pytest.raises(AssertionError):
        await asyncio.gather(*tasks)  # nine goes alone, above the limit
    assert order == ["two", "one", "nine"] and gate.running == 0


def test_what_a_probe_found_or_a_declaration_says_decides(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "probes.json"))
    far = Model("far", "openai", server.url, (("name", "m"),))
    told = replace(far, options=(*far.options, ("samples_a_call", 3)))
    assert (samples_a_call(far, Probed()), samples_a_call(far, Probed(many=True))) == (1, 8)
    assert samples_a_call(told, Probed(many=False)) == 3
    keep(server.url, "m", Probed(many=True, streams=False))
    engine = open_engine(far, tmp_path)
    assert isinstance(engine, OpenAIEngine) and engine.many == 8
    asyncio.run(collect(engine, Request(ASK, seeds=(1, 2), sampling=Sampling(temperature=1.0))))
    assert server.seen[0]["n"] == 2 and "stream" not in server.seen[0]


@pytest.mark.model
async def test_the_real_llama_server_streams_and_is_left(tmp_path: Path) -> None:
    binary = os.environ.get("LLAMA_SERVER") or shutil.which("llama-server")
    if binary is None:
        pytest.skip("no llama-server: install one, or name it in LLAMA_SERVER")
    from openai_servers import llama_server
    from tiny_models import plain_model

    with llama_server(binary, plain_model(tmp_path / "tiny.gguf"), context=2048) as url:
        whole_answers, pieces = OpenAIEngine(url, "tiny", streams=False), OpenAIEngine(url, "tiny")
        try:
            request = Request(ASK, seeds=(1,), max_tokens=12, sampling=Sampling(temperature=0.0))
            (plain,), (found,) = await collect(whole_answers, request), await collect(pieces, request)
            assert (found.text, found.new_tokens, found.prompt_tokens) == (
                plain.text,
                plain.new_tokens,
                plain.prompt_tokens,
            )
            assert found.logprobs == pytest.approx(plain.logprobs, abs=1e-3)
            (cut,) = await collect(pieces, replace(request, max_tokens=1500, timeout_seconds=0.2))
            assert cut.finish in ("cancelled", "length") and cut.new_tokens < 1500
        finally:
            await whole_answers.close()
            await pieces.close()
