"""`python -m bench.fork_cost [--json FILE] [--svg FILE]`: what fork costs, against what there is to copy.

Host time is this process's CPU time between a fork's entry and its return, seen from the tracepoints, so
that other work on the machine counts little; the best of a few. It is taken without a timing profile,
cycles under i486; frames are what the fork took. A copy-on-write fault is timed as a whole: guest,
trap, kernel and back.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from toykernel.harness.session import Session
from toykernel.look.program import of_program
from toykernel.state import Config
from toykernel.syscall_table import BY_NAME
from toykernel.task import Task

ENTRIES = (10, 30, 100, 300, 1000, 3000, 10000)
AREAS = (1, 10, 30, 100, 300, 1000)
ROUNDS = 5
FAULTS = 2000
FORK_NR = BY_NAME["fork"].number
MIB = 1 << 20
COW_FAULT_TARGET = 60.0  # microseconds

#: PAGES pages in AREAS areas are touched; then ROUNDS forks; a child writes WRITES pages.
SOURCE = """
.include "linux.inc"
.include "mman.inc"
.equ MEMORY, 0x20000000
.globl _start
_start:
    movl ${areas}, counter
    movl $MEMORY, %edi
1:  movl %edi, where
    sys_mmap where, $({pages}*PAGE_SIZE), $PROT_RW, $ANON_FIXED
    movl where, %edi
    movl ${pages}, %ecx
2:  incl (%edi)
    addl $PAGE_SIZE, %edi
    loop 2b
    addl $PAGE_SIZE, %edi           # a hole, so that areas stay apart
    decl counter
    jnz 1b
    movl ${rounds}, counter
3:  sys_fork
    testl %eax, %eax
    jz child
    js failed
    sys_waitpid %eax, $0, $0
    decl counter
    jnz 3b
    sys_exit $0
child:
    movl $MEMORY, %edi
    movl ${writes}, %ecx
    jecxz 5f
4:  incl (%edi)
    addl $PAGE_SIZE, %edi
    loop 4b
5:  sys_exit $0
failed:
    sys_exit $1
.data
where:   .long 0
counter: .long 0
"""


@dataclass(frozen=True)
class Cost:
    """One fork: what it had to copy, and what it took. `us` is host time in microseconds."""

    mode: str
    entries: int
    areas: int
    us: float
    cycles: int
    frames: int


class _Watch:
    """Times every fork and every child of a session."""

    def __init__(self, session: Session) -> None:
        self._k = session.kernel
        self._begin = (0.0, 0, 0)
        self._born = 0.0
        self.forks: list[tuple[float, int, int]] = []
        self.children: list[float] = []
        self._k.host.trace.sys_enter.append(self._enter)
        self._k.host.trace.process_fork.append(self._fork)
        self._k.host.trace.sched_switch.append(self._switch)
        self._k.host.trace.process_exit.append(self._exit)

    def _now(self) -> tuple[float, int, int]:
        return time.process_time(), self._k.machine.clock.cycles, self._k.memory.pages.free

    def _enter(self, task: Task, number: int, _words: list[int]) -> None:
        if number == FORK_NR and of_program(task):
            self._begin = self._now()

    def _fork(self, parent: Task, _child: Task, _flags: int) -> None:
        if of_program(parent):
            (t0, c0, f0), (t1, c1, f1) = self._begin, self._now()
            self.forks.append((t1 - t0, c1 - c0, f0 - f1))

    def _switch(self, _previous: Task, task: Task) -> None:
        if task.pid > 2:
            self._born = time.process_time()

    def _exit(self, task: Task) -> None:
        if task.pid > 2:
            self.children.append(time.process_time() - self._born)


def measure(
    pages: int, areas: int, *, eager: bool, rounds: int = ROUNDS, writes: int = 0, memory: int = 0
) -> tuple[Cost, list[float]]:
    """The cheapest of some forks, and how long each child ran."""
    watch = _watch(pages, areas, eager, rounds, writes, memory, "off")
    seconds, _, frames = min(watch.forks)
    _, cycles, _ = _watch(pages, areas, eager, 1, 0, memory, "i486").forks[0]
    cost = Cost("eager" if eager else "cow", pages * areas, areas, seconds * 1e6, cycles, frames)
    return cost, watch.children


def _watch(
    pages: int, areas: int, eager: bool, rounds: int, writes: int, memory: int, timing: str
) -> _Watch:
    text = SOURCE.format(pages=pages, areas=areas, rounds=rounds, writes=writes)
    memory = memory or max(16 * MIB, (3 * pages * areas * 4096 + 16 * MIB) // MIB * MIB)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "fork_cost.S"
        path.write_text(text)
        session = Session(path, config=Config(memory=memory, eager_fork=eager, timing=timing))
    watch = _Watch(session)
    gc.collect()
    session.run()
    if session.stats.program_status != 0 or len(watch.forks) != rounds:
        raise RuntimeError(f"the program failed: status {session.stats.program_status}")
    return watch


def slope(costs: list[Cost], by: str) -> tuple[float, float]:
    """Microseconds for one more entry or area, by least squares, and how straight the line is (R²)."""
    xs = [float(getattr(cost, by)) for cost in costs]
    ys = [cost.us for cost in costs]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    sxx = sum((x - mx) ** 2 for x in xs)
    sxy = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True))
    syy = sum((y - my) ** 2 for y in ys)
    return sxy / sxx, sxy * sxy / (sxx * syy)


def main() -> int:
    """Measure, print, draw; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="bench.fork_cost", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--svg", type=Path, metavar="FILE")
    options = parser.parse_args()
    by_entries = {
        mode: [measure(n, 1, eager=mode == "eager")[0] for n in ENTRIES]
        for mode in ("cow", "eager")
    }
    by_areas = {
        mode: [measure(1, n, eager=mode == "eager")[0] for n in AREAS] for mode in ("cow", "eager")
    }
    _, children = measure(FAULTS, 1, eager=False, rounds=3, writes=FAULTS)
    fault = min(children) / FAULTS * 1e6
    big, _ = measure(65536, 1, eager=False, rounds=1, memory=600 * MIB)
    for title, series in (("entries", by_entries), ("areas", by_areas)):
        heads = ("cow us", "eager us", "frames", "eager", "cycles", "eager")
        print(f"{title:>8}" + "".join(f" {head:>9}" for head in heads))
        for cow, eager in zip(series["cow"], series["eager"], strict=True):
            print(
                f"{getattr(cow, title):>8} {cow.us:>9.0f} {eager.us:>9.0f} "
                f"{cow.frames:>9} {eager.frames:>9} {cow.cycles:>9} {eager.cycles:>9}"
            )
        for mode, costs in series.items():
            each, straight = slope(costs, title)
            print(f"{mode}: {each:.2f} us for each of the {title}, R2 = {straight:.4f}")
    print(f"a copy-on-write fault: {fault:.1f} us (target {COW_FAULT_TARGET:.0f})")
    print(f"256 MiB touched: fork took {big.us / 1000:.0f} ms and {big.frames} frames of 65,536")
    if options.json is not None:
        document = {
            "schema": 1,
            "by_entries": {mode: [asdict(c) for c in costs] for mode, costs in by_entries.items()},
            "by_areas": {mode: [asdict(c) for c in costs] for mode, costs in by_areas.items()},
            "cow_fault_us": fault,
            "fork_of_256_mib": asdict(big),
        }
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    if options.svg is not None:
        from bench.chart import chart

        options.svg.write_text(chart(by_entries, by_areas))
    return 0 if fault <= COW_FAULT_TARGET and big.frames < 1000 else 1


if __name__ == "__main__":
    sys.exit(main())
