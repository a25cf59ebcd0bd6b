"""How fast `toykernel explore` is: states a second, memory, what reduction saves, two workers against one."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.figures import ROOT, Figure
from toykernel.cli.workers import executors
from toykernel.explore.exploration import Explored, Settings, Workers, explore
from toykernel.explore.parallel import ParallelSearch, Work
from toykernel.explore.search import Bounds, Search
from toykernel.explore.world import At, World
from toykernel.harness.session import Session
from toykernel.state import Config

PROGRAMS = ROOT / "tests/explore/programs"
#: With very many states without reduction.
_SLOW = ("fork_twice", "fork_between", "increment_three", "increments")
#: Four processes that write a letter each.
_LARGE = "fork_twice"
#: Of some thousand states.
_LETTERS = ROOT / "bench/letters.S"


def _make(path: Path) -> Session:
    return Session(path, config=Config(scheduler="schedule", timing="off"))


def _explored(name: str, settings: Settings) -> Explored:
    return explore(partial(_make, PROGRAMS / f"{name}.S"), settings)


def exploring(divisor: int) -> list[Figure]:
    """One program with some thousand states: how many a second, and what each needs."""
    _make(PROGRAMS / f"{_LARGE}.S")  # what is done once: assembling
    world = World(partial(_make, PROGRAMS / f"{_LARGE}.S"))
    search = Search(world, Bounds(states=1_500 // divisor), lambda found: None)
    before, start = _resident(), time.process_time()
    found = search.run()
    seconds, after = time.process_time() - start, _resident()
    states = len(found.graph.nodes)
    return [
        Figure("explore", states / seconds, "states/s", 1_000, ">="),
        Figure("  transitions", found.graph.transitions / seconds, "per s"),
        Figure("  memory a state, all told", (after - before) / states / 1024, "KB"),
        *_moments(),
    ]


def _moments() -> list[Figure]:
    """What a state needs that can be gone back to, along one schedule: by itself, and its pages."""
    world = World(partial(_make, PROGRAMS / f"{_LARGE}.S"))
    world.on()
    own, pages = [], []
    known: dict[int, object] = {}
    while True:
        place = world.take()
        new = [page for page in place.machine.ram.values() if id(page) not in known]
        size = place.size(known)
        known |= {id(one): one for one in (*new, *place.records, *place.cpu)}
        own.append(size)
        pages.append(sum(map(len, new)))
        world.choose(world.choices[-1])
        if world.on() is not None:
            break
    # The first one shares nothing.
    return [
        Figure(
            "  a state to go back to, beyond pages", sum(own[1:]) / len(own[1:]) / 1024, "KB", 20
        ),
        Figure("    pages of its own", sum(pages[1:]) / len(pages[1:]) / 1024, "KB"),
    ]


def _resident() -> int:
    """Bytes of this process in memory."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def reduction(divisor: int) -> list[Figure]:
    """States with and without choices that cannot matter, and steps that were not run, of programs that an
    independent enumerator knows, with the time that each takes."""
    figures = []
    programs = [*sorted(PROGRAMS.glob("*.S")), ROOT / "bench/increments.S"]
    for path in programs if divisor == 1 else [PROGRAMS / "pipe_writers.S"]:
        text = path.read_text()
        at = At.MEMORY if "--at memory" in text else At.SYSCALLS
        settings = Settings(at=at, free_time="--time free" in text)
        start = time.process_time()
        graph = (found := explore(partial(_make, path), settings).found).graph
        seconds = time.process_time() - start
        figures += [
            Figure(f"explore {path.stem}", len(graph.nodes), "states"),
            Figure("  in", seconds, "s"),
        ]
        if found.run:
            figures.append(
                Figure("  steps for each that was run", graph.transitions / found.run, "x")
            )
        if path.stem not in _SLOW:
            all_of_them = explore(partial(_make, path), replace(settings, no_reduction=True)).found
            more = all_of_them.run / found.run if found.run else all_of_them.run
            figures.append(Figure("  steps run without reduction", more, "x"))
    return figures


def explore_workers(divisor: int) -> list[Figure]:
    """The same program by one process and by two: by the clock on the wall, and by the processors' time,
    which tells what two free processors would make of it.
    """
    most = 80_000 if divisor == 1 else 500
    _make(_LETTERS)
    start, used = time.perf_counter(), _used()
    Search(World(partial(_make, _LETTERS)), Bounds(states=most), lambda found: None).run()
    wall, work = time.perf_counter() - start, _used() - used
    with executors(2, None) as pool:
        assert pool is not None
        remote = Workers(pool.make).remote(_make(_LETTERS))
        simple = Work(remote, None, At.SYSCALLS, frozenset(), Bounds())
        start, used = time.perf_counter(), _used()
        ParallelSearch(pool.make, simple, Bounds(states=most), lambda found: None).run()
        walls = time.perf_counter() - start
    time.sleep(1)  # until the workers have gone, and their time is known
    works = _used() - used
    return [
        Figure(f"explore {_LETTERS.stem}, one process", wall, "s"),
        Figure(
            "  two workers against it, by the clock",
            *(wall / walls, "x", 1.7 if divisor == 1 else None, ">="),
        ),
        Figure("  by the processors' time", 2 * work / works, "x"),
    ]


def _used() -> float:
    """Seconds of processor time of this process and of those of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)
