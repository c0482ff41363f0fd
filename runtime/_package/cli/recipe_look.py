"""`ttscale recipe list`, `find` and `show`: what recipes there are, and what one offers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import out, out_json, table
from ttscale.cli.faults import Failure
from ttscale.cli.options import model_option, python_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttscale.library.recipes import Recipe

WORDS = {"library": "ships with the tool", "added": "added by you", "package": "from the package"}


@dataclass(frozen=True, slots=True)
class Offer:
    """One file of a recipe: how a program imports it, and its pipelines with their heads and documentation."""

    use: str
    pipelines: tuple[tuple[str, str, str], ...]
    error: str = ""

    def data(self) -> dict[str, Any]:
        """As plain data."""
        pipelines = [{"name": name, "head": head, "doc": doc} for name, head, doc in self.pipelines]
        return {"use": self.use, "pipelines": pipelines, **({"error": self.error} if self.error else {})}


@make_command("ttscale recipe list", "ttscale recipe list --json", name="list")
@json_option
def list_recipes(as_json: bool) -> None:
    """List the recipes that run by name and that programs can import."""
    from ttscale.library.recipes import installed

    show_table(installed(), as_json)


@make_command("ttscale recipe find vote", "ttscale recipe find maths judge")
@click.argument("words", nargs=-1, required=True)
@json_option
def find(words: tuple[str, ...], as_json: bool) -> None:
    """List the recipes whose names, aliases, tasks, summaries, sources or pages hold all of WORDS."""
    from ttscale.library.recipes import installed

    found = [recipe for recipe in installed() if all(holds(recipe, word) for word in words)]
    if not found and not as_json:
        from ttscale.library.elsewhere import instead

        hint = instead("-".join(words)) or "`ttscale recipe list` shows all of them"
        raise Failure(f"no recipe is about {' '.join(words)}", hint)
    show_table(found, as_json)


def holds(recipe: Recipe, word: str) -> bool:
    """Whether anything that a recipe says about itself holds a word."""
    from ttscale.library.names import README, normal
    from ttscale.library.recipes import said_by

    said = said_by(recipe.folder)
    told = [recipe.name, *(str(value) for value in said.values())]
    page = recipe.folder / README
    if page.is_file():
        told.append(page.read_text(encoding="utf-8", errors="replace")[:100_000])
    return normal(word) in normal(" ".join(told))


def show_table(recipes: Sequence[Recipe], as_json: bool) -> None:
    """One line a recipe: name and version, where it is from, what it does."""
    from ttscale.library.recipes import said_by

    told = [(recipe, said_by(recipe.folder)) for recipe in recipes]
    if as_json:
        keys = ("summary", "aliases", "tasks", "source", "needs")
        out_json(
            [
                {"name": r.name, "version": r.version, "from": r.origin, **{k: said[k] for k in keys if k in said}}
                for r, said in told
            ]
        )
        return
    if not told:
        out("there are no recipes")
        return
    rows = [(recipe.label, recipe.origin, str(said.get("summary", ""))) for recipe, said in told]
    for line in table(rows):
        out(line)


@make_command(
    "ttscale recipe show self-consistency",
    "ttscale recipe show ./my-recipe --model qwen2.5.gguf",
    "ttscale recipe show some-recipe --json",
)
@click.argument("name", metavar="NAME")
@model_option
@python_option
@json_option
def show(name: str, models: tuple[str, ...], as_json: bool) -> None:
    """Show what the recipe NAME does, needs, offers to programs, and how well it was measured to do.

    NAME may be an alias, or a recipe's folder. With --model the evidence is that of other weights.
    """
    chosen = versions_of(name)
    if as_json:
        out_json([data_of(recipe, models) for recipe in chosen])
        return
    for recipe in chosen:
        for line in lines_of(recipe, models):
            out(line)


def versions_of(name: str) -> list[Recipe]:
    """All installed versions of a recipe, or the one in a folder. Failure where there is none."""
    from ttscale.compiler.python_names import LoadFault
    from ttscale.library.manifest import read_manifest
    from ttscale.library.names import MANIFEST
    from ttscale.library.recipes import Recipe, installed
    from ttscale.library.recipes import find as find_recipe

    if (Path(name) / MANIFEST).is_file():
        said = read_manifest(Path(name))
        return [Recipe(said.name, said.version, Path(name), "added")]
    plain, _, wanted = name.partition("@")
    known = [recipe for recipe in installed() if recipe.name == plain]
    if known and not wanted:
        return known
    try:
        return [find_recipe(plain, wanted)[0]]
    except LoadFault as fault:
        if fault.code == "E0401" and known:
            return known
        names = list(dict.fromkeys(recipe.name for recipe in installed()))
        raise Failure(*missing(plain, names)) from fault


def missing(name: str, names: Sequence[str]) -> tuple[str, str]:
    """What to say where no recipe has this name: the message and the hint."""
    from ttscale.compiler.diagnostics import suggest
    from ttscale.library.elsewhere import instead

    near = suggest(name, names)
    hint = f"did you mean `{near}`?" if near else "`ttscale recipe list` shows those that there are"
    return f"there is no recipe `{name}`", instead(name) or hint


def data_of(recipe: Recipe, models: tuple[str, ...]) -> dict[str, Any]:
    """A recipe as plain data."""
    from ttscale.cli.recipe_evidence import standing
    from ttscale.library.recipes import said_by

    files = [one.data() for one in offers(recipe)]
    found = standing(recipe, models)
    return {
        "name": recipe.name,
        "version": recipe.version,
        "from": recipe.origin,
        "folder": str(recipe.folder),
        "files": files,
        **{k: v for k, v in said_by(recipe.folder).items() if k not in ("name", "version")},
        "evidence": found.blocks,
        "measured_on_this_model": found.measured,
    }


def lines_of(recipe: Recipe, models: tuple[str, ...]) -> list[str]:
    """A recipe for people."""
    from ttscale.cli.recipe_evidence import standing
    from ttscale.library.recipes import said_by

    said = said_by(recipe.folder)
    where = f"{WORDS[recipe.origin]}{f' {recipe.package}' if recipe.package else ''}"
    lines = [f"{recipe.label}  ({where}: {recipe.folder})"]
    for key, label in (("summary", ""), ("source", "source: "), ("license", "licence: ")):
        if said.get(key):
            lines.append(f"  {label}{said[key]}")
    for key in ("aliases", "tasks", "needs"):
        value = said.get(key)
        if isinstance(value, list) and value:
            lines.append(f"  {key}: {', '.join(map(str, value))}")
    for offer in offers(recipe):
        lines += offer_lines(offer)
    found = standing(recipe, models)
    return [*lines, "", *(f"  {line}" for line in found.lines)]


def offer_lines(offer: Offer) -> list[str]:
    """One file for people: the line that imports it, then its pipelines."""
    if offer.error:
        return ["", f"  use {offer.use}", f"    it has an error: {offer.error}"]
    lines = ["", f"  use {offer.use} {{ {', '.join(name for name, _, _ in offer.pipelines)} }}"]
    for _, head, doc in offer.pipelines:
        lines.append(f"    {head}")
        lines += [f"      {line}" for line in doc.splitlines()[:1]]
    return lines


def offers(recipe: Recipe) -> list[Offer]:
    """What the files of a recipe offer; those without a pipeline are for its own use, or prompts to import."""
    from ttscale.compiler.ast import PipelineDecl
    from ttscale.compiler.diagnostics import CompileError
    from ttscale.compiler.resolve import read_module
    from ttscale.library.loader import load_source
    from ttscale.library.names import FILE

    wanted = ".".join(recipe.version.split(".")[:2])
    found: list[Offer] = []
    for file in sorted(recipe.folder.rglob("*.tts")):
        path = file.relative_to(recipe.folder)
        inner = "" if path.as_posix() == FILE else f"/{path.with_suffix('').as_posix()}"
        use = f"{recipe.name}{inner}@~{wanted}"
        try:
            source = load_source(file)
        except CompileError as error:
            found.append(Offer(use, (), error.diagnostics[0].message))
            continue
        tree, mistakes = read_module(source)
        wrong = next((d.message for d in mistakes if d.severity == "error"), "")
        pipelines = tuple(
            (d.name, " ".join(source.text[d.span.start : d.result.span.end].split()), d.doc)
            for d in tree.declarations
            if isinstance(d, PipelineDecl)
        )
        if pipelines or wrong:
            found.append(Offer(use, pipelines, wrong))
    return found
