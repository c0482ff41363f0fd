"""The record of a named rule: its arguments, where it belongs and what it needs."""

from __future__ import annotations

from typing import Literal

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.parameters import Parameter


@dataclass(frozen=True, slots=True)
class RuleSignature:
    """A named rule for `by:` or `weight:`.

    `gives` is "numbers" (one a candidate), "pick" (one candidate) or "keep" (a sub-pool); `judge` says that it asks a
    model; `needs` are facets. `positional` parameters may be given by position, in order.
    """

    name: str
    gives: Literal["numbers", "pick", "keep"]
    where: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    positional: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    judge: bool = False
    aliases: tuple[str, ...] = ()
    doc: str = ""
    plugin: str = ""
    """The key of the Python function that it is, where it is one."""
    paper: str = ""
    """Where it is described."""
    std_prompt: str = ""
    """The prompt of a judge that is used without `using:`, where it is not the stage's own."""
    offers: tuple[str, ...] = ()
    """What a judge's prompt may ask for besides `question`, where it is not what the stage offers."""
    results: tuple[str, ...] = ()
    """The result types that a judge's prompt may have, where they are not the stage's."""
    temperature: float = 0.0
    """How a judge is sampled where neither call nor prompt says."""
