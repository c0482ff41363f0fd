"""Tests of programs: how they are taken apart, how programs do on them, and what choosing by them gives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from checking import HEAD, body, compiled
from running import PROMPTS, FakeEngine, answer, pipeline, plan_of
from ttscale.compiler import types as t
from ttscale.compiler.selectors import parse_selector
from ttscale.runtime.engines.base import Capabilities
from ttscale.runtime.metrics.suite import Tried, checks_of, entry_of, suites_of, try_printed, try_program
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.poolfile import PoolFileError, read_pool
from ttscale.runtime.replay import replay
from ttscale.runtime.result import Judgements, RunError
from ttscale.runtime.sandbox import find_backend
from ttscale.runtime.selections import recorded, rules_for
from ttscale.runtime.strategies import StrategyError, apply_stage
from ttscale.runtime.strategies.sources import numbers

TASK = "def add(a, b):\n    ''' The sum of two numbers. '''"
RIGHT, WRONG, EVEN = (
    "```python\ndef add(a, b):\n    return a + b\n```",
    "```python\ndef add(a, b):\n    return a - b\n```",
    "```python\ndef add(a, b):\n    return (a + b) // 2 * 2\n```",
)
CODE = 'prompt code(question: Text) -> Code(python) = """{{ question }}"""'
TWO = f'model m = gguf("m.gguf")\nmodel j = gguf("j.gguf")\n{CODE}'
DRAFTS = "x = generate(code(question), from: m, n: 3)\n"


@pytest.fixture
async def sandbox() -> None:
    """Programs are run: skipped where there is no sandbox."""
    backend, reason = await find_backend(unsafe=False)
    if backend is None:
        pytest.skip(f"no sandbox works here: {reason}")


def drafts(*programs: str) -> FakeEngine:
    """A model that gives these programs in turn."""
    given = programs or (WRONG, RIGHT, RIGHT)
    return FakeEngine(lambda request, place: given[place % len(given)])


def over(stage: str, after: str = "", returns: str = "Answers[Code(python)]", inputs: str = "") -> str:
    text = pipeline(f"{DRAFTS}return x |> {stage}{after}", TWO, returns)
    return text.replace("main(question: Text)", f"main(question: Text{inputs})")


# --- tests taken apart -----------------------------------------------------------------------------------


def test_a_check_is_one_statement_and_is_there_once() -> None:
    texts = [
        "```python\nfrom solution import add\nassert add(1, 2) == 3\nassert add(1, 2)==3\nassert True\n```",
        "Here they are:\nassert add(1,2) == 3\nassert add(0,\n  0) == 0, 'nothing'\nassert add(",
        "def test_more():\n    r = add(5, 5)\n    assert r == 10\ntest_more()\n",
    ]
    assert checks_of(suites_of(texts, "add")) == [
        "assert add(1, 2) == 3",
        "assert add(0, 0) == 0, 'nothing'",
        "assert r == 10",
    ]


def test_published_shapes_of_tests_are_read() -> None:
    check = (
        "META = {}\ndef check(candidate):\n    k = 3\n    assert candidate(1, 2) == k\n"
        "    for i in [1]:\n        assert candidate(i, i)\n"
    )
    (suite,) = suites_of([check], "add")
    assert [code for code, _ in suite.steps][:3] == ["META = {}", "candidate = add", "k = 3"]
    assert [number for _, number in suite.steps] == [None, None, None, 0, 1]
    (named,) = suites_of([check + "\ncheck(plus)\n"])
    assert "candidate = plus" in [code for code, _ in named.steps]
    case = (
        "import unittest\nclass T(unittest.TestCase):\n    def test_one(self):\n"
        "        self.assertEqual(add(1, 1), 2)\nunittest.main()"
    )
    assert checks_of(suites_of([case], "add")) == ["T('test_one').debug()"]
    helper = "def same(a, b):\n    assert a == b\nsame(add(1, 1), 2)\n"
    assert checks_of(suites_of([helper], "add")) == ["same(add(1, 1), 2)"]


def test_tests_that_bring_their_own_program_do_not_replace_the_candidate() -> None:
    (suite,) = suites_of(["def add(a, b):\n    return 7\nassert add(3, 4) == 7\n"], "add")
    assert [code for code, _ in suite.steps] == ["assert add(3, 4) == 7"]
    assert suites_of(["no test at all", ""], "add") == []


def test_of_too_many_checks_the_first_of_each_text_are_kept() -> None:
    texts = ["assert f(1)\nassert f(2)\nassert f(3)", "assert g(1)\nassert g(2)"]
    assert checks_of(suites_of(texts, most=3)) == ["assert f(1)", "assert f(2)", "assert g(1)"]


def test_the_function_asked_for_is_the_last_one_of_the_task() -> None:
    assert entry_of("def helper(x):\n    return x\n\ndef main_one(y):\n    ''' … '''\n") == "main_one"
    assert entry_of("Complete:\n  def half(x: int) -> int:\nplease") == "half"
    assert entry_of("What is 6 * 7?") == ""


# --- programs tried --------------------------------------------------------------------------------------


async def test_every_check_is_told_alone_with_what_the_calls_gave(sandbox: None) -> None:
    suites = suites_of(["assert add(1, 2) == 3\nassert add(2, 2) == 5\nassert add('a', 1) == 'a1'"], "add")
    found = await try_program("def add(a, b):\n    return a + b\n", suites)
    assert found.passed == (True, False, False) and found.share == pytest.approx(1 / 3)
    assert found.outputs == ("3", "4", "!TypeError") and found.note.startswith("test 2: AssertionError")
    broken = await try_program("import nothing_of_this_name\n", suites)
    assert broken.passed == (False, False, False) and "nothing_of_this_name" in broken.note


async def test_a_check_that_hangs_or_ends_the_process_harms_no_other(sandbox: None) -> None:
    source = (
        "import os\ndef f(x):\n    if x == 1:\n        os._exit(0)\n    while x == 2:\n        pass\n    return x\n"
    )
    found = await try_program(source, suites_of(["assert f(1) == 1\nassert f(2) == 2\nassert f(3) == 3"], "f"), 0.3)
    assert found.passed == (False, False, True) and found.outputs == ("!exit", "!timeout", "3")


async def test_equal_values_have_equal_outputs(sandbox: None) -> None:
    suites = suites_of(["assert f() is not None"], "f")
    same = ["{1: 2.0, 3: True}", "{3: 1, 1: 2}"]
    sums = ["0.1 + 0.2", "0.3"]
    outputs = [(await try_program(f"def f():\n    return {value}\n", suites)).outputs[0] for value in (*same, *sums)]
    assert outputs[0] == outputs[1] and outputs[2] == outputs[3] and outputs[0] != outputs[2]


async def test_programs_that_print_are_compared_by_lines(sandbox: None) -> None:
    found = await try_printed("print(int(input()) * 2)", [("2", "4\n"), ("3", "5")])
    assert found.passed == (True, False) and found.outputs == ("4", "6")


# --- the stage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "value"),
    [
        (", checks: Text", "assert add(1, 2) == 3\nassert add(0, 0) == 0"),
        (", checks: [Text]", ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]),
        (", checks: [{ input: Text, output: Text }]", None),
    ],
)
async def test_tests_of_a_row_score_every_program(inputs: str, value: Any, sandbox: None) -> None:
    engines: Any = {"m": drafts(), "j": FakeEngine()}
    if value is None:
        value = [{"input": "1 2", "output": "3"}, {"input": "0 0", "output": "0"}]
        loop = "```python\na, b = map(int, input().split())\nprint(a {} b)\n```"
        engines["m"] = drafts(loop.replace("{}", "-"), loop.replace("{}", "+"), loop.replace("{}", "+"))
    text = over("run_tests(with: checks)", inputs=inputs)
    from ttscale.runtime.executor import execute

    plan = plan_of(text)
    result = await execute(plan.graph, plan, {"question": TASK, "checks": value}, engines)
    assert [c.scores for c in result.pool] == [{"tests": 0.5}, {"tests": 1.0}, {"tests": 1.0}]
    assert [c.tests for c in result.pool] == [(False, True), (True, True), (True, True)]
    assert not engines["j"].requests and plan.maximum.calls == 3


async def test_tests_that_a_model_wrote_choose_the_program_that_passes_them(sandbox: None) -> None:
    body_ = (
        f"{DRAFTS}checks = generate(code(question), from: j, n: 2)\n"
        "return x |> run_tests(with: checks) |> select(by: tests)"
    )
    written = FakeEngine(lambda request, place: ["assert add(1, 2) == 3", "assert add(2, 2) == 4"][place])
    result = await answer(pipeline(body_, TWO, "Code(python)"), {"m": drafts(), "j": written}, TASK)
    assert "a + b" in result.answer and [len(c.tests) for c in result.pool] == [2, 2, 2]  # type: ignore[operator]


async def test_the_stage_lets_a_model_write_tests_in_a_form_that_can_be_read(sandbox: None) -> None:
    keeps = Capabilities(context=4096, grammar=True)
    judge = FakeEngine(lambda request, place: "1, 2) == 3\nassert add(4, 4) == 8\n```", capabilities=keeps)
    text = over("run_tests(from: j, n: 2, as: share)", " |> vote(weight: score)", "Code(python)")
    result = await answer(text, {"m": drafts(EVEN, RIGHT, WRONG), "j": judge}, TASK)
    assert result.text.endswith("return a + b")
    (request,) = judge.requests
    assert len(request.seeds) == 2 and request.messages[-1].content.endswith("assert add(")
    assert (
        request.constraint is not None
        and request.constraint.grammar.startswith('root ::= rest ("\\nassert add(" rest)')
        and TASK in request.messages[-2].content
    )


async def test_where_no_test_can_be_read_nobody_has_a_score_and_that_is_counted(sandbox: None) -> None:
    judge = FakeEngine(lambda request, place: "I cannot write tests.")
    text = over("run_tests(using: code, from: j)", " |> select(by: tests)", "Code(python)")
    result = await answer(text, {"m": drafts(), "j": judge}, TASK)
    assert result.judgements == {"main/run_tests": Judgements(1, 1)}
    assert any("no tests" in note for note in result.notes) and "a - b" in result.answer  # type: ignore[operator]
    with pytest.raises(RunError, match="no test can be read"):
        await answer(over('run_tests(with: "nothing")'), {"m": drafts()}, TASK)


async def test_what_is_no_program_passes_nothing(sandbox: None) -> None:
    engines = {"m": drafts("I would rather not.", RIGHT, "```python\ndef other(): pass\n```")}
    result = await answer(over('run_tests(with: "assert add(1, 2) == 3")'), engines, TASK)
    assert [c.scores["tests"] for c in result.pool] == [0, 1, 0]


async def test_a_model_may_judge_what_passes() -> None:
    def verdict(messages: Sequence[Any], continuation: str) -> float:
        said = messages[0].content
        good = "a + b" in said or "a test that all pass" in said
        return -0.1 if (continuation.strip().lower() == "yes") == good else -3.0

    judge = FakeEngine(verdict=verdict)
    text = over('run_tests(with: ["adds", "- a test that all pass"], method: judged, from: j)')
    result = await answer(text, {"m": drafts(), "j": judge}, TASK)
    assert [c.tests for c in result.pool] == [(False, True), (True, True), (True, True)]
    assert [c.scores["tests"] > 0.9 for c in result.pool] == [False, True, True] and len(judge.scored) == 6


def test_a_plan_counts_the_tests_that_are_written_and_judged() -> None:
    assert plan_of(over("run_tests(from: j, n: 4)")).maximum.calls == 3 + 4
    judged = 'run_tests(with: ["a"], method: judged, from: j, most: 5)'
    assert plan_of(over(judged)).maximum.calls == 3 + 3 * 5 * 2


def test_what_cannot_be_tested_is_told_before_the_run() -> None:
    sums = "x = generate(p.solve_number(question), from: small, n: 2)\nreturn x |> "
    assert body(sums + 'run_tests(with: "assert f(1)") |> vote()') == ["E0215"]
    programs = "x = generate(p.write_code(question), from: small, n: 2)\nreturn x |> "
    assert body(programs + "run_tests(method: judged, from: small) |> vote()", "Code(python)") == ["E0212"]
    assert body(programs + 'run_tests(with: "assert f(1)", from: small) |> vote()', "Code(python)") == ["E0211"]
    assert body(programs + "run_tests(with: 5) |> vote()", "Code(python)") == ["E0215"]
    for choice in ("vote(by: behaviour)", "select(by: tests)", "vote(weight: codet)"):
        assert body(programs + choice, "Code(python)") == ["E0221"]
        assert body(programs + f"run_tests() |> {choice}", "Code(python)") == []
    found = compiled(
        f"{HEAD}pipeline main(question: Text) -> Code(python) {{\n{programs}vote(by: behaviour, key: a) }}"
    )
    assert "E0260" in [d.code for d in found.diagnostics]


# --- rules over test results -----------------------------------------------------------------------------


def program(passed: str, outputs: Sequence[str] = (), text: str = "", **more: Any) -> Candidate:
    """A candidate with its results: "10" passed the first of two tests."""
    return Candidate(text, text, text, tests=tuple(one == "1" for one in passed), outputs=tuple(outputs), **more)


def picked(op: str, args: str, pool: Pool) -> int | None:
    (stage,) = parse_selector(f"{op}({args})")
    return apply_stage(op, stage.args, pool).picked


def test_agreement_sets_weigh_programs_and_tests() -> None:
    pool = Pool(
        tuple(program(p, text=str(n)) for n, p in enumerate(["1110", "1101", "1101", "0001", "0001", "0001"])), t.TEXT
    )
    (stage,) = parse_selector("select(by: test_agreement)")
    assert numbers(stage.args["by"], pool) == [3, 6, 6, 3, 3, 3]  # type: ignore[arg-type]
    assert picked("select", "by: codet", pool) == 1 and picked("select", "by: tests", pool) == 0
    many = Pool(tuple(program(p, text=str(n)) for n, p in enumerate(["11", "11", *["10"] * 5])), t.TEXT)
    assert picked("select", "by: test_agreement", many) == 2  # 5 x 1 against 2 x 2
    assert picked("select", "by: test_agreement(root: true)", many) == 0  # the root of 5, against 2 times that of 2


def test_programs_of_different_tests_cannot_agree() -> None:
    pool = Pool((program("11"), program("1")), t.TEXT)
    with pytest.raises(StrategyError, match="same tests"):
        picked("select", "by: test_agreement", pool)
    with pytest.raises(StrategyError, match="no candidate has test results"):
        picked("select", "by: tests", Pool((Candidate("a", "a", "a"),), t.TEXT))


def test_programs_that_do_the_same_vote_together() -> None:
    rows = [("1", ["3", "!KeyError"]), ("1", ["4", "0"]), ("0", ["4", "0"]), ("1", ["!E", "!E"]), ("1", ["!E", "!E"])]
    pool = Pool(tuple(program(p, o, text=str(n)) for n, (p, o) in enumerate([*rows, rows[-1]])), t.TEXT)
    (stage,) = parse_selector("vote(by: behaviour)")
    outcome = apply_stage("vote", stage.args, pool)
    assert outcome.picked == 1 and outcome.weight == 2 and outcome.decided == "2 of 6 do the same"
    assert picked("select", "by: bayes_risk(behaviour)", pool) == 1
    lost = Pool(tuple(program("0", ["!E"], text=one) for one in "abb"), t.TEXT)
    assert picked("vote", "by: behaviour", lost) == 1  # nothing ran, so texts are counted
    with pytest.raises(StrategyError, match="test results"):
        picked("vote", "by: behaviour", Pool((Candidate("a", "a", "a"),), t.TEXT))


def test_recorded_results_are_rows_of_the_table(tmp_path: Path) -> None:
    samples = [
        {"text": "a", "correct": False, "tests": [1, 0], "outputs": ["3", "!KeyError"]},
        {"text": "b", "correct": True, "tests": [True, True], "outputs": ["3", "0"]},
        {"text": "c", "correct": True, "tests": [True, True], "outputs": ["3", "0"]},
    ]
    file = tmp_path / "pool.jsonl"
    file.write_text(json.dumps({"id": "q", "samples": samples}) + "\n", encoding="utf-8")
    questions = read_pool(file)
    rules = rules_for(recorded(questions))
    wanted = [
        "select(by: tests)",
        "select(by: test_agreement)",
        "vote(by: behaviour)",
        "select(by: bayes_risk(behaviour))",
    ]
    assert set(wanted) <= set(rules) and "CodeT" in rules["select(by: tests)"]
    for rule in wanted:
        assert replay(questions, parse_selector(rule))["accuracy"] == 1.0
    assert replay(questions, parse_selector("vote()"))["accuracy"] == 0.0
    samples[0]["tests"] = [True]
    file.write_text(json.dumps({"id": "q", "samples": samples}) + "\n", encoding="utf-8")
    with pytest.raises(PoolFileError, match="different numbers of tests"):
        read_pool(file)


def test_a_try_without_tests_has_no_share() -> None:
    assert Tried((), ()).share == 0.0 and PROMPTS
