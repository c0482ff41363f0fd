"""Sampling settings: the nearest of call, prompt and model wins; what nobody sets has the engine's default.

call argument  >  prompt setting  >  a judge's own temperature  >  model option  >  stage default  >  engine default
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from ttscale.compiler import ir
from ttscale.compiler.signatures import Signature

ENGINE_DEFAULTS: Mapping[str, object] = {
    "temperature": 0.8,
    "top_p": 0.95,
    "top_k": 0,
    "min_p": 0.0,
    "repeat_penalty": 1.0,
    "typical_p": None,
    "frequency_penalty": None,
    "presence_penalty": None,
    "penalty_window": None,
    "max_tokens": 512,
    "stop": (),
    "stop_pattern": None,
    "thinking": "auto",
    "constrain": None,
}
"""What a sample is made with where neither file nor stage says otherwise."""

FLOATS = (
    *("temperature", "top_p", "min_p", "repeat_penalty"),
    *("typical_p", "frequency_penalty", "presence_penalty"),
)
UNSAID = frozenset(name for name, value in ENGINE_DEFAULTS.items() if value is None)
"""Settings that a stage has only where something sets them."""


def settings(
    signature: Signature, given: Mapping[str, ir.Argument], prompt: ir.Prompt | None, model: ir.Model | None
) -> dict[str, ir.Argument]:
    """Every sampling setting of a stage that asks `model` with `prompt`; `given` are the call's own."""
    written = dict(prompt.settings) if prompt is not None else {}
    options = dict(model.options) if model is not None else {}
    found: dict[str, ir.Argument] = {}
    for parameter in signature.parameters:
        name = parameter.name
        if name not in ENGINE_DEFAULTS:
            continue
        if name in given:
            found[name] = given[name]
            continue
        value = written.get(name)
        if value is None and name == "temperature":
            value = parameter.default
        if value is None:
            value = options.get(name)
        if value is None and name in UNSAID:
            continue
        found[name] = normal(name, value) if value is not None else _unset(name, parameter.default)
    return found


@lru_cache(maxsize=256, typed=True)
def _unset(name: str, default: object) -> ir.Argument:
    """A setting that nothing sets: the stage's default, else the engine's."""
    return normal(name, default if default is not None else ENGINE_DEFAULTS[name])


def normal(name: str, value: object) -> ir.Argument:
    """A setting in the one form that the IR has for it."""
    if isinstance(value, ir.UpTo):
        return value
    if name in FLOATS and isinstance(value, int | float):
        return ir.Const(float(value))
    if name in ("stop", "stop_pattern"):
        return ir.Const((value,) if isinstance(value, str) else tuple(value) if isinstance(value, tuple) else ())
    if name == "thinking" and isinstance(value, bool):
        return ir.Const("on" if value else "off")
    return ir.Const(value)
