"""Programs that the linker makes: of several inputs, of objects, and of C."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from toykernel.harness.compiler import (
    LIBRARY,
    NO_COMPILER,
    START,
    Compiler,
    compile_object,
    find_compiler,
    link_hosted,
)
from toykernel.harness.gnu import build_gnu, gnu_object
from toykernel.harness.hinted import hinted
from toykernel.harness.recipe import (
    ARCHIVES,
    C_SOURCE,
    GNU,
    STDIN,
    Built,
    LoadError,
    Recipe,
    assembling,
    check_file,
    checked,
    is_assembly,
    read,
)
from toykernel.look.elf_debug import elf_lines
from userland.assembler import ObjectFile, assemble_object
from userland.assembler.object_lines import object_sections
from userland.assembler.single import placed_lines
from userland.linker import InputObject, LinkError, link, read_object
from userland.linker.archive import Archive, read_archive

STACK_NOTE = ".note.GNU-stack"
_EXECINSTR = 4


def build_linked(inputs: Sequence[Path], recipe: Recipe, with_map: bool) -> Built:
    """A program by the linker, ours or that of the C compiler, whatever the inputs are.

    Raises LoadError, AssemblyError or CompileError.
    """
    if not recipe.cache or recipe.assembler == GNU or with_map:
        return _build(inputs, recipe, with_map, {})
    from toykernel.harness import linked_cache

    return linked_cache.built(inputs, recipe, lambda seen: _build(inputs, recipe, False, seen))


def _build(inputs: Sequence[Path], recipe: Recipe, with_map: bool, seen: dict[str, bool]) -> Built:
    """`seen` gets the files that were looked for, and whether they were there."""
    if any(item.suffix == C_SOURCE for item in inputs):
        return _build_c(inputs, recipe, with_map, seen)
    if recipe.assembler == GNU:
        return build_gnu(inputs, recipe, with_map=with_map)
    made = _link(inputs, [_input(item, recipe, seen) for item in inputs], recipe)
    if made.program is None:
        return made
    found = tuple(file for file, there in seen.items() if there)
    return made._replace(program=replace(made.program, read=found))


def _build_c(
    inputs: Sequence[Path], recipe: Recipe, with_map: bool, seen: dict[str, bool]
) -> Built:
    for item in inputs:
        if item != STDIN:
            check_file(item)
    compiler = find_compiler(os.environ)
    if compiler is None:
        raise LoadError(NO_COMPILER)
    said: list[str] = []
    with tempfile.TemporaryDirectory(prefix="toykernel-") as name:
        folder = Path(name)
        objects = [
            _c_object(item, folder / f"{number}.o", compiler, recipe, said, seen)
            for number, item in enumerate(inputs)
        ]
        if compiler.hosted:
            return _link_hosted(inputs, objects, compiler, recipe, said, with_map, seen)
        gnu = recipe.assembler == GNU
        taken = [
            _input(item, recipe, seen) if made == item or (is_assembly(item, recipe) and not gnu)
            else (None, _taken(made, str(item), recipe))
            for item, made in zip(inputs, objects, strict=True)
        ]  # fmt: skip
        own = [LIBRARY] if any(_begins(item) for _, item in taken) else [START, LIBRARY]
        for source in own:
            compile_object(compiler, source, folder / source.name)
            objects.append(folder / source.name)
            taken.append((None, _taken(objects[-1], source.name, recipe)))
        made = build_gnu(objects, recipe, with_map=with_map) if gnu else None
        built = made or _link(inputs, taken, recipe)
    if not any(_names_our_header(item) for item in inputs):
        said.append(compiler.note)
    return built._replace(said=(*said, *built.said))


def _c_object(
    item: Path, output: Path, compiler: Compiler, recipe: Recipe, said: list[str],
    seen: dict[str, bool],
) -> Path:  # fmt: skip
    """The object file of an input; what is none of C's or assembly source stays where it is."""
    if is_assembly(item, recipe) and recipe.assembler == GNU:
        said += gnu_object(item, output, recipe).splitlines()
    elif is_assembly(item, recipe):
        made = _assembled(item, recipe, seen)
        made.sections += object_sections(made)  # the lines are lost otherwise
        output.write_bytes(made.elf())
    elif item.suffix == C_SOURCE:
        words = compile_object(
            compiler,
            item,
            output,
            include=recipe.include,
            macros=recipe.macros,
            cflags=recipe.cflags,
        )
        said += words.splitlines()
    else:
        return item
    return output


def _link_hosted(
    inputs: Sequence[Path], objects: Sequence[Path], compiler: Compiler, recipe: Recipe,
    said: list[str], with_map: bool, seen: dict[str, bool],
) -> Built:  # fmt: skip
    if compiler.is_zig and (with_map or recipe.origin):
        what = "--map" if with_map else "--text"
        raise LoadError(
            f"{what}: zig's linker has nothing like it; use gcc or clang (TOYKERNEL_CC)"
        )
    output, map_file = objects[0].parent / "program", objects[0].parent / "map"
    flags = [f"-Wl,-e,{recipe.entry}"] * bool(recipe.entry)
    taken = (_taken(path, str(path), recipe) for path in objects)
    if any(_begins(item) for item in taken):
        flags.append(
            "-nostdlib" if compiler.is_zig else "-nostartfiles"
        )  # zig knows only the first
    flags += [f"-Wl,-T{name[1:]}={at:#x}" for name, at in recipe.origin.items()]
    flags += [f"-Wl,-Map,{map_file}"] * with_map
    words, opened = link_hosted(compiler, objects, output, [*flags, *recipe.cflags])
    said += words.splitlines()
    files = {re.sub(r"\(.*\)$", "", name) for name in opened}
    seen |= {name: True for name in files if os.path.isabs(name) and Path(name) not in objects}
    data = checked(inputs[0], output.read_bytes())
    return Built(data, None, tuple(said), map_file.read_text() if with_map else "")


def _begins(item: InputObject | Archive) -> bool:
    """Whether an object defines _start."""
    return isinstance(item, InputObject) and any(
        symbol.name == "_start" and symbol.section for symbol in item.symbols
    )


def _names_our_header(path: Path) -> bool:
    """Whether a source asks for toykernel.h itself, and so for the small C library."""
    return path.suffix == C_SOURCE and b"toykernel.h" in path.read_bytes()


def _assembled(item: Path, recipe: Recipe, seen: dict[str, bool]) -> ObjectFile:
    with hinted(item, recipe):
        return assemble_object(item, **assembling(item, recipe), looked_for=seen)


_Input = tuple[ObjectFile | None, InputObject | Archive]


def _input(item: Path, recipe: Recipe, seen: dict[str, bool]) -> _Input:
    if is_assembly(item, recipe):
        made = _assembled(item, recipe, seen)
        with _explained():
            return made, read_object(made.elf(), str(item))
    return None, _taken(item, str(item), recipe)


def _taken(path: Path, name: str, recipe: Recipe) -> InputObject | Archive:
    data = read(path, recipe)
    with _explained():
        if data.startswith(ARCHIVES):
            return read_archive(data, name)
        return read_object(data, name)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except LinkError as error:
        hint = f"\n  hint: {error.hint}" if error.hint else ""
        raise LoadError(f"{error}{hint}") from None


def _link(paths: Sequence[Path], inputs: Sequence[_Input], recipe: Recipe) -> Built:
    """Link inputs by our own linker, whatever they are. Raises LoadError."""
    path = paths[0]
    taken = [item for _, item in inputs]
    with _explained():
        linked = link(taken, entry=recipe.entry, origin=recipe.origin, output=str(path))
    lines = [
        entry for made, item in inputs if made is not None and isinstance(item, InputObject)
        for entry in placed_lines(made, item)
    ]  # fmt: skip
    program = replace(
        linked.program,
        lines=tuple(sorted(lines, key=lambda entry: entry.address)),
        source=str(path),
        executable_stack=any(_wants_stack(i) for i in taken if isinstance(i, InputObject)),
        warnings=tuple(linked.warnings),
        debug=linked.debug,
    )
    elf = program.elf()
    if linked.debug:  # the lines of what a compiler has made are in there
        assembled = {entry.address for entry in lines}
        lines += [entry for entry in elf_lines(elf) if entry.address not in assembled]
        lines.sort(key=lambda entry: entry.address)
        program = replace(program, lines=tuple(lines))
    return Built(elf, program, (), linked.map)


def _wants_stack(item: InputObject) -> bool:
    """Whether ld makes the stack executable for an object: it says so, or says nothing."""
    notes = [section for section in item.sections if section.name == STACK_NOTE]
    return not notes or any(note.flags & _EXECINSTR for note in notes)
