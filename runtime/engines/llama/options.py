"""How a model is loaded, beyond its file: what `gguf(…)` takes for llama.cpp itself, read and checked.

    options_of({"lora": "tone.gguf", "mlock": True}, find, read)    # LoadOptions(mlock=True, lora=((…, 1.0),))

Pure but for the two functions that are handed in: no native code, no files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from ttscale.compiler.gguf_options import GGUF_OPTIONS
from ttscale.runtime.engines.base import EngineError

# Types of cached keys and values: ggml's number, and bits a number.
CACHE_TYPES: Mapping[str, tuple[int, float]] = {
    "f32": (0, 32),
    "f16": (1, 16),
    "bf16": (30, 16),
    "q8_0": (8, 8.5),
    "q5_1": (7, 6),
    "q5_0": (6, 5.5),
    "q4_1": (3, 5),
    "q4_0": (2, 4.5),
    "iq4_nl": (20, 4.5),
}
SPLIT_MODES = {"none": 0, "layer": 1, "row": 2}
ROPE_SCALINGS = {"none": 0, "linear": 1, "yarn": 2, "longrope": 3}
FLASH = {"auto": -1, "off": 0, "on": 1}
BATCH = 512  # rows of a call where none are given
PLAIN_TYPES = ("f32", "f16", "bf16")


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What llama.cpp is told when it loads a model; `None` is its own or a measured default.

    `batch` rows at most in a call, `ubatch` in a part of it. `lora` are adapter files with their scales.
    `chat_template` is the template's text, `tensor_split` the share of each GPU. With `keep_prompts` the states of long
    system prompts are kept on disk.
    """

    batch: int | None = None
    ubatch: int | None = None
    flash_attention: str | None = None
    kv_unified: bool = True
    swa_full: bool = True
    mmap: bool | None = None
    mlock: bool = False
    type_k: str = "f16"
    type_v: str = "f16"
    offload_kqv: bool = True
    split_mode: str | None = None
    main_gpu: int | None = None
    tensor_split: tuple[float, ...] = ()
    rope_scaling: str | None = None
    rope_freq_base: float | None = None
    rope_freq_scale: float | None = None
    lora: tuple[tuple[Path, float], ...] = ()
    chat_template: str | None = None
    seed: int | None = None
    reproducible: bool = False
    keep_prompts: bool = False

    @property
    def cache_share(self) -> float:
        """What a cached token costs, against one at 16 bits."""
        return (CACHE_TYPES[self.type_k][1] + CACHE_TYPES[self.type_v][1]) / 32

    def identity(self, weights: str, digest_of: Callable[[Path], str]) -> str:
        """The digest of what answers: that of the weights, or one with all in it that changes the answers.

        Speed and memory are no part of it. `digest_of` gives the digest of an adapter's file.
        """
        parts: dict[str, object] = {
            name: value
            for name in ("chat_template", "rope_scaling", "rope_freq_base", "rope_freq_scale", "seed")
            if (value := getattr(self, name)) is not None
        }
        parts |= {name: value for name in ("type_k", "type_v") if (value := getattr(self, name)) != "f16"}
        if self.lora:
            parts["lora"] = [[digest_of(path), scale] for path, scale in self.lora]
        if not parts:
            return weights
        text = json.dumps([weights, parts], sort_keys=True, ensure_ascii=False)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def options_of(
    given: Mapping[str, object], find: Callable[[str], Path], read: Callable[[str], str]
) -> tuple[LoadOptions, frozenset[str]]:
    """The load options among a model's, and their names.

    `find` gives the file of an adapter's locator, `read` the text of a template's file. Raises EngineError with a hint.
    """
    found: dict[str, object] = {}
    for name, value in given.items():
        if name not in LOAD_OPTIONS:
            continue
        check, wanted = GGUF_OPTIONS[name]
        if not check(value):
            raise EngineError(f"`{name}` cannot be {value!r}", hint=f"give {wanted}")
        if name == "lora":
            found[name] = tuple((find(locator), scale) for locator, scale in adapters_of(value))
        elif name == "chat_template":
            found[name] = _template(str(value), read)
        elif name == "tensor_split":
            found[name] = tuple(value) if isinstance(value, tuple | list) else ()
        elif name in _NAMES:
            found[name] = {True: "on", False: "off", None: "none"}.get(value, value)  # type: ignore[call-overload]
        else:
            found[name] = value
    if found.get("reproducible"):  # one cache mode, and prompts in pieces that end at fixed places
        found |= {"kv_unified": False, "flash_attention": "off", "batch": BATCH, "ubatch": BATCH}
    options = LoadOptions(**found)  # type: ignore[arg-type]
    _agree(options)
    return options, frozenset(found)


def _agree(options: LoadOptions) -> None:
    """Raise where two options cannot both hold."""
    batch = options.batch or BATCH
    if options.ubatch is not None and options.ubatch > batch:
        message = f"`ubatch: {options.ubatch}` is more than the batch of {batch} rows that it is a part of"
        raise EngineError(message, hint=f"give `batch: {options.ubatch}` too, or a smaller `ubatch:`")
    if options.type_v not in PLAIN_TYPES and options.flash_attention == "off":
        message = f"llama.cpp keeps values as {options.type_v} only with flash attention, which is off"
        raise EngineError(message, hint="leave `flash_attention:` out, or write `type_v: f16`")
    if options.keep_prompts and not options.kv_unified:
        message = "`keep_prompts` needs one cache for all samples, and each has its own here"
        raise EngineError(message, hint="leave out `keep_prompts:`, or `kv_unified: false` and `reproducible:`")
    if options.tensor_split and options.split_mode == "none":
        raise EngineError("`tensor_split` has no use with `split_mode: none`", hint="leave one of the two out")


def adapters_of(value: object) -> list[tuple[str, float]]:
    """Locators with their scales: of one text, a list of texts, or pairs of text and number."""
    items = value if isinstance(value, tuple) else (value,)
    return [(str(item[0]), float(item[1])) if isinstance(item, tuple) else (str(item), 1.0) for item in items]


def _template(value: str, read: Callable[[str], str]) -> str:
    """The text of a template: written out, or in a file."""
    return value if is_template_text(value) else read(value)


def is_template_text(value: str) -> bool:
    """Whether a `chat_template` is the text itself, and not the path of a file."""
    return "{{" in value or "{%" in value


_NAMES = ("flash_attention", "type_k", "type_v", "split_mode", "rope_scaling")
LOAD_OPTIONS = tuple(option.name for option in fields(LoadOptions))
"""The names of all of them."""
