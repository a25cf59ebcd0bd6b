"""Every step of copy_process fails once, for every shape of caller (fork-path D, J)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emu.paging import PTE_RW
from toykernel.arch.x86.pgtable import present_ptes
from toykernel.check.fail import fingerprint
from toykernel.check.points import FAILS_WITH
from toykernel.errno import ENOMEM, Errno
from toykernel.harness import faults
from toykernel.harness.faults import LEAKS, SHAPES, counts, leak_column, sweep, table
from toykernel.harness.session import Session
from toykernel.kernel import fork
from toykernel.kernel.clone_flags import CloneArgs
from toykernel.kernel.fork import LADDER, Step
from toykernel.kernel.siginfo import SIGCHLD
from toykernel.oops import KernelOops
from toykernel.state import Kernel
from toykernel.task import Task


@pytest.mark.parametrize("shape", SHAPES)
def test_a_failed_clone_leaves_nothing(shape: str) -> None:  # J, B2, D1-D19
    outcome = sweep(shape)
    assert not outcome.problems
    assert len(outcome.faults) >= len(LADDER)
    steps = {fault.step for fault in outcome.faults}
    assert steps >= {f"D{n}" for n in range(1, 20)}
    errors = {
        "D1": "EINVAL",
        "D2": "EACCES",
        "D4": "EAGAIN",
        "D6": "EAGAIN",
        "D17": "ERESTARTNOINTR",
    }
    for fault in outcome.faults:
        made = fault.step in ("D18", "D19", "C3")
        assert fault.errno == ("success" if made else errors.get(fault.step, "ENOMEM")), fault
        assert fault.continues


@pytest.mark.parametrize("broken", [s.undo.__name__ for s in LADDER if s.undo is not None])
def test_a_forgotten_undo_is_seen(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:  # J
    """Take any undoing off the ladder: some shape shows it."""

    def forget(step: Step) -> Step:
        if step.undo is not None and step.undo.__name__ == broken:
            return Step(step.number, step.build)
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


def test_every_difference_has_a_column() -> None:
    session = Session(faults.PROGRAM, ["p"])
    session.run(300_000)
    k = session.kernel
    names = [*fingerprint(k), *counts(k)]
    assert {leak_column(name) for name in names} == set(LEAKS)
    assert leak_column("slab vm_area_struct: (1, 2) became (1, 3)") == "slab"
    assert leak_column("descriptors of pid 2") == "fds"


def columns_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, str]:
    """Rows of the table for a plain process, by step; the command must have failed."""
    monkeypatch.setattr(faults, "SHAPES", {"p": "plain process"})
    assert faults.main() == 1
    rows = capsys.readouterr().out.split("\nstep ")[1].splitlines()
    return {row.split()[0]: row for row in rows if row.startswith(("D", "C"))}


def test_a_wrong_error_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(FAILS_WITH, "D6", ENOMEM)
    rows = columns_of(monkeypatch, capsys)
    assert rows["D6"].split()[1:3] == ["EAGAIN", "ENOMEM"]
    assert rows["D4"].split()[1:3] == ["EAGAIN", "EAGAIN"]


def test_a_child_that_is_not_counted_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish = fork.publish

    def forget(k: Kernel, p: Task, args: CloneArgs) -> None:  # D19
        publish(k, p, args)
        k.processes.total_forks -= 1

    monkeypatch.setattr(fork, "publish", forget)
    rows = columns_of(monkeypatch, capsys)
    header = ["frames", "slab", "pids", "counts", "refs", "tables", "fds"]
    assert dict(zip(header, rows["D19"].split()[4:], strict=False))["counts"] == "1"
    assert set(rows["D18"].split()[4:11]) == {"0"}


def test_a_child_that_does_not_join_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish = fork.publish

    def forget(k: Kernel, p: Task, args: CloneArgs) -> None:  # D18
        publish(k, p, args)
        p.signal.tty = f"tty{p.pid}"

    monkeypatch.setattr(fork, "publish", forget)
    rows = columns_of(monkeypatch, capsys)
    assert set(rows["D18"].split()[4:11]) == {"0", "1"}


def test_a_parent_that_gives_up_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(faults, "went_on", lambda _session: False)
    rows = columns_of(monkeypatch, capsys)
    assert rows["D1"].endswith("  yes")  # it called again
    assert rows["D19"].endswith("  NO")


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


@pytest.mark.parametrize(
    ("errno", "said"), [(13, "init was refused: EACCES"), (12, "no memory for init")]
)
def test_a_refused_init_is_not_a_lack_of_memory(errno: int, said: str) -> None:  # D2
    session = Session(faults.PROGRAM, ["p"])
    session.kernel.host.security.task_create.append(lambda _k, _flags: -errno)
    with pytest.raises(KernelOops, match=said):
        session.run()


def test_undoing_goes_backwards_and_gets_what_building_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # J
    session = Session(faults.PROGRAM.with_name("fork_sample.S"))
    session.break_at("syscall fork")
    session.run()
    k = session.kernel
    told: list[tuple[Any, ...]] = []

    def listening(step: Step) -> Step:
        if step.undo is None:
            return step
        undo = step.undo

        def listen(k: Kernel, p: Task, *token: object) -> None:
            told.append((step.build.__name__, *token))
            undo(k, p, *token)

        return Step(step.number, step.build, listen)

    monkeypatch.setattr(fork, "LADDER", tuple(listening(step) for step in LADDER))

    def fail(number: str, _what: str) -> None:
        if number == "D17":
            raise Errno(ENOMEM)

    k.host.fail_step = fail
    writable = sum(1 for _ in writable_entries(k))
    with pytest.raises(Errno):
        fork.copy_process(k, CloneArgs(SIGCHLD, 0, k.task_pt_regs(k.current)))
    undone = [step.build.__name__ for step in reversed(LADDER) if step.undo is not None]
    assert [name for name, *_ in told] == undone
    tokens = {name: token for name, *token in told if token}
    assert set(tokens) == {"copy_semundo", "copy_mm"}
    assert tokens["copy_semundo"] == [False]
    assert len(tokens["copy_mm"][0]) == writable > 0
    assert sum(1 for _ in writable_entries(k)) == writable


def writable_entries(k: Kernel) -> Iterator[int]:
    """Entries of the current task's private areas that have the write bit."""
    mm = k.current.mm
    assert mm is not None
    for area in mm:
        for _, _, pte in present_ptes(k, mm, area.vm_start, area.vm_end):
            if pte & PTE_RW:
                yield pte
