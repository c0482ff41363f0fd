"""Whole models of a few thousand random weights, so that every class of memory can be tested without a download."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from engine_files import Value, pair, text

WIDTH, HEADS, SHARED, INNER, LAYERS, WINDOW = 32, 4, 2, 64, 4, 16


def _byte_names() -> list[str]:
    """How GPT-2's vocabulary writes each byte: as its character, or as one from 256 on where that cannot be printed."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(byte if byte in shown else 256 + hidden.index(byte)) for byte in range(256)]


# A vocabulary of single bytes, one pair of them, and the end of a text. Kinds: 1 is a normal token, 3 control.
TOKENS = [*_byte_names(), "th", "<|endoftext|>"]
KINDS = [*([1] * (len(TOKENS) - 1)), 3]
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"


def sliding_window_model(path: Path, marks: Sequence[str] = (), template: str = TEMPLATE) -> Path:
    """A model of gemma2's shape: every other layer sees the last 16 tokens only; `marks` are control tokens."""
    meta = _meta("gemma2") | {
        "gemma2.attention.key_length": WIDTH // HEADS,
        "gemma2.attention.value_length": WIDTH // HEADS,
        "gemma2.attention.sliding_window": WINDOW,
        "gemma2.final_logit_softcapping": 30.0,
        "gemma2.attn_logit_softcapping": 50.0,
    }
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(TOKENS) + len(marks), WIDTH),
        "output_norm.weight": (WIDTH,),
    }
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.{name}.weight": shape
            for name, shape in {
                "attn_norm": (WIDTH,),
                "attn_q": (WIDTH, WIDTH),
                "attn_k": (WIDTH * SHARED // HEADS, WIDTH),
                "attn_v": (WIDTH * SHARED // HEADS, WIDTH),
                "attn_output": (WIDTH, WIDTH),
                "post_attention_norm": (WIDTH,),
                "ffn_norm": (WIDTH,),
                "ffn_gate": (INNER, WIDTH),
                "ffn_up": (INNER, WIDTH),
                "ffn_down": (WIDTH, INNER),
                "post_ffw_norm": (WIDTH,),
            }.items()
        }
    meta["tokenizer.chat_template"] = template
    return _write(path, meta, shapes, marks)


def plain_model(path: Path, *, context: int = 2048, seed: int = 7) -> Path:
    """A model of llama's shape; another seed gives other weights of the same vocabulary."""
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(TOKENS), WIDTH),
        "output_norm.weight": (WIDTH,),
    }
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.{name}.weight": shape
            for name, shape in {
                "attn_norm": (WIDTH,),
                "attn_q": (WIDTH, WIDTH),
                "attn_k": (WIDTH * SHARED // HEADS, WIDTH),
                "attn_v": (WIDTH * SHARED // HEADS, WIDTH),
                "attn_output": (WIDTH, WIDTH),
                "ffn_norm": (WIDTH,),
                "ffn_gate": (INNER, WIDTH),
                "ffn_up": (INNER, WIDTH),
                "ffn_down": (WIDTH, INNER),
            }.items()
        }
    meta = _meta("llama") | {"llama.context_length": context, "llama.rope.dimension_count": WIDTH // HEADS}
    return _write(path, meta, shapes, seed=seed)


def three_models(folder: Path) -> Path:
    """`large.gguf`, `small.gguf` and `tuned.gguf` of one vocabulary and other weights each, in a folder."""
    for seed, name in enumerate(("large", "small", "tuned"), 7):
        plain_model(folder / f"{name}.gguf", seed=seed)
    return folder


def hybrid_model(path: Path) -> Path:
    """A model of LFM2's shape: short convolutions, whose state cannot be cut, in every other layer."""
    meta = _meta("lfm2") | {
        "lfm2.attention.head_count_kv": [0 if layer % 2 else SHARED for layer in range(LAYERS)],
        "lfm2.shortconv.l_cache": 3,
        "lfm2.vocab_size": len(TOKENS),
    }
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(TOKENS), WIDTH),
        "token_embd_norm.weight": (WIDTH,),
    }
    attention = {
        "attn_q_norm": (WIDTH // HEADS,),
        "attn_k_norm": (WIDTH // HEADS,),
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (WIDTH * SHARED // HEADS, WIDTH),
        "attn_v": (WIDTH * SHARED // HEADS, WIDTH),
        "attn_output": (WIDTH, WIDTH),
    }
    convolution = {
        "shortconv.conv": (WIDTH, 3),
        "shortconv.in_proj": (3 * WIDTH, WIDTH),
        "shortconv.out_proj": (WIDTH, WIDTH),
    }
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.{name}.weight": shape
            for name, shape in {
                **(convolution if layer % 2 else attention),
                "attn_norm": (WIDTH,),
                "ffn_norm": (WIDTH,),
                "ffn_gate": (INNER, WIDTH),
                "ffn_up": (INNER, WIDTH),
                "ffn_down": (WIDTH, INNER),
            }.items()
        }
    return _write(path, meta, shapes)


_WORDS = ["the", "cat", "dog", "sea", "is", "blue", "wet", "big"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"\u2581{word}" for word in _WORDS), "s"]


def reading_model(path: Path, *, ranks: bool = False, pooling: int = 1) -> Path:
    """A model of BERT's shape, which reads and does not write; with `ranks` it has a head that scores documents."""
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(WORDS), WIDTH),
        "token_types.weight": (2, WIDTH),
        "position_embd.weight": (64, WIDTH),
        "token_embd_norm.weight": (WIDTH,),
        "token_embd_norm.bias": (WIDTH,),
    }
    for layer in range(2):
        sizes = {"attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH, WIDTH), "attn_v": (WIDTH, WIDTH)}
        sizes |= {"attn_output": (WIDTH, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)}
        for name, shape in sizes.items():
            shapes |= {f"blk.{layer}.{name}.weight": shape, f"blk.{layer}.{name}.bias": shape[:1]}
        for name in ("attn_output_norm", "layer_output_norm"):
            shapes |= {f"blk.{layer}.{name}.weight": (WIDTH,), f"blk.{layer}.{name}.bias": (WIDTH,)}
    if ranks:
        shapes |= {"cls.weight": (WIDTH, WIDTH), "cls.bias": (WIDTH,)}
        shapes |= {"cls.output.weight": (1, WIDTH), "cls.output.bias": (1,)}
    meta: dict[str, Value] = {
        "general.architecture": "bert",
        "general.name": "Random reader",
        "bert.context_length": 64,
        "bert.embedding_length": WIDTH,
        "bert.block_count": 2,
        "bert.feed_forward_length": INNER,
        "bert.attention.head_count": HEADS,
        "bert.attention.layer_norm_epsilon": 1e-6,
        "bert.attention.causal": False,
        "bert.pooling_type": 4 if ranks else pooling,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "jina-v2-en",
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.cls_token_id": 2,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.eos_token_id": 3,
        "tokenizer.ggml.tokens": WORDS,
    }
    return _write(path, meta, shapes, tokens=WORDS, kinds=[3] * 4 + [1] * (len(WORDS) - 4))


def _meta(architecture: str) -> dict[str, Value]:
    return {
        "general.architecture": architecture,
        "general.name": "Random",
        f"{architecture}.context_length": 2048,
        f"{architecture}.embedding_length": WIDTH,
        f"{architecture}.block_count": LAYERS,
        f"{architecture}.feed_forward_length": INNER,
        f"{architecture}.attention.head_count": HEADS,
        f"{architecture}.attention.head_count_kv": SHARED,
        f"{architecture}.attention.layer_norm_rms_epsilon": 1e-6,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.merges": ["t h"],
        "tokenizer.ggml.eos_token_id": len(TOKENS) - 1,
        "tokenizer.chat_template": TEMPLATE,
    }


def _write(
    path: Path,
    meta: Mapping[str, Value],
    shapes: Mapping[str, tuple[int, ...]],
    marks: Sequence[str] = (),
    *,
    seed: int = 7,
    tokens: Sequence[str] = TOKENS,
    kinds: Sequence[int] = KINDS,
) -> Path:
    """Random 32-bit tensors from a fixed seed, norms around one; a shape has its fastest dimension last."""
    dice = np.random.default_rng(seed)
    meta = {**meta, "tokenizer.ggml.tokens": [*tokens, *marks]}
    count = len(tokens) + len(marks)
    types = text("tokenizer.ggml.token_type") + struct.pack(f"<IIQ{count}i", 9, 5, count, *kinds, *([3] * len(marks)))
    data = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(meta) + 1)
    data += b"".join(pair(key, value) for key, value in meta.items()) + types
    body = b""
    for name, shape in shapes.items():
        data += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), 0, len(body))
        spread = 0.1 if len(shape) == 1 else 0.3
        body += (dice.normal(len(shape) == 1, spread, shape)).astype("<f4").tobytes()
        body += b"\0" * (-len(body) % 32)
    path.write_bytes(data + b"\0" * (-len(data) % 32) + body)
    return path
