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


@pytest.mark.parametrize("model", ["486", "pentium", "pentium3", "max"])
@pytest.mark.parametrize("name", ["fpu_state", "fpu_error"])
def test_both_forms_of_saving_keep_every_number(name: str, model: str) -> None:
    """FNSAVE, which empties the FPU, and FXSAVE, which does not."""
    session = Session(USERLAND / f"{name}.S", config=Config(cpu=model))
    assert session.run(10_000_000).kind == "finished"
    assert b"FAILED" not in session.stdout
    assert session.stats.program_status == 0
