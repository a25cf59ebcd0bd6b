"""The assembler front end: GNU-syntax i386 sources to a static ELF32 program.

Its parts are imported when they are first asked for: a program that was assembled before needs few.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import AssemblyError
    from .front_end import assemble, assemble_object, assemble_text
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

_HOMES = {
    "AssemblyError": "errors",
    "LineEntry": "program",
    "ObjectFile": "objects",
    "Program": "program",
    "Section": "program",
    "Symbol": "program",
    "assemble": "front_end",
    "assemble_object": "front_end",
    "assemble_text": "front_end",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted((*globals(), *__all__))
