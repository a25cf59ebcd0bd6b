"""The machine's clock: cycles, and what each of them was spent on.

Today an instruction costs one cycle. Whatever else takes time (the halted CPU, work done by the
kernel in the host's language) is charged to a named rule, so the ledger always adds up to the
clock. A cycle model takes the place of `InstructionClock` by giving the same few methods.
"""

from __future__ import annotations

from collections.abc import Callable


class InstructionClock:
    """Counts one cycle an instruction (timing profile `off`).

    `retired` returns the number of instructions completed so far.
    """

    profile = "off"
    table: str | None = None  # which clock table, for the report: none here
    unknown = 0  # instructions that the table has no row for

    def __init__(self, retired: Callable[[], int]) -> None:
        self._retired = retired
        self.charged: dict[str, int] = {}
        self.extra = 0

    @property
    def instructions(self) -> int:
        """Instructions completed."""
        return self._retired()

    @property
    def cycles(self) -> int:
        """Cycles since power-on."""
        return self._retired() + self.extra

    def charge(self, rule: str, cycles: int) -> None:
        """The one door for cycles that no instruction accounts for."""
        if cycles < 0:
            raise ValueError("time does not run backwards")
        self.charged[rule] = self.charged.get(rule, 0) + cycles
        self.extra += cycles

    def retired_at(self, cycles: int) -> int:
        """The instruction count when the clock will show `cycles`, if nothing else is charged."""
        return max(cycles - self.extra, 0)

    def by_rule(self) -> dict[str, int]:
        """The ledger; its values add up to `cycles`."""
        return {"instructions": self._retired(), **dict(sorted(self.charged.items()))}

    def save(self) -> dict[str, int]:
        """For a snapshot."""
        return dict(self.charged)

    def load(self, charged: dict[str, int]) -> None:
        """From a snapshot."""
        self.charged = dict(charged)
        self.extra = sum(charged.values())
