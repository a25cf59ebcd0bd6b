"""The figures of a run with very many tasks: the last records, and totals of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from toykernel.cli.group import call
from toykernel.harness import runner
from toykernel.harness.session import Session
from toykernel.observe import run_stats

#: Forks eight times and waits; each child stores to .data, the even ones die of it.
FORKS = """
#include <asm/unistd.h>
.globl _start
_start:
    movl $8, %esi
again:
    movl $__NR_fork, %eax
    int $0x80
    testl %eax, %eax
    jz child
    movl $__NR_waitpid, %eax
    movl $-1, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    int $0x80
    decl %esi
    jnz again
    movl $__NR_exit, %eax
    xorl %ebx, %ebx
    int $0x80
child:
    movl $1, word
    testl $1, %esi
    jnz quiet
    movl $1, 0
quiet:
    movl $__NR_exit, %eax
    xorl %ebx, %ebx
    int $0x80
.data
word: .long 0
"""
SUMS = ("cycles", "instructions", "faults", "cow_copied", "cow_reused")


def report_of(source: Path) -> tuple[dict[str, Any], runner.Result]:
    session = Session(source)
    result = runner.run(session)
    return session.report(), result


def test_totals_and_the_last_records_are_everything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = tmp_path / "forks.S"
    source.write_text(FORKS)
    whole, _ = report_of(source)
    assert len(whole["tasks"]) == 9
    assert "tasks_left_out" not in whole
    monkeypatch.setattr(run_stats, "KEPT", 3)
    last, _ = report_of(source)
    left = last.pop("tasks_left_out")
    assert [task["pid"] for task in last["tasks"]] == [2, 9, 10]
    assert left["tasks"] == 6
    for name in SUMS:
        assert left[name] + sum(task[name] for task in last["tasks"]) == sum(
            task[name] for task in whole["tasks"]
        )
    assert {**last, "tasks": []} == {**whole, "tasks": []}


def test_a_snapshot_takes_the_totals_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run_stats, "KEPT", 3)
    source = tmp_path / "forks.S"
    source.write_text(FORKS)
    session = Session(source)
    session.break_at("quiet")
    for _ in range(4):
        session.run()
    taken = session.snapshot()
    seen = []
    session.delete(1)
    for _ in range(2):
        session.run()
        seen.append(session.report())
        session.restore(taken)
    assert seen[0] == seen[1]
    assert seen[0]["tasks_left_out"]["tasks"] == 6
    assert session.fork().report() == session.report()


def test_of_very_many_that_were_killed_some_are_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "KEPT", 2)
    source = tmp_path / "forks.S"
    source.write_text(FORKS)
    assert call(["run", "--summary", str(source)]) == 0
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("killed by")]
    assert len(lines) == 3
    assert lines[-1].endswith("2 more processes some signal")
