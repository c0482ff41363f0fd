"""`execute`: the Python program in every candidate is run in the sandbox, and what it prints is its answer.

Gao et al., "PAL: Program-aided Language Models", 2023; Chen et al., "Program of Thoughts Prompting", 2022: a model
writes the program, an interpreter does the sums. What was printed, or how the run ended, is the candidate's critique
too, so that `revise` sees it.
"""

from __future__ import annotations

import ast
import asyncio
from dataclasses import replace

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.types import Code
from ttscale.runtime.answers import read
from ttscale.runtime.answers.structure import blocks, find_code
from ttscale.runtime.metrics.code import allowed_packages, ended_badly
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.result import RunError
from ttscale.runtime.sandbox import Finished, Limits, Outcome, Program, run_program
from ttscale.runtime.sandbox.program import MIB
from ttscale.runtime.stages.context import StageContext


async def execute(context: StageContext, pool: Pool) -> Pool:
    """The same candidates, answering what their programs printed; none where there is no program or it ended badly.

    Equal programs are run once. Raises RunError (R0715) where there is no sandbox.
    """
    sources = [_program(candidate, isinstance(pool.type, Code)) for candidate in pool]
    different = list(dict.fromkeys(source for source in sources if source is not None))
    seconds, memory = context.number("timeout") or 10.0, context.integer("memory", 512) * MIB
    limits = Limits(wall=3 * seconds, cpu=seconds, memory=memory, output=context.integer("output", 2000))
    packages = allowed_packages()
    runs = [run_program(Program(source, packages=packages), limits) for source in different]
    finished = dict(zip(different, await asyncio.gather(*runs), strict=True))
    refused = next((one for one in finished.values() if one.outcome is Outcome.REFUSED), None)
    if refused is not None:
        raise RunError(Diagnostic("R0715", refused.note, context.stage.span, hint="see docs/sandbox.md"))
    made = [
        _answered(context, candidate, None if source is None else finished[source])
        for candidate, source in zip(pool, sources, strict=True)
    ]
    bad = [one.error for one in made if one.error]
    if bad:
        context.note(f"execute has no output of {len(bad)} of {len(pool)} programs ({bad[0]})")
    return Pool(tuple(made), context.item_type)


def _program(candidate: Candidate, is_code: bool) -> str | None:
    """The program of a candidate: what was read as one, or a block of its text, which the prompt may have opened."""
    if is_code:
        return candidate.answer if isinstance(candidate.answer, str) else None
    return find_code(candidate.text, "python") or find_code(f"```python\n{candidate.text}", "python")


def _unread(text: str) -> str:
    """Why the last block of a text that should be Python is none; "" where there is no such block."""
    written = [code for language, code in blocks(text) if language in ("python", "")]
    try:
        ast.parse(written[-1] if written else "")
    except SyntaxError as error:
        return f"{error.msg} in line {error.lineno}"
    except (ValueError, MemoryError, RecursionError) as error:
        return str(error)
    return ""


def _answered(context: StageContext, candidate: Candidate, finished: Finished | None) -> Candidate:
    """A candidate with what its program printed as its answer, and as a critique."""
    if finished is None:
        why = _unread(candidate.text)
        said = f"The program cannot be read: {why}" if why else "There is no Python program in it."
        return replace(candidate, answer=None, key=None, error=why or "no program", critique=said)
    printed = finished.stdout.strip()
    shown = f"The program printed:\n{printed}" if printed else "The program printed nothing."
    if not finished.is_ok:
        why = ended_badly(finished)
        said = f"The program failed: {why}" + (f"\n{shown}" if printed else "")
        return replace(candidate, answer=None, key=None, error=why, critique=said)
    answer, key = read(context.item_type, printed, folder=context.folder) if printed else (None, None)
    why = "" if key is not None else "it printed nothing" if not printed else f"no {context.item_type} was printed"
    return replace(candidate, answer=answer, key=key, error=why, critique=shown)
