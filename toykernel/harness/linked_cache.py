"""Programs of several inputs and of C, kept between runs by the content of every file that went into them.

The key is each source after the preprocessor, the bytes of each object, the flags, and the compiler. Kept
beside it are the files that the assembler looked for and those that the linker opened: what is kept counts
only while they are the same.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from toykernel.harness import compiler as compiling
from toykernel.harness import image_cache, program_cache
from toykernel.harness.compiler import Compiler
from toykernel.harness.recipe import (
    C_SOURCE,
    Built,
    LoadError,
    Recipe,
    assembling,
    is_assembly,
    read,
)
from userland.assembler import AssemblyError
from userland.assembler.cpp import preprocessed

#: Flags that make a compiler read no file but those of the key.
_PLAIN_FLAG: Final = re.compile(
    r"-(O\w*|g[\w-]*|std=.*|W(?![lap],)[\w=+-]*|w|pedantic\S*|m[\w.=-]+|f(?!profile|plugin|auto|branch|lto)\S+"
    r"|[DUI].*|nostdinc|ansi)"
)
#: What a C source has when the assembler behind the compiler reads further files.
_READS: Final = re.compile(r"\.incbin|\.include|#\s*embed|_Pragma|#pragma\s+GCC\s+pch")
#: Of the environment, what leads a compiler to other files, or to other code.
_VARIABLES: Final = (
    "COMPILER_PATH", "LIBRARY_PATH", "GCC_EXEC_PREFIX", "SOURCE_DATE_EPOCH", "CCC_OVERRIDE_OPTIONS",
)  # fmt: skip


def built(
    inputs: Sequence[Path], recipe: Recipe, build: Callable[[dict[str, bool]], Built]
) -> Built:
    """What `build` makes of the inputs, or what it has made of the same ones before. `build` notes in its
    argument which files it looked for, and whether they were there.

    Raises what `build` raises.
    """
    name = _key(inputs, recipe)
    kept = program_cache.load(name) if name else None
    if kept is not None:
        return kept
    seen: dict[str, bool] = {}
    made = build(seen)
    if name and name == _key(inputs, recipe):  # nothing was changed meanwhile
        program_cache.keep(name, made, seen)
    return made


def _key(inputs: Sequence[Path], recipe: Recipe) -> str:
    """The name under which the program is kept; empty when it is not."""
    parts = [
        "linked", recipe.entry, repr(sorted(recipe.origin.items())), repr(recipe.cflags),
        repr(sorted(recipe.macros.items())), repr([str(folder) for folder in recipe.include]),
    ]  # fmt: skip
    try:
        compiler = None
        if any(item.suffix == C_SOURCE for item in inputs):
            compiler = compiling.find_compiler(os.environ)
            parts += _identity(compiler, recipe)
        for item in inputs:
            parts += [str(item), _content(item, recipe, compiler)]
    except (_NotKept, AssemblyError, LoadError):
        return ""
    return program_cache.named(parts)


class _NotKept(Exception):
    """The program is built each time."""


def _content(item: Path, recipe: Recipe, compiler: Compiler | None) -> str:
    if is_assembly(item, recipe):
        return preprocessed(item, **assembling(item, recipe))
    if item.suffix != C_SOURCE:
        return hashlib.sha256(read(item, recipe)).hexdigest()
    if compiler is None:
        raise _NotKept
    text = compiling.preprocess(
        compiler, item, include=recipe.include, macros=recipe.macros, cflags=recipe.cflags
    )
    if _READS.search(text):
        raise _NotKept
    return text


def _identity(compiler: Compiler | None, recipe: Recipe) -> list[str]:
    """Which compiler it is, and what makes its output differ for one source."""
    command = shutil.which(compiler.words[0]) if compiler is not None else None
    if compiler is None or command is None or compiler.is_zig:
        raise _NotKept
    if not all(_PLAIN_FLAG.fullmatch(flag) for flag in recipe.cflags):
        raise _NotKept
    status = os.stat(command)
    ours = [Path(compiling.__file__), *sorted(compiling.LIBRARY.parent.rglob("*"))]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in ours if path.is_file()]
    return [
        *compiler.words, str(compiler.hosted), os.path.realpath(command),
        f"{status.st_size} {status.st_mtime_ns}", os.getcwd(), image_cache.key(digests),
        *(f"{name}={os.environ.get(name)}" for name in _VARIABLES),
    ]  # fmt: skip
