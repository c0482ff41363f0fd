"""Servers that speak the OpenAI interface: one of seeded dice that heeds what it is told to heed, and the real one."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

ALL = frozenset({"logprobs", "echo", "seed", "n", "response_format", "grammar", "prefill", "stream", "stream_options"})
START_SECONDS = 120


class Served(ThreadingHTTPServer):
    """A server with a context of `context` tokens, one for each word and six beside.

    It acts on the fields in `heeds`, takes and ignores the others, and refuses those in `refuses`. With `cuts` it
    answers prompts of any length as if they ended at its context. `status` other than 200 is all that it says then.
    Of `n` samples it gives `most` at most, and refuses more where it `counts`. What it streams stops for ever after
    `stalls` pieces, breaks off after `breaks` of them (once), or says that it cannot go on after `fails` (once); `left`
    is set when its caller has gone. `seen` are the calls, `sent` counts pieces. `faults` are taken one a call before it
    behaves.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heeds: set[str] = set(ALL)
        self.refuses: set[str] = set()
        self.context = 4096
        self.cuts = False
        self.status = 200
        self.says = ""
        self.most = 8
        self.counts = False
        self.stalls = self.breaks = self.fails = 0
        self.left = threading.Event()
        self.over = threading.Event()
        self.seen: list[dict[str, Any]] = []
        self.faults: list[Callable[[Any], None]] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Served

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._json(200, {"data": [{"id": "m", "max_model_len": self.server.context}]})
        else:
            self._json(404, {"error": {"message": "not found"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        refused = sorted(server.refuses & body.keys())
        server.seen.append(body)
        if server.faults:
            server.faults.pop(0)(self)
        elif server.counts and body.get("n", 1) > server.most:
            self._json(400, {"error": {"message": f"n must be at most {server.most}"}})
        elif server.status != 200:
            self._json(server.status, {"error": {"message": server.says}})
        elif refused:
            self._json(400, {"error": {"message": f"unknown field {refused[0]}"}})
        elif self.path.endswith("/chat/completions"):
            self._chat(body)
        else:
            self._completion(body)

    def _heeds(self, field: str, body: dict[str, Any]) -> bool:
        return field in self.server.heeds and field in body

    def _chat(self, body: dict[str, Any]) -> None:
        server = self.server
        prompt = 6 + sum(len(message["content"].split()) for message in body["messages"])
        if prompt > server.context and not server.cuts:
            self._json(400, {"error": {"message": "the request exceeds the available context size"}})
            return
        dice = random.Random(body["seed"] if self._heeds("seed", body) else None)
        count = min(server.most, body["n"]) if self._heeds("n", body) else 1
        choices = [{"index": index, **self._choice(body, dice)} for index in range(count)]
        usage = {"prompt_tokens": min(prompt, server.context), "completion_tokens": 3 * count}
        if self._heeds("stream", body):
            self._stream(choices, usage if self._heeds("stream_options", body) else None)
            return
        self._json(200, {"choices": choices, "usage": usage})

    def _choice(self, body: dict[str, Any], dice: random.Random) -> dict[str, Any]:
        last = body["messages"][-1]
        text = "".join(dice.choice("abcdefgh") for _ in range(9)) if body["temperature"] else "Hello there."
        if self._heeds("grammar", body):
            text = body["grammar"].partition('"')[2].rpartition('"')[0]
        elif self._heeds("response_format", body):
            wanted = body["response_format"]["json_schema"]["schema"]["properties"]["code"]["const"]
            text = json.dumps({"code": wanted})
        elif last["role"] == "assistant":
            text = " 6, 7, 8, 9" if "prefill" in self.server.heeds else "1, 2, 3"
        choice: dict[str, Any] = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        if self._heeds("logprobs", body):
            shown = [{"token": "Hello", "logprob": -0.25}, {"token": "Good", "logprob": -2.5}]
            choice["logprobs"] = {"content": [{**shown[0], "top_logprobs": shown}, *({"logprob": -0.5},) * 2]}
        return choice

    def _completion(self, body: dict[str, Any]) -> None:
        words = body["prompt"].split() if self._heeds("echo", body) else []
        values = [*([None] if words else []), *(-1.0 for _ in words[1:]), -0.5]
        self._json(200, {"choices": [{"text": "x", "logprobs": {"token_logprobs": values}}]})

    def _stream(self, choices: list[dict[str, Any]], usage: dict[str, int] | None) -> None:
        """Three letters of every choice in turn, each piece with its log-probability, then why it ended."""
        server = self.server
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            self._event(None)
            for at in range(0, max(len(one["message"]["content"]) for one in choices), 3):
                for one in choices:
                    if server.stalls and server.sent >= server.stalls:
                        while not server.over.wait(0.02):
                            self.wfile.write(b": still there\n\n")
                        return
                    if server.breaks and server.sent >= server.breaks:
                        server.breaks = 0
                        return
                    if server.fails and server.sent >= server.fails:
                        server.fails = 0
                        self._event({"error": {"message": "out of memory"}})
                        return
                    server.sent += 1
                    piece: dict[str, Any] = {
                        "index": one["index"],
                        "delta": {"content": one["message"]["content"][at : at + 3]},
                    }
                    if "logprobs" in one:
                        piece["logprobs"] = {"content": one["logprobs"]["content"][at // 3 :][:1]}
                    self._event({"choices": [piece]})
            for one in choices:
                self._event({"choices": [{"index": one["index"], "delta": {}, "finish_reason": one["finish_reason"]}]})
            if usage is not None:
                self._event({"choices": [], "usage": usage})
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            server.left.set()

    def _event(self, value: object) -> None:
        self.wfile.write(b": hello\n\n" if value is None else f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def _json(self, status: int, value: object) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def served() -> Iterator[Served]:
    """A running server."""
    server = Served()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def llama_server(binary: str, weights: Path, *, context: int) -> Iterator[str]:
    """The address of a real llama-server with one slot and one thread."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [binary, "-m", str(weights), "-np", "1", "-c", str(context), "-t", "1", "-tb", "1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                    break
            assert process.poll() is None and time.monotonic() < until, "llama-server did not start"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()
