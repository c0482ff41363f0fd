"""The report of an evaluation: one document of plain data, and the records that its drill-down shows."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ttscale.compiler.ir import Model
from ttscale.compiler.plan import cost_to_json
from ttscale.runtime.evaluate.arms import Arm, Item
from ttscale.runtime.evaluate.figures import cost_of, figures
from ttscale.runtime.evaluate.folder import FolderError, RunFolder, read_run
from ttscale.runtime.evaluate.matching import Matched
from ttscale.runtime.evaluate.measuring import Record
from ttscale.runtime.evaluate.running import Progress, Settings
from ttscale.runtime.evaluate.versus import families, versus
from ttscale.runtime.trace import plain

VERSION = 1


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    `document` is plain data (see docs/evaluate.md), `records` the answers by arm label. `folder` is where they lie.
    """

    document: Mapping[str, Any]
    records: Mapping[str, Sequence[Record]] = field(repr=False)
    folder: Path | None = None

    @property
    def arms(self) -> Sequence[Mapping[str, Any]]:
        """The pipelines that were measured, each with its `label` and `figures`."""
        arms: Sequence[Mapping[str, Any]] = self.document["arms"]
        return arms

    @property
    def accuracy(self) -> float | None:
        """The mean score of the first pipeline; None without gold."""
        value = self.arms[0]["figures"]["accuracy"]
        return None if value is None else float(value)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95% interval."""
        value = self.arms[0]["figures"]["interval"]
        return None if value is None else (value[0], value[1])

    def to_json(self) -> dict[str, Any]:
        """The document, with the records under `records`."""
        return {**self.document, "records": {label: list(own) for label, own in self.records.items()}}

    def text(self) -> str:
        """The figures as tables for a terminal."""
        from ttscale.runtime.evaluate.report.text import as_text

        return as_text(self.document)

    def markdown(self) -> str:
        """The report as Markdown."""
        from ttscale.runtime.evaluate.report.markdown import as_markdown

        return as_markdown(self.document)

    def html(self) -> str:
        """The report as one self-contained page."""
        from ttscale.runtime.evaluate.report.page import as_page

        return as_page(self)

    def beside(self, other: Report) -> Report:
        """Both runs in one report, this one's pipelines as A and the other's as B, compared on common questions."""
        from ttscale.runtime.evaluate.report.two import side_by_side

        return side_by_side(self, other)

    def _repr_html_(self) -> str:
        return self.html()


def document_of(
    arms: Sequence[Arm],
    items: Sequence[Item],
    settings: Settings,
    records: Mapping[str, Sequence[Record]],
    progress: Progress,
    *,
    title: str,
    measures: Sequence[str],
    measured: str,
    seen_before: Mapping[str, Any],
    matched: tuple[str, float, Sequence[Matched]] | None,
    kept_stages: Mapping[str, Mapping[str, str]],
    interrupted: bool,
) -> dict[str, Any]:
    """All that is known of an evaluation, as plain data."""
    return {
        "version": VERSION,
        "title": title,
        "measures": list(measures),
        "measured": measured,
        "settings": {
            "seeds": list(settings.seeds),
            "concurrency": settings.concurrency,
            "precision": settings.precision,
            "looks": list(settings.looks(len(items))),
            "level": settings.level(len(items)),
            "questions": len(items),
        },
        "state": {
            "wanted": progress.wanted,
            "done": progress.done,
            "kept": progress.kept,
            "failed": progress.failed,
            "early": progress.is_early,
            "interrupted": interrupted,
            "new": {"calls": progress.calls, "new_tokens": progress.tokens, "usd": progress.usd},
        },
        "seen_before": dict(seen_before),
        "arms": [_arm(arm, records[arm.label], settings.level(len(items))) for arm in arms],
        "comparisons": [own for pairs in families(arms) for own in versus(pairs, records)],
        "matching": None if matched is None else _matching(matched, arms, records),
        "ablation": {label: dict(reasons) for label, reasons in kept_stages.items()},
        "questions": [
            {"id": item.id, "asked": item.asked, "inputs": plain(dict(item.inputs)), "gold": plain(item.gold)}
            for item in items
        ],
        "environment": environment(),
    }


def _arm(arm: Arm, records: Sequence[Record], level: float) -> dict[str, Any]:
    graph = arm.graph
    return {
        "label": arm.label,
        "digest": arm.digest,
        "file": arm.file,
        "pipeline": graph.pipeline,
        "params": plain(dict(graph.params)),
        "models": {
            name: {"kind": m.kind, "locator": m.locator, "options": _shown_options(m)}
            for name, m in sorted(graph.models.items())
        },
        "without": arm.without,
        "returns": str(graph.returns),
        "stages": [
            {"path": s.path, "op": s.op, "needs": list(s.needs()), "size": [s.size.low, s.size.high]}
            for s in graph.stages
        ],
        "planned": {"expected": cost_to_json(arm.plan.expected), "most": cost_to_json(arm.plan.maximum)},
        "figures": figures(records, graph, level=level),
    }


def _shown_options(model: Model) -> dict[str, object]:
    """A model's options, the replies of a script left out."""
    return {name: plain(value) for name, value in model.options if name != "replies"}


def _matching(
    matched: tuple[str, float, Sequence[Matched]], arms: Sequence[Arm], records: Mapping[str, Sequence[Record]]
) -> dict[str, Any]:
    what, target, told = matched
    name = "usd" if what == "cost" else what
    whole = [arm for arm in arms if not arm.without]
    reached = {arm.label: cost_of(records[arm.label])["mean"][name] for arm in whole}
    first = reached[whole[0].label] or 1.0
    return {
        "of": what,
        "target": target,
        "arms": [
            {
                "label": arm.label,
                "param": own.param,
                "before": own.before,
                "after": own.after,
                "reached": reached[arm.label],
                "ratio": reached[arm.label] / first,
                "note": own.note,
            }
            for arm, own in zip(whole, told, strict=True)
        ],
    }


def environment() -> dict[str, Any]:
    """What the figures depend on besides the program: versions and the machine."""
    from importlib.metadata import PackageNotFoundError, version

    versions: dict[str, str] = {}
    for name in ("ttscale", "llama-cpp-python", "numpy"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": _cores(),
        **versions,
    }


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_report(path: Path) -> Report:
    """The report of a run folder, as its last run left it. Raises FolderError."""
    document = read_run(path)
    if document.get("version") != VERSION or "measured" not in document:
        hint = "run the evaluation again: what is in the folder is not asked again"
        raise FolderError(f"{path} was written by another version of ttscale", hint=hint)
    folder = RunFolder(path if path.is_dir() else path.parent, document["measured"])
    folder.close()
    records = {
        arm["label"]: [
            record
            for seed in document["settings"]["seeds"]
            for question in document["questions"]
            if (record := folder.of(arm["digest"], question["id"], question["asked"], seed)) is not None
        ]
        for arm in document["arms"]
    }
    return Report(document, records, folder.path)
