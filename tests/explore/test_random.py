"""No outcome of a random program is lost: by what is left out as independent, by equal states, nor by chance.

`python tests/explore/test_random.py FIRST LAST` tries more of them.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import pytest
from random_programs import IN_MEMORY, KINDS, program

from toykernel.explore.ending import Ending
from toykernel.explore.exploration import Settings, explore
from toykernel.explore.world import At, World
from toykernel.harness.session import Session
from toykernel.state import Config

#: Schedules of a program that are drawn by lot, of those in which nothing is left out.
WALKS = 25
#: One with few states of each kind.
SEEDS = dict.fromkeys(KINDS, 1)


def made(path: Path) -> Session:
    return Session(path, config=Config(scheduler="schedule", timing="off"))


def by_lot(path: Path, at: At, seed: int) -> set[Ending]:
    """How some schedules end, which have never heard of equal states."""

    def whole() -> Session:
        session = made(path)
        told = session.kernel.sched.rq.told
        assert told is not None
        told.everywhere = True
        return session

    rng = random.Random(seed)
    world = World(whole, None, at)
    end = world.on()
    if end is not None:
        return {end}
    start, found = world.take(), set()
    for _ in range(WALKS):
        world.back(start)
        end = None
        while end is None:
            world.choose(rng.choice(world.choices))
            end = world.on()
        found.add(end)
    return found


def lost(kind: str, seed: int, folder: Path) -> tuple[set[Ending], int]:
    """Outcomes that are not found, and how many states a program has with all choices; 0 when too many."""
    path = folder / f"{kind}{seed}.S"
    path.write_text(program(kind, seed))
    at = At.MEMORY if kind in IN_MEMORY else At.SYSCALLS
    less = explore(lambda: made(path), Settings(at=at, max_states=3_000))
    whole = explore(lambda: made(path), Settings(at=at, no_reduction=True, max_states=6_000))
    if not (less.found.complete and whole.found.complete):
        return set(), 0
    found, every = set(less.found.graph.endings()), set(whole.found.graph.endings())
    assert found <= every
    drawn = by_lot(path, At.SYSCALLS if at is At.SYSCALLS else At.INSTRUCTIONS, seed)
    return (every | drawn) - found, len(whole.found.graph.nodes)


@pytest.mark.parametrize(("kind", "seed"), SEEDS.items())
def test_no_outcome_of_a_random_program_is_lost(kind: str, seed: int, tmp_path: Path) -> None:
    missing, states = lost(kind, seed, tmp_path)
    assert states > 1
    assert missing == set()


if __name__ == "__main__":
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        for name in sys.argv[3:] or KINDS:
            with tempfile.TemporaryDirectory() as there:
                print(name, number, *lost(name, number, Path(there)), flush=True)
