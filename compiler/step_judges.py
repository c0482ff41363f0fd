"""The rules that may judge the beginning of an answer in `explore`, and what those take that ask a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from ttscale.compiler.rule_signatures import RULES
from ttscale.compiler.signatures import EXPLORE, Signature, asking

EXPLORE_JUDGES: Mapping[str, str] = {
    "yes_no": "judge_step",
    "digit": "grade_step",
    "verdicts": "argue_step",
    "another_try": "better_again",
    "likelihood": "",
    "confidence": "",
    "reward": "",
    "likeness": "",
    "grounded": "",
    "features": "",
    "length": "",
    "brevity": "",
}
"""Rules that may judge the beginning of an answer, with the standard prompt of those that ask a model."""

BEYOND_SHARES = frozenset({"reward", "likeness", "features", "length"})
"""Rules among these whose numbers need not lie between 0 and 1."""


def is_share(rule: str, sigmoid: bool) -> bool:
    """Whether a rule gives shares; a reward does as 1 / (1 + e^-x)."""
    return rule not in BEYOND_SHARES or (rule == "reward" and sigmoid)


@cache
def explore_judging(rule: str) -> Signature:
    """What judging a beginning takes of a prompt and how it is sampled, for a rule that asks a model."""
    own = RULES[rule]
    return replace(
        EXPLORE,
        parameters=asking(256, own.temperature),
        keeps=True,
        std_prompt=EXPLORE_JUDGES[rule],
        prompt_results=own.results or EXPLORE.prompt_results,
    )
