"""The interrupt controller: one Intel 8259A in 8086 mode (data sheet 8259A/8259A-2, 1988).

Ports 0x20 (commands, ICW1) and 0x21 (mask, ICW2-4). Lines 0 to 7, line 0 most urgent, edge
triggered. Fully nested: a line is held off while one at least as urgent is in service; EOI ends the
service.
"""

from __future__ import annotations

from typing import Any

COMMAND, DATA = 0x20, 0x21
_ICW1, _ICW1_IC4, _ICW1_SNGL = 0x10, 0x01, 0x02
_OCW3 = 0x08
_EOI, _SPECIFIC_EOI = 0x20, 0x60


class InterruptController:
    """Lines in, one vector out."""

    name = "pic"
    ports = (COMMAND, DATA)

    def __init__(self) -> None:
        self.base = 0
        self.mask = 0xFF
        self.requested = 0
        self.in_service = 0
        self._read_isr = False
        self._await: list[str] = []
        self._auto_eoi = False

    def request(self, line: int) -> None:
        """A rising edge on an input line."""
        self.requested |= 1 << line

    def pending(self) -> int | None:
        """The line that interrupts the CPU now, or None."""
        ready = self.requested & ~self.mask
        if not ready:
            return None
        line = (ready & -ready).bit_length() - 1
        return line if self.accepts(line) else None

    def accepts(self, line: int) -> bool:
        """Whether a request on this line interrupts: not masked, nothing as urgent in service."""
        return not self.mask >> line & 1 and not self.in_service & (2 << line) - 1

    def acknowledge(self) -> int:
        """The CPU takes the pending interrupt: its vector. Without one, the spurious line 7."""
        line = self.pending()
        if line is None:
            return self.base + 7
        self.requested &= ~(1 << line)
        if not self._auto_eoi:
            self.in_service |= 1 << line
        return self.base + line

    def read(self, port: int, size: int) -> int:
        if port == DATA:
            return self.mask
        return self.in_service if self._read_isr else self.requested

    def write(self, port: int, size: int, value: int) -> None:
        value &= 0xFF
        if port == COMMAND:
            self._command(value)
        elif self._await:
            step = self._await.pop(0)
            if step == "icw2":
                self.base = value & 0xF8
            elif step == "icw4":
                self._auto_eoi = bool(value & 2)
        else:
            self.mask = value

    def _command(self, value: int) -> None:
        if value & _ICW1:
            self._await = ["icw2"]
            if not value & _ICW1_SNGL:
                self._await.append("icw3")
            if value & _ICW1_IC4:
                self._await.append("icw4")
            self.mask = self.requested = self.in_service = 0
            self._read_isr = self._auto_eoi = False
        elif value & _OCW3:
            if value & 2:
                self._read_isr = bool(value & 1)
        elif value & 0xE0 == _SPECIFIC_EOI:
            self.in_service &= ~(1 << (value & 7))
        elif value & 0xE0 == _EOI:
            self.in_service &= self.in_service - 1

    def deadline(self) -> int | None:
        return None

    def tick(self, now: int) -> None:
        return

    def save(self) -> dict[str, Any]:
        return {**vars(self), "_await": list(self._await)}

    def load(self, state: dict[str, Any]) -> None:
        vars(self).update({**state, "_await": list(state["_await"])})
