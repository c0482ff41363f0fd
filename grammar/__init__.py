"""The grammar of `.tts` files: the Lark text and the language's words.

Imports nothing of the project. `docs/language.md` is the reference for people; `tts.lark` is what the parser reads.
"""

from __future__ import annotations

from functools import cache
from pkgutil import get_data

DECLARATIONS = (
    "use",
    "model",
    "record",
    "prompt",
    "dataset",
    "metric",
    "pipeline",
    "search",
    "eval",
    "test",
)
"""Words that begin a declaration at the top level."""

RESERVED = (
    "match",
    "map",
    "repeat",
    "not",
    "and",
    "or",
    "when",
    "until",
    "true",
    "false",
    "none",
    "return",
    "param",
    "require",
    "budget",
    "yield",
)
"""Words that are never names."""

CONTEXTUAL = (
    "tts",
    "as",
    "python",
    "system",
    "user",
    "assistant",
    "chat",
    "over",
    "on",
    "live",
    "given",
    "expect",
    "in",
    "log",
    "step",
    "subsets",
    "maximize",
    "minimize",
    "holdout",
    "trials",
    "sampler",
    "seed",
    "seeds",
    "fix",
    "with",
    "max",
    "up",
    "to",
)
"""Words that are keywords in some places and names everywhere else, beside the declaration words."""

KEYWORDS = DECLARATIONS + RESERVED + CONTEXTUAL
"""All words of the language, for highlighting and messages."""


@cache
def grammar_text() -> str:
    """The text of `tts.lark`."""
    data = get_data(__name__, "tts.lark")
    assert data is not None, "the grammar is not beside its module"
    return data.decode()


@cache
def tables_text() -> str | None:
    """The text of `tables.json`, the parser's ready-made tables, or None in a checkout that lacks them."""
    try:
        data = get_data(__name__, "tables.json")
    except FileNotFoundError:
        return None
    return None if data is None else data.decode()
