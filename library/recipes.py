"""Recipes: folders of `.tts` files that programs import by name, and that run by name.

They come from three places, of which the first that has a name keeps it:

    library   those that ship with the tool, in `library/shelf`
    added     those that `ttscale recipe add` put into the user's own folder
    package   those in installed Python packages, by their entry points in the group `ttscale.recipes`:

    [project.entry-points."ttscale.recipes"]
    some-recipe = "some_recipe"          # a package whose folder holds name.tts

    find("some-recipe/name", "~1.4")     # Recipe("some-recipe", "1.4.2", …), and the path of name.tts in it
    find("self-consistency", "1")        # and `recipe.tts`, which a whole recipe stands for

No code of a package runs. Of several versions that fit the newest is taken; a name of the library is never taken over.

Codes:
    E0408  a recipe that is not installed
    E0409  a recipe of which no installed version fits
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ttscale.compiler.diagnostics import suggest
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.python_names import LoadFault
from ttscale.library.elsewhere import instead
from ttscale.library.names import FILE, LIMIT, MANIFEST, normal
from ttscale.library.versions import fits, numbers

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "ttscale.recipes"
HOME = "TTSCALE_RECIPES"
"""The variable of the environment that names another folder for added recipes."""
RECORD = ".added.json"
"""What is kept beside an added recipe's folder: where it came from, and the hashes of its files."""
Origin = Literal["library", "added", "package"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe: its name, its version, the folder of its files, where it comes from, and what its manifest says."""

    name: str
    version: str
    folder: Path
    origin: Origin = "package"
    package: str = ""
    """The distribution that has it."""

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


def installed() -> list[Recipe]:
    """All recipes that programs can import, by name, the newest version of each first."""
    found: dict[tuple[str, str], Recipe] = {}
    own = {recipe.name for recipe in shelf()}
    for recipe in (*shelf(), *added(), *packages()):
        if recipe.origin == "library" or recipe.name not in own:
            found.setdefault((recipe.name, recipe.version), recipe)
    newest = sorted(found.values(), key=lambda recipe: numbers(recipe.version), reverse=True)
    return sorted(newest, key=lambda recipe: recipe.name)


@lru_cache(maxsize=1)
def shelf() -> tuple[Recipe, ...]:
    """Those that ship with the tool."""
    place = Path(str(resources.files("ttscale.library").joinpath("shelf")))
    found = (_with_manifest(folder, "library") for folder in sorted(place.glob("*")) if folder.is_dir())
    return tuple(recipe for recipe in found if recipe is not None)


def home() -> Path:
    """The folder of added recipes: `NAME/VERSION/…`, which need not be there."""
    given = os.environ.get(HOME)
    if given:
        return Path(given).expanduser().absolute()
    import platformdirs  # few commands come here

    return Path(platformdirs.user_data_path("ttscale")) / "recipes"


def added() -> tuple[Recipe, ...]:
    """Those that the user added."""
    place = home()
    if not place.is_dir():
        return ()
    found = (_with_manifest(record.parent / record.name.removesuffix(RECORD), "added") for record in _records(place))
    return tuple(recipe for recipe in found if recipe is not None)


def _records(place: Path) -> list[Path]:
    return sorted(place.glob(f"*/*{RECORD}"))


def record_of(recipe: Recipe) -> Path:
    """The file that says where an added recipe came from, and what the hashes of its files are."""
    return recipe.folder.with_name(recipe.folder.name + RECORD)


def packages() -> tuple[Recipe, ...]:
    """Those in installed Python packages."""
    import importlib.metadata  # takes long, and most programs use no recipe

    found: list[Recipe] = []
    for entry in importlib.metadata.entry_points(group=GROUP):
        folder = _folder(entry)
        if entry.dist is not None and folder is not None:
            found.append(Recipe(entry.name, entry.dist.version, folder, "package", entry.dist.metadata["Name"] or ""))
    return tuple(found)


def _with_manifest(folder: Path, origin: Origin) -> Recipe | None:
    said = said_by(folder)
    name, version = said.get("name"), said.get("version")
    return Recipe(name, version, folder, origin) if isinstance(name, str) and isinstance(version, str) else None


def said_by(folder: Path) -> Mapping[str, object]:
    """What a folder's manifest says, unchecked; nothing where it has none that can be read."""
    try:
        with (folder / MANIFEST).open("rb") as stream:
            return tomllib.loads(stream.read(LIMIT).decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}


def _folder(entry: EntryPoint) -> Path | None:
    """The folder of the package that an entry point names, without importing it where that can be."""
    package = entry.value.partition(":")[0].strip()
    if entry.dist is not None:
        beside = Path(str(entry.dist.locate_file(package.replace(".", "/"))))
        if beside.is_dir():
            return beside
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    return Path(places[0]) if places else None


def aliases(recipes: Iterable[Recipe]) -> dict[str, str]:
    """Other names of recipes, in the one spelling; a name that two claim is the first one's."""
    found: dict[str, str] = {}
    for recipe in recipes:
        said = said_by(recipe.folder).get("aliases")
        for alias in said if isinstance(said, list) else []:
            found.setdefault(normal(str(alias)), recipe.name)
    return found


def find(path: str, wanted: str, locked: Collection[str] = ()) -> tuple[Recipe, str]:
    """The recipe that `some-recipe/name` means in a range of versions, and the file's path in its folder.

    A whole recipe is its `recipe.tts`. `self_consistency` and the aliases of a recipe mean it too. Of the versions that
    fit one that is `locked` (as `name@version`) comes before newer ones. Raises LoadFault.
    """
    name, _, module = path.partition("/")
    versions = _of_name(name, shelf())
    known = list(shelf()) if versions else installed()
    versions = versions or _of_name(name, known)
    if not versions:
        names = list(dict.fromkeys(recipe.name for recipe in known))
        near = suggest(normal(name), names)
        others = [name for name in names if all(name != one.name for one in shelf())]
        listed = f"installed are {_some(others)}" if others else "`ttscale recipe list` shows those that there are"
        hint = (
            f"did you mean `{near}`?"
            if near
            else f"install the package that has it; a file beside this one is `./{path}`"
        )
        raise LoadFault("E0408", f"there is no recipe `{name}`", label=listed, hint=instead(name) or hint)
    fitting = [recipe for recipe in versions if fits(recipe.version, wanted)]
    if not fitting:
        shown = ", ".join(recipe.version for recipe in versions)
        hint = f"write `use {path}@{'.'.join(versions[0].version.split('.')[:2])}`, or install another version"
        message = f"no installed version of the recipe `{name}` fits `{wanted}`"
        raise LoadFault("E0409", message, label=f"installed: {shown}", hint=hint)
    recipe = next((one for one in fitting if f"{one.name}@{one.version}" in locked), fitting[0])
    file = f"{module}.tts" if module else FILE
    if not (recipe.folder / file).is_file():
        modules = sorted(
            one.relative_to(recipe.folder).with_suffix("").as_posix() for one in recipe.folder.rglob("*.tts")
        )
        near = suggest(module, modules) if module else None
        hint = (
            f"did you mean `{name}/{near}`?"
            if near
            else f"it has {', '.join(f'`{name}/{one}`' for one in modules[:8])}"
        )
        message = f"the recipe `{name}` {recipe.version} has no `{module}`" if module else f"`{name}` is a whole recipe"
        raise LoadFault("E0401", message, hint=hint if modules else "it has no programs")
    return recipe, file


def called(name: str) -> Recipe | None:
    """The recipe that somebody means by a name, an alias, or `name@range`; None for a file, or what looks like one.

    Files and folders of recipes come first. Raises LoadFault where a name that is no file's is no recipe's either.
    """
    path, _, wanted = name.partition("@")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", path):
        return None
    own = Path(name)
    if own.is_file() or (own / MANIFEST).is_file() or Path(f"{name}.tts").is_file():
        return None
    try:
        return find(path, wanted)[0]
    except LoadFault:
        if own.is_dir():
            return None  # whoever names a folder is told what is in it
        raise


def _of_name(name: str, known: Sequence[Recipe]) -> list[Recipe]:
    """The versions of the recipe that has this name; else one whose name is spelt alike, or that has it as an alias."""
    exact = [recipe for recipe in known if recipe.name == name]
    if exact:
        return exact
    spelt = normal(name)
    alike = [recipe for recipe in known if normal(recipe.name) == spelt]
    meant = alike[0].name if alike else aliases(known).get(spelt)
    return [recipe for recipe in known if recipe.name == meant]


def _some(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def recipe_of(module: str) -> Recipe | None:
    """The recipe that a module such as `some-recipe/name@1.4.2` is of; None for a file of the user's own."""
    name, _, version = module.rpartition("@")
    recipe = name.partition("/")[0]
    if not recipe or recipe == "std" or Path(module).is_file():
        return None
    known = [one for one in shelf() if one.name == recipe] or installed()
    return next((one for one in known if (one.name, one.version) == (recipe, version)), None)


def folder_of(module: str) -> Path:
    """Where relative paths that a module names are looked for: beside its file, also in an installed recipe."""
    recipe = recipe_of(module)
    return Path(module).parent if recipe is None else (recipe.folder / module.partition("/")[2]).parent


def files_in(recipe: Recipe) -> dict[str, Path]:
    """The files of a recipe by their paths, without those that Python makes."""
    found = (file for file in sorted(recipe.folder.rglob("*")) if file.is_file() and "__pycache__" not in file.parts)
    return {file.relative_to(recipe.folder).as_posix(): file for file in found}


def hashes_of(recipe: Recipe) -> Mapping[str, str] | None:
    """The sha256 that each file of a recipe had when it was installed, by its path; None where nobody wrote them down.

    Of an added recipe they are in its record, of a package in its `RECORD`.
    """
    if recipe.origin == "added":
        try:
            files = json.loads(record_of(recipe).read_text(encoding="utf-8"))["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return {str(path): str(digest) for path, digest in files.items()} if isinstance(files, dict) else {}
    return _recorded(recipe) if recipe.origin == "package" else None


def _recorded(recipe: Recipe) -> Mapping[str, str] | None:
    import base64
    import importlib.metadata

    try:
        files = importlib.metadata.distribution(recipe.package).files or []
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    found: dict[str, str] = {}
    for file in files:
        path = Path(str(file.locate()))
        if file.hash is not None and file.hash.mode == "sha256" and path.is_relative_to(recipe.folder):
            padded = file.hash.value + "=" * (-len(file.hash.value) % 4)
            found[path.relative_to(recipe.folder).as_posix()] = base64.urlsafe_b64decode(padded).hex()
    return found or None
