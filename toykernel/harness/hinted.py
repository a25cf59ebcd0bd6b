"""What to do about a source that our assembler refuses and GNU's takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toykernel.harness.recipe import Recipe
from userland.assembler import AssemblyError

NOTE = "GNU as takes this file, and it is here: --assembler gnu builds with it"


@contextmanager
def hinted(path: Path, recipe: Recipe) -> Iterator[None]:
    """Names `--assembler gnu` in the assembler's error when that would help."""
    try:
        yield
    except AssemblyError as error:
        from toykernel.harness.gnu import takes

        if takes(path, recipe):
            error.note = f"{error.note}\nnote: {NOTE}" if error.note else NOTE
        raise
