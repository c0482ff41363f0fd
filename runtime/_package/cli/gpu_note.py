"""What `run` says where a graphics processor of this machine did nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttscale.compiler.models import option

if TYPE_CHECKING:
    from ttscale.cli.opened import Opened


def gpu_note(opened: Opened) -> str:
    """One line where weights ran on the processor alone although a GPU is there; empty where nothing ran or is idle.

    Who writes `gpu_layers: 0` wants it so, and a run that the bank answered needed neither.
    """
    models = opened.plan.graph.models.values()
    wanted = any(model.kind == "gguf" and option(model, "gpu_layers") != 0 for model in models)
    if not wanted or not any(engine.stats().steps for engine in opened.house.opened.values()):
        return ""
    from ttscale.runtime.engines.llama.gpu import idle_note

    return idle_note()
