"""Looking at a task's memory without touching it: no fault is taken, no accessed or dirty bit set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.look.page_tables import walk

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel


def peek(k: Kernel, mm: MmStruct | None, address: int, size: int) -> bytes | None:
    """`size` bytes at a linear user address; None when any of them cannot be read.

    A page of an area that nobody has touched yet reads as the zeros that it would be filled with.
    """
    if mm is None or not mm.pgd or size < 0 or not 0 <= address <= TASK_SIZE - size:
        return None
    ram = k.machine.ram
    parts = []
    while size:
        part = min(size, PAGE_SIZE - address % PAGE_SIZE)
        physical = walk(k, mm.pgd, address).physical
        if physical is not None:
            parts.append(ram.read(physical, part))
        elif mm.find_exact(address) is not None:
            parts.append(bytes(part))
        else:
            return None
        address += part
        size -= part
    return b"".join(parts)


def peek_word(k: Kernel, mm: MmStruct | None, address: int) -> int | None:
    """32 bits at a linear address; None where nothing is mapped."""
    data = peek(k, mm, address, 4)
    return None if data is None else int.from_bytes(data, "little")


def peek_string(
    k: Kernel, mm: MmStruct | None, address: int, limit: int
) -> tuple[bytes, bool] | None:
    """(bytes before the NUL, whether the NUL was found) of at most `limit` bytes; None: unreadable."""
    text = b""
    while len(text) < limit:
        part = min(limit - len(text), PAGE_SIZE - address % PAGE_SIZE)
        chunk = peek(k, mm, address, part)
        if chunk is None:
            return None
        end = chunk.find(0)
        if end >= 0:
            return text + chunk[:end], True
        text += chunk
        address += part
    return text, False
