"""How far apart moments are: by what running again takes, and the same ones in every run."""

from itertools import pairwise

import pytest
from native_linux import PROGRAMS

from toykernel.harness.session import Session
from toykernel.history.history import History

BY_NAME = {path.stem: path for path in PROGRAMS}


def moments(name: str, until: int = 1_000_000, *, events: bool = False) -> list[tuple[int, int]]:
    """Instructions and deliveries at each moment that a run keeps, and at its end."""
    history = History(Session(BY_NAME[name]))
    if events:
        assert history.events.count == 0
    history.session.run(until)
    places = [kept.position for kept in history.moments_before(history.position)][::-1]
    return [(place.instructions, place.deliveries) for place in [*places, history.position]]


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("stack_overflow", 230),  # a page fault each
        ("cow_out_of_memory", 230),
        ("fork_loop", 150),  # forks and exits
        ("inherited_lock", 1_000),  # yields
    ],
)
def test_dear_traps_bring_moments_closer(name: str, most: int) -> None:
    """The most traps between two moments; cheap ones may be thousands."""
    found = moments(name)
    assert max(later[1] - earlier[1] for earlier, later in pairwise(found[1:])) <= most
    assert moments(name) == found


def test_cheap_calls_lie_farther_apart() -> None:
    found = moments("priority_group", 500_000)
    assert max(later[1] - earlier[1] for earlier, later in pairwise(found)) > 1_000


def test_who_listens_makes_running_again_dearer() -> None:
    assert len(moments("priority_group", 500_000, events=True)) > 1.5 * len(
        moments("priority_group", 500_000)
    )


def test_listeners_that_come_and_go_do_not_change_what_lies_behind() -> None:
    """A breakpoint makes every trap dear, as long as it is there."""
    history = History(Session(BY_NAME["priority_group"]))
    session = history.session
    session.run(500_000)
    session.break_at("kernel:ret_from_fork")
    session.run(510_000)
    session.delete(1)
    before = history.size[0]
    session.run(1_200_000)
    assert history.size[0] > before + 3
