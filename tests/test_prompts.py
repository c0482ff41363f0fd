"""Prompts rendered in the sandbox, and their errors mapped to the file."""

from __future__ import annotations

import pytest
from ttscale.compiler import ir
from ttscale.compiler import types as t
from ttscale.compiler.source import Span
from ttscale.runtime.engines.base import Message
from ttscale.runtime.prompts import OUTPUT, PromptError, check_prompt, render

START = 100
"""Where the templates of these tests begin in their imagined file."""


def part(text: str, role: str = "user") -> ir.PromptPart:
    lines = text.split("\n")
    # Each line is indented by two characters in the file, which the fence took away.
    offsets = [START + 2 + sum(len(line) + 3 for line in lines[:i]) for i in range(len(lines))]
    return ir.PromptPart(role, text, Span("p.tts", START, START + len(text)), tuple(offsets))


def prompt(text: str, **params: t.Type) -> ir.Prompt:
    return ir.Prompt("p", tuple(params.items()), t.NUMBER, (part(text),))


def fill(text: str, **values: object) -> str:
    (message,) = render(prompt(text, **{name: t.ANY for name in values}), values, t.NUMBER)
    return message.content


def test_values_as_they_print() -> None:
    assert fill("{{ a }} {{ b }} {{ c }} {{ d }}", a="x<y", b=2.0, c=True, d=None) == "x<y 2 true none"
    assert fill("{{ xs | join('; ') }} {{ xs | length }}", xs=["a", "b"]) == "a; b 2"
    assert fill("{{ r }} {{ r.total + 1 }}", r={"total": 3}) == '{"total": 3} 4'
    assert fill("{% if none_ %}yes{% else %}no{% endif %}", none_=None) == "no"
    assert fill("{{ output_format }}") == 'End with "Answer: <number>".'
    assert fill("ends with a newline\n") == "ends with a newline\n"


def test_a_line_of_tags_leaves_no_line() -> None:
    inner = "  {% if a.critique %}\n{{ a.index }}. {{ a.critique }}\n  {% endif %}\n"
    text = f"{{% for a in answers %}}\n{inner}{{% endfor %}}\nend"
    answers = [{"index": 1, "critique": "good"}, {"index": 2, "critique": ""}]
    assert fill(text, answers=answers) == "1. good\nend"


def test_parts_and_turns() -> None:
    chat = ir.Prompt(
        "c", (("talk", t.Simple("Chat")), ("q", t.TEXT)), t.TEXT,
        (part("Be kind.", "system"), part("talk", "chat"), part("{{ q }}"), part("Verdict:", "assistant")),
    )  # fmt: skip
    turns = [Message("user", "hi"), {"role": "assistant", "content": "{{ q }}"}]
    assert render(chat, {"talk": turns, "q": "ok?"}, t.TEXT) == (
        Message("system", "Be kind."),
        Message("user", "hi"),
        Message("assistant", "{{ q }}"),
        Message("user", "ok?"),
        Message("assistant", "Verdict:"),
    )
    for wrong in ([("robot", "x")], [{"role": "user"}], 3):
        with pytest.raises(PromptError):
            render(chat, {"talk": wrong, "q": ""}, t.TEXT)


def test_a_values_braces_are_not_a_template() -> None:
    assert fill("{{ q }}", q="{{ 7 * 7 }}{% for %}") == "{{ 7 * 7 }}{% for %}"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("one\n{{ missing }}\n", 2, "`missing` is undefined"),
        ("one\ntwo\n{{ q.nothing }}", 3, "no attribute `nothing`"),
        ("one\n{{ 1 / 0 }}", 2, "division by zero"),
        ("one\n{{ q | nofilter }}", 2, "no filter named `nofilter`"),
        ("one\n{% if q %}\n", 2, "unexpected end"),
    ],
)
def test_errors_point_into_the_file(text: str, line: int, says: str) -> None:
    with pytest.raises(PromptError, match=says) as caught:
        fill(text, q="s")
    span = caught.value.span
    assert span is not None and span.file == "p.tts"
    offset = part(text).offsets[line - 1]
    assert offset <= span.start < span.end <= offset + len(text.split("\n")[line - 1]) or says == "unexpected end"


@pytest.mark.parametrize(
    "attack",
    [
        "{{ q.__class__ }}",
        "{{ q['__class__'] }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ self.__init__.__globals__ }}",
        "{% include 'secrets' %}",
        "{% import 'os' as os %}",
        "{{ q.format(1) }}",
        "{{ xs.append(1) }}",
        "{{ 'a' * 10000000 }}",
        "{{ [0] * 100000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'a'.ljust(1000000000) }}",
        "{{ q | replace('s', 'x' * 900000) | replace('x', 'y' * 900000) }}",
        "{% for i in range(10000000) %}x{% endfor %}",
        "{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}",
        "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a ~ a ~ a ~ a %}" * 30,
        "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a + a %}" * 40,
        "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a %}{{ a }}{{ a }}{{ a }}{% endset %}" * 30,
        "{% set a = ['a'] %}" + "{% set a = a + a %}" * 40,
        "{% set a = ['aaaaaaaa', 'aaaaaaaa'] %}" + "{% set a = [a | join(','), a | join(',')] %}" * 40,
        "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{% set r = range(50000) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}",
        "{% set r = [1, 2, 3, 4, 5, 6, 7, 8, 9] %}" + "{% for a in r %}" * 9 + "{% endfor %}" * 9,
        "{% set r = range(90000) | list %}" + "{% set s = r | map('string') | list %}" * 9000,
        "{% set r = range(90000) | list %}" + "{% set s = r + r %}" * 9000,
    ],
)
def test_attacks_are_refused(attack: str) -> None:
    with pytest.raises(PromptError):
        fill(attack, q="s", xs=[1])


def test_long_values_are_refused_as_a_whole() -> None:
    assert len(fill("{{ q }}", q="x" * (OUTPUT - 1))) == OUTPUT - 1
    with pytest.raises(PromptError, match="1,000,000"):
        fill("{{ q }}{{ q }}", q="x" * (OUTPUT - 1))


def test_check_finds_what_a_run_would_hit() -> None:
    found = check_prompt(prompt("{{ q }}\n{{ zz }}\n{% for x in q %}{{ x }}{% endfor %}", q=t.TEXT))
    assert [str(error) for error in found] == ["the prompt `p` takes no `zz`"]
    assert found[0].span is not None and found[0].span.start == part("{{ q }}\n{{ zz }}").offsets[1]
    assert "expected" in str(check_prompt(prompt("{{ q", q=t.TEXT))[0])
    assert "load other templates" in str(check_prompt(prompt("{% include 'x' %}"))[0])
    assert check_prompt(prompt("{{ output_format }} {% for i in range(3) %}{{ i }}{% endfor %}")) == []
