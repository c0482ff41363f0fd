"""Read the header of a GGUF file without loading weights and without llama.cpp.

The layout follows the GGUF specification, versions 2 and 3: magic, version, counts, key-value pairs, tensor
descriptions, padding, tensor data. Everything that native code would abort on is checked here first, so that a
broken file is a typed error and never a dead process.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ttscale.runtime.engines.base import EngineError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
READERS = ("bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert")
RANK = 4  # the pooling of models that score documents
LONG_ARRAY = 64  # longer arrays (vocabulary, merges) are skipped, only their length is kept

# Value type number -> struct code of the scalar.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9

# Tensor type number -> (elements in a block, bytes of a block).
BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    9: (32, 36),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    15: (256, 292),
    16: (256, 66),
    17: (256, 74),
    18: (256, 98),
    19: (256, 50),
    20: (32, 18),
    21: (256, 110),
    22: (256, 82),
    23: (256, 136),
    24: (1, 1),
    25: (1, 2),
    26: (1, 4),
    27: (1, 8),
    28: (1, 8),
    29: (256, 56),
    30: (1, 2),
    34: (256, 54),
    35: (256, 66),
    39: (32, 17),
}


@dataclass(frozen=True, slots=True)
class GgufInfo:
    """What the header says.

    `context` is the trained context in tokens, `kv_cell_bytes` an estimate of what one cached token costs at 16
    bits, `template` the chat template ("" when there is none), `file_bytes` the size on disk, `is_adapter` whether it
    holds a LoRA adapter and no model. `pooling` is llama.cpp's number of how a text's vector is made of its tokens', -1
    where the file does not say; `causal` is False for models that read texts whole and write none.
    """

    path: Path
    version: int
    architecture: str
    name: str
    context: int
    vocabulary: int
    template: str
    layers: int
    embedding: int
    kv_cell_bytes: int
    parameters: int
    file_bytes: int
    tensors: int
    sliding_window: int
    is_adapter: bool = False
    pooling: int = -1
    causal: bool = True


class _Cursor:
    """A reading position in the mapped file that raises EngineError at the end of the data."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self.data = data
        self.size = len(data)
        self.path = path
        self.at = 0

    def _need(self, count: int) -> None:
        if count < 0 or self.at + count > self.size:
            raise broken(self.path, "its header is cut off")

    def scalar(self, code: str) -> int | float | bool:
        width = struct.calcsize("<" + code)
        self._need(width)
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += width
        result: int | float | bool = value
        return result

    def count(self, code: str = "Q") -> int:
        return int(self.scalar(code))

    def text(self) -> str:
        length = self.count()
        self._need(length)
        value = self.data[self.at : self.at + length]
        self.at += length
        return value.decode("utf-8", "replace")

    def skip_texts(self, number: int) -> None:
        unpack, data, size, at = struct.Struct("<Q").unpack_from, self.data, self.size, self.at
        for _ in range(number):
            if at + 8 > size:
                break
            at += 8 + int(unpack(data, at)[0])
        self.at = at
        self._need(0)

    def value(self, kind: int) -> object:
        if kind == STRING:
            return self.text()
        if kind in SCALARS:
            return self.scalar(SCALARS[kind])
        if kind != ARRAY:
            raise broken(self.path, f"it has a value of unknown type {kind}")
        inner, number = self.count("I"), self.count()
        if inner == ARRAY:
            raise broken(self.path, "it has nested arrays, which this version cannot read")
        if number > LONG_ARRAY:
            if inner == STRING:
                self.skip_texts(number)
            elif inner in SCALARS:
                step = number * struct.calcsize("<" + SCALARS[inner])
                self._need(step)
                self.at += step
            else:
                raise broken(self.path, f"it has an array of unknown type {inner}")
            return number
        return [self.value(inner) for _ in range(number)]


def broken(path: Path, why: str) -> EngineError:
    """The error for a file that cannot be loaded, with what to do about it."""
    return EngineError(
        f"{path} is not a usable GGUF file: {why}",
        hint="download the file again, and compare its size and sha256 with the publisher's",
    )


def describe_gguf(path: str | Path) -> GgufInfo:
    """Facts of a GGUF file from its header alone.

    Raises EngineError when the file is missing, is not GGUF, or ends before the tensors that it promises.
    """
    file = Path(path)
    try:
        status = file.stat()
    except OSError as error:
        raise EngineError(f"no model file at {file} ({error.strerror})", hint="check the path or locator") from None
    if not file.is_file():
        raise EngineError(f"{file} is not a file", hint="name the .gguf file itself")
    return _describe(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _describe(path: Path, size: int, _modified: int) -> GgufInfo:
    if size < 24:
        raise broken(path, f"it has only {size} bytes")
    try:
        with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(_Cursor(data, path), size)
    except OSError as error:
        raise EngineError(f"cannot read {path}: {error.strerror}", hint="check the file's permissions") from None


def _parse(cursor: _Cursor, size: int) -> GgufInfo:
    path = cursor.path
    magic = bytes(cursor.data[:4])
    cursor.at = 4
    if magic != MAGIC:
        raise broken(path, f"it starts with {magic!r} instead of {MAGIC!r}")
    version = cursor.count("I")
    if version not in VERSIONS:
        raise broken(path, f"it is GGUF version {version}, and versions 2 and 3 are known")
    tensors, pairs = cursor.count(), cursor.count()
    if tensors > 1_000_000 or pairs > 1_000_000:
        raise broken(path, "its counts make no sense")
    meta: dict[str, object] = {}
    for _ in range(pairs):
        key = cursor.text()
        meta[key] = cursor.value(cursor.count("I"))
    parameters = _check_tensors(cursor, tensors, size, _integer(meta, "general.alignment", 32))
    architecture = _text(meta, "general.architecture")
    if not architecture:
        raise broken(path, "it names no architecture")
    return _info(path, version, architecture, meta, parameters, size, tensors)


def _check_tensors(cursor: _Cursor, tensors: int, size: int, alignment: int) -> int:
    """Check that every tensor lies inside the file; the number of parameters."""
    ends: list[tuple[int, str]] = []
    parameters = 0
    for _ in range(tensors):
        name = cursor.text()
        dimensions = cursor.count("I")
        if dimensions > 8:
            raise broken(cursor.path, f"tensor {name!r} has {dimensions} dimensions")
        elements = 1
        for _ in range(dimensions):
            elements *= cursor.count()
        kind, offset = cursor.count("I"), cursor.count()
        parameters += elements
        block, width = BLOCKS.get(kind, (1, 0))
        ends.append((offset + elements // block * width, name))
    if alignment <= 0:
        raise broken(cursor.path, "its alignment makes no sense")
    start = (cursor.at + alignment - 1) // alignment * alignment
    if ends:
        end, name = max(ends)
        if start + end > size:
            raise broken(cursor.path, f"it ends at byte {size:,}, before tensor {name!r} ends at {start + end:,}")
    return parameters


def _integer(meta: dict[str, object], key: str, default: int = 0) -> int:
    value = meta.get(key, default)
    if isinstance(value, list):  # some architectures give one number a layer
        value = max((item for item in value if isinstance(item, int)), default=default)
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else default


def _text(meta: dict[str, object], key: str) -> str:
    value = meta.get(key, "")
    return value if isinstance(value, str) else ""


def _info(
    path: Path, version: int, architecture: str, meta: dict[str, object], parameters: int, size: int, tensors: int
) -> GgufInfo:
    layers = _integer(meta, f"{architecture}.block_count")
    embedding = _integer(meta, f"{architecture}.embedding_length")
    heads = _integer(meta, f"{architecture}.attention.head_count", 1) or 1
    kv_heads = _integer(meta, f"{architecture}.attention.head_count_kv", heads) or heads
    key = _integer(meta, f"{architecture}.attention.key_length", embedding // heads)
    value = _integer(meta, f"{architecture}.attention.value_length", embedding // heads)
    vocabulary = _integer(meta, f"{architecture}.vocab_size") or _integer(meta, "tokenizer.ggml.tokens")
    return GgufInfo(
        path=path,
        version=version,
        architecture=architecture,
        name=_text(meta, "general.name"),
        context=_integer(meta, f"{architecture}.context_length"),
        vocabulary=vocabulary,
        template=_text(meta, "tokenizer.chat_template"),
        layers=layers,
        embedding=embedding,
        kv_cell_bytes=layers * kv_heads * (key + value) * 2,
        parameters=parameters,
        file_bytes=size,
        tensors=tensors,
        sliding_window=_integer(meta, f"{architecture}.attention.sliding_window"),
        is_adapter=_text(meta, "general.type") == "adapter",
        pooling=_integer(meta, f"{architecture}.pooling_type", -1),
        causal=bool(meta.get(f"{architecture}.attention.causal", architecture not in READERS)),
    )
