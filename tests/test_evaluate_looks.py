"""Looking at a run several times, and stopping early, must not make its intervals shorter than they claim to be."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import pytest
from ttscale.runtime.evaluate.looks import half_width, interval, looks, together


def test_looks_grow_and_end_with_the_run() -> None:
    assert looks(100) == (30, 38, 48, 60, 75, 94, 100)
    assert looks(30) == (30,) and looks(7) == (7,)


def test_one_look_needs_no_correction_and_more_looks_need_more() -> None:
    assert together((50,)) == 0.95
    levels = [together(looks(most)) for most in (40, 100, 1_000, 10_000)]
    assert levels == sorted(levels) and levels[0] > 0.95 and levels[-1] < 0.998
    # tighter than Bonferroni's correction, which forgets what looks have in common
    assert all(
        level < 1 - 0.05 / len(looks(most)) for level, most in zip(levels, (40, 100, 1_000, 10_000), strict=True)
    )


@pytest.mark.parametrize("planned", [(), (30, 30), (0, 5), (40, 30)])
def test_looks_that_make_no_plan_are_refused(planned: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="growing"):
        together(planned)


def test_the_bounds_of_all_looks_hold_together() -> None:
    """Random walks leave the bounds at any look in at most 5% of all cases, and the usual bound in far more."""
    planned, draw = looks(400), random.Random(5)
    bound = NormalDist().inv_cdf((1 + together(planned)) / 2)
    beyond = usual = 0
    for _ in range(4_000):
        total, before, largest = 0.0, 0, 0.0
        for count in planned:
            total += draw.gauss(0, math.sqrt(count - before))
            before = count
            largest = max(largest, abs(total) / math.sqrt(count))
        beyond += largest > bound
        usual += largest > 1.96
    assert 0.03 < beyond / 4_000 <= 0.05
    assert usual / 4_000 > 0.15


def test_runs_that_stop_early_cover_the_truth() -> None:
    """Coins of 85% are looked at until their interval is short: it holds the truth in 95% of the runs and more."""
    planned, draw, missed = looks(600), random.Random(11), 0
    level = together(planned)
    for _ in range(600):
        thrown: list[float] = []
        for count in planned:
            thrown += [float(draw.random() < 0.85) for _ in range(count - len(thrown))]
            low, high = interval(thrown, level)
            if (high - low) / 2 <= 0.07:
                break
        missed += not low <= 0.85 <= high
    assert missed / 600 <= 0.05


def test_scores_between_0_and_1_are_resampled_at_the_same_level() -> None:
    scores = [i / 40 for i in range(41)]
    assert half_width(scores, 0.99) > half_width(scores) > 0
    low, high = interval(scores, 0.999)
    assert low < 0.5 < high
