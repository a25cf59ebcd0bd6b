"""What a program is built from and what comes out of it, and reading files with words for what is wrong."""

from __future__ import annotations

import stat
import struct
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from emu.record import dataclass
from toykernel.errno import Errno
from toykernel.fs.binfmt_elf import parse_elf
from toykernel.host_files import kind_of, read_regular

if TYPE_CHECKING:
    from userland.assembler import Program

INCLUDE = Path(__file__).parent.parent.parent / "userland" / "include"
SOURCES = (".S", ".s", ".asm")
C_SOURCE = ".c"
#: What messages call standard input, as gcc does.
STDIN = Path("<stdin>")
#: Whose assembler.
OWN, GNU = "own", "gnu"
ARCHIVES = (b"!<arch>\n", b"!<thin>\n")
_ET_REL = 1


class LoadError(Exception):
    """The program is not one that can be run; the text says why."""


class CompileError(LoadError):
    """A C compiler refused a source; the text is what it said."""


@dataclass(frozen=True)
class Recipe:
    """What a program is made of besides its first file: further inputs, folders for includes (-I), macros
    of the preprocessor (-D), flags of the C compiler, for the linker the entry (-e) and addresses of
    sections (-Ttext), whose assembler and linker make it, and whether an assembled program, and the
    kernel, are kept for later runs in $XDG_CACHE_HOME/toykernel.

    `stdin` is what the first input holds when that is STDIN and no file."""

    others: tuple[Path, ...] = ()
    include: tuple[Path, ...] = ()
    macros: Mapping[str, str] = field(default_factory=dict)
    entry: str = ""
    origin: Mapping[str, int] = field(default_factory=dict)
    cflags: tuple[str, ...] = ()
    assembler: str = OWN
    cache: bool = True
    stdin: bytes | None = None


PLAIN = Recipe()


class Built(NamedTuple):
    """An ELF image; what assembler and linker know of it, unless it was finished or a C compiler linked it;
    what a compiler has said, line by line; and, where a linker of ours or of the compiler ran, its map."""

    elf: bytes
    program: Program | None
    said: tuple[str, ...] = ()
    map: str = ""


def is_assembly(path: Path, recipe: Recipe) -> bool:
    """Whether an input is for an assembler; standard input is, unless it begins like an ELF file."""
    if path == STDIN and recipe.stdin is not None:
        return not recipe.stdin.startswith((b"\x7fELF", *ARCHIVES))
    return path.suffix in SOURCES


def is_source(path: Path) -> bool:
    """Whether a program is built from the file, so that its name loses the ending."""
    return path.suffix in (*SOURCES, C_SOURCE)


def assembling(path: Path, recipe: Recipe) -> dict[str, Any]:
    """The arguments of our assembler for one source. Raises LoadError."""
    data = recipe.stdin if path == STDIN else None
    if data is None:
        check_file(path)
    found = folders(path, recipe)
    return {"include": found, "macros": recipe.macros, "cpp": None, "data": data}


def checked(path: Path, data: bytes) -> bytes:
    """The data, when it is a program that the kernel starts. Raises LoadError."""
    try:
        parse_elf(data)
    except Errno:
        raise LoadError(f"{path}: {why_refused(data)}") from None
    return data


def folders(path: Path, recipe: Recipe) -> Sequence[Path]:
    """Where included files are looked for, in order: beside the source, --include, then ours."""
    return [path.parent, *recipe.include, path.parent / "include", INCLUDE]


def check_file(path: Path) -> None:
    """Raises LoadError for what is no file, or not there."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LoadError(f"{path}: {reason}") from None
    if stat.S_ISDIR(mode):
        raise LoadError(f"{path}: Is a directory, not a program")
    if kind := kind_of(mode):
        raise LoadError(f"{path}: {kind}, not a file")


def read(path: Path, recipe: Recipe = PLAIN) -> bytes:
    """An input's bytes, standard input's for `-`. Raises LoadError."""
    if path == STDIN and recipe.stdin is not None:
        return recipe.stdin
    check_file(path)
    try:
        return read_regular(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LoadError(f"{path}: {reason}") from None


def links(data: bytes) -> bool:
    """Whether it is for the linker: an i386 object, or an archive."""
    if data.startswith(ARCHIVES):
        return True
    is_elf = data[:6] == b"\x7fELF\1\1" and len(data) >= 20
    return is_elf and struct.unpack_from("<HH", data, 16) in ((_ET_REL, 3), (_ET_REL, 6))


def why_refused(data: bytes) -> str:
    """What an image is that `parse_elf` has refused, and what to have instead."""
    other = "neither a source (.S, .c) nor an i386 ELF"
    if data[:4] != b"\x7fELF" or len(data) < 20:
        return other
    kind, machine = struct.unpack_from("<HH", data, 16)
    if data[4:6] != b"\1\1" or machine not in (3, 6):
        what = "it is an ELF file of another machine; build it for 32 bits: as --32, gcc -m32"
    elif kind not in (2, 3):
        what = "it is not an executable"
    else:
        what = "it is cut off, or its program headers are wrong"
    return f"{other}: {what}"
