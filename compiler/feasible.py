"""What a bound pipeline can never do: keep to its budget, or fit a prompt into a model's context.

Codes:
    E0601  a budget that no run can keep to: even the cheapest one costs more
    E0602  a prompt that cannot fit into the context of its model
    W0602  a prompt that may not fit into the context of its model
"""

from __future__ import annotations

from collections.abc import Iterator

from ttscale.compiler import ast, ir
from ttscale.compiler.asking import asked
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.models import option
from ttscale.compiler.plan import Cost, Plan
from ttscale.compiler.said import Reader, inputs_of
from ttscale.compiler.scope import Symbol
from ttscale.compiler.source import Span

MEASURES = ("calls", "tokens", "cost")


def infeasible(graph: ir.Graph, symbol: Symbol) -> list[Diagnostic]:
    """What is wrong with a graph for every run of it; `symbol` is its pipeline."""
    plan = make_plan(graph)
    found = [over_budget(measure, plan, symbol) for measure in broken_limits(plan)]
    return [*found, *context_overflow(plan.graph)]


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


def context_overflow(graph: ir.Graph) -> Iterator[Diagnostic]:
    """Prompts that cannot or may not fit where a model declares its context (`ctx:`)."""
    reader = Reader(inputs_of(graph, {}))
    said: set[tuple[Span, str]] = set()
    for stage in graph.stages:
        calls = asked(stage, reader)
        reader.note(stage)
        for call in calls:
            ctx = option(call.model, "ctx")
            if not isinstance(ctx, int) or ctx <= 0 or (stage.span, call.model.name) in said:
                continue
            fixed, expected = call.prompt.low + call.new.low, call.prompt.expected + call.longest_new
            where = (Label(call.model.span, f"holds {ctx} tokens"),) if call.model.span is not None else ()
            if fixed > ctx:
                said.add((stage.span, call.model.name))
                message = f"this prompt has at least {call.prompt.low} tokens, and `{call.model.name}` holds {ctx}"
                yield Diagnostic("E0602", message, stage.span, labels=where, hint="shorten it, or raise `ctx:`")
            elif expected > ctx:
                said.add((stage.span, call.model.name))
                message = f"prompt and answer may need {expected} tokens, and `{call.model.name}` holds {ctx}"
                hint = "lower `max_tokens:`, show fewer answers, or raise `ctx:`"
                yield Diagnostic("W0602", message, stage.span, "warning", labels=where, hint=hint)
