"""Assembled programs, kept between runs by content.

The key is the text after the preprocessor, with the file's name, the folders for includes and the sources of
the assembler. Kept with it is which files it has looked for: it counts only while each has the same content,
or is missing still.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from toykernel.harness import image_cache
from toykernel.harness.recipe import Built
from userland.assembler.program import LineEntry, Program, Section, Symbol

#: Changes with what is kept.
_FORMAT = "program 2"


def key(text: str, path: Path, include: Sequence[Path]) -> str:
    """The name under which a source's program is kept."""
    return named((text, str(path), *map(str, include)))


def named(parts: Iterable[str]) -> str:
    """The name under which what is made from these texts is kept."""
    return image_cache.key(ascii(part) for part in (_FORMAT, *parts))


def load(name: str) -> Built | None:
    """The program, when it was kept and no file that went into it has changed."""
    kept: dict[str, Any] | None = image_cache.load(name)
    try:
        if kept is None or any(_digest(path) != was for path, was in kept["looked_for"].items()):
            return None
        program = _program(kept["program"]) if kept["program"] else None
        return Built(b64decode(kept["elf"]), program, tuple(kept["said"]), kept["map"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def keep(name: str, built: Built, looked_for: Mapping[str, bool]) -> None:
    """Keep it for later runs."""
    program = built.program
    files = {path: _digest(path) for path in looked_for}
    # One that came or went since must not count for what was there before.
    same = all((files[path] is not None) == there for path, there in looked_for.items())
    if not same:
        return
    image_cache.keep(
        name,
        {
            "looked_for": files,
            "elf": b64encode(built.elf).decode(),
            "said": list(built.said),
            "map": built.map,
            "program": _plain(program) if program is not None else None,
        },
    )


def _plain(program: Program) -> dict[str, object]:
    return {
        "sections": [
            [s.name, s.address, b64encode(s.data).decode(), s.size, s.flags, s.align]
            for s in program.sections
        ],
        "symbols": [
            [s.name, s.value, s.section, s.is_global, s.size, s.kind]
            for s in program.symbols.values()
        ],
        "lines": [[e.address, e.length, e.file, e.line, e.text, e.call] for e in program.lines],
        "entry": program.entry,
        "source": program.source,
        "executable_stack": program.executable_stack,
        "warnings": list(program.warnings),
        "debug": {name: b64encode(data).decode() for name, data in program.debug.items()},
        "read": list(program.read),
    }


def _digest(path: str) -> str | None:
    try:
        return image_cache.checksum(Path(path).read_bytes())
    except (OSError, ValueError):
        return None


def _program(kept: Mapping[str, Any]) -> Program:
    symbols = [Symbol(*fields) for fields in kept["symbols"]]
    return Program(
        tuple(
            Section(name, address, b64decode(data), *rest)
            for name, address, data, *rest in kept["sections"]
        ),
        {symbol.name: symbol for symbol in symbols},
        tuple(
            LineEntry(address, length, file, line, text, tuple(call) if call else None)
            for address, length, file, line, text, call in kept["lines"]
        ),
        kept["entry"],
        kept["source"],
        kept["executable_stack"],
        tuple(kept["warnings"]),
        {name: b64decode(data) for name, data in kept["debug"].items()},
        tuple(kept.get("read", ())),
    )
