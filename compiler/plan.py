"""The plan's data: what a bound pipeline may cost, stage by stage, before anything runs; as JSON and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.ir import Apply, Const, Graph, Strategy


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of work for one question.

    `calls` are completions or scored continuations, `prompt_tokens` and `new_tokens` count as if nothing were
    cached, and for each model that computes them, `sequential_tokens` are new tokens on the longest chain, `usd` is 0
    for local models.
    """

    calls: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    sequential_tokens: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and new tokens together, which is what a budget counts."""
        return self.prompt_tokens + self.new_tokens


@dataclass(frozen=True, slots=True)
class Peak:
    """The tokens, prompt and new, of the largest single call to a model.

    Every run has a call of `minimum` tokens and none of more than `maximum`; `expected` has half-long answers, `full`
    answers as long as they may be, both with three characters a token. `holds` is the model's context where known.
    """

    minimum: int = 0
    expected: int = 0
    full: int = 0
    maximum: int = 0
    holds: int | None = None

    def larger(self, other: Peak) -> Peak:
        """The larger of both in every amount."""
        return Peak(
            max(self.minimum, other.minimum),
            max(self.expected, other.expected),
            max(self.full, other.full),
            max(self.maximum, other.maximum),
            other.holds if other.holds is not None else self.holds,
        )


@dataclass(frozen=True, slots=True)
class StagePlan:
    """Bounds for one stage: what it asks of which models, and the largest single call (`call_tokens`).

    `prefix` names the group of stages whose calls begin with the same prompt text ("" for none), `shared` how many
    calls of this stage share one prefill. `expected` is a guess between the bounds, for display only.
    """

    path: str
    op: str
    models: tuple[str, ...]
    minimum: Cost
    maximum: Cost
    call_tokens: int
    size_low: int
    size_high: int
    prefix: str = ""
    shared: int = 1
    expected: Cost = Cost()
    peaks: tuple[tuple[str, Peak], ...] = ()
    """The largest call to each of its models."""


@dataclass(frozen=True)
class Plan:
    """A graph with its price. `assumptions` are sentences for people (input sizes and the like)."""

    graph: Graph
    stages: Mapping[str, StagePlan]
    minimum: Cost
    maximum: Cost
    assumptions: tuple[str, ...] = ()
    expected: Cost = Cost()


def cost_to_json(cost: Cost) -> dict[str, object]:
    """A cost as plain data; `tokens` is prompt and new together."""
    return {
        "calls": cost.calls,
        "tokens": cost.tokens,
        "prompt_tokens": cost.prompt_tokens,
        "new_tokens": cost.new_tokens,
        "sequential_tokens": cost.sequential_tokens,
        "usd": round(cost.usd, 9),
    }


def python_keys(graph: Graph) -> list[str]:
    """The keys of all functions of Python files that a graph calls: the hash of each one's file, and its name."""
    found: dict[str, None] = {}

    def walk(value: object) -> None:
        if isinstance(value, Strategy):
            if value.plugin:
                found.setdefault(value.plugin)
            walk(tuple(part for _, part in value.named))
        elif isinstance(value, Apply):
            if value.op == "python" and isinstance(value.args[0], Const):
                found.setdefault(str(value.args[0].value))
            walk(value.args)
        elif isinstance(value, tuple):
            for part in value:
                walk(part)

    for stage in graph.stages:
        walk(tuple(stage.args.values()))
        walk((stage.when, *(guard.operand for guard in stage.guards)))
        function = stage.args.get("function")
        if stage.op == "python" and isinstance(function, Const):
            found.setdefault(str(function.value))
    return sorted(found)


def plan_to_json(plan: Plan, holds: Mapping[str, int] | None = None) -> dict[str, object]:
    """A plan as plain data for `json.dumps`; stages in plan order.

    `holds` are the contexts of models whose declaration says none, by name.
    """
    graph = plan.graph
    stages = [
        {
            "path": stage.path,
            "op": stage.op,
            "models": list(stage.models),
            "size": [stage.size_low, stage.size_high],
            "minimum": cost_to_json(stage.minimum),
            "maximum": cost_to_json(stage.maximum),
            "expected": cost_to_json(stage.expected),
            "call_tokens": stage.call_tokens,
            "prefix": stage.prefix or None,
            "shared": stage.shared,
        }
        for stage in plan.stages.values()
    ]
    budget = graph.budget
    limits = {"calls": budget.calls, "tokens": budget.tokens, "seconds": budget.seconds, "cost": budget.cost}
    return {
        "pipeline": graph.pipeline,
        "params": {name: list(value) if isinstance(value, tuple) else value for name, value in graph.params.items()},
        "inputs": {name: str(kind) for name, kind in graph.inputs},
        "returns": str(graph.returns),
        **({"python": python} if (python := python_keys(graph)) else {}),
        "models": {name: {"kind": model.kind, "locator": model.locator} for name, model in graph.models.items()},
        "budget": {name: limit for name, limit in limits.items() if limit is not None},
        "minimum": cost_to_json(plan.minimum),
        "maximum": cost_to_json(plan.maximum),
        "expected": cost_to_json(plan.expected),
        "peak_context": peak_context(plan),
        "context": {
            name: {
                "minimum": peak.minimum,
                "expected": peak.expected,
                "full": peak.full,
                "maximum": peak.maximum,
                "holds": peak.holds,
            }
            for name, peak in peaks(plan, holds).items()
        },
        "prefixes": prefixes(plan),
        "stages": stages,
        "assumptions": list(plan.assumptions),
    }


def peak_context(plan: Plan) -> dict[str, int]:
    """For each model the most tokens, prompt and new, that one call to it may have."""
    return {name: peak.maximum for name, peak in peaks(plan).items()}


def peaks(plan: Plan, holds: Mapping[str, int] | None = None) -> dict[str, Peak]:
    """For each model the largest call to it, with what it holds: as its declaration says, else as given."""
    found: dict[str, Peak] = {}
    for stage in plan.stages.values():
        for name, peak in stage.peaks:
            found[name] = found.get(name, Peak(holds=(holds or {}).get(name))).larger(peak)
    return found


def prefixes(plan: Plan) -> dict[str, list[str]]:
    """The stages whose prompts begin with the same text, by the first of them."""
    found: dict[str, list[str]] = {}
    for stage in plan.stages.values():
        if stage.prefix:
            found.setdefault(stage.prefix, []).append(stage.path)
    return found


def plan_to_text(
    plan: Plan,
    holds: Mapping[str, int] | None = None,
    more: Sequence[str] = (),
    formulas: Mapping[str, str] | None = None,
) -> str:
    """A plan as a table for people: one line a stage, then the sum, the budget and what was assumed.

    `holds` is as in `plan_to_json`; `more` are lines that stand below the sums; `formulas` say by model how its largest
    call grows with the parameters.
    """
    rows = [("stage", "asks", "calls", "tokens", "gives", "shares its prompt with")]
    for stage in plan.stages.values():
        rows.append(
            (
                stage.path,
                " + ".join(stage.models) or "-",
                _span(stage.minimum.calls, stage.maximum.calls),
                f"<= {stage.maximum.tokens:,}" if stage.maximum.tokens else "-",
                _span(stage.size_low, stage.size_high),
                _shares(stage),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", *_totals(plan, holds, formulas or {}), *more]
    if plan.assumptions:
        lines += ["", *(f"- {sentence}" for sentence in plan.assumptions)]
    return "\n".join(lines) + "\n"


def _span(low: int, high: int) -> str:
    if high == 0:
        return "-"
    return str(high) if low == high else f"{low} to {high}"


def _shares(stage: StagePlan) -> str:
    what = "samples" if stage.op in ("generate", "fuse", "revise", "run_tests", "explore") else "labels"
    parts = [f"{stage.shared} {what} a prefill"] if stage.shared > 1 else []
    if stage.prefix and stage.prefix != stage.path:
        parts.append(stage.prefix)
    return ", ".join(parts)


def _totals(plan: Plan, holds: Mapping[str, int] | None, formulas: Mapping[str, str]) -> list[str]:
    """One line a measure: least, likely, most, and the budget's limit where it has one."""
    low, most, likely, budget = plan.minimum, plan.maximum, plan.expected, plan.graph.budget
    lines = [_total("calls", low.calls, likely.calls, most.calls, budget.calls)]
    lines.append(_total("tokens", low.tokens, likely.tokens, most.tokens, budget.tokens))
    lines.append(_total("  of prompts", low.prompt_tokens, likely.prompt_tokens, most.prompt_tokens, None))
    lines.append(_total("  new", low.new_tokens, likely.new_tokens, most.new_tokens, None))
    lines.append(_total("longest chain", low.sequential_tokens, likely.sequential_tokens, most.sequential_tokens, None))
    lines += [_peak(name, peak, formulas.get(name, "")) for name, peak in peaks(plan, holds).items()]
    if budget.seconds is not None:
        lines.append(f"seconds        limit {budget.seconds:g}")
    if most.usd or budget.cost is not None:
        limit = f", limit {budget.cost:g}" if budget.cost is not None else ""
        lines.append(f"cost           {low.usd:.6f} to {most.usd:.6f} usd, likely {likely.usd:.6f}{limit}")
    return lines


def _peak(name: str, peak: Peak, formula: str) -> str:
    """The largest call to a model beside what it holds."""
    holds = "" if peak.holds is None else f" of {peak.holds:,}"
    likely = f"likely {peak.expected:,}, {peak.full:,} with the longest answers"
    grows = f" ({formula})" if formula else ""
    return f"peak context   {name} {peak.minimum:,} to {peak.maximum:,}{holds}, {likely}{grows}"


def _total(name: str, low: int, likely: int, most: int, limit: int | None) -> str:
    line = f"{name:<14} {low:,}" if low == most else f"{name:<14} {low:,} to {most:,}, likely {likely:,}"
    if limit is not None:
        line += f", limit {limit:,}" + (
            " (may be reached: the run then answers with what it has)" if most > limit else ""
        )
    return line
