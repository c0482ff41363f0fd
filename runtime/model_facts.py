"""What the files of models tell before anything is loaded: what a model takes, what it holds, whether it thinks.

    facts = look(graph.models, folder)
    facts["small"].memory.total            # bytes; None where the file is not on this machine
    known(facts)                           # {"small": Abilities(thinking=False, context=8192)}, as checks take it

Only headers are read, and nothing is downloaded: a file of the hub counts where its cache has it. Of a server counts
what `ttscale models probe` has found; nothing is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.compiler.capabilities import Abilities
from ttscale.compiler.ir import Model
from ttscale.compiler.models import option, weights_locator
from ttscale.runtime.engines.base import EngineError
from ttscale.runtime.models import home_of, locate, open_engine
from ttscale.runtime.probes import Probed, as_abilities, kept

if TYPE_CHECKING:
    from ttscale.runtime.engines.llama.machine import Memory

THOUGHTFUL = ("think", "reasoning", "<|channel|>")
"""What the template of a model that writes thoughts mentions, in one of these words."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one model from its file; `missing` says why nothing is.

    `shares` is the first model that has the same weights and options: both are loaded once. `server` is what a probe
    of a server found.
    """

    memory: Memory | None = None
    abilities: Abilities = field(default_factory=Abilities)
    missing: str = ""
    shares: str = ""
    server: Probed | None = None


def look(models: Mapping[str, Model], folder: Path) -> dict[str, Facts]:
    """The facts of every model that runs from a file; relative paths are looked for as in a run."""
    found: dict[str, Facts] = {}
    loaded: dict[object, str] = {}
    for name, model in models.items():
        if model.kind == "openai":
            served = kept(model.locator, str(option(model, "name", "")))
            if served is not None:
                found[name] = Facts(abilities=as_abilities(served), server=served)
        if model.kind != "gguf":
            continue
        home = home_of(model, folder)
        if not is_here(model):
            found[name] = Facts(missing="not downloaded yet")
            continue
        try:
            facts = _facts(model, home)
            first = loaded.setdefault((locate(model, home).resolve(), loading(model), model.combine), name)
        except EngineError as error:
            found[name] = Facts(missing=str(error))
            continue
        found[name] = Facts(facts.memory, facts.abilities, shares="" if first == name else first)
    return found


def known(facts: Mapping[str, Facts]) -> dict[str, Abilities]:
    """The abilities that were found, by model."""
    return {name: one.abilities for name, one in facts.items() if not one.missing}


def loading(model: Model) -> tuple[tuple[str, object], ...]:
    """The options of a model that change what is loaded."""
    from ttscale.compiler.model_kinds import SAMPLING_OPTIONS

    return tuple(sorted((name, repr(value)) for name, value in model.options if name not in SAMPLING_OPTIONS))


def is_here(model: Model) -> bool:
    """Whether looking at a model's file downloads nothing."""
    locator = weights_locator(model)
    if not locator.startswith("hf:"):
        return True
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    parts = locator.removeprefix("hf:").split("/", 2)
    return len(parts) == 3 and isinstance(try_to_load_from_cache("/".join(parts[:2]), parts[2]), str)


def _facts(model: Model, home: Path) -> Facts:
    from ttscale.runtime.engines.llama.engine import LlamaEngine

    engine = open_engine(model, home)
    assert isinstance(engine, LlamaEngine)
    memory = engine.memory
    return Facts(memory, Abilities(thinking=thinks(engine.template), context=memory.context))


def thinks(template: str) -> bool | None:
    """Whether a chat template is one of a model that writes thoughts; None without a template."""
    if not template.strip():
        return None
    return any(word in template.lower() for word in THOUGHTFUL)
