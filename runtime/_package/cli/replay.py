"""`ttscale replay`: choose again from recorded samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, out, out_json, plural

if TYPE_CHECKING:
    from ttscale.compiler.python_names import PythonSignature


@make_command(
    'ttscale replay pool.jsonl --select "vote()"',
    "ttscale replay pool.jsonl --select 'filter(top: 4, by: score(\"reward\")) |> vote()' --json",
    'ttscale replay pool.jsonl --python mine.py --select "select(by: short_majority(m: 5))"',
)
@click.argument("pool", type=click.Path(path_type=Path))
@click.option("--select", required=True, metavar="STAGES", help="Stages as in a pipeline: filter, then vote or select.")
@click.option(
    "--ties",
    type=click.Choice(["first", "share"]),
    default="first",
    show_default=True,
    help="Count a tie by its first answer, or by the share of tied answers that are right.",
)
@click.option(
    "--python",
    "sources",
    multiple=True,
    metavar="FILE",
    help="Take rules from a Python file, an installed package, or what a .tts program imports of them. Repeatable.",
)
@json_option
def command(pool: Path, select: str, ties: Literal["first", "share"], sources: tuple[str, ...], as_json: bool) -> None:
    """Apply a selector to the samples in POOL (JSON Lines, one question a line), without a model."""
    from ttscale.compiler.selectors import parse_selector
    from ttscale.runtime.poolfile import read_pool
    from ttscale.runtime.replay import replay, replay_notes

    stages = parse_selector(select, python_rules(sources))
    questions = read_pool(pool)
    found = replay(questions, stages, ties)
    if as_json:
        out_json(found)
        return
    for note, count in replay_notes(questions, stages).items():
        err(f"note: {note} ({plural(count, 'question')})")
    for line in described(found):
        out(line)


def python_rules(sources: tuple[str, ...]) -> dict[str, PythonSignature]:
    """Functions by name from Python files, packages and programs. Raises LoadFault or CompileError."""
    found: dict[str, PythonSignature] = {}
    for source in sources:
        if source.endswith(".tts"):
            found |= of_program(source)
            continue
        from ttscale.runtime.python_files import PythonFiles

        reader = PythonFiles(None, allow=True)  # whoever names a file here has read it
        is_file = source.endswith(".py") or Path(source).is_file()
        module = reader.file(Path(source), source, own=True) if is_file else reader.package(source)
        found |= module.functions
    return found


def of_program(name: str) -> dict[str, PythonSignature]:
    """The functions that a program imports, by the names that it gives them. Raises CompileError."""
    from ttscale.cli.sources import check_file

    linked = check_file(name).require_ok().linked
    functions = ((own, linked.python_function(symbol)) for own, symbol in linked.main.names.items())
    return {own: function for own, function in functions if function is not None}


def described(found: dict[str, Any]) -> list[str]:
    """The outcome for people: a line a figure."""
    lines = [plural(len(found["questions"]), "question")]
    if found["accuracy"] is not None:
        low, high = found["interval"]
        lines.append(f"accuracy  {found['accuracy']:.2%}  (95% Wilson interval {low:.2%} to {high:.2%})")
    else:
        lines.append("accuracy  unknown: the pool says of no pick whether it is right (`gold`, or `correct`)")
    for name, title in (("mean_at", "mean of k"), ("pass_at", "any of k")):
        if found[name]:
            lines.append(f"{title:<9} " + "  ".join(f"{k}: {value:.2%}" for k, value in found[name].items()))
    return lines
