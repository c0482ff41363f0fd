"""Hostile programs in the sandbox: each tries what it may not do."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from sandboxes import MIB, SMALL, go, running, usable
from ttscale.runtime.sandbox import Backend, Limits, Outcome


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
    # which limit it meets first is a matter of milliseconds where processes are counted from outside
    assert found.outcome in (Outcome.TIMED_OUT, Outcome.FAILED, Outcome.MEMORY), found
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
