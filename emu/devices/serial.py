"""The serial console: the data, status and interrupt registers of a 16450 that a console needs.

Port 0x3F8: write sends a byte, read takes one that has arrived (0 when none). Port 0x3FD: line
status, bit 0 a byte has arrived, bits 5 and 6 the transmitter is empty (always).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

DATA, STATUS = 0x3F8, 0x3FD
_RECEIVED, _EMPTY = 0x01, 0x60


class SerialConsole:
    """Bytes out go to `sink`; bytes in are queued by `receive`."""

    name = "serial"
    ports = (DATA, STATUS)

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self._sink = sink
        self._input = b""

    def receive(self, data: bytes) -> None:
        """Bytes from the other end of the line."""
        self._input += data

    def send(self, data: bytes) -> None:
        """Many bytes at once, as a driver in the kernel sends them."""
        self._sink(data)

    def read(self, port: int, size: int) -> int:
        if port == STATUS:
            return _EMPTY | (_RECEIVED if self._input else 0)
        if not self._input:
            return 0
        byte, self._input = self._input[0], self._input[1:]
        return byte

    def write(self, port: int, size: int, value: int) -> None:
        if port == DATA:
            self._sink(bytes((value & 0xFF,)))

    def deadline(self) -> int | None:
        return None

    def tick(self, now: int) -> None:
        return

    def save(self) -> dict[str, Any]:
        return {"input": self._input}

    def load(self, state: dict[str, Any]) -> None:
        self._input = state["input"]
