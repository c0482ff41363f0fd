"""What stands around the program: local servers and their models, llama.cpp's build, and what a GPU would need."""

from __future__ import annotations

import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ttscale.cli.install import in_place
from ttscale.runtime.engines.llama.gpu import build_line

PORTS = {8080: "llama-server", 8000: "vLLM", 11434: "Ollama", 1234: "LM Studio"}
"""Where local servers listen when nobody says otherwise."""
PATIENCE = 0.5
"""Seconds that a local server has to tell its models."""
ASK = "import llama_cpp; print(llama_cpp.llama_print_system_info().decode())"


def local_servers() -> list[dict[str, Any]]:
    """OpenAI-compatible servers on this machine, at the usual ports: address, names of models, what listens there."""
    with ThreadPoolExecutor(len(PORTS)) as pool:
        found = list(pool.map(models_at, PORTS))
    return [
        {"address": f"http://127.0.0.1:{port}/v1", "models": names, "usually": PORTS[port]}
        for port, names in zip(PORTS, found, strict=True)
        if names is not None
    ]


def models_at(port: int) -> list[str] | None:
    """The names of the models that a server at this port has; None where none answers as such a server does."""
    import httpx

    try:
        # Local addresses never go through a proxy.
        with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
            listing = client.get(f"http://127.0.0.1:{port}/v1/models").json()
    except (httpx.HTTPError, ValueError):
        return None
    rows = listing.get("data") if isinstance(listing, dict) else None
    if not isinstance(rows, list):
        return None
    return [str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row]


def llama_features() -> str:
    """What the installed llama.cpp was built with, in its own words; empty where it is not there or cannot be loaded.

    Asked in a process of its own: a library built for another processor ends the one that loads it.
    """
    ran = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=False)
    said = ran.stdout.strip().splitlines()
    parts = said[-1].replace(" = 1", "").split("|") if ran.returncode == 0 and said else []
    return " ".join(part.strip() for part in parts if part.strip())


def gpu_fix(gpu: str | None, used: bool) -> list[str]:
    """The line that builds an engine which uses this machine's GPU, where the one installed does not."""
    if gpu is None or used:
        return []
    return [build_line(gpu, in_place(platform.system()))]
