"""What a bound pipeline can never do: keep to its budget, fit its prompts, or ask a model for what it cannot do.

Codes:
    E0601  a budget that no run can keep to: even the cheapest one costs more
"""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ast, ir
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.capabilities import Known, lacks
from ttscale.compiler.context_fit import overflow, tight_fits
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.plan import Cost, Plan
from ttscale.compiler.prompt_tokens import Amount
from ttscale.compiler.scope import Symbol
from ttscale.compiler.source import Span

MEASURES = ("calls", "tokens", "cost")


def infeasible(
    graph: ir.Graph, symbol: Symbol, known: Known | None = None, inputs: Mapping[str, Amount] | None = None
) -> list[Diagnostic]:
    """What is wrong with a graph for every run of it, and what may be; `symbol` is its pipeline.

    `known` is what a look at its models has told, `inputs` what is known of the sizes of inputs, both by name.
    """
    plan = make_plan(graph, input_tokens=inputs)
    found = [over_budget(measure, plan, symbol) for measure in broken_limits(plan)]
    return [*found, *lacks(graph, known), *(overflow(fit) for fit in tight_fits(graph, known, inputs))]


def broken_limits(plan: Plan) -> list[str]:
    """The measures of the budget that even the cheapest run exceeds."""
    found: list[str] = []
    for measure in MEASURES:
        limit = getattr(plan.graph.budget, measure)
        if limit is not None and amount_of(plan.minimum, measure) > limit:
            found.append(measure)
    return found


def amount_of(cost: Cost, measure: str) -> float:
    """One measure of a cost."""
    return {"calls": cost.calls, "tokens": cost.tokens, "cost": cost.usd}[measure]


def over_budget(measure: str, plan: Plan, symbol: Symbol, always: bool = False) -> Diagnostic:
    """The error for a limit that cannot be kept."""
    least = amount_of(plan.minimum, measure)
    limit = getattr(plan.graph.budget, measure)
    dearest = max(plan.stages.values(), key=lambda stage: amount_of(stage.minimum, measure))
    stage = plan.graph.stage(dearest.path)
    amount = show_amount(measure, amount_of(dearest.minimum, measure))
    which = "for any values of the parameters" if always and plan.graph.params else "with these parameters"
    return Diagnostic(
        "E0601",
        f"no run can keep to this budget{' ' + which if plan.graph.params else ''}: it needs at least "
        f"{show_amount(measure, least)}",
        limit_span(symbol, measure),
        label=f"allows {show_amount(measure, limit)}",
        labels=(Label(stage.span, f"`{stage.op}` alone needs at least {amount}"),),
        hint=f"write `{measure} <= {show_amount(measure, least).partition(' ')[0]}` or more, or ask for less",
    )


def show_amount(measure: str, amount: float) -> str:
    """An amount with its unit: `9 calls`, `0.02usd`."""
    if measure == "cost":
        return f"{amount:.6g}usd"
    count = round(amount)
    return f"{count} {measure if count != 1 else measure[:-1]}"


def limit_span(symbol: Symbol, measure: str) -> Span | None:
    """Where a pipeline's limit on a measure stands."""
    declaration = symbol.declaration
    if not isinstance(declaration, ast.PipelineDecl) or declaration.budget is None:
        return None
    return next(
        (limit.span for limit in declaration.budget.limits if limit.measure == measure), declaration.budget.span
    )
