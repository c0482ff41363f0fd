"""`run_tests`: every candidate is a program, and tests say how good it is.

The tests are what `with:` gives (assertions as text, a list of them, a pool that a model wrote, pairs of input and
output), else the stage's own model writes them. They are run in the sandbox, or with `method: judged` a model says of
each candidate and test whether it passes.

Chen et al., "CodeT: Code Generation with Generated Tests", 2022 (tests by a model, tried on every program); Saad-Falcon
et al., "Archon", 2024 (tests that a model judges).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.runtime.answers.structure import find_code
from ttscale.runtime.chats import asked_in
from ttscale.runtime.metrics.code import allowed_packages
from ttscale.runtime.metrics.code_tests import FunctionTests, PrintedTests, candidate_program, tests_of
from ttscale.runtime.metrics.errors import MetricError
from ttscale.runtime.metrics.suite import Tried, checks_of, entry_of, suites_of, try_printed, try_program
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.result import RunError
from ttscale.runtime.stages import forms
from ttscale.runtime.stages.context import MissingValue, StageContext, is_operand, offered_answer, usable
from ttscale.runtime.stages.forms import is_kept
from ttscale.runtime.stages.judging import affirmative, labels_of, opinions

ACCEPTED = 0.5
"""The probability from which on a judged test counts as passed; the score is the mean probability."""


async def run_tests(context: StageContext, pool: Pool) -> Pool:
    """The same candidates with the share of tests that they pass as a score, and which ones those are.

    A candidate that is no program passes nothing and scores 0. Where there is no test that can be read, nobody has a
    score, and the result says so. Raises RunError (R0715) where programs cannot be run, and for a row's own tests that
    cannot be read.
    """
    if not pool.candidates:
        return pool
    try:
        if context.constant("method") == "judged":
            return await _judged(context, pool)
        return await _executed(context, pool)
    except MissingValue as error:
        context.note(error.diagnostic.message)
        return pool
    except MetricError as error:
        raise RunError(Diagnostic("R0715", str(error), context.stage.span, hint=error.hint)) from error


# --- tests that are run ---------------------------------------------------------------------------------


async def _executed(context: StageContext, pool: Pool) -> Pool:
    question = _question(context)
    entry = str(context.constant("entry") or "") or entry_of(question)
    each, packages = context.number("timeout") or 0.0, allowed_packages()
    given = _given(context)
    if isinstance(given, PrintedTests):
        programs = [find_code(_program(c), "python") for c in pool]
        printed = await _each(programs, lambda source: try_printed(source, given.pairs, each, packages))
        return _with_tests(context, pool, printed, len(given.pairs))
    texts = given if given is not None else await _written(context, entry)
    suites = suites_of(texts, entry, context.integer("most", 64))
    if not suites:
        return _without(context, pool, texts)
    frame = FunctionTests(entry, question if entry and "def " in question else "")
    sources = [candidate_program(_program(c), frame) for c in pool]
    found = await _each(sources, lambda source: try_program(source, suites, each, packages))
    return _with_tests(context, pool, found, len(checks_of(suites)))


async def _each(sources: Sequence[str | None], run: Callable[[str], Awaitable[Tried]]) -> list[Tried | None]:
    """How each program does; equal programs are run once."""
    different = list(dict.fromkeys(source for source in sources if source is not None))
    tried = dict(zip(different, await asyncio.gather(*map(run, different)), strict=True))
    return [None if source is None else tried[source] for source in sources]


def _with_tests(context: StageContext, pool: Pool, found: Sequence[Tried | None], count: int) -> Pool:
    nothing = Tried((False,) * count, ("",) * count)
    results = [one if one is not None else nothing for one in found]
    if all(not any(one.passed) for one in results):
        notes = [one.note for one in results if one.note]
        context.note(f"no answer passed any of {count} tests" + (f" ({notes[0]})" if notes else ""))
    candidates = [
        _scored(context, replace(c, tests=one.passed, outputs=one.outputs), one.share)
        for c, one in zip(pool, results, strict=True)
    ]
    return replace(pool, candidates=tuple(candidates))


def _scored(context: StageContext, candidate: Candidate, share: float) -> Candidate:
    name = str(context.constant("as") or "tests")
    others = {key: value for key, value in candidate.scores.items() if key != name}
    return replace(candidate, scores={**others, name: share})


def _without(context: StageContext, pool: Pool, texts: Sequence[str]) -> Pool:
    """What is left to say where nothing could be read as a test."""
    operand = context.stage.args.get("with")
    if is_operand(operand) and context.value(operand) is not None and not isinstance(context.value(operand), Pool):
        shown = " ".join(" ".join(texts).split())
        raise MetricError(
            f"no test can be read from {shown[:60]!r}", hint="give assertions: `assert add(1, 2) == 3`, one a line"
        )
    context.judged(max(len(texts), 1), [*texts] or [""])
    context.note(f"{context.stage.op} has no tests: none of {len(texts)} texts has an assertion that can be read")
    return pool


async def _written(context: StageContext, entry: str) -> list[str]:
    """Tests that the stage's model writes, in `n` samples; those of the standard prompt are kept to assertions."""
    filled = context.using()
    messages = context.messages(filled, {"entry": entry})
    asks = [replace(context.ask(messages, index=index), timeout=None) for index in range(context.integer("n", 1))]
    if is_kept(filled):
        asks = [replace(ask, constraint=forms.assertions(entry)) for ask in asks]
    opening = messages[-1].content if messages[-1].role == "assistant" else ""
    texts: list[str] = []
    for reply in await context.caller.sample(asks):
        if reply.state == "failed":
            context.failed(reply)
        if reply.state == "done" and reply.completion is not None:
            texts.append(opening + reply.completion.text)
    return texts


# --- tests that a model judges --------------------------------------------------------------------------


async def _judged(context: StageContext, pool: Pool) -> Pool:
    """P(passes) of every candidate and test, read as `verify` does; one that could not be read counts for nothing."""
    given = _given(context)
    if isinstance(given, PrintedTests):
        given = [f"Input:\n{one}\nOutput:\n{other}" for one, other in given.pairs]
    tests = _single(given or [], context.integer("most", 64))
    if not tests:
        return _without(context, pool, given or [])
    filled, model = context.using(), context.model()
    candidates = usable(pool)
    prompts = [
        context.messages(filled, {"answer": offered_answer(candidate, filled), "test": test})
        for candidate in candidates
        for test in tests
    ]
    found = await opinions(context, filled, model, prompts)
    place = affirmative(labels_of(filled.prompt.result))
    shares = [
        None if one.state != "done" else one.number if one.number is not None else one.probabilities[place]
        for one in found
    ]
    rows = {id(c): shares[k * len(tests) : (k + 1) * len(tests)] for k, c in enumerate(candidates)}
    return replace(pool, candidates=tuple(_by_judgement(context, c, rows.get(id(c)), len(tests)) for c in pool))


def _by_judgement(
    context: StageContext, candidate: Candidate, row: Sequence[float | None] | None, count: int
) -> Candidate:
    if row is None:
        return _scored(context, replace(candidate, tests=(False,) * count, outputs=()), 0.0)
    known = [share for share in row if share is not None]
    if not known:
        return candidate
    passed = tuple(share is not None and share >= ACCEPTED for share in row)
    return _scored(context, replace(candidate, tests=passed, outputs=()), math.fsum(known) / len(known))


def _single(texts: Sequence[str], most: int) -> list[str]:
    """The tests of some texts, each once: checks of what is a program, else lines without their marks."""
    found: dict[str, None] = {}
    for text in texts:
        checks = checks_of(suites_of([text], "", most))
        lines = (line.strip().lstrip("-*•0123456789.) ").strip() for line in text.splitlines())
        found |= dict.fromkeys(checks or (line for line in lines if line))
    return list(found)[:most]


# --- what is tested, and by what ------------------------------------------------------------------------


def _question(context: StageContext) -> str:
    value = None if context.stage.question is None else asked_in(context.value(context.stage.question))
    return value if isinstance(value, str) else ""


def _program(candidate: Candidate) -> str:
    """A candidate's program: what was read of it, which an opened reply has not whole in its text."""
    return candidate.answer if isinstance(candidate.answer, str) else candidate.text


def _given(context: StageContext) -> list[str] | PrintedTests | None:
    """The tests of `with:`; None where there is none. Raises MetricError for what is no test."""
    operand = context.stage.args.get("with")
    value = context.value(operand) if is_operand(operand) else None
    if value is None:
        return None
    if isinstance(value, str):
        return [value]
    if isinstance(value, Pool):
        return [text for candidate in usable(value) for text in _texts(candidate)]
    if isinstance(value, Sequence) and value and all(isinstance(one, Mapping) for one in value):
        tests = tests_of({"tests": list(value)})
        assert isinstance(tests, PrintedTests)
        return tests
    if isinstance(value, Sequence) and all(isinstance(one, str) for one in value):
        return [str(one) for one in value]
    raise MetricError("`with:` gives no tests", hint="give a text, a list of texts, or a list of inputs and outputs")


def _texts(candidate: Candidate) -> list[str]:
    if isinstance(candidate.answer, list | tuple):
        return [str(one) for one in candidate.answer]
    return [_program(candidate)]
