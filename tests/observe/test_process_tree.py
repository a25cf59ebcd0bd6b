"""The picture of a run's processes: well-formed, and the same facts as the kernel's own records."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from toykernel import Session
from toykernel.kernel.siginfo import signal_name
from toykernel.observe.process_tree import Life, ProcessTree
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
