"""Every step of copy_process fails once, for every shape of caller: `make faults` (fork-path D, J).

A point is a step of the ladder (kernel/fork.py) about to begin, or an allocation in one. The program
userland/clone_shapes.S calls clone until it succeeds; each call fails one point later than the one before.
After each failure the kernel's state is compared with what it was when the call began.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from toykernel.check.fail import differences, fingerprint
from toykernel.check.invariants import InvariantError, check_all
from toykernel.check.owners import leaked_frames, leaked_objects
from toykernel.errno import EACCES, ENOMEM, ERESTARTNOINTR, Errno, is_error
from toykernel.errno import name as errno_name
from toykernel.kernel.fork import LADDER, Step
from toykernel.kernel.siginfo import SIGUSR1
from toykernel.kernel.signal import send_signal
from toykernel.session import Session
from toykernel.syscall_table import BY_NAME

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel
    from toykernel.task import Task

PROGRAM = Path(__file__).parents[2] / "userland" / "clone_shapes.S"
LIMIT = 100_000_000  # cycles

SHAPES = {
    "p": "plain process",
    "f": "process with a thread",
    "t": "a new thread",
    "v": "vfork",
    "s": "signal pending",
    "n": "new namespaces",
    "u": "new user namespace",
    "i": "pipe, I/O priority, semaphores, FPU",
    "l": "a user's last process",
}
_CALLS = frozenset(BY_NAME[name].number for name in ("fork", "vfork", "clone"))


@dataclass(frozen=True)
class Fault:
    """One failure: where, what the call answered, what it should have, and what was left behind."""

    step: str
    point: str
    errno: str
    expected: str
    left_behind: tuple[str, ...]

    @property
    def good(self) -> bool:
        """As it must be."""
        return self.errno == self.expected and not self.left_behind


@dataclass
class Sweep:
    """Installed on a kernel: fails the next point at every call that creates a task."""

    kernel: Kernel
    faults: list[Fault] = field(default_factory=list)
    target: int = 1
    finished: bool = False

    def __post_init__(self) -> None:
        k = self.kernel
        self._caller: Task | None = None
        self._points = 0
        self._failed: tuple[str, str, int] | None = None
        self._step = "D3"
        self._before: dict[str, object] = {}
        k.pages.may_fail = self._allocation
        k.fail_step = self._begin_step
        k.security.task_create.append(self._security)
        k.trace.sys_enter.append(self._enter)
        k.trace.sys_exit.append(self._exit)
        k.trace.process_fork.append(self._made)

    def _made(self, parent: Task, _child: Task, _flags: int) -> None:
        """The child is there: what fails from now on does not undo the fork (C3)."""
        if parent is self._caller:
            self._step = "C3"

    def _enter(self, task: Task, number: int, words: list[int]) -> None:
        if number not in _CALLS or task.pid != 2 or self.finished or not self._wanted(words[1]):
            return
        self._caller, self._points, self._failed, self._step = task, 0, None, "D3"
        self._before = fingerprint(self.kernel) | counts(self.kernel)

    def _wanted(self, stack: int) -> bool:
        """Not the thread that a shape starts with."""
        return not stack or stack != self.first_stack

    first_stack = -1

    def _point(self, what: str, errno: int) -> bool:
        if self._caller is None or self._caller is not self.kernel.current:
            return False
        self._points += 1
        if self._points != self.target:
            return False
        self._failed = (self._step, what, errno)
        return True

    def _security(self, _k: Kernel, _flags: int) -> int:
        self._step = "D2"
        refused = self._point("security_task_create", EACCES)
        self._step = "D3"
        return -EACCES if refused else 0

    def _begin_step(self, step: Step) -> None:
        self._step = step.number
        if not self._point(step.build.__name__, step.errno):
            return
        if step.errno == ERESTARTNOINTR:  # not an error to raise, but a signal that comes now
            send_signal(self.kernel, self.kernel.current, SIGUSR1, {"si_code": 0})
        else:
            raise Errno(step.errno)

    def _allocation(self, what: str) -> None:
        if self._point(f"allocation of {what}", ENOMEM):
            raise Errno(ENOMEM)

    def _exit(self, task: Task, number: int, result: int) -> None:
        if self._caller is not task or number not in _CALLS:
            return
        self._caller = None
        if self._failed is None:
            self.finished = True  # there was no such point: the call has succeeded
            return
        step, what, expected = self._failed
        got = errno_name(-result) if is_error(result) else "success"
        if step == "C3":
            self.finished = True
            self.faults.append(Fault(step, what, got, "success", ()))
            return
        after = fingerprint(self.kernel) | counts(self.kernel)
        left = tuple(differences(self._before, after))
        self.faults.append(Fault(step, what, got, errno_name(expected), left))
        self.target += 1


def counts(k: Kernel) -> dict[str, object]:
    """The counts of every shared record, by task."""
    state: dict[str, object] = {}
    for task in k.tasks:
        if task.exit_state:
            continue
        signal, user = task.signal, task.cred.user
        assert task.files is not None
        assert task.fs is not None
        undo, io = task.undo_list, task.io_context
        state[f"counts of pid {task.pid}"] = {
            "usage": task.usage,
            "cred": task.cred.count,
            "user": (user.count, user.processes),
            "signal": (signal.sigcnt, signal.live, signal.nr_threads, len(signal.threads)),
            "sighand": task.sighand.count,
            "files": (task.files.count, {fd: f.count for fd, f in task.files.fd.items()}),
            "fs": task.fs.users,
            "mm": task.mm.mm_users if task.mm is not None else 0,
            "nsproxy": task.nsproxy.count,
            "pid": task.pid_struct.count,
            "group": k.init_pid_ns.pids[signal.pgrp].count,
            "undo list": undo.refcnt if undo is not None else None,
            "io context": io.nr_tasks if io is not None else None,
            "children": [child.pid for child in task.children],
        }
    return state


@dataclass(frozen=True)
class Outcome:
    """What came of one shape. `problems` is empty when all is well."""

    shape: str
    faults: tuple[Fault, ...]
    problems: tuple[str, ...]


def sweep(shape: str, prepare: Callable[[Session], None] | None = None) -> Outcome:
    """One shape: every point in turn, then what is left at the end."""
    session = Session(PROGRAM, [shape])
    k = session.kernel
    injector = Sweep(k)
    assert session.program is not None
    injector.first_stack = session.program.symbols["first_stack_top"].value
    if prepare is not None:
        prepare(session)
    outcome = session.run(LIMIT)
    return Outcome(shape, tuple(injector.faults), tuple(_problems(session, injector, outcome.kind)))


def _problems(session: Session, injector: Sweep, ended: str) -> Iterator[str]:
    k = session.kernel
    if ended != "finished":
        yield f"the run ended with {ended}"
        return
    if k.program_status != 0 or session.stdout != b"there is a child at last\n":
        yield f"the parent did not go on: status {k.program_status}, {session.stdout!r}"
    if not injector.finished:
        yield "no call got through"
    for fault in injector.faults:
        if not fault.good:
            left = "; ".join(each[:80] for each in fault.left_behind) or "nothing left behind"
            yield f"{fault.step} {fault.point}: {fault.errno}, not {fault.expected}: {left}"
    reached = {fault.step for fault in injector.faults}
    for number in dict.fromkeys(["D2", "D3", *(step.number for step in LADDER)]):
        if number not in reached:
            yield f"{number} was not reached"
    try:
        check_all(k)
    except InvariantError as error:
        yield str(error)
    if leaked_frames(k):
        yield f"{leaked_frames(k)} frames leaked"
    for cache in k.caches():
        if leaked_objects(k, cache):
            yield f"{leaked_objects(k, cache)} objects of {cache.name} leaked"


def table(outcomes: list[Outcome]) -> str:
    """Lines of the table that `make faults` prints."""
    lines = [f"{'caller':36} {'injections':>10} {'leaks':>6}  answers"]
    for outcome in outcomes:
        tally = Counter(fault.errno for fault in outcome.faults)
        answers = ", ".join(f"{name} {n}" for name, n in sorted(tally.items()))
        leaks = sum(bool(fault.left_behind) for fault in outcome.faults)
        lines.append(f"{SHAPES[outcome.shape]:36} {len(outcome.faults):10} {leaks:6}  {answers}")
    lines += ["", f"{'step':6}" + "".join(f"{shape:>6}" for shape in SHAPES)]
    for number in dict.fromkeys(["D2", "D3", *(step.number for step in LADDER), "C3"]):
        row = (sum(f.step == number for f in outcome.faults) for outcome in outcomes)
        lines.append(f"{number:6}" + "".join(f"{count:6}" for count in row))
    return "\n".join(lines)


def main() -> int:
    """Sweep every shape and print the table; 1 when something was left behind."""
    outcomes = []
    for shape in SHAPES:
        outcomes.append(sweep(shape))
        if sys.stderr.isatty():
            print(f"{SHAPES[shape]}: {len(outcomes[-1].faults)} injections", file=sys.stderr)
    print(table(outcomes))
    problems = [f"{SHAPES[o.shape]}: {problem}" for o in outcomes for problem in o.problems]
    for problem in problems:
        print(problem)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
