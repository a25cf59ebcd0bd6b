"""Back to an earlier choice, in the same objects: everything is what it was."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from typing import Any

import pytest

from toykernel.explore import differing
from toykernel.explore.records import Records
from toykernel.explore.world import Place, World
from toykernel.harness.session import Session
from toykernel.history.errors import HistoryError
from toykernel.statehash import state_hash


@pytest.mark.parametrize("name", ["fork_twice", "pipe_writers", "philosophers", "check_then_make"])
def test_every_way_back_leads_to_the_same_state(
    name: str, session_of: Callable[..., Session]
) -> None:
    world = World(lambda: session_of(name))
    world.on()
    by_lot = random.Random(name)
    places: list[tuple[Place, str, bytes]] = []
    for _ in range(4):
        while True:
            places.append((world.take(), state_hash(world.k), world.key()))
            world.choose(by_lot.choice(world.choices))
            if world.on() is not None:
                break
        for place, whole, key in by_lot.sample(places, min(5, len(places))):
            world.back(place)
            assert state_hash(world.k) == whole
            assert world.key() == key
        world.back(by_lot.choice(places)[0])
    assert len({key for _, _, key in places}) > 3


def test_a_key_does_not_depend_on_what_is_remembered(session_of: Callable[..., Session]) -> None:
    world = World(lambda: session_of("orphan_parent"))
    world.on()
    by_lot = random.Random(7)
    while True:
        fresh = World.__new__(World)
        vars(fresh).update(vars(world))
        fresh._records = Records(world.k)
        fresh._observer = type(world._observer)(world.k, fresh._records)
        assert fresh.key() == world.key()
        world.choose(by_lot.choice(world.choices))
        if world.on() is not None:
            break


class Thing:
    """A record."""

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


def watched() -> tuple[Any, ...]:
    """Objects of each kind, and what could be done to each."""
    shared = Thing(x=1)
    return (
        Thing(a=1, b=shared),
        [1, shared, "text"],
        {"k": shared, 2: 3},
        {4, 5},
        bytearray(b"bytes" * 900),
        array("i", range(3000)),
        shared,
    )


CHANGES: list[Callable[[tuple[Any, ...]], object]] = [
    lambda of: setattr(of[0], "a", 1000),
    lambda of: setattr(of[0], "new", 1),
    lambda of: delattr(of[0], "b"),
    lambda of: of[1].append(Thing(y=2)),
    lambda of: of[1].__setitem__(0, of[0]),
    lambda of: of[1].clear(),
    lambda of: of[2].__setitem__("k", None),
    lambda of: of[2].__setitem__("more", [1]),
    lambda of: of[2].pop(2),
    lambda of: of[2].__setitem__("k", of[2].pop("k")),  # in another order
    lambda of: of[3].add(6),
    lambda of: of[4].__setitem__(4000, 7),
    lambda of: of[4].extend(b"more"),
    lambda of: of[5].__setitem__(2999, -1),
    lambda of: setattr(of[6], "x", 2),
]


def shown(objects: tuple[Any, ...]) -> str:
    """All of it, with who is who."""
    return repr(
        [
            list(vars(one).items())
            if isinstance(one, Thing)
            else list(one.items())
            if isinstance(one, dict)
            else one
            for one in objects
        ]
    )


@pytest.mark.parametrize("native", [True, False])
def test_each_change_is_seen_and_taken_back(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not native:
        monkeypatch.setattr("toykernel.explore.records.fastest", lambda: differing.differing)
    objects = watched()
    root: Any = Thing(all=objects)
    records = Records(root)
    first, before = records.take(), shown(objects)
    for number, change in enumerate(CHANGES):
        change(objects)
        records.sync()
        middle, after = records.take(), shown(objects)
        assert after != before, number
        for other in CHANGES[number + 1 :]:
            other(objects)
        records.sync()
        records.put_back(middle)
        assert shown(objects) == after, number
        records.put_back(first)
        assert shown(objects) == before, number


def test_what_did_not_change_is_shared() -> None:
    objects = watched()
    root: Any = Thing(all=objects)
    records = Records(root)
    one = records.take()
    objects[5][0] = 9
    records.sync()
    two = records.take()
    changed = [(a, b) for a, b in zip(one, two, strict=True) if a is not b]
    assert len(changed) == 1
    old, new = (held.held for held in changed[0])
    assert [a is b for a, b in zip(old, new, strict=True)] == [False] + [True] * (len(old) - 1)


def test_what_nothing_leads_to_is_let_go() -> None:
    root: Any = Thing(row=[])
    records = Records(root)
    start = records.take()
    for number in range(1000):
        root.row[:] = [Thing(number=number)]
        records.sync()
        records.take()
    assert len(records.objects) < 150
    records.put_back(start)
    assert root.row == []


def test_what_cannot_be_kept_is_refused() -> None:
    root: Any = Thing(row=[iter(())])
    with pytest.raises(HistoryError, match="tuple_iterator"):
        Records(root)


def test_both_comparisons_say_the_same() -> None:
    fast = differing.fastest()
    by_lot = random.Random(3)
    for _ in range(200):
        values = [object() for _ in range(4)]
        held = [tuple(by_lot.choices(values, k=by_lot.randrange(4))) for _ in range(9)]
        keys = [tuple(f"k{n}" for n in range(len(one))) for one in held]
        now: list[Any] = [
            by_lot.choice((list(one), dict(zip(names, one, strict=True)), None))
            for one, names in zip(held, keys, strict=True)
        ]
        for one in by_lot.sample(now, 3):
            if isinstance(one, list):
                one[:1] = by_lot.choices(values, k=by_lot.randrange(2))
            elif one is not None:
                one[by_lot.choice(("k0", "k1", "k9"))] = by_lot.choice(values)
        assert fast(now, held, keys) == differing.differing(now, held, keys)
