"""Tokens spent by a search of 40 trials against those of 40 separate runs, counted on an engine of seeded dice.

The space is like that of `examples/notes/search.tts`: how many samples, two temperatures, what is kept, the rule. No
model is asked, so only counts are told; answers matter to them only through what the sampler tries.

    python benchmarks/search_sharing.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from searching import TEXT, Dice, searched, write

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


def main() -> None:
    """Search once with each of two goals, and print the counts."""
    for more in ("", "minimize tokens"):
        with tempfile.TemporaryDirectory() as name:
            text = TEXT.partition("pipeline")[0] + PIPELINE
            path = write(Path(name), f"{more} trials 40 seed 1", rows=30, text=text)
            dice = Dice()
            document = searched(path, dice, ablate=False, racing=False).document
        spent, alone = document["spent"], document["as_if_alone"]
        goals = "accuracy and tokens" if more else "accuracy"
        made = f"{len(document['trials'])} trials ({document['sampler']})"
        times = alone["tokens"] / spent["tokens"]
        print(f"{goals}: {made}, {alone['tokens']:,.0f} tokens alone, {spent['tokens']:,} spent: {times:.1f} times")


if __name__ == "__main__":
    main()
