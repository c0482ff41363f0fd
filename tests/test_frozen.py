"""The compiler's own `dataclass`: what can be seen of a class is what the standard one gives."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import Any

import pytest
from ttscale.compiler import frozen


def classes(decorate: Callable[[type], type]) -> tuple[type, type]:
    """Two equal classes, one of them without fields."""

    class Point:
        """A point."""

        x: int
        y: int = 2
        where: str = field(default="", compare=False)
        secret: int = field(default=0, repr=False)
        part: int = field(default=0, hash=False)
        more: dict[str, int] = field(default_factory=dict)

        @property
        def far(self) -> int:
            return self.x + self.y

    class Nothing:
        pass

    return decorate(Point), decorate(Nothing)


@pytest.fixture(params=[{"frozen": True, "slots": True}, {"frozen": True}], ids=["slots", "plain"])
def pair(request: pytest.FixtureRequest) -> list[Any]:
    made = (dataclasses.dataclass(**request.param), frozen.dataclass(**request.param))
    return [classes(decorate)[0] for decorate in made]


def test_values_look_and_compare_as_the_standard_ones_do(pair: list[Any]) -> None:
    seen = []
    for cls in pair:
        one, two = cls(1, where="here", more={}), cls(1, 2, "there", 0, 0, {})
        seen.append((repr(one), one == two, one == cls(2), one == 1, one.far, cls.__doc__, cls.__match_args__))
    assert seen[0] == seen[1]
    assert seen[1][1] is True


def test_hash_leaves_out_what_the_fields_say(pair: list[Any]) -> None:
    for cls in pair:
        with pytest.raises(TypeError):
            hash(cls(1))  # a dict is among what counts
        values = {cls(1, 2, "a", 0, 5, ()), cls(1, 2, "b", 0, 5, ())}
        assert len(values) == 1
        assert hash(cls(1, part=1, more=())) == hash(cls(1, part=2, more=()))


def test_nothing_can_be_assigned(pair: list[Any]) -> None:
    for cls in pair:
        one = cls(1)
        with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
            one.x = 2
        with pytest.raises(dataclasses.FrozenInstanceError):
            del one.x


def test_what_the_module_dataclasses_offers_works(pair: list[Any]) -> None:
    for cls in pair:
        one = cls(1, more={"a": 1})
        assert dataclasses.is_dataclass(cls)
        assert [(f.name, f.compare) for f in dataclasses.fields(cls)][:3] == [
            ("x", True),
            ("y", True),
            ("where", False),
        ]
        assert dataclasses.replace(one, x=5) == cls(5, more={"a": 1})
        assert dataclasses.asdict(one)["more"] == {"a": 1}
        assert copy.deepcopy(one) == one and copy.copy(one) is not one
        assert cls(1).more is not cls(1).more


def test_missing_and_unknown_arguments_are_told(pair: list[Any]) -> None:
    for cls in pair:
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
            cls()
        with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
            cls(1, z=1)


@frozen.dataclass(frozen=True, slots=True)
class Kept:
    """At the top of its module, as `pickle` wants it."""

    a: int
    b: tuple[int, ...] = ()


def test_values_can_be_pickled_and_matched() -> None:
    kept = pickle.loads(pickle.dumps(Kept(1, (2,))))
    match kept:
        case Kept(1, b=(two,)):
            assert two == 2
        case _:
            raise AssertionError(kept)


def test_methods_are_written_when_they_are_called() -> None:
    cls: Any = classes(frozen.dataclass(frozen=True, slots=True))[0]
    before = cls.__eq__
    assert cls(1) == cls(1)
    assert cls.__eq__ is not before


def test_a_class_without_fields_and_one_with_a_base() -> None:
    nothing = classes(frozen.dataclass(frozen=True, slots=True))[1]
    assert nothing() == nothing() and hash(nothing()) == hash(())

    @frozen.dataclass(frozen=True)
    class Base:
        a: int

    @frozen.dataclass(frozen=True)
    class Derived(Base):
        b: int

    assert Derived(1, 2) == Derived(1, 2) and Derived(1, 2) != Derived(2, 2)
    assert repr(Derived(1, 2)).endswith("Derived(a=1, b=2)")


def test_own_methods_stay() -> None:
    @frozen.dataclass(frozen=True, slots=True)
    class Loud:
        a: int

        def __repr__(self) -> str:
            return "loud"

    assert repr(Loud(1)) == "loud"
