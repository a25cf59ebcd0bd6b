"""The computer itself: how fast it is, so that figures of two computers, or of two days, can be compared."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from bench.figures import Figure

TURNS = 1_000_000
#: As a program, for a fresh interpreter: the first 100,000 turns, ns each.
_FIRST = """
import time
def turns(count):
    i = 0
    while i < count:
        i += 1
start = time.process_time()
turns(100_000)
print((time.process_time() - start) * 1e4)
"""


def median_of_five(measure: Callable[[], float]) -> float:
    """What other work on the machine spoils once does not count."""
    return statistics.median(measure() for _ in range(5))


def turn() -> float:
    """Seconds that a turn of `while i < n: i += 1` takes inside a function, once the machine is warm."""

    def turns(count: int) -> None:
        i = 0
        while i < count:
            i += 1

    def once() -> float:
        start = time.process_time()
        turns(TURNS)
        return (time.process_time() - start) / TURNS

    turns(TURNS)
    return median_of_five(once)


def first_turns() -> float:
    """ns for each of the first turns of a fresh interpreter."""

    def once() -> float:
        done = subprocess.run([sys.executable, "-c", _FIRST], capture_output=True, check=True)
        return float(done.stdout)

    return median_of_five(once)


def speed(_divisor: int) -> list[Figure]:
    """The reference loop, `while i < n: i += 1` inside a function."""
    return [
        Figure("a turn of the reference loop", turn() * 1e9, "ns"),
        Figure("  the first 100,000 of a fresh interpreter", first_turns(), "ns"),
    ]
