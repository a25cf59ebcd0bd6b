"""The scheduler under real programs: shares of the CPU, time slices of 2.4, exact ticks."""

from itertools import pairwise
from pathlib import Path

import pytest

from toykernel import run_loop
from toykernel.arch.x86.process import account
from toykernel.harness.session import Session
from toykernel.kernel.sched.entity import PRIO_TO_WEIGHT
from toykernel.state import Config, Kernel
from toykernel.task import Task

SPINNERS = """
.include "linux.inc"
.text
.globl _start
_start:
    movl $niceness, %esi
1:  cmpl $end, %esi
    je spin
    sys_fork
    testl %eax, %eax
    jz child
    addl $4, %esi
    jmp 1b
child:
    movl (%esi), %ebx
    movl $34, %eax              # nice
    int $0x80
spin:
    jmp spin
.data
niceness:
    .long {levels}
end:
.include "print.inc"
"""


def spin(tmp_path: Path, levels: str, config: Config | None = None) -> Kernel:
    source = tmp_path / "spin.S"
    source.write_text(SPINNERS.format(levels=levels))
    kernel = Session(source, config=config).kernel
    return kernel


def runtimes(k: Kernel) -> dict[int, int]:
    """Cycles by pid."""
    account(k, k.current)  # charges the running task up to now
    return {t.pid: t.stats.cycles for t in k.processes.tasks if t.pid > 1}


def test_weights_hold_within_one_percent_over_1e8_cycles(tmp_path: Path) -> None:
    levels = (0, 0, 3, 5)
    k = spin(tmp_path, ", ".join(map(str, levels)))
    run_loop.run(k, 10_000_000)
    before = runtimes(k)
    run_loop.run(k, 110_000_000)
    after = runtimes(k)
    weights = [PRIO_TO_WEIGHT[20 + nice] for nice in (0, *levels)]
    assert len(after) == 5
    assert sum(after.values()) - sum(before.values()) >= 99_900_000
    for pid, weight in zip(sorted(after), weights, strict=True):
        share = (after[pid] - before[pid]) / 100_000_000
        assert abs(share - weight / sum(weights)) < 0.01


FORKER = """
.include "linux.inc"
.text
.globl _start
_start:
    sys_fork
    testl %eax, %eax
    jz spin                     # pid 3 only computes
again:                          # pid 2 forks children that compute for a while and end
    sys_fork
    testl %eax, %eax
    jz work
    sys_waitpid %eax, $0, $0
    jmp again
work:
    movl $2000000, %ecx
1:  loop 1b
    sys_exit $0
spin:
    jmp spin
.include "print.inc"
"""


def test_2_4_forking_creates_no_time_slices(tmp_path: Path) -> None:  # F5
    source = tmp_path / "forker.S"
    source.write_text(FORKER)
    k = Session(source, config=Config(scheduler="goodness")).kernel
    counters: list[tuple[int, int]] = []
    before = {"sum": 0}

    def entered(task: Task, number: int, words: object) -> None:
        before["sum"] = task.se.counter

    def forked(parent: Task, child: Task, flags: int) -> None:
        counters.append((before["sum"], parent.se.counter + child.se.counter))

    k.host.trace.sys_enter.append(entered)
    k.host.trace.process_fork.append(forked)
    run_loop.run(k, 60_000_000)
    assert len(counters) > 10
    assert all(old == new for old, new in counters)
    spinner = next(t for t in k.processes.tasks if t.pid == 3)
    account(k, k.current)
    assert spinner.stats.cycles > 0.45 * 60_000_000


@pytest.mark.parametrize("scheduler", ["cfs", "goodness"])
def test_ticks_come_every_hundredth_of_a_second(tmp_path: Path, scheduler: str) -> None:
    k = spin(tmp_path, "0, 0", Config(scheduler=scheduler))
    when: list[int] = []
    k.host.trace.tick.append(lambda task: when.append(k.machine.clock.cycles))
    run_loop.run(k, 20 * k.time.cycles_per_tick)
    steps = [b - a for a, b in pairwise(when)]
    assert len(when) >= 18
    # Exact but for the few instructions of the entry code, which are the same each time.
    assert all(abs(step - k.time.cycles_per_tick) <= 40 for step in steps)


def test_an_idle_hour_costs_a_few_instructions(tmp_path: Path) -> None:
    source = tmp_path / "sleeper.S"
    source.write_text(
        '.include "linux.inc"\n.text\n.globl _start\n_start:\n'
        "    movl $162, %eax\n    movl $hour, %ebx\n    xorl %ecx, %ecx\n    int $0x80\n"
        '    sys_exit $0\n.data\nhour: .long 3600, 0\n.include "print.inc"\n'
    )
    session = Session(source)
    k = session.kernel
    assert session.run().kind == "finished"
    assert session.stats.program_status == 0
    slept = k.machine.clock.by_rule()["halted"]
    assert 3600 * k.time.cpu_hz <= slept <= 3601 * k.time.cpu_hz
    assert k.machine.clock.instructions < 10_000
    assert k.time.jiffies >= 360_000
