"""What a Python file imports to give `.tts` programs rules, numbers, conditions, metrics, stages and kinds of models.

    from ttscale.plugin import Candidate, Pool, scorer, selector

The page `docs/plugins.md` shows one of each. The second half of the names is what an engine is made of; the tests that
every engine must pass are `ttscale.testing.EngineContract`.
"""

from __future__ import annotations

from ttscale.runtime.engines.base import (
    Capabilities,
    Completion,
    ContextExceeded,
    Engine,
    EngineError,
    EngineStats,
    Message,
    Request,
    Sampling,
    Scored,
)
from ttscale.runtime.plugins import Between, Numbers, engine, metric, policy, scorer, selector, stage
from ttscale.runtime.pool import Candidate, Pool

__all__ = [
    "Between",
    "Candidate",
    "Capabilities",
    "Completion",
    "ContextExceeded",
    "Engine",
    "EngineError",
    "EngineStats",
    "Message",
    "Numbers",
    "Pool",
    "Request",
    "Sampling",
    "Scored",
    "engine",
    "metric",
    "policy",
    "scorer",
    "selector",
    "stage",
]
