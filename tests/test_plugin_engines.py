"""Kinds of models from packages: the engine of the documentation, installed for real, checked, run, and wrong ones."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runs import tts as run
from ttscale.compiler.diagnostics import CompileError, Diagnostic
from ttscale.compiler.driver import compile_source
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader, load_source
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.models import open_engine
from ttscale.runtime.program import load
from ttscale.runtime.python_files import PythonFiles
from ttscale.runtime.result import RunError

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## A kind of model from a package") :]
ENGINE, CONTRACT = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
ENTRY = re.findall(r"```toml\n(.*?)```", SECTION, re.DOTALL)[0]
PROGRAM = """tts 1
use python("lines-engine") { lines }

model small = lines("answers.txt")

prompt ask(question: Text) -> Number = "{{ question }}"

pipeline main(question: Text) -> Number {
  return generate(ask(question), from: small, n: 8) |> vote()
}
"""


BACKEND = """
import base64, hashlib, pathlib, zipfile

def build_wheel(target, settings=None, metadata=None):
    info = "lines_engine-1.2.dist-info"
    files = {
        "lines.py": pathlib.Path("lines.py").read_text(),
        info + "/METADATA": "Metadata-Version: 2.1\\nName: lines-engine\\nVersion: 1.2\\n",
        info + "/WHEEL": "Wheel-Version: 1.0\\nGenerator: a-test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        info + "/entry_points.txt": pathlib.Path("entry_points.txt").read_text(),
    }
    def line(name):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name].encode()).digest()).decode().rstrip("=")
        return f"{name},sha256={digest},{len(files[name].encode())}\\n"
    files[info + "/RECORD"] = "".join(map(line, files)) + info + "/RECORD,,\\n"
    with zipfile.ZipFile(pathlib.Path(target) / "lines_engine-1.2-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return "lines_engine-1.2-py3-none-any.whl"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the package of the documentation, with nothing from the network."""
    tree = tmp_path_factory.mktemp("package")
    (tree / "lines.py").write_text(ENGINE, encoding="utf-8")
    (tree / "entry_points.txt").write_text(re.sub(r'project\.entry-points\."(.*?)"', r"\1", ENTRY).replace('"', ""))
    (tree / "backend.py").write_text(BACKEND, encoding="utf-8")
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (tree / "pyproject.toml").write_text(system, encoding="utf-8")
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    done = subprocess.run([*command, str(tree)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return site


@pytest.fixture
def site(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The installed package on the path of this process."""
    monkeypatch.syspath_prepend(str(installed))
    importlib.invalidate_caches()
    yield installed
    sys.modules.pop("lines", None)


def written(folder: Path, old: str = "", new: str = "", rows: str = "so it is 4\nAnswer: 4\nAnswer: 5\n") -> Path:
    """The program, changed in one place, beside its answers."""
    (folder / "answers.txt").write_text(rows, encoding="utf-8")
    file = folder / "main.tts"
    assert old in PROGRAM
    file.write_text(PROGRAM.replace(old, new), encoding="utf-8")
    return file


def found(file: Path) -> list[Diagnostic]:
    """What is said about a program."""
    loader = FileLoader(PythonFiles(file.parent))
    return [d for d in compile_source(load_source(file), loader).diagnostics if d.severity == "error"]


def test_a_program_runs_on_the_engine_of_an_installed_package(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path)
    monkeypatch.chdir(site)  # the path of the answers is relative to the program, not to where one stands
    with load(file) as program:
        result = program.run("2 + 2?")
        assert result.answer == 4 and result.cost.calls == 8
        (model,) = program.graph().models.values()
        assert (model.kind, model.locator, model.options) == ("lines", "answers.txt", ())
        assert program.run("2 + 2?").answer == 4, "the engine stays open"


def test_the_command_line_knows_it_too(site: Path, tmp_path: Path) -> None:
    file = written(tmp_path, '"answers.txt"', '"answers.txt", skip: 2')
    done = run("run", str(file), "2 + 2?", "--json")
    assert done.code == 0, done.err
    assert done.json["answer"] == 5
    plan = run("plan", str(file), "--json")
    assert plan.json["models"] == {"small": {"kind": "lines", "locator": "answers.txt"}}
    locked = run("lock", str(file))
    assert locked.code == 0 and "lines-engine" in (tmp_path / "tts.lock").read_text(encoding="utf-8")


def test_its_contract_passes_as_the_page_says(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_lines.py").write_text(CONTRACT, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(site))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b1[0-9] passed, 4 skipped", done.stdout), done.stdout


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ('"answers.txt"', "", "E0242", "`lines` needs a text file, one text"),
        ('"answers.txt"', '"a", "b"', "E0242", "one text"),
        ('"answers.txt"', '"a", skip: -1', "E0243", "`skip` must be at least 0, and this is -1"),
        ('"answers.txt"', '"a", skip: 1.5', "E0243", "`skip` needs a whole number"),
        ('"answers.txt"', '"a", skp: 1', "E0243", "`lines` has no argument `skp`"),
        ('"answers.txt"', '"a", skip: 1, skip: 2', "E0243", "`skip` is given twice"),
        ('"answers.txt"', '"a", temperature: "hot"', "E0243", "`temperature` needs a number"),
        ("{ lines }", "{ line }", "E0402", "lines-engine has no `line`"),
        ("{ lines }", "{ lines as gguf }", "E0203", "`gguf` is already a kind of model"),
        ("|> vote()", "|> lines()", "E0209", "`lines` is a kind of model"),
        ("|> vote()", "|> select(by: lines)", "E0223", ""),
    ],
)
def test_mistakes_are_found_before_anything_is_opened(
    site: Path, tmp_path: Path, old: str, new: str, code: str, said: str
) -> None:
    matching = [d for d in found(written(tmp_path, old, new)) if d.code == code]
    assert matching and said in matching[0].message, found(written(tmp_path, old, new))
    assert matching[0].hint


def test_an_import_under_another_name_and_sampling_settings(site: Path, tmp_path: Path) -> None:
    file = written(tmp_path, "{ lines }", "{ lines as book }")
    text = file.read_text(encoding="utf-8").replace('lines("answers.txt")', 'book("answers.txt", temperature: 0)')
    file.write_text(text, encoding="utf-8")
    with load(file) as program:
        assert program.run("2 + 2?", params={}).answer == 4


def test_a_rule_is_no_kind_of_model(tmp_path: Path) -> None:
    rule = "from ttscale.plugin import Pool, selector\n\n@selector\ndef first_of(pool: Pool) -> int:\n    return 0\n"
    (tmp_path / "mine.py").write_text(rule, encoding="utf-8")
    text = PROGRAM.replace('python("lines-engine") { lines }', 'python("./mine.py") { first_of }')
    (tmp_path / "main.tts").write_text(text.replace("lines(", "first_of("), encoding="utf-8")
    (mistake,) = found(tmp_path / "main.tts")
    assert mistake.code == "E0241" and "a rule for `select(by: …)`, not a kind of model" in mistake.message


def test_an_editor_that_runs_no_python_says_nothing_about_the_kind(tmp_path: Path) -> None:
    checked = compile_source(SourceFile(str(tmp_path / "main.tts"), PROGRAM), FileLoader())
    assert list(checked.diagnostics) == []


FAULTY = """
from ttscale.plugin import EngineError, engine


@engine
def nothing() -> None:
    return None


@engine
def broken(where: str = "here") -> None:
    return {}[where]


@engine
def full(where: str = "here") -> None:
    raise EngineError("the device is full", hint="close the others")
"""


@pytest.mark.parametrize(
    ("call", "said", "hint"),
    [
        ("nothing()", "`nothing` gave nothing, which is no engine: it has no `digest`", "ttscale.plugin.Engine"),
        ("broken()", "model `small` could not be opened: `broken` failed with KeyError: 'here' (mine.py:", "package"),
        ("full()", "the device is full", "close the others"),
    ],
)
def test_functions_that_give_no_engine(tmp_path: Path, call: str, said: str, hint: str) -> None:
    (tmp_path / "mine.py").write_text(FAULTY, encoding="utf-8")
    text = PROGRAM.replace('python("lines-engine") { lines }', f'python("./mine.py") {{ {call[:-2]} }}')
    (tmp_path / "main.tts").write_text(text.replace('lines("answers.txt")', call), encoding="utf-8")
    with load(tmp_path / "main.tts") as program:
        (model,) = program.graph().models.values()
        with pytest.raises(EngineError) as caught:
            open_engine(model, tmp_path)
        assert said in str(caught.value) and hint in caught.value.hint
        with pytest.raises(RunError) as failed:
            program.run("?")
        assert said in str(failed.value)


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        ("path: str, temperature: float = 1.0", "has a parameter `temperature`, which a kind of model cannot have"),
        ("path: str, threads: bytes = b''", "has a parameter `threads` with the type"),
        ("path: str, **more: int", "takes `more`, which may be anything"),
    ],
)
def test_signatures_that_no_program_can_use(tmp_path: Path, signature: str, said: str) -> None:
    python = f"from ttscale.plugin import engine\n\n@engine\ndef mine({signature}):\n    pass\n"
    (tmp_path / "mine.py").write_text(python, encoding="utf-8")
    text = PROGRAM.replace('python("lines-engine") { lines }', 'python("./mine.py") { mine }')
    (tmp_path / "main.tts").write_text(text.replace("lines(", "mine("), encoding="utf-8")
    with pytest.raises(CompileError) as caught:
        load(tmp_path / "main.tts")
    assert caught.value.diagnostics[0].code == "E0407" and said in caught.value.diagnostics[0].message
