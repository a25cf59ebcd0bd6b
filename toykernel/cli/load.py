"""Making a session from a command line, with a message instead of an exception for what is wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from emu.errors import EngineContractError
from toykernel.cli.console import guest_console
from toykernel.cli.input import Descriptor, Recorded
from toykernel.cli.options import guest_files, machine_config, recipe
from toykernel.harness.build import PLAIN, LoadError, Recipe, build, build_linked
from toykernel.harness.session import Session
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
    except (LoadError, SysctlError, EngineContractError) as error:
        raise CannotLoad(f"toykernel: {error}") from None
    except (MemoryError, OSError) as error:
        what = "not enough memory" if memory is None else f"no machine with {memory} bytes of RAM"
        raise CannotLoad(f"toykernel: {what}: {error}") from None


def make_session(
    program: str,
    args: tuple[str, ...],
    values: Mapping[str, Any],
    console: Callable[[int, bytes], None] | None = guest_console,
    *,
    terminal: bool = False,
) -> Session:
    """A session of parsed MACHINE options; without a console it keeps the guest's output. With
    `terminal`, the guest reads the host's standard input when no option names another.

    Raises CannotLoad and click.BadParameter.
    """
    files = guest_files(values)
    made_of = recipe(values)
    with explained(values["memory"]):
        session = Session(
            program,
            args,
            env=dict(values["env"]),
            files=files,
            config=machine_config(values),
            console=console,
            keep_output=console is None,
            recipe=made_of,
            console_read=guest_input(values, terminal),
        )
    _warn(session.program)
    return session


def _warn(program: Program | None) -> None:
    for warning in program.warnings if program is not None else ():
        click.echo(f"warning: {warning}", err=True)


def guest_input(values: Mapping[str, Any], terminal: bool) -> Callable[[int, int], bytes] | None:
    """Where the guest's standard input comes from; None when it has none. Raises click.BadParameter."""
    stdin, recorded = values["stdin"], values["input"]
    if stdin is not None and recorded is not None:
        raise click.BadParameter("--stdin and --input are two sources", param_hint="--input")
    if recorded is not None:
        try:
            return Recorded(Path(recorded).read_bytes())
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
    """The same for a command that ends here: None after saying what is wrong."""
    try:
        return make_session(program, args, values, console, terminal=terminal)
    except CannotLoad as error:
        click.echo(str(error), err=True)
        return None


def build_program(program: str, made_of: Recipe = PLAIN) -> tuple[bytes, Program | None] | None:
    """The ELF image of a program; None after saying what is wrong."""
    try:
        with explained():
            image, assembled = build(Path(program), made_of)
    except CannotLoad as error:
        click.echo(str(error), err=True)
        return None
    _warn(assembled)
    return image, assembled


def link_map(program: str, made_of: Recipe) -> str | None:
    """What the linker put where; None after saying what is wrong."""
    try:
        with explained():
            return build_linked(Path(program), made_of)[1].map
    except CannotLoad as error:
        click.echo(str(error), err=True)
        return None
