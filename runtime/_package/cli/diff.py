"""`ttscale diff`: how two programs differ in what they mean."""

from __future__ import annotations

import sys

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import out_json
from ttscale.cli.faults import USAGE, USER, Failure
from ttscale.cli.options import python_option


@make_command("ttscale diff before.tts after.tts", "git show HEAD:a.tts | ttscale diff - a.tts")
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@python_option
@click.option("--exit-code", "tell", is_flag=True, help="Exit code 1 where they differ.")
@json_option
def command(before: str, after: str, tell: bool, as_json: bool) -> int:
    """Compare the programs BEFORE and AFTER, declaration by declaration and stage by stage.

    Shown too: what the change does to the bounds of `ttscale plan`, at the defaults of the parameters. Layout, comments
    and documentation do not count.
    """
    if before == after == "-":
        raise Failure("standard input is one file; name the other one", code=USAGE)
    from ttscale.cli.sources import check_file
    from ttscale.compiler.difference import difference, to_json, to_text
    from ttscale.library.standard import stage_prompts

    found = difference(check_file(before).require_ok(), check_file(after).require_ok(), std=stage_prompts())
    if as_json:
        out_json(to_json(found))
    else:
        sys.stdout.write(to_text(found))
    return USER if tell and not found.is_empty else 0
