"""Tracepoints: one way to tell listeners, and what becomes of one that fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toykernel.cli.group import call
from toykernel.errors import HostError, StopRun
from toykernel.harness.runner import run
from toykernel.harness.session import Session
from toykernel.observe.strace import Strace
from toykernel.observe.timeline import Timeline
from toykernel.statehash import state_hash
from toykernel.trace import Tracepoint, Tracepoints

if TYPE_CHECKING:
    from toykernel.task import Task

SAMPLE = Path(__file__).parents[2] / "userland" / "fork_sample.S"


def broken(task: Task, number: int, _words: list[int]) -> None:
    raise ValueError(f"no\n{number}")


class Deaf:
    """A listener that is an object, not a function."""

    def __init__(self) -> None:
        self.heard = 0

    def __call__(self, task: Task) -> None:
        self.heard += 1
        raise ValueError("deaf")


def test_listeners_hear_in_their_order() -> None:
    heard: list[tuple[str, int]] = []
    point: Tracepoint[int, bool] = Tracepoint("page_pin")
    assert not point
    point.append(lambda pfn, held: heard.append(("first", pfn)))
    point.append(lambda pfn, held: heard.append(("second", pfn)))
    point.emit(7, True)
    assert heard == [("first", 7), ("second", 7)]


def test_one_that_leaves_while_it_is_told_takes_nobody_s_turn() -> None:
    heard: list[str] = []
    point: Tracepoint[int, int] = Tracepoint("page_free")

    def once(pfn: int, order: int) -> None:
        heard.append("once")
        point.remove(once)

    point.append(once)
    point.append(lambda pfn, order: heard.append("other"))
    point.emit(1, 0)
    point.emit(1, 0)
    assert heard == ["once", "other", "other"]


def test_every_tracepoint_has_its_own_list_and_its_name() -> None:
    trace = Tracepoints()
    points = list(trace)
    assert [getattr(trace, point.name) for point in points] == points
    assert len({id(point) for point in points}) == len(points) > 20


@pytest.mark.usefixtures("listeners_may_fail")
def test_a_listener_that_fails_is_named_and_hears_no_more() -> None:
    plain = Session(SAMPLE)
    expected = run(plain)
    session = Session(SAMPLE)
    trace = session.kernel.host.trace
    deaf, after = Deaf(), list[int]()
    trace.sys_enter.append(broken)
    trace.sys_enter.append(lambda task, number, words: after.append(number))
    trace.process_exit.append(deaf)
    got = run(session)
    assert got == expected
    assert (session.stdout, session.stderr) == (plain.stdout, plain.stderr)
    assert state_hash(session.kernel) == state_hash(plain.kernel)
    first, second = trace.messages
    assert first.startswith(
        f"tracepoint sys_enter: listener {__name__}.broken is off after ValueError: no 2"
    )
    assert first.endswith(f"(test_tracepoints.py:{broken.__code__.co_firstlineno + 1})")
    assert second.startswith(f"tracepoint process_exit: listener {__name__}.Deaf is off after ")
    assert "\n" not in first + second
    assert deaf.heard == 1
    assert len(after) > 3  # whoever listens behind it hears everything
    trace.sys_enter.remove(broken)  # its tracer closes as if nothing had been
    with pytest.raises(ValueError, match="not in list"):
        trace.sys_enter.remove(broken)


@pytest.mark.usefixtures("listeners_may_fail")
def test_stop_run_goes_through() -> None:
    session = Session(SAMPLE)

    def stop(task: Task, child: Task, flags: int) -> None:
        raise StopRun("seen enough")

    session.kernel.host.trace.process_fork.append(stop)
    result = run(session)
    assert result.status == 70
    assert result.message.startswith("seen enough\n")
    assert session.kernel.host.trace.messages == []


@pytest.mark.usefixtures("listeners_may_fail")
def test_the_command_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    assert call(["run", str(SAMPLE)]) == 0
    out, _ = capfdbinary.readouterr()

    def broken_exit(self: Timeline, task: Task) -> None:
        raise RuntimeError("lost count")

    monkeypatch.setattr(Timeline, "_exit", broken_exit)
    assert call(["run", f"--timeline={tmp_path / 'out'}", str(SAMPLE)]) == 0
    got, err = capfdbinary.readouterr()
    assert got == out
    lines = err.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("toykernel: tracepoint process_exit: listener ")
    assert "broken_exit is off after RuntimeError: lost count" in lines[0]


def test_a_tracer_that_writes_to_a_full_disk_still_ends_the_run() -> None:
    session = Session(SAMPLE)

    def full(_data: bytes) -> None:
        raise HostError(125, "cannot write")

    Strace(session.kernel, full, every_line_has_pid=False)
    with pytest.raises(HostError, match="cannot write"):
        session.run()
