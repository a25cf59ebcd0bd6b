"""How long a read of a terminal takes with VMIN and VTIME (termios(3), "noncanonical mode"), in ms.

Here only: on a Linux that others use as well every time is longer.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from native_pairs import answers_here

#: A pair of terminals; `modes` sets what a read waits for, `timed` keeps what it answers and for how many ms.
TERMINAL = """
.macro modes vmin:req, vtime:req
    call 54, slave, $0x5401, $tio       # TCGETS
    andl $~10, tio + 12                 # neither ICANON nor ECHO
    movb $\\vmin, tio + 17 + 6
    movb $\\vtime, tio + 17 + 5
    call 54, slave, $0x5402, $tio       # TCSETS
.endm
.macro timed
    call 265, $1, $before
    call 3, slave, $buf, $8
    keep
    call 265, $1, $after
    movl after, %eax
    subl before, %eax
    imull $1000, %eax, %ecx
    movl after + 4, %eax
    subl before + 4, %eax
    cltd
    movl $1000000, %ebx
    idivl %ebx
    addl %ecx, %eax
    keep
.endm
    call 5, $ptmx, $0402                # O_RDWR | O_NOCTTY
    movl %eax, master
    call 54, master, $0x40045431, $pid  # TIOCSPTLCK: open
    call 5, $pts, $0402
    movl %eax, slave
.data
.balign 4
master: .long 0
slave:  .long 0
before: .long 0, 0
after:  .long 0, 0
pause:  .long 0, 0
tio:    .space 60
ptmx:   .asciz "/dev/ptmx"
pts:    .asciz "/dev/pts/0"
.text
"""
#: The modes, when bytes come, and the answer with its time.
CASES: dict[str, tuple[int, int, tuple[int, ...], tuple[int, int]]] = {
    "without either nothing waits": (0, 0, (), (0, 0)),
    "VTIME alone is for the whole read": (0, 1, (), (0, 100)),
    "in tenths of a second": (0, 3, (), (0, 300)),
    "and ends with the first byte": (0, 3, (120,), (1, 120)),
    "VMIN alone waits for ever": (2, 0, (150, 150), (2, 300)),
    "but not for more than is asked for": (20, 0, (10, 10, 10, 10, 10, 10, 10, 10), (8, 80)),
    "with both the time begins with the first byte": (3, 1, (250,), (1, 350)),
    "and anew with each": (5, 1, (50, 70, 70, 70), (4, 360)),
    "in tenths, too": (5, 2, (50,), (1, 250)),
    "a gap that is too long": (5, 1, (50, 70, 130), (2, 220)),
    "all that was wanted": (3, 2, (50, 70, 70), (3, 190)),
}


def types(*pauses: int) -> str:
    """A child that writes a byte after each of so many ms."""
    text = "call 2\ntestl %eax, %eax\njnz 1f\n"
    for ms in pauses:
        text += f"movl ${ms}000000, pause + 4\ncall 162, $pause\ncall 4, master, $buf, $1\n"
    return text + "call 1\n1:\n"


@pytest.mark.parametrize("name", CASES)
def test_how_long_a_read_waits(name: str, tmp_path: Path) -> None:
    least, tenths, typed, (count, ms) = CASES[name]
    body = f"{TERMINAL}\nmodes {least}, {tenths}\n{types(*typed)}\ntimed\ntell\n"
    got = answers_here(tmp_path, body)
    assert got[0] == count
    assert ms <= got[1] <= ms + 21  # a tick for each pause, at most


def test_who_is_woken_for_nothing_waits_no_longer(tmp_path: Path) -> None:
    """Other modes wake the reader, but are no byte: the time goes on from the last one."""
    body = f"""{TERMINAL}
    modes 5, 2
    {types(50)}
    call 2
    testl %eax, %eax
    jnz reads
    movl $150000000, pause + 4
    call 162, $pause
    call 54, slave, $0x5402, $tio
    call 1
reads:
    timed
    tell
"""
    count, ms = answers_here(tmp_path, body)
    assert count == 1
    assert 250 <= ms <= 271
