"""Which x87 errors the engine reports: the rows of docs/deviations.md on floating point."""

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
.include "print.inc"
"""


@pytest.mark.parametrize(
    ("operation", "reported"),
    [
        ("fld1; fldz; fdivrp", True),
        ("fldz; fldz; fdivrp", True),
        ("flds huge; fmuls huge; fstps single", False),
        ("flds tiny; fmuls tiny; fstps single", False),
        ("fildl minus; fsqrt", False),
    ],
)
def test_only_division_by_zero_is_reported(tmp_path: Path, operation: str, reported: bool) -> None:
    source = tmp_path / "fpu.S"
    source.write_text(PROGRAM.format(operation=operation.replace("; ", "\n    ")))
    session = Session(source)
    assert session.run(10_000_000).kind == "finished"
    assert session.stats.program_status == (SIGFPE if reported else 0)


@pytest.mark.parametrize("model", ["486", "pentium", "pentium3", "max"])
@pytest.mark.parametrize("name", ["fpu_state", "fpu_error"])
def test_both_forms_of_saving_keep_every_number(name: str, model: str) -> None:
    """FNSAVE, which empties the FPU, and FXSAVE, which does not."""
    session = Session(USERLAND / f"{name}.S", config=Config(cpu=model))
    assert session.run(10_000_000).kind == "finished"
    assert b"FAILED" not in session.stdout
    assert session.stats.program_status == 0
