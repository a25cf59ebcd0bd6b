"""PROGRAM `-`: the program itself comes from standard input, as source or as a finished file."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from toykernel.cli.words import DASH
from toykernel.harness.recipe import STDIN, Recipe


def first_input(program: str, made_of: Recipe) -> tuple[Path, Recipe]:
    """The file that a program's name means, and its recipe; `-` is read here, to its end.

    Raises click.BadParameter.
    """
    if program != DASH:
        return Path(program), made_of
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
