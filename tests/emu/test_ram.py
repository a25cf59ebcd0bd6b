"""The one door for host writes: which of them make the engine forget what it has translated."""

from random import Random

import pytest

from emu.errors import BusError
from emu.ram import PAGE_SIZE, Ram


@pytest.mark.parametrize("frame", range(8))
def test_a_write_is_noticed_in_every_frame_it_touches(frame: int) -> None:
    for address, length in (
        (0x1FF0, 0x20),
        (0x1000, 0x1000),
        (0x1800, 0x3000),
        (0x1FFC, 4),
        (0x3000, 0),
    ):
        for write in ("write", "fill", "copy"):
            ram = Ram(1 << 20)
            ram.held_code[frame] = 1
            if write == "write":
                ram.write(address, bytes(length))
            elif write == "fill":
                ram.fill(address, length, 7)
            elif length:
                ram.copy(address, 0x8000, length)
            touched = (
                length and address // PAGE_SIZE <= frame <= (address + length - 1) // PAGE_SIZE
            )
            assert ram.code_stale == bool(touched), (write, address, length)


@pytest.mark.parametrize("address", [0x1000, 0x1FFC, 0x1FFE])
def test_a_word_is_noticed(address: int) -> None:
    for frame in range(4):
        ram = Ram(1 << 20)
        ram.held_code[frame] = 1
        ram.write32(address, 5)
        assert ram.read32(address) == 5
        assert ram.code_stale == (frame in (address >> 12, address + 3 >> 12))


def test_an_image_shares_the_frames_that_are_as_they_were() -> None:
    ram = Ram(1 << 20)
    ram.write(0x5000, b"five")
    ram.write(0x1000, b"one")
    first = ram.image()
    assert list(first) == [1, 5]
    ram.write(0x1000, b"uno")
    ram.write(0x3FFF, b"\1\2")
    ram.fill(0x5000, 4)
    second = ram.image()
    assert list(second) == [1, 3, 4]
    assert first[1][:4] == b"one\0"
    assert second[1][:4] == b"uno\0"
    third = ram.image()
    assert all(third[frame] is second[frame] for frame in second)
    ram.load_image(first)
    assert ram.read(0x5000, 4) == b"five"
    assert ram.image() == first
    ram.load_image({frame: bytes(bytearray(page)) for frame, page in second.items()})
    assert ram.image() == second


def test_an_image_is_of_this_memory_alone() -> None:
    one, two = Ram(1 << 20), Ram(1 << 20)
    one.write(0x2000, b"x")
    two.load_image(one.image())
    two.write(0x2000, b"y")
    assert (one.image()[2][:1], two.image()[2][:1]) == (b"x", b"y")


def test_only_code_that_an_image_changes_is_stale() -> None:
    ram = Ram(1 << 20)
    ram.write(0x1000, b"\x90")
    ram.held_code[1] = 1
    image = ram.image()
    ram.write(0x2000, b"data")
    ram.load_image(image)
    assert not ram.code_stale
    ram.write(0x1000, b"\xf4")
    ram.code_stale = False
    ram.load_image(image)
    assert ram.code_stale


def test_frames_that_nobody_has_had_are_looked_at_once_the_host_writes_there() -> None:
    ram = Ram(4 << 20)
    ram.given(16)
    assert ram.image() == {}
    ram.view.obj[0x20_0000] = 1  # as a guest would that had been given no such frame
    assert ram.image() == {}
    ram.given(3)  # the largest counts
    ram.write32(15 << 12, 7)
    assert list(ram.image()) == [15]
    ram.write32(0x30_0000, 9)
    assert list(ram.image()) == [15, 0x200, 0x300]


@pytest.mark.parametrize("words", [0, 1, 3, 5, 40, 300])
def test_the_words_that_are_not_zero(words: int) -> None:
    """However many there are in a piece, and wherever it ends."""
    ram = Ram(1 << 20)
    chosen = Random(words)
    for _ in range(words):
        value = chosen.choice((1, 0x80000000, 0xFF000000, chosen.getrandbits(32)))
        ram.write32(0x1000 + 4 * chosen.randrange(300), value)
    for count in (1, 63, 64, 65, 300):
        every = ram.words(0x1000, count)
        assert ram.nonzero_words(0x1000, count) == [(n, w) for n, w in enumerate(every) if w]


@pytest.mark.parametrize("address", [-4, (1 << 20) - 3, 1 << 20, 1 << 32])
def test_words_outside_are_bus_errors(address: int) -> None:
    ram = Ram(1 << 20)
    with pytest.raises(BusError):
        ram.read32(address)
    with pytest.raises(BusError):
        ram.write32(address, 0)
    with pytest.raises(BusError):
        ram.write_words(address & ~3, [0, 0])


def test_written_words_are_noticed() -> None:
    ram = Ram(1 << 20)
    ram.held_code[2] = 1
    ram.write_words(0x1FF8, [1, 2])
    assert not ram.code_stale
    ram.write_words(0x1FFC, [3, 0xFFFFFFFF])
    assert ram.code_stale
    assert ram.words(0x1FF8, 3) == [1, 3, 0xFFFFFFFF]
