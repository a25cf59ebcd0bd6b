"""The images that a kernel boots from, assembled: its own text, and init."""

from __future__ import annotations

from functools import lru_cache

from toykernel.boot import ENTRY, INIT, BootImages, Layout, kernel_source, memory_layout
from toykernel.state import Config
from userland.assembler import Program, assemble, assemble_text


@lru_cache(maxsize=8)
def kernel_program(layout: Layout) -> Program:
    """entry.S with the thunks, for one layout of memory; the same inputs give the same text."""
    return assemble_text(
        kernel_source(), name=ENTRY.name, origin=layout.origin, defines=layout.defines
    )


@lru_cache(maxsize=1)
def init_program() -> Program:
    """init, which becomes pid 1 and starts the program (arch/x86/init.S), assembled once a process."""
    return assemble(INIT)


@lru_cache(maxsize=1)
def _init_elf() -> bytes:
    return init_program().elf()


def boot_images(config: Config) -> BootImages:
    """What a machine of this configuration boots from."""
    layout = memory_layout(config.memory, config.cpu)
    program = kernel_program(layout)
    return BootImages(
        layout,
        tuple(
            (section.address, section.data.ljust(section.size, b"\0"))
            for section in program.sections
        ),
        {name: symbol.value for name, symbol in program.symbols.items()},
        _init_elf(),
    )
