"""`ttscale new`: a program to begin with."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, out, out_json, table
from ttscale.cli.faults import Failure


@make_command("ttscale new judge --output judge.tts", "ttscale new --list", "ttscale new > hello.tts")
@click.argument("template", required=False)
@click.option("--output", type=click.Path(path_type=Path), help="Write here instead of to standard output.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--list", "list_them", is_flag=True, help="List the templates and stop.")
@json_option
def command(template: str | None, output: Path | None, force: bool, list_them: bool, as_json: bool) -> None:
    """Write the program of TEMPLATE (`single` where none is named) with its tests, to be changed."""
    from ttscale.library.templates import templates

    known = templates()
    if list_them:
        if as_json:
            out_json([{"name": one.name, "summary": one.summary} for one in known.values()])
            return
        for line in table([(one.name, one.summary) for one in known.values()]):
            out(line)
        return
    name = (template or "single").removesuffix(".tts").replace("_", "-")
    if name not in known:
        from ttscale.compiler.diagnostics import suggest

        near = suggest(name, known)
        hint = f"did you mean `{near}`?" if near else f"there are {', '.join(known)}"
        raise Failure(f"there is no template `{name}`", hint)
    text = known[name].text
    if as_json:
        out_json({"name": name, "text": text, "file": str(output) if output is not None else None})
    if output is None:
        if not as_json:
            sys.stdout.write(text)
        return
    if output.exists() and not force:
        raise Failure(f"{output} is there already", "choose another name, or write over it with --force")
    output.write_text(text, encoding="utf-8", newline="\n")
    err(f"wrote {output}; `ttscale test {output}` runs its tests, `ttscale run {output}` asks it")
