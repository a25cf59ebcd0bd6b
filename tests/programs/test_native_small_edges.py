"""Answers that a single fault in a small call moves (make mutants), here and on this machine's own Linux.

Errors are their negated numbers.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from native_pairs import answers_of_both

EPERM, ENOENT, ENXIO, EBADF, ENOMEM, EFAULT, EINVAL, EFBIG = 1, 2, 6, 9, 12, 14, 22, 27
ENOSYS, EOVERFLOW, EOPNOTSUPP = 38, 75, 95
SIGUSR1, SIGUSR2 = 10, 12
PAGE = 4096
#: A page that may be written, and behind it nothing; its end in `edge`.
TWO_PAGES = f"""
    call 192, $0, ${2 * PAGE}, $3, $0x22, $-1, $0
    addl ${PAGE}, %eax
    movl %eax, edge
    call 91, edge, ${PAGE}
"""

CASES: dict[str, tuple[str, list[int]]] = {
    "which timers there are, and what is looked at first": (
        f"""
    .irp which, -1, 3
    call 105, $\\which, $buf
    keep                                # EINVAL
    call 104, $\\which, $zero, $0
    keep
    call 104, $\\which, $1, $0
    keep                                # EFAULT: the new value is read before
    .endr
    .irp which, 0, 1, 2
    call 105, $\\which, $buf
    keep
    call 105, $\\which, $1
    keep
    call 104, $\\which, $zero, $buf
    keep
    .endr
    {TWO_PAGES}
    movl edge, %eax
    movl $0, -8(%eax)
    movl $2000000, -4(%eax)             # no microseconds
    subl $8, %eax
    movl %eax, pid
    call 104, $0, pid, $0
    keep                                # EFAULT: all of it is read first
    call 104, $0, $wrong, $0
    keep
    tell
.data
.balign 4
zero: .long 0, 0, 0, 0
wrong: .long 0, 0, 0, 1000000
edge: .long 0
""",
        [-EINVAL, -EINVAL, -EFAULT] * 2 + [0, -EFAULT, 0] * 3 + [-EFAULT, -EINVAL],
    ),
    "a timer of CPU time that is not due": (
        """
    movl $(1 << 13), buf
    call 175, $0, $buf, $0, $8          # SIGALRM waits
    .irp clock, 2, 3                    # the process's CPU time, the thread's
    call 259, $\\clock, $0, $fds
    keep
    call 260, fds, $0, $later, $0
    keep
    movl $2000000, %ecx
1:  decl %ecx
    jnz 1b
    call 176, $buf + 16, $8
    movl buf + 16, %eax
    keep
    call 263, fds
    .endr
    .irp clock, 2, 3
    call 259, $\\clock, $0, $fds
    call 260, fds, $0, $soon, $0
    movl $0, buf + 16
2:  call 176, $buf + 16, $8             # until it has come
    cmpl $0, buf + 16
    je 2b
    movl buf + 16, %eax
    keep
    call 177, $buf, $0, $0, $8          # rt_sigtimedwait: taken
    keep
    .endr
    tell
.data
.balign 4
later: .long 0, 0, 1000, 0
soon: .long 0, 0, 0, 1000000
""",
        [0, 0, 0] * 2 + [1 << 13, 14] * 2,
    ),
    "signals that wait": (
        f"""
    movl $((1 << {SIGUSR1 - 1}) | (1 << {SIGUSR2 - 1})), buf
    call 175, $0, $buf, $0, $8          # rt_sigprocmask: block
    call 20
    movl %eax, pid
    call 37, pid, ${SIGUSR1}
    call 176, $buf + 16, $8
    keep
    movl buf + 16, %eax
    keep
    movl buf + 20, %eax
    keep
    call 238, pid, ${SIGUSR2}           # tkill: to the thread
    call 73, $buf + 32
    keep
    movl buf + 32, %eax
    keep
    movl $-1, buf + 20
    call 176, $buf + 16, $4
    keep
    movl buf + 16, %eax
    keep
    movl buf + 20, %eax
    keep                                # not touched
    call 176, $buf, $9
    keep
    call 176, $1, $8
    keep
    call 73, $1
    keep
    tell
""",
        [0, 0x200, 0, 0, 0xA00, 0, 0xA00, -1, -EINVAL, -EFAULT, -EFAULT],
    ),
    "versions of capabilities": (
        """
    .irp data, 0, buf + 16
    .irp version, 0x19980330, 0x20071026, 0x20080522, 0x20080521
    movl $\\version, buf
    movl $0, buf + 4
    call 184, $buf, $\\data
    keep
    movl buf, %eax
    keep
    .endr
    .endr
    movl $0x20080522, buf
    movl $-1, buf + 4
    call 184, $buf, $buf + 16
    keep
    call 184, $1, $0
    keep
    tell
""",
        [
            *(0, 0x19980330, 0, 0x20071026, 0, 0x20080522, 0, 0x20080522),
            *(0, 0x19980330, 0, 0x20071026, 0, 0x20080522, -EINVAL, 0x20080522),
            *(-EINVAL, -EFAULT),
        ],
    ),
    "flags that come back from a handler": (
        """
    call 174, $10, $action, $0, $8
    call 20
    movl %eax, pid
    .irp flags, 0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800, 0x8d5, 0x0, 0x3200, 0x20000
    movl $\\flags, done
    call 37, pid, $10
    pushfl
    cld
    popl %eax
    andl $0xffffcdff, %eax              # but IF and IOPL, which are none of ours
    keep
    .endr
    tell
handler: movl 12(%esp), %eax
    movl done, %ecx
    movl %ecx, UC_SIGCONTEXT + SC_EFLAGS(%eax)
    ret
.data
.balign 4
action: .long handler, 0x4, 0, 0, 0
""",
        [2 | flags for flags in (0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800, 0x8D5, 0, 0, 0)],
    ),
    "no virtual 8086 mode": (
        """
    call 113, $buf
    keep
    call 166, $0, $0
    keep
    call 166, $1, $buf
    keep
    tell
""",
        [-ENOSYS, -ENOSYS, -ENOSYS],
    ),
    "a thread area is told as it was set": (
        """
    .irp flags, 0x51, 0x41, 0x59, 0x53, 0x11
    movl $-1, buf
    movl $0x12345678, buf + 4
    movl $0xabcde, buf + 8
    movl $\\flags, buf + 12
    call 243, $buf
    keep
    movl buf, %eax
    movl %eax, buf + 32
    call 244, $buf + 32
    keep
    .irp at, 36, 40, 44
    movl buf + \\at, %eax
    keep
    .endr
    movl $0x28, buf + 12                # an empty one: free again
    movl $0, buf + 4
    movl $0, buf + 8
    call 243, $buf
    keep
    .endr
    tell
""",
        [
            n
            for flags in (0x51, 0x41, 0x59, 0x53, 0x11)
            for n in (0, 0, 0x12345678, 0xABCDE, flags, 0)
        ],
    ),
    "where a file without O_LARGEFILE ends": (
        """
    call 5, $name, $0102, $0600
    movl %eax, fds
    call 19, fds, $0x7fffffff, $0       # lseek
    keep
    call 4, fds, $buf, $1
    keep                                # EFBIG
    call 4, fds, $buf, $0
    keep
    call 10, $name
    tell
.data
name: .asciz "/tmp/edge_of_2_gib"
""",
        [0x7FFFFFFF, -EFBIG, 0],
    ),
    "what is looked at first": (
        """
    call 208, $65534, $65534, $65534    # setresuid: without privileges
    call 9, $nowhere, $1
    keep                                # link: the old name before the address of the new one
    call 303, $-100, $nowhere, $-100, $1, $0
    keep
    call 9, $1, $nowhere
    keep
    call 38, $nowhere, $1
    keep                                # rename, renameat, renameat2: likewise
    call 302, $-100, $nowhere, $-100, $1
    keep
    call 353, $-100, $nowhere, $-100, $1, $0
    keep
    call 38, $nothing, $1
    keep                                # its directory is there
    call 38, $1, $nowhere
    keep
    call 79, $0, $0
    keep                                # settimeofday, with nothing to set
    call 79, $0, $zone
    keep
    call 79, $0, $1
    keep
    call 21, $1, $nowhere, $nothing, $0, $0
    keep                                # mount: the source's address before the target's name
    call 21, $nothing, $nowhere, $nothing, $0, $0
    keep
    tell
.data
nowhere: .asciz "/no/such/file"
nothing: .asciz "/nothing"
.balign 4
zone: .long 60, 0
""",
        [-ENOENT] * 2
        + [-EFAULT]
        + [-ENOENT] * 3
        + [-EFAULT] * 2
        + [-EPERM] * 2
        + [-EFAULT] * 2
        + [-ENOENT],
    ),
    "sendfile writes the position whatever has come of it": (
        """
    .irp number, 187, 239
    call \\number, $99, $99, $fixed, $1
    keep                                # EFAULT, not EBADF
    call \\number, $99, $99, $moves, $1
    keep
    call \\number, $1, $99, $0, $1
    keep
    .endr
    call 5, $self, $0
    movl %eax, pid
    call 187, $1, pid, $last, $1
    keep                                # EOVERFLOW: no position of 31 bits behind it
    call 239, $1, pid, $last, $1
    keep
    call 187, $1, pid, $before, $1
    keep                                # 0: the file has ended
    tell
.section .rodata
fixed: .long 0, 0
self: .asciz "/proc/self/exe"
.data
.balign 4
moves: .long 5, 0
last: .long 0x7fffffff, 0
before: .long 0x7ffffffe, 0
""",
        [-EFAULT, -EBADF, -EBADF] * 2 + [-EOVERFLOW, 0, 0],
    ),
    "clocks that cannot be set, and what is read before": (
        """
    call 208, $65534, $65534, $65534    # setresuid: without privileges
    call 124, $fixed
    keep                                # adjtimex writes what it was given even when it may not set it
    call 124, $moves
    keep
    call 343, $0, $fixed
    keep                                # clock_adjtime does not
    .irp clock, -100, -1, -5, 1, 2
    call 343, $\\clock, $moves
    keep
    call 405, $\\clock, $moves
    keep
    .endr
    call 405, $99, $1
    keep
    call 405, $99, $moves
    keep
    call 264, $-2, $moves
    keep                                # clock_settime: the thread's own time, which nobody sets
    call 264, $-2, $never
    keep
    call 264, $-2, $1
    keep
    call 264, $-5, $moves
    keep                                # no device
    call 264, $2, $1
    keep
    call 404, $-2, $moves
    keep
    tell
.section .rodata
.balign 4
fixed: .long 1
       .space 256
.data
.balign 4
moves: .long 1
       .space 256
never: .long -1, -1
""",
        [-EFAULT, -EPERM, -EPERM]
        + [-EOPNOTSUPP] * 4
        + [-EINVAL] * 2
        + [-EOPNOTSUPP] * 4
        + [-EFAULT, -EINVAL]
        + [-EPERM, -EPERM, -EFAULT, -EINVAL, -EINVAL, -EPERM],
    ),
    "more than may be locked, and around the end of all memory": (
        """
    call 75, $8, $limit                 # setrlimit: RLIMIT_MEMLOCK
    call 208, $65534, $65534, $65534    # setresuid: without privileges
    .irp number, 150, 376
    call \\number, $0xffffff9c, $0x8000000, $0
    keep
    .endr
    call 316, $99, $1, $1, $16
    keep                                # vmsplice: flags before the descriptor
    call 316, $99, $1, $1, $0
    keep
    tell
.data
.balign 4
limit: .long 65536, 65536
""",
        [-ENOMEM, -ENOMEM, -EINVAL, -EBADF],
    ),
    "the numbers of struct stat": (
        """
    .irp number, 106, 195, 107, 196
    movl $buf, %edi
    movl $64, %ecx
    movl $-1, %eax
    rep stosl
    call \\number, $name, $buf
    keep
    .endr
    call 195, $name, $buf
    movl buf + 32, %eax                 # st_rdev
    keep
    movl buf + 44, %eax                 # st_size
    keep
    movl buf + 48, %eax
    keep
    movl buf + 96, %eax                 # not touched
    keep
    call 106, $name, $buf
    movl buf + 16, %eax                 # st_rdev
    keep
    movl buf + 20, %eax                 # st_size
    keep
    movl buf + 56, %eax
    keep
    movl buf + 60, %eax
    keep
    tell
.data
name: .asciz "/dev/null"
""",
        [0, 0, 0, 0, 0x103, 0, 0, -1, 0x103, 0, 0, 0],
    ),
}


@pytest.mark.usefixtures("linux32")
@pytest.mark.parametrize("name", CASES)
def test_the_same_answers(name: str, tmp_path: Path) -> None:
    body, expected = CASES[name]
    here, there = answers_of_both(tmp_path, body)
    assert there == expected
    assert here == expected
