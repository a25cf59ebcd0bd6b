"""The places where a system call can be made to fail, one by one: for `--fail-nth` and `make faults`.

In every call that is each allocation. In fork, vfork and clone it is also each numbered step of copy_process
(fork-path D), which fails with its own error just before it begins: the security hook by a refusal, D17 by a
signal that comes at this moment, the others by their error number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import TIF_SIGPENDING
from toykernel.arch.x86.thread_info import set_ti_flag
from toykernel.errno import EACCES, EAGAIN, EINVAL, ENOMEM, ERESTARTNOINTR, Errno
from toykernel.kernel.siginfo import SIGUSR1
from toykernel.kernel.signal import action_of, send_signal
from toykernel.kernel.signal_types import SIG_IGN
from toykernel.syscall_table import BY_NAME

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

FORKS = frozenset(BY_NAME[name].number for name in ("fork", "vfork", "clone", "clone3"))
#: Behind the last step: the child exists, and what fails does not undo the fork.
MADE = "C3"
#: What Linux answers when a step fails. Nothing fails in D18 and D19, and no error undoes what is made.
_EXPECTED = {
    "D1": "EINVAL",
    "D2": "EACCES",
    "D4": "EAGAIN",
    "D6": "EAGAIN",
    "D17": "ERESTARTNOINTR",
    **dict.fromkeys(("D18", "D19", MADE), "success"),
}
#: What a step is made to fail with, ENOMEM where it is not named; 0: it cannot be made to fail.
FAILS_WITH = {"D1": EINVAL, "D4": EAGAIN, "D6": EAGAIN, "D17": ERESTARTNOINTR, "D18": 0}


def expected_error(step: str) -> str:
    """The error that Linux has for a failure in a step, by name;
    ENOMEM for allocations in every other one.
    """
    return _EXPECTED.get(step, "ENOMEM")


@dataclass(frozen=True)
class Point:
    """One place: the step of copy_process ("" in any other call), what is about to happen, its error."""

    step: str
    what: str
    errno: int
    allocation: bool

    def __str__(self) -> str:
        what = f"allocation of {self.what}" if self.allocation and self.step else self.what
        return f"{self.step} {what}".lstrip()


class FaultPoints:
    """Counts the points of one call of one task, and lets one of them fail."""

    def __init__(self, k: Kernel) -> None:
        self._k = k
        self.caller: Task | None = None  # whose call is being watched
        self.passed = 0  # how many have been reached in it
        self.failed: Point | None = None
        self._target = 0
        self._step = ""
        k.host.may_fail = self._allocation
        k.host.fail_step = self._begin_step
        k.host.security.task_create.append(self._security)
        k.host.trace.process_fork.append(self._made)

    def begin(self, caller: Task, number: int, target: int) -> None:
        """A call begins: its `target`-th point, counted from 1, is to fail."""
        self.caller, self._target = caller, target
        self.passed, self.failed = 0, None
        self._step = "D1" if number in FORKS else ""

    def end(self) -> None:
        """The call is over: nothing counts or fails until the next `begin`."""
        self.caller = None

    @property
    def _watching(self) -> bool:
        return self.caller is not None and self.caller is self._k.current

    def _reach(self, what: str, errno: int, *, allocation: bool = False) -> bool:
        self.passed += 1
        if self.passed != self._target:
            return False
        self.failed = Point(self._step, what, errno, allocation)
        return True

    def _allocation(self, what: str) -> None:
        if self._watching and self._reach(what, ENOMEM, allocation=True):
            raise Errno(ENOMEM)

    def _security(self, _k: Kernel, _flags: int) -> int:
        if not self._watching:
            return 0
        self._step = "D2"
        refused = self._reach("security_task_create", EACCES)
        self._step = "D3"
        return -EACCES if refused else 0

    def _begin_step(self, number: str, what: str) -> None:
        if not self._watching:
            return
        self._step = number
        errno = FAILS_WITH.get(number, ENOMEM)
        if not errno or not self._reach(what, errno):
            return
        if errno != ERESTARTNOINTR:
            raise Errno(errno)
        self._signal_comes()

    def _signal_comes(self) -> None:
        """A real one when the caller handles it; else a wake-up that finds no signal, as after a race."""
        k, task = self._k, self._k.current
        if action_of(task, SIGUSR1).handler > SIG_IGN:
            send_signal(k, task, SIGUSR1, {"si_code": 0})
            return
        set_ti_flag(k.machine.ram, task.stack, TIF_SIGPENDING)
        raise Errno(ERESTARTNOINTR)

    def _made(self, parent: Task, _child: Task, _flags: int) -> None:
        if parent is self.caller:
            self._step = MADE
