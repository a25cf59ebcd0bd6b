"""The one door for host writes: which of them make the engine forget what it has translated."""

import pytest

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
