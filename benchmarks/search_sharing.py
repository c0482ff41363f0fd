"""Tokens spent by a search of 40 trials against those of 40 separate runs: how many samples, two temperatures, what is
kept, the rule.

    python benchmarks/search_sharing.py                              # on an engine of seeded dice: no model is asked
    python benchmarks/search_sharing.py --weights smollm2.gguf       # `examples/notes/search.tts` with a model

Only counts are told; answers matter to them only through what the sampler tries. Baselines are in both figures.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from searching import TEXT, Dice, searched, write
from ttscale.runtime.program import load
from ttscale.runtime.search.api import Wishes
from ttscale.runtime.search.book import Limits

ROOT = Path(__file__).resolve().parents[1]
PIPELINE = """
pipeline main(question: Text) -> Number {
  param n: Int in {4, 8, 16} = 8
  param heat: Float in {0.8, 1.2} = 0.8
  param kept: Bool = true
  param rule: Choice in {most, likely, first, best} = most
  drafts = generate(solve(question), from: small, n: n, temperature: heat)
  said = drafts |> filter(top: 4) when kept
  return match rule {
    most => said |> vote()
    likely => said |> vote(weight: likelihood)
    first => said |> select(by: first)
    best => said |> select(by: likelihood)
  }
}

"""


def with_dice() -> None:
    """Search once with each of two goals, and print the counts."""
    for more in ("", "minimize tokens"):
        with tempfile.TemporaryDirectory() as name:
            text = TEXT.partition("pipeline")[0] + PIPELINE
            path = write(Path(name), f"{more} trials 40 seed 1", rows=30, text=text)
            document = searched(path, Dice(), ablate=False, racing=False).document
        tell("accuracy and tokens" if more else "accuracy", document)


def with_model(weights: Path, questions: int) -> None:
    """Search the shop notes with a model, and print the counts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("notes.tts", "questions.jsonl", "search.tts"):
            shutil.copy(ROOT / "examples" / "notes" / file, folder)
        path = folder / "search.tts"
        text = path.read_text(encoding="utf-8")
        head, _, _ = text.partition("search tune")
        search = (
            f"search tune over main {{ maximize accuracy on notes[0:{questions}]  minimize tokens  trials 40  seed 1 }}"
        )
        path.write_text(f"{head}{search}\n", encoding="utf-8")
        with load(path, {"small": str(weights.absolute())}, bank=folder / "bank.sqlite") as program:
            wishes = Wishes(str(path), folder / "study", limits=Limits(trials=40), ablate=False, racing=False)
            document = program.search("tune", wishes).document
    tell(f"{weights.name}, {questions} questions", document)


def tell(what: str, document: Mapping[str, Any]) -> None:
    """Print one search's counts."""
    spent, alone = document["spent"], document["as_if_alone"]
    made = f"{len(document['trials'])} trials ({document['sampler']})"
    times = alone["tokens"] / spent["tokens"]
    print(f"{what}: {made}, {alone['tokens']:,.0f} tokens alone, {spent['tokens']:,} spent: {times:.1f} times")


def main() -> None:
    """Read the arguments and search."""
    parser = argparse.ArgumentParser(description="Tokens of a search against those of separate runs.")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--questions", type=int, default=12)
    arguments = parser.parse_args()
    if arguments.weights is None:
        with_dice()
    else:
        with_model(arguments.weights, arguments.questions)


if __name__ == "__main__":
    main()
