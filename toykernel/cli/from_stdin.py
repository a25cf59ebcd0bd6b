"""What PROGRAM is made of: a file, with what its header names; `-`: source or a finished file from standard
input."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from toykernel.cli.words import DASH
from toykernel.harness.recipe import C_SOURCE, STDIN, Recipe
from toykernel.host_files import read_regular

#: As far as a header is looked for.
_HEADER_BYTES = 1 << 16


def first_input(program: str, made_of: Recipe) -> tuple[Path, Recipe]:
    """The file that a program's name means, and its recipe; `-` is read here, to its end.

    Raises click.BadParameter.
    """
    if program != DASH:
        return Path(program), _with_header(Path(program), made_of)
    try:
        if sys.stdin is None:
            raise ValueError("it is closed")
        data = sys.stdin.buffer.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise click.BadParameter(
            f"cannot read standard input: {reason}", param_hint="PROGRAM"
        ) from None
    return STDIN, replace(made_of, stdin=data)


def _with_header(path: Path, made_of: Recipe) -> Recipe:
    """The recipe with what the program's own header names beside it: `# with: FILE...`."""
    if path.suffix not in (".S", ".s", ".asm", C_SOURCE):
        return made_of
    try:
        text = read_regular(path)[:_HEADER_BYTES].decode("utf-8", "replace")
    except (OSError, ValueError):
        return made_of  # whoever loads it says what is wrong
    if "with:" not in text:
        return made_of
    from toykernel.harness.expectations import HeaderError, named_with

    try:
        named = [path.parent / name for name in named_with(text, str(path))]
    except HeaderError as error:
        raise click.UsageError(str(error)) from None
    there = {other.resolve() for other in made_of.others}
    new = tuple(other for other in named if other.resolve() not in there)
    return replace(made_of, others=(*made_of.others, *new))
