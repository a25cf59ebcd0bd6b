"""For whom the tasks of a deadlock wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from toykernel.harness.session import Session
from toykernel.testing import explore

PHILOSOPHERS = Path(__file__).parents[1] / "explore/programs/philosophers.S"
HEAD = """.include "linux.inc"
.globl _start
_start:
    movl $42, %eax              # pipe
    movl $ends, %ebx
    int $0x80
    {fork}
    {parent}
child:
    {child}
.data
ends: .long 0, 0
byte: .long 0
"""
FORK = "sys_fork\n testl %eax, %eax\n jz child"
READ = "movl $3, %eax\n movl ends, %ebx\n movl $byte, %ecx\n movl $1, %edx\n int $0x80"


def test_semaphores_name_who_was_there_last() -> None:
    """A circle: each waits for the other."""
    (dead,) = (row for row in explore(PHILOSOPHERS).outcomes if row.ending.end == "deadlock")
    two, three = _halves(dead.explanation)
    assert two.startswith("2 (philosophers) in semop -1")
    assert two.endswith("changed last by 3 (philosophers)")
    assert three.startswith("3 (philosophers) in semop -1")
    assert three.endswith("changed last by 2 (philosophers)")


def _halves(text: str) -> tuple[str, str]:
    at = text.index(", 3 (philosophers) in")
    return text[:at], text[at + 2 :]


@pytest.mark.parametrize(
    ("fork", "parent", "child", "told"),
    [
        ("", READ, "", "the end for writing is open in itself alone"),
        (
            *(FORK, READ, READ),
            "the end for writing is open in 2 (program) and 3 (program)",
        ),
        (FORK, "sys_waitpid $ANY_CHILD, $0, $0", READ, "children 3 (program)"),
    ],
)
def test_pipes_and_children(fork: str, parent: str, child: str, told: str, tmp_path: Path) -> None:
    program = tmp_path / "program.S"
    program.write_text(HEAD.format(fork=fork, parent=parent, child=child))
    outcome = Session(program).run()
    assert outcome.kind == "deadlock"
    assert told in outcome.detail
