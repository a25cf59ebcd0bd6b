"""x87 errors that are not masked end in SIGFPE, whichever they are."""

from pathlib import Path

import pytest

from toykernel.harness.session import Session
from toykernel.kernel.siginfo import SIGFPE
from toykernel.state import Config

USERLAND = Path(__file__).parents[2] / "userland"

PROGRAM = """
.include "linux.inc"
.text
.globl _start
_start:
    fninit
    fldcw unmasked
    {operation}
    fwait
    sys_exit $0
.data
unmasked:
    .word 0x340
    .word 0
huge:
    .long 0x7f000000
tiny:
    .long 0x00800000
single:
    .long 0
minus:
    .long -1
denormal:
    .long 1
.include "print.inc"
"""


@pytest.mark.parametrize(
    "operation",
    [
        "fld1; fldz; fdivrp",
        "fldz; fldz; fdivrp",
        "flds huge; fmuls huge; fstps single",
        "flds tiny; fmuls tiny; fstps single",
        "fildl minus; fsqrt",
        "fldpi; fstps single",
        "flds denormal",
        "fld %st(1)",
    ],
)
def test_errors_that_are_not_masked_are_reported(tmp_path: Path, operation: str) -> None:
    """As native Linux does: i486 and later, whichever of the six it is."""
    source = tmp_path / "fpu.S"
    source.write_text(PROGRAM.format(operation=operation.replace("; ", "\n    ")))
    session = Session(source)
    assert session.run(10_000_000).kind == "finished"
    assert session.stats.program_status == SIGFPE


REPORTED = """
.text
.globl _start
.macro try first, second, third
    movl $1f, resume
    fninit
    fldcw unmasked
    ldmxcsr sse
    \\first
    \\second
    \\third
    fwait
1:
.endm
_start:
    movl $174, %eax                 # rt_sigaction
    movl $8, %ebx
    movl $act, %ecx
    xorl %edx, %edx
    movl $8, %esi
    int $0x80
    try fld1, fldz, fdivrp
    try fldpi, "fstps value", nop
    try "flds huge", "fmuls huge", "fstps value"
    try "flds tiny", "fmuls tiny", "fstps value"
    try "fld %st(1)", nop, nop
    try "flds denormal", nop, nop
    try "fldl2e", "fchs", "fsqrt"
    try "movss one, %xmm0", "xorps %xmm1, %xmm1", "divss %xmm1, %xmm0"
    try "movss one, %xmm0", "movss three, %xmm1", "divss %xmm1, %xmm0"
    try "movss huge, %xmm0", "mulss %xmm0, %xmm0", nop
    movl $1, %eax
    xorl %ebx, %ebx
    int $0x80
handler:                            # signal, siginfo, ucontext
    movl 8(%esp), %edx
    movl 8(%edx), %eax              # si_code
    addl $'0', %eax
    movb %al, text
    movl resume, %eax
    subl 12(%edx), %eax             # si_addr, so many bytes in front of the end
    addl $'A', %eax
    movb %al, text + 1
    movl $4, %eax
    movl $1, %ebx
    movl $text, %ecx
    movl $3, %edx
    int $0x80
    movl 12(%esp), %edx
    movl resume, %eax
    movl %eax, 76(%edx)             # uc_mcontext.eip
    ret
restorer:
    movl $173, %eax                 # rt_sigreturn
    int $0x80
.data
act:
    .long handler, 0x04000004, restorer, 0, 0
unmasked:
    .long 0x340
sse:
    .long 0
one:
    .long 0x3f800000
three:
    .long 0x40400000
huge:
    .long 0x7f000000
tiny:
    .long 0x00800000
denormal:
    .long 1
value:
    .long 0
resume:
    .long 0
text:
    .byte 0, 0, 32
"""
#: What native Linux prints.
NATIVE = b"3B 6B 4B 5B 7B 5B 7B 3F 6F 4G "


def test_codes_and_addresses(tmp_path: Path) -> None:
    """si_code is the first exception's, si_addr the instruction's that raised it, not the one that told."""
    source = tmp_path / "codes.S"
    source.write_text(REPORTED)
    session = Session(source)
    assert session.run(10_000_000).kind == "finished"
    assert session.stdout == NATIVE


@pytest.mark.parametrize("model", ["486", "pentium", "pentium3", "max"])
@pytest.mark.parametrize("name", ["fpu_state", "fpu_error"])
def test_both_forms_of_saving_keep_every_number(name: str, model: str) -> None:
    """FNSAVE, which empties the FPU, and FXSAVE, which does not."""
    session = Session(USERLAND / f"{name}.S", config=Config(cpu=model))
    assert session.run(10_000_000).kind == "finished"
    assert b"FAILED" not in session.stdout
    assert session.stats.program_status == 0
