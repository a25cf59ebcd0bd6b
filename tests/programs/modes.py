"""One program, many ways of running it: each must give the same to the last bit."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toykernel.check.invariants import check_all
from toykernel.cli.attach import attach
from toykernel.cli.guest_files import guest_files
from toykernel.cli.judge import parse_options
from toykernel.cli.options import machine_config
from toykernel.harness.expectations import Expectations, parse_header
from toykernel.harness.report import make_report
from toykernel.harness.runner import EXIT_DEADLOCK, EXIT_LIMIT, Result
from toykernel.harness.session import Session
from toykernel.observe.process_tree import ProcessTree
from toykernel.observe.sched_trace import SchedTrace
from toykernel.observe.strace import Strace
from toykernel.observe.task_tree import task_fields, task_tree, tree_text
from toykernel.observe.timeline import Timeline
from toykernel.state import Outcome, OutcomeKind
from toykernel.statehash import state_hash, state_parts
from toykernel.task import Task

#: Programs of up to so many instructions are stepped from end to end, the others at both ends.
STEPS = 100_000
#: How often a watched program is stopped to be looked at.
LOOKS = 40


@dataclass(frozen=True)
class Run:
    """What a run leaves behind."""

    kind: str
    stdout: bytes
    stderr: bytes
    status: int
    signal: int | None
    report: dict[str, Any]
    hash: str
    session: Session

    @property
    def outside(self) -> tuple[object, ...]:
        """What a user sees of it."""
        return (self.kind, self.stdout, self.stderr, self.status, self.signal)

    @property
    def instructions(self) -> int:
        """Instructions from power-on to the end."""
        return int(self.report["instructions"])

    def parts(self) -> dict[str, str]:
        """The state in pieces, to say what differs."""
        return dict(state_parts(self.session.kernel))


def header(source: Path) -> Expectations:
    """What a program promises."""
    return parse_header(source.read_text(), str(source))


def finish(session: Session, outcome: Outcome) -> Run:
    """Collect."""
    k = session.kernel
    code = session.stats.program_status
    signal = None if code is None or not code & 0x7F else code & 0x7F
    if outcome.kind == OutcomeKind.LIMIT:
        result = Result(EXIT_LIMIT)
    elif outcome.kind == OutcomeKind.DEADLOCK:
        result = Result(EXIT_DEADLOCK)
    else:
        assert code is not None, outcome
        exit_status = None if signal else code >> 8
        result = Result(128 + signal if signal else code >> 8, exit_status, signal)
    report = make_report(session, result)
    del report["timing"]["driver"]  # which must make no difference
    return Run(
        outcome.kind,
        session.stdout,
        session.stderr,
        result.status,
        signal,
        report,
        state_hash(k),
        session,
    )


def new_session(source: Path, *, native: bool = True) -> tuple[Session, int | None]:
    """A machine with the program, as its header's options ask, and its cycle limit."""
    wanted = header(source)
    values = parse_options(wanted)
    session = Session(
        source,
        wanted.args,
        env=dict(values["env"]),
        files=guest_files(values),
        config=replace(machine_config(values), native=native),
    )
    attach(session.kernel, values)
    return session, values["max_cycles"]


def plain(source: Path, prepare: Callable[[Session], None] | None = None) -> Run:
    """From start to end in one go; `prepare` may attach listeners."""
    session, limit = new_session(source)
    if prepare is not None:
        prepare(session)
    return finish(session, session.run(limit))


def python_driver(source: Path) -> Run:
    """The hooks' reference model in place of the compiled ones."""
    session, limit = new_session(source, native=False)
    assert session.kernel.machine.cpu.driver.name == "python"
    return finish(session, session.run(limit))


def sliced(source: Path, slice_: int) -> Run:
    """Interrupted every `slice_` cycles, from outside."""
    session, limit = new_session(source)
    until = 0
    while True:
        until += slice_
        if limit is not None:
            until = min(until, limit)
        outcome = session.run(until)
        if outcome.kind != OutcomeKind.LIMIT or until == limit:
            return finish(session, outcome)


def stepped(source: Path, whole: Run) -> Run:
    """Instruction by instruction; a long program only at its start and its end."""
    session, limit = new_session(source)
    clock = session.kernel.machine.clock
    outcome: Outcome | None = None
    both_ends = whole.instructions > STEPS
    while outcome is None and not (both_ends and clock.instructions >= STEPS // 2):
        if limit is not None and clock.cycles >= limit:
            return finish(session, Outcome(OutcomeKind.LIMIT))
        outcome = session.step()
    if both_ends:
        session.run(whole.report["cycles"] - STEPS // 2)
        while outcome is None:
            if limit is not None and clock.cycles >= limit:
                return finish(session, Outcome(OutcomeKind.LIMIT))
            outcome = session.step()
    assert outcome is not None
    return finish(session, outcome)


def listen_everywhere(session: Session) -> dict[str, int]:
    """Put a listener on every tracepoint; how often each was called."""
    trace = session.kernel.host.trace
    heard: dict[str, int] = {}

    def listener(name: str) -> Callable[..., None]:
        heard[name] = 0

        def count(*args: object) -> None:
            heard[name] += 1
            repr(args)

        return count

    for tracepoint in trace:
        tracepoint.append(listener(tracepoint.name))
    return heard


def watched(source: Path) -> Run:
    """With every tracer that there is, and stopped at its first forks, faults and calls to be looked at."""
    session, limit = new_session(source)
    k = session.kernel
    lines: list[bytes] = []
    strace = Strace(k, lines.append, every_line_has_pid=True)
    SchedTrace(k, lines.append)
    timeline, tree, journal = Timeline(k), ProcessTree(k), session.new_cow_journal()
    stops = [session.break_at(where) for where in ("fork", "cow", "trap 14", "syscall exit")]
    looks = 0
    while (outcome := session.run(limit)).kind == "breakpoint":
        session.report()
        for view in session.tasks:
            task_fields(k, view.task)
            view.walk(0x08049000)
        tree_text(task_tree(k))
        journal.data()
        looks += 1
        if looks == LOOKS:
            for stop in stops:
                session.delete(stop.number)
    strace.close()
    timeline.finish()
    tree.svg()
    assert lines
    return finish(session, outcome)


def check_after_traps(session: Session) -> None:
    """Check every invariant after each trap; in a long run, from then on after some of them."""
    k = session.kernel
    traps = 0

    def check(_task: Task) -> None:
        nonlocal traps
        traps += 1
        if traps < 600 or traps % 101 == 0:
            check_all(k)

    k.host.trace.to_user.append(check)
