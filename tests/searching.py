"""Helpers of the tests of search: programs on an engine whose answers only question, temperature and seed decide."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ttscale.compiler.ir import Model
from ttscale.runtime.engines.base import Capabilities, Completion, Engine, EngineStats, Message, Request, Scored
from ttscale.runtime.program import Program, load
from ttscale.runtime.search.api import Outcome, Wishes
from ttscale.runtime.search.book import Limits

PROMPT, NEW = 20, 10
TEXT = '''tts 1

model small = openai("http://localhost:9/v1", name: "dice")

prompt solve(question: Text) -> Number = """{{ question }}"""

dataset sums = jsonl("rows.jsonl", question: question, answer: answer)

pipeline main(question: Text) -> Number {
  param n: Int in {1, 2, 4, 8} = 4
  param heat: Float in {0.2, 0.6, 1.0} = 0.6
  param rule: Choice in {most, one} = most
  drafts = generate(solve(question), from: small, n: n, temperature: heat)
  return match rule { most => drafts |> vote()  one => drafts |> select(by: first) }
}

'''
SEARCH = "search tune over main {{ maximize accuracy on sums[0:{rows}]  {more} }}\n"


def chance(*parts: object) -> float:
    """A number between 0 and 1 that these parts decide."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


@dataclass
class Dice:
    """An engine that is right more often on some questions than on others, and with less heat; wrong answers scatter.

    `made` counts the samples, `asked` keeps what was asked and with which seeds; `log` is a file with a line a sample.
    """

    pause: float = 0.0
    log: Path | None = None
    digest: str = "sha256:dice"
    made: int = 0
    running: int = 0
    asked: list[tuple[str, float, int]] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(context=4096)

    async def start(self) -> None:
        """Nothing to load."""

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return PROMPT

    async def generate(self, request: Request) -> AsyncIterator[Completion]:
        question, heat = request.messages[-1].content, float(request.sampling.temperature or 0.0)
        for index, seed in enumerate(request.seeds):
            if self.pause:
                await asyncio.sleep(self.pause)
            self.made += 1
            self.asked.append((question, heat, seed))
            if self.log is not None:
                with self.log.open("a", encoding="utf-8") as stream:
                    stream.write(f"{question} {heat} {seed}\n")
            right = chance(question, seed, heat) < 0.35 + 0.4 * chance("easy", question) - 0.15 * heat
            answer = 7 if right else 10 + int(90 * chance("wrong", question, seed))
            yield Completion(index, f"Answer: {answer}", "stop", PROMPT, NEW, logprobs=(-chance(question, seed),) * NEW)

    async def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, priority: tuple[int, ...] = ()
    ) -> list[Scored]:
        return [Scored(text, (-1.0,), PROMPT) for text in continuations]

    def stats(self) -> EngineStats:
        return EngineStats()

    async def close(self) -> None:
        """Nothing to free."""


@dataclass
class OneEngine:
    """A house, and a run's engines, in which every model is one engine."""

    engine: Engine

    def for_run(self, **how: object) -> OneEngine:
        return self

    async def get(self, model: Model) -> Engine:
        return self.engine

    async def close(self) -> None:
        """Nothing to free."""


def write(folder: Path, more: str = "trials 6", *, rows: int = 60, text: str = TEXT, all_rows: int = 0) -> Path:
    """A program with a search, and its rows; the gold is 7 throughout."""
    lines = [{"id": f"q{i:03d}", "question": f"q{i:03d}", "answer": 7} for i in range(max(rows, all_rows))]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    path = folder / "task.tts"
    path.write_text(text + SEARCH.format(rows=rows, more=more), encoding="utf-8")
    return path


def opened(path: Path, dice: Dice, bank: Path | None = None) -> Program:
    """The program on the dice, with a bank beside it unless another is named."""
    program = load(path, bank=bank if bank is not None else path.parent / "bank.sqlite")
    program._house = OneEngine(dice)  # type: ignore[assignment]
    return program


def searched(path: Path, dice: Dice, **wishes: object) -> Outcome:
    """The outcome of the program's search; the study lies in the folder `study` beside it."""
    limits = wishes.pop("limits", {})
    assert isinstance(limits, Mapping)
    with opened(path, dice) as program:
        own = Wishes(str(path), path.parent / "study", limits=Limits(**limits), **wishes)  # type: ignore[arg-type]
        return program.search(None, own)
