"""Whether large runs cost what small ones cost, times their size: forks, instructions, memory touched. A
slope is the exponent of the size, fitted over several: 1 is linear, 2 quadratic."""

from __future__ import annotations

import math
import statistics
import time

from bench.figures import FORK, LOOP, Figure, _resident, make_session, run_to_end
from toykernel.state import Config

#: Touches {count} pages, one after the other.
TOUCH = """
.globl _start
_start:
    movl $45, %eax
    xorl %ebx, %ebx
    int $0x80
    movl %eax, %esi
    movl %eax, %ebx
    addl ${count} * 4096, %ebx
    movl $45, %eax
    int $0x80
    movl ${count}, %ecx
again:
    incl (%esi)
    addl $4096, %esi
    decl %ecx
    jnz again
    movl $1, %eax
    xorl %ebx, %ebx
    int $0x80
"""


def slope(points: list[tuple[float, float]]) -> float:
    """The exponent of a power law through (size, seconds), by least squares of the logarithms."""
    xs, ys = zip(*((math.log(x), math.log(y)) for x, y in points), strict=True)
    return statistics.linear_regression(xs, ys).slope


def _born(forks: int) -> tuple[list[tuple[float, float]], float]:
    """Seconds after a sixteenth, a quarter and all of so many forks of one run, and by how many bytes a fork
    this process has grown in its last half. (The first 10,000 dead tasks are remembered.)
    """
    session = make_session(FORK, forks, Config(timing="off"))
    k = session.kernel
    points, half = [], (0, 0)
    start = time.process_time()
    for part in (forks // 16, forks // 4, forks // 2, forks):
        while k.processes.total_forks < part and session.outcome is None:
            session.run(k.machine.clock.cycles + 10_000)
        made = k.processes.total_forks
        if part == forks // 2:
            half = made, _resident()
        else:
            points.append((float(made), time.process_time() - start))
    return points, (_resident() - half[1]) / (made - half[0])


def _figures(what: str, each: str, unit: float, points: list[tuple[float, float]]) -> list[Figure]:
    size, seconds = points[-1]
    return [
        Figure(f"{size:,.0f} {what}", seconds, "s"),
        Figure("  each", seconds / size * unit, each),
        Figure("  slope", slope(points), "", 1.1),
    ]


def scale(divisor: int) -> list[Figure]:
    """What takes a minute; `--scale` takes it to a million forks, a billion instructions, a GiB."""
    return _scale(20_000 // divisor, 10**8 // divisor, (128 << 20) // divisor)


def large_scale(divisor: int) -> list[Figure]:
    """The same at the sizes that are promised."""
    return _scale(10**6 // divisor, 10**9 // divisor, (1 << 30) // divisor)


def _scale(forks: int, instructions: int, memory: int) -> list[Figure]:
    born, grown = _born(forks)
    flat = 16 if forks >= 20_000 else None  # the first 10,000 dead tasks are kept
    session = make_session(LOOP, config=Config(timing="off"))
    session.run(100_000)
    computed = []
    for count in (instructions // 16, instructions // 4, instructions):
        start = time.process_time()
        session.run(session.kernel.machine.clock.cycles + count)
        computed.append((float(count), time.process_time() - start))
    touched = []
    roomy = Config(timing="off", memory=memory * 5 // 4 + (16 << 20))
    for pages in (memory >> 16, memory >> 14, memory >> 12):
        touched.append((float(pages), run_to_end(make_session(TOUCH, pages, roomy))[0]))
    return [
        *_figures("forks with a copied page, one after the other", "us", 1e6, born),
        Figure("  host memory grown by a fork, of the second half", grown, "bytes", flat),
        *_figures("instructions", "ns", 1e9, computed),
        *_figures("pages touched", "us", 1e6, touched),
    ]
