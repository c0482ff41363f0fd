"""Programs from Python: loading, running in scripts and notebooks, many rows, plans, and Ctrl-C."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest
import ttscale
from running import FakeEngine
from ttscale.compiler.diagnostics import CompileError
from ttscale.runtime.executor import NamedEngines
from ttscale.runtime.program import Program, RowResult, load
from ttscale.runtime.result import RunError

TEXT = '''tts 1

model small = script("Answer: 42", "so 41. Answer: 41", "Answer: 42.0")

prompt solve(question: Text) -> Number = """
{{ question }}
"""

pipeline main(question: Text) -> Number {
  param n: Int in {1, 2, 4, 8} = 4
  return generate(solve(question), from: small, n: n) |> vote()
}

pipeline pair(question: Text, hint: Text) -> Number {
  param seed: Int in {1, 2} = 1
  return generate(solve(question), from: small, n: seed) |> vote()
}
'''


@pytest.fixture
def program() -> object:
    with load(TEXT) as loaded:
        yield loaded


def test_a_run_answers(program: Program) -> None:
    result = program.run("6 * 7")
    assert (result.answer, result.decided) == (42, "3 of 4 agree")


def test_inputs_and_parameters_go_by_name(program: Program) -> None:
    assert program.run(question="6 * 7", n=8).cost.calls == 8
    assert program.run("6 * 7", params={"n": 2}).cost.calls == 2
    assert program.run("a", "b", pipeline="pair").cost.calls == 1
    assert program.run("a", hint="b", pipeline="pair", params={"seed": 2}, seed=7).cost.calls == 2


def test_wrong_names_and_values_are_errors(program: Program) -> None:
    with pytest.raises(CompileError, match="E05"):
        program.run("q", n=3)
    with pytest.raises(CompileError, match="E0551"):
        program.run("q", m=3)
    with pytest.raises(RunError, match="R0708"):
        program.run("q", "r")
    with pytest.raises(RunError, match="R0708"):
        program.run()
    with pytest.raises(CompileError):
        program.plan("nothing")


def test_a_plan_bounds_what_a_run_costs(program: Program) -> None:
    plan = program.plan(n=8)
    result = program.run("6 * 7", n=8)
    assert plan.maximum.calls == 8 == result.cost.calls and result.cost.tokens <= plan.maximum.tokens
    assert program.graph(n=8).params["n"] == 8
    assert program.pipelines == ("main", "pair")


async def test_it_runs_inside_a_running_loop(program: Program) -> None:
    assert program.run("6 * 7").answer == 42
    assert (await program.arun("6 * 7", n=1)).answer == 42


async def test_many_rows_each_once_with_the_failed_ones_told(program: Program) -> None:
    rows: list[object] = ["a", {"question": "b"}, {"question": "c", "extra": 1}, *[f"q{k}" for k in range(20)]]
    heard: list[RowResult] = []
    seen = {}
    async for row in program.run_many(rows[:2] + rows[3:], concurrency=3, on_result=heard.append, n=2):  # type: ignore[arg-type]
        seen[row.index] = row
    assert sorted(seen) == list(range(22)) and len(heard) == 22
    assert all(row.result is not None and row.result.answer == 42 and row.error is None for row in seen.values())
    assert seen[1].inputs == {"question": "b"}


async def test_a_row_without_an_answer_does_not_stop_the_others() -> None:
    text = TEXT.replace('script("Answer: 42", "so 41. Answer: 41", "Answer: 42.0")', 'script({"good": ["Answer: 1"]})')
    with load(text) as program:
        found = {row.index: row async for row in program.run_many(["good", "bad", "good"], n=1)}
    assert [found[k].error is None for k in range(3)] == [True, False, True]
    assert found[1].error is not None and "no scripted reply" in str(found[1].error)


async def test_leaving_the_rows_early_ends_the_work(program: Program) -> None:
    async for _ in program.run_many((str(k) for k in range(10_000)), concurrency=2):
        break
    assert (await program.arun("6 * 7")).answer == 42


def test_models_are_replaced_from_outside(tmp_path: Path) -> None:
    file = tmp_path / "main.tts"
    file.write_text(TEXT, encoding="utf-8")
    with load(file, models={"small": 'script("Answer: 7")'}) as program:
        assert program.run("6 * 7").answer == 7
    with load(file, models={"": 'script("Answer: 8")'}) as program:
        assert program.run("6 * 7").answer == 8


def test_an_imported_pipeline_runs_as_ones_own(tmp_path: Path) -> None:
    (tmp_path / "inner.tts").write_text(TEXT, encoding="utf-8")
    outer = tmp_path / "outer.tts"
    outer.write_text("tts 1\nuse ./inner { main, small }\n", encoding="utf-8")
    with load(outer) as program:
        assert program.run(question="6 * 7", n=1).answer == 42


def test_a_program_with_errors_does_not_load(tmp_path: Path) -> None:
    with pytest.raises(CompileError):
        load(TEXT.replace("vote()", "vot()"))
    with pytest.raises(CompileError):
        load(tmp_path / "missing.tts")


def test_the_public_names_are_there() -> None:
    assert ttscale.load is load and ttscale.Program is Program


def test_a_closed_program_can_be_used_again() -> None:
    program = load(TEXT)
    assert program.run("q").answer == 42
    program.close()
    program.close()
    assert program.run("q").answer == 42
    program.close()


def test_a_listener_hears_of_candidates_while_a_run_goes_on(program: Program) -> None:
    threads = set()
    kinds = []

    def listener(event: object) -> None:
        threads.add(threading.current_thread().name)
        kinds.append(event.kind)  # type: ignore[attr-defined]

    program.run("6 * 7", listener=listener)
    assert kinds.count("candidate") == 4 and threads == {"ttscale"}


def test_ctrl_c_answers_with_what_is_there(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The first Ctrl-C ends a run as a spent budget does."""
    if not hasattr(signal, "pthread_kill"):
        pytest.skip("this system cannot send a signal to one thread")
    main = threading.get_ident()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored, as under nohup
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    # The quick one takes long enough for the caller to be waiting when its candidate is told.
    engine = FakeEngine(delay=lambda asked: 0.5 if asked.sampling.temperature == 0.5 else 60.0)

    def listener(event: object) -> None:
        if event.kind == "candidate":  # type: ignore[attr-defined]
            signal.pthread_kill(main, signal.SIGINT)

    text = TEXT.replace("generate(solve(question), from: small, n: n)", "(quick + slow)").replace(
        "  return (quick",
        "  quick = generate(solve(question), from: small, temperature: 0.5)\n"
        "  slow = generate(solve(question), from: small, temperature: 0.9)\n  return (quick",
    )
    with load(text.replace("param n: Int in {1, 2, 4, 8} = 4", "")) as program:
        monkeypatch.setattr(program._house, "for_run", lambda **_: NamedEngines({"small": engine}))
        result = program.run("6 * 7", listener=listener)
    assert (result.answer, result.cut, result.cut_reason) == (1, True, "stopped")


# --- tests in the language ---------------------------------------------------------------------------------

TESTED = (
    TEXT
    + """
test "the majority wins" {
  given small = script("Answer: 1", "Answer: 2", "Answer: 2", "2")
  expect main("q", n: 4) == 2
  expect trace.calls <= 4
}

test "this one fails" {
  given small = script("Answer: 5")
  expect main("q", n: 1) == 6
  expect main("q", n: 1) == 5
}

test "asks a real one" {
  given small = gguf("there-is-no-such-file.gguf")
  expect main("q", n: 1) == 1
}

test "asks a real one on purpose" live {
  given small = gguf("there-is-no-such-file.gguf")
  expect main("q", n: 1) == 1
}
"""
)


def test_tests_of_the_language_pass_fail_and_show_both_sides() -> None:
    with load(TESTED) as program:
        report = program.test()
    assert [(test.name, test.outcome) for test in report.tests] == [
        ("the majority wins", "passed"),
        ("this one fails", "failed"),
        ("asks a real one", "failed"),
        ("asks a real one on purpose", "skipped"),
    ]
    (failure,) = report.tests[1].failures
    assert (failure.left, failure.right) == ("5", "6") and "main" in failure.text and failure.span.file == "<text>"
    assert "mark the test `live`" in report.tests[2].failures[0].reason
    assert not report.ok and report.count("passed") == 1 and report.tests[0].calls == 4


def test_live_tests_run_when_wished_and_an_error_fails_them() -> None:
    with load(TESTED) as program:
        report = program.test(live=True, only="on purpose")
    (test,) = report.tests
    assert test.outcome == "failed" and "there is no model file" in test.failures[0].reason
