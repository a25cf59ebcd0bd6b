"""Every step of copy_process fails once, for every shape of caller: `make faults` (fork-path D, J).

A point is a step of the ladder (kernel/fork.py) about to begin, or an allocation in one (points.py). The
program userland/clone_shapes.S calls clone until it succeeds; each call fails one point later than the one
before. After each failure the kernel's state is compared with what it was when the call began. The last call
succeeds: D18 and D19 do not fail, but do what they must.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from toykernel.check.fail import differences, fingerprint
from toykernel.check.invariants import InvariantError, check_all
from toykernel.check.points import FORKS, MADE, FaultPoints, expected_error
from toykernel.errno import is_error
from toykernel.errno import name as errno_name
from toykernel.harness.session import Session
from toykernel.kernel.clone_flags import CLONE_NEWPID, CLONE_THREAD
from toykernel.kernel.fork import LADDER
from toykernel.look.frames import leaked_frames, leaked_objects

if TYPE_CHECKING:
    from toykernel.state import Kernel
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
#: Every step, in order; C3 is what comes after copy_process.
STEPS = tuple(dict.fromkeys(["D1", "D2", "D3", *(s.number for s in LADDER), "D18", "D19", MADE]))
#: What can be left behind: a column of the table, and what `fingerprint` and `counts` call it.
LEAKS = {
    "frames": ("free frames",),
    "slab": ("slab ",),
    "pids": ("process numbers in use", "tasks"),
    "counts": ("nr_threads", "total_forks", "counts of "),
    "refs": ("frame references", "reverse map", "mapped objects", "address spaces", "executed files",
             "origins of "),
    "tables": ("page tables of ", "areas of "),
    "fds": ("descriptors of ",),
    "objects": ("",),  # every other: sockets, locks, mounts, timers, signals, ...
}  # fmt: skip
_SIGNAL = "D17"  # the step that fails because a signal has come, which is there afterwards


def leak_column(name: str) -> str:
    """Which column a line of `differences` belongs to."""
    return next(column for column, starts in LEAKS.items() if name.startswith(starts))


@dataclass(frozen=True)
class Fault:
    """One failure: where, what the call answered, what it should have, what was left behind, and whether
    the caller went on and called again. D18 and D19 do not fail: the child must be there."""

    step: str
    point: str
    errno: str
    expected: str
    left_behind: tuple[str, ...]
    continues: bool = False

    @property
    def good(self) -> bool:
        """The right error, nothing left behind, and the parent could go on."""
        return self.errno == self.expected and not self.left_behind and self.continues


@dataclass
class Sweep:
    """Installed on a kernel: fails the next point at every call that creates a task."""

    kernel: Kernel
    faults: list[Fault] = field(default_factory=list)
    target: int = 1
    finished: bool = False

    def __post_init__(self) -> None:
        k = self.kernel
        self._before: dict[str, object] = {}
        self._threads: tuple[int, int, int] = (0, 0, 0)
        k.host.trace.process_fork.append(self._made)  # before FaultPoints: at D19, not yet at C3
        self._points = FaultPoints(k)
        k.host.trace.sys_enter.append(self._enter)
        k.host.trace.sys_exit.append(self._exit)

    def _enter(self, task: Task, number: int, words: list[int]) -> None:
        if number not in FORKS or task.pid != 2 or self.finished or not self._wanted(words[1]):
            return
        self.faults = [replace(fault, continues=True) for fault in self.faults]
        self._points.begin(task, number, self.target)
        self._before = fingerprint(self.kernel) | counts(self.kernel)
        self._threads = _group_counts(task)

    def _wanted(self, stack: int) -> bool:
        """Whether a call counts, by its stack: not that of the thread that a shape starts with."""
        return not stack or stack != self.first_stack

    first_stack = -1

    def _made(self, parent: Task, child: Task, flags: int) -> None:
        """D18, D19: what the child has joined, and what has grown by one."""
        if parent is not self._points.caller:
            return
        for step, wrong in (
            ("D18", _not_joined(self.kernel, parent, child, flags, self._threads)),
            ("D19", _not_counted(self.kernel, self._before)),
        ):
            expected = expected_error(step)
            self.faults.append(Fault(step, f"{step} publish", "success", expected, tuple(wrong)))

    def _exit(self, task: Task, number: int, result: int) -> None:
        points = self._points
        if points.caller is not task or number not in FORKS:
            return
        points.end()
        failed = points.failed
        if failed is None:
            self.finished = True  # there was no such point: the call has succeeded
            return
        got = errno_name(-result) if is_error(result) else "success"
        if failed.step == MADE:
            self.finished = True
            self.faults.append(Fault(MADE, str(failed), got, expected_error(MADE), ()))
            return
        after = fingerprint(self.kernel) | counts(self.kernel)
        if failed.step == _SIGNAL:
            after[f"signals of pid {task.pid}"] = self._before[f"signals of pid {task.pid}"]
        left = tuple(differences(self._before, after))
        expected = expected_error(failed.step)
        self.faults.append(Fault(failed.step, str(failed), got, expected, left))
        self.target += 1


def _group_counts(task: Task) -> tuple[int, int, int]:
    return task.signal.nr_threads, task.signal.live, task.signal.sigcnt


def _not_joined(
    k: Kernel, parent: Task, child: Task, flags: int, before: tuple[int, int, int]
) -> Iterator[str]:
    if child not in k.processes.tasks or child not in child.signal.threads:
        yield "tasks: the child is in no list"
    if flags & CLONE_THREAD:
        if (
            _group_counts(child) != tuple(n + 1 for n in before)
            or child.signal is not parent.signal
        ):
            yield f"counts of the group: {before} became {_group_counts(child)}"
        return
    if child not in parent.children:
        yield "tasks: the child is not among its parent's children"
    ours, theirs = parent.signal, child.signal
    if (ours.pgrp, ours.session, ours.tty) != (theirs.pgrp, theirs.session, theirs.tty):
        yield "counts of process group and session: not the parent's"
    if flags & CLONE_NEWPID and child.pid_struct.ns.child_reaper is not child:
        yield "tasks: the first of a pid namespace is not its reaper"


def _not_counted(k: Kernel, before: dict[str, object]) -> Iterator[str]:
    for name in ("nr_threads", "total_forks"):
        old, new = before[name], getattr(k.processes, name)
        if not isinstance(old, int) or new != old + 1:
            yield f"{name}: {old} became {new}"


def counts(k: Kernel) -> dict[str, object]:
    """The counts of every shared record, and the open files, by task."""
    state: dict[str, object] = {}
    for task in k.processes.tasks:
        if task.exit_state:
            continue
        signal, user = task.signal, task.cred.user
        assert task.files is not None
        assert task.fs is not None
        undo, io = task.undo_list, task.io_context
        state[f"descriptors of pid {task.pid}"] = (
            {fd: file.count for fd, file in task.files.fd.items()},
            sorted(task.files.close_on_exec),
        )
        state[f"counts of pid {task.pid}"] = {
            "usage": task.usage,
            "cred": task.cred.count,
            "user": (user.count, user.processes),
            "signal": (signal.sigcnt, signal.live, signal.nr_threads, len(signal.threads)),
            "sighand": task.sighand.count,
            "files": task.files.count,
            "fs": task.fs.users,
            "mm": task.mm.mm_users if task.mm is not None else 0,
            "nsproxy": task.nsproxy.count,
            "pid": task.pid_struct.count,
            "group": k.processes.init_pid_ns.pids[signal.pgrp].count,
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
    if went_on(session):  # what the last call has made is the end of the sweep
        injector.faults = [replace(fault, continues=True) for fault in injector.faults]
    return Outcome(shape, tuple(injector.faults), tuple(_problems(session, injector, outcome.kind)))


def went_on(session: Session) -> bool:
    """The parent has its child and has said so."""
    said = session.stdout == b"there is a child at last\n"
    return session.stats.program_status == 0 and said


def _problems(session: Session, injector: Sweep, ended: str) -> Iterator[str]:
    k = session.kernel
    if ended != "finished":
        yield f"the run ended with {ended}"
        return
    if not went_on(session):
        yield f"the parent did not go on: status {session.stats.program_status}, {session.stdout!r}"
    if not injector.finished:
        yield "no call got through"
    for fault in injector.faults:
        if not fault.good:
            left = "; ".join(each[:80] for each in fault.left_behind) or "nothing left behind"
            goes = "" if fault.continues else "; the parent did not go on"
            yield f"{fault.point}: {fault.errno}, expected {fault.expected}: {left}{goes}"
    reached = {fault.step for fault in injector.faults}
    for number in STEPS:
        if number not in reached and number != MADE:  # not every caller asks for more than a child
            yield f"{number} was not reached"
    try:
        check_all(k)
    except InvariantError as error:
        yield str(error)
    if leaked_frames(k):
        yield f"{leaked_frames(k)} frames leaked"
    for name, lost in leaked_objects(k).items():
        yield f"{lost} objects of {name} leaked"


def table(outcomes: list[Outcome]) -> str:
    """Lines of the tables that `make faults` prints: by caller, and by step."""
    lines = [f"{'caller':36} {'injections':>10} {'leaks':>6}  answers"]
    for outcome in outcomes:
        tally = Counter(fault.errno for fault in outcome.faults)
        answers = ", ".join(f"{name} {n}" for name, n in sorted(tally.items()))
        leaks = sum(bool(fault.left_behind) for fault in outcome.faults)
        lines.append(f"{SHAPES[outcome.shape]:36} {len(outcome.faults):10} {leaks:6}  {answers}")
    every = [fault for outcome in outcomes for fault in outcome.faults]
    columns = "".join(f"{column:>8}" for column in LEAKS)
    lines += ["", f"{'step':5} {'expected':17} {'answer':17} {'faults':>6}{columns}  continues"]
    for step in STEPS:
        kinds: dict[tuple[str, str], list[Fault]] = {}
        for fault in every:
            if fault.step == step:
                kinds.setdefault((fault.expected, fault.errno), []).append(fault)
        if not kinds:
            lines.append(f"{step:5} not reached")
        for (expected, answer), faults in kinds.items():
            left = Counter(leak_column(name) for f in faults for name in f.left_behind)
            cells = "".join(f"{left[column]:8}" for column in LEAKS)
            goes = "yes" if all(f.continues for f in faults) else "NO"
            lines.append(f"{step:5} {expected:17} {answer:17} {len(faults):6}{cells}  {goes}")
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
