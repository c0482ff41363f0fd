"""Which number is read where a model ends with an equation, a range, a unit or a remark."""

from __future__ import annotations

import pytest
from ttscale.compiler import types as t
from ttscale.runtime.answers import read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Answer: 15 = 5 * 3", 15),
        ("Answer: 2^5 = 32", 32),
        ("Answer: 2**5 = 32", 32),
        ("Answer: 5 apples + 3 oranges = 8 fruits", 8),
        ("Answer: $18 per day * 7 days = $126", 126),
        ("Answer: 16 - 3 - 4 = 9 eggs and 9 * $2 = $18", 18),
        ("Answer: 9 eggs x $2/egg = $18 every day for 7 days.", 18),
        ("Answer: 50% of 36 = 18", 18),
        ("Answer: (3 + 5) * 2 = 16", 16),
        ("Answer: 6 * 3, which is 18", 18),
        ("Answer: x = 3 + 5 = 8", 8),
        ("Answer: 3 * x = 12, x = 4", 4),
        ("Answer: 9 * 2 = 18, not 20", 18),
        ("Answer: Total = about $18", 18),
        ("\\boxed{3 \\times 6 = 18}", 18),
        ("The answer is 3 + 5.\nThat makes 8.", 8),
    ],
)
def test_equations_behind_a_mark(text: str, value: float) -> None:
    assert read(t.NUMBER, text)[0] == value


@pytest.mark.parametrize(
    "text",
    [
        "Answer: 3 x 4",
        "Answer: 3 + 5",
        "Answer: 2^5",
        "Answer: 16 - 3 - 4",
        "Answer: 18 dollars per day * 7 days",
        "Answer: x = 3 + 5",
        "Answer: she needs 3 + 5",
        "The answer is 3 + 5.",
        "It was 7.\n\\boxed{3 \\times 6}",
    ],
)
def test_a_sum_left_open_is_no_number(text: str) -> None:
    assert read(t.NUMBER, text) == (None, None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Answer: $18.", 18),
        ("**Answer:** 18", 18),
        ("**Answer: 18**", 18),
        ("Answer: **$18**", 18),
        ("Answer: 18 dollars per day", 18),
        ("Answer: 60 miles/hour", 60),
        ("Answer: 18+", 18),
        ("The answer is 18, not 20", 18),
        ("Answer: Janet makes $18, not $20.", 18),
        ("Answer: Janet makes $18 every day (9 eggs * $2).", 18),
        ("Answer: about 18 (rounded from 17.6)", 18),
        ("Answer: 18 (9 x 2)", 18),
        ("Answer: 18, since 9 * 2 = 18 and 18 < 20", 18),
        ("Answer: 18. Janet sells 16 - 7 = 9 eggs", 18),
        ("Answer: 10-12", 10),
        ("Answer: $10 to $12", 10),
        ("Answer: 25%", 25),
        ("Answer: 25 percent of 80 people", 25),
        ("#### 18", 18),
        ("So she makes 9 * 2 = <<9*2=18>>18 dollars.\n#### 18", 18),
        ("The final answer is: $\\boxed{18}$", 18),
        ("The answer is $18 per day.\n\nI hope this helps you with all 3 parts!", 18),
        ("Answer: 3 (apples) + 4 (pears) = 7", 7),
        ("She sells 9 eggs at $2.\nSo she makes $18 = 9 * $2.", 18),
        ("She sells 9 eggs at $2.\nSo she makes 9 * $2 = $18.", 18),
    ],
)
def test_numbers_of_small_models(text: str, value: float) -> None:
    assert read(t.NUMBER, text)[0] == value
