"""Pins for docs/deviations.md: what this machine does otherwise than an i386, one test a row.

A failure here is good news or a new engine: correct the document.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bare import DATA, DIRECTORY, FLAT, KCODE_AT, TABLE, UCODE_AT, Bare, asm, pack_segment

from emu.machine import Stop

INT80 = b"\xcd\x80"
DOCUMENT = Path(__file__).parents[2] / "docs" / "deviations.md"


def load_ds(bare: Bare, descriptor: bytes) -> None:
    """Ring-3 code that loads DS with this descriptor, uses (%edi), and traps."""
    bare.descriptor(6, descriptor)
    bare.cpu.edi = DATA
    bare.code(b"\xb8\x33\x00\x00\x00\x8e\xd8")


def test_null_data_segment() -> None:
    bare = Bare()
    bare.cpu.edi = DATA
    trap = bare.trap(asm("xorl %eax,%eax; movw %ax,%ds; movl (%edi),%ecx; int $0x80"))
    assert trap.vector == 0x80


def test_data_segment_limit() -> None:
    bare = Bare()
    load_ds(bare, pack_segment(0, 0xFFF, 3, dpl=3))
    bare.code(b"\x8b\x0f" + INT80, at=UCODE_AT + 7)
    assert bare.trap().vector == 0x80


def test_data_segment_rights() -> None:
    bare = Bare()
    load_ds(bare, pack_segment(0, FLAT, 1, dpl=3))  # read-only
    bare.code(b"\x89\x0f" + INT80, at=UCODE_AT + 7)
    assert bare.trap().vector == 0x80


def test_alignment_check() -> None:
    bare = Bare()
    bare.cpu.set_cr(0, bare.cpu.cr0 | 1 << 18)
    bare.cpu.eflags |= 1 << 18
    bare.cpu.edi = DATA
    assert bare.trap(b"\x8b\x4f\x01" + INT80).vector == 0x80


def test_unknown_msr() -> None:
    bare = Bare()
    bare.ring0()
    assert bare.trap(asm("movl $0x12345,%ecx; rdmsr; int $0x80")).vector == 0x80


def test_paging_without_protection() -> None:
    bare = Bare()
    bare.ring0()
    trap = bare.trap(asm("movl $0x80000000,%eax; movl %eax,%cr0; int $0x80"))
    assert trap.vector == 0x80


def test_general_detect() -> None:
    bare = Bare()
    bare.cpu.set_dr(7, 0x2000)
    bare.ring0()
    assert bare.trap(b"\x0f\x21\xc0" + INT80).vector == 0x80


def test_io_breakpoints() -> None:
    bare = Bare()
    bare.ring0()
    bare.cpu.set_cr(4, 8)
    bare.cpu.set_dr(0, 0x21)
    bare.cpu.set_dr(7, 0x20001)
    assert bare.trap(b"\xe4\x21" + INT80).vector == 0x80


def test_data_breakpoints_are_physical() -> None:
    bare = Bare()
    bare.page(0x31000, DATA | 7)
    bare.cpu.set_dr(0, DATA)
    bare.cpu.set_dr(7, 0x10001)
    bare.cpu.edi = 0x31000
    assert bare.trap(b"\x88\x07" + INT80).vector == 1


def test_data_breakpoints_ignore_trap_frames() -> None:
    bare = Bare()
    bare.cpu.set_dr(0, 0x9000 - 4)
    bare.cpu.set_dr(7, 0x10001)
    assert bare.trap(INT80 + b"\x90").vector == 0x80
    assert bare.cpu.dr6 & 0xF == 0


def test_code_ahead_is_accessed() -> None:
    """The block stops at its first instruction, and would have run over the end of the page."""
    bare = Bare()
    bare.page(UCODE_AT + 0x1000, (UCODE_AT + 0x1000) | 7)
    bare.cpu.eip = UCODE_AT + 0xFF0
    bare.code(asm("movl 0x300000, %eax", 0) + b"\x90" * 0x20)
    bare.page(0x300000, 0)
    assert bare.trap().vector == 14
    assert bare.ram.read32(TABLE + 4 * (UCODE_AT + 0x1000 >> 12)) & 0x20


def test_global_pages() -> None:
    bare = Bare()
    bare.page(DATA, DATA | 0x107)
    bare.cpu.set_cr(4, 0x80)
    bare.cpu.edi = DATA
    bare.trap(b"\x8b\x0f" + INT80)
    bare.ram.write32(TABLE + 4 * (DATA >> 12), 0)
    bare.machine.load_cr3(DIRECTORY)
    bare.ring3()
    assert bare.trap().vector == 14


def test_table_outside_ram() -> None:
    bare = Bare()
    bare.ram.write32(DIRECTORY + 4, 0x7000000 | 7)
    bare.machine.flush_tlb()
    bare.cpu.edi = 0x400000
    trap = bare.trap(b"\x8b\x0f")
    assert (trap.vector, trap.error_code) == (14, 4)


def test_rep_is_not_interrupted() -> None:
    bare = Bare()
    bare.machine.pic.base, bare.machine.pic.mask = 0x20, 0
    bare.machine.timer.write(0x40, 4, 1)
    bare.cpu.edi, bare.cpu.ecx = DATA, 0x100
    bare.code(b"\xf3\xaa\x90")
    trap = bare.trap()
    assert (trap.vector, trap.eip, bare.cpu.ecx) == (0x20, UCODE_AT + 2, 0)


def test_task_switch_by_a_far_call() -> None:
    """The engine does it by itself, and what follows here is a shutdown, not a traceback."""
    bare = Bare()
    bare.ring0()
    event = bare.run(bytes.fromhex("9a000000002800"))
    assert event.stop is Stop.SHUTDOWN


def test_without_the_native_hooks_a_lock_bit_test_ends_the_process() -> None:
    """The engine's translator calls abort()."""
    program = "from bare import Bare; Bare(native=False).run(bytes.fromhex('f00fabc7'))"
    here = str(Path(__file__).parent)
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=here,
        stderr=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGABRT


@pytest.mark.parametrize("code", [b"\xf0\x0f\xab\x07", b"\xf0\x0f\xba\x2f\x01"])
def test_lock_bit_test_of_memory_is_fine(code: bytes) -> None:
    bare = Bare()
    bare.cpu.edi = DATA
    assert bare.trap(code + INT80).vector == 0x80


def test_code_beyond_the_code_limit() -> None:
    """A jump is checked against the limit; running over it is not."""
    bare = Bare()
    bare.ring0()
    bare.descriptor(6, pack_segment(0, KCODE_AT + 0x20, 0xB))
    bare.code(b"\xea\x10\x50\x00\x00\x30\x00")
    bare.code(b"\x90" * 0x20 + INT80, at=KCODE_AT + 0x10)
    assert bare.trap().vector == 0x80


def test_enter_of_16_bits() -> None:
    """An AMD EPYC keeps EBP's upper half."""
    bare = Bare()
    bare.cpu.ebp = 0x12345678
    at = bare.cpu.esp
    bare.trap(b"\x66\xc8\x04\x00\x00" + INT80)
    assert bare.cpu.ebp == at - 2
    assert bare.ram.read(at - 2, 2) == b"\x78\x56"


def test_arpl_writes_back() -> None:
    """Which is a fault where nothing may be written; an AMD EPYC goes on."""
    bare = Bare()
    bare.cpu.edi, bare.cpu.ecx = DATA, 0
    bare.page(DATA, DATA | 5)
    trap = bare.trap(asm("arpl %cx,(%edi); int $0x80"))
    assert (trap.vector, trap.error_code, trap.cr2) == (14, 7, DATA)


def test_every_row_of_the_document_names_a_test_that_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT.read_text(encoding="utf-8")))
    here = {name for name in globals() if name.startswith("test_")}
    anywhere = {
        name
        for path in DOCUMENT.parents[1].glob("tests/**/test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M)
    }
    not_deviations = {
        "test_lock_bit_test_of_memory_is_fine",
        "test_every_row_of_the_document_names_a_test_that_exists",
    }
    assert here - not_deviations - named == set()
    assert named - anywhere == set()
