"""The kernel's records, kept where they are: what each held at a moment, and what has changed since.

Going back writes the old contents into the same objects, those only that hold something else, so neither a
step nor the way back costs more than a comparison of references with what they were. What lies in RAM and in
the CPU is the machine's own (emu.snapshot).
"""

from __future__ import annotations

import types
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from itertools import compress, count
from operator import attrgetter, is_not
from typing import Any

from toykernel.explore.differing import Watched, fastest
from toykernel.history.errors import HistoryError
from toykernel.host import HOST_TYPES
from toykernel.state import Kernel

#: Types whose values never change and lead to nothing.
IMMUTABLE = frozenset((
    *(int, str, bytes, bool, float, type(None), type),
    *(types.FunctionType, types.BuiltinFunctionType),
))  # fmt: skip
#: And types of values that are left where they are.
_CONSTANT = (Enum, *HOST_TYPES)
#: Of bytes that have changed, pieces of this size are shared with what they were.
_PIECE = 2048


@dataclass(slots=True, eq=False)
class Held:
    """What one object held: the values of its attributes, its items, or its bytes. It never changes.

    `of`: the object. `names`: the attributes, or the keys of a dictionary. `code` and `refs` are the
    Observer's.
    """

    of: Any
    held: tuple[Any, ...]
    names: tuple[Any, ...] = ()
    code: bytes | None = None
    refs: tuple[int, ...] = ()


#: All records at one moment.
Moment = tuple[Held, ...]


@dataclass(eq=False)
class Records:
    """Everything that can be reached from a kernel, but for what is the host's."""

    k: Kernel
    objects: list[Any] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    #: By the identity of an object, its place in the lists.
    index: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Of each object: what of it is compared with what was there; what is in bytes is compared apart.
        self._watched: list[Watched] = []
        self._values: list[tuple[Any, ...]] = []
        self._keys: list[tuple[Any, ...]] = []
        self._raw: list[int] = []
        self._differing = fastest()
        self._names: dict[type, tuple[str, ...]] = {}
        self._live = 0
        self._find((self.k,))

    # -- what has changed --------------------------------------------------------------------------

    def sync(self) -> None:
        """Note what every object holds now. Raises HistoryError for what cannot be kept."""
        changed = self._differing(self._watched, self._values, self._keys)
        changed += [at for at in self._raw if not _same(self.objects[at], self.held[at])]
        index, watched, values, keys = self.index, self._watched, self._values, self._keys
        for at in changed:
            value, old, entries = self.objects[at], values[at], watched[at]
            if type(entries) is dict and entries is not value and tuple(entries) == keys[at]:
                held = Held(value, tuple(entries.values()), keys[at])  # as nearly all are
            else:
                held = self._hold(value)
            self.held[at] = held
            now = values[at] = held.held
            new = compress(now, map(is_not, now, old)) if len(now) == len(old) else now
            for one in new:
                if type(one) not in IMMUTABLE and id(one) not in index:
                    self._find((one,))
            if held.names is not keys[at]:
                keys[at] = held.names
                self._find(held.names)

    def _find(self, values: Iterable[Any]) -> None:
        """Track what these lead to."""
        todo = [values]
        while todo:
            for value in todo.pop():
                kind = type(value)
                if kind in IMMUTABLE or id(value) in self.index:
                    continue
                if kind is tuple or kind is frozenset:
                    todo.append(value)
                elif not isinstance(value, _CONSTANT):
                    held = self._track(value)
                    todo.append(held.held)
                    if isinstance(value, dict):
                        todo.append(held.names)

    def _track(self, value: Any) -> Held:
        held = self._hold(value)
        self._append(value, held)
        return held

    def _append(self, value: Any, held: Held) -> None:
        self.index[id(value)] = len(self.objects)
        watched: Watched = None
        if isinstance(value, dict | list):
            watched = value
        elif isinstance(value, bytearray | array | set | Kernel):
            self._raw.append(len(self.objects))
        else:
            watched = vars(value)
        self.objects.append(value)
        self.held.append(held)
        self._watched.append(watched)
        self._values.append(held.held)
        self._keys.append(held.names)

    def _hold(self, value: Any) -> Held:
        kind = type(value)
        if kind is list:
            return Held(value, tuple(value))
        if isinstance(value, dict):
            return Held(value, tuple(dict.values(value)), tuple(dict.keys(value)))
        if kind is set:
            return Held(value, (frozenset(value),))
        if kind is bytearray or kind is array:
            return Held(value, self._pieces(value))
        if kind is Kernel:
            return Held(value, _of_kernel(value), value.__slots__)
        try:
            attributes = vars(value)
        except TypeError:
            raise HistoryError(f"the kernel's data holds a {kind.__name__}") from None
        names = self._names.setdefault(kind, tuple(attributes))
        if tuple(attributes) != names:
            names = tuple(attributes)
        return Held(value, tuple(attributes.values()), names)

    def _pieces(self, value: bytearray | array[int]) -> tuple[bytes, ...]:
        data = bytes(value)
        pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
        place = self.index.get(id(value))
        if place is not None:
            old = self.held[place].held
            for number, (piece, was) in enumerate(zip(pieces, old, strict=False)):
                if piece == was:
                    pieces[number] = was
        return tuple(pieces)

    # -- moments -----------------------------------------------------------------------------------

    def take(self) -> Moment:
        """What `sync` has seen last."""
        if len(self.objects) > self._live * 2 + 64:
            self._forget_dead()
        return tuple(self.held)

    def put_back(self, moment: Moment) -> None:
        """Make every object what it was. `sync` must have seen what they hold now."""
        objects, watched, values, keys = self.objects, self._watched, self._values, self._keys
        then = [held.of for held in moment]
        different = compress(count(), map(is_not, then, objects))
        fork = next(different, min(len(objects), len(then)))
        self._forget(fork)
        for at in list(compress(count(), map(is_not, moment, self.held))):
            held = self.held[at] = moment[at]
            entries = watched[at]
            if keys[at] is held.names and type(entries) is dict and entries is not objects[at]:
                entries.update(zip(held.names, held.held, strict=True))
            else:
                _write(objects[at], held)
                keys[at] = held.names
            values[at] = held.held
        for held in moment[fork:]:
            _write(held.of, held)
            self._append(held.of, held)

    def _forget(self, place: int) -> None:
        """Track those no more that came at this place or later."""
        if place == len(self.objects):
            return
        for value in self.objects[place:]:
            del self.index[id(value)]
        self._raw = [at for at in self._raw if at < place]
        for row in (self.objects, self.held, self._watched, self._values, self._keys):
            del row[place:]

    def _forget_dead(self) -> None:
        """What nothing leads to any more."""
        known = {id(held.of): held for held in self.held}
        self._forget(0)
        self._find((self.k,))
        for at, value in enumerate(self.objects):
            self.held[at] = known[id(value)]
        self._values = [held.held for held in self.held]
        self._keys = [held.names for held in self.held]
        self._live = len(self.objects)


#: The Kernel has slots in place of a dictionary.
_of_kernel = attrgetter(*Kernel.__slots__)


def _same(value: Any, held: Held) -> bool:
    if isinstance(value, set):
        return bool(value == held.held[0])
    if isinstance(value, Kernel):
        return not any(map(is_not, _of_kernel(value), held.held))
    return bytes(value) == b"".join(held.held)


def _write(value: Any, held: Held) -> None:
    if isinstance(value, list):
        value[:] = held.held
    elif isinstance(value, dict):
        value.clear()
        value.update(zip(held.names, held.held, strict=True))
    elif isinstance(value, set):
        value.clear()
        value.update(held.held[0])
    elif isinstance(value, bytearray):
        value[:] = b"".join(held.held)
    elif isinstance(value, array):
        value[:] = array(value.typecode, b"".join(held.held))
    elif isinstance(value, Kernel):
        for name, one in zip(held.names, held.held, strict=True):
            setattr(value, name, one)
    else:
        attributes = vars(value)
        if tuple(attributes) != held.names:
            attributes.clear()
        attributes.update(zip(held.names, held.held, strict=True))
