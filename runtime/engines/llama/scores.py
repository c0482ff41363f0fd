"""Given continuations of a prompt: their tokens, and the log-probability of each."""

from __future__ import annotations

from collections.abc import Sequence

from ttscale.runtime.engines.base import ContextExceeded, EngineError, Scored
from ttscale.runtime.engines.llama.combining import log_softmax
from ttscale.runtime.engines.llama.jobs import Board, Job
from ttscale.runtime.engines.llama.messages import Ask
from ttscale.runtime.engines.llama.runner import Floats
from ttscale.runtime.engines.llama.sampling import Sampler
from ttscale.runtime.engines.llama.work import Group, Member, Piece


class Scores:
    """Requests that score texts, from their tokens to their report."""

    def __init__(self, board: Board, sampler: Sampler) -> None:
        self._board = board
        self._sampler = sampler

    def submit(self, ask: Ask, prompt: list[int], text: str) -> None:
        """Put a request in the queue; `text` is that of its prompt. Raises EngineError."""
        board = self._board
        members = []
        for index, continuation in enumerate(ask.continuations):
            tail = self._continue(prompt, text, continuation)
            if len(prompt) + len(tail) > board.context:
                raise ContextExceeded(len(prompt) + len(tail), board.context)
            members.append(Member(index, len(tail), tail))
        if not members:
            board.report(ask.key, [], last=True)
            return
        group = Group(ask.key, prompt, members, kind="score", priority=ask.priority)
        job = Job(ask, group, prompt)
        job.logprobs = [[0.0] * len(member.tail) for member in members]
        board.asked += sum(len(prompt) + len(member.tail) for member in members)
        board.jobs[ask.key] = job
        board.scheduler.submit(group)

    def submit_next(self, ask: Ask, prompt: list[int]) -> None:
        """Put a request for whole distributions after a prompt and given tokens in the queue."""
        board = self._board
        tokens = [*prompt, *ask.given]
        if len(tokens) >= board.context:
            raise ContextExceeded(len(tokens), board.context)
        group = Group(ask.key, tokens, [Member(0, 1, [0])], kind="score", priority=ask.priority, shows=True)
        board.asked += len(tokens)
        board.jobs[ask.key] = Job(ask, group, prompt)
        board.scheduler.submit(group)

    def tell_next(self, job: Job, rows: Sequence[Floats]) -> None:
        """Report the distributions of these logits, one of each model."""
        board = self._board
        found: list[Sequence[float]] = [log_softmax(row).tolist() for row in rows]
        board.scheduler.finish(job.group, job.group.members[0])
        del board.jobs[job.ask.key]
        board.report(job.ask.key, found, last=True)

    def _continue(self, prompt: list[int], text: str, continuation: str) -> list[int]:
        """Tokens of a continuation as they would follow the prompt in one text."""
        vocabulary = self._board.vocabulary
        joined = vocabulary.encode(text + vocabulary.shield(continuation))
        if joined[: len(prompt)] == prompt and len(joined) > len(prompt):
            return joined[len(prompt) :]
        tail = vocabulary.encode_plain(continuation)
        if not tail:
            raise EngineError("an empty text cannot be scored", hint="score texts of at least a letter", fatal=False)
        return tail

    def first(self, job: Job, row: Floats) -> None:
        """Use the logits after the prompt."""
        members = [member for member in job.group.members if not member.over]
        first = self._sampler.log_probabilities(row, [member.tail[0] for member in members])
        for member, value in zip(members, first, strict=True):
            job.logprobs[member.index][0] = value
            if len(member.tail) == 1:
                self._end(job, member)

    def rest(self, job: Job, member: Member, piece: Piece, rows: Floats) -> None:
        """Use the logits inside a continuation."""
        first = piece.start + piece.outputs.start - len(job.group.prompt)
        for offset, row in enumerate(rows):
            place = first + offset + 1
            job.logprobs[member.index][place] = self._sampler.log_probabilities(row, [member.tail[place]])[0]
        if first + len(rows) + 1 == len(member.tail):
            self._end(job, member)

    def _end(self, job: Job, member: Member) -> None:
        board = self._board
        board.scheduler.finish(job.group, member)
        if all(other.over for other in job.group.members):
            length = len(job.group.prompt)
            scored = [
                Scored(text, tuple(values), length, board.charge(job.group, other))
                for text, values, other in zip(job.ask.continuations, job.logprobs, job.group.members, strict=True)
            ]
            del board.jobs[job.ask.key]
            board.report(job.ask.key, scored, last=True)
