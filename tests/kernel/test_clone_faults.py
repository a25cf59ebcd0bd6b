"""Every step of copy_process fails once, for every shape of caller (fork-path D, J)."""

from collections.abc import Callable

import pytest

from toykernel.check import faults
from toykernel.check.faults import SHAPES, sweep, table
from toykernel.kernel import fork
from toykernel.kernel.fork import LADDER, Step


@pytest.mark.parametrize("shape", SHAPES)
def test_a_failed_clone_leaves_nothing(shape: str) -> None:  # J, B2, D2-D17
    outcome = sweep(shape)
    assert not outcome.problems
    assert len(outcome.faults) >= len(LADDER)
    steps = {fault.step for fault in outcome.faults}
    assert steps >= {"D2", "D3", *(step.number for step in LADDER)}


@pytest.mark.parametrize("broken", [s.undo.__name__ for s in LADDER if s.undo is not None])
def test_a_forgotten_undo_is_seen(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:  # J
    """Take any undoing off the ladder: some shape shows it."""

    def forget(step: Step) -> Step:
        if step.undo is not None and step.undo.__name__ == broken:
            return Step(step.number, step.build, None, step.errno)
        return step

    ladder = tuple(forget(step) for step in LADDER)
    assert ladder != LADDER
    monkeypatch.setattr(fork, "LADDER", ladder)
    shapes = {
        "exit_io_context": "i",
        "uncopy_semundo": "i",
        "exit_thread": "i",
        "cleanup_sighand": "t",
    }
    assert sweep(shapes.get(broken, "p")).problems


def test_the_order_of_the_ladder() -> None:  # D4-D17: Linux's order
    assert [step.number for step in LADDER] == sorted(
        (step.number for step in LADDER), key=lambda number: int(number[1:])
    )
    copies = [step.build.__name__ for step in LADDER if step.number == "D10"]
    assert copies == [
        *("copy_semundo", "copy_files", "copy_fs", "copy_sighand", "copy_signal", "copy_mm"),
        *("copy_namespaces", "copy_io", "copy_thread"),
    ]


def test_the_table_counts_what_was_left() -> None:
    outcome = sweep("p")
    lines = table([outcome]).splitlines()
    assert lines[1].split()[:4] == ["plain", "process", str(len(outcome.faults)), "0"]


def test_main_answers_1_when_something_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: Callable[..., object] = fork.free_task

    def leak(k: object, p: object) -> None:
        del k, p

    monkeypatch.setattr(fork, "free_task", leak)
    monkeypatch.setattr(faults, "SHAPES", {"p": "plain process"})
    assert faults.main() == 1
    assert "objects of task_struct leaked" in capsys.readouterr().out
    assert fork.free_task is not kept
