"""What reads the rows of a dataset, with the options of each reader.

    dataset gsm = jsonl("gsm8k.jsonl", shape: "gsm8k", where: length(question) < 400)
    dataset sums = gym("chain_sum", size: 100, seed: 7, min_terms: 3)
    dataset arc = hf("allenai/ai2_arc", config: "ARC-Challenge", split: "test")

An option is written as a literal of its kind; under the same name anything else is a field of the dataset, so that a
column `limit` can be one. `where` is always a condition; `id` always names the rows, and is a field beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from ttscale.compiler.frozen import dataclass

OptionKind = Literal["text", "count", "texts", "condition", "row"]

KIND_WORDS: Mapping[OptionKind, str] = {
    "text": "a text",
    "count": "a whole number, 0 or more",
    "texts": "a list of texts",
    "condition": "a condition",
    "row": "a value of a row",
}

EXAMPLES: Mapping[OptionKind, str] = {
    "text": '"…"',
    "count": "100",
    "texts": '["question", "answer"]',
    "condition": 'level == "hard"',
    "row": "key",
}

ROW_OPTIONS: Mapping[str, OptionKind] = {
    "where": "condition",
    "id": "row",
    "split": "text",
    "shuffle": "count",
    "limit": "count",
    "shape": "text",
}
"""What every reader takes."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader: what its text names, an example of one, its own options, whether other literals are its settings."""

    name: str
    names: str
    example: str
    options: Mapping[str, OptionKind] = field(default_factory=dict)
    has_settings: bool = False
    must: str = ""
    """What the text must match where that is known, as a regular expression."""

    def option(self, name: str) -> OptionKind | None:
        """The kind of an option; None where it has none of this name."""
        return self.options.get(name) or ROW_OPTIONS.get(name)

    @property
    def all_options(self) -> tuple[str, ...]:
        """The names of all options, its own first."""
        return (*self.options, *(name for name in ROW_OPTIONS if name not in self.options))


_TABLE: Mapping[str, OptionKind] = {"delimiter": "text", "encoding": "text", "columns": "texts"}
_TEXT: Mapping[str, OptionKind] = {"encoding": "text"}

READERS: Mapping[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader("jsonl", "the path of one file", "data.jsonl", _TEXT),
        Reader("json", "the path of one file", "data.json", _TEXT),
        Reader("csv", "the path of one file", "data.csv", _TABLE),
        Reader("tsv", "the path of one file", "data.tsv", _TABLE),
        Reader("parquet", "the path of one file", "data.parquet"),
        Reader(
            "gym",
            "the name of one task",
            "chain_sum",
            {"size": "count", "seed": "count"},
            has_settings=True,
            must="[a-z0-9_]+",
        ),
        Reader(
            "hf",
            "a data set of the hub, or the folder of a copy",
            "openai/gsm8k",
            {"config": "text", "split": "text", "revision": "text"},
        ),
    )
}

SHAPES: Mapping[str, str] = {
    "gsm8k": "GSM8K and its kin",
    "math": "MATH and MATH-500",
    "humaneval": "HumanEval and HumanEval+",
    "mbpp": "MBPP, as a whole or sanitized",
    "mbppplus": "MBPP+",
    "arc": "ARC",
    "mmlu": "MMLU",
    "hotpotqa": "HotpotQA",
    "strategyqa": "StrategyQA",
    "folio": "FOLIO",
    "ifeval": "IFEval",
    "game24": "Game of 24",
    "gym": "generated tasks",
}
"""The shapes of published data that readers know."""

NO_SHAPE = "none"
"""What `shape:` says where columns are to be taken as they are."""
