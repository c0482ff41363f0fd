"""From the text of a configuration to its layers, with everything that is wrong or not read told at its place.

    configuration, found = read(SourceFile("moa.json", text))

A layer is a list of components; in older files an object with the components as `models`, or a component by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ttscale.compiler.diagnostics import Diagnostic, suggest
from ttscale.compiler.json_places import no_json, places
from ttscale.compiler.source import SourceFile, Span
from ttscale.library.archon.fields import COMMON, OWN, POSITIVE, Component, Configuration, Layer

TOP = ("name", "custom", "layers")
SHAPE = 'write {"name": "…", "layers": [[{"type": "generator", "model": "…", …}], …]}'
NAMES: Mapping[object, str] = {str: "a text", int: "a whole number", bool: "true or false", (int, float): "a number"}

Place = tuple[str, ...]


def read(source: SourceFile) -> tuple[Configuration | None, list[Diagnostic]]:
    """The configuration that a JSON text holds, and what is wrong with it; None with an error where it is none."""
    try:
        value = json.loads(source.text)
        spans = places(source.text)
    except json.JSONDecodeError as error:
        flaw = no_json(source.text, error)
        hint = flaw.hint if source.text.strip() else SHAPE
        return None, [Diagnostic("E0440", flaw.message, Span(source.name, flaw.start, flaw.end), hint=hint)]
    except RecursionError:
        message = "the file has too many brackets inside each other"
        return None, [Diagnostic("E0440", message, Span(source.name, 0, 1), hint=SHAPE)]
    reader = _Reader(source, spans)
    configuration = reader.configuration(value)
    wrong = any(one.severity == "error" for one in reader.found)
    return None if wrong else configuration, reader.found


class _Reader:
    """Walks the values of one file, and collects what is to be said."""

    def __init__(self, source: SourceFile, spans: Mapping[Place, tuple[int, int]]) -> None:
        self.source = source
        self.spans = spans
        self.found: list[Diagnostic] = []

    def span(self, at: Place) -> Span:
        """Where a value stands; of an object or list, its opening bracket."""
        start, end = self.spans[at]
        return Span(self.source.name, start, end)

    def wrong(self, message: str, at: Place, hint: str = "") -> None:
        self.found.append(Diagnostic("E0441", message, self.span(at), hint=hint))

    def unread(self, key: str, at: Place, known: Iterable[str], whose: str) -> None:
        near = suggest(key, known)
        hint = f"did you mean `{near}`? It has no effect as it is" if near else "leave it out; it has no effect"
        message = f"Archon does not read `{key}` of {whose}"
        self.found.append(Diagnostic("W0443", message, self.span((*at, key)), "warning", hint=hint))

    def configuration(self, value: object) -> Configuration | None:
        """The whole file."""
        if not isinstance(value, dict):
            self.wrong("a configuration is an object", (), SHAPE)
            return None
        layers = value.get("layers")
        if not isinstance(layers, list) or not layers:
            near = suggest("layers", value) if layers is None else None
            hint = f"did you mean `layers` by `{near}`?" if near else SHAPE
            at = () if layers is None else ("layers",)
            self.wrong("a configuration has a list of `layers`, of one at least", at, hint)
            return None
        for key in value:
            if key not in TOP:
                self.unread(key, (), TOP, "a configuration")
        name = value.get("name", "")
        if not isinstance(name, str):
            self.wrong("`name` is a text", ("name",))
            name = ""
        read_layers = [self.layer(layer, ("layers", str(index))) for index, layer in enumerate(layers)]
        return Configuration(name, tuple(one for one in read_layers if one is not None), self.span(()))

    def layer(self, value: object, at: Place) -> Layer | None:
        """A layer in any of its forms."""
        if isinstance(value, dict) and "models" not in value and "type" in value:
            message = "a layer is a list of components; Archon stops at a component that stands by itself"
            self.found.append(Diagnostic("W0444", message, self.span(at), "warning", hint="put it into `[` and `]`"))
            component = self.component(value, at)
            return None if component is None else Layer((component,), self.span(at))
        within = at
        if isinstance(value, dict):
            for key in value:
                if key != "models":
                    self.unread(key, at, ("models",), "a layer")
            value, within = value.get("models"), (*at, "models")
        if not isinstance(value, list) or not value:
            place = within if within in self.spans else at
            self.wrong("a layer is a list of components, of one at least", place, SHAPE)
            return None
        components = [self.component(one, (*within, str(index))) for index, one in enumerate(value)]
        return Layer(tuple(one for one in components if one is not None), self.span(at))

    def component(self, value: object, at: Place) -> Component | None:
        """A component with the fields that are read."""
        if not isinstance(value, dict):
            self.wrong('a component is an object such as {"type": "generator", "model": "…"}', at)
            return None
        kind = value.get("type")
        if not isinstance(kind, str) or not kind:
            near = suggest("type", value) if kind is None else None
            hint = f"did you mean `type` by `{near}`?" if near else f"the types are {', '.join(OWN)}"
            self.wrong("a component has a `type`", (*at, "type") if "type" in value else at, hint)
            return None
        if kind not in OWN:
            return self.hole(kind, value, at)
        fields = {**COMMON, **OWN[kind]}
        values: dict[str, object] = {}
        for key, one in value.items():
            if key not in fields:
                self.unread(key, at, [name for name in fields if name not in value], f"a {kind}")
            elif self.fits(key, one, fields[key], at):
                values[key] = one
        self.required(kind, value, at)
        spans = {key: self.span((*at, key)) for key in value}
        return Component(kind, values, self.span(at), spans)

    def hole(self, kind: str, value: Mapping[str, object], at: Place) -> Component:
        """A component of a kind that somebody added to Archon."""
        near = suggest(kind, OWN)
        hint = f"did you mean `{near}`?" if near else "look for the `hole` in the program, and write what belongs there"
        message = f"`{kind}` is no component of Archon's own; its place is marked, and candidates pass it unchanged"
        self.found.append(Diagnostic("W0445", message, self.span((*at, "type")), "warning", hint=hint))
        return Component(kind, dict(value), self.span(at), {}, custom=True)

    def fits(self, key: str, value: object, kind: type | tuple[type, ...], at: Place) -> bool:
        """Whether a field's value is of its type; told where it is not. `null` is as if it were not there."""
        if value is None:
            return False
        right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if not right:
            self.wrong(f"`{key}` is {NAMES[kind]}", (*at, key))
        elif key in POSITIVE and isinstance(value, int) and value < 1:
            self.wrong(f"`{key}` is 1 or more", (*at, key))
            return False
        elif key == "temperature" and isinstance(value, int | float) and not 0 <= value <= 5:
            self.wrong("`temperature` is from 0 to 5", (*at, key))
            return False
        return right

    def required(self, kind: str, value: Mapping[str, object], at: Place) -> None:
        """Tell of fields without which Archon does not start."""
        if not isinstance(value.get("model"), str):
            near = suggest("model", [key for key in value if key not in COMMON])
            if "model" not in value:
                self.wrong(f"a {kind} has a `model`", at, f"did you mean `model` by `{near}`?" if near else "")
            return
        needed = ["model_type", "temperature", "max_tokens"]
        needed += ["top_k"] if kind == "ranker" else []
        needed += ["samples"] if kind not in ("generator", "fuser", "ranker") else []
        missing = [name for name in needed if value.get(name) is None]
        if missing:
            named = " and ".join(f"`{name}`" for name in missing)
            message = f"a {kind} without {named} is nothing that Archon starts with"
            hint = "the language's own default stands in the program"
            self.found.append(Diagnostic("W0444", message, self.span(at), "warning", hint=hint))
