"""The end of a search: finals, ablation, diagnosis, figures about the parameters, the recipe, and the document of it
all.

{"search", "pipeline", "study", "storage", "sampler", "ended", "spent": {…}, "limits": {…}, "space": {…},
 "trials": […], "front": […], "baselines": […], "verdict": {…}, "ablation": […], "parameters": […],
 "diagnosis": […], "as_if_alone": {…}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttscale.compiler.canonical import canonical_hash
from ttscale.compiler.evidence import evidence_text
from ttscale.runtime.evaluate.ablation import ablations
from ttscale.runtime.evaluate.curves import curves
from ttscale.runtime.evaluate.measuring import Record
from ttscale.runtime.search.book import FOR_FINALS
from ttscale.runtime.search.diagnosis import cut_short, diagnose, short_finals, signs
from ttscale.runtime.search.finals import Standing, Verdict
from ttscale.runtime.search.forecast import baselines_need, more_options
from ttscale.runtime.search.history import Tried, front, signed
from ttscale.runtime.search.loop import Driver
from ttscale.runtime.search.prices import reuse
from ttscale.runtime.search.recipe import compiled, fixed_text, source_of
from ttscale.runtime.search.retest import Tested, retest
from ttscale.runtime.search.space import SearchSpace, shown
from ttscale.runtime.search.theory import by_difficulty, is_judged, judge_worth

if TYPE_CHECKING:
    from ttscale.runtime.search.api import Outcome, Stage


async def finish(stage: Stage, driver: Driver, where: str, *, interrupted: bool) -> Outcome:
    """The outcome of a study as it stands; nothing more is asked where it was interrupted."""
    from ttscale.runtime.search.api import Outcome, tried_as_json

    history = [t for t in driver.log.history() if t.outcome != "running"]
    best = front(history, driver.directions)
    tested = Tested() if interrupted else await retest(stage, driver, history, best)
    verdict = tested.verdict
    names = [goal.name for goal in stage.search.goals]
    chosen = _chosen(stage, verdict, best)
    ablated = await _ablation(stage, driver, chosen) if chosen is not None and stage.wishes.ablate else []
    if driver.meter is not None:
        driver.meter.flush()
    spent = driver.book.spent()
    document: dict[str, Any] = {
        "version": 1,
        "search": stage.search.name,
        "file": stage.wishes.file,
        "pipeline": stage.space.symbol.name,
        "study": stage.name,
        "storage": where,
        "sampler": stage.sampler,
        "seed": stage.search.seed,
        "goals": {goal.name: "maximize" if goal.maximize else "minimize" for goal in stage.search.goals},
        "rows": stage.search.on,
        "holdout": stage.search.holdout_on if stage.held_out else "",
        "questions": len(stage.items),
        "held_out": len(stage.held_out),
        "held_out_asked": tested.questions,
        "ended": "stopped" if interrupted else driver.ended,
        "spent": asdict(spent),
        "limits": asdict(stage.limits),
        "trials": [{**tried_as_json(t, names), "tokens": _tokens(stage, driver, t)} for t in history],
        "front": [t.number for t in best],
        "baselines": _baseline_figures(stage, driver),
        "skipped": [asdict(own) for own in stage.skipped],
        "verdict": None if verdict is None else _verdict_json(verdict),
        "ablation": ablated,
        "planned": [*stage.expected.lines, *_worth_of_judges(stage, driver, [*best, *history])],
        "difficulty": by_difficulty(_most_telling(stage, driver)),
        "curve": _curve(stage, driver),
        "parameters": parameters(stage.space, history, best, driver.directions),
        "as_if_alone": as_if_alone(stage, driver, history),
        "diagnosis": _diagnosis(stage, driver, verdict, best, "stopped" if interrupted else driver.ended),
    }
    recipe = None if verdict is None else recipe_of(stage, verdict, document)
    return Outcome(document, recipe)


# --- what won ---------------------------------------------------------------------------------------


def _chosen(stage: Stage, verdict: Verdict | None, best: Sequence[Tried]) -> Tried | None:
    """The trial that won, or else the best one."""
    if verdict is not None and not verdict.is_baseline:
        return next((t for t in best if shown(t.assignment) == verdict.winner), best[0] if best else None)
    return best[0] if best else None


async def _ablation(stage: Stage, driver: Driver, chosen: Tried) -> list[dict[str, Any]]:
    """What each stage of the best pipeline is worth, on the rows of the search."""
    main, _ = stage.main
    arm = driver.arm(chosen.assignment)
    whole = driver.asker.records.of(arm, stage.items)
    if len(whole) < len(stage.items):
        return []
    found = []
    for other in ablations(arm).arms:
        records = await driver.asker.ask(other, stage.items)
        if records is None:
            break
        mine, theirs = driver.values(whole)[main], driver.values(records)[main]
        tokens = sum(r["cost"]["tokens"] for r in records) / len(records)
        found.append(
            {
                "without": other.without,
                "mean": sum(theirs) / len(theirs),
                "worth": (sum(mine) - sum(theirs)) / len(mine),
                "tokens": tokens,
            }
        )
    return found


def _baseline_figures(stage: Stage, driver: Driver) -> list[dict[str, Any]]:
    """The baselines on the rows of the search."""
    found = []
    for baseline in stage.baselines:
        records = driver.asker.records.of(baseline.arm, stage.items)
        if records:
            means = {name: sum(own) / len(own) for name, own in driver.values(records).items()}
            tokens = sum(r["cost"]["tokens"] for r in records) / len(records)
            found.append({"label": baseline.label, "questions": len(records), "means": means, "tokens": tokens})
    return found


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "how": verdict.how,
        "winner": verdict.winner,
        "is_baseline": verdict.is_baseline,
        "text": verdict.text,
        "compared": verdict.compared,
        "standings": [{**asdict(s), "params": _plain(s.params)} for s in verdict.standings],
    }


def _plain(params: Mapping[str, object]) -> dict[str, object]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in params.items()}


# --- figures about parameters and spending --------------------------------------------------------


def parameters(
    space: SearchSpace, history: Sequence[Tried], best: Sequence[Tried], directions: Sequence[bool]
) -> list[dict[str, Any]]:
    """Each parameter's importance for the first goal, and how often its values share samples.

    Importance is the share of the variance between trials that the parameter's values explain alone (one-way, less what
    chance would explain). Re-use is the tokens of all its values at the best trial's other values as if alone, over
    those made with one bank: 1 shares nothing, as many as there are values shares all.
    """
    known = [(t, signed(t.values, directions)[0]) for t in history if t.values is not None and t.outcome == "done"]
    found = []
    for name, axis in space.axes.items():
        values = axis.values if axis.values is not None else axis.domain.values()
        factor = None
        if best:
            near = [space.canonical({**best[0].assignment, name: value}) for value in values]
            plans = [space.price(own) for own in near if not space.why_not(own)]
            factor = reuse(plans) if len(plans) > 1 else None
        found.append(
            {
                "name": name,
                "values": len(values),
                "importance": explained([(t.assignment.get(name), value) for t, value in known]),
                "reuse": factor,
                "conditional": space.conditional[name],
            }
        )
    return found


def explained(pairs: Sequence[tuple[object, float]]) -> float | None:
    """The share of the variance of numbers that their groups explain, less what chance would (omega squared)."""
    groups: dict[object, list[float]] = {}
    for group, value in pairs:
        groups.setdefault(group, []).append(value)
    count, own = len(pairs), len(groups)
    if own < 2 or count <= own:
        return None
    mean = sum(value for _, value in pairs) / count
    total = sum((value - mean) ** 2 for _, value in pairs)
    between = sum(len(v) * (sum(v) / len(v) - mean) ** 2 for v in groups.values())
    within = (total - between) / (count - own)
    if total <= 0:
        return 0.0
    return max(0.0, (between - (own - 1) * within) / (total + within))


def as_if_alone(stage: Stage, driver: Driver, history: Sequence[Tried]) -> dict[str, float]:
    """What all trials and baselines would have spent each on its own, beside what was really spent."""
    arms = [driver.arm(t.assignment) for t in history] + [b.arm for b in stage.baselines]
    total = {"tokens": 0.0, "calls": 0.0}
    for arm in arms:
        for record in driver.asker.records.of(arm, (*stage.items, *stage.held_out)):
            total["tokens"] += record["cost"]["tokens"]
            total["calls"] += record["cost"]["calls"]
    return total


def _diagnosis(
    stage: Stage, driver: Driver, verdict: Verdict | None, best: Sequence[Tried], ended: str
) -> list[dict[str, str]]:
    """What stands in the way, from the records of the best trial, or the winning baseline."""
    file, name = stage.wishes.file, stage.search.name
    if not best and ended.endswith("is spent") and stage.baselines:
        searched = verdict is not None and verdict.how != "holdout"
        answered = verdict.standings[0].questions if verdict is not None and searched else stage.opened
        more = more_options(baselines_need(stage), stage.limits, answered)
        return [asdict(cut_short(answered, len(stage.items), ended, file, name, more))]
    records: list[Record] = []
    if verdict is not None and verdict.is_baseline:
        records = _most_telling(stage, driver)
    if not records and best:
        records = driver.asker.records.of(driver.arm(best[0].assignment), stage.items)
    if not records or records[0].get("score") is None:
        return []
    found = diagnose(signs(records), file, name)
    asked = verdict.standings[0].questions if verdict is not None and verdict.how == "holdout" else 0
    if 0 < asked < len(stage.held_out):
        again, trials = f"ttscale search {file} {name}", driver.book.spent().trials
        found.insert(0, short_finals(asked, len(stage.held_out), stage.limits, trials, FOR_FINALS, again))
    return [asdict(own) for own in found]


def _worth_of_judges(stage: Stage, driver: Driver, trials: Sequence[Tried]) -> list[str]:
    """What the judges are worth, by the trial with judges that has the most samples; of equals the first."""
    judged = [
        own for tried in trials if is_judged(own := driver.asker.records.of(driver.arm(tried.assignment), stage.items))
    ]
    return judge_worth(max(judged, key=lambda own: sum(len(r.get("samples", [])) for r in own), default=[]))


def _tokens(stage: Stage, driver: Driver, tried: Tried) -> float | None:
    """What an answer of a trial's pipeline costs in tokens, new or not."""
    records = driver.asker.records.of(driver.arm(tried.assignment), stage.items)
    return sum(r["cost"]["tokens"] for r in records) / len(records) if records else None


def _curve(stage: Stage, driver: Driver) -> dict[str, Any] | None:
    """What fewer samples than those of the largest majority reach."""
    records = _most_telling(stage, driver)
    # Records of a search have no texts, and a majority goes by classes alone.
    whole = [{**r, "candidates": [{**c, "text": ""} for c in r.get("candidates", [])]} for r in records]
    return curves(whole) if whole else None


def _most_telling(stage: Stage, driver: Driver) -> list[Record]:
    """The records of the baseline with the most samples."""
    found = [driver.asker.records.of(b.arm, stage.items) for b in stage.baselines if b.label.startswith("majority")]
    return max(found, key=lambda own: sum(len(r.get("samples", [])) for r in own), default=[])


# --- the recipe ----------------------------------------------------------------------------------


def recipe_of(stage: Stage, verdict: Verdict, document: Mapping[str, Any]) -> str:
    """The winner as a plain program with its evidence."""
    winner = next(s for s in verdict.standings if s.label == verdict.winner)
    body = None
    if verdict.is_baseline:
        body = next(b.body for b in stage.baselines if b.label == verdict.winner)
    params = {**stage.space.fixed, **winner.params}
    rows, tested_on = _rows_of(stage, verdict)
    bare = fixed_text(stage.space, params, body, rows=rows)
    program = compiled(stage.program, bare)
    main, _ = stage.main
    low, high = winner.interval
    costs = program.plan(stage.space.pipeline).expected
    lines = {
        "program": canonical_hash(program.checked.linked.main.tree),
        "search": f"{stage.search.name} of {Path(stage.wishes.file).name}, {stage.sampler}, seed {stage.search.seed}, "
        f"{len(document['trials'])} trials, {date.today().isoformat()}",
        main: f"{winner.mean:.4g} [{low:.4g}, {high:.4g}] on {tested_on}, {_how_tested(winner, verdict)}",
        **{name: f"{value:.4g} a question" for name, value in winner.means.items() if name != main},
        "cost": _cost(stage, winner.label, costs.calls, document),
        "verdict": verdict.text,
        **{f"model-{name}": said for name, said in _models(stage).items()},
        **_dataset(stage, verdict),
    }
    head = evidence_text(lines)
    text = fixed_text(stage.space, params, body, rows=rows, head=head)
    compiled(stage.program, text)
    return text


def _rows_of(stage: Stage, verdict: Verdict) -> tuple[str, str]:
    """The rows for the recipe's `eval`, and those that its figures are of, in words."""
    search = stage.search
    if verdict.how == "holdout":
        return search.holdout_on, search.holdout_on
    both = bool(search.holdout_on) and not stage.held_out
    return search.on, f"{search.on} and {search.holdout_on}" if both else search.on


def _how_tested(winner: Standing, verdict: Verdict) -> str:
    return verdict.how if verdict.how.endswith("of the search") else f"{winner.questions} questions, {verdict.how}"


def _cost(stage: Stage, label: str, calls: int, document: Mapping[str, Any]) -> str:
    own = next((b for b in document["baselines"] if b["label"] == label), None)
    if own is not None:
        return f"{own['tokens']:.0f} tokens a question"
    for trial in document["trials"]:
        if shown({k: tuple(v) if isinstance(v, list) else v for k, v in trial["params"].items()}) == label:
            tokens = (trial["values"] or {}).get("tokens")
            return f"{tokens:.0f} tokens a question" if tokens is not None else f"about {calls} calls a question"
    return f"about {calls} calls a question"


def _models(stage: Stage) -> dict[str, str]:
    """The weights, or the address, of each model."""
    from ttscale.runtime.model_files import answers_digest
    from ttscale.runtime.models import home_of

    plan = stage.space.plan(stage.space.default)
    found = {}
    for name, model in sorted(plan.graph.models.items()):
        digest = answers_digest(model, home_of(model, stage.program.folder))
        served = next((str(value) for option, value in model.options if option == "name"), "")
        where = f"{model.locator} {served}".strip() if "://" in model.locator else Path(model.locator).name
        found[name] = f"{model.kind} {where or '-'} {digest}".strip()
    return found


def _dataset(stage: Stage, verdict: Verdict) -> dict[str, str]:
    """The file of the rows, with its hash."""
    from ttscale.runtime.datasets import path_of

    held = stage.search.holdout if verdict.how == "holdout" else None
    dataset = (held if held is not None else stage.search.rows).dataset
    path = path_of(dataset)
    if not path.is_file():
        return {"dataset": f"{dataset.name} {dataset.locator}"}
    import hashlib

    return {"dataset": f"{dataset.name} {path.name} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"}


__all__ = ["as_if_alone", "explained", "finish", "parameters", "recipe_of", "source_of"]
