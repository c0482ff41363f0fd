"""The models of a configuration as declarations: a name for each, and where it answers."""

from __future__ import annotations

import re
from collections.abc import Callable

from ttscale.compiler.literals import quote
from ttscale.compiler.signatures import FUNCTIONS, RULES, SIGNATURES
from ttscale.grammar import DECLARATIONS, KEYWORDS, RESERVED
from ttscale.library.archon.fields import LOCAL_VLLM, PAIRRM, SERVICES, STAND_IN, Component
from ttscale.library.archon.prompts import EVERY

Note = Callable[..., None]
TAKEN = {*RESERVED, *KEYWORDS, *DECLARATIONS, *SIGNATURES, *RULES, *FUNCTIONS}
TAKEN |= {"p", "main", "question", *EVERY}
BOUND = re.compile(r"(?:tests|drafts|fused|joined|kept)\d*")
"""What pipelines call their candidates and tests."""


def identifier(name: str) -> str:
    """A name for a model: the last part of its own, in small letters, digits and underscores."""
    last = name.rstrip("/").rsplit("/", 1)[-1] if "://" not in name else "tgi"
    found = re.sub(r"[^a-z0-9]+", "_", last.lower()).strip("_")
    if not found or not found[0].isalpha() or found in TAKEN or BOUND.fullmatch(found):
        found = f"model_{found}".rstrip("_")
    return found


class Models:
    """The models that components name, each declared once."""

    def __init__(self, note: Note) -> None:
        self.note = note
        self.names: dict[tuple[str, str], str] = {}
        self.lines: list[str] = []

    def has(self, name: str) -> bool:
        """Whether a model has this name."""
        return name in self.names.values()

    def of(self, component: Component) -> str:
        """The name of a component's model; it is declared where it is not yet."""
        kind, name = component.model
        if (kind, name) not in self.names:
            wanted = identifier(name) if name else "somebody"
            found, number = wanted, 1
            while self.has(found):
                number += 1
                found = f"{wanted}_{number}"
            self.names[kind, name] = found
            self.declare(component, found)
        return self.names[kind, name]

    def declare(self, component: Component, own: str) -> None:
        kind, name = component.model
        if kind == "tgi":
            address = quote(name if name.rstrip("/").endswith("/v1") else f"{name.rstrip('/')}/v1")
            self.lines.append(f'model {own} = openai({address}, name: "tgi")')
            return
        if kind in SERVICES:
            address, variable = SERVICES[kind]
            self.lines.append(f'model {own} = openai({quote(address)}, name: {quote(name)}, key: env("{variable}"))')
            return
        address = LOCAL_VLLM if kind == "vLLM" else STAND_IN
        if kind == "vLLM":
            message = "the model is asked through a server of vLLM's, which is not started by itself"
            self.note(message, component.place("model_type"), f"start it with `vllm serve {name}`")
        else:
            self.lines.append(f"# hole: where does {quote(name)} of the service {quote(kind)} answer?")
            message = f"`{kind}` is no service with an address that is known; its models are marked as holes"
            if name != PAIRRM:
                hint = f"write where it answers, or give another with `--model {own}=…`"
                self.note(message, component.place("model_type"), hint, "W0445")
        self.lines.append(f"model {own} = openai({quote(address)}, name: {quote(name)})")

    def text(self) -> str:
        """All declarations."""
        return "".join(f"{line}\n" for line in self.lines)
