"""`explore`: answers grown step by step, their beginnings judged, the promising ones gone on from.

Every step is a sample of its own: the prompt with the answer so far as the beginning of the reply. Its identity is that
text and its number among the steps asked for after it, so that a bank keeps every step, and a wider search begins with
the steps of a narrower one. Thoughts are off: steps are parts of the answer itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from secrets import token_hex
from typing import NamedTuple

from ttscale.compiler.diagnostics import InternalError
from ttscale.compiler.expand_explore import reach_of_stage, whole
from ttscale.compiler.expand_settings import FLOATS
from ttscale.compiler.ir import Argument, Const, Filled, Model, Stage, Strategy
from ttscale.compiler.signatures import RULES
from ttscale.runtime.answers import read_reply
from ttscale.runtime.desk import Ask, Reply
from ttscale.runtime.engines.base import Keeping, Message
from ttscale.runtime.explore import Explored, Limits, Node, Shape, Wanted, Written, grow, policy_named
from ttscale.runtime.explore.chance import Chance
from ttscale.runtime.explore.loop import Path
from ttscale.runtime.explore.steps import Boundaries, boundaries, step_of
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.seeds import messages_digest
from ttscale.runtime.stages.context import MissingValue, StageContext
from ttscale.runtime.stages.judging import affirmative, argued, grades, labels_of, opinions, share_of
from ttscale.runtime.stages.reading import likenesses, rewards
from ttscale.runtime.stages.score import source_text
from ttscale.runtime.strategies import numbers
from ttscale.runtime.strategies.grounding import grounded
from ttscale.runtime.strategies.sources import argument

DIGIT_TOP = 9.0
KEPT = 48
"""States that stay in an engine's memory at most: it has room for about so many beside others' work."""
COME_BACK = frozenset({"gibbs", "tempering"})
"""Policies that go on from the beginnings of whole answers again."""


class _Kept(NamedTuple):
    """What an engine holds under a name: the text of a state, and whether it may be gone on from.

    `ahead` says that it is a greedy text that was only judged.
    """

    model: Model
    text: str
    is_open: bool
    ahead: bool


async def explore(context: StageContext) -> Pool:
    """The answers that the policy gives, whole ones only where there is any."""
    filled, models = _prompt(context), _models(context)
    try:
        messages = context.messages(filled, {})
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return Pool((), context.item_type)
    limits = _limits(context)
    policy = context.strategy("policy")
    rule = context.strategy("judge")
    if policy is None or rule is None:
        raise InternalError(f"{context.stage.path} has no policy or judge")
    own = {name: value.value for name, value in policy.named if isinstance(value, Const)}
    top = context.number("top") or (DIGIT_TOP if rule.name == "digit" and not rule.plugin else 1.0)
    shape = Shape(context.integer("width", 4), context.integer("branch", 4), limits.steps, top)
    chance = Chance(context.caller.run_seed, messages_digest(messages), policy.name, context.integer("series", 0))
    writer = _Writer(context, messages, models, limits.step_tokens)
    try:
        found = await grow(
            policy_named(policy.name, own, shape, chance, whole(context.stage.args["expansions"])),
            limits,
            writer,
            _Judge(context, rule, writer),
            answers=context.stage.size.high,
            of=str(context.constant("of") or "last"),
            top=top,
            repeats_end=writer.bounds.repeats_end,
            heard=lambda nodes: context.explored({"states": [_plain(node) for node in nodes]}),
        )
    finally:
        await writer.release()
    _tell(context, found)
    name = str(context.constant("as") or rule.name)
    made = [_candidate(context, writer, found, node, place, name) for place, node in enumerate(found.answers)]
    for candidate in made:
        context.made(candidate)
    return Pool(tuple(made), context.item_type)


def _prompt(context: StageContext) -> Filled:
    prompts = context.stage.args["prompts"]
    if not (isinstance(prompts, tuple) and prompts and isinstance(prompts[0], Filled)):
        raise InternalError(f"{context.stage.path} has no prompt")
    return prompts[0]


def _models(context: StageContext) -> tuple[Model, ...]:
    models = context.stage.args["models"]
    return tuple(model for model in models if isinstance(model, Model)) if isinstance(models, tuple) else ()


def _limits(context: StageContext) -> Limits:
    """What the plan counts with, so that a run never does more."""
    args = dict(context.stage.args)
    reach = reach_of_stage(args)
    judgements = whole(args["judgements"])
    return Limits(
        reach.expansions,
        reach.written,
        reach.judged if judgements is None else min(reach.judged, judgements),
        context.integer("steps", 10),
        context.integer("step_tokens", 128),
        whole(args["tokens"]),
    )


# --- writing --------------------------------------------------------------------------------------


class _Writer:
    """Samples of the next step of a beginning."""

    def __init__(
        self, context: StageContext, messages: tuple[Message, ...], models: tuple[Model, ...], step_tokens: int
    ) -> None:
        self._context = context
        self.models = models
        self._step_tokens = step_tokens
        self.opening = messages[-1].content if messages[-1].role == "assistant" else ""
        self._asked = messages[:-1] if messages[-1].role == "assistant" else messages
        self.bounds = _bounds(context)
        self.spent = False
        self._kept: dict[str, _Kept] = {}
        policy = context.strategy("policy")
        self._comes_back = policy is not None and policy.name in COME_BACK
        self._name = f"explore/{token_hex(6)}"
        self._named = 0

    async def write(self, wanted: Sequence[Wanted]) -> list[Written | None]:
        """One step a wish, in order; None where it failed or was refused."""
        asks = [self._ask(wish) for wish in wanted]
        replies = await self._context.caller.sample(asks)
        found = [self._written(reply, wish.before) for reply, wish in zip(replies, wanted, strict=True)]
        gone_on = {(self.models[wish.writer], wish.before) for wish in wanted}
        is_ahead = any(wish.greedy for wish in wanted)
        before = dict(self._kept)
        for ask, wish, step in zip(asks, wanted, found, strict=True):
            text = wish.before + step.text if step is not None else ""
            is_open = step is not None and (step.goes_on or self._comes_back)
            self._kept[ask.keep] = _Kept(ask.model, text, is_open, wish.greedy)
        held = list(self._kept.items())
        old = {name for name, _ in held[: max(0, len(held) - KEPT)]}
        # A state that was only looked ahead from is gone on from later; what was ahead of it is not.
        done = {
            name
            for name, kept in before.items()
            if (kept.ahead and not is_ahead) or (kept.ahead == is_ahead and (kept.model, kept.text) in gone_on)
        }
        await self._let_go([name for name, kept in held if name in old or name in done or not kept.is_open])
        return found

    async def release(self) -> None:
        """Let the engines forget what was kept for this search."""
        await self._let_go(list(self._kept))

    async def _let_go(self, names: Sequence[str]) -> None:
        """What has continuations, which share its place in memory, or is the oldest of too many, need not be kept."""
        by_model: dict[Model, list[str]] = {}
        for name in names:
            by_model.setdefault(self._kept.pop(name).model, []).append(name)
        for model, listed in by_model.items():
            engine = await self._context.caller.engine(model)
            if engine.capabilities.keeps and isinstance(engine, Keeping):
                engine.release(listed)

    def _ask(self, wish: Wanted) -> Ask:
        self._named += 1
        ask = self._context.ask(
            self._messages(wish.before),
            model=self.models[wish.writer],
            temperature=0.0 if wish.greedy else None,
            index=wish.index,
        )
        return replace(
            ask,
            max_tokens=self._step_tokens,
            stop=self.bounds.stops,
            thinking="off",
            constraint=None,
            keep=f"{self._name}/{self._named}",
        )

    def _written(self, reply: Reply, before: str) -> Written | None:
        """The step of a reply that goes on from `before`; None where it failed or was refused."""
        completion = reply.completion
        if reply.state == "failed":
            self._context.failed(reply)
        self.spent = self.spent or reply.cut or reply.state in ("refused", "cancelled")
        if reply.state != "done" or completion is None:
            return None
        step = step_of(completion, self.bounds, self._step_tokens, before)
        is_last, is_full = step.is_last and not reply.cut, step.is_full and not reply.cut
        return Written(step.text, is_last, completion.new_tokens, completion.logprobs, is_full)

    def _messages(self, before: str) -> tuple[Message, ...]:
        begun = self.opening + before
        return (*self._asked, Message("assistant", begun)) if begun else self._asked


def _bounds(context: StageContext) -> Boundaries:
    def texts(name: str) -> tuple[str, ...]:
        value = context.constant(name)
        return (value,) if isinstance(value, str) else tuple(value or ())  # type: ignore[arg-type]

    return boundaries(
        str(context.constant("boundary") or "paragraph"), texts("separator"), texts("stop"), texts("final")
    )


# --- judging --------------------------------------------------------------------------------------


class _Judge:
    """Scores of beginnings by a rule, which may ask a model with a prompt about the steps."""

    def __init__(self, context: StageContext, rule: Strategy, writer: _Writer) -> None:
        self._rule = rule
        self._writer = writer
        self._context = context.acting(_as_judge(context.stage))

    async def judge(self, paths: Sequence[Path]) -> list[float | None]:
        """One number a beginning, in order; None where the judge gave none."""
        rule = self._rule
        if rule.plugin or not RULES[rule.name].judge:
            return await self._numbers([_begun(path) for path in paths])
        filled, model = self._context.using(), self._context.model()
        try:
            prompts = [self._context.messages(filled, _offered(path)) for path in paths]
        except MissingValue as error:
            self._context.note(error.diagnostic.message)
            return [None] * len(paths)
        if rule.name == "verdicts":
            found = await argued(self._context, filled, model, prompts, int(str(argument(rule, "k"))))
        else:
            found = await (grades if rule.name == "digit" else opinions)(self._context, filled, model, prompts)
        if any(opinion.state in ("refused", "cancelled") for opinion in found):
            self._writer.spent = True
        place = affirmative(labels_of(filled.prompt.result))
        return [
            one.number if one.number is not None or one.state != "done" else share_of(rule, one.probabilities[place])
            for one in found
        ]

    async def _numbers(self, begun: Sequence[Candidate]) -> list[float | None]:
        """What a rule that asks nothing in words says of beginnings."""
        rule = self._rule
        if rule.name in ("reward", "likeness") and not rule.plugin:
            given = await (rewards if rule.name == "reward" else likenesses)(self._context, begun, rule)
            return [given.get(id(one)) for one in begun]
        if rule.name == "grounded" and not rule.plugin:
            source = source_text(self._context, rule)
            return [grounded(one.text, source) for one in begun]
        return [numbers(rule, [one])[0] for one in begun]


WRITTEN_WITH = (*FLOATS, "top_k", "penalty_window", "stop_pattern")
"""How the writer samples, which is not how its judge does."""


def _as_judge(stage: Stage) -> Stage:
    """The stage as a judge asks: with its own prompt, model and sampling."""
    own: dict[str, Argument] = dict.fromkeys(WRITTEN_WITH, Const(None))
    own |= {
        "from": stage.args["judge_model"],
        "temperature": stage.args["judge_temperature"],
        "max_tokens": stage.args["judge_max_tokens"],
        "stop": Const(()),
        "thinking": Const("auto"),
        "or_else": Const(None),
        "retry": Const(0),
    }
    return replace(stage, args={**stage.args, **own})


def _offered(path: Path) -> dict[str, object]:
    steps = [step.strip("\n") for step in path.steps]
    return {"steps": steps[:-1], "step": steps[-1] if steps else "", "answer": path.text}


def _begun(path: Path) -> Candidate:
    """A beginning as rules see a candidate."""
    mean, total = _likelihood(path.logprobs)
    return Candidate(path.text, tokens=path.tokens, logprob_mean=mean, logprob_sum=total, token_logprobs=path.logprobs)


def _likelihood(logprobs: Sequence[float]) -> tuple[float | None, float | None]:
    if not logprobs:
        return None, None
    total = math.fsum(logprobs)
    return total / len(logprobs), total


# --- what comes of it -----------------------------------------------------------------------------


def _candidate(context: StageContext, writer: _Writer, found: Explored, node: int, place: int, name: str) -> Candidate:
    """A state as a candidate: its whole text, read as the prompt says, with the scores of its steps."""
    tree, state = found.tree, found.tree[node]
    filled = _prompt(context)
    path = tree.path(node)
    text = tree.text(node).rstrip()
    logprobs = tuple(value for one in path for value in one.logprobs)
    mean, total = _likelihood(logprobs)
    is_cut = state.is_open and found.reason == "budget"
    value = tree.value(node)
    base = Candidate(
        text,
        stage=context.stage.path,
        model=writer.models[state.writer].name,
        prompt=filled.prompt.name,
        series=context.integer("series", 0),
        index=place,
        tokens=sum(one.tokens for one in path),
        logprob_mean=mean,
        logprob_sum=total,
        finish="stop" if state.ended == "stop" else "cut" if is_cut else "length",
        scores={} if value is None else {name: value},
        step_scores=tree.scores(node),
        token_logprobs=logprobs,
    )
    if is_cut:
        return base
    answer, key = read_reply(filled.prompt.result, writer.opening, text, folder=context.folder)
    return replace(base, answer=answer, key=key)


def _plain(node: Node) -> dict[str, object]:
    """A state as data for the trace."""
    record: dict[str, object] = {"id": node.id, "parent": node.parent, "step": node.step, "score": node.score}
    record |= {"ended": node.ended, "tokens": node.tokens}
    if node.writer:
        record["writer"] = node.writer
    if node.ahead:
        record["ahead"] = node.ahead
    return record


def _tell(context: StageContext, found: Explored) -> None:
    """How the search ended, in the trace and, where a limit ended it, in the notes."""
    done = {
        "expansions": found.expansions,
        "written": found.written,
        "judged": found.judged,
        "tokens": found.tokens,
        "rounds": found.rounds,
    }
    context.explored({"answers": list(found.answers), "reason": found.reason, **done})
    if found.reason in ("expansions", "judgements", "tokens"):
        named = {"expansions": found.expansions, "judgements": found.judged, "tokens": found.tokens}
        if context.constant(found.reason) is not None:
            context.note(f"explore stopped at its limit of {found.reason}, after {named[found.reason]:,}")
