"""`ttscale recipe new`, `check`, `measure` and `pack`: making a recipe, and saying how good it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import duration, err, is_terminal, out, out_json
from ttscale.cli.faults import TEST_FAILED, USER, Failure
from ttscale.cli.options import bank_options, model_option, python_option, unsafe_code_option
from ttscale.cli.recipe_look import versions_of

if TYPE_CHECKING:
    from ttscale.cli.evaluating import Bench
    from ttscale.runtime.recipe_evidence import Evidence

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
    files, said = beginning(origin)
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


def beginning(origin: str | None) -> tuple[dict[str, bytes], dict[str, object]]:
    """The files to begin with, and what the manifest takes over: from a recipe, a template, a file or `single`."""
    from ttscale.library.manifest import read_manifest
    from ttscale.library.names import FILE, MANIFEST, normal
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
    return files, manifest.model_dump(include={"summary", "tasks", "source", "needs", "recipes", "license"})


def without_evidence(text: str) -> str:
    """A program without its evidence, which is about another one once it is changed."""
    import re

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


@make_command("ttscale recipe measure my-recipe", "ttscale recipe measure my-recipe --model qwen2.5.gguf --limit 40")
@click.argument("name", metavar="RECIPE")
@model_option
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most this many rows.")
@python_option
@bank_options
@unsafe_code_option
@json_option
def measure(
    name: str, models: tuple[str, ...], limit: int | None, bank: Path | None, no_bank: bool, as_json: bool
) -> None:
    """Measure a RECIPE (a folder or a .tts file) as its first `eval` says, and write the evidence into its program.

    The first pipeline is measured against the second. Evidence for other weights stays; samples are kept in the bank.
    """
    from ttscale.cli.evaluating import Bench
    from ttscale.cli.sources import file_named
    from ttscale.compiler.evidence import with_evidence
    from ttscale.runtime.recipe_evidence import Evidence, same_weights

    file = Path(file_named(name))
    if not file.is_file():
        raise Failure(f"there is no folder or file {name}", "evidence is written into the program, so name its folder")
    found = measured(str(file), Bench(models, bank, no_bank, None, as_json, False), limit)
    text = file.read_text(encoding="utf-8")

    def same(said: object) -> bool:
        other = Evidence.read(said)  # type: ignore[arg-type]
        return other is not None and same_weights(other.models, found.models)

    file.write_text(with_evidence(text, found.lines(), same), encoding="utf-8", newline="\n")
    if as_json:
        out_json({"file": str(file), "evidence": found.lines()})
        return
    for key, value in found.lines().items():
        out(f"{key:<16} {value}")
    err(f"written into {file}")


def measured(file: str, bench: Bench, limit: int | None) -> Evidence:
    """Measure a program, with a bar where somebody looks."""
    import time

    import ttscale
    from ttscale.cli.evaluating import Bar, open_for_measuring
    from ttscale.runtime.recipe_evidence import measure as measure_program

    begun = time.monotonic()
    with open_for_measuring(file, bench) as program, Bar(shown=not bench.quiet and is_terminal(sys.stderr)) as bar:
        found = measure_program(program, limit=limit, heard=bar.heard, tool=f"ttscale {ttscale.__version__}")
    if not bench.quiet:
        err(f"measured in {duration(time.monotonic() - begun)}")
    return found


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
