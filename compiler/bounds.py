"""The price of a graph before it runs: calls, tokens, the longest chain, dollars.

The maximum is a promise: no run costs more, whatever the tokenizer and the answers, provided that inputs keep to the
size assumed. Of branches of which only one can run it takes the dearer, measure by measure. The minimum is
what every run costs; stages that may not run count as nothing in it.

    plan = make_plan(graph, input_tokens={"question": 120})
    plan.maximum.tokens, plan.stages["main/generate"].maximum.calls
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ttscale.compiler import ir
from ttscale.compiler.asking import Asked, asked, full_tokens
from ttscale.compiler.capabilities import abilities
from ttscale.compiler.combination_signatures import ROUTING
from ttscale.compiler.models import prices
from ttscale.compiler.plan import Cost, Peak, Plan, StagePlan
from ttscale.compiler.prefixes import prefix_groups
from ttscale.compiler.prompt_tokens import PROMPT_OVERHEAD, Amount
from ttscale.compiler.said import INPUT_TOKENS, Reader, inputs_of
from ttscale.compiler.types import Text


def make_plan(
    graph: ir.Graph,
    *,
    input_tokens: Mapping[str, int | Amount] | None = None,
    examples: Mapping[str, Amount] | None = None,
) -> Plan:
    """The plan of a graph.

    `input_tokens` are known token counts of inputs by name, or bounds on them, `examples` the tokens of few-shot turns
    by stage, where the rows are known.
    """
    known = dict(input_tokens or {})
    reader = Reader(inputs_of(graph, known), examples)
    longest_answers = Reader(inputs_of(graph, known), examples, share=1.0)
    groups = prefix_groups(graph)
    plans: dict[str, StagePlan] = {}
    longest: dict[str, tuple[int, int, int]] = {}
    for stage in graph.stages:
        calls, full = asked(stage, reader), asked(stage, longest_answers)
        reader.note(stage)
        longest_answers.note(stage)
        plan = _stage_plan(stage, calls, groups.get(stage.path, ""), _peaks(stage, calls, full))
        plans[stage.path] = plan
        before = [longest[path] for path in stage.needs() if path in longest]
        own = (plan.minimum.sequential_tokens, plan.maximum.sequential_tokens, plan.expected.sequential_tokens)
        longest[stage.path] = tuple(max((b[k] for b in before), default=0) + own[k] for k in range(3))  # type: ignore[assignment]
    ends = list(longest.values())
    chains = [max((end[k] for end in ends), default=0) for k in range(3)]
    minimum = replace(_sum(plans[s.path].minimum for s in graph.stages), sequential_tokens=chains[0])
    maximum = replace(_dearest(graph.stages, 0, {p: s.maximum for p, s in plans.items()}), sequential_tokens=chains[1])
    expected = replace(
        _dearest(graph.stages, 0, {p: s.expected for p, s in plans.items()}), sequential_tokens=chains[2]
    )
    return Plan(graph, plans, minimum, maximum, tuple(_assumptions(graph, known, reader.examples)), expected)


def _peaks(stage: ir.Stage, calls: list[Asked], full: list[Asked]) -> tuple[tuple[str, Peak], ...]:
    """The largest call of a stage to each of its models; `full` are the same calls with the longest answers."""
    found: dict[str, Peak] = {}
    for call, longest in zip(calls, full, strict=True):
        sure = call.low if _runs_always(stage) else 0
        peak = Peak(
            minimum=call.prompt.low + call.new.low if sure else 0,
            expected=call.prompt.expected + call.new.expected if call.high else 0,
            full=full_tokens(longest) if call.high else 0,
            maximum=call.prompt.high + call.longest_new if call.high else 0,
            holds=abilities(call.model).context,
        )
        found[call.model.name] = found.get(call.model.name, Peak()).larger(peak)
    return tuple(found.items())


def _runs_always(stage: ir.Stage) -> bool:
    return stage.when is None and not stage.guards


def _stage_plan(stage: ir.Stage, calls: list[Asked], prefix: str, peaks: tuple[tuple[str, Peak], ...]) -> StagePlan:
    always = _runs_always(stage)
    least = (_cost(c, c.low, c.prompt.low, c.new.low, _at_least(c.model)) for c in calls)
    minimum = _sum(least) if always else Cost()
    if always and calls:
        minimum = replace(minimum, sequential_tokens=max(c.new.low if c.low else 0 for c in calls))
    maximum = _sum(_cost(c, c.high, c.prompt.high, c.new.high, 1 + len(c.model.beside)) for c in calls)
    maximum = replace(
        maximum, sequential_tokens=max((c.longest_new * c.sequential for c in calls if c.high), default=0)
    )
    expected = _sum(_cost(c, c.expected, c.prompt.expected, c.new.expected, 1 + len(c.model.beside)) for c in calls)
    expected = replace(expected, sequential_tokens=max((c.new.expected for c in calls if c.expected), default=0))
    return StagePlan(
        path=stage.path,
        op=stage.op,
        models=tuple(dict.fromkeys(c.model.name for c in calls)),
        minimum=minimum,
        maximum=maximum,
        call_tokens=max((c.prompt.high + c.longest_new for c in calls), default=0),
        size_low=stage.size.low,
        size_high=stage.size.high,
        prefix=prefix,
        shared=max((c.shared for c in calls), default=1),
        expected=expected,
        peaks=peaks,
    )


def _at_least(model: ir.Model) -> int:
    """How many models compute every token of a call in any run; one that routes may never ask another."""
    return 1 if model.combine is not None and model.combine.name == ROUTING else 1 + len(model.beside)


def _cost(call: Asked, count: int, prompt: int, new: int, models: int) -> Cost:
    """What `count` calls cost, their tokens being computed by so many models."""
    for_prompt, for_new = prices(call.model)
    usd = count * (prompt * for_prompt + new * for_new)
    return Cost(count, count * prompt * models, count * new * models, 0, usd)


def _sum(costs: Iterable[Cost]) -> Cost:
    calls = prompt = new = 0
    usd = 0.0
    for cost in costs:
        calls += cost.calls
        prompt += cost.prompt_tokens
        new += cost.new_tokens
        usd += cost.usd
    return Cost(calls, prompt, new, 0, usd)


def _dearest(stages: Iterable[ir.Stage], depth: int, costs: Mapping[str, Cost]) -> Cost:
    """The cost of stages that share their first `depth` guards; of exclusive branches the dearer counts."""
    total: list[Cost] = []
    branches: dict[ir.Operand, dict[tuple[object, ...], list[ir.Stage]]] = {}
    for stage in stages:
        if len(stage.guards) <= depth:
            total.append(costs[stage.path])
        else:
            guard = stage.guards[depth]
            branches.setdefault(guard.operand, {}).setdefault(guard.values, []).append(stage)
    for arms in branches.values():
        prices_of_arms = [_dearest(arm, depth + 1, costs) for arm in arms.values()]
        total.append(_most(prices_of_arms) if _exclusive(list(arms)) else _sum(prices_of_arms))
    return _sum(total)


def _exclusive(values: list[tuple[object, ...]]) -> bool:
    """Whether no value lets two of the arms run."""
    seen: list[object] = []
    for arm in values:
        if any(
            value == other and isinstance(value, bool) is isinstance(other, bool) for value in arm for other in seen
        ):
            return False
        seen += arm
    return True


def _most(costs: list[Cost]) -> Cost:
    return Cost(
        max((c.calls for c in costs), default=0),
        max((c.prompt_tokens for c in costs), default=0),
        max((c.new_tokens for c in costs), default=0),
        0,
        max((c.usd for c in costs), default=0.0),
    )


def _assumptions(graph: ir.Graph, known: Mapping[str, object], examples: Mapping[str, Amount]) -> Iterable[str]:
    guessed = [name for name, kind in graph.inputs if isinstance(kind, Text) and name not in known]
    for name, kind in graph.inputs:
        if name in guessed and isinstance(kind, Text):
            if kind.max_tokens is not None:
                yield f"`{name}` has at most {kind.max_tokens} tokens, as its type says"
            else:
                yield f"`{name}` counts as {INPUT_TOKENS} tokens; `Text(max: …)` or data says otherwise"
    for stage in graph.stages:
        rows, shots = stage.args.get("examples"), stage.args.get("shots")
        if isinstance(rows, ir.Rows) and isinstance(shots, ir.Const):
            counted = "the longest that its rows have" if stage.path in examples else "a guess, since no row was read"
            yield f"{shots.value} examples of `{rows.dataset.name}` count as {counted}"
    for model in graph.models.values():
        if model.beside:
            count = 1 + len(model.beside)
            if _at_least(model) < count:
                yield f"every token of `{model.name}` counts for {count} models, though not each has to read it"
            else:
                yield f"every token of `{model.name}` is computed by {count} models, and counts for each"
    if any(
        stage.op in ("generate", "fuse", "revise", "critique", "rank", "verify", "score", "classify", "explore")
        for stage in graph.stages
    ):
        yield f"at most a byte of fixed text is a token, and a chat template adds {PROMPT_OVERHEAD} to a prompt"
        yield "an answer shown to a later stage counts as its max_tokens and a quarter more, twice for another model"
        yield "what is expected takes three characters a token, and answers half as long as they may be"
