"""Remembered deliveries: what the descriptor tables said the last time a trap took the same way.

Delivering a trap reads a gate, a code segment, the TSS and a stack segment. Nearly always they are what
they were the last time. A plan keeps the raw words that were read, where they were read, and what came
of them; it is used only while all of them are the same, so it never decides anything that
emu.microcode would decide otherwise. Whatever is unusual (16-bit stacks, LDT, V86, a wrapping stack,
an Accessed bit to set) is not remembered. The native hooks have the same plans, and take such a trap
without leaving the run (emu/_traps.h).
"""

from __future__ import annotations

import ctypes
import struct
from array import array

from emu.cpu import Cpu, load_native
from emu.descriptors import SEG_ACCESSED, SEG_EXPAND_DOWN, Segment
from emu.eflags import EFLAGS_VM
from emu.engine_quirks import FIELD, HF_ADDSEG, HF_CPL, HF_CS32, HF_INHIBIT_IRQ, HF_SS32
from emu.layout import check_layout
from emu.linear import LinearMemory
from emu.ram import Ram
from emu.record import dataclass

_FLAT = 0xFFFFFFFF
_IDT, _GDT, _TR = FIELD["idt_base"], FIELD["gdt_base"], FIELD["tr_base"]
_CS, _SS = FIELD["cs_selector"], FIELD["ss_selector"]
_DS_BASE, _ES_BASE = FIELD["ds_base"], FIELD["es_base"]
_ESP, _EIP, _EFLAGS, _HFLAGS = FIELD["esp"], FIELD["eip"], FIELD["eflags"], FIELD["hflags"]
_B_BIT = 1 << 22
_HFLAGS_KEPT = ~(HF_CPL | HF_CS32 | HF_SS32 | HF_ADDSEG | HF_INHIBIT_IRQ)
_NATIVE_PLANS = 32
_U32, _U64 = ctypes.c_uint32, ctypes.c_uint64
_FRAMES = {count: struct.Struct(f"<{count}I") for count in range(3, 7)}


@dataclass(slots=True)
class TrapPlan:
    """One way through a gate. Addresses are linear in `reads`, indices of 64-bit words in `words`."""

    tables: tuple[int, ...]  # base and limit of IDT, GDT and TSS
    reads: tuple[int, ...]
    words: tuple[tuple[int, int], ...]  # index, value
    generation: int
    stack_at: int  # linear address of the TSS's esp; 0 when the stack is not switched
    stack_physical: int
    stack_selector: int
    code: memoryview  # the four parts of CS
    stack: memoryview | None  # the four parts of SS
    offset: int
    keep: int  # mask for EFLAGS
    hflags: int  # CPL and operand sizes


class TrapPlanRecord(ctypes.Structure):
    """struct trap_plan of emu/_traps.h: change both."""

    _fields_ = (
        *((name, _U32) for name in ("vector", "kind", "cpl", "reads")),
        ("tables", _U32 * 6),
        ("linear", _U32 * 3),
        ("physical", _U32 * 3),
        ("words", _U64 * 3),
        *((name, _U32) for name in ("stack_at", "stack_physical", "stack_selector", "offset")),
        ("code", _U32 * 4),
        ("stack", _U32 * 4),
        *((name, _U32) for name in ("keep", "hflags")),
    )


class TrapPlanTable(ctypes.Structure):
    """struct trap_plans of emu/_traps.h: change both."""

    _fields_ = (("count", _U64), ("plan", TrapPlanRecord * _NATIVE_PLANS))


def _copy(parts: memoryview) -> memoryview:
    return memoryview(array("I", parts))


def _flat_stack(segment: Segment) -> bool:
    return (
        segment.default32
        and segment.base == 0
        and segment.limit == _FLAT
        and not segment.type & SEG_EXPAND_DOWN
    )


class TrapPlans:
    """The plans of one CPU, by (vector, kind, CPL)."""

    def __init__(self, ram: Ram, cpu: Cpu, linear: LinearMemory) -> None:
        self._ram = ram
        self._cpu = cpu
        self._linear = linear
        self._plans: dict[tuple[int, int, int], TrapPlan] = {}
        self._native = TrapPlanTable()
        self._slots: dict[tuple[int, int, int], int] = {}

    @property
    def address(self) -> int:
        """Host address of the plans, for EngineState.traps. Raises EngineContractError."""
        native = load_native()
        check_layout(native, "trap_plan", TrapPlanRecord)
        check_layout(native, "trap_plans", TrapPlanTable)
        return ctypes.addressof(self._native)

    def _unchanged(self, plan: TrapPlan) -> bool:
        """Whether everything the plan was made from is as it was."""
        regs = self._cpu.regs
        if (
            regs[_IDT],
            regs[_IDT + 1],
            regs[_GDT],
            regs[_GDT + 1],
            regs[_TR],
            regs[_TR + 1],
        ) != plan.tables:
            return False
        generation = self._linear.synchronise()
        if plan.generation != generation and not self._still_there(plan, generation):
            return False
        quads = self._ram.quads
        for index, value in plan.words:  # noqa: SIM110 (a generator costs as much as the delivery)
            if quads[index] != value:
                return False
        return True

    def _still_there(self, plan: TrapPlan, generation: int) -> bool:
        """After a flush: do the tables still lie where they lay?"""
        physical = self._linear.physical
        for linear, (index, _) in zip(plan.reads, plan.words, strict=True):
            if physical(linear) != index << 3:
                return False
        if plan.stack_at and physical(plan.stack_at) != plan.stack_physical:
            return False
        plan.generation = generation
        return True

    def deliver(self, vector: int, kind: int, error_code: int | None, rf: int) -> bool:
        """Take a trap as the last time; False, with nothing changed, when it may differ.

        `rf` is what is added to the pushed EFLAGS. Raises PageFault when the stack refuses.
        """
        regs = self._cpu.regs
        flags = regs[_EFLAGS]
        plan = self._plans.get((vector, kind, regs[_HFLAGS] & HF_CPL))
        if plan is None or flags & EFLAGS_VM or not self._unchanged(plan):
            return False
        stack = plan.stack
        if stack is not None:
            words, at = self._ram.aligned_words, plan.stack_physical >> 2
            if words[at + 1] & 0xFFFF != plan.stack_selector:
                return False
            esp = words[at]
            frame = [regs[_EIP], regs[_CS], flags | rf, regs[_ESP], regs[_SS]]
        else:
            flat = regs[_SS + 1] == 0 and regs[_SS + 2] == _FLAT and regs[_SS + 3] & _B_BIT
            if not flat or regs[_SS + 3] & SEG_EXPAND_DOWN << 8:
                return False
            esp = regs[_ESP]
            frame = [regs[_EIP], regs[_CS], flags | rf]
        if error_code is not None:
            frame.insert(0, error_code)
        top = esp - 4 * len(frame)
        if top < 0:
            return False
        self._linear.store(top, _FRAMES[len(frame)].pack(*frame))
        if stack is not None:
            regs[_SS : _SS + 4] = stack
        regs[_ESP] = top
        regs[_CS : _CS + 4] = plan.code
        regs[_EIP] = plan.offset
        regs[_EFLAGS] = flags & plan.keep
        based = HF_ADDSEG if regs[_DS_BASE] or regs[_ES_BASE] else 0
        regs[_HFLAGS] = regs[_HFLAGS] & _HFLAGS_KEPT | plan.hflags | based
        return True

    def remember(
        self,
        key: tuple[int, int, int],
        reads: tuple[int, ...],
        code: Segment,
        stack: Segment | None,
        stack_at: int,
        keep: int,
    ) -> None:
        """Keep what has just been done; the registers are as the delivery left them.

        `reads` are the linear addresses of the gate and the descriptors, `stack_at` that of the TSS's
        stack pointer.
        """
        if not code.default32 or not code.type & SEG_ACCESSED or code.limit != _FLAT:
            return
        if stack is not None and not (_flat_stack(stack) and stack.type & SEG_ACCESSED):
            return
        if any(linear & 7 for linear in reads) or stack_at & 3 or stack_at & 0xFFF > 0xFF8:
            return
        regs = self._cpu.regs
        spots = [self._linear.physical(linear) >> 3 for linear in reads]
        plan = self._plans[key] = TrapPlan(
            tables=tuple(regs[i] for at in (_IDT, _GDT, _TR) for i in (at, at + 1)),
            reads=reads,
            words=tuple((index, self._ram.quads[index]) for index in spots),
            generation=self._linear.synchronise(),
            stack_at=stack_at,
            stack_physical=self._linear.physical(stack_at) if stack_at else 0,
            stack_selector=regs[_SS],
            code=_copy(regs[_CS : _CS + 4]),
            stack=_copy(regs[_SS : _SS + 4]) if stack is not None else None,
            offset=regs[_EIP],
            keep=keep & _FLAT,
            hflags=regs[_HFLAGS] & (HF_CPL | HF_CS32 | HF_SS32),
        )
        self._write_native(key, plan)

    def _write_native(self, key: tuple[int, int, int], plan: TrapPlan) -> None:
        table = self._native
        if key not in self._slots and len(self._slots) == _NATIVE_PLANS:
            self._slots.clear()  # a guest of many gates: those in use come back
            table.count = 0
        slot = self._slots.setdefault(key, len(self._slots))
        record = TrapPlanRecord(
            *(*key, len(plan.reads), plan.tables, plan.reads),
            tuple(index << 3 for index, _ in plan.words),
            tuple(value for _, value in plan.words),
            *(plan.stack_at, plan.stack_physical, plan.stack_selector, plan.offset),
            tuple(plan.code),
            tuple(plan.stack or ()),
            *(plan.keep, plan.hflags),
        )
        table.plan[slot] = record
        table.count = max(table.count, slot + 1)
