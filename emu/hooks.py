"""The engine's hooks: what stops a run, and what is counted on the way.

A hook records what happened in the shared EngineState and stops the engine; the work is done by the
caller of `run` when the engine has been left. So nothing nests, no exception crosses the engine and
Ctrl-C is noticed between runs.

Two drivers do the same: emu/python_hooks.py is the specification, emu/_native.c the fast twin,
built by the installation where there is a C compiler.

Instructions are counted when they start, and taken back when they fault: `retired` is exact at
every stop. A limit stops *before* the first instruction at which `retired >= limit`, or at which,
under a timing profile, `cycles >= cycle_limit`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from unicorn import (
    UC_HOOK_BLOCK,
    UC_HOOK_CODE,
    UC_HOOK_INSN,
    UC_HOOK_INSN_INVALID,
    UC_HOOK_INTR,
    UC_HOOK_MEM_READ,
    UC_HOOK_MEM_WRITE,
)
from unicorn import x86_const as x86
from unicorn.unicorn_py3.unicorn import uclib

from emu.engine_quirks import FIELD_NAMES, ContextLayout
from emu.errors import EngineContractError
from emu.layout import check_layout

(
    *(EV_NONE, EV_LIMIT, EV_TRAP, EV_IN, EV_OUT, EV_INVALID, EV_BREAK, EV_IO, EV_DEBUG, EV_ABORT),
    EV_GATE,
) = range(11)
KIND_REP, KIND_IO, KIND_EMULATED, KIND_SYSTEM, KIND_IRET, KIND_UNDEFINED, KIND_READS_FLAGS = (
    1 << n for n in range(7)
)
KIND_CLEARS_FLAGS = 128
KIND_X87 = 256
#: EngineState.value with EV_INVALID: the engine knows no such instruction, or the hooks refuse it.
REFUSED_UD, REFUSED_MF, REFUSED_XM, REFUSED_GP, REFUSED_PF = 1, 2, 3, 4, 5
NO_FRAME = 0xFFFFFFFF
FLAG_WORDS = 5

NO_LIMIT = (1 << 63) - 1
MAX_BREAKS = 4096


class Field(ctypes.Structure):
    """Where one register lies in the saved context; struct field of emu/_engine_state.h: change both."""

    _fields_ = (
        ("offset", ctypes.c_uint32),
        ("width", ctypes.c_uint16),
        ("writable", ctypes.c_uint16),
    )


class WatchRecord(ctypes.Structure):
    """struct watch of emu/_engine_state.h: change both."""

    _fields_ = (
        *((n, ctypes.c_uint32) for n in ("start", "end", "reads", "writes", "seen", "padding")),
        ("first", ctypes.c_uint64 * 2),
        ("last", ctypes.c_uint64 * 2),
    )


class UserAccess(ctypes.Structure):
    """struct user_access of emu/_engine_state.h: change both."""

    _fields_ = (
        ("retired", ctypes.c_uint64),
        *((n, ctypes.c_uint32) for n in ("code", "address", "size", "write")),
    )


class EngineState(ctypes.Structure):
    """struct engine_state of emu/_engine_state.h: change both."""

    _fields_ = (
        *((n, ctypes.c_uint64) for n in ("retired", "limit")),
        *(
            (n, ctypes.c_uint64)
            for n in (
                *("cycles", "cycle_limit", "extra", "deadline", "gate"),
                *("timing", "blocks", "traps", "x87"),
            )
        ),
        *((n, ctypes.c_uint64) for n in ("deliveries", "delivery_limit", "instructions")),
        *(
            (n, ctypes.c_uint32)
            for n in (
                *("event", "vector", "port", "size", "value"),
                *("in_flight", "in_flight_valid", "watch_if", "skip_break"),
                *("allow_io", "in_flight_kind", "flags_known"),
                *("code_page", "code_page_valid", "code_frame"),
                *("break_count", "break_capacity"),
                *("previous_kind", "completed", "resume"),
                "careful",
                *("debug_hits", "debug_pending", "system_changed"),
                *("gate_port", "at_ease", "settled"),
            )
        ),
        *(
            (n, ctypes.c_uint64)
            for n in (
                *("breaks", "watches", "watch_count"),
                *("accesses", "access_room", "access_count", "ram", "ram_size", "held_code"),
                *("engine", "context", "regs", "fields", "env"),
            )
        ),
        *(
            (n, ctypes.c_uint32)
            for n in (
                *("field_count", "old_exception_offset", "is_int_field"),
                *("reg_eflags", "reg_cr0", "reg_cr3", "reg_cr4"),
                *("reg_cs", "reg_eax"),
                "error",
            )
        ),
        *(
            (f"fn_{n}", ctypes.c_uint64)
            for n in ("start", "stop", "save", "restore", "reg_read", "reg_write")
        ),
        ("flags_at", ctypes.c_uint64),
        ("flags_kept", ctypes.c_uint64 * FLAG_WORDS),
    )


def word(state: EngineState, name: str) -> memoryview:
    """A field of 64 bits as a view of one number: quicker to read and to write than by its name."""
    offset = getattr(EngineState, name).offset
    return memoryview((ctypes.c_uint8 * 8).from_buffer(state, offset)).cast("B").cast("Q")


_INSN_HOOKS = (
    ("on_in", x86.UC_X86_INS_IN),
    ("on_out", x86.UC_X86_INS_OUT),
    ("on_sysenter", x86.UC_X86_INS_SYSENTER),
    ("on_sysenter", x86.UC_X86_INS_SYSCALL),
)
_ALL_HOOKS: tuple[tuple[str, int, int | None], ...] = (
    ("on_code", UC_HOOK_CODE, None),
    ("on_trap", UC_HOOK_INTR, None),
    ("on_invalid", UC_HOOK_INSN_INVALID, None),
    *((name, UC_HOOK_INSN, insn) for name, insn in _INSN_HOOKS),
)


class Driver(Protocol):
    """Runs the engine from the shared registers until an event."""

    name: str

    def addresses(self) -> dict[str, int]:
        """Host address of each hook function."""

    @property
    def run(self) -> Callable[[int], int]:
        """One run, up to `limit` instructions retired in all; why it ended (an EV_ number)."""


_MEMORY_HOOK = ("on_memory", UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, None)
_BLOCK_HOOK = ("on_block", UC_HOOK_BLOCK, None)
#: Only native: see emu/blocks.py.
_NATIVE_HOOKS = (_BLOCK_HOOK, *_ALL_HOOKS)
_EVERY_ADDRESS = (1, 0)


def install(state: EngineState, driver: Driver) -> int:
    """Register every hook but one, once, before anything has been translated.

    Returns the engine's handle of the code hook.
    """
    native = driver.name == NativeHooks.name
    return _install(state, driver, _NATIVE_HOOKS if native else _ALL_HOOKS)["on_code"]


def install_memory_hook(state: EngineState, driver: Driver) -> None:
    """Register the hook that data breakpoints need. It costs speed: not before DR7 asks for it.

    The caller drops all translations, which do not have it.
    """
    _install(state, driver, (_MEMORY_HOOK,))


def _install(
    state: EngineState, driver: Driver, wanted: tuple[tuple[str, int, int | None], ...]
) -> dict[str, int]:
    addresses = driver.addresses()
    handles: dict[str, int] = {}
    for name, kind, insn in wanted:
        handle = ctypes.c_size_t()
        extra = () if insn is None else (ctypes.c_int(insn),)
        status = uclib.uc_hook_add(
            ctypes.c_void_p(state.engine),
            ctypes.byref(handle),
            ctypes.c_int(kind),
            ctypes.c_void_p(addresses[name]),
            ctypes.byref(state),
            *(ctypes.c_uint64(bound) for bound in _EVERY_ADDRESS),
            *extra,
        )
        if status:
            raise EngineContractError(f"the engine refuses the hook {name} (error {status})")
        handles[name] = handle.value
    return handles


class NativeHooks:
    """The hooks of emu/_native.c."""

    name = "native"

    def __init__(self, state: EngineState, module: Any) -> None:
        check_layout(module, "engine_state", EngineState)
        check_layout(module, "field", Field)
        check_layout(module, "watch", WatchRecord)
        check_layout(module, "user_access", UserAccess)
        self._module = module
        #: run(limit) -> event, with nothing in between.
        self.run: Callable[[int], int] = partial(module.run, ctypes.addressof(state))

    def addresses(self) -> dict[str, int]:
        return {name: getattr(self._module, name) for name, _, _ in (*_NATIVE_HOOKS, _MEMORY_HOOK)}


def field_table(layout: ContextLayout) -> Any:
    """The layout as the C array that EngineState points to."""
    table = (Field * len(FIELD_NAMES))()
    for index, (offset, width, writable) in enumerate(layout.fields):
        table[index].offset = offset
        table[index].width = width
        table[index].writable = writable
    return table
