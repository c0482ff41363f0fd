"""What `gguf(…)` takes for llama.cpp: each option with the values that it may have, in words and as a check.

An option that changes what a model answers is part of the identity of its samples; the others change speed and memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Check = Callable[[object], bool]

CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
SPLIT_MODES = ("none", "layer", "row")
ROPE_SCALINGS = ("none", "linear", "yarn", "longrope")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(least: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _above_zero(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _among(*names: str | bool) -> Check:
    return lambda value: ("none" if value is None else value) in names


def _shares(value: object) -> bool:
    if not isinstance(value, tuple):
        return False
    numbers = [item for item in value if isinstance(item, int | float) and not isinstance(item, bool)]
    return len(numbers) == len(value) and any(item > 0 for item in numbers) and min(numbers) >= 0


def _adapters(value: object) -> bool:
    """A text, a list of texts, or a map from texts to numbers."""
    if not isinstance(value, tuple):
        return _text(value)
    pairs = [item if isinstance(item, tuple) else (item, 1.0) for item in value]
    return bool(pairs) and all(len(pair) == 2 and _text(pair[0]) and _number(pair[1]) for pair in pairs)


def _sha256(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"(?:sha256:)?[0-9a-fA-F]{64}", value) is not None


GGUF_OPTIONS: Mapping[str, tuple[Check, str]] = {
    "ctx": (_whole(1), "a number of tokens, such as `ctx: 4096`"),
    "gpu_layers": (_whole(-1), "a whole number; -1 is all layers"),
    "threads": (_whole(1), "a whole number"),
    "slots": (_whole(1), "a whole number"),
    "batch": (_whole(1), "a whole number of rows, such as `batch: 512`"),
    "ubatch": (_whole(1), "a whole number of rows, such as `ubatch: 256`"),
    "seed": (_whole(0), "a whole number"),
    "lora": (_adapters, '`lora: "adapter.gguf"`, a list of them, or a map to scales: `lora: {"adapter.gguf": 0.5}`'),
    "chat_template": (_text, "the template's text, or the path of a file with it"),
    "flash_attention": (_among("on", "off", "auto", True, False), "on, off or auto"),
    "type_k": (_among(*CACHE_TYPES), "one of " + ", ".join(CACHE_TYPES)),
    "type_v": (_among(*CACHE_TYPES), "one of " + ", ".join(CACHE_TYPES)),
    "kv_unified": (_flag, "true or false"),
    "keep_prompts": (_flag, "true or false"),
    "swa_full": (_flag, "true or false"),
    "offload_kqv": (_flag, "true or false"),
    "mmap": (_flag, "true or false"),
    "mlock": (_flag, "true or false"),
    "split_mode": (_among(*SPLIT_MODES), "one of " + ", ".join(SPLIT_MODES)),
    "main_gpu": (_whole(0), "the number of a GPU, from 0"),
    "tensor_split": (_shares, "a share for each GPU, such as `tensor_split: [3, 1]`"),
    "rope_scaling": (_among(*ROPE_SCALINGS), "one of " + ", ".join(ROPE_SCALINGS)),
    "rope_freq_base": (_above_zero, "a number above 0"),
    "rope_freq_scale": (_above_zero, "a number above 0"),
    "reproducible": (_flag, "true or false"),
    "file": (_text, "the name of a file in the package or repository"),
    "sha256": (_sha256, "the sha256 of the file, 64 hexadecimal digits"),
}
"""What `gguf` takes by name, besides its locator and the sampling settings."""
