"""#DB: single steps and the debug registers (Intel SDM vol. 3, 17.2 and 17.3); interrupt shadows."""

from __future__ import annotations

from typing import Any

import pytest
from bare import DATA, IF, KCODE_AT, RF, TF, UCODE_AT, Bare, asm

from emu.machine import Stop

INT80 = b"\xcd\x80"
BS = 1 << 14
EXECUTE, WRITE, ACCESS = 0, 1, 3


@pytest.fixture(params=[True, False], ids=["native", "python"])
def bare(request: Any) -> Bare:
    return Bare(native=request.param)


def arm(bare: Bare, number: int, address: int, kind: int, length: int = 1) -> None:
    """Set one debug register and enable it locally."""
    bare.cpu.set_dr(number, address)
    field = (kind | (length - 1) << 2) << 16 + 4 * number
    bare.cpu.set_dr(7, bare.cpu.dr7 | 1 << 2 * number | field)


# -- TF --------------------------------------------------------------------------------------------


def test_tf_traps_after_each_instruction(bare: Bare) -> None:
    bare.handler(1, "iret")
    bare.machine.trap_stops = frozenset({0x80})
    bare.cpu.eflags |= TF
    bare.trap(b"\x90\x40\x90" + INT80)
    assert [d.eip - UCODE_AT for d in bare.deliveries] == [1, 2, 3, 5]
    assert [d.vector for d in bare.deliveries] == [1, 1, 1, 0x80]
    assert bare.cpu.dr6 & BS
    assert bare.cpu.retired == 4 + 3  # the handler's IRETs


def test_handler_of_int_is_not_single_stepped(bare: Bare) -> None:
    """INT clears TF before the handler's first instruction, and IRET brings it back."""
    bare.machine.trap_stops = frozenset({1})
    bare.cpu.eflags |= TF
    trap = bare.trap(INT80 + b"\x90\x90")
    assert [d.vector for d in bare.deliveries] == [0x80, 1]
    assert trap.eip == UCODE_AT + 3  # behind the instruction that follows IRET


def test_popf_sets_tf_for_the_next_instruction(bare: Bare) -> None:
    trap = bare.trap(asm("pushl $0x302; popf; nop; nop"))
    assert (trap.vector, trap.eip) == (1, UCODE_AT + 7)
    frame = bare.frame()
    assert frame.eflags & TF
    assert not frame.eflags & RF
    assert not bare.cpu.eflags & TF


def test_a_fault_wins_over_tf(bare: Bare) -> None:
    bare.cpu.eflags |= TF
    trap = bare.trap(b"\xf4")
    assert trap.vector == 13
    assert bare.frame(error_code=True).eflags & TF
    assert not bare.cpu.dr6 & BS


def test_tf_traps_after_each_iteration_of_rep(bare: Bare) -> None:
    bare.machine.trap_stops = frozenset({0x80})
    bare.cpu.eflags |= TF
    bare.cpu.esi, bare.cpu.edi, bare.cpu.ecx = DATA, DATA + 64, 3
    bare.trap(b"\xf3\xa4\x90" + INT80)
    assert [d.eip - UCODE_AT for d in bare.deliveries[:-1]] == [0, 0, 2, 3]
    assert bare.cpu.retired == 3 + 4  # REP MOVSB is one instruction, whatever interrupts it


@pytest.mark.parametrize("code", [b"\xe6\x21", b"\xe4\x21", b"\xe6\x99", b"\x6e"])
def test_tf_behind_a_port_access(bare: Bare, code: bytes) -> None:
    bare.machine.add_gate(0x99)
    bare.ring0()
    bare.cpu.eflags |= TF
    bare.cpu.eax, bare.cpu.esi, bare.cpu.edx = 0x5A, DATA, 0x21
    bare.ram.write(DATA, b"\x77")
    event = bare.run(code + b"\x90")
    assert bare.deliveries[-1].vector == 1
    assert bare.deliveries[-1].eip == KCODE_AT + len(code)
    assert bare.cpu.retired == 1
    if code == b"\xe6\x21":
        assert bare.machine.pic.mask == 0x5A
    elif code == b"\xe4\x21":
        assert bare.cpu.eax == 0xFF
    elif code == b"\x6e":
        assert bare.machine.pic.mask == 0x77
    assert event.stop in (Stop.TRAP, Stop.GATE)


def test_a_gate_behind_tf_is_not_lost(bare: Bare) -> None:
    bare.machine.add_gate(0x99)
    bare.machine.trap_stops = frozenset()
    bare.ring0()
    bare.cpu.eflags |= TF
    event = bare.run(b"\xe6\x99\xf4")
    assert (event.stop, event.port) == (Stop.GATE, 0x99)
    assert [d.vector for d in bare.deliveries] == [1]


# -- debug registers -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(4))
def test_execution_breakpoint_is_a_fault(bare: Bare, number: int) -> None:
    arm(bare, number, UCODE_AT + 2, EXECUTE)
    trap = bare.trap(b"\x90\x90\x40\x90")
    assert (trap.vector, trap.eip, bare.cpu.eax) == (1, UCODE_AT + 2, 0)
    assert bare.cpu.dr6 & 0xF == 1 << number
    assert bare.cpu.retired == 2


def test_execution_breakpoint_of_the_first_instruction(bare: Bare) -> None:
    arm(bare, 0, UCODE_AT, EXECUTE)
    assert bare.trap(b"\x90" + INT80).eip == UCODE_AT


def test_rf_holds_an_execution_breakpoint_off_once(bare: Bare) -> None:
    """What a debugger's handler does: set RF in the frame, IRET."""
    arm(bare, 0, UCODE_AT + 1, EXECUTE)
    bare.trap(asm("nop; incl %eax; jmp 0x20001"))
    at = bare.cpu.esp + 8
    bare.ram.write32(at, bare.ram.read32(at) | RF)
    trap = bare.trap()
    assert (trap.vector, trap.eip, bare.cpu.eax) == (1, UCODE_AT + 1, 1)


@pytest.mark.parametrize(
    ("kind", "code", "hit"),
    [
        (WRITE, "movl %eax,(%edi)", True),
        (WRITE, "movl (%edi),%eax", False),
        (ACCESS, "movl (%edi),%eax", True),
        (ACCESS, "movl %eax,(%edi)", True),
        (WRITE, "incl (%edi)", True),
        (WRITE, "movb %al,0x3(%edi)", True),
        (WRITE, "movb %al,0x4(%edi)", False),
        (WRITE, "movl %eax,-0x3(%edi)", True),
        (WRITE, "movl %eax,-0x4(%edi)", False),
    ],
)
def test_data_breakpoint_is_a_trap(bare: Bare, kind: int, code: str, hit: bool) -> None:
    arm(bare, 1, DATA, kind, 4)
    bare.cpu.edi = DATA
    length = len(asm(code))
    trap = bare.trap(asm(code) + b"\x90" + INT80)
    if not hit:
        assert trap.vector == 0x80
        assert bare.cpu.dr6 & 0xF == 0
        return
    assert (trap.vector, trap.eip) == (1, UCODE_AT + length)
    assert bare.cpu.dr6 & 0xF == 2
    assert bare.cpu.retired == 1


def test_a_disabled_debug_register_is_silent(bare: Bare) -> None:
    arm(bare, 1, DATA, WRITE, 4)
    bare.cpu.set_dr(7, bare.cpu.dr7 & ~0xFF)
    bare.cpu.edi = DATA
    assert bare.trap(asm("movl %eax,(%edi)") + INT80).vector == 0x80


def test_data_breakpoint_between_iterations_of_rep(bare: Bare) -> None:
    arm(bare, 0, DATA + 66, WRITE)
    bare.cpu.esi, bare.cpu.edi, bare.cpu.ecx = DATA, DATA + 64, 5
    trap = bare.trap(b"\xf3\xa4" + INT80)
    assert (trap.vector, trap.eip, bare.cpu.ecx, bare.cpu.retired) == (1, UCODE_AT, 2, 0)
    assert bare.frame().eflags & RF
    assert bare.trap().vector == 0x80
    assert bare.cpu.edi == DATA + 69


def test_code_that_has_run_before_is_watched_too(bare: Bare) -> None:
    bare.cpu.edi = DATA
    bare.trap(asm("movl %eax,(%edi)") + INT80)
    bare.ring3()
    arm(bare, 0, DATA, WRITE, 4)
    assert bare.trap().vector == 1


def test_the_guest_sets_its_own_breakpoint(bare: Bare) -> None:
    bare.ring0()
    bare.cpu.eax, bare.cpu.ebx = KCODE_AT + 7, 1
    trap = bare.trap(asm("movl %eax,%dr0; movl %ebx,%dr7; nop; nop; nop; hlt"))
    assert (trap.vector, trap.eip) == (1, KCODE_AT + 7)


# -- interrupts and shadows ------------------------------------------------------------------------


def raise_line(bare: Bare, line: int = 0) -> None:
    bare.machine.pic.base, bare.machine.pic.mask = 0x20, 0
    bare.machine.pic.request(line)


def test_sti_holds_interrupts_off_for_one_instruction(bare: Bare) -> None:
    bare.ring0()
    raise_line(bare)
    trap = bare.trap("nop; sti; incl %eax; incl %eax; hlt")
    assert (trap.vector, trap.eip, bare.cpu.eax) == (0x20, KCODE_AT + 3, 1)


def test_sti_hlt_wakes(bare: Bare) -> None:
    """The idle loop's `sti; hlt` cannot lose an interrupt that is already there."""
    bare.ring0()
    raise_line(bare)
    trap = bare.trap("sti; hlt; nop")
    assert (trap.vector, trap.eip) == (0x20, KCODE_AT + 2)


def test_mov_ss_holds_interrupts_off(bare: Bare) -> None:
    bare.ring0()
    bare.cpu.eflags |= IF
    bare.code("movw %ss,%ax; movw %ax,%ss; incl %ecx; incl %ecx")
    bare.machine.step()
    bare.machine.step()
    raise_line(bare)
    trap = bare.trap()
    assert (trap.vector, bare.cpu.ecx) == (0x20, 1)


@pytest.mark.parametrize("how", ["pushl $0x202; popf", "iret"])
def test_interrupt_taken_when_if_becomes_set(bare: Bare, how: str) -> None:
    bare.ring0()
    raise_line(bare)
    if how == "iret":
        code = "pushl $0x23; pushl $0xa0000; pushl $0x202; pushl $0x1b; pushl $0x20000; iret"
        bare.code(b"\x40\x40\xeb\xfe", at=UCODE_AT)
        expected = UCODE_AT
    else:
        code = how + "; incl %eax; incl %eax"
        expected = KCODE_AT + len(asm(how))
    trap = bare.trap(code)
    assert (trap.vector, trap.eip, bare.cpu.eax) == (0x20, expected, 0)


def test_interrupt_waits_while_if_is_clear(bare: Bare) -> None:
    bare.ring0()
    raise_line(bare)
    assert bare.run("jmp 0x5000", until=500).stop is Stop.LIMIT
    assert bare.deliveries == []


def test_hlt_wakes_at_the_timer(bare: Bare) -> None:
    bare.ring0()
    bare.machine.pic.base, bare.machine.pic.mask = 0x20, 0
    bare.machine.timer.write(0x40, 4, 1000)
    trap = bare.trap("sti; hlt; nop")
    assert (trap.vector, trap.eip) == (0x20, KCODE_AT + 2)
    assert bare.machine.clock.cycles == 1000
    assert bare.machine.clock.by_rule() == {"instructions": 2, "halted": 998}


def test_hlt_without_if_stops_the_run(bare: Bare) -> None:
    bare.ring0()
    bare.machine.pic.mask = 0
    bare.machine.timer.write(0x40, 4, 1000)
    event = bare.run("hlt")
    assert (event.stop, event.address) == (Stop.HALT, KCODE_AT + 1)
    assert bare.run().stop is Stop.HALT


def test_hlt_that_nothing_can_wake(bare: Bare) -> None:
    """The timer's line is masked: no amount of time helps."""
    bare.ring0()
    bare.machine.timer.write(0x40, 4, 1000)
    bare.code("sti; hlt")
    assert bare.machine.run().stop is Stop.HALT


def test_hlt_in_ring_3(bare: Bare) -> None:
    assert bare.trap(b"\xf4").vector == 13
    assert not bare.machine.halted
