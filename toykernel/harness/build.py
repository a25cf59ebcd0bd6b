"""From files to an ELF image: assembling, linking, or taking an executable as it is."""

from __future__ import annotations

import stat
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toykernel.errno import Errno
from toykernel.fs.binfmt_elf import parse_elf
from toykernel.host_files import kind_of, read_regular
from userland.assembler import ObjectFile, Program, assemble, assemble_object
from userland.assembler.single import placed_lines

if TYPE_CHECKING:
    from userland.linker import InputObject
    from userland.linker.archive import Archive
    from userland.linker.link import Linked

INCLUDE = Path(__file__).parent.parent.parent / "userland" / "include"
SOURCES = (".S", ".s", ".asm")
#: What messages call standard input, as gcc does.
STDIN = Path("<stdin>")
_ET_REL = 1
STACK_NOTE = ".note.GNU-stack"
_EXECINSTR = 4
_ARCHIVES = (b"!<arch>\n", b"!<thin>\n")


class LoadError(Exception):
    """The program is not one that can be run; the text says why."""


@dataclass(frozen=True)
class Recipe:
    """What a program is made of besides its first file: further inputs, folders for includes (-I), macros
    of the preprocessor (-D), and for the linker the entry (-e) and addresses of sections (-Ttext).

    `stdin` is what the first input holds when that is STDIN and no file."""

    others: tuple[Path, ...] = ()
    include: tuple[Path, ...] = ()
    macros: Mapping[str, str] = field(default_factory=dict)
    entry: str = ""
    origin: Mapping[str, int] = field(default_factory=dict)
    stdin: bytes | None = None


PLAIN = Recipe()


def build(path: Path, recipe: Recipe = PLAIN) -> tuple[bytes, Program | None]:
    """The ELF image of a program, and what assembler and linker know of it unless it was finished.

    Raises LoadError, or AssemblyError with file and line.
    """
    source = _is_source(path, recipe)
    if source and not (recipe.others or recipe.entry or recipe.origin):
        program = assemble(path, **_assembling(path, recipe))
        return program.elf(), program
    data = b"" if source else _read(path, recipe)
    if source or recipe.others or _links(data):
        program = build_linked(path, recipe)[0]
        return program.elf(), program
    try:
        parse_elf(data)
    except Errno:
        raise LoadError(f"{path}: {why_refused(data)}") from None
    return data, None


def build_linked(path: Path, recipe: Recipe) -> tuple[Program, Linked]:
    """The same by the linker, whatever the inputs are. Raises LoadError or AssemblyError."""
    from userland.linker import InputObject, LinkError, link, read_object
    from userland.linker.archive import read_archive

    inputs: list[InputObject | Archive] = []
    assembled: list[tuple[ObjectFile, InputObject]] = []
    try:
        for item in (path, *recipe.others):
            if _is_source(item, recipe):
                made = assemble_object(item, **_assembling(item, recipe))
                taken = read_object(made.elf(), str(item))
                assembled.append((made, taken))
                inputs.append(taken)
            else:
                data = _read(item, recipe)
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


def _is_source(path: Path, recipe: Recipe) -> bool:
    if path == STDIN and recipe.stdin is not None:
        return not recipe.stdin.startswith((b"\x7fELF", *_ARCHIVES))
    return path.suffix in SOURCES


def _assembling(path: Path, recipe: Recipe) -> dict[str, Any]:
    """The arguments of the assembler for one source. Raises LoadError."""
    text = recipe.stdin if path == STDIN else None
    if text is None:
        _check_file(path)
    return {"include": _folders(path, recipe), "macros": recipe.macros, "data": text}


def _folders(path: Path, recipe: Recipe) -> Sequence[Path]:
    return [path.parent, *recipe.include, path.parent / "include", INCLUDE]


def _check_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LoadError(f"{path}: {reason}") from None
    if stat.S_ISDIR(mode):
        raise LoadError(f"{path}: Is a directory, not a program")
    if kind := kind_of(mode):
        raise LoadError(f"{path}: {kind}, not a file")


def _read(path: Path, recipe: Recipe) -> bytes:
    if path == STDIN and recipe.stdin is not None:
        return recipe.stdin
    _check_file(path)
    try:
        return read_regular(path)
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
