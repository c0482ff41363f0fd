"""`ttscale replay`: choose again from recorded samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, out, out_json, plural, table

if TYPE_CHECKING:
    from ttscale.compiler.python_names import PythonSignature


def show_rules(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    """Prints every rule with its arguments, other names, place, meaning and paper, and ends."""
    if not wanted:
        return
    from ttscale.compiler.rule_signatures import RULES

    rows: list[tuple[str, ...]] = [("rule", "used in", "what it gives", "paper")]
    for rule in RULES.values():
        written = rule.name + (f"({', '.join(p.name for p in rule.parameters)})" if rule.parameters else "")
        meaning = rule.doc + (f"; also {', '.join(rule.aliases)}" if rule.aliases else "")
        rows.append((written, " ".join(rule.where), meaning + (" (asks a model)" if rule.judge else ""), rule.paper))
    for line in table(rows):
        out(line)
    context.exit()


@make_command(
    'ttscale replay pool.jsonl --select "vote()"',
    "ttscale replay pool.jsonl --select 'filter(top: 4, by: score(\"reward\")) |> vote()' --json",
    'ttscale replay pool.jsonl --python mine.py --select "select(by: short_majority(m: 5))"',
    "ttscale replay pool.jsonl --select all",
)
@click.argument("pool", type=click.Path(path_type=Path))
@click.option(
    "--select",
    required=True,
    metavar="STAGES",
    help="Stages as in a pipeline: filter, then vote or select; or `all`, for every rule that the pool permits.",
)
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
@click.option(
    "--rules", is_flag=True, is_eager=True, expose_value=False, callback=show_rules, help="List all rules and stop."
)
@json_option
def command(pool: Path, select: str, ties: Literal["first", "share"], sources: tuple[str, ...], as_json: bool) -> None:
    """Apply a selector to the samples in POOL (JSON Lines, one question a line), without a model."""
    from ttscale.compiler.selectors import parse_selector
    from ttscale.runtime.poolfile import read_pool
    from ttscale.runtime.replay import replay, replay_notes

    functions = python_rules(sources)
    if select.strip() == "all":
        _every_rule(pool, functions, ties, as_json)
        return
    stages = parse_selector(select, functions)
    questions = read_pool(pool)
    found = replay(questions, stages, ties)
    if as_json:
        out_json(found)
        return
    for note, count in replay_notes(questions, stages).items():
        err(f"note: {note} ({plural(count, 'question')})")
    for line in described(found):
        out(line)


def _every_rule(
    pool: Path, functions: dict[str, PythonSignature], ties: Literal["first", "share"], as_json: bool
) -> None:
    from ttscale.runtime.poolfile import read_pool
    from ttscale.runtime.selections import every_rule

    found = every_rule(read_pool(pool), functions, ties)
    if as_json:
        out_json(found)
        return
    for line in compared(found):
        out(line)


def compared(found: dict[str, Any]) -> list[str]:
    """The table of all rules for people: a line a rule, and what the best possible choice would reach."""
    rows: list[tuple[str, ...]] = [("rule", "accuracy", "95%", "to vote()", "95%", "better", "worse", "paper")]
    for row in found["rules"]:
        own = row["select"] == found["baseline"]
        shown = ("", "", "", "") if own or row["difference"] is None else _difference(row)
        rows.append((row["select"], _share(row["accuracy"]), _range(row["interval"]), *shown, row["paper"]))
    oracle = found["oracle"]
    if oracle["any"] is not None:
        what = f"oracle: any of {oracle['samples']} right"
        rows.append((what, _share(oracle["any"]), _range(oracle["interval"]), "", "", "", "", "no rule can reach more"))
        rows.append(("mean of single samples", _share(found["one_sample"]), "", "", "", "", "", ""))
    lines = [plural(found["questions"], "question"), *table(rows, frozenset({1, 2, 3, 4, 5, 6}))]
    if all(row["accuracy"] is None for row in found["rules"]):
        lines.append("accuracy is unknown: the pool says of no pick whether it is right (`gold`, or `correct`)")
    lines += [f"left out: {text}: {why}" for text, why in found["left_out"].items()]
    lines.append("Intervals are 95% for one row alone; with so many rows one in twenty leaves out 0 by chance.")
    return lines


def _difference(row: dict[str, Any]) -> tuple[str, str, str, str]:
    low, high = row["difference_interval"]
    between = f"{100 * low:+.1f} to {100 * high:+.1f}"
    return f"{100 * row['difference']:+.1f}", between, str(row["better"]), str(row["worse"])


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _range(interval: list[float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


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
    for name, title in (("mean_at", "mean of the first k"), ("pass_at", "any of k")):
        if found[name]:
            lines.append(f"{title:<19} " + "  ".join(f"{k}: {value:.2%}" for k, value in found[name].items()))
    return lines
