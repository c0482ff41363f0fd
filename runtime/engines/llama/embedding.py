"""Vectors of texts, and scores of documents by models that have a head for that.

A model without causal attention (BERT and its kin) reads a text whole, in a context of its own that grows with the
longest one, and llama.cpp pools. A model that writes text reads it in pieces, and the rows after its last layer are
pooled here: the mean, or what the file says. Vectors have length 1. Texts are read beside running samples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from ttscale.runtime.engines.base import ContextExceeded, Embedding, EngineError
from ttscale.runtime.engines.llama.gguf import RANK, GgufInfo
from ttscale.runtime.engines.llama.jobs import Board
from ttscale.runtime.engines.llama.messages import Ask
from ttscale.runtime.engines.llama.runner import Settings
from ttscale.runtime.engines.llama.vocabulary import Vocabulary
from ttscale.runtime.engines.llama.weights import Weights, reason

ROWS = 128  # of a call of a model that also has logits, of which each row is as long as the vocabulary
STEP = 256  # contexts grow by this
TEXTS = 16  # side by side
MEAN, CLS = 1, 2  # llama.cpp's kinds of pooling, where 3 is the last row

Vector = npt.NDArray[np.float64]


@dataclass(slots=True, eq=False)
class _Asked:
    """One request: its texts as tokens, and what is known of each."""

    ask: Ask
    texts: list[list[int]]
    found: dict[int, Vector] = field(default_factory=dict)


class Embedder:
    """Reads texts of one model. Nothing is made before the first one."""

    def __init__(
        self, weights: Weights, info: GgufInfo, settings: Settings, board: Board, vocabulary: Vocabulary, context: int
    ) -> None:
        self._weights = weights
        self._info = info
        self._settings = settings
        self._board = board
        self._vocabulary = vocabulary
        self._longest = context
        self._api = weights.api
        self._context: Any = None
        self._room = 0
        self._batch: Any = None
        self._waiting: deque[tuple[_Asked, int]] = deque()

    @property
    def busy(self) -> bool:
        """Whether texts are waiting."""
        return bool(self._waiting)

    @property
    def next_keys(self) -> frozenset[int]:
        """The requests of texts that may be read next."""
        return frozenset(asked.ask.key for asked, _ in islice(self._waiting, TEXTS))

    @property
    def _pooling(self) -> int:
        return self._info.pooling if self._info.pooling > 0 else MEAN

    # ------------------------------------------------------------------ requests

    def submit(self, ask: Ask) -> None:
        """Put a request in the queue. Raises EngineError."""
        if ask.what == "rank" and self._pooling != RANK:
            raise EngineError(
                f"{self._info.path.name} has no head that scores documents",
                hint="use a reranker's weights",
                fatal=False,
            )
        if ask.what == "embed" and self._pooling == RANK:
            message = f"{self._info.path.name} scores documents and makes no vectors"
            raise EngineError(message, hint="ask it to rank", fatal=False)
        if ask.what == "rank":
            query, *documents = ask.continuations
            texts = [self._pair(query, document) for document in documents]
        else:
            texts = [self._vocabulary.encode_whole(text) for text in ask.continuations]
        longest = max(map(len, texts), default=0)
        if longest > self._longest:
            raise ContextExceeded(longest, self._longest)
        if not all(texts):
            raise EngineError("an empty text has no vector", hint="give texts of at least a letter", fatal=False)
        self._board.requests += 1
        self._board.asked += sum(map(len, texts))
        asked = _Asked(ask, texts)
        if not texts:
            self._board.report(ask.key, [], last=True)
        self._waiting.extend((asked, place) for place in range(len(texts)))

    def _pair(self, query: str, document: str) -> list[int]:
        """A query and a document as one text: the model's own template, or with the separators of its vocabulary."""
        words = self._vocabulary
        template = self._api.llama_model_chat_template(self._weights.model, b"rerank")
        if template:
            text = (
                template.decode().replace("{query}", words.shield(query)).replace("{document}", words.shield(document))
            )
            return words.encode(text)
        return words.encode_pair(query, document)

    def cancel(self, key: int) -> None:
        """Forget a request."""
        self._waiting = deque(item for item in self._waiting if item[0].ask.key != key)

    # ------------------------------------------------------------------ one step

    def step(self) -> None:
        """Read what fits one call, or one text piece by piece."""
        taken: list[tuple[_Asked, int]] = []
        rows = 0
        first = len(self._waiting[0][0].texts[self._waiting[0][1]])
        most = max(ROWS, first) if not self._info.causal or self._pooling == RANK else ROWS
        while self._waiting and len(taken) < TEXTS:
            asked, place = self._waiting[0]
            length = len(asked.texts[place])
            if taken and rows + length > most:
                break
            taken.append(self._waiting.popleft())
            rows += length
        texts = [asked.texts[place] for asked, place in taken]
        try:
            self._open(rows)
            found = self._whole(texts) if not self._info.causal or self._pooling == RANK else self._pieces(texts)
        except EngineError as error:
            for asked in {id(asked): asked for asked, _ in taken}.values():
                self.cancel(asked.ask.key)
                self._board.report(asked.ask.key, error=error, last=True)
            return
        self._board.computed += rows
        for (asked, place), vector in zip(taken, found, strict=True):
            asked.found[place] = vector
            if len(asked.found) == len(asked.texts):
                self._end(asked)

    def _end(self, asked: _Asked) -> None:
        vectors = [asked.found[place] for place in range(len(asked.texts))]
        if asked.ask.what == "rank":
            self._board.report(asked.ask.key, [float(vector[0]) for vector in vectors], last=True)
            return
        made = []
        for vector, text in zip(vectors, asked.texts, strict=True):
            length = float(np.linalg.norm(vector))
            made.append(Embedding(tuple((vector / length if length else vector).tolist()), len(text)))
        self._board.report(asked.ask.key, made, last=True)

    def _open(self, rows: int) -> None:
        """A context with room for so many rows: those of models that read a text whole must be computed together."""
        whole = not self._info.causal or self._pooling == RANK
        wanted = rows if whole else max(rows, self._longest)
        if self._context is not None and wanted <= self._room:
            return
        self.close()
        room = -(-max(wanted, STEP) // STEP) * STEP
        api = self._api
        params = api.llama_context_default_params()
        params.n_ctx = room
        params.n_batch = params.n_ubatch = room if whole else ROWS
        params.n_seq_max = TEXTS
        params.n_threads = params.n_threads_batch = self._settings.threads
        params.embeddings = True
        params.pooling_type = self._pooling if whole else 0
        params.kv_unified = True
        params.flash_attn_type = 0
        params.no_perf = True
        if hasattr(params, "n_outputs_max"):
            params.n_outputs_max = params.n_batch
        self._context = api.llama_init_from_model(self._weights.model, params)
        if not self._context:
            self._context = None
            raise EngineError(
                f"llama.cpp cannot read texts of {rows} tokens with {self._info.path}{reason()}",
                hint="there may be too little memory for texts of this length",
                fatal=False,
            )
        if self._info.causal:
            self._weights.adapt(self._context)
        self._room = room
        self._batch = api.llama_batch_init(int(params.n_batch), 0, 1)

    def _fill(self, rows: Sequence[tuple[int, int, int]]) -> None:
        """Put rows of (sequence, place, token) into the batch, the output of each wanted, and compute them."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for at, (seq, place, token) in enumerate(rows):
            batch.token[at], batch.pos[at], batch.n_seq_id[at] = token, place, 1
            batch.seq_id[at][0] = seq
            batch.logits[at] = 1
        code = self._api.llama_decode(self._context, batch)
        if code:
            raise EngineError(f"llama.cpp could not read {len(rows)} tokens (code {code})", hint="", fatal=False)

    def _whole(self, texts: Sequence[Sequence[int]]) -> list[Vector]:
        """Vectors that llama.cpp pools, each text in one piece."""
        api = self._api
        self._forget()
        rows = [(seq, at, token) for seq, text in enumerate(texts) for at, token in enumerate(text)]
        self._fill(rows)
        width = self._width()
        found = []
        for seq in range(len(texts)):
            pointer = api.llama_get_embeddings_seq(self._context, seq)
            if not pointer:
                raise EngineError("llama.cpp returned no vector", hint="please report this", fatal=False)
            found.append(np.ctypeslib.as_array(pointer, shape=(width,)).astype(np.float64))
        return found

    def _width(self) -> int:
        """Numbers that come back for a text."""
        if self._pooling == RANK:
            outputs = getattr(self._api, "llama_model_n_cls_out", None)
            return max(1, int(outputs(self._weights.model))) if outputs is not None else 1
        return int(self._api.llama_model_n_embd(self._weights.model))

    def _pieces(self, texts: Sequence[Sequence[int]]) -> list[Vector]:
        """Vectors pooled here, from the rows of texts that are read in pieces."""
        self._forget()
        width = self._width()
        sums = np.zeros((len(texts), width))
        rows = [(seq, at, token) for seq, text in enumerate(texts) for at, token in enumerate(text)]
        for begin in range(0, len(rows), ROWS):
            piece = rows[begin : begin + ROWS]
            self._fill(piece)
            pointer = self._api.llama_get_embeddings(self._context)
            if not pointer:
                raise EngineError("llama.cpp returned no vectors", hint="please report this", fatal=False)
            values = np.ctypeslib.as_array(pointer, shape=(len(piece), width))
            for row, (seq, at, _) in zip(values, piece, strict=True):
                if self._pooling == MEAN:
                    sums[seq] += row
                elif at == (0 if self._pooling == CLS else len(texts[seq]) - 1):
                    sums[seq] = row
        return list(sums)

    def _forget(self) -> None:
        memory = self._api.llama_get_memory(self._context)
        if memory:
            self._api.llama_memory_clear(memory, True)

    def close(self) -> None:
        """Free the context; idempotent."""
        if self._context is not None:
            self._api.llama_batch_free(self._batch)
            self._api.llama_free(self._context)
            self._context = None
