"""Programs to begin with, which `ttscale new` writes: each compiles without a finding and passes its tests."""

from __future__ import annotations

from importlib import resources

from ttscale.compiler.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    """A program to begin with: its name, its text, and the first line of its pipeline's documentation."""

    name: str
    text: str

    @property
    def summary(self) -> str:
        """What the program does, in one line."""
        lines = [line.strip() for line in self.text.splitlines()]
        main = next(index for index, line in enumerate(lines) if line.startswith("pipeline "))
        first = main
        while first > 0 and lines[first - 1].startswith("##"):
            first -= 1
        return lines[first].removeprefix("##").strip() if first < main else ""


ORDER = ("single", "self-consistency", "classify", "extract", "judge", "critique-rank-fuse", "cascade", "archon")


def templates() -> dict[str, Template]:
    """All templates by name, the simplest first."""
    folder = resources.files("ttscale.library").joinpath("templates")
    names = [entry.name.removesuffix(".tts") for entry in folder.iterdir() if entry.name.endswith(".tts")]
    names.sort(key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return {name: Template(name, _text(folder.joinpath(f"{name}.tts").read_text(encoding="utf-8"))) for name in names}


def _text(text: str) -> str:
    return text.replace("\r\n", "\n")
