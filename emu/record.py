"""`dataclass`, as of the standard library, whose methods are not written before somebody needs them.

A dataclass finds its fields, and writes and compiles up to six functions, for each class when its module is
loaded. For the records of this house that was a quarter of a start, and most of them are never made in a run.
Here the fields are looked for when somebody asks, `__init__` is written when some instances have been made,
and the others are the same few functions for all classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

Values = Callable[[Any], tuple[Any, ...]]
#: So many instances are made without an `__init__` of their own class, which takes 0.1 ms to write.
FEW = 10
_set = object.__setattr__


class _Slot(NamedTuple):
    """What is said of a field."""

    name: str
    init: bool
    default: Any
    factory: Any


def record(
    cls: type[Any] | None = None,
    /,
    *,
    eq: bool = True,
    frozen: bool = False,
    repr: bool = True,
    slots: bool = False,
) -> Any:
    """As dataclasses.dataclass, of whose parameters it has these; a class and its bases all have the one
    decorator or all the other."""
    if cls is None:
        return lambda cls: record(cls, eq=eq, frozen=frozen, repr=repr, slots=slots)
    own = vars(cls)
    # Python itself puts None there for a class with an __eq__ of its own.
    has_hash = own.get("__hash__") is not None or ("__hash__" in own and "__eq__" not in own)
    cls.__doc__ = cls.__doc__ or cls.__name__  # or dataclasses looks for a signature
    if slots:  # another class, which dataclasses makes fit for pickle where it is frozen
        cls = dataclasses.dataclass(init=False, repr=False, eq=False, frozen=frozen, slots=True)(
            cls
        )
        own = vars(cls)
    else:
        _find_fields_later(cls)
    made: dict[str, Callable[..., Any] | None] = {"__init__": _first_init(cls, frozen)}
    if repr:
        made["__repr__"] = _repr
    if eq:
        made["__eq__"] = _eq(cls)
        if not has_hash:
            made["__hash__"] = _hash(cls) if frozen else None
    if frozen and not slots:
        made["__setattr__"], made["__delattr__"] = _frozen(cls)
    for name, function in made.items():
        if name not in own or name == "__hash__":
            setattr(cls, name, function)
    return cls


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    dataclass = record


R = TypeVar("R")


def twin(one: R) -> R:
    """Another instance with the same attributes, as copy.copy gives for classes that say nothing of it."""
    other = object.__new__(type(one))
    other.__dict__.update(one.__dict__)
    return other


class _Later:
    """What a class says of its fields, until somebody looks: then the standard library finds them."""

    def __init__(self, cls: type[Any], name: str, given: dict[str, Field[Any]]) -> None:
        self._cls, self._name, self._given = cls, name, given

    def __get__(self, _instance: object, _owner: type[Any]) -> Any:
        cls = self._cls
        for name in _OF_FIELDS:
            if isinstance(vars(cls).get(name), _Later):
                delattr(cls, name)
        for name, given in self._given.items():
            setattr(cls, name, given)
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
        return getattr(cls, self._name)


_OF_FIELDS = ("__dataclass_fields__", "__match_args__")


def _find_fields_later(cls: type[Any]) -> None:
    own = vars(cls)
    given = {n: own[n] for n in own.get("__annotations__", ()) if isinstance(own.get(n), Field)}
    for name, value in given.items():  # as dataclasses leaves the class
        if value.default is MISSING:
            delattr(cls, name)
        else:
            setattr(cls, name, value.default)
    for name in _OF_FIELDS:
        if name not in own:
            setattr(cls, name, _Later(cls, name, given))


def _first_init(cls: type[Any], frozen: bool) -> Callable[..., None]:
    """An `__init__` that writes the real one, which takes its place, when FEW instances were made or the
    arguments are not what it takes."""
    slots: list[_Slot] = []
    places: list[str] = []
    known: frozenset[str] | None = None
    ends = hasattr(cls, "__post_init__")
    left = FEW

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        nonlocal left, known
        if known is None:
            slots.extend(_Slot(f.name, f.init, f.default, f.default_factory) for f in fields(cls))
            places.extend(slot.name for slot in slots if slot.init)
            known = frozenset(places)
        left -= 1
        given = dict(zip(places, args, strict=False))
        if left > 0 and len(given) == len(args) and kwargs.keys() <= known - given.keys():
            given |= kwargs
            values = _all_values(slots, given)
            if values is not None:
                for name, value in values:
                    _set(self, name, value)
                if ends:
                    self.__post_init__()
                return
        function = _write_init(cls, frozen)
        type.__setattr__(cls, "__init__", function)
        function(self, *args, **kwargs)

    return __init__


def _all_values(slots: list[_Slot], given: dict[str, Any]) -> list[tuple[str, Any]] | None:
    """What the attributes of a new instance are; None when an argument is missing."""
    values = []
    for name, init, default, factory in slots:
        if name in given:
            values.append((name, given[name]))
        elif factory is not MISSING:
            values.append((name, factory()))
        elif init:
            if default is MISSING:
                return None
            values.append((name, default))
    return values


def _write_init(cls: type[Any], frozen: bool) -> Callable[..., None]:
    names: dict[str, Any] = {"_set": _set, "_missing": MISSING}
    parameters, given = ["self"], dict[str, str]()
    for field in fields(cls):
        name, value = field.name, field.name
        if field.default_factory is not MISSING:
            names[f"_new_{name}"] = field.default_factory
            value = f"_new_{name}()"
            if field.init:
                parameters.append(f"{name}=_missing")
                value += f" if {name} is _missing else {name}"
        elif not field.init:
            continue  # a default is the class's attribute
        elif field.default is not MISSING:
            names[f"_default_{name}"] = field.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        given[name] = value
    if frozen and cls.__dictoffset__:  # one call in place of one for each field
        whole = ", ".join(f"{name!r}: {value}" for name, value in given.items())
        body = [f" _set(self, '__dict__', {{{whole}}})"]
    elif frozen:  # a slot's own door takes half of what object's takes
        names |= {f"_set_{name}": getattr(cls, name).__set__ for name in given}
        body = [f" _set_{name}(self, {value})" for name, value in given.items()]
    else:
        body = [f" self.{name} = {value}" for name, value in given.items()]
    if hasattr(cls, "__post_init__"):
        body.append(" self.__post_init__()")
    text = "\n".join((f"def __init__({', '.join(parameters)}):", *(body or [" pass"])))
    exec(text, names)
    function: Callable[..., None] = names["__init__"]
    function.__qualname__ = f"{cls.__qualname__}.__init__"
    return function


@recursive_repr("...")
def _repr(self: Any) -> str:
    shown = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _values(cls: type[Any]) -> Values:
    """A function from an instance to the tuple of what is compared."""
    names = [field.name for field in fields(cls) if field.compare]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda self: tuple(getattr(self, name) for name in names)


def _eq(cls: type[Any]) -> Callable[[Any, object], bool]:
    values: Values | None = None

    def __eq__(self: Any, other: object) -> bool:
        nonlocal values
        if type(other) is not type(self):
            return NotImplemented
        if values is None:
            values = _values(cls)
        return values(self) == values(other)

    return __eq__


def _hash(cls: type[Any]) -> Callable[[Any], int]:
    values: Values | None = None

    def __hash__(self: Any) -> int:
        nonlocal values
        if values is None:
            values = _values(cls)
        return hash(values(self))

    return __hash__


def _has_field(cls: type[Any], name: str) -> bool:
    return any(field.name == name for field in fields(cls))


def _frozen(cls: type[Any]) -> tuple[Callable[..., None], Callable[..., None]]:
    """`__setattr__` and `__delattr__` that refuse the fields, and everything where no class was derived."""

    def __setattr__(self: Any, name: str, value: object) -> None:
        if type(self) is cls or _has_field(cls, name):
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is cls or _has_field(cls, name):
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return __setattr__, __delattr__
