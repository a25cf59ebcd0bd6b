"""Ranges that are watched: the first access and the last, of the engine and of the host."""

from __future__ import annotations

import pytest
from bare import DATA, KCODE_AT, Bare

from emu.watches import Range, Watches

AT = DATA + 0x10


def watched(native: bool, ranges: list[Range], code: str) -> tuple[Bare, Watches]:
    b = Bare(native=native)
    b.ring0()
    b.cpu.eip = KCODE_AT
    b.code(code)
    return b, Watches(b.machine, ranges)


@pytest.mark.parametrize("native", [True, False])
def test_first_and_last(native: bool) -> None:
    code = "nop; movl %eax, 0x30010; nop; movl 0x30010, %eax; movb %al, 0x30013; movl %eax, 0x30014; hlt"
    ranges = [Range(AT, AT + 4), Range(AT, AT + 4, reads=True, writes=False), Range(AT + 8, AT + 9)]
    b, watches = watched(native, ranges, code)
    start = b.cpu.retired
    for _ in range(6):
        b.machine.step()
    assert watches.seen(0) == ((start + 2, 0), (start + 5, 0))
    assert watches.seen(1) == ((start + 4, 0), (start + 4, 0))
    assert watches.seen(2) is None
    b.ram.write(AT + 5, bytes(4))  # the host's, over the third range's only byte
    assert watches.seen(2) == ((start + 6, 0), (start + 6, 0))
    b.ram.write(AT - 4, bytes(4))
    assert watches.seen(0) == ((start + 2, 0), (start + 5, 0))
    watches.move([Range(AT - 1, AT)])
    assert watches.seen(0) is None
    b.ram.write(AT - 1, b"1")
    assert watches.seen(0) == ((start + 6, 0), (start + 6, 0))
    watches.close()
    assert not b.cpu.watching
    b.ram.write(AT - 1, b"2")
    assert watches.seen(0) == ((start + 6, 0), (start + 6, 0))


@pytest.mark.parametrize("native", [True, False])
def test_edges_of_a_range(native: bool) -> None:
    for address, size, seen in (
        (AT - 4, 4, False),
        (AT - 3, 4, True),
        (AT + 7, 1, True),
        (AT + 8, 4, False),
    ):
        code = f"movl %eax, {address:#x}; hlt" if size == 4 else f"movb %al, {address:#x}; hlt"
        b, watches = watched(native, [Range(AT, AT + 8)], code)
        b.machine.step()
        assert (watches.seen(0) is not None) == seen, address - AT
        watches.close()
        before = len(bytes(b.ram.view))
        assert before
        again = Watches(b.machine, [Range(AT, AT + 8)])
        b.ram.write(address, bytes(size))
        assert (again.seen(0) is not None) == seen, address - AT
