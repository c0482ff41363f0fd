"""What an argument of a stage or rule is: its name, kind, default and bounds."""

from __future__ import annotations

from typing import Literal

from ttscale.compiler.frozen import dataclass

FACETS = ("scored", "critiqued", "verified", "tested", "ranked", "stepped")

Kind = Literal[
    "prompt",  # one filled prompt, or where `many` a list of them
    "using",  # a prompt whose missing arguments the stage offers
    "model",
    "int",
    "float",
    "bool",
    "text",
    "seconds",
    "strategy",
    "condition",
    "name",
    "pool",
    "thinking",
    "policy",  # how `explore` searches: a policy's name, with arguments
    "watch",  # watchers on a running answer, with arguments
    "judge",  # what scores the beginning of an answer: a rule with its prompt and model, or a prompt
    "tests",  # what programs are tried on: a pool, a Text, or a list of texts or of records
    "combination",  # how next tokens of several models are put together: a rule's name with arguments
    "content",  # a Text of the run: an input, or what a stage gave
]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a stage.

    `default` is None where the stage decides (see `doc`); `many` says that a list is taken too; `choices`
    are the names allowed for kind "name"; `low`/`high` bound a number, both included.
    """

    name: str
    kind: Kind
    default: object = None
    required: bool = False
    many: bool = False
    up_to: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    doc: str = ""
