"""The tests that a row brings for programs, in the shapes in which they are published."""

from __future__ import annotations

import ast
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttscale.runtime.answers.structure import blocks, find_code, parse_python
from ttscale.runtime.metrics.errors import MetricError, short

HINT = (
    "a row brings `test` and `entry_point` (HumanEval), `test_list` (MBPP), `base_input` and `canonical_solution` "
    "(EvalPlus), or `tests`: pairs of `input` and `output`"
)


@dataclass(frozen=True)
class FunctionTests:
    """Tests that call the candidate: a `check` function, assertions, and inputs whose results a reference gives."""

    entry_point: str = ""
    prompt: str = ""
    setup: str = ""
    check: str = ""
    asserts: tuple[str, ...] = ()
    inputs: tuple[Sequence[object], ...] = ()
    reference: str = ""
    tolerance: float = 0.0


@dataclass(frozen=True)
class PrintedTests:
    """Tests that run the candidate as a program: what it reads, and what it should print."""

    pairs: tuple[tuple[str, str], ...]


def tests_of(row: Mapping[str, object]) -> FunctionTests | PrintedTests:
    """The tests of a row. Raises MetricError where it brings none, or some that cannot be read."""
    pairs = _pairs(row)
    if pairs:
        return PrintedTests(pairs)
    entry, prompt = _text(row, "entry_point"), _text(row, "prompt")
    setup = "\n".join([*_texts(row, "test_imports"), _text(row, "test_setup_code")]).strip()
    inputs = (*_inputs(row, "base_input"), *_inputs(row, "plus_input"))
    if inputs:
        reference = _text(row, "canonical_solution")
        if not entry or not reference:
            raise MetricError("tests by inputs need `entry_point` and `canonical_solution`", hint=HINT)
        whole = complete(prompt, reference, entry) or reference
        tolerance = row.get("atol")
        return FunctionTests(
            entry,
            prompt,
            inputs=inputs,
            reference=whole,
            tolerance=float(tolerance) if isinstance(tolerance, int | float) else 0.0,
        )
    if check := _text(row, "test"):
        if not entry:
            raise MetricError("`test` needs `entry_point`, the name of the function that it calls", hint=HINT)
        if parse_python(check) is None:
            raise MetricError(f"the row's `test` is no Python: {short(check)}")
        return FunctionTests(entry, prompt, setup, check)
    asserts = _texts(row, "test_list")
    if not asserts:
        raise MetricError("the row brings no tests", hint=HINT)
    for test in asserts:
        if parse_python(test) is None:
            raise MetricError(f"a test of the row is no Python: {short(test)}")
    return FunctionTests(entry, setup=setup, asserts=tuple(asserts))


def candidate_program(answer: str, tests: FunctionTests) -> str | None:
    """The program to test: the answer's code with what the prompt has before the function, or as its continuation.

    None where no way of reading the answer gives Python that defines the function.
    """
    code = find_code(answer, "python")
    if not tests.entry_point or "def " not in tests.prompt:
        return code
    if code is not None and tests.entry_point in _defined(code):
        return _before(tests.prompt, tests.entry_point) + code
    inner = [content for _, content in reversed(blocks(answer))]
    for text in (answer, *inner):
        if (whole := complete(tests.prompt, text, tests.entry_point)) is not None:
            return whole
    return code


def complete(prompt: str, answer: str, entry: str) -> str | None:
    """The prompt, continued by the body of its function: what follows the body is cut, a lost indent is put back.

    A completion that is a whole program by itself is taken as that. None where nothing of it is Python.
    """
    if entry in _defined(answer):
        return _before(prompt, entry) + answer
    body = answer.rstrip()
    ways = (body, "    " + body.lstrip(), textwrap.indent(textwrap.dedent(body), "    "))
    for way in ways:
        lines = way.split("\n")
        end = next((n for n, line in enumerate(lines) if n and line[:1] not in ("", " ", "\t")), len(lines))
        for text in (way, "\n".join(lines[:end])):
            whole = (prompt if prompt.endswith("\n") else prompt + "\n") + text + "\n"
            if text.strip() and entry in _defined(whole) and _compiles(whole):
                return whole
    return None


def _defined(code: str) -> set[str]:
    """The names that a program defines at its top level; empty for what is no program."""
    tree = parse_python(code)
    found: set[str] = set()
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def _compiles(code: str) -> bool:
    """Whether a program that can be parsed has no other fault of form, such as a `return` outside the function."""
    try:
        compile(code, "candidate", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _before(prompt: str, entry: str) -> str:
    """What the prompt has before the function: imports and helpers that an answer need not repeat."""
    tree = parse_python(prompt)
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == entry:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return "".join(line + "\n" for line in prompt.split("\n")[: first - 1])
    return ""


def _pairs(row: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Pairs of input and output: a list of objects, or two lists side by side."""
    listed = row.get("tests")
    if isinstance(listed, Sequence) and not isinstance(listed, str) and listed:
        found = []
        for one in listed:
            if not isinstance(one, Mapping) or "input" not in one or "output" not in one:
                raise MetricError(f"a test of the row has no `input` and `output`: {short(one)}", hint=HINT)
            found.append((str(one["input"]), str(one["output"])))
        return tuple(found)
    both: object = row.get("input_output") or row
    if isinstance(both, str):
        try:
            both = json.loads(both)
        except ValueError as error:
            raise MetricError(f"the row's `input_output` is no JSON: {error}") from error
    if not isinstance(both, Mapping):
        return ()
    inputs, outputs = both.get("inputs"), both.get("outputs")
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        return ()
    if len(inputs) != len(outputs):
        raise MetricError(f"the row has {len(inputs)} inputs and {len(outputs)} outputs")
    return tuple((str(given), str(wanted)) for given, wanted in zip(inputs, outputs, strict=True))


def _inputs(row: Mapping[str, object], name: str) -> tuple[Sequence[object], ...]:
    listed = row.get(name)
    return tuple(one for one in listed if isinstance(one, list)) if isinstance(listed, list) else ()


def _text(row: Mapping[str, object], name: str) -> str:
    found = row.get(name)
    return found if isinstance(found, str) else ""


def _texts(row: Mapping[str, object], name: str) -> list[str]:
    found = row.get(name)
    return [str(one) for one in found] if isinstance(found, list | tuple) else []
