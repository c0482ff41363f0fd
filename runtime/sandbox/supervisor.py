"""The process that starts one program in the sandbox, watches it from outside, and ends everything it left.

A process of its own, so that nothing is forked from a program full of threads and nothing can outlive it: it adopts
orphans, and when whoever asked for the run goes away (its stdin ends) it kills all and leaves. It reads one line of
JSON and writes one JSON value. Runs by itself, outside the package: stdlib only.
"""

from __future__ import annotations

import binascii
import contextlib
import json
import os
import select
import signal
import time
from typing import Any

from ttscale.runtime.sandbox import bubblewrap, kernel, namespaces
from ttscale.runtime.sandbox.inside import serve
from ttscale.runtime.sandbox.watch import Seen, children, descendants, look

SET_UP = 20.0  # seconds for building the sandbox, before the program starts
TICK = 0.02
NOTHING = Seen(0, 0, 0.0)


class Run:
    """What is known of a run while it goes on; `verdict` is the outcome that the supervisor decided, if it did."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.limits = limits
        self.outputs = {"stdout": bytearray(), "stderr": bytearray()}
        self.events = bytearray()
        self.started: float | None = None
        self.program: int | None = None
        self.ended: int | None = None
        self.seconds = 0.0
        self.seen = NOTHING
        self.verdict: str | None = None
        self.note = ""

    def take_event(self, event: dict[str, Any]) -> None:
        """An event of the first process inside."""
        if event["event"] == "started":
            self.started, self.program = time.monotonic(), event["program"]
        elif event["event"] == "error":
            self.verdict, self.note = "refused", event["message"]
        elif event["event"] == "ended":
            self.ended = event["status"]
            self.seconds = time.monotonic() - (self.started or time.monotonic())

    def look_at(self, root: int, ours: int) -> None:
        """Look at the processes and end the run where they use more than they may; the first `ours` are the sandbox."""
        now = look(descendants(root), ours)
        self.seen = Seen(
            max(self.seen.processes, now.processes), max(self.seen.memory, now.memory), max(self.seen.cpu, now.cpu)
        )
        if now.memory > self.limits["memory"]:
            self.verdict = "memory"
        elif now.cpu > self.limits["cpu"]:
            self.verdict, self.note = "timed out", f"used {self.limits['cpu']:g} s of processor time"
        elif now.processes > self.limits["processes"]:
            self.verdict, self.note = "failed", f"had more than {self.limits['processes']} processes"


def supervise(request: dict[str, Any]) -> dict[str, Any]:
    """Run one request to its end; what became of it, as plain data."""
    kernel.adopt_orphans()
    run = Run(request["limits"])
    ends = {name: os.pipe() for name in ("stdout", "stderr", "status")}
    out, err, status = ends["stdout"][1], ends["stderr"][1], ends["status"][1]
    request["process_limit"] = process_limit(request)
    scratch = None
    ours = 2  # processes between this one and the program
    if request["backend"] == "namespaces":
        root = namespaces.start(request, out, err, status)
    elif request["backend"] == "bubblewrap":
        root = bubblewrap.start(request, out, err, status)
    else:
        scratch = new_scratch(request)
        root = start_limits(request, scratch, (out, err, status))
        ours = 1
    for writing in (out, err, status):
        os.close(writing)
    try:
        watch(run, {name: reading for name, (reading, _) in ends.items()}, ours)
    finally:
        end_everything(request, root, run.program)
        if scratch is not None:
            import shutil  # here alone, as it brings much with it

            shutil.rmtree(scratch, ignore_errors=True)
    return report(run, request)


def process_limit(request: dict[str, Any]) -> int | None:
    """The kernel's limit for the program's user: its own processes, and the others that the kernel counts with them.

    In a user namespace Linux counts that namespace's alone since 5.14. None where it would not count: for root.
    """
    allowed: int = request["limits"]["processes"]
    release = os.uname().release.split("-")[0].split(".")
    recent = kernel.LINUX and tuple(int(part) for part in release[:2] if part.isdigit()) >= (5, 14)
    if request["backend"] != "limits" and recent:
        return allowed + 2
    user = request["uid"] if request["uid"] is not None else os.geteuid()
    if user == 0:
        return None
    return allowed + threads_of(user)


def threads_of(user: int) -> int:
    """How many threads a user has now, which is what the kernel's limit counts."""
    count = 0
    for name in os.listdir("/proc") if kernel.LINUX else ():
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue  # ended meanwhile
    return count if kernel.LINUX else 1000


def new_scratch(request: dict[str, Any]) -> str:
    """A new folder for a program without a file system of its own. Raises OSError."""
    scratch = os.path.join(request["temporary"], f"ttscale-sandbox-{os.urandom(8).hex()}")
    os.mkdir(scratch, 0o700)
    if request["uid"] is not None:
        os.chown(scratch, request["uid"], request["uid"])
    return scratch


def start_limits(request: dict[str, Any], scratch: str, outputs: tuple[int, int, int]) -> int:
    """Fork a process that serves the request under limits alone; its id."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        kernel.die_with_parent(parent)
        os.dup2(outputs[0], 1)
        os.dup2(outputs[1], 2)
        os._exit(serve(request, scratch, outputs[2]))
    return child


def watch(run: Run, reading: dict[str, int], ours: int) -> None:
    """Read outputs and events until the program ended, broke a limit, or nobody wants its result any more."""
    poll = select.poll()
    names = {handle: name for name, handle in reading.items()}
    for handle in (0, *names):
        poll.register(handle, select.POLLIN)
    begun = time.monotonic()
    looked = begun
    while run.verdict is None and run.ended is None:
        for handle, _ in poll.poll(TICK * 1000):
            if handle == 0 and not os.read(0, 4096):
                run.verdict, run.note = "refused", "the run was given up"
            elif handle in names and not take(run, names[handle], handle):
                poll.unregister(handle)
                if names[handle] == "status" and run.ended is None and run.verdict is None:
                    return  # the first process is gone without a word
        now = time.monotonic()
        if run.started is not None and run.verdict is None and now - run.started > run.limits["wall"]:
            run.verdict, run.note = "timed out", f"ran longer than {run.limits['wall']:g} s"
            run.seconds = now - run.started
        elif run.started is None and now - begun > SET_UP:
            run.verdict, run.note = "refused", f"the sandbox was not ready after {SET_UP:g} s"
        elif run.ended is None and run.verdict is None and now - looked >= TICK:
            run.look_at(os.getpid(), ours)
            looked = time.monotonic()
    if run.ended is not None:
        drain(run, reading)
    elif run.started is not None:
        run.seconds = time.monotonic() - run.started


def take(run: Run, name: str, handle: int) -> bool:
    """Read once from an output or the events; False at its end."""
    piece = os.read(handle, 65536)
    if name == "status":
        run.events += piece
        *lines, rest = bytes(run.events).split(b"\n")
        run.events = bytearray(rest)
        for line in lines:
            run.take_event(json.loads(line))
        return bool(piece)
    kept = run.outputs[name]
    kept += piece
    if len(kept) > run.limits["output"]:
        del kept[run.limits["output"] :]
        run.verdict, run.note = "output too long", f"wrote more than {run.limits['output']} bytes to {name}"
    return bool(piece)


def drain(run: Run, reading: dict[str, int]) -> None:
    """Read what the program had written when it ended; what its children still write does not count."""
    for name in ("stdout", "stderr"):
        os.set_blocking(reading[name], False)
        try:
            while run.verdict is None and take(run, name, reading[name]):
                continue
        except BlockingIOError:
            continue  # a child holds the pipe open and has written no more


def end_everything(request: dict[str, Any], root: int, group: int | None) -> None:
    """Kill every process below this one until none is left; what they had started falls to us and goes too.

    With a pid namespace our own children are enough: the kernel ends what is in it, and an id that we have not buried
    is nobody else's. Without one a program could start others faster than they fall to us. `group` is the program's
    own process group, for systems that do not list processes.
    """
    below = descendants if request["backend"] == "limits" else children
    alive = {root}
    while True:
        for pid in alive.union(below(os.getpid())):
            with contextlib.suppress(OSError):  # ended already
                os.kill(pid, signal.SIGKILL)
        if group is not None and not kernel.LINUX:
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        try:
            while buried := os.waitpid(-1, os.WNOHANG)[0]:
                alive.discard(buried)
        except ChildProcessError:
            return
        time.sleep(0.001)


def report(run: Run, request: dict[str, Any]) -> dict[str, Any]:
    """The outcome and everything known, as plain data."""
    code, by = None, None
    if run.verdict is None and run.ended is None:
        if run.started is None:
            said = run.outputs["stderr"].decode("utf-8", "replace").strip()
            run.verdict, run.note = "refused", said or "the sandbox ended before the program started"
        else:
            run.verdict, run.note = "crashed", "the sandbox was ended from outside"
    if run.ended is not None:
        if os.WIFSIGNALED(run.ended):
            by = os.WTERMSIG(run.ended)
        else:
            code = os.waitstatus_to_exitcode(run.ended)
    outcome = run.verdict or judged(run, code, by)
    return {
        "outcome": outcome,
        "stdout": _text(run.outputs["stdout"]),
        "stderr": _text(run.outputs["stderr"]),
        "exit_code": code,
        "signal": by,
        "seconds": run.seconds,
        "cpu_seconds": run.seen.cpu,
        "peak_memory": run.seen.memory,
        "note": run.note,
        "backend": request["backend"],
    }


def _text(output: bytearray) -> str:
    return binascii.b2a_base64(output, newline=False).decode()


def judged(run: Run, code: int | None, by: int | None) -> str:
    """The outcome of a program that ended without our doing: by its status, or by the limit that the kernel kept."""
    if code == 0:
        return "ok"
    if by == signal.SIGXCPU or (by == signal.SIGKILL and run.seen.cpu >= run.limits["cpu"] - 0.1):
        return "timed out"
    last = bytes(run.outputs["stderr"]).rstrip().rpartition(b"\n")[2]
    if last.startswith(b"MemoryError"):
        return "memory"
    return "crashed" if by is not None else "failed"


def main() -> None:
    """Read a request, run it, write the report."""
    os.umask(0o022)
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(0, 1 << 20)
        if not piece:
            return
        line += piece
    try:
        found = supervise(json.loads(line))
    except OSError as error:
        found = {"outcome": "refused", "note": str(error)}
    view = memoryview(json.dumps(found).encode())
    while view:
        view = view[os.write(1, view) :]
