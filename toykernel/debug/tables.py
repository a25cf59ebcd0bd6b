"""The descriptor tables as the CPU would read them: GDT, IDT, TSS, selectors, EFLAGS."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.descriptors import TYPE_INTERRUPT_GATE, TYPE_TASK_GATE, TYPE_TRAP_GATE, Gate, Segment
from toykernel.arch.x86.asm_offsets import (
    PAGE_OFFSET,
)
from toykernel.look.register_words import SELECTORS
from toykernel.look.trap_words import vector_text

if TYPE_CHECKING:
    from toykernel.state import Kernel

GATE_KINDS = {
    TYPE_TASK_GATE: "task gate",
    TYPE_INTERRUPT_GATE: "interrupt gate",
    TYPE_TRAP_GATE: "trap gate",
}
#: The 32-bit TSS, SDM vol. 3, figure 7-2: offset, name, bytes.
_TSS_FIELDS = (
    (0x00, "link", 2), (0x04, "esp0", 4), (0x08, "ss0", 2), (0x0C, "esp1", 4), (0x10, "ss1", 2),
    (0x14, "esp2", 4), (0x18, "ss2", 2), (0x1C, "cr3", 4), (0x20, "eip", 4), (0x24, "eflags", 4),
    (0x28, "eax", 4), (0x2C, "ecx", 4), (0x30, "edx", 4), (0x34, "ebx", 4), (0x38, "esp", 4),
    (0x3C, "ebp", 4), (0x40, "esi", 4), (0x44, "edi", 4), (0x48, "es", 2), (0x4C, "cs", 2),
    (0x50, "ss", 2), (0x54, "ds", 2), (0x58, "fs", 2), (0x5C, "gs", 2), (0x60, "ldt", 2),
    (0x64, "trap", 2), (0x66, "I/O map base", 2),
)  # fmt: skip


@dataclass(frozen=True)
class GateRow:
    """An IDT entry with its vector, and the symbol of its handler."""

    vector: int
    what: str
    kind: str
    dpl: int
    selector: int
    offset: int
    symbol: str | None


def idt(k: Kernel, name: Callable[[int], str | None]) -> list[GateRow]:
    """The present gates of the IDT that the CPU uses (before boot is done: of the kernel's)."""
    cpu, ram = k.machine.cpu, k.machine.ram
    base = cpu.idt_base - PAGE_OFFSET if cpu.idt_base >= PAGE_OFFSET else k.arch.idt
    rows = []
    for vector in range(min((cpu.idt_limit + 1) // 8 if cpu.idt_limit else 256, 256)):
        gate = Gate.unpack(*struct.unpack("<II", ram.read(base + 8 * vector, 8)))
        if gate.present:
            kind = GATE_KINDS.get(gate.type, f"type {gate.type:#x}")
            rows.append(
                GateRow(
                    vector, vector_text(vector), kind, gate.dpl, gate.selector, gate.offset,
                    name(gate.offset),
                )
            )  # fmt: skip
    return rows


@dataclass(frozen=True)
class SegmentRow:
    """A GDT entry with its selector."""

    selector: int
    what: str
    segment: Segment

    @property
    def kind(self) -> str:
        """Code, data, LDT or TSS, with the type's bits by name."""
        segment = self.segment
        if segment.system:
            return {0x2: "LDT", 0x9: "TSS", 0xB: "TSS, busy"}.get(
                segment.type, f"system type {segment.type:#x}"
            )
        if segment.is_code:
            letters = "code x" + ("r" if segment.type & 2 else "")
        else:
            letters = "data r" + ("w" if segment.type & 2 else "")
        return letters + (", accessed" if segment.type & 1 else "")


def gdt(k: Kernel) -> list[SegmentRow]:
    """The entries of the GDT that are not empty."""
    cpu, ram = k.machine.cpu, k.machine.ram
    base = cpu.gdt_base - PAGE_OFFSET if cpu.gdt_base >= PAGE_OFFSET else k.arch.gdt
    limit = cpu.gdt_limit if cpu.gdt_base >= PAGE_OFFSET else 32 * 8 - 1
    rows = []
    for selector in range(0, limit, 8):
        low, high = struct.unpack("<II", ram.read(base + selector, 8))
        if low or high:
            segment = Segment.unpack(low, high)
            named = SELECTORS.get(selector | segment.dpl, SELECTORS.get(selector, ""))
            rows.append(SegmentRow(selector, named, segment))
    return rows


def tss(k: Kernel) -> list[tuple[int, str, int]]:
    """(offset in bytes, name, value) of the fields of the TSS in guest RAM."""
    ram = k.machine.ram
    return [
        (offset, name, int.from_bytes(ram.read(k.arch.tss + offset, size), "little"))
        for offset, name, size in _TSS_FIELDS
    ]
