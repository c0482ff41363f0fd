"""What `ttscale models probe` found out about servers, kept for checks, plans and later runs.

One JSON file for each user, or the one that TTSCALE_PROBES names; an address and a model's name in it, never a key.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from ttscale.compiler.capabilities import Abilities
from ttscale.compiler.ir import Model
from ttscale.compiler.models import option

VARIABLE = "TTSCALE_PROBES"


@dataclass(frozen=True, slots=True)
class Probed:
    """What was found; None where it could not be told.

    `logprobs` are those of chosen tokens, `scoring` those of alternatives to them, `prompt_logprobs` those of the
    prompt's own. `seeds`: the same gives the same text, others give others. `many`: `n` gives as many texts, not all
    equal. `schema` and `grammar` keep answers to them, `continuation` goes on from the beginning of a reply. `context`
    is what the server says that it holds, `held` the longest prompt in tokens that it counted whole.
    """

    logprobs: bool | None = None
    scoring: bool | None = None
    prompt_logprobs: bool | None = None
    seeds: bool | None = None
    many: bool | None = None
    schema: bool | None = None
    grammar: bool | None = None
    continuation: bool | None = None
    streams: bool | None = None
    context: int | None = None
    held: int | None = None


def probes_file() -> Path:
    """Where results are kept."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("ttscale", appauthor=False)) / "probes.json"


def told(model: Model) -> Abilities | None:
    """What the probe of a model's server has found; None for other models, and servers that were not asked."""
    served = kept(model.locator, str(option(model, "name", ""))) if model.kind == "openai" else None
    return None if served is None else as_abilities(served)


def as_abilities(served: Probed) -> Abilities:
    """What a probe's findings are to the checks."""
    return Abilities(
        logprobs=served.logprobs, scoring=served.scoring, context=served.context, continuation=served.continuation
    )


def kept(url: str, model: str) -> Probed | None:
    """What was found of a model on a server, or None."""
    row = _rows().get(_name(url, model))
    if row is None:
        return None
    wanted = {field.name for field in fields(Probed)}
    told: dict[str, Any] = {name: value for name, value in row.items() if name in wanted and _plain(value)}
    return Probed(**told)


def keep(url: str, model: str, found: Probed) -> Path:
    """Keep what was found, in place of what was found before; the file."""
    import tempfile

    path = probes_file()
    rows = {**_rows(), _name(url, model): asdict(found)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".json", delete=False, encoding="utf-8") as file:
        file.write(json.dumps(rows, indent=2) + "\n")
    Path(file.name).replace(path)  # at once, so that a reader finds the old file or the new one
    return path


def _rows() -> dict[str, dict[str, object]]:
    """All that is kept; a file that cannot be read keeps nothing, and the next probe replaces it."""
    return _read(*file_state())


def file_state() -> tuple[Path, int, int]:
    """The file with all that is kept, and what changes with it."""
    path = probes_file()
    try:
        state = path.stat()
    except OSError:
        return path, 0, 0
    return path, state.st_mtime_ns, state.st_ino  # a new file takes the old one's place


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int, _node: int) -> dict[str, dict[str, object]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): row for name, row in found.items() if isinstance(row, dict)} if isinstance(found, dict) else {}


def _name(url: str, model: str) -> str:
    """An address without user and password, and the model's name."""
    scheme, _, rest = url.rstrip("/").partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}#{model}"


def _plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int)
