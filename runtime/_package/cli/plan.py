"""`ttscale plan`: what a run may cost, and what the compiler made of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, has_color, out_json, width
from ttscale.cli.options import file_argument, locked_option, model_option, param_option, pipeline_option

if TYPE_CHECKING:
    from ttscale.cli.opened import Opened
    from ttscale.compiler.fallbacks import Served
    from ttscale.runtime.probes import Probed

LARGE = 300
"""Graphs of more stages are planned once only."""


@make_command(
    "ttscale plan self_consistency.tts --param n=16",
    "ttscale plan archon.tts --model small=x.gguf --json",
    "ttscale plan archon.tts --emit ir",
)
@file_argument
@pipeline_option
@param_option
@model_option
@click.option(
    "--emit",
    type=click.Choice(["cst", "ast", "ir", "plan"]),
    default="plan",
    show_default=True,
    help="Show another stage of compilation: the concrete tree, the abstract one, the graph.",
)
@locked_option
@json_option
def command(
    file: str, pipeline: str | None, params: tuple[str, ...], models: tuple[str, ...], emit: str, as_json: bool
) -> None:
    """Bound the calls and tokens of a pipeline of FILE for one question, before anything runs.

    The bounds count as if nothing were cached. Shown too: the largest prompt of each model beside what it holds, the
    memory it takes where its file is here, which stages share a prompt's prefix, and what was assumed.
    """
    from ttscale.compiler import emit as emitting

    if emit in ("cst", "ast"):
        sys.stdout.write(tree_of(file, emit, as_json))
        return
    from ttscale.cli.opened import Chosen, open_program

    opened = open_program(Chosen(file, pipeline, params, models))
    if emit == "ir":
        sys.stdout.write(emitting.emit("ir", opened.plan.graph, as_json=as_json))
        return
    shown = plan_data(opened) if as_json else plan_text(opened)
    out_json(shown) if isinstance(shown, dict) else sys.stdout.write(shown)


def plan_data(opened: Opened) -> dict[str, Any]:
    """The plan as plain data, with what the models' files tell and the warnings at these values of the parameters."""
    from ttscale.cli.cache_advice import advised
    from ttscale.cli.diagnosed import as_data
    from ttscale.compiler.fallbacks import fallbacks
    from ttscale.compiler.plan import cost_to_json, plan_to_json

    memory: dict[str, Any] = {}
    for name, facts in opened.facts.items():
        one = facts.memory
        if facts.server is not None:
            continue
        if one is None:
            memory[name] = {"missing": facts.missing}
        else:
            memory[name] = {
                "weights": one.weights,
                "cache": one.cache,
                "cells": one.cells,
                "outputs": one.outputs,
                "total": one.total,
                "shares": facts.shares or None,
            }
    plan: dict[str, Any] = plan_to_json(opened.plan, contexts(opened))
    for name, text in formulas(opened).items():
        plan["context"][name]["formula"] = text
    return {
        **plan,
        "memory": memory,
        "servers": {name: asdict(one.server) for name, one in opened.facts.items() if one.server is not None},
        "fallbacks": [
            {"stage": one.stage, "model": one.model, "what": one.what, "maximum": cost_to_json(one.cost)}
            for one in fallbacks(opened.plan.graph, servers(opened))
        ],
        "caches": [
            {"model": name, "kv_unified": False, "slots": one.slots, "ctx": one.ctx, "bytes": amount}
            for name, one, amount in advised(opened)
        ],
        "warnings": as_data(opened.warnings, opened.checked.sources),
        "program": opened.identity(),
    }


def plan_text(opened: Opened) -> str:
    """The plan for people; warnings go to standard error."""
    from ttscale.cli.cache_advice import cache_lines
    from ttscale.cli.diagnosed import rendered
    from ttscale.compiler.fallbacks import fallback_line, fallbacks
    from ttscale.compiler.plan import plan_to_text

    for warning in opened.warnings:
        err(rendered(warning, opened.checked.sources, has_color(sys.stderr), width()))
    lines: list[str] = []
    for name, facts in opened.facts.items():
        one = facts.memory
        if facts.server is not None:
            lines += [f"server         {name} {text}" for text in instead(facts.server)]
        elif one is None:
            lines.append(f"memory         {name} not known: {facts.missing}")
        elif facts.shares:
            lines.append(f"memory         {name} shares what {facts.shares} takes")
        else:
            parts = f"weights {size(one.weights)}, cache of {one.cells:,} tokens {size(one.cache)}"
            lines.append(f"memory         {name} {size(one.total)}: {parts}, rows of logits {size(one.outputs)}")
    lines += cache_lines(opened)
    lines += [f"fallback       {fallback_line(one)}" for one in fallbacks(opened.plan.graph, servers(opened))]
    loaded = [facts.memory.total for facts in opened.facts.values() if facts.memory is not None and not facts.shares]
    if len(loaded) > 1:
        lines.append(f"memory         {size(sum(loaded))} for all {len(loaded)} together")
    return plan_to_text(opened.plan, contexts(opened), lines, formulas(opened))


def contexts(opened: Opened) -> dict[str, int]:
    """What the models hold, as far as their files and probes of their servers tell."""
    found = {name: facts.memory.context for name, facts in opened.facts.items() if facts.memory is not None}
    served = {name: facts.abilities.context for name, facts in opened.facts.items() if facts.server is not None}
    return found | {name: context for name, context in served.items() if context}


def instead(server: Probed) -> Iterator[str]:
    """What a server cannot do and costs nothing to do otherwise; the rest is among the fallbacks."""
    if server.seeds is False:
        yield "does not keep to seeds: only the bank makes a sample the same again"
    if server.schema is False:
        yield "keeps no answer to a schema: what cannot be read is lost"


def servers(opened: Opened) -> dict[str, Served]:
    """What is known of the servers among a program's models: by a probe, or as declared."""
    from ttscale.compiler.capabilities import abilities
    from ttscale.compiler.fallbacks import Served
    from ttscale.runtime.model_facts import known
    from ttscale.runtime.models import samples_a_call
    from ttscale.runtime.probes import Probed

    found = known(opened.facts)
    return {
        name: Served(
            samples_a_call(model, (opened.facts[name].server if name in opened.facts else None) or Probed()),
            abilities(model, found).scoring,
        )
        for name, model in opened.plan.graph.models.items()
        if model.kind == "openai"
    }


def formulas(opened: Opened) -> dict[str, str]:
    """How the largest call to each model grows with the whole-number parameters, with the longest answers."""
    from ttscale.compiler.diagnostics import CompileError
    from ttscale.compiler.peak_formula import formula
    from ttscale.compiler.plan import Peak, peaks
    from ttscale.runtime.program import Program

    graph = opened.plan.graph
    at = {name: value for name, value in graph.params.items() if type(value) is int}
    if not at or len(graph.stages) > LARGE:
        return {}
    program = Program(opened.checked, dict(graph.models), opened.folder)

    def amount(name: str, values: Mapping[str, int]) -> int | None:
        try:
            plan = program.plan(graph.pipeline, params={**graph.params, **values})
        except CompileError:
            return None  # a rule of the pipeline forbids these values
        return peaks(plan).get(name, Peak()).full

    others = {name: other_values(opened, name, value) for name, value in at.items()}
    found = {name: formula(partial(amount, name), at, others) for name in peaks(opened.plan)}
    return {name: text for name, text in found.items() if text}


def other_values(opened: Opened, name: str, value: int) -> tuple[int, ...]:
    """Two more values that a parameter may have, the nearest ones; without a domain its multiples."""
    from ttscale.compiler.bind import choose_pipeline
    from ttscale.compiler.space import space_of

    symbol, _ = choose_pipeline(opened.checked.linked, opened.plan.graph.pipeline)
    domain = space_of(opened.checked.linked, symbol).domains.get(name) if symbol is not None else None
    if domain is None:
        return value + 1, value * 2
    values = [other for other in domain.values() if type(other) is int and other != value]
    return tuple(sorted(values, key=lambda other: abs(other - value))[:2])


def size(amount: int) -> str:
    """Bytes for people: `92 MB`, `1.3 GB`."""
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.0f} MB"


def tree_of(file: str, kind: str, as_json: bool) -> str:
    """The concrete or abstract tree of one file, whatever its names mean. Raises CompileError."""
    from ttscale.compiler.diagnostics import CompileError
    from ttscale.compiler.emit import emit
    from ttscale.compiler.lower import lower
    from ttscale.compiler.parse import parse
    from ttscale.library.loader import load_source

    source = load_source(file)
    parsed = parse(source)
    module, lowering = lower(parsed, source)
    found = [*parsed.diagnostics, *lowering]
    if parsed.tree is None or any(d.severity == "error" for d in found):
        raise CompileError(found, {source.name: source})
    if kind == "ast":
        return emit("ast", module, as_json=as_json)
    if not as_json:
        return str(parsed.tree.pretty())
    import json

    return json.dumps(concrete(parsed.tree), indent=2, ensure_ascii=False) + "\n"


def concrete(node: object) -> object:
    """A concrete tree as plain data: rules as `{"rule", "children"}`, tokens as `{"token", "text"}`."""
    children = getattr(node, "children", None)
    if children is not None:
        return {"rule": str(getattr(node, "data", "")), "children": [concrete(child) for child in children]}
    return {"token": getattr(node, "type", ""), "text": str(node)}
