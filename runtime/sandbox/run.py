"""Running a program in the sandbox: `await run_program(Program("print(1)"))`."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import tempfile
from asyncio import subprocess
from contextlib import suppress
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any
from weakref import WeakKeyDictionary

from ttscale.runtime.sandbox.backends import (
    Backend,
    Interpreter,
    absent,
    boot,
    modules_folder,
    own_interpreter,
    request_fields,
    shown_folders,
)
from ttscale.runtime.sandbox.packages import installed
from ttscale.runtime.sandbox.program import LANGUAGES, MIB, Finished, Limits, Outcome, Program

UNSAFE = "TTSCALE_UNSAFE_CODE"
PATH = "/usr/local/bin:/usr/bin:/bin"
GRACE = 60.0  # seconds past the wall limit after which the supervisor itself is given up
TRIAL = Limits(wall=30, cpu=10, memory=512 * MIB, scratch=MIB, output=1000, processes=8)
REFUSAL = (
    "programs are run in a sandbox, and this machine has none ({reasons}); install bubblewrap, or allow user "
    f"namespaces, or insist with `--unsafe-code` or {UNSAFE}=1, which lets programs read your files"
)

_found: dict[Backend, str] = {}  # why a backend does not work, "" for one that does, once it was tried
_trials: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def run_program(
    program: Program, limits: Limits | None = None, *, unsafe: bool | None = None, backend: Backend | None = None
) -> Finished:
    """Run a program to its end in the best sandbox that this machine has; at most one for each core at a time.

    `unsafe` allows limits alone where there is no sandbox (None: as the environment variable TTSCALE_UNSAFE_CODE says);
    `backend` takes one and no other. Never raises for what the program does, and gives `REFUSED` where it cannot run.
    Cancelling kills the program.
    """
    if backend is None:
        backend, reasons = await find_backend(unsafe=unsafe)
        if backend is None:
            return Finished(Outcome.REFUSED, note=REFUSAL.format(reasons=reasons))
    elif backend is Backend.LIMITS and not _allowed(unsafe):
        return Finished(Outcome.REFUSED, note=REFUSAL.format(reasons="`limits` was asked for by name"))
    elif reason := absent(backend):
        return Finished(Outcome.REFUSED, note=f"no sandbox by {backend.value}: {reason}")
    async with _slot():
        return await _run(program, limits or Limits(), backend)


async def find_backend(*, unsafe: bool | None = None) -> tuple[Backend | None, str]:
    """The best backend that works here and is allowed, tried once in a process; else None and why there is none."""
    reasons = []
    for backend in Backend:
        if not backend.is_safe and not _allowed(unsafe):
            continue
        reason = await why_not(backend)
        if not reason:
            return backend, ""
        reasons.append(f"{backend.value}: {reason}")
    return None, "; ".join(reasons)


async def why_not(backend: Backend) -> str:
    """Why a backend does not work on this machine, "" where it does: found by running one line in it, once."""
    loop = asyncio.get_running_loop()
    async with _trials.setdefault(loop, asyncio.Lock()):
        if backend in _found:
            return _found[backend]
        reason = absent(backend)
        if not reason:
            finished = await _run(Program("print(6 * 7)"), TRIAL, backend)
            reason = "" if finished.is_ok and finished.stdout == "42\n" else finished.note or finished.stderr
            if finished.outcome is Outcome.TIMED_OUT:  # a machine that is too busy now: to be tried again
                return reason
        _found[backend] = reason
        return reason


def _allowed(unsafe: bool | None) -> bool:
    return os.environ.get(UNSAFE, "") not in ("", "0") if unsafe is None else unsafe


def _slot() -> asyncio.Semaphore:
    loop = asyncio.get_running_loop()
    if loop not in _slots:
        _slots[loop] = asyncio.Semaphore(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
    return _slots[loop]


async def _run(program: Program, limits: Limits, backend: Backend) -> Finished:
    interpreter = own_interpreter()
    try:
        request = make_request(program, limits, backend, interpreter)
    except ValueError as error:
        return Finished(Outcome.REFUSED, note=str(error))
    process = await asyncio.create_subprocess_exec(
        *boot("supervisor", modules_folder(), interpreter),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
        cwd="/",
        start_new_session=True,
        limit=2 * limits.output + MIB,
    )
    try:
        async with asyncio.timeout(limits.wall + GRACE):
            answer, complaint = await _exchange(process, json.dumps(request).encode() + b"\n")
    except TimeoutError:
        answer, complaint = b"", b"the supervisor did not answer"
    finally:
        await asyncio.shield(_end(process))
    return read_report(answer, complaint.decode("utf-8", "replace").strip(), backend)


async def _exchange(process: subprocess.Process, request: bytes) -> tuple[bytes, bytes]:
    """Send the request and read the report; stdin stays open, as its end means that nobody waits any more."""
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.write(request)
    with suppress(ConnectionError):  # a supervisor that is gone already says why on its stderr
        await process.stdin.drain()
    answer, complaint = await asyncio.gather(process.stdout.read(), process.stderr.read())
    return answer, complaint


async def _end(process: subprocess.Process) -> None:
    """Let the supervisor end: it kills all it started when its stdin ends, and is killed if it takes too long."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(GRACE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def make_request(program: Program, limits: Limits, backend: Backend, interpreter: Interpreter) -> dict[str, Any]:
    """What the supervisor is asked, as plain data. Raises ValueError for a program that cannot be run here."""
    files = {name: text.encode() if isinstance(text, str) else text for name, text in program.files.items()}
    command = program.command
    if command is None:
        language = LANGUAGES.get(program.language)
        if language is None:
            known = ", ".join(sorted(LANGUAGES))
            raise ValueError(
                f"programs in `{program.language}` cannot be run without a command of their own ({known} can)"
            )
        command = language.command
        files[language.file] = program.source.encode("utf-8", "surrogatepass")
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts or str(path) != name or "\0" in name:
            raise ValueError(f"the file name {name!r} does not stay in the scratch folder")
    packages = installed(program.packages)
    return request_fields(backend, interpreter) | {
        "command": [*_command(command, interpreter), *program.arguments],
        "files": {name: base64.b64encode(content).decode() for name, content in files.items()},
        "stdin": base64.b64encode(program.stdin.encode("utf-8", "surrogatepass")).decode(),
        "limits": asdict(limits),
        "shown": shown_folders(interpreter, program.readable),
        "packages": packages.shown,
        "modules_in": packages.places if backend.is_safe else packages.folders,
        "temporary": tempfile.gettempdir(),
    }


def _command(command: tuple[str, ...], interpreter: Interpreter) -> list[str]:
    first = interpreter.path if command[0] == "{python}" else shutil.which(command[0], path=PATH)
    if first is None:
        raise ValueError(f"there is no `{command[0]}` on this machine")
    return [first, *(word.replace("{python}", interpreter.path) for word in command[1:])]


def read_report(answer: bytes, complaint: str, backend: Backend) -> Finished:
    """What the supervisor reported; where it said nothing, the sandbox itself has failed."""
    try:
        found = json.loads(answer)
    except ValueError:
        note = f"the sandbox failed: {complaint[-500:] or 'it was ended from outside'}"
        return Finished(Outcome.CRASHED, backend=backend.value, note=note)
    return Finished(
        Outcome(found["outcome"]),
        base64.b64decode(found.get("stdout", "")).decode("utf-8", "replace"),
        base64.b64decode(found.get("stderr", "")).decode("utf-8", "replace"),
        found.get("exit_code"),
        found.get("signal"),
        found.get("seconds", 0.0),
        found.get("cpu_seconds", 0.0),
        found.get("peak_memory", 0),
        backend.value,
        found.get("note", ""),
    )
