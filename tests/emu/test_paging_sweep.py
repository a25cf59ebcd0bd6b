"""Every combination of entry bits, access, privilege and CR0.WP against the manual's rules.

The oracle is written from Intel SDM vol. 3, 4.3 (translation), 4.6 (access rights), 4.7 (error
code) and 4.8 (accessed and dirty flags), and imports nothing of emu.paging.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest
from bare import DIRECTORY, FLAT, KCODE_AT, UCODE_AT, Bare, asm, pack_segment

from emu.descriptors import SEG_WRITABLE
from emu.machine import Stop
from emu.paging import PageFault, access
from emu.ram import Ram

P, RW, US, A, D, PS = 0x01, 0x02, 0x04, 0x20, 0x40, 0x80
SECOND_TABLE, FRAME, BIG_FRAME = 0x12000, 0x40000, 0x400000
LINEAR = 0x405000
PDE_AT, PTE_AT = DIRECTORY + 4, SECOND_TABLE + 4 * 5
READ, WRITE, FETCH, IMPLICIT = "read", "write", "fetch", "implicit"


@dataclass(frozen=True)
class Case:
    """One access. `pde` and `pte` are attribute bits; pse is CR4.PSE."""

    pde: int
    pte: int
    access: str
    cpl: int
    wp: bool
    pse: bool

    @property
    def big(self) -> bool:
        return self.pse and bool(self.pde & PS)


@dataclass(frozen=True)
class Outcome:
    """Error code (None: no fault), and the attribute bits of both entries afterwards."""

    error: int | None
    pde: int
    pte: int


def one_access(case: Case, pde: int, pte: int, *, write: bool, user: bool) -> Outcome:
    """SDM vol. 3, 4.6.1: one access through these entries."""
    code = 2 * write + 4 * user
    if not pde & P:
        return Outcome(code, pde, pte)
    if not case.big and not pte & P:
        # 4.8: an entry that has been used for a translation gets A, and this one led to the next.
        return Outcome(code, pde | A, pte)
    rights = pde if case.big else pde & pte
    allowed = bool(rights & US) if user else True
    if write and not rights & RW and (user or case.wp):
        allowed = False
    if not allowed:
        return Outcome(code | 1, pde if case.big else pde | A, pte)
    if case.big:
        return Outcome(None, pde | A | D * write, pte)
    return Outcome(None, pde | A, pte | A | D * write)


def oracle(case: Case) -> Outcome:
    """What the manual says of a case."""
    if case.access == IMPLICIT:  # a descriptor is read, then its accessed bit is written
        seen = one_access(case, case.pde, case.pte, write=False, user=False)
        if seen.error is not None:
            return seen
        return one_access(case, seen.pde, seen.pte, write=True, user=False)
    user = case.cpl == 3
    return one_access(case, case.pde, case.pte, write=case.access == WRITE, user=user)


def cases() -> Iterator[Case]:
    """All of them."""
    attributes = [sum(bits) for bits in product((0, P), (0, RW), (0, US))]
    marks = [sum(bits) for bits in product((0, A), (0, D))]
    accesses = (READ, WRITE, FETCH, IMPLICIT)
    for pse, ps, name, cpl, wp in product((False, True), (0, PS), accesses, (0, 3), (False, True)):
        if pse and ps:
            for bits, mark in product(attributes, marks):
                yield Case(bits | mark | ps, 0, name, cpl, wp, pse)
            continue
        for pde, pte, mark, pde_mark in product(attributes, attributes, marks, (0, A)):
            yield Case(pde | pde_mark | ps, pte | mark, name, cpl, wp, pse)


CASES = tuple(cases())


class Rig:
    """A machine with the second directory entry under test."""

    def __init__(self, native: bool) -> None:
        self.bare = Bare(memory=8 << 20, native=native)
        ram = self.bare.ram
        for at in (UCODE_AT, KCODE_AT):
            ram.write(at, asm("movl (%edi),%eax", at))
            ram.write(at + 16, asm("movl %eax,(%edi)", at))
            ram.write(at + 32, bytes.fromhex("8ee0"))  # mov %eax, %fs
        ram.write(FRAME, b"\x90" * 16)
        # 0x405000 in a 4 MiB page at 0x400000 is physical 0x405000.
        ram.write(BIG_FRAME + 0x5000, b"\x90" * 16)
        self.image = (FRAME, BIG_FRAME + 0x5000)
        self.mode: tuple[bool, bool] | None = None

    def run(self, case: Case) -> Outcome:
        bare, cpu, ram = self.bare, self.bare.cpu, self.bare.ram
        if self.mode != (case.wp, case.pse):
            cpu.set_cr(0, cpu.cr0 & ~0x10000 | case.wp << 16)
            cpu.set_cr(4, cpu.cr4 & ~0x10 | case.pse << 4)
            self.mode = case.wp, case.pse
        ram.write32(PDE_AT, case.pde | (BIG_FRAME if case.big else SECOND_TABLE))
        ram.write32(PTE_AT, case.pte | FRAME)
        bare.machine.flush_tlb()
        if case.cpl:
            bare.ring3()
        else:
            bare.ring0()
        cpu.edi = LINEAR
        frame = BIG_FRAME + 0x5000 if case.big else FRAME
        if case.access == FETCH:
            cpu.eip = LINEAR
        elif case.access == WRITE:
            cpu.eip += 16
        elif case.access == IMPLICIT:
            cpu.eip += 32
            ram.write(frame + 8, pack_segment(0, FLAT, SEG_WRITABLE, dpl=3))
            cpu.eax = 0x0F  # LDT entry 1, RPL 3
            cpu.ldtr, cpu.ldtr_base, cpu.ldtr_limit = 0x30, LINEAR, 0xF
        start = cpu.eip
        cpu.cr2 = 0x5A5A5A5A
        bare.deliveries.clear()
        event = bare.machine.step()
        error = None
        if event.stop is Stop.TRAP:
            trap = bare.deliveries[-1]
            assert (trap.vector, trap.eip) == (14, start), case
            expected = LINEAR + 8 if case.access == IMPLICIT else LINEAR
            assert cpu.cr2 - expected in ((0, 4) if case.access == IMPLICIT else (0,)), case
            error = trap.error_code
        else:
            assert event.stop is Stop.STEP, (case, event)
            assert cpu.cr2 == 0x5A5A5A5A, case
        ram.write(frame, b"\x90" * 16)
        return Outcome(error, ram.read32(PDE_AT) & 0xFFF, ram.read32(PTE_AT) & 0xFFF)


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_machine_pages_as_the_manual_says(native: bool) -> None:  # K4-K6 rest on this
    rig = Rig(native)
    chosen = CASES if native else CASES[::7]
    wrong = [(c, seen, oracle(c)) for c in chosen if (seen := rig.run(c)) != oracle(c)]
    print(f"{len(chosen)} cases on the machine, {len(wrong)} differences")
    assert not wrong, f"{len(wrong)} of {len(chosen)}; first: {wrong[:3]}"


def test_emu_paging_agrees() -> None:
    """The walk that the host uses for descriptor tables and stacks is the same one."""
    ram = Ram(8 << 20)
    wrong = []
    for case in CASES:
        ram.write32(PDE_AT, case.pde | (BIG_FRAME if case.big else SECOND_TABLE))
        ram.write32(PTE_AT, case.pte | FRAME)
        user = case.cpl == 3 and case.access != IMPLICIT
        writes = (False, True) if case.access == IMPLICIT else (case.access == WRITE,)
        error, physical = None, 0
        for write in writes:
            try:
                physical = access(
                    ram, DIRECTORY, LINEAR, write=write, user=user, wp=case.wp, pse=case.pse
                )
            except PageFault as fault:
                error = fault.error_code if fault.linear == LINEAR else -1
                break
        if error is None:
            assert physical == (BIG_FRAME + 0x5000 if case.big else FRAME)
        seen = Outcome(error, ram.read32(PDE_AT) & 0xFFF, ram.read32(PTE_AT) & 0xFFF)
        if seen != oracle(case):
            wrong.append((case, seen, oracle(case)))
    print(f"{len(CASES)} cases in emu.paging, {len(wrong)} differences")
    assert not wrong, f"{len(wrong)} of {len(CASES)}; first: {wrong[:3]}"


def test_the_oracle_can_tell() -> None:
    """The sweep has cases on both sides of every rule."""
    errors = {oracle(case).error for case in CASES}
    assert errors == {None, 0, 1, 2, 3, 4, 5, 6, 7} - {1}
    assert len(set(CASES)) == len(CASES) > 10_000
