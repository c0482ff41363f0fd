"""`ttscale recipe add`, `remove` and `update`: the recipes in the user's own folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, out, out_json
from ttscale.cli.faults import USER, Failure

if TYPE_CHECKING:
    from ttscale.library.keeping import Added


@make_command(
    "ttscale recipe add ./my-recipe",
    "ttscale recipe add my_recipe-1.0.0-py3-none-any.whl",
    "ttscale recipe add https://example.org/recipes.git@v1.2#vote",
    "ttscale recipe add shared.tts",
)
@click.argument("source")
@json_option
def add(source: str, as_json: bool) -> None:
    """Install a recipe from SOURCE: a folder, a .tts, .zip or .whl file, or a git URL, with @REVISION and #FOLDER.

    Nothing of it runs. It is kept in a folder of your own with the hash of every file, and a changed file is refused.
    """
    from ttscale.library.keeping import add as keep
    from ttscale.library.unpacking import read

    found = keep(read(source))
    if as_json:
        out_json(data_of(found))
        return
    for line in lines_of(found):
        out(line)
    out(f'`ttscale run {found.manifest.name} "…"` asks it')


def data_of(found: Added) -> dict[str, object]:
    """An addition as plain data."""
    return {
        "name": found.manifest.name,
        "version": found.manifest.version,
        "folder": str(found.recipe.folder),
        "was_there": found.was_there,
        "needs": list(found.manifest.needs),
        "missing": list(found.missing),
    }


def lines_of(found: Added) -> list[str]:
    """What came of an addition, for people."""
    manifest = found.manifest
    state = "is there already, unchanged" if found.was_there else "added"
    lines = [f"{manifest.name} {manifest.version} {state}: {manifest.summary}"]
    if manifest.needs:
        lines.append(f"it needs {', '.join(manifest.needs)}: " + " ".join(f"--allow {need}" for need in manifest.needs))
    for wanted in found.missing:
        lines.append(f"it imports the recipe {wanted}, which is not installed")
    return lines


@make_command("ttscale recipe remove my-recipe", "ttscale recipe remove my-recipe@1.0.0")
@click.argument("name", metavar="NAME[@VERSION]")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Take a recipe that was added away again, all of its versions or one."""
    from ttscale.library.keeping import remove as take
    from ttscale.library.recipes import installed

    plain, _, version = name.partition("@")
    gone = take(plain, version)
    if not gone:
        other = next((recipe for recipe in installed() if recipe.name == plain), None)
        if other is None:
            raise Failure(f"there is no recipe `{name}`", "`ttscale recipe list` shows those that there are")
        if other.origin == "added":
            raise Failure(f"there is no version {version} of `{plain}`", f"there is {other.version}")
        hint = f"`pip uninstall {other.package}`" if other.package else ""
        raise Failure(f"`{plain}` was not added: it {'ships with the tool' if not hint else 'is a package'}", hint)
    if as_json:
        out_json([{"name": recipe.name, "version": recipe.version} for recipe in gone])
        return
    for recipe in gone:
        out(f"removed {recipe.label}")


@make_command("ttscale recipe update", "ttscale recipe update my-recipe")
@click.argument("names", nargs=-1)
@json_option
def update(names: tuple[str, ...], as_json: bool) -> int:
    """Look where recipes came from, and add newer versions; older ones stay, so that programs go on as they are."""
    from ttscale.library.keeping import newest_added
    from ttscale.library.keeping import update as renew
    from ttscale.library.manifest import ManifestError
    from ttscale.library.packing import PackError

    known = {recipe.name: recipe for recipe in newest_added()}
    for name in names:
        if name not in known:
            raise Failure(f"no recipe `{name}` was added", "packages are updated with `pip install --upgrade`")
    told: list[dict[str, object]] = []
    failed = False
    for recipe in [known[name] for name in names] if names else list(known.values()):
        try:
            found = renew(recipe)
            told.append({**data_of(found), "before": recipe.version})
            if not as_json and found.was_there:
                out(f"{recipe.label} is the newest")
            elif not as_json:
                for line in (f"{recipe.label} -> {found.manifest.version}", *lines_of(found)[1:]):
                    out(line)
        except (PackError, ManifestError, OSError) as error:
            failed = True
            told.append({"name": recipe.name, "before": recipe.version, "error": str(error)})
            if not as_json:
                err(f"{recipe.label} is not updated: {error}")
    if as_json:
        out_json(told)
    elif not told:
        out("no recipe was added; `ttscale recipe add SOURCE` adds one")
    return USER if failed else 0
