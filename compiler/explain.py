"""What each code of a diagnostic means, with a failing and a fixed example that the tests compile.

explain("E0210")    # Explanation("E0210", "A stage or function that does not exist", …)
explain("tests-before-evaluator")    # the page of a lint rule, by its name
explain("e210")     # the same page: case, zeros and the bracket's letters are not needed exactly
"""

from __future__ import annotations

import re

from ttscale.compiler.explanation import Explanation
from ttscale.compiler.explanations_archon import ARCHON
from ttscale.compiler.explanations_calls import CALLS
from ttscale.compiler.explanations_combine import COMBINE
from ttscale.compiler.explanations_data import DATA
from ttscale.compiler.explanations_declarations import DECLARATIONS
from ttscale.compiler.explanations_explore import EXPLORE
from ttscale.compiler.explanations_lint import LINT
from ttscale.compiler.explanations_names import NAMES
from ttscale.compiler.explanations_run import OUTSIDE
from ttscale.compiler.explanations_search import SEARCHES
from ttscale.compiler.explanations_syntax import SYNTAX
from ttscale.compiler.explanations_watch import WATCH
from ttscale.compiler.lint_rules import RULES

__all__ = ["EXPLANATIONS", "MILDER", "Explanation", "explain", "twin"]

EXPLANATIONS: dict[str, Explanation] = {
    **SYNTAX,
    **NAMES,
    **CALLS,
    **DATA,
    **DECLARATIONS,
    **EXPLORE,
    **WATCH,
    **COMBINE,
    **SEARCHES,
    **LINT,
    **OUTSIDE,
    **ARCHON,
}


MILDER: dict[str, str] = {
    f"E{digits}": f"W{digits}" for digits in ("0214", "0220", "0221", "0280", "0285", "0287", "0294", "0602")
}
"""Errors that are warnings where they hold for some values of the parameters only, or may hold."""


def twin(code: str) -> str | None:
    """The code of the same mistake as a warning, or as an error, where it can be either."""
    return MILDER.get(code) or next((error for error, warning in MILDER.items() if warning == code), None)


def explain(code: str) -> Explanation | None:
    """The page about a code or the name of a lint rule, or None where there is none.

    A warning that is the milder form of an error (`W0221`) has its own page; a code without its letter is an error's.
    """
    found = re.fullmatch(r"\s*([A-Za-z]?)0*([0-9]+)\s*", code)
    if found is None:
        named = code.strip().lower().replace("_", "-").replace(" ", "-")
        return next((EXPLANATIONS.get(rule.code) for rule in RULES.values() if rule.name == named), None)
    letter, digits = found.group(1).upper() or "E", found.group(2)
    width = 3 if letter == "L" else 4
    return EXPLANATIONS.get(f"{letter}{digits.zfill(width)}")
