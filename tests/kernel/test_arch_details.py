"""i386's own parts of the kernel, where a wrong number shows in the CPU's tables, in counts or traces."""

from __future__ import annotations

import itertools

import pytest
from guest import boot, finish, frame, kernel_words, run_to, word

from toykernel.arch.x86 import asm_offsets as a
from toykernel.arch.x86.hw_breakpoint import hit_instruction
from toykernel.arch.x86.pgtable import pte_runs
from toykernel.boot import memory_layout
from toykernel.task import Task, ThreadStruct

CALL = """
.macro call number:req, ebx=$0, ecx=$0, edx=$0, esi=$0, edi=$0, ebp=$0
    movl \\ebx, %ebx
    movl \\ecx, %ecx
    movl \\edx, %edx
    movl \\esi, %esi
    movl \\edi, %edi
    movl \\ebp, %ebp
    movl $\\number, %eax
    int $0x80
.endm
"""


@pytest.mark.parametrize("value", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0, 38])
@pytest.mark.parametrize("call", [119, 173])
def test_what_sigreturn_is_said_to_answer(call: int, value: int) -> None:
    """%eax of the frame, as a signed number like every answer."""
    flags = 4 if call == 173 else 0
    session = boot(f"""{CALL}
    call 174, $10, $action, $0, $8
    call 20
    movl %eax, %ebx
    movl $37, %eax
    movl $10, %ecx
    int $0x80
    sys_exit $0
handler:
    movl 12(%esp), %eax             # with SA_SIGINFO the ucontext
    movl ${value}, {"20 + 44(%eax)" if flags else "8 + 44(%esp)"}
    ret
.data
.balign 4
action: .long handler, {flags}, 0, 0, 0
""")
    heard = []
    session.kernel.host.trace.sys_exit.append(
        lambda _t, number, result: heard.append((number, result))
    )
    run_to(session, "handler")
    heard.clear()
    assert finish(session) == 0
    assert heard[0] == (call, value - (value >> 31 << 32))


def tables(t: Task) -> int:
    assert t.mm is not None
    return t.mm.nr_ptes


def test_page_tables_go_with_the_last_area_of_their_4_mib() -> None:
    """free_pgtables: what lies beside the hole keeps its table, and nothing else is kept."""
    session = boot(f"""{CALL}
    .irp at, 0x3fc00000, 0x3ffff000, 0x40000000, 0x40001000, 0x403ff000, 0x40400000, 0x40800000
    call 192, $\\at, $4096, $3, $0x32, $-1, $0
    movl $1, \\at
    .endr
all: nop
    call 91, $0x40000000, $8192
some: nop
    call 91, $0x403ff000, $4096
none: nop
    call 91, $0x3fc00000, $0x400000
below: nop
    call 91, $0x40400000, $0x800000
above: nop
    sys_exit $0
""")
    t = run_to(session, "all")
    k = session.kernel
    first = tables(t)
    for name, less, gone in (
        ("some", 0, ()), ("none", 1, (0x40000000,)), ("below", 2, (0x3FC00000, 0x40000000)),
        ("above", 4, (0x3FC00000, 0x40000000, 0x40400000, 0x40800000)),
    ):  # fmt: skip
        run_to(session, name)
        assert first - tables(t) == less
        assert t.mm is not None
        for at in (0x3FC00000, 0x40000000, 0x40400000, 0x40800000):
            assert bool(k.machine.ram.read32(t.mm.pgd + (at >> 22) * 4)) == (at not in gone)
    assert finish(session) == 0


def test_a_walk_over_page_tables_finds_every_entry_where_it_is() -> None:
    session = boot(f"""{CALL}
    call 192, $0x40000000, $0x900000, $3, $0x32, $-1, $0
    .irp at, 0x40000000, 0x40005000, 0x403ff000, 0x40400000, 0x407fe000, 0x40800000
    movl $\\at, \\at
    .endr
all: sys_exit $0
""")
    t = run_to(session, "all")
    k = session.kernel
    assert t.mm is not None
    written = [0x40000000, 0x40005000, 0x403FF000, 0x40400000, 0x407FE000, 0x40800000]
    for low, high in itertools.combinations([*written, 0x40900000, 0x40001000, 0x403FE000], 2):
        start, end = min(low, high), max(low, high)
        found = [entry for run in pte_runs(k, t.mm, start, end) for entry in run]
        assert [at for at, _, _ in found] == [at for at in written if start <= at < end]
        for at, place, pte in found:
            assert k.machine.ram.read32(place) == pte
            assert pte >> 12 == frame(k, t, at)
            assert word(k, t, at) == at
    assert finish(session) == 0


def test_the_descriptor_of_a_local_table() -> None:
    """SDM vol. 3, 3.4.5 and 3.5: base, limit, type 2, present, a system segment of DPL 0; LDTR has it."""
    session = boot(f"""{CALL}
    movl $600, entry
    call 123, $0x11, $entry, $16
there: sys_exit $0
.data
.balign 4
entry: .long 600, 0x1234, 0xfffff, 0x51
""")
    t = run_to(session, "there")
    k = session.kernel
    assert t.mm is not None
    assert t.mm.ldt_entries == 601
    (low, high) = kernel_words(k, a.PAGE_OFFSET + k.arch.gdt + a.GDT_LDT * 8, 2)
    base = low >> 16 | (high & 0xFF) << 16 | high & 0xFF000000
    assert base == a.PAGE_OFFSET + (t.mm.ldt_pfn << 12)
    assert low & 0xFFFF | high & 0xF0000 == 601 * 8 - 1
    assert high >> 8 & 0xFF == 0x82
    assert high >> 20 & 0xF == 0
    cpu = k.machine.cpu
    assert (cpu.ldtr, cpu.ldtr_base, cpu.ldtr_limit) == (a.GDT_LDT * 8, base, 601 * 8 - 1)
    assert finish(session) == 0


def test_which_breakpoints_are_an_instruction_s() -> None:
    """DR6 says which of four was met, DR7's R/W field (0) that it is an instruction."""
    for n, kind, length, met in itertools.product(range(4), range(4), range(4), range(16)):
        others = sum(1 << 16 + 4 * m for m in range(4) if m != n)  # data, written
        thread = ThreadStruct(ptrace_dr7=others | kind << 16 + 4 * n | length << 18 + 4 * n)
        assert hit_instruction(thread, met) == bool(met >> n & 1 and kind == 0)


@pytest.mark.parametrize("model", ["486", "pentium", "pentium3", "max"])
@pytest.mark.parametrize("mebibytes", [1, 4, 5, 16, 896, 1024])
def test_where_boot_puts_what(model: str, mebibytes: int) -> None:
    """From 4 KiB on: 8 pages of text and data, the directory, a table for every 4 MiB of lowmem that no large
    page maps (from the Pentium on), GDT and TSS, IDT, the page of zeros, the idle task's 8 KiB of stack.
    """
    layout = memory_layout(mebibytes << 20, model)
    lowmem = min(mebibytes << 20, 896 << 20)
    large = 0 if model == "486" else lowmem >> 22
    tables_ = (lowmem + (4 << 20) - 1 >> 22) - large
    at = 0x1000 + 8 * 4096
    assert layout.swapper_pg_dir == at
    assert layout.tables == at + 4096
    at += 4096 + tables_ * 4096
    assert (layout.gdt, layout.idt, layout.zero_page) == (at, at + 4096, at + 8192)
    stack = (at + 3 * 4096 + 8191) // 8192 * 8192
    assert (layout.idle_stack, layout.end) == (stack, stack + 8192)
    assert (layout.lowmem, layout.large) == (lowmem, large)
    sse = model in ("pentium3", "max")
    assert layout.fxsr == sse
    assert layout.cr4 == (0 if model == "486" else 0x10) + (
        0x600 if sse else 0
    )  # PSE; OSFXSR, OSXMMEXCPT
    defines = layout.defines
    assert defines["CR0_BOOT"] == 0x80010033  # PG, WP, NE, ET, MP, PE
    assert (defines["GDT_LIMIT"], defines["IDT_LIMIT"]) == (255, 2047)
    assert defines["GDT_BASE"] == 0xC0000000 + layout.gdt
    assert defines["IDT_BASE"] == 0xC0000000 + layout.idt
    assert defines["INIT_STACK_TOP"] == 0xC0000000 + layout.idle_stack + 8192 - 8
    assert (defines["HAVE_FXSR"], defines["CR4_BOOT"]) == (int(sse), layout.cr4)
    assert layout.origin == {".text": 0xC0001000, ".data": 0xC0001000 + 4 * 4096}


def test_the_tables_of_the_cpu() -> None:
    """Segments as Linux's (cpu/common.c): flat, of ring 0 and ring 3; a TSS with esp0, ss0 and no I/O map;
    gates of interrupts, of a trap for system calls, and those that a program may raise with INT.
    """
    session = boot("there: jmp there\n")
    run_to(session, "there")
    k = session.kernel
    gdt = kernel_words(k, a.PAGE_OFFSET + k.arch.gdt, 64)
    pairs = {
        8 * n: (gdt[2 * n + 1] << 32 | gdt[2 * n]) & ~(1 << 40) for n in range(32)
    }  # without accessed
    types = {0x60: 0x9A, 0x68: 0x92, 0x70: 0xFA, 0x78: 0xF2}
    flat = {selector: 0x00CF00000000FFFF | type_ << 40 for selector, type_ in types.items()}
    assert {selector: pairs[selector] for selector in flat} == flat
    tss = k.arch.tss + a.PAGE_OFFSET
    low, high = gdt[2 * 16], gdt[2 * 16 + 1]
    assert (low & 0xFFFF, low >> 16 | (high & 0xFF) << 16 | high & 0xFF000000) == (103, tss)
    assert high >> 8 & 0xFD == 0x89  # busy or not
    assert not any(value for selector, value in pairs.items() if selector not in (*flat, 0x80))
    words = kernel_words(k, tss, 26)
    assert words[1] == k.current.thread.sp0 == k.current.stack + 8192 - 8
    assert (words[2], words[25]) == (0x68, 104 << 16)
    assert not any(word for n, word in enumerate(words) if n not in (1, 2, 25))
    idt = kernel_words(k, a.PAGE_OFFSET + k.arch.idt, 512)
    symbols = k.host.symbols
    named = {0: "divide_error", 1: "debug", 2: "nmi", 3: "int3", 4: "overflow", 5: "bounds", 6: "invalid_op",
             7: "device_not_available", 8: "double_fault", 10: "invalid_TSS", 11: "segment_not_present",
             12: "stack_segment", 13: "general_protection", 14: "page_fault", 16: "coprocessor_error",
             17: "alignment_check", 19: "simd_coprocessor_error", 128: "system_call"}  # fmt: skip
    named |= {a.FIRST_EXTERNAL_VECTOR + line: f"irq{line}" for line in range(8)}
    for vector in range(256):
        low, high = idt[2 * vector], idt[2 * vector + 1]
        if vector not in named:
            assert (low, high) == (0, 0)
            continue
        kind = 0xEF00 if vector == 128 else 0xEE00 if vector in (3, 4) else 0x8E00
        handler = low & 0xFFFF | high & 0xFFFF0000
        assert (handler, low >> 16, high & 0xFFFF) == (symbols[named[vector]], 0x60, kind)


@pytest.mark.parametrize("cpu", ["486", "max"])
def test_the_kernel_s_own_page_tables(cpu: str) -> None:
    """Every byte of lowmem at PAGE_OFFSET, writable, for the kernel only; nothing below, once it has started.
    The last table of an odd number of MiB is filled as far as there is memory (bit 7: a large page).
    """
    session = boot("there: jmp there\n", memory=6 << 20, cpu=cpu)
    run_to(session, "there")
    k = session.kernel
    directory = kernel_words(k, a.PAGE_OFFSET + k.arch.swapper_pg_dir, 1024)
    first = a.PAGE_OFFSET >> 22
    assert [n for n, entry in enumerate(directory) if entry] == [first, first + 1]
    mapped: dict[int, int] = {}
    for n in range(2):
        entry = directory[first + n]
        if entry & 0x80:
            mapped |= {(n << 22) + at: entry & 0xFFFFF000 | at for at in range(0, 4 << 20, 4096)}
            assert entry & 7 == 3
            continue
        words = kernel_words(k, a.PAGE_OFFSET + (entry & 0xFFFFF000), 1024)
        mapped |= {
            (n << 22) + at * 4096: word & 0xFFFFF000 for at, word in enumerate(words) if word
        }
        assert all(word & 7 == 3 for word in words if word)
        assert entry & 7 == 3
    assert mapped == {at: at for at in range(0, 6 << 20, 4096)}
    assert bool(directory[first] & 0x80) == (cpu == "max")
    assert not directory[first + 1] & 0x80
