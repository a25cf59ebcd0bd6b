"""Edges that a single fault in the kernel moves (make mutants), here and on this machine's own Linux.

Errors are their negated numbers.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from native_pairs import answers_of_both

EAGAIN, ENOEXEC, ECHILD, EINVAL, EMFILE, ENOMEM, ETXTBSY = 11, 8, 10, 22, 24, 12, 26
WNOHANG, WSTOPPED, WEXITED, WCONTINUED, WNOWAIT = 1, 2, 4, 8, 0x1000000
SIGCONT, SIGSTOP, SIGKILL = 18, 19, 9
PAGE = 4096

#: The program, and what it keeps.
CASES: dict[str, tuple[str, list[int]]] = {
    "an open that truncates gives the right to write back": (
        """
    call 8, $name, $0755                # creat, written, closed: it could be executed
    movl %eax, fds
    call 6, fds
    call 5, $name, $01000               # O_RDONLY | O_TRUNC, and it stays open
    movl %eax, fds
    call 11, $name, $no_strings, $no_strings
    keep                                # ENOEXEC: it is empty; not ETXTBSY
    call 5, $name, $1                   # O_WRONLY
    call 11, $name, $no_strings, $no_strings
    keep                                # ETXTBSY
    call 10, $name
    tell
.data
name: .asciz "/tmp/edge"
.balign 4
no_strings: .long 0
""",
        [-ENOEXEC, -ETXTBSY],
    ),
    "a page stays free behind the heap": (
        f"""
    call 45, $0
    addl $4095, %eax
    andl $~4095, %eax
    movl %eax, done                     # the heap begins here, say
    call 45, done
    movl done, %eax
    addl $(3 * {PAGE}), %eax
    movl %eax, fds
    call 192, fds, ${PAGE}, $3, $0x32, $-1, $0     # a page at +3
    subl fds, %eax
    keep                                # there
    movl done, %eax
    addl $(2 * {PAGE}), %eax
    movl %eax, pid
    call 45, pid                        # up to the free page: it goes
    subl done, %eax
    keep
    incl pid
    call 45, pid                        # a byte more does not
    subl done, %eax
    keep
    call 45, done
    tell
""",
        [0, 2 * PAGE, 2 * PAGE],
    ),
    "WNOWAIT leaves a stop, a start and a death to be told of": (
        f"""
    child sleeps
    nap
    call 37, pid, ${SIGSTOP}
    nap
    .irp options, {WSTOPPED | WNOWAIT}, {WSTOPPED | WNOWAIT}, {WSTOPPED}, {WSTOPPED}
    movl $0, buf + 8
    call 284, $1, pid, $buf, $(\\options | {WNOHANG}), $0
    movl buf + 8, %eax
    keep                                # CLD_STOPPED, while it is not taken
    .endr
    call 37, pid, ${SIGCONT}
    nap
    .irp options, {WCONTINUED | WNOWAIT}, {WCONTINUED | WNOWAIT}, {WCONTINUED}, {WCONTINUED}
    movl $0, buf + 8
    call 284, $1, pid, $buf, $(\\options | {WNOHANG}), $0
    movl buf + 8, %eax
    keep
    .endr
    call 37, pid, ${SIGKILL}
    nap
    .irp options, {WEXITED | WNOWAIT}, {WEXITED | WNOWAIT}, {WEXITED}, {WEXITED}
    movl $0, buf + 8
    call 284, $1, pid, $buf, $(\\options | {WNOHANG}), $0
    keep
    movl buf + 8, %eax
    keep
    .endr
    tell
sleeps: call 162, $long
    jmp sleeps
""",
        [5, 5, 5, 0, 6, 6, 6, 0, 0, 2, 0, 2, 0, 2, -ECHILD, 0],
    ),
    "an orphan ends with SIGCHLD": (
        """
    call 172, $36, $1                   # PR_SET_CHILD_SUBREAPER
    child father
    reap
    nap
    nap
    call 7, $-1, $status, $0            # without __WALL one that ends with SIGUSR1 is none
    testl %eax, %eax
    jle 1f
    movl status, %eax
1:  keep
    tell
father: call 120, $10, $0               # clone with SIGUSR1 at the end
    testl %eax, %eax
    jz orphan
    call 1
orphan: nap
    call 1, $7
""",
        [7 << 8],
    ),
    "sigreturn is no call to start over": (
        """
    .irp signal, 10, 12
    call 174, $\\signal, $action_\\signal, $0, $8
    .endr
    call 20
    movl %eax, pid
    movl $37, %eax                      # kill(getpid(), SIGUSR1), by hand: %eax must come back
    movl pid, %ebx
    movl $10, %ecx
    int $0x80
behind: keep                            # what the first handler put there
    movl done, %eax
    keep                                # the second one has run, once
    tell
first: movl $-512, 8 + SC_EAX(%esp)     # as if the call had been broken off (ERESTARTSYS)
    pushl %ebx
    call 37, pid, $12                   # comes when this handler is left
    popl %ebx
    ret
second: incl done
    ret
.data
.balign 4
action_10: .long first, 0, 0, 0x800, 0  # with SIGUSR2 held
action_12: .long second, 0, 0, 0, 0
.text
""",
        [-512, 1],
    ),
    "a locked page of the parent is none of the child's": (
        f"""
    call 75, $8, $one_page              # RLIMIT_MEMLOCK
    call 208, $1000, $1000, $1000       # setresuid: limits hold
    call 192, $0, $(2 * {PAGE}), $3, $0x22, $-1, $0
    movl %eax, done
    call 150, done, ${PAGE}
    keep
    movl done, %eax
    addl ${PAGE}, %eax
    movl %eax, fds
    call 150, fds, ${PAGE}
    keep                                # one is all
    child young
    reap
    movl %ebx, %eax
    keep
    tell
young: call 150, fds, ${PAGE}
    negl %eax
    movl %eax, %ebx
    end
.data
.balign 4
one_page: .long {PAGE}, {PAGE}
.text
""",
        [0, -ENOMEM, 0],
    ),
    "the smallest alternate stack": (
        """
    call 186, $stack, $0
    keep
    decl stack + 8
    call 186, $stack, $0
    keep
    movl $2, stack + 4                  # SS_DISABLE: any size
    call 186, $stack, $0
    keep
    movl $4, stack + 4
    call 186, $stack, $0
    keep
    tell
.data
.balign 4
stack: .long buf, 0, 2048
.text
""",
        [0, -ENOMEM, 0, -EINVAL],
    ),
    "a write of a page or less is whole or not at all": (
        f"""
    call 331, $fds, $0x800              # pipe2, O_NONBLOCK
    call 4, fds + 4, $buf, $(15 * {PAGE} + 1)
    keep
    call 4, fds + 4, $buf, ${PAGE}      # no buffer is free, and the last has a page less one
    keep
    call 4, fds + 4, $buf, $({PAGE} + 1)     # more than PIPE_BUF: what fits
    keep
    call 4, fds + 4, $buf, ${PAGE - 1}
    keep
    call 4, fds + 4, $buf, ${PAGE - 2}
    keep
    call 4, fds + 4, $buf, $1
    keep
    call 3, fds, $buf, ${PAGE}
    keep
    call 4, fds + 4, $buf, $({PAGE} + 1)
    keep
    call 4, fds + 4, $buf, ${PAGE}
    keep
    tell
""",
        [15 * PAGE + 1, -EAGAIN, 1, -EAGAIN, PAGE - 2, -EAGAIN, PAGE, PAGE, -EAGAIN],
    ),
    "a thread's children are not another thread's with __WNOTHREAD": (
        f"""
    child ends
    thread other
    nap
    nap
    call 7, pid, $status, $(0x20000000 | {WNOHANG})
    subl pid, %eax
    keep
    tell
ends: call 1, $3
other: nap
    call 7, $-1, $status, $(0x20000000 | {WNOHANG})
    keep                                # ECHILD: it has none itself
    call 284, $0, $0, $buf, $(0x20000000 | {WNOHANG | WEXITED | WNOWAIT}), $0
    keep
    call 284, $0, $0, $buf, ${WNOHANG | WEXITED | WNOWAIT}, $0
    keep
    call 1
""",
        [-ECHILD, -ECHILD, 0, 0],
    ),
    "the largest size of a pipe": (
        """
    call 42, $fds
    call 55, fds, $1031, $0x80000001    # F_SETPIPE_SZ
    keep
    call 55, fds, $1031, $-1
    keep
    call 55, fds, $1032
    keep
    tell
""",
        [-EINVAL, -EINVAL, 65536],
    ),
    "F_DUPFD at the limit": (
        """
    call 75, $7, $limit                 # RLIMIT_NOFILE: 10
    .irp least, 9, 9, 10, 11, -1
    call 55, $1, $0, $\\least
    keep
    .endr
    call 63, $1, $9
    keep
    call 63, $1, $10
    keep
    tell
.data
.balign 4
limit: .long 10, 10
.text
""",
        [9, -EMFILE, -EINVAL, -EINVAL, -EINVAL, 9, -9],
    ),
    "a number that is used again is not closed by exec": (
        """
    call 5, $null, $0x80000             # O_CLOEXEC
    movl %eax, fds
    call 55, fds, $1
    keep
    call 6, fds
    call 5, $null, $0
    subl fds, %eax
    keep
    call 55, fds, $1
    keep
    call 55, fds, $2, $1
    call 63, $1, fds                    # dup2 over it
    call 55, fds, $1
    keep
    call 55, fds, $2, $1
    call 330, $1, fds, $0
    call 55, fds, $1
    keep
    call 6, fds
    call 55, $1, $1030, fds             # F_DUPFD_CLOEXEC
    call 55, fds, $1
    keep
    call 6, fds
    call 42, $fds
    call 55, fds, $1
    keep
    tell
.data
null: .asciz "/dev/null"
.text
""",
        [1, 0, 0, 0, 0, 1, 0],
    ),
    "a dead owner's word keeps its waiters": (
        """
    .irp waiters, 0, 0x80000000
    movl $0x12345678, word
    thread owner\\waiters
    nap
    movl word, %eax
    keep
    .pushsection .text.owners, "ax"
owner\\waiters: call 311, $head, $12
    call 224
    orl $\\waiters, %eax
    movl %eax, word
    call 1
    .popsection
    .endr
    tell
.data
.balign 4
head: .long node, 4, 0                  # a list of one; its word is 4 behind the node
node: .long head
word: .long 0
.text
""",
        [0x40000000, 0x40000000 - 0x80000000],
    ),
    "how many are woken, and how many go over": (
        """
    movl $5, done
1:  call 120, $(CLONE_AS_THREAD & ~CLONE_SYSVSEM), $thread_stack
    testl %eax, %eax
    jz sleeper
    nap
    decl done
    jnz 1b
    call 240, $here, $3, $1, $2, $there, $0      # FUTEX_REQUEUE: one wakes, two go over
    keep
    call 240, $there, $1, $9
    keep
    call 240, $here, $4, $0, $1, $there, $1      # FUTEX_CMP_REQUEUE, with another value
    keep
    call 240, $here, $4, $0, $1, $there, $0
    keep
    call 240, $there, $1, $9
    keep
    call 240, $here, $1, $9
    keep
    tell
sleeper: call 240, $here, $0, $0, $0
    call 1
.data
.balign 4
here: .long 0
there: .long 0
.text
""",
        [3, 2, -EAGAIN, 1, 1, 1],
    ),
    "moved memory joins its neighbour while nobody has touched it": (
        f"""
    .irp touched, 0, 1
    call 192, $0x40000000, ${PAGE}, $3, $0x32, $-1, $0
    .if \\touched
    movb $1, 0x40000000
    .endif
    call 163, $0x40000000, ${PAGE}, ${PAGE}, $3, $0x50000000     # mremap, MAYMOVE | FIXED
    call 192, $0x50001000, ${PAGE}, $3, $0x32, $-1, $0
    call 163, $0x50000000, ${2 * PAGE}, ${3 * PAGE}, $1
    keep                                # one area: it grows; two: EFAULT
    call 91, $0x50000000, ${4 * PAGE}
    .endr
    tell
""",
        [0x50000000, -14],
    ),
    "moved memory joins nobody who was there before": (
        f"""
    .irp touched, 0, 1
    call 192, $0x50001000, ${PAGE}, $3, $0x32, $-1, $0
    movb $1, 0x50001000
    call 192, $0x40000000, ${PAGE}, $3, $0x32, $-1, $0
    .if \\touched
    movb $1, 0x40000000
    .endif
    call 163, $0x40000000, ${PAGE}, ${PAGE}, $3, $0x50000000
    call 163, $0x50000000, ${2 * PAGE}, ${3 * PAGE}, $1
    keep
    call 91, $0x50000000, ${4 * PAGE}
    .endr
    tell
""",
        [0x50000000, -14],
    ),
    "what came from a fork shares its pages' origin with nobody new": (
        f"""
    call 192, $0x50001000, ${PAGE}, $3, $0x32, $-1, $0
    movb $1, 0x50001000
    call 2                              # in the child it comes from a fork
    testl %eax, %eax
    jz 1f
    movl %eax, fds
    call 7, fds, $status, $0
    movsbl status + 1, %eax
    keep
    tell
1:  call 192, $0x50000000, ${PAGE}, $3, $0x32, $-1, $0        # joins it, from below
    call 192, $0x50002000, ${PAGE}, $7, $0x32, $-1, $0
    movb $1, 0x50002000                 # its own pages: its own anon_vma
    call 125, $0x50002000, ${PAGE}, $3
    call 163, $0x50000000, ${3 * PAGE}, ${4 * PAGE}, $1
    movl %eax, %ebx
    cmpl $0x50000000, %eax
    jne 2f
    movl $1, %ebx
2:  end
""",
        [-14],
    ),
    "a semaphore set's number is not used again": (
        """
    call 117, $2, $0, $1, $0600         # semget(IPC_PRIVATE)
    movl %eax, fds
    call 117, $3, fds, $0, $0x100, $done     # IPC_RMID
    keep
    call 117, $2, $0, $1, $0600
    movl %eax, pid
    subl fds, %eax
    negl %eax
    sbbl %eax, %eax
    keep                                # another one
    call 117, $3, pid, $0, $0x100, $done
    tell
""",
        [0, -1],
    ),
    "an undo list that two share outlives the one": (
        """
    call 117, $2, $0, $1, $0600
    movl %eax, fds
    .irp flags, 17, 0x40011             # SIGCHLD; and CLONE_SYSVSEM
    call 120, $\\flags
    testl %eax, %eax
    jz raises
    movl %eax, pid
    call 7, pid, $status, $0
    call 117, $3, fds, $0, $0x10c, $done         # GETVAL
    keep
    .endr
    call 117, $3, fds, $0, $0x100, $done
    tell
raises: call 117, $1, fds, $1, $0, $up
    call 1
.data
.balign 4
up: .short 0, 1, 0x1000                 # SEM_UNDO
.text
""",
        [0, 1],
    ),
    "where stat64 puts what it says": (
        """
    call 5, $name, $0102, $0644
    movl %eax, fds
    call 4, fds, $name, $5
    call 197, fds, $buf                 # fstat64
    keep
    .irp field, 20, 32, 36, 44, 48, 92
    movl buf + \\field, %eax
    keep
    .endr
    movl buf + 12, %eax
    subl buf + 88, %eax
    keep                                # the inode's number, twice
    call 10, $name
    tell
.data
name: .asciz "/tmp/edge"
.text
""",
        [0, 1, 0, 0, 5, 0, 0, 0],
    ),
    "how far an area that grows down may grow": (
        f"""
    call 75, $3, $limit                 # RLIMIT_STACK: four pages
    call 174, $11, $action, $0, $8
    call 186, $other
    call 192, $0x40000000, ${PAGE}, $3, $0x132, $-1, $0     # MAP_GROWSDOWN
    movl %esp, done
    .irp below, 1, 2, 3, 4
    movl $0x40000000, %esp
    subl $(\\below * {PAGE}), %esp
    movl $0, fds
    movl $9f, resume
    movl %eax, (%esp)
9:  movl done, %esp
    movl fds, %eax
    keep                                # 1: SIGSEGV
    .endr
    tell
fault: movl $1, fds
    movl 12(%esp), %eax
    movl resume, %ecx
    movl %ecx, UC_SIGCONTEXT + SC_EIP(%eax)
    ret
.data
.balign 4
limit: .long 4 * {PAGE}, 4 * {PAGE}
action: .long fault, 0x48000004, 0, 0, 0
other: .long buf, 0, 8192
resume: .long 0
.text
""",
        [0, 0, 0, 1],
    ),
}


@pytest.mark.usefixtures("linux32")
@pytest.mark.parametrize("name", CASES)
def test_the_same_answers(name: str, tmp_path: Path) -> None:
    body, expected = CASES[name]
    here, there = answers_of_both(tmp_path, body)
    assert there == expected
    assert here == expected
