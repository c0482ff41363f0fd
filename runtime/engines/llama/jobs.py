"""What the loop has in hand: a job for every request, what is to be reported, and counts of what was done."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ttscale.runtime.engines.base import Completion, EngineError, EngineStats, Finish, Work, rest_of
from ttscale.runtime.engines.llama.grammar import Constrained
from ttscale.runtime.engines.llama.messages import Ask, Outbound, Report, Value
from ttscale.runtime.engines.llama.runner import Floats
from ttscale.runtime.engines.llama.scheduler import Scheduler
from ttscale.runtime.engines.llama.text import Answer
from ttscale.runtime.engines.llama.thinking import Budget
from ttscale.runtime.engines.llama.vocabulary import Vocabulary
from ttscale.runtime.engines.llama.work import Group, Member, Piece


@dataclass(slots=True, eq=False)
class Job:
    """What the loop knows of one request beside its group. `prompt` are its tokens without a given beginning."""

    ask: Ask
    group: Group
    prompt: list[int]
    answers: list[Answer] = field(default_factory=list)
    logprobs: list[list[float]] = field(default_factory=list)
    tops: list[list[tuple[tuple[int, float], ...]]] = field(default_factory=list)  # where they are asked for
    budgets: list[Budget] = field(default_factory=list)  # of thoughts with a limit of their own
    begun: list[float] = field(default_factory=list)
    constrained: list[Constrained] = field(default_factory=list)
    row: Floats | None = None
    deadline: float | None = None
    route: int = 0  # whose `row` it is, where models take turns
    routes: list[bytearray] = field(default_factory=list)  # whose row each token was drawn from, where they do
    asked: int = 0  # whose row the next token is drawn from


class Board:
    """Jobs by the key of their request, reports that wait for the end of the step, and counters since load."""

    def __init__(self, scheduler: Scheduler, vocabulary: Vocabulary, context: int) -> None:
        self.scheduler = scheduler
        self.vocabulary = vocabulary
        self.context = context
        self.jobs: dict[int, Job] = {}
        self.out: list[Outbound] = []
        self.routes = False
        self.asked = self.computed = self.recomputed = self.new = self.steps = self.requests = 0

    def count(self, piece: Piece) -> None:
        """Count the rows of a piece that has been computed: those of prompts and given texts, and those run again."""
        group, member = piece.group, piece.member
        holder: Group | Member = group if member is None else member
        end = piece.start + len(piece.tokens)
        known = len(group.prompt) + (member.given - group.given if member is not None else 0)
        if group.kind == "score":
            known = end
        again = max(0, min(end, holder.reached) - piece.start)
        first = max(0, min(end, known) - max(piece.start, holder.reached))
        holder.reached = max(holder.reached, end)
        holder.computed += first + again
        self.computed += first
        self.recomputed += again

    def charge(self, group: Group, member: Member) -> int:
        """Rows to be told of with a member that is over: its own, and those of the prompt that nobody told of."""
        rows, group.computed = group.computed + member.computed, 0
        return rows

    def report(
        self,
        key: int,
        value: Value = None,
        *,
        error: EngineError | None = None,
        last: bool = False,
    ) -> None:
        """Let a message leave with the others of this step."""
        self.out.append(Report(key, value, error, last))

    def complete(self, job: Job, member: Member, finish: Finish, error: str = "") -> None:
        """Report a sample that is over, and free what it holds."""
        index, vocabulary = member.index, self.vocabulary
        parts = job.answers[index].parts()
        pieces = tuple(b"" if vocabulary.is_end(token) else vocabulary.piece(token) for token in member.tail)
        completion = Completion(
            index=index,
            text=parts.text,
            finish=finish,
            prompt_tokens=len(job.prompt),
            new_tokens=len(member.tail),
            thoughts=parts.thoughts,
            thought_tokens=parts.thought_tokens,
            token_ids=tuple(member.tail),
            logprobs=tuple(job.logprobs[index]),
            seconds=time.perf_counter() - job.begun[index],
            error=error,
            pieces=pieces,
            top=tuple(job.tops[index]) if job.tops else (),
            stopped_by=job.answers[index].stopped_by if finish == "stop" else "",
            computed_tokens=self.charge(job.group, member),
            routes=bytes(job.routes[index]) if job.routes else None,
            beyond=None if parts.thought_tokens or parts.thoughts else rest_of(b"".join(pieces), parts.text),
            thinking=job.answers[index].thinking,
            block_tokens=job.answers[index].block_tokens,
        )
        self.scheduler.finish(job.group, member)
        last = all(other.over for other in job.group.members)
        if last:
            self.jobs.pop(job.ask.key, None)
        self.report(job.ask.key, completion, last=last)

    def check_deadlines(self) -> None:
        """End the samples whose time is over, with what they have."""
        now = time.perf_counter()
        for job in [job for job in self.jobs.values() if job.deadline is not None and now > job.deadline]:
            request = job.ask.request
            assert request is not None
            for member in job.group.members:
                if not member.over:
                    self.complete(job, member, "cancelled", f"the time limit of {request.timeout_seconds} s was over")

    def stats(self, work: tuple[Work, ...]) -> EngineStats:
        """Counters since load, with the work of each model."""
        return EngineStats(
            requests=self.requests,
            prompt_asked=self.asked,
            prompt_computed=self.computed,
            new_tokens=self.new,
            steps=self.steps,
            decode_seconds=sum(one.seconds for one in work),
            recomputed=self.recomputed,
            models=work if len(work) > 1 else (),
        )
