"""What a trap's delivery costs (rule 10): the gate, its memory, and Accessed bits that it sets."""

from __future__ import annotations

from emu import microcode as mc
from emu.clock import CycleClock
from emu.cpu import Cpu
from emu.descriptors import TSS_ESP0
from emu.timing.engine import GATE, GATE_MEMORY, Timing


class TrapCosts:
    """Charges each delivery, after it was taken."""

    def __init__(self, cpu: Cpu, clock: CycleClock, timing: Timing) -> None:
        self._cpu = cpu
        self._clock = clock
        self._timing = timing
        #: Clocks of the last delivery.
        self.last = 0

    def __call__(self, vector: int, kind: int, cpl: int, marked: int) -> None:
        """The listener for Microcode.on_cost, which says what the arguments are."""
        cpu, clock, profile = self._cpu, self._clock, self._timing.profile
        inward = cpu.cpl != cpl
        page_fault = kind == mc.EXCEPTION and vector == mc.PF
        external = kind == mc.EXTERNAL
        before = clock.extra
        clock.charge(GATE, profile.gate(inward=inward, page_fault=page_fault, external=external))
        if marked:
            clock.charge("gate descriptor", marked * profile.accessed)
        reads = [(cpu.idt_base + 8 * vector, 8), (cpu.gdt_base + (cpu.cs & 0xFFF8), 8)]
        words = 3 + (kind == mc.EXCEPTION and vector in mc.HAS_ERROR_CODE)
        if inward:
            reads += [
                (cpu.tr_base + TSS_ESP0 + 8 * cpu.cpl, 8),
                (cpu.gdt_base + (cpu.ss & 0xFFF8), 8),
            ]
            words += 2
        memory = self._timing.gate(reads, (cpu.esp, 4 * words), inward)
        if memory:
            clock.charge(GATE_MEMORY, memory)
        self.last = clock.extra - before
        self._timing.trap_taken()
