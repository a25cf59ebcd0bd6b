"""Calls that sleep, and what becomes of them: here and on this machine's own Linux.

Each program ends with the status that both must give; what it is stands in the test.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from native_linux import build, run

from toykernel.check.invariants import check_all
from toykernel.check.owners import leaked_frames
from toykernel.session import Session

LIMIT = 60_000_000  # cycles: nearly two seconds of virtual time
HEAD = """
.include "linux.inc"
.include "process.inc"
.include "signal.inc"
.macro call number:req, ebx=$0, ecx=$0, edx=$0, esi=$0, edi=$0, ebp=$0
    movl \\ebx, %ebx
    movl \\ecx, %ecx
    movl \\edx, %edx
    movl \\esi, %esi
    movl \\edi, %edi
    movl \\ebp, %ebp
    movl $\\number, %eax
    int $0x80
.endm
.macro nap                          # 20 ms: everybody else sleeps again
    call 162, $a_nap
.endm
.macro thread entry:req             # a thread that begins at a label
    call 120, $(CLONE_AS_THREAD & ~CLONE_SYSVSEM), $thread_stack
    testl %eax, %eax
    jz \\entry
.endm
.macro child entry:req              # a process that begins at a label; its pid in `pid`
    call 2
    testl %eax, %eax
    jz \\entry
    movl %eax, pid
.endm
.macro reap                         # its exit status in %ebx
    call 7, pid, $status, $0
    movzbl status+1, %ebx
.endm
.macro end
    movl $252, %eax                 # exit_group
    int $0x80
.endm
.data
.balign 4
a_nap:  .long 0, 20000000
long:   .long 0, 100000000
pid:    .long 0
status: .long 0
fds:    .long 0, 0
done:   .long 0
.bss
.balign 4096
buf:    .space 65536 * 2
        .space 4096
thread_stack:
.text
.globl _start
_start:
"""


def both(tmp_path: Path, body: str) -> tuple[int, int]:
    """Exit status here and on Linux."""
    source = tmp_path / "program.S"
    source.write_text(HEAD + body + '\n.text\n.include "print.inc"\n')
    session = Session(source)
    outcome = session.run(LIMIT)
    assert outcome.kind == "finished", outcome
    check_all(session.kernel)
    assert leaked_frames(session.kernel) == 0
    assert session.kernel.filp_cachep.active == 0, "open files are left"
    assert session.kernel.program_status is not None
    return session.kernel.program_status >> 8, run(build(source, tmp_path))[2]


# -- files that a call holds -----------------------------------------------------------------------

#: A thread sleeps in a call on a pipe; another closes both ends before it runs again.
HOLDS = """
    call 42, $fds
    {fill}
    thread sleeper
    nap
    call 6, fds
    call 6, fds+4
    nap
    movl done, %ebx
    end
sleeper:
    {call}
    negl %eax
    addl $100, %eax
    movl %eax, done
    call 1
"""
FILL = "call 4, fds+4, $buf, $65536"
BROKEN_PIPE = "call 48, $13, $1;"  # SIGPIPE is ignored


@pytest.mark.usefixtures("linux32")
@pytest.mark.parametrize(
    ("fill", "call", "status"),
    [
        ("", "call 3, fds, $buf, $1", 100),  # read: the end of the file
        (BROKEN_PIPE + FILL, "call 4, fds+4, $buf, $1", 132),  # write: EPIPE
        (BROKEN_PIPE + FILL, "call 316, fds+4, $iov, $1, $0", 132),  # vmsplice: EPIPE
        ("", "call 316, fds, $iov, $1, $0", 100),  # vmsplice that takes out
    ],
    ids=["read", "write", "vmsplice", "vmsplice-out"],
)
def test_a_call_that_sleeps_on_a_pipe_holds_the_file(
    tmp_path: Path, fill: str, call: str, status: int
) -> None:
    fill = fill.replace(";", "\n    ")
    body = HOLDS.format(fill=fill, call=call) + "\n.data\niov: .long buf, 1\n"
    assert both(tmp_path, body) == (status, status)


@pytest.mark.usefixtures("linux32")
def test_a_killed_sleeper_lets_go_of_its_file(tmp_path: Path) -> None:
    body = """
    call 42, $fds
    child sleepers
    call 6, fds+4               # only the sleeper's process has the writing end
    nap
    call 37, pid, $9
    call 3, fds, $buf, $1       # the end of the file, when the sleeper's descriptors are gone
    movl %eax, %ebx
    end
sleepers:
    thread sleeper
    nap
    call 6, fds
    call 29
sleeper:
    call 3, fds, $buf, $1
    call 1
"""
    assert both(tmp_path, body) == (0, 0)
