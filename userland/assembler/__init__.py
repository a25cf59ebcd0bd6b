"""The assembler front end: GNU-syntax i386 sources to a static ELF32 program."""

from .assembler import assemble, assemble_text
from .errors import AssemblyError
from .program import LineEntry, Program, Section, Symbol

__all__ = [
    "AssemblyError",
    "LineEntry",
    "Program",
    "Section",
    "Symbol",
    "assemble",
    "assemble_text",
]
