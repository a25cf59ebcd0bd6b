"""One assembled object to a program, by the static linker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .errors import AssemblyError
from .objects import ObjectFile
from .program import LineEntry, Program


def link_one(item: ObjectFile, origin: Mapping[str, int], source: str) -> Program:
    """Link `item` alone. Raises AssemblyError."""
    from userland.linker import LinkError, link, read_object  # it needs our Program

    linked_from = read_object(item.elf(), source)
    try:
        linked = link([linked_from], origin=origin, output=source)
    except LinkError as problem:
        raise AssemblyError(source, 0, str(problem).removeprefix(f"{source}: ")) from None
    addresses = {
        section.name: section.address for section in linked_from.sections if section.placed
    }
    lines: list[LineEntry] = [
        replace(entry, address=entry.address + addresses[name])
        for name, entry in item.lines if name in addresses
    ]  # fmt: skip
    lines.sort(key=lambda entry: entry.address)
    return replace(
        linked.program, lines=tuple(lines), source=source, executable_stack=item.executable_stack,
        warnings=tuple(linked.warnings),
    )  # fmt: skip
