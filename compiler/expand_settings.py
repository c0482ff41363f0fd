"""Sampling settings: the nearest of call, prompt and model wins; what nobody sets has the engine's default.

call argument  >  prompt setting  >  a judge's own temperature  >  model option  >  stage default  >  engine default
"""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ir
from ttscale.compiler.models import option
from ttscale.compiler.signatures import Parameter, Signature

ENGINE_DEFAULTS: Mapping[str, object] = {
    "temperature": 0.8,
    "top_p": 0.95,
    "top_k": 0,
    "min_p": 0.0,
    "repeat_penalty": 1.0,
    "max_tokens": 512,
    "stop": (),
    "thinking": "auto",
}
"""What a sample is made with where neither file nor stage says otherwise."""

FLOATS = ("temperature", "top_p", "min_p", "repeat_penalty")


def settings(
    signature: Signature, given: Mapping[str, ir.Argument], prompt: ir.Prompt | None, model: ir.Model | None
) -> dict[str, ir.Argument]:
    """Every sampling setting of a stage that asks `model` with `prompt`; `given` are the call's own."""
    return {
        parameter.name: _setting(parameter, given, prompt, model)
        for parameter in signature.parameters
        if parameter.name in ENGINE_DEFAULTS
    }


def _setting(
    parameter: Parameter, given: Mapping[str, ir.Argument], prompt: ir.Prompt | None, model: ir.Model | None
) -> ir.Argument:
    name = parameter.name
    if name in given:
        return given[name]
    written = dict(prompt.settings).get(name) if prompt is not None else None
    if written is None and name == "temperature" and parameter.default is not None:
        written = parameter.default
    if written is None and model is not None:
        written = option(model, name)
    if written is None:
        written = parameter.default if parameter.default is not None else ENGINE_DEFAULTS[name]
    return normal(name, written)


def normal(name: str, value: object) -> ir.Argument:
    """A setting in the one form that the IR has for it."""
    if isinstance(value, ir.UpTo):
        return value
    if name in FLOATS and isinstance(value, int | float):
        return ir.Const(float(value))
    if name == "stop":
        return ir.Const((value,) if isinstance(value, str) else tuple(value) if isinstance(value, tuple) else ())
    if name == "thinking" and isinstance(value, bool):
        return ir.Const("on" if value else "off")
    return ir.Const(value)
