"""What a C compiler makes of ordinary loops, under each profile beside the same run with timing off. The
guest's second has a hundred times its usual cycles: how often the clock interrupts is no part of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench.figures import Figure, run_to_end
from bench.machine import median_of_five
from toykernel.harness.session import Session
from toykernel.state import CPU_HZ, Config

COMMAND = ("gcc", "-m32", "-O2", "-static", "-w")
#: Rounds of each that take about a tenth of a second.
ROUNDS = {"quicksort": 12, "hashes": 30, "matrix": 30, "strings": 60}
_GOALS = {"i486-ideal": 0.8, "i486": 0.45}


def compiled(divisor: int) -> list[Figure]:
    """Median of five pairs for each loop and profile; nothing where there is no 32-bit compiler."""
    figures = []
    with tempfile.TemporaryDirectory() as directory:
        for work, rounds in ROUNDS.items():
            path = Path(directory) / work
            if not _compile(work, path):
                return []
            count = max(1, rounds // divisor)
            speed = _instructions(path, count) / _seconds(path, count, "off")
            figures.append(Figure(f"compiled C, {work}: off", speed / 1e6, "million/s"))
            for profile, goal in _GOALS.items():
                ratio = median_of_five(partial(_ratio, path, count, profile))
                figures.append(Figure(f"  {work}: {profile} / off", ratio, "x", goal, ">="))
    return figures


def _ratio(path: Path, rounds: int, profile: str) -> float:
    return _seconds(path, rounds, "off") / _seconds(path, rounds, profile)


def _compile(work: str, path: Path) -> bool:
    source = Path(__file__).with_suffix(".c")
    try:
        words = [*COMMAND, f"-DWORK={work}", "-o", str(path), str(source)]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace")
    except OSError as error:
        sys.stderr.write(f"bench: compiled C SKIPPED: {error}\n")
        return False
    if done.returncode:
        sys.stderr.write(f"bench: compiled C SKIPPED: {' '.join(COMMAND)}: {done.stderr}\n")
    return not done.returncode


def _run(path: Path, rounds: int, profile: str) -> tuple[float, Session]:
    config = Config(timing=profile, cpu_hz=100 * CPU_HZ)
    session = Session(path, (str(rounds),), config=config, keep_output=False)
    return run_to_end(session)[0], session


def _seconds(path: Path, rounds: int, profile: str) -> float:
    """Of so many rounds, without what happens once."""
    return _run(path, rounds + 1, profile)[0] - _run(path, 1, profile)[0]


def _instructions(path: Path, rounds: int) -> int:
    one, more = (_run(path, n, "off")[1].kernel.machine.clock for n in (1, rounds + 1))
    return more.instructions - one.instructions
