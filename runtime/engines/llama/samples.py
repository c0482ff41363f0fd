"""Samples from their first token to their last: drawing, grammars, limits, thoughts that are ended, progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from ttscale.runtime.engines.base import (
    UNKNOWN_ROUTE,
    Completion,
    Constraint,
    EngineError,
    Given,
    Request,
    thoughts_limit,
)
from ttscale.runtime.engines.llama.grammar import AGAIN, Constrained, Grammar
from ttscale.runtime.engines.llama.jobs import Board, Job
from ttscale.runtime.engines.llama.messages import Ask
from ttscale.runtime.engines.llama.runner import Floats
from ttscale.runtime.engines.llama.sampling import Distribution, Sampler, draw_among, penalised, uniform
from ttscale.runtime.engines.llama.template import ChatTemplate
from ttscale.runtime.engines.llama.text import Answer
from ttscale.runtime.engines.llama.thinking import ENOUGH, Budget, Tags
from ttscale.runtime.engines.llama.vocabulary import Vocabulary
from ttscale.runtime.engines.llama.work import Group, Member

Tokens = Sequence[int]


class Thoughts:
    """A template's marks of thoughts as tokens: `endings` end a block with and without words before, `marks` open
    and close one where the model has tokens for that."""

    def __init__(self, tags: Tags, endings: tuple[Tokens, Tokens], marks: tuple[Tokens, ...] = ()) -> None:
        self.tags = tags
        self.endings = endings
        self.marks = marks

    @classmethod
    def of(cls, template: ChatTemplate, vocabulary: Vocabulary) -> Thoughts:
        """Those of a model."""
        tags, encode = template.tags, vocabulary.encode_marked
        closing = encode(tags.close)
        known = template.thinks and len(closing) < len(tags.close)
        return cls(
            tags, (encode(ENOUGH + tags.ending), encode(tags.ending)), (encode(tags.open), closing) if known else ()
        )


class Samples:
    """Requests for samples. `read` makes a grammar from a constraint."""

    def __init__(
        self, board: Board, sampler: Sampler, thoughts: Thoughts, read: Callable[[Constraint], Grammar]
    ) -> None:
        self._board = board
        self._sampler = sampler
        self._thoughts = thoughts
        self._read = read

    # ------------------------------------------------------------------ beginnings

    def submit(self, ask: Ask, request: Request, prompt: list[int], thinking: bool) -> None:
        """Put a request in the queue; with `thinking` its prompt ends in a block of thoughts. Raises EngineError."""
        board = self._board
        room = board.context - len(prompt)
        begun = request.given or (None,) * len(request.seeds)
        given = tuple(self._closed(one, most, thinking) for one, most in zip(begun, request.most, strict=True))
        stem = _common(given)
        names = request.keep or ("",) * len(request.seeds)
        members = [
            Member(index, min(limit, room), names={name} if name else set())
            for index, (limit, name) in enumerate(zip(request.most, names, strict=True))
        ]
        group = Group(ask.key, [*prompt, *stem], members, priority=request.priority, given=len(stem))
        now = time.perf_counter()
        job = Job(ask, group, prompt)
        job.answers = [
            Answer(request.stop, request.stop_patterns, thinking=thinking, tags=self._thoughts.tags) for _ in members
        ]
        if request.constraint is not None:
            start = self._read(request.constraint)
            marks = self._thoughts.marks if request.thinking != "off" else ()
            job.constrained = [Constrained(start.copy(), answer, marks) for answer in job.answers]
        most = thoughts_limit(request.thinking)
        if most is not None:
            job.budgets = [Budget(most, request.max_tokens, *self._thoughts.endings) for _ in members]
        job.logprobs = [[] for _ in members]
        job.tops = [[] for _ in members] if request.top_logprobs > 0 else []
        job.begun = [now for _ in members]
        job.routes = [bytearray() for _ in members] if board.routes else []
        if request.timeout_seconds is not None:
            job.deadline = now + request.timeout_seconds
        board.jobs[ask.key] = job
        for member, beginning in zip(members, given, strict=True):
            self._begin(job, request, member, beginning)
            board.asked += len(prompt) + member.given
        if ask.key in board.jobs:
            board.scheduler.submit(group)

    def _closed(self, given: Given | None, most: int, thinking: bool) -> Given | None:
        """A beginning with the tokens that end its open block, where it is to be ended, there is one, and room."""
        if given is None or not given.closes:
            return given
        answer = Answer((), thinking=thinking, tags=self._thoughts.tags)
        for token in given.token_ids:
            answer.push(self._board.vocabulary.piece(token))
        ending = tuple(self._thoughts.endings[1])[: max(0, most - len(given.token_ids))] if answer.thinking else ()
        return replace(
            given,
            token_ids=(*given.token_ids, *ending),
            logprobs=(*given.logprobs, *(0.0 for _ in ending)),
            routes=None if given.routes is None else given.routes + bytes(len(ending)),
        )

    def _begin(self, job: Job, request: Request, member: Member, given: Given | None) -> None:
        """Give a member the beginning of its answer, if there is one; it may be all that was wanted."""
        index, board = member.index, self._board
        if given is not None:
            member.tail.extend(given.token_ids)
            member.given = len(given.token_ids)
            if job.tops:
                job.tops[index].extend(() for _ in given.token_ids)
            job.logprobs[index].extend(given.logprobs)
            if job.routes:
                routes = given.routes
                job.routes[index] += bytes([UNKNOWN_ROUTE]) * member.given if routes is None else routes
            for place, token in enumerate(given.token_ids):
                if job.constrained and not board.vocabulary.is_end(token):
                    job.constrained[index].follow(token)
                stopped = job.answers[index].push(
                    board.vocabulary.piece(token), stops=given.stops and place >= given.free
                )
                if board.vocabulary.is_end(token) or stopped:
                    board.complete(job, member, "stop")
                    return
        if len(member.tail) >= self._limit(job, member):
            board.complete(job, member, "length", self._clipped(job, request, member))

    # ------------------------------------------------------------------ tokens

    def after_prompt(self, job: Job, request: Request) -> Distribution:
        """What the first token of this job's samples is drawn from, valid until the sampler's next use."""
        assert job.row is not None
        return self._sampler.distribution(job.row, request.sampling, job.group.prompt)  # with a given beginning

    def follow(self, job: Job, request: Request, member: Member, row: Floats) -> None:
        """Draw the token after a running sample's last one."""
        recent = job.prompt + member.tail if request.sampling.penalises else ()
        self.draw(job, request, member, self._sampler.distribution(row, request.sampling, recent))

    def draw(self, job: Job, request: Request, member: Member, distribution: Distribution) -> None:
        """Draw one token, and do what follows from it."""
        index, board = member.index, self._board
        token = distribution.draw(uniform(request.seeds[index], len(member.tail)))
        if job.constrained and not job.constrained[index].allows(token):
            try:
                token = self._draw_again(job, request, member, distribution.row)
            except EngineError as error:
                board.complete(job, member, "failed", str(error))
                return
        is_end = board.vocabulary.is_end(token)
        if is_end and self._end_thoughts(job, request, member, at_once=True):
            return
        if job.constrained and not is_end:
            job.constrained[index].follow(token)
        likely = distribution.likeliest(request.top_logprobs) if job.tops else ()
        thought = job.answers[index].thinking
        self._accept(job, member, token, distribution.log_probability(token), likely)
        if is_end or job.answers[index].push(board.vocabulary.piece(token)):
            board.complete(job, member, "stop")
        elif len(member.tail) >= self._limit(job, member):
            board.complete(job, member, "length", self._clipped(job, request, member))
        else:
            self._progress(job, request, member)
            self._end_thoughts(job, request, member)
            self._pause(job, request, member, thought)

    def _pause(self, job: Job, request: Request, member: Member, thought: bool) -> None:
        """End a sample for now where the request wants that; `thought` says that a block was open before."""
        pause, answer = request.pause, job.answers[member.index]
        if pause is None or member.over:
            return
        at = pause.at[member.index] if pause.at else 0
        closed = pause.thoughts and thought and not answer.thinking
        if closed or 0 < at <= len(member.tail) or answer.has_come([text.encode() for text in pause.texts]):
            self._board.complete(job, member, "paused")

    def _draw_again(self, job: Job, request: Request, member: Member, row: Floats) -> int:
        """A token in place of one that the request's grammar does not allow."""
        recent = job.prompt + member.tail if request.sampling.penalises else ()
        used = penalised(row, request.sampling, recent)
        number = uniform(request.seeds[member.index] ^ AGAIN, len(member.tail))
        return draw_among(job.constrained[member.index].fitting(used), used, request.sampling, number)

    def _accept(
        self, job: Job, member: Member, token: int, logprob: float, likely: tuple[tuple[int, float], ...] = ()
    ) -> None:
        """Let a token join a running sample."""
        if job.tops:
            job.tops[member.index].append(likely)
        job.logprobs[member.index].append(logprob)
        if job.routes:
            job.routes[member.index].append(job.asked)
        job.asked = 0  # what is put in after it was drawn from no row
        self._board.scheduler.accept(member, token)
        self._board.new += 1

    # ------------------------------------------------------------------ limits

    def _limit(self, job: Job, member: Member) -> int:
        """The most tokens of a sample; that of an answer with thoughts of their own limit is known when it begins."""
        answer = job.answers[member.index]
        if job.budgets and answer.begun:
            member.limit = min(member.limit, answer.thought_tokens + job.budgets[member.index].answer)
        return member.limit

    def _end_thoughts(self, job: Job, request: Request, member: Member, *, at_once: bool = False) -> bool:
        """End an open block that has used up its tokens, or `at_once`; whether it was ended.

        Where the limit has no room for all of it, the sample ends there, so that it begins as a longer one does.
        """
        answer, board = job.answers[member.index], self._board
        if not job.budgets or not answer.thinking:
            return False
        ending = job.budgets[member.index].ending(len(member.tail), at_once=at_once)
        if not ending:
            return False
        for token in ending[: member.limit - len(member.tail)]:
            self._accept(job, member, token, 0.0)
            answer.push(board.vocabulary.piece(token))
            self._progress(job, request, member)
        if len(member.tail) >= member.limit:
            board.complete(job, member, "length", self._clipped(job, request, member))
        else:
            answer.close()
        return True

    def _clipped(self, job: Job, request: Request, member: Member) -> str:
        """What to say of a sample that was given less than it asked for."""
        context = self._board.context
        full = len(job.prompt) + len(member.tail) >= context
        if not full or member.limit >= request.most[member.index]:
            return ""
        return f"the model's context of {context} tokens was full before the answer ended; raise `ctx:`"

    def _progress(self, job: Job, request: Request, member: Member) -> None:
        """Report the last tokens of a running sample, if it is wanted after this one."""
        if not request.report_every or len(member.tail) % request.report_every:
            return
        start = len(member.tail) - request.report_every
        completion = Completion(
            index=member.index,
            text="",
            finish="running",
            prompt_tokens=len(job.prompt),
            new_tokens=len(member.tail),
            token_ids=tuple(member.tail[start:]),
            logprobs=tuple(job.logprobs[member.index][start:]),
            routes=bytes(job.routes[member.index][start:]) if job.routes else None,
        )
        self._board.report(job.ask.key, completion)


def _common(given: Sequence[Given | None]) -> tuple[int, ...]:
    """The tokens of the beginning that all samples go on from, if it is one."""
    first = given[0].token_ids if given and given[0] is not None else ()
    return first if all(one is not None and one.token_ids == first for one in given) else ()
