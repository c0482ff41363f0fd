"""What a Python file imports to give `.tts` programs rules, numbers, conditions, metrics and stages.

    from ttscale.plugin import Candidate, Pool, scorer, selector

The page `docs/plugins.md` shows one of each.
"""

from __future__ import annotations

from ttscale.runtime.plugins import Between, Numbers, metric, policy, scorer, selector, stage
from ttscale.runtime.pool import Candidate, Pool

__all__ = ["Between", "Candidate", "Numbers", "Pool", "metric", "policy", "scorer", "selector", "stage"]
