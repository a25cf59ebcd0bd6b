"""How strace writes poll and select: what is asked, and behind the result what was found."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.names_files import FLAGS
from toykernel.observe.decoding.text import ARRAY_LIMIT, address
from toykernel.observe.decoding.times import time_at, timespec_text, timeval_text

_MOST_FDS = 1 << 20
_TEXT = 1024  # strace's room for what stands behind a result, and what it keeps for its end
_POLL_REST, _SELECT_REST = 27, 25


def _pollfd(data: bytes) -> str:
    fd, events, _ = struct.unpack("<iHH", data)
    shown = "" if fd < 0 else f", events={FLAGS['pollflags'].flags(events)}"
    return f"{{fd={fd}{shown}}}"


def poll_found(c: Call, timeout: str | None) -> str | None:
    """Which descriptors have events, and what is left of the time; None for nothing to tell."""
    if not c.value:
        return "Timeout"
    start, count = c.words[0], c.words[1]
    if not start or not count:
        return None
    text, printed = "", 0
    for index in range(count):
        data = c.peek(start + 8 * index, 8)
        if data is None:
            text += f"{', ' if text else '['}{start + 8 * index:#x}"
            break
        fd, _, events = struct.unpack("<iHH", data)
        if not events:
            continue
        text += ", " if text else "["
        shown = f"{{fd={fd}, revents={FLAGS['pollflags'].flags(events)}"
        if printed >= ARRAY_LIMIT or len(text) + len(shown) + 1 >= _TEXT - _POLL_REST:
            text += "..."
            break
        text += shown + "}"
        printed += 1
    text += "]" if text else ""
    if timeout is not None:
        fits = len(text) + len(", left ") + 1 + len(timeout) < _TEXT
        text += f"{', ' if text else ''}left {timeout}" if fits else ", ..."
    return text or None


def _fds(c: Call, words: Sequence[int]) -> tuple[int, int]:
    """How many descriptors are looked at, and how many bytes their sets have."""
    number = words[0] if not words[0] >> 31 else 0
    number = min(number, _MOST_FDS)
    return number, (-(-number // 8) + 3) & ~3


def _members(data: bytes, number: int) -> list[int]:
    found = (
        8 * at + bit for at, byte in enumerate(data) if byte for bit in range(8) if byte >> bit & 1
    )
    return [fd for fd in found if fd < number]


def select_set(c: Call, where: int, words: Sequence[int]) -> str:
    """A set of descriptors that is asked for."""
    number, size = _fds(c, words)
    data = c.fetch(where, size) if size else None
    return address(where) if data is None else f"[{' '.join(map(str, _members(data, number)))}]"


def select_found(c: Call, words: Sequence[int], timeout: str | None) -> str:
    """The sets as they were answered, and what is left of the time."""
    if not c.value:
        return "Timeout"
    number, size = _fds(c, words)
    left, text = c.value, ""
    for name, where in zip(("in", "out", "except"), words[1:4], strict=True):
        if left <= 0:
            break
        data = c.peek(where, size) if where else None
        if data is None:
            continue
        first = True
        for fd in _members(data, number):
            if len(text) < _TEXT - _SELECT_REST:
                text += f"{', ' if text else ''}{name} [{fd}" if first else f" {fd}"
                first = False
            left -= 1
            if not left:
                break
        text += "]" if text else ""  # for a set without members behind one with some, too
    if timeout is not None:
        text += f"{', ' if text else ''}left {timeout}"
    return text


def old_select_words(c: Call) -> list[int] | None:
    """The five arguments of the old select, which stand in memory."""
    found = c.peek(c.words[0], 20)
    return None if found is None else list(struct.unpack("<5I", found))


def _old_select(c: Call, _i: int) -> str:
    words = old_select_words(c)
    if words is None:
        return address(c.words[0])
    number = words[0] - (1 << 32) if words[0] >> 31 else words[0]
    sets = [select_set(c, where, words) for where in words[1:4]]
    return ", ".join([str(number), *sets, time_at(c, words[4], 8, timeval_text)])


def timeout_text(c: Call, where: int, size: int, show: Callable[[bytes], str]) -> str | None:
    """What is left of a timeout; None when there is none."""
    return time_at(c, where, size, show) if where else None


def found_text(c: Call) -> str | None:
    """What stands in parentheses behind the result of a call that has looked at descriptors."""
    if c.failed or c.result is None:
        return None
    if c.name == "poll":
        return poll_found(c, None)
    if c.name in ("ppoll", "ppoll_time64"):
        size = 16 if c.name == "ppoll_time64" else 8
        return poll_found(c, timeout_text(c, c.words[2], size, timespec_text))
    if c.name == "select":
        words = old_select_words(c)
        if words is None:
            return None
        return select_found(c, words, timeout_text(c, words[4], 8, timeval_text))
    if c.name == "_newselect":
        return select_found(c, c.words, timeout_text(c, c.words[4], 8, timeval_text))
    if c.name in ("pselect6", "pselect6_time64"):
        size = 16 if c.name == "pselect6_time64" else 8
        return select_found(c, c.words, timeout_text(c, c.words[4], size, timespec_text))
    return None


PRINTERS: Mapping[str, Printer] = {
    "pollfds": lambda c, i: c.array(c.words[i], c.words[i + 1], 8, _pollfd),
    "fd_set": lambda c, i: select_set(c, c.words[i], c.words),
    "old_select": _old_select,
}
