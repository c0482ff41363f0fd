"""The record of a stage's arguments, facets and offers, and the arguments of all stages that ask a model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.parameters import Parameter


@dataclass(frozen=True)
class Signature:
    """What a stage takes and gives.

    `source` says whether a pool must be piped in ("pool"), or none is taken ("none"). `positional` names the
    parameters that may be given by position, in order (after the piped pool). `needs` are facets that must be there,
    `uses` those taken if there, `gives` those added. `keeps` is True where the candidates stay the same ones (so
    their facets stay) and False where new ones are made. `offers` are the names that a `using:` prompt may ask for
    besides `question`, and `prompt_results` the result types (by their first word) that it may have; `std_prompt` is
    used when `using:` is absent. `calls` is what one run may ask of a model: "none", "once", "each" (per candidate),
    "n" or "labels".
    """

    name: str
    source: Literal["none", "pool"]
    parameters: tuple[Parameter, ...]
    positional: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()
    keeps: bool = True
    offers: tuple[str, ...] = ()
    prompt_results: tuple[str, ...] = ()
    std_prompt: str | None = None
    calls: Literal["none", "once", "each", "n", "labels"] = "none"
    at_most_one: bool = False
    doc: str = ""
    plugin: str = ""
    """The key of the Python function that does it, where one does."""

    @cached_property
    def by_name(self) -> Mapping[str, Parameter]:
        """The parameters by name, in order."""
        return {parameter.name: parameter for parameter in self.parameters}

    def parameter(self, name: str) -> Parameter | None:
        """The parameter called `name`, or None."""
        return self.by_name.get(name)


def asking(max_tokens: int, temperature: float | None) -> tuple[Parameter, ...]:
    """The arguments shared by every stage that asks a model. A `temperature` of None is the model's own default."""
    return (
        Parameter("from", "model", doc="the model asked; may be left out where the file declares only one"),
        Parameter("temperature", "float", temperature, low=0, high=5, doc="0 is greedy"),
        Parameter("top_p", "float", low=0, high=1, doc="nucleus; default 0.95"),
        Parameter("top_k", "int", low=0, doc="0 is off"),
        Parameter("min_p", "float", low=0, high=1, doc="0 is off"),
        Parameter("typical_p", "float", low=0, high=1, doc="tokens of about the surprise to expect; 1 is off"),
        Parameter("repeat_penalty", "float", low=0.1, high=10, doc="1 is off"),
        Parameter("frequency_penalty", "float", low=-2, high=2, doc="for every time a token was there; 0 is off"),
        Parameter("presence_penalty", "float", low=-2, high=2, doc="for a token that was there; 0 is off"),
        Parameter("penalty_window", "int", low=1, high=65536, doc="tokens that penalties look back on; default 64"),
        Parameter("max_tokens", "int", max_tokens, low=1, doc="new tokens a sample, at most"),
        Parameter("stop", "text", many=True, doc="texts that end a sample"),
        Parameter("stop_pattern", "text", many=True, doc="regular expressions that end a sample"),
        Parameter("thinking", "thinking", up_to=True, doc="auto, off, on, or up to N tokens"),
        Parameter("series", "int", 0, low=0, doc="another series means fresh samples"),
        Parameter("retry", "int", 0, low=0, high=10, doc="how often a failed call is tried again"),
        Parameter("timeout", "seconds", doc="wall time of one call"),
        Parameter("or_else", "model", doc="asked when the first one fails"),
    )


USING = Parameter("using", "using", doc="a prompt; the stage fills the arguments it offers by name")
