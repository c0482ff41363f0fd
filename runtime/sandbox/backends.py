"""Which ways of keeping a program in this machine has, found by trying each one with a program of one line."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
NOBODY = 65534

# The supervisor runs the package's modules without the package: no import of ours, none of the user's site.
BOOT = (
    "import sys, types\n"
    "for name in ('ttscale', 'ttscale.runtime', 'ttscale.runtime.sandbox'):\n"
    "    module = sys.modules[name] = types.ModuleType(name)\n"
    "    module.__path__ = [sys.argv[1]]\n"
    "from ttscale.runtime.sandbox import {module}\n"
    "{module}.main()\n"
)


class Backend(Enum):
    """A way of keeping a program in, strongest first; `LIMITS` keeps no file from it."""

    BUBBLEWRAP = "bubblewrap"
    NAMESPACES = "namespaces"
    LIMITS = "limits"

    @property
    def is_safe(self) -> bool:
        """Whether the program sees nothing of the machine but what it needs."""
        return self is not Backend.LIMITS


MEANING = {
    Backend.BUBBLEWRAP: "bubblewrap: namespaces of its own, read-only files, no network",
    Backend.NAMESPACES: "user namespaces: namespaces of its own, read-only files, no network",
    Backend.LIMITS: "limits alone: no network, but every file that you can read",
}


@dataclass(frozen=True)
class Interpreter:
    """The Python that programs are run with: its real path, and the folder that has to be shown for it to run."""

    path: str
    prefix: str


@cache
def own_interpreter() -> Interpreter:
    """The interpreter this process runs on, without its virtual environment."""
    base: str = getattr(sys, "_base_executable", None) or sys.executable
    return Interpreter(str(Path(base).resolve()), str(Path(sys.base_prefix).resolve()))


def modules_folder() -> str:
    """The folder of this package's modules, which the supervisor imports by themselves."""
    return str(Path(__file__).resolve().parent)


def boot(module: str, folder: str, interpreter: Interpreter) -> list[str]:
    """The command that runs the `main` of one of this package's modules by itself, compiled once and kept."""
    return [interpreter.path, "-I", "-S", "-c", BOOT.format(module=module), folder]


def absent(backend: Backend) -> str:
    """Why a backend cannot be here at all, without trying it; "" where it may be."""
    if os.name != "posix":
        return "needs Linux"
    if backend is Backend.LIMITS:
        return ""
    if sys.platform != "linux":
        return "needs Linux"
    if backend is Backend.BUBBLEWRAP and bubblewrap() is None:
        return "`bwrap` is not installed"
    if backend is Backend.BUBBLEWRAP and os.geteuid() == 0 and user_inside() is None:
        return "for root it cannot limit processes, as the Python that runs lies where no other user may look"
    return ""


def bubblewrap() -> str | None:
    """The path of `bwrap`, None where there is none."""
    return shutil.which("bwrap")


def shown_folders(interpreter: Interpreter, readable: tuple[str, ...]) -> list[str]:
    """The folders a program sees: the system's programs and libraries, the interpreter's, and those asked for."""
    shown = [folder for folder in SYSTEM_FOLDERS if Path(folder).exists()]
    for folder in (interpreter.prefix, *readable):
        if not any(folder == seen or folder.startswith(seen + "/") for seen in shown):
            shown.append(folder)
    return shown


def user_inside() -> int | None:
    """The user a program runs as where root starts it and no namespace gives it one: nobody, or None for the same user.

    None for everybody but Linux's root, and for root where nobody cannot reach the interpreter or these modules.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        return None
    reached = all(_reachable(Path(path)) for path in (own_interpreter().path, modules_folder()))
    return NOBODY if reached else None


def _reachable(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents) if folder.is_dir())


def request_fields(backend: Backend, interpreter: Interpreter) -> dict[str, Any]:
    """What the supervisor has to know beside the program: where things are, and which user it runs as."""
    return {
        "backend": backend.value,
        "bubblewrap": bubblewrap(),
        "modules": modules_folder(),
        "inside": boot("inside", "/.sandbox", interpreter),
        "uid": None if backend is Backend.NAMESPACES else user_inside(),
    }
