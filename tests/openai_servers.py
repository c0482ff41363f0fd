"""Servers that speak the OpenAI interface: one of seeded dice that heeds what it is told to heed, and the real one."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

ALL = frozenset({"logprobs", "echo", "seed", "n", "response_format", "grammar", "prefill", "stream"})
START_SECONDS = 120


class Served(ThreadingHTTPServer):
    """A server with a context of `context` tokens, one for each word and six beside.

    It acts on the fields in `heeds`, takes and ignores the others, and refuses those in `refuses`. With `cuts` it
    answers prompts of any length as if they ended at its context. `status` other than 200 is all that it says then.
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
        if server.status != 200:
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
        if body.get("stream") and "stream" in server.heeds:
            self._stream()
            return
        dice = random.Random(body["seed"] if self._heeds("seed", body) else None)
        count = body["n"] if self._heeds("n", body) else 1
        choices = [self._choice(body, dice) for _ in range(count)]
        usage = {"prompt_tokens": min(prompt, server.context), "completion_tokens": 3}
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

    def _stream(self) -> None:
        pieces = [json.dumps({"choices": [{"delta": {"content": text}}]}) for text in ("Hel", "lo")]
        data = "".join(f"data: {piece}\n\n" for piece in (*pieces, "[DONE]")).encode()
        self._send(200, data, "text/event-stream")

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
