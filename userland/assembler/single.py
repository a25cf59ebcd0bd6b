"""One assembled object to a program, by the static linker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from .errors import AssemblyError
from .objects import ObjectFile
from .program import LineEntry, Program

if TYPE_CHECKING:
    from userland.linker import InputObject


def link_one(item: ObjectFile, origin: Mapping[str, int], source: str) -> Program:
    """Link an object alone; `origin` fixes addresses of sections by name. Raises AssemblyError."""
    from userland.linker import LinkError, link, read_object  # it needs our Program

    linked_from = read_object(item.elf(), source)
    try:
        linked = link([linked_from], origin=origin, output=source)
    except LinkError as problem:
        raise AssemblyError(source, 0, str(problem).removeprefix(f"{source}: ")) from None
    return replace(
        linked.program,
        lines=tuple(placed_lines(item, linked_from)),
        source=source,
        executable_stack=item.executable_stack,
        warnings=tuple(linked.warnings),
    )


def placed_lines(item: ObjectFile, taken: InputObject) -> list[LineEntry]:
    """The lines of an object where the linker has put its sections, by address."""
    places = {section.name: section.address for section in taken.sections if section.placed}
    lines = [
        replace(entry, address=entry.address + places[name])
        for name, entry in item.lines
        if name in places
    ]
    return sorted(lines, key=lambda entry: entry.address)
