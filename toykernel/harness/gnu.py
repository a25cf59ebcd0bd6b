"""GNU's own assembler and linker in place of ours: `--assembler gnu`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from toykernel.harness.recipe import (
    STDIN,
    Built,
    CompileError,
    LoadError,
    Recipe,
    check_file,
    checked,
    folders,
    is_assembly,
    read,
)
from userland.assembler.cpp import installed_cpp
from userland.assembler.cpp.choose import HEADERS

#: Tools that say nothing for so long hang.
_SECONDS: Final = 120
MISSING: Final = "--assembler gnu needs GNU as and ld (Debian: apt install binutils)"


def installed() -> bool:
    """Whether as and ld are here. Whether they make code for the i386 is found out when they run."""
    return bool(shutil.which("as") and shutil.which("ld"))


def takes(path: Path, recipe: Recipe) -> bool:
    """Whether GNU as and ld, when they are here, make a program of a source, or as an object of one that is
    linked to others."""
    if not installed():
        return False
    try:
        if recipe.others:
            with tempfile.TemporaryDirectory(prefix="toykernel-") as name:
                gnu_object(path, Path(name, "0.o"), recipe)
            return True
        said = build_gnu([path], recipe).said
    except LoadError:
        return False
    return not any("cannot find entry symbol" in line for line in said)


def build_gnu(inputs: Sequence[Path], recipe: Recipe, *, with_map: bool = False) -> Built:
    """A program of assembly sources, objects and archives, by as and ld.

    Raises LoadError, or CompileError with their words.
    """
    if not installed():
        raise LoadError(MISSING)
    said: list[str] = []
    with tempfile.TemporaryDirectory(prefix="toykernel-") as name:
        output, map_file = Path(name, "program"), Path(name, "map")
        objects = []
        for number, item in enumerate(inputs):
            if item != STDIN:
                check_file(item)
            if is_assembly(item, recipe):
                said += gnu_object(item, Path(name, f"{number}.o"), recipe).splitlines()
                objects.append(str(Path(name, f"{number}.o")))
            elif item == STDIN:
                Path(name, f"{number}.o").write_bytes(read(item, recipe))
                objects.append(str(Path(name, f"{number}.o")))
            else:
                objects.append(str(item))
        flags = ["-e", recipe.entry] if recipe.entry else []
        flags += [f"--section-start={section}={at:#x}" for section, at in recipe.origin.items()]
        flags += [f"-Map={map_file}"] * with_map
        words = ["ld", "-m", "elf_i386", "-static", *flags, "-o", str(output), *objects]
        said += _run(words, b"").splitlines()
        data = checked(inputs[0], output.read_bytes())
        return Built(data, None, tuple(said), map_file.read_text() if with_map else "")


def gnu_object(path: Path, output: Path, recipe: Recipe) -> str:
    """One source to an object file; what as said of it. A `.S` goes through the C preprocessor when one is
    here. Raises LoadError or CompileError."""
    included = [word for folder in folders(path, recipe) for word in ("-I", str(folder))]
    text = read(path, recipe)
    words = ["as", "--32", "-g", *included, "-o", str(output), "--"]
    cpp = installed_cpp(os.environ) if path.suffix == ".S" or path == STDIN else None
    if cpp is not None:
        text = b'#line 1 "%s"\n' % os.fsencode(path) + text
        defined = [f"-D{name}={value}" for name, value in recipe.macros.items()]
        command = [*cpp, "-m32", "-x", "assembler-with-cpp", *included, *defined]
        text = _output([*command, "-idirafter", str(HEADERS), "-"], text)
    else:
        text = b'# 1 "%s"\n' % os.fsencode(path) + text
    return _run(words, text)


def _run(words: Sequence[str], text: bytes) -> str:
    return _finished(words, text).stderr.decode(errors="replace").strip()


def _output(words: Sequence[str], text: bytes) -> bytes:
    return _finished(words, text).stdout


def _finished(words: Sequence[str], text: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        done = subprocess.run(
            words, input=text, capture_output=True, timeout=_SECONDS, check=False,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise LoadError(f"`{words[0]}' cannot be run: {error}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise CompileError(said or f"toykernel: `{words[0]}' failed with {done.returncode}")
    return done
