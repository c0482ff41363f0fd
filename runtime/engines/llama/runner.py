"""Do what the scheduler decided, on llama.cpp's low-level interface.

This and `vocabulary` are the only modules that touch native code; both import it when used. Batches are filled
and logits read through numpy views. The runner keeps its own count of positions: llama.cpp accepts gaps
silently and then answers nonsense.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.engines.llama.machine import LOGIT_ROWS, load
from ttscale.runtime.engines.llama.options import (
    BATCH,
    CACHE_TYPES,
    FLASH,
    PLAIN_TYPES,
    ROPE_SCALINGS,
    SPLIT_MODES,
    LoadOptions,
)
from ttscale.runtime.engines.llama.threads import ThreadChoice
from ttscale.runtime.engines.llama.work import Copy, Drop, Piece

INSTALL_LINE = "pip install 'ttscale[local]'"
WARNING, ERROR = 3, 4  # log levels of ggml

Floats = npt.NDArray[np.float32]


# Without flash attention the scores of a micro-batch are rows x cells x heads numbers: 256 rows bound that memory.
MICRO_BATCH = 256


class NoRoom(Exception):
    """llama_decode found no cells for the batch; nothing was computed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to load a model; `None` is a sensible default. `cells` is the whole cache in tokens."""

    path: str
    context: int
    cells: int
    sequences: int
    threads: int
    adapt_threads: bool
    active: int = 64
    gpu_layers: int | None = None
    options: LoadOptions = field(default_factory=LoadOptions)

    @property
    def batch(self) -> int:
        """Rows that one call may have."""
        return self.options.batch or BATCH


def native() -> Any:
    """The low-level module of llama-cpp-python, or EngineError with the install line."""
    try:
        import llama_cpp.llama_cpp as module
    except ImportError as error:
        raise EngineError(
            f"running a GGUF model needs llama-cpp-python, which cannot be imported ({error})",
            hint=f"install it: {INSTALL_LINE}",
        ) from None
    except (OSError, RuntimeError) as error:
        raise EngineError(
            f"llama-cpp-python is installed but its library does not load: {error}",
            hint=f"reinstall it: {INSTALL_LINE} --force-reinstall",
        ) from None
    return module


_KEEP: list[Any] = []  # the callback must outlive every call of native code
_SAID: deque[str] = deque(maxlen=2)  # the last errors, for messages of our own


def quiet() -> None:
    """Let llama.cpp write warnings and errors to stderr and nothing else."""
    api = native()

    def log(level: int, text: bytes, _data: Any) -> None:
        if level == ERROR and text.strip():
            _SAID.append(re.sub(r"^\w+: ", "", text.decode("utf-8", "replace").strip()))  # without the function's name
        if level in (WARNING, ERROR):
            sys.stderr.write(text.decode("utf-8", "replace"))
            sys.stderr.flush()

    callback = api.llama_log_callback(log)
    _KEEP.append(callback)
    api.llama_log_set(callback, None)


def _reason() -> str:
    """What llama.cpp said last of what went wrong, once, to be put behind a message."""
    said = [*_SAID]
    _SAID.clear()
    return f" ({said[0]})" if said else ""


class Runner:
    """One loaded model with one context."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.api = native()
        self.api.llama_backend_init()
        self.model = self._load_model()
        self.vocab = self.api.llama_model_get_vocab(self.model)
        self.vocabulary = int(self.api.llama_vocab_n_tokens(self.vocab))
        self.recurrent = bool(
            self.api.llama_model_is_recurrent(self.model) or self.api.llama_model_is_hybrid(self.model)
        )
        self.context = self._make_context()
        self.memory = self.api.llama_get_memory(self.context)
        self.cells = int(self.api.llama_n_ctx(self.context))
        self.positions = [0] * settings.sequences
        self.decode_seconds = 0.0
        self.calls = 0
        self.threads = ThreadChoice(settings.threads, adapts=settings.adapt_threads, busy=load() >= settings.threads)
        self._make_batch(settings.batch)

    def _load_model(self) -> Any:
        api = self.api
        params = api.llama_model_default_params()
        layers = self.settings.gpu_layers
        if layers is None:
            layers = -1 if api.llama_supports_gpu_offload() else 0
        params.n_gpu_layers = layers
        self.offloaded = layers != 0 and bool(api.llama_supports_gpu_offload())
        self._place(params)
        model = api.llama_model_load_from_file(os.fsencode(self.settings.path), params)
        if not model:
            raise EngineError(
                f"llama.cpp cannot load {self.settings.path}{_reason()}",
                hint="the file may be damaged, or of an architecture newer than this llama-cpp-python",
            )
        return model

    def _place(self, params: Any) -> None:
        """Where the weights lie: in mapped or locked memory, and on which GPUs."""
        api, options = self.api, self.settings.options
        if options.mlock and not api.llama_supports_mlock():
            raise EngineError("this system cannot keep a model in memory", hint="leave out `mlock:`")
        mapped = options.mmap if options.mmap is not None else bool(api.llama_supports_mmap())
        if options.mmap is not None or options.mlock:
            params.load_mode = (api.LLAMA_LOAD_MODE_MMAP if mapped else 0) + (
                api.LLAMA_LOAD_MODE_MLOCK if options.mlock else 0
            )
        devices = int(api.llama_max_devices())
        if len(options.tensor_split) > devices or (options.main_gpu or 0) >= devices:
            message = f"`tensor_split` or `main_gpu` names a GPU that cannot be there: this build knows {devices}"
            raise EngineError(message, hint="`ttscale doctor` shows the GPUs of this machine; they count from 0")
        if options.split_mode is not None:
            params.split_mode = SPLIT_MODES[options.split_mode]
        if options.main_gpu is not None:
            params.main_gpu = options.main_gpu
        if options.tensor_split:
            self._shares = (ctypes.c_float * devices)(*options.tensor_split)  # must outlive the load
            params.tensor_split = self._shares

    def _adapt(self, context: Any) -> None:
        """Put the LoRA adapters on the context."""
        api, adapters = self.api, self.settings.options.lora
        if not adapters:
            return
        loaded = []
        for path, _ in adapters:
            adapter = api.llama_adapter_lora_init(self.model, os.fsencode(path))
            if not adapter:
                raise EngineError(
                    f"llama.cpp cannot use {path} as a LoRA adapter of {self.settings.path}{_reason()}",
                    hint="it must be a GGUF adapter made for these very weights, as convert_lora_to_gguf.py writes it",
                )
            loaded.append(ctypes.cast(adapter, ctypes.c_void_p).value)
        pointers = (ctypes.c_void_p * len(loaded))(*loaded)
        scales = (ctypes.c_float * len(loaded))(*(scale for _, scale in adapters))
        kind = ctypes.POINTER(api.llama_adapter_lora_p_ctypes)
        if api.llama_set_adapters_lora(context, ctypes.cast(pointers, kind), len(loaded), scales):
            raise EngineError(
                "llama.cpp cannot put these LoRA adapters on the model together", hint="leave out one of `lora:`"
            )

    def _flash(self) -> int:
        """Whether to use flash attention, in llama.cpp's numbers."""
        options = self.settings.options
        if options.flash_attention is not None:
            return FLASH[options.flash_attention]
        if options.type_v not in PLAIN_TYPES:
            return FLASH["on"]  # the only way that llama.cpp reads quantised values
        # On a CPU, llama.cpp's flash attention over a unified cache is slow for a batch of decode rows: 16 sequences of
        # a 0.5B model over 4,100 cells made 10 tokens a second with it and 44 without (two cores, AVX-512).
        return FLASH["auto"] if self.offloaded else FLASH["off"]

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
        context = api.llama_init_from_model(self.model, params)
        if not context:
            api.llama_model_free(self.model)
            raise EngineError(
                f"llama.cpp cannot make a context of {settings.cells} cells for {settings.path}{_reason()}",
                hint=self._hint_of_context(),
            )
        self._adapt(context)
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
            if operation.length > have or self.positions[operation.target] != 0:
                raise AssertionError(f"{operation} does not fit positions {have}")
            whole = operation.length == have
            end = -1 if whole or not self.settings.options.kv_unified else operation.length
            self.api.llama_memory_seq_cp(self.memory, operation.source, operation.target, -1, end)
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

    def clear(self) -> None:
        """Forget every sequence."""
        self.api.llama_memory_clear(self.memory, True)
        self.positions = [0] * self.settings.sequences

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
            self.api.llama_model_free(self.model)
            self.context = None
