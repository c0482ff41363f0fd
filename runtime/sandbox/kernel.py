"""Calls of the Linux kernel that Python has no function for. Runs by itself, outside the package: stdlib only."""

from __future__ import annotations

import ctypes
import os
import struct
import sys

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x00020000, 0x02000000, 0x04000000
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x08000000, 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC, MS_PRIVATE, MS_RELATIME = 1024, 2048, 4096, 16384, 1 << 18, 1 << 21
MNT_DETACH = 2

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_SECCOMP = 1, 4, 24, 22
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_CAPABILITY_VERSION = 0x20080522

LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def prctl(option: int, value: int, what: str) -> None:
    """One call of `prctl` with one number. Raises OSError."""
    _check(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)), what)


def unshare(flags: int) -> None:
    """Move this process (for pids: its children) into new namespaces. Raises OSError."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount. Raises OSError."""
    encoded = options.encode() or None
    done = _libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), encoded)
    _check(done, f"mount {target}")


def pivot_root_here() -> None:
    """Make the working folder the root, and let go of the old one. Raises OSError."""
    _check(_libc.pivot_root(b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount of the old root")
    os.chdir("/")


def set_host_name(name: str) -> None:
    """Name the machine as seen in this namespace. Raises OSError."""
    _check(_libc.sethostname(name.encode(), ctypes.c_size_t(len(name))), "sethostname")


def die_with_parent(parent: int) -> None:
    """Be killed when the parent (whose id is given as it was before the fork) ends. Raises OSError."""
    if LINUX:
        prctl(_PR_SET_PDEATHSIG, 9, "die with the parent")
        if parent and os.getppid() != parent:
            os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends. Raises OSError."""
    if LINUX:
        prctl(_PR_SET_CHILD_SUBREAPER, 1, "adopt orphans")


def hide_from_tracers() -> None:
    """Let no process of the same user look into this one or trace it. Raises OSError."""
    if LINUX:
        prctl(_PR_SET_DUMPABLE, 0, "hide")


def bound_capabilities() -> None:
    """Let no program started from here on have any capability, where this process may decide that."""
    for capability in range(64 if LINUX else 0):
        if _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) != 0:
            break  # past the last one that this kernel knows, or not ours to decide


def drop_capabilities() -> None:
    """Give up every capability that this process has, for good. Raises OSError."""
    if not LINUX:
        return
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    _check(_libc.capset(header, struct.pack("6I", *[0] * 6)), "capset")


def gain_no_privileges() -> None:
    """No program started from here on gains rights through its file. Raises OSError."""
    if LINUX:
        prctl(_PR_SET_NO_NEW_PRIVS, 1, "no new privileges")


# --- system calls that are refused ------------------------------------------------------------------------
#
# The namespaces keep a program in; this list is the second wall, and the only one against the network where there are
# no namespaces. Numbers are those of the kernel's tables for the two machines that matter; elsewhere no filter is set.

_REFUSED = {
    "x86_64": (
        0xC000003E,  # AUDIT_ARCH_X86_64
        {
            "socket": 41, "shmget": 29, "semget": 64, "msgget": 68, "ptrace": 101, "personality": 135,
            "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166, "swapon": 167, "reboot": 169,
            "init_module": 175, "quotactl": 179, "keyctl": 250, "add_key": 248, "request_key": 249, "unshare": 272,
            "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
            "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "memfd_create": 319, "bpf": 321,
            "userfaultfd": 323, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
            "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "pidfd_getfd": 438,
            "mount_setattr": 442, "memfd_secret": 447,
        },
        {"clone": 56, "clone3": 435},
    ),
    "aarch64": (
        0xC00000B7,  # AUDIT_ARCH_AARCH64
        {
            "socket": 198, "shmget": 194, "semget": 190, "msgget": 186, "ptrace": 117, "personality": 92,
            "pivot_root": 41, "chroot": 51, "mount": 40, "umount2": 39, "swapon": 224, "reboot": 142,
            "init_module": 105, "quotactl": 60, "keyctl": 219, "add_key": 217, "request_key": 218, "unshare": 97,
            "perf_event_open": 241, "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270,
            "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "memfd_create": 279, "bpf": 280,
            "userfaultfd": 282, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
            "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "pidfd_getfd": 438,
            "mount_setattr": 442, "memfd_secret": 447,
        },
        {"clone": 220, "clone3": 435},
    ),
}  # fmt: skip
_NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag; CLONE_NEWTIME goes through clone3 and unshare alone
_LOAD, _EQUALS, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _REFUSE, _ABSENT = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026  # EPERM is 1, ENOSYS 38


def refuse_system_calls() -> bool:
    """Refuse, from here on and in every child, the calls that no program under test needs; False where not known.

    `clone3` hides its flags behind a pointer, so it is said to be absent, and the C library falls back to `clone`.
    Needs `gain_no_privileges` first. Raises OSError.
    """
    if not LINUX or os.uname().machine not in _REFUSED or struct.calcsize("P") != 8:
        return False
    architecture, refused, others = _REFUSED[os.uname().machine]
    program = [(_LOAD, 0, 0, 4), (_EQUALS, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    program += [(_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _REFUSE)]  # the x32 spelling of the same calls
    program += [(_EQUALS, 0, 1, others["clone3"]), (_RETURN, 0, 0, _ABSENT)]
    for number in refused.values():
        program += [(_EQUALS, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    program += [(_EQUALS, 0, 3, others["clone"]), (_LOAD, 0, 0, 16), (_ANY_BIT, 0, 1, _NEW_NAMESPACES)]
    program += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    packed = b"".join(struct.pack("HBBI", *line) for line in program)
    lines = ctypes.create_string_buffer(packed, len(packed))
    table = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(lines)))
    done = _libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(2), table, ctypes.c_ulong(0), ctypes.c_ulong(0))
    _check(done, "system call filter")
    return True
