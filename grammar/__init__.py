"""The grammar of `.tts` files: the Lark text and the language's words.

Imports nothing of the project. `docs/language.md` is the reference for people; `tts.lark` is what the parser reads.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

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
    return files(__name__).joinpath("tts.lark").read_text(encoding="utf-8")


@cache
def tables_text() -> str | None:
    """The text of `tables.json`, the parser's ready-made tables, or None in a checkout that lacks them."""
    path = files(__name__).joinpath("tables.json")
    return path.read_text(encoding="utf-8") if path.is_file() else None
