"""A source file, or text, to a program or to an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .assembler import Assembler
from .cpp import preprocess, uses_preprocessor
from .errors import AssemblyError
from .hints import nasm_line
from .layout import Layout
from .objects import ObjectFile
from .program import Program
from .single import link_one
from .source import checked_source, read_source


def assemble(
    path: Path,
    *,
    include: Sequence[Path] = (),
    origin: Mapping[str, int] | None = None,
    defines: Mapping[str, int] | None = None,
    macros: Mapping[str, str] | None = None,
    cpp: Sequence[str] | None = (),
    data: bytes | None = None,
) -> Program:
    """Assemble a source file.

    `include` are folders searched after the including file's own; `origin` gives linear base
    addresses by section name (then no `_start` is needed); `defines` predefines absolute symbols.
    A `.S` with directives of the C preprocessor goes through `cpp`, the command of an installed one
    (None: whichever is here), or through our own when that is empty; `macros` are its -D. With `data` these
    bytes are the source, and `path` is its name in messages and where it looks for included files.
    Raises AssemblyError for anything wrong with the file or its contents.
    """
    path = Path(path)
    text = _text(path, data, include, macros, cpp)
    return _assemble(text, str(path), path, include, origin, defines)


def assemble_text(
    text: str,
    *,
    name: str = "<text>",
    include: Sequence[Path] = (),
    origin: Mapping[str, int] | None = None,
    defines: Mapping[str, int] | None = None,
) -> Program:
    """Assemble source text; `name` stands for the file in messages. Otherwise as `assemble`."""
    return _assemble(text, name, None, include, origin, defines)


def assemble_object(
    path: Path,
    *,
    include: Sequence[Path] = (),
    defines: Mapping[str, int] | None = None,
    macros: Mapping[str, str] | None = None,
    cpp: Sequence[str] | None = (),
    data: bytes | None = None,
) -> ObjectFile:
    """Assemble a source file for a linker; the arguments are those of `assemble`. Raises AssemblyError."""
    path = Path(path)
    text = _text(path, data, include, macros, cpp)
    return _read(text, str(path), path, include, defines).object_file()


def _text(
    path: Path,
    data: bytes | None,
    include: Sequence[Path],
    macros: Mapping[str, str] | None,
    cpp: Sequence[str] | None,
) -> str:
    """A source as the assembler reads it, through the preprocessor when it asks for that."""
    text = read_source(path, str(path)) if data is None else checked_source(data, str(path))
    if uses_preprocessor(path.name if data is None else f"{path.name}.S", text):
        text = preprocess(text, str(path), path, include=include, defines=macros, command=cpp)
    return text


def _read(
    text: str,
    name: str,
    path: Path | None,
    include: Sequence[Path],
    defines: Mapping[str, int] | None,
) -> Assembler:
    assembler = Assembler(tuple(Path(folder) for folder in include), defines or {}, name)
    assembler.reader.open_text(text, name, path)
    try:
        assembler.run()
    except AssemblyError:
        found = nasm_line(text)
        if found is None:
            raise
        line, form = found
        raise AssemblyError(
            name, line, "this is NASM source, and the assembler takes GNU's", f"GNU: {form}"
        ) from None
    return assembler


def _assemble(
    text: str,
    name: str,
    path: Path | None,
    include: Sequence[Path],
    origin: Mapping[str, int] | None,
    defines: Mapping[str, int] | None,
) -> Program:
    assembler = _read(text, name, path, include, defines)
    bases = dict(origin or {})
    for section, address in bases.items():
        usual = section in (".text", ".rodata", ".data", ".bss")
        if section not in assembler.sections and not usual:
            raise AssemblyError(
                name, 0, f"origin for section {section}, which the program does not have"
            )
        if not 0 <= address < 1 << 32:
            raise AssemblyError(
                name, 0, f"origin {address:#x} of {section} is not a 32-bit address"
            )
    if assembler.needs_linker():
        program = link_one(assembler.object_file(), bases, name)
        return replace(program, warnings=(*assembler.warnings, *program.warnings))
    assembler.allocate_commons()
    layout = Layout(assembler.sections, assembler.symbols, bases, name)
    program = layout.program(entry_required=not bases)
    return replace(
        program,
        executable_stack=assembler.executable_stack(),
        warnings=(*assembler.warnings, *layout.warnings),
    )
