"""Code that the engine's translator cannot digest: LOCK before BTS, BTR or BTC of a register.

On an i386 that is #UD. The engine calls abort() while it translates the block, before any hook has
seen the instruction. emu/_native.c gets out of the abort; the CPU then opens a fresh engine in the
same state, in which every address where such an instruction could start is an exit: blocks end there.
"""

from __future__ import annotations

_PREFIXES = frozenset((0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65))
_LOCK = 0xF0
_BIT_TESTS = frozenset((0xAB, 0xB3, 0xBB))
LONGEST = 15


def is_untranslatable(code: bytes) -> bool:
    """Whether the instruction at the start of these bytes is one that the engine cannot translate."""
    at = 0
    while at < len(code) and code[at] in _PREFIXES:
        at += 1
    if _LOCK not in code[:at] or code[at : at + 1] != b"\x0f" or len(code) < at + 3:
        return False
    operation, modrm = code[at + 1], code[at + 2]
    if modrm < 0xC0:
        return False
    return operation in _BIT_TESTS or (operation == 0xBA and modrm >> 3 & 7 >= 5)


def untranslatable_starts(code: bytes) -> list[int]:
    """Every offset at which an instruction could start that the engine cannot translate,
    prefixes included.
    """
    return [
        start
        for start, byte in enumerate(code)
        if byte in _PREFIXES and is_untranslatable(code[start : start + LONGEST])
    ]
