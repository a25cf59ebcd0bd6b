"""The power switch. Port 0xF4: writing a byte turns the machine off with that exit status."""

from __future__ import annotations

from typing import Any

PORT = 0xF4


class PowerSwitch:
    """`status` is None while the machine is on."""

    name = "power"
    ports = (PORT,)

    def __init__(self) -> None:
        self.status: int | None = None

    def read(self, port: int, size: int) -> int:
        return 0

    def write(self, port: int, size: int, value: int) -> None:
        self.status = value & 0xFF

    def deadline(self) -> int | None:
        return None

    def tick(self, now: int) -> None:
        return

    def save(self) -> dict[str, Any]:
        return {"status": self.status}

    def load(self, state: dict[str, Any]) -> None:
        self.status = state["status"]
