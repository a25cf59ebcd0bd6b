"""`toykernel gdb`: serve a stock gdb."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from toykernel.cli.console import guest_console, host_message, write_all
from toykernel.cli.core import file_writer
from toykernel.cli.options import (
    INJECT,
    MACHINE,
    OBSERVE,
    SOURCES,
    OptionalValueCommand,
    apply,
)
from toykernel.cli.run import observed
from toykernel.harness.exit_status import EXIT_MISUSE

if TYPE_CHECKING:
    from toykernel.cli.outputs import Output, Outputs
    from toykernel.gdb.target import Launch
    from toykernel.harness.runner import Result
    from toykernel.harness.session import Session

EPILOG = """\b
Example:
  toykernel gdb userland/fork_sample.S        prints the line to type in gdb
  gdb -ex 'target remote | toykernel gdb --stdio userland/fork_sample.S'
\b
Exit status: as that of run; 0 when gdb has killed the program.
"""


def reason(error: OSError) -> str:
    """Of a socket's error, in the system's words."""
    return os.strerror(error.errno) if error.errno else str(error)


@click.command(
    "gdb",
    cls=OptionalValueCommand,
    epilog=EPILOG,
    context_settings={"allow_interspersed_args": False},
)
@apply((*MACHINE, *SOURCES, *INJECT, *OBSERVE))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="TCP port to listen at; 0, and nothing, is a free one.",
)
@click.option(
    "--listen",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen at. Whoever can reach it can read and write what the program can.",
)
@click.option("--stdio", is_flag=True, help="Serve one gdb on standard input and output.")
@click.option(
    "--follow-kernel", is_flag=True, help="Follow threads into the kernel: a trap is no one step."
)
@click.option("--no-history", is_flag=True, help="Keep nothing of the past: no going backwards.")
@click.argument("program", type=click.Path())
@click.argument("args", nargs=-1)
def command(program: str, args: tuple[str, ...], **values: Any) -> int:
    """Run PROGRAM under gdb: `target remote' and `target extended-remote', all processes, backwards.

    The program stands at its first instruction until gdb is there. docs/gdb.md has a tour.
    """
    from toykernel.gdb.packets import Connection
    from toykernel.gdb.server import Server
    from toykernel.gdb.target import Target
    from toykernel.harness.runner import Deaths

    servers: list[Server] = []
    writers: list[Callable[[str, bytes], None]] = []
    heard: list[Deaths] = []  # in the last session

    def console(fd: int, data: bytes) -> None:
        if values["stdio"]:
            if not servers or not servers[0].write_console(fd, data):
                write_all(2, data)
        else:
            guest_console(fd, data)

    def make_target(session: Session) -> Target:
        heard[:] = [Deaths(session)]
        return Target(
            session,
            kernel_side=values["follow_kernel"],
            reverse=not values["no_history"],
            write_file=writers[0],
            max_cycles=values["max_cycles"],
        )

    def make(launch: Launch) -> Session:
        from toykernel.cli.load import make_session

        env = {**dict(values["env"]), **launch.env}
        changed = {**values, "env": tuple((k, v) for k, v in env.items() if k not in launch.unset)}
        chosen = args if launch.args is None else launch.args
        return make_session(program, chosen, changed, console, terminal=not values["stdio"])

    def ready(host: str, port: int) -> None:
        host_message(f"target remote {host}:{port}")

    def serve(session: Session, _moment_file: Output | None) -> Result:
        from toykernel.harness import runner

        server = Server(make, make_target, session, host_message)
        servers.append(server)
        gc.freeze()  # as `toykernel debug`: what is here is not looked through for a step back
        if values["stdio"]:
            server.serve(Connection(0, 1), to_client=True)
            write_all(2, server.unsent())
        else:
            try:
                server.listen(values["listen"], values["port"], ready)
            except OSError as error:
                return runner.Result(EXIT_MISUSE, message=f"cannot listen: {reason(error)}")
        server.target.close()
        session = server.target.session
        limit, now = values["max_cycles"], server.target.k.machine.clock.cycles
        over = server.target.k.outcome is not None or (limit is not None and now >= limit)
        if server.killed or (values["stdio"] and not server.detached and not over):
            done = runner.run_on(session, heard[0]) if session.outcome is not None else None
            return replace(done, status=0, message="") if done is not None else runner.Result(0)
        return runner.run_on(session, heard[0], max_cycles=values["max_cycles"])

    def latest(session: Session) -> Session:
        return servers[0].target.session if servers else session

    def opened(outputs: Outputs) -> None:
        writers.append(file_writer(outputs))

    terminal = not values["stdio"]
    return observed(
        *(program, args, values, serve, console),
        terminal=terminal,
        opened=opened,
        latest=latest,
    )
