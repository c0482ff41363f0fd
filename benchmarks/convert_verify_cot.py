"""Turn the Date samples of verify_cot into a pool file for `ttscale replay`.

The source (github.com/lz1oceani/verify_cot, CC-BY-4.0) has 369 questions with 10 ChatGPT chains each, as
`date_np.jsonl.gz`. Its published accuracy of the majority of 10, ties shared, is 72.49%.

    python benchmarks/convert_verify_cot.py date_np.jsonl.gz date.pool.jsonl
    ttscale replay date.pool.jsonl --select "vote()" --ties share
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

UNREADABLE = "No answer!"
"""What the source writes where no answer could be read."""


def questions(source: Path) -> Iterator[dict[str, object]]:
    """The questions of the source as those of a pool file."""
    with gzip.open(source, "rt", encoding="utf-8") as stream:
        for number, line in enumerate(stream):
            row = json.loads(line)
            samples = [
                {"text": text, "answer": None if answer == UNREADABLE else answer, "correct": bool(correct)}
                for text, answer, correct in zip(
                    row["model_outputs"], row["pred_answers"], row["per_sample_correct"], strict=True
                )
            ]
            yield {
                "id": f"date-{number}",
                "question": row["question"],
                "gold": row["final_answer"],
                "samples": samples,
            }


def main() -> None:
    """Read the arguments and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("source", type=Path, help="date_np.jsonl.gz")
    parser.add_argument("target", type=Path, help="the pool file to write")
    arguments = parser.parse_args()
    with arguments.target.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(json.dumps(question, ensure_ascii=False) + "\n" for question in questions(arguments.source))
    print(f"wrote {arguments.target}")


if __name__ == "__main__":
    main()
