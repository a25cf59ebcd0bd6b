"""From files to an ELF image: assembling, linking, or taking an executable as it is."""

from __future__ import annotations

import stat
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from toykernel.errno import Errno
from toykernel.fs.binfmt_elf import parse_elf
from userland.assembler import ObjectFile, Program, assemble, assemble_object
from userland.assembler.single import placed_lines

if TYPE_CHECKING:
    from userland.linker import InputObject
    from userland.linker.archive import Archive
    from userland.linker.link import Linked

INCLUDE = Path(__file__).parent.parent.parent / "userland" / "include"
SOURCES = (".S", ".s", ".asm")
_ET_REL = 1
STACK_NOTE = ".note.GNU-stack"
_EXECINSTR = 4
_ARCHIVES = (b"!<arch>\n", b"!<thin>\n")


class LoadError(Exception):
    """The program is not one that can be run; the text says why."""


@dataclass(frozen=True)
class Recipe:
    """What a program is made of besides its first file: further inputs, folders for includes (-I), macros
    of the preprocessor (-D), and for the linker the entry (-e) and addresses of sections (-Ttext)."""

    others: tuple[Path, ...] = ()
    include: tuple[Path, ...] = ()
    macros: Mapping[str, str] = field(default_factory=dict)
    entry: str = ""
    origin: Mapping[str, int] = field(default_factory=dict)


PLAIN = Recipe()


def build(path: Path, recipe: Recipe = PLAIN) -> tuple[bytes, Program | None]:
    """The ELF image of a program, and what assembler and linker know of it unless it was finished.

    Raises LoadError, or AssemblyError with file and line.
    """
    if path.suffix in SOURCES and not (recipe.others or recipe.entry or recipe.origin):
        _check_file(path)
        program = assemble(path, include=_folders(path, recipe), macros=recipe.macros)
        return program.elf(), program
    data = b"" if path.suffix in SOURCES else _read(path)
    if path.suffix in SOURCES or recipe.others or _links(data):
        program = build_linked(path, recipe)[0]
        return program.elf(), program
    try:
        parse_elf(data)
    except Errno:
        raise LoadError(f"{path}: {why_refused(data)}") from None
    return data, None


def build_linked(path: Path, recipe: Recipe) -> tuple[Program, Linked]:
    """As build, but always by the linker, whatever the inputs are.

    Raises LoadError or AssemblyError.
    """
    from userland.linker import InputObject, LinkError, link, read_object
    from userland.linker.archive import read_archive

    inputs: list[InputObject | Archive] = []
    assembled: list[tuple[ObjectFile, InputObject]] = []
    try:
        for item in (path, *recipe.others):
            if item.suffix in SOURCES:
                _check_file(item)
                made = assemble_object(item, include=_folders(item, recipe), macros=recipe.macros)
                taken = read_object(made.elf(), str(item))
                assembled.append((made, taken))
                inputs.append(taken)
            else:
                data = _read(item)
                archive = data.startswith(_ARCHIVES)
                inputs.append((read_archive if archive else read_object)(data, str(item)))
        linked = link(inputs, entry=recipe.entry, origin=recipe.origin, output=str(path))
    except LinkError as error:
        hint = f"\n  hint: {error.hint}" if error.hint else ""
        raise LoadError(f"{error}{hint}") from None
    lines = [entry for pair in assembled for entry in placed_lines(*pair)]
    program = replace(
        linked.program,
        lines=tuple(sorted(lines, key=lambda entry: entry.address)),
        source=str(path),
        executable_stack=any(_wants_stack(i) for i in inputs if isinstance(i, InputObject)),
        warnings=tuple(linked.warnings),
    )
    return program, linked


def _wants_stack(item: InputObject) -> bool:
    """Whether ld makes the stack executable for an object: it says so, or says nothing."""
    notes = [section for section in item.sections if section.name == STACK_NOTE]
    return not notes or any(note.flags & _EXECINSTR for note in notes)


def _folders(path: Path, recipe: Recipe) -> Sequence[Path]:
    return [path.parent, *recipe.include, path.parent / "include", INCLUDE]


def _check_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LoadError(f"{path}: {reason}") from None
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise LoadError(f"{path}: a device, not a file")
    if stat.S_ISDIR(mode):
        raise LoadError(f"{path}: Is a directory, not a program")


def _read(path: Path) -> bytes:
    _check_file(path)
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LoadError(f"{path}: {reason}") from None


def _links(data: bytes) -> bool:
    """Whether it is for the linker: an i386 object, or an archive."""
    if data.startswith(_ARCHIVES):
        return True
    is_elf = data[:6] == b"\x7fELF\1\1" and len(data) >= 20
    return is_elf and struct.unpack_from("<HH", data, 16) in ((_ET_REL, 3), (_ET_REL, 6))


def why_refused(data: bytes) -> str:
    """What an image is that `parse_elf` has refused, and what to have instead."""
    other = "neither assembly source (.S) nor a static i386 ELF"
    if data[:4] != b"\x7fELF" or len(data) < 20:
        return other
    kind, machine = struct.unpack_from("<HH", data, 16)
    if data[4:6] != b"\1\1" or machine not in (3, 6):
        what = "it is an ELF file of another machine; build it for 32 bits: as --32, gcc -m32"
    elif kind == 3:
        what = "it is position-independent or a library; link it with -static -no-pie"
    elif kind != 2:
        what = "it is not an executable"
    else:
        what = "it is linked dynamically, cut off, or its program headers are wrong"
    return f"{other}: {what}"
