"""The assembler front end: GNU-syntax i386 sources to a static ELF32 program."""

from .assemble import assemble, assemble_object, assemble_text
from .errors import AssemblyError
from .objects import ObjectFile
from .program import LineEntry, Program, Section, Symbol

__all__ = [
    "AssemblyError",
    "LineEntry",
    "ObjectFile",
    "Program",
    "Section",
    "Symbol",
    "assemble",
    "assemble_object",
    "assemble_text",
]
