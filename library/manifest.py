"""What a recipe says about itself: `recipe.toml`, beside `recipe.tts` and `README.md` in the recipe's folder.

    name = "self-consistency"        # small letters, digits and hyphens
    version = "1.0.0"
    summary = "Sample several solutions and answer with the most common one."
    aliases = ["majority-vote"]      # other names that it is found and run by
    tasks = ["maths"]                # what it is for, as people search for it
    source = "Wang et al. 2022, arXiv:2203.11171"
    license = "Apache-2.0"
    authors = ["Ada Lovelace"]
    ttscale = ">=0.1"                # the versions of this tool that it works with
    needs = ["network"]              # what it must be granted; most recipes need nothing

    [recipes]                        # other recipes that it imports
    some-recipe = "~1.4"

Only `name`, `version` and `summary` must be there. A key that is not known is an error with a suggestion.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ttscale.compiler.diagnostics import suggest
from ttscale.library.names import LIMIT, MANIFEST

CAPABILITIES = ("python", "code", "network", "files", "memory")
"""What a recipe may ask for besides secrets, which are asked for by name: `env:OPENAI_API_KEY`."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Line = Annotated[str, Field(pattern=r"^[^\n\r]*$", max_length=400)]


class ManifestError(Exception):
    """A folder that is no recipe, or whose manifest is wrong; `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Manifest(BaseModel):
    """A recipe's manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Name
    version: str = Field(pattern=r"^\d+(\.\d+){0,3}((a|b|rc)\d+)?$", max_length=40)
    summary: Line
    aliases: tuple[Name, ...] = ()
    tasks: tuple[Name, ...] = ()
    source: Line = ""
    license: Line = ""
    authors: tuple[Line, ...] = ()
    homepage: str = Field(default="", pattern=r"^(https://\S+)?$", max_length=400)
    ttscale: str = ""
    needs: tuple[str, ...] = ()
    recipes: dict[Name, str] = Field(default_factory=dict)

    @field_validator("summary")
    @classmethod
    def _is_said(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("say in one line what it does")
        return value

    @field_validator("needs")
    @classmethod
    def _are_capabilities(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for need in value:
            kind, colon, name = need.partition(":")
            if need not in CAPABILITIES and not (kind == "env" and colon and name.isidentifier()):
                raise ValueError(f"`{need}` is none of {', '.join(CAPABILITIES)}, env:NAME")
        return value


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the recipe in `folder`. Raises ManifestError."""
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        inside = sorted(entry.parent.name for entry in folder.glob(f"*/{MANIFEST}"))[:8] if folder.is_dir() else []
        hint = f"it holds the recipes {', '.join(inside)}; name one of them" if inside else ""
        raise ManifestError(
            f"{folder} is no recipe: it has no {MANIFEST}", hint=hint or "`ttscale recipe new` makes one"
        )
    with path.open("rb") as stream:
        data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise ManifestError(f"{path} is too large: more than {LIMIT:,} bytes")
    return manifest_of(data, str(path))


def manifest_of(data: bytes, where: str) -> Manifest:
    """The manifest that a text holds; `where` is its name in messages. Raises ManifestError."""
    try:
        said = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ManifestError(f"{where} is not TOML: {error}") from error
    try:
        return Manifest.model_validate(said)
    except ValidationError as error:
        raise ManifestError(*_worded(error, where)) from None


def new_manifest(**said: object) -> Manifest:
    """A manifest with these keys, in its first version. Raises ManifestError."""
    try:
        return Manifest.model_validate({"version": "0.1.0", **said})
    except ValidationError as error:
        raise ManifestError(*_worded(error, "the manifest")) from None


def _worded(error: ValidationError, where: str) -> tuple[str]:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return (f"{where} does not say its `{key}`",)
    if problem["type"] == "extra_forbidden":
        near = suggest(key, Manifest.model_fields)
        return (f"{where}: there is no key `{key}`" + (f"; did you mean `{near}`?" if near else ""),)
    if problem["type"] == "string_pattern_mismatch":
        given = problem["input"]
        said = {
            "version": "write it as 1.0.0",
            "homepage": "it must begin with https://",
        }.get(key.partition(".")[0], "small letters, digits and single hyphens")
        return (f"{where}: `{key}` cannot be {given!r}: {said}",)
    return (f"{where}: `{key}`: {problem['msg'].removeprefix('Value error, ')}",)


def manifest_text(manifest: Manifest) -> str:
    """The manifest as it is written to a file."""
    lines = []
    for name, value in manifest.model_dump(exclude_defaults=True, exclude={"recipes"}).items():
        shown = (
            f"[{', '.join(_quoted(str(item)) for item in value)}]" if isinstance(value, tuple) else _quoted(str(value))
        )
        lines.append(f"{name} = {shown}")
    if manifest.recipes:
        lines += ["", "[recipes]", *(f"{name} = {_quoted(wanted)}" for name, wanted in manifest.recipes.items())]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'
