"""Engines of other packages: from a model of an imported kind to the engine that its function gives.

    use python("some-package") { onnx }
    model small = onnx("small.onnx", threads: 4)     # calls onnx(Path("…/small.onnx"), threads=4)

Arguments that a program leaves out are left to the function's defaults; sampling settings are not handed to it, since
every request carries them.
"""

from __future__ import annotations

from pathlib import Path

from ttscale.compiler.ir import Model
from ttscale.runtime.engines.base import Engine, EngineError
from ttscale.runtime.plugins import Loaded, PluginFault, call, loaded

MEMBERS = ("digest", "capabilities", "start", "count_tokens", "generate", "score", "stats", "close")


def open_plugin(model: Model, home: Path) -> Engine:
    """The engine that a package's function gives for a model, not started. Raises EngineError."""
    try:
        found = loaded(model.plugin, model.span)
        names = {parameter.name for parameter in found.signature.parameters}
        options = {name: value for name, value in model.options if name in names}
        engine = call(found, model.span, *_positional(model, found, home), **options)
    except PluginFault as fault:
        if isinstance(fault.__cause__, EngineError):
            raise fault.__cause__ from fault
        where = f" ({fault.where})" if fault.where else ""
        hint = "ask the authors of its package, or use another kind of model"
        raise EngineError(f"model `{model.name}` could not be opened: {fault}{where}", hint=hint) from fault
    missing = [member for member in MEMBERS if not hasattr(type(engine), member) and not hasattr(engine, member)]
    if missing:
        what = "nothing" if engine is None else f"a {type(engine).__name__}"
        message = f"model `{model.name}`: `{model.kind}` gave {what}, which is no engine: it has no `{missing[0]}`"
        raise EngineError(message, hint="`ttscale.plugin.Engine` says what an engine has")
    return engine  # type: ignore[return-value]  # it has every member of the protocol


def place_of(model: Model, home: Path) -> str:
    """What the locator of a model means, so that the same place from two folders is one engine."""
    locator = loaded(model.plugin, model.span).signature.locator
    is_path = locator is not None and locator.choices == ("path",) and model.locator
    return str((home / Path(model.locator).expanduser()).resolve()) if is_path else model.locator


def _positional(model: Model, found: Loaded, home: Path) -> tuple[object, ...]:
    locator = found.signature.locator
    if locator is None or not model.locator:
        return ()
    is_path = locator.choices == ("path",)
    return (home / Path(model.locator).expanduser() if is_path else model.locator,)
