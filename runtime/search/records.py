"""The records of a search: what every pipeline that was tried answered, question by question, kept by all workers.

Each worker appends to a file of its own in the study's folder and has read those of the others when it began. Records
are slim: no texts, since the bank has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from ttscale.runtime.evaluate.arms import Arm, Item
from ttscale.runtime.evaluate.measuring import Record

KEPT = ("arm", "id", "asked", "seed", "answer", "readable", "score", "grades", "cost", "fresh", "error", "confidences")
OF_CANDIDATE = ("class", "score", "tokens", "logprob_mean")


class Records:
    """Slim records by pipeline and question; `folder` None keeps them in memory. `measured` names the measures."""

    def __init__(self, folder: Path | None, worker: str = "0", measured: str = "") -> None:
        self.measured = measured
        self._file: IO[str] | None = None
        self._of: dict[tuple[str, str, str], Record] = {}
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("rows-*.jsonl")):
            self._read(path)
        self._file = (folder / f"rows-{worker}.jsonl").open("a", encoding="utf-8", errors="backslashreplace")

    def _read(self, path: Path) -> None:
        """Take over what a file has; a last line that a kill left without its end is passed over."""
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and record.get("measured") == self.measured and not record.get("error"):
                self._of[str(record["arm"]), str(record["id"]), str(record["asked"])] = record

    def find(self, arm: Arm, item: Item) -> Record | None:
        """The record of a question, if it was asked."""
        return self._of.get((arm.digest, item.id, item.asked))

    def add(self, record: Mapping[str, Any]) -> Record:
        """Keep what is needed of a record; it is handed to the system before this returns."""
        slim: Record = {name: record[name] for name in KEPT if name in record}
        if "candidates" in record:
            own = [{name: c.get(name) for name in OF_CANDIDATE} for c in record["candidates"]]
            judged = [{**stage, "pool": []} for stage in record.get("stages", []) if stage.get("judged")]
            slim |= {"candidates": own, "samples": record.get("samples", []), "stages": judged}
        slim["measured"] = self.measured
        self._of[str(slim["arm"]), str(slim["id"]), str(slim["asked"])] = slim
        if self._file is not None:
            # A line of its own even behind one that a kill cut short.
            self._file.write(json.dumps(slim, ensure_ascii=False, default=str) + "\n")
            self._file.flush()
        return slim

    def of(self, arm: Arm, items: Iterable[Item]) -> list[Record]:
        """The records of these questions that there are, in their order."""
        return [found for item in items if (found := self.find(arm, item)) is not None]

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None
