"""`ttscale why`: which field of a key made one run generate what another had already."""

from __future__ import annotations

import json
from pathlib import Path

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.bank import opened, which
from ttscale.cli.console import out, out_json, plural

SHOWN = 20


@make_command("ttscale why last~1 last", "ttscale why 3fa2 91c0 --json")
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@which
@json_option
def command(first: str, second: str, bank_path: Path | None, as_json: bool) -> None:
    """Say why the second RUN made samples that the first one had made: the field of their keys that differs.

    RUN is a name that `ttscale bank runs` lists, the beginning of one, `last`, or `last~1` for the one before.
    """
    from ttscale.runtime.bank.why import why

    with opened(bank_path) as bank:
        reasons = why(bank, first, second)
    if as_json:
        out_json({"reasons": [reason.to_json() for reason in reasons]})
        return
    if not reasons:
        out("the second run made nothing: all it asked for was in the bank")
    for reason in reasons[:SHOWN]:
        made = f"{plural(reason.samples, 'sample')}, {plural(reason.new_tokens, 'new token')}"
        out(f"{reason.stage}: {made}: `{reason.field}` was {shown(reason.first)}, is {shown(reason.second)}")
    if len(reasons) > SHOWN:
        out(f"… and {len(reasons) - SHOWN} more; --json has all")


def shown(value: object) -> str:
    """A value of a field on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
