"""The files that make a model, and what depends on them: its digest, locks, resuming, and paths given from outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runs import tts, write
from engine_files import write_adapter, write_gguf
from ttscale.compiler.ir import Model
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.engines.llama import digest
from ttscale.runtime.model_files import answers_digest, at_folder, files_of
from ttscale.runtime.models import open_engine

PROGRAM = """tts 1
model tuned = gguf("tiny.gguf", lora: "tone.gguf", chat_template: "plain.jinja")
prompt ask(question: Text) -> Text = "{{ question }}"
pipeline main(question: Text) -> Text { return generate(ask(question), from: tuned) |> select(by: first) }
"""


def adapter(path: Path, scale: float = 1.0) -> Path:
    return write_adapter(path, {"x.lora_a": [[scale, 2.0]], "x.lora_b": [[1.0], [2.0]]})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with weights, an adapter and a template."""
    monkeypatch.setattr(digest, "cache_file", lambda: tmp_path / "digests.json")
    write_gguf(tmp_path / "tiny.gguf")
    adapter(tmp_path / "tone.gguf")
    (tmp_path / "plain.jinja").write_text("{{ messages }}", encoding="utf-8")
    return tmp_path


def tuned(**options: object) -> Model:
    return Model("tuned", "gguf", "tiny.gguf", tuple(options.items()))


def test_weights_adapters_and_template(folder: Path) -> None:
    model = tuned(lora=(("tone.gguf", 0.5),), chat_template="plain.jinja")
    names = ["tiny.gguf", "tone.gguf", "plain.jinja"]
    assert files_of(model, folder) == [(name, folder / name) for name in names]
    assert files_of(tuned(chat_template="{{ messages }}"), folder) == [("tiny.gguf", folder / "tiny.gguf")]
    assert files_of(Model("s", "script", "", (("replies", ("a",)),)), folder) == []
    with pytest.raises(EngineError, match="none"):
        files_of(tuned(lora="none.gguf"), folder)


def test_the_digest_is_the_engines(folder: Path) -> None:
    for model in (tuned(), tuned(lora="tone.gguf"), tuned(chat_template="plain.jinja", ctx=100)):
        assert answers_digest(model, folder) == open_engine(model, folder).digest
    before = answers_digest(tuned(lora="tone.gguf"), folder)
    adapter(folder / "tone.gguf", 3.0)
    assert answers_digest(tuned(lora="tone.gguf"), folder) != before


def test_paths_from_outside_count_from_where_the_user_stands(folder: Path) -> None:
    moved = at_folder(tuned(lora=("tone.gguf", ("pypi:x", 0.5)), chat_template="plain.jinja"), folder)
    assert moved.locator == str(folder / "tiny.gguf")
    assert dict(moved.options) == {
        "lora": ((str(folder / "tone.gguf"), 1.0), ("pypi:x", 0.5)),
        "chat_template": str(folder / "plain.jinja"),
    }
    assert at_folder(tuned(chat_template="{{ messages }}"), folder).options == (("chat_template", "{{ messages }}"),)


def test_a_lock_holds_every_file(folder: Path) -> None:
    file = write(folder, PROGRAM)
    assert tts("lock", file).code == 0
    locked = (folder / "tts.lock").read_text(encoding="utf-8")
    assert all(name in locked for name in ("tiny.gguf", "tone.gguf", "plain.jinja"))
    adapter(folder / "tone.gguf", 3.0)
    ran = tts("run", file, "Hello", "--locked")
    assert ran.code != 0 and "tone.gguf" in ran.err and "not the ones locked" in ran.err
    assert ran.err.count("not the ones locked") == 1
