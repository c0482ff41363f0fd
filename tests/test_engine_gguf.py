"""Reading GGUF headers, the memory plan and digests: no weights, no native code."""

from __future__ import annotations

import hashlib
import math
import random
from pathlib import Path

import pytest
from engine_files import META, write_gguf
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.engines.llama import digest, machine
from ttscale.runtime.engines.llama.gguf import describe_gguf


def test_facts_of_a_header(tmp_path: Path) -> None:
    info = describe_gguf(write_gguf(tmp_path / "m.gguf"))
    assert (info.architecture, info.name, info.context, info.vocabulary) == ("llama", "Tiny", 4096, 300)
    assert info.template == META["tokenizer.chat_template"]
    assert info.kv_cell_bytes == 2 * 2 * (16 + 16) * 2
    assert info.parameters == 64 * 300


def test_one_number_a_layer_counts_with_its_largest(tmp_path: Path) -> None:
    meta = {**META, "llama.attention.head_count_kv": [1, 2]}
    assert describe_gguf(write_gguf(tmp_path / "m.gguf", meta)).kv_cell_bytes == 2 * 2 * (16 + 16) * 2


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_a_number_that_is_none_is_as_if_it_were_not_there(tmp_path: Path, odd: float) -> None:
    info = describe_gguf(write_gguf(tmp_path / "m.gguf", {**META, "llama.context_length": odd}))
    assert info.context == 0


def test_a_missing_template_is_empty(tmp_path: Path) -> None:
    meta = {key: value for key, value in META.items() if "template" not in key}
    assert describe_gguf(write_gguf(tmp_path / "m.gguf", meta)).template == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "only 0 bytes"),
        (b"GGUF", "only 4 bytes"),
        (b"PK\x03\x04" + b"\0" * 100, "starts with"),
        (b"GGUF" + b"\x09\0\0\0" + b"\0" * 100, "version 9"),
        (b"GGUF\x03\0\0\0" + b"\xff" * 100, "counts make no sense"),
        (b"GGUF\x03\0\0\0" + b"\0" * 100, "names no architecture"),
    ],
)
def test_what_is_not_a_model_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=words):
        describe_gguf(path)


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no model file"):
        describe_gguf(tmp_path / "none.gguf")
    with pytest.raises(EngineError, match="not a file"):
        describe_gguf(tmp_path)


def test_a_truncated_file_names_the_tensor(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"before tensor 'token_embd\.weight' ends"):
        describe_gguf(write_gguf(tmp_path / "m.gguf", cut=1))


def test_a_header_cut_anywhere_is_a_typed_error(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "m.gguf").read_bytes()
    path = tmp_path / "cut.gguf"
    for length in range(0, 5000, 37):
        path.write_bytes(whole[:length])
        with pytest.raises(EngineError):
            describe_gguf(path)


def test_damaged_bytes_never_give_another_exception(tmp_path: Path) -> None:
    whole = bytearray(write_gguf(tmp_path / "m.gguf").read_bytes()[:6000])
    dice = random.Random(1)
    path = tmp_path / "bad.gguf"
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(4, 1500)] = dice.randrange(256)
        path.write_bytes(data)
        with pytest.raises(EngineError):
            describe_gguf(path)


def test_the_cache_fits_the_memory_or_holds_one_context(tmp_path: Path) -> None:
    info = describe_gguf(write_gguf(tmp_path / "m.gguf"))
    assert machine.plan_cache(info, None, None) == (4096, 16384)
    assert machine.plan_cache(info, 1000, info.kv_cell_bytes * 2048) == (1000, 2048)
    assert machine.plan_cache(info, 3000, info.kv_cell_bytes * 100) == (3000, 3072)
    assert machine.plan_cache(info, None, info.kv_cell_bytes * 1024) == (1024, 1024)
    assert machine.cores() >= 1
    assert machine.memory_bytes() > 1 << 28


def test_the_digest_is_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "cache_file", lambda: tmp_path / "cache" / "digests.json")
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    first = digest.file_digest(path)
    assert first == "sha256:" + hashlib.sha256(b"one").hexdigest()
    monkeypatch.setattr(digest.hashlib, "sha256", lambda: pytest.fail("the file was read again"))
    assert digest.file_digest(path) == first
    monkeypatch.undo()
    monkeypatch.setattr(digest, "cache_file", lambda: tmp_path / "cache" / "digests.json")
    path.write_bytes(b"longer")
    assert digest.file_digest(path) == "sha256:" + hashlib.sha256(b"longer").hexdigest()


def test_a_damaged_cache_of_digests_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "digests.json"
    cache.write_text("[not json")
    monkeypatch.setattr(digest, "cache_file", lambda: cache)
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    assert digest.file_digest(path).startswith("sha256:")
