"""What strace writes between the parentheses of a call: its form, read, and the printers of the arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from toykernel.observe.decoding import (
    basic,
    files,
    ipc,
    names_files,
    names_memory,
    names_processes,
    names_signals,
    names_sockets,
    option_printers,
    perf,
    polls,
    processes,
    recent,
    signals,
    sockets,
    times,
)
from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.forms import FIXED, WITHOUT
from toykernel.observe.decoding.names import Names
from toykernel.observe.decoding.options import FORMS

_NAME_TABLES = (names_files, names_memory, names_processes, names_signals, names_sockets)


def _flags(names: Names) -> Printer:
    return lambda c, i: names.flags(c.words[i])


def _one(names: Names) -> Printer:
    return lambda c, i: names.one(c.words[i])


#: By name: one for each flag word and each choice, and those that modules define.
PRINTERS: Mapping[str, Printer] = {
    **{key: _flags(names) for table in _NAME_TABLES for key, names in table.FLAGS.items()},
    **{key: _one(names) for table in _NAME_TABLES for key, names in table.VALUES.items()},
    **basic.PRINTERS,
    **files.PRINTERS,
    **signals.PRINTERS,
    **times.PRINTERS,
    **processes.PRINTERS,
    **ipc.PRINTERS,
    **sockets.PRINTERS,
    **polls.PRINTERS,
    **option_printers.PRINTERS,
    **perf.PRINTERS,
    **recent.PRINTERS,
}

_ITEM = re.compile(r"([>+]?)(\w+)(?:@(\d))?$")


@dataclass(frozen=True)
class Item:
    """One argument: how it is written, its place; whether at the end, and with its comma."""

    show: Printer
    index: int
    at_end: bool
    comma_at_end: bool


@lru_cache(maxsize=1024)
def parse(form: str) -> tuple[Item, ...]:
    """A form's items. Raises KeyError for a printer that is none."""
    items = []
    at, end = 0, False
    for word in form.split():
        found = _ITEM.match(word)
        if found is None:
            raise ValueError(f"no argument: {word}")
        mark, name, place = found.groups()
        at = int(place) if place else at
        end = end or bool(mark)
        items.append(Item(PRINTERS[name], at, end, mark == "+"))
        at += 1
    return tuple(items)


def items(c: Call) -> tuple[Item, ...]:
    """What is written of a call between its parentheses."""
    form: Callable[[Call], str] | None = FORMS.get(c.name)
    return parse(form(c) if form is not None else FIXED.get(c.name, ""))


def known(name: str) -> bool:
    """Whether this is a call that strace has a form for."""
    return name in FIXED or name in FORMS or name in WITHOUT


#: What must be kept of memory at the entry, for calls that need it once more at their end.
_PREPARE: Mapping[str, Callable[[Call], object]] = {
    **dict.fromkeys(
        ("accept", "accept4", "getsockname", "getpeername"),
        lambda c: sockets.save_length(c, c.words[1], c.words[2]),
    ),
    "getsockopt": lambda c: sockets.save_length(c, c.words[4], c.words[4]),
    "recvfrom": lambda c: sockets.save_length(c, c.words[4], c.words[5]),
    **dict.fromkeys(("recvmmsg", "recvmmsg_time64"), sockets.save_rooms),
    "recvmsg": lambda c: PRINTERS["message_out"](c, 1),
    "get_thread_area": lambda c: PRINTERS["thread_area"](c, 0),
    "name_to_handle_at": lambda c: PRINTERS["handle"](c, 2),
    "io_uring_setup": lambda c: PRINTERS["uring_params"](c, 1),
    "perf_event_open": lambda c: PRINTERS["perf_attr"](c, 0),
    "semctl": lambda c: PRINTERS["sem_control"](c, 3),
}


def prepare(c: Call) -> None:
    """At the entry: keep what the end of the call needs."""
    if c.name in _PREPARE:
        _PREPARE[c.name](c)


#: Calls that tell all arguments at the entry, and at their end what they have found.
_FOUND_AT_END = frozenset(
    ("poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64")
)


def complete(c: Call, printed: int) -> bool:
    """Whether nothing is left for the end of a call of which so many arguments are written."""
    return c.name not in _FOUND_AT_END and (not known(c.name) or printed >= len(items(c)))
