"""The first process in the sandbox: starts the program, buries its orphans and says how it ended.

Runs by itself, outside the package: stdlib only. Where there is a pid namespace this process is its number 1, which the
program cannot kill, and with whose end the kernel ends everything else in there.
"""

from __future__ import annotations

import binascii
import json
import os
import signal
from typing import Any

from ttscale.runtime.sandbox import kernel

NOBODY = 65534
PATH = "/usr/local/bin:/usr/bin:/bin"


def say(pipe: int, /, **event: Any) -> None:
    """One event, a line of JSON, to the supervisor at the other end of `pipe`."""
    os.write(pipe, json.dumps(event).encode() + b"\n")


def serve(request: dict[str, Any], scratch: str, status: int) -> int:
    """Run the request's program in `scratch` to its end; events go to `status`, the program's outputs to 1 and 2.

    Returns the exit status of this process. Errors before the program starts are events, never exceptions.
    """
    try:
        kernel.hide_from_tracers()
        write_files(request["files"], scratch, request["uid"])
        stdin = stdin_file(binascii.a2b_base64(request["stdin"]), scratch)
        os.set_inheritable(status, False)
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            become_program(request, scratch, stdin, status, parent)
        os.close(stdin)
        for end in (0, 1, 2):
            os.close(end)
        say(status, event="started", program=child)
        kernel.drop_capabilities()
    except OSError as error:
        say(status, event="error", message=str(error))
        return 1
    ended = None
    while ended is None:
        found, how = os.waitpid(-1, 0)
        if found == child:
            ended = how
    say(status, event="ended", status=ended)
    return 0


def write_files(files: dict[str, str], scratch: str, uid: int | None) -> None:
    """Write the program's files (base64) into the scratch folder, for the user it runs as. Raises OSError."""
    for name, content in files.items():
        folder = scratch
        for part in name.split("/")[:-1]:
            folder = os.path.join(folder, part)
            if not os.path.isdir(folder):
                os.mkdir(folder, 0o755)
                _give(folder, uid)
        path = os.path.join(scratch, name)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        _write_all(handle, binascii.a2b_base64(content))
        os.close(handle)
        _give(path, uid)


def stdin_file(content: bytes, scratch: str) -> int:
    """A nameless file with what the program reads from its stdin; its descriptor. Raises OSError."""
    path = os.path.join(scratch, ".stdin")
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    _write_all(handle, content)
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


def become_program(request: dict[str, Any], scratch: str, stdin: int, status: int, parent: int) -> None:
    """In the child: give up rights, set limits, and become the program. Never returns."""
    try:
        os.dup2(stdin, 0)
        os.setsid()
        os.chdir(scratch)
        os.umask(0o022)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        uid = request["uid"]
        kernel.bound_capabilities()
        if uid is not None:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        kernel.die_with_parent(parent)
        if request["backend"] != "limits" or uid is not None:
            kernel.drop_capabilities()
        kernel.gain_no_privileges()
        kernel.refuse_system_calls()
        environment = {"HOME": scratch, "TMPDIR": scratch, "PATH": PATH, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1", "OPENBLAS_NUM_THREADS": "1"}
        if request.get("modules_in"):
            environment["PYTHONPATH"] = os.pathsep.join(request["modules_in"])
        command = request["command"]
        set_limits(request["limits"], request["process_limit"])
        os.execve(command[0], command, environment)
    except OSError as error:
        say(status, event="error", message=str(error))
    finally:
        os._exit(127)


def set_limits(limits: dict[str, Any], processes: int | None) -> None:
    """The kernel's own limits for this process and each of its children. Raises OSError."""
    import resource  # not on every system, and this module is imported on all

    cpu = max(1, int(limits["cpu"] + 0.999))
    wanted = [
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, limits["scratch"], limits["scratch"]),
        (resource.RLIMIT_NOFILE, limits["open_files"], limits["open_files"]),
        (resource.RLIMIT_AS, limits["memory"], limits["memory"]),
    ]
    if processes is not None:
        wanted.append((resource.RLIMIT_NPROC, processes, processes))
    for kind, soft, hard in wanted:
        _, ceiling = resource.getrlimit(kind)
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        try:
            resource.setrlimit(kind, (soft, hard))
        except ValueError as error:
            if kernel.LINUX:  # elsewhere some of them can be asked for and not be had
                raise OSError(f"limit {kind}: {error}") from error


def _give(path: str, uid: int | None) -> None:
    if uid is not None:
        os.chown(path, uid, uid)


def _write_all(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def main() -> None:
    """As bubblewrap starts it: the request is on stdin, the events go to descriptor 3."""
    with open(0, "rb", closefd=False) as stdin:
        request = json.loads(stdin.read())
    os._exit(serve(request, request["scratch"], 3))
