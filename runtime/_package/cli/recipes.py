"""`ttscale recipes`: what installed packages offer to programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import out, out_json, table
from ttscale.cli.faults import Failure

if TYPE_CHECKING:
    from ttscale.library.recipes import Recipe


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


@make_command("ttscale recipes", "ttscale recipes some-recipe", "ttscale recipes --json")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List installed recipes, or show what the recipe NAME offers and how to import it."""
    from ttscale.library.recipes import installed

    known = installed()
    chosen = [recipe for recipe in known if name is None or recipe.name == name]
    if name is not None and not chosen:
        raise Failure(*missing(name, known))
    found = [(recipe, offers(recipe)) for recipe in chosen]
    if as_json:
        out_json(
            [{"name": r.name, "version": r.version, "files": [one.data() for one in offered]} for r, offered in found]
        )
        return
    if not found:
        out("no recipe is installed; a package that has some names them in the entry points `ttscale.recipes`")
        return
    if name is None:
        rows = [(f"{recipe.name} {recipe.version}", ", ".join(one.use for one in offered)) for recipe, offered in found]
        for line in table(rows):
            out(line)
        return
    for recipe, offered in found:
        out(f"{recipe.name} {recipe.version}  ({recipe.folder})")
        for one in offered:
            for line in lines_of(one):
                out(line)


def missing(name: str, known: list[Recipe]) -> tuple[str, str]:
    """What to say where no recipe has this name: the message and the hint."""
    from ttscale.compiler.diagnostics import suggest

    names = list(dict.fromkeys(recipe.name for recipe in known))
    near = suggest(name, names)
    hint = f"did you mean `{near}`?" if near else f"installed are {', '.join(names) or 'none'}"
    return f"there is no recipe `{name}`", hint


def lines_of(offer: Offer) -> list[str]:
    """One file for people: the line that imports it, then its pipelines."""
    lines = ["", f"  use {offer.use} {{ {', '.join(name for name, _, _ in offer.pipelines)} }}"]
    if offer.error:
        return ["", f"  use {offer.use}", f"    it has an error: {offer.error}"]
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

    wanted = ".".join(recipe.version.split(".")[:2])
    found: list[Offer] = []
    for file in sorted(recipe.folder.rglob("*.tts")):
        use = f"{recipe.name}/{file.relative_to(recipe.folder).with_suffix('').as_posix()}@~{wanted}"
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
