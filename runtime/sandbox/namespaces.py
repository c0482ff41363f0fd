"""A root of its own for the program: new namespaces, read-only mounts, nothing of the machine but what it needs.

Runs by itself, outside the package: stdlib only.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from ttscale.runtime.sandbox import kernel
from ttscale.runtime.sandbox.inside import NOBODY, say, serve

NEW_ROOT = "/sys"  # any folder that every machine has and nothing shown lies in: the new root is built on top of it
SCRATCH = "/scratch"
DEVICES = ("null", "zero", "full", "random", "urandom")
ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime")
FLAGS = {
    "nosuid": kernel.MS_NOSUID,
    "nodev": kernel.MS_NODEV,
    "noexec": kernel.MS_NOEXEC,
    "noatime": kernel.MS_NOATIME,
    "nodiratime": kernel.MS_NODIRATIME,
    "relatime": kernel.MS_RELATIME,
}
SPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)


def start(request: dict[str, Any], stdout: int, stderr: int, status: int) -> int:
    """Fork the process that holds the namespaces; its id. The user's ids are mapped from here, where that is allowed.

    A root user becomes another user inside, so that the kernel counts the program's processes and lets it read no
    file that is root's alone; where the mapping of two users is not allowed, and for everybody else, there is one.
    """
    ready_read, ready_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    parent = os.getpid()
    holder = os.fork()
    if holder == 0:
        os.close(ready_read)
        os.close(mapped_write)
        _hold(request, (stdout, stderr, status), ready_write, mapped_read, parent)
    os.close(ready_write)
    os.close(mapped_read)
    if os.read(ready_read, 1):
        mapped = _map_users(holder)
        os.write(mapped_write, mapped)
    os.close(ready_read)
    os.close(mapped_write)
    return holder


def _map_users(pid: int) -> bytes:
    """Map the ids of a process in a new namespace: b"2" for root and nobody, b"1" for one user, b"0" for none."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        try:
            _write(f"/proc/{pid}/uid_map", f"0 0 1\n{NOBODY} {NOBODY} 1\n")
            _write(f"/proc/{pid}/gid_map", f"0 0 1\n{NOBODY} {NOBODY} 1\n")
            return b"2"
        except OSError:
            pass  # a container that has no such user: go on with one
    try:
        _write(f"/proc/{pid}/setgroups", "deny")
        _write(f"/proc/{pid}/uid_map", f"{NOBODY} {uid} 1\n")
        _write(f"/proc/{pid}/gid_map", f"{NOBODY} {gid} 1\n")
    except OSError:
        return b"0"
    return b"1"


def _hold(request: dict[str, Any], outputs: tuple[int, int, int], ready: int, mapped: int, parent: int) -> None:
    """Unshare, wait for the mapping, and fork the first process of the new pid namespace. Never returns."""
    stdout, stderr, status = outputs
    try:
        if os.geteuid() == 0:
            os.setgroups([])
        kernel.unshare(SPACES)
        os.write(ready, b"1")
        users = os.read(mapped, 1)
        if users not in (b"1", b"2"):
            raise OSError("the user's id cannot be mapped in a new namespace")
        kernel.die_with_parent(parent)
        request["uid"] = NOBODY if users == b"2" else None
        first = os.fork()
        if first == 0:
            kernel.die_with_parent(0)  # the parent's id reads as 0 from in here
            _first(request, stdout, stderr, status)
        for end in (stdout, stderr, status, 0, 1, 2):
            os.close(end)
        kernel.drop_capabilities()
        os.waitpid(first, 0)
    except OSError as error:
        say(status, event="error", message=str(error))
        os._exit(1)
    os._exit(0)


def _first(request: dict[str, Any], stdout: int, stderr: int, status: int) -> None:
    """Number 1: build the root, move into it, and serve. Never returns."""
    try:
        build_root(request)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
    except OSError as error:
        say(status, event="error", message=str(error))
        os._exit(1)
    os._exit(serve(request, SCRATCH, status))


def build_root(request: dict[str, Any]) -> None:
    """Build the new root, make all of it read-only but the scratch folder, and move into it. Raises OSError."""
    uid = request["uid"]
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", NEW_ROOT, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,mode=755")
    for path in request["shown"]:
        _show(path, path)
    for source, target in request.get("packages", ()):
        _show(source, target)
    _small_files(uid)
    for device in DEVICES:
        target = f"{NEW_ROOT}/dev/{device}"
        _write(target, "")
        kernel.mount(f"/dev/{device}", target, "", kernel.MS_BIND)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"{NEW_ROOT}/dev/{name}")
    os.mkdir(NEW_ROOT + "/proc")
    with contextlib.suppress(OSError):  # in a container that covers parts of its own /proc this one stays empty
        kernel.mount("proc", NEW_ROOT + "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    os.mkdir(NEW_ROOT + SCRATCH)
    os.symlink("scratch", NEW_ROOT + "/tmp")
    _lock_mounts()
    options = f"size={request['limits']['scratch']},nr_inodes=10000,mode=755"
    kernel.mount("tmpfs", NEW_ROOT + SCRATCH, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)
    if uid is not None:
        os.chown(NEW_ROOT + SCRATCH, uid, uid)
    kernel.set_host_name("sandbox")
    os.chdir(NEW_ROOT)
    kernel.pivot_root_here()


def _show(path: str, place: str) -> None:
    """Show a folder or file of the machine at a place of the new root; a link is made again as a link."""
    target = NEW_ROOT + place
    if os.path.lexists(target):
        return
    os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
    if os.path.islink(path):
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.mkdir(target, 0o755)
    elif os.path.exists(path):
        _write(target, "")
    else:
        return
    kernel.mount(path, target, "", kernel.MS_BIND | kernel.MS_REC)


def _small_files(uid: int | None) -> None:
    os.makedirs(NEW_ROOT + "/etc", 0o755, exist_ok=True)
    os.makedirs(NEW_ROOT + "/dev", 0o755, exist_ok=True)
    for name in ETC:
        _show("/etc/" + name, "/etc/" + name)
    _write(NEW_ROOT + "/etc/passwd", f"nobody:x:{NOBODY}:{NOBODY}:nobody:{SCRATCH}:/bin/sh\n")
    _write(NEW_ROOT + "/etc/group", f"nogroup:x:{NOBODY}:\n")
    _write(NEW_ROOT + "/etc/hosts", "127.0.0.1 localhost\n")


def _lock_mounts() -> None:
    """Make every mount under the new root read-only; the devices stay, which are files that must take writes.

    Flags that a mount already has are given again: the kernel lets nobody take them away in here.
    """
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as listing:
        rows = [line.split(" ") for line in listing]
    ours = {[row for row in rows if row[4] == NEW_ROOT][-1][0]}
    while more := {row[0] for row in rows if row[1] in ours} - ours:
        ours |= more
    for row in rows:
        if row[0] not in ours:
            continue
        target = row[4].encode("utf-8", "surrogateescape").decode("unicode_escape") if "\\" in row[4] else row[4]
        if target.startswith(NEW_ROOT + "/dev/"):
            continue
        flags = sum(FLAGS.get(option, 0) for option in set(row[5].split(",")) | {"nosuid", "nodev"})
        kernel.mount("none", target, "", flags | kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY)


def _write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)
