"""A copy of a GGUF file that takes several times as long to compute and says the same.

    python benchmarks/deeper_weights.py smollm2-135m.gguf /tmp/deeper.gguf --times 8

Behind the layers of the file come as many again, and again, whose last projections are all zeros: attention and
feed-forward parts are computed in full and add nothing. So there is a "large" model of the same vocabulary for every
small one, to measure what its size costs where no larger one of the family can be had. What it says is no better.
"""

from __future__ import annotations

import argparse
import mmap
import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path

SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of GGUF's types of values; 8 is a text and 9 a list."""
SILENT = ("attn_output.weight", "ffn_down.weight")
ALIGNMENT = 32
BLOCK = re.compile(r"blk\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Tensor:
    """A tensor's entry, where its data begins behind the head, and how many bytes they are."""

    name: str
    shape: bytes
    kind: int
    start: int
    size: int = 0
    silent: bool = False


class Reader:
    """A place in the file."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from(f"<{code}", self.data, self.at)
        self.at += struct.calcsize(f"<{code}")
        return int(value)

    def text(self) -> str:
        size = self.number("Q")
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def skip(self, kind: int) -> None:
        if kind == 8:
            self.text()
        elif kind == 9:
            inner, count = self.number("I"), self.number("Q")
            if inner in SCALARS:
                self.at += SCALARS[inner] * count
            else:
                for _ in range(count):
                    self.skip(inner)
        else:
            self.at += SCALARS[kind]


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def deepen(source: Path, target: Path, times: int) -> int:
    """Write the file with `times` as many layers; how many these are. Raises ValueError for what is no such file."""
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = Reader(data)
        if data[:4] != b"GGUF":
            raise ValueError(f"{source} is no GGUF file")
        reader.at = 8
        count, entries = reader.number("Q"), reader.number("Q")
        first = reader.at
        layers, place = 0, 0
        for _ in range(entries):
            key, kind = reader.text(), reader.number("I")
            if key == "general.alignment":
                raise ValueError("an alignment of its own is not known here")
            if key.endswith(".block_count"):
                place, layers = reader.at, struct.unpack_from("<I", data, reader.at)[0]
            reader.skip(kind)
        if not layers:
            raise ValueError(f"{source} does not say how many layers it has")
        meta = bytearray(data[first : reader.at])
        struct.pack_into("<I", meta, place - first, layers * times)
        tensors = _sized([_entry(reader) for _ in range(count)], reader, len(data))
        base = aligned(reader.at)
        every = [*tensors, *(one for again in range(1, times) for one in _layers(tensors, again * layers))]
        with target.open("wb") as out:
            out.write(data[:8] + struct.pack("<QQ", len(every), entries) + meta)
            offset = 0
            for one in every:
                out.write(text(one.name) + one.shape + struct.pack("<IQ", one.kind, offset))
                offset += aligned(one.size)
            out.write(bytes(aligned(out.tell()) - out.tell()))
            for one in every:
                begin = base + one.start
                out.write(bytes(one.size) if one.silent else data[begin : begin + one.size])
                out.write(bytes(aligned(one.size) - one.size))
    return layers * times


def _entry(reader: Reader) -> Tensor:
    name = reader.text()
    start = reader.at
    dimensions = reader.number("I")
    reader.at += 8 * dimensions
    return Tensor(name, reader.data[start : reader.at], reader.number("I"), reader.number("Q"))


def _sized(tensors: list[Tensor], reader: Reader, end: int) -> list[Tensor]:
    """With sizes, up to the next tensor's beginning; what fills a gap belongs to the one before it."""
    ends = [*sorted(one.start for one in tensors), end - aligned(reader.at)]
    return [replace(one, size=ends[ends.index(one.start) + 1] - one.start) for one in tensors]


def _layers(tensors: list[Tensor], by: int) -> list[Tensor]:
    """The layers once more, so many places further on, silent."""
    moved = []
    for one in tensors:
        found = BLOCK.fullmatch(one.name)
        if found is not None:
            name = f"blk.{int(found[1]) + by}.{found[2]}"
            moved.append(replace(one, name=name, silent=found[2] in SILENT))
    return moved


def main() -> None:
    """Make a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--times", type=int, default=8)
    options = parser.parse_args()
    layers = deepen(options.source, options.target, options.times)
    print(f"{options.target}: {layers} layers, {options.target.stat().st_size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
