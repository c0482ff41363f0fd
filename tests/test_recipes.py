"""Installed recipes: found by entry points, in the version that is asked for, with what they import beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import tts
from ttscale.compiler.driver import Checked, compile_source
from ttscale.compiler.python_names import LoadFault
from ttscale.compiler.render import render
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader
from ttscale.library.recipes import find, installed
from ttscale.library.versions import fits
from ttscale.runtime.program import load
from ttscale.runtime.python_files import PythonFiles

INNER = """tts 1
use ./prompts { ask }

model m = script("Answer: VERSION")

pipeline main(question: Text) -> Number {
  return generate(ask(question), from: m)
}
"""
PROMPTS = 'tts 1\n\nprompt ask(question: Text) -> Number = "{{ question }}"\n'
PROGRAM = """tts 1
use USE { main as inner }

pipeline main(question: Text) -> Number {
  return inner(question)
}
"""


def build(site: Path, name: str, version: str, files: dict[str, str], recipe: str = "some-recipe") -> None:
    """A small distribution in a folder, as an installer leaves it."""
    package = f"{name}_{version.replace('.', '_')}"
    for path, text in {**files, "__init__.py": "raise RuntimeError('no code of a recipe runs')\n"}.items():
        file = site / package / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[ttscale.recipes]\n{recipe} = {package}\n", encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two installed distributions with versions 1.4.2 and 2.1 of one recipe."""
    for number, version in enumerate(("1.4.2", "2.1")):
        folder = tmp_path / f"site{number}"
        inner = INNER.replace("VERSION", version.replace(".", "")[:2])
        build(
            folder, f"recipes_{number}", version, {"name.tts": inner, "prompts.tts": PROMPTS, "deep/far.tts": PROMPTS}
        )
        monkeypatch.syspath_prepend(str(folder))
    return tmp_path


def program(folder: Path, use: str) -> Path:
    file = folder / "main.tts"
    file.write_text(PROGRAM.replace("USE", use), encoding="utf-8")
    return file


def compiled(use: str) -> Checked:
    return compile_source(SourceFile("main.tts", PROGRAM.replace("USE", use)), FileLoader())


@pytest.mark.parametrize(
    ("wanted", "yes", "no"),
    [
        ("", ("0.1", "3"), ()),
        ("*", ("0.1", "3"), ()),
        ("1", ("1", "1.0", "1.9.9"), ("2", "0.9", "10.1")),
        ("1.4", ("1.4", "1.4.0", "1.4.9"), ("1.5", "1.40", "2.4")),
        ("1.4.*", ("1.4.7",), ("1.5",)),
        ("1.4.2", ("1.4.2", "1.4.2rc1"), ("1.4.3", "1.4")),
        ("~1.4", ("1.4", "1.9"), ("1.3.9", "2")),
        ("~1.4.2", ("1.4.2", "1.4.9"), ("1.4.1", "1.5")),
        ("~1", ("1", "1.9"), ("2",)),
        ("^1.4", ("1.4", "1.9"), ("1.3", "2.0")),
        (">=1.2 <2", ("1.2", "1.2.0", "1.99"), ("1.1", "2", "2.0.0")),
        (">1.2 <=2", ("1.2.1", "2"), ("1.2", "2.0.1")),
    ],
)
def test_ranges_of_versions(wanted: str, yes: tuple[str, ...], no: tuple[str, ...]) -> None:
    assert all(fits(version, wanted) for version in yes) and not any(fits(version, wanted) for version in no)


@pytest.mark.parametrize("wanted", ["x", "~", "~a.b", ">=", ">=1.2 two", "1.x"])
def test_what_is_no_range(wanted: str) -> None:
    with pytest.raises(LoadFault, match="is no range of versions"):
        fits("1.0", wanted)


def test_the_newest_that_fits_is_taken(site: Path) -> None:
    ours = [(recipe.name, recipe.version) for recipe in installed() if recipe.name == "some-recipe"]
    assert ours == [("some-recipe", "2.1"), ("some-recipe", "1.4.2")]
    for wanted, version in (("", "2.1"), ("1", "1.4.2"), ("~1.2", "1.4.2"), (">=1.2 <3", "2.1"), (">=1.2 <2", "1.4.2")):
        assert find("some-recipe/name", wanted)[0].version == version, wanted


@pytest.mark.parametrize(
    ("use", "answer", "module"),
    [
        ("some-recipe/name@~1.4", 14, "some-recipe/name@1.4.2"),
        ("some-recipe/name@>=2  <3", 21, "some-recipe/name@2.1"),
        ("some-recipe/name", 21, "some-recipe/name@2.1"),
    ],
)
def test_a_recipe_runs(site: Path, use: str, answer: int, module: str) -> None:
    file = program(site, use)
    with load(file) as loaded:
        assert loaded.run("q").answer == answer
    checked = compiled(use)
    assert checked.ok and module in checked.sources
    assert module.replace("name", "prompts") in checked.sources
    assert tts("fmt", "--check", file).code in (0, 1)


def test_the_lock_pins_recipes(site: Path) -> None:
    file = program(site, "some-recipe/name@1")
    assert tts("lock", file).code == 0
    modules = json.loads((site / "tts.lock").read_text(encoding="utf-8"))["modules"]
    assert set(modules) == {"some-recipe/name@1.4.2", "some-recipe/prompts@1.4.2"}
    assert tts("run", file, "q", "--locked").out.strip() == "14"
    program(site, "some-recipe/name@2")
    assert tts("run", file, "q", "--locked").code != 0


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("no_version_fits", "some-recipe/name@~1.5"),
        ("no_range", "some-recipe/name@1.x"),
        ("no_such_recipe", "some-recipes/name@1"),
        ("no_such_module", "some-recipe/nam@1"),
        ("a_whole_recipe", "some-recipe@1"),
    ],
)
def test_what_is_said(site: Path, golden: object, name: str, use: str) -> None:
    checked = compiled(use)
    text = "\n".join(render(diagnostic, checked.sources) for diagnostic in checked.diagnostics)
    golden(f"recipes/{name}.err", text + "\n")  # type: ignore[operator]


def test_a_recipe_reaches_nothing_outside_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = INNER.replace("./prompts", "../other_1_0/prompts")
    python = 'use python("./mine.py") { at }\n' + INNER.replace("tts 1\n", "").replace("n: 1", "n: 2")
    python = "tts 1\n" + python.replace("from: m)", "from: m, n: 2) |> select(by: at)")
    mine = "from ttscale.plugin import *\n\n@selector\ndef at(pool):\n    return 0\n"
    files = {"name.tts": outside, "python.tts": python, "prompts.tts": PROMPTS, "mine.py": mine}
    build(tmp_path, "other", "1.0", files, "other-recipe")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [d.code for d in compiled("other-recipe/name").diagnostics if d.severity == "error"] == ["E0401"]
    file = program(tmp_path, "other-recipe/python")
    found = compile_source(SourceFile(str(file), file.read_text(encoding="utf-8")), FileLoader(PythonFiles(tmp_path)))
    assert [d.code for d in found.diagnostics if d.severity == "error"] == ["E0405"]
    with load(file, allow_python=True) as loaded:
        assert loaded.run("q").answer == 1 or loaded.run("q").answer is None


DATA = """tts 1
model m = script("Answer: 1", "Answer: 2")

## Questions that ship with the recipe.
dataset sums = jsonl("rows/sums.jsonl", question: q, answer: a)
dataset far = jsonl("../../outside.jsonl", question: q)

prompt ask(question: Text) -> Number = "{{ question }}"

pipeline main(question: Text) -> Number {
  return generate(ask(question), from: m, examples: sums[2:], shots: 1)
}
"""
ROWS = '{"q": "1 + 0?", "a": 1}\n{"q": "1 + 1?", "a": 2}\n{"q": "1 + 2?", "a": 3}\n'


def with_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe with rows in a folder of its own, and a program that uses them from another place."""
    build(tmp_path / "site", "datarecipe", "0.3", {"deep/sums.tts": DATA, "deep/rows/sums.jsonl": ROWS}, "data-recipe")
    (tmp_path / "site" / "outside.jsonl").write_text(ROWS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    file = tmp_path / "mine" / "main.tts"
    file.parent.mkdir()
    text = "tts 1\nuse data-recipe/deep/sums@0.3 { sums, main as inner }\nuse data-recipe/deep/sums as data\n\n"
    text += "pipeline main(question: Text) -> Number {\n  return inner(question)\n}\n"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("rows", ["sums[0:2]", "data.sums[0:2]"])
def test_a_recipes_datasets_are_read_beside_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: str
) -> None:
    file = with_data(tmp_path, monkeypatch)
    done = tts("run", file, "--on", rows, "--output", tmp_path / "out.jsonl")
    assert done.code == 0, done.err
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(records) == 2 and "accuracy 50.0% (1 of 2" in done.out


def test_a_recipes_examples_are_read_beside_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with load(with_data(tmp_path, monkeypatch)) as loaded:
        assert loaded.run("3 + 0?").answer in (1, 2)


def test_a_recipes_dataset_reads_no_file_outside_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = tts("run", with_data(tmp_path, monkeypatch), "--on", "data.far")
    assert done.code == 1 and "may read files of its own folder only" in done.err


def test_an_unknown_dataset_is_told_with_those_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = tts("run", with_data(tmp_path, monkeypatch), "--on", "data.sum")
    assert done.code in (1, 2) and "did you mean `data.sums`?" in done.err


def test_recipes_are_listed_with_what_they_offer(site: Path) -> None:
    listed = tts("recipe", "list")
    assert listed.code == 0 and "some-recipe 2.1" in listed.out and "some-recipe 1.4.2" in listed.out
    shown = tts("recipe", "show", "some-recipe")
    assert "use some-recipe/name@~1.4 { main }" in shown.out and "pipeline main(question: Text) -> Number" in shown.out
    (newest, _) = tts("recipe", "show", "some-recipe", "--json").json
    assert newest["version"] == "2.1" and [one["use"] for one in newest["files"]] == ["some-recipe/name@~2.1"]
    use = newest["files"][0]["use"]
    assert compiled(use).ok, "the line can be pasted"
    unknown = tts("recipe", "show", "som-recipe")
    assert unknown.code == 1 and "did you mean `some-recipe`?" in unknown.err


def test_a_recipe_with_a_mistake_is_listed_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path, "brokenrecipe", "1.0", {"name.tts": "tts 1\npipelin main\n", "data.tts": "\0"}, "broken-recipe")
    monkeypatch.syspath_prepend(str(tmp_path))
    files = tts("recipe", "show", "broken-recipe", "--json").json[0]["files"]
    assert [bool(one["error"]) for one in files] == [True, True]
    assert "it has an error" in tts("recipe", "show", "broken-recipe").out
