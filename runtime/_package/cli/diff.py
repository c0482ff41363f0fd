"""`ttscale diff`: how two programs differ in what they mean."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import out, out_json
from ttscale.cli.faults import USAGE, USER, Failure
from ttscale.cli.options import python_option

if TYPE_CHECKING:
    from ttscale.compiler.driver import Checked
    from ttscale.runtime.recipe_evidence import Effect


@make_command(
    "ttscale diff before.tts after.tts",
    "git show HEAD:a.tts | ttscale diff - a.tts",
    "ttscale diff self-consistency ./my-vote",
)
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@python_option
@click.option("--exit-code", "tell", is_flag=True, help="Exit code 1 where they differ.")
@json_option
def command(before: str, after: str, tell: bool, as_json: bool) -> int:
    """Compare the programs BEFORE and AFTER, declaration by declaration and stage by stage.

    Shown too: what the change does to the bounds of `ttscale plan`, at the defaults of the parameters, and what both
    were measured to do with the same weights. Names of recipes will do. Layout, comments and documentation do not
    count.
    """
    if before == after == "-":
        raise Failure("standard input is one file; name the other one", code=USAGE)
    from ttscale.cli.sources import check_file
    from ttscale.compiler.difference import difference, to_json, to_text
    from ttscale.library.standard import stage_prompts

    old, new = check_file(before).require_ok(), check_file(after).require_ok()
    found = difference(old, new, std=stage_prompts())
    measured = effects_of(old, new)
    if as_json:
        out_json({**to_json(found), **({"measured": [effect_data(one) for one in measured]} if measured else {})})
    else:
        sys.stdout.write(to_text(found))
        for one in measured:
            out(effect_line(one))
    return USER if tell and not found.is_empty else 0


def effects_of(before: Checked, after: Checked) -> list[Effect]:
    """What both programs were measured to do with the same weights; nothing where one has no evidence."""
    texts = [checked.sources[checked.linked.entry].text for checked in (before, after)]
    if not all("# evidence {" in text for text in texts):
        return []
    from ttscale.runtime.recipe_evidence import effects, evidence_in

    return effects(*map(evidence_in, texts))


def effect_line(one: Effect) -> str:
    """A measured difference for people."""
    left, right = one.before, one.after
    said = f"measured  {left.pipeline} {left.accuracy:.1%} of {len(left.grades)} -> "
    said += f"{right.pipeline} {right.accuracy:.1%} of {len(right.grades)}"
    found = one.difference
    if found is None:
        said += ", on other questions, so that they cannot be compared"
    else:
        said += f": {100 * found.difference:+.1f} points [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
        said += f", {found.verdict}"
    return f"{said}; {left.tokens:,.0f} -> {right.tokens:,.0f} tokens a question"


def effect_data(one: Effect) -> dict[str, Any]:
    """A measured difference for programs."""
    found = one.difference
    return {
        "before": {"pipeline": one.before.pipeline, "accuracy": one.before.accuracy, "tokens": one.before.tokens},
        "after": {"pipeline": one.after.pipeline, "accuracy": one.after.accuracy, "tokens": one.after.tokens},
        "difference": None if found is None else found.difference,
        "interval": None if found is None else [found.low, found.high],
        "verdict": None if found is None else found.verdict,
    }
