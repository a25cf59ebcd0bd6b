"""What others see without being told: named pipes, mapped files, /proc, limits. No order of it is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toykernel.explore.exploration import Settings, explore
from toykernel.explore.world import At
from toykernel.harness.session import Session
from toykernel.state import Config

HEAD = """.macro call number, first=$0, second=$0, third=$0
    movl \\first, %ebx
    movl \\second, %ecx
    movl \\third, %edx
    movl $\\number, %eax
    int $0x80
.endm
.macro quit status
    call 1, \\status
.endm
.macro child_at label
    call 2
    testl %eax, %eax
    jz \\label
.endm
.data
fd: .long 0
map: .long 0
buffer: .fill 64
file: .asciz "/f"
fifo: .asciz "/p"
stat: .asciz "/proc/2/stat"
text: .ascii "ax"
limit: .long 3, 3
.text
.globl _start
_start:
"""
#: A reader's end is closed while another opens the pipe to write: ENXIO (6), or it was early enough (fd 3).
FIFO = """
    call 14, $fifo, $010600
    call 5, $fifo, $04000
    movl %eax, fd
    child_at other
    call 6, fd
    call 158
    quit $0
other:
    call 6, fd
    call 5, $fifo, $04001
    negl %eax
    andl $0xff, %eax
    quit %eax
"""
#: One writes the file in memory, the other reads it with read.
MAPPED = """
    call 5, $file, $0102, $0600
    movl %eax, fd
    call 4, fd, $text, $1
    movl $192, %eax
    xorl %ebx, %ebx
    movl $4096, %ecx
    movl $3, %edx
    movl $1, %esi
    movl fd, %edi
    xorl %ebp, %ebp
    int $0x80
    movl %eax, %ebp
    child_at other
    call 91, %ebp, $4096
    call 5, $file
    movl %eax, fd
    call 3, fd, $buffer, $1
    movzbl buffer, %ebx
    quit %ebx
other:
    movb $'X', (%ebp)
    quit $0
"""
#: Who may have three processes forks while another is waited for: EAGAIN, which it tells, or there is room.
LIMIT = """
    call 75, $6, $limit
    call 23, $1000
    child_at waiter
    child_at gone
    cmpl $-11, %eax
    jne 1f
    call 4, $1, $text + 1, $1
1:  quit $0
waiter:
    child_at gone
    call 7, $-1
    call 4, $1, $text, $1
    quit $0
gone:
    quit $0
"""
#: A parent waits, or is about to: R or S in its child's eyes.
PROC = """
    child_at other
    call 7, $-1, $map
    movzbl map + 1, %eax
    quit %eax
other:
    call 5, $stat
    movl %eax, fd
    call 3, fd, $buffer, $20
    movl $buffer + 9, %ecx
1:  incl %ecx
    cmpb $')', -2(%ecx)
    jne 1b
    movzbl (%ecx), %eax
    quit %eax
"""
CASES = {
    "fifo": (FIFO, At.SYSCALLS, {(0, (0x600,)), (0, (0xFD00,))}),
    "mapped": (MAPPED, At.SYSCALLS, {(ord("a"), (0,)), (ord("X"), (0,))}),
    "mapped, at memory": (MAPPED, At.MEMORY, {(ord("a"), (0,)), (ord("X"), (0,))}),
    "mapped, at instructions": (MAPPED, At.INSTRUCTIONS, {(ord("a"), (0,)), (ord("X"), (0,))}),
    "proc": (PROC, At.SYSCALLS, {(ord(one), (ord(one) << 8,)) for one in "RS"}),
    "limit": (LIMIT, At.SYSCALLS, {(0, b"ax"), (0, b"xa"), (0, b"a")}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_way_in_which_it_can_end_is_found(case: str, tmp_path: Path) -> None:
    text, at, expected = CASES[case]
    make = session_of(tmp_path, text)
    less = explore(make, Settings(at=at))
    at = At.MEMORY if at is At.INSTRUCTIONS else at
    whole = explore(make, Settings(at=at, no_reduction=True))
    assert less.found.complete
    of_child = case != "limit"
    assert {
        (one.status, one.others if of_child else one.stdout) for one in less.found.graph.endings()
    } == expected
    assert less.found.graph.endings() == whole.found.graph.endings()


def session_of(folder: Path, text: str) -> Callable[[], Session]:
    """Makes sessions of a program."""
    program = folder / "program.S"
    program.write_text(HEAD + text)
    return lambda: Session(program, config=Config(scheduler="schedule", timing="off"))


#: Exits by itself, or is killed before; the same output, the same others.
KILLED = """
    child_at other
    call 158
    quit $3
other:
    call 64
    call 37, %eax, $9
    quit $0
"""


def test_who_has_ended_by_itself_and_who_was_killed_stand_in_one_table(tmp_path: Path) -> None:
    made = explore(session_of(tmp_path, KILLED), Settings())
    ways = [(row.ending.status, row.ending.signal) for row in made.table]
    assert {(3, None), (None, 9)} <= set(ways)
    assert ways == sorted(ways, key=lambda way: way[0] is None)
