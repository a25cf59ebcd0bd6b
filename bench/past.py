"""Going back: what a moment costs, a step back, and how much slower a run is for it."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from functools import partial

from bench.figures import GETPID, LOOP, ROOT, Figure, make_session
from toykernel.harness.session import Session
from toykernel.history.history import History
from toykernel.state import Config

SAMPLE = ROOT / "userland" / "fork_sample.S"
#: With many faults, forks, signals and calls.
DEAR = ("stack_overflow", "fork_loop", "signal_flags", "priority_group")
CROWD = """
.globl _start
_start:
    movl $100, %esi
1:  movl $2, %eax
    int $0x80
    testl %eax, %eax
    je child
    decl %esi
    jne 1b
child:
    movl %esi, number
    movl $29, %eax
    int $0x80
    jmp child
.data
number: .long 0
"""


def moments(divisor: int) -> list[Figure]:
    """Taking and going back, for the classic sample with its two tasks, and with 100 processes."""
    sample, crowd = Session(SAMPLE), make_session(CROWD)
    sample.run(90_000)
    crowd.run()
    found = []
    for name, session, most in (("two tasks", sample, (2, 3)), ("100 processes", crowd, (10, 15))):
        session.snapshot()  # the first one copies the RAM
        count = 200 // divisor
        moment = session.snapshot()
        take = _milliseconds(session.snapshot, count)
        back = _milliseconds(partial(session.restore, moment), count)
        found.append(Figure(f"snapshot, {name}", take, "ms", most[0]))
        found.append(Figure("  going back to it", back, "ms", most[1]))
    return found


def back(divisor: int) -> list[Figure]:
    """Steps back from places deep in a run, the first of them and the next ones."""
    found = []
    for power in (7, 9) if divisor == 1 else (7,):
        history, _ = _run(LOOP, 10**power)
        first = _milliseconds(history.step_back, 1)
        found += [
            Figure(
                f"step back after 10^{power} instructions", first, "ms", 20 if power == 7 else 100
            ),
            Figure("  the next ones", _milliseconds(history.step_back, 20), "ms", 20),
            Figure("  memory of the history", history.size[1] / 1e6, "MB", 256),
        ]
    for program in DEAR:
        history = History(Session(ROOT / "userland" / f"{program}.S"))
        gc.freeze()  # as the debugger does: what other rows have left is not looked through for a step
        history.session.run(4_000_000)
        first = _milliseconds(history.step_back, 1)
        found.append(Figure(f"step back, {program}", first, "ms", 20))
    history = History(Session(SAMPLE))
    history.session.run()
    found.append(Figure("  memory, the sample", history.size[1] / 1e6, "MB", 256))
    return found


def with_history(divisor: int) -> list[Figure]:
    """How fast a run is with a history, of how fast it is without."""
    found = []
    getpid = GETPID.replace("{count}", "1000000")
    for name, source, cycles, config in (
        ("computing", LOOP, 100_000_000 // divisor, Config()),
        ("getpid", getpid, 2_000_000 // divisor, Config()),
        ("getpid, i486", getpid, 20_000_000 // divisor, Config(timing="i486")),
    ):
        ratios = []
        for _ in range(5):
            plain = _timed(make_session(source, config=config), cycles)
            ratios.append(plain / _run(source, cycles, config)[1])
        ratio = statistics.median(ratios)
        target = 0.9 if name == "computing" else None
        found.append(Figure(f"speed with history, {name}", ratio, "x", target, ">="))
    return found


def _milliseconds(work: Callable[[], object], count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - start) * 1000 / count


def _timed(session: Session, cycles: int) -> float:
    start = time.process_time()
    session.run(cycles)
    return time.process_time() - start


def stepping(divisor: int) -> list[Figure]:
    """Single steps a second while a history is kept."""
    history, _ = _run(LOOP, 10_000)
    plain = make_session(LOOP)
    plain.run(10_000)
    count = 200_000 // divisor

    def step() -> None:
        history.session.step()
        history.keep()

    seconds = _milliseconds(step, count) / 1000
    ratio = _milliseconds(plain.step, count) / 1000 / seconds
    return [
        Figure("single steps with history", 1 / seconds, "per s", 200_000, ">="),
        Figure("  of those without", ratio, "x", 0.8, ">="),
    ]


def _run(source: str, cycles: int, config: Config | None = None) -> tuple[History, float]:
    session = make_session(source, config=config)
    history = History(session)
    return history, _timed(session, cycles)
