"""`--core FILE|DIR`: where core files go."""

from __future__ import annotations

import os
from collections.abc import Callable

import click

from toykernel.cli.console import host_message
from toykernel.cli.outputs import Outputs
from toykernel.errors import HostError


def core_writer(outputs: Outputs, path: str) -> Callable[[int, bytes], None]:
    """What takes the core file of a pid. The first goes to FILE; into a directory go all, as core.PID.

    Raises click.BadParameter for a FILE that cannot be written.
    """
    if os.path.isdir(path):
        return _into(outputs, path)
    output = outputs.open("--core", path)
    assert output is not None
    written: list[int] = []

    def write(pid: int, data: bytes) -> None:
        if written:
            host_message(
                f"pid {pid} has dumped core, too; {path} has that of pid {written[0]} "
                "(give --core a directory for all)"
            )
            return
        written.append(pid)
        _try(lambda: output.write(data))

    return write


def file_writer(outputs: Outputs) -> Callable[[str, bytes], None]:
    """What a debugger's commands write whole files with. It raises DebugError."""
    from toykernel.debug.errors import DebugError

    def write(path: str, data: bytes) -> None:
        try:
            outputs.write_now("the command", path, data)
        except (click.BadParameter, HostError) as error:
            raise DebugError(error.message) from None

    return write


def _into(outputs: Outputs, folder: str) -> Callable[[int, bytes], None]:
    def write(pid: int, data: bytes) -> None:
        def one() -> None:
            outputs.write_now("--core", os.path.join(folder, f"core.{pid}"), data)

        _try(one)

    return write


def _try(action: Callable[[], None]) -> None:
    try:
        action()
    except click.BadParameter as error:
        host_message(error.message)
    except HostError as error:
        host_message(error.message)
