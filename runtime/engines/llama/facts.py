"""What is known of a model before it is loaded: its header, identity, abilities, and the memory that it will take."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ttscale.runtime.engines.base import Capabilities, EngineError
from ttscale.runtime.engines.llama import gpu
from ttscale.runtime.engines.llama.combining import Combination
from ttscale.runtime.engines.llama.digest import file_digest
from ttscale.runtime.engines.llama.fixed import sequences
from ttscale.runtime.engines.llama.gguf import RANK, GgufInfo, describe_gguf
from ttscale.runtime.engines.llama.machine import LOGIT_ROWS, Memory, cores, free_memory, plan_cache
from ttscale.runtime.engines.llama.options import LoadOptions
from ttscale.runtime.engines.llama.runner import Settings
from ttscale.runtime.engines.llama.shelf import default_folder

SEQUENCE_IDS = 160  # running samples, their prompts and cached prefixes; llama.cpp allows 256
MOST_OTHERS = 2


class NoMemory(EngineError):
    """A model does not fit the memory that is free; it may once others have made room."""


@dataclass(frozen=True)
class ModelFacts:
    """A model as it shall be loaded, with others that compute the same tokens. `info` and what needs it may raise."""

    path: Path
    ctx: int | None
    gpu_layers: int | None
    threads: int | None
    active: int
    cache_limit: int | None
    options: LoadOptions
    others: tuple[tuple[Path, LoadOptions | None], ...] = ()
    combination: Combination | None = None

    def __post_init__(self) -> None:
        if len(self.others) > MOST_OTHERS:
            raise EngineError(f"{1 + len(self.others)} models cannot be combined", hint="give up to three")
        if self.combination is not None:
            self.combination.check(1 + len(self.others))

    @cached_property
    def info(self) -> GgufInfo:
        """The file's header; raises EngineError when it is unusable."""
        return describe_gguf(self.path)

    @cached_property
    def digest(self) -> str:
        """The identity of what answers: of the weights, and of all else that changes the answers."""
        _ = self.info
        own = self.options.identity(file_digest(self.path), file_digest)
        if self.combination is None:
            return own
        others = [
            file_digest(path) if options is None else options.identity(file_digest(path), file_digest)
            for path, options in self.others
        ]
        parts = [own, *others, repr(self.combination)]
        return f"sha256:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"

    @property
    def template(self) -> str:
        """The chat template that is used: the declaration's, else the file's; empty where there is none."""
        given = self.options.chat_template
        return self.info.template if given is None else given

    def capabilities(self, has_template: bool, takes_system: bool | None, context: int) -> Capabilities:
        """What the engine can do with this model."""
        ranks = self.info.pooling == RANK
        writes = self.info.causal and not ranks
        return Capabilities(
            chat_template=has_template,
            system_role=takes_system,
            scoring=writes,
            context=context,
            resumes=writes and not self.options.reproducible,
            grammar=writes,
            keeps=writes,
            pauses=writes and not self.options.reproducible,
            stop_patterns=writes,
            top_logprobs=writes,
            writes=writes,
            embeds=not ranks,
            ranks=ranks,
            models=1 + len(self.others),
        )

    # ------------------------------------------------------------------ memory

    @property
    def sequences(self) -> int:
        """Ids of sequences; where each has a cache of its own, as many as samples and their prompts need."""
        if self.options.reproducible:
            return sequences(self.active)
        return SEQUENCE_IDS if self.options.kv_unified else 2 * self.active

    @property
    def plan(self) -> tuple[int, int]:
        """The context of one sequence and the cells of the cache, in tokens."""
        separate = 0 if self.options.kv_unified else self.sequences
        return plan_cache(self._sum, self.ctx, self.cache_limit, share=self.options.cache_share, separate=separate)

    @property
    def _sum(self) -> GgufInfo:
        """The header, with what all models take together."""
        infos = [self.info, *(describe_gguf(path) for path, _ in self.others)]
        return replace(
            infos[0],
            context=min((one.context for one in infos if one.context), default=0),
            kv_cell_bytes=sum(one.kv_cell_bytes for one in infos),
            file_bytes=sum(one.file_bytes for one in infos),
        )

    @property
    def memory(self) -> Memory:
        """What the model takes when it is loaded; only headers are read. Raises EngineError."""
        context, cells = self.plan
        info = self._sum
        if not info.causal:  # reads texts whole, and keeps nothing
            return Memory(info.file_bytes, 0, 0, 0, context)
        cache = int(cells * info.kv_cell_bytes * self.options.cache_share)
        rows = max(LOGIT_ROWS, self.sequences) * (1 + len(self.others))
        return Memory(info.file_bytes, cache, rows * info.vocabulary * 4, cells, context)

    def check_memory(self) -> None:
        """Raise EngineError, with the numbers, where the model cannot fit the memory that is free.

        Weights on a GPU, and those that are mapped and can be read again from disk, take none.
        """
        if self.gpu_layers not in (None, 0) or (self.gpu_layers is None and gpu.present() and gpu.is_built_in()):
            return
        wanted, free = self.memory, free_memory()
        needed = wanted.total if self.options.mmap is False or self.options.mlock else wanted.total - wanted.weights
        mapped = wanted.total - needed
        if free is None or needed + mapped // 2 <= free:  # with less than half of its weights a model only reads disk
            return
        raise NoMemory(
            f"{self.path.name} does not fit: it takes {_size(wanted.weights)} of weights, {_size(wanted.cache)} for "
            f"{wanted.cells:,} tokens of cache and {_size(wanted.outputs)} for results, {_size(wanted.total)} in all; "
            f"{_size(free)} are free",
            hint="close other programs or models, give a smaller `ctx:` or `slots:`, or take smaller weights",
        )

    @property
    def settings(self) -> Settings:
        """How to load it."""
        context, cells = self.plan
        return Settings(
            path=str(self.path),
            context=context,
            cells=cells,
            sequences=self.sequences,
            threads=self.threads or cores(),
            adapt_threads=self.threads is None,
            active=self.active,
            gpu_layers=self.gpu_layers,
            options=self.options,
            beside=tuple((str(path), self._beside(options)) for path, options in self.others),
            combination=self.combination,
            shelf=str(default_folder()) if self._keeps_prompts else "",
            identity=self._state_identity if self._keeps_prompts else "",
        )

    def _beside(self, options: LoadOptions | None) -> LoadOptions:
        """How a further model is loaded: in batches and caches as the first, which decides what is computed when."""
        own = self.options
        if options is None:
            return replace(own, lora=())
        return replace(
            options,
            batch=own.batch,
            ubatch=own.ubatch,
            kv_unified=own.kv_unified,
            swa_full=own.swa_full,
            reproducible=own.reproducible,
            keep_prompts=False,
        )

    @property
    def _keeps_prompts(self) -> bool:
        """Whether states of prompts are kept on disk: not where models are combined, or each sequence has a cache.

        A copy from one such cache to another is only made with the next call, so that there is nothing to write before.
        """
        return self.options.keep_prompts and self.options.kv_unified and not self.others

    @property
    def _state_identity(self) -> str:
        """What a state on disk depends on beside its tokens."""
        try:
            build = importlib.metadata.version("llama-cpp-python")
        except importlib.metadata.PackageNotFoundError:
            build = ""
        options = self.options
        parts = [self.digest, build, options.flash_attention, options.kv_unified, options.swa_full, self.gpu_layers]
        return json.dumps(parts)


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**29 else f"{count / 2**20:.0f} MiB"
