"""Tests as single checks: programs of assertions taken apart, so that each check of each program can be told alone.

    suites = suites_of([text, …], "add")                 # what models wrote, or what a row brings
    tried = await try_program("def add(a, b): …", suites)
    tried.passed                                         # (True, False, …), one for each check
    tried.outputs                                        # what the calls within each check gave: its behaviour

A check is a statement with an assertion, wherever it stands: at the top level, in `check(candidate)`, in `test_…()`; or
a method of a `unittest.TestCase`. What stands before it in the same suite is run before it. Two checks of the same text
are one check, however many samples wrote it, and one without any name in it (`assert True`) is none.
"""

from __future__ import annotations

import ast
import json
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ttscale.runtime.answers.structure import blocks, find_code, parse_python
from ttscale.runtime.metrics.code import ended_badly, lines_of
from ttscale.runtime.metrics.errors import MetricError
from ttscale.runtime.sandbox import Finished, Limits, Outcome, Program, run_program

EACH = 2.0
"""Seconds of CPU time that one check may take."""
MOST = 64
_ASSERT = re.compile(r"^[ \t]*assert\b", re.M)
_ENTRY = re.compile(r"^\s*def\s+(\w+)\s*\(", re.M)


@dataclass(frozen=True, slots=True)
class Suite:
    """Statements in order, each with the number of the check that it is; None for one that only prepares."""

    steps: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """How one program did: which checks it passed, what its calls gave in each ("" where none was seen), a note."""

    passed: tuple[bool, ...]
    outputs: tuple[str, ...]
    note: str = ""

    @property
    def share(self) -> float:
        """The share of checks passed; 0 without any."""
        return sum(self.passed) / len(self.passed) if self.passed else 0.0


def entry_of(question: str) -> str:
    """The function that a task asks for: the last one that it defines; "" where it defines none."""
    tree = parse_python(question)
    if tree is not None:
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        if names:
            return names[-1]
    found = _ENTRY.findall(question)
    return found[-1] if found else ""


def suites_of(texts: Sequence[str], entry: str = "", most: int = MOST) -> list[Suite]:
    """The suites of some texts, with their checks numbered from 0 in order, at most `most` of them.

    Where there are more, those that stand first in their text are kept, so that every text has its say. A text that is
    no program gives the assertions that can be read line by line; one without any gives nothing.
    """
    seen: set[tuple[str, str]] = set()
    found: list[list[tuple[str, bool]]] = []
    for text in texts:
        steps: list[tuple[str, bool]] = []
        prepared = ""
        for code, is_check in _steps(text, entry):
            if is_check and (prepared, code) in seen:
                continue
            if is_check:
                seen.add((prepared, code))
            elif not code.startswith(("import ", "from ")):
                prepared += code + "\n"
            steps.append((code, is_check))
        if any(is_check for _, is_check in steps):
            found.append(steps)
    return _numbered(found, most)


def _numbered(found: Sequence[Sequence[tuple[str, bool]]], most: int) -> list[Suite]:
    places = [
        (sum(before for _, before in steps[:place]), suite, place)
        for suite, steps in enumerate(found)
        for place, (_, is_check) in enumerate(steps)
        if is_check
    ]
    kept = {(suite, place) for _, suite, place in sorted(places)[:most]}
    numbers = {where: number for number, where in enumerate(sorted(kept))}
    suites = []
    for suite, steps in enumerate(found):
        own = [
            (code, numbers.get((suite, place)))
            for place, (code, is_check) in enumerate(steps)
            if not is_check or (suite, place) in kept
        ]
        if any(number is not None for _, number in own):
            suites.append(Suite(tuple(own)))
    return suites


def checks_of(suites: Sequence[Suite]) -> list[str]:
    """The text of every check, by number."""
    found = {number: code for suite in suites for code, number in suite.steps if number is not None}
    return [found[number] for number in sorted(found)]


# --- taking programs apart ------------------------------------------------------------------------------


def _steps(text: str, entry: str) -> Iterator[tuple[str, bool]]:
    """The statements of one text, each with whether it is a check."""
    code = find_code(text, "python")
    tree = parse_python(code) if code is not None else None
    if tree is None or not any(isinstance(node, ast.Assert | ast.ClassDef) for node in ast.walk(tree)):
        tree = ast.Module(list(_readable_asserts(text)), [])
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    asserting = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and _asserts(node)}
    entry = entry or _checked(tree)
    for node in tree.body:
        for statement, is_check in _flat(node, entry, defined, asserting):
            if not is_check or any(isinstance(inner, ast.Name) for inner in ast.walk(statement)):
                yield ast.unparse(ast.fix_missing_locations(statement)), is_check


def _checked(tree: ast.Module) -> str:
    """The function that a test names itself, as in `check(add)`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="check"), args=[ast.Name(id=name)]):
                return name
    return ""


def _readable_asserts(text: str) -> Iterator[ast.stmt]:
    """The assertions of a text that is no program as a whole: cut off at its end, or with words between."""
    parts = [body for _, body in blocks(text)] or [text]
    for part in parts:
        lines = part.split("\n")
        starts = [number for number, line in enumerate(lines) if _ASSERT.match(line)]
        for start in starts:
            for end in range(start + 1, min(start + 12, len(lines)) + 1):
                tree = parse_python("\n".join(lines[start:end]).strip())
                if tree is not None:
                    yield from tree.body
                    break


def _flat(node: ast.stmt, entry: str, defined: set[str], asserting: set[str]) -> Iterator[tuple[ast.stmt, bool]]:
    """A statement as what prepares and what checks; definitions of the function that is tested are left out."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if name == entry:
            return
        case ast.FunctionDef(name="check", args=args, body=body) if len(args.args) == 1 and entry:
            target = ast.Name(args.args[0].arg, ast.Store())
            yield ast.Assign([target], ast.Name(entry, ast.Load()), lineno=1), False
            for inner in body:
                yield inner, _asserts(inner)
        case ast.FunctionDef(name=name, args=args, body=body) if name.startswith("test") and not args.args:
            if _leaves(node):
                yield node, False
                yield ast.Expr(ast.Call(ast.Name(name, ast.Load()), [], [])), True
            else:
                for inner in body:
                    yield inner, _asserts(inner)
        case ast.ClassDef(name=name, bases=bases, body=body) if any("TestCase" in ast.unparse(base) for base in bases):
            yield ast.Import([ast.alias("unittest")]), False
            yield node, False
            for method in body:
                if isinstance(method, ast.FunctionDef) and method.name.startswith("test"):
                    yield ast.parse(f"{name}({method.name!r}).debug()").body[0], True
        case ast.Import(names=names) if any(_is_foreign(alias.name) for alias in names):
            return
        case ast.ImportFrom(module=module) if module is None or _is_foreign(module):
            return
        case ast.If(test=test) if "__name__" in ast.unparse(test):
            return
        case ast.Expr(value=ast.Call(func=called)) if _is_runner(ast.unparse(called), defined):
            return
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node, False
        case _:
            calls = (inner.func for inner in ast.walk(node) if isinstance(inner, ast.Call))
            yield node, _asserts(node) or any(isinstance(one, ast.Name) and one.id in asserting for one in calls)


def _asserts(node: ast.AST) -> bool:
    """Whether there is an assertion in a statement."""
    return any(isinstance(inner, ast.Assert) for inner in ast.walk(node))


def _leaves(node: ast.FunctionDef) -> bool:
    return any(isinstance(inner, ast.Return | ast.Yield | ast.Global | ast.Nonlocal) for inner in ast.walk(node))


def _is_foreign(module: str) -> bool:
    """Whether a module is none of the standard library: tests like to import the program under a made-up name."""
    return module.partition(".")[0] not in sys.stdlib_module_names


def _is_runner(called: str, defined: set[str]) -> bool:
    """Whether a call only starts the tests, or prints."""
    is_own = called in defined and (called == "check" or called.startswith("test"))
    return is_own or called in ("print", "unittest.main", "doctest.testmod", "pytest.main")


# --- trying programs ------------------------------------------------------------------------------------


async def try_program(
    source: str, suites: Sequence[Suite], each: float = EACH, packages: Sequence[str] = (), unsafe: bool | None = None
) -> Tried:
    """How a program does on all checks, each in a process of its own. Raises MetricError where there is no sandbox.

    A check may take `each` seconds of CPU time and three times as long by the clock; after three that took longer the
    rest is not tried and has not passed. A program that looks for the tests could deceive them.
    """
    count = sum(number is not None for suite in suites for _, number in suite.steps)
    word = secrets.token_hex(16)
    job = {"word": word, "candidate": source, "each": each, "suites": [list(suite.steps) for suite in suites]}
    limits = Limits(wall=10 * each + 20, cpu=10 * each + 20)
    finished = await run_program(
        Program(_driver(), stdin=json.dumps(job), packages=tuple(packages)), limits, unsafe=unsafe
    )
    if finished.outcome is Outcome.REFUSED:
        raise MetricError(finished.note, hint="see docs/sandbox.md")
    return _read(finished, word, count)


async def try_printed(
    source: str,
    pairs: Sequence[tuple[str, str]],
    each: float = EACH,
    packages: Sequence[str] = (),
    unsafe: bool | None = None,
) -> Tried:
    """How a program does that reads and prints, each test in a sandbox of its own. Raises MetricError without one."""
    limits = Limits(wall=3 * each, cpu=each)
    passed: list[bool] = []
    outputs: list[str] = []
    note = ""
    for given, wanted in pairs:
        finished = await run_program(Program(source, stdin=given, packages=tuple(packages)), limits, unsafe=unsafe)
        if finished.outcome is Outcome.REFUSED:
            raise MetricError(finished.note, hint="see docs/sandbox.md")
        lines = lines_of(finished.stdout)
        passed.append(finished.is_ok and lines == lines_of(wanted))
        outputs.append("\n".join(lines) if finished.is_ok else f"!{finished.outcome.value}")
        if not passed[-1] and not note:
            note = f"test {len(passed)}: {'printed something else' if finished.is_ok else ended_badly(finished)}"
    return Tried(tuple(passed), tuple(outputs), note)


def _read(finished: Finished, word: str, count: int) -> Tried:
    passed, outputs, note, is_complete = [False] * count, [""] * count, "", False
    for line in finished.stdout.splitlines():
        said, _, rest = line.partition(" ")
        if said != word:
            continue
        kind, *more = json.loads(rest)
        if kind == "check":
            number, went, told, seen = more
            passed[number], outputs[number] = bool(went), seen
            note = note or ("" if went else f"test {number + 1}: {told}")
        elif kind == "broken":
            note = note or str(more[0])
        elif kind == "done":
            is_complete = True
    return Tried(tuple(passed), tuple(outputs), note or ("" if is_complete else ended_badly(finished)))


@cache
def _driver() -> str:
    return Path(__file__).with_name("suite_driver.py").read_text(encoding="utf-8")
