"""`ttscale models` and what `doctor` finds around it, on folders and servers made for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runs import tts
from engine_files import write_gguf
from openai_servers import Served, served
from ttscale.cli import doctor, surroundings

LAYER = "application/vnd.ollama.image.model"


@pytest.fixture
def server() -> Iterator[Served]:
    with served() as found:
        yield found


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of whoever runs the tests is listed."""
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TTSCALE_PROBES", str(tmp_path / "probes.json"))
    return tmp_path


def pulled(root: Path, name: str, tag: str, *, whole: bool = True) -> None:
    """A model as Ollama keeps it: a manifest, and the weights under their hash."""
    weights = write_gguf(root / "made.gguf").read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    manifest = root / "ollama" / "manifests" / "registry.ollama.ai" / name / tag
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"layers": [{"mediaType": LAYER, "digest": f"sha256:{digest}"}]}), encoding="utf-8")
    blob = root / "ollama" / "blobs" / f"sha256-{digest}"
    blob.parent.mkdir(exist_ok=True)
    if whole:
        blob.write_bytes(weights)


def test_weights_of_ollama_and_the_hub_are_listed(elsewhere: Path) -> None:
    pulled(elsewhere, "library/qwen", "0.5b")
    pulled(elsewhere, "me/own", "latest")
    snapshot = elsewhere / "hub" / "models--org--some--repo" / "snapshots" / "abc" / "small"
    snapshot.mkdir(parents=True)
    write_gguf(snapshot / "m.gguf")
    found = {entry["locator"]: entry for entry in tts("models", "list", "--json").json["models"]}
    assert {"ollama:qwen:0.5b", "ollama:me/own:latest", "hf:org/some--repo/small/m.gguf"} <= set(found)
    assert found["ollama:qwen:0.5b"]["bytes"] == found["hf:org/some--repo/small/m.gguf"]["bytes"] > 0
    lines = tts("models", "list").out.splitlines()
    assert lines[0].split() == ["locator", "MiB"] and any(line.startswith("ollama:qwen:0.5b ") for line in lines)


def test_a_manifest_whose_weights_are_gone_is_no_model(elsewhere: Path) -> None:
    pulled(elsewhere, "library/qwen", "0.5b", whole=False)
    assert not [one for one in tts("models", "list", "--json").json["models"] if one["locator"].startswith("ollama:")]


def test_what_ollama_has_is_shown_by_its_name(elsewhere: Path) -> None:
    pulled(elsewhere, "library/qwen", "0.5b")
    shown = tts("models", "show", "ollama:qwen:0.5b").out
    assert "architecture   llama" in shown and "context        4096" in shown and "blobs" in shown


def test_a_probe_is_shown_and_kept(server: Served, elsewhere: Path) -> None:
    assert "not asked yet" in tts("models", "show", f"{server.url}#m").out
    ran = tts("models", "probe", f"{server.url}#m")
    assert ran.code == 0 and f"kept in {elsewhere / 'probes.json'}" in ran.out
    said = {line[15:]: line[:15].strip() for line in ran.out.splitlines()}
    assert said["several samples for one call (`n`), all different"] == "yes"
    assert said["of context, as it says"] == "4,096 tokens"
    assert tts("models", "show", f"{server.url}#m", "--json").json["probed"]["many"] is True


def test_a_file_cannot_be_probed(elsewhere: Path) -> None:
    ran = tts("models", "probe", write_gguf(elsewhere / "m.gguf"))
    assert ran.code == 1 and "is no server" in ran.err


def test_doctor_names_local_servers_and_their_models(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    port = server.server_address[1]
    monkeypatch.setattr(surroundings, "PORTS", {port: "llama-server", 9: "nothing"})
    monkeypatch.setattr(surroundings, "PATIENCE", 20.0)
    monkeypatch.setattr(doctor, "llama_features", lambda: "")
    monkeypatch.setattr(doctor, "sandbox", lambda: {"name": None, "meaning": None, "not": {}})
    assert f"server    http://127.0.0.1:{port}/v1: m" in tts("doctor").out
    (found,) = tts("doctor", "--json").json["servers"]
    assert found == {"address": f"http://127.0.0.1:{port}/v1", "models": ["m"], "usually": "llama-server"}
