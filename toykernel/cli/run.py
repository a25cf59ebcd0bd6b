"""`toykernel run`: run a program; its output is the command's, its status too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from toykernel.cli.console import as_utf8, guest_console, host_message, write_all
from toykernel.cli.core import core_writer
from toykernel.cli.options import (
    INJECT,
    MACHINE,
    OBSERVE,
    SOURCES,
    OptionalValueCommand,
    apply,
)
from toykernel.cli.outputs import Output, Outputs, inputs_of
from toykernel.cli.version import say_slow
from toykernel.errors import HostError
from toykernel.harness.exit_status import EXIT_BUG, EXIT_MISUSE

if TYPE_CHECKING:
    from toykernel.harness.runner import Result
    from toykernel.harness.session import Session
    from toykernel.observe.cow_journal import CowEvent
    from toykernel.state import Kernel

#: So many processes that were killed are told of without --summary.
MANY = 10

EPILOG = """\b
Exit status:
  the program's own, or 128+N when signal N killed it;
  70   kernel oops or broken invariant      75   every task sleeps for ever
  124  cycle limit reached                  125  wrong usage, or a program that does
  130  interrupted                               not assemble or load
  141  nobody reads the output any more
"""


#: Where in FILE@WHERE a run is over.
END = "end"


def save_point(text: str) -> tuple[str, int | None]:
    """A type of option: a file, and the cycle at which its moment is; None: when the run is over.

    Raises BadParameter.
    """
    path, at, cycle = text.rpartition("@")
    if not at or cycle == END:
        return path or text, None
    if not path or not (cycle.isascii() and cycle.isdigit()):
        raise click.BadParameter(
            f"{cycle!r} is not a cycle; a file's name with @ in it is written {text}@{END}"
        )
    return path, int(cycle)


@click.command(
    cls=OptionalValueCommand,
    epilog=EPILOG,
    context_settings={"allow_interspersed_args": False},
)
@apply((*MACHINE, *SOURCES, *INJECT, *OBSERVE))
@click.option(
    "--save",
    type=save_point,
    metavar="FILE[@CYCLE]",
    help="Keep the last moment of the run, or the one at CYCLE, for debug --from.",
)
@click.argument("program", type=click.Path())
@click.argument("args", nargs=-1)
def command(program: str, args: tuple[str, ...], **values: Any) -> int:
    """Run PROGRAM as the first child of init, with ARGS as its arguments; `-` is source from standard input.

    Options come before PROGRAM; what follows it is the program's.
    """
    if values["save"] is not None and values["fail_nth"] is not None:
        raise click.UsageError(
            "--save does not go with --fail-nth: a moment keeps no injected failures"
        )
    from toykernel.harness import runner

    path, at = values["save"] or (None, None)
    if path is not None and values["fail_nth"] is not None:
        raise click.UsageError("--save: what goes on from there would do so without --fail-nth")

    def run(session: Session, moment_file: Output | None) -> Result:
        def keep() -> None:
            if moment_file is not None:
                moment_file.write(moment_of(session))

        pause = None if at is None else (at, keep)
        deaths = runner.Deaths(session)
        try:
            result = runner.run_on(session, deaths, max_cycles=values["max_cycles"], pause=pause)
        except KeyboardInterrupt:
            result = runner.interrupted(session)
        if at is None:
            keep()
        elif moment_file is not None and not moment_file.written:
            over = session.kernel.machine.clock.cycles
            host_message(f"{path} is not written: the run was over at cycle {over}")
        return result

    return observed(program, args, values, run, save=path)


def observed(
    program: str,
    args: tuple[str, ...],
    values: Mapping[str, Any],
    run: Callable[[Session, Output | None], Result],
    console: Callable[[int, bytes], None] = guest_console,
    *,
    terminal: bool = True,
    save: str | None = None,
    opened: Callable[[Outputs], None] = lambda outputs: None,
    latest: Callable[[Session], Session] = lambda session: session,
) -> int:
    """Run a program with the observers of the options; the command's exit status.

    `latest` says which session is reported, where `run` has made others. `run` gets the file of the path
    `save`, too, which it writes; `opened` gets the outputs. `terminal` and `console` as make_session has
    them. Raises click.BadParameter and HostError.
    """
    with Outputs(inputs_of(program, values)) as outputs, ExitStack() as files:
        report_file = outputs.open("--report", values["report"])
        strace_file = outputs.open("--strace", values["strace"] or None, whole=False)
        cow_file = outputs.open("--cow", values["cow"] or None, whole=False)
        trace = values["trace"]
        trace_file = outputs.open("--trace", trace[1] if trace else None, whole=False)
        ftrace_file = outputs.open("--ftrace", values["ftrace"] or None, whole=False)
        timeline_file = outputs.open("--timeline", values["timeline"])
        tree_file = outputs.open("--process-tree", values["process_tree"])
        events_file = outputs.open("--events", values["events"], whole=False)
        opened(outputs)
        core = core_writer(outputs, values["core"]) if values["core"] is not None else None
        moment_file = outputs.open("--save", save)
        input_file = outputs.open("--record-input", values["record_input"], whole=False)
        from toykernel.cli.attach import attach
        from toykernel.cli.load import load, source_files

        session = load(program, args, values, console, terminal=terminal)
        if session is None:
            return EXIT_MISUSE
        outputs.refuse("a source of the program", source_files(session.program))
        if input_file is not None:
            from toykernel.cli.input import recording

            host = session.kernel.host
            host.console_read = recording(host.console_read, input_file.write)
        from toykernel.harness import runner

        if values["strace"] is not None:
            files.callback(add_strace(session.kernel, strace_file))
        if values["cow"] is not None:
            add_cow(session, cow_file)
        if trace is not None:
            from toykernel.observe.trace_events import TraceEvents

            TraceEvents(session.kernel, trace[0], writer(session.kernel, trace_file))
        if values["ftrace"] is not None:
            from toykernel.observe.ftrace import FunctionGraph

            files.callback(FunctionGraph(session.kernel, writer(session.kernel, ftrace_file)).close)
        if timeline_file is not None:
            from toykernel.observe.timeline import Timeline

            timeline = Timeline(session.kernel)
            files.callback(lambda: timeline_file.write(timeline.finish().encode()))
        if tree_file is not None:
            from toykernel.observe.process_tree import ProcessTree

            tree = ProcessTree(session.kernel)
            files.callback(lambda: tree_file.write(as_utf8(tree.svg())))
        if events_file is not None:
            files.callback(add_events(session, events_file))
        if core is not None:
            from toykernel.observe.core_dumps import CoreDumps

            CoreDumps(session.kernel, core)
        injector = attach(session.kernel, values)
        try:
            result = run(session, moment_file)
        except KeyboardInterrupt:
            result = runner.interrupted(session)
        session = latest(session)
        if values["schedule"]:
            from toykernel.explore.schedule_file import refuse_rest

            refuse_rest(session)
        if result.status != EXIT_BUG:  # whose message has it all
            for cycles, text in session.kernel.log:
                host_message(f"[{cycles:>12}] {text}")
        for text in session.kernel.host.trace.messages:
            host_message(text)
        if not values["summary"]:  # which has them
            say_killed(result.killed)
        if result.message:
            host_message(result.message)
        if injector is not None:
            host_message(injector.summary())
        say_slow(session.kernel.machine.cpu.driver.name, session.kernel.machine.clock.instructions)
        if report_file is not None or values["summary"]:
            from toykernel.harness.report import make_report, report_json, summary

            report = make_report(session, result)
            if report_file is not None:
                report_file.write(report_json(report).encode())
            if values["summary"]:
                click.echo(summary(report, result.killed), err=True)
        return result.status


def say_killed(killed: Sequence[str]) -> None:
    """A line for each process that a signal ended, but not hundreds."""
    for text in killed[:MANY]:
        host_message(text)
    if len(killed) > MANY:
        host_message(f"{len(killed) - MANY} more were killed by signals; --summary lists all")


def add_strace(k: Kernel, output: Output | None) -> Callable[[], None]:
    """Trace to a file, or to standard error; what to call when the run is over."""
    from toykernel.observe.strace import Strace

    return Strace(k, writer(k, output), every_line_has_pid=output is not None).close


def add_cow(session: Session, output: Output | None) -> None:
    """The COW journal, to a file or to standard error, event by event."""
    write = writer(session.kernel, output)

    def emit(event: CowEvent) -> None:
        write(f"{event}\n".encode(errors="surrogateescape"))

    session.cow_journal.emit = emit


def add_events(session: Session, output: Output) -> Callable[[], None]:
    """The events with their states to a file, a line of JSON each; what to call when the run is over."""
    from toykernel.show.record import Recorder

    write = writer(session.kernel, output)
    recorder = Recorder(session, lambda text: write(text.encode()))
    session.drive = recorder.run
    return recorder.finish


def moment_of(session: Session) -> bytes:
    """This moment as a file's contents. Raises HostError."""
    from toykernel.history.errors import HistoryError

    try:
        return session.moment()
    except HistoryError as error:
        raise HostError(EXIT_MISUSE, str(error)) from None


def writer(k: Kernel, output: Output | None) -> Callable[[bytes], None]:
    """How a tracer writes, once, whoever goes back: to a file, or to standard error."""
    from toykernel.observe.once import Once

    def to_stderr(data: bytes) -> None:
        write_all(2, data)

    return Once(k, to_stderr if output is None else output.write)
