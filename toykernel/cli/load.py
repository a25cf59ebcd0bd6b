"""Making a session from a command line, with a message instead of an exception for what is wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from emu.errors import EngineContractError
from toykernel.cli.console import guest_console
from toykernel.cli.from_stdin import first_input
from toykernel.cli.guest_files import guest_files
from toykernel.cli.input import Descriptor, Recorded, is_terminal
from toykernel.cli.options import machine_config, recipe
from toykernel.cli.words import DASH
from toykernel.harness.build import build
from toykernel.harness.recipe import PLAIN, Built, CompileError, LoadError, Recipe
from toykernel.harness.session import Session
from toykernel.host_files import read_regular
from toykernel.sysctl import SysctlError
from userland.assembler import AssemblyError, Program


class CannotLoad(Exception):
    """The program, or the machine for it, cannot be had; the text says why."""


@contextmanager
def explained(memory: int | None = None) -> Iterator[None]:
    """Turns every way in which loading fails into CannotLoad."""
    try:
        yield
    except AssemblyError as error:
        raise CannotLoad(error.report()) from None
    except CompileError as error:
        raise CannotLoad(str(error)) from None
    except (LoadError, SysctlError, EngineContractError) as error:
        raise CannotLoad(f"toykernel: {error}") from None
    except (MemoryError, OSError) as error:
        what = "not enough memory" if memory is None else f"no machine with {memory} bytes of RAM"
        raise CannotLoad(f"toykernel: {what}: {str(error) or 'not enough memory'}") from None


def make_session(
    program: str,
    args: tuple[str, ...],
    values: Mapping[str, Any],
    console: Callable[[int, bytes], None] | None = guest_console,
    *,
    terminal: bool = False,
) -> Session:
    """A session of parsed MACHINE options; without a console it keeps the guest's output. With
    `terminal`, the guest reads the host's standard input when no option names another. A program
    of `-` is read from standard input, of which nothing is left for the guest then.

    Raises CannotLoad, click.BadParameter, and HostError for a schedule that does not fit.
    """
    files = guest_files(values)
    reader = guest_input(values, terminal and program != DASH)
    path, made_of = first_input(program, recipe(values))
    with explained(values["memory"]):
        session = Session(
            path,
            args,
            env=dict(values["env"]),
            files=files,
            config=replace(machine_config(values), tty=is_terminal(reader)),
            console=console,
            keep_output=console is None,
            recipe=made_of,
            console_read=reader,
        )
    _warn(session.program, session.said)
    if values["schedule"]:
        from toykernel.explore import schedule_file

        schedule_file.follow(session, schedule_file.read(values["schedule"]))
    return session


def _warn(program: Program | None, said: Iterable[str]) -> None:
    for line in said:
        click.echo(line, err=True)
    for warning in program.warnings if program is not None else ():
        click.echo(f"warning: {warning}", err=True)


def guest_input(values: Mapping[str, Any], terminal: bool) -> Callable[[int, int], bytes] | None:
    """Where the guest's standard input comes from; None when it has none. Raises click.BadParameter."""
    stdin, recorded = values["stdin"], values["input"]
    if stdin is not None and recorded is not None:
        raise click.BadParameter("--stdin and --input are two sources", param_hint="--input")
    if recorded is not None:
        try:
            return Recorded(read_regular(recorded))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise click.BadParameter(
                f"cannot read {recorded}: {reason}", param_hint="--input"
            ) from None
    if stdin is not None:
        try:
            return Descriptor(os.open(stdin, os.O_RDONLY | os.O_CLOEXEC), stdin)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise click.BadParameter(
                f"cannot read {stdin}: {reason}", param_hint="--stdin"
            ) from None
    if terminal and sys.stdin is not None:
        return Descriptor(0, "standard input")
    return None


def load(
    program: str,
    args: tuple[str, ...],
    values: Mapping[str, Any],
    console: Callable[[int, bytes], None] | None = guest_console,
    *,
    terminal: bool = False,
) -> Session | None:
    """make_session for a command that ends here: None after saying what is wrong."""
    try:
        return make_session(program, args, values, console, terminal=terminal)
    except CannotLoad as error:
        click.echo(str(error), err=True)
        return None


def source_files(program: Program | None) -> dict[str, None]:
    """The files that a program is assembled from, those that it includes, too, as far as it is done here."""
    if program is None:
        return {}
    return dict.fromkeys([*program.read, *(entry.file for entry in program.lines)])


def build_program(program: str, made_of: Recipe = PLAIN, *, with_map: bool = False) -> Built | None:
    """A program's ELF image, standard input's when it is `-`, and what came with it; None after saying
    what is wrong."""
    try:
        with explained():
            path, made_of = first_input(program, made_of)
            built = build(path, made_of, with_map=with_map)
    except CannotLoad as error:
        click.echo(str(error), err=True)
        return None
    _warn(built.program, built.said)
    return built
