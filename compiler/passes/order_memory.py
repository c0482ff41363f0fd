"""Order memory: a `recall` that sees everything at once stands behind what was remembered before it, as written.

    repeat 2 with xs = drafts {
      lessons = recall(question, memory: "sums", as_of: now)  waits for the last round's `remember`
      yield generate(solve(question, lessons)) |> remember(memory: "sums")
    }

Nothing that a stage reads says so, hence `after`: stages that must be over before, also where they did not run.
"""

from __future__ import annotations

from dataclasses import replace

from ttscale.compiler import ir


def order_memory(graph: ir.Graph) -> ir.Graph:
    """Let a `recall` of `as_of: now` wait for every earlier `remember` of its memory, and these for earlier recalls.

    Of a chain only the latest links are named: a recall waits for the one before it, which waited for what stood there.
    """
    last: dict[object, ir.Ref] = {}
    since: dict[object, list[ir.Ref]] = {}
    stages: list[ir.Stage] = []
    for stage in graph.stages:
        memory = memory_of(stage)
        if memory is None:
            stages.append(stage)
            continue
        after = [last[memory]] if memory in last else []
        if stage.op == "remember":
            since.setdefault(memory, []).append(ir.Ref(stage.path))
        elif sees_all(stage):
            after += since.pop(memory, [])
            last[memory] = ir.Ref(stage.path)
        else:
            after = []
        stages.append(_after(stage, tuple(after)))
    return replace(graph, stages=tuple(stages))


def memory_of(stage: ir.Stage) -> object:
    """What a `recall` or `remember` calls its memory; None of any other stage."""
    named = stage.args.get("memory") if stage.op in ("recall", "remember") else None
    return named.value if isinstance(named, ir.Const) else None


def sees_all(stage: ir.Stage) -> bool:
    """Whether a `recall` sees what this very run has kept."""
    return stage.op == "recall" and stage.args.get("as_of") == ir.Const("now")


def _after(stage: ir.Stage, after: tuple[ir.Ref, ...]) -> ir.Stage:
    args = {name: value for name, value in stage.args.items() if name != "after"}
    if after:
        args["after"] = after
    return stage if args == stage.args else replace(stage, args=args)
