"""Runs in the sandbox: loads a candidate, tries its tests one by one, and tells each result under a secret word.

Runs by itself: stdlib only. The job comes on stdin, as JSON. Results go to what was stdout, line by line, so that those
before a time-out count; what the candidate prints goes to stderr. A program that leaves early, whatever its exit
status, has not told the last line, and a line without the secret word counts for nothing.
"""

from __future__ import annotations

import ast
import copy
import json
import math
import os
import signal
import sys
import types
from collections.abc import Callable
from typing import Any

Tell = Callable[..., None]
UNIT = "__unit_of_the_tests__"
SLOW = 1.0


class Stopped(BaseException):
    """The first failure, where one is enough."""


class Unit:
    """Tells how the statements in each of its `with` blocks went; numbered in the order in which they run."""

    def __init__(self, tell: Tell, go_on: bool) -> None:
        self.tell, self.go_on, self.number = tell, go_on, 0

    def __enter__(self) -> None:
        self.number += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if error is None:
            self.tell("passed", self.number)
            return True
        self.tell("failed", self.number, told(error))
        if not self.go_on:
            raise Stopped
        return True


def told(error: BaseException) -> str:
    """An error in one line."""
    try:
        text = " ".join(str(error).split())[:200]
    except BaseException:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def channel(word: str) -> Tell:
    """What tells results; from here on the candidate's prints go to stderr, and nothing is left to read."""
    out = os.dup(1)
    os.dup2(2, 1)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    write, dumps = os.write, json.dumps

    def tell(*what: object) -> None:
        write(out, f"{word} {dumps(what)}\n".encode())

    return tell


def load(source: str, name: str) -> dict[str, Any]:
    """Run a program as a module and give its names. Raises whatever it raises."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module.__dict__


def split_check(source: str) -> tuple[ast.Module, int]:
    """A test with `def check(candidate)`, where each statement with an assertion is a unit; and how many there are."""
    tree = ast.parse(source)
    count = 0
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name != "check":
            continue
        for place, statement in enumerate(node.body):
            if any(isinstance(inner, ast.Assert) for inner in ast.walk(statement)):
                item = ast.withitem(ast.Name(UNIT, ast.Load()))
                node.body[place] = ast.copy_location(ast.With([item], [statement]), statement)
                count += 1
        if count == 0:
            node.body = [ast.copy_location(ast.With([ast.withitem(ast.Name(UNIT, ast.Load()))], node.body), node)]
            count = 1
        return ast.fix_missing_locations(tree), count
    raise ValueError("the test has no function `check`")


def same(found: object, wanted: object, tolerance: float) -> bool:
    """Equal, or numbers within the tolerance (and a ten-millionth), or sequences of such of one kind.

    Objects that can be compared by identity alone, such as matches of a pattern, count by their truth.
    """
    if type(wanted).__eq__ is object.__eq__ and type(found) is type(wanted):
        return bool(found) == bool(wanted)
    if type(found) is type(wanted) and isinstance(found, list | tuple) and isinstance(wanted, list | tuple):
        if found == wanted:  # much sooner than one by one
            return True
        return len(found) == len(wanted) and all(same(a, b, tolerance) for a, b in zip(found, wanted, strict=True))
    if isinstance(wanted, float) and isinstance(found, int | float):
        both_nan = math.isnan(wanted) and math.isnan(found)
        return both_nan or found == wanted or abs(found - wanted) <= (tolerance or 1e-6) + 1e-7 * abs(wanted)
    return bool(found == wanted)


def expected(job: dict[str, Any]) -> list[tuple[list[Any], object]]:
    """Inputs and what the reference makes of them; an input that the reference itself cannot take, or on which it is
    too slow, is no test.

    JSON has neither tuples nor complex numbers: where the reference fails on lists, it and the candidate get tuples,
    and where it fails on numbers written as text, numbers.
    """
    found = []
    reference = load(job["reference"], "reference")[job["entry_point"]]
    slow = too_slow(reference, job["inputs"])
    for place, values in enumerate(job["inputs"]):
        for way in () if place in slow else ways(values):
            try:
                found.append((way, reference(*copy.deepcopy(way))))
                break
            except Exception:
                continue  # written down by its absence from the total
    del sys.modules["reference"]
    return found


def ways(values: list[Any]) -> list[list[Any]]:
    """How the arguments of a call may be meant, the first one being as they stand."""
    found = [values, [tuples(value, 1) for value in values], [tuples(value, 100) for value in values]]
    spelt = [number(value) for value in values]
    return [*found, spelt] if spelt != values else found


def number(value: Any) -> Any:
    """The number that a text spells, such as `0.5` or `(1-2j)`; anything else as it is."""
    for kind in (float, complex) if isinstance(value, str) else ():
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def too_slow(reference: Callable[..., object], inputs: list[list[Any]]) -> set[int]:
    """The places of inputs on which the reference takes more than `SLOW` seconds of CPU time.

    A forked process tries them and is killed by its own timer, since nothing else ends a call that is within C. Once
    one was slow, less time is enough to tell of the others.
    """
    slow: set[int] = set()
    place = 0
    while hasattr(os, "fork") and place < len(inputs):
        limit = SLOW / 5 if slow else SLOW
        ready, done = os.pipe()
        child = os.fork()
        if child == 0:
            try_inputs(reference, inputs[place:], limit, done)
        os.close(done)
        with os.fdopen(ready, "rb") as told:
            place += len(told.read())
        os.waitpid(child, 0)
        if place < len(inputs):
            slow.add(place)  # or it ended the process, which a test must not do either
            place += 1
    return slow


def try_inputs(reference: Callable[..., object], inputs: list[list[Any]], limit: float, done: int) -> None:
    """Call the reference with each input and leave a byte after each; ends the process."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for values in inputs:
        signal.setitimer(signal.ITIMER_PROF, limit)
        for way in ways(values):
            try:
                reference(*copy.deepcopy(way))
                break
            except BaseException:
                continue  # only the time counts here; which way is meant is found in `expected`'s own calls
        os.write(done, b".")
    os._exit(0)


def tuples(value: Any, depth: int) -> Any:
    """A value with tuples for lists, so many levels down."""
    return tuple(tuples(one, depth - 1) for one in value) if isinstance(value, list) and depth else value


def run(job: dict[str, Any], tell: Tell) -> None:
    """Load the candidate and try all tests."""
    pairs = expected(job) if job["inputs"] else []
    tree, count = split_check(job["check"]) if job["check"] else (None, 0)
    statements = [compile(test, "test", "exec") for test in job["asserts"]]
    tell("total", count + len(statements) + len(pairs))
    unit = Unit(tell, job["go_on"])
    space = load(job["candidate"], "candidate")
    if job["setup"]:
        exec(compile(job["setup"], "setup", "exec"), space)
    for statement in statements:
        with unit:
            exec(statement, space)
    if tree is not None:
        space[UNIT] = unit
        exec(compile(tree, "test", "exec"), space)
        space["check"](space[job["entry_point"]])
    for values, wanted in pairs:
        with unit:
            assert same(space[job["entry_point"]](*copy.deepcopy(values)), wanted, job["tolerance"]), "another result"


def main() -> None:
    """Do the job."""
    job = json.loads(sys.stdin.buffer.read())
    tell = channel(job.pop("word"))
    leave = os._exit
    try:
        run(job, tell)
        tell("done")
    except Stopped:
        tell("done")
    except BaseException as error:
        tell("broken", told(error))
    leave(0)


if __name__ == "__main__":
    main()
