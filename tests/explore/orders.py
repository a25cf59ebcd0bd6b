"""Every interleaving of small models, one by one, without merging any: an oracle for `toykernel explore`.

A model is a state (a dictionary, copied before each step) and processes: each a list of steps by its name. A
step is called with the state and the name; False says that it cannot be done now. It can start further
processes by appending to state["start"], and move itself by state["goto"] = index.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

State = dict[str, Any]
Step = Callable[[State, str], bool | None]
DEADLOCK = "deadlock"


def outcomes(programs: Mapping[str, Sequence[Step]], first: str, state: State) -> set[str]:
    """What every order leaves in state["out"], or DEADLOCK behind it where nobody can go on."""
    found: set[str] = set()
    start = {"out": "", **copy.deepcopy(state)}
    todo = [(start, {first: 0})]
    while todo:
        before, places = todo.pop()
        stuck = True
        for name, at in places.items():
            if at >= len(programs[name.split("/")[0]]):
                continue
            after = copy.deepcopy(before)
            after["start"], after["goto"] = [], at + 1
            if programs[name.split("/")[0]][at](after, name) is False:
                continue
            stuck = False
            then = {**places, name: after.pop("goto")}
            for child in after.pop("start"):
                then[child] = 0
            todo.append((after, then))
        if stuck:
            over = all(at >= len(programs[name.split("/")[0]]) for name, at in places.items())
            found.add(before["out"] if over else before["out"] + DEADLOCK)
    return found


def put(text: str) -> Step:
    """A write."""

    def step(state: State, _name: str) -> None:
        state["out"] += text

    return step


def start(*names: str) -> Step:
    """A fork, or several at once."""

    def step(state: State, _name: str) -> None:
        state["start"] += names

    return step


def end(state: State, name: str) -> None:
    """The end of a process."""
    state.setdefault("ended", []).append(name)


def wait_for(*names: str) -> Step:
    """Waits until they have ended."""

    def step(state: State, _name: str) -> bool:
        return set(names) <= set(state.get("ended", ()))

    return step


def take(lock: str) -> Step:
    """Takes a lock, when nobody has it."""

    def step(state: State, name: str) -> bool:
        if state.get(lock):
            return False
        state[lock] = name
        return True

    return step


def give(*locks: str) -> Step:
    """Gives locks back."""

    def step(state: State, _name: str) -> None:
        for lock in locks:
            state[lock] = None

    return step
