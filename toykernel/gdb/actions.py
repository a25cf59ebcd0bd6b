"""Arguments of packets that run and stop the guest: an action of vCont, a point of Z and z."""

from __future__ import annotations

from toykernel.gdb.agent import Condition, parse_conditions
from toykernel.gdb.errors import RemoteError
from toykernel.gdb.points import ACCESS, HARDWARE, LONGEST_WATCH, SOFTWARE
from toykernel.gdb.signals import from_gdb
from toykernel.gdb.threads import ALL, ThreadId, parse_thread


def parse_point(rest: bytes) -> tuple[int, int, int, tuple[Condition, ...]] | None:
    """Type, address, kind and conditions; None for a type that there is not. Raises RemoteError."""
    head, _, tail = rest.partition(b";")
    word, address_text, kind_text = head.split(b",")
    if not word.isdigit() or not SOFTWARE <= int(word) <= ACCESS:
        return None
    if b"cmds:" in tail:
        raise RemoteError  # BreakpointCommands is not announced
    type_, address, kind = int(word), int(address_text, 16), int(kind_text, 16)
    conditions = parse_conditions(tail)
    if address >> 32 or address + kind > 1 << 32:
        raise RemoteError
    if type_ in (SOFTWARE, HARDWARE):
        if kind != 1:
            raise RemoteError  # i386 has breakpoints of one byte
    elif conditions or not 0 < kind <= LONGEST_WATCH:
        raise RemoteError
    return type_, address, kind, conditions


def parse_action(text: bytes) -> tuple[str, int, tuple[int, int], ThreadId]:
    """Kind, signal, range and thread of one of vCont's. Raises RemoteError."""
    head, _, thread = text.decode().partition(":")
    ident = parse_thread(thread) if thread else ThreadId(ALL, ALL)
    kind, rest = head[:1], head[1:]
    if kind == "r":
        start, end = (int(word, 16) for word in rest.split(","))
        return kind, 0, (start, end), ident
    if kind in ("C", "S"):
        return kind, from_gdb(int(rest, 16)), (0, 0), ident
    if kind not in ("c", "s", "t") or rest:
        raise RemoteError
    return kind, 0, (0, 0), ident
