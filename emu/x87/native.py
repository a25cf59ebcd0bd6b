"""The x87 beside the engine, in C (emu/_x87_trap.h): its memory."""

from __future__ import annotations

import ctypes
from typing import Any

from emu.engine_quirks import FIELD, ContextLayout
from emu.hooks import EngineState
from emu.layout import check_layout
from emu.x87.state import FP0, MXCSR, WORDS, XMM0

_U32, _U64 = ctypes.c_uint32, ctypes.c_uint64


class X87State(ctypes.Structure):
    """The head of struct x87_unit: change both."""

    _fields_ = (
        ("env", _U64),
        ("fpu_at", _U32),
        ("reg_fp0", _U32),
        ("reg_words", _U32 * len(WORDS)),
        ("reg_xmm0", _U32),
        ("reg_mxcsr", _U32),
    )


class NativeX87:
    """The unit of one CPU."""

    def __init__(self, state: EngineState, layout: ContextLayout, module: Any) -> None:
        size = check_layout(module, "x87_unit", X87State, head=True)
        self._memory = (ctypes.c_uint64 * (size // 8))()
        self._unit = X87State.from_buffer(self._memory)
        self._unit.fpu_at, self._unit.reg_fp0 = layout.fpu, FP0
        self._unit.reg_words[:] = WORDS
        self._unit.reg_xmm0, self._unit.reg_mxcsr = XMM0, MXCSR
        self._eax = layout.fields[FIELD["eax"]][0]
        state.x87 = ctypes.addressof(self._unit)

    def attach(self, env: int) -> None:
        """The engine's live EAX is at this host address, the rest as in a context; 0: not known."""
        self._unit.env = env and env - self._eax
