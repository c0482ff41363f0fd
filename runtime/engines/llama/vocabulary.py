"""Tokens of one model: text to ids and back, special texts, ends of generation."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable
from typing import Any

from ttscale.runtime.engines.base import EngineError, checked

# Breaks the spelling of a special token inside somebody's text. A noncharacter that never occurs in Unicode text.
SHIELD = "\ufdd0"
CONTROL = 1 << 3  # LLAMA_TOKEN_ATTR_CONTROL


class Vocabulary:
    """The vocabulary of a loaded model."""

    def __init__(self, api: Any, vocab: Any) -> None:
        self._api = api
        self._vocab = vocab
        self.size = int(api.llama_vocab_n_tokens(vocab))
        self.adds_bos = bool(api.llama_vocab_get_add_bos(vocab))
        self.bos = int(api.llama_vocab_bos(vocab))
        self.bos_text = self.text(self.bos)
        self.eos_text = self.text(int(api.llama_vocab_eos(vocab)))
        self._shown: frozenset[str] = frozenset()
        self._pieces: dict[int, bytes] = {}
        self._ends: dict[int, bool] = {}
        controls = [self.text(token) for token in range(self.size) if self._is_control(token)]
        self._controls = re.compile("|".join(re.escape(text) for text in controls if text) or r"(?!)")

    def _is_control(self, token: int) -> bool:
        return bool(self._api.llama_vocab_get_attr(self._vocab, token) & CONTROL)

    def text(self, token: int) -> str:
        """The spelling of a token in the vocabulary, "" for none."""
        if token < 0:
            return ""
        raw = self._api.llama_vocab_get_text(self._vocab, token)
        return raw.decode("utf-8", "replace") if raw else ""

    def show(self, texts: Iterable[str]) -> None:
        """Let these control tokens be part of a sample's text, so that marks of thoughts are found in it."""
        self._shown = frozenset(texts)
        self._pieces.clear()

    def is_end(self, token: int) -> bool:
        """Whether the token ends a generation."""
        known = self._ends.get(token)
        if known is None:
            known = self._ends[token] = bool(self._api.llama_vocab_is_eog(self._vocab, token))
        return known

    def piece(self, token: int) -> bytes:
        """The bytes a token adds to a text; control tokens add none, except those that `show` named."""
        known = self._pieces.get(token)
        if known is None:
            special = self.text(token) in self._shown
            buffer = ctypes.create_string_buffer(64)
            length = self._api.llama_token_to_piece(self._vocab, token, buffer, 64, 0, special)
            if length < 0:
                buffer = ctypes.create_string_buffer(-length)
                length = self._api.llama_token_to_piece(self._vocab, token, buffer, -length, 0, special)
            known = self._pieces[token] = buffer.raw[: max(0, length)]
        return known

    def shield(self, content: str) -> str:
        """Text in which no special token is spelled: what a user or a model wrote must not end a turn."""
        clean = content.replace(SHIELD, "")
        return self._controls.sub(lambda match: match[0][0] + SHIELD + match[0][1:], clean)

    def encode(self, text: str) -> list[int]:
        """Ids of a rendered prompt with exactly one beginning-of-text token, if the model wants one."""
        while self.adds_bos and self.bos_text and text.startswith(self.bos_text):
            text = text[len(self.bos_text) :]  # which the template wrote too
        ids = [self.bos] if self.adds_bos and self.bos >= 0 else []
        for part in text.split(SHIELD):
            if part:
                ids += self._tokenize(part, special=True)
        return ids

    def encode_marked(self, text: str) -> list[int]:
        """Ids of a text that goes on from others, its special tokens as such; no beginning-of-text."""
        return self._tokenize(text, special=True)

    def encode_plain(self, text: str) -> list[int]:
        """Ids of a text on its own: no special tokens, no beginning-of-text."""
        return self._tokenize(text, special=False)

    def encode_whole(self, text: str) -> list[int]:
        """Ids of a text that is read by itself, with what the model wants before and behind it."""
        return self._tokenize(text, special=False, whole=True)

    def encode_pair(self, first: str, second: str) -> list[int]:
        """Ids of two texts that are read together: begin, first, end, separator, second, end, as far as there are."""
        api, vocab = self._api, self._vocab
        separator = int(api.llama_vocab_sep(vocab))
        end = int(api.llama_vocab_eos(vocab))
        end = separator if end < 0 else end
        ending = [end] if bool(api.llama_vocab_get_add_eos(vocab)) and end >= 0 else []
        between = [separator] if bool(api.llama_vocab_get_add_sep(vocab)) and separator >= 0 else []
        begin = [self.bos] if self.adds_bos and self.bos >= 0 else []
        return [*begin, *self.encode_plain(first), *ending, *between, *self.encode_plain(second), *ending]

    def _tokenize(self, text: str, *, special: bool, whole: bool = False) -> list[int]:
        data = checked(text).encode("utf-8")
        room = len(data) + 16
        for _ in range(2):
            ids = (ctypes.c_int32 * room)()
            count = int(self._api.llama_tokenize(self._vocab, data, len(data), ids, room, whole, special))
            if count >= 0:
                return ids[:count]
            room = -count
        raise EngineError("the text cannot be turned into tokens", hint="please report this", fatal=False)
