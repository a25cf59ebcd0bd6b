"""Allocations that fail as choices: `--faults N`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toykernel.cli.group import call

FORKS = """.include "linux.inc"
.globl _start
_start:
    xorl %ebp, %ebp
{forks}
    addl $'0', %ebp
    movl %ebp, count
    sys_write $STDOUT_FILENO, $count, $1
1:  sys_waitpid $ANY_CHILD, $0, $0
    testl %eax, %eax
    jns 1b
    sys_exit $0
child:
    sys_exit $0
.data
count: .long 0
"""
FORK = """    sys_fork
    testl %eax, %eax
    jz child
    js 9f
    incl %ebp
9:
"""


def written(tmp_path: Path, forks: int) -> str:
    program = tmp_path / f"forks{forks}.S"
    program.write_text(FORKS.format(forks=FORK * forks))
    return str(program)


def explored(program: str, tmp_path: Path, *options: str) -> dict:
    file = tmp_path / "all.json"
    assert call(["explore", "--json", str(file), *options, program]) == 0
    return json.loads(file.read_text())


def test_what_a_program_does_when_memory_runs_out(tmp_path: Path, capfd) -> None:
    """The outputs of every allocation of its calls failing, as `run --fail-nth` lets them fail one by one."""
    program = written(tmp_path, 1)
    one_by_one = {"1"}
    for nth in range(1, 80, 6):
        status = call(["run", "--fail-nth", f"fork:{nth}", program])
        shown = capfd.readouterr()
        assert status == 0
        one_by_one.add(shown.out)
    data = explored(program, tmp_path, "--faults", "1", "--check")
    assert {row["stdout"] for row in data["outcomes"]} == one_by_one == {"0", "1"}
    assert "fails: " in capfd.readouterr().out


def test_at_most_so_many_fail_in_a_run(tmp_path: Path, capfd) -> None:
    program = written(tmp_path, 2)
    for faults, outputs in (("0", {"2"}), ("1", {"1", "2"}), ("2", {"0", "1", "2"})):
        data = explored(program, tmp_path, "--faults", faults)
        assert {row["stdout"] for row in data["outcomes"]} == outputs
        for row in data["outcomes"]:
            failing = [choice for choice in row["schedule"] if "fail" in choice]
            assert len(failing) == 2 - int(row["stdout"])


def test_many_workers_find_the_same(tmp_path: Path, capfd) -> None:
    program = written(tmp_path, 1)
    assert explored(program, tmp_path, "--faults", "1", "-j", "2") == explored(
        program, tmp_path, "--faults", "1"
    )


def test_a_schedule_file_says_which_allocation_fails(tmp_path: Path, capfd) -> None:
    program, folder = written(tmp_path, 1), tmp_path / "orders"
    data = explored(program, tmp_path, "--faults", "1", "--schedules", str(folder))
    capfd.readouterr()
    for number, row in enumerate(data["outcomes"], start=1):
        for timing in ("off", "i486"):
            file = str(folder / f"{number}.json")
            assert call(["run", "--timing", timing, "--schedule", file, program]) == row["status"]
            assert capfd.readouterr().out == row["stdout"]
    (without,) = (n for n, row in enumerate(data["outcomes"], 1) if row["stdout"] == "0")
    call(["debug", "--schedule", str(folder / f"{without}.json"), "-ex", "continue", program])
    assert "status 0" in capfd.readouterr().out


@pytest.mark.parametrize("at", ["memory", "instructions"])
def test_only_where_choices_are_in_front_of_calls(at: str, tmp_path: Path, capfd) -> None:
    assert call(["explore", "--faults", "1", "--at", at, written(tmp_path, 1)]) == 125
    assert "--faults goes with --at syscalls" in capfd.readouterr().err
