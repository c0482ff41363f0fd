"""A small client of the Language Server Protocol: a server process, messages with headers, nothing assumed."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds after which a missing message fails the test; far beyond what any answer takes."""


class Client:
    """One server process and the messages that it sent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, "-c", "import sys; from ttscale.cli import main; sys.exit(main(['lsp']))"]
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.errors = b""
        self.stray: list[bytes] = []
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._notes: queue.Queue[dict[str, Any]] = queue.Queue()
        self._last = 0
        self._versions: dict[str, int] = {}
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while True:
            length = 0
            while (line := stream.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
                elif name.lower() != b"content-type":
                    self.stray.append(line)
            if not line:
                self._answers.put({"id": None, "error": "the server ended"})
                self._notes.put({"method": "the server ended"})
                return
            message = json.loads(stream.read(length))
            (self._answers if "id" in message and "method" not in message else self._notes).put(message)

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def ask(self, method: str, params: Any) -> Any:
        """The result of a request; an error of the server fails the test."""
        self._last += 1
        self._send({"id": self._last, "method": method, "params": params})
        answer = self._answers.get(timeout=PATIENCE)
        assert "error" not in answer, (answer, self.errors)
        assert answer["id"] == self._last
        return answer.get("result")

    def tell(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def start(self, encodings: tuple[str, ...] = ()) -> Any:
        """Say hello; gives the server's answer."""
        capabilities = {"general": {"positionEncodings": list(encodings)}} if encodings else {}
        root = self.folder.as_uri()
        hello = self.ask("initialize", {"processId": None, "rootUri": root, "capabilities": capabilities})
        self.tell("initialized", {})
        return hello

    def uri(self, name: str) -> str:
        """The URI of a file in the folder."""
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str) -> list[dict[str, Any]]:
        """Open a document; gives what the server says about it."""
        self._versions[name] = 1
        item = {"uri": self.uri(name), "languageId": "tts", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": item})
        return self.diagnostics(name)

    def change(self, name: str, text: str) -> list[dict[str, Any]]:
        """Replace a document's text; gives what the server says about it then."""
        self._versions[name] += 1
        document = {"uri": self.uri(name), "version": self._versions[name]}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})
        return self.diagnostics(name)

    def diagnostics(self, name: str) -> list[dict[str, Any]]:
        """The next diagnostics of a document in its newest version."""
        while True:
            note = self._notes.get(timeout=PATIENCE)
            assert note["method"] != "the server ended", self.errors
            if note["method"] != "textDocument/publishDiagnostics" or note["params"]["uri"] != self.uri(name):
                continue
            if note["params"].get("version") in (None, self._versions[name]):
                found: list[dict[str, Any]] = note["params"]["diagnostics"]
                return found

    def at(self, method: str, name: str, line: int, character: int) -> Any:
        """The result of a request about a place."""
        document = {"uri": self.uri(name)}
        return self.ask(method, {"textDocument": document, "position": {"line": line, "character": character}})

    def stop(self) -> int:
        """Say goodbye; gives the exit code of the process."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        return self.process.wait(timeout=PATIENCE)
