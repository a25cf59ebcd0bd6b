"""Code that runs over the end of a page into one that is not there.

On an i386 the fetch faults when it is made, behind everything before it. The engine faults when it
translates a block that reaches over the end, and then nothing of the block has been executed. The
machine recognizes that fault, ends the block in front of the first instruction that needs the next page,
and runs it; the fault comes again when EIP is there.
"""

from __future__ import annotations

from emu.timing.records import LONGEST, length_of


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
