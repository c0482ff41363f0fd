"""Turn the crank: take messages, let the scheduler decide, run the batch, draw tokens, report what is finished.

Runs in the child process (or in a thread, for debugging). Everything here belongs to one thread; only the inbox
is shared. Reports are sent once a step, not once a token.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ttscale.runtime.engines.base import (
    Completion,
    ContextExceeded,
    EngineError,
    EngineStats,
    Finish,
    Given,
    Request,
    Scored,
    thoughts_limit,
)
from ttscale.runtime.engines.llama.gguf import GgufInfo, describe_gguf
from ttscale.runtime.engines.llama.grammar import AGAIN, Constrained, Grammar
from ttscale.runtime.engines.llama.machine import LOGIT_ROWS
from ttscale.runtime.engines.llama.messages import Ask, Inbound, Outbound, Ready, Report
from ttscale.runtime.engines.llama.runner import Floats, NoRoom, Runner, Settings
from ttscale.runtime.engines.llama.sampling import Distribution, Sampler, draw_among, penalised, uniform
from ttscale.runtime.engines.llama.scheduler import Scheduler
from ttscale.runtime.engines.llama.template import ChatTemplate
from ttscale.runtime.engines.llama.text import Answer
from ttscale.runtime.engines.llama.thinking import ENOUGH, Budget
from ttscale.runtime.engines.llama.vocabulary import Vocabulary
from ttscale.runtime.engines.llama.work import Call, Group, Limits, Member, Piece

CPU_BALANCE = 32768
CPU_PATIENCE = 2048  # measured: a cell costs a row 0.6 to 1.2 us, computing it 1.1 (135M) to 5.5 ms (0.5B)
ANSWERS_ONLY = 1 << 60  # rows: only finished answers make room, so that running ones stand side by side
DECODE_ROWS = 48  # in one call; more rows of different sequences are slow on a CPU
PIECE = 256  # rows of prefill in a step, where no `batch:` says otherwise
PREPARE_SECONDS = 0.02  # rendering and tokenising between two steps, while others are decoding


def template_of(info: GgufInfo, settings: Settings) -> str:
    """The chat template: the one that the model's declaration gives, or that of the file."""
    return info.template if settings.options.chat_template is None else settings.options.chat_template


@dataclass(slots=True, eq=False)
class Job:
    """What the loop knows of one request beside its group."""

    ask: Ask
    group: Group
    arrived: float
    answers: list[Answer] = field(default_factory=list)
    logprobs: list[list[float]] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)  # of thoughts with a limit of their own
    begun: list[float] = field(default_factory=list)
    constrained: list[Constrained] = field(default_factory=list)
    row: Floats | None = None
    deadline: float | None = None


class Loop:
    """One model being served."""

    def __init__(self, settings: Settings, send: Callable[[list[Outbound]], None]) -> None:
        self._send = send
        self._settings = settings
        info = describe_gguf(settings.path)
        self.runner = Runner(settings)
        self.vocabulary = Vocabulary(self.runner.api, self.runner.vocab)
        self.template = ChatTemplate(
            template_of(info, settings), bos=self.vocabulary.bos_text, eos=self.vocabulary.eos_text
        )
        self.tags = self.template.tags
        self.vocabulary.show(self.tags.marks)
        ending = self.tags.ending
        self.endings = self.vocabulary.encode_marked(ENOUGH + ending), self.vocabulary.encode_marked(ending)
        closing = self.vocabulary.encode_marked(self.tags.close)
        thinks = self.template.thinks and len(closing) < len(self.tags.close)
        self._marks = (self.vocabulary.encode_marked(self.tags.open), closing) if thinks else ()
        self.sampler = Sampler(self.runner.vocabulary)
        self.context = min(settings.context, self.runner.cells)
        shared = settings.options.kv_unified and not self.runner.offloaded  # rows look at all cells in use
        self.scheduler = Scheduler(
            Limits(
                cells=self.runner.cells,
                sequences=settings.sequences,
                rows=min(DECODE_ROWS, settings.batch),
                active=settings.active,
                piece=settings.options.batch or PIECE,
                outputs=min(LOGIT_ROWS, settings.batch),
                ranges=self._shares_ranges(info),
                separate=not settings.options.kv_unified,
                fixed=settings.options.reproducible,
                balance=CPU_BALANCE if shared else 0,
                patience=CPU_PATIENCE if shared else 0 if settings.options.kv_unified else ANSWERS_ONLY,
            )
        )
        self._jobs: dict[int, Job] = {}
        self._backlog: deque[Ask] = deque()
        self._cancelled: set[int] = set()
        self._out: list[Outbound] = []
        self._asked = self._computed = self._new = self._steps = self._requests = 0
        self._info = info

    def _shares_ranges(self, info: GgufInfo) -> bool:
        """Whether a part of a sequence can be shared: not of a state, or of a window that moves on."""
        moves = info.sliding_window > 0 and not self._settings.options.swa_full
        return not self.runner.recurrent and not moves

    @property
    def info(self) -> GgufInfo:
        return self._info

    # ------------------------------------------------------------------ messages

    def serve(self, inbox: queue.SimpleQueue[Inbound]) -> None:
        """Work until told to stop."""
        self._out.append(Ready(self.template.exists, self.template.system_role, self.context, self.runner.cells))
        self._flush()
        while True:
            if not self._receive(inbox):
                break
            self._prepare()
            if self._jobs:
                self._check_deadlines()
                self.step()
            self._flush()
        self.runner.close()

    def _flush(self) -> None:
        if self._out:
            out, self._out = [self.stats(), *self._out], []
            self._send(out)

    def _receive(self, inbox: queue.SimpleQueue[Inbound]) -> bool:
        """Take all messages, waiting for one when there is nothing to do; False means stop."""
        wait = not self._jobs and not self._backlog
        while True:
            try:
                message = inbox.get(block=wait)
            except queue.Empty:
                return True
            wait = False
            if message is None:
                return False
            if isinstance(message, int):
                self._cancel(message)
            else:
                self._backlog.append(message)

    def _cancel(self, key: int) -> None:
        job = self._jobs.pop(key, None)
        if job is not None:
            self.scheduler.cancel(job.group)
        elif self._backlog:
            self._cancelled.add(key)

    def _prepare(self) -> None:
        """Render and tokenise what has arrived, for a short while if others are waiting for the next step."""
        until = time.perf_counter() + PREPARE_SECONDS
        while self._backlog:
            ask = self._backlog.popleft()
            if ask.key in self._cancelled:
                continue
            try:
                self._admit(ask)
            except EngineError as error:
                self._report(ask.key, error=error, last=True)
            if self._jobs and time.perf_counter() > until:
                return
        self._cancelled.clear()

    def _report(
        self,
        key: int,
        value: Completion | list[Scored] | int | None = None,
        *,
        error: EngineError | None = None,
        last: bool = False,
    ) -> None:
        self._out.append(Report(key, value, error, last))

    def _admit(self, ask: Ask) -> None:
        if ask.what == "count":
            self._count(ask)
            return
        thinking = ask.request.thinking if ask.request is not None else "off"  # a score is of an answer
        rendered = self.template.render(ask.messages, thinking=thinking, shield=self.vocabulary.shield)
        prompt = self.vocabulary.encode(rendered.text)
        if not prompt:
            raise EngineError("the prompt is empty", hint="give the model at least one word", fatal=False)
        if len(prompt) >= self.context:
            raise ContextExceeded(len(prompt), self.context)
        self._requests += 1
        if ask.request is not None:
            self._submit_samples(ask, ask.request, prompt, rendered.thinking)
        else:
            self._submit_scores(ask, prompt, rendered.text)

    def _count(self, ask: Ask) -> None:
        """Report the prompt's length, the largest where settings of `thinking` make prompts of different lengths."""
        shield = self.vocabulary.shield
        texts = {self.template.render(ask.messages, thinking=one, shield=shield).text for one in self.template.variants}
        self._report(ask.key, max(len(self.vocabulary.encode(text)) for text in texts), last=True)

    def _submit_samples(self, ask: Ask, request: Request, prompt: list[int], thinking: bool) -> None:
        room = self.context - len(prompt)
        given = request.given or (None,) * len(request.seeds)
        members = [Member(index, min(limit, room)) for index, limit in enumerate(request.most)]
        group = Group(ask.key, prompt, members, priority=request.priority)
        now = time.perf_counter()
        job = Job(ask, group, now)
        job.answers = [Answer(request.stop, thinking=thinking, tags=self.tags) for _ in members]
        if request.constraint is not None:
            start = Grammar.parsed(self.runner.api, self.runner.vocab, self.runner.vocabulary, request.constraint)
            marks = self._marks if request.thinking != "off" else ()
            job.constrained = [Constrained(start.copy(), answer, marks) for answer in job.answers]
        most = thoughts_limit(request.thinking)
        if most is not None:
            job.budgets = [Budget(most, request.max_tokens, *self.endings) for _ in members]
        job.logprobs = [[] for _ in members]
        job.begun = [now for _ in members]
        if request.timeout_seconds is not None:
            job.deadline = now + request.timeout_seconds
        self._asked += len(prompt) * len(members)
        self._jobs[ask.key] = job
        for member, beginning in zip(members, given, strict=True):
            self._begin(job, request, member, beginning)
        if ask.key in self._jobs:
            self.scheduler.submit(group)

    def _begin(self, job: Job, request: Request, member: Member, given: Given | None) -> None:
        """Give a member the beginning of its answer, if there is one; it may be all that was wanted."""
        index = member.index
        if given is not None:
            member.tail.extend(given.token_ids)
            job.logprobs[index].extend(given.logprobs)
            for token in given.token_ids:
                if job.constrained and not self.vocabulary.is_end(token):
                    job.constrained[index].follow(token)
                if self.vocabulary.is_end(token) or job.answers[index].push(self.vocabulary.piece(token)):
                    self._complete(job, member, "stop")
                    return
        if len(member.tail) >= self._limit(job, member):
            self._complete(job, member, "length", self._clipped(job, request, member))

    def _submit_scores(self, ask: Ask, prompt: list[int], text: str) -> None:
        members = []
        for index, continuation in enumerate(ask.continuations):
            tail = self._continue(prompt, text, continuation)
            if len(prompt) + len(tail) > self.context:
                raise ContextExceeded(len(prompt) + len(tail), self.context)
            members.append(Member(index, len(tail), tail))
        if not members:
            self._report(ask.key, [], last=True)
            return
        group = Group(ask.key, prompt, members, kind="score", priority=ask.priority)
        job = Job(ask, group, time.perf_counter())
        job.logprobs = [[0.0] * len(member.tail) for member in members]
        self._asked += sum(len(prompt) + len(member.tail) for member in members)
        self._jobs[ask.key] = job
        self.scheduler.submit(group)

    def _continue(self, prompt: list[int], text: str, continuation: str) -> list[int]:
        """Tokens of a continuation as they would follow the prompt in one text."""
        joined = self.vocabulary.encode(text + self.vocabulary.shield(continuation))
        if joined[: len(prompt)] == prompt and len(joined) > len(prompt):
            return joined[len(prompt) :]
        tail = self.vocabulary.encode_plain(continuation)
        if not tail:
            raise EngineError("an empty text cannot be scored", hint="score texts of at least a letter", fatal=False)
        return tail

    def _check_deadlines(self) -> None:
        now = time.perf_counter()
        for job in [job for job in self._jobs.values() if job.deadline is not None and now > job.deadline]:
            request = job.ask.request
            assert request is not None
            for member in job.group.members:
                if not member.over:
                    self._complete(job, member, "cancelled", f"the time limit of {request.timeout_seconds} s was over")

    # ------------------------------------------------------------------ one step

    def step(self) -> None:
        """Start what can start, run one batch, draw one token for every running sample."""
        try:
            self._start()
            calls = self.scheduler.plan()
            self.runner.apply(self.scheduler.take_operations())
            for call in calls:
                self._consume(call, self.runner.decode(call.pieces, call.idle))
        except NoRoom:
            # The counts of cells differ from llama.cpp's: begin anew, samples keep what they have drawn.
            self.scheduler.reset()
            self.runner.clear()
            self.scheduler.take_operations()
        self._steps += 1

    def _start(self) -> None:
        ready: dict[int, Distribution] = {}
        for group, member in self.scheduler.start():
            job = self._jobs[group.key]
            request = job.ask.request
            if request is None:
                continue
            distribution = ready.get(group.key)
            if distribution is None:
                assert job.row is not None
                ready.clear()  # the sampler has one set of buffers
                distribution = self.sampler.distribution(job.row, request.sampling, group.prompt)
                ready[group.key] = distribution
            job.begun[member.index] = time.perf_counter()
            self._draw(job, request, member, distribution)
        self.runner.apply(self.scheduler.take_operations())

    def _consume(self, call: Call, rows: Floats) -> None:
        at = 0
        for piece in call.pieces:
            count = len(piece.outputs)
            self._computed += len(piece.tokens) if piece.member is None or piece.group.kind == "score" else 0
            if count:
                job = self._jobs.get(piece.group.key)
                if job is not None:
                    self._use(job, piece, rows[at : at + count])
                at += count

    def _use(self, job: Job, piece: Piece, rows: Floats) -> None:
        request, member, group = job.ask.request, piece.member, piece.group
        if member is None:
            group.ready = True
            job.row = rows[0].copy()
            if request is None:
                self._score_first(job, job.row)
        elif request is not None:
            recent = group.prompt + member.tail if request.sampling.repeat_penalty != 1 else ()
            self._draw(job, request, member, self.sampler.distribution(rows[0], request.sampling, recent))
        else:
            self._score_rest(job, member, piece, rows)

    def _draw(self, job: Job, request: Request, member: Member, distribution: Distribution) -> None:
        index = member.index
        token = distribution.draw(uniform(request.seeds[index], len(member.tail)))
        if job.constrained and not job.constrained[index].allows(token):
            try:
                token = self._draw_again(job, request, member, distribution.row)
            except EngineError as error:
                self._complete(job, member, "failed", str(error))
                return
        is_end = self.vocabulary.is_end(token)
        if is_end and self._end_thoughts(job, member, at_once=True):
            return
        if job.constrained and not is_end:
            job.constrained[index].follow(token)
        self._accept(job, member, token, distribution.log_probability(token))
        if is_end or job.answers[index].push(self.vocabulary.piece(token)):
            self._complete(job, member, "stop")
        elif len(member.tail) >= self._limit(job, member):
            self._complete(job, member, "length", self._clipped(job, request, member))
        else:
            self._progress(job, request, member)
            self._end_thoughts(job, member)

    def _draw_again(self, job: Job, request: Request, member: Member, row: Floats) -> int:
        """A token in place of one that the request's grammar does not allow."""
        recent = job.group.prompt + member.tail if request.sampling.repeat_penalty != 1 else ()
        used = penalised(row, request.sampling, recent)
        number = uniform(request.seeds[member.index] ^ AGAIN, len(member.tail))
        return draw_among(job.constrained[member.index].fitting(used), used, request.sampling, number)

    def _accept(self, job: Job, member: Member, token: int, logprob: float) -> None:
        """Let a token join a running sample."""
        job.logprobs[member.index].append(logprob)
        self.scheduler.accept(member, token)
        self._new += 1

    def _limit(self, job: Job, member: Member) -> int:
        """The most tokens of a sample; that of an answer with thoughts of their own limit is known when it begins."""
        answer = job.answers[member.index]
        if job.budgets and answer.begun:
            member.limit = min(member.limit, answer.thought_tokens + job.budgets[member.index].answer)
        return member.limit

    def _end_thoughts(self, job: Job, member: Member, *, at_once: bool = False) -> bool:
        """End an open block that has used up its tokens, or `at_once`; whether it was ended.

        Where the limit has no room for all of it, the sample ends there, so that it begins as a longer one does.
        """
        answer = job.answers[member.index]
        if not job.budgets or not answer.thinking:
            return False
        ending = job.budgets[member.index].ending(len(member.tail), at_once=at_once)
        if not ending or job.ask.request is None:
            return False
        for token in ending[: member.limit - len(member.tail)]:
            self._accept(job, member, token, 0.0)
            answer.push(self.vocabulary.piece(token))
            self._progress(job, job.ask.request, member)
        if len(member.tail) >= member.limit:
            self._complete(job, member, "length", self._clipped(job, job.ask.request, member))
        else:
            answer.close()
        return True

    def _progress(self, job: Job, request: Request, member: Member) -> None:
        """Report the last tokens of a running sample, if it is wanted after this one."""
        if not request.report_every or len(member.tail) % request.report_every:
            return
        start = len(member.tail) - request.report_every
        completion = Completion(
            index=member.index,
            text="",
            finish="running",
            prompt_tokens=len(job.group.prompt),
            new_tokens=len(member.tail),
            token_ids=tuple(member.tail[start:]),
            logprobs=tuple(job.logprobs[member.index][start:]),
        )
        self._report(job.ask.key, completion)

    def _clipped(self, job: Job, request: Request, member: Member) -> str:
        """What to say of a sample that was given less than it asked for."""
        full = len(job.group.prompt) + len(member.tail) >= self.context
        if not full or member.limit >= request.most[member.index]:
            return ""
        return f"the model's context of {self.context} tokens was full before the answer ended; raise `ctx:`"

    def _score_first(self, job: Job, row: Floats) -> None:
        members = [member for member in job.group.members if not member.over]
        first = self.sampler.log_probabilities(row, [member.tail[0] for member in members])
        for member, value in zip(members, first, strict=True):
            job.logprobs[member.index][0] = value
            if len(member.tail) == 1:
                self._end_score(job, member)

    def _score_rest(self, job: Job, member: Member, piece: Piece, rows: Floats) -> None:
        first = piece.start + piece.outputs.start - len(job.group.prompt)
        for offset, row in enumerate(rows):
            place = first + offset + 1
            job.logprobs[member.index][place] = self.sampler.log_probabilities(row, [member.tail[place]])[0]
        if first + len(rows) + 1 == len(member.tail):
            self._end_score(job, member)

    # ------------------------------------------------------------------ endings

    def _end_score(self, job: Job, member: Member) -> None:
        self.scheduler.finish(job.group, member)
        if all(other.over for other in job.group.members):
            length = len(job.group.prompt)
            scored = [
                Scored(text, tuple(values), length)
                for text, values in zip(job.ask.continuations, job.logprobs, strict=True)
            ]
            del self._jobs[job.ask.key]
            self._report(job.ask.key, scored, last=True)

    def _complete(self, job: Job, member: Member, finish: Finish, error: str = "") -> None:
        index = member.index
        parts = job.answers[index].parts()
        completion = Completion(
            index=index,
            text=parts.text,
            finish=finish,
            prompt_tokens=len(job.group.prompt),
            new_tokens=len(member.tail),
            thoughts=parts.thoughts,
            thought_tokens=parts.thought_tokens,
            token_ids=tuple(member.tail),
            logprobs=tuple(job.logprobs[index]),
            seconds=time.perf_counter() - job.begun[index],
            error=error,
            pieces=tuple(
                b"" if self.vocabulary.is_end(token) else self.vocabulary.piece(token) for token in member.tail
            ),
        )
        self.scheduler.finish(job.group, member)
        last = all(other.over for other in job.group.members)
        if last:
            self._jobs.pop(job.ask.key, None)
        self._report(job.ask.key, completion, last=last)

    def stats(self) -> EngineStats:
        """Counters since load."""
        return EngineStats(
            requests=self._requests,
            prompt_asked=self._asked,
            prompt_computed=self._computed,
            new_tokens=self._new,
            steps=self._steps,
            decode_seconds=self.runner.decode_seconds,
        )
