"""The sandbox: what programs may do in it, and hostile ones that try what they may not."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import tts
from ttscale.runtime.sandbox import (
    Backend,
    Finished,
    Limits,
    Outcome,
    Program,
    backends,
    find_backend,
    run,
    run_program,
    watch,
    why_not,
)

MIB = 2**20
SMALL = Limits(wall=20, cpu=10, memory=256 * MIB, scratch=4 * MIB, output=20_000, processes=16)
SYSTEM_PYTHON = backends.Interpreter(str(Path("/usr/bin/python3").resolve()), "/usr")
SAFE = (Backend.BUBBLEWRAP, Backend.NAMESPACES)


@pytest.fixture(params=SAFE, ids=lambda backend: backend.value)
async def safe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Each backend that keeps programs in, as far as this machine has it."""
    return await usable(request.param, monkeypatch)


@pytest.fixture(params=Backend, ids=lambda backend: backend.value)
async def any_backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Each backend that this machine has, limits alone too."""
    return await usable(request.param, monkeypatch)


async def usable(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """The backend, or a skip that says why not; where root's own Python lies hidden, the system's is taken."""
    if backend is Backend.BUBBLEWRAP and os.geteuid() == 0 and backends.user_inside() is None:
        if not Path(SYSTEM_PYTHON.path).is_file():
            pytest.skip("root's Python is hidden from other users, and the system has none")
        monkeypatch.setattr(backends, "own_interpreter", lambda: SYSTEM_PYTHON)
        monkeypatch.setattr(run, "own_interpreter", lambda: SYSTEM_PYTHON)
        monkeypatch.setattr(run, "_found", {})
    reason = await why_not(backend)
    if reason:
        pytest.skip(f"{backend.value} does not work here: {reason}")
    return backend


async def go(backend: Backend, source: str, limits: Limits = SMALL, **more: object) -> Finished:
    return await run_program(Program(source, **more), limits, backend=backend, unsafe=True)  # type: ignore[arg-type]


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
    assert found.outcome is Outcome.TIMED_OUT and found.stdout == "begun\n"
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


# --- programs that do not -----------------------------------------------------------------------------------


def running(mark: str) -> list[str]:
    """Processes of this machine with `mark` in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark.encode() in words:
            found.append(folder.name)
    return found


async def test_memory_bomb(any_backend: Backend) -> None:
    found = await go(any_backend, "x = [bytearray(1 << 20) for _ in range(100000)]")
    assert found.outcome is Outcome.MEMORY, found


async def test_memory_bomb_of_many_processes(any_backend: Backend) -> None:
    source = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        x = bytearray(b"x" * (60 << 20))
        time.sleep(60)
time.sleep(60)
"""
    found = await go(any_backend, source)
    assert found.outcome is Outcome.MEMORY, found


async def test_fork_bomb(any_backend: Backend) -> None:
    mark = f"bomb{os.getpid()}x"
    source = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    found = await go(any_backend, source, Limits(wall=2, cpu=20, processes=16, memory=1024 * MIB), arguments=(mark,))
    assert found.outcome in (Outcome.TIMED_OUT, Outcome.FAILED), found
    assert not running(mark)


async def test_no_more_processes_than_allowed(safe: Backend) -> None:
    source = """
import os, time
made = 0
try:
    for _ in range(100):
        if os.fork() == 0:
            time.sleep(60)
        made += 1
except OSError:
    pass
print(made)
"""
    found = await go(safe, source, Limits(processes=8, wall=20))
    assert found.outcome in (Outcome.OK, Outcome.FAILED), found
    if found.outcome is Outcome.OK:
        assert int(found.stdout) <= 10


async def test_endless_output(any_backend: Backend) -> None:
    for stream in ("stdout", "stderr"):
        found = await go(any_backend, f"import sys\nwhile True: sys.{stream}.write('x' * 1000)")
        assert found.outcome is Outcome.OUTPUT_TOO_LONG, found
        assert len(getattr(found, stream)) == SMALL.output


async def test_output_that_a_child_goes_on_with_does_not_hold_the_run(any_backend: Backend) -> None:
    source = "import os, time\nif os.fork() == 0:\n    time.sleep(300)\nprint('done')"
    found = await go(any_backend, source, Limits(wall=200))
    assert found.outcome is Outcome.OK and found.stdout.count("done") == 1


NETWORK = """
import socket
def attempt(name, f):
    try:
        f()
        print(name, "WORKED")
    except OSError as error:
        print(name, "no")
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", PORT), 2))
attempt("outside", lambda: socket.create_connection(("1.1.1.1", 53), 2))
attempt("dns", lambda: socket.getaddrinfo("example.com", 80))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("1.1.1.1", 53)))
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\\0" + "NAME"))
attempt("path", lambda: socket.socket(socket.AF_UNIX).connect("PATH"))
"""


async def test_network(any_backend: Backend, tmp_path: Path) -> None:
    name = f"ttscale-test-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0" + name)
        abstract.listen()
        path = tmp_path / "s"
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(str(path))
            unix.listen()
            path.chmod(0o777)
            port = str(server.getsockname()[1])
            source = NETWORK.replace("PORT", port).replace("NAME", name).replace("PATH", str(path))
            found = await go(any_backend, source)
    assert found.outcome is Outcome.OK, found
    assert found.stdout == "tcp no\noutside no\ndns no\nudp no\nabstract no\npath no\n"


async def test_files_of_the_machine(safe: Backend, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    tmp_path.chmod(0o755)
    home = Path.home()
    source = f"""
import os
def attempt(name, f):
    try:
        print(name, "WORKED", f())
    except OSError as error:
        print(name, "no")
attempt("secret", lambda: open({str(secret)!r}).read())
attempt("home", lambda: os.listdir({str(home / ".ssh")!r}) or os.listdir({str(home / ".config")!r}))
attempt("shadow", lambda: open("/etc/shadow").read())
attempt("etc", lambda: open("/etc/new", "w"))
attempt("usr", lambda: open("/usr/new", "w"))
attempt("root", lambda: open("/new", "w"))
attempt("dev", lambda: open("/dev/new", "w"))
attempt("mount", lambda: os.mkdir("/usr/bin/new"))
attempt("remove", lambda: os.unlink("/usr/bin/env"))
attempt("chmod", lambda: os.chmod("/usr/bin/env", 0o777))
attempt("node", lambda: os.mknod("disk", 0o60666, os.makedev(254, 0)))
"""
    found = await go(safe, source)
    names = ["secret", "home", "shadow", "etc", "usr", "root", "dev", "mount", "remove", "chmod", "node"]
    assert found.stdout.splitlines() == [f"{name} no" for name in names], found
    listed = await go(safe, f"import os\nprint(os.listdir({str(home)!r}))")
    assert listed.outcome is Outcome.FAILED or set(eval(listed.stdout)) <= {".pyenv", ".local", ".conda", "miniconda3"}


async def test_links_do_not_lead_out(safe: Backend, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.chmod(0o777)
    (outside / "file").write_text("as it was")
    (outside / "file").chmod(0o666)
    source = f"""
import os
os.symlink({str(outside)!r}, "link")
os.symlink("/", "all")
for target in ("link/new", "link/file", "all{outside}/file", "../{outside}/new", "/proc/1/root{outside}/file"):
    try:
        open(target, "w").write("WRITTEN")
        print("WORKED", target)
    except OSError:
        print("no")
try:
    os.link("/etc/passwd", "hard")
    print("WORKED")
except OSError:
    print("no")
"""
    found = await go(safe, source)
    assert found.stdout == "no\n" * 6, found
    assert [path.name for path in outside.iterdir()] == ["file"] and (outside / "file").read_text() == "as it was"


async def test_tmp_is_the_scratch_folder_and_goes_away(safe: Backend) -> None:
    name = f"ttscale-left-{os.getpid()}"
    source = f"import os, tempfile\nopen('/tmp/{name}', 'w').write('x')\nprint(os.listdir('.'), tempfile.gettempdir())"
    found = await go(safe, source)
    assert name in found.stdout and found.stdout.endswith("/scratch\n")
    assert not Path("/tmp", name).exists()
    again = await go(safe, "import os; print(os.listdir('/tmp'))")
    assert name not in again.stdout


async def test_scratch_is_gone_after_limits_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = await usable(Backend.LIMITS, monkeypatch)
    found = await go(backend, "import os; open('x', 'w').write('x'); print(os.getcwd())")
    assert found.outcome is Outcome.OK and not Path(found.stdout.strip()).exists()


async def test_huge_files(safe: Backend) -> None:
    source = """
written = 0
try:
    for n in range(100):
        with open(f"f{n}", "wb") as file:
            written += file.write(bytes(1 << 20))
except OSError:
    print("full after", written >> 20)
try:
    open("sparse", "wb").truncate(1 << 40)
    print("WORKED")
except OSError:
    print("no")
"""
    found = await go(safe, source)
    assert found.outcome is Outcome.OK, found
    full, sparse = found.stdout.splitlines()
    assert int(full.split()[-1]) <= 4 and sparse == "no"


async def test_a_huge_file_under_limits_alone(any_backend: Backend) -> None:
    found = await go(any_backend, "open('f', 'wb').write(bytes(8 << 20))")
    assert found.outcome in (Outcome.FAILED, Outcome.CRASHED), found


async def test_killing_the_parent(safe: Backend) -> None:
    source = """
import os, signal
for target in (os.getppid(), 1, -1):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
        try:
            os.kill(target, number)
        except OSError:
            pass
print("still here", os.getppid())
"""
    found = await go(safe, source)
    assert found.outcome is Outcome.OK and found.stdout == "still here 1\n", found


async def test_surviving_children(any_backend: Backend) -> None:
    mark = f"survivor{os.getpid()}x"
    source = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.close(0), os.close(1), os.close(2)
            time.sleep(300)
        os._exit(0)
print("parent done")
"""
    found = await go(any_backend, source, arguments=(mark,))
    assert found.outcome is Outcome.OK and found.stdout == "parent done\n", found
    assert not running(mark)


async def test_other_processes_are_out_of_sight(safe: Backend) -> None:
    source = f"""
import os
seen = [name for name in os.listdir("/proc") if name.isdigit()]
print(len(seen) <= 3)
try:
    print("WORKED", open("/proc/{os.getpid()}/environ").read())
except OSError:
    print("no")
for name in ("environ", "mem", "fd", "root"):
    try:
        path = "/proc/1/" + name
        print("WORKED", os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(10))
    except OSError:
        print("no")
"""
    found = await go(safe, source)
    assert found.stdout == "True\n" + "no\n" * 5, found


async def test_no_way_to_more_rights(any_backend: Backend) -> None:
    source = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print(libc.unshare(0x10000000), libc.mount(b"none", b"/", b"tmpfs", 0, None), libc.ptrace(16, os.getppid(), 0, 0))
print(libc.setns(0, 0), libc.chroot(b"."), os.path.exists("/bin/su") and os.system("su -c id 2>/dev/null </dev/null"))
for line in open("/proc/self/status"):
    if line.startswith(("CapEff", "CapPrm", "NoNewPrivs")):
        print(line.split()[1])
"""
    found = await go(any_backend, source)
    first, second, *rest = found.stdout.splitlines()
    assert first == "-1 -1 -1" and second.startswith("-1 -1") and not second.endswith(" 0")
    assert "1" in rest


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
