"""Reasoning pruning: a mixture of two Weibull distributions separates likely from unlikely candidates.

RPC (Zhou et al., "Bridging Internal Probability and Self-Consistency", 2025). With p_i = exp(mean log-probability):
minimise the negative log-likelihood of w W(k1, s1) + (1 - w) W(k2, s2) with L-BFGS-B from (0.5, 1, 1, 1.5, 2), w in
[0.2, 0.8], the others at least 0.01; the component with the larger mean s Γ(1 + 1/k) is the likely one. A candidate
is dropped when its posterior of the likely component is below that of the other *and* p_i is below the mean of all p.

Unlike the authors' code nothing is dropped from fewer than 8 candidates, from equally likely ones, or when the fit
fails: there the mixture says nothing. The loss is computed in logarithms, so that it stays finite for steep
components. The paper writes path probabilities; its code and this one take length-normalised ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ttscale.runtime.strategies.sources import StrategyError

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

LEAST = 8
_START = (0.5, 1.0, 1.0, 1.5, 2.0)
_BOUNDS = ((0.2, 0.8), *((0.01, None),) * 4)
_TINY = 1e-300
_STEP = 1e-8


@dataclass(frozen=True, slots=True)
class Component:
    """One Weibull distribution with its share of the mixture."""

    weight: float
    shape: float
    scale: float

    @property
    def mean(self) -> float:
        """s Γ(1 + 1/k); infinite where that overflows."""
        try:
            return self.scale * math.gamma(1 + 1 / self.shape)
        except OverflowError:
            return math.inf


@dataclass(frozen=True, slots=True)
class Mixture:
    """A fit: both components, the negative log-likelihood (`loss`), and whether the optimiser ended well."""

    likely: Component
    unlikely: Component
    loss: float
    success: bool


@dataclass(frozen=True, slots=True)
class Pruning:
    """The positions kept, in order, and why nothing was dropped where that needs saying."""

    kept: tuple[int, ...]
    note: str = ""


def fit_mixture(values: Sequence[float]) -> Mixture:
    """Fit the two components to `values` in (0, 1]. Raises StrategyError when SciPy is not installed.

    Slopes are differences over 1e-8, taken as SciPy takes them by itself (backwards at an upper bound), but all in one
    pass over the values.
    """
    try:
        import numpy
        from scipy.optimize import minimize  # type: ignore[import-untyped]
    except ImportError as error:
        raise StrategyError(
            "`likelihood_mixture` fits a mixture and needs SciPy, which is not installed",
            hint="pip install 'ttscale[fit]'",
        ) from error
    logs = numpy.log(numpy.asarray(values, dtype=float))
    highest = numpy.array([numpy.inf if high is None else high for _, high in _BOUNDS])
    steps = numpy.full(len(_START), _STEP)

    def losses(at: NDArray[float64]) -> NDArray[float64]:
        # In logarithms, since steep components over- and underflow in between: the plain product would be NaN.
        w, k1, s1, k2, s2 = (column[:, None] for column in at.T)
        one, two = _log_density(logs, w, k1, s1), _log_density(logs, 1 - w, k2, s2)
        found: NDArray[float64] = -numpy.logaddexp(one, two).sum(axis=1)
        return found

    def loss_and_slope(at: NDArray[float64]) -> tuple[float, NDArray[float64]]:
        moved = at + numpy.diag(numpy.where(at + steps > highest, -steps, steps))
        found = losses(numpy.vstack([at, moved]))
        return float(found[0]), (found[1:] - found[0]) / (moved.diagonal() - at)

    with numpy.errstate(all="ignore"), one_thread():
        found = minimize(loss_and_slope, numpy.array(_START), jac=True, bounds=_BOUNDS, method="L-BFGS-B")
    w, k1, s1, k2, s2 = (float(x) for x in found.x)
    one, two = Component(w, k1, s1), Component(1 - w, k2, s2)
    likely, unlikely = (one, two) if one.mean >= two.mean else (two, one)
    return Mixture(likely, unlikely, float(found.fun), bool(found.success) and math.isfinite(float(found.fun)))


def _log_density(
    logs: NDArray[float64], weight: NDArray[float64], shape: NDArray[float64], scale: NDArray[float64]
) -> NDArray[float64]:
    import numpy

    scaled = logs - numpy.log(scale)
    found: NDArray[float64] = numpy.log(weight * shape / scale) + (shape - 1) * scaled - numpy.exp(shape * scaled)
    return found


@cache
def _threads() -> object:
    try:
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        return None
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """Keeps BLAS from starting threads for five parameters, which takes longer than the fit on a busy machine."""
    controller: Any = _threads()
    limited: AbstractContextManager[object] | None
    limited = None if controller is None else controller.limit(limits=1, user_api="blas")
    return nullcontext() if limited is None else limited


def density(component: Component, value: float) -> float:
    """The component's weighted probability density at `value`."""
    scaled = value / component.scale
    try:
        inner = (component.shape / component.scale) * scaled ** (component.shape - 1)
        return float(component.weight * inner * math.exp(-(scaled**component.shape)))
    except OverflowError:
        return 0.0


def likelihood_mixture(likelihoods: Sequence[float | None], least: int = LEAST) -> Pruning:
    """Which candidates stay; those without a likelihood are dropped as soon as others are judged by theirs.

    `likelihoods` are in (0, 1], the exp of mean log-probabilities; i goes iff posterior_1(p_i) < posterior_2(p_i) and
    p_i < mean p, so that equal posteriors keep it. Paper, start values and what the authors' code does else: see the
    module. Raises StrategyError when SciPy is missing or no candidate has a likelihood.
    """
    everyone = tuple(range(len(likelihoods)))
    known = [(i, max(p, _TINY)) for i, p in enumerate(likelihoods) if p is not None]
    if everyone and not known:
        raise StrategyError(
            "no candidate has log-probabilities, which `likelihood_mixture` needs",
            hint="use a model that gives them (`ttscale models probe` says which), or drop the filter",
        )
    if len(known) < least:
        return Pruning(everyone, f"nothing was pruned: {len(known)} likelihoods are too few to fit (at least {least})")
    if max(p for _, p in known) - min(p for _, p in known) < 1e-12:
        return Pruning(everyone, "nothing was pruned: all candidates are equally likely")
    mixture = fit_mixture([p for _, p in known])
    if not mixture.success:
        return Pruning(everyone, "nothing was pruned: the mixture did not fit")
    mean = sum(p for _, p in known) / len(known)
    kept = tuple(i for i, p in known if not (density(mixture.likely, p) < density(mixture.unlikely, p) and p < mean))
    return Pruning(kept)
