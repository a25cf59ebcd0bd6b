"""The timer: interrupt line 0 every so many cycles.

Port 0x40 (32 bits): write the period in cycles, 0 stops; read gives the period. Port 0x44 (32
bits): read gives the cycles left; write fires once after so many cycles and then goes on with the
period.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emu.devices.pic import InterruptController

PERIOD, LEFT = 0x40, 0x44
LINE = 0
NEVER = (1 << 63) - 1


class Timer:
    """Periodic interrupts, exact to the cycle: a late tick does not move the next."""

    name = "timer"
    ports = (PERIOD, LEFT)

    def __init__(self, pic: InterruptController, now: Callable[[], int]) -> None:
        self._pic = pic
        self._now = now
        self.period = 0
        self.next: int | None = None
        self.ticks = 0
        #: Interrupts once when so many instructions have completed since power-on, as a performance counter
        #: that runs over; None: never.
        self.at_instruction: int | None = None

    def read(self, port: int, size: int) -> int:
        if port == PERIOD:
            return self.period
        return 0 if self.next is None else max(self.next - self._now(), 0)

    def write(self, port: int, size: int, value: int) -> None:
        if port == PERIOD:
            self.period = value
            self.next = self._now() + value if value else None
        elif value:
            self.next = self._now() + value

    def count_instructions(self, retired: int) -> int:
        """Interrupt if as many have completed as were asked for; else at how many it will."""
        if self.at_instruction is None:
            return NEVER
        if retired >= self.at_instruction:
            self.at_instruction = None
            self._pic.request(LINE)
            return NEVER
        return self.at_instruction

    def deadline(self) -> int | None:
        return self.next

    def tick(self, now: int) -> None:
        self.ticks += 1
        self._pic.request(LINE)
        if self.next is None or not self.period:
            self.next = None
            return
        self.next += self.period
        if self.next <= now:  # periods that passed unseen are lost, as with a real edge
            self.next += (now - self.next) // self.period * self.period + self.period

    def save(self) -> dict[str, Any]:
        names = ("period", "next", "ticks", "at_instruction")
        return {name: getattr(self, name) for name in names}

    def load(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
