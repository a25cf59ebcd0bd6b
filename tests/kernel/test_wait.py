"""Wait records: who is woken, in which order, what a sleeper holds, and how it leaves."""

from typing import Any

import pytest
from guest import boot, run_to

from toykernel.errno import EINTR, Errno
from toykernel.fs.file import File, get_empty_filp
from toykernel.fs.operations import FileOperations
from toykernel.kernel.sched.core import deactivate_task
from toykernel.kernel.timekeeping import ktime_get
from toykernel.kernel.timer import run_hrtimers
from toykernel.kernel.wait import (
    SCHEDULE,
    Wait,
    WaitQueue,
    finish_wait,
    prepare_to_wait,
    wake_up,
)
from toykernel.state import Kernel
from toykernel.task import TASK_INTERRUPTIBLE, TASK_RUNNING, Task

THREE_CHILDREN = """
        movl $3, %esi
1:      movl $2, %eax
        int $0x80
        testl %eax, %eax
        jz child
        decl %esi
        jnz 1b
spin:   jmp spin
child:  movl $29, %eax              # pause
        int $0x80
"""


@pytest.fixture
def k() -> Kernel:
    """The program runs, and has three children."""
    session = boot(THREE_CHILDREN)
    run_to(session, "spin", pid=2)
    return session.kernel


def sleepers(k: Kernel) -> list[Task]:
    """Three tasks that sleep on nothing as yet, in order of pid."""
    tasks = [t for t in k.processes.tasks if t.pid > 2]
    assert [t.pid for t in tasks] == [3, 4, 5]
    for task in tasks:
        deactivate_task(k, task)
        task.state, task.wait = TASK_INTERRUPTIBLE, None
    return tasks


def answer(k: Kernel, *args: Any) -> int:
    return 7


def sleep_on(k: Kernel, task: Task, *queues: WaitQueue, **more: Any) -> Wait:
    wait = Wait(queues, more.pop("resume", answer), more.pop("args", ()), "a test", **more)
    prepare_to_wait(k, task, wait)
    return wait


def woken(tasks: list[Task]) -> list[int]:
    return [t.pid for t in tasks if t.state == TASK_RUNNING]


def test_a_wake_up_wakes_all_but_exclusive_waiters_and_as_many_of_those_as_it_says(
    k: Kernel,
) -> None:
    a, b, c = tasks = sleepers(k)
    queue = WaitQueue("q")
    sleep_on(k, a, queue, exclusive=True)
    sleep_on(k, b, queue, exclusive=True)
    sleep_on(k, c, queue)
    wake_up(k, queue)
    assert woken(tasks) == [3, 5]
    wake_up(k, queue)  # who is awake already does not count
    assert woken(tasks) == [3, 4, 5]


def test_a_wake_up_can_be_for_every_exclusive_waiter(k: Kernel) -> None:
    tasks = sleepers(k)
    queue = WaitQueue("q")
    for task in tasks:
        sleep_on(k, task, queue, exclusive=True)
    wake_up(k, queue, nr_exclusive=2)
    assert woken(tasks) == [3, 4]
    wake_up(k, queue, nr_exclusive=0)
    assert woken(tasks) == [3, 4, 5]


def test_a_task_sleeps_on_several_queues_and_leaves_them_all(k: Kernel) -> None:
    a, b, _ = tasks = sleepers(k)
    first, second = WaitQueue("first"), WaitQueue("second")
    sleep_on(k, a, first, second, first)  # two ends of one pipe have one queue
    sleep_on(k, b, second)
    wake_up(k, first)
    assert woken(tasks) == [3]
    assert finish_wait(k, a) == 7
    assert [len(first.entries), len(second.entries)] == [0, 1]
    wake_up(k, second)
    assert woken(tasks) == [3, 4]


def test_sleepers_can_leave_in_any_order(k: Kernel) -> None:
    a, b, c = tasks = sleepers(k)
    queue = WaitQueue("q")
    for task in tasks:
        sleep_on(k, task, queue)
    finish_wait(k, b)
    assert [entry.task for entry in queue.entries] == [a, c]


def test_a_wake_up_that_says_what_happened_leaves_others_asleep(k: Kernel) -> None:
    a, b, _ = tasks = sleepers(k)
    queue = WaitQueue("q")

    def wants(k: Kernel, task: Task, key: object, wanted: object) -> bool:
        return key == wanted

    sleep_on(k, a, queue, wants=wants, args=("x",), exclusive=True)
    sleep_on(k, b, queue, wants=wants, args=("y",), exclusive=True)
    wake_up(k, queue, key="y")
    assert woken(tasks) == [4]
    wake_up(k, queue)  # one that says nothing is for everybody
    assert woken(tasks) == [3, 4]


# -- the deadline ----------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [False, True])
def test_a_sleeper_learns_whether_its_time_was_up(k: Kernel, late: bool) -> None:
    a, _, _ = tasks = sleepers(k)
    queue, told = WaitQueue("q"), []

    def resume(k: Kernel, *args: Any) -> int:
        told.append(args)
        return 0

    deadline = ktime_get(k) + (0 if late else 10**12)
    before = len(k.time.timers)
    sleep_on(k, a, queue, resume=resume, args=(1, 2), deadline=deadline)
    assert len(k.time.timers) == before + 1
    if late:
        run_hrtimers(k)
    else:
        wake_up(k, queue)
    assert woken(tasks) == [3]
    finish_wait(k, a)
    assert told == [(1, 2, late)]
    assert len(k.time.timers) == before
    assert not queue.entries


# -- what a sleeper holds --------------------------------------------------------------------------


def opened(k: Kernel, closed: list[File]) -> File:
    ops = FileOperations("a test", release=lambda k, file: closed.append(file))
    return get_empty_filp(k, k.files.fs.root.dentry.inode, ops, 0, "test")


def test_a_file_stays_open_until_the_call_that_waits_on_it_has_answered(k: Kernel) -> None:
    task, closed = sleepers(k)[0], []
    file = opened(k, closed)
    seen: list[int] = []

    def resume(k: Kernel, file: File, rounds: int) -> int | Wait:
        seen.append(file.count)
        if rounds:
            return Wait((), resume, (file, rounds - 1), "again", holds=(file,))
        raise Errno(EINTR)

    sleep_on(k, task, resume=resume, args=(file, 1), holds=(file,))
    assert file.count == 2
    file.count -= 1  # somebody closes the descriptor
    assert isinstance(finish_wait(k, task), Wait)
    assert (closed, file.count) == ([], 1)
    assert finish_wait(k, task) == -EINTR
    assert closed == [file]
    assert seen == [1, 1]


def test_who_does_not_return_does_not_sleep(k: Kernel) -> None:
    task = sleepers(k)[0]
    prepare_to_wait(k, task, SCHEDULE)
    assert task.wait is None
