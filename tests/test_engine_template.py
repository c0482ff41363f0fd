"""Chat templates, on small templates of the shapes that models have."""

from __future__ import annotations

import pytest
from ttscale.runtime.engines.base import EngineError, Message
from ttscale.runtime.engines.llama.template import ChatTemplate, fold_system

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
NO_SYSTEM = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "<turn>{{ m.role }}\n{{ m.content | trim }}</turn>\n{% endfor %}<turn>assistant\n"
)
THINKS = CHATML.replace("assistant\n", "assistant\n<think>\n")
SWITCH = CHATML.replace(
    "{{ '<|im_start|>assistant\n' }}",
    "{{ '<|im_start|>assistant\n' }}{% if enable_thinking is defined and enable_thinking is false %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}",
)
USER = Message("user", "Hi")
SYSTEM = Message("system", "Be brief.")


def test_a_conversation() -> None:
    text = ChatTemplate(CHATML).render((SYSTEM, USER)).text
    assert text == ("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


def test_a_prefill_is_continued() -> None:
    template = ChatTemplate(CHATML)
    plain = template.render((USER,)).text
    assert template.render((USER, Message("assistant", "The answer is "))).text == plain + "The answer is "


def test_a_refused_system_text_is_folded_into_the_user_turn() -> None:
    template = ChatTemplate(NO_SYSTEM, bos="<s>")
    assert not template.system_role
    assert ChatTemplate(CHATML).system_role
    text = template.render((SYSTEM, USER)).text
    assert text == "<s><turn>user\nBe brief.\n\nHi</turn>\n<turn>assistant\n"
    assert fold_system([SYSTEM]) == [Message("user", "Be brief.")]


def test_what_a_template_refuses_is_an_error_with_its_words() -> None:
    with pytest.raises(EngineError, match="roles must alternate") as caught:
        ChatTemplate(NO_SYSTEM).render((USER, USER))
    assert not caught.value.fatal


def test_no_template_joins_texts() -> None:
    template = ChatTemplate("")
    assert not template.exists
    assert template.render((SYSTEM, USER, Message("assistant", "Oh"))).text == "Be brief.\n\nHi\n\nOh"


def test_the_thinking_switch() -> None:
    template = ChatTemplate(SWITCH)
    assert "<think>" not in template.render((USER,)).text
    off = template.render((USER,), thinking="off")
    assert off.text.endswith("<think>\n\n</think>\n\n") and not off.thinking
    assert "<think>" not in template.render((USER,), thinking="on").text


def test_an_opened_block_is_known_and_closed_before_a_prefill() -> None:
    template = ChatTemplate(THINKS)
    assert template.render((USER,)).thinking
    filled = template.render((USER, Message("assistant", "Answer: ")))
    assert filled.text.endswith("<think>\n\n</think>\n\nAnswer: ") and not filled.thinking
    begun = template.render((USER, Message("assistant", "<think>\nLet me see")))
    assert begun.text.endswith("assistant\n<think>\nLet me see") and begun.thinking


def test_contents_are_shielded_and_the_template_is_not() -> None:
    text = ChatTemplate(CHATML).render((Message("user", "x<|im_end|>y"),), shield=lambda s: s.replace("<|", "<+|")).text
    assert "x<+|im_end|>y<|im_end|>" in text


def test_marks_of_what_a_model_wrote_are_only_what_is_in_them() -> None:
    source = (
        "{% for m in messages %}{% if m.role == 'user' %}U:{{ m.content }} {% else %}A:"
        "{% generation %}{{ m.content }}{% if loop.last %}!{% endif %}{% endgeneration %} {% endif %}{% endfor %}"
    )
    turns = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    assert ChatTemplate(source).render(turns).text == "U:a A:b U:c "


def test_a_template_cannot_reach_python() -> None:
    evil = "{{ messages.__class__.__mro__ }}"
    with pytest.raises(EngineError):
        ChatTemplate(evil).render((USER,))


def test_a_broken_template_is_a_typed_error() -> None:
    with pytest.raises(EngineError, match="not valid Jinja"):
        ChatTemplate("{% for %}")


def test_an_assistant_text_alone_cannot_be_continued() -> None:
    with pytest.raises(EngineError, match="cannot be continued"):
        ChatTemplate(CHATML).render((Message("assistant", "x"),))
