"""The processes under one process, as the kernel lists them: how many, how much memory and processor time.

Runs by itself, outside the package: stdlib only. Without `/proc` there is nothing to see, and nothing is claimed.
"""

from __future__ import annotations

import os
from typing import NamedTuple


class Seen(NamedTuple):
    """All processes together: their number, resident bytes that are not files, and CPU seconds, of ended ones too."""

    processes: int
    memory: int
    cpu: float


def descendants(root: int) -> list[int]:
    """The ids of all processes under `root`, without it, parents first."""
    found: list[int] = []
    waiting = [root]
    while waiting and len(found) < 100_000:
        more = children(waiting.pop())
        found.extend(more)
        waiting.extend(more)
    return found


def look(processes: list[int], ours: int) -> Seen:
    """Add up what the processes use, where the first `ours` hold the sandbox: of those only the CPU time counts,
    which has in it that of the children they buried. A process that is gone counts as nothing.
    """
    memory, ticks = 0, 0
    for place, pid in enumerate(processes):
        for line in _read(f"/proc/{pid}/status").splitlines() if place >= ours else ():
            if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:")):
                memory += int(line.split()[1]) * 1024
        fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        ticks += sum(int(figure) for figure in fields[11:15])
    return Seen(max(0, len(processes) - ours), memory, ticks / os.sysconf("SC_CLK_TCK"))


def children(pid: int) -> list[int]:
    """The ids of a process's children; each thread has its own list of those that it started."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [int(child) for thread in threads for child in _read(f"/proc/{pid}/task/{thread}/children").split()]


def _read(path: str) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(handle, 65536).decode("utf-8", "replace")
    except OSError:  # the process ended between the two calls
        return ""
    finally:
        os.close(handle)
