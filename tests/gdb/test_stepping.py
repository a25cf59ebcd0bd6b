"""Every program of userland, stepped through the protocol: the guest comes to the state of a plain run."""

from __future__ import annotations

import pytest

from emu.hooks import NO_LIMIT
from tests.gdb.client import USERLAND, Client, session
from toykernel.history import replay
from toykernel.statehash import state_hash

PROGRAMS = sorted(path.name for path in USERLAND.glob("*.S"))
STEPS = 2_000
#: Ten seconds of the guest: a step that sleeps for longer is a failure.
MAX_CYCLES = 330_000_000
#: As `handle all nostop noprint pass`; else a step would take the signal away.
PASS = "QPassSignals:" + ";".join(f"{number:x}" for number in range(1, 152))


def stepped(name: str, timing: str, *, reverse: bool) -> Client:
    """A client behind the steps of whichever thread it is told of, or behind the program's end."""
    client = Client(name, reverse=reverse, timing=timing)
    assert client.ask(PASS) == "OK"
    client.target.resumer.max_cycles = MAX_CYCLES
    k = client.target.k
    for _ in range(STEPS):
        if k.outcome is not None:
            break
        answer = client.ask("vCont;s")
        if answer == "N":  # what has ended is nobody's any more, init has it still to reap
            assert not client.target.processes.attached
            break
        assert answer[0] in "TWX", answer
        assert not answer.startswith("T18"), "SIGXCPU: the limit of cycles"
    return client


def is_as_plain(name: str, client: Client, timing: str) -> None:
    """Cycles, place, output and hash are those of a session that nobody looks at."""
    k = client.target.k
    plain = session(name, timing)
    replay.run_to(plain.kernel, k.machine.position, lambda: (NO_LIMIT, NO_LIMIT))
    assert plain.kernel.machine.position == k.machine.position
    assert plain.kernel.machine.clock.cycles == k.machine.clock.cycles
    assert plain.stdout == client.target.session.stdout
    assert state_hash(plain.kernel) == state_hash(k)


@pytest.mark.parametrize("name", PROGRAMS)
def test_steps_change_nothing(name: str) -> None:
    client = stepped(name, "i486", reverse=False)
    k = client.target.k
    ended = k.outcome is not None or not client.target.processes.attached
    assert ended or k.machine.position.instructions >= STEPS
    is_as_plain(name, client, "i486")


@pytest.mark.parametrize("name", PROGRAMS[::7])
@pytest.mark.parametrize("timing", ["off", "i486"])
def test_steps_with_a_past_change_nothing(name: str, timing: str) -> None:
    is_as_plain(name, stepped(name, timing, reverse=True), timing)
