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


#: (first page, second page) in front of whose border the operand begins: CR2 and error code of a fault.
PAGES = {
    (5, 0): (DATA - 2, 7),  # read-only, absent: the write is refused before the rest is looked for
    (3, 0): (DATA - 2, 7),  # the supervisor's
    (7, 0): (DATA, 6),
    (0, 0): (DATA - 2, 6),
    (0, 5): (DATA - 2, 6),
    (7, 5): (DATA, 7),
    (5, 7): (DATA - 2, 7),
    (7, 3): (DATA, 7),
}


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("timing", ["off", "i486"])
@pytest.mark.parametrize("pages", PAGES, ids=str)
@pytest.mark.parametrize(
    "code",
    [b"\xff\x07", b"\xf0\xff\x07", b"\x87\x07", b"\x0f\xb1\x0f", b"\x0f\xc7\x0f", b"\xf0\xf7\x1f",
     b"\x0f\xab\x47\xfc", b"\x01\x44\x4f\xc0", b"\xff\x84\x0f\xe0\xff\xff\xff",
     b"\x67\xff\x05", b"\xc1\x17\x03", b"\x89\x07"],
    ids=bytes.hex,
)  # fmt: skip
def test_the_page_that_a_write_over_a_border_faults_for(
    code: bytes, pages: tuple[int, int], timing: str, native: bool
) -> None:
    """An operand at the border, by every way of addressing; the processor says the same."""
    border = 0x7000 if code[0] == 0x67 else DATA  # DI has 16 bits
    b = Bare(native=native, timing=timing)
    for at, rights in zip((border - 0x1000, border), pages, strict=True):
        b.page(at, (at | rights) if rights else 0)
    b.cpu.edi, b.cpu.ecx, b.cpu.eax = border - 2, 0x20, 0x20
    cr2, error_code = PAGES[pages]
    trap = b.trap(code)
    assert (trap.vector, trap.cr2, trap.error_code) == (14, cr2 - DATA + border, error_code)


def test_the_supervisor_without_wp_may_write_a_page_that_only_may_be_read() -> None:
    b = Bare()
    b.page(DATA - 0x1000, DATA - 0x1000 | 5)
    b.page(DATA, 0)
    b.ring0()
    b.cpu.set_cr(0, b.cpu.cr0 & ~0x10000)
    b.cpu.edi = DATA - 2
    trap = b.trap(b"\xff\x07")
    assert (trap.vector, trap.cr2, trap.error_code) == (14, DATA, 2)


#: Instructions whose operand is at the last bytes of 4 GiB, and whether it ends there.
LIMITS = [
    (b"\x8b\x07", -4, 14), (b"\x8b\x07", -3, 13), (b"\x8b\x07", -1, 13), (b"\x8a\x07", -1, 14),
    (b"\x89\x07", -2, 13), (b"\xff\x07", -1, 13), (b"\x66\x8b\x07", -2, 14), (b"\x66\x8b\x07", -1, 13),
    (b"\x0f\xc7\x0f", -8, 14), (b"\x0f\xc7\x0f", -7, 13), (b"\xab", -2, 13), (b"\xff\x37", -1, 13),
    (b"\x8b\x45\x00", -2, 12), (b"\x36\x8b\x07", -2, 12), (b"\x58", -2, 12), (b"\xc3", -2, 12),
    (b"\x50", 2, 12), (b"\x50", 0, 14), (b"\xe8\x00\x00\x00\x00", 2, 12), (b"\xc9", -2, 12),
    (b"\xdd\x07", -8, 14), (b"\xdd\x07", -4, 13), (b"\xdb\x2f", -8, 14),
]  # fmt: skip


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(("code", "at", "vector"), LIMITS)
def test_an_operand_over_the_end_of_a_flat_segment(
    code: bytes, at: int, vector: int, native: bool
) -> None:
    """#GP(0), #SS(0) by the stack (SDM vol. 3, 5.3), which comes before the page fault."""
    b = Bare(native=native)
    at &= 0xFFFFFFFF
    b.cpu.edi = b.cpu.ebp = at
    if code in (b"\x58", b"\xc3", b"\x50", b"\xe8\x00\x00\x00\x00"):
        b.cpu.esp = at
    trap = b.trap(code)
    assert (trap.vector, trap.eip) == (vector, 0x20000)
    if vector != 14:
        assert trap.error_code == 0


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("code", [b"\x60", b"\x66\x60"], ids=["pushal", "pushaw"])
def test_pusha_begins_at_its_highest_word(code: bytes, native: bool) -> None:
    """EAX is pushed first: the fault is for the first word, going down, that has no page."""
    size = 4 if code == b"\x60" else 2
    for words, odd in ((0, 0), (1, 0), (3, 0), (7, 0), (1, 1), (8, 1)):
        b = Bare(native=native)
        b.page(DATA - 0x1000, 0)
        b.cpu.esp = DATA + words * size - odd
        trap = b.trap(code)
        first = DATA + (words - 1) * size - odd  # a word that lies on the border begins below it
        expected = first if odd and words else DATA - size - odd
        if words == 8:
            expected = DATA - odd
        assert (trap.vector, trap.error_code, trap.cr2) == (14, 6, expected)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("code", [b"\xa6", b"\xa7", b"\xf3\xa7"], ids=bytes.hex)
@pytest.mark.parametrize(("source", "target"), [(0, 0), (7, 0), (0, 7), (7, 3), (3, 0)])
def test_cmps_reads_its_source_first(code: bytes, source: int, target: int, native: bool) -> None:
    b = Bare(native=native)
    for at, rights in ((DATA, source), (DATA + 0x1000, target)):
        b.page(at, (at | rights) if rights else 0)
    b.cpu.esi, b.cpu.edi, b.cpu.ecx = DATA, DATA + 0x1000, 1
    trap = b.trap(code)
    rights = target if source == 7 else source
    at = DATA + 0x1000 if source == 7 else DATA
    assert (trap.cr2, trap.error_code) == (at, 5 if rights == 3 else 4)
