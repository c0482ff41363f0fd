"""`ttscale recipe new`, `check` and `pack`: making a recipe, and looking at all of it."""

from __future__ import annotations

import re
from pathlib import Path

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, out, out_json
from ttscale.cli.faults import TEST_FAILED, USER, Failure
from ttscale.cli.options import bank_options, model_option, python_option, unsafe_code_option
from ttscale.cli.recipe_look import versions_of

SAY = "Say in one line what it does."
BEGINNING = """# {name}

{summary}

## When to use it

Say for which tasks and models it pays, and for which it does not.

## Cost

Say how many calls a question takes, and what makes it dearer.

## Use it

    ttscale run {name} "…" --model MODEL

## Source

Say whose idea it is.
"""


@make_command("ttscale recipe new my-recipe", "ttscale recipe new my-recipe --from self-consistency")
@click.argument("name")
@click.option("--from", "origin", metavar="RECIPE", help="Begin with a copy of this recipe, file or template.")
@click.option("--output", type=click.Path(path_type=Path), help="The folder to make; default the recipe's name.")
@json_option
def new(name: str, origin: str | None, output: Path | None, as_json: bool) -> None:
    """Make a folder with a recipe to begin with: manifest, program with a test, page."""
    from ttscale.library.manifest import manifest_text, new_manifest
    from ttscale.library.names import MANIFEST, README, normal

    folder = output if output is not None else Path(normal(name))
    if folder.exists():
        raise Failure(f"{folder} is there already", "choose another name")
    files, said = beginning(origin, normal(name))
    manifest = new_manifest(name=normal(name), **said)
    files[MANIFEST] = manifest_text(manifest).encode()
    if README not in files:
        files[README] = BEGINNING.format(name=manifest.name, summary=manifest.summary).encode()
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    if as_json:
        out_json({"folder": str(folder), "name": manifest.name, "files": sorted(files)})
        return
    out(f"made {folder}: {', '.join(sorted(files))}")
    err(f'`ttscale run {folder} "…"` asks it, `ttscale recipe check {folder}` says what it lacks')


def beginning(origin: str | None, name: str) -> tuple[dict[str, bytes], dict[str, object]]:
    """The files to begin with, and what the manifest takes over: from a recipe, a template, a file or `single`."""
    from ttscale.cli.recipe_evidence import page_with
    from ttscale.library.manifest import read_manifest
    from ttscale.library.names import FILE, MANIFEST, README, normal
    from ttscale.library.packing import files_of
    from ttscale.library.templates import templates

    if origin is not None and Path(origin).is_file():
        return {FILE: without_evidence(Path(origin).read_text(encoding="utf-8")).encode()}, {"summary": SAY}
    known = templates()
    try:
        recipe = None if origin is None else versions_of(origin)[0]
    except Failure:
        recipe = None
        if normal(origin or "") not in known:
            raise
    if recipe is None:
        template = known[normal(origin or "single")]
        return {FILE: template.text.encode()}, {"summary": template.summary or SAY}
    manifest = read_manifest(recipe.folder)
    files = {name: data for name, data in files_of(recipe.folder).items() if name != MANIFEST}
    files[FILE] = without_evidence(files[FILE].decode("utf-8")).encode()
    if README in files:
        files[README] = renamed(page_with(files[README].decode("utf-8"), ()), manifest.name, name).encode()
    return files, manifest.model_dump(include={"summary", "tasks", "source", "needs", "recipes", "license"})


def renamed(page: str, before: str, name: str) -> str:
    """A page whose title and commands have another recipe's name; what it says of other recipes stays."""
    lines = []
    for line in page.splitlines():
        if line == f"# {before}" or line.startswith(("    ttscale ", "In a program:")):
            line = re.sub(rf"(?<![\w-]){re.escape(before)}(@[\d.]+)?(?![\w-])", name, line)
        lines.append(line)
    return "\n".join(lines) + "\n"


def without_evidence(text: str) -> str:
    """A program without its evidence, which is about another one once it is changed."""
    return re.sub(r"^# evidence \{\n(?:#  .*\n)*# \}\n\n?", "", text, flags=re.MULTILINE)


@make_command("ttscale recipe check my-recipe", "ttscale recipe check vote --model qwen2.5.gguf --rows 10")
@click.argument("name", metavar="RECIPE")
@model_option
@click.option("--rows", type=click.IntRange(min=0), default=5, show_default=True, help="Questions to ask again.")
@python_option
@bank_options
@unsafe_code_option
@json_option
def check(name: str, models: tuple[str, ...], rows: int, bank: Path | None, no_bank: bool, as_json: bool) -> int:
    """Check a RECIPE (a folder, a .tts file or a name): manifest, program, tests, page, and whether evidence holds.

    Some questions of the evidence are asked again; it does not hold where they are answered worse by more than chance.
    Nothing is asked with --rows 0. Exit code 4 where a test fails or evidence does not hold, 1 for other faults.
    """
    from ttscale.cli.evaluating import Bench
    from ttscale.cli.recipe_checks import FAILED, checks

    # a sample from the bank would only repeat what was measured
    bench = Bench(models, bank, no_bank or bank is None, None, as_json, False)
    found = checks(name, bench, rows)
    if as_json:
        out_json({"ok": all(f.state != FAILED for f in found), "checks": [f.data() for f in found]})
    else:
        for one in found:
            out(one.line())
    bad = [one for one in found if one.state == FAILED]
    if not bad:
        return 0
    return TEST_FAILED if all(one.what in ("tests", "evidence") for one in bad) else USER


@make_command("ttscale recipe pack my-recipe", "ttscale recipe pack my-recipe --out wheels")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Where to write; default here.")
@json_option
def pack(folder: Path, out: Path, as_json: bool) -> None:
    """Make a Python wheel of the recipe in FOLDER, which `pip install` and `ttscale recipe add` take.

    It is checked first: manifest, program and what it needs. Equal folders make equal wheels.
    """
    import hashlib

    from ttscale.cli.console import out as say
    from ttscale.library.keeping import check_declared, compiled
    from ttscale.library.manifest import read_manifest
    from ttscale.library.packing import distribution_name, files_of, wheel

    manifest = read_manifest(folder)
    files = files_of(folder)
    check_declared(compiled(folder), folder, manifest)
    made = wheel(files, out)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    if as_json:
        out_json(
            {"file": str(made), "sha256": digest, "files": sorted(files), "name": distribution_name(manifest.name)}
        )
        return
    say(f"{made}  sha256:{digest}")
    err(f"`ttscale recipe add {made}` installs it, and so does")
    err(f"`pip install --no-index --find-links {made.parent} {distribution_name(manifest.name)}`")
