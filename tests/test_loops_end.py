"""Every recipe of the library and every kind of loop ends, whatever the models do and however small the budget is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from running import FakeEngine
from ttscale.compiler import types as t
from ttscale.compiler.ast import PipelineDecl
from ttscale.compiler.bind import bind
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.driver import compile_source
from ttscale.compiler.ir import Budget
from ttscale.compiler.plan import Plan
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader, load_source
from ttscale.library.standard import stage_prompts
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.engines.script import ScriptEngine
from ttscale.runtime.executor import execute
from ttscale.runtime.result import Result, RunError

SHELF = Path(__file__).resolve().parent.parent / "library" / "shelf"
RECIPES = sorted(path.parent.name for path in SHELF.glob("*/recipe.tts"))
HANGS = 120
"""Seconds after which a run has certainly hung."""

BAD_MODELS: Mapping[str, Any] = {
    "never finishes": lambda: ScriptEngine(["and then " * 6000]),
    "always fails": lambda: FakeEngine(lambda request, place: EngineError("no memory"), verdict=_fails),
    "returns nothing": lambda: ScriptEngine([""]),
}
BUDGETS = {
    "one call": Budget(calls=1),
    "three calls": Budget(calls=3),
    "forty tokens": Budget(tokens=40),
    "two thousand tokens": Budget(tokens=2000),
    "no time": Budget(seconds=0.001),
    "its own": None,
}
VALUES: Mapping[str, object] = {
    "[Text]": ["The door is red.", "The roof is blue."],
    "Int": 1,
    "Number": 1,
    "Bool": True,
}


def _fails(messages: object, text: str) -> float:
    raise EngineError("no memory")


@cache
def plans_of(path: str) -> dict[str, Plan]:
    """The plan of each pipeline of a file at its defaults."""
    return plans(load_source(path))


def plans(source: SourceFile) -> dict[str, Plan]:
    allow = frozenset({"code", "files", "network", "python"})
    program = compile_source(source, FileLoader(allow=allow)).require_ok()
    scope = program.linked.modules[program.linked.entry]
    found = {}
    for name, symbol in scope.names.items():
        if isinstance(symbol.declaration, PipelineDecl) and symbol.module == program.linked.entry:
            graph, told = bind(program, name, {}, std=stage_prompts())
            assert graph is not None, [one.message for one in told]
            found[name] = make_plan(graph)
    return found


def inputs_of(plan: Plan) -> dict[str, object]:
    found = {}
    for name, kind in plan.graph.inputs:
        inner = kind.item if isinstance(kind, t.Optional) else kind
        found[name] = VALUES.get(str(inner), "What is 6 * 7?")
    return found


async def ends(plan: Plan, model: str, budget: Budget | None, folder: Path | None = None) -> None:
    """Run a plan with a bad model; it must end with an answer or a clear error, within its budget."""
    engine = BAD_MODELS[model]()
    kept = plan if budget is None else replace(plan, graph=replace(plan.graph, budget=budget))
    limit = kept.graph.budget
    house = _House(engine)
    try:
        async with asyncio.timeout(HANGS):
            result = await execute(kept.graph, kept, inputs_of(kept), house, folder=folder)
    except RunError as error:
        assert error.diagnostic.code.startswith("R") and error.diagnostic.message
        return
    assert isinstance(result, Result)
    assert limit.calls is None or result.cost.calls <= limit.calls
    assert limit.tokens is None or result.cost.tokens <= limit.tokens
    assert result.answer is not None or result.notes or result.cut, "no answer, and nothing says why"


class _House:
    """One engine for every model."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    async def get(self, model: object) -> Any:
        return self._engine


@pytest.mark.parametrize("model", BAD_MODELS)
@pytest.mark.parametrize("recipe", RECIPES)
async def test_every_recipe_ends(recipe: str, model: str) -> None:
    path = SHELF / recipe / "recipe.tts"
    for plan in plans_of(str(path)).values():
        for budget in BUDGETS.values():
            await ends(plan, model, budget, path.parent)


HEAD = '''tts 1
use std/prompts@1 as p
model m = script("Answer: 1")
prompt ask(question: Text) -> Number = """Solve {{ question }}"""
prompt again(question: Text, shown: [Text]) -> Number = """{{ question }} {{ shown }}"""
pipeline main(question: Text) -> Number {
'''
LOOPS = {
    "repeat": "return repeat 3 with x = generate(ask(question), from: m) { yield x |> revise(from: m) }",
    "repeat with a critic": """
        return repeat 3 with x = generate(ask(question), from: m, n: 2) {
          yield x |> critique(from: m) |> revise(from: m, n: 1)
        } |> vote()""",
    "repeat up to": """
        return repeat up to 4 with x = generate(ask(question), from: m) until readable(x) > 2 {
          yield x + generate(ask(question), from: m, more: x)
        } |> vote()""",
    "repeat until a score": """
        first = generate(ask(question), from: m) |> score(by: yes_no, from: m)
        return repeat up to 3 with x = first until best(x) > 2 {
          yield x |> revise(from: m) |> score(by: yes_no, from: m)
        }""",
    "map": """
        parts = decompose(question, from: m, most: 3)
        return map part in parts, max: 3 { yield generate(ask(part.question), from: m) } |> vote()""",
    "map with earlier": """
        parts = decompose(question, from: m, most: 3)
        return map part in parts, max: 3 with known {
          yield generate(again(fill(part.question, known), known), from: m)
        } |> vote()""",
    "a state that is known before": """
        all = repeat up to 4 with xs = generate(ask(question), from: m), heat = 0.5 until readable(xs) > 2 {
          yield xs + generate(ask(question), from: m, temperature: heat, more: xs), (1 + heat) / 2
        }
        return all.xs |> vote()""",
    "a memory that grows": """
        return repeat 3 with xs = generate(ask(question), from: m) {
          seen = recall(question, memory: "loop", as_of: now, own: true)
          yield xs + (generate(again(question, seen), from: m) |> remember(memory: "loop", what: text))
        } |> vote()""",
    "a question that is split again and again": """
        first = decompose(question, from: m, most: 3)
        all = repeat up to 3 with asked = question, parts = first, best = generate(ask(question), from: m)
          until depth(parts) <= 0
        {
          solved = map part in parts, max: 3 { yield generate(ask(part.question), from: m) when part.level == 0 }
          next = generate(again(asked, solved), from: m)
          yield text(next), decompose(text(next), from: m, most: 3), next
        }
        return all.best""",
    "splitting again": """
        parts = decompose(question, from: m, most: 2)
        return map part in parts, max: 2 {
          inner = decompose(part.question, from: m, most: 2)
          yield map small in inner, max: 2 { yield generate(ask(small.question), from: m) }
        } |> vote()""",
    "combinations": """
        seen = generate(ask(question), from: m, n: 3, series: 7)
        return map group in combinations(seen, 2), max: 6 { yield generate(ask(question), from: m) } |> vote()""",
    "rounds": "return generate(ask(question), from: m, n: up to 16, start: 2, until: agreement > 2) |> vote()",
    "explore": """
        return explore(ask(question), from: m, policy: astar, width: 2, judge: yes_no(from: m), steps: 4) |> vote()""",
}


@pytest.mark.parametrize("model", BAD_MODELS)
@pytest.mark.parametrize("loop", LOOPS)
async def test_every_loop_ends(loop: str, model: str) -> None:
    (plan,) = plans(SourceFile("loop.tts", f"{HEAD}{LOOPS[loop]}\n}}\n")).values()
    for budget in BUDGETS.values():
        await ends(plan, model, budget)
