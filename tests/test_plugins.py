"""Functions of Python files: the tutorial's code, every kind of function, permission, identity, and mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_runs import tts as run
from ttscale.compiler import ir
from ttscale.compiler.data import metric_ir
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.driver import Checked, compile_source
from ttscale.compiler.render import render
from ttscale.library.loader import FileLoader, load_source
from ttscale.runtime.metrics import MetricError, evaluate_metric
from ttscale.runtime.program import Program, load
from ttscale.runtime.python_files import PythonFiles
from ttscale.runtime.result import RunError

PAGE = Path(__file__).resolve().parents[1] / "docs" / "plugins.md"
PYTHON = """from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from ttscale.plugin import Between, Candidate, Numbers, Pool, metric, policy, scorer, selector, stage


@scorer
def brief(candidate: Candidate, weight: float = 1.0) -> float | None:
    return None if not candidate.text else -weight * len(candidate.text)


@scorer
def places(pool: Pool) -> list[float]:
    return [float(place) for place, _ in enumerate(pool)]


@selector
def at(pool: Pool, end: Literal["left", "right"] = "left", share: Annotated[float, Between(0, 1)] = 0.0) -> int:
    place = int(share * (len(pool) - 1))
    return place if end == "left" else len(pool) - 1 - place


@selector(needs={"scored"})
def highest(pool: Pool, by: Numbers) -> Candidate:
    return max(zip(pool, by), key=lambda pair: pair[1] or 0.0)[0]


@selector
def nothing(pool: Pool) -> None:
    return None


@policy
def enough(pool: Pool, least: int) -> bool:
    return len(pool) >= least


@policy
def two(pool: Pool) -> bool:
    return len(pool) >= 2


@stage(gives={"scored"})
def mark(pool: Pool, plus: int = 1) -> Pool:
    return Pool(tuple(replace(c, scores={"mark": len(c.text) + plus}) for c in pool), pool.type)


@stage(one=True)
async def last(pool: Pool) -> list[Candidate]:
    return list(pool)[-1:]


@metric
def close(pred: object, row: dict[str, object]) -> float:
    return 0.0 if pred is None else 1 / (1 + abs(float(pred) - float(str(row["answer"]))))


@scorer
def fails(candidate: Candidate) -> float:
    numbers = {}
    return numbers["no such key"]


@scorer
def wordy(candidate: Candidate) -> object:
    return "many"


@selector
def far(pool: Pool) -> int:
    return 99


@stage
def grows(pool: Pool) -> list[Candidate]:
    return [*pool, *pool]


def helper() -> None:
    pass
"""
HEAD = """tts 1
use python("./mine.py") { NAMES }

model small = script("Answer: 4", "so Answer: 44", "a long answer. Answer: 444")

prompt solve(question: Text) -> Number = "{{ question }}"

pipeline main(question: Text) -> Number {
  drafts = generate(solve(question), from: small, n: 3)
"""


def written(folder: Path, names: str, body: str, python: str = PYTHON) -> Path:
    """A program that uses these functions, with its Python file."""
    (folder / "mine.py").write_text(python, encoding="utf-8")
    file = folder / "main.tts"
    file.write_text(f"{HEAD.replace('NAMES', names)}  {body}\n}}\n", encoding="utf-8")
    return file


def checked(file: Path, *, home: Path | None = None, allow: bool = False) -> Checked:
    return compile_source(load_source(file), FileLoader(PythonFiles(home or file.parent, allow=allow)))


def shown(file: Path) -> str:
    """What is said about a program, as a user sees it."""
    found = checked(file)
    text = "\n".join(render(diagnostic, found.sources) for diagnostic in found.diagnostics)
    return text.replace(str(file.parent), "FOLDER") + "\n"


# --- the tutorial --------------------------------------------------------------------------------


def test_the_tutorials_code_works_as_it_stands(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## A kind of model from a package")[0]
    (python,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (program,) = re.findall(r"^```tts\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(python.splitlines()) < 40
    (tmp_path / "mine.py").write_text(python, encoding="utf-8")
    (tmp_path / "main.tts").write_text(program, encoding="utf-8")
    with load(tmp_path / "main.tts") as loaded:
        assert loaded.diagnostics == ()
        report = loaded.test()
        assert report.ok and report.count("passed") == 1
    with load(tmp_path / "main.tts", {"small": scripted("Answer: 7 b", "Answer: 7 b c", "Answer: 5")}) as loaded:
        assert loaded.run("2 + 2?", m=1).answer == 5
    for wrong, code in (("m: 0", "E0216"), ("n: 3", "E0211"), ("m: solve", "E0215")):
        (tmp_path / "main.tts").write_text(program.replace("m: m)", f"{wrong})"), encoding="utf-8")
        assert code in [d.code for d in checked(tmp_path / "main.tts").diagnostics], wrong


def scripted(*replies: str) -> ir.Model:
    return ir.Model("small", "script", "", (("replies", replies),))


# --- every kind ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "body", "answer"),
    [
        ("brief", "return drafts |> select(by: brief)", 4),
        ("brief", "return drafts |> select(by: brief(-1.0))", 444),
        ("brief", 'return drafts |> score(by: brief(weight: -1), as: long) |> select(by: score("long"))', 444),
        ("brief", "return drafts |> filter(top: 1, by: brief) |> vote()", 4),
        ("brief as short", "return drafts |> vote(weight: short(weight: -1))", 444),
        ("brief", "return drafts |> select(by: weighted_best_of_n(brief(weight: -1)))", 444),
        ("places", "return drafts |> select(by: places)", 444),
        ("at", "return drafts |> select(by: at)", 4),
        ("at", "return drafts |> select(by: at(end: right))", 444),
        ("at", "return drafts |> select(by: at(right, share: 0.5))", 44),
        ("mark, highest", "return drafts |> mark() |> select(by: highest)", 444),
        ("mark, highest, brief", "return drafts |> mark() |> select(by: highest(brief))", 4),
        ("nothing", "return drafts |> select(by: nothing)", None),
        ("mark", "return drafts |> mark(plus: 2) |> select(by: score)", 444),
        ("last", "return drafts |> last()", 444),
        ("enough, last", "return drafts |> last() when enough(drafts, least: 3) |> select(by: first)", 444),
        ("enough, last", "return drafts |> last() when enough(drafts, least: 4) |> select(by: first)", 4),
    ],
)
def test_a_function_does_its_part(tmp_path: Path, names: str, body: str, answer: object) -> None:
    with load(written(tmp_path, names, body)) as program:
        assert program.run("q").answer == answer


@pytest.mark.parametrize(("until", "calls"), [("two", 2), ("enough(least: 4)", 4), ("not enough(least: 1)", 8)])
def test_a_policy_says_when_to_stop(tmp_path: Path, until: str, calls: int) -> None:
    body = f"more = generate(solve(question), from: small, n: up to 8, start: 1, until: {until}, series: 1)\n"
    names = "two" if until == "two" else "enough"
    with load(written(tmp_path, names, f"{body}  return more |> vote()")) as program:
        assert program.run("q").cost.calls == calls


def test_a_parameter_may_choose_among_functions_and_rules(tmp_path: Path) -> None:
    body = "return drafts |> select(by: how)"
    file = written(tmp_path, "at, places", body)
    text = file.read_text(encoding="utf-8").replace(
        "  drafts", "  param how: Choice in {at, places, first} = first\n  drafts"
    )
    file.write_text(text, encoding="utf-8")
    with load(file) as program:
        assert [program.run("q", how=how).answer for how in ("at", "places", "first")] == [4, 444, 4]


def test_a_metric_measures(tmp_path: Path) -> None:
    file = written(tmp_path, "close", "return drafts |> vote()")
    program = checked(file)
    assert "L005" not in {d.code for d in program.diagnostics}  # a command may name it
    linked = program.linked
    metric = metric_ir(linked.main.names["close"], linked)
    assert evaluate_metric(metric, 3, {"answer": "4"}) == 0.5
    assert evaluate_metric(metric, None, {"answer": "4"}) == 0.0
    with pytest.raises(MetricError, match=r"`close` failed with KeyError: 'answer' \(mine.py:\d+: return"):
        evaluate_metric(metric, 3, {})


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "names", "body"),
    [
        ("unknown_function", "breef, helper", "return drafts |> select(by: breef)"),
        ("missing_argument", "enough, highest", "return drafts |> select(by: highest) |> vote() when enough(drafts)"),
        ("wrong_place", "at, mark, two, close", "return drafts |> score(by: at) |> vote(weight: mark) |> close()"),
        ("wrong_argument", "at", "return drafts |> select(by: at(end: middle, share: 2, size: 1))"),
        ("unread_facets", "highest, mark", "return drafts |> select(by: highest)"),
        ("policy_of_nothing", "two", "return drafts |> vote() when two"),
    ],
)
def test_what_is_said_about_a_mistake(tmp_path: Path, golden: object, name: str, names: str, body: str) -> None:
    golden(f"plugins/{name}.err", shown(written(tmp_path, names, body)))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("not_python", "def f(:\n"),
        ("fails_to_load", "x = 1\ny = x / 0\n"),
        ("missing_package", "import no_such_package_here\n"),
        ("open_parameter", "from ttscale.plugin import *\n\n@selector\ndef at(pool, **more):\n    return 0\n"),
        ("untyped", "from ttscale.plugin import *\n\n@selector\ndef at(pool, size):\n    return 0\n"),
        ("no_pool", "from ttscale.plugin import *\n\n@selector\ndef at():\n    return 0\n"),
        ("wrong_facet", "from ttscale.plugin import *\n\n@selector(needs={'scord'})\ndef at(pool):\n    return 0\n"),
    ],
)
def test_what_is_said_about_a_python_file(tmp_path: Path, golden: object, name: str, python: str) -> None:
    golden(f"plugins/{name}.err", shown(written(tmp_path, "at", "return drafts |> select(by: at)", python)))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("names", "body", "code", "said"),
    [
        ("fails", "select(by: fails)", "R0720", "KeyError: 'no such key'"),
        ("wordy", "select(by: wordy)", "R0721", "'many', not a number"),
        ("far", "select(by: far)", "R0721", "the place 99 in a pool of 3"),
        ("grows", "grows() |> vote()", "R0721", "6 candidates for 3"),
    ],
)
def test_a_failing_function_is_shown_at_its_name(tmp_path: Path, names: str, body: str, code: str, said: str) -> None:
    file = written(tmp_path, names, f"return drafts |> {body}")
    with load(file) as program, pytest.raises(RunError) as failure:
        program.run("q")
    found = failure.value.diagnostic
    assert found.code == code and said in found.message and found.primary is not None
    text = file.read_text(encoding="utf-8")
    assert names in text[found.primary.start : found.primary.end]
    line = PYTHON.splitlines().index('    return numbers["no such key"]') + 1
    assert found.label.startswith("mine.py:") and (code != "R0720" or found.label.startswith(f"mine.py:{line}: "))


# --- permission and identity ---------------------------------------------------------------------


def test_a_file_elsewhere_needs_permission(tmp_path: Path) -> None:
    home = tmp_path / "mine"
    home.mkdir()
    marker = tmp_path / "ran"
    python = f"{PYTHON}\nopen({str(marker)!r}, 'a').close()\n"
    (tmp_path / "mine.py").write_text(python, encoding="utf-8")
    file = written(home, "at", "return drafts |> select(by: at)")
    (home / "mine.py").unlink()
    file.write_text(file.read_text(encoding="utf-8").replace("./mine.py", "../mine.py"), encoding="utf-8")
    with pytest.raises(CompileError, match="E0405"):
        load(file)
    refused = run("run", str(file), "q")
    assert refused.code != 0 and "--allow-python" in refused.err
    for command in (["check"], ["test"], ["plan"], ["graph"], ["show"], ["lock"], ["lint"]):
        assert "E0405" in (ran := run(*command, str(file))).err + ran.out, command
    assert not marker.exists()
    link = home / "linked.py"
    link.symlink_to(tmp_path / "mine.py")
    file.write_text(file.read_text(encoding="utf-8").replace("../mine.py", "./linked.py"), encoding="utf-8")
    with pytest.raises(CompileError, match="E0405"):
        load(file)
    with load(file, allow_python=True) as program:
        assert program.run("q").answer == 4
    assert run("run", str(file), "q", "--allow-python").out.strip() == "4"
    assert marker.exists()


def test_a_changed_file_is_another_program(tmp_path: Path) -> None:
    file = written(tmp_path, "at", "return drafts |> select(by: at)")
    first = run("plan", str(file), "--json").json
    with load(file) as program:
        assert program.run("q").answer == 4
    (tmp_path / "mine.py").write_text(PYTHON.replace('] = "left"', '] = "right"'), encoding="utf-8")
    second = run("plan", str(file), "--json").json
    assert first["python"] != second["python"] and first["python"][0].endswith("#at")
    assert first["program"]["python"] != second["program"]["python"]
    with load(file) as program:
        assert program.run("q").answer == 444


def test_the_lock_holds_the_python_file(tmp_path: Path) -> None:
    file = written(tmp_path, "at", "return drafts |> select(by: at)")
    assert run("lock", str(file)).code == 0
    assert "mine.py" in json.loads((tmp_path / "tts.lock").read_text(encoding="utf-8"))["modules"]
    assert run("run", str(file), "q", "--locked").code == 0
    (tmp_path / "mine.py").write_text(PYTHON + "\n", encoding="utf-8")
    changed = run("run", str(file), "q", "--locked")
    assert changed.code != 0 and "mine.py has changed" in changed.err


def test_a_loader_without_python_runs_nothing_and_says_nothing(tmp_path: Path) -> None:
    file = written(tmp_path, "at, last, two", "return drafts |> last() when two(drafts) |> select(by: at)", "1 / 0\n")
    found = compile_source(load_source(file), FileLoader())
    assert [d.code for d in found.diagnostics] == []
    with pytest.raises(CompileError, match="E0259"):
        Program(found, None, tmp_path).plan()


# --- installed packages --------------------------------------------------------------------------


def test_an_installed_package_offers_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    info = site / "my_rules-1.2.dist-info"
    info.mkdir(parents=True)
    (site / "my_rules_pkg.py").write_text(PYTHON, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-rules\nVersion: 1.2\n", encoding="utf-8")
    entries = "[ttscale.stages]\nat = my_rules_pkg:at\nlast = my_rules_pkg:last\n"
    entries += "\n[ttscale.metrics]\nclose = my_rules_pkg:close\n"
    (info / "entry_points.txt").write_text(entries, encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    home = tmp_path / "home"
    home.mkdir()
    file = written(home, "at, last, close", "return drafts |> select(by: at(right))")
    file.write_text(file.read_text(encoding="utf-8").replace("./mine.py", "my-rules"), encoding="utf-8")
    with load(file) as program:
        assert program.run("q").answer == 444
    file.write_text(file.read_text(encoding="utf-8").replace("my-rules", "other-rules"), encoding="utf-8")
    assert "the package other-rules is not installed" in shown(file)
