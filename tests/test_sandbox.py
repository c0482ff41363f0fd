"""The sandbox: what programs may do in it, how they end, and which sandbox is taken."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import tts
from sandboxes import SAFE, SYSTEM_PYTHON, go, running
from ttscale.runtime.sandbox import Backend, Limits, Outcome, Program, find_backend, run, run_program, watch, why_not
from ttscale.runtime.sandbox.packages import Installed, installed

# --- programs that behave -----------------------------------------------------------------------------------


async def test_a_program_reads_and_writes(any_backend: Backend) -> None:
    source = """
import sys, helper
print(helper.double(int(input())), sys.argv[1:], open("data/in.txt").read())
print("to stderr", file=sys.stderr)
open("new.txt", "w").write("kept in scratch")
"""
    files = {"helper.py": "def double(x): return 2 * x", "data/in.txt": b"bytes"}
    found = await go(any_backend, source, files=files, stdin="21\n", arguments=("a b", "c"))
    assert found.outcome is Outcome.OK, found
    assert found.stdout == "42 ['a b', 'c'] bytes\n" and found.stderr == "to stderr\n"
    assert (found.exit_code, found.signal, found.backend) == (0, None, any_backend.value)


async def test_the_ways_a_program_ends(any_backend: Backend) -> None:
    found = await go(any_backend, "import sys; sys.exit(3)")
    assert (found.outcome, found.exit_code) == (Outcome.FAILED, 3)
    found = await go(any_backend, "raise ValueError('no')")
    assert found.outcome is Outcome.FAILED and found.stderr.endswith("ValueError: no\n")
    found = await go(any_backend, "import os; os.abort()")
    assert (found.outcome, found.signal) == (Outcome.CRASHED, 6)
    found = await go(any_backend, "import time; print('begun', flush=True); time.sleep(60)", Limits(wall=1))
    assert found.outcome is Outcome.TIMED_OUT and found.stdout in ("begun\n", "")  # on a busy machine it has not begun
    found = await go(any_backend, "while True: pass", Limits(wall=60, cpu=1))
    assert found.outcome is Outcome.TIMED_OUT


async def test_nothing_of_the_environment_gets_in(any_backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "abc")
    found = await go(any_backend, "import os; print(sorted(os.environ), os.environ['HOME'] == os.getcwd())")
    assert "SECRET_KEY" not in found.stdout and found.stdout.endswith("True\n")


async def test_other_languages_by_command(any_backend: Backend) -> None:
    found = await go(any_backend, "read x; echo $((x * 2)) $1", language="bash", stdin="21", arguments=("y",))
    assert found.outcome is Outcome.OK and found.stdout == "42 y\n"
    found = await run_program(Program(command=("cat", "a.txt"), files={"a.txt": "A"}), backend=any_backend, unsafe=True)
    assert found.stdout == "A"
    found = await go(any_backend, "x", language="cobol")
    assert found.outcome is Outcome.REFUSED and "cobol" in found.note
    found = await run_program(Program(command=("no-such-program",)), backend=any_backend, unsafe=True)
    assert found.outcome is Outcome.REFUSED and "no-such-program" in found.note


@pytest.mark.parametrize("name", ["../up.py", "/etc/x", "a/../../b", "", "a//b", "."])
async def test_files_stay_in_the_scratch_folder(name: str) -> None:
    found = await run_program(Program("", files={name: ""}), backend=Backend.LIMITS, unsafe=True)
    assert found.outcome is Outcome.REFUSED and "scratch" in found.note


async def test_many_at_once_are_bounded_and_kept_apart(any_backend: Backend) -> None:
    sources = [f"open('mine', 'x').write('{n}'); print({n})" for n in range(12)]
    found = await asyncio.gather(*(go(any_backend, source) for source in sources))
    assert [one.stdout for one in found] == [f"{n}\n" for n in range(12)]


async def test_giving_a_run_up_kills_the_program(any_backend: Backend) -> None:
    mark = f"mark{os.getpid()}x"
    source = "import time, os\nif os.fork() == 0: os.setsid()\ntime.sleep(300)"
    task = asyncio.create_task(go(any_backend, source, Limits(wall=300), arguments=(mark,)))
    while not running(mark):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not running(mark)


OUTER = """
import asyncio, sys
from ttscale.runtime.sandbox import *
program = Program(sys.argv[1], arguments=(sys.argv[2],))
asyncio.run(run_program(program, Limits(wall=300), backend=Backend(sys.argv[3]), unsafe=True))
"""
STAYING = "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(300)"


async def test_nothing_outlives_whoever_asked(any_backend: Backend) -> None:
    if run.own_interpreter() is SYSTEM_PYTHON:
        pytest.skip("another process would take root's own Python")
    mark = f"orphan{os.getpid()}x"
    asking = subprocess.Popen([sys.executable, "-c", OUTER, STAYING, mark, any_backend.value])
    while len(running(mark)) < 2:
        assert asking.poll() is None
        await asyncio.sleep(0.01)
    asking.kill()
    asking.wait()
    while running(mark):
        await asyncio.sleep(0.01)


async def test_a_supervisor_that_is_killed_takes_the_program_with_it(safe: Backend) -> None:
    mark = f"victim{os.getpid()}x"
    task = asyncio.create_task(go(safe, STAYING, Limits(wall=300), arguments=(mark,)))
    while len(running(mark)) < 2:
        await asyncio.sleep(0.01)
    for pid in watch.children(os.getpid()):
        if b"supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    found = await task
    assert found.outcome is Outcome.CRASHED and found.note
    while running(mark):
        await asyncio.sleep(0.01)


# --- which one, and none ------------------------------------------------------------------------------------


async def test_without_a_sandbox_programs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_found", {backend: "not here" for backend in SAFE})
    monkeypatch.delenv("TTSCALE_UNSAFE_CODE", raising=False)
    found = await run_program(Program("print(1)"))
    assert found.outcome is Outcome.REFUSED
    assert "bubblewrap: not here" in found.note and "--unsafe-code" in found.note
    insisted = await run_program(Program("print(1)"), unsafe=True)
    assert insisted.outcome is Outcome.OK and insisted.backend == "limits"
    monkeypatch.setenv("TTSCALE_UNSAFE_CODE", "1")
    assert (await run_program(Program("print(1)"))).stdout == "1\n"
    assert (await run_program(Program("print(1)"), unsafe=False)).outcome is Outcome.REFUSED


async def test_the_strongest_is_taken() -> None:
    works = [backend for backend in SAFE if not await why_not(backend)]
    if not works:
        pytest.skip("no sandbox works here")
    assert (await find_backend())[0] is works[0]
    assert (await run_program(Program("print(1)"))).backend == works[0].value


@pytest.mark.parametrize("name", ["wall", "cpu", "memory", "scratch", "output", "processes", "open_files"])
def test_limits_must_allow_something(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})


def test_doctor_shows_which_one_is_used() -> None:
    found = tts("doctor", "--json").json["sandbox"]
    assert found["name"] in {"bubblewrap", "namespaces", None}
    assert found["name"] not in found["not"] and all(found["not"].values())
    shown = tts("doctor").out
    assert "sandbox" in shown and all(reason in shown for reason in found["not"].values())


@pytest.mark.parametrize("command", ["eval", "compare"])
def test_insisting_holds_for_one_command(command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TTSCALE_UNSAFE_CODE", raising=False)
    assert "--unsafe-code" in tts(command, "--help").out
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"question": "double", "answer": "-", "tests": [{"input": "2", "output": "4"}]}\n')
    program = tmp_path / "p.tts"
    program.write_text(
        'tts 1\n\nmodel m = script("```python\\nprint(int(input()) * 2)\\n```")\n\n'
        'prompt write(question: Text) -> Code(python) = """\n{{ question }}\n"""\n\n'
        "pipeline main(question: Text) -> Code(python) {\n"
        "  return generate(write(question), from: m, n: 1) |> vote()\n}\n"
    )
    files = [program]
    if command == "compare":
        files.append(tmp_path / "other.tts")
        files[1].write_text(program.read_text().replace("{{ question }}", "Program: {{ question }}"))
    monkeypatch.setattr(run, "_found", {backend: "not here" for backend in SAFE})
    arguments = [*map(str, files), "--on", str(rows), "--metric", "code", "--no-bank", "--json", "--out"]
    refused = tts(command, *arguments, str(tmp_path / "a"))
    assert refused.code != 0 and "--unsafe-code" in refused.err + refused.out
    ran = tts(command, *arguments, str(tmp_path / "b"), "--unsafe-code")
    assert ran.code == 0, ran.err
    assert "TTSCALE_UNSAFE_CODE" not in os.environ


# --- packages -----------------------------------------------------------------------------------------------


def test_a_package_is_its_files_with_what_it_requires() -> None:
    found = installed(("jinja2",))
    names = {Path(place).name for _, place in found.shown}
    assert {"jinja2", "markupsafe"} <= names and "pytest" not in names
    assert all(Path(path).exists() for path, _ in found.shown) and found.places == ("/packages/0",)
    assert installed(()) == Installed()
    with pytest.raises(ValueError, match="`no_such_package` is not installed"):
        installed(("no_such_package",))


async def test_programs_import_the_packages_that_are_named_and_no_others(any_backend: Backend) -> None:
    source = """
import os, lark
folder = os.path.dirname(lark.__file__)
names = os.listdir(os.path.dirname(folder))
print(lark.Lark("start: /a+/").parse("aaa").data)
try:
    open(folder + "/new.py", "w")
except OSError as error:
    print("lark" in names, "pytest" in names, "read-only")
"""
    python = run.own_interpreter().path
    has_it = subprocess.run([python, "-I", "-c", "import lark"], capture_output=True).returncode == 0
    if any_backend.is_safe and not has_it:
        closed = await go(any_backend, source)
        assert closed.outcome is Outcome.FAILED and "No module named 'lark'" in closed.stderr
    found = await go(any_backend, source, packages=("lark",))
    if "Permission denied" in found.stderr:
        pytest.skip("this environment's packages lie where no other user may look")
    assert found.outcome is Outcome.OK and found.stdout.startswith("start\n"), found
    if any_backend.is_safe and not has_it:
        assert found.stdout == "start\nTrue False read-only\n"


async def test_a_package_that_is_not_there_is_refused() -> None:
    backend, reason = await find_backend(unsafe=True)
    if backend is None:
        pytest.skip(reason)
    found = await run_program(Program("print(1)", packages=("no_such_package",)), unsafe=True)
    assert found.outcome is Outcome.REFUSED and "not installed" in found.note
