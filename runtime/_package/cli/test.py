"""`ttscale test`: run the tests that files contain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import out, out_json
from ttscale.cli.faults import TEST_FAILED, USAGE, Failure
from ttscale.cli.options import files_argument, model_option, python_option

if TYPE_CHECKING:
    from ttscale.compiler.driver import Checked
    from ttscale.compiler.ir import Model
    from ttscale.runtime.testing import TestOutcome, TestReport


@make_command(
    "ttscale test examples/*.tts", 'ttscale test pipeline.tts -k "majority"', "ttscale test pipeline.tts --live"
)
@files_argument
@python_option
@click.option("--live", is_flag=True, help="Also run tests marked `live`, which ask real models.")
@click.option("-k", "only", metavar="NAME", default="", help="Only tests whose name holds NAME.")
@model_option
@json_option
def command(files: tuple[str, ...], live: bool, only: str, models: tuple[str, ...], as_json: bool) -> int:
    """Run the tests of FILES on their scripted models; exit code 4 where one fails."""
    import asyncio

    from ttscale.cli.opened import replaced
    from ttscale.cli.sources import check_file

    programs = [check_file(name).require_ok() for name in dict.fromkeys(files)]
    reports = []
    for name, checked in zip(dict.fromkeys(files), programs, strict=True):
        given = replaced(checked, models) if models else {}
        reports.append((name, checked, asyncio.run(report_of(name, checked, given, live, only))))
    tests = [test for _, _, report in reports for test in report.tests]
    if only and not tests:
        raise Failure(f"no test's name holds `{only}`", code=USAGE)
    code = 0 if all(report.ok for _, _, report in reports) else TEST_FAILED
    counts = {name: sum(test.outcome == name for test in tests) for name in ("passed", "failed", "skipped")}
    if as_json:
        out_json({**counts, "ok": code == 0, "tests": [as_data(n, c, t) for n, c, r in reports for t in r.tests]})
        return code
    for name, checked, report in reports:
        for test in report.tests:
            for line in described(name, checked, test):
                out(line)
    out(summary(counts))
    return code


async def report_of(name: str, checked: Checked, models: dict[str, Model], live: bool, only: str) -> TestReport:
    """Run one file's tests."""
    from ttscale.cli.sources import home_for
    from ttscale.compiler.cases import tests_ir
    from ttscale.library.standard import stage_prompts
    from ttscale.runtime.testing import run_tests

    cases = tests_ir(checked.linked, models, std=stage_prompts())
    folder = home_for(name)
    return await run_tests(cases, folder, live=live, only=only)


def place(checked: Checked, span: Any) -> str:
    """`file:line:column` of a span."""
    source = checked.sources.get(span.file)
    line, column = source.position(span.start) if source is not None else (1, 1)
    return f"{span.file}:{line}:{column}"


def described(name: str, checked: Checked, test: TestOutcome) -> list[str]:
    """A test's outcome for people; what failed is shown with its place and the reason."""
    lines = [f"{test.outcome:<8} {name}  {test.name}" + ("  (live)" if test.outcome == "skipped" else "")]
    for failure in test.failures:
        lines += [f"  {place(checked, failure.span)}", f"    {failure.text}", f"    {failure.reason}"]
    return lines


def as_data(name: str, checked: Checked, test: TestOutcome) -> dict[str, Any]:
    """A test's outcome for programs."""
    return {
        "file": name,
        "name": test.name,
        "outcome": test.outcome,
        "place": place(checked, test.span),
        "calls": test.calls,
        "tokens": test.tokens,
        "failures": [
            {
                "place": place(checked, failure.span),
                "text": failure.text,
                "reason": failure.reason,
                "left": failure.left,
                "right": failure.right,
            }
            for failure in test.failures
        ],
    }


def summary(counts: dict[str, int]) -> str:
    """`3 passed, 1 failed, 1 skipped (live tests run with --live)`."""
    if not any(counts.values()):
        return "no tests"
    text = ", ".join(f"{count} {name}" for name, count in counts.items() if count or name == "passed")
    return text + (" (live tests run with --live)" if counts["skipped"] else "")
