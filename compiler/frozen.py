"""`dataclass` for the many small frozen types of the compiler, whose methods are made when they are used.

The standard decorator writes and compiles six methods for each class as its module is imported: for some 170 classes
that is a third of what `ttscale check` takes on a small file. Here `@dataclass(frozen=True, slots=True)` gives the
class its slots alone; a method is written when it is first called, and so it is without `slots`. What one can see of a
class and its values is the same: `fields`, `replace`, `asdict`, `match`, `copy` and `pickle` work as ever. Classes with
other options, and those derived from a dataclass, go to the standard decorator.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    from collections.abc import Callable
    from typing import Any

    MISSING = object()
    """What stands for a value that is to be made for each instance."""

    def dataclass(cls: type | None = None, /, **options: bool) -> Any:
        """As `dataclasses.dataclass`; with `frozen` and perhaps `slots`, methods are made on their first call."""
        if cls is None:
            return lambda cls: dataclass(cls, **options)
        if not any(hasattr(base, "__dataclass_fields__") for base in cls.__bases__):
            if options == {"frozen": True, "slots": True}:
                return _frozen_slots(cls)
            if options == {"frozen": True}:
                return _frozen(cls)
        return dataclasses.dataclass(cls, **options)

    def _frozen_slots(cls: type) -> type:
        """The class again, with slots for its annotated names."""
        kinds = dict(cls.__annotations__)
        own = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
        plan = _Plan(tuple(kinds), kinds, {name: own.pop(name) for name in kinds if name in own}, slots=True)
        given = {"__slots__": plan.names, "__getstate__": _state, "__setstate__": _restore}
        made = type(cls)(cls.__name__, cls.__bases__, own | given | _methods(plan, own))
        made.__qualname__ = cls.__qualname__
        return made

    def _frozen(cls: type) -> type:
        """The class itself, made frozen; its values have a `__dict__`."""
        kinds = dict(cls.__annotations__)
        own = dict(cls.__dict__)
        plan = _Plan(tuple(kinds), kinds, {name: own[name] for name in kinds if name in own}, slots=False)
        for name, default in plan.defaults.items():
            if isinstance(default, dataclasses.Field):
                delattr(cls, name)
        for name, method in _methods(plan, own).items():
            setattr(cls, name, method)
        return cls

    def _methods(plan: _Plan, own: dict[str, Any]) -> dict[str, Any]:
        """What a frozen class has beside its `own`; methods are still to be made."""
        late = {
            "__init__": _Late("__init__", plan, _init),
            "__eq__": _Late("__eq__", plan, _eq),
            "__hash__": _Late("__hash__", plan, _hash),
            "__repr__": _Late("__repr__", plan, _repr),
        }
        given = {
            "__match_args__": plan.names,
            "__dataclass_fields__": _LazyFields(plan),
            "__setattr__": _set,
            "__delattr__": _delete,
        }
        return given | {name: method.stub() for name, method in late.items() if name not in own}

    class _Plan:
        """What the methods of one class are made from: its fields, their types as written, their defaults."""

        __slots__ = ("defaults", "kinds", "names", "slots")

        def __init__(
            self, names: tuple[str, ...], kinds: dict[str, Any], defaults: dict[str, Any], *, slots: bool
        ) -> None:
            self.names, self.kinds, self.defaults, self.slots = names, kinds, defaults, slots

    class _LazyFields:
        """What `dataclasses.fields` reads, made by the standard decorator when it is first asked for."""

        def __init__(self, plan: _Plan) -> None:
            self.plan = plan

        def __get__(self, instance: object, owner: type) -> dict[str, dataclasses.Field[Any]]:
            body = {"__annotations__": self.plan.kinds, "__module__": owner.__module__, **self.plan.defaults}
            made = dataclasses.dataclass(init=False, repr=False, eq=False, frozen=True)(type(owner.__name__, (), body))
            found: dict[str, dataclasses.Field[Any]] = made.__dataclass_fields__
            owner.__dataclass_fields__ = found
            owner.__dataclass_params__ = made.__dataclass_params__
            return found

    class _Late:
        """One method of one class, which takes its own place by the real one when it is first called."""

        __slots__ = ("name", "plan", "write")

        def __init__(self, name: str, plan: _Plan, write: Callable[[type, _Plan], tuple[str, dict[str, Any]]]) -> None:
            self.name, self.plan, self.write = name, plan, write

        def stub(self) -> Callable[..., Any]:
            def method(*args: Any, **named: Any) -> Any:
                return self.made(type(args[0]))(*args, **named)

            return method

        def made(self, cls: type) -> Callable[..., Any]:
            """The real method, put into the class."""
            owner = next(base for base in cls.__mro__ if base.__dict__.get("__match_args__") is self.plan.names)
            text, known = self.write(owner, self.plan)
            exec(text, known)
            method: Callable[..., Any] = known[self.name]
            method.__qualname__ = f"{owner.__qualname__}.{self.name}"
            setattr(owner, self.name, method)
            return method

    def _init(owner: type, plan: _Plan) -> tuple[str, dict[str, Any]]:
        known: dict[str, Any] = {"MISSING": MISSING, "put": object.__setattr__}
        head, lines = ["self"], []
        for name in plan.names:
            if plan.slots:
                known[f"set_{name}"] = owner.__dict__[name].__set__
            store = f"set_{name}(self, " if plan.slots else f"put(self, {name!r}, "
            default = plan.defaults.get(name, MISSING)
            if isinstance(default, dataclasses.Field):
                made, default = default.default_factory, default.default
                if made is not dataclasses.MISSING:
                    known[f"make_{name}"] = made
                    head.append(f"{name}=MISSING")
                    lines.append(f" {store}make_{name}() if {name} is MISSING else {name})")
                    continue
                default = MISSING if default is dataclasses.MISSING else default
            if default is not MISSING:
                known[f"default_{name}"] = default
            head.append(name if default is MISSING else f"{name}=default_{name}")
            lines.append(f" {store}{name})")
        return f"def __init__({', '.join(head)}):\n" + "\n".join(lines or [" pass"]), known

    def _compared(of: str, plan: _Plan, *, hashed: bool = False) -> str:
        """A tuple of the fields that count when two values are compared, or hashed."""
        names = []
        for name in plan.names:
            field = plan.defaults.get(name)
            counts = field.compare if isinstance(field, dataclasses.Field) else True
            if hashed and isinstance(field, dataclasses.Field) and field.hash is not None:
                counts = field.hash
            if counts:
                names.append(name)
        return "(" + "".join(f"{of}.{name}, " for name in names) + ")"

    def _eq(owner: type, plan: _Plan) -> tuple[str, dict[str, Any]]:
        same = f"{_compared('self', plan)} == {_compared('other', plan)}"
        return f"def __eq__(self, other):\n return {same} if other.__class__ is self.__class__ else NotImplemented", {}

    def _hash(owner: type, plan: _Plan) -> tuple[str, dict[str, Any]]:
        return f"def __hash__(self):\n return hash({_compared('self', plan, hashed=True)})", {}

    def _repr(owner: type, plan: _Plan) -> tuple[str, dict[str, Any]]:
        hidden = {n for n, field in plan.defaults.items() if isinstance(field, dataclasses.Field) and not field.repr}
        shown = ", ".join(f"{name}={{self.{name}!r}}" for name in plan.names if name not in hidden)
        return f"def __repr__(self):\n return f'{{self.__class__.__qualname__}}({shown})'", {}

    def _set(self: object, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def _delete(self: object, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def _state(self: Any) -> list[object]:
        return [getattr(self, name) for name in self.__match_args__]

    def _restore(self: Any, state: list[object]) -> None:
        for name, value in zip(self.__match_args__, state, strict=True):
            object.__setattr__(self, name, value)
