"""Solve or verify: S solutions with V verifications each, at the cost of S (1 + ratio V) solutions.

Singhi et al., "When To Solve, When To Verify", 2025 (GenRM-CoT). A verification is a chain of thought that ends in yes
or no; a solution's score is the mean of its readable verdicts, 0 where none can be read. `ratio` is the tokens of a
verification over those of a solution. The paper finds that the best S grows with the budget C as about C^0.57 and the
best V as C^0.39 (Llama-3.1-8B on MATH): solutions first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ttscale.runtime.planners.coverage import straight_line

SOLVE_EXPONENT, VERIFY_EXPONENT = 0.57, 0.39


@dataclass(frozen=True, slots=True)
class Split:
    """So many solutions with so many verifications each, their cost in solutions, and what they reach if known."""

    solutions: int
    verifications: int
    cost: float
    accuracy: float | None = None


def yes_probability(yes: float, no: float) -> float:
    """P(yes) at the verdict's place; 1 - P(no) where a server showed only that (it is below 0 where not shown)."""
    return 1 - no if yes < 0 else yes


def cost_in_solutions(solutions: int, verifications: int, ratio: float = 1.0) -> float:
    """S (1 + ratio V), in solutions."""
    return solutions * (1 + ratio * verifications)


def flops(parameters: float, solution_tokens: float, solutions: int, verifications: int, ratio: float = 1.0) -> float:
    """2 N_parameters T_solution S (1 + ratio V): the operations of a dense model, attention left out."""
    return 2 * parameters * solution_tokens * cost_in_solutions(solutions, verifications, ratio)


def best_split(
    accuracy: Callable[[int, int], float],
    budget: float,
    *,
    ratio: float = 1.0,
    solutions: Sequence[int],
    verifications: Sequence[int],
) -> Split | None:
    """The split within `budget` solutions of the highest accuracy, the cheapest of equals; None where none fits."""
    found: Split | None = None
    for v in sorted(set(verifications)):
        for s in sorted(set(solutions)):
            cost = cost_in_solutions(s, v, ratio)
            if cost > budget + 1e-9:
                continue
            split = Split(s, v, cost, accuracy(s, v))
            if found is None or (split.accuracy or 0.0, -cost) > (found.accuracy or 0.0, -found.cost):
                found = split
    return found


def split_by_law(
    budget: float,
    known: Split,
    *,
    ratio: float = 1.0,
    solve_exponent: float = SOLVE_EXPONENT,
) -> Split:
    """A split for another budget from one that is known to be good: S grows as C^0.57, V takes what is left.

    At least one solution. Raises ValueError for a budget below one solution.
    """
    if budget < 1:
        raise ValueError("a budget of less than one solution buys none")
    wanted = round(known.solutions * (budget / known.cost) ** solve_exponent)
    solutions = max(1, min(wanted, math.floor(budget)))
    verifications = max(0, math.floor((budget / solutions - 1) / ratio + 1e-9))
    return Split(solutions, verifications, cost_in_solutions(solutions, verifications, ratio))


def fit_split_law(optima: Sequence[tuple[float, Split]]) -> tuple[float, float] | None:
    """The exponents of S and V in the budget, from the best splits of several; None for fewer than two budgets.

    Least-squares lines through (ln C, ln S) and (ln C, ln V); budgets whose best split has no verification are left out
    of the second, whose exponent is then 0 where fewer than two are left.
    """
    if len({budget for budget, _ in optima}) < 2:
        return None
    solve, _ = straight_line([(math.log(budget), math.log(split.solutions)) for budget, split in optima])
    checked = [(math.log(budget), math.log(split.verifications)) for budget, split in optima if split.verifications]
    verify = straight_line(checked)[0] if len({x for x, _ in checked}) > 1 else 0.0
    return solve, verify
