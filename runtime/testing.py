"""Runs the tests written in the language and says, for what fails, the values on both sides.

Every pipeline call of a test runs with scripted engines of its own, so that no expectation depends on another. A test
marked `live` may ask real models and runs only when that is wished; one without that mark must not. A test has concept
memories of its own, empty at its beginning; each of its calls sees what those before it remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ttscale.compiler.ir import Apply, Expectation, Operand, TestCall, TestCase
from ttscale.compiler.source import Span
from ttscale.compiler.types import TEXT, Answers
from ttscale.runtime.answers import show
from ttscale.runtime.evaluate_expr import EvaluationError, evaluate, single
from ttscale.runtime.executor import execute, models_of
from ttscale.runtime.fewshot import RowStore, plan_with_rows
from ttscale.runtime.memory import Memories
from ttscale.runtime.models import EngineHouse
from ttscale.runtime.pool import Pool
from ttscale.runtime.result import Result, RunError
from ttscale.runtime.trace import Trace

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class FailedExpectation:
    """One `expect` that does not hold: its text and place, the reason, and both sides of a comparison."""

    text: str
    span: Span
    reason: str
    left: str | None = None
    right: str | None = None


@dataclass(frozen=True)
class TestOutcome:
    """What became of one test; skipped ones are `live` ones that were not wished."""

    __test__ = False

    name: str
    span: Span
    outcome: Outcome
    failures: tuple[FailedExpectation, ...] = ()
    calls: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class TestReport:
    """The tests of a file, in order."""

    __test__ = False

    tests: tuple[TestOutcome, ...]

    def count(self, outcome: Outcome) -> int:
        """How many tests ended so."""
        return sum(test.outcome == outcome for test in self.tests)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return self.count("failed") == 0


async def run_tests(
    cases: Sequence[TestCase], base_dir: Path, *, live: bool = False, seed: int = 0, only: str = ""
) -> TestReport:
    """Run tests in order; `only` picks those whose name contains it.

    A run that ends in an error fails its expectation, with that error as the reason.
    """
    house = EngineHouse(base_dir)
    outcomes: list[TestOutcome] = []
    try:
        for case in cases:
            if only not in case.name:
                continue
            if case.live and not live:
                outcomes.append(TestOutcome(case.name, case.span, "skipped"))
                continue
            outcomes.append(await _run_case(case, house, base_dir, seed))
    finally:
        await house.close()
    return TestReport(tuple(outcomes))


async def _run_case(case: TestCase, house: EngineHouse, base_dir: Path, seed: int) -> TestOutcome:
    failures: list[FailedExpectation] = []
    trace = Trace()
    calls = tokens = 0
    memories = Memories(kept=False)
    for expectation in case.expectations:
        values: dict[str, object] = {}
        unscripted = () if case.live else _unscripted(expectation)
        if unscripted:
            reason = f"it asks the real model `{unscripted[0]}`: give it a script, or mark the test `live`"
            failures.append(FailedExpectation(expectation.text, expectation.span, reason))
            continue
        try:
            for number, call in enumerate(expectation.calls):
                result = await _run_call(call, house, base_dir, seed, memories)
                trace = result.trace
                calls, tokens = calls + trace.calls, tokens + trace.tokens
                values[f"call[{number}]"] = result.pool if isinstance(call.graph.returns, Answers) else result.answer
            failure = _check(expectation, {**values, "trace": _figures(trace)})
        except RunError as error:
            trace = error.trace
            failure = FailedExpectation(expectation.text, expectation.span, str(error))
        if failure is not None:
            failures.append(failure)
    return TestOutcome(case.name, case.span, "failed" if failures else "passed", tuple(failures), calls, tokens)


def _unscripted(expectation: Expectation) -> tuple[str, ...]:
    """The models that the expectation's calls may ask and that are no scripts."""
    stages = (stage for call in expectation.calls for stage in call.graph.stages)
    return tuple(model.name for stage in stages for model in models_of(stage) if model.kind != "script")


async def _run_call(call: TestCall, house: EngineHouse, base_dir: Path, seed: int, memories: Memories) -> Result:
    rows = RowStore(base_dir)
    plan = plan_with_rows(call.graph, rows)
    engines = house.for_run()
    settings: dict[str, Any] = {"run_seed": seed, "folder": base_dir, "rows": rows, "memories": memories.view()}
    return await execute(call.graph, plan, dict(call.inputs), engines, **settings)


def _figures(trace: Trace) -> dict[str, object]:
    """What `trace.NAME` gives in an expectation."""
    return {"calls": trace.calls, "tokens": trace.tokens, "seconds": trace.seconds, "cost": trace.cost}


def _check(expectation: Expectation, values: dict[str, object]) -> FailedExpectation | None:
    condition = expectation.condition
    try:
        if single(evaluate(condition, {}, values)):
            return None
        if isinstance(condition, Apply) and condition.op in _COMPARISONS and len(condition.args) == 2:
            left, right = (_shown(arg, values) for arg in condition.args)
            reason = f"{left} {condition.op} {right} does not hold"
            return FailedExpectation(expectation.text, expectation.span, reason, left, right)
    except EvaluationError as error:
        return FailedExpectation(expectation.text, expectation.span, str(error))
    return FailedExpectation(expectation.text, expectation.span, "it does not hold")


def _shown(operand: Operand, values: dict[str, object]) -> str:
    value = evaluate(operand, {}, values)
    if isinstance(value, Pool) and len(value) > 1:
        return f"{len(value)} candidates"
    value = single(value)
    return f'"{value}"' if isinstance(value, str) else show(TEXT, value)
