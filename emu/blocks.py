"""Whole blocks at a time (emu/_blocks.h): its memory, and the bounds of the code hook.

Only the native hooks do this. Whether blocks run whole or exactly makes no difference to a guest.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

from emu.hooks import EngineState
from emu.layout import check_layout

_U64 = ctypes.c_uint64
#: NO_SITES in emu/_blocks.h.
_NO_SITES = 0xFFFF


class BlockState(ctypes.Structure):
    """The head of struct blocks: change both."""

    _fields_ = tuple(
        (name, _U64)
        for name in (
            *("records", "bounds", "timed", "mode"),
            *("exact_until", "whole_since", "span", "epoch", "given"),
        )
    )


class Blocks:
    """The blocks of one CPU. `records` is the host address of the struct timing that has instructions."""

    def __init__(self, state: EngineState, module: Any, records: int, *, timed: bool) -> None:
        self._state = state
        self._memory = mmap.mmap(-1, check_layout(module, "blocks", BlockState, head=True))
        self._b = BlockState.from_buffer(self._memory)
        self._b.records, self._b.timed = records, timed
        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        self._fold, self._forget = function(module.blocks_fold), function(module.blocks_forget)

    def attach(self, bounds: int) -> None:
        """The bounds of the code hook are at this host address now; at 0: run every block exactly."""
        self._b.bounds = bounds
        self._state.blocks = ctypes.addressof(self._b) if bounds else 0

    @property
    def whole(self) -> bool:
        """The last run ended among whole blocks."""
        return bool(self._b.mode)

    @property
    def given(self) -> int:
        """How many of the engine's calls have a block, so that it is not looked up (emu/_block_sites.h)."""
        return int(self._b.given)

    def look_up_always(self) -> None:
        """From now on every block is looked up where it begins, as if the engine's code were another."""
        self._b.epoch = _NO_SITES

    def fold(self) -> None:
        """Add what was counted by blocks to the records of their instructions."""
        self._fold(ctypes.addressof(self._b))

    def forget(self) -> None:
        """The records are about to go: blocks are worked out anew."""
        self._forget(ctypes.addressof(self._b))
