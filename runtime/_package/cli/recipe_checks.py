"""What `ttscale recipe check` looks at, one thing after another."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttscale.cli.console import is_terminal, plural

if TYPE_CHECKING:
    from ttscale.cli.evaluating import Bench
    from ttscale.compiler.driver import Checked
    from ttscale.runtime.program import Program

OK, NOTED, FAILED = "ok", "note", "FAILED"
SECTIONS = ("When to use it", "Cost", "Source")
"""What a recipe's page must say."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was looked at: how it stands, what it is, and what was found."""

    state: str
    what: str
    said: str

    def line(self) -> str:
        """For people."""
        return f"{self.state:<7} {self.what:<10} {self.said}"

    def data(self) -> dict[str, Any]:
        """For programs."""
        return {"state": self.state, "what": self.what, "said": self.said}


def checks(name: str, bench: Bench, rows: int) -> list[Found]:
    """Everything that is found about a recipe in a folder, a single file, or an installed one."""
    from ttscale.cli.sources import check_file, file_named, home_for
    from ttscale.compiler.diagnostics import CompileError

    folder = None if Path(name).is_file() else home_for(name)
    found = list(of_folder(folder)) if folder is not None else []
    try:
        checked = check_file(name)
    except CompileError as error:
        return [*found, Found(FAILED, "program", error.diagnostics[0].message)]
    found += of_program(checked, file_named(name))
    if not checked.ok:
        return found
    if folder is not None:
        found += of_needs(checked, folder)
    found += of_tests(name, checked)
    found += of_evidence(name, checked, bench, rows)
    return found


def of_folder(folder: Path) -> Iterator[Found]:
    """The manifest, the files and the page."""
    from ttscale.library.manifest import ManifestError, read_manifest
    from ttscale.library.names import README
    from ttscale.library.packing import PackError, files_of

    try:
        manifest = read_manifest(folder)
        yield Found(OK, "manifest", f"{manifest.name} {manifest.version}: {manifest.summary}")
    except ManifestError as error:
        yield Found(FAILED, "manifest", " — ".join(part for part in (str(error), error.hint) if part))
    try:
        files = files_of(folder)
        yield Found(OK, "files", f"{plural(len(files), 'file')}, {sum(map(len, files.values())):,} bytes")
    except PackError as error:
        yield Found(FAILED, "files", " — ".join(part for part in (str(error), error.hint) if part))
        return
    page = files.get(README, b"").decode("utf-8", "replace")
    absent = [section for section in SECTIONS if f"## {section}" not in page]
    said = f"{README} lacks {', '.join(f'`## {section}`' for section in absent)}" if page else f"there is no {README}"
    yield Found(NOTED, "page", said) if absent else Found(OK, "page", README)


def of_program(checked: Checked, name: str) -> Iterator[Found]:
    """What the compiler says."""
    from ttscale.cli.diagnosed import rendered

    told = [d for d in checked.diagnostics if d.code != "W0566"]
    errors = [d for d in told if d.severity == "error"]
    if errors:
        text = rendered(errors[0], checked.sources, False, 100).rstrip()
        yield Found(FAILED, "program", "\n".join([plural(len(errors), "error"), *text.splitlines()]))
        return
    pipelines = ", ".join(checked.pipelines)
    if told:
        codes = ", ".join(dict.fromkeys(d.code for d in told))
        yield Found(NOTED, "program", f"{plural(len(told), 'finding')} ({codes}): `ttscale check {name}` and `lint`")
    else:
        yield Found(OK, "program", f"compiles; pipelines {pipelines}")


def of_needs(checked: Checked, folder: Path) -> Iterator[Found]:
    """Whether the manifest says all that the program needs."""
    from ttscale.compiler.check_trust import by_shape, needs
    from ttscale.library.recipes import recipe_of, said_by
    from ttscale.runtime.data_columns import DataColumns

    said = said_by(folder).get("needs")
    declared = {str(need) for need in said} if isinstance(said, list) else set()
    own: dict[str, str] = {}
    for name, scope in checked.linked.modules.items():
        recipe = recipe_of(name)
        if name.startswith("std/") or (recipe is not None and recipe.folder != folder):
            continue
        found = (*needs(scope.tree), *by_shape(checked.linked, scope, DataColumns()))
        own |= {need.capability: need.said for need in found}
    hidden = {capability: text for capability, text in own.items() if capability not in declared}
    if hidden:
        told = ", ".join(f"`{capability}` ({text})" for capability, text in hidden.items())
        yield Found(FAILED, "needs", f"the manifest does not say that it needs {told}")
    elif declared - set(own):
        yield Found(NOTED, "needs", f"the manifest asks for {', '.join(sorted(declared - set(own)))}, never used")
    else:
        yield Found(OK, "needs", ", ".join(sorted(own)) or "nothing but models on this machine")


def of_tests(name: str, checked: Checked) -> Iterator[Found]:
    """The tests in the program, on their scripted models."""
    from ttscale.cli.test import report_of

    report = asyncio.run(report_of(name, checked, {}, False, ""))
    failed = [test for test in report.tests if test.outcome == "failed"]
    if failed:
        reason = failed[0].failures[0].reason if failed[0].failures else ""
        yield Found(FAILED, "tests", f"{len(failed)} of {len(report.tests)}: {failed[0].name}: {reason}")
    elif not any(test.outcome == "passed" for test in report.tests):
        yield Found(FAILED, "tests", 'it has none: write `test "…" { given … = script(…)  expect … }`')
    else:
        yield Found(OK, "tests", f"{sum(test.outcome == 'passed' for test in report.tests)} passed")


def of_evidence(name: str, checked: Checked, bench: Bench, rows: int) -> Iterator[Found]:
    """Whether the evidence is about this program and these weights, and whether it holds."""
    from ttscale.cli.evaluating import open_for_measuring
    from ttscale.cli.recipe_evidence import UNMEASURED, describe
    from ttscale.compiler.canonical import canonical_hash
    from ttscale.runtime.engines.base import EngineError
    from ttscale.runtime.recipe_evidence import evidence_in, on_these_weights, weights_of

    entry = checked.linked.entry
    found = evidence_in(checked.sources[entry].text)
    if not found:
        yield Found(NOTED, "evidence", f"there is none: `ttscale recipe measure {name}`")
        return
    current = canonical_hash(checked.linked.main.tree)
    with open_for_measuring(name, bench) as program:
        try:
            weights = weights_of(program.plan(found[0].pipeline).graph.models, program.folder)
        except EngineError as error:
            yield Found(NOTED, "evidence", f"not asked again: {error}")
            return
        own = on_these_weights(found, weights)
        for block in found:
            if block is not own:
                yield Found(
                    OK if block.program == current else NOTED, "evidence", f"on other weights: {describe(block)}"
                )
        if own is None:
            yield Found(NOTED, "evidence", UNMEASURED)
        elif own.program != current:
            yield Found(FAILED, "evidence", f"it is about another version of the program: {describe(own)}")
        elif rows == 0:
            yield Found(OK, "evidence", f"not asked again: {describe(own)}")
        else:
            yield asked_again(program, own, rows, bench)


def asked_again(program: Program, own: Any, rows: int, bench: Bench) -> Found:
    """A slice of the evidence, measured once more."""
    from ttscale.cli.evaluating import Bar
    from ttscale.cli.recipe_evidence import describe
    from ttscale.runtime.recipe_evidence import EvidenceError, again

    try:
        with Bar(shown=not bench.as_json and is_terminal(sys.stderr)) as bar:
            run = again(program, own, count=rows, heard=bar.heard)
    except EvidenceError as error:
        return Found(FAILED, "evidence", " — ".join(part for part in (str(error), error.hint) if part))
    then, now = run.before.count("1"), run.after.count("1")
    said = f"{now} of {len(run.after)} right now, {then} then (p {run.p:.2g}); {describe(own)}"
    return Found(OK, "evidence", f"holds: {said}") if run.holds else Found(FAILED, "evidence", f"does not hold: {said}")
