"""Accesses of user mode are written down, by both drivers alike; a count of instructions interrupts."""

from __future__ import annotations

import pytest

from emu.access_log import ROOM, AccessLog
from emu.devices.pic import InterruptController
from emu.devices.timer import NEVER, Timer
from tests.emu.bare import DATA, UCODE_AT, USTACK, Bare

CODE = "movl %eax, 0x30004; addb $1, 0x30004; pushl %ebx; int $0x80"


@pytest.mark.parametrize("native", [True, False])
def test_every_access_is_there_in_order(native: bool) -> None:
    bare = Bare(native=native)
    bare.code(CODE)
    log = AccessLog(bare.machine)
    start = bare.machine.cpu.retired
    bare.run()
    found = log.take()
    log.close()
    assert [(one.address, one.size, one.write) for one in found] == [
        (DATA + 4, 4, True),
        (DATA + 4, 1, False),
        (DATA + 4, 1, True),
        (USTACK - 4, 4, True),
    ]
    assert [one.retired - start for one in found] == [1, 2, 2, 3]
    assert found[0].code == UCODE_AT
    assert found[1].code == found[2].code > UCODE_AT
    assert log.take() == []


def test_there_is_room_for_many_and_no_more() -> None:
    bare = Bare()
    bare.code(f"movl ${ROOM + 10:#x}, %ecx; movl $0x30000, %esi; rep lodsb; int $0x80")
    log = AccessLog(bare.machine)
    bare.run()
    assert len(log.take()) == ROOM
    log.close()


def test_an_interrupt_after_so_many_instructions() -> None:
    pic = InterruptController()
    timer = Timer(pic, lambda: 0)
    assert timer.count_instructions(5) == NEVER
    timer.at_instruction = 7
    assert timer.count_instructions(6) == 7
    saved = timer.save()
    assert not pic.requested
    assert timer.count_instructions(7) == NEVER
    assert pic.requested
    assert timer.at_instruction is None
    timer.load(saved)
    assert timer.at_instruction == 7
