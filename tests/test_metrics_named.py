"""Metrics by name: plain ones, Game of 24, generated tasks, judges, and those of other packages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from types import SimpleNamespace

import pytest
from ttscale.compiler import ir
from ttscale.compiler import types as t
from ttscale.compiler.evals import LIBRARY_METRICS
from ttscale.runtime import answers
from ttscale.runtime.evaluate.arms import Item
from ttscale.runtime.evaluate.grading import Measured
from ttscale.runtime.metrics import (
    Grade,
    MetricError,
    Ruling,
    asker,
    declared_metric,
    grade,
    metric_named,
)
from ttscale.runtime.metrics import game24 as game
from ttscale.runtime.metrics.judge import PROGRAM
from ttscale.runtime.metrics.named import NAMES
from ttscale.runtime.program import load
from ttscale.runtime.result import Result

CHOICES = {"choices": ["red", "blue", "green"]}


@pytest.mark.parametrize(
    ("name", "answer", "gold", "value"),
    [
        ("exact", " Paris\n", "Paris", 1),
        ("exact", "paris", "Paris", 0),
        ("exact", "e\u0301", "é", 1),
        ("exact", None, "Paris", 0),
        ("exact", "b", ["a", "b"], 1),
        ("normalised_exact", "The Eiffel  Tower!", "eiffel tower", 1),
        ("normalised_exact", "Eiffel", "eiffel tower", 0),
        ("numeric", "so it is 1,200", 1200, 1),
        ("numeric", 0.5, "1/2", 1),
        ("numeric", "41", "42", 0),
        ("numeric", "none", "42", 0),
        ("math", r"\frac{1}{2}", "0.5", 1),
        ("math", "x+1", "1+x", 1),
        ("math", "x+1", "x", 0),
        ("token_f1", "the cat sat", "a cat sat down", 0.8),
        ("token_f1", "no", "noanswer", 0),
        ("token_f1", "yes, it is", "yes", 0),
        ("token_f1", "yes", "Yes.", 1),
        ("token_f1", "", "", 1),
        ("token_f1", "dog", ["cat", "dog house"], pytest.approx(2 / 3)),
    ],
)
async def test_plain(name: str, answer: object, gold: object, value: float) -> None:
    assert (await grade(metric_named(name), answer, gold, {})).value == value


@pytest.mark.parametrize(
    ("answer", "gold", "row", "value"),
    [
        ("B", "B", CHOICES, 1),
        ("Answer: (b)", "B", CHOICES, 1),
        ("blue", "B", CHOICES, 1),
        ("B", 1, CHOICES, 1),
        ("B", "Blue", CHOICES, 1),
        ("C", 1, CHOICES, 0),
        ("nothing fits", "A", CHOICES, 0),
        ("2", "2", {"choices": {"text": ["x", "y"], "label": ["1", "2"]}}, 1),
        ("True", "Uncertain", {"labels": ["True", "False", "Uncertain"]}, 0),
        ("D", "D", {}, 1),
    ],
)
async def test_choice(answer: object, gold: object, row: Mapping[str, object], value: float) -> None:
    assert (await grade(metric_named("choice"), answer, gold, row)).value == value


@pytest.mark.parametrize(
    ("name", "gold", "row", "says"),
    [
        ("numeric", "many", {}, "cannot read the gold answer 'many'"),
        ("exact", None, {}, "no gold answer"),
        ("choice", "Z", CHOICES, "none of the choices A, B, C"),
        ("choice", "A", {"choices": ["x"], "labels": ["A", "B"]}, "1 choices and 2 labels"),
        ("game24", None, {"numbers": "four"}, "names no numbers"),
        ("gym", "1", {}, "generated tasks"),
        ("ifeval", None, {}, "instruction_id_list"),
        ("judge", None, {}, "needs a gold"),
    ],
)
async def test_rows_that_a_metric_cannot_grade(name: str, gold: object, row: Mapping[str, object], says: str) -> None:
    async def ask(_: Mapping[str, object]) -> Ruling:
        return Ruling("yes")

    with pytest.raises(MetricError, match=says):
        await grade(metric_named(name, ask=ask), "x", gold, row)


def test_names() -> None:
    with pytest.raises(MetricError, match="no metric `token_f`") as caught:
        metric_named("token_f")
    assert "`token_f1`" in caught.value.hint
    with pytest.raises(MetricError, match="needs a model"):
        metric_named("judge")


# --- Game of 24 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "numbers", "wrong"),
    [
        ("(13 - 9) * (10 - 4)", (4, 9, 10, 13), ""),
        ("(13 − 9) × (10 − 4) = 24", (4, 9, 10, 13), ""),
        ("8 / (3 - 8 / 3)", (3, 3, 8, 8), ""),
        ("-1 + 5 * 5", (1, 5, 5), ""),
        ("4 * 6", (1, 1, 4, 6), "it uses 4 6, not 1 1 4 6"),
        ("4 * 6 * 1 * 1 * 1", (1, 1, 4, 6), "it uses 1 1 1 4 6"),
        ("46 - 11 - 11", (4, 6, 11, 11), "it uses 11 11 46"),
        ("4 + 6 + 1 + 1", (1, 1, 4, 6), "it makes 12"),
        ("8 / 3 * 9 + 0.0", (3, 8, 9), "it cannot be read"),
        ("4 / (6 - 6)", (4, 6, 6), "it divides by zero"),
        ("(4 * 6", (4, 6), "a bracket is not closed"),
        ("4 * 6)", (4, 6), "too much"),
        ("4 *", (4,), "ends too early"),
        ("2 ** 4", (2, 4), "where a number is wanted"),
        ("__import__('os')", (4,), "does not belong"),
        ("4 * 6 = 23", (4, 6), "it says that it makes 23"),
        ("(" * 5_000 + "4", (4,), "nested too deeply"),
        ("-" * 5_000 + "4", (4,), "nested too deeply"),
    ],
)
def test_game24_check(expression: str, numbers: tuple[int, ...], wrong: str) -> None:
    found = game.check(expression, numbers)
    assert wrong in found and bool(found) is bool(wrong)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("13 - 9 = 4 (left: 4 4 10)\n10 - 4 = 6 (left: 4 6)\nAnswer: (13 - 9) * (10 - 4) = 24", 1),
        ("The answer is $(13-9) \\times (10-4)$.", 1),
        ("24 = (13 - 9) * (10 - 4)", 1),
        ("(13 - 9) * (10 - 4) = 24\nSo it can be done.", 1),
        ("Answer: (13 - 9) * (10 + 4) = 24", 0),
        ("It cannot be done.", 0),
    ],
)
async def test_game24_reads_a_response(text: str, value: float) -> None:
    for row in ({"Puzzles": "4 9 10 13"}, {"numbers": [4, 9, 10, 13]}):
        assert (await grade(metric_named("game24"), text, None, row)).value == value


# --- generated tasks --------------------------------------------------------------------------------


async def test_gym_verifiers() -> None:
    gym = pytest.importorskip("reasoning_gym")
    entry = gym.create_dataset("countdown", size=1, seed=4)[0]
    row = {**entry, "task": "countdown", "config": {"size": 1, "seed": 4}}
    verifier = metric_named("gym")
    assert (await grade(verifier, entry["answer"], entry["answer"], row)).value == 1.0
    other = " + ".join(map(str, entry["metadata"]["numbers"]))
    assert (await grade(verifier, other, entry["answer"], row)).value == 0.0
    assert (await grade(verifier, None, entry["answer"], row)).value == 0.0
    # The first of several solutions is the gold; the verifier takes any.
    assert (await grade(verifier, f"({entry['answer']})", entry["answer"], row)).value == 1.0
    with pytest.raises(MetricError, match="no verifier of knitting"):
        await grade(verifier, "1", "1", {**row, "task": "knitting"})


async def test_a_task_without_one_right_answer() -> None:
    gym = pytest.importorskip("reasoning_gym")
    entry = gym.create_dataset("graph_color", size=1, seed=1)[0]
    assert entry["answer"] is None
    graph_color = pytest.importorskip("reasoning_gym.algorithmic.graph_color")
    puzzle = entry["metadata"]["puzzle"]
    solution = graph_color.greedy_graph_coloring(puzzle)
    row = {**entry, "task": "graph_color", "config": {"seed": 1}}
    found = await grade(metric_named("gym"), json.dumps(solution), None, row)
    assert found.value == 1.0, found
    assert (await grade(metric_named("gym"), "{}", None, row)).value == 0.0


async def test_a_verifier_that_fails_has_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    gym = pytest.importorskip("reasoning_gym")

    def fail(*_: object) -> float:
        raise IndexError("nothing there")

    monkeypatch.setattr(gym.factory.DATASETS["chain_sum"][0], "score_answer", fail, raising=False)
    row = {"question": "1 + 1", "metadata": {"source_dataset": "chain_sum"}}
    found = await grade(metric_named("gym"), "2", "2", row)
    assert found.value == 0.0 and "IndexError: nothing there" in found.note


# --- judges -----------------------------------------------------------------------------------------


def says(**by_first: str) -> object:
    async def ask(values: Mapping[str, object]) -> Ruling:
        word = by_first[str(values["first"])]
        return Ruling(None if word == "?" else word, {"yes": 0.75, "no": 0.25} if word == "yes" else {})

    return ask


@pytest.mark.parametrize(
    ("mine", "gold", "value", "note"),
    [
        ("yes", "yes", 1.0, ""),
        ("yes", "no", 0.5, ""),
        ("no", "no", 0.0, ""),
        ("yes", "?", 1.0, "1 of 2"),
        ("?", "?", None, "2 of 2"),
    ],
)
async def test_a_reference_judge_is_asked_in_both_orders(mine: str, gold: str, value: float, note: str) -> None:
    found = await grade(metric_named("judge", ask=says(x=mine, g=gold)), "x", "g", {})  # type: ignore[arg-type]
    assert found.value == value and note in found.note
    if mine == "yes":
        assert found.parts["probability"] == 0.75


@pytest.mark.parametrize(
    ("mine", "other", "value", "consistent"),
    [
        ("first", "second", 1.0, 1.0),
        ("second", "first", 0.0, 1.0),
        ("first", "first", 0.5, 0.0),
        ("tie", "tie", 0.5, 1.0),
    ],
)
async def test_a_pairwise_judge(mine: str, other: str, value: float, consistent: float) -> None:
    metric = metric_named("pairwise", ask=says(x=mine, b=other))  # type: ignore[arg-type]
    found = await grade(metric, "x", "unused", {"baseline": "b"})
    assert (found.value, found.parts["consistent"]) == (value, consistent)
    assert await grade(metric, None, "g", {}) == Grade(0.0, "no answer")


async def test_a_judge_is_a_pipeline_and_its_cost_is_heard() -> None:
    replies = 'script({"First answer: 42": ["no"], "First answer: forty-two": ["yes"]})'
    results: list[Result] = []
    with load(PROGRAM.replace('script("yes")', replies)) as program:
        judge = metric_named("judge", ask=asker(program, "same_answer", on_result=results.append))
        found = await grade(judge, "42", "forty-two", {"question": "6 * 7?"})
    assert found.value == 0.5 and (found.parts["forward"], found.parts["backward"]) == (0.0, 1.0)
    assert len(results) == 2 and all(result.cost.tokens > 0 for result in results)


# --- others' metrics --------------------------------------------------------------------------------


async def test_metrics_of_a_program_and_of_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    body = ir.Apply("==", (ir.Input("pred"), ir.Const(3)))
    own = declared_metric(ir.Metric("is_three", (("pred", t.NUMBER), ("row", t.ROW)), t.BOOL, body))
    assert own.name == "is_three" and (await grade(own, 3, None, {})).value == 1.0

    class Object:
        name = "thing"

        async def score(self, answer: object, gold: object, row: Mapping[str, object]) -> bool:
            return answer == row["right"]

    found = {
        "thing": Object,
        "nothing": object(),
        "longer": lambda answer, row: len(str(answer)) > row["least"],
        "bad": lambda answer, row: "text",
        "failing": lambda answer, row: row["missing"],
    }
    entries = [SimpleNamespace(name=n, value=f"mine:{n}", load=lambda n=n: found[n]) for n in found]
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries if group == "ttscale.metrics" else [])
    assert (await grade(metric_named("thing"), 1, None, {"right": 1})).value == 1.0
    assert (await grade(metric_named("longer"), "abc", None, {"least": 2})).value == 1.0
    for name, message in (("bad", "not a number"), ("failing", "KeyError"), ("nothing", "has no `score`")):
        with pytest.raises(MetricError, match=message):
            await grade(metric_named(name), "abc", None, {})


async def test_a_metric_must_give_a_finite_number() -> None:
    class Odd:
        name = "odd"

        def score(self, answer: object, gold: object, row: Mapping[str, object]) -> float:
            return float("nan")

    with pytest.raises(MetricError, match="not a number"):
        await grade(Odd(), 1, 1, {})


async def test_an_evaluation_grades_texts_that_share_a_key_apart() -> None:
    item = Item("q", {"question": "Where?"}, "Paris", {})
    measured = Measured(metric_named("exact"), "exact")
    keys = {answers.coerce(t.TEXT, text)[1] for text in ("Paris", "paris")}
    assert len(keys) == 1
    grades = [await measured.of(t.TEXT, text, keys.copy().pop(), item) for text in ("Paris", "paris")]
    assert grades == [1.0, 0.0]


def test_the_checker_knows_the_metrics_of_the_library() -> None:
    assert LIBRARY_METRICS == NAMES
