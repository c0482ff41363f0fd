"""What theory expects of more samples, fitted on the pool of the largest majority: seeds a trial, and is reported.

Coverage follows a power law (Brown and others 2024), what a choice can gain saturates (TTSPM 2025); see `planners`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.runtime.evaluate.grading import ENOUGH
from ttscale.runtime.evaluate.measuring import Record
from ttscale.runtime.planners import coverage_curve, fit_power_law, fit_saturation

LEAST_GAIN = 0.005
"""What one more sample must add to the coverage to be worth it."""
MOST = 1_024
"""No more samples than this are ever said to be worth it."""


@dataclass(frozen=True)
class Expectation:
    """Sentences for the report, and after how many samples one more adds next to nothing (0 where nobody knows)."""

    lines: tuple[str, ...] = ()
    enough: int = 0


def expectation(records: Sequence[Record]) -> Expectation:
    """What a pool of several samples a question says; nothing where there is too little."""
    counts: list[tuple[int, int]] = []
    for record in records:
        own = [record["candidates"][place] for place in record.get("samples", [])] if "candidates" in record else []
        scores = [candidate["score"] for candidate in own]
        if len(scores) > 1 and all(score is not None for score in scores):
            counts.append((len(scores), sum(score >= ENOUGH for score in scores)))
    if len(counts) < 2:
        return Expectation()
    largest = min(n for n, _ in counts)
    sizes = sorted({1 << i for i in range(largest.bit_length()) if 1 << i <= largest} | {largest})
    if len(sizes) < 2:
        return Expectation()
    curve = coverage_curve(counts, sizes)
    shown = ", ".join(f"{share:.0%} in {size}" for size, share in zip(sizes, curve, strict=True))
    lines = [f"A right sample is among those drawn for {shown}; no choice among them can do better."]
    law, limit = fit_power_law(sizes, curve), fit_saturation(sizes, curve)
    if law is not None:
        lines.append(
            f"By the power law of coverage {4 * largest} samples would have one for {law.at(4 * largest):.0%}."
        )
    enough = limit.enough(LEAST_GAIN) if limit is not None else 0
    if enough and law is not None:
        # A saturating curve takes the end of what was drawn for the end of what there is; the law knows of no end.
        gains = (n for n in range(enough, MOST) if law.at(n + 1) - law.at(n) < LEAST_GAIN)
        enough = next(gains, MOST)
    if enough:
        lines.append(f"From {enough} samples on, one more adds less than {LEAST_GAIN:.1%} to that.")
    return Expectation(tuple(lines), enough)
