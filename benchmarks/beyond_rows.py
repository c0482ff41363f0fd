"""HotpotQA with its paragraphs as a list, one text each, for `beyond_hotpotqa.tts`.

    python benchmarks/beyond_rows.py data/hotpotqa/distractor_sample_100.jsonl hotpotqa.jsonl

Reads rows as on the hub (`context` has `title` and `sentences` side by side) and writes `id`, `question`, `answer` and
`paragraphs`, each paragraph with its title in front.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def main() -> None:
    """Convert one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    with given.output.open("w", encoding="utf-8") as out:
        for line in given.rows.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            pairs = zip(row["context"]["title"], row["context"]["sentences"], strict=True)
            paragraphs = [f"{title}: {''.join(sentences).strip()}" for title, sentences in pairs]
            kept = {key: row[key] for key in ("id", "question", "answer")}
            out.write(json.dumps(kept | {"paragraphs": paragraphs}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
