"""A source file, or text, to a program or to an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .assembler import Assembler
from .cpp import preprocessed
from .errors import AssemblyError
from .hints import nasm_line
from .layout import Layout
from .objects import ObjectFile
from .program import Program
from .single import link_one


def assemble(
    path: Path,
    *,
    include: Sequence[Path] = (),
    origin: Mapping[str, int] | None = None,
    defines: Mapping[str, int] | None = None,
    macros: Mapping[str, str] | None = None,
    cpp: Sequence[str] | None = (),
) -> Program:
    """Assemble a source file.

    `include` are folders searched after the including file's own; `origin` gives linear base
    addresses by section name (then no `_start` is needed); `defines` predefines absolute symbols.
    A `.S` with directives of the C preprocessor goes through `cpp`, the command of an installed one
    (None: whichever is here), or through our own when that is empty; `macros` are its -D.
    Raises AssemblyError for anything wrong with the file or its contents.
    """
    path = Path(path)
    text = preprocessed(path, include=include, macros=macros, cpp=cpp)
    return _assemble(text, str(path), path, include, origin, defines)


def assemble_preprocessed(
    text: str, path: Path, *, include: Sequence[Path] = ()
) -> tuple[Program, dict[str, bool]]:
    """Assemble what `preprocessed` has made of a file; with the files that were looked for on the way, and
    whether they were there. Raises AssemblyError."""
    looked_for: dict[str, bool] = {}
    return _assemble(text, str(path), path, include, None, None, looked_for), looked_for


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
) -> ObjectFile:
    """Assemble a source file for a linker; the arguments are those of `assemble`. Raises AssemblyError."""
    path = Path(path)
    text = preprocessed(path, include=include, macros=macros, cpp=cpp)
    return _read(text, str(path), path, include, defines).object_file()


def _read(
    text: str,
    name: str,
    path: Path | None,
    include: Sequence[Path],
    defines: Mapping[str, int] | None,
    looked_for: dict[str, bool] | None = None,
) -> Assembler:
    assembler = Assembler(tuple(Path(folder) for folder in include), defines or {}, name)
    if looked_for is not None:
        assembler.reader.looked_for = looked_for
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
    looked_for: dict[str, bool] | None = None,
) -> Program:
    assembler = _read(text, name, path, include, defines, looked_for)
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
