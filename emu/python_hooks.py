"""The engine's hooks in Python: the specification of emu/_native.c, and what serves without it."""

from __future__ import annotations

import ctypes
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from unicorn.unicorn_py3.unicorn import uclib

from emu import access_log, watches
from emu.ctrl_c import ctrl_c_waits
from emu.eflags import EFLAGS_IF, EFLAGS_RF, EFLAGS_VM
from emu.engine_quirks import FIELD, ContextLayout
from emu.errors import BusError
from emu.hooks import (
    EV_BREAK,
    EV_DEBUG,
    EV_IN,
    EV_INVALID,
    EV_IO,
    EV_LIMIT,
    EV_NONE,
    EV_OUT,
    EV_TRAP,
    KIND_CLEARS_FLAGS,
    KIND_EMULATED,
    KIND_IO,
    KIND_IRET,
    KIND_READS_FLAGS,
    KIND_REP,
    KIND_SYSTEM,
    KIND_UNDEFINED,
    KIND_X87,
    NO_FRAME,
    NO_LIMIT,
    REFUSED_UD,
    EngineState,
)
from emu.kinds import LONGEST, classify, transfers
from emu.paging import CR0_PG, CR4_PSE, walk
from emu.ram import Ram
from emu.timing.engine import PythonTiming
from emu.x87.trap import PythonX87

VECTOR_DB = 1
ARITHMETIC = 0x8D5  # CF PF AF ZF SF OF
COMPARED = 0x45  # CF PF ZF: what FCOMI sets
MEM_WRITE = 17  # UC_MEM_WRITE
DR_EXECUTE, DR_WRITE, DR_ACCESS = 0, 1, 3  # DR7.R/W
_EFLAGS, _EIP, _CS_BASE = FIELD["eflags"], FIELD["eip"], FIELD["cs_base"]
_DR0, _DR7 = FIELD["dr0"], FIELD["dr7"]


class PythonHooks:
    """The hooks of emu/_native.c in Python:
    the reference, and what serves where nothing could be compiled.
    """

    name = "python"

    def __init__(
        self,
        state: EngineState,
        ram: Ram,
        regs: memoryview,
        data: memoryview,
        layout: ContextLayout,
        breaks: Any,
        timing: PythonTiming | None = None,
    ) -> None:
        self._timing = timing
        self._s = state
        self._ram = ram
        self._regs = regs
        self._data = data
        self._layout = layout
        self._breaks = breaks
        self._word = ctypes.c_uint64()
        self._x87 = PythonX87(state, ram, data, layout)
        #: What a hook raised: it must not cross the engine.
        self._raised: BaseException | None = None
        void_p, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
        i32, i64 = ctypes.c_int, ctypes.c_int64
        callbacks: dict[str, Any] = {
            "on_code": ctypes.CFUNCTYPE(None, void_p, u64, u32, void_p),
            "on_trap": ctypes.CFUNCTYPE(None, void_p, u32, void_p),
            "on_invalid": ctypes.CFUNCTYPE(i32, void_p, void_p),
            "on_in": ctypes.CFUNCTYPE(u32, void_p, u32, i32, void_p),
            "on_out": ctypes.CFUNCTYPE(None, void_p, u32, i32, u32, void_p),
            "on_sysenter": ctypes.CFUNCTYPE(None, void_p, void_p),
            "on_memory": ctypes.CFUNCTYPE(None, void_p, i32, u64, i32, i64, void_p),
        }
        self._callbacks = {name: kind(self._guard(name)) for name, kind in callbacks.items()}

    def _guard(self, name: str) -> Callable[..., int | None]:
        """The hook, with what it raises kept for `run` to raise again."""
        hook: Callable[..., int | None] = getattr(self, name)

        def guarded(*arguments: int) -> int | None:
            try:
                return hook(*arguments)
            except BaseException as error:
                self._raised = self._raised or error
                uclib.uc_emu_stop(ctypes.c_void_p(self._s.engine))
                return 0

        return guarded

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
            try:
                physical = walk(self._ram, self._read(s.reg_cr3), linear, pse=pse).physical
            except BusError:
                return None
        return physical if physical is not None and physical < self._ram.size else None

    def _code_byte(self, address: int) -> int:
        physical = self._physical(address & 0xFFFFFFFF)
        return -1 if physical is None else self._ram.read(physical, 1)[0]

    def _is_break(self, address: int) -> bool:
        at = bisect_left(self._breaks, address, 0, self._s.break_count)
        return at < self._s.break_count and int(self._breaks[at]) == address

    def _enter_code(self, address: int) -> None:
        """Note the frames that this instruction may have been translated from."""
        s = self._s
        page = address >> 12
        if page != s.code_page or not s.code_page_valid:
            physical = self._physical(page << 12)
            if physical is not None:
                self._ram.held_code[physical >> 12] = 1
            s.code_page, s.code_page_valid = page, 1
            s.code_frame = NO_FRAME if physical is None else physical
        if address & 0xFFF > 0x1000 - LONGEST:
            physical = self._physical((page + 1 & 0xFFFFF) << 12)
            if physical is not None:
                self._ram.held_code[physical >> 12] = 1

    def _breakpoint_kind(self, number: int) -> int | None:
        """DR7.R/W of one debug register; None when it is not enabled."""
        dr7 = self._regs[_DR7]
        return dr7 >> 16 + 4 * number & 3 if dr7 >> 2 * number & 3 else None

    def _execute_hits(self, address: int) -> int:
        """DR6 bits of the instruction breakpoints at this address, unless RF holds them off."""
        s = self._s
        if not self._regs[_DR7] & 0xFF:
            return 0
        if not s.in_flight_valid:
            resume = s.resume
        else:
            resume = s.in_flight_kind & KIND_IRET and self._read(s.reg_eflags) & EFLAGS_RF
        if resume:
            return 0
        return sum(
            1 << n
            for n in range(4)
            if self._breakpoint_kind(n) == DR_EXECUTE and self._regs[_DR0 + n] == address
        )

    def on_code(self, _engine: int, address: int, _size: int, _user: int) -> None:
        """Before each instruction, at its linear address:
        settle the last one, and stop if there is a reason.
        """
        s = self._s
        address &= 0xFFFFFFFF
        # First of all: whatever happens now, this instruction has been translated.
        if s.in_flight_kind & KIND_SYSTEM:
            s.code_page_valid = 0
        self._enter_code(address)
        if s.event:
            return None
        if s.debug_hits:
            return self._stop(EV_DEBUG)
        # A REP instruction calls this hook once an iteration.
        # One that stores into its own translation calls it a second time, with wrong flags.
        if s.in_flight_valid and s.in_flight == address and not transfers(self._code_byte, address):
            if not s.in_flight_kind & KIND_REP:
                self._write(s.reg_eflags, s.flags_kept[0])
            elif self._timing is not None:
                self._timing.model.iterate()
            return None
        if s.in_flight_valid:
            s.completed = 1
            self._x87.finish()
            self._finish(address)
        if s.in_flight_kind & KIND_SYSTEM or s.retired >= s.limit or self._late():
            return self._stop(EV_LIMIT)
        if s.break_count and not s.skip_break and self._is_break(address):
            return self._stop(EV_BREAK)
        flags = self._read(s.reg_eflags)
        if s.watch_if and flags & EFLAGS_IF:
            return self._stop(EV_LIMIT)
        hits = self._execute_hits(address)
        if hits:
            s.debug_hits = hits
            return self._stop(EV_DEBUG)
        kind = classify(self._code_byte, address)
        if kind & KIND_UNDEFINED:
            s.value = REFUSED_UD
            return self._stop(EV_INVALID)
        virtual, ring = flags & EFLAGS_VM, self._read(s.reg_cs) & 3
        checked = (kind & KIND_IO and (virtual or ring > (flags >> 12) & 3)) or (
            kind & KIND_IRET and ring and not virtual  # the engine would load VM there
        )
        if kind & KIND_EMULATED or (checked and not s.allow_io):
            return self._stop(EV_IO)
        if kind & KIND_X87:
            s.value = self._x87.begin(address, self._code_byte, flags)
            if s.value:
                return self._stop(EV_INVALID)
        # RF has done its work when the instruction begins; PUSHF would show it, and the engine would keep it.
        # `resume` remembers it, for an attempt that comes to nothing.
        if s.in_flight_kind & KIND_IRET if s.in_flight_valid else s.resume:
            s.resume = flags & EFLAGS_RF
            flags &= ~EFLAGS_RF
            self._write(s.reg_eflags, flags)
        else:
            s.resume = 0
        s.flags_kept[0], s.flags_known = flags, 1
        if kind & KIND_READS_FLAGS:
            self._write(s.reg_eflags, flags)
        if kind & KIND_CLEARS_FLAGS:  # the engine keeps what an i386 clears
            self._write(s.reg_eflags, flags & ~(ARITHMETIC & ~COMPARED))
        s.previous_kind, s.in_flight_kind = s.in_flight_kind, kind
        s.allow_io = s.skip_break = 0
        if self._timing is not None:
            self._timing.begin(address)
        s.retired += 1
        s.in_flight, s.in_flight_valid = address, 1
        return None

    def _finish(self, next_address: int) -> None:
        """Charge the instruction in flight, once."""
        if self._timing is not None:
            self._timing.finish(next_address)
            self._s.cycles = self._timing.cycles

    def _late(self) -> bool:
        return self._timing is not None and self._s.cycles >= self._s.cycle_limit

    def on_memory(
        self, _engine: int, kind: int, address: int, size: int, _value: int, _user: int
    ) -> None:
        """After a translated data access, at a physical address; see install_memory_hook."""
        state = self._s
        if state.watch_count:
            now = (state.retired, state.deliveries)
            watches.note(state, kind == MEM_WRITE, address, size, now)
        if state.accesses and self._read(state.reg_cs) & 3 == 3:
            access_log.note(state, kind == MEM_WRITE, address, size)
        for n in range(4):
            wanted = self._breakpoint_kind(n)
            if wanted != DR_ACCESS and not (wanted == DR_WRITE and kind == MEM_WRITE):
                continue
            length = (self._regs[_DR7] >> 18 + 4 * n & 3) + 1
            at = self._physical(self._regs[_DR0 + n] & ~(length - 1))
            if at is not None and address < at + length and at < address + size:
                self._s.debug_hits |= 1 << n

    def on_trap(self, _engine: int, vector: int, _user: int) -> None:
        """An exception or a software interrupt."""
        if self._s.event:  # TF, behind a port access that has stopped the run
            self._s.debug_pending = 1
            return
        self._s.vector = vector
        self._stop(EV_TRAP)

    def on_invalid(self, _engine: int, _user: int) -> int:
        """An opcode that the engine does not know: the run ends with EV_INVALID.

        1 tells the engine to go on to its exit.
        """
        self._s.value = 0
        self._stop(EV_INVALID)
        return 1

    def on_in(self, _engine: int, port: int, size: int, _user: int) -> int:
        """IN or INS; the value is supplied after the stop."""
        self._s.port, self._s.size = port, size
        self._stop(EV_IN)
        return self._read(self._s.reg_eax)

    def on_out(self, _engine: int, port: int, size: int, value: int, _user: int) -> None:
        self._s.port, self._s.size, self._s.value = port, size, value
        self._stop(EV_OUT)

    def on_sysenter(self, _engine: int, _user: int) -> None:
        """SYSENTER or SYSCALL, which this machine does not have."""
        self._s.value = 0
        self._stop(EV_INVALID)

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

    def run(self, limit: int) -> int:
        s, regs = self._s, self._regs
        s.limit, s.cycle_limit = limit, NO_LIMIT
        if s.deadline != NO_LIMIT:
            left = max(s.deadline - s.extra, 0)
            if self._timing is not None:
                s.cycle_limit = left
            else:
                s.limit = min(limit, left)
        s.event = EV_NONE
        s.in_flight_valid = 0
        s.in_flight_kind = s.previous_kind = 0
        s.completed = s.debug_hits = s.debug_pending = 0
        s.resume = regs[_EFLAGS] & EFLAGS_RF
        with ctrl_c_waits(self._end_soon):
            self._scatter()
            s.error = uclib.uc_emu_start(
                ctypes.c_void_p(s.engine),
                ctypes.c_uint64(regs[_EIP]),
                ctypes.c_uint64(0),
                ctypes.c_uint64(0),
                ctypes.c_size_t(0),
            )
            self._gather()
            self._settle()
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised
        return int(s.event)

    def _end_soon(self) -> None:
        self._s.limit = 0

    def _settle(self) -> None:
        """What did not complete is not counted; RF lasts for one completed instruction."""
        s, regs = self._s, self._regs
        kind = s.in_flight_kind
        here = s.in_flight_valid and s.in_flight == (regs[_EIP] + regs[_CS_BASE]) & 0xFFFFFFFF
        stepped = s.event == EV_TRAP and s.vector == VECTOR_DB
        refused = (
            (s.event == EV_INVALID and not s.value)
            or (s.event == EV_NONE and s.error)
            or (s.event == EV_TRAP and not stepped and not regs[s.is_int_field])
        )
        self._x87.settle(completed=not (here and refused))
        unfinished = kind & KIND_REP and (stepped or s.event == EV_DEBUG)
        if here and (refused or unfinished):
            s.retired -= 1
            kind = s.previous_kind
            regs[_EFLAGS] |= s.resume
            if refused and s.flags_known:
                regs[_EFLAGS] = regs[_EFLAGS] & ~ARITHMETIC | s.flags_kept[0] & ARITHMETIC
            if self._timing is not None:
                self._timing.model.abandon()
                s.cycles = self._timing.cycles
        elif s.in_flight_valid:
            s.completed = 1
            if self._timing is not None and s.event == EV_INVALID and not s.value:
                self._timing.model.abandon()  # SYSENTER, noticed behind itself
            self._finish((regs[_EIP] + regs[_CS_BASE]) & 0xFFFFFFFF)
            if kind & KIND_SYSTEM:
                s.system_changed = 1
                s.code_page_valid = 0
        if s.completed and not kind & KIND_IRET:
            regs[_EFLAGS] &= ~EFLAGS_RF
