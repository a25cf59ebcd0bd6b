"""The unwind tables: frames of dropped functions go, and objects share equal CIEs (bfd/elf-eh-frame.c)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from .objects import InputObject, InputSection, Relocation


@dataclass
class _Record:
    start: int
    data: bytearray
    relocations: list[Relocation]
    cie: _Record | None = None  # None: it is one itself
    offset: int = 0


def tidy(
    parts: list[tuple[InputObject, InputSection]],
    dropped: Callable[[InputObject, Relocation], bool],
    identity: Callable[[InputObject, Relocation], object],
) -> None:
    """Rewrite the .eh_frame sections of all objects, in link order.

    `dropped` says whether a relocation leads to code that is not in the output, `identity` what it
    refers to, so that CIEs with equal bytes and equal references can be told to be equal.
    """
    known: dict[object, tuple[InputSection, _Record]] = {}
    sharing: list[tuple[_Record, InputSection, _Record, InputSection]] = []
    for item, section in parts:
        records = _records(section)
        if records is None:
            continue
        kept: list[_Record] = []
        replaced: dict[int, tuple[InputSection, _Record]] = {}
        used = {
            id(r.cie) for r in records if r.cie is not None and not _is_dropped(item, r, dropped)
        }
        for record in records:
            if record.cie is None:
                if len(record.data) > 4 and id(record) not in used:
                    continue
                key = (
                    bytes(record.data),
                    *((r.offset, r.kind, identity(item, r)) for r in record.relocations),
                )
                if len(record.data) > 4 and key in known:
                    replaced[id(record)] = known[key]
                    continue
                known[key] = (section, record)
            elif _is_dropped(item, record, dropped):
                continue
            kept.append(record)
        section.data = b""
        out = bytearray()
        section.relocations = []
        for record in kept:
            record.offset = len(out)
            out += record.data
            for relocation in record.relocations:
                section.relocations.append(
                    Relocation(
                        record.offset + relocation.offset, relocation.kind, relocation.symbol
                    )
                )
            if record.cie is not None:
                place = replaced.get(id(record.cie), (section, record.cie))
                sharing.append((record, section, place[1], place[0]))
        section.data, section.size = bytes(out), len(out)
    starts: dict[int, int] = {}
    total = 0
    for _, section in parts:
        total += -total % section.align
        starts[id(section)] = total
        total += section.size
    for record, section, cie, home in sharing:
        field_at = record.offset + 4
        distance = starts[id(section)] + field_at - (starts[id(home)] + cie.offset)
        data = bytearray(section.data)
        struct.pack_into("<I", data, field_at, distance)
        section.data = bytes(data)


def _is_dropped(
    item: InputObject, record: _Record, dropped: Callable[[InputObject, Relocation], bool]
) -> bool:
    return any(r.offset == 8 and dropped(item, r) for r in record.relocations)


def _records(section: InputSection) -> list[_Record] | None:
    """The CIEs and FDEs of a section;
    None when it is not made of whole records, and is left as it is.
    """
    records: list[_Record] = []
    by_start: dict[int, _Record] = {}
    at, data = 0, section.data
    while at < len(data):
        if at + 4 > len(data):
            return None
        (length,) = struct.unpack_from("<I", data, at)
        end = at + 4 + length
        if length == 0xFFFFFFFF or end > len(data) or 0 < length < 4:
            return None
        inside = [
            Relocation(r.offset - at, r.kind, r.symbol)
            for r in section.relocations
            if at <= r.offset < end
        ]
        record = _Record(at, bytearray(data[at:end]), inside)
        if length:
            (identity,) = struct.unpack_from("<I", data, at + 4)
            if identity:
                record.cie = by_start.get(at + 4 - identity)
                if record.cie is None:
                    return None
        by_start[at] = record
        records.append(record)
        at = end
    return records
