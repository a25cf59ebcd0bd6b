"""Why the guest stands still, and how that is told (gdb manual, appendix E.3, Stop Reply Packets)."""

from __future__ import annotations

from dataclasses import dataclass

from toykernel.gdb.signals import to_gdb
from toykernel.kernel.siginfo import SIGTRAP


@dataclass(frozen=True)
class Stop:
    """`detail` is a pair of T's, as `swbreak:`. `signal` is Linux's. An exit has `code`, a wait status."""

    pid: int
    tgid: int
    signal: int = SIGTRAP
    detail: str = ""
    code: int | None = None
    thread_only: bool = False
    feature: str = ""  # which the client must have announced for `detail`
    registers: str = ""  # pairs of T's: those that the client is to have anew

    def reply(self, multiprocess: bool, features: frozenset[str]) -> bytes:
        """The packet's payload."""
        if self.code is not None:
            return self._exit(multiprocess).encode()
        thread = f"p{self.tgid:x}.{self.pid:x}" if multiprocess else f"{self.pid:x}"
        detail = self.detail if not self.feature or self.feature in features else ""
        return f"T{to_gdb(self.signal):02x}{detail}{self.registers}thread:{thread};core:0;".encode()

    def _exit(self, multiprocess: bool) -> str:
        assert self.code is not None
        if self.thread_only:
            return f"w{self.code >> 8 & 0xFF:02x};p{self.tgid:x}.{self.pid:x}"
        sig = self.code & 0x7F
        text = f"X{to_gdb(sig):02x}" if sig else f"W{self.code >> 8 & 0xFF:02x}"
        return text + (f";process:{self.tgid:x}" if multiprocess else "")
