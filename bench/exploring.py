"""How fast `toykernel explore` is: states a second, what reduction saves, two workers against one."""

from __future__ import annotations

import time
from functools import partial

from bench.figures import ROOT, Figure
from toykernel.cli.workers import executors
from toykernel.explore.exploration import Explored, Settings, Workers, explore
from toykernel.harness.session import Session
from toykernel.state import Config

PROGRAMS = ROOT / "tests/explore/programs"
#: Whose states are counted with and without reduction.
_REDUCED = ("philosophers", "pipe_writers", "fork_buffer", "orphan_parent")
#: Four processes that write a letter each.
_LARGE = "fork_twice"


def _make(name: str) -> Session:
    return Session(PROGRAMS / f"{name}.S", config=Config(scheduler="schedule", timing="off"))


def _explored(name: str, settings: Settings, jobs: int = 1) -> Explored:
    with executors(jobs, None) as executor:
        workers = Workers(executor) if executor is not None else None
        return explore(partial(_make, name), settings, workers=workers)


def exploring(divisor: int) -> list[Figure]:
    """One program with some thousand states; several with and without reduction."""
    _explored("two_writers", Settings())  # what is done once: assembling
    most = Settings(max_states=2_000 // divisor)
    start = time.process_time()
    found = _explored(_LARGE, most).found
    seconds = time.process_time() - start
    states, steps = len(found.graph.nodes), found.graph.transitions
    figures = [
        Figure("explore", states / seconds, "states/s"),
        Figure("  transitions", steps / seconds, "per s"),
    ]
    for name in _REDUCED if divisor == 1 else _REDUCED[:1]:
        count = {
            whole: len(_explored(name, Settings(no_reduction=whole)).found.graph.nodes)
            for whole in (False, True)
        }
        figures.append(Figure(f"  {name}, reduced", count[False], "states"))
        figures.append(Figure("    without reduction", count[True] / count[False], "x"))
    return figures


def explore_workers(_: int) -> list[Figure]:
    """The same program by one process and by two, by the clock on the wall."""
    times = []
    for jobs in (1, 2):
        start = time.perf_counter()
        _explored(_LARGE, Settings(max_states=20_000), jobs)
        times.append(time.perf_counter() - start)
    return [
        Figure(f"explore {_LARGE}, one process", times[0], "s"),
        Figure("  two workers against it", times[0] / times[1], "x"),
    ]
