"""The CPU: an i386's registers over the engine, and one run of it.

The registers live in one flat file, read from the engine when it stops and written back when it
starts, so reading or changing one costs nothing. Control and debug registers that have side effects
(CR0, CR3, CR4, DR0-DR3, DR7) are changed through `set_cr` and `set_dr`.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

from unicorn import x86_const as x86
from unicorn.unicorn_py3.unicorn import uclib

from emu import hooks
from emu.descriptors import SEG_ACCESSED, SEG_CODE, SEG_READABLE, SEG_WRITABLE, Segment
from emu.eflags import EFLAGS_FIXED
from emu.engine_quirks import (
    FIELD,
    FIELD_NAMES,
    HF_ADDSEG,
    HF_CPL,
    HF_CS32,
    HF_INHIBIT_IRQ,
    HF_SS32,
    SEGMENTS,
    Context,
    calibrate,
    flush_code,
    locate_bounds,
    open_engine,
)
from emu.errors import SnapshotError
from emu.live_registers import locate_env
from emu.ram import Ram
from emu.registers import RegisterFile
from emu.timing.engine import EngineView, PythonTiming, Timing
from emu.timing.native import Instructions, NativeTiming
from emu.timing.profiles import Profile
from emu.x87.native import NativeX87

_WORD = 0xFFFFFFFF
_DR7, _CR3 = FIELD["dr7"], FIELD["cr3"]
_BIG = 1 << 22  # D/B bit in a segment cache's flags
_CR_IDS = {n: getattr(x86, f"UC_X86_REG_CR{n}") for n in (0, 2, 3, 4)}
_DR_IDS = {n: getattr(x86, f"UC_X86_REG_DR{n}") for n in (0, 1, 2, 3, 6, 7)}
_FPU_STACK = tuple(getattr(x86, f"UC_X86_REG_FP{n}") for n in range(8))
_FPU_CONTROL = tuple(
    getattr(x86, f"UC_X86_REG_{name}") for name in ("FPCW", "FPSW", "FPTAG", "MXCSR")
)
_SELECTORS = {name: FIELD[f"{name}_selector"] for name in SEGMENTS}
_NULL_SEGMENT = array("I", (0, 0, 0, 0))
_XMM = tuple(getattr(x86, f"UC_X86_REG_XMM{n}") for n in range(8))


def load_native() -> Any:
    """The compiled hooks, or None when the installation could not build them."""
    try:
        from emu import _native  # type: ignore[attr-defined,unused-ignore]
    except ImportError:
        return None
    return _native


class Cpu(RegisterFile):
    """An i386 with paging. `model` is one of engine_quirks.CPU_MODELS."""

    def __init__(
        self,
        ram: Ram,
        model: str = "max",
        *,
        native: bool = True,
        profile: Profile | None = None,
    ) -> None:
        self.ram = ram
        self.model = model
        self._uc = open_engine(ram, model)
        self._handle = ctypes.c_void_p(self._uc._uch.value)
        self.layout = calibrate(self._uc, ram)
        ram.held_code[:] = bytes(len(ram.held_code))
        self._context = Context(self._handle)
        self._directory = ctypes.c_uint64()
        self._write_directory = self._cr3_writer()
        self._registers = array("I", bytes(4 * len(FIELD_NAMES)))
        #: The register file; engine_quirks.FIELD gives the index of a name.
        self.regs = memoryview(self._registers)
        self._breaks = (ctypes.c_uint32 * hooks.MAX_BREAKS)()
        self._fields = hooks.field_table(self.layout)
        self.state = self._make_state()
        #: Whether ranges of memory are watched (emu/watches.py), as state.watch_count says.
        self.watching = False
        #: The cycle model, under a timing profile.
        self.timing: Timing | None = None
        #: Instructions and blocks as the native hooks know them.
        self.instructions: Instructions | None = None
        self._bounds = locate_bounds(self._uc)
        self._live = False
        self.driver = self._make_driver(native, profile)
        self._watches_memory = False
        #: Linear addresses at which blocks end: see emu/untranslatable.py.
        self.exits: frozenset[int] = frozenset()
        #: And at these, once: see emu/page_end.py.
        self.page_ends: frozenset[int] = frozenset()
        self._abandoned: list[Any] = []
        self._install_hooks()
        self._reload()

    def _install_hooks(self) -> None:
        handle = hooks.install(self.state, self.driver)
        if self.instructions is not None:
            self.instructions.blocks.attach(handle + self._bounds if self._may_run_whole else 0)

    @property
    def _may_run_whole(self) -> bool:
        """Costs can be foreseen, and the engine can be told to leave the code hook out."""
        foreseen = self.timing is None or not self.timing.profile.i386
        return foreseen and self._bounds != 0 and self._live

    def _make_state(self) -> hooks.EngineState:
        s = hooks.EngineState()
        s.limit = s.delivery_limit = s.deadline = hooks.NO_LIMIT
        s.breaks = ctypes.addressof(self._breaks)
        s.break_capacity = hooks.MAX_BREAKS
        s.ram, s.ram_size = self.ram.host_address, self.ram.size
        self._held = (ctypes.c_uint8 * len(self.ram.held_code)).from_buffer(self.ram.held_code)
        s.held_code = ctypes.addressof(self._held)
        s.engine = self._handle.value or 0
        s.context = self._context.address
        s.regs = self._registers.buffer_info()[0]
        s.fields, s.field_count = ctypes.addressof(self._fields), len(FIELD_NAMES)
        s.old_exception_offset = self.layout.old_exception
        s.is_int_field = FIELD["is_int"]
        for name in ("eflags", "cr0", "cr3", "cr4", "cs", "eax"):
            setattr(s, f"reg_{name}", getattr(x86, f"UC_X86_REG_{name.upper()}"))
        for name, function in (
            ("start", "uc_emu_start"),
            ("stop", "uc_emu_stop"),
            ("save", "uc_context_save"),
            ("restore", "uc_context_restore"),
            ("reg_read", "uc_reg_read"),
            ("reg_write", "uc_reg_write"),
        ):
            address = ctypes.cast(getattr(uclib, function), ctypes.c_void_p).value
            setattr(s, f"fn_{name}", address)
        return s

    def _make_driver(self, native: bool, profile: Profile | None) -> hooks.Driver:
        module = load_native() if native else None
        if module is not None and profile is not None and not locate_env(self._uc):
            module = None  # only the reference can time a run from saved contexts
        self._x87 = NativeX87(self.state, self.layout, module) if module is not None else None
        if module is not None:
            if profile is None:
                self.instructions = Instructions(self.state, self.layout, module)
            else:
                self.instructions = self.timing = NativeTiming(
                    profile, self.state, self.layout, module
                )
            self._attach()
            return hooks.NativeHooks(self.state, module)
        from emu.python_hooks import PythonHooks  # with all of emu.x87, which else nobody needs

        timing = self._python_timing(profile) if profile else None
        self.timing = timing
        return PythonHooks(
            *(self.state, self.ram, self.regs, self._context.data, self.layout, self._breaks),
            timing,
        )

    def _attach(self) -> None:
        """Tell the native hooks where the engine keeps its live registers."""
        env = locate_env(self._uc)
        self._live = bool(env)
        self.state.env = env and env - self.layout.fields[FIELD["eax"]][0]
        if self._x87 is not None:
            self._x87.attach(env)
        if self.instructions is not None and env:
            self.instructions.attach(env)
        elif isinstance(self.timing, PythonTiming):
            self._attach_reference(self.timing)

    def _attach_reference(self, timing: PythonTiming) -> None:
        env = locate_env(self._uc)
        if env:
            timing.attach(env)
        else:
            timing.attach_context(Context(self._handle))

    def _python_timing(self, profile: Profile) -> PythonTiming:
        view = EngineView(self.layout, self.ram.view, self._read, self.state)
        timing = PythonTiming(profile, view)
        self._attach_reference(timing)
        return timing

    def _read(self, ident: int) -> int:
        word = ctypes.c_uint64()
        uclib.uc_reg_read(self._handle, ctypes.c_int(ident), ctypes.byref(word))
        return int(word.value)

    # -- registers with side effects -----------------------------------------------------------------

    def set_cr(self, number: int, value: int) -> None:
        """Write CR0, CR3 or CR4 with all that follows from it (a CR3 write flushes the TLB)."""
        self._store()
        self._write(_CR_IDS[number], value)
        self._reload()
        self.state.code_page_valid = 0
        self.state.system_changed = 1

    def set_dr(self, number: int, value: int) -> None:
        """Write a debug register; DR7 arms and disarms the hardware breakpoints."""
        self._store()
        self._write(_DR_IDS[number], value)
        self._reload()
        self.state.system_changed = 1

    def _cr3_writer(self) -> Callable[[], int]:
        """Writes `_directory` to CR3; what that takes is made beforehand, which is half of the time."""
        number, at = ctypes.c_int(_CR_IDS[3]), ctypes.byref(self._directory)
        return partial(uclib.uc_reg_write, self._handle, number, at)

    def flush_tlb(self) -> None:
        """Forget every cached translation of a linear address."""
        self._directory.value = self.regs[_CR3]
        self._write_directory()
        self.state.code_page_valid = 0

    def load_cr3(self, directory: int) -> None:
        """Switch to the page directory at a physical address; the TLB is flushed."""
        self._directory.value = self.regs[_CR3] = directory
        self._write_directory()
        self.state.code_page_valid = 0
        if not self._live:  # a run restores the saved context: it must find the new directory there
            offset, width, _ = self.layout.fields[_CR3]
            self._context.data[offset : offset + width] = directory.to_bytes(width, "little")

    def set_segment(self, name: str, selector: int, descriptor: Segment) -> None:
        """Load a segment register and its hidden part. SS sets the CPL: the descriptor's DPL."""
        at = FIELD[f"{name}_selector"]
        flags = descriptor.type << 8 | (not descriptor.system) << 12 | descriptor.dpl << 13
        flags |= descriptor.present << 15 | descriptor.default32 * _BIG
        flags |= (descriptor.limit > 0xFFFFF) << 23
        self.regs[at : at + 4] = array("I", (selector, descriptor.base, descriptor.limit, flags))
        self._refresh_hflags(name, descriptor)

    def reset(self) -> None:
        """Protected mode with flat ring-0 segments, as a Multiboot loader leaves a machine."""
        code = Segment(0, _WORD, SEG_CODE | SEG_READABLE | SEG_ACCESSED, False, 0, True, True)
        data = Segment(0, _WORD, SEG_WRITABLE | SEG_ACCESSED, False, 0, True, True)
        for name in ("ds", "es", "fs", "gs", "ss"):
            self.set_segment(name, 0x10, data)
        self.set_segment("cs", 0x08, code)
        self.eflags = EFLAGS_FIXED
        self.eip = 0

    def null_segment(self, name: str) -> None:
        """Load a data segment register with the null selector."""
        at = _SELECTORS[name]
        self.regs[at : at + 4] = _NULL_SEGMENT

    def _refresh_hflags(self, name: str, descriptor: Segment) -> None:
        flags = self.hflags
        if name == "cs":
            flags = flags & ~HF_CS32 | descriptor.default32 * HF_CS32
        elif name == "ss":
            flags = flags & ~(HF_SS32 | HF_CPL) | descriptor.default32 * HF_SS32 | descriptor.dpl
        based = any(self.regs[FIELD[f"{s}_base"]] for s in ("ds", "es", "ss"))
        flags = flags & ~HF_ADDSEG | (based or not flags & HF_CS32) * HF_ADDSEG
        self.hflags = flags

    def clear_inhibit(self) -> None:
        """End an interrupt shadow, as taking a trap does."""
        self.hflags = self.hflags & ~HF_INHIBIT_IRQ

    # -- running -----------------------------------------------------------------------------------

    def run(self, limit: int = hooks.NO_LIMIT, deadline: int = hooks.NO_LIMIT) -> int:
        """Run until `retired` reaches `limit`, the clock shows `deadline` cycles, or something happens;
        returns a hooks.EV_ code.
        """
        ram = self.ram
        watched = self.watching or (self.regs[_DR7] & 0xFF and self._has_data_breakpoint())
        if watched and not self._watches_memory:
            hooks.install_memory_hook(self.state, self.driver)
            self._watches_memory = ram.code_stale = True
        if ram.code_stale:
            flush_code(self._uc)
            ram.held_code[:] = bytes(len(ram.held_code))
            ram.code_stale = False
            self.state.code_page_valid = 0  # what is run now is marked again
        self.state.deadline = deadline
        return self.driver.run(limit)

    def set_exits(self, addresses: frozenset[int], page_ends: frozenset[int] | None = None) -> None:
        """End translated blocks in front of these linear addresses;
        without `page_ends` those stay as they are.
        """
        self.exits = addresses
        if page_ends is not None:
            self.page_ends = page_ends
        self._uc.ctl_set_exits(sorted(self.exits | self.page_ends))
        flush_code(self._uc)

    def reopen(self) -> None:
        """Go on in a fresh engine: the present one has given up in the middle of its work."""
        self._context.save()
        state = bytes(self._context.data[: self.layout.state_end]) + b"".join(
            self.regs[FIELD[f"dr{n}"]].to_bytes(4, "little") for n in (0, 1, 2, 3, 6, 7)
        )
        registers = self.regs[:].tolist()
        finalizer = getattr(self._uc, "_Uc__finalizer", None)
        if finalizer is not None:
            finalizer.detach()  # closing it would touch what it left half done
        self._abandoned.append((self._uc, self._context))
        self._uc = open_engine(self.ram, self.model)
        self._handle = ctypes.c_void_p(self._uc._uch.value)
        self._write_directory = self._cr3_writer()
        self._context = Context(self._handle)
        self._context.save()
        self.state.engine = self._handle.value or 0
        self.state.context = self._context.address
        self._attach()
        self._install_hooks()
        self._watches_memory = False
        self.load_state(state)
        self.regs[:] = array("I", registers)
        self.set_exits(self.exits)

    def _has_data_breakpoint(self) -> bool:
        dr7 = self.regs[_DR7]
        return any(dr7 >> 2 * n & 3 and dr7 >> 16 + 4 * n & 1 for n in range(4))

    def count(self) -> None:
        """One instruction more has completed, outside the engine."""
        self.state.retired += 1

    def uncount(self) -> None:
        """Take back the last instruction: it turned out not to have completed."""
        self.state.retired -= 1

    def set_breakpoints(self, addresses: list[int]) -> None:
        """Stop before the instruction at each of these linear addresses.

        ValueError beyond MAX_BREAKS of them.
        """
        if len(addresses) > hooks.MAX_BREAKS:
            raise ValueError(f"at most {hooks.MAX_BREAKS} breakpoints")
        for index, address in enumerate(sorted(addresses)):
            self._breaks[index] = address
        self.state.break_count = len(addresses)

    # -- whole state -------------------------------------------------------------------------------

    def save_state(self) -> bytes:
        """All registers, FPU and SSE included, for `load_state` on a CPU of the same model."""
        self._store()
        self._context.save()
        data = bytes(self._context.data)
        tail = b"".join(
            self.regs[FIELD[f"dr{n}"]].to_bytes(4, "little") for n in (0, 1, 2, 3, 6, 7)
        )
        return data[: self.layout.state_end] + tail

    def fpu_state(self) -> bytes:
        """The registers of the FPU and of SSE alone, in a fixed order, to be compared."""
        read = self._uc.reg_read
        stack = (read(register) for register in _FPU_STACK)
        parts = [m.to_bytes(8, "little") + e.to_bytes(2, "little") for m, e in stack]
        parts += [read(register).to_bytes(16, "little") for register in _XMM]
        parts += [read(register).to_bytes(4, "little") for register in _FPU_CONTROL]
        return b"".join(parts)

    def load_state(self, state: bytes) -> None:
        """Become what `save_state` saw, without the retired count.

        SnapshotError for another engine's state.
        """
        end = self.layout.state_end
        if len(state) != end + 24:
            raise SnapshotError(
                f"{len(state)} bytes of CPU state, not {end + 24}: another engine's"
            )
        self.set_dr(7, 0)
        start = self.layout.fields[FIELD["eax"]][0]  # before it: the engine's own bookkeeping
        self._context.data[start:end] = state[start:end]
        self._context.restore()
        for index, number in enumerate((0, 1, 2, 3, 6, 7)):
            at = end + 4 * index
            self._write(_DR_IDS[number], int.from_bytes(state[at : at + 4], "little"))
        self._reload()
        self.flush_tlb()

    def _write(self, ident: int, value: int) -> None:
        word = ctypes.c_uint64(value)
        uclib.uc_reg_write(self._handle, ctypes.c_int(ident), ctypes.byref(word))

    def _store(self) -> None:
        """Copy the shared registers into the engine, without running it."""
        self._context.save()
        data = self._context.data
        for index, (offset, width, writable) in enumerate(self.layout.fields):
            if writable or FIELD_NAMES[index] == "eip":
                data[offset : offset + width] = self.regs[index].to_bytes(width, "little")
        self._context.restore()
        self._write(x86.UC_X86_REG_EFLAGS, self.eflags)

    def _reload(self) -> None:
        """Copy the engine's registers into the shared ones,
        after it was changed from outside a run.
        """
        self._context.save()
        data = self._context.data
        for index, (offset, _, _) in enumerate(self.layout.fields):
            self.regs[index] = int.from_bytes(data[offset : offset + 4], "little")
        self.eflags = self._uc.reg_read(x86.UC_X86_REG_EFLAGS)
