"""From what somebody handed over (a folder, a file, a zip, a wheel, a git repository) to a recipe's files.

Nothing is run and nothing is written but a clone in a folder of its own. Archives are read with care: names that lead
out of the folder, links, entries that grow beyond the limits of `packing`, encrypted and repeated entries are refused,
and so is a wheel whose files do not have the hashes of its `RECORD`.
"""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import re
import stat
import subprocess
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Literal

from ttscale.compiler.frozen import dataclass
from ttscale.library.manifest import manifest_text, new_manifest
from ttscale.library.names import FILE, MANIFEST, normal
from ttscale.library.packing import (
    FILE_BYTES,
    FILES,
    TOTAL_BYTES,
    PackError,
    check_name,
    check_names,
    check_sizes,
    files_of,
    too_large,
)
from ttscale.library.recipes import GROUP

Kind = Literal["folder", "file", "zip", "wheel", "git"]
_GIT = re.compile(r"^(git\+)?(https://|ssh://|file://|git@[\w.-]+:)\S+$")
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Handed:
    """Files of a recipe by their paths, what they were handed over as, and where they are from."""

    files: dict[str, bytes]
    kind: Kind
    source: str
    commit: str = ""


def read(source: str) -> Handed:
    """The recipe that a path or a URL names.

    A git URL may end in `@REVISION` and `#FOLDER`. Raises PackError, and OSError where a file cannot be read.
    """
    if is_git(source):
        return _clone(source)
    path = Path(source).expanduser()
    if path.is_dir():
        return Handed(_in_folder(path), "folder", str(path.absolute()))
    if not path.is_file():
        hint = "give a folder, a .tts, .zip or .whl file, or a git URL; `pip install` takes packages from an index"
        raise PackError(f"there is no {source}", hint=hint)
    if path.suffix == ".tts":
        return Handed(_single(path), "file", str(path.absolute()))
    if not zipfile.is_zipfile(path):
        raise PackError(f"{source} is neither a .tts file nor a zip archive", hint="a wheel is a zip archive too")
    if path.suffix == ".whl":
        return Handed(from_wheel(path), "wheel", str(path.absolute()))
    return Handed(from_zip(path), "zip", str(path.absolute()))


def is_git(source: str) -> bool:
    """Whether a text is the URL of a git repository."""
    return bool(_GIT.match(source)) and not Path(source).exists()


def _in_folder(folder: Path) -> dict[str, bytes]:
    if not (folder / MANIFEST).is_file():
        inside = sorted(entry.parent.name for entry in folder.glob(f"*/{MANIFEST}"))
        hint = f"it holds {', '.join(inside[:8])}; name one of them" if inside else "`ttscale recipe new` makes one"
        raise PackError(f"{folder} is no recipe: it has no {MANIFEST}", hint=hint)
    return files_of(folder)


def _single(path: Path) -> dict[str, bytes]:
    """One program as a recipe; its first line of documentation is the summary."""
    if path.stat().st_size > FILE_BYTES:
        raise too_large(path.name)
    data = path.read_bytes()
    lines = data.decode("utf-8", "replace").splitlines()
    said = next((line.removeprefix("##").strip() for line in lines if line.startswith("##")), "") or path.stem
    name = re.sub(r"[^a-z0-9]+", "-", normal(path.stem)).strip("-")
    if not name:
        raise PackError(f"{path.name} gives no name for a recipe", hint="rename it: letters, digits and hyphens")
    manifest = new_manifest(name=name[:64].strip("-"), summary=said[:400])
    return {FILE: data, MANIFEST: manifest_text(manifest).encode()}


def from_zip(path: Path) -> dict[str, bytes]:
    """The recipe in a zip archive, at its top or in its only folder. Raises PackError."""
    files = _entries(path)
    tops = [name for name in files if PurePosixPath(name).name == MANIFEST]
    top = min(tops, key=lambda name: name.count("/"), default="")
    if not top or top.count("/") > 1 or len([name for name in tops if name.count("/") == top.count("/")]) > 1:
        hint = f"a zip holds one folder, with {MANIFEST} in it"
        raise PackError(f"{path.name} holds {'several recipes' if top else f'no {MANIFEST}'}", hint=hint)
    prefix = top.removesuffix(MANIFEST)
    found = {name.removeprefix(prefix): data for name, data in files.items() if name.startswith(prefix)}
    return {name: data for name, data in found.items() if not any(part.startswith(".") for part in name.split("/"))}


def from_wheel(path: Path) -> dict[str, bytes]:
    """The recipe in a wheel, every file as its `RECORD` says. Raises PackError."""
    files = _entries(path)
    info = sorted({name.partition("/")[0] for name in files if name.partition("/")[0].endswith(".dist-info")})
    if len(info) != 1 or f"{info[0]}/RECORD" not in files:
        raise PackError(f"{path.name} is no wheel: it has no RECORD")
    _check_record(path.name, files, info[0])
    points = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    try:
        points.read_string(files.get(f"{info[0]}/entry_points.txt", b"").decode("utf-8"))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise PackError(f"{path.name}: entry_points.txt cannot be read: {error}") from error
    entries = dict(points[GROUP]) if points.has_section(GROUP) else {}
    if len(entries) != 1:
        hint = "install it with `pip install`" if entries else f"a recipe has an entry point in the group `{GROUP}`"
        raise PackError(f"{path.name} holds {len(entries) or 'no'} recipe{'s' * (len(entries) > 1)}", hint=hint)
    prefix = next(iter(entries.values())).partition(":")[0].strip().replace(".", "/") + "/"
    return {name.removeprefix(prefix): data for name, data in files.items() if name.startswith(prefix)}


def _check_record(wheel: str, files: dict[str, bytes], info: str) -> None:
    """Raises PackError unless every file has the hash that the wheel's `RECORD` has for it."""
    rows = csv.reader(files[f"{info}/RECORD"].decode("utf-8", "replace").splitlines())
    recorded = {row[0]: row[1] for row in rows if len(row) == 3}
    hint = "it is not what was packed; get it again from where it came from"
    for name, data in files.items():
        if name == f"{info}/RECORD":
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        if recorded.get(name) != f"sha256={digest}":
            what = "is not in its RECORD" if name not in recorded else "was changed after it was packed"
            raise PackError(f"{wheel}: {name} {what}", hint=hint)
    missing = sorted(set(recorded) - set(files))
    if missing:
        raise PackError(f"{wheel}: {missing[0]} is missing", hint=hint)


def _entries(path: Path) -> dict[str, bytes]:
    """The files of an archive; sizes are those that come out, whatever the archive says."""
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > 4 * FILES:
                raise PackError(f"{path.name} has more than {4 * FILES} entries")
            left = TOTAL_BYTES
            for entry in archive.infolist():
                mode = entry.external_attr >> 16
                if entry.is_dir():
                    continue
                check_name(entry.filename)
                if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                    raise PackError(f"{path.name}: {entry.filename} is a link or no plain file")
                if entry.flag_bits & 1:
                    raise PackError(f"{path.name}: {entry.filename} is encrypted")
                if entry.filename in found:
                    raise PackError(f"{path.name} has two files {entry.filename}")
                with archive.open(entry) as stream:
                    data = stream.read(min(FILE_BYTES, left) + 1)
                if len(data) > FILE_BYTES:
                    raise too_large(entry.filename)
                left -= len(data)
                if left < 0:
                    raise PackError(f"{path.name} unpacks to more than {TOTAL_BYTES >> 20} MiB")
                found[entry.filename] = data
    except (zipfile.BadZipFile, EOFError, RuntimeError) as error:  # an unknown compression is a RuntimeError
        raise PackError(f"{path.name} cannot be unpacked: {error}") from error
    check_names(found)
    check_sizes(found)
    return found


def _clone(source: str) -> Handed:
    """The recipe in a git repository, cloned without its history, hooks, links and submodules."""
    url, _, inner = source.removeprefix("git+").partition("#")
    place, at, revision = url.rpartition("@")
    if not at or "/" in revision or ":" in revision or place.endswith("//"):
        url, revision = url, ""
    else:
        url = place
    if inner:
        check_name(inner)
    if revision.startswith("-"):
        raise PackError(f"{revision} is no revision")
    with tempfile.TemporaryDirectory(prefix="ttscale-recipe-") as made:
        target = Path(made) / "clone"
        settings = [
            "protocol.ext.allow=never",
            "core.symlinks=false",
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
        ]
        base = ["git", *(part for setting in settings for part in ("-c", setting))]
        # a revision may be a commit, which a shallow clone of a branch does not have
        shallow = [] if revision else ["--depth", "1"]
        _git([*base, "clone", "--quiet", "--no-recurse-submodules", *shallow, "--", url, str(target)], url)
        if revision:
            _git([*base, "-C", str(target), "checkout", "--quiet", "--detach", revision, "--"], f"{url}@{revision}")
        commit = _git([*base, "-C", str(target), "rev-parse", "HEAD"], url).strip()
        return Handed(_in_folder(target / inner if inner else target), "git", source, commit)


def _git(command: list[str], what: str) -> str:
    import os

    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except FileNotFoundError as error:
        raise PackError("git is not installed", hint="install it, or download a zip of the repository") from error
    except subprocess.TimeoutExpired as error:
        raise PackError(f"{what} did not answer within {_SECONDS} seconds") from error
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["git failed"])[-1]
        raise PackError(f"{what} cannot be cloned: {said}")
    return done.stdout
