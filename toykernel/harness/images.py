"""The images that a kernel boots from, assembled: its own text, and init."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from toykernel.arch.x86.vdso_image import VdsoText
from toykernel.boot import ENTRY, INIT, VDSO, BootImages, Layout, kernel_source, memory_layout
from toykernel.harness import image_cache
from toykernel.state import Config

if TYPE_CHECKING:
    from userland.assembler import Program


@lru_cache(maxsize=8)
def kernel_program(layout: Layout) -> Program:
    """entry.S with the thunks, for one layout of memory; the same inputs give the same text."""
    from userland.assembler import assemble_text

    return assemble_text(
        kernel_source(), name=ENTRY.name, origin=layout.origin, defines=layout.defines
    )


@lru_cache(maxsize=1)
def kernel_symbols(layout: Layout) -> bytes:
    """An ELF file of the kernel's text for a debugger; its lines name entry.S by its path on this host."""
    from userland.assembler import assemble_text

    text, path = kernel_source(), str(ENTRY.resolve())
    return assemble_text(text, name=path, origin=layout.origin, defines=layout.defines).elf()


@lru_cache(maxsize=1)
def init_program() -> Program:
    """init, which becomes pid 1 and starts the program (arch/x86/init.S), assembled once a process.

    By its name without a folder: the guest's RAM must not depend on where we are installed.
    """
    from userland.assembler import assemble_text

    return assemble_text(INIT.read_text(), name=INIT.name)


@lru_cache(maxsize=1)
def vdso_text() -> VdsoText:
    """The vDSO's text (arch/x86/vdso.S), assembled once a process, at 0."""
    from userland.assembler import assemble_text

    program = assemble_text(VDSO.read_text(), name=VDSO.name, origin={".text": 0})
    functions = (symbol for symbol in program.symbols.values() if symbol.kind == "func")
    return VdsoText(
        bytes(program.section(".text").data), {f.name: (f.value, f.size) for f in functions}
    )


@lru_cache(maxsize=1)
def _init_elf() -> bytes:
    return init_program().elf()


@lru_cache(maxsize=8)
def _images(layout: Layout, cache: bool) -> BootImages:
    name = ""
    if cache:
        texts = (kernel_source(), INIT.read_text(), VDSO.read_text())
        parts = (*texts, repr(layout), repr(layout.defines))
        name = image_cache.key(parts)
    kept = image_cache.load(name) if cache else None
    images = _from_kept(layout, kept) if kept is not None else None
    if images is None:
        program = kernel_program(layout)
        images = BootImages(
            layout,
            tuple((s.address, s.data.ljust(s.size, b"\0")) for s in program.sections),
            {name: symbol.value for name, symbol in program.symbols.items()},
            _init_elf(),
            vdso_text(),
        )
        if cache:
            image_cache.keep(
                name,
                {
                    "sections": [[address, data.hex()] for address, data in images.sections],
                    "symbols": dict(images.symbols),
                    "init": images.init.hex(),
                    "vdso": [images.vdso.code.hex(), dict(images.vdso.functions)],
                },
            )
    return images


def _from_kept(layout: Layout, kept: dict[str, Any]) -> BootImages | None:
    try:
        code, functions = kept["vdso"]
        vdso = {str(name): (int(at), int(size)) for name, (at, size) in functions.items()}
        return BootImages(
            layout,
            tuple((int(address), bytes.fromhex(data)) for address, data in kept["sections"]),
            {str(name): int(value) for name, value in kept["symbols"].items()},
            bytes.fromhex(kept["init"]),
            VdsoText(bytes.fromhex(code), vdso),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def boot_images(config: Config, *, cache: bool = True) -> BootImages:
    """What a machine of this configuration boots from: with `cache` as kept from an earlier run, or
    assembled."""
    return _images(memory_layout(config.memory, config.cpu), cache)
