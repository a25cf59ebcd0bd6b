"""A read-modify-write instruction asks for write access before it reads (SDM vol. 3, 4.7)."""

import pytest

from tests.emu.bare import DATA, Bare

ALU = [bytes((row << 3 | w, 0x0F)) for row in range(7) for w in (0, 1)]
GROUPS = [
    bytes((op, ext << 3 | 7, 1))
    for op, exts in (
        (0x80, range(7)), (0x83, range(7)), (0xC0, (0, 1, 2, 3, 4, 5, 7)),
        (0xC1, (0, 1, 2, 3, 4, 5, 7)), (0xD0, (0, 1, 2, 3, 4, 5, 7)), (0xD3, (0, 1, 2, 3, 4, 5, 7)),
        (0xF6, (2, 3)), (0xF7, (2, 3)), (0xFE, (0, 1)), (0xFF, (0, 1)),
    )
    for ext in exts
]  # fmt: skip
OTHERS = [b"\x86\x0f", b"\x87\x0f"] + [
    b"\x0f" + rest
    for rest in (
        b"\xab\x0f", b"\xb3\x0f", b"\xbb\x0f", b"\xba\x2f\x01", b"\xba\x37\x01", b"\xba\x3f\x01",
        b"\xb0\x0f", b"\xb1\x0f", b"\xc0\x0f", b"\xc1\x0f", b"\xc7\x0f",
        b"\xa4\x0f\x01", b"\xa5\x0f", b"\xac\x0f\x01", b"\xad\x0f",
    )
]  # fmt: skip
LOCKED = [b"\xf0\xff\x07", b"\xf0\x0f\xb1\x0f", b"\xf0\x83\x0f\x00", b"\x66\xff\x07"]
READS = [b"\x8b\x07", b"\x3b\x07", b"\x39\x07", b"\x83\x3f\x01", b"\x85\x07", b"\x0f\xa3\x07",
         b"\x0f\xba\x27\x01", b"\x03\x07", b"\xff\x37", b"\xf7\x27"]  # fmt: skip


def error_code(code: bytes, entry: int, at: int, native: bool) -> int | None:
    b = Bare(native=native)
    b.page(DATA, entry)
    b.cpu.edi, b.cpu.ecx = at, 1
    trap = b.trap(code)
    assert (trap.vector, trap.cr2) == (14, max(at, DATA))
    return trap.error_code


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("code", ALU + GROUPS + OTHERS + LOCKED, ids=bytes.hex)
def test_a_write_fault(code: bytes, native: bool) -> None:
    assert error_code(code, 0, DATA, native) == 6
    assert error_code(code, DATA | 3, DATA, native) == 7  # the supervisor's
    assert error_code(code, DATA | 5, DATA, native) == 7  # read-only


@pytest.mark.parametrize("code", [b"\xff\x07", b"\xf0\xff\x07", b"\x0f\xb1\x0f"], ids=bytes.hex)
def test_a_write_fault_over_a_page_border(code: bytes) -> None:
    assert error_code(code, 0, DATA - 2, True) == 6


@pytest.mark.parametrize("code", READS, ids=bytes.hex)
def test_a_read_stays_a_read(code: bytes) -> None:
    assert error_code(code, 0, DATA, True) == 4


def test_movs_reads_its_source_first() -> None:
    """Native too: MOVS onto itself is a read fault, then a write fault."""
    b = Bare()
    b.page(DATA, 0)
    b.cpu.edi = b.cpu.esi = DATA
    assert b.trap(b"\xa5").error_code == 4


def test_a_shift_by_no_bits_asks_to_write() -> None:
    b = Bare()
    b.page(DATA, 0)
    b.cpu.edi, b.cpu.ecx = DATA, 0
    assert b.trap(b"\xd3\x27").error_code == 6
