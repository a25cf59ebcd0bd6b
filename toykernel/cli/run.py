"""`toykernel run`: run a program; its output is the command's, its status too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from toykernel.cli.console import OutputFile, guest_console, host_message, write_all
from toykernel.cli.options import (
    INJECT,
    MACHINE,
    OBSERVE,
    SOURCES,
    OptionalValueCommand,
    apply,
)
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
"""


@click.command(
    cls=OptionalValueCommand,
    epilog=EPILOG,
    context_settings={"allow_interspersed_args": False},
)
@apply((*MACHINE, *SOURCES, *INJECT, *OBSERVE))
@click.argument("program", type=click.Path())
@click.argument("args", nargs=-1)
def command(program: str, args: tuple[str, ...], **values: Any) -> int:
    """Run PROGRAM as the first child of init, with ARGS as its arguments.

    Options come before PROGRAM; what follows it is the program's.
    """
    from toykernel.harness import runner

    def run(session: Session) -> Result:
        return runner.run(session, max_cycles=values["max_cycles"])

    return observed(program, args, values, run)


def observed(
    program: str,
    args: tuple[str, ...],
    values: Mapping[str, Any],
    run: Callable[[Session], Result],
    console: Callable[[int, bytes], None] = guest_console,
    *,
    terminal: bool = True,
) -> int:
    """Run a program with the observers of the options; the command's exit status.

    `terminal` and `console` as make_session has them. Raises click.BadParameter and HostError.
    """
    with ExitStack() as files:
        report_file = open_output(files, "--report", values["report"])
        strace_file = open_output(files, "--strace", values["strace"] or None)
        cow_file = open_output(files, "--cow", values["cow"] or None)
        trace = values["trace"]
        trace_file = open_output(files, "--trace", trace[1] if trace else None)
        timeline_file = open_output(files, "--timeline", values["timeline"])
        tree_file = open_output(files, "--process-tree", values["process_tree"])
        input_file = open_output(files, "--record-input", values["record_input"])
        from toykernel.cli.attach import attach
        from toykernel.cli.load import load

        session = load(program, args, values, console, terminal=terminal)
        if session is None:
            return EXIT_MISUSE
        if input_file is not None:
            from toykernel.cli.input import recording

            host = session.kernel.host
            host.console_read = recording(host.console_read, writer(input_file))
        from toykernel.harness import runner

        if values["strace"] is not None:
            files.callback(add_strace(session.kernel, strace_file))
        if values["cow"] is not None:
            add_cow(session, cow_file)
        if trace is not None:
            from toykernel.observe.sched_trace import SchedTrace

            SchedTrace(session.kernel, writer(trace_file))
        if timeline_file is not None:
            from toykernel.observe.timeline import Timeline

            timeline = Timeline(session.kernel)
            files.callback(lambda: writer(timeline_file)(timeline.finish().encode()))
        if tree_file is not None:
            from toykernel.observe.process_tree import ProcessTree

            tree = ProcessTree(session.kernel)
            files.callback(lambda: writer(tree_file)(tree.svg().encode()))
        injector = attach(session.kernel, values)
        try:
            result = run(session)
        except KeyboardInterrupt:
            result = runner.interrupted(session)
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
        if report_file is not None or values["summary"]:
            from toykernel.harness.report import make_report, report_json, summary

            report = make_report(session, result)
            if report_file is not None:
                try:
                    report_file.write(report_json(report).encode())
                except OSError as error:
                    host_message(f"cannot write the report {values['report']}: {error.strerror}")
                    return EXIT_MISUSE
            if values["summary"]:
                click.echo(summary(report, result.killed), err=True)
        return result.status


def say_killed(killed: Sequence[str]) -> None:
    """A line for each process that a signal ended, but not hundreds."""
    for text in killed[:MANY]:
        host_message(text)
    if len(killed) > MANY:
        host_message(f"{len(killed) - MANY} more were killed by signals; --summary lists all")


def open_output(files: ExitStack, option: str, path: str | None) -> OutputFile | None:
    """The file of an option, open for writing; None without one. Raises click.BadParameter."""
    if path is None:
        return None
    try:
        output = OutputFile(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise click.BadParameter(f"cannot write {path}: {reason}", param_hint=option) from None
    files.callback(output.close)
    return output


def add_strace(k: Kernel, output: OutputFile | None) -> Callable[[], None]:
    """Trace to a file, or to standard error; what to call when the run is over."""
    from toykernel.observe.strace import Strace

    return Strace(k, writer(output), every_line_has_pid=output is not None).close


def add_cow(session: Session, output: OutputFile | None) -> None:
    """The COW journal, to a file or to standard error, event by event."""
    write = writer(output)

    def emit(event: CowEvent) -> None:
        write(f"{event}\n".encode(errors="surrogateescape"))

    session.cow_journal.emit = emit


def writer(output: OutputFile | None) -> Callable[[bytes], None]:
    """How a tracer writes: to a file, or to standard error."""

    def to_file(data: bytes) -> None:
        assert output is not None
        try:
            output.write(data)
        except OSError as error:
            raise HostError(EXIT_MISUSE, f"cannot write {output.path}: {error.strerror}") from None

    def to_stderr(data: bytes) -> None:
        write_all(2, data)

    return to_stderr if output is None else to_file
