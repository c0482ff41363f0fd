"""Recipes: `.tts` files in installed Python packages, found by their entry points in the group `ttscale.recipes`.

    [project.entry-points."ttscale.recipes"]
    some-recipe = "some_recipe"          # a package whose folder holds name.tts

    find("some-recipe/name", "~1.4")     # Recipe("some-recipe", "1.4.2", …), and the path of name.tts in it

No code of the package runs. Versions are those of the distributions; of several that fit the newest is taken.

    1        any 1.x                      ~1.4, ^1.4    1.4 or newer, and below 2
    1.4      any 1.4.x                    ~1.4.2        1.4.2 or newer, and below 1.5
    1.4.2    that one                     >=1.2 <2      all of these

Codes:
    E0408  a recipe that is not installed
    E0409  a recipe of which no installed version fits
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.compiler.diagnostics import suggest
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.python_names import LoadFault

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "ttscale.recipes"
Version = tuple[int, ...]
_COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "=": lambda a, b: a == b,
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """An installed recipe: its name, its distribution's version, and the folder of its files."""

    name: str
    version: str
    folder: Path


def installed() -> list[Recipe]:
    """All recipes that are installed, by name, the newest version of each first."""
    import importlib.metadata  # takes long, and most programs use no recipe

    found: dict[tuple[str, str], Recipe] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        folder = _folder(entry)
        if entry.dist is not None and folder is not None:
            recipe = Recipe(entry.name, entry.dist.version, folder)
            found.setdefault((recipe.name, recipe.version), recipe)
    newest = sorted(found.values(), key=lambda recipe: numbers(recipe.version), reverse=True)
    return sorted(newest, key=lambda recipe: recipe.name)


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


def find(path: str, wanted: str) -> tuple[Recipe, str]:
    """The installed recipe that `some-recipe/name` means in a range of versions, and the file's path in its folder.

    Raises LoadFault.
    """
    name, _, module = path.partition("/")
    known = installed()
    versions = [recipe for recipe in known if recipe.name == name]
    if not versions:
        names = list(dict.fromkeys(recipe.name for recipe in known))
        near = suggest(name, names)
        listed = f"installed are {', '.join(names)}" if names else "no recipe is installed"
        hint = (
            f"did you mean `{near}`?"
            if near
            else f"install the package that has it; a file beside this one is `./{path}`"
        )
        raise LoadFault("E0408", f"there is no recipe `{name}`", label=listed, hint=hint)
    fitting = [recipe for recipe in versions if fits(recipe.version, wanted)]
    if not fitting:
        shown = ", ".join(recipe.version for recipe in versions)
        hint = f"write `use {path}@{'.'.join(versions[0].version.split('.')[:2])}`, or install another version"
        message = f"no installed version of the recipe `{name}` fits `{wanted}`"
        raise LoadFault("E0409", message, label=f"installed: {shown}", hint=hint)
    recipe = fitting[0]
    file = f"{module}.tts"
    if not module or not (recipe.folder / file).is_file():
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


def recipe_of(module: str) -> Recipe | None:
    """The installed recipe that a module such as `some-recipe/name@1.4.2` is of; None for a file of the user's own."""
    name, _, version = module.rpartition("@")
    recipe = name.partition("/")[0]
    if not recipe or Path(module).is_file():
        return None
    return next((one for one in installed() if (one.name, one.version) == (recipe, version)), None)


def folder_of(module: str) -> Path:
    """Where relative paths that a module names are looked for: beside its file, also in an installed recipe."""
    recipe = recipe_of(module)
    return Path(module).parent if recipe is None else (recipe.folder / module.partition("/")[2]).parent


def numbers(version: str) -> Version:
    """The numbers at the beginning of a version: `1.4.2rc1` is (1, 4, 2)."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def fits(version: str, wanted: str) -> bool:
    """Whether a version is in a range as programs write it. Raises LoadFault for a range that cannot be read."""
    own = _padded(numbers(version))
    text = wanted.strip()
    if text in ("", "*"):
        return True
    if text[0] in "~^":
        low = _numbers_of(text[1:], wanted)
        width = len(low) - 1 if text[0] == "~" and len(low) > 1 else 1
        return own >= _padded(low) and own[:width] == _padded(low)[:width]
    if text[0] in "<>=":
        parts = re.findall(r"(>=|<=|>|<|==?)\s*([^\s<>=]+)", text)
        if not parts or re.sub(r"(>=|<=|>|<|==?)\s*([^\s<>=]+)|[\s,]", "", text):
            raise _unreadable(wanted)
        return all(_COMPARISONS[op.replace("==", "=")](own, _padded(_numbers_of(low, wanted))) for op, low in parts)
    exact = _numbers_of(text.removesuffix(".*"), wanted)
    return own[: len(exact)] == exact


def _numbers_of(text: str, wanted: str) -> Version:
    found = numbers(text)
    if not re.fullmatch(r"v?\d+(\.\d+)*", text.strip()):
        raise _unreadable(wanted)
    return found


def _unreadable(wanted: str) -> LoadFault:
    hint = "write `1`, `1.4`, `~1.4` or `>=1.2 <2`"
    return LoadFault("E0409", f"`{wanted}` is no range of versions", hint=hint)


def _padded(version: Version) -> Version:
    """With zeros, so that 1.4 and 1.4.0 are the same."""
    return (*version, *(0,) * (6 - len(version)))
