"""Thread ids as packets write them: `TID`, `pPID.TID`; -1 is all, 0 is any."""

from __future__ import annotations

from dataclasses import dataclass

from toykernel.gdb.errors import RemoteError

ALL, ANY = -1, 0


@dataclass(frozen=True)
class ThreadId:
    """`tgid` is ANY when only a thread is named."""

    tgid: int
    pid: int

    def matches(self, tgid: int, pid: int) -> bool:
        """Whether a thread is meant."""
        return self.tgid in (ALL, ANY, tgid) and self.pid in (ALL, ANY, pid)


def parse_thread(text: str) -> ThreadId:
    """Raises RemoteError."""
    try:
        if not text.startswith("p"):
            return ThreadId(ANY, _number(text))
        tgid, _, pid = text[1:].partition(".")
        return ThreadId(_number(tgid), _number(pid) if pid else ALL)
    except ValueError:
        raise RemoteError from None


def _number(text: str) -> int:
    return ALL if text == "-1" else int(text, 16) & 0xFFFFFFFF
