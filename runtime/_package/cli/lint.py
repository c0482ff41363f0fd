"""`ttscale lint`: what could be better in files that are right."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import has_color, out, out_json, table, width
from ttscale.cli.faults import USAGE, USER, Failure
from ttscale.cli.options import python_option

if TYPE_CHECKING:
    from ttscale.cli.sources import Findings


@make_command("ttscale lint *.tts", "ttscale lint --strict --github pipeline.tts", "ttscale lint --rules")
@click.argument("files", metavar="FILES...", nargs=-1)
@python_option
@json_option
@click.option("--github", is_flag=True, help="Print workflow commands, which GitHub shows at the line.")
@click.option("--strict", is_flag=True, help="Exit code 1 where there is a finding.")
@click.option("--rules", "list_rules", is_flag=True, help="List the rules and stop.")
def command(files: tuple[str, ...], as_json: bool, github: bool, strict: bool, list_rules: bool) -> int:
    """Look for what costs more, or finds less, than it could in FILES that have no errors.

    `# lint: allow RULE because …` before or at the end of a line silences a rule there. Exit code 0, whatever is found,
    unless --strict says otherwise; 1 for a file with errors.
    """
    if list_rules:
        show_rules(as_json)
        return 0
    if not files:
        raise Failure("name the files to look at; `ttscale lint --rules` lists the rules", code=USAGE)
    from ttscale.cli.diagnosed import for_github, rendered, summary

    findings = found_in(files)
    found = findings.diagnostics
    code = USER if findings.has_errors or (strict and found) else 0
    if as_json:
        out_json({"files": list(files), "ok": code == 0, "diagnostics": with_rules(findings)})
        return code
    if github:
        for line in for_github(found, findings.sources):
            out(line)
        return code
    for diagnostic in found:
        out(rendered(diagnostic, findings.sources, has_color(sys.stdout), width()))
    out(summary(found, len(dict.fromkeys(files))))
    return code


def found_in(files: tuple[str, ...]) -> Findings:
    """The findings in files; for a file with errors the errors."""
    from ttscale.cli.sources import Findings, check_file
    from ttscale.compiler.diagnostics import CompileError
    from ttscale.compiler.lint import lint
    from ttscale.library.standard import stage_prompts

    findings = Findings()
    for name in dict.fromkeys(files):
        try:
            checked = check_file(name).require_ok()
        except CompileError as failure:
            errors = tuple(d for d in failure.diagnostics if d.severity == "error")
            findings.add(errors, failure.sources)
            continue
        findings.add(tuple(lint(checked, std=stage_prompts())), dict(checked.sources))
    return findings


def with_rules(findings: Findings) -> list[Any]:
    """The findings as plain data, each with the name of its rule."""
    from ttscale.cli.diagnosed import as_data
    from ttscale.compiler.lint_rules import RULES

    data = as_data(findings.diagnostics, findings.sources)
    for item in data:
        rule = RULES.get(item["code"])
        item["rule"] = rule.name if rule is not None else None
    return data


def show_rules(as_json: bool) -> None:
    """List all rules."""
    from ttscale.compiler.lint_rules import RULES

    if as_json:
        out_json(
            [{"code": r.code, "name": r.name, "finds": r.title, "why": r.why, "archon": r.archon or None}
             for r in RULES.values()]
        )  # fmt: skip
        return
    for line in table([("code", "rule", "finds"), *((r.code, r.name, r.title) for r in RULES.values())]):
        out(line)
