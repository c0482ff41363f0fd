"""How long it takes to expand, optimise and plan a pipeline of ten thousand stages.

    python benchmarks/plan_scale.py [stages]

Prints seconds a step. The target is under 5 seconds together at 10,000 stages on one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from ttscale.compiler.assignments import check_assignments
from ttscale.compiler.bind import choose_pipeline
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.driver import compile_source
from ttscale.compiler.expand import expand
from ttscale.compiler.passes import PASSES
from ttscale.compiler.source import SourceFile
from ttscale.compiler.space import bound_values, space_of
from ttscale.compiler.verify import verify
from ttscale.library.loader import FileLoader
from ttscale.library.standard import stage_prompts

T = TypeVar("T")

PROGRAM = """tts 1
model small = gguf("small.gguf")
model large = openai("http://127.0.0.1:8080/v1", name: "large", price: 1usd)
prompt solve(question: Text) -> Number = "Solve: {{ question }}"
prompt again(question: Text, earlier: [Text]) -> Number = "Again: {{ question }} {{ earlier }}"

pipeline main(question: Text) -> Number {
  drafts = generate(solve(question), from: [small, large], n: 4)
  fused = repeat ROUNDS with xs = drafts {
    notes = xs |> critique(from: large)
    best = notes |> rank(from: large, keep: 2)
    one = generate(again(question, best), from: small, n: 2)
    two = generate(again(question, best), from: large, n: 2)
    yield one + two |> filter(unique: true) |> verify(from: small)
  }
  return fused |> vote()
}
"""
STAGES_A_ROUND = 7


def timed(name: str, work: Callable[[], T]) -> T:
    """The result of `work`, with the seconds it took printed."""
    start = time.perf_counter()
    result = work()
    print(f"{name:<24} {time.perf_counter() - start:7.3f} s")
    return result


def main(stages: int) -> None:
    """Measure each step at about this many stages."""
    inner = 500
    rounds = stages // STAGES_A_ROUND
    text = PROGRAM.replace("ROUNDS", str(min(rounds, inner)))
    calls = max(1, round(rounds / inner))
    if calls > 1:
        names = [f"part{i}" for i in range(calls)]
        outer = "\n".join(f"  {name} = main(question)" for name in names)
        shown = ", ".join(f"text({name})" for name in names)
        text += 'prompt last(question: Text, earlier: [Text]) -> Number = "{{ question }} {{ earlier }}"\n'
        text += f"pipeline whole(question: Text) -> Number {{\n{outer}\n"
        text += f"  return generate(last(question, [{shown}]), from: large)\n}}\n"
        text = distinct(text, calls)
    checked = timed("parse and check", lambda: compile_source(SourceFile("scale.tts", text), FileLoader()).require_ok())
    linked = checked.linked
    symbol, _ = choose_pipeline(linked, "whole" if calls > 1 else "main")
    assert symbol is not None
    values, names_of, _ = bound_values(space_of(linked, symbol), {})
    std = stage_prompts()
    graph, found, _ = timed("expand", lambda: expand(linked, symbol, values, names_of, std=std))
    assert graph is not None, found
    for step in PASSES:
        before = graph
        graph = timed(step.__name__, lambda step=step, before=before: step(before))
    timed("verify", lambda: verify(graph))
    plan = timed("plan", lambda: make_plan(graph))
    timed("check assignments", lambda: check_assignments(linked, symbol, std=std))
    print(f"{len(graph.stages):,} stages, at most {plan.maximum.calls:,} calls")


def distinct(text: str, calls: int) -> str:
    """Give every call of `main` a series of its own, so that no stages are equal."""
    head, _, rest = text.partition("pipeline main(question: Text) -> Number {\n")
    text = f"{head}pipeline main(question: Text) -> Number {{\n  param start: Int = 0\n{rest}"
    text = text.replace("from: [small, large], n: 4)", "from: [small, large], n: 4, series: start)")
    for number in range(calls):
        text = text.replace(f"part{number} = main(question)", f"part{number} = main(question, start: {number})")
    return text


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
