"""An amount of a plan as a formula of the pipeline's whole-number parameters, found by planning at other values.

    formula(amount, {"n": 8, "long": 256}, {"n": (4, 16), "long": (1000, 512)})     # "n x long + 27 n + 1,042"

`amount` gives the amount at an assignment, or None where that is not allowed. Amounts of plans are sums of products of
parameters, unless another stage becomes the largest: two values of each parameter make the formula, a third one has
to agree with it, and where it does not there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from math import prod

MOST = 3
"""Parameters in a formula: more are not read by anybody, and each doubles the plans that are made."""
TOLERANCE = 0.01
"""Texts are rounded to whole tokens, each by itself."""

Amount = Callable[[Mapping[str, int]], int | None]
Terms = dict[tuple[str, ...], float]


def formula(amount: Amount, at: Mapping[str, int], others: Mapping[str, tuple[int, ...]]) -> str:
    """The formula through `at`, exact there; "" where no parameter matters, too many do, or none was found.

    `others` are up to two more values of each parameter.
    """
    here = amount(at)
    if here is None:
        return ""
    steps: dict[str, int] = {}
    for name, values in others.items():
        step = next(((v, there) for v in values if v != at[name] and (there := _moved(amount, at, {name: v}))), None)
        if step is not None and step[1] != here:
            steps[name] = step[0]
    if not 0 < len(steps) <= MOST:
        return ""
    terms = _terms(amount, at, steps)
    if terms is None or not _agrees(amount, at, steps, others, terms):
        return ""
    rounded = {names: round(factor) for names, factor in terms.items() if names}
    whole = {names: factor for names, factor in rounded.items() if factor}
    rest = here - sum(factor * prod(at[name] for name in names) for names, factor in whole.items())
    return _written(whole, rest)


def _moved(amount: Amount, at: Mapping[str, int], values: Mapping[str, int]) -> int | None:
    return amount({**at, **values})


def _terms(amount: Amount, at: Mapping[str, int], steps: Mapping[str, int]) -> Terms | None:
    """The factors of all products of the parameters, from differences between corners; None where one is missing."""
    names = tuple(steps)
    subsets = [chosen for size in range(len(names) + 1) for chosen in combinations(names, size)]
    corners: dict[tuple[str, ...], int] = {}
    for chosen in subsets:
        value = _moved(amount, at, {name: steps[name] for name in chosen})
        if value is None:
            return None
        corners[chosen] = value
    terms: Terms = dict.fromkeys(subsets, 0.0)
    for chosen in subsets:
        inner = [part for part in subsets if set(part) <= set(chosen)]
        slope = sum((-1) ** (len(chosen) - len(part)) * corners[part] for part in inner)
        slope /= prod(steps[name] - at[name] for name in chosen)
        # slope times the product of (x - at) over the chosen, multiplied out
        for part in inner:
            terms[part] += slope * prod(-at[name] for name in chosen if name not in part)
    return terms


def _agrees(
    amount: Amount, at: Mapping[str, int], steps: Mapping[str, int], others: Mapping[str, tuple[int, ...]], terms: Terms
) -> bool:
    """Whether a third value of each parameter gives what the terms say."""
    for name, step in steps.items():
        for value in others[name]:
            if value in (step, at[name]):
                continue
            moved = {**at, name: value}
            found = amount(moved)
            said = sum(factor * prod(moved[n] for n in names) for names, factor in terms.items())
            if found is not None and abs(found - said) > max(2.0, TOLERANCE * found):
                return False
    return True


def _written(terms: Mapping[tuple[str, ...], int], rest: int) -> str:
    """Products from the longest to the shortest, then the rest."""
    text = ""
    for names, factor in sorted(terms.items(), key=lambda item: -len(item[0])):
        product = " x ".join(names) if abs(factor) == 1 else f"{abs(factor):,} {' x '.join(names)}"
        sign = "-" if factor < 0 else "+"
        text += f" {sign} {product}" if text else f"{'-' if factor < 0 else ''}{product}"
    return f"{text} {'-' if rest < 0 else '+'} {abs(rest):,}" if rest else text
