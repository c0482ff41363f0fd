"""Answers that fit a grammar: llama.cpp keeps the grammar's state, the sampling stays ours.

A drawn token that the grammar allows is kept, which costs one check. Only where it is not, the most likely tokens are
checked, and the token is drawn again among those that fit, after which top_k, top_p, min_p and temperature are applied
to them alone. The grammar begins where the answer does: before it, a model that thinks may open and close its block.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ttscale.runtime.engines.base import Constraint, EngineError
from ttscale.runtime.engines.llama.text import Answer

LIKELY = 1024  # tokens that are checked first when a drawn one does not fit
AGAIN = 0xA5A5_5A5A_C3C3_3C3C  # changes a sample's seed for the second draw of a token


class Grammar:
    """The state of one grammar after the tokens so far; freed with the object."""

    def __init__(self, api: Any, sampler: Any, vocabulary: int) -> None:
        self._api = api
        self._sampler = sampler
        self._size = vocabulary
        self._one = (api.llama_token_data * 1)()
        self._array = api.llama_token_data_array(
            ctypes.cast(self._one, ctypes.POINTER(api.llama_token_data)), 1, -1, False
        )

    @classmethod
    def parsed(cls, api: Any, vocab: Any, vocabulary: int, constraint: Constraint) -> Grammar:
        """A grammar at its start. Raises EngineError where llama.cpp cannot read it."""
        sampler = api.llama_sampler_init_grammar(vocab, constraint.grammar.encode(), b"root")
        if not sampler:
            raise EngineError(
                "llama.cpp cannot read the grammar of this request",
                hint="the standard error of the model's process says where; its start must be called `root`",
                fatal=False,
            )
        return cls(api, sampler, vocabulary)

    def copy(self) -> Grammar:
        """The same state, to go on from on its own."""
        return Grammar(self._api, self._api.llama_sampler_clone(self._sampler), self._size)

    def __del__(self) -> None:
        if self._sampler is not None:
            self._api.llama_sampler_free(self._sampler)
            self._sampler = None

    def allows(self, token: int) -> bool:
        """Whether a token may come next; an end token only where the answer is complete."""
        one = self._one[0]
        one.id, one.logit, one.p = token, 0.0, 0.0
        self._array.size = 1
        self._api.llama_sampler_apply(self._sampler, ctypes.byref(self._array))
        return bool(one.logit == 0.0)

    def accept(self, token: int) -> None:
        """Go on to the state after a token that is allowed and is no end token."""
        self._api.llama_sampler_accept(self._sampler, token)

    def among(self, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Those of the tokens that may come next, in their order."""
        data = np.zeros(len(tokens), dtype=[("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])
        data["id"] = tokens
        pointer = ctypes.cast(data.ctypes.data, ctypes.POINTER(self._api.llama_token_data))
        array = self._api.llama_token_data_array(pointer, len(tokens), -1, False)
        self._api.llama_sampler_apply(self._sampler, ctypes.byref(array))
        fits: npt.NDArray[np.bool_] = data["logit"] == 0.0
        return tokens[fits]

    def fitting(self, row: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Tokens that may come next: those among the most likely, or else all there are, at least one.

        Raises EngineError where the vocabulary has none.
        """
        if len(row) > LIKELY:
            found = self.among(np.argpartition(row, len(row) - LIKELY)[-LIKELY:])
            if len(found):
                return found
        found = self.among(np.arange(len(row)))
        if not len(found):
            raise EngineError(
                "no token of this model can go on from here as the grammar wants it",
                hint="the grammar may ask for characters that the model cannot write",
                fatal=False,
            )
        return found


class Constrained:
    """One sample under a grammar. `marks` are the tokens that open and that close a block of thoughts."""

    def __init__(self, grammar: Grammar, answer: Answer, marks: Sequence[Sequence[int]]) -> None:
        self._grammar = grammar
        self._answer = answer
        self._marks = [list(mark) for mark in marks if mark]
        self._mark: list[int] = []  # the beginning of a mark, where the last tokens are one

    @property
    def free(self) -> bool:
        """Whether the next token is one of thoughts, and anything goes."""
        return self._answer.thinking

    def allows(self, token: int) -> bool:
        """Whether a token may come next."""
        return self.free or self._is_mark(token) or (not self._mark and self._grammar.allows(token))

    def fitting(self, row: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Tokens that may come next, of which one is to be drawn."""
        if self._mark:
            place = len(self._mark)
            return np.array(sorted({mark[place] for mark in self._marks if mark[:place] == self._mark}))
        return self._grammar.fitting(row)

    def follow(self, token: int) -> None:
        """Go on after a token; to be called before it joins the answer, and not with an end token."""
        if self.free:
            return
        if self._is_mark(token):
            self._mark = [] if [*self._mark, token] in self._marks else [*self._mark, token]
            return
        self._grammar.accept(token)

    def _is_mark(self, token: int) -> bool:
        if self._answer.begun or (not self._mark and self._answer.wrote):
            return False
        begun = [*self._mark, token]
        return any(mark[: len(begun)] == begun for mark in self._marks)
