"""Programs counted by hand and by an enumerator of models: the same outputs, deadlocks included."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.explore.orders import DEADLOCK, State, end, give, outcomes, put, start, take, wait_for
from toykernel.explore.ending import End, Ending
from toykernel.explore.graph import switches


def _said(ending: Ending) -> str:
    return ending.stdout.decode() + (DEADLOCK if ending.end is End.DEADLOCK else "")


def two_writers() -> set[str]:
    parent = [start("child"), put("p"), wait_for("child"), end]
    return outcomes({"parent": parent, "child": [put("c"), end]}, "parent", {})


def fork_between() -> set[str]:
    programs = {
        "a": [put("1"), start("b"), put("2"), start("c"), put("3"), end],
        "b": [put("2"), start("d"), put("3"), end],
        "c": [put("3"), end],
        "d": [put("3"), end],
    }
    return outcomes(programs, "a", {})


def fork_buffer() -> set[str]:
    parent = [start("child"), put("hi"), wait_for("child"), end]
    return outcomes({"parent": parent, "child": [put("hi"), end]}, "parent", {})


def lost_wakeup() -> set[str]:
    def test(state: State, _name: str) -> None:
        state["goto"] = 4 if state.get("flag") else 2

    def sleep(state: State, _name: str) -> None:
        state["sleeps"] = True

    def woken(state: State, _name: str) -> bool:
        return bool(state.get("woken"))

    def kill(state: State, _name: str) -> None:
        state["flag"] = True
        state["woken"] = bool(state.get("sleeps"))

    parent = [start("child"), test, sleep, woken, put("woken"), end]
    return outcomes({"parent": parent, "child": [kill, end]}, "parent", {})


def philosophers() -> set[str]:
    programs = {
        "0": [start("1"), take("l"), take("r"), put("0"), give("l", "r"), wait_for("1"), end],
        "1": [take("r"), take("l"), put("1"), give("l", "r"), end],
    }
    return outcomes(programs, "0", {})


def philosophers_ordered() -> set[str]:
    programs = {
        "0": [start("1"), take("l"), take("r"), put("0"), give("l", "r"), wait_for("1"), end],
        "1": [take("l"), take("r"), put("1"), give("l", "r"), end],
    }
    return outcomes(programs, "0", {})


def check_then_make() -> set[str]:
    def look(state: State, name: str) -> None:
        state[f"saw {name}"] = state.get("file", False)

    def make(state: State, name: str) -> None:
        state["file"] = state.get("file") or not state[f"saw {name}"]

    def tell(state: State, name: str) -> None:
        state["out"] += "there " if state[f"saw {name}"] else "made "

    programs = {
        "a": [start("b"), look, make, tell, wait_for("b"), end],
        "b": [look, make, tell, end],
    }
    return outcomes(programs, "a", {})


def pipe_writers() -> set[str]:
    def write(letter: str) -> Callable[[State, str], None]:
        def step(state: State, _name: str) -> None:
            state["pipe"] = state.get("pipe", "") + letter

        return step

    def read(state: State, _name: str) -> bool:
        pipe = state.get("pipe", "")
        if not pipe and set(state.get("ended", ())) != {"a", "b"}:
            return False
        state["got"], state["pipe"] = pipe[:2], pipe[2:]
        state["goto"] = 2 if pipe else 3
        return True

    def tell(state: State, _name: str) -> None:
        state["out"] += state["got"] + "."
        state["goto"] = 1

    parent = [start("a", "b"), read, tell]
    programs = {"p": parent, "a": [write("a"), end], "b": [write("b"), end]}
    return outcomes(programs, "p", {})


def wait_nohang() -> set[str]:
    def poll(state: State, _name: str) -> None:
        state["out"] = "ended" if "child" in state.get("ended", ()) else "not yet"

    return outcomes({"p": [start("child"), poll, end], "child": [end]}, "p", {})


def orphan_parent() -> set[str]:
    def ask(state: State, _name: str) -> None:
        state["parent"] = "i" if "p" in state.get("ended", ()) else "p"

    def tell(state: State, _name: str) -> None:
        state["out"] += state["parent"]

    return outcomes({"p": [start("c"), end], "c": [ask, tell, ask, tell, end]}, "p", {})


MODELS = {
    model.__name__: model
    for model in (
        *(two_writers, fork_between, fork_buffer, lost_wakeup, philosophers),
        *(philosophers_ordered, check_then_make, pipe_writers, wait_nohang, orphan_parent),
    )
}
#: Counted by hand.
COUNTS = {
    "two_writers": 2,
    "fork_between": 3,
    "fork_buffer": 1,
    "lost_wakeup": 2,
    "sigsuspend": 1,
    "philosophers": 3,
    "philosophers_ordered": 2,
    "check_then_make": 3,
    "pipe_writers": 4,
    "wait_nohang": 2,
    "orphan_parent": 3,
    "double_wait": 1,
}


@pytest.mark.parametrize("name", MODELS)
def test_the_outputs_are_those_of_the_model(name, explored) -> None:
    _found, table = explored(name)
    assert {_said(row.ending) for row in table} == MODELS[name]()


@pytest.mark.parametrize("name", COUNTS)
def test_there_are_as_many_outputs_as_counted_by_hand(name, explored) -> None:
    _found, table = explored(name)
    assert len({_said(row.ending) for row in table}) == COUNTS[name]


@pytest.mark.parametrize("name", ["two_writers", "philosophers", "pipe_writers", "lost_wakeup"])
def test_every_schedule_leads_to_its_outcome(name, explored, session_of) -> None:
    _found, table = explored(name)
    for row in table:
        session = session_of(name)
        session.kernel.sched.rq.told.choices = list(row.schedule)
        outcome = session.run()
        assert (session.stdout, session.stderr) == (row.ending.stdout, row.ending.stderr)
        assert str(outcome.kind) == str(row.ending.end)
        assert not session.kernel.sched.rq.told.choices


def test_time_that_is_free_lets_the_shorter_sleep_end_last(explored) -> None:
    def said(free: bool) -> set[str]:
        return {_said(row.ending) for row in explored("alarm_race", free=free)[1]}

    assert said(False) == {"cp"}
    assert said(True) == {"cp", "pc"}


def test_a_deadlock_without_preemption_bound_needs_one_switch(explored) -> None:
    _found, table = explored("philosophers")
    (dead,) = [row for row in table if row.ending.end is End.DEADLOCK]
    ways = [row.schedules for row in table]
    assert all(ways)
    assert sum(row.share for row in table) == 1
    assert switches(dead.schedule) == 1
