"""Runs in the sandbox: loads a candidate, runs each check in a forked process, and tells how it went and what it gave.

Runs by itself: stdlib only. The job comes on stdin, as JSON; results go to what was stdout, a line each under a secret
word. The calls of the candidate's functions within a check are recorded in a form in which equal values are equal
texts: that is what programs are compared by when they vote by behaviour.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import os
import re
import signal
import sys
import types
from collections.abc import Callable
from typing import Any

SEEN = "__seen_by_the_tests__"
PATIENCE = 3
LONGEST = 120
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def told(error: BaseException) -> str:
    """An error in one line."""
    try:
        text = " ".join(str(error).split())[:200]
    except BaseException:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def form(value: Any, depth: int = 20) -> str:
    """A text that two values share where Python holds them to be equal; floats go by ten digits."""
    if depth == 0:
        return "…"
    if isinstance(value, float):
        return repr(int(value)) if math.isfinite(value) and value == int(value) else f"{value:.10g}"
    if isinstance(value, bool | int):
        return repr(int(value))
    if isinstance(value, list | tuple):
        inner = ",".join(form(one, depth - 1) for one in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, set | frozenset):
        return "{" + ",".join(sorted(form(one, depth - 1) for one in value)) + "}"
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{form(k, depth - 1)}:{form(v, depth - 1)}" for k, v in value.items())) + "}"
    return _ADDRESS.sub("", repr(value))


def short(text: str) -> str:
    """A text, or where it is long its beginning and what tells it from others."""
    if len(text) <= LONGEST:
        return text
    return text[:40] + "…" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


class Recorder:
    """What calls gave, in order; an error counts as what its kind is called."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __call__(self, call: Callable[[], Any]) -> Any:
        try:
            value = call()
        except BaseException as error:
            self.found.append(f"!{type(error).__name__}")
            raise
        try:
            self.found.append(short(form(value)))
        except BaseException as error:
            self.found.append(f"?{type(error).__name__}")
        return value


class Watched(ast.NodeTransformer):
    """Puts the recorder around every call of a name that the candidate defines."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A call, watched where it is one of the candidate's."""
        self.generic_visit(node)
        is_own = isinstance(node.func, ast.Name) and node.func.id in self.names
        held_back = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)
        if not is_own or any(isinstance(inner, held_back) for inner in ast.walk(node)):
            return node
        nothing = ast.arguments([], [], None, [], [], None, [])
        return ast.copy_location(
            ast.Call(ast.Name(SEEN, ast.Load()), [ast.Lambda(nothing, node)], []),
            node,
        )


def compiled(code: str, names: set[str]) -> types.CodeType:
    """A statement with its calls watched."""
    tree = Watched(names).visit(ast.parse(code))
    return compile(ast.fix_missing_locations(tree), "test", "exec")


def forked(work: Callable[[], tuple[bool, str, str]], each: float) -> tuple[bool, str, str, bool]:
    """What `work` gives in a process of its own, and whether it ran out of time."""
    ready, done = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready)
        for one in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(one, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, each)
        signal.setitimer(signal.ITIMER_REAL, 3 * each)
        try:
            found = work()
        except BaseException as error:
            found = (False, told(error), "")
        os.write(done, json.dumps(found).encode()[:60_000])
        os._exit(0)
    os.close(done)
    with os.fdopen(ready, "rb") as told_back:
        text = told_back.read()
    _, status = os.waitpid(child, 0)
    if not text:
        late = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM)
        return False, "ran out of time" if late else "ended the process", "!timeout" if late else "!exit", late
    passed, note, seen = json.loads(text)
    return bool(passed), str(note), str(seen), False


def run(job: dict[str, Any], tell: Callable[..., None]) -> None:
    """Load the candidate and try every check of every suite."""
    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module
    exec(compile(job["candidate"], "candidate.py", "exec"), module.__dict__)
    names = {name for name, value in vars(module).items() if callable(value) and not isinstance(value, type)}
    names = {name for name in names if getattr(module.__dict__[name], "__module__", "") == "candidate"} | {"candidate"}
    patience = PATIENCE
    for steps in job["suites"]:
        recorder = Recorder()
        space = {**module.__dict__, SEEN: recorder}
        patience = suite(steps, space, names, recorder, job["each"], patience, tell)


def suite(
    steps: list[tuple[str, int | None]],
    space: dict[str, Any],
    names: set[str],
    recorder: Recorder,
    each: float,
    patience: int,
    tell: Callable[..., None],
) -> int:
    """Run one suite's statements in order, the checks among them forked; the patience that is left."""
    broken = ""
    for code, number in steps:
        try:
            ready = compiled(code, names)
        except (SyntaxError, ValueError, RecursionError) as error:
            broken = broken or told(error)
            continue
        if number is None:
            broken = broken or prepared(ready, space, recorder)
            continue

        def check(ready: types.CodeType = ready) -> tuple[bool, str, str]:
            try:
                exec(ready, space)
                went, note = True, ""
            except BaseException as error:
                went, note = False, told(error)
            return went, note, short(";".join(recorder.found))

        if broken or patience <= 0:
            tell("check", number, False, broken or "not tried, as others took too long", "")
            continue
        went, note, seen, late = forked(check, each)
        patience -= late
        tell("check", number, went, note, seen)
    return patience


def prepared(ready: types.CodeType, space: dict[str, Any], recorder: Recorder) -> str:
    """Run a statement that only prepares; what went wrong. The limits of the whole program bound it."""
    try:
        exec(ready, space)
    except BaseException as error:
        return told(error)
    return ""


def main() -> None:
    """Do the job."""
    job = json.loads(sys.stdin.buffer.read())
    word = job.pop("word")
    out = os.dup(1)
    os.dup2(2, 1)
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 2)
    os.dup2(nothing, 1)
    write, dumps, leave = os.write, json.dumps, os._exit

    def tell(*what: object) -> None:
        write(out, f"{word} {dumps(what)}\n".encode())

    try:
        run(job, tell)
        tell("done")
    except BaseException as error:
        tell("broken", told(error))
    leave(0)


if __name__ == "__main__":
    main()
