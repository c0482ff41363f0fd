"""What Archon's configurations consist of: layers of components, and the fields that its code reads of each kind."""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.source import Span

Kind = str

COMMON: Mapping[str, type | tuple[type, ...]] = {
    "type": str,
    "model": str,
    "model_type": str,
    "temperature": (int, float),
    "max_tokens": int,
    "samples": int,
}
"""The fields of every component, with the types of their values in JSON."""

OWN: Mapping[Kind, Mapping[str, type | tuple[type, ...]]] = {
    "generator": {"no_system": bool},
    "fuser": {"length_control": bool, "no_system": bool},
    "ranker": {"top_k": int, "use_critiques": bool, "ranker_batch_size": int},
    "critic": {},
    "verifier": {"first_k": int},
    "unit_test_generator": {"unit_test_cap": int},
    "unit_test_evaluator": {
        "remove_unit_tests_from_prompt": bool,
        "top_k": int,
        "first_k": int,
        "first_pass": bool,
    },
}
"""The further fields that the code of each kind of component reads."""

POSITIVE = ("max_tokens", "samples", "top_k", "first_k", "unit_test_cap")
"""Fields whose values are counts from 1 on."""

MAKERS = ("generator", "fuser")
"""Kinds that write candidates."""
KEEPERS = ("ranker", "verifier", "unit_test_evaluator")
"""Kinds that choose among the candidates of the layer before."""

SERVICES: Mapping[str, tuple[str, str]] = {
    "Together_API": ("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "OpenAI_API": ("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "Anthropic_API": ("https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    "Groq_API": ("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "Google_API": ("https://generativelanguage.googleapis.com/v1beta/openai", "GOOGLE_API_KEY"),
}
"""The services by `model_type`: their address for OpenAI's protocol, and the variable that holds the key."""

LOCAL_VLLM = "http://127.0.0.1:8000/v1"
"""Where vLLM serves a model by default; Archon loads the model into its own process instead."""
STAND_IN = "http://127.0.0.1:8080/v1"
"""The address of a model for which there is no address to be known."""
PAIRRM = "llm-blender/PairRM"
"""The one ranking model that Archon knows; it is no language model."""


@dataclass(frozen=True, slots=True)
class Component:
    """One component: its kind, the values of the fields that count, and where it stands in the file.

    `custom` is True for a kind that Archon does not have itself. `values` lacks fields that are not there or wrong;
    `places` has the spans of the values.
    """

    kind: Kind
    values: Mapping[str, object]
    span: Span
    places: Mapping[str, Span]
    custom: bool = False

    @property
    def model(self) -> tuple[str, str]:
        """The `model_type` and the name of the model."""
        return str(self.values.get("model_type", "")), str(self.values.get("model", ""))

    def whole(self, name: str) -> int | None:
        """The value of a field that counts something, None where it is not given."""
        value = self.values.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def is_set(self, name: str) -> bool:
        """Whether a field that is true or false is true."""
        return self.values.get(name) is True

    @property
    def samples(self) -> int:
        """How many samples a generator or fuser draws."""
        return self.whole("samples") or 1

    def place(self, name: str) -> Span:
        """Where the value of a field stands; the component where it is not given."""
        return self.places.get(name, self.span)


@dataclass(frozen=True, slots=True)
class Layer:
    """Components that read the same state."""

    components: tuple[Component, ...]
    span: Span

    def of(self, *kinds: Kind) -> tuple[Component, ...]:
        """The components of some kinds, in order."""
        return tuple(one for one in self.components if one.kind in kinds)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of its components, each once, in order."""
        return tuple(dict.fromkeys(one.kind for one in self.components))


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole configuration: its name ("" where it has none) and its layers."""

    name: str
    layers: tuple[Layer, ...]
    span: Span
