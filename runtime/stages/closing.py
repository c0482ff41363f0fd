"""The end of a judgement that `max_tokens` cut: the reply is given back with what stands before the verdict, and the
verdict alone is asked for. So an argument that runs on is cut short, and its verdict is still read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ttscale.runtime.desk import Ask, Reply
from ttscale.runtime.engines.base import Constraint, Message
from ttscale.runtime.stages.context import StageContext


def was_cut(reply: Reply) -> bool:
    """Whether a reply ended at its own limit of tokens, and not at that of the budget."""
    return (
        reply.state == "done" and not reply.cut and reply.completion is not None and reply.completion.finish == "length"
    )


async def closed(
    context: StageContext, replies: Sequence[Reply], cue: str, form: Constraint, max_tokens: int
) -> list[str | None]:
    """The whole text of each reply with its end, in order; None where the end could not be asked for.

    `cue` is what stands before the end, such as "\\nAnswer:". Engines that cannot go on from the beginning of a reply
    are not asked.
    """
    model = context.model()
    engine = await context.caller.engine(model)
    if not replies or not engine.capabilities.continuation:
        return [None] * len(replies)
    begun = [_begun(reply) + cue for reply in replies]
    asks = [_closing(reply.ask, text, form, max_tokens) for reply, text in zip(replies, begun, strict=True)]
    found: list[str | None] = []
    for text, reply in zip(begun, await context.caller.sample(asks), strict=True):
        done = reply.state == "done" and not reply.cut and reply.completion is not None
        found.append(text + reply.completion.text if done and reply.completion is not None else None)
    return found


def _begun(reply: Reply) -> str:
    """What a reply has so far, with what its prompt opened it with."""
    last = reply.ask.messages[-1]
    opening = last.content if last.role == "assistant" else ""
    return (opening + (reply.completion.text if reply.completion is not None else "")).rstrip()


def _closing(ask: Ask, begun: str, form: Constraint, max_tokens: int) -> Ask:
    before = ask.messages[:-1] if ask.messages[-1].role == "assistant" else ask.messages
    sampling = replace(ask.sampling, temperature=0.0)
    messages = (*before, Message("assistant", begun))
    return replace(ask, messages=messages, constraint=form, max_tokens=max_tokens, sampling=sampling, thinking="off")
