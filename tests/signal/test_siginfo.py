"""What a program may pretend in the siginfo that it sends."""

from pathlib import Path

import pytest

from toykernel.harness.session import Session

SEND = """
.include "linux.inc"
.include "signal.inc"
.text
.globl _start
_start:
    set_handler $SIGUSR1, $handler, $SA_SIGINFO
    sys_getpid
    movl %eax, %ebx
    movl $SIGUSR1, %ecx
    movl $info, %edx
    movl $__NR_rt_sigqueueinfo, %eax
    int $0x80
    movl %eax, %ebx
    negl %ebx
    movl $__NR_exit, %eax
    int $0x80
handler:
    movl 8(%esp), %eax
    movl SI_CODE(%eax), %ebx
    negl %ebx
    addl SI_VALUE(%eax), %ebx
    movl $__NR_exit, %eax
    int $0x80
.data
info:
    .long 0, 0, {code}, 7, 8, 100
    .fill 26, 4, 0
.include "print.inc"
"""


@pytest.mark.parametrize("code", [-1, -2, -3, -4, -5, -60])
def test_a_sender_may_claim_any_negative_code(tmp_path: Path, code: int) -> None:
    """SI_TIMER (-2) among them: no timer of the kernel's is meant by it."""
    source = tmp_path / "send.S"
    source.write_text(SEND.format(code=code))
    session = Session(source)
    assert session.run(10_000_000).kind == "finished"
    assert session.stats.program_status == 100 - code << 8


@pytest.mark.parametrize("code", [0, 1, 0x80, -6])
def test_but_not_the_kernel_s_or_kill_s(tmp_path: Path, code: int) -> None:
    source = tmp_path / "send.S"
    source.write_text(SEND.format(code=code))
    session = Session(source)
    assert session.run(10_000_000).kind == "finished"
    assert session.stats.program_status == 1 << 8  # EPERM
