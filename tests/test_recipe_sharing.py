"""Recipes are packed, shared and installed without running anything of them, and what was changed is refused."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import ttscale
from cli_runs import tts
from recipe_folders import MANIFEST, NEEDY, PROGRAM, ROWS, entries_of, recipe, zipped
from ttscale.library.manifest import ManifestError, manifest_of, manifest_text, read_manifest
from ttscale.library.packing import PackError, files_of, specifier, wheel
from ttscale.library.unpacking import from_wheel

pytestmark = pytest.mark.usefixtures("own_home")

# --- manifests -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('name = "My Vote"', "small letters"),
        ('sumary = "x"', "did you mean `summary`"),
        ('version = "one"', "write it as 1.0.0"),
        ('needs = ["internet"]', "none of python, code, network"),
        ('homepage = "http://x"', "https://"),
        ("name = ", "is not TOML"),
        ('summary = " "', "say in one line"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said(line: str, said: str) -> None:
    key = line.partition(" ")[0]
    kept = "".join(f"{own}\n" for own in MANIFEST.splitlines() if not own.startswith(f"{key} "))
    with pytest.raises(ManifestError, match=said):
        manifest_of(f"{kept}{line}\n".encode(), "recipe.toml")


def test_a_manifest_is_written_as_it_is_read() -> None:
    text = MANIFEST + 'needs = ["network", "env:KEY"]\nsource = "A \\"quoted\\" paper"\n[recipes]\nother = "~1.4"\n'
    read_one = manifest_of(text.encode(), "recipe.toml")
    assert manifest_of(manifest_text(read_one).encode(), "x") == read_one


@pytest.mark.parametrize(
    ("wanted", "pip"),
    [
        ("", ""),
        ("1", "==1.*"),
        ("1.4", "==1.4.*"),
        ("1.4.2", "==1.4.2"),
        ("~1.4", ">=1.4,<2"),
        ("^1.4", ">=1.4,<2"),
        ("~1.4.2", ">=1.4.2,<1.5"),
        (">=1.2 <2", ">=1.2,<2"),
    ],
)
def test_ranges_as_pip_has_them(wanted: str, pip: str) -> None:
    assert specifier(wanted) == pip


# --- packing and installing ----------------------------------------------------------------------------


def test_equal_folders_make_equal_wheels(tmp_path: Path) -> None:
    first = wheel(files_of(recipe(tmp_path / "one")), tmp_path / "a").read_bytes()
    other = recipe(tmp_path / "two")
    (other / "__pycache__").mkdir()
    (other / "__pycache__" / "x.pyc").write_bytes(b"x")
    (other / ".git").mkdir()
    assert wheel(files_of(other), tmp_path / "b").read_bytes() == first


def test_pip_installs_a_wheel_from_a_folder_and_a_changed_byte_is_refused(tmp_path: Path) -> None:
    packed = tts("recipe", "pack", recipe(tmp_path / "own"), "--out", tmp_path / "wheels")
    assert packed.code == 0, packed.err
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--find-links"]
    command += [str(tmp_path / "wheels"), "--target", str(site), "ttscale-recipe-my-vote"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ttscale", *arguments], capture_output=True, text=True, env=environment, cwd=tmp_path
        )

    answered = run("run", "my_vote", "2 + 2?")
    assert answered.stdout.strip() == "4", answered.stderr
    rows = site / "ttscale_recipe_my_vote" / "rows.jsonl"
    rows.write_text(ROWS.replace("0 + 1", "0 + 2"), encoding="utf-8")
    refused = run("run", "my-vote", "2 + 2?")
    assert refused.returncode == 1 and "E0413" in refused.stderr and "rows.jsonl" in refused.stderr


def test_a_changed_wheel_is_refused(tmp_path: Path) -> None:
    path = wheel(files_of(recipe(tmp_path / "own")), tmp_path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    program = next(name for name in entries if name.endswith("recipe.tts"))
    changed = zipped(
        tmp_path / "changed.whl", {**entries, program: entries[program].replace(b"Answer: 4", b"Answer: 5")}
    )
    refused = tts("recipe", "add", changed)
    assert refused.code == 1 and "was changed after it was packed" in refused.err
    extra = zipped(tmp_path / "extra.whl", {**entries, program.replace("recipe.tts", "more.tts"): b"tts 1\n"})
    assert "is not in its RECORD" in tts("recipe", "add", extra).err
    with pytest.raises(PackError, match="is missing"):
        from_wheel(zipped(tmp_path / "less.whl", {k: v for k, v in entries.items() if not k.endswith("README.md")}))


def test_what_is_added_runs_by_name_until_it_is_changed(tmp_path: Path, own_home: Path) -> None:
    folder = recipe(tmp_path / "own")
    assert tts("recipe", "add", folder).code == 0
    shutil.rmtree(folder)
    assert tts("run", "my-vote", "?").out.strip() == "4"
    assert tts("run", "voting", "?").out.strip() == "4"
    assert "my-vote 1.0.0" in tts("recipe", "list").out
    program = tmp_path / "main.tts"
    program.write_text(
        "tts 1\nuse my-vote@~1.0 { main as inner }\n\n"
        "pipeline main(question: Text) -> Number {\n  return inner(question)\n}\n",
        encoding="utf-8",
    )
    assert tts("run", program, "?").out.strip() == "4"
    inside = own_home / "my-vote" / "1.0.0"
    (inside / "more.tts").write_text("tts 1\n", encoding="utf-8")
    assert "more.tts of the recipe `my-vote 1.0.0` is new" in tts("run", program, "?").err
    (inside / "more.tts").unlink()
    (inside / "README.md").unlink()
    assert "is missing" in tts("run", "my-vote", "?").err
    assert tts("recipe", "remove", "my-vote").code == 0
    assert tts("run", "my-vote", "?").code == 1
    assert not (own_home / "my-vote").exists()


@pytest.mark.parametrize("kind", ["folder", "zip", "wheel", "file", "git"])
def test_recipes_come_in_many_ways(kind: str, tmp_path: Path) -> None:
    folder = recipe(tmp_path / "own")
    source: Path | str = folder
    if kind == "zip":
        source = zipped(tmp_path / "r.zip", entries_of(folder))
    elif kind == "wheel":
        source = wheel(files_of(folder), tmp_path)
    elif kind == "file":
        source = folder.parent / "My_Vote.tts"
        shutil.copy(folder / "recipe.tts", source)
        Path(tmp_path / "rows.jsonl").write_text(ROWS, encoding="utf-8")
    elif kind == "git":
        if shutil.which("git") is None:
            pytest.skip("git is not installed")
        repository = tmp_path / "repository"
        recipe(repository / "recipes" / "my-vote")
        for command in (
            ["init", "-q"],
            ["add", "-A"],
            ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
        ):
            subprocess.run(["git", "-C", str(repository), *command], check=True)
        source = f"{repository.as_uri()}#recipes/my-vote"
    added = tts("recipe", "add", source, "--json")
    assert added.code == 0, added.err
    assert added.json["name"] == "my-vote" and added.json["was_there"] is False
    assert tts("run", "my-vote", "?").out.strip() == "4"
    assert tts("recipe", "add", source, "--json").json["was_there"] is True


def test_versions_live_side_by_side_and_updates_add_new_ones(tmp_path: Path) -> None:
    folder = recipe(tmp_path / "own")
    assert tts("recipe", "add", folder).code == 0
    assert "is the newest" in tts("recipe", "update").out
    recipe(folder, PROGRAM.replace("Answer: 4", "Answer: 5"))
    clash = tts("recipe", "add", folder)
    assert clash.code == 1 and "is there already, with other files" in clash.err
    assert "is not updated" in tts("recipe", "update", "my-vote").err
    recipe(folder, PROGRAM.replace("Answer: 4", "Answer: 5"), MANIFEST.replace("1.0.0", "1.1.0"))
    assert "my-vote 1.0.0 -> 1.1.0" in tts("recipe", "update").out
    assert tts("run", "my-vote", "?").out.strip() == "5"
    assert tts("run", "my-vote@1.0", "?").out.strip() == "4"
    assert tts("recipe", "remove", "my-vote@1.1.0").code == 0
    assert tts("run", "my-vote", "?").out.strip() == "4"


def test_names_of_the_library_are_nobody_elses(tmp_path: Path) -> None:
    folder = recipe(tmp_path / "x", manifest=MANIFEST.replace("my-vote", "self-consistency"))
    assert "a recipe of the library" in tts("recipe", "add", folder).err
    assert "a recipe of the library" in tts("recipe", "pack", folder).err


def test_what_a_recipe_imports_is_told_where_it_is_missing(tmp_path: Path) -> None:
    folder = recipe(tmp_path / "own", manifest=MANIFEST + '[recipes]\nother-recipe = "~1.4"\n')
    assert "imports the recipe other-recipe ~1.4, which is not installed" in tts("recipe", "add", folder).out


# --- running by name, checks and evidence --------------------------------------------------------------


def test_a_recipe_of_the_library_runs_by_any_of_its_names() -> None:
    model = 'script("Answer: 4", "Answer: 4", "Answer: 5")'
    for name in ("self-consistency", "self_consistency", "majority", "self-consistency@1"):
        done = tts("run", name, "2 + 2?", "--model", model, "--param", "n=4", "--no-bank")
        assert done.out.strip() == "4", done.err
        assert "unmeasured on this model" in done.err
    unknown = tts("run", "self-consistancy", "?")
    assert unknown.code == 1 and "did you mean `self-consistency`?" in unknown.err


def test_a_file_comes_before_a_recipe_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "self-consistency").write_text(PROGRAM, encoding="utf-8")
    assert tts("run", "self-consistency", "?").out.strip() == "4"


def test_check_says_what_a_recipe_lacks(tmp_path: Path) -> None:
    whole = tts("recipe", "check", recipe(tmp_path / "whole"), "--json")
    assert whole.code == 0 and whole.json["ok"]
    states = {one["what"]: one["state"] for one in whole.json["checks"]}
    assert states == {
        "manifest": "ok", "files": "ok", "page": "ok", "program": "ok", "needs": "ok", "tests": "ok", "evidence": "note"
    }  # fmt: skip
    untested = recipe(tmp_path / "untested", PROGRAM[: PROGRAM.index("test ")])
    assert tts("recipe", "check", untested).code == 4
    wrong = recipe(tmp_path / "wrong", PROGRAM.replace("== 2", "== 1"))
    failed = tts("recipe", "check", wrong)
    assert failed.code == 4 and "FAILED  tests" in failed.out
    assert "FAILED  manifest" in tts("recipe", "check", recipe(tmp_path / "m", manifest='name = "m"\n')).out
    assert tts("recipe", "check", recipe(tmp_path / "p", "tts 1\npipelin")).code == 1


def test_evidence_is_measured_checked_and_refused_where_it_does_not_hold(tmp_path: Path) -> None:
    folder = recipe(tmp_path / "own")
    measured = tts("recipe", "measure", folder, "--no-bank", "--json")
    assert measured.code == 0, measured.err
    evidence = measured.json["evidence"]
    assert evidence["grades"] == "01" * 6 and evidence["grades-against"] == "10" * 6
    assert evidence["pipeline"] == "main" and evidence["against"].startswith("greedy")
    held = tts("recipe", "check", folder, "--rows", "12")
    assert held.code == 0 and "holds: 6 of 12 right now, 6 then" in held.out, held.out
    assert tts("check", folder).code == 0 and "W0566" not in tts("check", folder).out
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert "## Cost\n\n## Evidence\n\n- main 6 of 12 right, greedy 6 (+0 points, no difference shown)" in page
    assert page.endswith(".\n\n## Source\n")
    text = (folder / "recipe.tts").read_text(encoding="utf-8")
    (folder / "recipe.tts").write_text(text.replace("01" * 6, "1" * 12, 1), encoding="utf-8")
    broken = tts("recipe", "check", folder, "--rows", "12")
    assert broken.code == 4 and "does not hold: 6 of 12 right now, 12 then" in broken.out, broken.out
    (folder / "recipe.tts").write_text(text, encoding="utf-8")
    (folder / "rows.jsonl").write_text(ROWS.replace("0 + 1", "0 + 7"), encoding="utf-8")
    assert "not those that the evidence was measured on" in tts("recipe", "check", folder).out
    (folder / "recipe.tts").write_text(text.replace("= 3\n", "= 1\n"), encoding="utf-8")
    assert "another version of the program" in tts("recipe", "check", folder).out
    again = tts("recipe", "measure", folder, "--no-bank", "--limit", "4")
    assert again.code == 0
    assert (folder / "recipe.tts").read_text(encoding="utf-8").count("# evidence {") == 1
    assert (folder / "README.md").read_text(encoding="utf-8").count("## Evidence") == 1


def test_other_weights_get_evidence_of_their_own(tmp_path: Path) -> None:
    folder = recipe(tmp_path / "own")
    assert tts("recipe", "measure", folder, "--no-bank").code == 0
    other = 'openai("http://127.0.0.1:9/v1", name: "far")'
    shown = tts("recipe", "show", folder, "--model", other)
    assert "unmeasured on this model" in shown.out and "on other weights: main 6 of 12 right" in shown.out
    assert tts("recipe", "show", folder, "--json").json[0]["measured_on_this_model"] is True


def test_many_recipes_are_measured_with_one_bank_and_a_fault_of_one_stops_no_other(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    recipe(shelf / "first")
    recipe(shelf / "second", PROGRAM.replace("= 3\n", "= 1\n"))
    recipe(shelf / "unmeasurable", PROGRAM.replace("eval main, greedy on rows\n", ""))
    two = PROGRAM.replace("prompt ask", 'model judge = script("yes")\n\nprompt ask')
    recipe(shelf / "two", two)
    model = 'script("Answer: 4")'
    done = tts("recipe", "measure", shelf, "--no-bank", "--model", model, "--model", "judge=other.gguf", "--json")
    assert done.code == 1 and done.json["failed"] == 1
    told = {Path(one["file"]).parent.name: one for one in done.json["recipes"]}
    assert list(told) == ["first", "second", "two", "unmeasurable"]
    assert "has no `eval`" in told["unmeasurable"]["error"]["message"]
    assert told["first"]["evidence"]["grades"] == told["two"]["evidence"]["grades"] == "01" * 6
    assert told["first"]["evidence"]["model-solver"] == "script"
    for name in ("first", "second", "two"):
        assert (shelf / name / "recipe.tts").read_text(encoding="utf-8").startswith("# evidence {")
    again = tts("recipe", "measure", shelf / "first", shelf / "two", "--missing", "--no-bank", "--model", model)
    assert again.code == 0 and again.out.count("measured before") == 2, again.err
    unknown = tts("recipe", "measure", shelf, "--no-bank", "--model", "solvr=x.gguf")
    assert unknown.code == 1 and "no recipe of these has a model `solvr`" in unknown.err


def test_runs_that_fail_count_as_wrong_and_are_told(tmp_path: Path) -> None:
    shown = PROGRAM.replace("n: n)", "n: n, examples: others, shots: 1)").replace(
        "dataset rows", 'dataset others = jsonl("others.jsonl", question: question, answer: answer)\n\ndataset rows'
    )
    few = recipe(tmp_path / "few", shown, **{"others.jsonl": ROWS.splitlines()[0] + "\n"})
    done = tts("recipe", "measure", few, "--no-bank", "--json")
    assert done.code == 0, done.err
    evidence = done.json["evidence"]
    assert evidence["failed"] == "1 of the runs, counted as wrong" and evidence["grades"].startswith("0")
    assert len(evidence["grades"]) == 12 and "R0712" in done.json["failed"][0]
    told = tts("recipe", "measure", few, "--no-bank", "--limit", "2")
    assert told.code == 0 and "1 run failed and counted as wrong, such as main on" in told.err
    none = tts("recipe", "measure", few, "--no-bank", "--limit", "1")
    assert none.code == 1 and "all 1 runs of main failed: R0712" in none.err
    empty = recipe(tmp_path / "empty", PROGRAM.replace("on rows\n", "on rows[50:60]\n"))
    assert "there are no rows to measure on" in tts("recipe", "measure", empty, "--no-bank").err


def test_new_makes_a_recipe_that_passes_its_checks(tmp_path: Path) -> None:
    for name, begin in (("plain", ()), ("copy", ("--from", "self-consistency")), ("judge", ("--from", "judge"))):
        made = tts("recipe", "new", f"my_{name}", *begin)
        assert made.code == 0, made.err
        assert read_manifest(tmp_path / f"my-{name}").name == f"my-{name}"
        done = tts("recipe", "check", tmp_path / f"my-{name}", "--rows", "0")
        assert done.code == 0, done.out
    page = (tmp_path / "my-copy" / "README.md").read_text(encoding="utf-8")
    assert page.startswith("# my-copy\n") and "    ttscale run my-copy " in page and "run self-consistency" not in page
    own = recipe(tmp_path / "own")
    assert tts("recipe", "measure", own, "--no-bank").code == 0
    assert tts("recipe", "new", "heir", "--from", own).code == 0
    for file in ("recipe.tts", "README.md"):
        assert "vidence" not in (tmp_path / "heir" / file).read_text(encoding="utf-8"), "it is about another program"
    assert tts("recipe", "new", "my-plain").code == 1
    assert "there is no recipe" in tts("recipe", "new", "other", "--from", "nothing-like-it").err
    assert "small letters" in tts("recipe", "new", "Ünsinn!").err


def test_find_looks_at_names_tasks_and_pages() -> None:
    assert "self-consistency 1.0.0" in tts("recipe", "find", "maths", "majority").out
    assert tts("recipe", "find", "nothing-is-about-this").code == 1


def test_two_recipes_are_compared_by_what_was_measured(tmp_path: Path) -> None:
    first, second = recipe(tmp_path / "first"), recipe(tmp_path / "second", PROGRAM.replace("= 3\n", "= 1\n"))
    for folder in (first, second):
        assert tts("recipe", "measure", folder, "--no-bank").code == 0
    told = tts("diff", first, second)
    assert "changed  pipeline main" in told.out and "measured  main 50.0% of 12 -> main 50.0% of 12" in told.out
    assert "no difference shown" in told.out
    found = tts("diff", first, second, "--json").json["measured"]
    assert found[0]["difference"] == 0 and found[0]["before"]["tokens"] > found[0]["after"]["tokens"]
    (second / "rows.jsonl").write_text(ROWS.replace("0 + 1", "0 + 9"), encoding="utf-8")
    assert tts("recipe", "measure", second, "--no-bank").code == 0
    assert "cannot be compared" in tts("diff", first, second).out


def test_a_lock_keeps_versions_and_hashes(tmp_path: Path, own_home: Path) -> None:
    folder = recipe(tmp_path / "own")
    assert tts("recipe", "add", folder).code == 0
    program = tmp_path / "main.tts"
    program.write_text(
        "tts 1\nuse my-vote@1 { main as inner }\n\n"
        "pipeline main(question: Text) -> Number {\n  return inner(question)\n}\n",
        encoding="utf-8",
    )
    assert "1 recipe" in tts("lock", program).out
    recipe(folder, PROGRAM.replace("Answer: 4", "Answer: 5"), MANIFEST.replace("1.0.0", "1.1.0"))
    assert tts("recipe", "add", folder).code == 0
    assert tts("run", program, "?", "--locked").out.strip() == "4", "the locked version is taken"
    assert tts("lock", program).code == 0
    assert tts("run", program, "?", "--locked").out.strip() == "5", "a new lock takes the newest"
    record = own_home / "my-vote" / "1.1.0.added.json"
    page = own_home / "my-vote" / "1.1.0" / "README.md"
    before = hashlib.sha256(page.read_bytes()).hexdigest()
    page.write_text("changed", encoding="utf-8")
    text = record.read_text(encoding="utf-8").replace(before, hashlib.sha256(b"changed").hexdigest())
    record.write_text(text, encoding="utf-8")
    assert tts("run", program, "?").code == 0
    refused = tts("run", program, "?", "--locked")
    assert refused.code == 1 and "the recipe my-vote@1.1.0 has changed since it was locked" in refused.err


def test_recipes_are_loaded_from_python_too(tmp_path: Path) -> None:
    program = PROGRAM.replace('model solver = script("Answer: 3", "Answer: 4", "Answer: 4")', NEEDY["network"])
    manifest = MANIFEST + 'needs = ["network"]\n'
    assert tts("recipe", "add", recipe(tmp_path / "own", program, manifest)).code == 0
    with pytest.raises(ttscale.CompileError, match="E0414"):
        ttscale.load("my-vote")
    with ttscale.load("my_vote", allow={"network"}) as loaded:
        assert loaded.pipelines == ("main", "greedy")
    with ttscale.load("self-consistency") as loaded:
        assert loaded.plan().graph.pipeline == "main"
