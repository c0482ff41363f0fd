"""Do what the scheduler decided, on llama.cpp's low-level interface.

Batches are filled and logits read through numpy views. The runner keeps its own count of positions: llama.cpp accepts
gaps silently and then answers nonsense.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from ttscale.runtime.engines.base import EngineError, Work
from ttscale.runtime.engines.llama.combining import Combination
from ttscale.runtime.engines.llama.machine import LOGIT_ROWS, load
from ttscale.runtime.engines.llama.options import (
    BATCH,
    CACHE_TYPES,
    FLASH,
    PLAIN_TYPES,
    ROPE_SCALINGS,
    LoadOptions,
)
from ttscale.runtime.engines.llama.threads import ThreadChoice
from ttscale.runtime.engines.llama.weights import Weights, reason
from ttscale.runtime.engines.llama.work import Copy, Drop, Piece

Floats = npt.NDArray[np.float32]
Rows = Floats | Sequence[Floats]
"""Rows of logits: of one array, or each its own."""


# Without flash attention the scores of a micro-batch are rows x cells x heads numbers: 256 rows bound that memory.
MICRO_BATCH = 256


class NoRoom(Exception):
    """llama_decode found no cells for the batch; nothing was computed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to load a model; `None` is a sensible default. `cells` is the whole cache in tokens.

    `beside` are models whose next tokens are combined with this one's. With a folder `shelf` states of long beginnings
    of prompts are kept there under `identity`.
    """

    path: str
    context: int
    cells: int
    sequences: int
    threads: int
    adapt_threads: bool
    active: int = 64
    gpu_layers: int | None = None
    options: LoadOptions = field(default_factory=LoadOptions)
    beside: tuple[tuple[str, LoadOptions], ...] = ()
    combination: Combination | None = None
    shelf: str = ""
    identity: str = ""

    @property
    def batch(self) -> int:
        """Rows that one call may have."""
        return self.options.batch or BATCH


class Runner:
    """One loaded model with one context."""

    def __init__(self, settings: Settings, weights: Weights) -> None:
        self.settings = settings
        self.weights = weights
        self.api = weights.api
        self.vocabulary = weights.vocabulary
        self.raws: list[Rows] = []
        self.routes: list[int] = []
        self.context = self._make_context()
        self.memory = self.api.llama_get_memory(self.context)
        self.cells = int(self.api.llama_n_ctx(self.context))
        self.positions = [0] * settings.sequences
        self.forget_costs()
        self._make_batch(settings.batch)

    @property
    def most_rows(self) -> int:
        """How many rows one call may have."""
        return self.settings.batch

    @property
    def runners(self) -> tuple[Runner, ...]:
        """The runners that compute rows."""
        return (self,)

    @property
    def models(self) -> list[Weights]:
        """The models that compute rows."""
        return [self.weights]

    @property
    def work(self) -> tuple[Work, ...]:
        """What it has done since its costs were forgotten."""
        return (Work(self.rows, self.calls, self.decode_seconds),)

    def _flash(self) -> int:
        """Whether to use flash attention, in llama.cpp's numbers."""
        options = self.settings.options
        if options.flash_attention is not None:
            return FLASH[options.flash_attention]
        if options.type_v not in PLAIN_TYPES:
            return FLASH["on"]  # the only way that llama.cpp reads quantised values
        # On a CPU, llama.cpp's flash attention over a unified cache is slow for a batch of decode rows: 16 sequences of
        # a 0.5B model over 4,100 cells made 10 tokens a second with it and 44 without (two cores, AVX-512).
        return FLASH["auto"] if self.weights.offloaded else FLASH["off"]

    def _make_context(self) -> Any:
        api, settings, options = self.api, self.settings, self.settings.options
        params = api.llama_context_default_params()
        params.n_ctx = settings.cells
        params.n_batch = settings.batch
        params.n_ubatch = min(settings.batch, options.ubatch or MICRO_BATCH)
        params.n_seq_max = settings.sequences
        params.n_threads = settings.threads
        params.n_threads_batch = settings.threads
        params.flash_attn_type = self._flash()
        params.type_k, params.type_v = CACHE_TYPES[options.type_k][0], CACHE_TYPES[options.type_v][0]
        params.kv_unified = options.kv_unified
        params.offload_kqv = options.offload_kqv
        params.swa_full = options.swa_full  # where it is False, the scheduler copies whole sequences only
        if options.rope_scaling is not None:
            params.rope_scaling_type = ROPE_SCALINGS[options.rope_scaling]
        params.rope_freq_base = options.rope_freq_base or 0.0  # 0 is what the file says
        params.rope_freq_scale = options.rope_freq_scale or 0.0
        params.no_perf = True
        if hasattr(params, "n_outputs_max"):
            params.n_outputs_max = max(LOGIT_ROWS, settings.sequences)
        context = api.llama_init_from_model(self.weights.model, params)
        if not context:
            api.llama_model_free(self.weights.model)
            raise EngineError(
                f"llama.cpp cannot make a context of {settings.cells} cells for {settings.path}{reason()}",
                hint=self._hint_of_context(),
            )
        self.weights.adapt(context)
        return context

    def _hint_of_context(self) -> str:
        options = self.settings.options
        if (options.type_k, options.type_v) != ("f16", "f16") or options.flash_attention == "on":
            return "the model may not take these `type_k:`, `type_v:` or `flash_attention:`, or memory is too small"
        return "there may be too little memory: load the model with a smaller `ctx:`"

    def _make_batch(self, size: int) -> None:
        """Arrays of our own, with a batch structure that points into them."""
        api = self.api
        self.tokens = np.zeros(size, np.int32)
        self.places = np.zeros(size, np.int32)
        self.counts = np.ones(size, np.int32)
        self.seqs = np.zeros(size, np.int32)
        self.wanted = np.zeros(size, np.int8)
        # seq_id[i] points at the i-th entry of self.seqs
        self.pointers = (self.seqs.ctypes.data + 4 * np.arange(size + 1)).astype(np.uintp)
        self.pointers[size] = 0
        batch = api.llama_batch()
        batch.n_tokens = 0
        batch.token = self.tokens.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        batch.embd = ctypes.POINTER(ctypes.c_float)()
        batch.pos = self.places.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        batch.n_seq_id = self.counts.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        batch.seq_id = ctypes.cast(self.pointers.ctypes.data, ctypes.POINTER(ctypes.POINTER(ctypes.c_int32)))
        batch.logits = self.wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8))
        self.batch = batch

    def apply(self, operations: Sequence[Copy | Drop]) -> None:
        """Run metadata operations on the cache, in order."""
        for operation in operations:
            if isinstance(operation, Drop):
                self.api.llama_memory_seq_rm(self.memory, operation.seq, -1, -1)
                self.positions[operation.seq] = 0
                continue
            have = self.positions[operation.source]
            if not operation.start <= operation.length <= have or self.positions[operation.target] != operation.start:
                raise AssertionError(f"{operation} does not fit positions {have}")
            whole = operation.length == have
            end = -1 if whole or not self.settings.options.kv_unified else operation.length
            self.api.llama_memory_seq_cp(self.memory, operation.source, operation.target, operation.start or -1, end)
            if end < 0 and not whole:  # from a cache of its own to another, llama.cpp copies all or nothing
                self.api.llama_memory_seq_rm(self.memory, operation.target, operation.length, -1)
            self.positions[operation.target] = operation.length

    def decode(self, pieces: Sequence[Piece], idle: Sequence[int] = ()) -> Floats:
        """Compute the pieces in one call; a view of the wanted logits, in order, valid until the next call.

        With `idle`, pieces have a row each, and all rows stand in the order of their sequences.

        Raises NoRoom when the cache is full (nothing has changed then), EngineError when llama.cpp fails.
        """
        at = 0
        outputs = 0
        self.wanted[:] = 0
        for piece in pieces:
            count = len(piece.tokens)
            if piece.start != self.positions[piece.seq]:
                raise AssertionError(
                    f"sequence {piece.seq} continues at {piece.start}, its cache ends at {self.positions[piece.seq]}"
                )
            end = at + count
            self.tokens[at:end] = piece.tokens
            self.places[at:end] = np.arange(piece.start, piece.start + count)
            self.seqs[at:end] = piece.seq
            self.wanted[at + piece.outputs.start : at + piece.outputs.stop] = 1
            outputs += len(piece.outputs)
            at = end
        if idle:
            at = self._add_idle(at, idle)
        self.batch.n_tokens = at
        threads = self.threads.choose(at)
        self.api.llama_set_n_threads(self.context, threads, threads)
        started = time.perf_counter()
        code = self.api.llama_decode(self.context, self.batch)
        if code == 1:
            raise NoRoom
        if code != 0:
            raise EngineError(f"llama_decode failed with code {code} on {at} rows", hint="please report this")
        for seq in idle:
            self.api.llama_memory_seq_rm(self.memory, seq, -1, -1)
        for piece in pieces:
            self.positions[piece.seq] = piece.start + len(piece.tokens)
        rows = self._logits(outputs)
        took = time.perf_counter() - started
        self.threads.observe(at, threads, took)
        self.decode_seconds += took
        self.calls += 1
        self.rows += at - len(idle)
        self.raws = [rows]
        return rows

    def _add_idle(self, at: int, idle: Sequence[int]) -> int:
        """Rows without meaning for unused sequences, all rows then in the order of their sequences."""
        end = at + len(idle)
        self.tokens[at:end] = 0
        self.places[at:end] = 0
        self.seqs[at:end] = idle
        order = np.argsort(self.seqs[:end], kind="stable")
        for column in (self.tokens, self.places, self.seqs, self.wanted):
            column[:end] = column[:end][order]
        return end

    def state(self, seq: int) -> bytes:
        """What the cache holds of a sequence, as llama.cpp writes it."""
        size = int(self.api.llama_state_seq_get_size(self.context, seq))
        data = (ctypes.c_uint8 * size)()
        written = int(self.api.llama_state_seq_get_data(self.context, data, size, seq))
        return bytes(memoryview(data)[:written])

    def restore(self, seq: int, state: bytes, length: int) -> bool:
        """Fill an empty sequence with a state of `length` tokens; whether it could be."""
        data = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        done = int(self.api.llama_state_seq_set_data(self.context, data, len(state), seq))
        last = int(self.api.llama_memory_seq_pos_max(self.memory, seq))
        if done != len(state) or last != length - 1:
            self.api.llama_memory_seq_rm(self.memory, seq, -1, -1)
            return False
        self.positions[seq] = length
        return True

    def clear(self) -> None:
        """Forget every sequence."""
        self.api.llama_memory_clear(self.memory, True)
        self.positions = [0] * self.settings.sequences

    def forget_costs(self) -> None:
        """Begin to count calls, rows and seconds anew, as after those of a test."""
        self.calls, self.rows, self.decode_seconds = 0, 0, 0.0
        self.threads = ThreadChoice(
            self.settings.threads, adapts=self.settings.adapt_threads, busy=load() >= self.settings.threads, meter=load
        )

    def _logits(self, rows: int) -> Floats:
        if rows == 0:
            self.api.llama_synchronize(self.context)
            return np.zeros((0, self.vocabulary), np.float32)
        pointer = self.api.llama_get_logits(self.context)
        if not pointer:
            raise EngineError("llama.cpp returned no logits", hint="please report this")
        return np.ctypeslib.as_array(pointer, shape=(rows, self.vocabulary))

    def close(self) -> None:
        """Free the context and the model; idempotent."""
        if self.context is not None:
            self.api.llama_free(self.context)
            self.weights.free()
            self.context = None
