"""Measured evidence: how well a recipe does on its own rows with certain weights, and whether that still holds.

    found = measure(program, limit=24).evidence     # asks the pipelines of the program's first `eval`
    found.lines()                                   # the block that `# evidence { … }` holds
    again(program, Evidence.read(lines), count=5)   # asks the first five questions once more

A block is about one program (its canonical hash), one list of questions (a hash of inputs and golds), and certain
weights (the sha256 of each model's file). The grade of every question is kept, so that a few questions can be asked
again and compared one by one, and two recipes measured on the same questions can be compared in pairs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttscale.compiler.canonical import canonical_hash
from ttscale.compiler.evals import Evaluation, evaluations
from ttscale.compiler.evidence import all_evidence
from ttscale.runtime.evaluate.api import arm_of, items_of, loaded_rows, plain_rows, usual_metric
from ttscale.runtime.evaluate.arms import Item, short_hash
from ttscale.runtime.evaluate.grading import ENOUGH
from ttscale.runtime.metrics import compare, mcnemar, wilson
from ttscale.runtime.metrics.comparison import Comparison

if TYPE_CHECKING:
    from ttscale.compiler import ir
    from ttscale.runtime.evaluate.measuring import Record
    from ttscale.runtime.evaluate.running import Listener
    from ttscale.runtime.program import Program

HINTS = {"R0715": "running programs needs a sandbox: `ttscale doctor` says what is missing"}
"""What to do where a pipeline failed on all questions, by the code of the failure."""
CHANCE = 0.05
"""Below this p a re-run disagrees with the evidence by more than chance."""


class EvidenceError(Exception):
    """A program that says nothing to be measured; `hint` says what to write."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Evidence:
    """One block. `grades` has a 1 or a 0 for every question in order; `rows` is the hash of the questions.

    `models` are the weights by the names of the models; `other` and `other_grades` are what it was measured against,
    empty for none. Costs are means per question.
    """

    program: str
    pipeline: str
    on: str
    rows: str
    grades: str
    models: Mapping[str, str]
    calls: float = 0.0
    tokens: float = 0.0
    other: str = ""
    other_grades: str = ""
    measured: str = ""
    seed: int = 0
    metric: str = "accuracy"
    failed: int = 0
    """Runs, of both pipelines, that ended without an answer and counted as wrong."""
    said: Mapping[str, str] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """The share of questions that were answered right."""
        return self.grades.count("1") / max(1, len(self.grades))

    @property
    def gain(self) -> Comparison | None:
        """The difference to what it was measured against; None without that, or for a single question."""
        return between(self.grades, self.other_grades) if self.other_grades else None

    def lines(self) -> dict[str, str]:
        """The block, by name."""
        low, high = wilson(self.grades.count("1"), len(self.grades))
        told = {
            "program": self.program,
            "pipeline": self.pipeline,
            **{f"model-{name}": said for name, said in self.models.items()},
            "rows": f"{self.on}, {len(self.grades)} questions, {self.rows}, seed {self.seed}",
            self.metric: f"{self.accuracy:.1%} [{low:.1%}, {high:.1%}]",
            "cost": f"{self.calls:.1f} calls and {self.tokens:,.0f} tokens a question",
        }
        if self.other:
            told["against"] = f"{self.other}, {self.other_grades.count('1') / max(1, len(self.other_grades)):.1%}"
            gain = self.gain
            if gain is not None:
                said = f"{100 * gain.difference:+.1f} points [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
                told["gain"] = f"{said}, {gain.verdict}"
        if self.failed:
            told["failed"] = f"{self.failed} of the runs, counted as wrong"
        told["grades"] = self.grades
        if self.other:
            told["grades-against"] = self.other_grades
        return told | {"measured": self.measured}

    @classmethod
    def read(cls, said: Mapping[str, str]) -> Evidence | None:
        """The evidence that a block tells; None for one of another kind, such as a search's."""
        rows = re.fullmatch(r"(.+), (\d+) questions, ([0-9a-f]{16}), seed (-?\d+)", said.get("rows", ""))
        grades, other = said.get("grades", ""), said.get("grades-against", "")
        if rows is None or not re.fullmatch("[01]+", grades) or not re.fullmatch("[01]*", other):
            return None
        cost = re.match(r"([\d.]+) calls and ([\d,]+) tokens", said.get("cost", ""))
        names = {name.removeprefix("model-"): value for name, value in said.items() if name.startswith("model-")}
        return cls(
            said.get("program", ""),
            said.get("pipeline", ""),
            rows.group(1),
            rows.group(3),
            grades,
            names,
            float(cost.group(1)) if cost else 0.0,
            float(cost.group(2).replace(",", "")) if cost else 0.0,
            said.get("against", "").rpartition(",")[0] if other else "",
            other,
            said.get("measured", ""),
            int(rows.group(4)),
            failed=int(said.get("failed", "0").partition(" ")[0]) if said.get("failed", "0")[:1].isdigit() else 0,
            said=dict(said),
        )


def evidence_in(text: str) -> list[Evidence]:
    """All measured evidence of a program's text."""
    return [found for said in all_evidence(text) if (found := Evidence.read(said)) is not None]


def between(left: str, right: str) -> Comparison | None:
    """The paired difference of two lists of grades of the same questions; None for fewer than two."""
    if len(left) != len(right) or len(left) < 2:
        return None
    return compare([([float(own) for own in left], [float(own) for own in right])])[0]


def weights_of(models: Mapping[str, ir.Model], folder: Path) -> dict[str, str]:
    """What tells each model from others: the digest of its weights, or a server's address and the model's name there.

    Raises EngineError where weights are missing.
    """
    from ttscale.runtime.model_files import answers_digest
    from ttscale.runtime.models import home_of

    found: dict[str, str] = {}
    for name, model in sorted(models.items()):
        digest = answers_digest(model, home_of(model, folder))
        served = dict(model.options).get("name", "") if model.kind == "openai" else ""
        where = Path(model.locator).name if digest else f"{model.locator}#{served}" if served else model.locator
        found[name] = " ".join(part for part in (model.kind, where, digest) if part)
    return found


def same_weights(left: Mapping[str, str], right: Mapping[str, str]) -> bool:
    """Whether two answer alike: by the digests, whatever the files are called."""
    return {n: said.rpartition(" ")[2] for n, said in left.items()} == {
        n: said.rpartition(" ")[2] for n, said in right.items()
    }


def on_these_weights(found: Sequence[Evidence], models: Mapping[str, str]) -> Evidence | None:
    """The evidence that was measured with these weights; None where the program is unmeasured on them."""
    return next((own for own in found if same_weights(own.models, models)), None)


@dataclass(frozen=True)
class Effect:
    """Two recipes measured with the same weights; `difference` is None where the questions are not the same."""

    before: Evidence
    after: Evidence
    difference: Comparison | None


def effects(before: Sequence[Evidence], after: Sequence[Evidence]) -> list[Effect]:
    """What changes between two recipes as far as both were measured with the same weights, paired by question."""
    found: list[Effect] = []
    for left in before:
        weights = {said.rpartition(" ")[2] for said in left.models.values()}
        for right in after:
            if {said.rpartition(" ")[2] for said in right.models.values()} == weights:
                alike = left.rows == right.rows and left.metric == right.metric
                found.append(Effect(left, right, between(right.grades, left.grades) if alike else None))
    return found


def measured_by(program: Program) -> Evaluation:
    """The `eval` declaration by which a program is measured, its first. Raises EvidenceError."""
    declared = evaluations(program.checked.linked)
    if not declared or declared[0].rows is None:
        hint = 'add `dataset rows = jsonl("rows.jsonl", …)` and `eval main, greedy on rows` to it'
        raise EvidenceError("the program has no `eval`, so it does not say how it is measured", hint=hint)
    return declared[0]


def questions_of(program: Program, evaluation: Evaluation, limit: int | None = None) -> tuple[list[Item], str]:
    """The questions that a program is measured on, and the usual measure. Raises DataError, MetricError."""
    assert evaluation.rows is not None
    loaded = loaded_rows(program, evaluation.rows)
    arms = [arm_of(program, name, dict(evaluation.fixed)) for name in evaluation.pipelines]
    metric = evaluation.metrics[0] if evaluation.metrics else usual_metric(loaded)
    return items_of(plain_rows(loaded)[:limit], arms), metric


def rows_hash(items: Sequence[Item]) -> str:
    """A hash of questions, with their inputs and golds, in order."""
    return short_hash([item.asked for item in items])


@dataclass(frozen=True)
class Measured:
    """What measuring gave: the evidence, and a line for every run that failed and so counted as wrong."""

    evidence: Evidence
    failed: tuple[str, ...] = ()


def measure(
    program: Program, *, limit: int | None = None, heard: Listener | None = None, tool: str = "ttscale"
) -> Measured:
    """Measure a program's first `eval` on its first `limit` rows: the first pipeline, against the second.

    A question whose run fails counts as wrong; where all of a pipeline fail nothing was measured. `tool` is what the
    block says it was measured with. Raises EvidenceError, DataError, MetricError, EngineError.
    """
    evaluation = measured_by(program)
    items, metric = questions_of(program, evaluation, limit)
    names = evaluation.pipelines[:2]
    records = _asked(program, evaluation, items, metric, names, heard)
    failed = _failures(names, records)
    own = records[0]
    costs = [record["cost"] for record in own]
    found = Evidence(
        canonical_hash(program.checked.linked.main.tree),
        names[0],
        evaluation.on,
        rows_hash(items),
        grades_of(own),
        weights_of(_models(program, evaluation, names[0]), program.folder),
        sum(cost["calls"] for cost in costs) / len(costs),
        sum(cost["tokens"] for cost in costs) / len(costs),
        names[1] if len(names) > 1 else "",
        grades_of(records[1]) if len(names) > 1 else "",
        f"{date.today().isoformat()}, {tool}",
        evaluation.seed,
        metric,
        len(failed),
    )
    return Measured(found, failed)


def _failures(names: Sequence[str], records: Sequence[Sequence[Record]]) -> tuple[str, ...]:
    """A line for every run that failed. Raises EvidenceError where a pipeline answered nothing at all."""
    found: list[str] = []
    for name, own in zip(names, records, strict=True):
        lines = [f"{name} on {record['id']}: {record['error']}" for record in own if record.get("error")]
        if own and len(lines) == len(own):
            raise EvidenceError(
                f"all {len(own)} runs of {name} failed: {own[0]['error']}",
                hint=HINTS.get(str(own[0]["error"]).partition(":")[0], "`ttscale run` of one question says more"),
            )
        found += lines
    return tuple(found)


def _asked(
    program: Program,
    evaluation: Evaluation,
    items: Sequence[Item],
    metric: str,
    names: Sequence[str],
    heard: Listener | None,
) -> list[list[Record]]:
    """The records of each pipeline, in the order of the questions."""
    rows = [{**(item.row or item.inputs), "id": item.id} for item in items]
    settings: dict[str, Any] = {"params": dict(evaluation.fixed), "seed": evaluation.seed, "heard": heard}
    report = program.evaluate(rows, metric, pipelines=list(names), **settings)
    found = []
    for name in names:
        by_id = {record["id"]: record for record in report.records[name]}
        if len(by_id) < len(items):
            raise EvidenceError(f"{name} answered {len(by_id)} of {len(items)} questions", hint="run it again")
        found.append([by_id[item.id] for item in items])
    return found


def _models(program: Program, evaluation: Evaluation, name: str) -> Mapping[str, ir.Model]:
    return arm_of(program, name, dict(evaluation.fixed)).graph.models


def grades_of(records: Sequence[Record]) -> str:
    """A 1 for every record that is right, a 0 for the others."""
    return "".join("1" if (record["score"] or 0.0) >= ENOUGH else "0" for record in records)


@dataclass(frozen=True)
class Rerun:
    """What asking a few questions again came to: the grades then and now, and the p of their difference."""

    before: str
    after: str
    p: float

    @property
    def holds(self) -> bool:
        """Whether the difference may be chance."""
        return self.p >= CHANCE or self.after.count("1") >= self.before.count("1")


def again(program: Program, evidence: Evidence, *, count: int, heard: Listener | None = None) -> Rerun:
    """Ask the first `count` questions of the evidence again, with the program's present models.

    The evidence holds unless the answers are worse by more than chance (McNemar's exact test).
    """
    evaluation = measured_by(program)
    items, metric = questions_of(program, evaluation, len(evidence.grades))
    if rows_hash(items) != evidence.rows:
        hint = "measure it again: `ttscale recipe measure`"
        raise EvidenceError("the rows are not those that the evidence was measured on", hint=hint)
    few = items[:count]
    after = grades_of(_asked(program, evaluation, few, metric, [evidence.pipeline], heard)[0])
    before = evidence.grades[: len(few)]
    p = mcnemar([float(own) for own in before], [float(own) for own in after]).p
    return Rerun(before, after, p)
