"""`tts.lock`: which weights, imports and schemas a program was locked with, by their hashes.

One file for a folder, in JSON. Weights are kept by locator (paths relative to the lock), imported modules and schema
files by name (files relative to the lock); their hashes are those of their canonical forms, so that layout and comments
do not count. Recipes are kept by name and version, with a hash of all bytes of all their files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ttscale.cli.faults import Failure
from ttscale.compiler.models import GGUF_PREFIXES

if TYPE_CHECKING:
    from ttscale.compiler.driver import Checked
    from ttscale.compiler.ir import Model
    from ttscale.compiler.scope import Linked

NAME = "tts.lock"


class Weights(BaseModel):
    """One weight file; `size` in bytes."""

    model_config = ConfigDict(extra="forbid")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class Lock(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")
    lock: int = Field(default=1, ge=1, le=1)
    weights: dict[str, Weights] = Field(default_factory=dict)
    modules: dict[str, str] = Field(default_factory=dict)
    schemas: dict[str, str] = Field(default_factory=dict)
    recipes: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Lock:
        """The lock at `path`. Raises Failure where it is missing or is no lock."""
        if not path.is_file():
            raise Failure(f"there is no {path}", f"write one with `ttscale lock {path.parent / 'FILE.tts'}`")
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"]) or "the file"
            raise Failure(f"{path} is no lock: {where}: {problem['msg']}", "remove it and lock again") from None

    def write(self, path: Path) -> None:
        """Write the lock in one step, sorted, so that equal locks are equal files."""
        ordered = Lock(
            weights=dict(sorted(self.weights.items())),
            modules=dict(sorted(self.modules.items())),
            schemas=dict(sorted(self.schemas.items())),
            recipes=dict(sorted(self.recipes.items())),
        )
        beside = path.with_name(path.name + ".part")
        without = {name for name in ("schemas", "recipes") if not getattr(self, name)}
        beside.write_text(ordered.model_dump_json(indent=2, exclude=without) + "\n", encoding="utf-8", newline="\n")
        beside.replace(path)

    def differences(self, now: Lock) -> list[str]:
        """What `now` has that is missing here or differs, in words, as a reason to refuse it."""
        said = []
        for what, known in self._compared(now):
            are = "are" if what.startswith("the weights") else "is"
            if not known:
                said.append(f"{what} {are} not locked")
            elif are == "are":
                digest = now.weights[what.removeprefix("the weights ")].sha256
                said.append(f"{what} are not the ones locked (sha256 {digest[:12]}…)")
            else:
                said.append(f"{what} has changed since it was locked")
        return said

    def news(self, now: Lock) -> list[str]:
        """The same where `now` is being locked: what comes in, and what is replaced."""
        return [f"{what}: {'changed, and locked anew' if known else 'locked'}" for what, known in self._compared(now)]

    def _compared(self, now: Lock) -> list[tuple[str, bool]]:
        """What `now` has that differs, with whether this has another version of it."""
        found: list[tuple[str, bool]] = []
        kinds: tuple[tuple[str, Mapping[str, object], Mapping[str, object]], ...] = (
            ("the weights", self.weights, now.weights),
            ("the import", self.modules, now.modules),
            ("the schema", self.schemas, now.schemas),
            ("the recipe", self.recipes, now.recipes),
        )
        for noun, here, there in kinds:
            found += [(f"{noun} {name}", name in here) for name, own in there.items() if here.get(name) != own]
        return found


def current(checked: Checked, folder: Path, models: list[Model]) -> Lock:
    """What a program uses now. Raises EngineError where weights are missing."""
    from ttscale.compiler.canonical import canonical_hash, schema_hashes
    from ttscale.runtime.engines.llama.digest import file_digest
    from ttscale.runtime.model_files import files_of
    from ttscale.runtime.models import home_of

    found = Lock()
    for model in models:
        home = home_of(model, folder)
        for locator, path in files_of(model, home):
            name = weights_name(locator, home, folder)
            if name not in found.weights:
                digest = file_digest(path).removeprefix("sha256:")
                found.weights[name] = Weights(sha256=digest, size=path.stat().st_size)
    linked = checked.linked
    for name, scope in linked.modules.items():
        if name != linked.entry:
            found.modules[portable(name, folder)] = canonical_hash(scope.tree)
    for name, digest in schema_hashes(linked).items():
        found.schemas[portable(name, folder)] = digest
    found.recipes.update(recipes_of(linked))
    for module in linked.python.values():
        found.modules[portable(module.file, folder)] = module.digest
    return found


def recipes_of(linked: Linked) -> dict[str, str]:
    """The recipes that a program reaches, by name and version, with a hash of all bytes of their files."""
    from ttscale.library.loader import sha256_of
    from ttscale.library.recipes import files_in, recipe_of

    found: dict[str, str] = {}
    for name in linked.modules:
        recipe = recipe_of(name) if name != linked.entry else None
        if recipe is not None:
            files = sorted(files_in(recipe).items())
            text = "".join(f"{path}\0{sha256_of(file)}\n" for path, file in files)
            found[f"{recipe.name}@{recipe.version}"] = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return found


def locked_recipes(folder: Path) -> frozenset[str]:
    """The recipes, as `name@version`, that the lock in a folder pins; none where there is no lock that can be read."""
    path = folder / NAME
    if not path.is_file():
        return frozenset()
    try:
        return frozenset(Lock.read(path).recipes)
    except Failure:
        return frozenset()  # `--locked` and `ttscale lock` say what is wrong with it


def weights_name(locator: str, home: Path, folder: Path) -> str:
    """A locator that names one file for the whole program: a relative path counts from `folder`, not from `home`."""
    if locator.startswith(GGUF_PREFIXES) or Path(locator).expanduser().is_absolute():
        return locator
    return Path(os.path.relpath(home / locator, folder.resolve())).as_posix()


def portable(name: str, folder: Path) -> str:
    """A module's name that means the same in another place: files relative to `folder`, with forward slashes."""
    path = Path(name)
    if not path.is_file():
        return name
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def declared_models(checked: Checked) -> list[Model]:
    """Every model that the program and its imports declare."""
    from ttscale.compiler.models import model_ir

    linked = checked.linked
    symbols = {
        (symbol.module, symbol.name): symbol
        for scope in linked.modules.values()
        for symbol in scope.names.values()
        if symbol.kind == "model"
    }
    return [model_ir(symbol, linked) for symbol in symbols.values()]


def check_lock(checked: Checked, file: Path, models: list[Model]) -> None:
    """For `--locked`: Failure where weights, imports or schemas differ from the lock beside `file`."""
    folder = file.resolve().parent
    differences = Lock.read(folder / NAME).differences(current(checked, folder, models))
    if differences:
        raise Failure(f"{folder / NAME}: " + "; ".join(differences), f"`ttscale lock {file}` accepts what is here now")
