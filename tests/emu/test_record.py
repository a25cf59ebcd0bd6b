"""`dataclass` of emu.record does what the standard library's does."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field, fields, replace
from typing import Any, ClassVar

import pytest

from emu import record


def shapes(dataclass: Callable[..., Any]) -> dict[str, Any]:
    """Classes of every shape, made with that decorator."""

    @dataclass
    class Plain:
        a: int
        b: str = "x"
        c: list[int] = field(default_factory=list)
        shared: ClassVar[int] = 3

    @dataclass(frozen=True)
    class Frozen:
        """With words of its own."""

        a: int
        b: str = "x"
        quiet: int = field(default=0, repr=False, compare=False)

    @dataclass(frozen=True)
    class Derived(Frozen):
        a: int = 7
        d: tuple[int, ...] = ()

    @dataclass(eq=False)
    class Identity:
        a: int
        late: int = field(init=False)
        given: int = field(init=False, default=4)
        made: list[int] = field(init=False, default_factory=list)

        def __post_init__(self) -> None:
            self.late = self.a + 1

    @dataclass(frozen=True)
    class One:
        a: int

    @dataclass
    class Empty:
        pass

    @dataclass(eq=False, repr=False)
    class Words:
        a: int

    @dataclass
    class Own:
        a: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 5

        def __repr__(self) -> str:
            return "own"

    @dataclass(slots=True)
    class Slots:
        a: int
        b: list[int] = field(default_factory=list)
        c: str = "x"

    @dataclass(frozen=True, slots=True)
    class FrozenSlots:
        """With words of its own."""

        a: int
        b: str = "x"

    every = (Plain, Frozen, Derived, Identity, One, Empty, Words, Own, Slots, FrozenSlots)
    return {one.__name__: one for one in every}


STANDARD, OURS = shapes(dataclasses.dataclass), shapes(record.dataclass)
#: A class, and arguments for it.
MADE: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Plain", (1,), {}),
    ("Plain", (1, "y", [2]), {}),
    ("Plain", (), {"a": 1, "c": [3]}),
    ("Frozen", (1,), {"b": "z"}),
    ("Frozen", (1, "x", 9), {}),
    ("Derived", (), {}),
    ("Derived", (1, "q", 2, (3,)), {}),
    ("Identity", (1,), {}),
    ("One", (1,), {}),
    ("One", (-1,), {}),
    ("Empty", (), {}),
    ("Words", (1,), {}),
    ("Own", (1,), {}),
    ("Slots", (1,), {"c": "y"}),
    ("FrozenSlots", (1,), {}),
]


def outcome(act: Callable[[], Any]) -> Any:
    """What it gives, or the kind and words of what it raises."""
    try:
        return act()
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("few", [0, record.FEW])
@pytest.mark.parametrize(("name", "args", "named"), MADE)
def test_an_instance_is_as_the_standard_librarys(name, args, named, few, monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(record, "FEW", few)
    for kinds in (STANDARD, shapes(record.dataclass)):
        one, same, other = (kinds[name](*args, **named) for _ in range(3))
        text = repr(one).split(" object at ")[0]
        equal = one == same, one != same, one == 1
        value = outcome(lambda one=one: hash(one))
        if type(one).__hash__ is object.__hash__:
            value = "identity"
        values = {f.name: getattr(one, f.name) for f in fields(one)}
        clone = copy.deepcopy(one)
        clones = [getattr(clone, f.name) == getattr(one, f.name) for f in fields(one)]
        if values:
            first = next(iter(values))
            changed = outcome(
                lambda one=one, first=first: repr(replace(one, **{first: 99})).split(" at ")[0]
            )
            written = outcome(lambda one=other, first=first: setattr(one, first, 5))
            deleted = outcome(lambda one=other, first=first: delattr(one, first))
        else:
            changed = written = deleted = None
        unknown = outcome(lambda one=other: setattr(one, "unknown", 5))
        gone = outcome(lambda one=other: delattr(one, "unknown"))
        nothing = outcome(lambda one=same: delattr(one, "nothing"))
        seen.append(
            (
                text,
                equal,
                value,
                values,
                clones,
                changed,
                written,
                deleted,
                unknown,
                gone,
                nothing,
                one.__doc__ and 1,
            )
        )
    assert seen[0] == seen[1]


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_class_is_as_the_standard_librarys(name: str) -> None:
    standard, ours = STANDARD[name], OURS[name]
    assert [(f.name, f.type, f.init, f.repr, f.compare) for f in fields(standard)] == [
        (f.name, f.type, f.init, f.repr, f.compare) for f in fields(ours)
    ]
    assert standard.__match_args__ == ours.__match_args__
    for wrong in ({"a": 1, "unknown": 2}, {"unknown": 2}):
        assert outcome(lambda wrong=wrong: ours(**wrong)) == outcome(
            lambda wrong=wrong: standard(**wrong)
        )
    parameters = [list(inspect.signature(one).parameters) for one in (standard, ours)]
    assert parameters[0] == parameters[1]
    for wrong in ((1,) * 9, ()):
        assert isinstance(outcome(lambda wrong=wrong: standard(*wrong)), tuple) == isinstance(
            outcome(lambda wrong=wrong: ours(*wrong)), tuple
        )


def test_init_is_written_after_a_few_instances() -> None:
    @record.dataclass
    class Late:
        a: int

    first = vars(Late)["__init__"]
    for number in range(1, record.FEW):
        assert Late(number).a == number
        assert vars(Late)["__init__"] is first
    assert Late(3).a == 3
    assert vars(Late)["__init__"] is not first
    with pytest.raises(
        TypeError, match=r"Late.__init__\(\) missing 1 required positional argument: 'a'"
    ):
        Late()


@record.dataclass(frozen=True)
class Kept:
    """One that pickle can find."""

    a: int
    b: tuple[int, ...] = ()


def test_a_frozen_one_is_pickled_and_stays_frozen() -> None:
    one = Kept(1, (2,))
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    assert hash(again) == hash(one)
    with pytest.raises(FrozenInstanceError):
        again.a = 3


def test_one_that_holds_itself_has_a_repr() -> None:
    one = OURS["Plain"](1)
    one.c.append(one)
    assert repr(one).count("...") == 1


def test_fields_are_looked_for_when_somebody_asks() -> None:
    """Until then the class has its defaults, and what it is matched by is there when it is needed."""

    @record.dataclass
    class Above:
        a: int = field(default=3, repr=False)
        b: list[int] = field(default_factory=list)

    @record.dataclass(frozen=True)
    class Pair:
        left: int
        right: int = 2

    assert isinstance(vars(Above)["__dataclass_fields__"], record._Later)
    assert Above.a == 3
    assert not hasattr(Above, "b")
    bare = object.__new__(Above)
    assert bare.a == 3
    match Pair(1):
        case Pair(left, right):
            assert (left, right) == (1, 2)
    assert isinstance(vars(Pair)["__dataclass_fields__"], dict)

    @record.dataclass
    class Below(Above):
        c: int = 4

    assert [f.name for f in fields(Below)] == ["a", "b", "c"]
    assert repr(Below(1, [2])) == f"{Below.__qualname__}(b=[2], c=4)"
    assert isinstance(vars(Above)["__dataclass_fields__"], dict)
