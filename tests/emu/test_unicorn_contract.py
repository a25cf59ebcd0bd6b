"""The engine's peculiarities (emu/engine_quirks.py): each is shown to exist, and to be cured.

A test on the raw engine that fails means: another engine, look at the cure again. The test beside it,
on the machine, says whether the cure still works.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import unicorn
from bare import DATA, KCODE_AT, TSS, UCODE_AT, USTACK, Bare, asm
from unicorn import Uc, UcError
from unicorn import unicorn_const as uc_const
from unicorn import x86_const as x86

from emu import engine_quirks
from emu.errors import EngineContractError
from emu.live_registers import locate_env
from emu.machine import Stop
from emu.ram import Ram

INT80 = b"\xcd\x80"
CODE_AT = 0x20000


class Raw:
    """The engine alone: 4 MiB, a 1:1 page table at 0x10000, ring 0, no hooks of ours."""

    def __init__(self, *, paging: bool = True, exits: bool = True) -> None:
        self.uc = Uc(uc_const.UC_ARCH_X86, uc_const.UC_MODE_32)
        self.uc.ctl_set_cpu_model(x86.UC_CPU_X86_QEMU32)
        if exits:
            self.uc.ctl_exits_enabled(True)
        self.ram = (ctypes.c_uint8 * (4 << 20))()
        self.uc.mem_map_ptr(0, 4 << 20, uc_const.UC_PROT_ALL, ctypes.addressof(self.ram))
        for page in range(1024):
            self.poke(0x11000 + 4 * page, (page << 12 | 7).to_bytes(4, "little"))
        self.poke(0x10000, (0x11007).to_bytes(4, "little"))
        self.traps: list[int] = []
        if paging:
            self.set("cr3", 0x10000)
            self.set("cr0", 0x80010001)
        self.set("esp", 0x9000)

    def poke(self, at: int, data: bytes) -> None:
        """A host write, past the engine."""
        self.ram[at : at + len(data)] = list(data)

    def set(self, name: str, value: int) -> None:
        self.uc.reg_write(getattr(x86, f"UC_X86_REG_{name.upper()}"), value)

    def get(self, name: str) -> int:
        return int(self.uc.reg_read(getattr(x86, f"UC_X86_REG_{name.upper()}")))

    def hook_traps(self) -> None:
        def on_trap(uc: Any, vector: int, _: Any) -> None:
            self.traps.append(vector)
            uc.emu_stop()

        self.uc.hook_add(uc_const.UC_HOOK_INTR, on_trap)

    def run(self, code: str | bytes | None = None, count: int = 0) -> None:
        if code is not None:
            self.poke(CODE_AT, code if isinstance(code, bytes) else asm(code, CODE_AT))
        self.uc.emu_start(CODE_AT, 0, count=count)


def test_the_version_is_one_that_was_looked_at() -> None:
    assert unicorn.__version__.startswith("2.1."), "read tests/emu/test_unicorn_contract.py again"


# -- traps -----------------------------------------------------------------------------------------


def test_raw_traps_only_reach_hooks() -> None:
    raw = Raw()
    raw.uc.reg_write(x86.UC_X86_REG_IDTR, (0, 0x1000, 0x7FF, 0))
    raw.hook_traps()
    raw.run(INT80)
    assert raw.traps == [0x80]
    assert (raw.get("eip"), raw.get("esp")) == (CODE_AT + 2, 0x9000)


def test_raw_second_page_fault_is_a_double_fault() -> None:
    raw = Raw()
    raw.hook_traps()
    for _ in range(2):
        raw.run("movl 0x900000,%eax")
    assert raw.traps == [14, 8]


def test_cured_every_page_fault_is_one() -> None:
    bare = Bare()
    for address in (0x900000, 0xA00000, 0xB00000, 0xC00000):
        bare.ring3()
        trap = bare.trap(f"movl 0x{address:x},%eax")
        assert (trap.vector, trap.error_code, trap.cr2) == (14, 4, address)


def test_raw_int_14_looks_like_a_page_fault() -> None:
    raw = Raw()
    raw.hook_traps()
    raw.run(b"\xcd\x0e")
    assert raw.traps == [14]


def test_cured_int_14_of_ring_3_is_a_gp() -> None:
    trap = Bare().trap(b"\xcd\x0e")
    assert (trap.vector, trap.error_code) == (13, 14 * 8 + 2)


def test_raw_undefined_opcode_is_not_vector_6() -> None:
    raw = Raw()
    raw.hook_traps()
    with pytest.raises(UcError):
        raw.run(b"\x0f\x0b")
    assert raw.traps == []


def test_raw_tf_is_not_cleared() -> None:
    raw = Raw()
    raw.hook_traps()
    raw.set("eflags", 0x102)
    raw.run(b"\x90\x90")
    assert raw.traps == [1]
    assert raw.get("eflags") & 0x100


def test_raw_end_of_run_clobbers_cr2() -> None:
    """With `until` the engine looks the block at the end up: CR2 is lost."""
    raw = Raw(exits=False)
    raw.set("cr2", 0x1234)
    raw.poke(CODE_AT, b"\x90\x90")
    raw.uc.emu_start(CODE_AT, 0x900000, count=1)
    with_until = raw.get("cr2")
    raw = Raw()
    raw.set("cr2", 0x1234)
    raw.run(b"\x90\xf4")
    assert (with_until != 0x1234, raw.get("cr2")) == (True, 0x1234)


# -- layout ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", engine_quirks.CPU_MODELS)
def test_calibration_on_every_model(model: str) -> None:
    ram = Ram(1 << 20)
    before = ram.image()
    uc = engine_quirks.open_engine(ram, model)
    layout = engine_quirks.calibrate(uc, ram)
    offsets = [offset for offset, _, _ in layout.fields]
    assert len(set(offsets)) == len(engine_quirks.FIELD_NAMES)
    assert all(0 <= offset < layout.size for offset in offsets)
    assert ram.image() == before


@pytest.mark.parametrize("model", engine_quirks.CPU_MODELS)
def test_what_is_known_of_a_build_is_what_is_found(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where faults leave their state, remembered and provoked."""
    ram = Ram(1 << 20)
    provoked: list[object] = []
    locate = engine_quirks._locate_exception_state

    def locating(*args: Any) -> tuple[int, int, int]:
        provoked.append(args)
        return locate(*args)

    monkeypatch.setattr(engine_quirks, "_locate_exception_state", locating)
    remembered = engine_quirks.calibrate(engine_quirks.open_engine(ram, model), ram)
    assert not provoked
    monkeypatch.setattr(engine_quirks, "KNOWN", {})
    assert engine_quirks.calibrate(engine_quirks.open_engine(ram, model), ram) == remembered
    assert len(provoked) == 1


def test_calibration_refuses_another_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    ram = Ram(1 << 20)
    uc = engine_quirks.open_engine(ram, "max")
    known = engine_quirks.calibrate(uc, ram)
    at, width, _ = known.fields[engine_quirks.FIELD["edx"]]
    save = engine_quirks.Context.save

    def without_edx(context: engine_quirks.Context) -> None:
        save(context)
        context.data[at : at + width] = bytes(width)

    monkeypatch.setattr(engine_quirks.Context, "save", without_edx)
    with pytest.raises(EngineContractError, match=r"unicorn 2\.1\.4"):
        engine_quirks.calibrate(uc, ram)


def test_calibration_refuses_moved_segment_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_quirks, "_SEGMENT_SIZE", 32)
    ram = Ram(1 << 20)
    with pytest.raises(EngineContractError, match="segment caches"):
        engine_quirks.calibrate(engine_quirks.open_engine(ram, "max"), ram)


def test_calibration_refuses_moved_hflags() -> None:
    ram = Ram(1 << 20)
    uc = engine_quirks.open_engine(ram, "max")
    context = engine_quirks.Context(uc._uch)
    context.save()
    with pytest.raises(EngineContractError, match="hflags"):
        engine_quirks._verify_hflags(uc, context, 0)


# -- privilege -------------------------------------------------------------------------------------


def test_raw_in_and_out_ignore_iopl() -> None:
    bare = Bare()  # the only way into ring 3 is ours; the hook below is the engine's
    assert bare.cpu.cpl == 3
    raw = Raw()
    seen: list[int] = []

    def on_in(uc: Any, port: int, size: int, _: Any) -> int:
        seen.append(port)
        return 0

    raw.uc.hook_add(uc_const.UC_HOOK_INSN, on_in, None, 1, 0, x86.UC_X86_INS_IN)
    raw.run(b"\xe4\x60\xf4")
    assert seen == [0x60]


IO_FORMS = {
    "in imm": (b"\xe4\x40", 0x40, 1),
    "in imm32": (b"\xe5\x40", 0x40, 4),
    "in imm16": (b"\x66\xe5\x40", 0x40, 2),
    "in dx": (b"\xec", 0x21, 1),
    "in dx32": (b"\xed", 0x21, 4),
    "out imm": (b"\xe6\x21", 0x21, 1),
    "out dx": (b"\xee", 0x21, 1),
    "out dx32": (b"\xef", 0x21, 4),
    "insb": (b"\x6c", 0x21, 1),
    "insl": (b"\x6d", 0x21, 4),
    "rep insb": (b"\xf3\x6c", 0x21, 1),
    "outsb": (b"\x6e", 0x21, 1),
    "rep outsl": (b"\xf3\x6f", 0x21, 4),
    "rep outsw": (b"\xf2\x66\x6f", 0x21, 2),
}


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
@pytest.mark.parametrize("form", IO_FORMS)
def test_cured_port_access_of_ring_3(form: str, native: bool) -> None:
    """#GP(0) and no trace of it, unless the bitmap of the TSS has a 0 for each of the ports."""
    code, port, size = IO_FORMS[form]
    for refused in (None, *range(size)):
        bare = Bare(native=native)
        bare.cpu.esi = bare.cpu.edi = DATA
        bare.cpu.edx, bare.cpu.ecx, bare.cpu.eax = 0x21, 3, 0
        bare.machine.pic.mask = 0xFF
        bare.cpu.tr_limit = 104 + 0x100
        bitmap = bytearray(0x101)
        if refused is not None:
            bitmap[(port + refused) // 8] = 1 << (port + refused) % 8
        bare.ram.write(TSS + 104, bytes(bitmap[:0x20]) if refused is not None else bytes(0x20))
        before = bare.registers()
        trap = bare.trap(code + INT80)
        if refused is None:
            assert trap.vector == 0x80
            assert bare.cpu.retired == 2
            continue
        assert (trap.vector, trap.error_code, trap.eip) == (13, 0, UCODE_AT)
        assert bare.machine.pic.mask == 0xFF
        assert bare.cpu.retired == 0
        for name in ("eax", "ecx", "edx", "esi", "edi"):
            assert bare.registers()[name] == before[name]
        assert bare.ram.read(DATA, 16) == bytes(16)


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
@pytest.mark.parametrize("port", [0x10, 0x20, 0x27])
def test_cured_the_bitmap_ends_with_the_tss(port: int, native: bool) -> None:
    """Two bytes are read, always; both must lie within the limit (SDM vol. 1, 18.5.2)."""
    last = 104 + port // 8 + 1  # offset of the second one
    for limit, vector in ((last, 0x80), (last - 1, 13), (last + 1, 0x80), (0x66, 13)):
        bare = Bare(native=native)
        bare.cpu.tr_limit = limit
        assert bare.trap(bytes((0xE4, port)) + INT80).vector == vector


@pytest.mark.parametrize(("limit", "vector"), [(0x67, 0x80), (0x66, 13), (0x65, 13)])
def test_cured_the_base_of_the_bitmap_lies_in_the_tss(limit: int, vector: int) -> None:
    bare = Bare()
    bare.cpu.tr_limit = limit
    bare.ram.write(TSS + 0x66, b"\x00\x00")  # the bitmap is the TSS itself, from its start
    bare.ram.write(TSS, bytes(4))
    assert bare.trap(b"\xe4\x10" + INT80).vector == vector


def test_cured_no_bitmap_refuses() -> None:
    assert Bare().trap(b"\xe4\x21").vector == 13


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_cured_string_io(native: bool) -> None:
    """The engine starts a stopped INS over for ever: the machine does INS and OUTS itself."""
    out = bytearray()
    bare = Bare(native=native)
    bare.machine.serial._sink = out.extend
    bare.ring0()
    bare.machine.serial.receive(b"abcd")
    bare.cpu.edx, bare.cpu.ecx, bare.cpu.edi, bare.cpu.esi = 0x3F8, 4, DATA, DATA
    bare.run(b"\xf3\x6c\xb9\x04\x00\x00\x00\xf3\x6e\xf4")
    assert bare.ram.read(DATA, 5) == b"abcd\0"
    assert out == b"abcd"
    assert (bare.cpu.ecx, bare.cpu.edi, bare.cpu.esi, bare.cpu.retired) == (
        0, DATA + 4, DATA + 4, 4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "data", "index", "count"),
    [
        (b"\x6d", b"\x40\x30\x20\x10", DATA + 4, 0x10002),
        (b"\x66\x6d", b"\x40\x30", DATA + 2, 0x10002),
        (b"\x6c", b"\x40", DATA + 1, 0x10002),
        (b"\xf2\x66\x6d", b"\x40\x30\x40\x30", DATA + 4, 0),
        (b"\x67\xf3\x6c", b"\x40\x40", DATA + 2, 0x10000),  # CX and DI
    ],
)
def test_cured_string_io_sizes(code: bytes, data: bytes, index: int, count: int) -> None:
    bare = Bare()
    bare.ring0()
    bare.machine.timer.period = 0x10203040
    bare.cpu.edx, bare.cpu.edi = 0x40, DATA
    bare.cpu.ecx = 2 if count == 0 else 0x10002
    at = DATA & 0xFFFF if 0x67 in code else DATA
    before = bare.ram.read(at, 8)
    bare.trap(code + INT80)
    assert bare.ram.read(at, 8) == data + before[len(data) :]
    assert (bare.cpu.edi, bare.cpu.ecx) == (index, count)


def test_cured_string_io_backwards_and_faulting() -> None:
    bare = Bare()
    bare.ring0()
    bare.cpu.eflags |= 0x400
    bare.machine.serial.receive(b"ab")
    bare.cpu.edx, bare.cpu.ecx, bare.cpu.edi = 0x3F8, 3, DATA + 1
    bare.page(DATA - 0x1000, 0)
    trap = bare.trap(b"\xf3\x6c")
    assert (trap.vector, trap.error_code, trap.cr2, trap.eip) == (14, 2, DATA - 1, KCODE_AT)
    assert (bare.cpu.ecx, bare.ram.read(DATA, 2)) == (1, b"ba")


@pytest.mark.parametrize("code", [b"\x0f\x34", b"\x0f\x05"], ids=["sysenter", "syscall"])
def test_sysenter_and_syscall(code: bytes) -> None:
    raw = Raw()
    raw.hook_traps()
    raw.run(code + b"\xf4")
    assert raw.traps == []  # silent
    trap = Bare().trap(code)
    assert (trap.vector, trap.eip, trap.retired) == (6, UCODE_AT, 0)


def test_raw_ss_of_another_ring_cannot_be_written() -> None:
    raw = Raw()
    flat = 0x00CFF3000000FFFF
    raw.poke(0x800 + 0x20, flat.to_bytes(8, "little"))
    raw.uc.reg_write(x86.UC_X86_REG_GDTR, (0, 0x800, 0x2F, 0))
    with pytest.raises(UcError):
        raw.set("ss", 0x23)


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_rdtsc_is_the_machines_clock(native: bool) -> None:
    bare = Bare(native=native)
    bare.machine.clock.charge("test", (1 << 32) + 5)
    bare.run(b"\x90\x90\x90\x0f\x31\xeb\xfe", until=(1 << 32) + 5 + 20)
    assert (bare.cpu.edx, bare.cpu.eax) == (1, 5 + 3)
    raw = Raw()
    raw.run(b"\x0f\x31\xf4")
    assert raw.get("edx") << 32 | raw.get("eax") > 1000  # the host's time


def test_rdtsc_by_privilege_and_model() -> None:
    bare = Bare()
    bare.cpu.set_cr(4, bare.cpu.cr4 | 4)  # TSD
    assert bare.trap(b"\x0f\x31").vector == 13
    bare.ring0()
    bare.cpu.eflags |= 0x100
    assert bare.trap(b"\x0f\x31").eip == KCODE_AT + 2
    assert Bare(model="486").trap(b"\x0f\x31").vector == 6


# -- code and translations -------------------------------------------------------------------------


def test_raw_host_writes_do_not_drop_code() -> None:
    raw = Raw()
    for value in (1, 2):
        raw.run(f"movl $0x{value:x},%eax; hlt")
    assert raw.get("eax") == 1


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_cured_host_writes_are_seen(native: bool) -> None:
    bare = Bare(native=native)
    for value in (1, 2, 3):
        bare.ring3()
        bare.trap(f"movl $0x{value:x},%eax; int $0x80")
        assert bare.cpu.eax == value


WRITERS: dict[str, Callable[[Ram, int, bytes], None]] = {
    "write": lambda ram, at, data: ram.write(at, data),
    "write32": lambda ram, at, data: ram.write32(at, int.from_bytes(data[:4], "little")),
    "copy": lambda ram, at, data: (ram.write(0x60000, data), ram.copy(at, 0x60000, 4))[1],
    "fill": lambda ram, at, data: ram.fill(at, 4, 0x41),
}


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
@pytest.mark.parametrize("how", WRITERS)
@pytest.mark.parametrize("alias", [False, True], ids=["same", "alias"])
def test_cured_writes_by_every_door(how: str, alias: bool, native: bool) -> None:
    bare = Bare(native=native)
    if alias:
        bare.page(0x50000, UCODE_AT | 7)
        bare.cpu.eip = 0x50000
    start = bare.cpu.eip
    bare.code(b"\x40\x40\x40\x40" + INT80, at=UCODE_AT)  # inc %eax, four times
    bare.trap()
    bare.ring3()
    bare.cpu.eip = start
    WRITERS[how](bare.ram, UCODE_AT, b"\x41\x41\x41\x41")  # inc %ecx
    bare.trap()
    assert (bare.cpu.eax, bare.cpu.ecx) == (4, 4)


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_cured_code_translated_but_not_yet_run(native: bool) -> None:
    """A run that stops in front of a block has translated it already."""
    bare = Bare(native=native)
    bare.code(b"\xeb\x0e")  # jmp to 0x21000 by way of the next page
    bare.code(asm("jmp 0x21000"))
    bare.code(b"\xb8\x01\x00\x00\x00" + INT80, at=0x21000)
    bare.machine.step()
    assert bare.cpu.eip == 0x21000
    bare.code(b"\xb8\x02\x00\x00\x00" + INT80, at=0x21000)
    bare.trap()
    assert bare.cpu.eax == 2


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_cured_instruction_across_two_pages(native: bool) -> None:
    """Nothing but its tail is in the second frame: no instruction ever starts there."""
    bare = Bare(native=native)
    at = UCODE_AT + 0x1000 - 3
    bare.code(b"\x40" + INT80, at=UCODE_AT + 0x100)
    bare.code(b"\x41" + INT80, at=UCODE_AT + 0x200)
    for target in (0x100, 0x200):
        displacement = (UCODE_AT + target - (at + 5)) & 0xFFFFFFFF
        jump = b"\xe9" + displacement.to_bytes(4, "little")
        if target == 0x100:
            bare.code(jump, at=at)
        else:  # the low half of the displacement is in the first frame, and the same as before
            bare.ram.write(at + 1, jump[1:])
        bare.ring3()
        bare.cpu.eip = at
        bare.trap()
    assert (bare.cpu.eax, bare.cpu.ecx) == (1, 1)


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_cured_tail_of_an_instruction_in_the_next_page(native: bool) -> None:
    """Only the second frame is written."""
    bare = Bare(native=native)
    at = UCODE_AT + 0x1000 - 2  # mov $imm32, %eax: B8 and one byte, then three in the next page
    bare.page(UCODE_AT + 0x1000, UCODE_AT + 0x1000 | 7)
    bare.cpu.eflags |= 0x100  # one instruction a block: nothing starts in the second page
    for value in (0x11, 0x22):
        bare.cpu.eip = at
        if value == 0x11:
            bare.code(b"\xb8\x07\x11\x11\x11", at=at)
        else:
            bare.ram.write(UCODE_AT + 0x1000, b"\x22\x22\x22")
        assert bare.trap().vector == 1
        assert bare.cpu.eax == value * 0x01010100 & 0xFFFFFFFF | 7
        bare.ring3()
        bare.cpu.eflags |= 0x100


def test_guest_stores_into_code_are_seen_also_by_an_alias() -> None:
    for alias in (0, 0x30000):
        bare = Bare()
        if alias:
            bare.page(UCODE_AT + alias, UCODE_AT | 7)
        target = UCODE_AT + 0x80
        bare.code(b"\x40" + INT80, at=target)
        bare.trap(f"call 0x{target:x}")
        bare.ring3()
        bare.trap(f"movb $0x41,0x{target + alias:x}; jmp 0x{target:x}")
        assert (bare.cpu.eax, bare.cpu.ecx) == (1, 1)


# -- TLB -------------------------------------------------------------------------------------------


def test_raw_tlb_survives_host_changes() -> None:
    raw = Raw()
    raw.hook_traps()
    raw.run("movl %eax,0x30000; hlt")
    raw.poke(0x11000 + 4 * 0x30, (0x30005).to_bytes(4, "little"))  # read-only now
    raw.run()
    assert raw.traps == []  # a missed COW fault
    raw.set("cr3", 0x10000)
    raw.run()
    assert raw.traps == [14]


def test_cured_flush_makes_the_write_fault() -> None:  # K4
    bare = Bare()
    bare.trap(asm("movl %eax,0x30000; int $0x80"))
    bare.page(DATA, DATA | 5)
    bare.ring3()
    trap = bare.trap()
    assert (trap.vector, trap.error_code, trap.cr2) == (14, 7, DATA)


def test_cured_load_cr3_switches_and_flushes() -> None:
    bare = Bare()
    other, table = 0x60000, 0x61000
    bare.ram.copy(table, 0x11000)
    bare.ram.write32(other, table | 7)
    bare.ram.write32(table + 4 * (DATA >> 12), 0x70007)
    bare.ram.write32(DATA, 1)
    bare.ram.write32(0x70000, 2)
    for directory, expected in ((0x10000, 1), (other, 2), (0x10000, 1)):
        bare.ring3()
        bare.machine.load_cr3(directory)
        bare.trap("movl 0x30000,%eax; int $0x80")
        assert (bare.cpu.eax, bare.cpu.cr3) == (expected, directory)


# -- faults leave the instruction as it was --------------------------------------------------------

SETTERS = {
    "nothing": "nop",
    "stc": "stc",
    "add": "addl %ebx,%eax",
    "sub": "subl $0x5,%eax",
    "inc": "stc; incl %eax",
    "shift": "movl $0x80000001,%eax; shll $0x1,%eax",
    "neg": "negl %ebp",
    "mul": "movl $0xffffffff,%eax; mull %eax",
}
REFUSED = [
    "addl %ebx,(%edi)", "adcl %ebx,(%edi)", "sbbl %ebx,(%edi)", "movl %ebx,(%edi)",
    "incl (%edi)", "negl (%edi)", "shll $0x3,(%edi)", "sarl %cl,(%edi)",
    "rcll $0x1,(%edi)", "rcrl $0x1,(%edi)", "rcll %cl,(%edi)", "rcrb $0x3,(%edi)",
    "cmpxchgl %ebx,(%edi)", "cmpxchg8b (%edi)", "xaddl %ebx,(%edi)", "xchgl %ebx,(%edi)",
    "btsl $0x1,(%edi)", "btrl %ecx,(%edi)", "shldl $0x1,%ebx,(%edi)", "setb (%edi)",
    "popl (%edi)", "stosl", "movsl", "lock; xaddl %ebx,(%edi)",
]  # fmt: skip


def test_raw_flags_are_lost_in_a_fault() -> None:
    """With a code hook, as our counting needs one; and RCL by itself."""

    def after_fault(code: str, hook: bool) -> int:
        raw = Raw()
        raw.hook_traps()
        if hook:
            raw.uc.hook_add(uc_const.UC_HOOK_CODE, lambda *_: None)
        raw.set("edi", 0x900000)
        raw.set("eflags", 2)
        raw.run(code)
        assert raw.traps == [14]
        return raw.get("eflags") & 0x8D5

    assert after_fault("subl $0x5,%eax; movl %ebx,(%edi)", hook=False) == 0x91
    assert after_fault("subl $0x5,%eax; movl %ebx,(%edi)", hook=True) != 0x91


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
@pytest.mark.parametrize(("setter", "refused"), list(product(SETTERS, REFUSED)))
def test_cured_flags_and_registers_after_a_cow_fault(  # K5
    setter: str, refused: str, native: bool
) -> None:
    """A refused write changes nothing; done again once allowed, it gives what it should."""

    def prepared(entry: int) -> Bare:
        bare = Bare(native=native)
        bare.page(DATA, DATA | entry)
        bare.ram.write(DATA, bytes(range(0xF0, 0x100)))
        cpu = bare.cpu
        cpu.edi, cpu.esi, cpu.ecx, cpu.ebx = DATA, DATA + 0x1000, 5, 0x80000003
        bare.ram.write(DATA + 0x1000, b"\x55" * 8)
        bare.code(asm(f"{SETTERS[setter]}; {refused}; int $0x80"))
        return bare

    easy = prepared(7)
    easy.trap()
    hard = prepared(5)
    trap = hard.trap()
    assert (trap.vector, trap.error_code, trap.cr2 & ~0xFFF) == (14, 7, DATA)
    frame = hard.frame(error_code=True)
    assert frame.esp == USTACK
    exact = prepared(7)
    while exact.cpu.eip != frame.eip:
        exact.machine.step()
    assert frame.eflags & 0xFD5 == exact.cpu.eflags & 0xFD5
    hard.page(DATA, DATA | 7)
    assert hard.trap().vector == 0x80
    for name in ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"):
        assert hard.cpu.gpr(name) == easy.cpu.gpr(name)
    assert hard.ram.read(DATA, 16) == easy.ram.read(DATA, 16)
    assert hard.frame().eflags == easy.frame().eflags


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
@pytest.mark.parametrize("setter", SETTERS)
@pytest.mark.parametrize("code", [b"\x0f\xc7\x0f", b"\xf0\x0f\xc7\x0f", b"\x0f\x31"])
def test_cured_flags_in_front_of_cmpxchg8b_and_rdtsc(
    code: bytes, setter: str, native: bool
) -> None:
    seen = []
    for stepped in (True, False):
        bare = Bare(native=native)
        bare.cpu.edi = DATA
        bare.code(asm(SETTERS[setter]) + code + INT80)
        while stepped and not bare.deliveries:
            bare.machine.step()
        if not stepped:
            bare.trap()
        seen.append(bare.frame().eflags)
    assert seen[0] == seen[1]


def test_a_store_across_two_pages_writes_nothing_when_refused() -> None:
    bare = Bare()
    bare.page(DATA + 0x1000, DATA + 0x1000 | 5)
    bare.cpu.edi, bare.cpu.eax = DATA + 0xFFE, FLAT_MARK
    trap = bare.trap("movl %eax,(%edi); nop")
    assert (trap.vector, trap.cr2) == (14, DATA + 0x1000)
    assert bare.ram.read(DATA + 0xFFE, 4) == bytes(4)


FLAT_MARK = 0xA5A5A5A5


@pytest.mark.parametrize("code", ["pushal", "call 0x20100", "pushl %eax", "enter $0x10,$0x1"])
def test_a_push_that_faults_leaves_esp(code: str) -> None:
    bare = Bare()
    bare.page(0x9F000, 0)
    if code.startswith("enter"):
        bare.code(bytes.fromhex("c8100000"))
    else:
        bare.code(code)
    trap = bare.trap()
    assert (trap.vector, trap.eip) == (14, UCODE_AT)
    assert bare.frame(error_code=True).esp == USTACK


# -- code that the translator aborts on ------------------------------------------------------------

BTS = b"\xf0\x0f\xab\xc7"  # lock bts %eax, %edi


@pytest.mark.parametrize("before", [b"", b"\x40\x40", b"\x40\x66", b"\xf9\x40\x26"])
@pytest.mark.parametrize("code", [BTS, b"\xf0\x0f\xb3\xc7", b"\xf0\x0f\xba\xef\x01"])
def test_cured_abort_of_the_translator(before: bytes, code: bytes) -> None:
    bare = Bare()
    bare.cpu.cr2, bare.cpu.edi = 0x1234, DATA
    start = UCODE_AT + len(before.rstrip(b"\x66\x26"))
    for again in range(3):
        bare.ring3()
        bare.cpu.eax = 0
        trap = bare.trap(before + code + INT80)
        assert (trap.vector, trap.eip, trap.retired, trap.cr2) == (
            6, start, (start - UCODE_AT) * (again + 1), 0x1234,
        )  # fmt: skip
        assert bare.cpu.eax == before.count(b"\x40")
        assert bare.cpu.edi == DATA
        assert bool(bare.frame().eflags & 1) == (b"\xf9" in before)


def test_other_code_at_the_place_of_an_abort() -> None:
    """The two take turns at one address, as processes do; no engine is spent on each turn."""
    bare = Bare()
    for _ in range(4):
        bare.ring3()
        assert bare.trap(b"\x40" + BTS).vector == 6
        bare.ring3()
        bare.cpu.eax = 0
        assert bare.trap(b"\x40" * 8 + INT80).vector == 0x80
        assert bare.cpu.eax == 8
    assert len(bare.cpu._abandoned) == 1


def test_an_abort_is_the_same_in_steps_and_slices() -> None:
    program = asm("stc; movl $0x3,%ecx") + b"\x40\x49" + BTS + b"\xeb\xf9"
    states = []
    for part in (1, 2, 7, 40):
        bare = Bare(stop_on_traps=False)
        bare.gate(6, offset=0x6000)
        bare.code("addl $0x4,(%esp); iret", at=0x6000)  # over the instruction
        bare.code(program)
        while bare.machine.clock.cycles < 40:
            until = min(bare.machine.clock.cycles + part, 40)
            assert bare.machine.run(until=until).stop is Stop.LIMIT
        states.append(bare.state())
    assert all(state == states[0] for state in states)


def test_a_halt_in_front_of_an_exit_is_a_halt() -> None:
    bare = Bare()
    bare.ring0()
    assert bare.trap(b"\x90\x90" + BTS).vector == 6
    bare.ring0()
    assert bare.run(b"\x90\xf4").stop is Stop.HALT


# -- models ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "family", "cmov", "cx8"),
    [("486", 4, False, False), ("pentium", 5, False, True), ("pentium3", 6, True, True),
     ("max", 6, True, True)],
)  # fmt: skip
def test_cpu_models(model: str, family: int, cmov: bool, cx8: bool) -> None:
    bare = Bare(model=model)
    bare.trap(asm("movl $0x1,%eax; cpuid; int $0x80"))
    assert bare.cpu.eax >> 8 & 0xF == family
    assert bool(bare.cpu.edx & 1 << 15) == cmov
    assert bool(bare.cpu.edx & 1 << 8) == cx8
    bare.cpu.edi = DATA
    for code, has in ((b"\x0f\x44\xc1", cmov), (b"\x0f\xc7\x0f", cx8)):
        bare.ring3()
        assert bare.trap(code + INT80).vector == (0x80 if has else 6)


def test_sse_waits_for_osfxsr() -> None:
    bare = Bare()
    assert bare.trap(b"\x0f\x57\xc0" + INT80).vector == 6
    bare.ring3()
    bare.cpu.set_cr(4, bare.cpu.cr4 | 1 << 9)
    assert bare.trap().vector == 0x80


# -- hooks and stops -------------------------------------------------------------------------------


def test_raw_rep_calls_the_code_hook_every_time() -> None:
    raw = Raw()
    calls: list[int] = []
    raw.uc.hook_add(uc_const.UC_HOOK_CODE, lambda uc, at, size, _: calls.append(at))
    raw.set("esi", DATA)
    raw.set("edi", DATA)
    raw.set("ecx", 5)
    raw.run(b"\xf3\xa4\xf4")
    assert calls.count(CODE_AT) > 1


def test_raw_late_hooks_do_not_fire_in_old_code() -> None:
    raw = Raw()
    raw.run(b"\x90\xf4")
    calls: list[int] = []
    raw.uc.hook_add(uc_const.UC_HOOK_CODE, lambda uc, at, size, _: calls.append(at))
    raw.run()
    late = len(calls)
    raw.uc.ctl_flush_tb()
    raw.run()
    assert (late, len(calls)) == (0, 2)


def test_raw_memory_hooks_say_physical_addresses() -> None:
    raw = Raw()
    raw.poke(0x11000 + 4 * 0x31, (0x30007).to_bytes(4, "little"))
    seen: list[int] = []
    raw.uc.hook_add(
        uc_const.UC_HOOK_MEM_WRITE, lambda uc, kind, at, size, value, _: seen.append(at)
    )
    raw.run("movl %eax,0x31004; hlt")
    assert seen == [0x30004]


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_flags_survive_a_stop_behind_a_port_access(native: bool) -> None:
    bare = Bare(native=native)
    bare.machine.add_gate(0x99)
    bare.ring0()
    event = bare.run(asm("subl $0x5,%ecx; outb %al,$0x99; jb 0x5010; hlt", KCODE_AT))
    assert event.stop is Stop.GATE
    assert bare.cpu.eflags & 0x8D5 == 0x91
    bare.machine.step()
    assert bare.cpu.eip == 0x5010


# -- two translations of the same code -------------------------------------------------------------


def test_raw_the_code_hook_can_be_left_out_by_its_bounds() -> None:
    """Which of two translations runs is decided by a bit of hflags that nothing else looks at."""
    raw = Raw()
    layout = Bare().cpu.layout
    at = engine_quirks.locate_bounds(raw.uc)
    assert at
    called: list[int] = []
    handle = raw.uc.hook_add(uc_const.UC_HOOK_CODE, lambda uc, address, *_: called.append(address))
    bounds = (ctypes.c_uint64 * 2).from_address(handle + at)
    assert list(bounds) == [1, 0]
    env = locate_env(raw.uc)
    index = engine_quirks.FIELD
    hflags = ctypes.c_uint32.from_address(
        env + layout.fields[index["hflags"]][0] - layout.fields[index["eax"]][0]
    )
    counts = []
    for whole in (False, True, False, True):
        bounds[:] = [2**64 - 1] * 2 if whole else [1, 0]
        hflags.value = hflags.value & ~(1 << 30) | whole << 30
        called.clear()
        raw.run("incl %eax; decl %ecx; incl %eax; hlt")
        counts.append(len(called))
    assert counts == [4, 0, 4, 0]
    assert raw.get("eax") == 8


# -- forms of instructions: cured in tests/emu/test_forms.py and test_write_intent.py --------------


def test_raw_lock_neg_has_the_flags_of_the_old_value() -> None:
    flags = []
    for lock in (b"", b"\xf0"):
        raw = Raw()
        raw.run(
            b"\xc7\x05\x00\x00\x03\x00\x01\x00\x00\x00" + lock + b"\xf7\x1d\x00\x00\x03\x00\xf4"
        )
        flags.append(raw.get("eflags") & 0x8D5)
    assert flags == [0x95, 0x11]


@pytest.mark.parametrize("code", [b"\xf6\xc8\x01", b"\xf7\xc8\x01\x00\x00\x00", b"\x0f\x33"])
def test_raw_opcodes_that_the_engine_does_not_know(code: bytes) -> None:
    with pytest.raises(UcError, match="INSN_INVALID"):
        Raw().run(code + b"\xf4")


def test_raw_pop_has_eight_opcodes() -> None:
    raw = Raw()
    raw.run(b"\x8f\xc8\xf4")
    assert raw.get("esp") == 0x9004


def test_raw_fcomi_keeps_of_sf_and_af() -> None:
    raw = Raw()
    raw.run(
        b"\xdb\xe3\xd9\xe8\xd9\xee" + asm("movl $0x80000000,%eax; addl %eax,%eax") + b"\xdb\xf1\xf4"
    )
    assert raw.get("eflags") & 0x8D5 == 0x801  # the addition's OF


def test_raw_a_read_comes_before_the_write_over_a_page_border() -> None:
    raw = Raw()
    raw.poke(0x11000 + 4 * 0x30, (0x30005).to_bytes(4, "little"))
    raw.poke(0x11000 + 4 * 0x31, bytes(4))
    raw.hook_traps()
    raw.run(b"\xff\x05\xfe\x0f\x03\x00\xf4")  # incl 0x30ffe
    assert (raw.traps, raw.get("cr2")) == ([14], 0x31000)


def test_raw_nothing_runs_over_the_end_of_a_segment() -> None:
    """An operand that reaches over 4 GiB is a page fault, where there is a page missing."""
    raw = Raw()
    raw.hook_traps()
    raw.run(b"\xa1\xff\xff\xff\xff\xf4")
    assert raw.traps == [14]


def test_raw_floating_point_sets_no_flags() -> None:
    """Cured: test_x87.py and test_sse.py."""
    raw = Raw()
    raw.hook_traps()
    raw.set("cr4", 0x600)
    raw.poke(DATA, bytes.fromhex("801f0000 0000803f 00004040"))
    raw.run(
        "fninit; fld1; fldpi; fdivrp; fnstsw %ax; ldmxcsr 0x30000; movss 0x30004, %xmm0;"
        "divss 0x30008, %xmm0; stmxcsr 0x3000c; int3"
    )
    assert raw.traps == [3]
    assert raw.get("eax") & 0x23F == 0  # hardware: PE, and C1
    assert bytes(raw.ram[DATA + 12 : DATA + 16]).hex() == "801f0000"  # hardware: a01f0000


def test_raw_fprem_is_a_doubles() -> None:
    """The rest of the largest number by 7, in steps: not what hardware has."""
    raw = Raw()
    raw.hook_traps()
    raw.poke(DATA, bytes.fromhex("fffffffffffffffffe7f") + bytes(6) + (7).to_bytes(4, "little"))
    raw.run(
        "fninit; fildl 0x30010; fldt 0x30000; mov $0x400, %ecx; mov $0x400, %edx; back: fprem; fnstsw %ax;"
        "test %edx, %eax; loopne back; fstpt 0x30020; int3"
    )
    assert raw.traps == [3]
    assert bytes(raw.ram[DATA + 32 : DATA + 42])[::-1].hex() != "3fff8000000000000000"


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_cured_fprem(native: bool) -> None:
    bare = Bare(native=native)
    bare.ram.write(DATA, bytes.fromhex("fffffffffffffffffe7f") + bytes(6) + b"\7\0\0\0")
    bare.run(
        "fninit; fildl 0x30010; fldt 0x30000; mov $0x400, %ecx; mov $0x400, %edx; back: fprem; fnstsw %ax;"
        "test %edx, %eax; loopne back; fstpt 0x30020; int3"
    )
    assert bare.ram.read(DATA + 32, 10)[::-1].hex() == "3fff8000000000000000"


def test_raw_pusha_begins_at_its_lowest_word_and_cmps_with_edi() -> None:
    for code, cr2 in ((b"\x60", 0x30FF0), (b"\xa7", 0x31000)):
        raw = Raw()
        for page in (0x30, 0x31):
            raw.poke(0x11000 + 4 * page, bytes(4))
        raw.hook_traps()
        raw.set("esi", 0x30000)
        raw.set("edi", 0x31000)
        raw.set("esp", 0x31010)
        raw.run(code + b"\xf4")
        assert (raw.traps, raw.get("cr2")) == ([14], cr2)


def test_raw_sse_takes_what_is_not_aligned_and_any_mxcsr() -> None:
    """Cured: tests/emu/test_vector_operands.py."""
    raw = Raw()
    raw.hook_traps()
    raw.set("cr4", 0x200)
    raw.poke(DATA, (0x80001F80).to_bytes(4, "little"))
    raw.run("movaps 0x30001, %xmm0; ldmxcsr 0x30000; int3")
    assert raw.traps == [3]


def test_raw_fnsave_stores_a_part() -> None:
    """Cured: tests/emu/test_vector_operands.py."""
    raw = Raw()
    raw.poke(0x11000 + 4 * 0x31, bytes(4))
    raw.hook_traps()
    raw.run("fninit; fnsave 0x30fe0; int3")
    assert raw.traps == [14]
    assert bytes(raw.ram[0x30FE0:0x30FE2]) == b"\x7f\x03"
