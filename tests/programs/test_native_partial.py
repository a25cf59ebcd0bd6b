"""Transfers of pieces of which one ends where nothing is mapped, here and on this machine's own Linux."""

from __future__ import annotations

from pathlib import Path

import pytest
from native_pairs import answers_of_both

EAGAIN, EFAULT, EMSGSIZE = 11, 14, 90
O_NONBLOCK = 0x800
FILLED, ROOM = 0x1800, 0x2000  # what lies in the pipe, and all that can be read at once
SOCKETPAIR, STREAM, DGRAM, SEQPACKET = 8, 1, 2, 5
#: Two pages, and behind them nothing; two pieces before and over their end, and one all beyond it.
START = """
    call 192, $0, $0x3000, $3, $0x22, $-1, $0
    movl %eax, area
    addl $0x2000, %eax
    movl %eax, edge
    call 91, edge, $0x1000
    movl edge, %eax
    movl %eax, beyond
    subl $0x80, %eax
    movl %eax, over
    subl $0x80, %eax
    movl %eax, before
"""
END = """
    tell
.data
.balign 4
area:   .long 0
edge:   .long 0
before: .long 0, 0x80
over:   .long 0, 0x100
beyond: .long 0, 0x10
args:   .long 1, 0, 0, fds
small:  .long buf, 2000, buf, 2000
"""
READ_AND_WRITE = f"""
    call 4, fds + 4, $buf, ${FILLED:#x}
    keep
    .irp count, 1, 2, 3
    call 145, fds, $before, $\\count
    keep
    .endr
    call 145, fds, $over, $1
    keep
    call 3, fds, $buf, ${ROOM:#x}
    keep
    call 3, fds, $buf, ${ROOM:#x}
    keep
    .irp count, 1, 2, 3
    call 146, fds + 4, $before, $\\count
    keep
    call 3, fds, $buf, ${ROOM:#x}
    keep
    .endr
"""


def pair(kind: int) -> str:
    return f"    movl ${kind | O_NONBLOCK:#x}, args + 4\n    call 102, ${SOCKETPAIR}, $args\n"


IS_LEFT = [FILLED, 0x80, -EFAULT, -EFAULT, -EFAULT, FILLED - 0x80, -EAGAIN]
OF_WRITES = [0x80, 0x80, -EFAULT, -EAGAIN, -EFAULT, -EAGAIN]

CASES: dict[str, tuple[str, list[int]]] = {
    "a pipe": (f"    call 331, $fds, ${O_NONBLOCK}\n" + READ_AND_WRITE, [*IS_LEFT, *OF_WRITES]),
    "a stream": (pair(STREAM) + READ_AND_WRITE, [*IS_LEFT, *OF_WRITES]),
    "datagrams, which are lost": (
        pair(DGRAM) + READ_AND_WRITE,
        [FILLED, 0x80, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN, *OF_WRITES],
    ),
    "messages of a stream": (
        pair(STREAM)
        + """
    .rept 3
    call 4, fds + 4, $buf, $0x80
    .endr
    call 145, fds, $over, $1
    keep                                # the first fits
    call 145, fds, $before, $2
    keep                                # both
    call 3, fds, $buf, $1
    keep
""",
        [0x80, 0x100, -EAGAIN],
    ),
    "more than a datagram can be is not looked at": (
        pair(DGRAM)
        + """
    movl $0x10000000, beyond
    movl $0x20000000, beyond + 4
    call 146, fds + 4, $beyond, $1
    keep
    call 4, fds + 4, beyond, $0x20000000
    keep
""",
        [-EMSGSIZE, -EMSGSIZE],
    ),
    "pieces that are no more than PIPE_BUF stay together": (
        f"""
    call 331, $fds, ${O_NONBLOCK}
    .rept 15
    call 4, fds + 4, $buf, $4096
    .endr
    call 4, fds + 4, $buf, $1000
    keep                                # there is room for the first piece, and for no more
    call 146, fds + 4, $small, $2
    keep
    call 146, fds + 4, $small, $1
    keep
    call 4, fds + 4, $buf, $1000
    keep
""",
        [1000, -EAGAIN, 2000, 1000],
    ),
}  # fmt: skip


@pytest.mark.usefixtures("linux32")
@pytest.mark.parametrize("name", CASES)
def test_what_is_not_mapped_is_left(name: str, tmp_path: Path) -> None:
    body, expected = CASES[name]
    here, there = answers_of_both(tmp_path, START + body + END)
    assert there == expected
    assert here == expected
