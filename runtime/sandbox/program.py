"""What is run in the sandbox, what it may use, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

MIB = 2**20


class Outcome(Enum):
    """What became of a program."""

    OK = "ok"  # it ended with exit status 0
    FAILED = "failed"  # it ended with another exit status, or had more processes than it may
    TIMED_OUT = "timed out"  # the limit of wall time or of CPU time
    MEMORY = "memory"  # the limit of memory
    OUTPUT_TOO_LONG = "output too long"  # more than the limit on one of its two outputs
    REFUSED = "refused"  # it was never started; the note says why
    CRASHED = "crashed"  # a signal that was not ours ended it


@dataclass(frozen=True)
class Limits:
    """What one program may use; times in seconds, sizes in bytes.

    `memory` holds for each process as address space and for all of them together as what is resident; `scratch` bounds
    the scratch folder (held in memory, beside `memory`) and each file; `output` bounds stdout and stderr each;
    `processes` counts threads too.
    """

    wall: float = 10.0
    cpu: float = 10.0
    memory: int = 1024 * MIB
    scratch: int = 64 * MIB
    output: int = MIB
    processes: int = 64
    open_files: int = 128

    def __post_init__(self) -> None:
        for name in ("wall", "cpu", "memory", "scratch", "output", "processes", "open_files"):
            if not getattr(self, name) > 0:
                raise ValueError(f"the limit `{name}` must be above 0")


@dataclass(frozen=True)
class Program:
    """A program: source in a language, or a command of its own, with what it reads.

    `files` are written into the scratch folder, where the program starts (paths are relative, with `/`). `command`
    replaces the language's command; its first word is looked up on the system's path, and `{python}` stands for the
    interpreter that is shown. `readable` names more folders of this machine to show, read-only, at their own paths,
    `packages` installed Python packages that it may import.
    """

    source: str = ""
    language: str = "python"
    arguments: tuple[str, ...] = ()
    stdin: str = ""
    files: Mapping[str, str | bytes] = field(default_factory=lambda: MappingProxyType({}))
    command: tuple[str, ...] | None = None
    readable: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Language:
    """How a language's source is run: the file it is written to and the command, in the scratch folder."""

    file: str
    command: tuple[str, ...]


LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {
        "python": Language("main.py", ("{python}", "main.py")),
        "bash": Language("main.sh", ("bash", "main.sh")),
        "javascript": Language("main.js", ("node", "main.js")),
    }
)


@dataclass(frozen=True)
class Finished:
    """What became of a program: outputs (cut at the limit), exit status or signal, wall and CPU seconds, peak bytes.

    `exit_code` is None where a signal ended it or it never ran; `note` says in words what the outcome does not;
    `cpu_seconds` and `peak_memory` are of all its processes, as seen when they were looked at.
    """

    outcome: Outcome
    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = None
    signal: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    backend: str = ""
    note: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the program ran to its end with exit status 0."""
        return self.outcome is Outcome.OK
