"""`prove`: what follows from the formulas that candidates wrote, by a prover: True, False or Uncertain.

LINC (Olausson et al. 2023): a model translates premises and a conclusion into first-order logic several times; each
translation is proved, those that cannot be read have no answer, and a vote decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.signatures import PROOF
from ttscale.runtime.answers import coerce
from ttscale.runtime.logic import FormulaError, formulas_in, parse
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.proving import NoProver, Proof
from ttscale.runtime.proving import proof as proved
from ttscale.runtime.result import RunError
from ttscale.runtime.stages.context import StageContext


async def prove(context: StageContext, pool: Pool) -> Pool:
    """The same candidates, each with what its last formula is by the ones before it; none where one is no formula."""
    seconds = context.number("timeout") or 10.0
    proofs: dict[tuple[str, ...], tuple[Proof | None, str]] = {}
    found: list[Candidate] = []
    unreadable = unsettled = 0
    for candidate in pool:
        written = tuple(formulas_in(candidate.text))
        if written not in proofs:  # equal translations are proved once
            proofs[written] = await asyncio.to_thread(_proof, written, seconds, context)
        proof, why = proofs[written]
        unreadable += proof is None
        unsettled += proof is not None and not proof.is_settled
        answer, key = (None, None) if proof is None else coerce(PROOF, proof.outcome)
        verified = None if proof is None else proof.outcome == "True"
        found.append(replace(candidate, answer=answer, key=key, error=why or candidate.error, verified=verified))
    if unreadable:
        context.note(f"prove could not read the formulas of {unreadable} of {len(pool)} candidates")
    if unsettled:
        context.note(f"prove came to no end within {seconds:g} s for {unsettled} of {len(pool)}, which are Uncertain")
    return Pool(tuple(found), PROOF)


def _proof(written: Sequence[str], seconds: float, context: StageContext) -> tuple[Proof | None, str]:
    """What is proved, or None and why nothing could be."""
    try:
        formulas = [parse(one) for one in written]
        if not formulas:
            return None, "there is no formula"
        return proved(formulas[:-1], formulas[-1], seconds), ""
    except FormulaError as error:
        return None, str(error)
    except NoProver as error:
        hint = 'install it: `pip install "ttscale[logic]"`'
        raise RunError(
            Diagnostic("R0717", f"`prove` needs a prover: {error}", context.stage.span, hint=hint)
        ) from error
