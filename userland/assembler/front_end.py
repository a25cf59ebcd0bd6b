"""A source file, or text, to a program or to an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .assembler import Assembler
from .cpp import preprocessed
from .cpp.choose import CPP_ENDINGS, has_directives
from .errors import AssemblyError, together
from .hints import ELSEWHERE, nasm_lines, undefined_symbols
from .layout import Layout
from .objects import ObjectFile
from .program import Program
from .single import link_one
from .source import marked_files


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
    text = preprocessed(path, include=include, macros=macros, cpp=cpp, data=data)
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
    data: bytes | None = None,
    looked_for: dict[str, bool] | None = None,
) -> ObjectFile:
    """Assemble a source file for a linker; the arguments are those of `assemble`. `looked_for` gets the files
    that were looked for on the way, and whether they were there. Raises AssemblyError."""
    path = Path(path)
    text = preprocessed(path, include=include, macros=macros, cpp=cpp, data=data)
    if looked_for is not None:
        looked_for |= {file: True for file in marked_files(text) if Path(file).is_file()}
    return _read(text, str(path), path, include, defines, looked_for, alone=False).object_file()


def _read(
    text: str,
    name: str,
    path: Path | None,
    include: Sequence[Path],
    defines: Mapping[str, int] | None,
    looked_for: dict[str, bool] | None = None,
    alone: bool = True,
) -> Assembler:
    assembler = Assembler(tuple(Path(folder) for folder in include), defines or {}, name)
    if looked_for is not None:
        assembler.reader.looked_for = looked_for
    assembler.reader.open_text(text, name, path)
    try:
        assembler.run(alone)
    except AssemblyError as problem:
        raise _named(problem, text, name) from None
    return assembler


def _named(problem: AssemblyError, text: str, name: str) -> AssemblyError:
    """What is wrong with a whole file, when that explains its errors."""
    nasm: list[AssemblyError] = []
    for line, statement, form in nasm_lines(text):
        message = (
            "this is NASM, too" if nasm else "this is NASM source, and the assembler takes GNU's"
        )
        nasm.append(AssemblyError(name, line, message, f"GNU: {form}"))
        nasm[-1].statement = statement
    if nasm:
        return together(nasm)
    if has_directives(text) and not name.endswith(CPP_ENDINGS):
        for one in (problem, *problem.more):
            one.hint = None if one.hint == ELSEWHERE else one.hint
        problem.note = (
            f"{name} has #define or the like, but only a .S goes through the preprocessor"
        )
    return problem


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
    try:
        program = _laid_out(assembler, name, origin)
        found = [file for file, there in assembler.reader.looked_for.items() if there]
        return replace(program, read=(*marked_files(text), *found))
    except AssemblyError as problem:
        undefined = (
            undefined_symbols(assembler.used_in, assembler.symbols)
            if "undefined symbol" in problem.message
            else []
        )
        raise _named(together(undefined) if undefined else problem, text, name) from None


def _laid_out(assembler: Assembler, name: str, origin: Mapping[str, int] | None) -> Program:
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
    bits, tuned = assembler.code.mode.bits, assembler.tuned
    layout = Layout(assembler.sections, assembler.symbols, bases, name, bits, tuned)
    program = layout.program(entry_required=not bases)
    return replace(
        program,
        executable_stack=assembler.executable_stack(),
        warnings=(*assembler.warnings, *layout.warnings),
    )
