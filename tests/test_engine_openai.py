"""The OpenAI-compatible engine against a local server that misbehaves on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ttscale.runtime.engines.base import Constraint, ContextExceeded, EngineError, Message, Request, Sampling
from ttscale.runtime.engines.openai import OpenAIEngine
from ttscale.testing import EngineContract, collect

KEY = "sk-very-secret"
ASK = (Message("user", "Say something."),)
SENTENCE = "The sea is wide and blue and never still at all ."


class Server(ThreadingHTTPServer):
    """Answers chats; `faults` are taken one a request before it behaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults: list[Callable[[Handler], None]] = []
        self.seen: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.refuses: set[str] = set()
        self.shows: dict[str, float] = {"Yes": -0.2, " yes": -3.0, "No": -2.0, "Maybe": -6.0}
        self.lock = threading.Lock()
        self.running = self.most = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def answer(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.seen.append(body)
            server.keys.append(self.headers.get("Authorization", ""))
            server.running += 1
            server.most = max(server.most, server.running)
            fault = server.faults.pop(0) if server.faults else None
        try:
            refused = sorted(server.refuses & body.keys())
            if fault is not None:
                fault(self)
            elif refused:
                self.answer(400, {"error": {"message": f"Unrecognized request argument supplied: {refused[0]}"}})
            else:
                self.answer(200, self.chat(body))
        finally:
            with server.lock:
                server.running -= 1

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        words = SENTENCE.split()[: body["max_tokens"]]
        text = " ".join(words)
        cut = min((text.find(stop) for stop in body.get("stop", []) if stop in text), default=None)
        text = text[:cut]
        content: list[dict[str, Any]] = [{"token": word, "logprob": -0.5} for word in words]
        if "top_logprobs" in body:
            content = [{"top_logprobs": [{"token": t, "logprob": p} for t, p in self.server.shows.items()]}]
        choice: dict[str, Any] = {
            "message": {"role": "assistant", "content": text},
            "finish_reason": "length" if len(words) == body["max_tokens"] and cut is None else "stop",
        }
        if body.get("logprobs"):
            choice["logprobs"] = {"content": content}
        return {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": len(words)}}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
async def engine(server: Server) -> AsyncIterator[OpenAIEngine]:
    engine = OpenAIEngine(server.url, "m", key=KEY, retries=3, pause=0.01, timeout=5)
    yield engine
    await engine.close()


class TestContract(EngineContract):
    @pytest.fixture
    async def engine(self, server: Server) -> AsyncIterator[OpenAIEngine]:
        engine = OpenAIEngine(server.url, "m", timeout=5)
        await engine.start()
        yield engine
        await engine.close()


def broken_off(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choi')


def nothing(handler: Handler) -> None:
    handler.close_connection = True


@pytest.mark.parametrize(
    "fault",
    [
        lambda handler: handler.answer(500, {"error": {"message": "boom"}}),
        lambda handler: handler.answer(429, {"error": "slow down"}, {"Retry-After": "0"}),
        lambda handler: handler.answer(503, b"busy"),
        lambda handler: handler.answer(200, b"<html>not json"),
        lambda handler: handler.answer(200, {"choices": []}),
        lambda handler: handler.answer(200, b""),
        broken_off,
        nothing,
    ],
)
async def test_what_may_pass_is_tried_again(server: Server, engine: OpenAIEngine, fault: Callable[..., None]) -> None:
    server.faults = [fault, fault]
    (found,) = await collect(engine, Request(ASK, seeds=(1,), max_tokens=3))
    assert found.text == "The sea is"
    assert len(server.seen) == 3


async def test_retry_after_is_honoured(server: Server, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("ttscale.runtime.engines.openai.asyncio.sleep", sleep)
    server.faults = [
        lambda handler: handler.answer(429, {}, {"Retry-After": "7"}),
        lambda handler: handler.answer(500, {}),
        lambda handler: handler.answer(500, {}),
    ]
    await collect(engine, Request(ASK, seeds=(1,), max_tokens=3))
    assert pauses[0] == 7
    assert 0.0075 <= pauses[1] * 0.5 <= 0.0125 and pauses[2] > pauses[1]


async def test_calls_that_begin_while_the_server_wants_none_wait_too(
    server: Server, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    over = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await over.wait()

    monkeypatch.setattr("ttscale.runtime.engines.openai.asyncio.sleep", sleep)
    server.faults = [lambda handler: handler.answer(429, {}, {"Retry-After": "900"})]
    first = asyncio.create_task(collect(engine, Request(ASK, seeds=(1,), max_tokens=3)))
    while not pauses:
        await asyncio.wait([first], timeout=0.01)
    second = asyncio.create_task(collect(engine, Request(ASK, seeds=(2,), max_tokens=3)))
    while len(pauses) < 2:
        await asyncio.wait([second], timeout=0.01)
    assert len(server.seen) == 1 and pauses[0] == 600 and 590 < pauses[1] <= 600
    over.set()
    assert [one.finish for one in (*await first, *await second)] == ["length", "length"]
    await collect(engine, Request(ASK, seeds=(3,), max_tokens=3))
    assert len(pauses) == 2, "once it is over, nobody waits"


async def test_a_sample_that_fails_for_good_is_a_failed_completion(server: Server, engine: OpenAIEngine) -> None:
    server.faults = [lambda handler: handler.answer(500, {"error": {"message": f"no {KEY} here"}})] * 4
    (found,) = await collect(engine, Request(ASK, seeds=(1,)))
    assert (found.finish, found.text) == ("failed", "")
    assert "500" in found.error and KEY not in found.error and "[key]" in found.error


async def test_a_wrong_key_ends_the_run_and_is_not_shown(server: Server, engine: OpenAIEngine) -> None:
    server.faults = [lambda handler: handler.answer(401, {"error": {"message": f"Incorrect API key: {KEY}"}})]
    with pytest.raises(EngineError, match="401") as caught:
        await collect(engine, Request(ASK, seeds=(1,)))
    assert caught.value.fatal and KEY not in str(caught.value) and KEY not in engine.digest
    assert server.keys == [f"Bearer {KEY}"]


async def test_nobody_there() -> None:
    engine = OpenAIEngine("http://127.0.0.1:9/v1", "m", retries=0, timeout=2)
    with pytest.raises(EngineError, match="no answer from") as caught:
        await collect(engine, Request(ASK, seeds=(1,)))
    assert caught.value.hint
    await engine.close()
    with pytest.raises(EngineError, match="not an http address"):
        await OpenAIEngine("localhost", "m").start()


async def test_a_prompt_too_long_for_the_server(server: Server, engine: OpenAIEngine) -> None:
    message = "This model's maximum context length is 100 tokens"
    server.faults = [lambda handler: handler.answer(400, {"error": {"message": message}})]
    with pytest.raises(ContextExceeded, match="maximum context length is 100"):
        await collect(engine, Request(ASK, seeds=(1,)))


async def test_a_field_that_the_server_refuses_is_left_out(server: Server, engine: OpenAIEngine) -> None:
    server.refuses = {"logprobs", "seed"}
    found = await collect(engine, Request(ASK, seeds=(1, 2), max_tokens=3))
    assert [completion.logprobs for completion in found] == [(), ()]
    assert engine.capabilities.logprobs is False
    assert not {"logprobs", "seed"} & server.seen[-1].keys()


async def test_what_is_sent(server: Server, engine: OpenAIEngine) -> None:
    sampling = Sampling(temperature=0.7, top_p=0.9, top_k=40, min_p=0.05)
    request = Request((*ASK, Message("assistant", "The")), seeds=(4,), sampling=sampling, stop=("\n",), limits=(5,))
    (found,) = await collect(engine, request)
    sent = server.seen[0]
    assert sent["messages"][-1] == {"role": "assistant", "content": "The"}
    assert (sent["seed"], sent["max_tokens"], sent["top_k"], sent["stop"]) == (4, 5, 40, ["\n"])
    assert found.text == " sea is wide and"  # the server repeated the prefill
    assert (found.prompt_tokens, found.new_tokens, found.finish) == (9, 5, "length")
    assert engine.capabilities.logprobs is True


async def test_settings_that_not_all_servers_know_are_sent_where_they_are_set(
    server: Server, engine: OpenAIEngine
) -> None:
    names = ("typical_p", "frequency_penalty", "presence_penalty", "repeat_last_n")
    await collect(engine, Request(ASK, seeds=(1,), max_tokens=2, sampling=Sampling(penalty_window=9)))
    assert not set(names) & server.seen[-1].keys()
    sampling = Sampling(typical_p=0.9, frequency_penalty=0.5, presence_penalty=-0.25, penalty_window=128)
    await collect(engine, Request(ASK, seeds=(1,), max_tokens=2, sampling=sampling))
    assert [server.seen[-1][name] for name in names] == [0.9, 0.5, -0.25, 128]
    refusal = {"error": {"message": "Unrecognized request argument supplied: typical_p"}}
    server.faults = [lambda handler: handler.answer(400, refusal)]
    (failed,) = await collect(engine, Request(ASK, seeds=(1,), max_tokens=2, sampling=sampling))
    assert failed.finish == "failed" and "typical_p" in failed.error
    assert server.seen[-1]["typical_p"] == 0.9, "what it refuses is not left out in silence"


async def test_a_limit_on_thoughts_asks_for_them_and_for_room(server: Server, engine: OpenAIEngine) -> None:
    for thinking in ("auto", "off", "on", "up to 40"):
        await collect(engine, Request(ASK, seeds=(4,), max_tokens=5, thinking=thinking))
    assert [sent["max_tokens"] for sent in server.seen] == [5, 5, 5, 45]
    switches = [sent.get("chat_template_kwargs", {}).get("enable_thinking") for sent in server.seen]
    assert switches == [None, False, True, True]


async def test_calls_at_once_are_bounded(server: Server) -> None:
    engine = OpenAIEngine(server.url, "m", concurrency=2)
    await collect(engine, Request(ASK, seeds=tuple(range(12)), max_tokens=2))
    assert len(server.seen) == 12 and server.most <= 2
    await engine.close()


async def test_scores_come_from_the_alternatives(server: Server, engine: OpenAIEngine) -> None:
    yes, no, never = await engine.score(ASK, ["Yes", "No", "Never"])
    assert (yes.logprobs, no.logprobs) == ((pytest.approx(-0.2),), (pytest.approx(-2.0),))
    assert never.logprobs == (pytest.approx(-6.0),)
    assert engine.capabilities.scoring is True


async def test_a_server_that_cannot_score(server: Server, engine: OpenAIEngine) -> None:
    server.shows = {}
    with pytest.raises(EngineError, match="cannot score") as caught:
        await engine.score(ASK, ["Yes", "No"])
    assert not caught.value.fatal
    assert engine.capabilities.scoring is False


async def test_a_pattern_shortens_what_the_server_wrote(server: Server, engine: OpenAIEngine) -> None:
    (whole,) = await collect(engine, Request(ASK, (1,), max_tokens=8))
    (short,) = await collect(engine, Request(ASK, (1,), max_tokens=8, stop_patterns=(r"(?<=\w)\s",)))
    assert short.text == whole.text.split()[0] and short.finish == "stop"


async def test_a_time_limit(server: Server, engine: OpenAIEngine) -> None:
    wait = threading.Event()
    server.faults = [lambda handler: (wait.wait(3), None)[1]]
    (found,) = await collect(engine, Request(ASK, seeds=(1,), timeout_seconds=0.1))
    wait.set()
    assert found.finish == "cancelled" and "time limit" in found.error


async def test_a_constraint_goes_out_as_a_schema_or_as_a_grammar(server: Server) -> None:
    engine = OpenAIEngine(server.url, "m", grammar=True)
    shape = '{"type": "object"}'
    try:
        for constraint in (None, Constraint("root ::= value", shape), Constraint('root ::= "yes"')):
            request = Request(ASK, (1,), max_tokens=4, constraint=constraint)
            assert [one.finish async for one in engine.generate(request)] == ["length"]
        assert engine.capabilities.grammar is True and OpenAIEngine(server.url, "m").capabilities.grammar is None
    finally:
        await engine.close()
    plain, schema, grammar = server.seen
    assert "response_format" not in plain and "grammar" not in plain
    assert schema["response_format"]["json_schema"]["schema"] == {"type": "object"} and "grammar" not in schema
    assert grammar["grammar"] == 'root ::= "yes"' and "response_format" not in grammar


async def test_a_server_that_has_too_much_to_do_gets_fewer_calls_at_once(server: Server) -> None:
    together = threading.Barrier(4)

    def refuse(handler: Handler) -> None:
        together.wait(60)
        handler.answer(429, {"error": "slow down"}, {"Retry-After": "0"})

    server.faults = [refuse] * 4
    engine = OpenAIEngine(server.url, "m", concurrency=4, retries=5, pause=0.01)
    try:
        found = await collect(engine, Request(ASK, seeds=tuple(range(4)), max_tokens=2))
        assert [one.finish for one in found] == ["length"] * 4
        assert engine.at_once == 3  # halved once, not four times, and raised by the first two answers of the four
        for start in range(10, 40, 4):
            await collect(engine, Request(ASK, seeds=tuple(range(start, start + 4)), max_tokens=2))
        assert engine.at_once == 4
    finally:
        await engine.close()


async def test_an_answer_that_drips_is_given_up_at_the_limit(server: Server, engine: OpenAIEngine) -> None:
    over = threading.Event()

    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not over.wait(0.02):
                handler.wfile.write(b" ")

    server.faults = [drip]
    (found,) = await collect(engine, Request(ASK, seeds=(1,), timeout_seconds=0.3))
    over.set()
    assert found.finish == "cancelled" and "time limit" in found.error
