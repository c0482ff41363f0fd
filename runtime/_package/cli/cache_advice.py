"""What `plan` says of caches: where one for each sample is faster than one for all, and there is memory for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ttscale.compiler.models import option

if TYPE_CHECKING:
    from ttscale.cli.opened import Opened
    from ttscale.runtime.engines.llama.caches import Advice

SAID = ("kv_unified", "reproducible", "keep_prompts")
"""Options that leave no choice, or have made it."""


def cache_lines(opened: Opened) -> Iterator[str]:
    """A line for each model that caches of their own make faster."""
    for name, one, amount in advised(opened):
        written = f"kv_unified: false, slots: {one.slots}, ctx: {one.ctx}"
        yield (
            f"cache          with {one.slots} samples at once: {name} looks at about {one.together:,} cells a token in "
            f"one cache for all, at {one.own:,} in caches of their own; on a CPU `{written}` is faster and takes "
            f"{amount / 1e6:,.0f} MB"
        )


def advised(opened: Opened) -> Iterator[tuple[str, Advice, int]]:
    """Models, what is advised, and the bytes that it takes; none where a GPU computes or the memory is too small."""
    from ttscale.compiler.plan import peaks
    from ttscale.runtime.engines.llama import gpu
    from ttscale.runtime.engines.llama.caches import advice
    from ttscale.runtime.engines.llama.machine import CACHE_SHARE, memory_bytes

    if gpu.present() and gpu.is_built_in():
        return
    largest = peaks(opened.plan)
    for name, (samples, prompt, new) in loads(opened).items():
        model, facts = opened.plan.graph.models[name], opened.facts.get(name)
        memory = facts.memory if facts is not None else None
        if memory is None or not memory.cells or any(option(model, one) is not None for one in SAID):
            continue
        found = advice(samples, prompt, new, largest[name].maximum if name in largest else 0)
        if found is None or found.ctx > memory.context:
            continue
        amount = found.cells * memory.cache // memory.cells
        if amount <= CACHE_SHARE * memory_bytes():
            yield name, found, amount


def loads(opened: Opened) -> dict[str, tuple[int, int, int]]:
    """For each model of a file the samples of a prompt, and the tokens of prompt and answer, where it writes most.

    As they are expected: inputs of the size assumed, answers half as long as they may be.
    """
    from ttscale.compiler.asking import asked
    from ttscale.compiler.fallbacks import SAMPLING
    from ttscale.compiler.said import Reader, inputs_of

    graph = opened.plan.graph
    reader = Reader(inputs_of(graph, {}))
    most: dict[str, int] = {}
    found: dict[str, tuple[int, int, int]] = {}
    for stage in graph.stages:
        for call in asked(stage, reader):
            written = call.expected * call.new.expected
            if call.model.kind == "gguf" and stage.op in SAMPLING and written > most.get(call.model.name, 0):
                most[call.model.name] = written
                found[call.model.name] = (call.shared, call.prompt.expected, call.new.expected)
        reader.note(stage)
    return found
