"""A GGUF of random weights in the shape of a small or large model, to measure where no weights can be had.

    python benchmarks/random_weights.py 1b /tmp/random-1b.gguf
    python benchmarks/random_weights.py 8b /tmp/random-8b.gguf --type q4_0

The file has the shape of Llama 3's models, a vocabulary of all bytes and fillers, and a plain template. What it answers
is noise; how long that takes is what an answer of a trained model of the shape takes. Tensors are written in blocks, so
that little memory is needed.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

BLOCK = 32  # weights that share a scale
ROWS = 1 << 16  # blocks written at once
TYPES = {"q8_0": (8, 34), "q4_0": (2, 18)}
"""ggml's number of a type of tensors, and its bytes for a block."""
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "


@dataclass(frozen=True)
class Shape:
    """A model of Llama's architecture."""

    width: int
    layers: int
    heads: int
    shared: int
    inner: int
    vocabulary: int
    context: int = 8192


SHAPES = {
    "tiny": Shape(64, 2, 4, 2, 128, 512),
    "1b": Shape(2048, 16, 32, 8, 8192, 128_256),
    "8b": Shape(4096, 32, 32, 8, 14_336, 128_256),
}


def tensors(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and sizes of all tensors, the fastest dimension last."""
    keys = shape.width * shape.shared // shape.heads
    yield "token_embd.weight", (shape.vocabulary, shape.width)
    yield "output_norm.weight", (shape.width,)
    for layer in range(shape.layers):
        for name, size in (
            ("attn_norm", (shape.width,)),
            ("attn_q", (shape.width, shape.width)),
            ("attn_k", (keys, shape.width)),
            ("attn_v", (keys, shape.width)),
            ("attn_output", (shape.width, shape.width)),
            ("ffn_norm", (shape.width,)),
            ("ffn_gate", (shape.inner, shape.width)),
            ("ffn_up", (shape.inner, shape.width)),
            ("ffn_down", (shape.width, shape.inner)),
        ):
            yield f"blk.{layer}.{name}.weight", size


def bytes_of(size: tuple[int, ...], kind: str) -> int:
    """What a tensor takes: vectors stay at 32 bits."""
    count = int(np.prod(size))
    return count * 4 if len(size) == 1 else count // BLOCK * TYPES[kind][1]


def words(shape: Shape) -> list[str]:
    """All bytes as GPT-2 spells them, fillers, and the end of a text."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    spelled = [chr(byte if byte in shown else 256 + hidden.index(byte)) for byte in range(256)]
    return [*spelled, *(f"[filler {number}]" for number in range(shape.vocabulary - 257)), "<|endoftext|>"]


def header(shape: Shape, kind: str) -> bytes:
    """All that comes before the tensors' own bytes."""
    meta: dict[str, int | float | str | list[str]] = {
        "general.architecture": "llama",
        "general.name": "Random weights",
        "llama.context_length": shape.context,
        "llama.embedding_length": shape.width,
        "llama.block_count": shape.layers,
        "llama.feed_forward_length": shape.inner,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.shared,
        "llama.rope.dimension_count": shape.width // shape.heads,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.merges": ["t h"],
        "tokenizer.ggml.tokens": words(shape),
        "tokenizer.ggml.eos_token_id": shape.vocabulary - 1,
        "tokenizer.chat_template": TEMPLATE,
    }
    kinds = [1] * 256 + [5] * (shape.vocabulary - 257) + [3]  # normal, unused, control
    listed = list(tensors(shape))
    data = b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(meta) + 1)
    data += b"".join(pair(key, value) for key, value in meta.items())
    data += text("tokenizer.ggml.token_type") + struct.pack(f"<IIQ{len(kinds)}i", 9, 5, len(kinds), *kinds)
    at = 0
    for name, size in listed:
        number = 0 if len(size) == 1 else TYPES[kind][0]
        data += text(name) + struct.pack(f"<I{len(size)}QIQ", len(size), *reversed(size), number, at)
        at += -(-bytes_of(size, kind) // BLOCK) * BLOCK
    return data + b"\0" * (-len(data) % BLOCK)


def text(value: str) -> bytes:
    """A text as the format has it."""
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key: str, value: float | str | list[str]) -> bytes:
    """A key with its value."""
    if isinstance(value, str):
        return text(key) + struct.pack("<I", 8) + text(value)
    if isinstance(value, list):
        return text(key) + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
    if isinstance(value, float):
        return text(key) + struct.pack("<If", 6, value)
    return text(key) + struct.pack("<II", 4, value)


def write_tensor(file: BinaryIO, size: tuple[int, ...], kind: str, dice: np.random.Generator) -> None:
    """A tensor of random numbers with a spread of one over the root of its width; a vector is all ones."""
    if len(size) == 1:
        file.write(np.ones(size, "<f4").tobytes())
    else:
        left = int(np.prod(size)) // BLOCK
        steps = 127.0 if kind == "q8_0" else 8.0  # the largest number of a block
        scale = np.frombuffer(np.float16(1.7 / steps / np.sqrt(size[-1])).tobytes(), np.uint8)
        while left:
            count = min(left, ROWS)
            blocks = dice.integers(0, 256, (count, TYPES[kind][1]), np.uint8)
            blocks[:, :2] = scale
            file.write(blocks.tobytes())
            left -= count
    file.write(b"\0" * (-bytes_of(size, kind) % BLOCK))


def write(path: Path, shape: Shape, kind: str = "q8_0", seed: int = 7) -> Path:
    """A whole file; another seed gives other weights."""
    dice = np.random.default_rng(seed)
    with path.open("wb") as file:
        file.write(header(shape, kind))
        for _, size in tensors(shape):
            write_tensor(file, size, kind, dice)
    return path


def main() -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("file", type=Path)
    parser.add_argument("--type", choices=TYPES, default="q8_0")
    given = parser.parse_args()
    path = write(given.file, SHAPES[given.shape], given.type)
    sys.stdout.write(f"{path}: {path.stat().st_size / 1e9:.2f} GB\n")


if __name__ == "__main__":
    main()
