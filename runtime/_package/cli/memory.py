"""`ttscale memory`: look at what programs remembered, take it out as JSON Lines, put it in, forget it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import Family, json_option
from ttscale.cli.app import command as make_command
from ttscale.cli.console import out, out_json, plural, table
from ttscale.cli.faults import USAGE, Failure

if TYPE_CHECKING:
    from ttscale.runtime.memory import Place

SHOWN = 72
named = click.argument("memory", required=False)


def place_of(memory: str) -> tuple[Place, Path]:
    """A memory by its name or file, and the file that it is in. Raises Failure where no memory is used."""
    from ttscale.compiler.memory_places import is_file
    from ttscale.runtime.memory import VARIABLE, Place, default_memory

    if is_file(memory):
        return Place("main", Path(memory)), Path(memory)
    store = default_memory()
    if store is None:
        raise Failure(f"{VARIABLE} says that no memory is used", "name a file", USAGE)
    return Place(memory), store


def wanted(memory: str | None) -> str:
    """The memory that is named. Raises Failure where none is."""
    if memory is None:
        raise Failure("say which memory", "`ttscale memory show` lists them", USAGE)
    return memory


@click.group(cls=Family, examples=("ttscale memory show", "ttscale memory show sums", "ttscale memory clear sums"))
def command() -> None:
    """Look at what programs remembered; export, import and clear it."""


@make_command("ttscale memory show", "ttscale memory show sums", "ttscale memory show sums.sqlite --json", name="show")
@named
@json_option
def show_command(memory: str | None, as_json: bool) -> None:
    """List all memories, or the concepts of MEMORY, a name or a file."""
    from ttscale.runtime.memory import concepts_in, names_in

    if memory is None:
        _, store = place_of("main")
        found = names_in(store) if store.is_file() else []
        if as_json:
            out_json({"file": str(store), "memories": [{"memory": n, "concepts": c} for n, c in found]})
            return
        out(f"{store}: {plural(len(found), 'memory') if len(found) == 1 else f'{len(found)} memories'}")
        listed = [("memory", "concepts"), *((name, f"{count:,}") for name, count in found)]
        for line in table(listed, frozenset({1})) if found else []:
            out(line)
        return
    place, file = place_of(memory)
    known = concepts_in(file, place.name)
    if as_json:
        out_json({"memory": memory, "concepts": [asdict(one) for one in known]})
        return
    out(f"{memory}: {plural(len(known), 'concept')}")
    rows = [("", "accepted", "score", "times", "model", "concept")]
    rows += [
        (
            *(str(one.id), time.strftime("%Y-%m-%d %H:%M", time.localtime(one.accepted))),
            *("" if one.score is None else f"{one.score:.3g}", str(one.times), one.model, _short(one.text)),
        )
        for one in known
    ]
    for line in table(rows, frozenset({0, 2, 3})) if known else []:
        out(line)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


@make_command("ttscale memory export sums --output sums.jsonl", name="export")
@named
@click.option("--output", type=click.Path(path_type=Path), help="The file that is written; else standard output.")
@json_option
def export_command(memory: str | None, output: Path | None, as_json: bool) -> None:
    """Write the concepts of MEMORY as JSON Lines."""
    from ttscale.runtime.memory import concepts_in

    place, file = place_of(wanted(memory))
    known = concepts_in(file, place.name)
    text = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in known)
    if output is None and as_json:
        out_json({"memory": memory, "concepts": [asdict(one) for one in known]})
        return
    if output is None:
        out(text.removesuffix("\n"))
        return
    output.write_text(text, encoding="utf-8")
    if as_json:
        out_json({"memory": memory, "file": str(output), "concepts": len(known)})
        return
    out(f"{plural(len(known), 'concept')} in {output}")


@make_command("ttscale memory import sums sums.jsonl", name="import")
@click.argument("memory")
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def import_command(memory: str, path: Path, as_json: bool) -> None:
    """Put concepts into MEMORY: lines of a `memory export`, or JSON Lines with a `text` each."""
    from ttscale.runtime.memory import Memories

    place, _ = place_of(memory)
    learned = read_concepts(path)
    new = Memories().write(place, learned)
    if as_json:
        out_json({"memory": memory, "added": new, "known": len(learned) - new})
        return
    out(f"{plural(new, 'concept')} added, {len(learned) - new:,} known already")


def read_concepts(path: Path) -> list[Any]:
    """The concepts of a file of JSON Lines. Raises Failure for lines that are none."""
    from ttscale.runtime.memory import Concept

    found: list[Concept] = []
    known = {name: type(value) for name, value in asdict(Concept("", score=0.0)).items()}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise Failure(f"{path}:{number}: not JSON: {error}") from error
        if not isinstance(row, dict) or not isinstance(row.get("text"), str) or not row["text"].strip():
            raise Failure(f"{path}:{number}: a concept is an object with a `text`")
        given = {name: row[name] for name in known if row.get(name) is not None and name != "id"}
        wrong = next(
            (n for n, v in given.items() if not isinstance(v, (int, float) if known[n] is float else known[n])), ""
        )
        if wrong:
            raise Failure(f"{path}:{number}: `{wrong}` is {given[wrong]!r:.40}, and {known[wrong].__name__} is wanted")
        found.append(Concept(**given))
    return found


@make_command("ttscale memory clear sums", "ttscale memory clear sums 12 15", name="clear")
@named
@click.argument("numbers", nargs=-1, type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def clear_command(memory: str | None, numbers: tuple[int, ...], yes: bool, as_json: bool) -> None:
    """Forget the concepts of MEMORY with these NUMBERS, or all of them."""
    from ttscale.runtime.memory import concepts_in, forget

    place, file = place_of(wanted(memory))
    count = len(concepts_in(file, place.name))
    if not numbers and count and not yes:
        click.confirm(f"Forget {plural(count, 'concept')} of {memory}?", abort=True)
    gone = forget(file, place.name, numbers)
    if as_json:
        out_json({"memory": memory, "forgotten": gone})
        return
    out(f"{plural(gone, 'concept')} forgotten")


for _one in (show_command, export_command, import_command, clear_command):
    command.add_command(_one)
