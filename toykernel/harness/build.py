"""From files to an ELF image: assembling, compiling, linking, or taking an executable as it is."""

from __future__ import annotations

from pathlib import Path

from toykernel.harness.hinted import hinted
from toykernel.harness.recipe import (
    C_SOURCE,
    OWN,
    PLAIN,
    STDIN,
    Built,
    Recipe,
    assembling,
    checked,
    is_assembly,
    links,
    read,
)
from userland.assembler.cpp import preprocessed
from userland.assembler.cpp.choose import CPP_ENDINGS


def build(path: Path, recipe: Recipe = PLAIN, *, with_map: bool = False) -> Built:
    """The ELF image of a program.

    Raises LoadError, AssemblyError with file and line, or CompileError with the compiler's words.
    """
    linked = bool(recipe.others or recipe.entry or recipe.origin or with_map)
    assembly = is_assembly(path, recipe)
    if assembly and not linked and recipe.assembler == OWN:
        with hinted(path, recipe):
            return _assembled(path, recipe)
    if not linked and not assembly and path.suffix != C_SOURCE:
        data = read(path, recipe)
        if not links(data):
            return Built(checked(path, data), None)
    from toykernel.harness.linking import build_linked

    return build_linked((path, *recipe.others), recipe, with_map)


def _said(path: Path, recipe: Recipe) -> tuple[str, ...]:
    """What to tell of a -D that nothing can use."""
    if not recipe.macros or path == STDIN or path.suffix in CPP_ENDINGS:
        return ()
    return (f"toykernel: -D means nothing to {path}: only a .S goes through the preprocessor",)


def _assembled(path: Path, recipe: Recipe) -> Built:
    arguments = assembling(path, recipe)
    include = arguments["include"]
    text = preprocessed(path, **arguments)
    name = ""
    if recipe.cache:
        from toykernel.harness import program_cache

        name = program_cache.key(text, path, include)
        if (kept := program_cache.load(name)) is not None:
            return kept._replace(said=_said(path, recipe))
    from userland.assembler.front_end import assemble_preprocessed

    program, looked_for = assemble_preprocessed(text, path, include=include)
    built = Built(program.elf(), program, _said(path, recipe))
    if recipe.cache:
        program_cache.keep(name, built, looked_for)
    return built
