"""Texts to tokens: one beginning-of-text, and special tokens only where the template writes them."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from ttscale.runtime.engines.base import EngineError, Message
from ttscale.runtime.engines.llama.template import ChatTemplate
from ttscale.runtime.engines.llama.vocabulary import CONTROL, Vocabulary

WORDS = ["<s>", "</s>", "<|user|>", *map(chr, range(0x20, 0x7F))]
BOS, EOS = 0, 1


class Native:
    """llama.cpp's vocabulary of single letters and three control tokens, which are parsed where it is told to."""

    def __init__(self, adds_bos: bool) -> None:
        self.adds_bos = adds_bos

    def llama_vocab_n_tokens(self, vocab: Any) -> int:
        return len(WORDS)

    def llama_vocab_get_add_bos(self, vocab: Any) -> bool:
        return self.adds_bos

    def llama_vocab_bos(self, vocab: Any) -> int:
        return BOS

    def llama_vocab_eos(self, vocab: Any) -> int:
        return EOS

    def llama_vocab_get_text(self, vocab: Any, token: int) -> bytes:
        return WORDS[token].encode()

    def llama_vocab_get_attr(self, vocab: Any, token: int) -> int:
        return CONTROL if token < 3 else 1

    def llama_tokenize(
        self, vocab: Any, data: bytes, size: int, ids: Any, room: int, whole: bool, special: bool
    ) -> int:
        assert not whole, "nothing is added by llama.cpp itself"
        text, found = data.decode(), []
        while text:
            control = next((at for at in range(3) if special and text.startswith(WORDS[at])), None)
            found.append(WORDS.index(text[0]) if control is None else control)
            text = text[1:] if control is None else text[len(WORDS[control]) :]
        ctypes.memmove(ids, (ctypes.c_int32 * len(found))(*found), 4 * len(found))
        return len(found)


PLAIN = "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}"


@pytest.mark.parametrize("adds", [True, False])
@pytest.mark.parametrize("written", ["", "{{ bos_token }}", "{{ bos_token }}{{ bos_token }}"])
def test_a_prompt_has_one_beginning_whoever_writes_it(adds: bool, written: str) -> None:
    vocabulary = Vocabulary(Native(adds), None)
    template = ChatTemplate(written + PLAIN, bos=vocabulary.bos_text, eos=vocabulary.eos_text)
    found = vocabulary.encode(template.render((Message("user", "hi"),), shield=vocabulary.shield).text)
    wanted = 1 if adds else written.count("bos_token")  # a model that wants none gets what its template writes
    assert found[:wanted] == [BOS] * wanted and found[wanted:] == [2, WORDS.index("h"), WORDS.index("i")]


def test_a_beginning_that_a_user_wrote_is_text() -> None:
    vocabulary = Vocabulary(Native(True), None)
    template = ChatTemplate("{{ bos_token }}" + PLAIN, bos=vocabulary.bos_text)
    found = vocabulary.encode(template.render((Message("user", "<s></s>"),), shield=vocabulary.shield).text)
    assert found[:2] == [BOS, 2] and found[2:] == [WORDS.index(letter) for letter in "<s></s>"]
    assert vocabulary.encode_plain("<s>") == [WORDS.index(letter) for letter in "<s>"]
    assert vocabulary.encode_marked("<s>") == [BOS]


def test_half_of_a_character_is_a_typed_error() -> None:
    vocabulary = Vocabulary(Native(True), None)
    with pytest.raises(EngineError, match=r"half of a character at place 2 \('\\ud83d'\)") as caught:
        vocabulary.encode("hi\ud83d")
    assert not caught.value.fatal and caught.value.hint
