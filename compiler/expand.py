"""Expanding: one pipeline with its parameters bound, as a flat graph of stages.

Loops are unrolled, called pipelines inlined, conditions on parameters settled; what only a run can decide stays
as guards and `when`. Every argument of every stage is filled in, so that the runtime never guesses.

**Paths.** Names decide identity, never positions; numbers count from 1.

    main/drafts                  drafts = generate(…): the stage that makes a bound value has its name
    main/drafts/generate         drafts = generate(…) |> score(…): earlier stages of a chain stand below it
    main/generate, main/vote     stages of `return` (and `yield`) have the stage's own name
    main/fused[2]/rank           round 2 of `fused = repeat …`; `main/repeat[2]/rank` where it has no name
    main/both/x, main/both.x     the start of state x; its choice after `repeat up to … until`
    main/fused[2]/until          the condition before round 2 (a `value` stage, false for the round to run)
    main/drafts[3]/generate      item 3 of `drafts = map …`; `main/drafts` joins them
    main/maths/vote              the arm `maths` of a run-time `match`; `main/match` (or the bound name) chooses
    main/inner/vote              a pipeline `inner`, inlined; `main/x/vote` for `x = inner(…)`
    main/generate#2              the second stage of that name in one place

What the checker finds for all assignments is not found again here; what is found here has the checker's codes where it
knows the matter, and these:

    E0253  an adaptive `generate` whose models or prompts bring different sampling settings
    E0257  a stage whose standard prompt is not loaded
    E0259  a stage that this version does not run
    E0267  a map over items known only in the run that yields plain values
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ttscale.compiler import ast, ir
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.expand_memory import Memory
from ttscale.compiler.expand_values import evaluate
from ttscale.compiler.expansion import (
    Expansion,
    Frame,
    Listing,
    Named,
    Oversize,
    Plain,
    Pool,
    Site,
    Stop,
    Value,
    many_where_one,
    one,
    with_names,
)
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.passes.prune import models_of
from ttscale.compiler.resolve_types import prompt_ir, type_of
from ttscale.compiler.scope import Linked, Symbol
from ttscale.compiler.signatures import (
    CHANNEL,
    META,
    RULES,
    SIGNATURES,
    by_checklist,
    by_likeness,
    judging,
    testing,
)
from ttscale.compiler.source import Span
from ttscale.compiler.step_judges import EXPLORE_JUDGES, explore_judging
from ttscale.compiler.types import CHAT, INT, TEXT, Answers, Choice, Code, ListOf, Text, Type

STD_STAGES = "std/stages"


def expand(
    linked: Linked,
    symbol: Symbol,
    values: Mapping[str, Value],
    params: Mapping[str, object],
    *,
    models: Mapping[str, ir.Model] | None = None,
    std: Mapping[str, ir.Prompt] | None = None,
    named: Expansion | None = None,
    memory: Memory | None = None,
) -> tuple[ir.Graph | None, list[Diagnostic], list[Oversize]]:
    """The graph of the pipeline `symbol` with its parameters at `values` (named in the graph by `params`).

    `models` replace declared ones by name; `named` is the expansion in which `values` were made, whose models they
    use; `std` are the prompts that stages use by default, by name (else those of the module std/stages, where it is
    linked); `memory` is what expansions of the same pipeline share. None with diagnostics where the program cannot be
    expanded; stages that keep more than they get are listed apart, since they may be a warning.
    """
    declaration = symbol.declaration
    assert isinstance(declaration, ast.PipelineDecl)
    expansion = begin(linked, models or {}, std)
    if named is not None:
        expansion.models.update(named.models)
        expansion.model_owners.update(named.model_owners)
    if memory is None:
        face = _face(linked, symbol)
    else:
        face = memory.once("face", lambda: _face(linked, symbol))
        expansion.memory = memory
        expansion.models.update(memory.combined)
    frame = replace(face.frame, names=with_names(values, face.frame.names))
    try:
        result = body(expansion, declaration, frame, symbol.name, declaration.span)
        operand = _returned(expansion, result, face.returns, declaration.value.span)
        if memory is None or memory.reads(declaration.budget):
            budget = budget_of(expansion, declaration, frame)
        else:
            budget = memory.once("budget", lambda: budget_of(expansion, declaration, frame))
    except Stop:
        return None, expansion.diagnostics, expansion.oversized
    if memory is None:
        asked = {model.name for stage in expansion.stages for model in models_of(stage)}
    else:
        asked = memory.asked_by(expansion.stages, len(expansion.models))
    graph = ir.Graph(
        pipeline=symbol.name,
        inputs=face.inputs,
        params=dict(params),
        budget=budget,
        stages=tuple(expansion.stages),
        result=operand,
        returns=face.returns,
        models={name: model for name, model in expansion.models.items() if name in asked},
        capped=tuple(expansion.capped),
    )
    return graph, expansion.diagnostics, expansion.oversized


@dataclass(frozen=True, slots=True)
class _Face:
    """What the parameters do not change: a pipeline's inputs and result, and the frame that knows its inputs."""

    inputs: tuple[tuple[str, Type], ...]
    returns: Type
    frame: Frame


def _face(linked: Linked, symbol: Symbol) -> _Face:
    declaration = symbol.declaration
    assert isinstance(declaration, ast.PipelineDecl)
    home = linked.scope_of(symbol)
    inputs = tuple((field.name, type_of(field.type, home, linked)[0]) for field in declaration.inputs)
    frame = Frame(
        module=home,
        names={name: Plain(ir.Input(name), kind) for name, kind in inputs},
        question=_question(list(inputs)),
        calls=(f"{symbol.module}#{symbol.name}",),
    )
    return _Face(inputs, type_of(declaration.result, home, linked)[0], frame)


def begin(linked: Linked, models: Mapping[str, ir.Model], std: Mapping[str, ir.Prompt] | None) -> Expansion:
    """A fresh expansion over a linked program."""
    prompts = std if std is not None else std_prompts(linked)
    return Expansion(linked, evaluate, body, models, prompts)


def stand_ins() -> dict[str, ir.Prompt]:
    """Prompts of nothing but what is offered, in place of the standard ones, for checks that do without their text."""
    results: dict[str, Type] = {"Text": TEXT, "[Int]": ListOf(INT), "Choice": Choice(("yes", "no")), "Int": INT}
    results["Code"] = Code("python")
    found: dict[str, ir.Prompt] = {}
    judges = [judging("score", rule.name) for rule in RULES.values() if rule.std_prompt]
    judges += [explore_judging(rule) for rule, prompt in EXPLORE_JUDGES.items() if prompt]
    for signature in (*SIGNATURES.values(), by_checklist(), by_likeness(), testing(True), *judges):
        if signature.std_prompt is not None:
            result = results.get(next(iter(signature.prompt_results), "Text"), TEXT)
            shown = "{{ answer }}" if "answer" in signature.offers else _EVERY_ANSWER
            part = ir.PromptPart("user", "{{ question }} " + shown, Span("std/stages", 0, 0))
            found[signature.std_prompt] = ir.Prompt(signature.std_prompt, (), result, (part,))
    meta = ir.PromptPart("user", "{{ question }} " + _EVERY_ANSWER + "{{ critique }}", Span("std/stages", 0, 0))
    found[META] = ir.Prompt(META, (), results["Choice"], (meta,))
    channel = ir.PromptPart("user", "{{ context }} {{ answer }}", Span("std/stages", 0, 0))
    found[CHANNEL] = ir.Prompt(CHANNEL, (("context", TEXT), ("answer", TEXT)), TEXT, (channel,))
    return found


_EVERY_ANSWER = "{% for answer in answers %}{{ answer.index }}: {{ answer.text }} {{ answer.critique }} {% endfor %}"


def std_prompts(linked: Linked) -> dict[str, ir.Prompt]:
    """The prompts of the module std/stages by name; empty where the program does not link it."""
    found: dict[str, ir.Prompt] = {}
    for name, module in linked.modules.items():
        if name.partition("@")[0] == STD_STAGES:
            for symbol in module.names.values():
                if symbol.kind == "prompt" and symbol.module == name:
                    found[symbol.name] = prompt_ir(symbol, linked)
    return found


def body(expansion: Expansion, declaration: ast.PipelineDecl, frame: Frame, scope: str, span: Span) -> Value:
    """What a pipeline returns; `frame` has its inputs and parameters."""
    for binding in declaration.bindings:
        value = expansion.evaluate(binding.value, frame, Site(scope, binding.name))
        frame = frame.bind(binding.name, value)
    return labelled(expansion.evaluate(declaration.value, frame, Site(scope)), declaration)


def labelled(value: Value, declaration: ast.PipelineDecl) -> Value:
    """A bare name that is returned is a label, as text."""
    if isinstance(value, Named):
        return Plain(ir.Const(value.name), Choice((value.name,)))
    return value


def _returned(expansion: Expansion, value: Value, returns: Type, span: Span) -> ir.Operand:
    """The operand of what is returned: a pool where a pool or a list is promised, else one value."""
    if isinstance(value, Pool):
        if isinstance(returns, Answers):
            return value.operand
        if isinstance(returns, ListOf) and value.item == returns.item:
            return value.operand
        if value.size.high > 1:
            raise many_where_one(expansion, value, span)
        return value.operand
    if isinstance(value, Listing) and isinstance(returns, ListOf):
        return one(expansion, value, span)
    return one(expansion, value, span)


def _question(inputs: list[tuple[str, Type]]) -> ir.Operand | None:
    """The input called `question`, else the first Text, else the first conversation."""
    if any(name == "question" for name, _ in inputs):
        return ir.Input("question")
    texts = [name for name, kind in inputs if isinstance(kind, Text)]
    chats = [name for name, kind in inputs if kind == CHAT]
    return next((ir.Input(name) for name in (*texts, *chats)), None)


def budget_of(expansion: Expansion, declaration: ast.PipelineDecl, frame: Frame) -> ir.Budget:
    """A pipeline's limits in numbers; of two limits on one measure the lower holds."""
    limits: dict[str, int | float] = {}
    if declaration.budget is not None:
        for limit in declaration.budget.limits:
            operand = one(expansion, expansion.evaluate(limit.amount, frame, Site("budget")), limit.amount.span)
            if not isinstance(operand, ir.Const) or not isinstance(operand.value, int | float):
                message = f"the limit on {limit.measure} must be known before the run"
                raise expansion.fail("E0235", message, limit.amount.span, hint="write a number or a parameter")
            limits[limit.measure] = min(operand.value, limits.get(limit.measure, operand.value))
    calls, tokens = limits.get("calls"), limits.get("tokens")
    seconds, cost = limits.get("seconds"), limits.get("cost")
    return ir.Budget(
        calls=None if calls is None else int(calls),
        tokens=None if tokens is None else int(tokens),
        seconds=None if seconds is None else float(seconds),
        cost=None if cost is None else float(cost),
    )
