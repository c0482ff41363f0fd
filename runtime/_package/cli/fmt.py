"""`ttscale fmt`: the one canonical layout."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import err, has_color, out, out_json, plural, width
from ttscale.cli.faults import USAGE, USER, Failure
from ttscale.cli.options import files_argument

if TYPE_CHECKING:
    from ttscale.compiler.diagnostics import Diagnostic
    from ttscale.compiler.source import SourceFile


@make_command("ttscale fmt *.tts", "ttscale fmt --check --diff pipeline.tts", "ttscale fmt - < pipeline.tts")
@files_argument
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 where a file would change.")
@click.option("--diff", is_flag=True, help="Change nothing; show what would change.")
@json_option
def command(files: tuple[str, ...], check: bool, diff: bool, as_json: bool) -> int:
    """Lay FILES out in the canonical form, in place; `-` reads standard input and writes standard output.

    Every comment is kept. A file with syntax errors is left as it is.
    """
    from ttscale.compiler.diagnostics import CompileError

    if "-" in files and len(files) > 1:
        raise Failure("`-` stands alone: standard input is one file", code=USAGE)
    changed: list[str] = []
    broken: dict[str, list[Diagnostic]] = {}
    sources: dict[str, SourceFile] = {}
    for name in dict.fromkeys(files):
        try:
            before, after = laid_out(name)
        except CompileError as failure:
            broken[name] = list(failure.diagnostics)
            sources.update(failure.sources)
            continue
        if before != after:
            changed.append(name)
        if diff and not as_json:
            show_diff(name, before, after)
        elif name == "-" and not check and not as_json:
            sys.stdout.write(after)
        elif before != after and not check and not diff and name != "-":
            replace_text(Path(name), after)
    code = USER if broken or (changed and (check or diff)) else 0
    if as_json:
        from ttscale.cli.diagnosed import as_data

        failed = [item for found in broken.values() for item in found]
        out_json({"files": list(files), "changed": changed, "ok": code == 0, "diagnostics": as_data(failed, sources)})
        return code
    report(changed, broken, sources, keeps=check or diff, total=len(dict.fromkeys(files)), quiet=files == ("-",))
    return code


def laid_out(name: str) -> tuple[str, str]:
    """The text of a file and its canonical layout. Raises CompileError where it does not parse."""
    from ttscale.compiler.diagnostics import CompileError
    from ttscale.compiler.format import format_module
    from ttscale.compiler.lower import lower
    from ttscale.compiler.parse import parse
    from ttscale.library.loader import load_source

    source = load_source(name)
    parsed = parse(source)
    module, lowering = lower(parsed, source)
    found = [*parsed.diagnostics, *lowering]
    if any(d.severity == "error" for d in found):
        raise CompileError(found, {source.name: source})
    return source.text, format_module(module, source)


def show_diff(name: str, before: str, after: str) -> None:
    """Print what would change as a unified diff."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, f"{name} (formatted)"
    )
    for line in lines:
        sys.stdout.write(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")


def replace_text(path: Path, text: str) -> None:
    """Put `text` in the place of a file in one step, so that no reader and no crash sees half of it."""
    target = path.resolve()
    beside = target.with_name(target.name + ".part")
    beside.write_text(text, encoding="utf-8", newline="\n")
    beside.chmod(target.stat().st_mode & 0o777)
    beside.replace(target)


def report(
    changed: list[str],
    broken: dict[str, list[Diagnostic]],
    sources: dict[str, SourceFile],
    *,
    keeps: bool,
    total: int,
    quiet: bool,
) -> None:
    """Say what happened, on standard error."""
    from ttscale.cli.diagnosed import rendered

    for found in broken.values():
        for diagnostic in found:
            err(rendered(diagnostic, sources, has_color(sys.stderr), width()))
    for name in changed:
        if not quiet or keeps:
            err(f"would change {name}" if keeps else f"changed {name}")
    if not quiet:
        left = total - len(changed) - len(broken)
        parts = [f"{plural(len(changed), 'file')} {'would change' if keeps else 'changed'}"] if changed else []
        parts += [f"{plural(left, 'file')} already as it should be"] if left else []
        parts += [f"{plural(len(broken), 'file')} with errors left alone"] if broken else []
        out(", ".join(parts))
