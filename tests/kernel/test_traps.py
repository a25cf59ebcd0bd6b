"""What ring 3 may do to the CPU and to the kernel's entry, and what becomes of it: fork-path A.

Each line is run in a child of its own kind of program, with invariants checked at every trap; where a
real Linux can run the same file, it must end the same way.
"""

from pathlib import Path

import pytest
from guest import boot, finish, label, run_to, status_of
from native_linux import run as run_native

from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.oops import KernelOops

SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV = 4, 5, 7, 8, 11
OK = 0
EXIT = "\n movl $1, %eax\n movl $0, %ebx\n int $0x80\n"

#: Source, and how it ends here and on Linux.
LINES: dict[str, tuple[str, int]] = {
    "divide by zero": ("xorl %ecx, %ecx\n divl %ecx", SIGFPE),
    "quotient too large": ("movl $-1, %edx\n movl $1, %ecx\n divl %ecx", SIGFPE),
    "int3": ("int3", SIGTRAP),
    "icebp": (".byte 0xf1", SIGTRAP),
    "into, overflow": ("movb $127, %al\n incb %al\n into", SIGSEGV),
    "into, none": ("xorl %eax, %eax\n into", OK),
    "bound": ("movl $9, %eax\n bound %eax, limits\n .data\n limits: .long 1, 5\n .text", SIGSEGV),
    "ud2": ("ud2", SIGILL),
    "lock without memory": (".byte 0xf0, 0x90", SIGILL),
    "lock on a load": (".byte 0xf0, 0x8b, 0x00", SIGILL),
    "sysenter to nowhere": ("xorl %ebp, %ebp\n lgdt 0", SIGSEGV),
    "rdmsr": ("rdmsr", SIGSEGV),
    "hlt": ("hlt", SIGSEGV),
    "clts": ("clts", SIGSEGV),
    "cli": ("cli", SIGSEGV),
    "sti": ("sti", SIGSEGV),
    "in": ("inb $0x20, %al", SIGSEGV),
    "out to the kernel's gate": ("outl %eax, $0xe9", SIGSEGV),
    "outsb to the kernel's gate": ("movl $0xe9, %edx\n movl $_start, %esi\n outsb", SIGSEGV),
    "mov to cr3": ("xorl %eax, %eax\n movl %eax, %cr3", SIGSEGV),
    "mov from cr0": ("movl %cr0, %eax", SIGSEGV),
    "mov to dr7": ("movl %eax, %dr7", SIGSEGV),
    "lidt": ("lidt 0", SIGSEGV),
    "lldt": ("xorl %eax, %eax\n lldt %ax", SIGSEGV),
    "ltr": ("xorl %eax, %eax\n ltr %ax", SIGSEGV),
    "invlpg": ("invlpg 0", SIGSEGV),
    "wbinvd": (".byte 0x0f, 0x09", SIGSEGV),
    "tf by popf": ("pushl $0x302\n popfl\n nop", SIGTRAP),
    "tf and a system call": ("pushl $0x302\n popfl\n movl $20, %eax\n int $0x80", SIGTRAP),
    "nt and iret": ("pushl $0x4202\n popfl\n iret", SIGSEGV),
    "nt and a system call": ("pushl $0x4202\n popfl\n movl $20, %eax\n int $0x80\n pushl $2\n popfl", OK),
    "iopl by popf": ("pushl $0x3202\n popfl\n inb $0x20, %al", SIGSEGV),
    "df and a system call": ("std\n movl $20, %eax\n int $0x80\n cld", OK),
    "iret to here": ("pushfl\n pushl %cs\n pushl $1f\n iret\n1: nop", OK),
    "iret to ring 0": ("pushfl\n pushl $0x60\n pushl $_start\n iret", SIGSEGV),
    "iret to a data segment": ("pushfl\n pushl %ds\n pushl $_start\n iret", SIGSEGV),
    "iret to null": ("pushfl\n pushl $0\n pushl $_start\n iret", SIGSEGV),
    "iret with vm": ("pushl $0x20202\n pushl %cs\n pushl $1f\n iret\n1: nop", OK),
    "iret with vm and a selector of ring 0's": (
        "pushl $0x20202\n pushl $0x1000\n pushl $_start\n iret", SIGSEGV,
    ),
    "lret to ring 0": ("pushl $0x60\n pushl $_start\n lret", SIGSEGV),
    "far jump to ring 0": ("ljmp $0x60, $_start", SIGSEGV),
    "far call to a TSS": ("lcall $0x80, $0", SIGSEGV),
    "ds is ring 0's": ("movl $0x68, %eax\n movl %eax, %ds", SIGSEGV),
    "gs is code of ring 0": ("movl $0x60, %eax\n movl %eax, %gs", SIGSEGV),
    "fs out of the table": ("movl $0xfff8, %eax\n movl %eax, %fs", SIGSEGV),
    "fs of an LDT": ("movl $0x17, %eax\n movl %eax, %fs", SIGSEGV),
    "fs null": ("xorl %eax, %eax\n movl %eax, %fs\n movl $20, %eax\n int $0x80", OK),
    "fs null with rpl": ("movl $3, %eax\n movl %eax, %fs\n movl $20, %eax\n int $0x80", OK),
    "ds and es null over a call": (
        "movl %ds, %esi\n xorl %eax, %eax\n movl %eax, %ds\n movl %eax, %es\n movl $20, %eax\n int $0x80\n"
        "movl %esi, %ds\n movl %esi, %es",
        OK,
    ),
    "ss null": ("xorl %eax, %eax\n movl %eax, %ss", SIGSEGV),
    "esp is 0": ("xorl %esp, %esp\n pushl %eax", SIGSEGV),
    "esp is 0 at a call": ("xorl %esp, %esp\n movl $20, %eax\n int $0x80", OK),
    "esp is the kernel's": ("movl $0xc0002000, %esp\n movl $20, %eax\n int $0x80\n pushl %eax", SIGSEGV),
    "esp is the kernel's, a fault": ("movl $0xc0002000, %esp\n ud2", SIGILL),
    "jump to page 0": ("xorl %eax, %eax\n jmp *%eax", SIGSEGV),
    "jump to the kernel": ("jmp 0xc0001000", SIGSEGV),
    "call of the last byte": ("movl $-1, %eax\n call *%eax", SIGSEGV),
    "esp wraps": ("movl $2, %esp\n pushl %eax", SIGBUS),
    "lss": ("lss 0, %esp", SIGSEGV),
    "verr": ("movl $0x60, %eax\n verr %ax\n jz bad\n jmp 2f\nbad: ud2\n2: nop", OK),
}  # fmt: skip
#: A 64-bit Linux differs here, and says so: its own selectors, SYSENTER and I/O gates are others.
ONLY_HERE = frozenset((
    "iret to ring 0", "iret to a data segment", "lret to ring 0", "far jump to ring 0",
    "far call to a TSS", "ds is ring 0's", "gs is code of ring 0", "fs of an LDT", "verr",
    "ss null",
))  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_what_becomes_of_it(line: str) -> None:  # A5, A6
    source, wanted = LINES[line]
    assert status_of(source + EXIT) == wanted


@pytest.mark.usefixtures("linux32")
@pytest.mark.parametrize("line", [line for line in LINES if line not in ONLY_HERE])
def test_linux_agrees(line: str, tmp_path: Path) -> None:  # A6
    source, wanted = LINES[line]
    program = tmp_path / "guest"
    program.write_bytes(boot(source + EXIT).elf)
    program.chmod(0o755)
    _, _, status, signal = run_native(program)
    assert (signal or status) == wanted


@pytest.mark.parametrize("vector", range(256))
def test_every_software_interrupt(vector: int) -> None:  # A1
    """Only gates of DPL 3 are open: breakpoint, overflow, system call. #GP(8n + 2) otherwise."""
    session = boot(f"movl $20, %eax\n int ${vector}\n" + EXIT)
    k = session.kernel
    wanted = {3: SIGTRAP, 4: SIGSEGV, 0x80: OK}.get(vector, SIGSEGV)
    dead: list[int] = []
    k.host.trace.signal_deliver.append(lambda t, sig, info: dead.append(t.thread.error_code))
    assert finish(session) == wanted
    if vector not in (3, 4, 0x80):
        assert dead == [vector * 8 + 2]


def test_the_direction_flag_is_clear_in_the_kernel() -> None:  # A2
    session = boot("std\n movl $20, %eax\n int $0x80\n pushfl\n popl %ebx\n shrl $10, %ebx\n"
                   "andl $1, %ebx\n movl $1, %eax\n int $0x80\n")  # fmt: skip
    k = session.kernel
    run_to(session, "_start")
    run_to(session, "syscall_call")
    assert not k.machine.cpu.eflags & 1 << 10
    assert finish(session) == 1 << 8  # and set again for the program


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (b"\x0f\x0b", "invalid opcode"),
        (b"\xa1\x00\x00\x00\x00", "page fault at 0x00000000"),
        (b"\x31\xc9\xf7\xf1", "divide error"),
        (b"\xa1\x00\x00\x00\xff", "page fault at 0xff000000"),
        (b"\xd9\xeb", "FPU used in the kernel"),
    ],
)
def test_an_exception_of_the_kernel_is_an_oops(code: bytes, words: str) -> None:  # A6
    session = boot("here: movl $20, %eax\n int $0x80\n sys_exit $0\n")
    k = session.kernel
    run_to(session, "here")
    k.machine.ram.write(label(session, "system_call") - PAGE_OFFSET, code)
    with pytest.raises(KernelOops) as oops:
        session.run()
    text = str(oops.value)
    assert words in text
    for part in ("Oops:", "pid 2 (guest)", "EIP: 0060:system_call", "EAX:", "Stack: ", "cr3"):
        assert part in text, part


def test_a_lost_kernel_stack_is_a_triple_fault() -> None:
    session = boot("here: movl $20, %eax\n int $0x80\n sys_exit $0\n")
    k = session.kernel
    run_to(session, "here")
    k.machine.ram.write32(k.arch.tss + 4, 0xF0000000)  # esp0: not mapped
    with pytest.raises(KernelOops, match="triple fault"):
        session.run()


def test_endless_loops_share_the_cpu() -> None:
    """Neither ever calls the kernel; the timer gives both their turns."""
    session = boot("sys_fork\n sys_fork\nspin: incl %ecx\n jmp spin\n")
    assert session.run(40_000_000).kind == "limit"
    records = {r.pid: r.cycles for r in session.stats.task_records()}
    assert sorted(records) == [2, 3, 4, 5]
    assert all(cycles > 6_000_000 for cycles in records.values()), records
