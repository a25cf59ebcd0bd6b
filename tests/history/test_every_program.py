"""Going back changes nothing: for every program, from a random moment, twice to the end.

Compared are output, outcome, report, what listeners have collected and the hash of the whole state.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import modes
import pytest
from native_linux import PROGRAMS

from toykernel.harness.session import Session
from toykernel.profiles import PROFILES
from toykernel.state import Outcome
from toykernel.statehash import state_hash

by_program = pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: path.stem)


def boot(
    source: Path, timing: str, *, native: bool = True, kernel: str = ""
) -> tuple[Session, int | None]:
    """A machine with the program as its header asks, with another clock, and nobody who injects."""
    wanted = modes.header(source)
    values = modes.parse_options(wanted)
    config = replace(modes.machine_config(values), timing=timing, native=native)
    if kernel:
        config = replace(config, profile=PROFILES[kernel])
    session = Session(
        source,
        wanted.args,
        env=dict(values["env"]),
        files=modes.guest_files(values),
        config=config,
    )
    return session, values["max_cycles"]


def seen(session: Session, outcome: Outcome) -> dict[str, Any]:
    """Everything that two runs could differ in."""
    stats = session.stats
    return {
        "outcome": (outcome.kind, outcome.detail),
        "output": (session.stdout, session.stderr),
        "status": (stats.program_status, stats.started),
        "report": session.report(),
        "faults": session.faults,
        "cow": session.cow_journal.events,
        "log": session.kernel.log,
        "hash": state_hash(session.kernel),
    }


@cache
def plain(source: Path, timing: str) -> tuple[int, dict[str, Any]]:
    """Cycles at the end of an undisturbed run, and what it leaves."""
    session, limit = boot(source, timing)
    assert session.cow_journal.events == []
    outcome = session.run(limit)
    return session.kernel.machine.clock.cycles, seen(session, outcome)


def moments(source: Path, timing: str, count: int) -> list[int]:
    """Random cycles in a run; the same ones every time."""
    random = Random(f"{source.stem} {timing}")
    return sorted(random.randrange(1, plain(source, timing)[0]) for _ in range(count))


@pytest.mark.parametrize("timing", ["off", "i486"])
@by_program
def test_from_a_random_moment_twice_to_the_end(source: Path, timing: str) -> None:
    _end, wanted = plain(source, timing)
    session, limit = boot(source, timing)
    assert session.cow_journal.events == []
    (at,) = moments(source, timing, 1)
    session.run(at)
    then = state_hash(session.kernel)
    moment = session.snapshot()
    assert seen(session, session.run(limit)) == wanted
    session.restore(moment)
    assert state_hash(session.kernel) == then
    assert seen(session, session.run(limit)) == wanted


#: Every machine that there is, in turn over the programs.
MACHINES = [
    (timing, kernel) for timing in ("i386", "i486-ideal") for kernel in ("2.4", "3.x", "4.x")
]


@pytest.mark.parametrize(
    ("source", "timing", "kernel"),
    [(source, *MACHINES[n % len(MACHINES)]) for n, source in enumerate(PROGRAMS[::5])],
    ids=lambda value: value.stem if isinstance(value, Path) else value,
)
def test_in_every_profile(source: Path, timing: str, kernel: str) -> None:
    def fresh() -> Session:
        session, _limit = boot(source, timing, kernel=kernel)
        assert session.cow_journal.events == []
        return session

    session, limit = fresh(), boot(source, timing)[1]
    wanted = seen(session, session.run(limit))
    end = session.kernel.machine.clock.cycles
    session = fresh()
    session.run(Random(f"{source.stem} {kernel}").randrange(1, end))
    moment, then = session.snapshot(), state_hash(session.kernel)
    twin = session.fork()
    for one in (session, twin):
        assert seen(one, one.run(limit)) == wanted
    session.restore(moment)
    assert state_hash(session.kernel) == then
    assert seen(session, session.run(limit)) == wanted


@pytest.mark.parametrize("timing", ["off", "i486"])
def test_with_the_hooks_in_python(timing: str) -> None:
    (source,) = (path for path in PROGRAMS if path.stem == "fork_sample")
    wanted = plain(source, timing)[1]
    session, limit = boot(source, timing, native=False)
    assert session.cow_journal.events == []
    session.run(moments(source, timing, 1)[0])
    moment = session.snapshot()
    for _ in range(2):
        mine = seen(session, session.run(limit))
        assert mine["report"]["timing"].pop("driver") == "python"
        assert mine | {"report": None} == wanted | {"report": None}
        expected = {
            name: value for name, value in wanted["report"]["timing"].items() if name != "driver"
        }
        assert mine["report"]["timing"] == expected
        session.restore(moment)
