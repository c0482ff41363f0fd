"""Broken texts by the hundred: the front end answers each with values and messages, never with an exception.

`.ci/fuzz` runs 20,000 of the same kinds.
"""

from __future__ import annotations

from random import Random

import pytest
from fuzzing import SEEDS, any_text, generated, is_checked, mutate, noise, run_one, survives


@pytest.mark.parametrize("seed", range(10))
def test_mutated_programs_give_messages(seed: int) -> None:
    random = Random(seed)
    broken = 0
    for _ in range(100):
        broken += bool(survives(mutate(random.choice(SEEDS), random)))
    assert broken


@pytest.mark.parametrize("seed", range(4))
def test_noise_gives_messages(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        survives(noise(random))


@pytest.mark.parametrize("seed", range(4))
def test_any_text_is_checked_to_the_end(seed: int) -> None:
    for number in range(40):
        is_checked(any_text(Random(f"{seed} {number}")))


def test_most_generated_programs_are_right() -> None:
    right = [is_checked(generated(Random(seed))).ok for seed in range(20)]
    assert sum(right) >= 5


def test_what_goes_wrong_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzzing.survives", lambda text: text.no_such_method())
    seed, _, wrong, text = run_one(3)
    assert seed == 3 and "AttributeError" in wrong and text


@pytest.mark.parametrize(
    "text",
    [
        'dataset rows = answer("a.jsonl", question: question)\neval main on rows[0:10] |> shuffle(seed: 1)\n',
    ],
)
def test_what_fuzzing_found_is_said_once(text: str) -> None:
    assert [diagnostic.code for diagnostic in is_checked(f"tts 1\n{text}").diagnostics] == ["E0270", "E0281"]
