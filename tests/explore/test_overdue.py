"""A timer that expires while a task computes and asks for nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toykernel.cli.group import call

SPINS = """.include "linux.inc"
.include "process.inc"
.include "signal.inc"
.globl _start
_start:
    set_handler $SIGALRM, $note, $0
    {fork}
    movl $27, %eax              # alarm
    movl ${seconds}, %ebx
    int $0x80
1:  cmpl $0, flag
    je 1b
    sys_exit $7
note:
    movl $1, flag
    ret
{child}
.data
flag: .long 0
"""
FORK = "sys_fork\n testl %eax, %eax\n jz child"
CHILD = "child: sys_exit $0"


def explored(tmp_path: Path, capfd, *, seconds: int, child: bool) -> list[dict]:
    program, file, orders = tmp_path / "spins.S", tmp_path / "all.json", tmp_path / "orders"
    fork, rest = (FORK, CHILD) if child else ("", "")
    program.write_text(SPINS.format(seconds=seconds, fork=fork, child=rest))
    options = ["--json", str(file), "--schedules", str(orders)]
    assert call(["explore", *options, str(program)]) == 0
    for number, row in enumerate(json.loads(file.read_text())["outcomes"], start=1):
        if row["end"] == "finished":
            for timing in ("off", "i486"):
                words = ["--timing", timing, "--schedule", str(orders / f"{number}.json")]
                assert call(["run", *words, str(program)]) == row["status"]
    capfd.readouterr()
    return json.loads(file.read_text())["outcomes"]


@pytest.mark.parametrize("child", [False, True])
def test_it_interrupts_who_waits_for_it_without_asking(child: bool, tmp_path: Path, capfd) -> None:
    rows = explored(tmp_path, capfd, seconds=1, child=child)
    assert {(row["end"], row["status"]) for row in rows} == {("finished", 7)}
    for row in rows:
        (passes,) = (choice for choice in row["schedule"] if choice["run"] == 0)
        assert passes["of"] == [0]
        assert passes["instruction"] >= 2_000_000


def test_without_a_timer_it_goes_on_for_ever(tmp_path: Path, capfd) -> None:
    (row,) = explored(tmp_path, capfd, seconds=0, child=False)
    assert (row["end"], row["status"]) == ("endless", None)


VIRTUAL = """.include "linux.inc"
.include "process.inc"
.include "signal.inc"
.globl _start
_start:
    movl $104, %eax             # setitimer
    movl ${which}, %ebx
    movl $value, %ecx
    xorl %edx, %edx
    int $0x80
1:  jmp 1b
.data
value: .long 0, 0, 0, 1000      # in a millisecond, once
"""


@pytest.mark.parametrize(("which", "end"), [(0, "finished"), (1, "endless"), (2, "endless")])
def test_cpu_time_does_not_grow(which: int, end: str, tmp_path: Path, capfd) -> None:
    """ITIMER_REAL kills it; ITIMER_VIRTUAL and ITIMER_PROF count what there is none of."""
    program, file = tmp_path / "virtual.S", tmp_path / "all.json"
    program.write_text(VIRTUAL.format(which=which))
    assert call(["explore", "--json", str(file), str(program)]) == 0
    (row,) = json.loads(file.read_text())["outcomes"]
    assert (row["end"], row["signal"]) == (end, 14 if end == "finished" else None)
