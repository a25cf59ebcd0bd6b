"""CPU times that programs read: they add up to what the clock says, and never go back."""

import struct
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toykernel.harness.session import Session
from toykernel.kernel.cputime import split
from toykernel.kernel.sched.entity import SchedEntity

PROGRAM = """
.include "linux.inc"
.text
.globl _start
_start:
    movl ${count}, %edi
1:  movl ${work}, %ecx          # so that ticks find now the program, now the kernel
2:  loop 2b
    movl $77, %eax              # getrusage
    movl ${who}, %ebx
    movl $usage, %ecx
    int $0x80
    sys_write $STDOUT_FILENO, $usage, $16
    decl %edi
    jnz 1b
    sys_exit $0
.data
usage:
    .fill 18, 4, 0
.include "print.inc"
"""


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize(("count", "work"), [(400, 10000), (12000, 1)])
def test_neither_time_goes_back(tmp_path: Path, who: int, count: int, work: int) -> None:
    source = tmp_path / "usage.S"
    source.write_text(PROGRAM.format(who=who, count=count, work=work))
    session = Session(source)
    assert session.run(200_000_000).kind == "finished"
    k = session.kernel
    assert k.time.jiffies >= 3, "without a tick there is nothing to see"
    seen = [
        (a * 10**6 + b, c * 10**6 + d) for a, b, c, d in struct.iter_unpack("<4I", session.stdout)
    ]
    assert len(seen) == count
    for (user, system), (later_user, later_system) in pairwise(seen):
        assert later_user >= user
        assert later_system >= system
        assert later_user + later_system >= user + system


@given(steps=st.lists(st.tuples(st.integers(0, 10**8), st.integers(0, 3), st.integers(0, 3))))
def test_parts_of_a_run_time(steps: list[tuple[int, int, int]]) -> None:
    record = SchedEntity()
    runtime = user_ticks = system_ticks = 0
    before = (0, 0)
    for more, user, system in steps:
        runtime, user_ticks, system_ticks = runtime + more, user_ticks + user, system_ticks + system
        now = split(record, runtime, user_ticks, system_ticks)
        assert sum(now) == runtime
        assert now[0] >= before[0]
        assert now[1] >= before[1]
        before = now


SWITCHES = """
.include "linux.inc"
.include "process.inc"
.text
.globl _start
_start:
    movl $120, %eax             # a thread that takes its turns with this one, and ends first
    movl $CLONE_AS_THREAD, %ebx
    movl $stack_top, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    int $0x80
    testl %eax, %eax
    jz other
1:  decl %ebp
    cmpl $0, ended
    je 1b
    movl $158, %eax             # sched_yield: it is gone now
    int $0x80
    .irp who, 0, 1              # RUSAGE_SELF, RUSAGE_THREAD
    movl $77, %eax
    movl $\\who, %ebx
    movl $usage, %ecx
    int $0x80
    sys_write $STDOUT_FILENO, $usage + 64, $8
    .endr
    sys_exit $0
other: movl $3000000, %ecx
2:  loop 2b
    movl $1, ended
    movl $1, %eax
    int $0x80
.data
ended: .long 0
usage: .fill 18, 4, 0
.bss
    .skip 4096
stack_top:
.include "print.inc"
"""


def test_switches_of_a_thread_that_has_ended_stay_counted(tmp_path: Path) -> None:
    source = tmp_path / "switches.S"
    source.write_text(SWITCHES)
    session = Session(source)
    assert session.run(400_000_000).kind == "finished"
    (_, everybody), (_, alone) = struct.iter_unpack("<2I", session.stdout)
    assert alone >= 1
    assert everybody >= alone + 1  # the other's turns ended, too
