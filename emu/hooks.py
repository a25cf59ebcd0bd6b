"""The engine's hooks: what stops a run, and what is counted on the way.

A hook records what happened in the shared EngineState and stops the engine; the work is done by the
caller of `run` when the engine has been left. So nothing nests, no exception crosses the engine and
Ctrl-C is noticed between runs.

Two drivers do the same: PythonHooks below is the specification, emu/_native.c the fast twin, built
by the installation where there is a C compiler.

Instructions are counted when they start, and taken back when they fault: `retired` is exact at
every stop. A limit stops *before* the first instruction at which `retired >= limit`.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_left
from typing import Any, Protocol

from unicorn import UC_HOOK_CODE, UC_HOOK_INSN, UC_HOOK_INSN_INVALID, UC_HOOK_INTR
from unicorn import x86_const as x86
from unicorn.unicorn_py3.unicorn import uclib

from emu.engine_quirks import FIELD, FIELD_NAMES, ContextLayout
from emu.errors import EngineContractError
from emu.paging import walk
from emu.ram import Ram

EV_NONE, EV_LIMIT, EV_TRAP, EV_IN, EV_OUT, EV_INVALID, EV_BREAK, EV_IO = range(8)
KIND_REP, KIND_CARRY_ROTATE, KIND_IO = 1, 2, 4
NO_FRAME = 0xFFFFFFFF

NO_LIMIT = (1 << 63) - 1
VECTOR_DB = 1
EFLAGS_IF = 0x200
CR0_PG = 0x80000000
CR4_PSE = 0x10
_PREFIXES = frozenset((0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65))
_IO = frozenset((*range(0x6C, 0x70), *range(0xE4, 0xE8), *range(0xEC, 0xF0)))
_ROTATES = frozenset((0xC0, 0xC1, 0xD0, 0xD1, 0xD2, 0xD3))
_EFLAGS, _EIP = FIELD["eflags"], FIELD["eip"]
MAX_BREAKS = 4096


class Field(ctypes.Structure):
    """Where one register lies in the saved context."""

    _fields_ = (
        ("offset", ctypes.c_uint32),
        ("width", ctypes.c_uint16),
        ("writable", ctypes.c_uint16),
    )


class EngineState(ctypes.Structure):
    """Shared with emu/_native.c, field by field: change both."""

    _fields_ = (
        *((n, ctypes.c_uint64) for n in ("retired", "limit", "tsc_offset")),
        *(
            (n, ctypes.c_uint32)
            for n in (
                *("event", "vector", "port", "size", "value"),
                *("in_flight", "in_flight_valid", "watch_if", "skip_break"),
                *("allow_io", "in_flight_kind", "flags_before"),
                *("code_page", "code_page_valid", "code_frame"),
                *("break_count", "break_capacity"),
            )
        ),
        *(
            (n, ctypes.c_uint64)
            for n in (
                *("breaks", "ram", "ram_size", "held_code"),
                *("engine", "context", "regs", "fields"),
            )
        ),
        *(
            (n, ctypes.c_uint32)
            for n in (
                *("field_count", "old_exception_offset", "is_int_field"),
                *("reg_eflags", "reg_cr0", "reg_cr3", "reg_cr4"),
                *("reg_cs", "reg_eax", "reg_edx"),
                "error",
            )
        ),
        *(
            (f"fn_{n}", ctypes.c_uint64)
            for n in ("start", "stop", "save", "restore", "reg_read", "reg_write")
        ),
    )


_INSN_HOOKS = (
    ("on_in", x86.UC_X86_INS_IN),
    ("on_out", x86.UC_X86_INS_OUT),
    ("on_sysenter", x86.UC_X86_INS_SYSENTER),
    ("on_sysenter", x86.UC_X86_INS_SYSCALL),
    ("on_rdtsc", x86.UC_X86_INS_RDTSC),
)
_ALL_HOOKS = (
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

    def run(self) -> None:
        """One run; afterwards `state.event` says why it ended."""


def install(state: EngineState, driver: Driver) -> None:
    """Register every hook, once, before anything has been translated."""
    addresses = driver.addresses()
    for name, kind, insn in _ALL_HOOKS:
        handle = ctypes.c_size_t()
        extra = () if insn is None else (ctypes.c_int(insn),)
        status = uclib.uc_hook_add(
            ctypes.c_void_p(state.engine),
            ctypes.byref(handle),
            ctypes.c_int(kind),
            ctypes.c_void_p(addresses[name]),
            ctypes.byref(state),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
            *extra,
        )
        if status:
            raise EngineContractError(f"the engine refuses the hook {name} (error {status})")


class NativeHooks:
    """The hooks of emu/_native.c."""

    name = "native"

    def __init__(self, state: EngineState, module: Any) -> None:
        if module.state_size != ctypes.sizeof(EngineState):
            raise EngineContractError(
                "emu/_native was built from another version; reinstall the package"
            )
        self._module = module
        self._run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(module.engine_run)
        self._state = ctypes.addressof(state)

    def addresses(self) -> dict[str, int]:
        return {name: getattr(self._module, name) for name, _, _ in _ALL_HOOKS}

    def run(self) -> None:
        self._run(self._state)


class PythonHooks:
    """The same in Python: the reference, and what serves where nothing could be compiled."""

    name = "python"

    def __init__(
        self,
        state: EngineState,
        ram: Ram,
        regs: memoryview,
        data: memoryview,
        layout: ContextLayout,
        breaks: Any,
    ) -> None:
        self._s = state
        self._ram = ram
        self._regs = regs
        self._data = data
        self._layout = layout
        self._breaks = breaks
        self._word = ctypes.c_uint64()
        void_p, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
        callbacks: dict[str, Any] = {
            "on_code": ctypes.CFUNCTYPE(None, void_p, u64, u32, void_p)(self.on_code),
            "on_trap": ctypes.CFUNCTYPE(None, void_p, u32, void_p)(self.on_trap),
            "on_invalid": ctypes.CFUNCTYPE(ctypes.c_int, void_p, void_p)(self.on_invalid),
            "on_in": ctypes.CFUNCTYPE(u32, void_p, u32, ctypes.c_int, void_p)(self.on_in),
            "on_out": ctypes.CFUNCTYPE(None, void_p, u32, ctypes.c_int, u32, void_p)(self.on_out),
            "on_sysenter": ctypes.CFUNCTYPE(None, void_p, void_p)(self.on_sysenter),
            "on_rdtsc": ctypes.CFUNCTYPE(ctypes.c_int, void_p, void_p)(self.on_rdtsc),
        }
        self._callbacks = callbacks

    def addresses(self) -> dict[str, int]:
        return {
            name: ctypes.cast(callback, ctypes.c_void_p).value or 0
            for name, callback in self._callbacks.items()
        }

    def _read(self, ident: int) -> int:
        self._word.value = 0
        uclib.uc_reg_read(
            ctypes.c_void_p(self._s.engine), ctypes.c_int(ident), ctypes.byref(self._word)
        )
        return self._word.value & 0xFFFFFFFF

    def _write(self, ident: int, value: int) -> None:
        self._word.value = value
        uclib.uc_reg_write(
            ctypes.c_void_p(self._s.engine), ctypes.c_int(ident), ctypes.byref(self._word)
        )

    def _stop(self, event: int) -> None:
        self._s.event = event
        uclib.uc_emu_stop(ctypes.c_void_p(self._s.engine))

    def _physical(self, linear: int) -> int | None:
        """Physical address of a linear one under the engine's present tables."""
        s = self._s
        physical: int | None = linear
        if self._read(s.reg_cr0) & CR0_PG:
            pse = bool(self._read(s.reg_cr4) & CR4_PSE)
            physical = walk(self._ram, self._read(s.reg_cr3), linear, pse=pse).physical
        return physical if physical is not None and physical < self._ram.size else None

    def _code_byte(self, address: int) -> int:
        physical = self._physical(address & 0xFFFFFFFF)
        return -1 if physical is None else self._ram.read(physical, 1)[0]

    def _classify(self, address: int) -> int:
        """What kind of instruction this is, as far as the hooks care."""
        kind = 0
        for offset in range(15):
            byte = self._code_byte(address + offset)
            if byte in (0xF2, 0xF3):
                kind |= KIND_REP
            if byte in _IO:
                return kind | KIND_IO
            if byte in _ROTATES:
                modrm = self._code_byte(address + offset + 1)
                if modrm >= 0 and modrm >> 6 != 3 and (modrm >> 3) & 6 == 2:  # /2 RCL, /3 RCR
                    kind |= KIND_CARRY_ROTATE
            if byte not in _PREFIXES:
                break
        return kind

    def _is_break(self, address: int) -> bool:
        at = bisect_left(self._breaks, address, 0, self._s.break_count)
        return at < self._s.break_count and int(self._breaks[at]) == address

    def on_code(self, _engine: int, address: int, _size: int, _user: int) -> None:
        """Before each instruction."""
        s = self._s
        if s.event:
            return
        address &= 0xFFFFFFFF
        # A REP instruction calls this hook once an iteration.
        if s.in_flight_kind & KIND_REP and s.in_flight_valid and s.in_flight == address:
            return
        if s.retired >= s.limit:
            return self._stop(EV_LIMIT)
        if s.break_count and not s.skip_break and self._is_break(address):
            return self._stop(EV_BREAK)
        s.skip_break = 0
        flags = self._read(s.reg_eflags)
        if s.watch_if and flags & EFLAGS_IF:
            return self._stop(EV_LIMIT)
        page = address >> 12
        if page != s.code_page or not s.code_page_valid:
            physical = self._physical(page << 12)
            if physical is not None:
                self._ram.held_code[physical >> 12] = 1
            s.code_page, s.code_page_valid = page, 1
            s.code_frame = NO_FRAME if physical is None else physical
        kind = self._classify(address)
        if kind & KIND_IO and not s.allow_io and self._read(s.reg_cs) & 3 > (flags >> 12) & 3:
            return self._stop(EV_IO)
        if kind & KIND_CARRY_ROTATE:
            s.flags_before = flags
        s.in_flight_kind = kind
        s.allow_io = 0
        s.retired += 1
        s.in_flight, s.in_flight_valid = address, 1
        return None

    def on_trap(self, _engine: int, vector: int, _user: int) -> None:
        """An exception or a software interrupt."""
        self._s.vector = vector
        self._stop(EV_TRAP)

    def on_invalid(self, _engine: int, _user: int) -> int:
        """An undefined opcode."""
        self._stop(EV_INVALID)
        return 1

    def on_in(self, _engine: int, port: int, size: int, _user: int) -> int:
        """IN or INS; the value is supplied after the stop."""
        self._s.port, self._s.size = port, size
        self._stop(EV_IN)
        return self._read(self._s.reg_eax)

    def on_out(self, _engine: int, port: int, size: int, value: int, _user: int) -> None:
        """OUT or OUTS."""
        self._s.port, self._s.size, self._s.value = port, size, value
        self._stop(EV_OUT)

    def on_sysenter(self, _engine: int, _user: int) -> None:
        """SYSENTER or SYSCALL, which this machine does not have."""
        self._stop(EV_INVALID)

    def on_rdtsc(self, _engine: int, _user: int) -> int:
        """RDTSC: the machine's clock before this instruction."""
        tsc = (self._s.retired - 1 + self._s.tsc_offset) & 0xFFFFFFFFFFFFFFFF
        self._write(self._s.reg_eax, tsc & 0xFFFFFFFF)
        self._write(self._s.reg_edx, tsc >> 32)
        return 1

    def _scatter(self) -> None:
        data, regs = self._data, self._regs
        for index, (offset, width, writable) in enumerate(self._layout.fields):
            if writable:
                data[offset : offset + width] = regs[index].to_bytes(width, "little")
        old = self._layout.old_exception
        data[old : old + 4] = b"\xff\xff\xff\xff"
        s = self._s
        uclib.uc_context_restore(ctypes.c_void_p(s.engine), ctypes.c_void_p(s.context))
        self._write(s.reg_eflags, regs[_EFLAGS])

    def _gather(self) -> None:
        s, data, regs = self._s, self._data, self._regs
        uclib.uc_context_save(ctypes.c_void_p(s.engine), ctypes.c_void_p(s.context))
        for index, (offset, _, _) in enumerate(self._layout.fields):
            regs[index] = int.from_bytes(data[offset : offset + 4], "little")
        regs[_EFLAGS] = self._read(s.reg_eflags)

    def run(self) -> None:
        s, regs = self._s, self._regs
        s.event = EV_NONE
        s.in_flight_valid = s.code_page_valid = 0
        s.in_flight_kind = 0
        self._scatter()
        s.error = uclib.uc_emu_start(
            ctypes.c_void_p(s.engine),
            ctypes.c_uint64(regs[_EIP]),
            ctypes.c_uint64(0),
            ctypes.c_uint64(0),
            ctypes.c_size_t(0),
        )
        self._gather()
        faulted = s.event == EV_INVALID or (
            s.event == EV_TRAP and s.vector != VECTOR_DB and not regs[s.is_int_field]
        )
        if faulted and s.in_flight_valid and s.in_flight == regs[_EIP]:
            s.retired -= 1


def field_table(layout: ContextLayout) -> Any:
    """The layout as the C array that EngineState points to."""
    table = (Field * len(FIELD_NAMES))()
    for index, (offset, width, writable) in enumerate(layout.fields):
        table[index].offset = offset
        table[index].width = width
        table[index].writable = writable
    return table
