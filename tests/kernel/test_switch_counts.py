"""ru_nvcsw and ru_nivcsw of threads that have ended, and of children that were waited for (kernel/sys.c)."""

from __future__ import annotations

import struct

from guest import boot, finish

RU_NVCSW, RU_NIVCSW = 64, 68
SOURCE = """
    .include "process.inc"
    .macro usage who, at
    movl $77, %eax                      # getrusage
    movl $\\who, %ebx
    movl $\\at, %ecx
    int $0x80
    .endm
    .macro both_compute                 # a thread, while its maker computes too: turns end
    movl $120, %eax
    movl $(CLONE_AS_THREAD & ~CLONE_SYSVSEM | CLONE_CHILD_CLEARTID), %ebx
    movl $stack, %ecx
    movl $alive, %edi
    movl $1, alive
    int $0x80
    testl %eax, %eax
    jz thread
8:  cmpl $0, alive
    jne 8b
    .endm
    both_compute
    usage 0, all
    usage 1, mine
    usage -1, none
    movl $2, %eax
    int $0x80
    testl %eax, %eax
    jz child
    movl %eax, %ebx
    movl $7, %eax
    xorl %ecx, %ecx
    xorl %edx, %edx
    int $0x80
    usage -1, theirs
    movl $4, %eax
    movl $1, %ebx
    movl $all, %ecx
    movl $(4 * 72), %edx
    int $0x80
    sys_exit $0
child:
    both_compute
    sys_exit $0
thread:
    give_way
    movl $3000000, %ecx
9:  decl %ecx
    jnz 9b
    movl $1, %eax
    xorl %ebx, %ebx
    int $0x80
.data
.balign 4
alive: .long 0
all: .space 72
mine: .space 72
none: .space 72
theirs: .space 72
.bss
.balign 16
    .space 4096
stack:
"""


def test_switches_of_those_who_have_ended_are_counted() -> None:
    session = boot(SOURCE)
    assert finish(session, 100_000_000) == 0
    output = session.stdout
    group, alone, nobody, children = (
        struct.unpack_from("<2I", output, 72 * n + RU_NVCSW) for n in range(4)
    )
    assert group[0] > alone[0]  # the thread has slept
    assert group[1] > alone[1] > 0  # its turns have ended, too
    assert nobody == (0, 0)
    assert children[0] > 0
    assert children[1] > 1
