"""`ttscale lock`: pin what a program stands on."""

from __future__ import annotations

from pathlib import Path

from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import out, out_json, plural
from ttscale.cli.options import file_argument


@make_command("ttscale lock pipeline.tts", "ttscale run pipeline.tts --locked …")
@file_argument
@json_option
def command(file: str, as_json: bool) -> None:
    """Write tts.lock beside FILE: size and sha256 of every weight file, hashes of all imports, schemas and recipes.

    Recipes are locked in the newest versions that fit, and taken in these from then on. What was locked before stays.
    With `--locked` the commands run, check, plan, eval and search refuse anything else.
    """
    from ttscale.cli.lock_file import NAME, Lock, current, declared_models
    from ttscale.cli.sources import check_file

    # the newest versions that fit are locked, not those of the last time
    checked = check_file(file, newest=True).require_ok()
    folder = Path(file).resolve().parent
    now = current(checked, folder, declared_models(checked))
    path = folder / NAME
    before = Lock.read(path) if path.exists() else Lock()
    after = Lock(
        weights=before.weights | now.weights,
        modules=before.modules | now.modules,
        schemas=before.schemas | now.schemas,
        recipes=before.recipes | now.recipes,
    )
    changed = before.differences(now)
    after.write(path)
    if as_json:
        out_json({"file": str(path), **now.model_dump(), "changed": changed})
        return
    for line in before.news(now):
        out(line)
    counts = [plural(len(now.weights), "weight file"), plural(len(now.modules), "import")]
    counts += [plural(len(now.schemas), "schema")] if now.schemas else []
    counts += [plural(len(now.recipes), "recipe")] if now.recipes else []
    out(f"{path}: {', '.join(counts)}{'' if changed else ', nothing changed'}")
