"""ipc(2) and socketcall(2): which call they are, and its arguments."""

from __future__ import annotations

import struct
from dataclasses import replace

from toykernel.observe.decoding.call import Call

_IPC = {
    1: "semop", 2: "semget", 3: "semctl", 4: "semtimedop", 11: "msgsnd", 12: "msgrcv", 13: "msgget",
    14: "msgctl", 21: "shmat", 22: "shmdt", 23: "shmget", 24: "shmctl",
}  # fmt: skip
_SOCKETS = (
    ("", 0), ("socket", 3), ("bind", 3), ("connect", 3), ("listen", 2), ("accept", 3),
    ("getsockname", 3), ("getpeername", 3), ("socketpair", 4), ("send", 4), ("recv", 4),
    ("sendto", 6), ("recvfrom", 6), ("shutdown", 2), ("setsockopt", 5), ("getsockopt", 5),
    ("sendmsg", 3), ("recvmsg", 3), ("accept4", 4), ("recvmmsg", 5), ("sendmmsg", 4),
)  # fmt: skip


def resolve(c: Call) -> Call:
    """The call that is made through another one; itself when there is none."""
    if c.name == "ipc":
        number = c.words[0] & 0xFFFF
        if number in _IPC:
            saved = {**c.saved, "version": c.words[0] >> 16}
            words = [*c.words[1:], 0]
            return replace(c, name=_IPC[number], words=words, indirect=True, saved=saved)
    if c.name == "socketcall" and 0 < c.words[0] < len(_SOCKETS):
        name, count = _SOCKETS[c.words[0]]
        data = c.peek(c.words[1], 4 * count)
        if data is not None:
            words = [*struct.unpack(f"<{count}I", data), *[0] * (6 - count)]
            return replace(c, name=name, words=words)
    return c
