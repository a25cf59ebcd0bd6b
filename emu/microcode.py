"""How a trap is delivered (Intel SDM vol. 3, ch. 6; 32-bit interrupt and trap gates).

    IDT[vector] -> gate -> code segment -> more privileged?  yes: ss:esp from the TSS, push ss esp
                                                             no:  the present stack
    push (from virtual-8086 mode gs fs ds es, which become null)
    push eflags cs eip [error code]; load cs:eip; TF NT RF VM = 0; IF = 0 through an interrupt gate

An exception on the way is delivered in its place, or makes a double fault, or shuts the CPU down,
as table 6-5 of the manual says. Nothing is changed by a delivery that fails.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache

from emu.cpu import Cpu
from emu.descriptors import (
    SEG_ACCESSED,
    TSS_ESP0,
    TSS_IO_MAP_BASE,
    TYPE_INTERRUPT_GATE,
    TYPE_TRAP_GATE,
    Gate,
    Segment,
)
from emu.eflags import EFLAGS_IF, EFLAGS_NT, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM
from emu.engine_quirks import FIELD
from emu.linear import LinearMemory
from emu.paging import PageFault
from emu.record import dataclass
from emu.trap_plan import TrapPlans

DE, DB, NMI, BP, OF, BR, UD, NM, DF = range(9)
TS, NP, SS, GP, PF = 10, 11, 12, 13, 14
MF, AC, MC, XM = 16, 17, 18, 19

VECTOR_NAMES = {
    DE: "#DE", DB: "#DB", NMI: "NMI", BP: "#BP", OF: "#OF", BR: "#BR", UD: "#UD", NM: "#NM",
    DF: "#DF", TS: "#TS", NP: "#NP", SS: "#SS", GP: "#GP", PF: "#PF", MF: "#MF", AC: "#AC",
    MC: "#MC", XM: "#XM",
}  # fmt: skip

HAS_ERROR_CODE = frozenset((DF, TS, NP, SS, GP, PF, AC))
_CONTRIBUTORY = frozenset((DE, TS, NP, SS, GP))
_FAULTS = frozenset((DE, BR, UD, NM, TS, NP, SS, GP, PF, MF, AC, XM))

EXCEPTION, SOFTWARE, EXTERNAL = range(3)
_WORD = 0xFFFFFFFF
_SS_SELECTOR = FIELD["ss_selector"]
_gate = lru_cache(maxsize=1024)(Gate.unpack)
_segment = lru_cache(maxsize=1024)(Segment.unpack)


class Shutdown(Exception):
    """A fault while delivering a double fault: the CPU stops (triple fault)."""


class _Fault(Exception):
    def __init__(self, vector: int, error_code: int, cr2: int | None = None) -> None:
        super().__init__(vector, error_code)
        self.vector = vector
        self.error_code = error_code
        self.cr2 = cr2


@dataclass(frozen=True)
class Delivery:
    """One trap as it was taken."""

    vector: int
    kind: int
    error_code: int | None
    eip: int
    cpl: int
    cr2: int
    retired: int


class Microcode:
    """Delivers traps on one CPU. `on_delivery`, when set, hears of each after it was taken."""

    def __init__(self, cpu: Cpu, linear: LinearMemory) -> None:
        self._cpu = cpu
        self._linear = linear
        self.plans = TrapPlans(cpu.ram, cpu, linear)
        self.on_delivery: Callable[[Delivery], None] | None = None
        #: Charges for a delivery: vector, kind, CPL it came from, Accessed bits that were set.
        self.on_cost: Callable[[int, int, int, int], None] | None = None
        self._marked = 0

    # -- what can happen -------------------------------------------------------------------------

    def exception(self, vector: int, error_code: int = 0) -> None:
        """A hardware exception at the present EIP. Raises Shutdown for a triple fault."""
        self._deliver(vector, EXCEPTION, error_code)

    def interrupt(self, vector: int) -> None:
        """An external interrupt, between two instructions. Raises Shutdown for a triple fault."""
        self._deliver(vector, EXTERNAL, 0)

    def software_interrupt(self, vector: int, instruction: int) -> None:
        """INT n, INT3 or INTO at linear address `instruction`; EIP is already behind it.

        When the gate refuses, the fault is the instruction's own: EIP goes back to it.
        """
        self._deliver(vector, SOFTWARE, 0, instruction)

    def io_permitted(self, port: int, size: int) -> bool:
        """Whether the TSS's I/O permission bitmap lets this port through (SDM vol. 1, 18.5.2)."""
        cpu = self._cpu
        if cpu.tr_limit < TSS_IO_MAP_BASE + 1:
            return False
        base = int.from_bytes(self._linear.read(cpu.tr_base + TSS_IO_MAP_BASE, 2), "little")
        at = base + port // 8
        if at + 1 > cpu.tr_limit:
            return False
        bits = int.from_bytes(self._linear.read(cpu.tr_base + at, 2), "little")
        return not bits >> port % 8 & (1 << size) - 1

    # -- how it is done --------------------------------------------------------------------------

    def _deliver(self, vector: int, kind: int, error_code: int, instruction: int = 0) -> None:
        cpu = self._cpu
        origin = cpu.cpl if self.on_cost else 0
        if not self.on_delivery and self._as_last_time(vector, kind, error_code):
            if self.on_cost:
                self.on_cost(vector, kind, origin, 0)
            return
        while True:
            eip, cpl = cpu.eip, cpu.cpl
            try:
                self._enter(vector, kind, error_code)
            except _Fault as fault:
                if kind == SOFTWARE:
                    cpu.eip = instruction
                    cpu.uncount()
                vector, error_code = self._combine(vector, kind, fault)
                kind = EXCEPTION
                continue
            if self.on_cost:
                self.on_cost(vector, kind, cpl, self._marked)
            self._marked = 0
            if self.on_delivery:
                code = error_code if kind == EXCEPTION and vector in HAS_ERROR_CODE else None
                self.on_delivery(Delivery(vector, kind, code, eip, cpl, cpu.cr2, cpu.retired))
            return

    def _combine(self, vector: int, kind: int, fault: _Fault) -> tuple[int, int]:
        """SDM vol. 3, table 6-5: what a fault during delivery becomes."""
        if fault.cr2 is not None:
            self._cpu.cr2 = fault.cr2
        if kind == EXCEPTION:
            if vector == DF:
                raise Shutdown
            if vector in _CONTRIBUTORY and fault.vector in _CONTRIBUTORY:
                return DF, 0
            if vector == PF and (fault.vector == PF or fault.vector in _CONTRIBUTORY):
                return DF, 0
        return fault.vector, fault.error_code

    def _as_last_time(self, vector: int, kind: int, error_code: int) -> bool:
        """The short way, when nothing has changed since this trap last came; else nothing is done."""
        code, rf = None, 0
        if kind == EXCEPTION:
            code = error_code if vector in HAS_ERROR_CODE else None
            rf = EFLAGS_RF if vector in _FAULTS else 0
        try:
            return self.plans.deliver(vector, kind, code, rf)
        except PageFault:  # the stack refuses: the long way finds the same, and says what follows
            return False

    def _enter(self, vector: int, kind: int, error_code: int) -> None:
        ext = 0 if kind == SOFTWARE else 1
        try:
            self._through_gate(vector, kind, error_code, ext)
        except PageFault as fault:
            raise _Fault(PF, fault.error_code, fault.linear) from None

    def _through_gate(self, vector: int, kind: int, error_code: int, ext: int) -> None:
        cpu = self._cpu
        gate = self._gate(vector, kind, ext)
        segment, descriptor_at = self._code_segment(gate.selector, ext)
        cpl = cpu.cpl
        inward = not segment.conforming and segment.dpl < cpl
        if not inward and not segment.conforming and segment.dpl != cpl:
            raise _Fault(GP, (gate.selector & 0xFFFC) | ext)
        new_cpl = segment.dpl if inward else cpl
        virtual = cpu.eflags & EFLAGS_VM
        if virtual and new_cpl:
            raise _Fault(GP, (gate.selector & 0xFFFC) | ext)

        pushed = self._pushed_eflags(vector, kind)
        frame = [cpu.eip, cpu.cs, pushed]
        if kind == EXCEPTION and vector in HAS_ERROR_CODE:
            frame.insert(0, error_code)
        stack = None
        if inward:
            frame += [cpu.esp, cpu.ss]
            if virtual:
                frame += [cpu.es, cpu.ds, cpu.fs, cpu.gs]
            stack = self._inner_stack(new_cpl, ext)
            selector, stack_segment, esp = stack
        else:
            stack_segment, esp = self._present_stack()
        size = 4 * len(frame)
        mask = _WORD if stack_segment.default32 else 0xFFFF
        top = (esp - size) & mask
        if not stack_segment.covers(top, size):
            raise _Fault(SS, (stack[0] & 0xFFFC if stack else 0) | ext)
        if not segment.covers(gate.offset, 1):
            raise _Fault(GP, ext)
        self._push((stack_segment.base + top) & _WORD, frame)
        if not segment.type & SEG_ACCESSED:
            self._mark_accessed(descriptor_at)

        # Nothing can fail any more.
        if stack:
            cpu.set_segment("ss", selector, stack_segment)
        cpu.esp = cpu.esp & ~mask & _WORD | top if not stack else top
        cpu.set_segment("cs", gate.selector & 0xFFFC | new_cpl, segment)
        cpu.eip = gate.offset
        if virtual:
            for name in ("es", "ds", "fs", "gs"):
                cpu.null_segment(name)
        cleared = EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM
        if gate.type == TYPE_INTERRUPT_GATE:
            cleared |= EFLAGS_IF
        cpu.eflags = cpu.eflags & ~cleared
        cpu.clear_inhibit()
        if not virtual and not gate.selector & 4 and not (stack and selector & 4):
            self._remember((vector, kind, cpl), descriptor_at, segment, stack, ~cleared)

    def _remember(
        self,
        key: tuple[int, int, int],
        code_at: int,
        code: Segment,
        stack: tuple[int, Segment, int] | None,
        keep: int,
    ) -> None:
        cpu = self._cpu
        gate_at = cpu.idt_base + key[0] * 8
        if stack is None:
            self.plans.remember(key, (gate_at, code_at), code, None, 0, keep)
            return
        selector, stack_segment, _ = stack
        stack_descriptor = cpu.gdt_base + (selector & 0xFFF8)
        stack_at = cpu.tr_base + TSS_ESP0 + cpu.cpl * 8
        reads = (gate_at, code_at, stack_descriptor)
        self.plans.remember(key, reads, code, stack_segment, stack_at, keep)

    def _pushed_eflags(self, vector: int, kind: int) -> int:
        """SDM vol. 3, 17.3.1.1: faults push RF = 1, except instruction breakpoints."""
        flags: int = self._cpu.eflags
        return flags | EFLAGS_RF if kind == EXCEPTION and vector in _FAULTS else flags

    def _gate(self, vector: int, kind: int, ext: int) -> Gate:
        cpu = self._cpu
        if vector * 8 + 7 > cpu.idt_limit:
            raise _Fault(GP, vector * 8 + 2 + ext)
        at = cpu.idt_base + vector * 8
        gate = _gate(self._linear.read32(at), self._linear.read32(at + 4))
        if not gate.system or gate.type not in (TYPE_INTERRUPT_GATE, TYPE_TRAP_GATE):
            raise _Fault(GP, vector * 8 + 2 + ext)
        if kind == SOFTWARE and gate.dpl < cpu.cpl:
            raise _Fault(GP, vector * 8 + 2)
        if not gate.present:
            raise _Fault(NP, vector * 8 + 2 + ext)
        return gate

    def _descriptor(self, selector: int, wrong: int, ext: int) -> tuple[Segment, int]:
        """A GDT or LDT descriptor and its linear address; `wrong` is raised beyond the limit."""
        cpu = self._cpu
        local = selector & 4
        base, limit = (cpu.ldtr_base, cpu.ldtr_limit) if local else (cpu.gdt_base, cpu.gdt_limit)
        index = selector & 0xFFF8
        if index + 7 > limit or (local and not cpu.ldtr & 0xFFFC):
            raise _Fault(wrong, (selector & 0xFFFC) | ext)
        at = base + index
        return _segment(self._linear.read32(at), self._linear.read32(at + 4)), at

    def _code_segment(self, selector: int, ext: int) -> tuple[Segment, int]:
        if not selector & 0xFFFC:
            raise _Fault(GP, ext)
        segment, at = self._descriptor(selector, GP, ext)
        if not segment.is_code or segment.dpl > self._cpu.cpl:
            raise _Fault(GP, (selector & 0xFFFC) | ext)
        if not segment.present:
            raise _Fault(NP, (selector & 0xFFFC) | ext)
        return segment, at

    def _inner_stack(self, cpl: int, ext: int) -> tuple[int, Segment, int]:
        cpu = self._cpu
        at = TSS_ESP0 + cpl * 8
        if at + 5 > cpu.tr_limit:
            raise _Fault(TS, (cpu.tr & 0xFFFC) | ext)
        esp = self._linear.read32(cpu.tr_base + at)
        selector = self._linear.read32(cpu.tr_base + at + 4) & 0xFFFF
        if not selector & 0xFFFC:
            raise _Fault(TS, ext)
        segment, descriptor_at = self._descriptor(selector, TS, ext)
        if selector & 3 != cpl or segment.dpl != cpl or not segment.is_writable_data:
            raise _Fault(TS, (selector & 0xFFFC) | ext)
        if not segment.present:
            raise _Fault(SS, (selector & 0xFFFC) | ext)
        if not segment.type & SEG_ACCESSED:
            self._mark_accessed(descriptor_at)
        return selector, segment, esp

    def _present_stack(self) -> tuple[Segment, int]:
        cpu = self._cpu
        regs = cpu.regs
        at = _SS_SELECTOR
        base, limit, flags = regs[at + 1], regs[at + 2], regs[at + 3]
        segment = Segment(
            base=base,
            limit=limit,
            type=flags >> 8 & 0xF,
            system=False,
            dpl=flags >> 13 & 3,
            present=True,
            default32=bool(flags & 1 << 22),
        )
        return segment, cpu.esp

    def _mark_accessed(self, at: int) -> None:
        self._marked += 1
        word = self._linear.read32(at + 4) | SEG_ACCESSED << 8
        self._linear.write(at + 4, word.to_bytes(4, "little"))

    def _push(self, linear: int, frame: list[int]) -> None:
        self._linear.write(linear, struct.pack(f"<{len(frame)}I", *frame))
