"""`toykernel build`: assemble a program to an ELF file that Linux runs too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from toykernel.cli import complete
from toykernel.cli.console import as_utf8
from toykernel.cli.option_types import FILE
from toykernel.cli.options import INPUTS, SOURCES, apply, recipe
from toykernel.cli.outputs import Outputs
from toykernel.cli.words import DASH
from toykernel.harness.exit_status import EXIT_MISUSE


def address_of_section(text: str) -> int:
    """A linear address in C's notation, below 2**32. Raises click.BadParameter."""
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
@click.option(
    "-o", "--output", type=FILE, required=True, metavar="FILE", help="Where to write it, mode 0755."
)
@click.option(
    "-e",
    "--entry",
    default="",
    metavar="SYMBOL",
    shell_complete=complete.labels,
    help="Where the program begins (_start).",
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
@click.option("--map", "map_file", type=FILE, metavar="FILE", help="Write there what lies where.")
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
    order. The same file runs here and on Linux. A single executable is checked and copied; `-` is source
    from standard input.
    """
    from toykernel.cli.load import build_program, source_files

    if map_file and inputs[0] == DASH:
        raise click.BadParameter("a program from standard input has no map", param_hint="--map")
    found = [library(name, folders) for name in libraries]
    made_of = replace(
        recipe(values, (*inputs[1:], *found)),
        entry=entry,
        origin={} if text_at is None else {".text": text_at},
    )
    sources = (*inputs, *values["with_files"], *found)
    read = [("the source", source) for source in sources]
    if len(sources) == 1 and not sources[0].endswith(INPUTS):
        read = []  # an executable may be checked in its place
    with Outputs(read) as outputs:
        program_file = outputs.open("--output", output, permissions=0o755)
        map_output = outputs.open("--map", map_file)
        built = build_program(inputs[0], made_of, with_map=bool(map_file))
        if built is None:
            return EXIT_MISUSE
        outputs.refuse("a source of the program", source_files(built.program))
        if map_output is not None:
            map_output.write(as_utf8(built.map))
        if program_file is not None:
            program_file.write(built.elf)
    return 0


def library(name: str, folders: tuple[str, ...]) -> str:
    """The archive that -l means. Raises click.BadParameter."""
    for folder in folders:
        path = Path(folder) / f"lib{name}.a"
        if path.is_file():
            return str(path)
    where = ", ".join(folders) or "no folder: name one with -L"
    raise click.BadParameter(f"there is no lib{name}.a in {where}", param_hint="-l")
