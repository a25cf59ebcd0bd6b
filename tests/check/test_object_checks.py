"""Each invariant of kernel objects notices what it is for: all objects at once, one thing broken by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from test_kernel_objects import boot, finish, program, to_the_middle

from toykernel.check.invariants import CHECKS, check_all
from toykernel.check.objects import OBJECT_CHECKS
from toykernel.check.whole import Whole
from toykernel.fs.eventpoll import EventPoll
from toykernel.fs.mount import all_mounts
from toykernel.fs.timerfd import TimerfdCtx
from toykernel.harness.session import Session
from toykernel.kernel.futex import FutexQ
from toykernel.kernel.pid import Pid, pid_task
from toykernel.kernel.timer import hrtimer_start
from toykernel.kernel.wait import wake_sleeper
from toykernel.look.open_files import open_files, sockets
from toykernel.state import Kernel
from toykernel.task import EXIT_ZOMBIE

__all__ = ["program"]
Object = TypeVar("Object")


def opened(k: Kernel, kind: type[Object]) -> Object:
    """What an open file of this kind stands for."""
    return next(file.private for file in open_files(k) if isinstance(file.private, kind))


def locks(k: Kernel) -> Any:
    return next(file.inode.i_flctx for file in open_files(k) if file.inode.i_flctx is not None)


def tracer_forgets(k: Kernel) -> None:
    next(task for task in k.processes.tasks if task.ptraced).ptraced.clear()


def traced_forgets(k: Kernel) -> None:
    next(task for task in k.processes.tasks if task.ptraced).ptraced[0].ptrace = 0


def watch_of_a_closed_file(k: Kernel) -> None:
    opened(k, EventPoll).items[0].file.f_ep.clear()


def ready_without_a_watch(k: Kernel) -> None:
    ep = next(
        f.private for f in open_files(k) if isinstance(f.private, EventPoll) and f.private.rdllist
    )
    item = next(iter(ep.rdllist))
    ep.items.remove(item)
    item.file.f_ep.remove(item)


def timer_of_a_closed_timerfd(k: Kernel) -> None:
    ctx = opened(k, TimerfdCtx)
    hrtimer_start(k, 1 << 62, ctx.timer.function, replace(ctx))


def timer_of_a_dead_task(k: Kernel) -> None:
    hrtimer_start(k, 1 << 62, wake_sleeper, k.current.dup(0, 0))


def lock_of_nobody(k: Kernel) -> None:
    context = locks(k)
    context.posix[0] = replace(context.posix[0], owner=replace(context.posix[0].owner))


def locks_that_conflict(k: Kernel) -> None:
    context = locks(k)
    others = [task.files for task in k.processes.tasks if task.files is not context.posix[0].owner]
    context.posix.append(replace(context.posix[0], owner=others[-1]))


def number_held_too_often(k: Kernel) -> None:
    opened(k, Pid).count += 1


def number_let_go(k: Kernel) -> None:
    task = pid_task(k, opened(k, Pid))
    assert task is not None
    task.pid_struct.count -= 1


def mount_elsewhere(k: Kernel) -> None:
    list(all_mounts(k.files.fs.root.mnt))[-1].parent = None


def closed_socket_in_the_table(k: Kernel) -> None:
    sockets(k)[0].dead = True


def lost_connection(k: Kernel) -> None:
    listening = next(sock for sock in sockets(k) if sock.pending)
    listening.pending[0] = replace(listening.pending[0])


def woken_but_queued(k: Kernel) -> None:
    k.processes.futexes.append(FutexQ(k.current, None, 0, 0))


def dead_but_queued(k: Kernel) -> None:
    dead = k.current.dup(0, 0)
    dead.exit_state = EXIT_ZOMBIE
    k.processes.futexes.append(FutexQ(dead, ("", 0, 0), 0, 0))


BREACHES: list[tuple[Callable[[Kernel], None], str]] = [
    (tracer_forgets, "traces_go_both_ways"),
    (traced_forgets, "traces_go_both_ways"),
    (watch_of_a_closed_file, "watches_go_both_ways"),
    (ready_without_a_watch, "watches_go_both_ways"),
    (timer_of_a_closed_timerfd, "timers_belong_to_the_living"),
    (timer_of_a_dead_task, "timers_belong_to_the_living"),
    (lock_of_nobody, "locks_belong_to_the_living"),
    (locks_that_conflict, "locks_belong_to_the_living"),
    (number_held_too_often, "numbers_are_held"),
    (number_let_go, "numbers_are_held"),
    (mount_elsewhere, "mounts_hang_together"),
    (closed_socket_in_the_table, "sockets_know_each_other"),
    (lost_connection, "sockets_know_each_other"),
    (woken_but_queued, "sleepers_sleep_on_words"),
    (dead_but_queued, "sleepers_sleep_on_words"),
]


@pytest.fixture(scope="module")
def middle(program: Path) -> tuple[Session, Any]:
    """All objects are there."""
    assert shutil.which("gcc")
    session = boot(program, "everything")
    to_the_middle(session)
    check_all(session.kernel)
    return session, session.snapshot()


@pytest.mark.parametrize(("damage", "name"), BREACHES, ids=lambda one: getattr(one, "__name__", ""))
def test_it_is_noticed(
    damage: Callable[[Kernel], None], name: str, middle: tuple[Session, Any]
) -> None:
    session, moment = middle
    session.restore(moment)
    k = session.kernel
    damage(k)
    assert name in [check.__name__ for check in CHECKS if list(check(Whole(k)))]


def test_every_check_has_a_breach(middle: tuple[Session, Any]) -> None:
    assert {check.__name__ for check in OBJECT_CHECKS} == {name for _, name in BREACHES}
    session, moment = middle
    session.restore(moment)
    finish(session)
    check_all(session.kernel)
