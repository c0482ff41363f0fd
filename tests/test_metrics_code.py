"""The metric `code`: programs graded by their tests, run in the sandbox."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ttscale.runtime.metrics import MetricError, grade, metric_named
from ttscale.runtime.metrics.code import CodeTests
from ttscale.runtime.metrics.code_tests import FunctionTests, PrintedTests, candidate_program
from ttscale.runtime.metrics.code_tests import tests_of as read_tests
from ttscale.runtime.sandbox import Limits, Program, find_backend, run, run_program

DATA = Path(os.environ.get("TTSCALE_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))

ADD = {
    "task_id": "Own/0",
    "prompt": 'import math\n\n\ndef half(x):\n    return x / 2\n\n\ndef add(a, b):\n    """Add two numbers."""\n',
    "entry_point": "add",
    "test": """
METADATA = {"author": "ours"}


def check(candidate):
    wanted = 3
    assert candidate(1, 2) == wanted
    for n in range(3):
        assert candidate(n, n) == 2 * n
    assert half(4) == 2
    assert math.isclose(candidate(0.1, 0.2), 0.3)
""",
}
MIN = {
    "prompt": "Write a function to find the smaller of two numbers.",
    "test_imports": ["import math"],
    "test_list": ["assert least(1, 2) == 1", "assert least(3, math.pi) == 3", "assert least(-1, -2) == -2"],
}
SQUARES = {
    "prompt": '"""\nSquares.\n"""',
    "entry_point": "squares",
    "canonical_solution": "\ndef squares(xs):\n    return tuple(x * x for x in xs)\n",
    "base_input": [[[1, 2]], [[0.1]]],
    "plus_input": [[[]], [["no number"]], [[3, 4]]],
    "atol": 0,
}
DOUBLE = {
    "tests": [{"input": "1\n", "output": "2"}, {"input": "21", "output": "42\n"}, {"input": "-3", "output": "-6"}]
}


@pytest.fixture(autouse=True)
async def sandbox() -> None:
    """These tests run programs; without a sandbox they are skipped."""
    backend, reason = await find_backend(unsafe=False)
    if backend is None:
        pytest.skip(f"no sandbox works here: {reason}")


async def value(answer: object, row: dict[str, Any], name: str = "code") -> float | None:
    return (await grade(metric_named(name), answer, None, row)).value


# --- shapes of tests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        "    return a + b\n",
        "return a + b",
        "    return a + b\n\n\nprint(add(1, 2))\nnot python at all",
        "def add(a, b):\n    return a + b",
        "Here it is:\n```python\ndef add(a, b):\n    return a + b\n```\nDone.",
        "```python\n    total = a + b\n    return total\n```",
        "total = a + b\n    return total",
    ],
)
async def test_humaneval(answer: str) -> None:
    found = await grade(metric_named("code"), answer, None, ADD)
    assert found.value == 1.0 and found.parts == {"tests": 1.0}, found


async def test_humaneval_wrong() -> None:
    found = await grade(metric_named("code"), "    return a - b", None, ADD)
    assert found.value == 0.0 and found.note == "test 1: AssertionError"
    found = await grade(metric_named("code"), "    return a + b if a < 2 else 0", None, ADD)
    assert found.value == 0.0 and found.note == "test 2: AssertionError" and found.parts == {"tests": 0.25}
    assert await value("    return a + b if a < 2 else 0", ADD, "code_share") == 0.75
    assert await value("I cannot do that.", ADD) == 0.0
    assert await value(None, ADD) == 0.0


async def test_mbpp() -> None:
    assert await value("def least(a, b):\n    return min(a, b)", MIN) == 1.0
    assert await value("def least(a, b):\n    return a", MIN) == 0.0
    assert await value("def least(a, b):\n    return a", MIN, "code_share") == pytest.approx(2 / 3)
    assert await value("def other(a, b):\n    return min(a, b)", MIN, "code_share") == 0.0
    assert await value("no code here", MIN) == 0.0


async def test_numbers_that_json_has_as_text_become_numbers_where_the_reference_needs_them() -> None:
    row = {
        "entry_point": "angle",
        "canonical_solution": "import cmath\n\ndef angle(a, b):\n    return cmath.phase(a + b)\n",
        "base_input": [["0", "1j"], ["-1", "0.5j"], ["1", "(-0-2j)"]],
        "plus_input": [],
    }
    own = "import cmath\n\ndef angle(a, b):\n    return cmath.phase(complex(a) + complex(b))\n"
    assert await value(own, row) == 1 and await value(own.replace(" + ", " - "), row) == 0


async def test_inputs_on_which_the_reference_is_slow_are_left_out() -> None:
    """Even where it is within one call of C, which nothing in its own process can end."""
    row = {
        "entry_point": "total",
        "canonical_solution": "def total(n):\n    return sum(range(n + 1))\n",
        "base_input": [[3], [10**11], [4]],
        "plus_input": [[10**11], [5]],
    }
    tests = read_tests(row)
    assert isinstance(tests, FunctionTests)
    found = await CodeTests(limits=Limits(wall=120)).run("def total(n):\n    return n * (n + 1) // 2\n", tests)
    assert (found.passed, found.total, found.all_passed) == (3, 3, True)


async def test_evalplus_inputs_against_the_reference() -> None:
    assert await value("def squares(xs):\n    return tuple(x ** 2 for x in xs)", SQUARES) == 1.0
    assert await value("def squares(xs):\n    return [x ** 2 for x in xs]", SQUARES) == 0.0
    assert await value("def squares(xs):\n    return tuple(x * x for x in xs if x < 4)", SQUARES, "code_share") == 0.75
    with pytest.raises(MetricError, match="takes none of its inputs"):
        await value("def squares(xs):\n    return 0", SQUARES | {"base_input": [[None]], "plus_input": []})


async def test_inputs_are_fresh_for_each_call_and_become_tuples_where_lists_fail() -> None:
    row = {"entry_point": "key", "base_input": [[[1, 2]], [[1, 2]]]}
    row["canonical_solution"] = "def key(x):\n    return {x: len(x)}"
    assert await value("def key(x):\n    return {x: 2}", row) == 1.0
    row["canonical_solution"] = "def key(x):\n    x.append(1)\n    return sum(x)"
    assert await value("def key(x):\n    x += [1]\n    return sum(x)", row) == 1.0


async def test_printed_results() -> None:
    assert await value("print(int(input()) * 2)", DOUBLE) == 1.0
    assert await value("```python\nprint(abs(int(input())) * 2, end=' \\n\\n')\n```", DOUBLE, "code_share") == 2 / 3
    found = await grade(metric_named("code"), "print(1 / 0)", None, DOUBLE)
    assert found.value == 0.0 and found.note == "test 1: ZeroDivisionError: division by zero"
    packed = {"input_output": json.dumps({"inputs": ["1", "2"], "outputs": ["2", "4"]})}
    assert await value("print(int(input()) * 2)", packed) == 1.0
    assert await value("no program", packed) == 0.0
    bash = CodeTests(language="bash")
    assert (await grade(bash, "```bash\nread x; echo $((x * 2))\n```", None, DOUBLE)).value == 1.0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "?"}, "brings no tests"),
        ({"test": "def check(f): pass"}, "entry_point"),
        ({"test": "not python (", "entry_point": "f"}, "no Python"),
        ({"test_list": ["assert ("]}, "no Python"),
        ({"base_input": [[1]], "entry_point": "f"}, "canonical_solution"),
        ({"tests": [{"in": 1}]}, "`input` and `output`"),
        ({"inputs": ["1"], "outputs": []}, "1 inputs and 0 outputs"),
        ({"input_output": "{"}, "no JSON"),
    ],
)
async def test_rows_that_cannot_be_used(row: dict[str, Any], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        await value("def f(): pass", row)


def test_what_a_row_brings() -> None:
    assert isinstance(read_tests(DOUBLE), PrintedTests)
    tests = read_tests(ADD)
    assert isinstance(tests, FunctionTests) and tests.entry_point == "add"
    program = candidate_program("def add(a, b):\n    return a + b", tests)
    assert program is not None and program.startswith("import math\n") and program.count("def add") == 1
    assert "def half" in program


# --- candidates that would deceive --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        "import os\nos._exit(0)",
        "import sys\nsys.exit(0)",
        "def add(a, b):\n    raise SystemExit(0)",
        "def add(a, b):\n    import os\n    os._exit(0)",
        "print('[\"done\"]', flush=True)\ndef add(a, b):\n    pass",
        "import os, atexit\natexit.register(os._exit, 0)\ndef add(a, b):\n    raise KeyboardInterrupt",
        "def add(a, b):\n    return a + b\ndef half(x):\n    raise ValueError",
        "def check(f):\n    pass\ndef add(a, b):\n    return 0",
        "add = 5",
    ],
)
async def test_leaving_early_passes_nothing(answer: str) -> None:
    assert await value(answer, ADD) == 0.0


async def test_limits_end_a_candidate_and_what_it_passed_before_counts() -> None:
    slow = "def add(a, b):\n    while a == 2: pass\n    return a + b"
    metric = CodeTests(share=True, limits=Limits(wall=3))
    found = await grade(metric, slow, None, ADD)
    assert found.value == 0.25 and "longer than 3 s" in found.note
    printing = "def add(a, b):\n    while True: print('x' * 1000)"
    found = await grade(CodeTests(), printing, None, ADD)
    assert found.value == 0.0 and "wrote more than" in found.note
    chatty = "def add(a, b):\n    print('adding', a, b)\n    return a + b"
    assert await value(chatty, ADD) == 1.0


async def test_without_a_sandbox_nothing_is_graded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_found", {backend: "not here" for backend in run.Backend if backend.is_safe})
    assert [metric_named(name).name for name in ("code", "code_share")] == ["code", "code_share"]
    with pytest.raises(MetricError, match="this machine has none"):
        await grade(CodeTests(unsafe=False), "    return a + b", None, ADD)
    assert (await grade(CodeTests(unsafe=True), "    return a + b", None, ADD)).value == 1.0


# --- published rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "key"), [("humaneval/HumanEval.jsonl", "canonical_solution"), ("mbpp", "code")])
async def test_some_references_pass_and_nothing_else_does(name: str, key: str) -> None:
    path = DATA / (name if name.endswith("jsonl") else "mbpp/sanitized-mbpp.json")
    if not path.is_file():
        pytest.skip(f"{path.name} is not beside this checkout")
    text = path.read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
    for row in rows[::60]:
        assert await value(row[key], row) == 1.0, row["task_id"]
        assert await value(rows[30][key], row) == 0.0 or row is rows[30], row["task_id"]


async def test_the_driver_needs_no_package() -> None:
    source = (Path(run.__file__).parent.parent / "metrics" / "code_driver.py").read_text(encoding="utf-8")
    finished = await run_program(Program(source, stdin='{"word": "w", "inputs": [], "check": ""}'))
    assert finished.stdout.startswith('w ["broken"')


async def test_packages_that_are_named_may_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = "def least(a, b):\n    import markupsafe\n    return min(a, b)"
    monkeypatch.setenv("TTSCALE_CODE_PACKAGES", "markupsafe")
    assert await value(answer, MIN) == 1
    assert metric_named("code").identity == ["code", "markupsafe"]  # type: ignore[attr-defined]
    monkeypatch.setenv("TTSCALE_CODE_PACKAGES", "no_such_package")
    with pytest.raises(MetricError, match="not installed"):
        metric_named("code")
