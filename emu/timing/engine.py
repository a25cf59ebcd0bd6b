"""The model on an engine: what the hooks drive and the clock reads.

`PythonTiming` is the reference; emu.timing.native does the same through emu/_native.c.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from typing import Protocol

from unicorn import x86_const as x86

from emu.engine_quirks import FIELD, Context, ContextLayout
from emu.hooks import NO_FRAME, EngineState
from emu.timing.insn import Insn
from emu.timing.model import Model
from emu.timing.profiles import Profile
from emu.timing.records import LONGEST, Records
from emu.timing.rules import INSTRUCTION_RULES

_CR0_PG, _CR4_PSE = 1 << 31, 1 << 4
_HF_CPL = 3
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
State = dict[str, list[int]]
#: Rules of a trap's delivery.
GATE, GATE_MEMORY = "gate", "gate memory"


class Timing(Protocol):
    """Time as instructions spend it, on either driver."""

    profile: Profile

    @property
    def cycles(self) -> int:
        """Cycles of completed instructions."""

    def attach(self, env: int) -> None:
        """The engine's live registers are at this host address (now)."""

    @property
    def user_cycles(self) -> int:
        """Cycles of completed instructions of ring 3 (a REP cut short by a fault not included)."""

    @user_cycles.setter
    def user_cycles(self, value: int) -> None: ...

    def insns(self) -> Iterable[Insn]:
        """Every instruction executed, by address, then by bytes."""

    def unknown(self) -> Iterable[Insn]:
        """Those of them that the table of clocks does not have."""

    def by_rule(self) -> dict[str, int]:
        """Cycles by rule, all rules, adding up to `cycles`."""

    def flush_tlb(self) -> None:
        """CR3 was loaded from outside the guest."""

    def trap_taken(self) -> None:
        """A trap was delivered."""

    def take_deliveries(self) -> dict[str, int]:
        """Clocks of traps that were delivered without Python since this was asked last, by rule.
        The state's `extra` has them already.
        """

    def gate(self, accesses: list[tuple[int, int]], pushed: tuple[int, int], inward: bool) -> int:
        """What the memory behind a delivery costs, in clocks."""

    def copy_lines(self, destination: int, source: int, length: int) -> int:
        """Clocks for the lines that REP MOVS between physical addresses misses in L1."""

    def save(self) -> State:
        """What the model depends on besides the ledger: L1, TLB, write buffers; `load` takes it."""

    def load(self, state: State, by_rule: dict[str, int]) -> None:
        """From a snapshot: the counts of single instructions start again."""


def totals(insns: Iterable[Insn]) -> list[int]:
    """Clocks by rule over instructions."""
    columns = list(map(sum, zip(*(insn.by_rule() for insn in insns), strict=True)))
    return columns or [0] * len(INSTRUCTION_RULES)


class EngineView:
    """The Processor of emu.timing.model, read straight from the engine's state in this process."""

    def __init__(
        self,
        layout: ContextLayout,
        ram: memoryview,
        read_register: Callable[[int], int],
        state: EngineState,
    ) -> None:
        self._state = state
        self._env = memoryview(b"")
        self._span = layout.state_end - layout.fields[FIELD["eax"]][0]
        self._start = start = layout.fields[FIELD["eax"]][0]
        self._context: Context | None = None
        self._at = {name: layout.fields[index][0] - start for name, index in FIELD.items()}
        self._bases = tuple(self._at[f"{name}_base"] for name in SEGMENTS)
        self._ram = ram
        self._read_register = read_register

    def attach(self, env: int) -> None:
        """Read the engine whose live registers are at this host address."""
        self._env = memoryview((ctypes.c_uint8 * self._span).from_address(env)).cast("B")
        self._context = None

    def attach_context(self, context: Context) -> None:
        """Read this context of an engine whose live registers are not to be found."""
        self._env = context.data[self._start : self._start + self._span]
        self._context = context

    def refresh(self) -> None:
        """Look at the engine as it is now, where that takes a copy."""
        if self._context is not None:
            self._context.save()

    def _word(self, at: int) -> int:
        return int.from_bytes(self._env[at : at + 4], "little")

    def register(self, number: int) -> int:
        return self._word(8 * number)

    def flags(self) -> int:
        return self._read_register(x86.UC_X86_REG_EFLAGS)

    def segment_base(self, number: int) -> int:
        return self._word(self._bases[number])

    def cpl(self) -> int:
        return self._word(self._at["hflags"]) & _HF_CPL

    def tables(self) -> tuple[int, int]:
        return self._word(self._at["gdt_base"]), self._word(self._at["ldtr_base"])

    def paging(self) -> tuple[bool, int, bool]:
        at = self._at
        return (
            bool(self._word(at["cr0"]) & _CR0_PG),
            self._word(at["cr3"]),
            bool(self._word(at["cr4"]) & _CR4_PSE),
        )

    def extra(self) -> int:
        return int(self._state.extra)

    def read_physical(self, address: int) -> int | None:
        if address + 4 > len(self._ram):
            return None
        return int.from_bytes(self._ram[address : address + 4], "little")

    def frame(self, page: int) -> int | None:
        """Physical address of a linear page, without the TLB."""
        on, directory, pse = self.paging()
        if not on:
            found = page << 12
        else:
            entry = self.read_physical((directory & ~0xFFF) + (page >> 10) * 4)
            if entry is None or not entry & 1:
                return None
            if entry & 0x80 and pse:
                found = entry & 0xFFC00000 | (page & 0x3FF) << 12
            else:
                leaf = self.read_physical((entry & ~0xFFF) + (page & 0x3FF) * 4)
                if leaf is None or not leaf & 1:
                    return None
                found = leaf & ~0xFFF
        return found if found + 4096 <= len(self._ram) else None

    def read_bytes(self, address: int, size: int) -> bytes:
        """Bytes at a linear address, as many of them as are mapped."""
        out = b""
        while size:
            part = min(size, 4096 - (address & 0xFFF))
            frame = self.frame(address >> 12)
            if frame is None:
                break
            at = frame + (address & 0xFFF)
            out += bytes(self._ram[at : at + part])
            address, size = address + part & 0xFFFFFFFF, size - part
        return out

    def code_bytes(self, address: int) -> bytes:
        """The longest instruction's bytes where code is being fetched: on the present page, as it was
        translated, whatever the page tables say by now."""
        s, at = self._state, address & 0xFFF
        here = s.code_page_valid and s.code_page == address >> 12 and s.code_frame != NO_FRAME
        if here and at <= 0xFF0:
            return bytes(self._ram[s.code_frame + at : s.code_frame + at + LONGEST])
        return self.read_bytes(address, LONGEST)

    def read_linear(self, address: int, size: int) -> int | None:
        data = self.read_bytes(address, size)
        return int.from_bytes(data, "little") if len(data) == size else None


class PythonTiming:
    """The reference model, its records and its view of the engine."""

    def __init__(self, profile: Profile, view: EngineView) -> None:
        self.profile = profile
        self._view = view
        self.model = Model(profile, view)
        self.records = Records(profile, view.code_bytes)
        self._earlier: dict[str, int] = {}

    @property
    def cycles(self) -> int:
        return self.model.cycles

    def attach(self, env: int) -> None:
        self._view.attach(env)

    def attach_context(self, context: Context) -> None:
        """Where the live registers are not to be found: save the engine's state here to read it."""
        self._view.attach_context(context)

    @property
    def user_cycles(self) -> int:
        return self.model.user_cycles

    @user_cycles.setter
    def user_cycles(self, value: int) -> None:
        self.model.user_cycles = value

    def insns(self) -> Iterable[Insn]:
        return iter(self.records)

    def unknown(self) -> Iterable[Insn]:
        return (insn for insn in self.records if not insn.cost.known)

    def by_rule(self) -> dict[str, int]:
        now = dict(zip(INSTRUCTION_RULES, totals(self.records), strict=True))
        return {name: clocks + self._earlier.get(name, 0) for name, clocks in now.items()}

    def flush_tlb(self) -> None:
        self.model.flush_tlb()

    def take_deliveries(self) -> dict[str, int]:
        return {}

    def trap_taken(self) -> None:
        self.model.trap_taken()

    def gate(self, accesses: list[tuple[int, int]], pushed: tuple[int, int], inward: bool) -> int:
        self._view.refresh()
        return self.model.gate(accesses, pushed, inward)

    def copy_lines(self, destination: int, source: int, length: int) -> int:
        return self.model.copy_lines(destination, source, length)

    def begin(self, address: int) -> None:
        """Before the instruction at a linear address, which has been fetched."""
        self._view.refresh()
        insn = self.records.find(address)
        if insn is not None:
            self.model.begin(insn)

    def finish(self, next_address: int) -> None:
        """The instruction begun last has completed; nothing when it was settled before."""
        if self.model.in_flight:
            self._view.refresh()
            target = self.records.find(next_address) if self.profile.i386 else None
            self.model.finish(next_address, target.cost.decoded.components if target else 1)

    def save(self) -> State:
        return self.model.save()

    def load(self, state: State, by_rule: dict[str, int]) -> None:
        self.records.clear()
        self._earlier = {name: by_rule.get(name, 0) for name in INSTRUCTION_RULES}
        self.model.cycles = sum(self._earlier.values())
        self.model.load(state)
