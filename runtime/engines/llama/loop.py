"""Turn the crank: take messages, let the scheduler decide, run the batch, draw tokens, report what is finished.

Runs in the child process (or in a thread, for debugging). Everything here belongs to one thread; only the inbox
is shared. Reports are sent once a step, not once a token.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ttscale.runtime.engines.base import Constraint, ContextExceeded, EngineError, EngineStats, Message
from ttscale.runtime.engines.llama.embedding import Embedder
from ttscale.runtime.engines.llama.gguf import RANK, GgufInfo, describe_gguf
from ttscale.runtime.engines.llama.grammar import Grammar
from ttscale.runtime.engines.llama.jobs import Board
from ttscale.runtime.engines.llama.machine import LOGIT_ROWS
from ttscale.runtime.engines.llama.messages import Ask, Busy, Inbound, Outbound, Ready, Release, without_names
from ttscale.runtime.engines.llama.openings import Openings
from ttscale.runtime.engines.llama.runner import Floats, NoRoom, Rows, Runner, Settings
from ttscale.runtime.engines.llama.samples import Samples, Thoughts
from ttscale.runtime.engines.llama.sampling import Distribution, Sampler
from ttscale.runtime.engines.llama.scheduler import Scheduler
from ttscale.runtime.engines.llama.scores import Scores
from ttscale.runtime.engines.llama.selftest import Sharing, sharing
from ttscale.runtime.engines.llama.shelf import Shelf
from ttscale.runtime.engines.llama.template import ChatTemplate
from ttscale.runtime.engines.llama.together import Together
from ttscale.runtime.engines.llama.vocabulary import Vocabulary
from ttscale.runtime.engines.llama.weights import Weights
from ttscale.runtime.engines.llama.work import Call, Limits, Piece

CPU_BALANCE = 32768
CPU_PATIENCE = 2048  # measured: a cell costs a row 0.6 to 1.2 us, computing it 1.1 (135M) to 5.5 ms (0.5B)
ANSWERS_ONLY = 1 << 60  # rows: only finished answers make room, so that running ones stand side by side
DECODE_ROWS = 48  # in one call, where rows look at all cells: more of different sequences are slow on a CPU
PIECE = 256  # rows of prefill in a step, where no `batch:` says otherwise
FULL_STEPS = 4  # one after the other, until a cache that llama.cpp finds too full is an error
PREPARE_SECONDS = 0.02  # rendering and tokenising between two steps, while others are decoding


def template_of(info: GgufInfo, settings: Settings) -> str:
    """The chat template: the one that the model's declaration gives, or that of the file."""
    return info.template if settings.options.chat_template is None else settings.options.chat_template


def prompt_tokens(template: ChatTemplate, vocabulary: Vocabulary, messages: Sequence[Message]) -> int:
    """A prompt's length, the largest where settings of `thinking` make prompts of different lengths."""
    texts = {template.render(messages, thinking=one, shield=vocabulary.shield).text for one in template.variants}
    return max(len(vocabulary.encode(text)) for text in texts)


class Loop:
    """One model being served."""

    def __init__(self, settings: Settings, send: Callable[[list[Outbound]], None]) -> None:
        self._send = send
        self._settings = settings
        info = describe_gguf(settings.path)
        self.weights = Weights(settings.path, settings.options, settings.gpu_layers)
        self.runner = self._runner(info)
        self.shares: Sharing = "range"
        self.vocabulary = Vocabulary(self.weights.api, self.weights.vocab)
        self.template = ChatTemplate(
            template_of(info, settings), bos=self.vocabulary.bos_text, eos=self.vocabulary.eos_text
        )
        self.vocabulary.show(self.template.tags.marks)
        cells = self.runner.cells if self.runner is not None else settings.context
        self.scheduler = Scheduler(self._limits(info, cells))
        self.board = Board(self.scheduler, self.vocabulary, min(settings.context, cells))
        self.board.routes = settings.combination is not None and settings.combination.rule == "route"
        sampler = Sampler(self.weights.vocabulary if self.runner is None else self.runner.vocabulary)
        self.samples = Samples(self.board, sampler, Thoughts.of(self.template, self.vocabulary), self._grammar)
        self.scores = Scores(self.board, sampler)
        self.embedder = Embedder(self.weights, info, settings, self.board, self.vocabulary, self.board.context)
        self.openings = self._openings()
        self._backlog: deque[Ask] = deque()
        self._full = (0, 0)
        self._at_work: frozenset[int] = frozenset()
        self._told: frozenset[int] = frozenset()
        self._cancelled: set[int] = set()

    def _runner(self, info: GgufInfo) -> Runner | Together | None:
        """What computes tokens: one model, several, or none where the model only reads."""
        settings = self._settings
        if not info.causal or info.pooling == RANK:
            return None
        if not settings.beside:
            return Runner(settings, self.weights)
        runners = [Runner(settings, self.weights)]
        for path, options in settings.beside:
            other = replace(settings, path=path, options=options)
            runners.append(Runner(other, Weights(path, options, settings.gpu_layers)))
        return Together(runners, settings.combination)

    def _openings(self) -> Openings | None:
        """Where long system prompts are kept on disk: what takes them from there, and puts them there."""
        settings, runner = self._settings, self.runner
        if not settings.shelf or not isinstance(runner, Runner) or not self.scheduler.limits.ranges:
            return None
        shelf = Shelf(Path(settings.shelf), settings.identity)
        return Openings(shelf, self.scheduler, runner, self.template, self.vocabulary)

    def _limits(self, info: GgufInfo, cells: int) -> Limits:
        settings = self._settings
        models = [self.weights] if self.runner is None else self.runner.models
        unified = settings.options.kv_unified
        shared = unified and not self.weights.offloaded  # rows look at all cells in use
        moves = not settings.options.swa_full and any(describe_gguf(one.path).sliding_window > 0 for one in models)
        # A part of a state, or of a window that moves on, is nothing.
        ranges = not moves and not any(one.recurrent for one in models)
        if self.runner is not None and settings.sequences > 1:
            self.shares = sharing(self.runner.runners, ranges=ranges)
            for one in self.runner.runners:
                one.forget_costs()
            if self.shares == "whole" and isinstance(self.runner, Together):
                self.runner.share_whole()
        return Limits(
            cells=cells,
            sequences=settings.sequences,
            rows=min(DECODE_ROWS, settings.batch) if shared else settings.batch,
            active=settings.active,
            piece=settings.options.batch or PIECE,
            outputs=min(LOGIT_ROWS, settings.batch),
            ranges=self.shares == "range",
            separate=not unified,
            fixed=settings.options.reproducible,
            balance=CPU_BALANCE if shared else 0,
            patience=CPU_PATIENCE if shared else 0 if unified else ANSWERS_ONLY,
        )

    def _grammar(self, constraint: Constraint) -> Grammar:
        return Grammar.parsed(self.weights.api, self.weights.vocab, self.weights.vocabulary, constraint)

    # ------------------------------------------------------------------ messages

    def serve(self, inbox: queue.SimpleQueue[Inbound]) -> None:
        """Work until told to stop."""
        board = self.board
        board.out.append(
            Ready(
                self.template.exists, self.template.system_role, board.context, self.scheduler.limits.cells, self.shares
            )
        )
        self._flush()
        while True:
            if not self._receive(inbox):
                break
            self._prepare()
            if board.jobs:
                board.check_deadlines()
                self.step()
            if self.embedder.busy:
                self._tell(self._at_work | self.embedder.next_keys)
                self.embedder.step()
            self._flush()
        self.close()

    def close(self) -> None:
        """Free everything native; idempotent."""
        self.embedder.close()
        if self.runner is not None:
            self.runner.close()
        self.weights.free()

    def _tell(self, keys: frozenset[int]) -> None:
        """Let the parent know whose work comes next, should this process not survive it."""
        if keys != self._told:
            self._told = keys
            self._send([Busy(tuple(keys))])

    def _flush(self) -> None:
        board = self.board
        if board.out:
            out, board.out = [self.stats(), *board.out], []
            self._send(out)

    def _receive(self, inbox: queue.SimpleQueue[Inbound]) -> bool:
        """Take all messages, waiting for one when there is nothing to do; False means stop."""
        wait = not self.board.jobs and not self._backlog and not self.embedder.busy
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
            elif isinstance(message, Release):
                self._release(message.names)
            else:
                self._backlog.append(message)

    def _cancel(self, key: int) -> None:
        self.embedder.cancel(key)
        job = self.board.jobs.pop(key, None)
        if job is not None:
            self.scheduler.cancel(job.group)
        elif self._backlog:
            self._cancelled.add(key)

    def _release(self, names: Sequence[str]) -> None:
        self.scheduler.release(names)
        self._backlog = deque(without_names(ask, names) for ask in self._backlog)

    def _prepare(self) -> None:
        """Render and tokenise what has arrived, for a short while if others are waiting for the next step."""
        until = time.perf_counter() + PREPARE_SECONDS
        while self._backlog:
            ask = self._backlog.popleft()
            if ask.key in self._cancelled:
                continue
            self._tell(self._at_work | {ask.key})
            try:
                self._admit(ask)
            except EngineError as error:
                self.board.report(ask.key, error=error, last=True)
            if self.board.jobs and time.perf_counter() > until:
                return
        self._cancelled.clear()

    def _admit(self, ask: Ask) -> None:
        if ask.what == "tokens":
            self.board.report(ask.key, tuple(self.vocabulary.encode_plain(ask.continuations[0])), last=True)
            return
        if ask.what == "count":
            self.board.report(ask.key, prompt_tokens(self.template, self.vocabulary, ask.messages), last=True)
            return
        if ask.what in ("embed", "rank"):
            self.embedder.submit(ask)
            return
        if self.runner is None:
            name = self._settings.path
            raise EngineError(f"{name} reads texts and writes none", hint="ask it for vectors or scores", fatal=False)
        thinking = ask.request.thinking if ask.request is not None else "off"  # a score is of an answer
        rendered = self.template.render(ask.messages, thinking=thinking, shield=self.vocabulary.shield)
        prompt = self.vocabulary.encode(rendered.text)
        if not prompt:
            raise EngineError("the prompt is empty", hint="give the model at least one word", fatal=False)
        if len(prompt) >= self.board.context:
            raise ContextExceeded(len(prompt), self.board.context)
        if self.openings is not None:
            self.openings.before(ask.messages, thinking, prompt)
        self.board.requests += 1
        if ask.what == "next":
            self.scores.submit_next(ask, prompt)
        elif ask.request is not None:
            self.samples.submit(ask, ask.request, prompt, rendered.thinking)
        else:
            self.scores.submit(ask, prompt, rendered.text)

    # ------------------------------------------------------------------ one step

    def step(self) -> None:
        """Start what can start, run one batch, draw one token for every running sample."""
        runner = self.runner
        assert runner is not None
        try:
            self._start(runner)
            calls = self.scheduler.plan()
            self._at_work = frozenset(piece.group.key for call in calls for piece in call.pieces)
            self._tell(self._at_work)
            runner.apply(self.scheduler.take_operations())
            for call in calls:
                rows = runner.decode(call.pieces, call.idle)
                self._consume(call, rows, runner.raws, runner.routes)
        except NoRoom:
            # The counts of cells differ from llama.cpp's: begin anew, samples keep what they have drawn.
            self._count_full()
            self.scheduler.reset()
            runner.clear()
            self.scheduler.take_operations()
        self.board.steps += 1

    def _count_full(self) -> None:
        """Raise EngineError where nothing new was computed or drawn since llama.cpp found no room some steps ago."""
        done = self.board.new + self.board.computed
        times = self._full[1] + 1 if self._full[0] == done else 1
        self._full = (done, times)
        if times >= FULL_STEPS:
            raise EngineError(
                f"llama.cpp finds no room for the next rows, though the cache of {self.scheduler.limits.cells:,} "
                "tokens should have some",
                hint="please report this; a larger `ctx:` may help",
            )

    def _start(self, runner: Runner | Together) -> None:
        ready: dict[int, Distribution] = {}
        for group, member in self.scheduler.start():
            job = self.board.jobs[group.key]
            request = job.ask.request
            if request is None:
                continue
            distribution = ready.get(group.key)
            if distribution is None:
                ready.clear()  # the sampler has one set of buffers
                distribution = ready[group.key] = self.samples.after_prompt(job, request)
            job.begun[member.index] = time.perf_counter()
            job.asked = job.route
            self.samples.draw(job, request, member, distribution)
        runner.apply(self.scheduler.take_operations())

    def _consume(self, call: Call, rows: Floats, raws: Sequence[Rows], routes: Sequence[int]) -> None:
        at = 0
        for piece in call.pieces:
            count = len(piece.outputs)
            self.board.count(piece)
            if count:
                self._use(piece, rows[at : at + count], [raw[at] for raw in raws], routes[at] if routes else 0)
                at += count

    def _use(self, piece: Piece, rows: Floats, raws: Sequence[Floats], route: int) -> None:
        job, member = self.board.jobs.get(piece.group.key), piece.member
        if job is None:
            return
        request = job.ask.request
        if member is None:
            piece.group.ready = True
            if self.openings is not None:
                self.openings.after(piece.group)
            job.row, job.route = rows[0].copy(), route
            if job.ask.what == "next":
                self.scores.tell_next(job, raws)
            elif request is None:
                self.scores.first(job, job.row)
        elif request is not None:
            job.asked = route
            self.samples.follow(job, request, member, rows[0])
        else:
            self.scores.rest(job, member, piece, rows)

    def stats(self) -> EngineStats:
        """Counters since load."""
        return self.board.stats(self.runner.work if self.runner is not None else ())
