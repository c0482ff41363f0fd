"""`ttscale recipe gallery`: a page that shows recipes with their pictures, prices and evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, out, out_json
from ttscale.cli.faults import Failure

if TYPE_CHECKING:
    from ttscale.compiler.ir import Graph
    from ttscale.library.gallery import Shown


@make_command("ttscale recipe gallery --output gallery.md", "ttscale recipe gallery my-recipes/ --output README.md")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), required=False)
@click.option("--output", type=click.Path(path_type=Path), help="Write here instead of to standard output.")
@json_option
def gallery(folder: Path | None, output: Path | None, as_json: bool) -> None:
    """Write a page in Markdown about all recipes in FOLDER, or about those that ship with the tool."""
    from ttscale.library.gallery import gallery as page_of

    own = folder if folder is not None else shelf_folder()
    home = (output.parent if output is not None else Path()).resolve()
    shown = [shown_of(place, home) for place in recipe_folders(own)]
    if not shown:
        raise Failure(f"{own} has no recipes", "name a folder whose folders are recipes")
    text = page_of(shown)
    if as_json:
        out_json({"recipes": len(shown), "page": text})
    if output is None and as_json:
        return
    if output is None:
        out(text.rstrip("\n"))
        return
    output.write_text(text, encoding="utf-8", newline="\n")
    err(f"wrote {output}")


def shelf_folder() -> Path:
    """The folder of the recipes that ship with the tool."""
    from ttscale.library.recipes import shelf

    return shelf()[0].folder.parent


def recipe_folders(place: Path) -> list[Path]:
    """The folders of the recipes in a folder, by name."""
    from ttscale.library.names import MANIFEST

    return sorted(file.parent for file in place.glob(f"*/{MANIFEST}"))


def graph_of(folder: Path) -> Graph:
    """The graph of a recipe's first pipeline, at the defaults of its parameters. Raises CompileError."""
    from ttscale.cli.sources import check_file
    from ttscale.compiler.bind import bind
    from ttscale.compiler.diagnostics import CompileError
    from ttscale.library.names import FILE
    from ttscale.library.standard import stage_prompts

    checked = check_file(str(folder / FILE)).require_ok()
    graph, found = bind(checked, next(iter(checked.pipelines)), std=stage_prompts())
    if graph is None:
        raise CompileError(found, checked.sources)
    return graph


def shown_of(folder: Path, home: Path) -> Shown:
    """What a page that stands in `home` shows of the recipe in a folder. Raises CompileError, ManifestError."""
    import os

    from ttscale.cli.recipe_evidence import describe
    from ttscale.compiler.bounds import make_plan
    from ttscale.compiler.graph import to_mermaid
    from ttscale.library.gallery import Shown
    from ttscale.library.manifest import read_manifest
    from ttscale.library.names import FILE, README
    from ttscale.runtime.recipe_evidence import evidence_in

    said = read_manifest(folder)
    graph = graph_of(folder)
    plan = make_plan(graph)
    found = evidence_in((folder / FILE).read_text(encoding="utf-8"))
    return Shown(
        said.name,
        said.summary,
        said.aliases,
        said.tasks,
        said.needs,
        said.source,
        (plan.minimum.calls, plan.maximum.calls),
        plan.maximum.tokens,
        to_mermaid(graph),
        tuple(describe(one) for one in found),
        Path(os.path.relpath((folder / README).resolve(), home)).as_posix(),
    )
