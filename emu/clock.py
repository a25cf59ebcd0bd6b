"""The machine's clock: cycles, and what each of them was spent on.

Under the timing profile `off` an instruction costs one cycle (InstructionClock); under the others
the cycle model of emu.timing says what it costs (CycleClock). Whatever else takes time (a trap's
gate, the halted CPU, work done by the kernel in the host's language) is charged to a named rule, so
the ledger always adds up to the clock.
"""

from __future__ import annotations

from collections import defaultdict

from emu import hooks
from emu.hooks import EngineState
from emu.timing.engine import Timing
from emu.timing.rules import STRING_IO, UNKNOWN_CLOCKS
from emu.timing.tables import table_hash

_INSTRUCTION, _UNKNOWN = "instruction ", "unknown "
_USER_CYCLES = "user cycles"


class InstructionClock:
    """Counts one cycle an instruction (timing profile `off`).

    `state` counts the instructions completed so far.
    """

    profile = "off"

    @property
    def table(self) -> str | None:
        """Which clock table, for the report: none here."""
        return None

    #: Whether a timing profile is on: kernel work has a price then.
    counts_cycles = False

    def __init__(self, state: EngineState) -> None:
        self._retired = hooks.word(state, "retired")
        self._charged: defaultdict[str, int] = defaultdict(int)
        self._extra = hooks.word(state, "extra")

    @property
    def charged(self) -> dict[str, int]:
        """Clocks that no instruction accounts for, by rule."""
        return self._charged

    @property
    def extra(self) -> int:
        """Clocks that no instruction accounts for."""
        return self._extra[0]

    @property
    def instructions(self) -> int:
        """Completed since power-on; a fault's attempt does not count."""
        return self._retired[0]

    @property
    def cycles(self) -> int:
        """Cycles since power-on: one an instruction here, plus whatever was charged."""
        return self._retired[0] + self._extra[0]

    def charge(self, rule: str, cycles: int) -> None:
        """The one door for cycles that no instruction accounts for;
        ValueError when they are negative.
        """
        if cycles < 0:
            raise ValueError("time does not run backwards")
        self._charged[rule] += cycles
        self._extra[0] += cycles

    @property
    def unknown(self) -> int:
        """Executions of instructions that the table has no row for."""
        return 0

    def unknown_instructions(self) -> dict[str, int]:
        """Executions of instructions without a row, by mnemonic as a disassembler prints it."""
        return {}

    def copy_lines(self, destination: int, source: int, length: int) -> int:
        """Clocks for the lines that a copy between physical addresses misses in L1; it is not charged."""
        return 0

    def charge_unknown(self, name: str) -> None:
        """An instruction that the machine does itself and that the table has no row for."""

    def charge_string_io(self, n: int, *, output: bool, repeated: bool, outer: bool) -> None:
        """INS or OUTS, done by the machine, has moved n elements; `outer` with CPL > IOPL."""

    def by_rule(self) -> dict[str, int]:
        """The ledger; its values add up to `cycles`."""
        return {"instructions": self.instructions, **dict(sorted(self.charged.items()))}

    def save(self) -> dict[str, int]:
        return dict(self.charged)

    def load(self, charged: dict[str, int]) -> None:
        self._charged = defaultdict(int, charged)
        self._extra[0] = sum(charged.values())

    def save_counts(self) -> dict[str, int]:
        """What is counted besides, and no clock depends on, for a snapshot."""
        return {}

    def load_counts(self, counts: dict[str, int]) -> None:
        """From a snapshot, after `load_state`."""

    def save_state(self) -> dict[str, list[int]]:
        """What time depends on besides the ledger: cache, TLB and the like, for a snapshot."""
        return {}

    def load_state(self, state: dict[str, list[int]], charged: dict[str, int]) -> None:
        """Take back what `save_state` gave; `charged` is the ledger, in clocks by rule."""


class CycleClock(InstructionClock):
    """Counts what a timing profile says that instructions cost."""

    counts_cycles = True

    def __init__(self, state: EngineState, timing: Timing) -> None:
        super().__init__(state)
        self.profile = timing.profile.name
        self._timing = timing
        self._cycles = hooks.word(state, "cycles")
        self._unknown_before: dict[str, int] = {}  # before the snapshot that was loaded last

    @property
    def table(self) -> str:
        return table_hash()

    @property
    def cycles(self) -> int:
        return self._cycles[0] + self._extra[0]

    @property
    def unknown(self) -> int:
        return sum(self.unknown_instructions().values())

    def unknown_instructions(self) -> dict[str, int]:
        found = self._unknown_by_table()
        for rule, clocks in self.charged.items():
            if rule.startswith(_UNKNOWN):
                name = rule.removeprefix(_UNKNOWN)
                found[name] = found.get(name, 0) + clocks // UNKNOWN_CLOCKS
        return dict(sorted(found.items()))

    def _unknown_by_table(self) -> dict[str, int]:
        found = dict(self._unknown_before)
        for insn in self._timing.unknown():
            if insn.count:
                name = insn.text()
                found[name] = found.get(name, 0) + insn.count
        return found

    @property
    def charged(self) -> dict[str, int]:
        for rule, clocks in self._timing.take_deliveries().items():
            self._charged[rule] += clocks
        return self._charged

    def charge_unknown(self, name: str) -> None:
        self.charge(f"{_UNKNOWN}{name}", UNKNOWN_CLOCKS)

    def charge_string_io(self, n: int, *, output: bool, repeated: bool, outer: bool) -> None:
        rule = STRING_IO[self._timing.profile.cpu][output]
        self.charge("string i/o", rule.clocks(n, repeated=repeated, outer=outer))

    def copy_lines(self, destination: int, source: int, length: int) -> int:
        return self._timing.copy_lines(destination, source, length)

    def by_rule(self) -> dict[str, int]:
        spent = {rule: n for rule, n in self._timing.by_rule().items() if n}
        return {**spent, **dict(sorted(self.charged.items()))}

    def save(self) -> dict[str, int]:
        spent = {f"{_INSTRUCTION}{rule}": n for rule, n in self._timing.by_rule().items()}
        return {**self.charged, **spent}

    def load(self, charged: dict[str, int]) -> None:
        self._timing.take_deliveries()
        super().load({r: n for r, n in charged.items() if not r.startswith(_INSTRUCTION)})

    def save_counts(self) -> dict[str, int]:
        unknown = {f"{_UNKNOWN}{n}": count for n, count in self._unknown_by_table().items()}
        return {_USER_CYCLES: self._timing.user_cycles, **unknown}

    def load_counts(self, counts: dict[str, int]) -> None:
        self._timing.user_cycles = counts[_USER_CYCLES]
        self._unknown_before = {
            rule.removeprefix(_UNKNOWN): count
            for rule, count in counts.items()
            if rule.startswith(_UNKNOWN)
        }

    def save_state(self) -> dict[str, list[int]]:
        return self._timing.save()

    def load_state(self, state: dict[str, list[int]], charged: dict[str, int]) -> None:
        spent = {
            rule.removeprefix(_INSTRUCTION): n
            for rule, n in charged.items()
            if rule.startswith(_INSTRUCTION)
        }
        self._timing.load(state, spent)
