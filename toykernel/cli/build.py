"""`toykernel build`: assemble a program to an ELF file that Linux runs too."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from toykernel.cli.console import host_message
from toykernel.cli.options import INPUTS, SOURCES, apply, recipe
from toykernel.harness.exit_status import EXIT_MISUSE


def address_of_section(text: str) -> int:
    """An address in C's notation, 32 bits."""
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise click.BadParameter(f"{text!r} is not a 32-bit address")
    return value


@click.command()
@apply(SOURCES)
@click.argument("inputs", type=click.Path(), nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, metavar="FILE", help="Where to write it, mode 0755.")
@click.option(
    "-e", "--entry", default="", metavar="SYMBOL", help="Where the program begins (_start)."
)
@click.option(
    "-L",
    "folders",
    type=click.Path(),
    multiple=True,
    metavar="DIR",
    help="Where -l looks. Repeatable.",
)
@click.option("-l", "libraries", multiple=True, metavar="NAME", help="Link libNAME.a. Repeatable.")
@click.option(
    "--text", "text_at", type=address_of_section, metavar="ADDRESS", help="Where .text lies."
)
@click.option("--map", "map_file", metavar="FILE", help="Write there what lies where.")
def command(
    inputs: tuple[str, ...],
    output: str,
    entry: str,
    folders: tuple[str, ...],
    libraries: tuple[str, ...],
    text_at: int | None,
    map_file: str | None,
    **values: Any,
) -> int:
    """Assemble, compile and link to a static i386 ELF executable with symbols and line numbers.

    INPUT is assembly source (.S, .s), C (.c), a 32-bit object file (.o) or an archive (.a), linked in that
    order.
    The same file runs here and on Linux. A single executable is checked and copied.
    """
    from toykernel.cli.load import build_program

    sources = (*inputs, *values["with_files"])
    if len(sources) == 1 and not sources[0].endswith(INPUTS):
        sources = ()  # an executable may be checked in its place
    written = [name for name in (output, map_file) if name]
    for name in written:
        if any(same_file(source, name) for source in sources):
            raise click.BadParameter(f"{name} is the source itself; name another file")
    if len(written) == 2 and (written[0] == written[1] or same_file(*written)):
        raise click.BadParameter(f"{output} cannot be the program and its map", param_hint="--map")
    found = [library(name, folders) for name in libraries]
    made_of = replace(
        recipe(values, (*inputs[1:], *found)),
        entry=entry,
        origin={} if text_at is None else {".text": text_at},
    )
    built = build_program(inputs[0], made_of, with_map=bool(map_file))
    if built is None:
        return EXIT_MISUSE
    try:
        if map_file:
            Path(map_file).write_text(built.map)
        write_executable(Path(output), built.elf)
    except (OSError, ValueError) as error:
        host_message(f"cannot write {output}: {getattr(error, 'strerror', None) or error}")
        return EXIT_MISUSE
    return 0


def library(name: str, folders: tuple[str, ...]) -> str:
    """The archive that -l means. Raises click.BadParameter."""
    for folder in folders:
        path = Path(folder) / f"lib{name}.a"
        if path.is_file():
            return str(path)
    where = ", ".join(folders) or "no folder: name one with -L"
    raise click.BadParameter(f"there is no lib{name}.a in {where}", param_hint="-l")


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
