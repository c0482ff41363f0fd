"""`check` and `fmt`: what is said about files, good and bad."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_runs import SCRIPTED, start, tts, write

BAD = """tts 1

model small = script("Answer: 42")

prompt solve(question: Text) -> Number = "{{ question }}"

pipeline main(question: Text) -> Number {
  return generate(solve(question), from: smal, n: 4, temprature: 0.8) |> vote()
}
"""


def test_a_good_file_has_no_errors(tmp_path: Path) -> None:
    ran = tts("check", write(tmp_path))
    assert ran.code == 0, ran.out
    assert "error[" not in ran.out and ran.err == ""
    assert ran.out.rstrip().endswith("in 1 file")


def test_errors_have_place_code_and_hint(tmp_path: Path) -> None:
    path = write(tmp_path, BAD)
    ran = tts("check", path)
    assert ran.code == 1
    assert f"{path}:8:" in ran.out
    assert "`small`" in ran.out and "`temperature" in ran.out
    assert "2 errors in 1 file" in ran.out


def test_check_speaks_json(tmp_path: Path) -> None:
    path = write(tmp_path, BAD)
    ran = tts("check", "--json", path)
    assert ran.code == 1 and ran.err == ""
    assert ran.json["ok"] is False and ran.json["files"] == [str(path)]
    for diagnostic in ran.json["diagnostics"]:
        assert diagnostic["file"] == str(path) and diagnostic["line"] == 8
        assert {"code", "severity", "message", "column", "hint"} <= set(diagnostic)


def test_check_speaks_to_github(tmp_path: Path) -> None:
    ran = tts("check", "--github", write(tmp_path, BAD))
    assert ran.code == 1
    assert all(line.startswith("::error file=") for line in ran.out.splitlines())


def test_several_files_are_checked_together(tmp_path: Path) -> None:
    good, bad = write(tmp_path, name="good.tts"), write(tmp_path, BAD, "bad.tts")
    ran = tts("check", bad, good, tmp_path / "absent.tts")
    assert ran.code == 1
    assert "absent.tts" in ran.out and "bad.tts:8" in ran.out and "in 3 files" in ran.out


def test_a_mistake_in_a_shared_import_is_told_once(tmp_path: Path) -> None:
    write(tmp_path, BAD, "shared.tts")
    use = "tts 1\nuse ./shared as s\n\npipeline main(question: Text) -> Number {\n  return s.main(question)\n}\n"
    one, two = write(tmp_path, use, "one.tts"), write(tmp_path, use, "two.tts")
    found = tts("check", "--json", one, two).json["diagnostics"]
    shared = [d for d in found if d["file"].endswith("shared.tts")]
    assert len({(d["code"], d["column"]) for d in shared}) == len(shared) > 0


def test_all_assignments_can_be_bound(tmp_path: Path) -> None:
    text = SCRIPTED.replace("in {1, 2, 3, 4, 8} = 3", "in [1 .. 4] = 3").replace(
        "|> vote()", "|> rank(keep: 3) |> vote()"
    )
    ran = tts("check", "--params", "all", write(tmp_path, text))
    assert "Traceback" not in ran.err
    assert ran.code in (0, 1)
    assert ran.out.rstrip().endswith("in 1 file")


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", 1, "hint"),
        (b"\x7fELF\x00\x01\x02\xff\xfe", 1, "text"),
        (b"GGUF\x03\x00\x00\x00", 1, "weight file"),
        (b"# a comment\n" * 1_000_000, 1, "too large"),
        (b'tts 1\nprompt p(q: Text) -> Text = """\nnever closed\n', 1, "hint"),
        (b"tts 1\npipeline main(q: Text) -> Text {\n", 1, "main.tts"),
        ('tts 1\nmodel m = script("a")\n# \u00e9\n'.encode("latin-1"), 1, "UTF-8"),
    ],
    ids=["empty", "binary", "weights", "huge", "fence", "brace", "latin-1"],
)
def test_files_that_are_no_programs(tmp_path: Path, content: bytes, code: int, says: str) -> None:
    path = tmp_path / "main.tts"
    path.write_bytes(content)
    for command in (["check"], ["plan"], ["fmt", "--check"], ["test"], ["graph"], ["run"]):
        more = ["question"] if command == ["run"] else []
        ran = tts(*command, path, *more)
        if content == b"" and command[0] in ("check", "fmt", "test"):
            continue  # an empty file is a program without pipelines: nothing to say where none is asked for
        assert ran.code == code, (command, ran)
        assert says in ran.out + ran.err, (command, ran)


def test_a_folder_and_an_absent_file_are_said_to_be_so(tmp_path: Path) -> None:
    write(tmp_path, name="near.tts")
    assert "folder" in tts("check", tmp_path).out
    ran = tts("check", tmp_path / "naer.tts")
    assert ran.code == 1 and "near.tts" in ran.out


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a file that its owner cannot read")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.chmod(0)
    assert tts("check", path).code == 1


def test_colour_is_for_terminals_only(tmp_path: Path) -> None:
    path = write(tmp_path, BAD)
    plain, _ = start("check", path).communicate(timeout=60)
    forced, _ = start("check", path, env={"FORCE_COLOR": "1"}).communicate(timeout=60)
    assert "\x1b[" not in plain
    assert "\x1b[" in forced


UNTIDY = 'tts 1\nmodel   m=script("a")   # kept\n\n\n\nprompt p(q:Text)->Text="{{ q }}"\n'


def test_fmt_rewrites_in_place_and_is_done_after_once(tmp_path: Path) -> None:
    path = write(tmp_path, UNTIDY)
    path.chmod(0o640)
    ran = tts("fmt", path)
    assert ran.code == 0 and "1 file changed" in ran.out
    text = path.read_text(encoding="utf-8")
    assert 'model m = script("a")' in text and "# kept" in text
    assert path.stat().st_mode & 0o777 == 0o640
    assert "1 file already as it should be" in tts("fmt", path).out
    assert path.read_text(encoding="utf-8") == text
    assert [entry.name for entry in tmp_path.iterdir()] == ["main.tts"]


def test_fmt_check_and_diff_change_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, UNTIDY)
    checked, diffed = tts("fmt", "--check", path), tts("fmt", "--diff", path)
    assert checked.code == diffed.code == 1
    assert "would change" in checked.err
    assert '+model m = script("a")' in diffed.out and '-model   m=script("a")' in diffed.out
    assert path.read_text(encoding="utf-8") == UNTIDY


def test_fmt_reads_standard_input() -> None:
    ran = tts("fmt", "-", stdin=UNTIDY)
    assert ran.code == 0 and ran.out.startswith("tts 1\n") and 'model m = script("a")' in ran.out
    assert tts("fmt", "-", stdin=ran.out).out == ran.out
    assert tts("fmt", "-", "--check", stdin=UNTIDY).code == 1


def test_fmt_leaves_a_broken_file_alone_and_goes_on(tmp_path: Path) -> None:
    broken, fine = write(tmp_path, "tts 1\nmodel m = (\n", "a.tts"), write(tmp_path, UNTIDY, "b.tts")
    ran = tts("fmt", broken, fine)
    assert ran.code == 1
    assert "a.tts" in ran.err and broken.read_text(encoding="utf-8") == "tts 1\nmodel m = (\n"
    assert 'model m = script("a")' in fine.read_text(encoding="utf-8")


def test_fmt_speaks_json(tmp_path: Path) -> None:
    path = write(tmp_path, UNTIDY)
    assert tts("fmt", "--check", "--json", path).json == {
        "files": [str(path)],
        "changed": [str(path)],
        "ok": False,
        "diagnostics": [],
    }
    broken = tts("fmt", "-", "--json", stdin="model m = (").json
    assert broken["ok"] is False and broken["diagnostics"][0]["code"].startswith("E01")


def test_fmt_of_standard_input_stands_alone(tmp_path: Path) -> None:
    assert tts("fmt", "-", write(tmp_path)).code == 2
