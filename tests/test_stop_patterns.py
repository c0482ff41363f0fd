"""Stops by regular expression in a program: on a stage, a prompt and a model; checked, run, part of the bank's key."""

from __future__ import annotations

import pytest
from running import answer, pipeline, plan_of
from ttscale.compiler.diagnostics import CompileError
from ttscale.runtime.bank.keys import Draw
from ttscale.runtime.engines.base import Sampling

MODEL = 'model m = script("One step. Then another! And 12; more")'
PROMPT = 'prompt first(question: Text) -> Text {\n  stop_pattern: "(?<=[.!?])\\\\s"\n  user "{{ question }}"\n}\n'


@pytest.mark.parametrize(
    ("body", "models", "text"),
    [
        ('generate(say(question), from: m, stop_pattern: "(?<=[.!?])\\\\s")', MODEL, "One step."),
        ('generate(say(question), from: m, stop_pattern: ["\\\\d+;", "other"])', MODEL, "One step. Then an"),
        ('generate(say(question), from: m, stop: "And", stop_pattern: "\\\\d+;")', MODEL, "One step. Then another! "),
        ("generate(first(question), from: m)", MODEL, "One step."),
        ("generate(say(question), from: m)", MODEL.replace('")', '", stop_pattern: "[!?]")'), "One step. Then another"),
    ],
)
async def test_a_sample_ends_where_a_pattern_matches(body: str, models: str, text: str) -> None:
    result = await answer(pipeline(f"return {body} |> vote()", f"{models}\n{PROMPT}", "Text"))
    assert result.answer == text.strip()


@pytest.mark.parametrize("pattern", ["x*", "(", "(a+)+"])
def test_what_cannot_end_a_sample_is_said_before_a_run(pattern: str) -> None:
    with pytest.raises(CompileError) as raised:
        plan_of(pipeline(f'return generate(ask(question), from: m, stop_pattern: "{pattern}") |> vote()'))
    assert [one.code for one in raised.value.diagnostics] == ["E0298"]


def test_a_pattern_makes_other_samples() -> None:
    plain, cut = (Draw("sha256:0", "p", Sampling(), stop_patterns=patterns) for patterns in ((), ("x",)))
    assert plain.digest != cut.digest and "stop_patterns" not in plain.fields()
