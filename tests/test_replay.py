"""Pool files, selectors and replays."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ttscale.compiler import types as t
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.ir import Const, Strategy
from ttscale.compiler.selectors import parse_selector
from ttscale.runtime.poolfile import PoolFileError
from ttscale.runtime.replay import read_pool, replay, replay_notes
from ttscale.runtime.strategies import StrategyError

ROOT = Path(__file__).resolve().parents[1]
DATE = ROOT.parent / "shared" / "data" / "banks" / "verify_cot" / "date_np.jsonl.gz"


def sample(answer: str | None, reward: float, logprob: float, **more: object) -> dict[str, object]:
    return {
        "text": f"{answer} {reward}",
        "answer": answer,
        "scores": {"reward": reward},
        "logprob_mean": logprob,
        **more,
    }


QUESTIONS: list[dict[str, Any]] = [
    {
        "id": "q1",
        "question": "6 * 7?",
        "gold": "42",
        "samples": [
            sample("41", 0.9, -0.1, step_scores=[0.9, 0.2]),
            sample("42.0", 0.3, -0.5, step_scores=[0.5, 0.4]),
            sample(None, 1.0, -0.01),
            sample("42", 0.5, -0.6, step_scores=[0.1, 0.9]),
        ],
    },
    {
        "id": 2,
        "samples": [
            {"answer": "b", "correct": False, "scores": {"reward": 0.2}, "logprob_mean": -1},
            {"answer": "a", "correct": True, "scores": {"reward": 0.1}, "logprob_mean": -2},
        ],
    },
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, QUESTIONS)


def write(folder: Path, questions: list[dict[str, Any]]) -> Path:
    path = folder / "pool.jsonl"
    path.write_text("".join(json.dumps(q) + "\n" for q in questions), encoding="utf-8")
    return path


def chosen(file: Path, selector: str) -> list[Any]:
    result = replay(read_pool(file), parse_selector(selector))
    assert isinstance(result["questions"], list)
    return [question["index"] for question in result["questions"]]


def test_the_result_has_the_promised_shape(file: Path) -> None:
    result = replay(read_pool(file), parse_selector("vote()"))
    assert json.loads(json.dumps(result)) == {
        "questions": [
            {"id": "q1", "answer": "42.0", "index": 1, "weight": 2.0, "kept": [0, 1, 2, 3], "correct": True},
            {"id": "2", "answer": "b", "index": 0, "weight": 1.0, "kept": [0, 1], "correct": False},
        ],
        "accuracy": 0.5,
        "interval": pytest.approx([0.0945, 0.9055], abs=1e-3),
        "pass_at": {"1": 0.5, "2": pytest.approx((5 / 6 + 1) / 2)},
        "mean_at": {"1": 0.0, "2": 0.5},
    }


@pytest.mark.parametrize(
    ("selector", "picked"),
    [
        ("vote()", [1, 0]),
        ("vote", [1, 0]),
        ('vote(weight: score("reward"))', [0, 0]),
        ("vote(weight: steps(min))", [1, 0]),
        ("vote(weight: steps(last))", [1, 0]),
        ("select(by: steps(last))", [3, 0]),
        ("select(steps(mean))", [0, 0]),
        ("vote(weight: likelihood)", [1, 0]),
        ("select(by: likelihood)", [0, 0]),
        ('select(by: best_of_majority(score("reward"), share: 0.5))', [3, 0]),
        ("select(by: bom)", [3, 0]),
        ("select(by: weighted_best_of_n(score))", [0, 0]),
        ("select(by: majority_of_bests(score, m: 1))", [3, 0]),
        ("select(by: first)", [0, 0]),
        ('filter(top: 3, by: score("reward")) |> vote()', [1, 0]),
        ("filter(min_share: 0.5) |> select(score)", [3, 0]),
        ("filter(by: likelihood_mixture) |> vote(weight: likelihood)", [1, 0]),
    ],
)
def test_selectors(file: Path, selector: str, picked: list[int]) -> None:
    assert chosen(file, selector) == picked


def test_filters_tell_what_they_kept(file: Path) -> None:
    result = replay(read_pool(file), parse_selector('filter(top: 2, by: score("reward")) |> vote()'))
    assert [q["kept"] for q in result["questions"]] == [[0, 3], [0, 1]]  # type: ignore[attr-defined]
    only = replay(read_pool(file), parse_selector("filter(top: 1)"))
    assert [q["index"] for q in only["questions"]] == [0, 0]  # type: ignore[attr-defined]
    notes = replay_notes(read_pool(file), parse_selector("filter(by: rpc)"))
    assert sum(notes.values()) == 2 and all("too few" in note for note in notes)


def test_ties_shared(file: Path) -> None:
    result = replay(read_pool(file), parse_selector("vote()"), ties="share")
    assert [q["correct"] for q in result["questions"]] == [True, 0.5]  # type: ignore[attr-defined]
    assert result["accuracy"] == 0.75


def test_a_pool_that_does_not_say_what_is_right(tmp_path: Path) -> None:
    file = write(tmp_path, [{"id": "x", "samples": [{"answer": "a"}]}, {"id": "y", "samples": []}])
    result = replay(read_pool(file), parse_selector("vote()"))
    assert [(q["index"], q["correct"]) for q in result["questions"]] == [(0, None), (None, None)]  # type: ignore[attr-defined]
    assert (result["accuracy"], result["interval"], result["pass_at"]) == (None, None, {})


def test_texts_are_read_as_their_gold_suggests(tmp_path: Path) -> None:
    texts = [{"text": "So it is 12.\nAnswer: 13"}, {"text": "Answer: 12"}, {"text": "12.0"}]
    letters = [{"text": "A dog, so (B)"}, {"text": "Answer: c"}]
    questions = [{"id": 1, "gold": 12, "samples": texts}, {"id": 2, "gold": "C", "samples": letters}]
    first, second = read_pool(write(tmp_path, questions))
    assert first.correct == (False, True, True)
    assert second.correct == (False, True)


def test_answers_as_a_type(tmp_path: Path) -> None:
    pytest.importorskip("math_verify")
    samples = [{"answer": "\\frac{1}{\\sqrt{2}}"}, {"answer": "\\frac{\\sqrt{2}}{2}"}]
    (question,) = read_pool(write(tmp_path, [{"id": 1, "gold": "\\frac{\\sqrt2}{2}", "samples": samples}]), t.MATH)
    assert question.correct == (True, True)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense", "pool.jsonl:2: not JSON"),
        ("[]", "needs an `id`"),
        ('{"id": "a"}', "needs `samples`"),
        ('{"id": "a", "samples": [{"tokens": 3}]}', "sample 0: a sample needs an `answer` or a `text`"),
        ('{"id": "a", "samples": [{"answer": "1", "logprob_mean": "x"}]}', "`logprob_mean` is not a number"),
        ('{"id": "a", "samples": [{"answer": "1", "scores": [1]}]}', "`scores` is not an object"),
        ('{"id": "a", "samples": [{"answer": "1", "correct": "no"}]}', "neither true nor false"),
        ('{"id": "q1", "samples": []}', "the id q1 is that of line 1 too"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_broken_pool_files(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "pool.jsonl"
    file.write_text(f"{json.dumps(QUESTIONS[0])}\n{line}\n", encoding="utf-8")
    with pytest.raises(PoolFileError, match=says.replace("(", "\\(")):
        read_pool(file)


def test_files_that_are_no_pool(tmp_path: Path) -> None:
    for content in (b"", b"\n\n", b"\xff\xfe\x00"):
        (tmp_path / "p.jsonl").write_bytes(content)
        with pytest.raises(PoolFileError):
            read_pool(tmp_path / "p.jsonl")
    with pytest.raises(PoolFileError, match="cannot be read"):
        read_pool(tmp_path / "missing.jsonl")
    with gzip.open(tmp_path / "p.jsonl.gz", "wt") as stream:
        stream.write(json.dumps(QUESTIONS[0]) + "\n")
    assert len(read_pool(tmp_path / "p.jsonl.gz")) == 1


def test_a_missing_number_names_the_question(file: Path) -> None:
    with pytest.raises(StrategyError, match="question q1: no candidate has such a score"):
        replay(read_pool(file), parse_selector('select(by: score("nope"))'))


def test_selectors_become_stages() -> None:
    first, second = parse_selector('filter(top: 4, by: score("reward"))\n  |> vote(weight: ppl)')
    assert (first.op, second.op, second.source) == ("filter", "vote", type(second.source)(first.path))  # type: ignore[call-arg, misc]
    assert first.args["top"] == Const(4)
    assert first.args["by"] == Strategy("score", (), (("name", Const("reward")),))
    assert second.args["weight"] == Strategy("likelihood", (), (("of", Const("mean")),))


@pytest.mark.parametrize(
    ("text", "code", "at", "hint"),
    [
        ("vot()", "E0292", "vot()", "vote"),
        ("vote(wieght: score)", "E0290", "wieght: score", "weight"),
        ("generate(x)", "E0292", "generate(x)", "vote, select, filter"),
        ("select(by: yes_no)", "E0291", "yes_no", 'score("yes_no")'),
        ("vote(weight: likelyhood)", "E0291", "likelyhood", "likelihood"),
        ("select(by: likelihood_mixture)", "E0291", "likelihood_mixture", "best_of_majority"),
        ("select()", "E0293", "select()", "select(by:"),
        ("filter(top: 0)", "E0293", "0", ""),
        ("filter(top: 1.5)", "E0293", "1.5", ""),
        ("select(by: steps(median))", "E0293", "median", "min or last"),
        ("vote() when 1 > 0", "E0292", "vote() when 1 > 0", "when"),
        ("", "E0292", "", "vote()"),
    ],
)
def test_mistakes_in_selectors_point_into_the_text(text: str, code: str, at: str, hint: str) -> None:
    with pytest.raises(CompileError) as caught:
        parse_selector(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.primary is not None and caught.value.sources[diagnostic.primary.file].text == text
    assert (diagnostic.code, text[diagnostic.primary.start : diagnostic.primary.end]) == (code, at)
    assert hint in diagnostic.hint


@pytest.mark.parametrize(
    "text",
    [
        "vote(",
        "vote())",
        "vote() }",
        "|> vote()",
        "vote() |>",
        "x = vote()",
        '"',
        "vote() # }",
        "}\nmodel m = script()\n{",
    ],
)
def test_no_text_escapes_its_place(text: str) -> None:
    try:
        stages = parse_selector(text)
    except CompileError as error:
        for diagnostic in error.diagnostics:
            assert diagnostic.primary is not None and 0 <= diagnostic.primary.start <= diagnostic.primary.end <= len(
                text
            )
    else:
        assert [stage.op for stage in stages] == ["vote"]


@pytest.mark.skipif(not DATE.exists(), reason="the recorded samples of verify_cot are not beside the project")
def test_published_figures_of_verify_cot(tmp_path: Path) -> None:
    target = tmp_path / "date.jsonl"
    script = ROOT / "benchmarks" / "convert_verify_cot.py"
    subprocess.run([sys.executable, str(script), str(DATE), str(target)], check=True, capture_output=True)
    result: Any = replay(read_pool(target), parse_selector("vote()"), ties="share")
    assert len(result["questions"]) == 369
    assert round(100 * result["accuracy"], 2) == 72.49
    assert round(100 * result["mean_at"]["10"], 2) == 62.36
    assert round(100 * result["pass_at"]["10"], 2) == 82.93
