"""`toykernel build`: assemble a program to an ELF file that Linux runs too."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import click

from toykernel.cli.console import host_message
from toykernel.harness.exit_status import EXIT_MISUSE

#: How the names of assembly sources end.
SOURCES = (".S", ".s", ".asm")


@click.command()
@click.argument("program", type=click.Path())
@click.option("-o", "--output", required=True, metavar="FILE", help="Where to write it, mode 0755.")
def command(program: str, output: str) -> int:
    """Assemble PROGRAM to a static i386 ELF executable with symbols and line numbers.

    The same file runs here and on Linux. An ELF file is checked and copied.
    """
    from toykernel.cli.load import build_program

    if program.endswith(SOURCES) and same_file(program, output):
        raise click.BadParameter(
            f"{output} is the source itself; name another file", param_hint="--output"
        )
    built = build_program(program)
    if built is None:
        return EXIT_MISUSE
    try:
        write_executable(Path(output), built[0])
    except (OSError, ValueError) as error:
        host_message(f"cannot write {output}: {getattr(error, 'strerror', None) or error}")
        return EXIT_MISUSE
    return 0


def same_file(one: str, other: str) -> bool:
    """Whether two paths lead to one file that is there."""
    with suppress(OSError, ValueError):
        return os.path.samefile(one, other)
    return False


def write_executable(path: Path, data: bytes) -> None:
    """Mode 0755; a file that was there stays as it is until the new one is complete."""
    if path.exists() and not path.is_file():
        path.write_bytes(data)  # a pipe or a device: raises for a directory
        return
    path = path.resolve()
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o755)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
