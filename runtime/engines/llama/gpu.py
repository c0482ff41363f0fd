"""Whether this machine has a graphics processor, and whether the llama.cpp that is installed can use it.

Nothing native is loaded: a driver leaves its marks in the file system, and a build has its backends as libraries beside
it.
"""

from __future__ import annotations

import platform
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

BACKENDS = ("cuda", "hip", "metal", "vulkan", "sycl")
FLAGS = {"NVIDIA": "-DGGML_CUDA=on", "AMD": "-DGGML_VULKAN=on", "Apple": "-DGGML_METAL=on"}
"""llama.cpp's own switches for a build that uses it."""
NVIDIA_DRIVER, AMD_DEVICE = Path("/proc/driver/nvidia/version"), Path("/dev/kfd")


def present() -> str | None:
    """Who made the graphics processor that is visible from here, None where none is seen."""
    if NVIDIA_DRIVER.exists() or shutil.which("nvidia-smi"):
        return "NVIDIA"
    if AMD_DEVICE.exists():
        return "AMD"
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "Apple"
    return None


def build_folder() -> Path | None:
    """Where the libraries of the llama.cpp that is installed stand; None where it is not."""
    spec = find_spec("llama_cpp")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent / "lib"


def is_built_in() -> bool:
    """Whether the llama.cpp that is installed was built with a backend for graphics processors."""
    folder = build_folder()
    return folder is not None and any(any(folder.glob(f"*ggml-{backend}*")) for backend in BACKENDS)


def build_line(maker: str, install: str) -> str:
    """The line that builds a llama.cpp which uses it; `install` is the installer's command, such as `pip install`."""
    rest = f"{install} --force-reinstall --no-cache-dir llama-cpp-python"
    if sys.platform == "win32":
        return f'$env:CMAKE_ARGS="{FLAGS[maker]}"; {rest}'
    return f'CMAKE_ARGS="{FLAGS[maker]}" {rest}'


def idle_note() -> str:
    """One line where this machine has a graphics processor that the engine cannot use, else empty."""
    maker = present()
    if maker is None or build_folder() is None or is_built_in():
        return ""
    whose = "Apple's GPU" if maker == "Apple" else f"the {maker} GPU"
    return f"{whose} of this machine is idle: this llama.cpp was built without it (`ttscale doctor` shows the fix)"
