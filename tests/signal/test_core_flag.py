"""The core flag in a wait status, for every signal and limit; what signal(7) and core(5) say of them."""

from pathlib import Path

import pytest

from toykernel.harness.session import Session

CORE = {3, 4, 5, 6, 7, 8, 11, 24, 25, 31}  # QUIT ILL TRAP ABRT BUS FPE SEGV XCPU XFSZ SYS
HARMLESS = {17, 18, 23, 28}  # CHLD CONT URG WINCH
STOP = 19
TERMINAL = {20, 21, 22}  # TSTP TTIN TTOU: nothing in an orphaned group, as that of init's child is
PAGE = 4096

PROGRAM = """
.include "linux.inc"
.include "signal.inc"
.text
.globl _start
_start:
    movl $75, %eax              # setrlimit
    movl $4, %ebx               # RLIMIT_CORE
    movl $limit, %ecx
    int $0x80
    xorl %esi, %esi
1:  incl %esi
    sys_fork
    testl %eax, %eax
    jnz 2f
    kill_self %esi
    sys_exit $0
2:  movl %eax, %edi
    sys_waitpid %edi, $status, $2
    sys_write $STDOUT_FILENO, $status, $2
    sys_kill %edi, $SIGKILL     # one that has only stopped
    sys_waitpid %edi, $0, $0
    cmpl $64, %esi
    jb 1b
    sys_exit $0
.data
limit:
    .long {limit}, -1
status:
    .long 0
.include "print.inc"
"""


def wanted(sig: int, limit: int) -> int:
    if sig in HARMLESS | TERMINAL:
        return 0
    if sig == STOP:
        return sig << 8 | 0x7F
    return sig | (0x80 if sig in CORE and limit >= PAGE else 0)


@pytest.mark.parametrize("limit", [0, 1, PAGE, 0xFFFFFFFF])
def test_every_signal(tmp_path: Path, limit: int) -> None:
    source = tmp_path / "core.S"
    source.write_text(PROGRAM.format(limit=limit))
    session = Session(source)
    assert session.run(50_000_000).kind == "finished"
    out = session.stdout
    statuses = [int.from_bytes(out[i : i + 2], "little") for i in range(0, len(out), 2)]
    assert len(statuses) == 64
    assert statuses == [wanted(sig, limit) for sig in range(1, 65)]
