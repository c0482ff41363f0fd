"""What this machine offers: cores, memory; and how large a cache may be. No native code."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.engines.llama.gguf import GgufInfo

DEFAULT_CONTEXT = 8192
DEFAULT_CELLS = 16384
SMALLEST_CONTEXT = 512
CACHE_SHARE = 0.25  # of the machine's memory, for the cache of one model
STEP = 256  # llama.cpp rounds the cache up to this
LOGIT_ROWS = 128  # rows of logits that one call may return


@dataclass(frozen=True, slots=True)
class Memory:
    """What a loaded model takes, in bytes: its weights, a cache of `cells` tokens, and rows of logits.

    llama.cpp's own buffers for computing come on top; they depend on its build. One sequence may have `context` tokens.
    """

    weights: int
    cache: int
    outputs: int
    cells: int
    context: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.outputs


def cores() -> int:
    """Cores this process may use: hardware threads on small machines, physical cores on larger ones."""
    affinity = getattr(os, "sched_getaffinity", None)
    usable = set(affinity(0)) if affinity is not None else set(range(os.cpu_count() or 1))
    count = len(usable)
    if count > 4:
        siblings = set()
        for cpu in usable:
            try:
                file = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
                siblings.add(file.read_text(encoding="ascii").strip())
            except OSError:
                siblings.add(str(cpu))
        count = len(siblings)
    quota = _quota()
    return max(1, min(count, quota) if quota else count)


def load() -> float:
    """Programs that have wanted to compute at once in the last minute, 0 where it cannot be told."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0


def _quota() -> int | None:
    """Cores that a container may use, if it is limited."""
    try:
        allowed, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return None if allowed == "max" else max(1, round(int(allowed) / int(period)))
    except (OSError, ValueError):
        return None


def memory_bytes() -> int:
    """Memory of this machine in bytes, 8 GiB where it cannot be told."""
    if sys.platform == "win32":
        return _windows_memory()
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 8 << 30


def free_memory() -> int | None:
    """Bytes that programs may still take without swapping, within a container's limit; None where it cannot be told."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        cached = next(
            int(line.split()[1])
            for line in Path("/sys/fs/cgroup/memory.stat").read_text(encoding="ascii").splitlines()
            if line.startswith("file ")
        )
    except (OSError, ValueError, StopIteration):
        return free
    return free if limit == "max" else max(0, min(free, int(limit) - used + cached))


def _windows_memory() -> int:
    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            ("total", ctypes.c_uint64),
            ("rest", ctypes.c_uint64 * 6),
        )

    status = Status(length=ctypes.sizeof(Status))
    windll = getattr(ctypes, "windll", None)
    if windll is not None and windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return int(status.total)
    return 8 << 30


def plan_cache(
    info: GgufInfo, ctx: int | None, memory: int | None, *, share: float = 1.0, separate: int = 0
) -> tuple[int, int]:
    """Context of one sequence and cells of the whole cache, in tokens.

    `share` is what a cell costs, against one at 16 bits. With `separate` sequences of a cache of their own each has one
    context; raises EngineError where they cannot fit.

    The context is `ctx`, or what the model was trained for up to 8192. The cache holds at least one context, and
    16384 cells for batching if they fit a quarter of the memory (or `memory` bytes when given).
    """
    trained = info.context or DEFAULT_CONTEXT
    context = ctx if ctx is not None else min(trained, DEFAULT_CONTEXT)
    budget = memory if memory is not None else int(memory_bytes() * CACHE_SHARE)
    affordable = int(budget / max(1, info.kv_cell_bytes * share))
    if separate:
        return _separate(info, ctx, affordable, separate)
    if ctx is None:
        context = max(min(SMALLEST_CONTEXT, trained), min(context, affordable))
    cells = max(context, min(DEFAULT_CELLS, affordable))
    return context, -(-cells // STEP) * STEP


def _separate(info: GgufInfo, ctx: int | None, affordable: int, count: int) -> tuple[int, int]:
    """As `plan_cache`, for `count` sequences that share no cells."""
    trained = info.context or DEFAULT_CONTEXT
    most = affordable // count // STEP * STEP
    context = -(-ctx // STEP) * STEP if ctx is not None else min(trained // STEP * STEP or STEP, DEFAULT_CONTEXT, most)
    if context > most or context < STEP:
        wanted = f"{count} caches of {max(context, STEP):,} tokens each"
        message = f"{wanted} do not fit: there is memory for {affordable:,} tokens"
        raise EngineError(message, hint="give a smaller `ctx:` or fewer `slots:`, or leave out `kv_unified: false`")
    return (ctx if ctx is not None else context), context * count
