"""qXfer:libraries-svr4: what the interpreter of a dynamic program has loaded, from its own list.

The list is struct r_debug of the ABI, which DT_DEBUG of the program's dynamic section leads to (link.h).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from toykernel.fs.binfmt_elf import AT_PHDR, AT_PHNUM
from toykernel.look.auxv import auxv
from toykernel.look.filled import read_memory

if TYPE_CHECKING:
    from toykernel.look.task import TaskView

_PROGRAM_HEADER = struct.Struct("<8I")
_PT_DYNAMIC, _PT_PHDR = 2, 6
_DT_NULL, _DT_DEBUG = 0, 21
_MOST, _LONGEST_NAME = 1024, 4096  # a list that the guest has broken has an end, too


def libraries_xml(view: TaskView) -> str:
    """The document of the protocol; without entries while there is no list, and for a static program."""
    first, rows = 0, []
    for at, base, name_at, dynamic in _link_map(view):
        if not first:  # the program itself
            first = at
            continue
        name = _string(view, name_at)
        if name:
            rows.append(
                f'<library name={quoteattr(name)} lm="{at:#x}" l_addr="{base:#x}" l_ld="{dynamic:#x}"/>'
            )
    main = f' main-lm="{first:#x}"' if first else ""
    return f'<library-list-svr4 version="1.0"{main}>{"".join(rows)}</library-list-svr4>'


def _link_map(view: TaskView) -> Iterator[tuple[int, int, int, int]]:
    """struct link_map by address: l_addr, l_name and l_ld of each."""
    version, at = _words(view, _debug(view), 2) or (0, 0)
    seen = 0
    while version and at and seen < _MOST:
        words = _words(view, at, 4)
        if words is None:
            return
        base, name, dynamic, following = words
        yield at, base, name, dynamic
        at, seen = following, seen + 1


def _debug(view: TaskView) -> int:
    """Address of r_debug, which the interpreter writes into the program's dynamic section; 0 before."""
    pairs = dict(struct.iter_unpack("<II", auxv(view)[: len(auxv(view)) // 8 * 8]))
    table, count = pairs.get(AT_PHDR, 0), pairs.get(AT_PHNUM, 0)
    data = read_memory(view, table, count * _PROGRAM_HEADER.size)
    headers = list(_PROGRAM_HEADER.iter_unpack(data[: len(data) // 32 * 32]))
    bias = next((table - vaddr for kind, _, vaddr, *_ in headers if kind == _PT_PHDR), 0)
    at = next((vaddr + bias for kind, _, vaddr, *_ in headers if kind == _PT_DYNAMIC), 0)
    for entry in range(_MOST if at else 0):
        tag, value = _words(view, (at + 8 * entry) & 0xFFFFFFFF, 2) or (_DT_NULL, 0)
        if tag == _DT_DEBUG:
            return value
        if tag == _DT_NULL:
            break
    return 0


def _words(view: TaskView, address: int, count: int) -> tuple[int, ...] | None:
    if not address:
        return None
    data = read_memory(view, address, 4 * count)
    return struct.unpack(f"<{count}I", data) if len(data) == 4 * count else None


def _string(view: TaskView, address: int) -> str:
    data = read_memory(view, address, _LONGEST_NAME) if address else b""
    return data.partition(b"\0")[0].decode(errors="replace")
