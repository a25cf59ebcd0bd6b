"""The timeline as Perfetto reads it: slices nest, every arrow has a slice at both ends, tracks have names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from toykernel.harness.session import Session
from toykernel.state import Config

USERLAND = Path(__file__).parents[2] / "userland"
PROGRAMS = ("fork_tree", "signal_stop", "sleep", "yield_pingpong", "thread_join", "pipe_talk")
Track = tuple[int, int]


def events(name: str, timing: str = "i486") -> list[dict[str, Any]]:
    session = Session(USERLAND / f"{name}.S", config=Config(timing=timing))
    timeline = session.timeline
    session.run(1_000_000_000)
    found: list[dict[str, Any]] = json.loads(timeline.finish())["traceEvents"]
    return found


def nanoseconds(microseconds: float) -> int:
    return round(microseconds * 1000)


def bound(found: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """The slices that an arrow connects, by its number: as Perfetto's importer ties them, which is to the
    slice that was begun last on the track, in order of time and then of the file."""
    last: dict[Track, dict[str, Any]] = {}
    arrows: dict[int, list[dict[str, Any]]] = {}
    for event in sorted((e for e in found if e["ph"] != "M"), key=lambda e: nanoseconds(e["ts"])):
        track = event["pid"], event["tid"]
        if event["ph"] in "Xi":
            last[track] = event
        else:
            one = last[track]
            assert nanoseconds(one["ts"]) == nanoseconds(event["ts"]), event
            arrows.setdefault(event["id"], []).append(one)
    return arrows


@pytest.mark.parametrize("timing", ["i486", "off"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_arrow_has_a_slice_at_both_ends(name: str, timing: str) -> None:
    found = events(name, timing)
    arrows = bound(found)
    assert arrows
    for waker, woken in arrows.values():
        assert waker["name"] == f"wake {woken['tid']}"
        assert woken["name"] == "runnable"
        assert waker["ts"] == woken["ts"]
        turn = next(  # it waits until it has the CPU
            e for e in found
            if e.get("cat") == "cpu" and e["args"]["pid"] == woken["tid"]
            and nanoseconds(e["ts"]) == nanoseconds(woken["ts"]) + nanoseconds(woken["dur"])
        )  # fmt: skip
        assert turn["ph"] == "X"


def test_the_arrows_of_fork_tree() -> None:
    assert len(bound(events("fork_tree"))) == 30


@pytest.mark.parametrize("name", PROGRAMS)
def test_slices_nest(name: str) -> None:
    open_ends: dict[Track, list[int]] = {}
    for event in events(name):
        if event["ph"] != "X":
            continue
        start = nanoseconds(event["ts"])
        end = start + nanoseconds(event["dur"])
        ends = open_ends.setdefault((event["pid"], event["tid"]), [])
        while ends and ends[-1] <= start:
            ends.pop()
        assert not ends or end <= ends[-1], event
        ends.append(end)


def test_exit_lasts_until_the_cpu_is_given_up() -> None:
    found = events("fork_tree")
    exits = [e for e in found if e["ph"] == "X" and e["name"] == "exit"]
    assert len(exits) == 15
    for one in exits:
        turn = next(
            e for e in found
            if e.get("cat") == "cpu" and e["args"]["pid"] == one["tid"]
            and nanoseconds(e["ts"]) + nanoseconds(e["dur"])
            == nanoseconds(one["ts"]) + nanoseconds(one["dur"])
        )  # fmt: skip
        assert turn["args"]["end"] == "ended"


# -- Perfetto itself -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fork_tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The trace of fork_tree in the official trace processor, which is downloaded when it is first used."""
    processor = pytest.importorskip(
        "perfetto.trace_processor", reason="perfetto (PyPI) is not installed: see the extra `test`"
    )
    path = tmp_path_factory.mktemp("perfetto") / "trace.json"
    session = Session(USERLAND / "fork_tree.S", config=Config(timing="i486"))
    timeline = session.timeline
    session.run()
    path.write_text(timeline.finish())
    try:
        opened = processor.TraceProcessor(trace=str(path))
    except Exception as error:
        pytest.skip(f"PERFETTO'S OWN CHECK DID NOT RUN: its trace processor cannot be had: {error}")
    yield opened
    opened.close()


def test_perfetto_finds_the_flows(fork_tree: Any) -> None:
    rows = list(
        fork_tree.query(
            "select a.name as wakes, b.name as woken, t.tid as tid from flow "
            "join slice a on flow.slice_out = a.id join slice b on flow.slice_in = b.id "
            "join thread_track tt on b.track_id = tt.id join thread t using (utid)"
        )
    )
    assert len(rows) == 30
    assert all(row.woken == "runnable" and row.wakes == f"wake {row.tid}" for row in rows)


def test_perfetto_finds_slices_and_threads(fork_tree: Any) -> None:
    names = {row.name for row in fork_tree.query("select name from process where name is not null")}
    assert {"CPU 0", "init (1)", "fork_tree (2)"} <= names
    exits = list(fork_tree.query("select dur from slice where name = 'exit' and dur > 0"))
    assert len(exits) == 15
    problems = fork_tree.query(
        "select name, value from stats where severity = 'error' and value > 0"
    )
    assert [(row.name, row.value) for row in problems] == []
