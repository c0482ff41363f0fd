"""Say once in a run's result which of its models have no chat template."""

from __future__ import annotations

from ttscale.compiler.ir import Model
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

    async def get(self, model: Model) -> Engine:
        """The started engine of a declared model. Raises EngineError."""
        engine = await self._engines.get(model)
        if engine.capabilities.chat_template is False:
            text = (
                f"the model {model.name} has no chat template (a base model?), so it continues prompts as plain text; "
                "for answers to questions use its instruct or chat version"
            )
            if text not in self._notes:
                self._notes[text] = None
                self._recorder.emit("note", cause=text)
        return engine
