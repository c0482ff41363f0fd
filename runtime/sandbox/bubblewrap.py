"""The sandbox that bubblewrap builds, with our own first process in it.

Runs by itself, outside the package: stdlib only.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ttscale.runtime.sandbox import kernel
from ttscale.runtime.sandbox.inside import NOBODY
from ttscale.runtime.sandbox.namespaces import ETC, SCRATCH


def start(request: dict[str, Any], out: int, err: int, status: int) -> int:
    """Start bubblewrap with our first process inside; its id. The request goes in as a file on stdin."""
    content = json.dumps(request | {"scratch": SCRATCH, "uid": None}).encode()
    handle = os.memfd_create("request")
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]
    os.lseek(handle, 0, os.SEEK_SET)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            for source, target in ((handle, 0), (out, 1), (err, 2)):
                os.dup2(source, target)
            os.dup2(status, 3)
            os.closerange(4, 256)
            if request["uid"] is not None:
                os.setgroups([])
                os.setresgid(request["uid"], request["uid"], request["uid"])
                os.setresuid(request["uid"], request["uid"], request["uid"])
            kernel.die_with_parent(parent)
            os.execve(request["bubblewrap"], command_line(request), {})
        except OSError as error:
            os.write(2, f"bubblewrap cannot be started: {error}".encode())
        finally:
            os._exit(127)
    os.close(handle)
    return child


def command_line(request: dict[str, Any]) -> list[str]:
    """The command line: everything unshared, what is shown read-only, one scratch folder of bounded size."""
    line = [request["bubblewrap"], "--unshare-all", "--unshare-user", "--die-with-parent", "--as-pid-1"]
    line += ["--new-session", "--clearenv", "--hostname", "sandbox", "--uid", str(NOBODY), "--gid", str(NOBODY)]
    for path in [*request["shown"], *(f"/etc/{name}" for name in ETC)]:
        if os.path.islink(path):
            line += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            line += ["--ro-bind", path, path]
    for source, target in request.get("packages", ()):
        line += ["--ro-bind", source, target]
    line += ["--proc", "/proc", "--dev", "/dev", "--ro-bind", request["modules"], "/.sandbox"]
    line += ["--symlink", "scratch", "/tmp", "--size", str(request["limits"]["scratch"]), "--tmpfs", SCRATCH]
    line += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", SCRATCH, "--", *request["inside"]]
    return line
