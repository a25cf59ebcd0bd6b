"""Trap delivery against Intel SDM vol. 3, chapter 6: gates, privilege, stacks, frames, #DF."""

from __future__ import annotations

from typing import Any

import pytest
from bare import (
    DATA,
    FLAT,
    GDT,
    HANDLERS,
    IDT,
    IF,
    KCODE,
    KCODE_AT,
    KDATA,
    KSTACK,
    NT,
    RF,
    SPARE,
    TABLE,
    TF,
    TSS,
    TSS_SELECTOR,
    UCODE,
    UCODE_AT,
    UDATA,
    USTACK,
    VM,
    Bare,
    asm,
    pack_segment,
)

from emu.descriptors import (
    SEG_ACCESSED,
    SEG_CODE,
    SEG_CONFORMING,
    SEG_EXPAND_DOWN,
    SEG_READABLE,
    SEG_WRITABLE,
    TYPE_INTERRUPT_GATE,
    TYPE_TASK_GATE,
    TYPE_TRAP_GATE,
    Segment,
)
from emu.machine import Stop
from emu.microcode import EXCEPTION, EXTERNAL, SOFTWARE

INT80 = b"\xcd\x80"
CODE = SEG_CODE | SEG_READABLE | SEG_ACCESSED
STACK = SEG_WRITABLE | SEG_ACCESSED
PRESENT = 1 << 47


def absent(descriptor: bytes) -> bytes:
    """The same descriptor with P = 0."""
    return (int.from_bytes(descriptor, "little") & ~PRESENT).to_bytes(8, "little")


@pytest.fixture(params=[True, False], ids=["native", "python"])
def bare(request: Any) -> Bare:
    return Bare(native=request.param)


# -- gates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "kept"), [(TYPE_TRAP_GATE, IF), (TYPE_INTERRUPT_GATE, 0)], ids=["trap", "interrupt"]
)
def test_gate_type_decides_if(bare: Bare, type_: int, kept: int) -> None:  # A1
    bare.gate(0x80, type_=type_, dpl=3)
    assert bare.trap(INT80).kind == SOFTWARE
    assert bare.cpu.eflags & IF == kept
    assert bare.frame().eflags & IF


def test_frame_of_an_inward_trap(bare: Bare) -> None:  # A1
    bare.trap(INT80)
    frame, cpu = bare.frame(), bare.cpu
    assert frame.eip == UCODE_AT + 2
    assert (frame.cs, frame.ss, frame.esp) == (UCODE, UDATA, USTACK)
    assert frame.eflags == 0x202
    assert (cpu.cs, cpu.ss, cpu.esp, cpu.cpl) == (KCODE, KDATA, KSTACK - 20, 0)
    assert cpu.eip == HANDLERS + 16 * 0x80
    assert cpu.ds == UDATA  # data segments are left to the handler


def test_frame_of_a_trap_in_ring_0(bare: Bare) -> None:  # A5
    bare.ring0()
    bare.trap(INT80)
    frame = bare.frame(inward=False)
    assert (frame.eip, frame.cs, frame.eflags) == (KCODE_AT + 2, KCODE, 2)
    assert bare.cpu.esp == KSTACK - 12
    assert bare.word(KSTACK) == 0  # nothing was pushed above


@pytest.mark.parametrize("vector", [0x21, 14, 13, 8, 0xFF])
def test_int_through_a_dpl_0_gate_is_gp(bare: Bare, vector: int) -> None:  # A1
    trap = bare.trap(bytes((0xCD, vector)))
    assert (trap.vector, trap.error_code, trap.kind) == (13, 8 * vector + 2, EXCEPTION)
    assert bare.frame(error_code=True).eip == UCODE_AT
    assert bare.cpu.retired == 0


def test_int_6_is_an_interrupt_like_others(bare: Bare) -> None:  # A1
    trap = bare.trap(b"\xcd\x06")
    assert (trap.vector, trap.error_code, bare.machine.clock.instructions) == (13, 6 * 8 + 2, 0)
    bare.gate(6, dpl=3)
    bare.ring3()
    trap = bare.trap(b"\xcd\x06")
    assert (trap.vector, trap.error_code) == (6, None)
    assert bare.machine.clock.instructions == 1


def test_int_through_a_dpl_0_gate_from_ring_0(bare: Bare) -> None:
    bare.ring0()
    assert bare.trap(b"\xcd\x21").vector == 0x21


def test_exceptions_and_interrupts_ignore_the_gates_dpl(bare: Bare) -> None:
    assert bare.trap(b"\x0f\x0b").vector == 6
    bare.ring3()
    bare.machine.pic.base, bare.machine.pic.mask = 0x20, 0
    bare.machine.pic.request(2)
    assert (bare.trap(b"\x90").vector, bare.deliveries[-1].kind) == (0x22, EXTERNAL)


def test_gate_not_present(bare: Bare) -> None:
    bare.gate(0x80, dpl=3, present=False)
    trap = bare.trap(INT80)
    assert (trap.vector, trap.error_code, trap.eip) == (11, 0x80 * 8 + 2, UCODE_AT)


def test_dpl_is_checked_before_presence(bare: Bare) -> None:
    bare.gate(0x80, dpl=0, present=False)
    assert bare.trap(INT80).vector == 13


def test_missing_gate_of_an_exception_sets_ext(bare: Bare) -> None:
    bare.gate(6, present=False)
    trap = bare.trap(b"\x0f\x0b")
    assert (trap.vector, trap.error_code) == (11, 6 * 8 + 2 + 1)


@pytest.mark.parametrize(("limit", "vector"), [(0x80 * 8 + 7, 0x80), (0x80 * 8 + 6, 13)])
def test_idt_limit(bare: Bare, limit: int, vector: int) -> None:
    bare.cpu.idt_limit = limit
    trap = bare.trap(INT80)
    assert trap.vector == vector
    assert trap.error_code == (None if vector == 0x80 else 0x80 * 8 + 2)


@pytest.mark.parametrize(
    "type_", [TYPE_TASK_GATE, 0x6, 0x7, 0xC, 0x0, 0x9], ids=lambda t: f"type-{t:x}"
)
def test_other_gates_are_refused(bare: Bare, type_: int) -> None:
    """Task gates and 16-bit gates exist on an i386: see docs/deviations.md."""
    bare.gate(0x80, type_=type_, dpl=3)
    trap = bare.trap(INT80)
    assert (trap.vector, trap.error_code, trap.eip) == (13, 0x80 * 8 + 2, UCODE_AT)


# -- code segments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("descriptor", "vector", "code"),
    [
        (bytes(8), 13, SPARE),
        (pack_segment(0, FLAT, STACK), 13, SPARE),
        (pack_segment(TSS, 103, 9, system=True), 13, SPARE),
        (absent(pack_segment(0, FLAT, CODE)), 11, SPARE),
    ],
    ids=["empty", "data", "system", "not-present"],
)
def test_bad_code_segment(bare: Bare, descriptor: bytes, vector: int, code: int) -> None:
    bare.descriptor(SPARE // 8, descriptor)
    bare.gate(0x80, selector=SPARE, dpl=3)
    trap = bare.trap(INT80)
    assert (trap.vector, trap.error_code, trap.eip) == (vector, code, UCODE_AT)


@pytest.mark.parametrize("selector", [0, 1, 3])
def test_null_code_selector(bare: Bare, selector: int) -> None:
    bare.gate(0x80, selector=selector, dpl=3)
    trap = bare.trap(INT80)
    assert (trap.vector, trap.error_code) == (13, 0)


@pytest.mark.parametrize("selector", [0x1000, 0x84], ids=["gdt", "ldt"])
def test_code_selector_beyond_its_table(bare: Bare, selector: int) -> None:
    bare.gate(0x80, selector=selector, dpl=3)
    trap = bare.trap(INT80)
    assert (trap.vector, trap.error_code) == (13, selector)


def test_trap_to_less_privilege(bare: Bare) -> None:
    bare.ring0()
    bare.gate(0x80, selector=UCODE & ~3)
    trap = bare.trap(INT80)
    assert (trap.vector, trap.error_code) == (13, UCODE & ~3)


def test_conforming_segment_keeps_the_privilege(bare: Bare) -> None:
    bare.descriptor(SPARE // 8, pack_segment(0, FLAT, CODE | SEG_CONFORMING))
    bare.gate(0x80, selector=SPARE, dpl=3)
    assert bare.trap(INT80).vector == 0x80
    assert (bare.cpu.cpl, bare.cpu.cs, bare.cpu.esp) == (3, SPARE | 3, USTACK - 12)
    assert bare.frame(inward=False).eip == UCODE_AT + 2


def test_same_privilege_in_ring_3(bare: Bare) -> None:
    bare.gate(0x80, selector=UCODE & ~3, dpl=3)
    assert bare.trap(INT80).vector == 0x80
    assert (bare.cpu.cpl, bare.cpu.cs, bare.cpu.ss, bare.cpu.esp) == (3, UCODE, UDATA, USTACK - 12)


def test_offset_beyond_the_code_limit(bare: Bare) -> None:
    bare.descriptor(SPARE // 8, pack_segment(0, 0xFFF, CODE))
    bare.gate(0x80, selector=SPARE, dpl=3)
    trap = bare.trap(INT80)
    assert (trap.vector, trap.error_code) == (13, 0)


def test_accessed_bit_of_the_code_segment_is_set(bare: Bare) -> None:
    bare.descriptor(SPARE // 8, pack_segment(0, FLAT, SEG_CODE | SEG_READABLE))
    bare.gate(0x80, selector=SPARE, dpl=3)
    assert bare.trap(INT80).vector == 0x80
    assert bare.ram.read(GDT + SPARE + 5, 1)[0] & SEG_ACCESSED


def test_code_segment_in_the_ldt(bare: Bare) -> None:
    bare.ram.write(DATA, bytes(8) + pack_segment(0, FLAT, CODE))
    bare.cpu.ldtr, bare.cpu.ldtr_base, bare.cpu.ldtr_limit = SPARE, DATA, 15
    bare.gate(0x80, selector=0x0C, dpl=3)
    assert bare.trap(INT80).vector == 0x80
    assert bare.cpu.cs == 0x0C


# -- stacks ----------------------------------------------------------------------------------------


def set_stack(bare: Bare, selector: int, esp: int = KSTACK) -> None:
    """ss0:esp0 of the TSS."""
    bare.ram.write32(TSS + 4, esp)
    bare.ram.write32(TSS + 8, selector)


def ring0_int80(bare: Bare) -> None:
    """An INT 0x80 whose faults can still be delivered: their gates lead to ring 3."""
    bare.gate(0x80, dpl=3)
    for vector in (10, 11, 12, 13, 14):
        bare.gate(vector, selector=UCODE & ~3)


@pytest.mark.parametrize(
    ("selector", "descriptor", "vector", "code"),
    [
        (0, None, 10, 0),
        (0x1000, None, 10, 0x1000),
        (SPARE | 3, pack_segment(0, FLAT, STACK), 10, SPARE),
        (SPARE, pack_segment(0, FLAT, STACK, dpl=3), 10, SPARE),
        (SPARE, pack_segment(0, FLAT, CODE), 10, SPARE),
        (SPARE, pack_segment(0, FLAT, SEG_ACCESSED), 10, SPARE),
        (SPARE, absent(pack_segment(0, FLAT, STACK)), 12, SPARE),
        (SPARE, pack_segment(0, 0xFFF, STACK), 12, SPARE),
    ],
    ids=["null", "beyond", "rpl", "dpl", "code", "read-only", "not-present", "limit"],
)
def test_bad_inner_stack(
    bare: Bare, selector: int, descriptor: bytes | None, vector: int, code: int
) -> None:
    ring0_int80(bare)
    if descriptor:
        bare.descriptor(SPARE // 8, descriptor)
    set_stack(bare, selector)
    trap = bare.trap(INT80)
    assert (trap.vector, trap.error_code, trap.eip) == (vector, code, UCODE_AT)
    assert bare.cpu.cpl == 3


@pytest.mark.parametrize(("limit", "vector"), [(9, 0x80), (8, 10)])
def test_tss_limit(bare: Bare, limit: int, vector: int) -> None:
    ring0_int80(bare)
    bare.cpu.tr_limit = limit
    trap = bare.trap(INT80)
    assert trap.vector == vector
    assert trap.error_code == (None if vector == 0x80 else TSS_SELECTOR)


def test_present_stack_without_room(bare: Bare) -> None:
    """Same privilege: #SS with error code 0 (EXT apart); here it cannot be delivered either."""
    bare.ring0()
    small = Segment(0, 0xFFF, STACK, False, 0, True, True)
    bare.cpu.set_segment("ss", KDATA, small)
    bare.cpu.esp = 0x2000
    assert bare.run(INT80).stop is Stop.SHUTDOWN


def test_expand_down_stack(bare: Bare) -> None:
    bare.descriptor(SPARE // 8, pack_segment(0, 0x7FFF, STACK | SEG_EXPAND_DOWN))
    set_stack(bare, SPARE, KSTACK)
    assert bare.trap(INT80).vector == 0x80
    bare.ring3()
    ring0_int80(bare)
    set_stack(bare, SPARE, 0x8000)
    assert bare.trap(INT80).vector == 12


def test_an_expand_down_stack_of_4_gib_has_no_byte(bare: Bare) -> None:
    """Offsets above the limit are its own, and there is none above this: no fault can be delivered."""
    bare.descriptor(SPARE // 8, pack_segment(0, FLAT, STACK | SEG_EXPAND_DOWN))
    set_stack(bare, SPARE, KSTACK)
    assert bare.run(INT80).stop is Stop.SHUTDOWN


def test_16_bit_stack_keeps_the_upper_half_of_esp(bare: Bare) -> None:
    bare.ring0()
    bare.cpu.set_segment("ss", KDATA, Segment(0, 0xFFFF, STACK, False, 0, True, False))
    bare.cpu.esp = 0xABCD9000
    bare.trap(INT80)
    assert bare.cpu.esp == 0xABCD8FF4
    assert bare.word(0x8FF4) == KCODE_AT + 2


def test_stack_segment_base_is_added(bare: Bare) -> None:
    bare.descriptor(SPARE // 8, pack_segment(0x1000, FLAT, STACK))
    set_stack(bare, SPARE, 0x8000)
    bare.trap(INT80)
    assert bare.cpu.esp == 0x8000 - 20
    assert bare.word(0x9000 - 20) == UCODE_AT + 2


def test_frame_across_two_pages(bare: Bare) -> None:
    set_stack(bare, KDATA, 0x9008)
    bare.trap(INT80)
    assert bare.frame().ss == UDATA
    assert bare.word(0x9004) == UDATA


@pytest.mark.parametrize("page", [0x8000, 0x9000])
def test_half_a_frame_is_not_pushed(bare: Bare, page: int) -> None:
    """A frame across two pages of which one refuses: nothing of it is stored."""
    ring0_int80(bare)
    set_stack(bare, KDATA, 0x9008)
    bare.page(page, 0)
    trap = bare.trap(INT80)
    assert (trap.vector, trap.error_code, trap.eip) == (14, 2, UCODE_AT)
    assert bare.ram.read(0x8FF0, 0x20) == bytes(0x20)


def test_page_fault_while_pushing_is_a_supervisor_write(bare: Bare) -> None:
    ring0_int80(bare)
    bare.page(KSTACK - 0x1000, 0x8000 | 5)  # user, read-only: WP refuses the supervisor too
    trap = bare.trap(INT80)
    assert (trap.vector, trap.error_code, bare.cpu.cr2) == (14, 3, KSTACK - 20)


# -- flags -----------------------------------------------------------------------------------------


def test_flags_are_pushed_then_cleared(bare: Bare) -> None:
    bare.cpu.eflags = 0x202 | NT | 0xCD5 & ~TF
    bare.trap(INT80)
    assert bare.frame().eflags == 0x202 | NT | 0xCD5 & ~TF
    assert bare.cpu.eflags & (TF | NT | RF | VM) == 0
    assert bare.cpu.eflags & 0xCD5 == 0xCD5 & ~TF


def test_tf_is_pushed_set_and_cleared(bare: Bare) -> None:  # A1
    bare.cpu.eflags |= TF
    assert bare.trap(INT80).vector == 0x80
    assert bare.frame().eflags & TF
    assert not bare.cpu.eflags & TF


@pytest.mark.parametrize(
    ("code", "vector", "resume"),
    [
        (b"\xf7\xf1", 0, True),
        (b"\x62\x05\x00\x00\x03\x00", 5, True),
        (b"\x0f\x0b", 6, True),
        (b"\xfa", 13, True),
        (b"\x8b\x05\x00\x00\x40\x00", 14, True),
        (b"\xcd\x80", 0x80, False),
        (b"\xcc", 3, False),
        (b"\xf1", 1, False),
    ],
    ids=["de", "br", "ud", "gp", "pf", "int", "bp", "int1"],
)
def test_faults_push_rf(bare: Bare, code: bytes, vector: int, resume: bool) -> None:
    bare.cpu.eax = 5
    trap = bare.trap(code)
    assert trap.vector == vector
    frame = bare.frame(error_code=trap.error_code is not None)
    assert bool(frame.eflags & RF) == resume
    assert frame.eip == UCODE_AT + (0 if resume else len(code))
    assert not bare.cpu.eflags & RF


def test_rf_lasts_for_one_instruction(bare: Bare) -> None:
    bare.cpu.eflags |= RF
    bare.trap(b"\x90" + INT80)
    assert not bare.frame().eflags & RF


def test_rf_is_the_same_in_steps(bare: Bare) -> None:
    """IRET sets it, the next instruction takes it away: also where a block goes on."""
    bare.ring0()
    bare.code("pushl $0x10002; pushl $0x8; pushl $0x5100; iret")
    bare.code(b"\x90\x90\x90", at=KCODE_AT + 0x100)
    for _ in range(4):
        bare.machine.step()
    assert bare.cpu.eflags & RF
    bare.machine.step()
    assert not bare.cpu.eflags & RF
    bare.ring0()
    bare.run(until=bare.cpu.retired + 6)
    assert (bare.cpu.eip, bare.cpu.eflags & RF) == (KCODE_AT + 0x102, 0)


# -- what there is to deliver ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "vector", "error"),
    [
        (asm("xorl %ecx,%ecx; divl %ecx"), 0, None),
        (asm("movl $0x1,%ecx; movl %ecx,%edx; divl %ecx"), 0, None),
        (bytes.fromhex("d400"), 0, None),  # aam 0
        (b"\xcc", 3, None),
        (asm("movb $0x7f,%al; addb $0x1,%al; into"), 4, None),
        (bytes.fromhex("620500000300"), 5, None),  # bound %eax, 0x30000
        (b"\x0f\x0b", 6, None),
        (b"\x0f\xff", 6, None),
        (bytes.fromhex("c5c0"), 6, None),  # lds of a register: no VEX here
        (bytes.fromhex("c4e278f2c1"), 6, None),
        (b"\xf4", 13, 0),
        (b"\xfa", 13, 0),
        (b"\xfb", 13, 0),
        (b"\xe4\x60", 13, 0),
        (b"\xef", 13, 0),
        (asm("movl %eax,%cr3"), 13, 0),
        (asm("movl %cr0,%eax"), 13, 0),
        (asm("movl %eax,%dr7"), 13, 0),
        (asm("ltr %ax"), 13, 0),
        (b"\x0f\x30", 13, 0),
        (b"\x0f\x01\x15\x00\x00\x03\x00", 13, 0),  # lgdt
        (b"\x0f\x01\x38", 13, 0),  # invlpg
        (asm("movl $0x8,%eax; movw %ax,%ss"), 13, 8),
        (asm("movl $0x1000,%eax; movw %ax,%fs"), 13, 0x1000),
        (bytes.fromhex("9a000000002800"), 13, 0x28),  # lcall to a TSS of DPL 0
        (b"\xea\x00\x00\x00\x00\x08\x00", 13, 8),  # ljmp to ring 0
        (b"\xcf", 13, 0),  # iret to a null CS
        (asm("jmp 0x900000"), 14, 4),
        (asm("movl 0x900000,%eax"), 14, 4),
        (asm("movl %eax,0x900000"), 14, 6),
        (asm("orl %eax,0x900000"), 14, None),
    ],
)
def test_exceptions_of_ring_3(bare: Bare, code: bytes, vector: int, error: int | None) -> None:
    # A5
    bare.cpu.eax = 5
    trap = bare.trap(code)
    assert trap.vector == vector
    if code != asm("orl %eax,0x900000"):
        assert trap.error_code == error
    assert bare.cpu.cpl == 0
    frame = bare.frame(error_code=trap.error_code is not None)
    assert (frame.eip, frame.cs, frame.error_code) == (trap.eip, UCODE, trap.error_code)


MEMORY, REGISTER = 0x07, 0xC7  # (%edi), %edi
#: SDM vol. 2, LOCK: the instructions that may have it, and these only with a memory destination.
LOCKABLE = [
    *(bytes((op + form,)) for op in range(0, 0x38, 8) for form in (0, 1)),
    *(bytes((op,)) for op in (0x86, 0x87)),
    *(bytes((0x0F, op)) for op in (0xAB, 0xB0, 0xB1, 0xB3, 0xBB, 0xC0, 0xC1)),
]
LOCKABLE_GROUPS = [
    *((bytes((op,)), n) for op in (0x80, 0x81, 0x82, 0x83) for n in range(7)),
    *((bytes((op,)), n) for op in (0xF6, 0xF7) for n in (2, 3)),
    *((bytes((op,)), n) for op in (0xFE, 0xFF) for n in (0, 1)),
    *((b"\x0f\xba", n) for n in (5, 6, 7)),
    (b"\x0f\xc7", 1),
]


@pytest.mark.parametrize(
    ("opcode", "digit"), [*((op, 0) for op in LOCKABLE), *LOCKABLE_GROUPS], ids=str
)
def test_lock_with_memory_and_with_a_register(bare: Bare, opcode: bytes, digit: int) -> None:
    bit_test = opcode[0] == 0x0F and opcode[1] in (0xAB, 0xB3, 0xBB, 0xBA)
    native = bare.cpu.driver.name == "native"
    for modrm, allowed in ((MEMORY, True), (REGISTER, False)):
        if bit_test and not allowed and not native:
            continue  # docs/deviations.md: the engine aborts
        bare.ring3()
        bare.cpu.edi, bare.cpu.eax = DATA, 1
        bare.code(b"\xf0" + opcode + bytes((modrm | digit << 3, 0, 0, 0, 0)))
        event = bare.machine.step()
        undefined = event.stop is Stop.TRAP and event.value == 6
        assert undefined == (not allowed), (opcode.hex(), digit, event)


@pytest.mark.parametrize(
    "code",
    ["f090", "f08907", "f03807", "f08007 00".replace("07", "3f"), "f0f600 00", "f0ff17", "f00fa307",
     "f00fba27 01", "f00fc717", "f0a5", "f0c3", "f0e800000000", "f0f1", "f0cd80", "f0f40000"],
)  # fmt: skip
def test_lock_elsewhere_is_undefined(bare: Bare, code: str) -> None:
    bare.cpu.edi = bare.cpu.esi = DATA
    trap = bare.trap(bytes.fromhex(code) + bytes(4))
    assert (trap.vector, trap.eip, trap.retired) == (6, UCODE_AT, 0)


def test_into_without_overflow_goes_on(bare: Bare) -> None:
    assert bare.trap(b"\xce" + INT80).vector == 0x80


def test_into_and_int3_check_the_dpl(bare: Bare) -> None:
    bare.gate(3, dpl=0)
    trap = bare.trap(b"\xcc")
    assert (trap.vector, trap.error_code, trap.eip) == (13, 3 * 8 + 2, UCODE_AT)


def test_int1_ignores_the_dpl(bare: Bare) -> None:
    """INT1 (F1) is a trap of its own, not INT 1."""
    assert bare.trap(b"\xf1").vector == 1
    bare.ring3()
    trap = bare.trap(b"\xcd\x01")
    assert (trap.vector, trap.error_code) == (13, 10)


def test_two_page_faults_in_a_row(bare: Bare) -> None:
    for address in (0x900000, 0xA00000, 0xB00000):
        bare.ring3()
        trap = bare.trap(asm(f"movl 0x{address:x},%eax"))
        assert (trap.vector, trap.error_code, bare.cpu.cr2) == (14, 4, address)


@pytest.mark.parametrize(
    ("cr0", "code", "vector"),
    [
        (0x8, b"\xdb\xe3", 7),  # TS: fninit
        (0x4, b"\xdb\xe3", 7),  # EM
        (0xA, b"\x9b", 7),  # MP and TS: wait
        (0x8, b"\x9b", 0x80),  # TS alone: wait runs
        (0x0, b"\xdb\xe3", 0x80),
        (0x8, b"\x0f\x6f\xc1", 7),  # MMX
    ],
)
def test_device_not_available(bare: Bare, cr0: int, code: bytes, vector: int) -> None:  # H5
    bare.cpu.set_cr(0, bare.cpu.cr0 & ~0xE | cr0)
    trap = bare.trap(code + INT80)
    assert trap.vector == vector
    assert trap.eip == UCODE_AT + (0 if vector == 7 else len(code) + 2)


def test_fpu_error_with_ne(bare: Bare) -> None:
    bare.cpu.set_cr(0, bare.cpu.cr0 | 0x20)
    bare.ram.write(DATA, b"\x7b\x03")  # unmask divide by zero
    program = bytes.fromhex("dbe3 d92d00000300 d9e8 d9ee def9 9b")
    trap = bare.trap(program)
    assert (trap.vector, trap.eip) == (16, UCODE_AT + len(program) - 1)


# -- double faults ---------------------------------------------------------------------------------

BENIGN, CONTRIBUTORY, PAGE = "benign", "contributory", "page fault"
#: SDM vol. 3, table 6-5: first class, second class -> double fault?
TABLE_6_5 = {
    (BENIGN, BENIGN): False,
    (BENIGN, CONTRIBUTORY): False,
    (BENIGN, PAGE): False,
    (CONTRIBUTORY, BENIGN): False,
    (CONTRIBUTORY, CONTRIBUTORY): True,
    (CONTRIBUTORY, PAGE): False,
    (PAGE, BENIGN): False,
    (PAGE, CONTRIBUTORY): True,
    (PAGE, PAGE): True,
}
FIRST = {
    "#UD": (6, BENIGN, b"\x0f\x0b"),
    "#BR": (5, BENIGN, b"\x62\x05\x00\x00\x03\x00"),
    "#NM": (7, BENIGN, None),
    "#DB": (1, BENIGN, b"\xf1"),
    "INT": (0x80, BENIGN, INT80),
    "IRQ": (0x20, BENIGN, None),
    "#DE": (0, CONTRIBUTORY, b"\xd4\x00"),
    "#NP": (11, CONTRIBUTORY, None),
    "#SS": (12, CONTRIBUTORY, None),
    "#GP": (13, CONTRIBUTORY, b"\xf4"),
    "#TS": (10, CONTRIBUTORY, None),
    "#PF": (14, PAGE, b"\xa1\x00\x00\x90\x00"),
}
#: Ways to make the delivery through a vector's gate fail.
SECOND = {
    "#NP": (11, CONTRIBUTORY),
    "#GP": (13, CONTRIBUTORY),
    "#TS": (10, CONTRIBUTORY),
    "#SS": (12, CONTRIBUTORY),
    "#PF": (14, PAGE),
}


def break_gate(bare: Bare, vector: int, how: str) -> int | None:
    """Make this vector's delivery raise `how`; returns CR2 for a page fault.

    Ring-1 code segments are used for the stack faults: ss1 of the TSS is bad, ss0 is good.
    """
    if how == "#NP":
        bare.gate(vector, dpl=3, present=False)
    elif how == "#GP":
        bare.gate(vector, dpl=3, selector=KDATA)
    elif how in ("#TS", "#SS"):
        ring1 = bare.descriptor(10, pack_segment(0, FLAT, CODE, dpl=1))
        bad = bare.descriptor(11, absent(pack_segment(0, FLAT, STACK, dpl=1)))
        bare.ram.write32(TSS + 12, KSTACK)
        bare.ram.write32(TSS + 16, 0 if how == "#TS" else bad | 1)
        bare.gate(vector, dpl=3, selector=ring1)
    else:
        ring1 = bare.descriptor(10, pack_segment(0, FLAT, CODE, dpl=1))
        good = bare.descriptor(12, pack_segment(0, FLAT, STACK, dpl=1))
        bare.ram.write32(TSS + 12, 0x700000)
        bare.ram.write32(TSS + 16, good | 1)
        bare.gate(vector, dpl=3, selector=ring1)
        return 0x700000
    return None


def provoke(bare: Bare, first: str) -> None:
    """Bring the first exception about; the code is at EIP afterwards."""
    vector, _, code = FIRST[first]
    bare.cpu.eax = 5
    if first == "#NM":
        bare.cpu.set_cr(0, bare.cpu.cr0 | 8)
        code = b"\xdb\xe3"
    elif first == "#NP":  # mov to FS of an absent segment
        bare.descriptor(13, absent(pack_segment(0, FLAT, STACK, dpl=3)))
        code = asm("movl $0x6b,%eax; movw %ax,%fs")
    elif first == "#SS":
        bare.descriptor(13, absent(pack_segment(0, FLAT, STACK, dpl=3)))
        code = asm("movl $0x6b,%eax; movw %ax,%ss")
    elif first == "IRQ":
        bare.machine.pic.base, bare.machine.pic.mask = vector, 0
        bare.machine.pic.request(0)
        code = b"\x90"
    elif first == "#TS":  # through a gate whose inner stack is null
        bare.gate(0x81, dpl=3, selector=bare.descriptor(14, pack_segment(0, FLAT, CODE, dpl=2)))
        bare.ram.write32(TSS + 20, KSTACK)
        bare.ram.write32(TSS + 24, 0)
        code = b"\xcd\x81"
    assert code is not None
    bare.code(code)


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("first", FIRST)
def test_table_6_5(first: str, second: str) -> None:
    bare = Bare()
    vector, first_class, _ = FIRST[first]
    expected, second_class = SECOND[second]
    provoke(bare, first)
    break_gate(bare, vector, second)
    event = bare.run()
    assert event.stop is Stop.TRAP
    trap = bare.deliveries[-1]
    if TABLE_6_5[first_class, second_class]:
        assert (trap.vector, trap.error_code) == (8, 0)
    else:
        assert trap.vector == expected
    assert len(bare.deliveries) == 1


@pytest.mark.parametrize("how", SECOND)
def test_a_fault_in_a_double_fault_shuts_down(bare: Bare, how: str) -> None:
    break_gate(bare, 14, how)
    break_gate(bare, 8, how)
    assert bare.run(b"\xa1\x00\x00\x90\x00").stop is Stop.SHUTDOWN
    assert bare.cpu.eip == UCODE_AT
    assert bare.deliveries == []


def test_triple_fault_without_an_idt(bare: Bare) -> None:
    bare.cpu.idt_limit = 0
    event = bare.run(b"\x0f\x0b")
    assert (event.stop, event.address) == (Stop.SHUTDOWN, UCODE_AT)


def test_page_fault_in_page_fault_delivery(bare: Bare) -> None:
    """A kernel stack that is not mapped: #PF, #PF -> #DF, #PF -> shutdown, never a hang."""
    bare.page(KSTACK - 0x1000, 0)
    assert bare.run(asm("movl 0x900000,%eax")).stop is Stop.SHUTDOWN
    assert bare.cpu.cr2 == KSTACK - 20 or bare.cpu.cr2 == KSTACK - 24


def test_double_fault_pushes_error_code_zero(bare: Bare) -> None:
    bare.gate(13, present=False)
    trap = bare.trap(b"\xf4")
    assert (trap.vector, trap.error_code) == (8, 0)
    assert bare.frame(error_code=True).eip == UCODE_AT


def test_idt_in_an_unmapped_page(bare: Bare) -> None:
    bare.cpu.idt_base = 0x900000
    assert bare.run(INT80).stop is Stop.SHUTDOWN


# -- tasks that this machine leaves out ------------------------------------------------------------


def test_virtual_8086_mode_and_back(bare: Bare) -> None:
    """IRET enters V86; a trap from there pushes the data segments, which become null."""
    bare.ring0()
    bare.code(
        "pushl $0x40; pushl $0x30; pushl $0x20; pushl $0x10; pushl $0x3000; pushl $0x100;"
        "pushl $0x23002; pushl $0x2000; pushl $0x8; iret"
    )
    bare.code(b"\x90\xcd\x80", at=0x20008)  # 2000:0008; IOPL 3, so INT goes through the IDT
    trap = bare.trap()
    frame = bare.frame()
    assert (trap.vector, frame.eip, frame.cs) == (0x80, 0xB, 0x2000)
    assert frame.eflags & VM
    assert (frame.esp, frame.ss) == (0x100, 0x3000)
    assert [bare.word(bare.cpu.esp + 20 + 4 * i) for i in range(4)] == [0x10, 0x20, 0x30, 0x40]
    assert (bare.cpu.es, bare.cpu.ds, bare.cpu.fs, bare.cpu.gs) == (0, 0, 0, 0)
    assert (bare.cpu.cpl, bare.cpu.cs) == (0, KCODE)
    assert not bare.cpu.eflags & VM


@pytest.mark.parametrize("iopl", [0, 0x3000])
@pytest.mark.parametrize("by_steps", [False, True], ids=["run", "step"])
@pytest.mark.parametrize("top", [0xA0000, 0x9FFF8, 0x9FFF5], ids=["aligned", "two-pages", "split"])
@pytest.mark.parametrize("selector", [UCODE, 0x1000, KCODE])
def test_ring_3_cannot_load_vm(
    bare: Bare, selector: int, top: int, by_steps: bool, iopl: int
) -> None:
    """SDM vol. 2, IRET: VM is for ring 0; elsewhere the rest of the image is loaded, or a fault comes."""
    image = [UCODE_AT + 7, selector, 0x20003 | 0x202]
    for index, word in enumerate(image):
        bare.ram.write(top + 4 * index, word.to_bytes(4, "little"))
    bare.cpu.esp = top
    bare.cpu.eflags |= iopl
    bare.code(b"\xcf" + b"\x0f\x0b" * 4 + INT80)
    if by_steps:
        while not bare.deliveries:
            bare.machine.step()
    else:
        bare.run()
    trap = bare.deliveries[0]
    if selector == UCODE:
        assert (trap.vector, bare.machine.clock.instructions) == (6, 1)
        frame = bare.frame()
        assert (frame.eip, frame.cs, frame.esp) == (UCODE_AT + 7, UCODE, top + 12)
        assert frame.eflags & 0x30203 & ~RF == 0x203
    else:
        assert (trap.vector, trap.error_code) == (13, selector & 0xFFFC)
        frame = bare.frame(error_code=True)
        assert (frame.eip, frame.esp) == (UCODE_AT, top)
    assert not frame.eflags & VM
    assert [int.from_bytes(bare.ram.read(top + 4 * i, 4), "little") for i in range(3)] == image


def test_virtual_8086_trap_must_lead_to_ring_0(bare: Bare) -> None:
    bare.ring0()
    bare.gate(0x80, selector=UCODE & ~3, dpl=3)
    bare.code(
        "pushl $0x0; pushl $0x0; pushl $0x0; pushl $0x0; pushl $0x3000; pushl $0x100;"
        "pushl $0x23002; pushl $0x2000; pushl $0x8; iret"
    )
    bare.code(INT80, at=0x20008)
    trap = bare.trap()
    assert (trap.vector, trap.error_code) == (13, UCODE & ~3)


# -- the guest's own tables ------------------------------------------------------------------------


def test_tables_loaded_by_the_guest(bare: Bare) -> None:
    """LGDT, LIDT, LTR and a CR3 write by guest code are what delivery then uses."""
    bare.cpu.gdt_base = bare.cpu.gdt_limit = bare.cpu.idt_base = bare.cpu.idt_limit = 0
    bare.cpu.tr = bare.cpu.tr_base = bare.cpu.tr_limit = 0
    bare.ring0()
    bare.ram.write(DATA, (127).to_bytes(2, "little") + GDT.to_bytes(4, "little"))
    bare.ram.write(DATA + 8, (0x7FF).to_bytes(2, "little") + IDT.to_bytes(4, "little"))
    bare.code(
        "lgdt 0x30000; lidt 0x30008; movl $0x28,%eax; ltr %ax;"
        "pushl $0x23; pushl $0xa0000; pushl $0x202; pushl $0x1b; pushl $0x20000; iret"
    )
    bare.code(INT80, at=UCODE_AT)
    trap = bare.trap()
    assert (trap.vector, trap.cpl, bare.cpu.esp) == (0x80, 3, KSTACK - 20)
    assert bare.ram.read(GDT + TSS_SELECTOR + 5, 1)[0] & 0xF == 0xB  # busy


@pytest.mark.parametrize("flush", ["movl %ecx,%cr3", "invlpg 0x8000"])
def test_delivery_sees_the_guests_tlb_flush(bare: Bare, flush: str) -> None:
    """The guest moves its kernel stack to another frame and flushes: the next frame goes there."""
    bare.ring0()
    bare.trap(INT80)
    bare.cpu.eip = KCODE_AT + 16
    bare.cpu.ecx = bare.cpu.cr3
    entry = TABLE + 4 * 8
    bare.code(f"movl $0x50007,0x{entry:x}; {flush}; int $0x80")
    bare.trap()
    assert bare.ram.read32(0x50000 | bare.cpu.esp & 0xFFF) == bare.deliveries[-1].eip
