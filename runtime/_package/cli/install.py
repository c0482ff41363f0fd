"""The exact lines that bring the local engine to this system.

`pip` compiles llama-cpp-python, so a compiler must be there first; where there is none, the line that installs
one comes before. Windows machines seldom have one: there the maintainers' index of ready-made wheels is named.
"""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

WHEELS = "https://abetlen.github.io/llama-cpp-python/whl/cpu"
COMPILERS = ("c++", "g++", "clang++")
PACKAGE_MANAGERS = {
    "apt-get": "sudo apt-get install -y g++",
    "dnf": "sudo dnf install -y gcc-c++",
    "zypper": "sudo zypper install -y gcc-c++",
    "pacman": "sudo pacman -S --needed gcc",
    "apk": "sudo apk add g++ make linux-headers",
}


def install_lines(extra: str = "local") -> list[str]:
    """Commands to run, in order, so that the extra `extra` is installed for this Python."""
    system = platform.system()
    needs_compiler = extra == "local" and not any(shutil.which(name) for name in COMPILERS)
    lines = []
    if needs_compiler and system == "Linux":
        lines += [line for tool, line in PACKAGE_MANAGERS.items() if shutil.which(tool)][:1]
    if needs_compiler and system == "Darwin":
        lines.append("xcode-select --install")
    line = f"{installer(system)} {requirement(extra, system)}"
    if extra == "local" and system == "Windows":
        line += f" --extra-index-url {WHEELS}"
    return [*lines, line]


def installer(system: str) -> str:
    """The command that installs into the environment of the running Python."""
    if "pipx" in Path(sys.prefix).parts:
        return "pipx install --force"
    if sys.prefix != sys.base_prefix and shutil.which("pip") == str(Path(sys.prefix) / "bin" / "pip"):
        return "pip install"
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    return f"{python} -m pip install"


def in_place(system: str) -> str:
    """The command that installs a further package where ttscale is installed."""
    command = installer(system)
    return "pipx runpip ttscale install" if command.startswith("pipx") else command


def requirement(extra: str, system: str) -> str:
    """The requirement, quoted for the shell of `system`."""
    return f'"ttscale[{extra}]"' if system == "Windows" else f"'ttscale[{extra}]'"
