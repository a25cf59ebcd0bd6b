"""A machine with the least that ring 3 needs, and nothing else: no kernel, no assembler front end.

    0x00800 GDT   0x00A00 TSS (and I/O bitmap)   0x01000 IDT   0x02000 handlers, 16 bytes a vector
    0x05000 ring-0 code   0x09000 ring-0 stack top   0x10000 directory   0x11000 table: 4 MiB 1:1
    0x20000 ring-3 code   0x30000 data   0xA0000 ring-3 stack top

Every handler is an IRET (behind an `add $4, %esp` where the CPU pushes an error code), and every
vector is in `trap_stops`, so a run ends with the CPU as the delivery left it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import cache

import keystone

from emu.descriptors import (
    SEG_ACCESSED,
    SEG_CODE,
    SEG_READABLE,
    SEG_WRITABLE,
    TYPE_INTERRUPT_GATE,
    TYPE_TRAP_GATE,
    TYPE_TSS,
    Gate,
    Segment,
    pack_segment,
)
from emu.engine_quirks import FIELD_NAMES
from emu.machine import Event, Machine, Stop
from emu.microcode import Delivery

GDT, TSS, IDT, HANDLERS = 0x800, 0xA00, 0x1000, 0x2000
KCODE_AT, KSTACK, DIRECTORY, TABLE = 0x5000, 0x9000, 0x10000, 0x11000
UCODE_AT, DATA, USTACK = 0x20000, 0x30000, 0xA0000
KCODE, KDATA, UCODE, UDATA, TSS_SELECTOR = 0x08, 0x10, 0x1B, 0x23, 0x28
SPARE = 0x30  # first free GDT slot, for tests
GDT_SLOTS = 16
MEMORY = 4 << 20
FLAT = 0xFFFFFFFF
ERROR_CODE_VECTORS = frozenset((8, 10, 11, 12, 13, 14, 17))
USER_GATES = frozenset((3, 4, 0x80))
IF, TF, NT, RF, VM = 0x200, 0x100, 0x4000, 0x10000, 0x20000


@cache
def asm(text: str, at: int = UCODE_AT) -> bytes:
    """AT&T text through raw Keystone, which reads numbers without 0x as hexadecimal: refused."""
    number = re.search(r"(?<![\w])\d\d+", text)
    assert number is None, f"write {number and number[0]!r} with 0x"
    engine = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_32)
    engine.syntax = keystone.KS_OPT_SYNTAX_ATT
    code, _ = engine.asm(text, at)
    assert code, f"nothing came of {text!r}"
    return bytes(code)


@dataclass(frozen=True)
class Frame:
    """What a delivery pushed, lowest address first."""

    error_code: int | None
    eip: int
    cs: int
    eflags: int
    esp: int | None
    ss: int | None


class Bare:
    """A machine in ring 3 (or ring 0) with code at hand. `deliveries` keeps every trap."""

    def __init__(
        self,
        *,
        native: bool = True,
        model: str = "max",
        memory: int = MEMORY,
        stop_on_traps: bool = True,
        timing: str = "off",
    ) -> None:
        self.machine = Machine(memory, model=model, native=native, timing=timing)
        self.ram, self.cpu = self.machine.ram, self.machine.cpu
        self.deliveries: list[Delivery] = []
        self.machine.trap_listeners.append(self.deliveries.append)
        if stop_on_traps:
            self.machine.trap_stops = frozenset(range(256))
        self._tables()
        self._paging()
        self.ring3()

    def _tables(self) -> None:
        flat_code = SEG_CODE | SEG_READABLE | SEG_ACCESSED
        flat_data = SEG_WRITABLE | SEG_ACCESSED
        self.ram.write(
            GDT,
            bytes(8)
            + pack_segment(0, FLAT, flat_code)
            + pack_segment(0, FLAT, flat_data)
            + pack_segment(0, FLAT, flat_code, dpl=3)
            + pack_segment(0, FLAT, flat_data, dpl=3)
            + pack_segment(TSS, 103, TYPE_TSS, system=True),
        )
        tss = bytearray(104)
        struct.pack_into("<II", tss, 4, KSTACK, KDATA)
        struct.pack_into("<H", tss, 0x66, 104)
        self.ram.write(TSS, bytes(tss))
        for vector in range(256):
            handler = b"\x83\xc4\x04\xcf" if vector in ERROR_CODE_VECTORS else b"\xcf"
            self.ram.write(HANDLERS + 16 * vector, handler)
            kind = TYPE_TRAP_GATE if vector == 0x80 else TYPE_INTERRUPT_GATE
            self.gate(vector, type_=kind, dpl=3 if vector in USER_GATES else 0)
        cpu = self.cpu
        cpu.gdt_base, cpu.gdt_limit = GDT, GDT_SLOTS * 8 - 1
        cpu.idt_base, cpu.idt_limit = IDT, 0x7FF
        cpu.tr, cpu.tr_base, cpu.tr_limit = TSS_SELECTOR, TSS, 103

    def _paging(self) -> None:
        for page in range(1024):
            self.ram.write32(TABLE + 4 * page, page << 12 | 7)
        self.ram.write32(DIRECTORY, TABLE | 7)
        self.cpu.set_cr(3, DIRECTORY)
        self.cpu.set_cr(0, self.cpu.cr0 | 0x80010000)

    # -- setting up ------------------------------------------------------------------------------

    def gate(
        self,
        vector: int,
        *,
        type_: int = TYPE_INTERRUPT_GATE,
        dpl: int = 0,
        present: bool = True,
        selector: int = KCODE,
        offset: int | None = None,
    ) -> None:
        """Write an IDT entry; the handler is the vector's own unless `offset` says otherwise."""
        at = HANDLERS + 16 * vector if offset is None else offset
        self.ram.write(IDT + 8 * vector, Gate(selector, at, type_, dpl, present).pack())

    def descriptor(self, index: int, data: bytes) -> int:
        """Write a GDT slot; returns its selector with RPL 0."""
        self.ram.write(GDT + 8 * index, data)
        return 8 * index

    def handler(self, vector: int, text: str) -> None:
        """Replace a handler: at most 16 bytes."""
        code = asm(text, HANDLERS + 16 * vector)
        assert len(code) <= 16
        self.ram.write(HANDLERS + 16 * vector, code)

    def page(self, linear: int, entry: int) -> None:
        """Write the PTE of a page below 4 MiB, and flush."""
        self.ram.write32(TABLE + 4 * (linear >> 12), entry)
        self.machine.flush_tlb()

    def _enter(self, code: int, stack: int, dpl: int) -> None:
        code_type, data_type = SEG_CODE | SEG_READABLE | SEG_ACCESSED, SEG_WRITABLE | SEG_ACCESSED
        data = Segment(0, FLAT, data_type, False, dpl, True, True)
        for name in ("ds", "es", "fs", "gs", "ss"):
            self.cpu.set_segment(name, stack, data)
        self.cpu.set_segment("cs", code, Segment(0, FLAT, code_type, False, dpl, True, True))

    def ring3(self) -> None:
        """Become ring 3 at the start of its code, interrupts on."""
        self._enter(UCODE, UDATA, 3)
        self.cpu.eip, self.cpu.esp, self.cpu.eflags = UCODE_AT, USTACK, 0x202

    def ring0(self) -> None:
        """Become ring 0 at the start of its code, interrupts off."""
        self._enter(KCODE, KDATA, 0)
        self.cpu.eip, self.cpu.esp, self.cpu.eflags = KCODE_AT, KSTACK, 0x2

    def code(self, program: str | bytes, at: int | None = None) -> None:
        """Put code where EIP is, or at `at`."""
        where = self.cpu.eip if at is None else at
        self.ram.write(where, program if isinstance(program, bytes) else asm(program, where))

    # -- running and looking ---------------------------------------------------------------------

    def run(self, program: str | bytes | None = None, until: int = 10_000) -> Event:
        """Run, from the start of `program` when one is given."""
        if program is not None:
            self.code(program)
        return self.machine.run(until=until)

    def trap(self, program: str | bytes | None = None) -> Delivery:
        """Run until a trap is delivered; that trap."""
        event = self.run(program)
        assert event.stop is Stop.TRAP, (event, self.deliveries)
        return self.deliveries[-1]

    def frame(self, *, error_code: bool = False, inward: bool = True) -> Frame:
        """The frame at the present stack pointer."""
        words = [self.word(self.cpu.esp + 4 * i) for i in range(6)]
        code = words.pop(0) if error_code else None
        eip, cs, eflags = words[:3]
        esp, ss = (words[3], words[4]) if inward else (None, None)
        return Frame(code, eip, cs, eflags, esp, ss)

    def word(self, linear: int) -> int:
        """A 32-bit word at a linear address."""
        return int.from_bytes(self.machine.linear.read(linear, 4), "little")

    def registers(self) -> dict[str, int]:
        """The whole register file, without what is the engine's own business."""
        skipped = ("error_code", "is_int")
        return {n: v for n, v in zip(FIELD_NAMES, self.cpu.regs, strict=True) if n not in skipped}

    def state(self) -> tuple[object, ...]:
        """All that must be equal for two machines to be the same."""
        m = self.machine
        devices = {d.name: d.save() for d in m.devices}
        return (
            self.registers(),
            m.cpu.retired,
            m.clock.cycles,
            m.clock.by_rule(),
            m.halted,
            devices,
            m.ram.image(),
            tuple(self.deliveries),
        )
