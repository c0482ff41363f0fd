"""The weights of a model on llama.cpp: loading them, its messages, the adapters of a context.

Imports native code when it is used.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections import deque
from typing import Any

from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.engines.llama.options import SPLIT_MODES, LoadOptions

INSTALL_LINE = "pip install 'ttscale[local]'"
WARNING, ERROR = 3, 4  # log levels of ggml


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


def reason() -> str:
    """What llama.cpp said last of what went wrong, once, to be put behind a message."""
    said = [*_SAID]
    _SAID.clear()
    return f" ({said[0]})" if said else ""


class Weights:
    """One loaded model file. `offloaded` says that layers of it lie on a GPU."""

    def __init__(self, path: str, options: LoadOptions, gpu_layers: int | None = None) -> None:
        self.path = path
        self.options = options
        self.gpu_layers = gpu_layers
        self.api = native()
        self.api.llama_backend_init()
        self.model = self._load_model()
        self.vocab = self.api.llama_model_get_vocab(self.model)
        self.vocabulary = int(self.api.llama_vocab_n_tokens(self.vocab))
        self.recurrent = bool(
            self.api.llama_model_is_recurrent(self.model) or self.api.llama_model_is_hybrid(self.model)
        )

    def free(self) -> None:
        """Give the memory back; idempotent."""
        if self.model is not None:
            self.api.llama_model_free(self.model)
            self.model = None

    def _load_model(self) -> Any:
        api = self.api
        params = api.llama_model_default_params()
        layers = self.gpu_layers
        if layers is None:
            layers = -1 if api.llama_supports_gpu_offload() else 0
        params.n_gpu_layers = layers
        self.offloaded = layers != 0 and bool(api.llama_supports_gpu_offload())
        self._place(params)
        model = api.llama_model_load_from_file(os.fsencode(self.path), params)
        if not model:
            raise EngineError(
                f"llama.cpp cannot load {self.path}{reason()}",
                hint="the file may be damaged, or of an architecture newer than this llama-cpp-python",
            )
        return model

    def _place(self, params: Any) -> None:
        """Where the weights lie: in mapped or locked memory, and on which GPUs."""
        api, options = self.api, self.options
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

    def adapt(self, context: Any) -> None:
        """Put the LoRA adapters on the context."""
        api, adapters = self.api, self.options.lora
        if not adapters:
            return
        loaded = []
        for path, _ in adapters:
            adapter = api.llama_adapter_lora_init(self.model, os.fsencode(path))
            if not adapter:
                raise EngineError(
                    f"llama.cpp cannot use {path} as a LoRA adapter of {self.path}{reason()}",
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
