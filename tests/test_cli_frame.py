"""The frame of the command line: help, usage, how failures end, and what is not imported before it is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from cli_runs import environment, start, tts
from ttscale.cli.app import COMMANDS, cli
from ttscale.cli.faults import Failure, report
from ttscale.compiler.diagnostics import InternalError
from ttscale.runtime.engines.base import EngineError

HEAVY = ("jinja2", "numpy", "pydantic", "networkx", "httpx", "rich", "lark", "asyncio", "typer", "llama_cpp")


def loaded_after(arguments: list[str]) -> set[str]:
    """Which of the heavy packages a fresh process has imported once the command is done."""
    code = (
        "import sys, contextlib, io\n"
        "from ttscale.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main(sys.argv[1:])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment(), check=True
    )
    return set(json.loads(ran.stdout.replace("'", '"')))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["check", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert loaded_after(arguments) == set()


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert loaded_after(["version"]) == set()


def test_help_lists_every_command_under_its_panel() -> None:
    ran = tts("--help")
    assert ran.code == 0
    common, more = ran.out.split("More:")
    for entry in COMMANDS:
        assert f"  {entry.name} " in (common if entry.panel == "Commands" else more)


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_command_has_help_with_an_example(entry) -> None:
    ran = tts(entry.name, "--help")
    assert ran.code == 0
    assert f"ttscale {entry.name}" in ran.out.split("Example")[1]
    inner = re.findall(r"^  ([a-z]+)  ", ran.out.partition("Commands:")[2].partition("Example")[0], re.MULTILINE)
    for name in inner:
        shown = tts(entry.name, name, "--help").out
        assert f"ttscale {entry.name} {name}" in shown.split("Example")[1] and "--json" in shown and "--debug" in shown
    assert inner or entry.name == "lsp" or "--json" in ran.out
    assert inner or "--debug" in ran.out


def test_the_table_names_the_commands_as_they_name_themselves() -> None:
    context = cli.make_context("ttscale", ["version"])
    for entry in COMMANDS:
        found = cli.get_command(context, entry.name)
        assert found is not None and found.help


def test_a_misspelt_command_is_usage_with_a_suggestion() -> None:
    ran = tts("chek")
    assert ran.code == 2
    assert "did you mean `ttscale check`?" in ran.err
    assert ran.out == ""


def test_a_misspelt_option_is_usage() -> None:
    ran = tts("version", "--jsno")
    assert ran.code == 2
    assert "--jsno" in ran.err and "ttscale version --help" in ran.err


def test_nothing_given_shows_the_help() -> None:
    ran = tts()
    assert ran.code == 2
    assert "Commands:" in ran.out + ran.err


@pytest.mark.parametrize(
    ("failure", "code", "says"),
    [
        (Failure("the column is missing", "there are a, b"), 1, "hint: there are a, b"),
        (Failure("twice", code=2), 2, "error: twice"),
        (EngineError("the file is not GGUF", hint="download it again"), 1, "hint: download it again"),
        (FileNotFoundError(2, "No such file or directory", "x.jsonl"), 1, "x.jsonl: no such file"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (InternalError("stage without a path"), 70, "report it"),
        (ZeroDivisionError("division by zero"), 70, "ttscale 0."),
    ],
)
def test_every_failure_has_its_code_and_no_traceback(failure, code, says, capsys) -> None:
    assert report(failure, debug=False, as_json=False) == code
    shown = capsys.readouterr()
    assert says in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_failures_are_json_too(capsys) -> None:
    assert report(Failure("no", "yes"), debug=False, as_json=True) == 1
    assert json.loads(capsys.readouterr().out) == {"error": {"message": "no", "hint": "yes"}, "exit_code": 1}


def test_debug_shows_where_our_fault_is(capsys) -> None:
    try:
        raise ZeroDivisionError("division by zero")
    except ZeroDivisionError as failure:
        assert report(failure, debug=True, as_json=False) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_failure() -> None:
    command = f'"{sys.executable}" -m ttscale doctor --json | true'
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, env=environment(), check=False
    )
    assert "Traceback" not in ran.stderr and "BrokenPipe" not in ran.stderr
    assert ran.returncode == 0


def test_doctor_and_version_speak_json() -> None:
    found = tts("doctor", "--json").json
    assert {"python", "cores", "engines", "embedded_model", "gpu"} <= set(found)
    assert all(engine["version"] or engine["install"] for engine in found["engines"])
    assert tts("version", "--json").json["ttscale"] == tts("--version").out.split()[1]


def test_the_module_is_a_command_too() -> None:
    process = start("version")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and out.startswith("ttscale ")
