"""x87 instructions beside the engine: the specification of emu/_x87_trap.h, and what serves without it.

Before such an instruction the code hook works out the state behind it (emu/x87/unit.py). The engine then
does the instruction, with its page faults and its stores, and its idea of the state is replaced. What a
store writes the engine gets through ST(0), as a number that it converts exactly.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from enum import Enum

from unicorn.unicorn_py3.unicorn import uclib

from emu.engine_quirks import FIELD, GPRS, ContextLayout
from emu.errors import BusError
from emu.hooks import REFUSED_GP, REFUSED_MF, REFUSED_PF, REFUSED_UD, REFUSED_XM, EngineState
from emu.paging import CR0_PG, CR0_TS, CR0_WP, CR4_PSE, walk
from emu.ram import Ram
from emu.x87 import sse
from emu.x87.decode import SSE, Place, find
from emu.x87.execute import execute
from emu.x87.float80 import Class, Number, classify
from emu.x87.forms import ALIGNED, mmx_target, uses_mmx
from emu.x87.state import FP0, FPU_SIZE, MXCSR, WORDS, XMM0, Fpu
from emu.x87.unit import ES, OPERAND_SIZES, Outcome, X87Insn, is_control, summarise, waits

CR0_EM, CR0_NE, CR4_OSFXSR, CR4_OSXMMEXCPT = 4, 0x20, 0x200, 0x400
_FLAT = 0xFFFFFFFF
_FXSAVE, _FWAIT, _FNINIT = 0xAE, 0x9B, 0xE3
_TAGS = {Class.NORMAL: 0, Class.ZERO: 1}
_POINTERS = struct.Struct("<HIIII")  # FOP and what follows it in FXSAVE's image
_ENVIRONMENT, _SHORT_ENVIRONMENT = struct.Struct("<7I"), struct.Struct("<7H")
_MXCSR_RESERVED, _FX_MXCSR = 0xFFFF0000, 24
_MASKS = 0x3F


class Pending(Enum):
    """What is to be done when the instruction has completed."""

    NONE = 0
    STATE = 1  # the whole state
    SUMMARY = 2  # ES and B
    POINTERS = 3  # to the last instruction and operand, and ES
    INIT = 4  # no last opcode
    SSE = 5  # MXCSR and a register
    MMX = 6  # the upper bits of an MMX register


class PythonX87:
    """The unit of one CPU. `data` shows the context that `state` names."""

    def __init__(
        self, state: EngineState, ram: Ram, data: memoryview, layout: ContextLayout
    ) -> None:
        self._s, self._ram, self._data, self._layout = state, ram, data, layout
        self._pending = Pending.NONE
        self._after = Fpu(bytes(FPU_SIZE))
        self._carried: Number | None = None
        self._fix: tuple[int, bytes] | None = None
        self._sse: tuple[int, int, bytes | None] = (0, 0, None)
        self._mmx: int | None = None

    # -- the engine's registers ----------------------------------------------------------------------

    def _save(self) -> None:
        s = self._s
        uclib.uc_context_save(ctypes.c_void_p(s.engine), ctypes.c_void_p(s.context))

    def _field(self, name: str) -> int:
        offset = self._layout.fields[FIELD[name]][0]
        return int.from_bytes(self._data[offset : offset + 4], "little")

    def _fpu(self) -> Fpu:
        at = self._layout.fpu
        return Fpu(bytes(self._data[at : at + FPU_SIZE]))

    def _write(self, ident: int, value: bytes) -> None:
        uclib.uc_reg_write(
            ctypes.c_void_p(self._s.engine), ctypes.c_int(ident), ctypes.c_char_p(value)
        )

    def _get(self, ident: int, size: int) -> bytes:
        value = ctypes.create_string_buffer(64)
        uclib.uc_reg_read(ctypes.c_void_p(self._s.engine), ctypes.c_int(ident), value)
        return value.raw[:size]

    def _put_register(self, physical: int, a: Number) -> None:
        self._write(FP0 + physical, a[0].to_bytes(8, "little") + a[1].to_bytes(8, "little"))

    def _put(self, f: Fpu) -> None:
        for physical, register in enumerate(f.regs):
            self._put_register(physical, register)
        for ident, word in zip(WORDS, f.words(), strict=True):
            self._write(ident, word.to_bytes(8, "little"))

    # -- memory --------------------------------------------------------------------------------------

    def _spans(self, linear: int, size: int) -> list[tuple[int, int]] | None:
        """Where so many bytes are in RAM; None when not all of them are."""
        spans = []
        while size:
            part = min(0x1000 - (linear & 0xFFF), size)
            physical: int | None = linear
            if self._field("cr0") & CR0_PG:
                pse = bool(self._field("cr4") & CR4_PSE)
                try:
                    physical = walk(self._ram, self._field("cr3"), linear, pse=pse).physical
                except BusError:
                    return None
            if physical is None or physical >= self._ram.size:
                return None
            spans.append((physical, part))
            linear, size = linear + part & _FLAT, size - part
        return spans

    def _read(self, linear: int, size: int) -> bytes | None:
        spans = self._spans(linear, size)
        return None if spans is None else b"".join(self._ram.read(*span) for span in spans)

    def _store(self, linear: int, data: bytes) -> None:
        for physical, part in self._spans(linear, len(data)) or ():
            self._ram.write(physical, data[:part])
            data = data[part:]

    # -- an instruction ------------------------------------------------------------------------------

    def begin(self, address: int, code: Callable[[int], int], eflags: int) -> int:
        """The instruction at a linear address is about to run; REFUSED_MF when an earlier one has an
        exception to report first, else 0.
        """
        self._pending, self._carried, self._fix = Pending.NONE, None, None
        self._save()
        cr0 = self._field("cr0")
        p = find(address, code, self._field)
        if p is None or cr0 & (CR0_TS if p.op == _FWAIT else CR0_TS | CR0_EM):
            return 0
        f = self._after = self._fpu()
        if p.op >= SSE:
            return self._begin_sse(p, code)
        if f.status & ES and cr0 & CR0_NE and p.op != _FXSAVE and waits(p.op, p.modrm):
            return REFUSED_MF
        if self._half_refused(p):
            return REFUSED_PF
        if p.op == _FXSAVE and self._loads_reserved_bits(p):
            return REFUSED_GP
        if p.op == _FXSAVE or is_control(p.op, p.modrm):
            self._control(p)
            return 0
        insn = X87Insn(
            *(p.op, p.modrm, self._field("cs_selector")),
            ip=address - self._field("cs_base") & _FLAT,
            eflags=eflags,
        )
        if p.modrm < 0xC0:
            insn.dp, insn.ds = p.offset, self._field(f"{p.segment}_selector")
            size = OPERAND_SIZES[p.op & 7][p.modrm >> 3 & 7]
            operand = self._read(p.linear, size) if size else None
            if operand is None:
                return 0  # a page fault, or an instruction that there is not
            insn.operand = operand
        before, top = f.regs[f.top], f.top
        outcome, unit = execute(f, insn)
        if outcome is Outcome.ENGINE:
            return 0
        self._pending = Pending.STATE
        if outcome is Outcome.KEEP:
            self._fix = p.linear, insn.operand
        if unit.carrier is not None:
            self._carried = before
            self._put_register(top, unit.carrier)
            if unit.fixes:
                self._fix = p.linear, unit.stored
        return 0

    def _refuses(self, linear: int, *, write: bool) -> bool:
        """Whether the tables refuse an access."""
        user = self._field("hflags") & 3 == 3
        found = walk(self._ram, self._field("cr3"), linear, pse=bool(self._field("cr4") & CR4_PSE))
        return (
            found.physical is None
            or (user and not found.user)
            or (write and not found.writable and (user or bool(self._field("cr0") & CR0_WP)))
        )

    def _half_refused(self, p: Place) -> bool:
        """An operand of two pages, one of which refuses: the engine would have done the part in the other."""
        size, write = p.moved_in_parts()
        last = p.linear + size - 1
        return (
            size > 0
            and last <= _FLAT
            and last >> 12 != p.linear >> 12
            and bool(self._field("cr0") & CR0_PG)
            and (self._refuses(p.linear, write=write) or self._refuses(last, write=write))
        )

    def _loads_reserved_bits(self, p: Place) -> bool:
        """LDMXCSR and FXRSTOR load no bit that MXCSR does not have."""
        digit = p.modrm >> 3 & 7
        if not self._field("cr4") & CR4_OSFXSR or digit not in (1, 2):
            return False
        if digit == 1 and p.linear & 15:  # the engine refuses it
            return False
        data = self._read(p.linear + (_FX_MXCSR if digit == 1 else 0) & _FLAT, 4)
        return data is not None and bool(int.from_bytes(data, "little") & _MXCSR_RESERVED)

    def _sse_refused(self, p: Place) -> int:
        """What keeps it from being begun: an x87 exception that waits, an operand not aligned, or half of
        which cannot be stored; 0: nothing.
        """
        op = p.op & 0xFF
        if (
            uses_mmx(op, p.form, p.modrm)
            and self._after.status & ES
            and self._field("cr0") & CR0_NE
        ):
            return REFUSED_MF
        if p.modrm >= 0xC0 or not self._field("cr4") & CR4_OSFXSR:
            return 0
        if (op, p.form) in ALIGNED and p.linear & 15:
            return REFUSED_GP
        return REFUSED_PF if self._half_refused(p) else 0

    def _begin_sse(self, p: Place, code: Callable[[int], int]) -> int:
        """An SSE instruction that rounds or compares. An exception that is not masked keeps it from it."""
        op, form, target, cr4 = p.op & 0xFF, p.form, p.modrm >> 3 & 7, self._field("cr4")
        refused = self._sse_refused(p)
        size = sse.source_size(op, form) if op in sse.OPERATIONS else 0
        self._mmx = mmx_target(op, form, p.modrm)
        if not refused and self._mmx is not None:
            self._pending = Pending.MMX
        if refused or not size or not cr4 & CR4_OSFXSR:
            return refused
        mxcsr = int.from_bytes(self._get(MXCSR, 4), "little")
        predicate = code(p.end) & 0xFF if op == 0xC2 else 0
        source: bytes | None
        if p.modrm < 0xC0:
            source = self._read(p.linear, size)
        elif op == 0x2A and form < sse.SS:
            source = self._after.regs[p.modrm & 7][0].to_bytes(8, "little")
        elif op == 0x2A:
            source = self._field(GPRS[p.modrm & 7]).to_bytes(4, "little")
        else:
            source = self._get(XMM0 + (p.modrm & 7), 16)
        if source is None:
            return 0
        insn = sse.SseInsn(
            op, form, predicate, mxcsr, self._get(XMM0 + target, 16), source.ljust(16, b"\0")
        )
        flags, result = sse.execute(insn)
        if flags & ~(mxcsr >> 7) & sse.FLAGS:
            self._write(MXCSR, (mxcsr | flags).to_bytes(8, "little"))
            return REFUSED_XM if cr4 & CR4_OSXMMEXCPT else REFUSED_UD
        self._sse = mxcsr | flags, XMM0 + target, result
        self._pending = Pending.SSE
        return 0

    def _finish_sse(self) -> None:
        mxcsr, target, result = self._sse
        if result is not None:
            self._write(target, result)
        self._write(MXCSR, mxcsr.to_bytes(8, "little"))
        if self._mmx is not None:
            self._fill_mmx(self._mmx)

    def _fill_mmx(self, number: int) -> None:
        """An MMX register has been written: its upper 16 bits are ones (SDM vol. 1, 9.2.2), which the engine
        leaves.
        """
        self._save()
        self._put_register(number, (self._fpu().regs[number][0], 0xFFFF))

    def _control(self, p: Place) -> None:
        """FLDCW, FNSTENV, FNINIT and the like: the engine does nearly all of it."""
        digit = p.modrm >> 3 & 7
        if p.op == _FXSAVE:
            if digit < 2:
                self._fxsave(p, restore=digit == 1)
        elif p.op == _FWAIT:
            return
        elif p.modrm >= 0xC0:
            init = (p.op, p.modrm) == (0xDB, _FNINIT)
            self._pending = Pending.INIT if init else Pending.POINTERS
        elif p.op == 0xD9 and digit == 5:
            self._pending = Pending.SUMMARY
        elif digit == 4:
            form = _SHORT_ENVIRONMENT if p.word else _ENVIRONMENT
            data = self._read(p.linear, form.size)
            if data is not None:
                self._load_pointers(*form.unpack(data)[3:])
        elif digit == 6:
            self._save_environment(p)

    def _load_pointers(self, ip: int, cs: int, dp: int, ds: int) -> None:
        f = self._after
        f.ip, f.cs, f.opcode, f.dp, f.ds = ip, cs & 0xFFFF, cs >> 16 & 0x7FF, dp, ds & 0xFFFF
        self._pending = Pending.POINTERS

    def _save_environment(self, p: Place) -> None:
        """FNSTENV, which masks all exceptions then, and the beginning of FNSAVE."""
        f = self._after
        tag = sum(
            (3 if f.empty[n] else _TAGS.get(classify(f.regs[n]), 2)) << 2 * n for n in range(8)
        )
        words = (f.control, f.status_word, tag, f.ip, f.cs | f.opcode << 16, f.dp, f.ds)
        upper = (0xFFFF0000, 0xFFFF0000, 0xFFFF0000, 0, 0, 0, 0xFFFF0000)
        if p.word:
            data = _SHORT_ENVIRONMENT.pack(*(w & 0xFFFF for w in words))
        else:
            data = _ENVIRONMENT.pack(*(w | u for w, u in zip(words, upper, strict=True)))
        self._fix = p.linear, data
        self._pending = Pending.INIT
        if p.op == 0xD9:
            f.control |= _MASKS
            summarise(f)
            self._pending = Pending.STATE

    def _fxsave(self, p: Place, *, restore: bool) -> None:
        """FXSAVE and FXRSTOR: what the engine leaves out of the image, from FOP to the operand's selector."""
        f, at = self._after, p.linear + 6 & _FLAT
        if not restore:
            self._fix = at, _POINTERS.pack(f.opcode, f.ip, f.cs, f.dp, f.ds)
            self._pending = Pending.POINTERS
            return
        data = self._read(at, _POINTERS.size)
        if data is not None:
            opcode, ip, cs, dp, ds = _POINTERS.unpack(data)
            self._load_pointers(ip, cs & 0xFFFF | opcode << 16, dp, ds)

    def finish(self) -> None:
        """The instruction has completed: what it leaves."""
        if self._pending is Pending.NONE:
            return
        if self._pending in (Pending.SSE, Pending.MMX):
            if self._pending is Pending.SSE:
                self._finish_sse()
            elif self._mmx is not None:
                self._fill_mmx(self._mmx)
            self._pending = Pending.NONE
            return
        self._save()
        f, after = self._fpu(), self._after
        match self._pending:
            case Pending.STATE:
                f = after
            case Pending.POINTERS:
                f.ip, f.cs, f.dp, f.ds, f.opcode = (
                    *(after.ip, after.cs, after.dp, after.ds, after.opcode),
                )
                summarise(f)
            case Pending.SUMMARY:
                summarise(f)
            case _:
                f.opcode = 0
        self._put(f)
        if self._fix is not None:
            self._store(*self._fix)
        self._pending = Pending.NONE

    def settle(self, *, completed: bool) -> None:
        """The run has ended, and the engine has been read: behind or in front of the instruction."""
        if self._pending is Pending.NONE:
            return
        if completed:
            self.finish()
        elif self._carried is not None:
            self._put_register(self._fpu().top, self._carried)
        self._pending = Pending.NONE
        self._save()
