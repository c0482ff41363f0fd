"""The user's own recipes: added, updated and removed in one folder, `NAME/VERSION/…`, each with a record of its hashes.

    added = add(read("https://example.org/recipes.git#vote"))
    remove("vote", "1.0.0")

An addition is checked before anything is written, and stands complete or not at all. A version that is there stays
as it is: other files under the same version are refused.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from ttscale.compiler.check_trust import needs
from ttscale.compiler.driver import Checked, compile_source
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.python_names import LoadFault
from ttscale.library.loader import FileLoader, load_source
from ttscale.library.manifest import Manifest
from ttscale.library.names import FILE
from ttscale.library.packing import PackError, hashes, manifest_in
from ttscale.library.recipes import Recipe, added, find, home, record_of, shelf
from ttscale.library.unpacking import Handed, read


@dataclass(frozen=True, slots=True)
class Added:
    """What came of an addition: the recipe, whether it was there already, and what it needs of the user."""

    recipe: Recipe
    manifest: Manifest
    was_there: bool
    missing: tuple[str, ...] = ()
    """Recipes that it imports and that are not installed, with the versions that it wants."""


def add(handed: Handed) -> Added:
    """Put a recipe into the user's folder. Raises PackError, ManifestError, CompileError."""
    manifest = manifest_in(handed.files)
    if any(recipe.name == manifest.name for recipe in shelf()):
        message = f"`{manifest.name}` is a recipe of the library, whose names nobody else can use"
        raise PackError(message, hint="ask its authors for another name; `ttscale run` on its folder works as it is")
    target = home() / manifest.name / manifest.version
    recipe = Recipe(manifest.name, manifest.version, target, "added")
    own = hashes(handed.files)
    if target.exists():
        if recorded(recipe) == own:
            return Added(recipe, manifest, True, missing(manifest))
        message = f"{manifest.name} {manifest.version} is there already, with other files"
        hint = f"its authors should give it a new version; `ttscale recipe remove {manifest.name}` makes room"
        raise PackError(message, hint=hint)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=target.parent) as made:
        staged = Path(made) / "recipe"
        for name, data in handed.files.items():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / name).write_bytes(data)
        absent = missing(manifest)
        if not absent:
            check_declared(compiled(staged), staged, manifest)
        record = {
            "from": handed.source,
            "kind": handed.kind,
            "commit": handed.commit,
            "added": date.today().isoformat(),
        }
        staged.rename(target)
        text = json.dumps({**record, "files": own}, indent=1) + "\n"
        record_of(recipe).write_text(text, encoding="utf-8", newline="\n")
    return Added(recipe, manifest, False, absent)


def compiled(folder: Path) -> Checked:
    """The program of a recipe's folder, compiled as its own, without running Python. Raises CompileError, PackError."""
    if not (folder / FILE).is_file():
        raise PackError(f"there is no {FILE}", hint="a recipe's program is called so")
    return compile_source(load_source(folder / FILE), FileLoader()).require_ok()


def check_declared(checked: Checked, folder: Path, manifest: Manifest) -> None:
    """Raises PackError where the programs of a recipe need what its manifest does not say."""
    for file, capability, said in needed(checked, folder):
        if capability not in manifest.needs:
            hint = f'add `needs = ["{capability}"]` to recipe.toml, so that users know'
            raise PackError(f"{file} has {said}, and the manifest does not say that it needs `{capability}`", hint=hint)


def needed(checked: Checked, folder: Path) -> list[tuple[str, str, str]]:
    """What the programs of a folder need: file, capability and the text that says so."""
    found = []
    for name, scope in checked.linked.modules.items():
        path = Path(name)
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            found += [(path.name, need.capability, need.said) for need in needs(scope.tree)]
    return found


def missing(manifest: Manifest) -> tuple[str, ...]:
    """The recipes that a manifest names and that are not installed, with their ranges."""
    absent = []
    for name, wanted in manifest.recipes.items():
        try:
            find(name, wanted)
        except LoadFault as fault:
            if fault.code != "E0401":
                absent.append(f"{name} {wanted}".strip())
    return tuple(absent)


def recorded(recipe: Recipe) -> Mapping[str, str]:
    """The hashes that were written down when a recipe was added."""
    found = record(recipe).get("files")
    return found if isinstance(found, dict) else {}


def record(recipe: Recipe) -> Mapping[str, object]:
    """What is known about an addition: `from kind commit added files`; empty for no added recipe."""
    try:
        found = json.loads(record_of(recipe).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remove(name: str, version: str = "") -> list[Recipe]:
    """Take the added versions of a recipe away, or one of them; gives those that were there."""
    gone = [recipe for recipe in added() if recipe.name == name and version in ("", recipe.version)]
    for recipe in gone:
        record_of(recipe).unlink(missing_ok=True)
        shutil.rmtree(recipe.folder)
        if not any(recipe.folder.parent.iterdir()):
            recipe.folder.parent.rmdir()
    return gone


def newest_added() -> list[Recipe]:
    """The newest version of every recipe that was added."""
    from ttscale.library.versions import numbers

    best: dict[str, Recipe] = {}
    for recipe in added():
        other = best.get(recipe.name)
        if other is None or numbers(recipe.version) > numbers(other.version):
            best[recipe.name] = recipe
    return list(best.values())


def update(recipe: Recipe) -> Added:
    """Add what is now where a recipe came from. Raises as `add` and `read` do, PackError where nobody knows."""
    source = record(recipe).get("from")
    if not isinstance(source, str) or not source:
        raise PackError(f"nobody wrote down where {recipe.name} came from", hint="`ttscale recipe add` it again")
    return add(read(source))
