"""The way in from Python: pipelines and rows to a report.

report = await evaluate(program, "gsm[0:100]", pipelines=["main", "other"], seeds=3, folder="runs/gsm")
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttscale.compiler import ast, ir
from ttscale.compiler.data import metric_ir
from ttscale.compiler.evals import METRICS, Evaluation, evaluations
from ttscale.runtime.datasets import Loaded, load
from ttscale.runtime.evaluate.ablation import ablations
from ttscale.runtime.evaluate.arms import Arm, Item, graph_digest, pipeline_of, plain_of, questions_at_once, short_hash
from ttscale.runtime.evaluate.folder import RunFolder
from ttscale.runtime.evaluate.grading import Accuracy, Grader, Measured
from ttscale.runtime.evaluate.matching import PILOT, Matched, match, relabelled
from ttscale.runtime.evaluate.measuring import Record
from ttscale.runtime.evaluate.running import Listener, Progress, Settings, answer_all
from ttscale.runtime.evaluate.summary import Report, document_of
from ttscale.runtime.evaluate.versus import before_spending, pairs_of
from ttscale.runtime.metrics import Metric, MetricError, declared_metric, metric_named

if TYPE_CHECKING:
    from ttscale.runtime.metrics.judge import Ask
    from ttscale.runtime.program import Program

GOLD = "answer"


@dataclass(frozen=True)
class Request:
    """An evaluation that is wanted: arms, items, measures and how.

    `match` names what all arms are to spend alike, `ablate` adds every arm without one of its stages, `folder` is where
    records are kept (None: nowhere).
    """

    title: str
    arms: tuple[Arm, ...]
    items: tuple[Item, ...]
    graders: tuple[Grader, ...]
    settings: Settings = field(default_factory=Settings)
    match: str = ""
    ablate: bool = False
    folder: Path | None = None


async def evaluate(
    program: Program,
    rows: Iterable[Mapping[str, object]] | str | ir.Rows,
    metric: str | Metric | Sequence[str | Metric] | None = None,
    *,
    pipelines: Sequence[str | None] = (None,),
    params: Mapping[str, object] | None = None,
    seeds: int = 1,
    seed: int = 0,
    precision: float | None = None,
    concurrency: int | None = None,
    match: str = "",
    ablate: bool = False,
    folder: str | Path | None = None,
    stop: asyncio.Event | None = None,
    heard: Listener | None = None,
) -> Report:
    """Measure pipelines of one program on rows.

    Without a `metric` it is that of the rows' published shape, else accuracy. `params` are for every pipeline that has
    them; without `concurrency` so many questions are asked at once that 32 calls are. Raises CompileError, MetricError,
    DataError, FolderError, RunError.
    """
    arms = tuple(arm_of(program, name, params or {}) for name in pipelines)
    loaded: Loaded | None = None
    if isinstance(rows, str | ir.Rows):
        loaded = loaded_rows(program, rows)
        read = plain_rows(loaded)
    else:
        read = [dict(row) for row in rows]
    if metric is None:
        metric = usual_metric(loaded)
    names = [metric] if isinstance(metric, str) or not isinstance(metric, Sequence) else list(metric)
    settings = Settings(tuple(range(seed, seed + seeds)), concurrency or questions_at_once(arms), precision)
    request = Request(
        " against ".join(arm.label for arm in arms),
        arms,
        tuple(items_of(read, arms)),
        tuple(grader_of(name, program) for name in names),
        settings,
        match,
        ablate,
        None if folder is None else Path(folder),
    )
    return await carry_out(program, request, stop=stop, heard=heard)


async def carry_out(
    host: Program,
    request: Request,
    *,
    stop: asyncio.Event | None = None,
    heard: Listener | None = None,
) -> Report:
    """Ask all that is missing and sum up; setting `stop` sums up what is there. `host` runs every program's arms."""
    measured = short_hash([grader.identity for grader in request.graders])
    folder = RunFolder(request.folder, measured)
    check_golds(request)
    halt = stop if stop is not None else asyncio.Event()
    try:
        arms, matched = await _sized(host, request, folder, halt)
        kept: dict[str, Mapping[str, str]] = {}
        for arm in list(arms) if request.ablate else []:
            found = ablations(arm)
            arms += found.arms
            kept[arm.label] = found.kept
        progress = Progress(len(arms) * len(request.items) * len(request.settings.seeds))
        if not halt.is_set():
            progress = await answer_all(
                host, arms, request.items, request.settings, request.graders, folder, stop=halt, heard=heard
            )
        records = {arm.label: _records(arm, request, folder) for arm in arms}
        document = document_of(
            arms,
            request.items,
            request.settings,
            records,
            progress,
            title=request.title,
            measures=[grader.name for grader in request.graders],
            measured=measured,
            seen_before=seen_before(request),
            matched=matched,
            kept_stages=kept,
            interrupted=halt.is_set(),
        )
        folder.write_run(document)
    finally:
        folder.close()
    return Report(document, records, request.folder)


def seen_before(request: Request) -> dict[str, Any]:
    """What this many questions can show, known before anything is asked."""
    pairs = len(pairs_of(request.arms))
    return before_spending(len(request.items), len(request.settings.seeds), pairs)


def _records(arm: Arm, request: Request, folder: RunFolder) -> list[Record]:
    return [
        record
        for seed in request.settings.seeds
        for item in request.items
        if (record := folder.of(arm.digest, item.id, item.asked, seed)) is not None
    ]


async def _sized(
    host: Program, request: Request, folder: RunFolder, stop: asyncio.Event
) -> tuple[list[Arm], tuple[str, float, Sequence[Matched]] | None]:
    """The arms, their sizes matched where that is wanted."""
    if not request.match or len(request.arms) < 2:
        return list(request.arms), None
    pilot = request.items[:PILOT]
    seeds = request.settings.seeds[:1]
    name = "usd" if request.match == "cost" else request.match

    async def measure(arm: Arm) -> float:
        settings = replace(request.settings, seeds=seeds, precision=None)
        await answer_all(host, [arm], pilot, settings, request.graders, folder, stop=stop)
        found = [folder.of(arm.digest, item.id, item.asked, seeds[0]) for item in pilot]
        known = [float(record["cost"][name]) for record in found if record is not None]
        return sum(known) / max(1, len(known))

    arms, target, told = await match(request.arms, request.match, measure, rebound)
    return [relabelled(arm, own) for arm, own in zip(arms, told, strict=True)], (request.match, target, told)


# --- arms, items, measures -----------------------------------------------------------------------------


def arm_of(
    program: Program, pipeline: str | None, params: Mapping[str, object], *, label: str = "", file: str = ""
) -> Arm:
    """A pipeline with the parameters that it has among `params`. Raises CompileError, EngineError."""
    symbol = pipeline_of(program, pipeline)
    assert isinstance(symbol.declaration, ast.PipelineDecl)
    known = {param.name for param in symbol.declaration.params}
    plan = program.plan(pipeline, params={name: value for name, value in params.items() if name in known})
    return Arm(
        label or pipeline or symbol.name, program, plan, graph_digest(plan.graph, program.folder), pipeline, file
    )


def rebound(arm: Arm, params: Mapping[str, object]) -> Arm:
    """An arm with other values of some parameters. Raises CompileError."""
    plan = arm.program.plan(arm.pipeline, params={**arm.graph.params, **params})
    return replace(arm, plan=plan, digest=graph_digest(plan.graph, arm.program.folder))


def declared(program: Program) -> list[Evaluation]:
    """The `eval` declarations of a program's own file."""
    return evaluations(program.checked.linked)


def rows_of(program: Program, rows: str | ir.Rows) -> list[dict[str, object]]:
    """The rows of a program's dataset: columns and fields, with the row's `id`. Raises DataError, CompileError."""
    return plain_rows(loaded_rows(program, rows))


def loaded_rows(program: Program, rows: str | ir.Rows) -> Loaded:
    """The same, with the published shape in which they are. Raises DataError, CompileError."""
    from ttscale.runtime.datasets.rows_text import rows_from_text

    return load(rows_from_text(program.checked.linked, rows) if isinstance(rows, str) else rows)


def plain_rows(loaded: Loaded) -> list[dict[str, object]]:
    """Rows as mappings from names to values; those that only their place names have no `id`, since it may shift."""
    return [{**row.everything, **({"id": row.id} if row.has_id else {})} for row in loaded.rows]


def usual_metric(loaded: Loaded | None) -> str:
    """The measure of rows where none is named: that of their published shape, else accuracy."""
    shape = None if loaded is None else loaded.shape
    return "accuracy" if shape is None else shape.metric or "accuracy"


def items_of(rows: Sequence[Mapping[str, object]], arms: Sequence[Arm], gold: str = GOLD) -> list[Item]:
    """Questions from rows: inputs by name, the gold under `gold`. Raises MetricError where an input is missing."""
    inputs = dict.fromkeys(name for arm in arms for name, _ in arm.graph.inputs)
    found: list[Item] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        missing = [name for name in inputs if name not in row]
        if missing:
            has = ", ".join(f"`{name}`" for name in row) or "nothing"
            raise MetricError(f"row {number} has no `{missing[0]}`, an input of the pipeline", hint=f"it has {has}")
        values = {name: row[name] for name in inputs}
        name = str(row["id"]) if row.get("id") not in (None, "") else short_hash(values)
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1 and row.get("id") not in (None, ""):
            raise MetricError(f"two rows have the id `{name}`", hint="an id names one row; change one of them")
        found.append(Item(name if seen[name] == 1 else f"{name}-{seen[name]}", values, row.get(gold), dict(row)))
    if not found:
        raise MetricError("there are no rows to measure on")
    return found


def grader_of(metric: str | Metric | ir.Metric, program: Program, ask: Ask | None = None) -> Grader:
    """The measure that a name, a metric of the library or a declared one stands for. Raises MetricError.

    `ask` asks the model behind the metrics `judge` and `pairwise`.
    """
    if isinstance(metric, ir.Metric):
        return Measured(declared_metric(metric), plain_of(metric))
    if not isinstance(metric, str):
        return Measured(metric, metric.name)
    if metric == "accuracy":
        return Accuracy(program.folder)
    linked = program.checked.linked
    symbol = linked.main.names.get(metric)
    if symbol is not None and symbol.kind in METRICS:
        return grader_of(metric_ir(symbol, linked), program)
    named = metric_named(metric, ask=ask)
    return Measured(named, getattr(named, "identity", metric))


def check_golds(request: Request) -> None:
    """Raises MetricError for the first gold that cannot be read as the answers are, before anything is spent."""
    for grader in request.graders:
        if isinstance(grader, Accuracy):
            for arm in request.arms:
                for item in request.items:
                    grader.check(arm.answer_type, item)
