"""What a Python file imports to give `.tts` programs rules, numbers, conditions, metrics, stages and kinds of models.

    from ttscale.plugin import Candidate, Pool, scorer, selector

The page `docs/plugins.md` shows one of each. The second half of the names is what an engine is made of; the tests that
every engine must pass are `ttscale.testing.EngineContract`.
"""

from __future__ import annotations

from ttscale.runtime.engines.base import (
    Capabilities,
    Completion,
    Constraint,
    ContextExceeded,
    Embedding,
    Engine,
    EngineError,
    EngineStats,
    Foreseeing,
    Given,
    Keeping,
    Message,
    Pause,
    Reading,
    Request,
    Sampling,
    Scored,
    Watched,
)
from ttscale.runtime.plugins import Between, Numbers, engine, metric, policy, scorer, selector, stage
from ttscale.runtime.pool import Candidate, Pool

__all__ = [
    "Between",
    "Candidate",
    "Capabilities",
    "Completion",
    "Constraint",
    "ContextExceeded",
    "Embedding",
    "Engine",
    "EngineError",
    "EngineStats",
    "Foreseeing",
    "Given",
    "Keeping",
    "Message",
    "Numbers",
    "Pause",
    "Pool",
    "Reading",
    "Request",
    "Sampling",
    "Scored",
    "Watched",
    "engine",
    "metric",
    "policy",
    "scorer",
    "selector",
    "stage",
]
