"""RF lasts for the one instruction that is tried again; no program sees it (SDM vol. 3, 17.3.1.1)."""

from pathlib import Path

import pytest

from toykernel.harness.session import Session
from toykernel.state import Config
from toykernel.statehash import state_hash

#: The first store faults and is tried again with RF set; then the flags are looked at.
PROGRAM = """
.globl _start
_start: movl $1, page
        pushfl
        popl %ebx
        shrl $16, %ebx
        andl $1, %ebx
        movl $1, %eax
        int $0x80
.bss
.balign 4096
        .skip 4096
page:   .skip 8192
"""


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("timing", ["off", "i486"])
def test_pushf_shows_no_rf_after_a_page_fault(tmp_path: Path, native: bool, timing: str) -> None:
    path = tmp_path / "rf.S"
    path.write_text(PROGRAM)
    whole, stepped = (Session(path, config=Config(native=native, timing=timing)) for _ in range(2))
    whole.run()
    while stepped.step() is None:
        pass
    assert whole.stats.program_status == stepped.stats.program_status == 0
    assert state_hash(whole.kernel) == state_hash(stepped.kernel)
