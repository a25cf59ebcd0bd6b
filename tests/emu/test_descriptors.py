"""Descriptors bit by bit (SDM vol. 3, 3.4.5 and 5.3)."""

from __future__ import annotations

import struct

import pytest

from emu.descriptors import (
    SEG_ACCESSED,
    SEG_CODE,
    SEG_CONFORMING,
    SEG_EXPAND_DOWN,
    SEG_READABLE,
    SEG_WRITABLE,
    TYPE_TSS,
    Segment,
    pack_segment,
)

DOWN = SEG_WRITABLE | SEG_EXPAND_DOWN


def segment(limit: int, type_: int, *, default32: bool = True, system: bool = False) -> Segment:
    packed = pack_segment(0, limit, type_, system=system, default32=default32)
    return Segment.unpack(*struct.unpack("<II", packed))


@pytest.mark.parametrize(
    ("limit", "type_", "default32", "offset", "size", "inside"),
    [
        (0xFFF, SEG_WRITABLE, True, 0xFFF, 1, True),
        (0xFFF, SEG_WRITABLE, True, 0x1000, 1, False),
        (0xFFF, SEG_WRITABLE, True, 0xFFC, 4, True),
        (0xFFF, SEG_WRITABLE, True, 0xFFD, 4, False),
        (0xFFF, SEG_CODE | SEG_CONFORMING, True, 0xFFF, 1, True),  # the same bit in code
        (0xFFF, SEG_CODE | SEG_CONFORMING, True, 0x1000, 1, False),
        (0xFFF, DOWN, True, 0xFFF, 1, False),
        (0xFFF, DOWN, True, 0x1000, 1, True),
        (0xFFF, DOWN, True, 0xFFFF, 2, True),
        (0xFFF, DOWN, True, 0xFFFFFFFF, 1, True),
        (0xFFF, DOWN, True, 0xFFFFFFFF, 2, False),
        (0xFFF, DOWN, False, 0xFFFF, 1, True),
        (0xFFF, DOWN, False, 0xFFFF, 2, False),
        (0xFFFFFFFF, SEG_WRITABLE, True, 0xFFFFFFFF, 1, True),
        (0x1FFFFF, SEG_WRITABLE, True, 0x1FFFFF, 1, True),
        (0x1FFFFF, SEG_WRITABLE, True, 0x200000, 1, False),
    ],
)
def test_limits(
    limit: int, type_: int, default32: bool, offset: int, size: int, inside: bool
) -> None:
    assert segment(limit, type_, default32=default32).covers(offset, size) == inside


def test_kinds() -> None:
    code = segment(0xFFF, SEG_CODE | SEG_READABLE)
    data = segment(0xFFF, SEG_WRITABLE)
    tss = segment(103, TYPE_TSS, system=True)
    assert [s.is_code for s in (code, data, tss)] == [True, False, False]
    assert [s.is_writable_data for s in (code, data, tss)] == [False, True, False]
    assert not segment(0xFFF, SEG_ACCESSED).is_writable_data
    assert segment(0xFFF, SEG_CODE | SEG_CONFORMING).conforming
    assert not code.conforming
    assert not segment(0xFFF, DOWN).conforming
    assert tss.covers(103, 1)
    assert not tss.covers(104, 1)
