"""Data of the guest's world as JSON and back, without running anything that the text names.

Reading makes objects of the project's own data classes without calling them, and looks functions of the
kernel and its operation tables up by name. Whatever shadows a method, is no plain attribute or is no such
class is refused.

A value is a JSON scalar or text, or a list that starts with a tag: `b` bytes, `t` tuple, `z` frozenset,
`f` function, `p` operation table, `e` member of an enumeration, `r` reference to a node. Nodes are what has
an identity: containers that can change, and objects.
"""

from __future__ import annotations

import sys
import types
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from typing import Any

from sortedcontainers import SortedDict

from toykernel.collector import Collector
from toykernel.fs.operations import Operations
from toykernel.history.errors import HistoryError
from toykernel.host import HOST_TYPES
from toykernel.syscall_table import load_modules

_DATA = ("toykernel.", "emu.")
#: Whose functions may be in the kernel's data: callbacks of timers and wait queues.
_FUNCTIONS = (
    *(f"toykernel.{part}." for part in ("arch", "fs", "ipc", "kernel", "mm", "net", "tty")),
    "toykernel.gate",
)


class _Encoder:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._waiting: list[tuple[int, Any]] = []
        self._alive: list[Any] = []  # an identity is good only while its object lives

    def value(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            return value
        if kind is bytes:
            return ["b", value.decode("latin-1")]
        if kind is tuple:
            return ["t", *map(self.value, value)]
        if kind is frozenset:
            return ["z", *map(self.value, sorted(value))]
        if isinstance(value, Enum):
            return ["e", _class_name(kind), value.value]
        if kind is types.FunctionType:
            return ["f", f"{value.__module__}:{value.__qualname__}"]
        if isinstance(value, Operations):
            return ["p", value.name]
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self.nodes)
            self.nodes.append(None)
            self._waiting.append((number, value))
            self._alive.append(value)
        return ["r", number]

    def drain(self) -> None:
        while self._waiting:
            number, value = self._waiting.pop()
            self.nodes[number] = self._node(value)

    def _node(self, value: Any) -> list[Any]:
        kind = type(value)
        if kind is list:
            return ["list", *map(self.value, value)]
        if kind in (dict, SortedDict):
            return [kind.__name__, *([self.value(k), self.value(v)] for k, v in value.items())]
        if kind is set:
            return ["set", *map(self.value, sorted(value))]
        if kind is bytearray:
            return ["bytearray", value.decode("latin-1")]
        if kind is array:
            return ["array", value.typecode, *value]
        if kind is deque:
            return ["deque", value.maxlen, *map(self.value, value)]
        _data_class(_class_name(kind))
        return ["object", _class_name(kind), {n: self.value(v) for n, v in _attributes(value)}]


def encode(value: Any) -> dict[str, Any]:
    """What `decode` reads. Raises HistoryError for an object that is no data."""
    encoder = _Encoder()
    root = encoder.value(value)
    encoder.drain()
    return {"root": root, "nodes": encoder.nodes}


class _Decoder:
    def __init__(self, nodes: list[Any]) -> None:
        self._nodes = nodes
        self._made = [self._blank(node) for node in nodes]

    @staticmethod
    def _blank(node: list[Any]) -> Any:
        match node[0]:
            case "object":
                cls = _data_class(node[1])
                return object.__new__(cls)
            case "array":
                return array(node[1], node[2:])
            case "bytearray":
                return bytearray(node[1].encode("latin-1"))
            case "deque":
                return deque(maxlen=node[1])
            case "list" | "dict" | "SortedDict" | "set" as name:
                makers: dict[str, Callable[[], Any]] = {
                    "list": list,
                    "dict": dict,
                    "SortedDict": SortedDict,
                    "set": set,
                }
                return makers[name]()
            case _:
                raise HistoryError(f"there is no node of the kind {node[0]}")

    def fill(self) -> None:
        # Objects first: one of them may be a key, and its hash is of what is in it.
        for node, made in zip(self._nodes, self._made, strict=True):
            if node[0] == "object":
                _refuse_gaps(type(made), node[2])
                for name, value in node[2].items():
                    _set_attribute(made, name, self.value(value))
        for node, made in zip(self._nodes, self._made, strict=True):
            match node[0]:
                case "list":
                    made.extend(map(self.value, node[1:]))
                case "deque":
                    made.extend(map(self.value, node[2:]))
                case "dict" | "SortedDict":
                    made.update((self.value(k), self.value(v)) for k, v in node[1:])
                case "set":
                    made.update(map(self.value, node[1:]))

    def value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        tag, *rest = value
        match tag:
            case "r":
                return self._made[rest[0]]
            case "b":
                return rest[0].encode("latin-1")
            case "t":
                return tuple(map(self.value, rest))
            case "z":
                return frozenset(map(self.value, rest))
            case "e":
                return _enumeration(rest[0])(rest[1])
            case "f":
                return _function(rest[0])
            case "p":
                return _operations(rest[0])
            case _:
                raise HistoryError(f"there is no value of the kind {tag}")


def decode(document: dict[str, Any]) -> Any:
    """What was encoded, as new objects. Raises HistoryError for a document that `encode` did not make."""
    load_modules()  # what may be named in it: a document itself has nothing loaded
    try:
        decoder = _Decoder(document["nodes"])
        decoder.fill()
        return decoder.value(document["root"])
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise HistoryError(f"{type(error).__name__}: {error}") from None


def _class_name(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _module(name: str) -> dict[str, Any]:
    """What a module defines. One of the kernel's is loaded when it is named: that does nothing but define."""
    if name not in sys.modules and name.startswith(_FUNCTIONS):
        try:
            import_module(name)
        except ImportError:
            return {}
    return vars(sys.modules[name]) if name in sys.modules else {}


def _named(name: str, prefixes: Iterable[str]) -> Any:
    """Something that a module of this program defines at its top."""
    module, _, own = name.partition(":")
    known = _module(module)
    found = known.get(own) if module.startswith(tuple(prefixes)) else None
    if getattr(found, "__module__", None) != module:
        raise HistoryError(f"{name} is no data of this program")
    return found


def _data_class(name: str) -> type:
    found = _named(name, _DATA)
    refused = (*HOST_TYPES, Collector, BaseException, Enum)
    if not isinstance(found, type) or issubclass(found, refused):
        raise HistoryError(f"{name} is no data of this program")
    return found


def _enumeration(name: str) -> Callable[[Any], Any]:
    found = _named(name, _DATA)
    if not (isinstance(found, type) and issubclass(found, Enum)):
        raise HistoryError(f"{name} is no enumeration of this program")
    return found


def _function(name: str) -> Any:
    found = _named(name, _FUNCTIONS)
    if not isinstance(found, types.FunctionType):
        raise HistoryError(f"{name} is no function of the kernel")
    return found


def _operations(name: str) -> Operations:
    module, _, own = name.partition(":")
    found = _module(module).get(own) if module.startswith(_FUNCTIONS) else None
    if not isinstance(found, Operations):
        raise HistoryError(f"{name} is no operation table of the kernel")
    return found


def _attributes(value: Any) -> list[tuple[str, Any]]:
    slots = [name for cls in type(value).__mro__ for name in vars(cls).get("__slots__", ())]
    own = [(name, getattr(value, name)) for name in slots if hasattr(value, name)]
    return [*own, *getattr(value, "__dict__", {}).items()]


def _refuse_gaps(cls: type, values: Mapping[str, Any]) -> None:
    """A record of a version that did not have all of today's fields would fail only when they are used."""
    if is_dataclass(cls):
        for field in fields(cls):
            if field.init and field.name not in values:
                raise HistoryError(f"a {cls.__name__} without {field.name} is of another version")


def _set_attribute(made: Any, name: str, value: Any) -> None:
    """Into a slot, or the dictionary; never over what the class defines as behaviour."""
    defined = [vars(cls)[name] for cls in type(made).__mro__ if name in vars(cls)]
    if name.startswith("__") or any(callable(one) or isinstance(one, property) for one in defined):
        raise HistoryError(f"{name} is no data of a {type(made).__name__}")
    if defined and isinstance(defined[0], types.MemberDescriptorType):
        defined[0].__set__(made, value)
    else:
        vars(made)[name] = value
