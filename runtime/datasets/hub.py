"""Data sets of the Hugging Face hub: which of their files hold a split, brought by the hub's own client and cache.

A locator that begins with `.`, `/` or `~` is the folder of a copy. Which files hold what is read from the `configs` of
the data set's card, and where it has none, from the names of files and folders, as the hub itself does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from ttscale.compiler.diagnostics import suggest
from ttscale.runtime.tables import DataError

CARD = "README.md"
_ENDINGS = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv")
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_CARD_HEAD = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?$", re.DOTALL | re.MULTILINE)
_FOLDERS = ("data", "datasets", "dataset")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; "" for what is not said."""

    locator: str
    config: str = ""
    split: str = ""
    revision: str = ""


def files(wanted: Wanted, folder: Path) -> list[Path]:
    """The files on this machine that hold the wanted split, in order; `folder` is the locator as a path.

    Raises DataError: for a data set that is not there, and with the choices where config or split must be said.
    """
    if wanted.locator.startswith((".", "/", "~")):
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}", hint="the path is relative to the file that names it")
        return _in_folder(folder, wanted)
    return _from_hub(wanted)


def _in_folder(folder: Path, wanted: Wanted) -> list[Path]:
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    card = folder / CARD
    chosen = choose(names, card.read_text(encoding="utf-8") if card.is_file() else "", wanted)
    return [folder / name for name in chosen]


def _from_hub(wanted: Wanted) -> list[Path]:
    if not re.fullmatch(r"[\w.-]+(?:/[\w.-]+)?", wanted.locator):
        hint = 'write `hf("openai/gsm8k", config: "main", split: "test")`'
        raise DataError(f"{wanted.locator!r} is no name of a data set", hint=hint)
    try:
        hub = import_module("huggingface_hub")
        errors = import_module("huggingface_hub.errors")
    except ImportError as error:
        message = "data sets of the hub need huggingface-hub, which is not installed"
        raise DataError(message, hint="pip install 'ttscale[hub]'") from error
    place: dict[str, str] = {"repo_type": "dataset", **({"revision": wanted.revision} if wanted.revision else {})}

    def bring(name: str) -> Path:
        return Path(hub.hf_hub_download(wanted.locator, name, **place))

    try:
        names = sorted(hub.HfApi().list_repo_files(wanted.locator, **place))
    except (errors.GatedRepoError, errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        hint = "if it is private or gated, log in with `hf auth login` and accept its terms on its page"
        at = f" at {wanted.revision}" if wanted.revision else ""
        raise DataError(f"the hub has no data set {wanted.locator}{at} that you may read", hint=hint) from error
    except Exception as error:  # no connection, in the many forms of the client and the library below it
        return _from_cache(hub, wanted, place, error)
    try:
        chosen = choose(names, bring(CARD).read_text(encoding="utf-8") if CARD in names else "", wanted)
        return [bring(name) for name in chosen]
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{wanted.locator} cannot be brought from the hub: {error}") from error


def _from_cache(hub: Any, wanted: Wanted, place: Mapping[str, str], why: Exception) -> list[Path]:
    """What an earlier run brought, where the hub cannot be reached."""
    try:
        folder = Path(hub.snapshot_download(wanted.locator, local_files_only=True, **place))
    except Exception as error:
        message = f"the hub cannot be reached, and {wanted.locator} is not in its cache: {why}"
        raise DataError(message, hint="bring it once while there is a connection") from error
    return _in_folder(folder, wanted)


def choose(names: Sequence[str], card: str, wanted: Wanted) -> list[str]:
    """The names of the files that hold the wanted config and split. Raises DataError."""
    data = [name for name in names if _is_data(name)]
    if not data:
        raise DataError(f"{wanted.locator} has no file of rows ({' '.join(_ENDINGS)})")
    configs = _of_card(card, data) or _of_names(data)
    config = _pick(
        wanted.config, configs, "config", wanted, default=lambda known: "default" if "default" in known else ""
    )
    split = _pick(wanted.split, configs[config], "split", wanted, default=lambda known: "")
    return configs[config][split]


def _is_data(name: str) -> bool:
    path = PurePosixPath(name.lower().removesuffix(".gz"))
    hidden = any(part.startswith((".", "_")) for part in path.parts)
    return path.suffix in _ENDINGS and not hidden and path.name not in ("dataset_infos.json", "dataset_info.json")


def _pick(said: str, known: Iterable[str], what: str, wanted: Wanted, *, default: Callable[[list[str]], str]) -> str:
    names = list(known)
    if said:
        found = said if said in names else _canonical(said)
        if found in names:
            return found
        near = suggest(said, names)
        hint = f"did you mean `{near}`?" if near else f"it has {', '.join(names)}"
        raise DataError(f"{wanted.locator} has no {what} `{said}`", hint=hint)
    if len(names) == 1:
        return names[0]
    found = default(names)
    if found:
        return found
    message = f"{wanted.locator} has more than one {what}: {', '.join(names)}"
    raise DataError(message, hint=f'say which: `{what}: "{names[0]}"`')


def _canonical(split: str) -> str:
    return next((name for name, aliases in _ALIASES.items() if split.lower() in aliases), split)


def _of_card(card: str, data: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Files by config and split as the card's `configs` say; nothing where it has none."""
    head = _CARD_HEAD.match(card)
    if head is None:
        return {}
    yaml = import_module("yaml")
    try:
        told = yaml.safe_load(head[1])
    except yaml.YAMLError as error:
        raise DataError(f"the head of {CARD} is not YAML: {error}") from error
    configs = told.get("configs") if isinstance(told, dict) else None
    found: dict[str, dict[str, list[str]]] = {}
    for config in configs if isinstance(configs, list) else ():
        if not isinstance(config, dict) or "data_files" not in config:
            continue
        given = config["data_files"]
        entries = given if isinstance(given, list) and all(isinstance(one, dict) for one in given) else None
        if entries is None:
            entries = [{"split": "train", "path": given}]
        splits = found.setdefault(str(config.get("config_name", "default")), {})
        base = str(config.get("data_dir") or "").strip("/")
        for entry in entries:
            paths = entry.get("path")
            patterns = [str(path) for path in (paths if isinstance(paths, list) else [paths])]
            matched = [name for name in data if any(_matches(name, pattern, base) for pattern in patterns)]
            splits.setdefault(str(entry.get("split", "train")), []).extend(matched)
    return {config: kept for config, splits in found.items() if (kept := {s: own for s, own in splits.items() if own})}


def _matches(name: str, pattern: str, base: str) -> bool:
    whole = f"{base}/{pattern}" if base else pattern
    return fnmatchcase(name, whole.removeprefix("./").replace("**/", "*"))


def _of_names(data: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Files by config (the folder) and split (a word of the name or folder; `train` where nothing says another)."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in data:
        *folders, file = PurePosixPath(name).parts
        split = _split_in(file) or next((s for folder in reversed(folders) if (s := _split_in(folder))), "")
        kept = [folder for folder in folders if folder.lower() not in _FOLDERS and not _split_in(folder)]
        found.setdefault("/".join(kept) or "default", {}).setdefault(split or "train", []).append(name)
    return found


def _split_in(text: str) -> str:
    words = re.split(r"[^a-z]+", text.lower().partition(".")[0])
    return next((split for split, aliases in _ALIASES.items() if any(word in aliases for word in words)), "")
