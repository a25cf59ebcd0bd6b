"""struct seccomp_filter (kernel/seccomp.c): a program that judges system calls; its heirs share it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.fs.operations import POLLHUP
from toykernel.kernel.wait_queue import WaitQueue, wake_up

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.kernel import bpf
    from toykernel.state import Kernel
    from toykernel.task import Task

NOTIFY_INIT, NOTIFY_SENT, NOTIFY_REPLIED = range(3)


@dataclass(eq=False)
class AddFd:
    """struct seccomp_kaddfd: an open file that the listener gives the task that waits. `fd` is the number it
    is to have (None: any that is free), `answer` the one it got or an error, as soon as it is known."""

    file: File
    fd: int | None
    cloexec: bool
    send: bool
    answer: int | None = None
    done: WaitQueue = field(default_factory=lambda: WaitQueue("seccomp addfd"))


@dataclass(eq=False)
class Notification:
    """struct seccomp_knotif: a call that waits for the listener, and what that has said."""

    ident: int
    task: Task
    data: bytes
    state: int = NOTIFY_INIT
    error: int = 0
    val: int = 0
    go_on: bool = False  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
    addfd: list[AddFd] = field(default_factory=list)
    ready: WaitQueue = field(default_factory=lambda: WaitQueue("seccomp notification"))


@dataclass(eq=False)
class Listener:
    """struct notification: the calls that wait, and how many of them nobody has asked for."""

    requests: int = 0
    next_id: int = 1
    notifications: list[Notification] = field(default_factory=list)
    wait: WaitQueue = field(default_factory=lambda: WaitQueue("seccomp listener"))


@dataclass(eq=False)
class SeccompFilter:
    """A program, and those that were added before it. `count`: tasks whose newest it is, and filters that
    were added to it. An open listener keeps the record, but not those before it."""

    slab: int
    program: bpf.Program
    prev: SeccompFilter | None = None
    count: int = 1
    log: bool = False  # SECCOMP_FILTER_FLAG_LOG
    wait_killable: bool = False  # SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
    listener: Listener | None = None

    @property
    def path(self) -> int:
        """Instructions of this filter and all before it, as they are counted."""
        before = self.prev.path + 4 if self.prev is not None else 0
        return len(self.program) + before


def get_seccomp_filter(one: SeccompFilter | None) -> SeccompFilter | None:
    """One more reference to a task's filters; the newest."""
    if one is not None:
        one.count += 1
    return one


def put_seccomp_filter(k: Kernel, one: SeccompFilter | None) -> None:
    """One reference less; the last one frees a filter, unless somebody listens to it, who hears of it
    (POLLHUP), and lets go of the one before."""
    while one is not None:
        one.count -= 1
        if one.count:
            return
        if one.listener is None:
            k.memory.slabs.seccomp.free(k, one.slab)
        else:
            wake_up(k, one.listener.wait, key=POLLHUP)
        before, one.prev = one.prev, None
        one = before
