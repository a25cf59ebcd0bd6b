"""Code that runs over the end of a page into one that is not there.

On an i386 the fetch faults when it is made, behind everything before it. The engine faults when it
translates a block that reaches over the end, and then nothing of the block has been executed. The
machine recognizes that fault, ends the block in front of the first instruction that needs the next page,
and runs it; the fault comes again when EIP is there.
"""

from __future__ import annotations

from emu.hooks import NO_FRAME, EngineState
from emu.linear import LinearMemory
from emu.port_io import code_bytes
from emu.ram import Ram
from emu.timing.records import LONGEST, length_of


def rest_of_page(state: EngineState, ram: Ram, linear: LinearMemory, start: int) -> bytes:
    """Code to the end of the page: where it was fetched last, should the tables have changed."""
    at = start & 0xFFF
    fetched = state.code_page_valid and state.code_page == start >> 12
    if fetched and state.code_frame != NO_FRAME:
        return bytes(ram.read(state.code_frame + at, 0x1000 - at))
    return code_bytes(linear, start, 0x1000 - at)


def needs_next_page(code: bytes) -> int:
    """Offset of the first instruction that does not end within these bytes, or behind them all."""
    at = 0
    while at < len(code):
        # What a cut instruction lacks does not matter: any of it is beyond the end.
        length = length_of((code[at:] + bytes(LONGEST))[:LONGEST])
        if at + length > len(code):
            break
        at += length
    return at
