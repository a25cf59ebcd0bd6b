"""Instructions that the machine does itself are charged too."""

from __future__ import annotations

import pytest
from bare import DATA, Bare


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_rdtsc_has_no_row_on_an_i486(native: bool) -> None:
    b = Bare(timing="i486-ideal", native=native)
    b.ring0()
    b.code(b"\x90\x0f\x31\xf4")
    b.machine.step()
    before = b.machine.clock.cycles
    b.machine.step()
    assert b.cpu.eax == before == 1
    assert b.machine.clock.unknown_instructions() == {"rdtsc": 1}
    assert b.machine.clock.cycles == before + 10
    assert b.machine.clock.unknown == 1


@pytest.mark.parametrize(
    ("profile", "code", "clocks"),
    [
        ("i486-ideal", "6c", 10),
        ("i486-ideal", "6e", 10),
        ("i486-ideal", "f36c", 10 + 8 * 5),
        ("i486-ideal", "f36f", 11 + 5 * 5),
        ("i386", "f36c", 7 + 6 * 5),
        ("i386", "6e", 8),
    ],
)
def test_string_io(profile: str, code: str, clocks: int) -> None:
    b = Bare(timing=profile)
    b.ring0()
    b.code(bytes.fromhex(code))
    b.cpu.edi = b.cpu.esi = DATA
    b.cpu.ecx, b.cpu.edx = 5, 0x99
    b.machine.step()
    assert b.machine.clock.by_rule() == {"string i/o": clocks}


def test_the_gates_cost_what_the_manual_says() -> None:
    b = Bare(timing="i486-ideal", stop_on_traps=False)
    b.code(b"\xcd\x80")
    b.machine.step()  # the gate
    assert b.machine.clock.by_rule() == {"gate": 71}
    b.machine.step()  # IRET
    assert b.machine.clock.cycles == 107


def test_a_fault_costs_the_gate_and_nothing_for_the_instruction() -> None:
    b = Bare(timing="i486-ideal", stop_on_traps=False)
    b.page(DATA, 0)
    b.code(b"\xa3" + DATA.to_bytes(4, "little"))
    b.machine.step()
    assert b.machine.clock.by_rule() == {"gate": 71 + 24}
    assert b.cpu.retired == 0


def test_a_repeat_that_faults_is_charged_what_it_did() -> None:
    b = Bare(timing="i486-ideal", stop_on_traps=False)
    b.page(DATA + 0x1000, 0)
    b.code(b"\xf3\xab")
    b.cpu.edi, b.cpu.ecx = DATA + 0x1000 - 12, 100
    b.machine.step()
    assert b.cpu.ecx == 97
    assert b.machine.clock.by_rule() == {"rep": 7 + 4 * 3, "gate": 71 + 24}


def test_a_snapshot_keeps_the_ledger_and_the_cache() -> None:
    one = Bare(timing="i486", stop_on_traps=False)
    one.code(b"\xa1" + DATA.to_bytes(4, "little") + b"\x40\xeb\xf8")
    one.machine.run(500)
    saved = one.machine.snapshot()
    two = Bare(timing="i486", stop_on_traps=False, native=False)
    two.machine.restore(saved)
    for b in (one, two):
        b.machine.run(1500)
    assert one.machine.clock.by_rule() == two.machine.clock.by_rule()
    assert one.machine.clock.cycles == two.machine.clock.cycles
