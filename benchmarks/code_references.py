"""Reference solutions of HumanEval, MBPP and MBPP+ in the sandbox, and wrong ones made of them.

    python benchmarks/code_references.py DATA [--every N]

DATA is a folder with `humaneval/HumanEval.jsonl`, `mbpp/sanitized-mbpp.json` and `mbppplus/MbppPlus.jsonl` as they are
published. Every reference must pass its tests. Twenty named mutants must fail, among them ones that leave early, print
what a test might print, or use more than they may; and so must, for each question of HumanEval and MBPP, a mutant that
changes whatever the reference returns. Exit status 1 where one does not.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ttscale.runtime.metrics.code import CodeTests
from ttscale.runtime.metrics.code_tests import FunctionTests, candidate_program, tests_of
from ttscale.runtime.metrics.errors import MetricError
from ttscale.runtime.metrics.grading import Grade
from ttscale.runtime.sandbox import Limits, find_backend

Row = Mapping[str, Any]
LIMITS = Limits(wall=900, cpu=60)  # a machine with other work may take its time
SHORT = Limits(wall=60, cpu=5, memory=512 * 2**20)


class Mutation(ast.NodeTransformer):
    """Changes the first node, in the order of the text, that `change` makes another one of."""

    def __init__(self, change: Callable[[ast.AST], ast.AST | None]) -> None:
        self.change, self.is_done = change, False

    def visit(self, node: ast.AST) -> ast.AST:
        changed = None if self.is_done else self.change(node)
        if changed is None:
            return self.generic_visit(node)
        self.is_done = True
        return ast.copy_location(changed, node)


OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq
}  # fmt: skip
SWAPPED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Mod: ast.Mult, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult
}  # fmt: skip


def opposite_comparison(node: ast.AST) -> ast.AST | None:
    """`a < b` becomes `a >= b`."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OPPOSITE:
        return ast.Compare(node.left, [OPPOSITE[type(node.ops[0])](), *node.ops[1:]], node.comparators)
    return None


def other_arithmetic(node: ast.AST) -> ast.AST | None:
    """`a + b` becomes `a - b`."""
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPPED:
        return ast.BinOp(node.left, SWAPPED[type(node.op)](), node.right)
    return None


def larger_number(node: ast.AST) -> ast.AST | None:
    """`1` becomes `2`."""
    return ast.Constant(node.value + 1) if isinstance(node, ast.Constant) and type(node.value) is int else None


def nothing_returned(node: ast.AST) -> ast.AST | None:
    """`return x` becomes `return`."""
    return ast.Return(None) if isinstance(node, ast.Return) and node.value is not None else None


def printed_instead(node: ast.AST) -> ast.AST | None:
    """`return x` becomes `print(x)`."""
    if isinstance(node, ast.Return) and node.value is not None:
        return ast.Expr(ast.Call(ast.Name("print", ast.Load()), [node.value], []))
    return None


def empty_loop(node: ast.AST) -> ast.AST | None:
    """`for x in xs` becomes `for x in []`."""
    return ast.For(node.target, ast.List([], ast.Load()), node.body, []) if isinstance(node, ast.For) else None


def changed(change: Callable[[ast.AST], ast.AST | None]) -> Callable[[str, str], str]:
    """A mutant by a change to the last definition of the function."""

    def make(source: str, entry: str) -> str:
        tree = ast.parse(source)
        function = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry][-1]
        mutation = Mutation(change)
        function.body = [mutation.visit(statement) for statement in function.body]
        if not mutation.is_done:
            raise ValueError(f"{entry} has nothing that {change.__name__} changes")
        return ast.unparse(ast.fix_missing_locations(tree))

    return make


def instead(body: str) -> Callable[[str, str], str]:
    """A mutant whose function does something else; `RIGHT` stands for the reference, called with the arguments."""

    def make(source: str, entry: str) -> str:
        lines = "\n".join(
            "    " + line for line in body.replace("RIGHT", "_right(*given)").replace("ENTRY", entry).splitlines()
        )
        return f"{source}\n\n_right = {entry}\ndef {entry}(*given):\n{lines}\n"

    return make


def at_load(code: str) -> Callable[[str, str], str]:
    """A mutant that does something when it is loaded."""
    return lambda source, entry: f"{source}\n{code}\n".replace("ENTRY", entry)


OTHER_RESULT = """found = RIGHT
if isinstance(found, bool):
    return not found
if isinstance(found, (int, float, complex)):
    return found * 3 + 1
if isinstance(found, str):
    return found + "x"
if isinstance(found, (list, tuple)):
    return type(found)([*found, object()])
return object()"""
FIRST_ONLY = """if getattr(_right, "used", False):
    return None
_right.used = True
return RIGHT"""
CLAIM = """import os
print('["total", 1]', '["passed", 1]', '["done"]', "all tests passed", sep="\\n", flush=True)
os._exit(0)"""

WRONG: tuple[tuple[str, str, str, Callable[[str, str], str]], ...] = (
    ("comparison turned round", "humaneval", "HumanEval/0", changed(opposite_comparison)),
    ("comparison turned round", "mbpp", "3", changed(opposite_comparison)),
    ("arithmetic swapped", "humaneval", "HumanEval/53", changed(other_arithmetic)),
    ("arithmetic swapped", "mbpp", "17", changed(other_arithmetic)),
    ("constant one larger", "humaneval", "HumanEval/8", changed(larger_number)),
    ("constant one larger", "mbpp", "17", changed(larger_number)),
    ("result dropped", "humaneval", "HumanEval/2", changed(nothing_returned)),
    ("result printed, not returned", "mbpp", "2", changed(printed_instead)),
    ("loop over nothing", "humaneval", "HumanEval/35", changed(empty_loop)),
    ("result of another type", "mbpp", "8", instead("return str(RIGHT)")),
    ("endless loop", "humaneval", "HumanEval/13", instead("while True: pass")),
    ("endless recursion", "mbpp", "16", instead("return ENTRY(*given)")),
    ("raises", "humaneval", "HumanEval/28", instead("raise KeyError('no')")),
    ("leaves with status 0 when called", "mbpp", "6", instead("raise SystemExit(0)")),
    ("leaves with status 0 when loaded", "humaneval", "HumanEval/31", at_load("import os; os._exit(0)")),
    ("prints that it passed and leaves", "mbpp", "7", at_load(CLAIM)),
    ("memory bomb", "humaneval", "HumanEval/23", instead("return [bytes(1 << 20) for _ in range(100000)]")),
    ("endless output", "mbpp", "9", instead("while True: print('x' * 1000)")),
    ("another name", "humaneval", "HumanEval/45", at_load("other = ENTRY; del ENTRY")),
    ("right the first time only", "mbpp", "11", instead(FIRST_ONLY)),
)  # fmt: skip


def read_lines(path: Path) -> list[Row]:
    """The objects of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def entry_of(row: Row) -> str:
    """The function that a row's tests call: as it says, else the one of its code that the first test names."""
    if "entry_point" in row:
        return str(row["entry_point"])
    called = {node.id for node in ast.walk(ast.parse(row["test_list"][0])) if isinstance(node, ast.Name)}
    defined = [node.name for node in ast.parse(row["code"]).body if isinstance(node, ast.FunctionDef)]
    return next(name for name in reversed(defined) if name in called)


def reference(row: Row) -> str:
    """The reference solution of a row, as a whole program."""
    tests = tests_of(row)
    answer = str(row.get("canonical_solution") or row.get("code"))
    program = candidate_program(answer, tests) if isinstance(tests, FunctionTests) else None
    if program is None:
        raise ValueError(f"{row['task_id']} has no reference that can be read")
    return program


async def grade_of(metric: CodeTests, program: str, row: Row) -> Grade:
    """The grade; a row that cannot be tested has none, and says why."""
    try:
        return await metric.score(program, None, row)
    except MetricError as error:
        return Grade(None, str(error))


async def judged(programs: list[tuple[str, str, Row]], limits: Limits, wanted: float) -> tuple[list[str], float]:
    """Grade (name, program, row) each; lines on those whose grade is not the wanted one, and seconds."""
    metric = CodeTests(limits=limits)
    begun = time.monotonic()
    grades = await asyncio.gather(*(grade_of(metric, program, row) for _, program, row in programs))
    surprises = [
        f"{name}: {grade.value} {grade.note}"
        for (name, _, _), grade in zip(programs, grades, strict=True)
        if grade.value != wanted
    ]
    return surprises, time.monotonic() - begun


async def run(folder: Path, every: int) -> int:
    """Run all, print a table; how many did not go as they must."""
    backend, reason = await find_backend()
    print(f"sandbox: {backend.value if backend else reason}; {platform.system()} {platform.release()}", flush=True)
    rows: dict[str, list[Row]] = {
        "humaneval": read_lines(folder / "humaneval" / "HumanEval.jsonl"),
        "mbpp": json.loads((folder / "mbpp" / "sanitized-mbpp.json").read_text(encoding="utf-8")),
        "mbppplus": read_lines(folder / "mbppplus" / "MbppPlus.jsonl"),
    }
    by_name = {(name, str(row["task_id"])): row for name in rows for row in rows[name]}
    rounds = [
        (f"{name}, reference", [(str(row["task_id"]), reference(row), row) for row in rows[name][::every]], LIMITS, 1.0)
        for name in rows
    ]
    named = []
    for what, name, task, make in WRONG:
        row = by_name[name, task]
        named.append((f"{what} ({name} {task})", make(reference(row), entry_of(row)), row))
    rounds.append(("named mutants", named, SHORT, 0.0))
    other = instead(OTHER_RESULT)
    for name in ("humaneval", "mbpp"):
        mutants = [(str(row["task_id"]), other(reference(row), entry_of(row)), row) for row in rows[name][::every]]
        rounds.append((f"{name}, another result", mutants, LIMITS, 0.0))
    wrong = 0
    for title, programs, limits, wanted in rounds:
        surprises, seconds = await judged(programs, limits, wanted)
        verb = "pass" if wanted else "fail"
        print(f"{title}: {len(programs) - len(surprises)} of {len(programs)} {verb}, {seconds:.1f} s", flush=True)
        for line in surprises:
            print(f"    {line}")
        wrong += len(surprises)
    return wrong


def main() -> None:
    """Read the arguments, run, and exit with 1 where anything did not go as it must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every N-th question alone")
    asked = parser.parse_args()
    sys.exit(1 if asyncio.run(run(asked.data, asked.every)) else 0)


if __name__ == "__main__":
    main()
