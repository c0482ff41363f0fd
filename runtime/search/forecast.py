"""What the baselines of a search need, told before anything is asked: they come first, and on the same budget.

Amounts are what is expected for rows of these sizes where the bank has nothing yet: answers half as long as they may
be, and samples that baselines share counted once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ttscale.runtime.search.book import FOR_FINALS, Limits, shared_out
from ttscale.runtime.search.diagnosis import rounded_up
from ttscale.runtime.search.opening import make_baselines
from ttscale.runtime.search.prices import Prices

if TYPE_CHECKING:
    from ttscale.runtime.search.api import Stage


@dataclass(frozen=True)
class Need:
    """What the baselines need in all, new tokens apart, and what of the budget is there for them and for trials.

    `pays` is for how many of the `questions` that is enough, None where nothing of what is known here is limited.
    """

    labels: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    questions: int
    calls: int
    tokens: int
    new_tokens: int
    usd: float
    there: Limits
    kept: float
    pays: int | None

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "labels": list(self.labels),
            "left_out": dict(self.left_out),
            "calls": self.calls,
            "tokens": self.tokens,
            "new_tokens": self.new_tokens,
            "usd": round(self.usd, 6),
            "limits": {name: value for name, value in vars(self.there).items() if value is not None},
            "questions_paid": self.pays,
        }


def baselines_need(stage: Stage) -> Need:
    """The need of a search's baselines. Nothing is asked."""
    make_baselines(stage)
    prices = Prices()
    calls = tokens = new = 0
    usd = 0.0
    for baseline in stage.baselines:
        plan = stage.space.priced(baseline.arm.graph)
        alone, missing = prices.of(plan)
        share = missing / alone if alone else 0.0
        calls += prices.calls_of(plan)
        tokens += missing
        new += round(plan.expected.new_tokens * share)
        usd += plan.expected.usd * share
        prices.add(plan)
    count = len(stage.items)
    kept = FOR_FINALS if stage.held_out else 0.0
    there = shared_out(stage.limits, 1 - kept)
    pairs = ((there.calls, calls), (there.tokens, tokens), (there.usd, usd))
    paid = [int(limit / own) for limit, own in pairs if limit is not None and own > 0]
    return Need(
        tuple(b.label for b in stage.baselines),
        tuple((s.label, s.why) for s in stage.skipped),
        count,
        calls * count,
        tokens * count,
        new * count,
        usd * count,
        there,
        kept,
        min([count, *paid]) if paid else None,
    )


def lines_of(need: Need) -> list[str]:
    """The forecast for people: what the baselines are, what they need, and whether the budget has that."""
    if not need.labels:
        return ["baselines  none can be made: " + "; ".join(f"{label} ({why})" for label, why in need.left_out)]
    amounts = f"about {need.calls:,} calls and {need.tokens:,} tokens" + (f", {need.usd:.4g} usd" if need.usd else "")
    lines = [f"baselines  {', '.join(need.labels)}", f"           first, on the same budget: {amounts}"]
    shares = [
        f"{own / limit:.0%} of {limit:,.10g} {name}"
        for name, own, limit in (
            ("calls", need.calls, need.there.calls),
            ("tokens", need.tokens, need.there.tokens),
            ("usd", need.usd, need.there.usd),
        )
        if limit
    ]
    if shares:
        kept = f" ({need.kept:.0%} of the budget is kept for the holdout)" if need.kept else ""
        lines.append(f"           that is {', '.join(shares)}{kept}")
    if need.there.seconds:
        speed = need.new_tokens / need.there.seconds
        lines.append(
            f"           {need.new_tokens:,} of the tokens are new ones: in {need.there.seconds:,.0f} s a model that "
            f"writes {speed:,.3g} a second has time for nothing else"
        )
    warning = too_little(need)
    return [*lines, *([f"           {warning}"] if warning else [])]


def too_little(need: Need) -> str:
    """A sentence where the budget does not pay for the baselines; "" where it does, or nobody knows."""
    if need.pays is None or need.pays >= need.questions:
        return ""
    return (
        f"the budget pays for about {need.pays} of {need.questions} questions of that, and then nothing else can be "
        "tried: raise it, search on fewer rows, or take fewer samples"
    )


def more_options(need: Need, limits: Limits, answered: int) -> str:
    """The options that give a search twice what its baselines need; `answered` questions took all its time."""
    parts = []
    for name, own, there, limit in (
        ("calls", need.calls, need.there.calls, limits.calls),
        ("tokens", need.tokens, need.there.tokens, limits.tokens),
        ("cost", need.usd, need.there.usd, limits.usd),
    ):
        if limit and there and own > there / 2:
            parts.append(f"--{name} {rounded_up(max(2 * own / (1 - need.kept), limit)):.10g}")
    if not parts and limits.seconds:
        wanted = 2 * limits.seconds * need.questions / max(1, answered)
        parts.append(f"--seconds {rounded_up(wanted):.10g}")
    return " ".join(parts)


__all__ = ["Need", "baselines_need", "lines_of", "more_options", "too_little"]
