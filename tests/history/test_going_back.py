"""A run that is gone back in is the same run: step by step, in every program, at every kind of moment."""

from pathlib import Path
from random import Random

import pytest
from native_linux import PROGRAMS
from test_every_program import boot, by_program, plain, seen

from emu.events import Position
from toykernel.harness.session import Session
from toykernel.history.history import History
from toykernel.observe.events import KINDS
from toykernel.state import Config
from toykernel.statehash import state_hash

BY_NAME = {path.stem: path for path in PROGRAMS}
#: Steps back and forward from each place, and every how many the state is compared.
STEPS, EVERY = 12, 4


def walk(history: History) -> dict[Position, str]:
    """Steps from here, with the state at some of them."""
    session, found = history.session, {}
    for number in range(STEPS + 1):
        if number % EVERY == 0:
            found[history.position] = state_hash(session.kernel)
        if session.step() is not None:
            break
    return found


def there_and_back(history: History) -> None:
    """From here some steps forward, as many back, and forward again."""
    session = history.session
    if session.kernel.machine.halted:
        session.step()  # out of the middle of a wait, which is one step
    begin = history.position
    states = walk(history)
    end, at_end = history.position, state_hash(session.kernel)
    while history.position > begin:
        assert history.step_back()
        if history.position in states:
            assert state_hash(session.kernel) == states[history.position]
    assert history.position == begin
    assert walk(history).items() >= states.items()
    assert (history.position, state_hash(session.kernel)) == (end, at_end)


@pytest.mark.parametrize("timing", ["off", "i486"])
@by_program
def test_back_and_forward_again(source: Path, timing: str) -> None:
    end, wanted = plain(source, timing)
    session, limit = boot(source, timing)
    assert session.cow_journal.events == []
    history = History(session)
    random = Random(f"{source.stem} {timing} back")
    session.run(random.randrange(1, end))
    there_and_back(history)
    session.run(limit)
    number = random.randrange(history.events.count)
    history.goto(event=number)
    there_and_back(history)
    assert seen(session, session.run(limit)) == wanted
    assert history.step_back(3)
    assert seen(session, session.run(limit)) == wanted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("timing", ["off", "i486"])
def test_around_every_kind_of_event(kind: str, timing: str) -> None:
    source = BY_NAME[{"signal": "signal_handler", "fault": "brk_heap"}.get(kind, "fork_sample")]
    history = History(Session(source, config=Config(timing=timing)))
    history.session.run()
    numbers = [n for n, event in history.events.happened() if event.kind == kind]
    assert numbers
    for number in numbers[:2] + numbers[-1:]:
        history.goto(event=number)
        history.step_back(STEPS // 2)
        there_and_back(history)
