"""One number for everything a machine with its kernel is: equal states have equal hashes.

Hashed are RAM, the CPU's registers, the clock, the devices and all of the kernel's data that can be
reached from the Kernel object. Left out is what is the host's, which its type tells: see host.py. Objects
are named by the order in which they are reached, so neither addresses of the host nor identities come in.
"""

from __future__ import annotations

import hashlib
import types
from array import array
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from emu.engine_quirks import FIELD_NAMES
from emu.ram import PAGE_SHIFT, PAGE_SIZE, Ram
from toykernel.fs.operations import Operations
from toykernel.host import HOST_TYPES

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: Left by the last trap or by the engine itself; no instruction of the guest can see them.
_ENGINE_ONLY = frozenset(("error_code", "is_int", "hflags", "old_exception"))
_BLANK = bytes(PAGE_SIZE)


def state_hash(k: Kernel) -> str:
    """SHA-256 of the whole state, in hexadecimal."""
    digest = hashlib.sha256()
    for name, part in state_parts(k):
        digest.update(name.encode() + b"\0" + part.encode() + b"\n")
    return digest.hexdigest()


def state_parts(k: Kernel) -> Iterator[tuple[str, str]]:
    """(name, value) of each part: what differs, when two hashes do."""
    machine = k.machine
    yield "ram", _ram_hash(machine.ram)
    cpu = machine.cpu
    for name, value in zip(FIELD_NAMES, cpu.regs, strict=True):
        if name not in _ENGINE_ONLY:
            yield f"cpu.{name}", str(value)
    yield "cpu.cpl", str(cpu.cpl)
    yield "cpu.fpu", cpu.fpu_state().hex()
    clock = machine.clock
    if clock.counts_cycles:
        yield "timing", f"{sorted(clock.save_state().items())}"
    yield "clock", f"{clock.instructions} {clock.cycles} {sorted(clock.save().items())}"
    yield "halted", str(machine.halted)
    for device in machine.devices:
        yield f"device.{device.name}", repr(sorted(device.save().items()))
    walk = _Walk()
    for name, value in sorted(guest_data(k).items()):
        yield f"kernel.{name}", walk.dump(value)


def guest_data(k: Kernel) -> dict[str, Any]:
    """The Kernel's attributes that are data of the guest's world: what a snapshot has to hold."""
    values = {name: getattr(k, name) for name in k.__slots__ if hasattr(k, name)}
    return {name: value for name, value in values.items() if not isinstance(value, HOST_TYPES)}


def _ram_hash(ram: Ram) -> str:
    digest = hashlib.sha256(ram.size.to_bytes(8, "little"))
    chunk = PAGE_SIZE * 64
    blank = bytes(chunk)
    for start in range(0, ram.size, chunk):
        data = ram.read(start, min(chunk, ram.size - start))
        if data == blank:
            continue
        for at in range(0, len(data), PAGE_SIZE):
            page = data[at : at + PAGE_SIZE]
            if page != _BLANK:
                digest.update(((start + at) >> PAGE_SHIFT).to_bytes(4, "little") + page)
    return digest.hexdigest()


class _Walk:
    """Writes data down as text; an object met again is written as a reference to the first time."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._alive: list[object] = []  # an identity is good only while its object lives

    def dump(self, value: Any) -> str:
        """Everything that can be reached from a value. Raises TypeError for what it cannot judge."""
        out: list[str] = []
        self._value(value, out.append)
        return "".join(out)

    def _value(self, value: Any, put: Callable[[str], None]) -> None:
        if value is None or isinstance(value, bool | int | float | str | bytes | Enum):
            put(repr(value))
        elif isinstance(value, bytearray | array):
            put(hashlib.sha256(bytes(value)).hexdigest())
        elif isinstance(value, tuple):
            self._items(value, put)
        elif isinstance(value, frozenset | set):
            put(repr(sorted(value)))
        elif isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
            put(f"<{value.__module__}.{value.__qualname__}>")
        elif isinstance(value, Operations):
            put(f"<{value.name}>")  # a constant, whether it is loaded or stands for what is not
        elif isinstance(value, HOST_TYPES):
            raise TypeError(f"the guest's data holds a {type(value).__name__}, which is the host's")
        else:
            self._object(value, put)

    def _items(self, values: Any, put: Callable[[str], None]) -> None:
        put("(")
        for item in values:
            self._value(item, put)
            put(",")
        put(")")

    def _object(self, value: Any, put: Callable[[str], None]) -> None:
        number = self._seen.get(id(value))
        if number is not None:
            put(f"#{number}")
            return
        number = self._seen[id(value)] = len(self._seen)
        self._alive.append(value)
        put(f"{type(value).__name__}#{number}")
        if isinstance(value, list):
            self._items(value, put)
        elif isinstance(value, Mapping):
            self._items(value.items(), put)  # in its own order: a run queue is a dictionary
        else:
            self._items(sorted(_attributes(value).items()), put)


def _attributes(value: Any) -> dict[str, Any]:
    if hasattr(value, "__dict__"):
        return dict(vars(value))
    slots = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())]
    if not slots:
        raise TypeError(f"the state holds a {type(value).__name__}, which cannot be hashed")
    return {name: getattr(value, name) for name in slots if hasattr(value, name)}
