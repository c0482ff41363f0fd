"""Say once in a run's result which of its models have no chat template, or none for a system message."""

from __future__ import annotations

from ttscale.compiler.ir import Graph, Model
from ttscale.compiler.lint_view import asked_by, prompts_of
from ttscale.runtime.desk import Engines
from ttscale.runtime.engines.base import Engine
from ttscale.runtime.trace import Recorder


class NotingEngines:
    """A run's engines, which note each model that has no chat template when it is first opened.

    `notes` are those of the run's result; a note is also recorded as an event.
    """

    def __init__(self, engines: Engines, notes: dict[str, None], recorder: Recorder) -> None:
        self._engines = engines
        self._notes = notes
        self._recorder = recorder
        self._opened: dict[Model, Engine] = {}

    async def get(self, model: Model) -> Engine:
        """The started engine of a declared model. Raises EngineError."""
        engine = self._opened[model] = await self._engines.get(model)
        if engine.capabilities.chat_template is False:
            text = (
                f"the model {model.name} has no chat template (a base model?), so it continues prompts as plain text; "
                "for answers to questions use its instruct or chat version"
            )
            self._note(text)
        return engine

    def end(self, graph: Graph) -> None:
        """Note each model that was asked with a system text and whose template takes none; once they are loaded."""
        for model, engine in self._opened.items():
            if engine.capabilities.chat_template and engine.capabilities.system_role is False and _told(graph, model):
                self._note(
                    f"the chat template of {model.name} takes no system message, so that text stands at the head of "
                    "the user's message"
                )

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes[text] = None
            self._recorder.emit("note", cause=text)


def _told(graph: Graph, model: Model) -> bool:
    """Whether a prompt for this model has a system text."""
    return any(
        part.role == "system"
        for stage in graph.stages
        if model in asked_by(stage)
        for filled in prompts_of(stage)
        for part in filled.prompt.parts
    )
