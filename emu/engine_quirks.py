"""What Unicorn does that a real i386 does not, and how this package copes.

Each entry names the behaviour, then the cure; tests/emu/test_unicorn_contract.py holds one test an
entry, so that an engine that behaves otherwise fails there. Numbers with # are the engine's own
issues.

* Traps only reach hooks; the IDT and the TSS are never read and CPL never changes.
  -> emu.microcode delivers them.
* `env->old_exception` is never reset, so a second #PF looks like a double fault (#1883).
  -> -1 is written to it in the saved context before every run.
* Error code, `exception_is_int` and segment caches have no register (#1055).
  -> they are read and written in the saved context, at offsets found by `calibrate`.
* The end of a run looks up the block before `until`, which clobbers CR2 and the error code.
  -> exits are enabled and none is set.
* The TLB survives host changes of page tables and a restored context.
  -> `flush_tlb` rewrites CR3; the kernel has one door for changing an entry.
* Host writes do not drop translated code (#1561).
  -> Ram notes writes to frames that have held code; `flush_code`.
* Undefined opcodes do not arrive as vector 6.  -> the invalid-instruction hook.
* A block that reaches over the end of a page faults for the next one when it is translated, before any of
  it has run.  -> the machine ends the block there (emu/page_end.py).
* IN and OUT ignore IOPL and the I/O bitmap; a run stopped in INS starts it over for ever.
  -> the code hook stops before an I/O instruction with CPL > IOPL, and the machine decides; the
  string forms are always done by the machine.
* The debug registers do nothing.
  -> the code hook looks for instruction breakpoints, a memory hook for data breakpoints.
* EFLAGS.RF lasts until the end of a block.  -> it is taken away behind one instruction.
* LOCK before BTS, BTR or BTC of a register aborts the translator, and with it the process.
  -> emu/_native.c leaves the abort, and the CPU goes on in a fresh engine (emu/untranslatable.py).
* LOCK is accepted before registers, VEX where LDS and LES have no meaning, INT1 is undefined.
  -> the code hook refuses the first two; the machine makes INT1 a #DB.
* SYSENTER and SYSCALL are silent.  -> hooks turn them into #UD.
* RDTSC returns the host's time.  -> the machine does it, from its clock.
* With a code hook, an instruction that faults behind one that set the flags leaves wrong flags; RCL
  and RCR on memory lose CF by themselves, CMPXCHG8B and the bit tests others.
  -> the code hook keeps the EFLAGS of before, and the fault path puts them back.
* So does one that stores into its own block, which the engine translates anew and begins again.
  -> the code hook, called a second time, puts the EFLAGS of before back.
* TEST has one opcode (F6 /1 and F7 /1 are unknown), and LOCK NEG has the flags of the old value.
  -> the machine shows the engine the other form while it runs them (emu/shown_code.py).
* FCOMI and its kin keep OF, SF and AF.  -> the code hook clears them in front of it.
* RDPMC is unknown, MOV from CR1 is #GP in ring 3, POP has eight opcodes.
  -> the machine makes the first #GP, the code hook refuses the others.
* A read-modify-write instruction reads first, PUSHA begins at its lowest word, CMPS with what EDI names; an
  operand over the end of 4 GiB goes round.
  -> the machine looks at each page fault again (emu/page_fault.py).
* For the same reason CMPXCHG8B spoils flags that it should keep.
  -> the code hook writes EFLAGS in front of it.
* The x87 sets few flags, works in double precision here and there, reports a division by zero only, late; SSE
  leaves MXCSR, takes operands not aligned; FNSAVE stores a part.  -> the code hook cures that (emu/x87).
* Hooks added after a block was translated do not fire in it (#2200).
  -> all hooks are installed before the first instruction.
* A REP instruction calls the code hook once an iteration.  -> the hook counts an address once.
* Without address space for translated code the engine ends the process, with status 1 and a line of its own.
  -> `open_engine` asks for as much before it.
* The code hook halves the engine's speed.  -> two translations of guest code, one without it, told apart
  by a bit of hflags that nothing else uses (emu/blocks.py); which one is made is decided by the
  hook's address range, which is changed in the engine's own record of the hook.
"""

from __future__ import annotations

import ctypes
import mmap
from itertools import pairwise

from unicorn import UC_ARCH_X86, UC_HOOK_CODE, UC_HOOK_INTR, UC_MODE_32, UC_PROT_ALL, Uc, UcError
from unicorn import x86_const as x86
from unicorn.unicorn_py3.unicorn import uclib

from emu.descriptors import SEG_ACCESSED, SEG_WRITABLE, pack_segment
from emu.errors import EngineContractError
from emu.ram import Ram
from emu.record import dataclass
from emu.x87.state import locate_fpu

#: Order of the machine's register file; index = field number.
GPRS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
SYSTEM_SEGMENTS = ("ldtr", "tr")
SEGMENT_PARTS = ("selector", "base", "limit", "flags")

FIELD_NAMES: tuple[str, ...] = (
    *GPRS,
    "eip",
    "eflags",
    *(f"{segment}_{part}" for segment in (*SEGMENTS, *SYSTEM_SEGMENTS) for part in SEGMENT_PARTS),
    *("gdt_base", "gdt_limit", "idt_base", "idt_limit"),
    *("cr0", "cr2", "cr3", "cr4", "dr0", "dr1", "dr2", "dr3", "dr6", "dr7"),
    *("hflags", "error_code", "is_int"),
)
FIELD: dict[str, int] = {name: index for index, name in enumerate(FIELD_NAMES)}

CPU_MODELS = {
    "486": x86.UC_CPU_X86_486,
    "pentium": x86.UC_CPU_X86_PENTIUM,
    "pentium3": x86.UC_CPU_X86_PENTIUM3,
    "max": x86.UC_CPU_X86_QEMU32,
}

# QEMU's hflags, the part of the state that its translator looks at (target/i386/cpu.h).
HF_CPL = 0x3
HF_INHIBIT_IRQ = 1 << 3
HF_CS32 = 1 << 4
HF_SS32 = 1 << 5
HF_ADDSEG = 1 << 6

_SEGMENT_SIZE = 24
_HOOK_SIZE = 48  # bytes of a hook's record that are looked at
_PART_AT = {"selector": (0, 4), "base": (8, 8), "limit": (16, 4), "flags": (20, 4)}


@dataclass(frozen=True)
class ContextLayout:
    """Where things are in a saved engine context: (offset, width) in bytes by field."""

    size: int
    fields: tuple[tuple[int, int, bool], ...]  # offset, width, writable; in FIELD_NAMES order
    old_exception: int
    state_end: int  # everything before this offset is CPU state without host pointers
    fpu: int  # the x87's registers: emu/x87/state.py


#: Where a fault leaves its state (error_code, exception_is_int, old_exception) in builds of the engine, by
#: the size of the context and where EAX, the x87's registers and DR0 were found: to provoke faults is half
#: of what `calibrate` takes. Of unicorn 2.1.4 for x86-64.
KNOWN = {(5608, 40, 640, 5440): (5424, 5428, 5536)}


class Context:
    """One saved context of an engine, with its bytes in view."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._pointer = ctypes.c_void_p()
        _check(uclib.uc_context_alloc(handle, ctypes.byref(self._pointer)), "uc_context_alloc")
        self._handle = handle
        self.size = int(uclib.uc_context_size(handle))
        assert self._pointer.value is not None
        self.address = self._pointer.value
        self.data = memoryview((ctypes.c_uint8 * self.size).from_address(self.address)).cast("B")

    def save(self) -> None:
        """Copy the engine's state here."""
        _check(uclib.uc_context_save(self._handle, self._pointer), "uc_context_save")

    def restore(self) -> None:
        """Copy this state into the engine. The TLB keeps what it holds."""
        _check(uclib.uc_context_restore(self._handle, self._pointer), "uc_context_restore")

    def free(self) -> None:
        """Give the engine's memory for it back; once more does nothing."""
        if self._pointer:
            self.data.release()
            uclib.uc_context_free(self._pointer)
            self._pointer = ctypes.c_void_p()


def _check(status: int, call: str) -> None:
    if status:
        raise EngineContractError(f"{call} failed: {UcError(status)}")


#: Bytes of address space that the engine maps for translated code, whatever it comes to use.
TRANSLATIONS = 1 << 30


def open_engine(ram: Ram, model: str) -> Uc:
    """An engine of a CPU model over this RAM, with exits enabled and none set."""
    room_for_translations()
    uc = Uc(UC_ARCH_X86, UC_MODE_32)
    uc.ctl_set_cpu_model(CPU_MODELS[model])
    uc.ctl_exits_enabled(True)
    _check(
        uclib.uc_mem_map_ptr(
            uc._uch,
            ctypes.c_uint64(0),
            ctypes.c_size_t(ram.size),
            ctypes.c_uint32(UC_PROT_ALL),
            ctypes.c_void_p(ram.host_address),
        ),
        "uc_mem_map_ptr",
    )
    return uc


def room_for_translations() -> None:
    """The engine ends the whole process when it cannot have address space for what it translates.

    Raises MemoryError in its place.
    """
    try:
        mmap.mmap(-1, TRANSLATIONS, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, ValueError):
        raise MemoryError(
            f"the engine needs {TRANSLATIONS >> 20} MiB of address space (see ulimit -v)"
        ) from None


def locate_bounds(uc: Uc) -> int:
    """How far behind a hook's handle its first and its last address stand; 0 when not found there.

    A hook is the engine's own record, and its handle is a pointer to it.
    """
    marks = (0x5EED_0123_4567_89AB, 0x5EED_0123_4567_89AC)
    handle = ctypes.c_size_t()
    function = ctypes.CFUNCTYPE(None)(lambda: None)
    _check(
        uclib.uc_hook_add(
            uc._uch,
            ctypes.byref(handle),
            ctypes.c_int(UC_HOOK_CODE),
            function,
            None,
            *(ctypes.c_uint64(mark) for mark in marks),
        ),
        "uc_hook_add",
    )
    pattern = b"".join(mark.to_bytes(8, "little") for mark in marks)
    at = ctypes.string_at(handle.value or 0, _HOOK_SIZE).find(pattern)
    _check(uclib.uc_hook_del(uc._uch, handle), "uc_hook_del")
    return max(at, 0)


def flush_code(uc: Uc) -> None:
    """Drop every translated block: code is translated anew when it is next run."""
    uc.ctl_flush_tb()


def _locate(context: Context, pattern: bytes, what: str) -> int:
    data = bytes(context.data)
    at = data.find(pattern)
    if at < 0 or data.find(pattern, at + 1) >= 0:
        raise EngineContractError(
            f"cannot find {what} in the engine's context; this package was built for unicorn 2.1.4"
        )
    return at


def _load_marked_segment(uc: Uc, ram: Ram, base: int) -> None:
    """Load GS with a data segment of this base, from a GDT that is then taken away."""
    table, saved = 0x1000, ram.read(0x1000, 16)
    ram.write(table + 8, pack_segment(base, 0xFFFFFFFF, SEG_WRITABLE | SEG_ACCESSED))
    gdtr = uc.reg_read(x86.UC_X86_REG_GDTR)
    uc.reg_write(x86.UC_X86_REG_GDTR, (0, table, 15, 0))
    uc.reg_write(x86.UC_X86_REG_GS, 8)
    uc.reg_write(x86.UC_X86_REG_GDTR, gdtr)
    ram.write(table, saved)


def _locate_registers(uc: Uc, ram: Ram, context: Context) -> dict[str, tuple[int, int]]:
    """Write a value of its own into each register and look where it went."""
    found: dict[str, tuple[int, int]] = {}
    ids = {name: getattr(x86, f"UC_X86_REG_{name.upper()}") for name in (*GPRS, "eip", "cr2")}
    ids |= {f"dr{n}": getattr(x86, f"UC_X86_REG_DR{n}") for n in range(4)}
    marks = {name: 0x5EED0000 | (index + 1) * 0x101 for index, name in enumerate(ids)}
    for name, ident in ids.items():
        uc.reg_write(ident, marks[name])
    tables = {
        "gdt": (x86.UC_X86_REG_GDTR, 0x5EEE1000),
        "idt": (x86.UC_X86_REG_IDTR, 0x5EEE2000),
        "ldtr": (x86.UC_X86_REG_LDTR, 0x5EEE3000),
        "tr": (x86.UC_X86_REG_TR, 0x5EEE4000),
    }
    for ident, base in tables.values():
        uc.reg_write(ident, (0x58, base, 0x1FFF, 0))
    _load_marked_segment(uc, ram, 0x5EEE5000)
    context.save()
    for name, mark in marks.items():
        found[name] = (_locate(context, mark.to_bytes(8, "little"), name), 8)
    for name, (_, base) in tables.items():
        start = _locate(context, base.to_bytes(8, "little"), name) - 8
        for part, (at, width) in _PART_AT.items():
            found[f"{name}_{part}"] = (start + at, width)
    gs = _locate(context, (0x5EEE5000).to_bytes(8, "little"), "gs") - 8
    for number, name in enumerate(SEGMENTS):
        start = gs - (5 - number) * _SEGMENT_SIZE
        for part, (at, width) in _PART_AT.items():
            found[f"{name}_{part}"] = (start + at, width)
    if found["ldtr_selector"][0] != gs + _SEGMENT_SIZE:
        raise EngineContractError("segment caches are not laid out as expected")
    cr2 = found["cr2"][0]
    found |= {f"cr{n}": (cr2 + (n - 2) * 8, 8) for n in (0, 3, 4)}
    dr0 = found["dr0"][0]
    found |= {f"dr{n}": (dr0 + n * 8, 8) for n in (6, 7)}
    found["hflags"] = (found["es_selector"][0] - 8, 4)
    found["eflags"] = (found["eip"][0] + 8, 8)
    return found


def _verify_hflags(uc: Uc, context: Context, at: int) -> None:
    """CR0.TS must show as bit 11 of hflags, and nowhere else in the word."""
    before = int.from_bytes(context.data[at : at + 4], "little")
    cr0 = uc.reg_read(x86.UC_X86_REG_CR0)
    uc.reg_write(x86.UC_X86_REG_CR0, cr0 ^ 8)
    context.save()
    after = int.from_bytes(context.data[at : at + 4], "little")
    uc.reg_write(x86.UC_X86_REG_CR0, cr0)
    if before ^ after != 1 << 11:
        raise EngineContractError("hflags are not where they are expected in the engine's context")


def _locate_exception_state(uc: Uc, ram: Ram, context: Context) -> tuple[int, int, int]:
    """Offsets of error_code, exception_is_int and old_exception.

    Two general-protection faults with different error codes and one `int` are provoked; the words
    that changed just so are the ones.
    """
    code, saved = 0x1000, ram.read(0x1000, 16)
    hook = uc.hook_add(UC_HOOK_INTR, lambda engine, *_: engine.emu_stop())
    uc.reg_write(x86.UC_X86_REG_GDTR, (0, 0, 7, 0))
    context.save()
    before = bytes(context.data)
    images = [before]
    for program in (b"\xb8\x50\x00\x00\x00\x8e\xd8", b"\xb8\x30\x12\x00\x00\x8e\xd8", b"\xcd\x55"):
        ram.write(code, program)
        flush_code(uc)
        context.data[:] = before
        context.restore()
        uc.emu_start(code, 0)
        context.save()
        images.append(bytes(context.data))
    uc.hook_del(hook)
    ram.write(code, saved)
    flush_code(uc)

    rows = list(zip(*(memoryview(i)[: len(i) & -4].cast("I") for i in images), strict=True))
    code_at = [
        4 * at
        for at, ((_, *first), (_, *second)) in enumerate(pairwise(rows))
        if first == [0x50, 0x1230, 0] and second == [0, 0, 1]
    ]
    old = [4 * at for at, row in enumerate(rows) if row[:3] == (0xFFFFFFFF, 13, 13)]
    if len(code_at) != 1 or len(old) != 1:
        raise EngineContractError(
            "cannot find the exception state in the engine's context; "
            "this package was built for unicorn 2.1.4"
        )
    return code_at[0], code_at[0] + 4, old[0]


def calibrate(uc: Uc, ram: Ram) -> ContextLayout:
    """Find the context's layout on a fresh engine, which is left as it was.

    Raises EngineContractError when the engine is not laid out as any known one.
    """
    pristine, probe = Context(uc._uch), Context(uc._uch)
    try:
        pristine.save()
        found = _locate_registers(uc, ram, probe)
        _verify_hflags(uc, probe, found["hflags"][0])
        fpu = locate_fpu(uc, probe.save, probe.data)
        pristine.restore()
        build = (pristine.size, found["eax"][0], fpu, found["dr0"][0])
        exception = KNOWN.get(build) or _locate_exception_state(uc, ram, probe)
        error_code, is_int, old_exception = exception
        pristine.restore()
    finally:
        probe.free()
        size = pristine.size
        pristine.free()
    found["error_code"], found["is_int"] = (error_code, 4), (is_int, 4)
    read_only = {"cr0", "cr3", "cr4", "error_code", "is_int", "eip", "eflags"}
    read_only |= {f"dr{n}" for n in (0, 1, 2, 3, 7)}
    fields = tuple((*found[name], name not in read_only) for name in FIELD_NAMES)
    return ContextLayout(size, fields, old_exception, found["dr0"][0], fpu)
