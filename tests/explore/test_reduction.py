"""Where there is no choice because the order cannot matter: the same outcomes as with every choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toykernel.explore.exploration import Explored, Settings, explore
from toykernel.explore.graph import Node
from toykernel.explore.search import Bounds, Search
from toykernel.explore.world import At, World
from toykernel.harness.session import Session
from toykernel.state import Config

PROGRAMS = Path(__file__).parent / "programs"
USERLAND = Path(__file__).parents[2] / "userland"
#: With many states, or several seconds each.
SLOW = ("fork_twice", "fork_between", "increment_three")
HERE = sorted(path for path in PROGRAMS.glob("*.S") if path.stem not in SLOW)
#: With many states.
LARGE = ("fork_twice", "signal_stop")
#: How many times as many steps there are as are run.
AT_LEAST = {"fork_between": 1.4, "peterson": 1.3, "increment_three": 1.2, "pipe_writers": 1.1}
OTHERS = [
    USERLAND / f"{name}.S"
    for name in (
        *("fork_return", "orphan", "pipe_talk", "sem_undo", "signal_child", "signal_wait"),
        *("subreaper", "exit_signal", "wait_errors", "cow_copy_reuse", "shared_memory", "sleep"),
        *("vfork_order", "thread_join", "fork_isolation", "wait_status", "signal_stop"),
    )
]


def explored(program: Path, no_reduction: bool) -> Explored:
    at = At.MEMORY if "--at memory" in program.read_text() else At.SYSCALLS
    free = "--time free" in program.read_text()
    settings = Settings(at=at, free_time=free, no_reduction=no_reduction)
    made = explore(lambda: Session(program, config=Config(scheduler="schedule")), settings)
    assert made.found.complete
    return made


@pytest.mark.parametrize("program", [*HERE, *OTHERS], ids=lambda path: path.stem)
def test_the_outcomes_are_the_same(program: Path) -> None:
    less, everything = explored(program, False), explored(program, True)
    assert less.found.graph.endings() == everything.found.graph.endings()
    assert less.found.graph.transitions <= everything.found.graph.transitions


@pytest.mark.parametrize(
    "program",
    [path for path in [*sorted(PROGRAMS.glob("*.S")), *OTHERS] if path.stem not in LARGE],
    ids=lambda path: path.stem,
)
def test_steps_that_follow_from_others_are_those_that_would_have_been_run(program: Path) -> None:
    text = program.read_text()

    def make() -> Session:
        session = Session(program, config=Config(scheduler="schedule"))
        told = session.kernel.sched.rq.told
        assert told is not None
        told.time_is_free = "--time free" in text
        return session

    at, breaks, found = At.SYSCALLS, frozenset[int](), []
    if "--at memory" in text:
        at, breaks = At.MEMORY, explored_breaks(make)
    for reduce in (True, False):
        search = Search(World(make, None, at, breaks), Bounds(reduce=reduce), lambda found: None)
        found.append(search.run())
    less, everything = found
    assert everything.run == everything.graph.transitions
    assert less.run <= everything.run / AT_LEAST.get(program.stem, 1)
    assert [shown(node) for node in less.graph.in_order().nodes] == [
        shown(node) for node in everything.graph.in_order().nodes
    ]


def explored_breaks(make: Callable[[], Session]) -> frozenset[int]:
    """The instructions whose order can matter."""
    breaks: frozenset[int] = frozenset()
    while True:
        world = World(make, None, At.MEMORY, breaks)
        Search(world, Bounds(), lambda found: None).run()
        assert world.accesses is not None
        if world.accesses.breaks <= breaks:
            return breaks
        breaks |= world.accesses.breaks


def shown(node: Node) -> list[tuple[object, ...]]:
    """All of a state but the instructions at which tasks are interrupted: a way to it has them."""
    return [
        (pid, step.to, step.running, step.choice.of, step.first)
        for pid, step in sorted(node.steps.items())
    ]


def test_a_parent_that_only_waits_is_out_of_the_way() -> None:
    less, everything = (explored(PROGRAMS / "double_wait.S", no) for no in (False, True))
    assert less.found.graph.nodes == []
    assert len(everything.found.graph.nodes) > 1


SPIN = """.include "linux.inc"
.include "process.inc"
.include "signal.inc"
.globl _start
_start:
    {before}
    sys_getpid
    movl %eax, %edi
    sys_fork
    testl %eax, %eax
    jz child
    movl flag, %ebp
    sys_getpid
    movl flag, %ecx
    cmpl %ecx, %ebp
    jne 1f
    sys_exit $0
1:  sys_exit $7
child:
    sys_kill %edi, $SIGUSR1
    sys_exit $0
note:
    movl $1, flag
    ret
.data
flag: .long 0
"""


def test_one_who_handles_signals_can_be_interrupted_in_front_of_any_call(tmp_path: Path) -> None:
    program = tmp_path / "spin.S"
    program.write_text(SPIN.format(before="set_handler $SIGUSR1, $note, $0"))
    less, everything = explored(program, False), explored(program, True)
    assert less.found.graph.endings() == everything.found.graph.endings()
    assert {row.ending.status for row in less.table} == {0, 7}


def test_threads_are_not_quiet(tmp_path: Path) -> None:
    """One that waits for a word by asking for its pid would do so for ever otherwise."""
    program = tmp_path / "spin.S"
    program.write_text(
        f'.include "linux.inc"\n.include "process.inc"\n.include "{PROGRAMS}/threads.inc"\n'
        ".globl _start\n_start:\nthread other, top, tid\n"
        "1: sys_getpid\ncmpl $0, flag\nje 1b\nsys_exit $0\n"
        "other: movl $1, flag\nsys_exit $0\n"
        ".data\nflag: .long 0\ntid: .long 0\n.bss\n.zero 4096\ntop:\n"
    )
    (row,) = explored(program, False).table
    assert row.ending.status == 0
