"""The picture of a run's processes: well-formed, and the same facts as the kernel's own records."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from toykernel import Session
from toykernel.cli.group import call
from toykernel.kernel.siginfo import signal_name
from toykernel.observe.process_life import Life
from toykernel.observe.process_picture import COLOURS, SPAN, make_scale
from toykernel.observe.process_tree import ProcessTree
from toykernel.task import Task

USERLAND = Path(__file__).parents[2] / "userland"
SVG = "{http://www.w3.org/2000/svg}"


def drawn(name: str) -> tuple[Session, ProcessTree, ElementTree.Element]:
    session = Session(USERLAND / f"{name}.S")
    tree = ProcessTree(session.kernel)
    session.run(1_000_000_000)
    return session, tree, ElementTree.fromstring(tree.svg())


@pytest.mark.parametrize("name", ["fork_tree", "orphan", "thread_join", "pid_wrap", "signal_stop"])
def test_every_task_has_a_row_and_its_end(name: str) -> None:
    session, tree, root = drawn(name)
    rows = tree.ordered()
    k = session.kernel
    assert sorted(life.number for _, life in rows) == list(range(len(tree.lives)))
    assert len(root.findall(f"{SVG}g")) == len(rows) == k.processes.total_forks - 1  # less init
    ends = [(life.pid, life.end) for life in tree.lives if life.died is not None]
    for record in session.stats.dead:
        assert record.exit_code is not None
        sig = record.exit_code & 0x7F
        text = signal_name(sig) if sig else f"exit {record.exit_code >> 8}"
        ends.remove((record.pid, text))
    assert ends == []
    for depth, life in rows:
        above = None if life.parent is None else tree.lives[life.parent]
        if above is not None:
            assert above.born < life.born
            assert above.died is None or life.born <= above.died
        assert (depth == 0) == (above is None)
        assert all(life.born <= since <= until for since, until in life.turns)


def test_a_zombie_is_one_until_its_parent_looks() -> None:
    _, tree, _ = drawn("zombie")
    child = next(life for life in tree.lives if life.end == "exit 42")
    assert child.died is not None
    assert child.released is not None
    parent = tree.lives[0]
    assert child.died < child.released
    assert any(s < child.released and until > child.died for s, until in parent.turns)


def test_who_had_the_cpu_adds_up() -> None:
    session = Session(USERLAND / "fork_tree.S")
    tree = ProcessTree(session.kernel)
    turns: list[int] = []
    since = [0]

    def switch(prev: Task, chosen: Task) -> None:
        now = session.kernel.machine.clock.cycles
        if prev.pid >= 2 and any(life.pid == prev.pid for life in tree.lives):
            turns.append(now - since[0])
        since[0] = now

    session.kernel.host.trace.sched_switch.append(switch)
    session.run(1_000_000_000)
    tree.svg()

    def ran(life: Life) -> int:
        return sum(until - start for start, until in life.turns)

    assert sum(map(ran, tree.lives)) == sum(turns)


REAPED = """
    invoke2 __NR_signal, $SIGCHLD, $1   # SIG_IGN: a child is released by its own exit
    sys_fork
    testl %eax, %eax
    jz child
    invoke4 __NR_waitpid, $-1, $0, $0, $0
    sys_exit $0
child:
    movl $3000, %ecx
1:  loop 1b
    sys_exit $0
"""


def test_the_last_turn_of_a_task_that_nobody_waits_for(tmp_path: Path) -> None:
    path = tmp_path / "reaped.S"
    head = '.include "linux.inc"\n.include "process.inc"\n.equ __NR_signal, 48\n'
    path.write_text(head + ".globl _start\n_start:" + REAPED)
    session = Session(path)
    tree = ProcessTree(session.kernel)
    clock = session.kernel.machine.clock
    since: dict[int, int] = {}
    died: dict[int, int] = {}

    def switch(prev: Task, chosen: Task) -> None:
        since[chosen.pid] = clock.cycles

    session.kernel.host.trace.sched_switch.append(switch)
    session.kernel.host.trace.process_exit.append(
        lambda task: died.update({task.pid: clock.cycles})
    )
    session.run(1_000_000_000)
    tree.svg()
    child = tree.lives[1]
    assert child.died == died[3]
    assert died[3] - since[3] > 3000
    assert child.turns[-1][0] == since[3]
    assert child.turns[-1][1] >= died[3]


def test_a_thread_that_execs_keeps_the_cpu() -> None:
    _, tree, _ = drawn("exec_from_thread")
    for life in tree.lives:
        assert life.turns, life
        if life.died is not None:  # its exit was its own doing: it was on the CPU
            assert any(start <= life.died <= until for start, until in life.turns), life


def test_names_are_escaped_and_an_empty_run_is_a_picture() -> None:
    session = Session(USERLAND / "hello.S")
    tree = ProcessTree(session.kernel)
    assert ElementTree.fromstring(tree.svg()).findall(f"{SVG}g") == []
    session.run(1_000_000_000)
    tree.lives[0].comm = "<&>"
    assert "<&>" in "".join(ElementTree.fromstring(tree.svg()).itertext())


# -- the picture -----------------------------------------------------------------------------------


def rectangles(root: ElementTree.Element, pid: int) -> list[tuple[str, float, float]]:
    """(what, from, to) of the bars of a task."""
    row = next(
        g for g in root.findall(f"{SVG}g") if f" {pid} (" in (g.findtext(f"{SVG}title") or "")
    )
    return [
        (r.attrib["class"], float(r.attrib["x"]), float(r.attrib["x"]) + float(r.attrib["width"]))
        for r in row.findall(f"{SVG}rect")
    ]


@pytest.mark.parametrize("name", ["fork_tree", "sleep", "yield_pingpong", "signal_stop"])
def test_running_runnable_and_sleeping_do_not_overlap(name: str) -> None:
    _, tree, _ = drawn(name)
    for life in tree.lives:
        spans = sorted([*life.turns, *life.ready])
        assert all(one[1] <= following[0] for one, following in pairwise(spans)), life
        assert life.ready[0][0] == life.born  # until it has the CPU for the first time
        assert life.ready[0][1] == life.turns[0][0]


BUSY = """
.globl _start
_start: movl $2, %eax
        int $0x80
        movl $1000000, %ecx
1:      loop 1b
        movl $1, %eax
        xorl %ebx, %ebx
        int $0x80
"""


def test_who_loses_the_cpu_is_runnable(tmp_path: Path) -> None:
    path = tmp_path / "busy.S"
    path.write_text(BUSY)
    session = Session(path)
    tree = session.process_tree
    session.run(1_000_000_000)
    tree.svg()
    child = tree.lives[1]
    assert child.died is not None
    assert len(child.turns) > 1  # the parent has had the CPU in between
    spans = sorted([*child.turns, *child.ready])
    spent = sum(min(until, child.died) - since for since, until in spans if since < child.died)
    assert spent == child.died - child.born  # it never slept


def test_a_preempted_task_is_runnable_and_a_waiting_one_asleep() -> None:
    _, tree, root = drawn("cow_copy_reuse")
    parent = tree.lives[0]
    child = tree.lives[1]
    assert child.died is not None
    assert not any(since < child.died < until for since, until in parent.ready)  # in waitpid
    assert {what for what, _, _ in rectangles(root, 2)} == {"sleeping", "running", "runnable"}


def test_faults_are_marked_as_the_report_counts_them() -> None:
    session, tree, root = drawn("fork_isolation")
    report = session.report()
    counted = Counter(kind for life in tree.lives for _, kind, _ in life.faults)
    for kind in ("cow_copied", "cow_reused"):
        assert counted[kind] == report["faults"][kind] > 0
        marks = [p for p in root.iter(f"{SVG}path") if p.get("class") == kind]
        assert 1 < len(marks) <= counted[kind] + 1  # one is the legend's


def test_the_legend_has_every_colour_and_mark() -> None:
    _, _, root = drawn("zombie")
    used = {e.get("class") for g in root.findall(f"{SVG}g") for e in g.iter() if e.get("class")}
    legend = [e for e in root if e.tag != f"{SVG}g"]
    fills = {e.get("fill") for e in legend} | {e.get("stroke") for e in legend}
    assert {"running", "sleeping", "zombie", "exec"} <= used
    assert {COLOURS[what] for what in COLOURS} <= fills
    text = " ".join(e.text or "" for e in legend)
    for word in ("on the CPU", "runnable", "asleep", "zombie", "copied", "reused", "exec", "fork"):
        assert word in text


def test_the_title_has_the_figures_of_the_summary(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "tree.svg"
    program = USERLAND / "fork_tree.S"
    assert call(["run", "--summary", "--process-tree", str(path), str(program)]) == 0
    row = re.search(r"instructions +([\d,]+)  \(([\d,]+) cycles\)", capfd.readouterr().err)
    assert row is not None
    assert f"Processes: {row[1]} instructions, {row[2]} cycles" in path.read_text()


def test_a_long_sleep_does_not_flatten_the_rest() -> None:
    session, tree, root = drawn("sleep")
    scale = make_scale(tree.lives, tree.lives[0].born, session.kernel.machine.clock.cycles)
    breaks = [p for p in root.iter(f"{SVG}path") if p.get("class") == "break"]
    assert len(breaks) == len(scale.broken) > 0
    ran = sum(until - since for life in tree.lives for since, until in life.turns)
    width = sum(
        scale.x(until) - scale.x(since) for life in tree.lives for since, until in life.turns
    )
    assert ran < session.kernel.machine.clock.cycles / 50
    assert width > SPAN / 2
    moments = [moment for life in tree.lives for turn in life.turns for moment in turn]
    assert [scale.x(m) for m in sorted(moments)] == sorted(scale.x(m) for m in moments)
    _, _, without = drawn("fork_tree")
    assert not [p for p in without.iter(f"{SVG}path") if p.get("class") == "break"]
