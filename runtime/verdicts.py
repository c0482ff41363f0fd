"""Scored judgements: the labels of many prompts, each prompt's from one prefill, under the ledger.

A judgement is one call a label, as if each were scored alone: its cost is the prompt once a label, and the tokens of
each label's longest spelling. The spellings of a label are one continuation that is asked for, not several.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ttscale.compiler.ir import Model, Stage
from ttscale.compiler.models import prices
from ttscale.compiler.plan import Cost
from ttscale.runtime.bank.asking import Source, is_local
from ttscale.runtime.desk import Desk, Judgement, Prompt, Verdict, prompt_sizes, together
from ttscale.runtime.engines.base import Engine, EngineError, Message, Scored
from ttscale.runtime.ledger import Call, CallKey, Decision, Price


async def score_labels(
    desk: Desk, stage: Stage, model: Model, engine: Engine, keys: Sequence[CallKey], judgements: Sequence[Judgement]
) -> list[Verdict]:
    """One verdict a judgement, in order; `keys` are their places in the ledger.

    The engine is started unless the bank has all of them. Raises EngineError where it cannot be.
    """
    known: dict[tuple[int, Prompt], int] = {}
    if desk.bank is not None and is_local(model):
        for judgement in judgements:
            spellings = [spelling for label in judgement.labels for spelling in label]
            found = desk.bank.known_scores(engine, judgement.messages, spellings)
            if found:
                known[id(engine), judgement.messages] = found[0].prompt_tokens
    if any((id(engine), judgement.messages) not in known for judgement in judgements):
        await engine.start()
    calls: dict[int, Call] = {}
    verdicts = [Verdict(None, "cancelled")] * len(judgements)
    sizes = await prompt_sizes(((engine, judgement.messages) for judgement in judgements), known)
    for place, judgement in enumerate(judgements):
        tokens = sizes[id(engine), judgement.messages]
        if isinstance(tokens, EngineError):
            desk.recorder.emit("call_failed", stage, cause=str(tokens), data=_names(model, judgement))
            verdicts[place] = Verdict(None, "failed", str(tokens), tokens)
            continue
        longest = sum(max(len(spelling.encode()) for spelling in spellings) for spellings in judgement.labels)
        count = len(judgement.labels)
        calls[place] = Call(tokens * count, longest, Price(*prices(model)), count, can_shorten=False)
    tickets = desk.admission.ask((keys[place], call) for place, call in calls.items())

    async def judge(place: int) -> None:
        key = keys[place]
        verdicts[place] = await _judge(desk, stage, model, engine, key, calls[place], tickets[key], judgements[place])

    await together([judge(place) for place in calls], ordered=model.kind == "script")
    return verdicts


async def _judge(
    desk: Desk,
    stage: Stage,
    model: Model,
    engine: Engine,
    key: CallKey,
    call: Call,
    ticket: asyncio.Future[Decision],
    judgement: Judgement,
) -> Verdict:
    data = _names(model, judgement)
    decision = await ticket
    if not decision.started:
        desk.limits_met[decision.reason] = None
        desk.recorder.emit("call_refused", stage, cause=decision.reason, data=data)
        return Verdict(None, "refused", decision.reason)
    begun = desk.recorder.elapsed()
    spellings = [spelling for label in judgement.labels for spelling in label]
    work = asyncio.ensure_future(_scored(desk, stage, model, engine, judgement.messages, spellings, (-key[0],)))
    desk.track(work)
    new_tokens = 0
    source: Source = "fresh"
    try:
        items, source = await work
        scored = iter([(sum(item.logprobs), len(item.logprobs)) for item in items])
        by_label = [[next(scored) for _ in label] for label in judgement.labels]
        new_tokens = sum(max(length for _, length in label) for label in by_label)
        verdict = Verdict(tuple(tuple(total for total, _ in label) for label in by_label))
    except EngineError as error:
        verdict = Verdict(None, "failed", str(error), error)
    except asyncio.CancelledError:
        if not desk.admission.expired:
            work.cancel()
            raise
        verdict = Verdict(None, "cancelled", desk.admission.expired)
    finally:
        actual = desk.admission.finish(key, new_tokens)
    desk.recorder.emit(
        "call_finished" if verdict.state == "done" else "call_failed",
        stage,
        cause=verdict.reason,
        cost=Cost(call.calls, call.prompt_tokens, new_tokens, 0, actual.usd),
        fresh=Cost() if source == "bank" else None,
        seconds=desk.recorder.elapsed() - begun,
        data=data if source == "fresh" else {**data, "from": source},
    )
    return verdict


async def _scored(
    desk: Desk,
    stage: Stage,
    model: Model,
    engine: Engine,
    messages: tuple[Message, ...],
    spellings: Sequence[str],
    priority: tuple[int, ...],
) -> tuple[list[Scored], Source]:
    """The spellings' scores, from the bank where there is one."""
    if desk.bank is None or model.kind == "script":
        return await engine.score(messages, spellings, priority=priority), "fresh"
    return await desk.bank.scores(stage.path, model, engine, messages, spellings, priority)


def _names(model: Model, judgement: Judgement) -> dict[str, object]:
    return {"model": model.name, "labels": [spellings[0] for spellings in judgement.labels]}
