"""From a recipe's folder to its files, and from these to a plain Python wheel.

    files = files_of(Path("my-recipe"))              # {"recipe.toml": b"…", "recipe.tts": b"…", …}
    wheel(files, Path("dist"))                       # dist/ttscale_recipe_my_recipe-1.0.0-py3-none-any.whl

A wheel has the recipe's files as the package `ttscale_recipe_NAME` and an entry point in the group `ttscale.recipes`;
`pip install` puts it where programs find it, and its `RECORD` has the hash of every file. Equal files make equal
wheels, byte for byte: entries are sorted and stored with one date.
"""

from __future__ import annotations

import base64
import hashlib
import stat
import zipfile
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path, PurePosixPath

from ttscale.library.manifest import Manifest, manifest_of
from ttscale.library.names import MANIFEST, README
from ttscale.library.recipes import GROUP, shelf

FILES = 500
FILE_BYTES = 16 << 20
TOTAL_BYTES = 64 << 20
LEFT_OUT = ("__pycache__", "evals", "searches", "dist", "build")
"""Folders that tools make and that are no part of a recipe."""
_DATE = (1980, 1, 1, 0, 0, 0)
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10))})


class PackError(Exception):
    """Files that make no recipe, or that nobody should install; `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a recipe by their paths, hidden ones and what tools make left out.

    Raises PackError for links, odd names, and more or larger files than a recipe may have.
    """
    found: dict[str, bytes] = {}
    waiting = [folder]
    while waiting:
        for entry in sorted(waiting.pop().iterdir()):
            name = entry.relative_to(folder).as_posix()
            kind = entry.lstat().st_mode
            if entry.name.startswith(".") or entry.name in LEFT_OUT:
                continue
            if stat.S_ISLNK(kind):
                raise PackError(f"{name} is a link", hint="put the file itself there")
            if stat.S_ISDIR(kind):
                waiting.append(entry)
            elif not stat.S_ISREG(kind):
                raise PackError(f"{name} is no plain file")
            else:
                size = entry.stat().st_size
                if size > FILE_BYTES:
                    raise too_large(name)
                found[name] = entry.read_bytes()
                check_sizes(found)
    check_names(found)
    return dict(sorted(found.items()))


def too_large(name: str) -> PackError:
    """The error for a file that is too large."""
    hint = "a recipe holds text and a few rows; name larger data by where it is to be had"
    return PackError(f"{name} is larger than {FILE_BYTES >> 20} MiB", hint=hint)


def check_sizes(files: Mapping[str, bytes]) -> None:
    """Raises PackError for more than a recipe may have."""
    if len(files) > FILES:
        raise PackError(f"there are more than {FILES} files")
    if sum(map(len, files.values())) > TOTAL_BYTES:
        raise PackError(f"the files have more than {TOTAL_BYTES >> 20} MiB together")


def check_names(names: Mapping[str, object]) -> None:
    """Raises PackError for names that lead out of a folder, or that some system would take for others."""
    seen: dict[str, str] = {}
    for name in names:
        check_name(name)
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise PackError(f"{name} and {other} are one file on some systems")


def check_name(name: str) -> None:
    """Raises PackError for a path that may not be in a recipe."""
    parts = PurePosixPath(name).parts
    odd = "\\" in name or ":" in name or any(ord(char) < 32 for char in name) or len(name) > 200
    if not parts or name.startswith("/") or ".." in parts or odd or name != "/".join(parts):
        raise PackError(f"{name!r} is no path inside a recipe's folder")
    if any(part.partition(".")[0].lower() in _RESERVED or part.endswith((" ", ".")) for part in parts):
        raise PackError(f"{name!r} cannot be a file on every system")


def hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    """The sha256 of every file, in hexadecimal digits."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}


def manifest_in(files: Mapping[str, bytes]) -> Manifest:
    """The manifest among files. Raises PackError, ManifestError."""
    if MANIFEST not in files:
        raise PackError(f"there is no {MANIFEST}", hint="`ttscale recipe new` makes a folder with one")
    return manifest_of(files[MANIFEST], MANIFEST)


def wheel(files: Mapping[str, bytes], out: Path) -> Path:
    """Write the wheel of a recipe into a folder and give its path. Raises PackError, ManifestError."""
    manifest = manifest_in(files)
    if any(name == manifest.name for name in (recipe.name for recipe in shelf())):
        message = f"`{manifest.name}` is a recipe of the library, whose names nobody else can use"
        raise PackError(message, hint=f"give it a name of its own in {MANIFEST}")
    package = package_name(manifest.name)
    info = f"{package}-{manifest.version}.dist-info"
    entries: dict[str, bytes] = {f"{package}/{name}": data for name, data in files.items()}
    entries[f"{info}/METADATA"] = _metadata(manifest, files).encode()
    entries[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: ttscale\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    entries[f"{info}/entry_points.txt"] = f"[{GROUP}]\n{manifest.name} = {package}\n".encode()
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in sorted(entries.items()))
    entries[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{package}-{manifest.version}-py3-none-any.whl"
    beside = path.with_name(path.name + ".part")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(entries.items(), key=lambda pair: (".dist-info/" in pair[0], pair[0])):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.create_system = 3
            archive.writestr(entry, data)
    beside.replace(path)
    return path


def distribution_name(recipe: str) -> str:
    """The name under which `pip` installs a recipe."""
    return f"ttscale-recipe-{recipe}"


def package_name(recipe: str) -> str:
    """The folder of a recipe among installed packages."""
    return distribution_name(recipe).replace("-", "_")


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _metadata(manifest: Manifest, files: Mapping[str, bytes]) -> str:
    """Core metadata 2.1, with the README as the description."""
    message = EmailMessage()
    message["Metadata-Version"] = "2.1"
    message["Name"] = distribution_name(manifest.name)
    message["Version"] = manifest.version
    message["Summary"] = manifest.summary
    for name, value in (("License", manifest.license), ("Author", ", ".join(manifest.authors))):
        if value:
            message[name] = value
    if manifest.homepage:
        message["Project-URL"] = f"Homepage, {manifest.homepage}"
    message["Keywords"] = ",".join(("ttscale", "recipe", *manifest.tasks))
    message["Requires-Python"] = ">=3.11"
    message["Requires-Dist"] = f"ttscale {manifest.ttscale}".strip()
    own = {recipe.name for recipe in shelf()}
    for name, wanted in manifest.recipes.items():
        if name not in own:
            message["Requires-Dist"] = f"{distribution_name(name)} {specifier(wanted)}".strip()
    message["Description-Content-Type"] = "text/markdown"
    head = "".join(f"{name}: {value}\n" for name, value in message.items())
    return f"{head}\n{files.get(README, b'').decode('utf-8', 'replace')}"


def specifier(wanted: str) -> str:
    """A range of versions as `pip` writes it: `~1.4` is `>=1.4,<2`, `1` is `==1.*`, `>=1.2 <2` is `>=1.2,<2`."""
    from ttscale.library.versions import fits

    fits("0", wanted)  # refuses what is no range
    text = wanted.strip()
    if text in ("", "*"):
        return ""
    if text[0] in "<>":
        return text.replace(" ", ",").replace(",,", ",")
    if text[0] == "=":
        return f"=={text.lstrip('=').strip()}"
    if text[0] in "~^":
        parts = text[1:].split(".")
        width = len(parts) - 1 if text[0] == "~" and len(parts) > 1 else 1
        above = [*parts[: width - 1], str(int(parts[width - 1]) + 1)]
        return f">={text[1:]},<{'.'.join(above)}"
    exact = text.removesuffix(".*")
    return f"=={exact}.*" if exact.count(".") < 2 else f"=={exact}"
