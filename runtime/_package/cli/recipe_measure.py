"""`ttscale recipe measure`: one recipe or many, each measured as it says itself, the evidence written into it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import duration, err, is_terminal, out, out_json, plural
from ttscale.cli.faults import INTERRUPTED, USER, Failure
from ttscale.cli.options import bank_options, model_option, python_option, replacements, unsafe_code_option

if TYPE_CHECKING:
    from ttscale.cli.evaluating import Bench
    from ttscale.runtime.recipe_evidence import Evidence, Measured


@make_command(
    "ttscale recipe measure my-recipe",
    "ttscale recipe measure my-recipe --model qwen2.5.gguf --limit 40",
    "ttscale recipe measure recipes/* --model small.gguf --model large=qwen2.5.gguf --bank samples.bank",
)
@click.argument("names", metavar="RECIPE...", nargs=-1, required=True)
@model_option
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most this many rows.")
@click.option("--missing", is_flag=True, help="Leave out recipes that were measured with these weights already.")
@python_option
@bank_options
@unsafe_code_option
@json_option
def measure(
    names: tuple[str, ...],
    models: tuple[str, ...],
    limit: int | None,
    missing: bool,
    bank: Path | None,
    no_bank: bool,
    as_json: bool,
) -> int:
    """Measure each RECIPE (a folder, a .tts file, a folder of recipes) as its first `eval` says, and write it down.

    The first pipeline is measured against the second. Evidence for other weights stays. All share one bank, so that
    equal samples are taken once, and measuring again costs nothing. A question whose run fails counts as wrong and is
    told; a recipe that cannot be measured is told, and the others go on. --model NAME=… is for the recipes that have a
    model of that name.
    """
    from ttscale.cli.evaluating import Bench

    files = files_of(names)
    bench = Bench((), bank, no_bank, None, as_json, False)
    chosen = models_for(files, models)
    if len(files) == 1:
        (file,) = files
        found = measured(file, replace(bench, models=chosen[file]), limit)
        write(file, found.evidence)
        if as_json:
            out_json({"file": str(file), "evidence": found.evidence.lines(), "failed": list(found.failed)})
            return 0
        tell(file, found)
        return 0
    told: list[dict[str, Any]] = []
    for number, file in enumerate(files, 1):
        if not as_json:
            err(f"[{number}/{len(files)}] {file.parent.name}")
        told.append(one_of_many(file, replace(bench, models=chosen[file]), limit, missing))
    bad = [one for one in told if "error" in one]
    if as_json:
        out_json({"recipes": told, "failed": len(bad)})
    else:
        err(f"{plural(len(told) - len(bad), 'recipe')} measured" + (f", {len(bad)} not" if bad else ""))
    return USER if bad else 0


def one_of_many(file: Path, bench: Bench, limit: int | None, missing: bool) -> dict[str, Any]:
    """Measure one of several recipes; a fault of its own is told and ends nothing else."""
    from ttscale.cli.faults import describe

    try:
        if missing and (known := known_already(file, bench)) is not None:
            if not bench.as_json:
                out(f"{file.parent.name}: measured before, {known}")
            return {"file": str(file), "known": True}
        found = measured(file, bench, limit)
        write(file, found.evidence)
    except (KeyboardInterrupt, click.exceptions.Abort):
        raise
    except Exception as failure:  # whatever is wrong with one recipe, the others are measured
        code, lines, details = describe(failure)
        if code == INTERRUPTED:
            raise
        for line in lines:
            err(line)
        return {"file": str(file), "error": details}
    if not bench.as_json:
        from ttscale.cli.recipe_evidence import describe as in_words

        out(f"{file.parent.name}: {in_words(found.evidence)}")
        tell_failed(found)
    return {"file": str(file), "evidence": found.evidence.lines(), "failed": list(found.failed)}


def known_already(file: Path, bench: Bench) -> str | None:
    """The evidence for these weights that is there and still about this program; None where it is to be measured."""
    from ttscale.cli.evaluating import open_for_measuring
    from ttscale.cli.recipe_evidence import describe
    from ttscale.compiler.canonical import canonical_hash
    from ttscale.runtime.recipe_evidence import evidence_in, on_these_weights, weights_of

    found = evidence_in(file.read_text(encoding="utf-8"))
    if not found:
        return None
    with open_for_measuring(str(file), replace(bench, bank=None, no_bank=True)) as program:
        weights = weights_of(program.plan(found[0].pipeline).graph.models, program.folder)
        own = on_these_weights(found, weights)
        is_current = own is not None and own.program == canonical_hash(program.checked.linked.main.tree)
    return describe(own) if own is not None and is_current else None


def files_of(names: Sequence[str]) -> list[Path]:
    """The programs of the recipes that are named; a folder without a program stands for the recipes in it. Failure."""
    from ttscale.cli.recipe_gallery import recipe_folders
    from ttscale.cli.sources import file_named
    from ttscale.library.names import FILE

    found: list[Path] = []
    for name in names:
        own = Path(name)
        inside = recipe_folders(own) if own.is_dir() and not (own / FILE).is_file() else []
        files = [folder / FILE for folder in inside] or [Path(file_named(name))]
        for file in files:
            if not file.is_file():
                hint = "evidence is written into the program, so name its folder"
                raise Failure(f"there is no folder or file {name}", hint)
        found += files
    return list(dict.fromkeys(found))


def models_for(files: Sequence[Path], models: tuple[str, ...]) -> dict[Path, tuple[str, ...]]:
    """The `--model` options for each recipe: those with a name that it has, and those without one. Failure."""
    if len(files) == 1:
        return {files[0]: models}
    wanted = replacements(models)
    named = {file: _names_of(file) for file in files}
    unused = [name for name in wanted if name and all(name not in own for own in named.values())]
    if unused:
        raise Failure(f"no recipe of these has a model `{unused[0]}`", "`ttscale check RECIPE` shows the names")
    return {
        file: tuple(
            text
            for text, name in zip(models, wanted, strict=True)
            if not name or name in own
        )
        for file, own in named.items()
    }  # fmt: skip


def _names_of(file: Path) -> set[str]:
    """The models that a program declares, as far as it can be read; what is wrong with it is told when it is opened."""
    from ttscale.compiler.ast import ModelDecl
    from ttscale.compiler.resolve import read_module
    from ttscale.library.loader import load_source

    tree, _ = read_module(load_source(file))
    return {declared.name for declared in tree.declarations if isinstance(declared, ModelDecl)}


def write(file: Path, found: Evidence) -> None:
    """Put the evidence into the program, in the place of what was measured with the same weights, and onto its page."""
    from ttscale.cli.recipe_evidence import page_with
    from ttscale.compiler.evidence import with_evidence
    from ttscale.library.names import FILE, MANIFEST, README
    from ttscale.runtime.recipe_evidence import Evidence, evidence_in, same_weights

    def same(said: object) -> bool:
        other = Evidence.read(said)  # type: ignore[arg-type]
        return other is not None and same_weights(other.models, found.models)

    text = with_evidence(file.read_text(encoding="utf-8"), found.lines(), same)
    file.write_text(text, encoding="utf-8", newline="\n")
    page = file.with_name(README)
    if file.name == FILE and file.with_name(MANIFEST).is_file() and page.is_file():
        told = page_with(page.read_text(encoding="utf-8"), evidence_in(text))
        page.write_text(told, encoding="utf-8", newline="\n")


def tell(file: Path, found: Measured) -> None:
    """The block for people, and where it was written."""
    for key, value in found.evidence.lines().items():
        out(f"{key:<16} {value}")
    tell_failed(found)
    err(f"written into {file}")


def tell_failed(found: Measured) -> None:
    """How many questions ended without an answer, and why the first one did."""
    if found.failed:
        err(f"note: {plural(len(found.failed), 'run')} failed and counted as wrong, such as {found.failed[0]}")


def measured(file: Path, bench: Bench, limit: int | None) -> Measured:
    """Measure a program, with a bar where somebody looks."""
    import time

    import ttscale
    from ttscale.cli.evaluating import Bar, open_for_measuring
    from ttscale.runtime.recipe_evidence import measure as measure_program

    begun = time.monotonic()
    with open_for_measuring(str(file), bench) as program, Bar(shown=not bench.quiet and is_terminal(sys.stderr)) as bar:
        found = measure_program(program, limit=limit, heard=bar.heard, tool=f"ttscale {ttscale.__version__}")
    if not bench.quiet and not bench.as_json:
        err(f"measured in {duration(time.monotonic() - begun)}")
    return found
