"""llama-server for benchmarks: started fresh, waited for, and ended."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence

import httpx

START_SECONDS = 120


@contextlib.contextmanager
def llama_server(
    binary: str, weights: str, *, slots: int, context: int, threads: int, more: Sequence[str] = ()
) -> Iterator[str]:
    """The address of a server with this many slots of `context` tokens each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [binary, "-m", weights, "-np", str(slots), "-c", str(context * slots), "-t", str(threads)]
    command += ["-tb", str(threads), "--port", str(port), "--no-webui", *more]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + START_SECONDS
        while not _healthy(url):
            if process.poll() is not None:
                raise SystemExit(f"{binary} ended with {process.returncode}")
            if time.monotonic() > until:
                raise SystemExit(f"{binary} did not answer within {START_SECONDS} s")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def _healthy(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/health").status_code == 200
    return False
