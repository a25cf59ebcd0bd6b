"""From power-on to the first program: the memory map, descriptor tables, entry code, idle and init.

Physical memory, from the bottom:

    0x0000            not used, so that a null pointer never looks like a frame
    0x1000            the kernel's text and sys_call_table (entry.S), linked at PAGE_OFFSET + 0x1000
    ...               swapper_pg_dir, the kernel's page tables, GDT and TSS, IDT, the zero page,
                      the idle task's stack
    ...               everything else belongs to the page allocator
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from emu.descriptors import (
    SEG_ACCESSED,
    SEG_CODE,
    SEG_READABLE,
    SEG_WRITABLE,
    TSS_ESP0,
    TSS_IO_MAP_BASE,
    TSS_SIZE,
    TYPE_INTERRUPT_GATE,
    TYPE_TRAP_GATE,
    TYPE_TSS,
    Gate,
    pack_segment,
)
from emu.devices import pic
from emu.paging import (
    CR0_ET,
    CR0_MP,
    CR0_NE,
    CR0_PE,
    CR0_PG,
    CR0_WP,
    CR4_OSFXSR,
    CR4_OSXMMEXCPT,
    CR4_PSE,
    PDE_PS,
    PTE_P,
    PTE_RW,
)
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from emu.record import dataclass
from toykernel.arch.x86.asm_offsets import (
    DEFINES,
    FIRST_EXTERNAL_VECTOR,
    GATE_PORT,
    GDT_ENTRIES,
    KERNEL_CS,
    KERNEL_DS,
    MAXMEM,
    PAGE_OFFSET,
    PT_REGS,
    STACK_TOP_GAP,
    SYSCALL_VECTOR,
    THREAD_SIZE,
    TSS_SELECTOR,
    USER_CS,
    USER_DS,
)
from toykernel.arch.x86.elf import elf_platform
from toykernel.arch.x86.process import start_thread
from toykernel.arch.x86.thread_info import init_thread_info
from toykernel.arch.x86.traps import TRAP_HANDLERS, TRAPS
from toykernel.arch.x86.vdso import sysenter_setup
from toykernel.arch.x86.vdso_image import VdsoText
from toykernel.errno import ENOMEM, Errno
from toykernel.fs.binfmt_elf import load_elf_binary, parse_elf
from toykernel.fs.chrdev import CONSOLE
from toykernel.fs.file import O_RDWR, File, FilesStruct, FsStruct
from toykernel.fs.inode import igrab
from toykernel.ipc.sem import SemIds
from toykernel.kernel.clone_flags import CloneArgs
from toykernel.kernel.cred import init_cred
from toykernel.kernel.fork import copy_process
from toykernel.kernel.fork_mm import mm_alloc
from toykernel.kernel.nsproxy import IpcNamespace, MntNamespace, Nsproxy, UtsName, UtsNamespace
from toykernel.kernel.panic import panic
from toykernel.kernel.pid import Pid, get_pid_ns, join_group, leave_group
from toykernel.kernel.sched.core import init_idle, wake_up_new_task
from toykernel.kernel.siginfo import SIGCHLD
from toykernel.kernel.signal_types import default_rlimits
from toykernel.kernel.timer import start_ticks
from toykernel.net.net_namespace import NetNamespace
from toykernel.syscall_table import SYSCALLS
from toykernel.task import PF_STARTING, Task, ThreadStruct

if TYPE_CHECKING:
    from toykernel.state import Kernel

PHYSICAL_START = 0x1000
TEXT_BASE = PAGE_OFFSET + PHYSICAL_START
TEXT_SIZE = 8 * PAGE_SIZE  # text in the first half, data in the second
DATA_BASE = TEXT_BASE + TEXT_SIZE // 2
PGDIR_SHIFT = 22  # a directory entry maps 4 MiB
IDT_ENTRIES = 256
IRQ_LINES = 8
SSE_MODELS = frozenset(("pentium3", "max"))
CR4_MODELS = frozenset(("pentium", "pentium3", "max"))
ENTRY = Path(__file__).parent / "arch/x86/entry.S"
INIT = Path(__file__).parent / "arch/x86/init.S"
VDSO = Path(__file__).parent / "arch/x86/vdso.S"

#: Functions of the kernel that entry.S calls by name, besides system calls and exceptions.
SERVICES = (
    *("start_kernel", "schedule", "schedule_tail", "do_notify_resume", "do_IRQ", "do_exit"),
    *("math_state_restore", "fpu_area"),
)


def gate_names() -> list[str]:
    """Every thunk, in the order in which they lie in the kernel's text."""
    syscalls = sorted({f"sys_{row.name}" for row in SYSCALLS if row.known})
    return [*SERVICES, *TRAP_HANDLERS, "sys_ni_syscall", *syscalls]


def thunks() -> str:
    """Assembly that follows from the tables:
    a thunk (OUT to the gate's port) for each gate, and sys_call_table. A call that is not there has its
    room all the same, so that no address depends on which calls there are.
    """
    lines = ["", ".text"]
    present = gate_names()
    every = {f"sys_{row.name}" for row in SYSCALLS if row.name}
    first = [name for name in present if name not in every]
    for name in [*first, *sorted(every)]:
        if name in present:
            lines += [f"{name}:", "\toutl\t%eax, $GATE_PORT", "\tret"]
        else:
            lines += [f"# no {name}", "\t.skip\t3", ""]
    for row in SYSCALLS:  # entry.S has stubs for these whether or not there is a function
        if row.name in ("fork", "vfork", "clone", "clone3") and not row.known:
            lines += [f"sys_{row.name}:", "\tjmp\tsys_ni_syscall"]
    lines += [".data", "\t.balign 4", "sys_call_table:"]
    lines += [f"\t.long\t{row.label}" for row in SYSCALLS]
    return "\n".join(lines) + "\n"


def kernel_source() -> str:
    """The kernel's text as source: entry.S with the thunks."""
    return ENTRY.read_text() + thunks()


@dataclass(frozen=True)
class Layout:
    """Physical addresses of what boot lays out below the page allocator's memory.

    It follows from the size of RAM and the CPU's model alone. `large` is how many 4 MiB pages map
    lowmem; `cr4` is the register's value from boot on.
    """

    swapper_pg_dir: int
    tables: int
    gdt: int
    idt: int
    zero_page: int
    idle_stack: int
    end: int
    lowmem: int
    large: int
    cr4: int
    fxsr: bool

    @property
    def origin(self) -> dict[str, int]:
        """Linear addresses at which the sections of the kernel's text are linked."""
        return {".text": TEXT_BASE, ".data": DATA_BASE}

    @property
    def defines(self) -> dict[str, int]:
        """The symbols that entry.S is assembled with:
        constants of the kernel and addresses of this layout.
        """
        # MP: WAIT traps while TS is set, so it does not see another task's FPU errors.
        cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE
        stack_top = self.idle_stack + PAGE_OFFSET + THREAD_SIZE - STACK_TOP_GAP
        return {
            **DEFINES,
            "SWAPPER_PG_DIR": self.swapper_pg_dir,
            "CR0_BOOT": cr0,
            "GDT_BASE": PAGE_OFFSET + self.gdt,
            "GDT_LIMIT": GDT_ENTRIES * 8 - 1,
            "IDT_BASE": PAGE_OFFSET + self.idt,
            "IDT_LIMIT": IDT_ENTRIES * 8 - 1,
            "INIT_STACK_TOP": stack_top,
            "HAVE_FXSR": int(self.fxsr),
            "CR4_BOOT": self.cr4,
            "NR_syscalls": len(SYSCALLS),
        }


@dataclass(frozen=True)
class BootImages:
    """What boot loads, finished: the kernel's text, its labels, init as an ELF file, and the vDSO's text.

    `sections` are linear addresses and bytes; they were made for `layout`.
    """

    layout: Layout
    sections: tuple[tuple[int, bytes], ...]
    symbols: Mapping[str, int]
    init: bytes
    vdso: VdsoText


class _Bump:
    """Boot memory: frames handed out upwards, before there is an allocator."""

    def __init__(self, start: int) -> None:
        self.next = start

    def take(self, size: int, align: int = PAGE_SIZE) -> int:
        """Physical address of `size` bytes, aligned to `align`; whole pages are taken."""
        address = (self.next + align - 1) & -align
        self.next = (address + size + PAGE_SIZE - 1) & -PAGE_SIZE
        return address


def memory_layout(ram_size: int, model: str) -> Layout:
    """Where everything goes on a machine with `ram_size` bytes and a CPU of that model."""
    memory = _Bump(PHYSICAL_START + TEXT_SIZE)
    swapper_pg_dir = memory.take(PAGE_SIZE)
    lowmem = min(ram_size, MAXMEM)
    pse = model in CR4_MODELS
    sse = model in SSE_MODELS
    large = lowmem >> PGDIR_SHIFT if pse else 0
    return Layout(
        swapper_pg_dir=swapper_pg_dir,
        tables=memory.take((-(-lowmem >> PGDIR_SHIFT) - large) * PAGE_SIZE),
        gdt=memory.take(PAGE_SIZE),
        idt=memory.take(PAGE_SIZE),
        zero_page=memory.take(PAGE_SIZE),
        idle_stack=memory.take(THREAD_SIZE, THREAD_SIZE),
        end=memory.next,
        lowmem=lowmem,
        large=large,
        cr4=(CR4_OSFXSR | CR4_OSXMMEXCPT if sse else 0) | pse * CR4_PSE,
        fxsr=sse,
    )


def setup_machine(k: Kernel) -> None:
    """Lay out memory, load the kernel's text and point the CPU at it. The guest starts the rest.

    Raises ValueError for images that were made for another machine, or do not fit.
    """
    machine = k.machine
    layout = memory_layout(machine.ram.size, machine.cpu.model)
    images = k.host.images
    if images.layout != layout:
        raise ValueError("the kernel's images were made for another machine")
    k.arch.swapper_pg_dir = layout.swapper_pg_dir
    k.arch.gdt, k.arch.tss = layout.gdt, layout.gdt + GDT_ENTRIES * 8
    k.arch.idt = layout.idt
    k.memory.zero_pfn = layout.zero_page >> PAGE_SHIFT
    idle_stack = layout.idle_stack + PAGE_OFFSET
    for address, data in images.sections:
        limit = DATA_BASE if address < DATA_BASE else TEXT_BASE + TEXT_SIZE
        if address + len(data) > limit:
            raise ValueError(f"the kernel's section at {address:#010x} does not fit its place")
        machine.ram.write(address - PAGE_OFFSET, data)
    k.host.symbols = dict(images.symbols)

    _kernel_page_tables(k, layout)
    _descriptor_tables(k)
    sysenter_setup(k)
    k.memory.reserved_end = layout.end >> PAGE_SHIFT
    _idle_task(k, idle_stack)
    machine.add_gate(GATE_PORT)
    machine.cpu.eip = k.host.symbols["startup_32"] - PAGE_OFFSET
    machine.cpu.esp = idle_stack + THREAD_SIZE - STACK_TOP_GAP - PAGE_OFFSET


def _kernel_page_tables(k: Kernel, layout: Layout) -> None:
    """Lowmem at PAGE_OFFSET, supervisor only; and at 0 until paging is on.

    The first `large` entries of the directory map 4 MiB each by themselves (SDM vol. 3, 4.3, CR4.PSE),
    the others through tables.
    """
    ram = k.machine.ram
    lowmem, large = layout.lowmem, layout.large
    flags = PTE_P | PTE_RW
    ram.fill(k.arch.swapper_pg_dir, PAGE_SIZE)
    for index in range(-(-lowmem >> PGDIR_SHIFT)):
        if index < large:
            entry = index << PGDIR_SHIFT | flags | PDE_PS
        else:
            table = layout.tables + (index - large) * PAGE_SIZE
            count = min(1024, (lowmem >> PAGE_SHIFT) - index * 1024)
            entries = [(index * 1024 + i) << PAGE_SHIFT | flags for i in range(count)]
            ram.write(table, struct.pack(f"<{count}I", *entries))
            entry = table | flags
        ram.write32(k.arch.swapper_pg_dir + ((PAGE_OFFSET >> PGDIR_SHIFT) + index) * 4, entry)
        if not index:
            ram.write32(k.arch.swapper_pg_dir, entry)


def _descriptor_tables(k: Kernel) -> None:
    ram = k.machine.ram
    ram.fill(k.arch.gdt, PAGE_SIZE)
    code, data = SEG_CODE | SEG_READABLE | SEG_ACCESSED, SEG_WRITABLE | SEG_ACCESSED
    flat = 0xFFFFFFFF
    for selector, descriptor in (
        (KERNEL_CS, pack_segment(0, flat, code)),
        (KERNEL_DS, pack_segment(0, flat, data)),
        (USER_CS & ~3, pack_segment(0, flat, code, dpl=3)),
        (USER_DS & ~3, pack_segment(0, flat, data, dpl=3)),
        (TSS_SELECTOR, pack_segment(PAGE_OFFSET + k.arch.tss, TSS_SIZE - 1, TYPE_TSS, system=True)),
    ):
        ram.write(k.arch.gdt + selector, descriptor)
    tss = bytearray(TSS_SIZE)
    struct.pack_into("<II", tss, TSS_ESP0, 0, KERNEL_DS)
    struct.pack_into("<H", tss, TSS_IO_MAP_BASE, TSS_SIZE)  # no bitmap: every port is refused
    ram.write(k.arch.tss, bytes(tss))

    ram.fill(k.arch.idt, PAGE_SIZE)

    def set_gate(vector: int, label: str, type_: int, dpl: int = 0) -> None:
        gate = Gate(KERNEL_CS, k.host.symbols[label], type_, dpl, True)
        ram.write(k.arch.idt + vector * 8, gate.pack())

    for vector, rule in TRAPS.items():
        set_gate(vector, rule.entry, TYPE_INTERRUPT_GATE, 3 if rule.user_gate else 0)
    set_gate(7, "device_not_available", TYPE_INTERRUPT_GATE)
    set_gate(14, "page_fault", TYPE_INTERRUPT_GATE)
    for line in range(IRQ_LINES):
        set_gate(FIRST_EXTERNAL_VECTOR + line, f"irq{line}", TYPE_INTERRUPT_GATE)
    set_gate(SYSCALL_VECTOR, "system_call", TYPE_TRAP_GATE, 3)  # fork-path A1


def _idle_task(k: Kernel, stack: int) -> None:
    """Task 0: it has been running since power-on, in the kernel only."""
    idle = Task(0, stack, "swapper")
    idle.thread = ThreadStruct(sp0=stack + THREAD_SIZE - STACK_TOP_GAP)
    init_thread_info(k.machine.ram, stack, 0)
    # The first of everything that fork copies or shares: in no cache, never freed.
    idle.cred = init_cred(k)
    k.processes.root_user = idle.cred.user
    uts = UtsNamespace(
        0, UtsName(release=k.host.profile.release, machine=elf_platform(k.machine.cpu.model))
    )
    idle.nsproxy = Nsproxy(
        *(0, uts, IpcNamespace(0, SemIds()), MntNamespace(0)),
        *(NetNamespace(0), get_pid_ns(k.processes.init_pid_ns)),
    )
    processes, memlock = k.processes.max_threads // 2, k.host.profile.memlock
    idle.signal.rlim = default_rlimits(k.processes.rlimit_stack, processes, memlock)
    idle.signal.threads.append(idle)
    idle.pid_struct = Pid(0, ((k.processes.init_pid_ns, 0),))
    k.processes.init_pid_ns.pids[0] = idle.pid_struct
    idle.fs = FsStruct(0, k.files.fs.root, k.files.fs.root)
    idle.files = _console_files(k)
    k.sched.idle = k.current = idle
    init_idle(k, idle)
    k.processes.tasks.append(idle)
    k.processes.pids.tasks[0] = idle


def _console_files(k: Kernel) -> FilesStruct:
    """Descriptors 0, 1 and 2: one open of the console for input and output, one for errors."""
    path = k.files.fs.find("/dev/console")
    inode = path.dentry.inode
    k.files.console_error = File(0, igrab(inode), CONSOLE, O_RDWR, "/dev/console", f_path=path)
    console = File(0, igrab(inode), CONSOLE, O_RDWR, "/dev/console", count=2, f_path=path)
    return FilesStruct(0, fd={0: console, 1: console, 2: k.files.console_error})


def start_kernel(k: Kernel) -> None:
    """Called by the guest once paging is on: memory, interrupts, the clock, init."""
    ram = k.machine.ram
    ram.write32(k.arch.swapper_pg_dir, 0)  # nothing is mapped at 0 any more
    k.machine.flush_tlb()
    k.memory.pages.release_range(k.memory.reserved_end, k.memory.pages.frames)
    k.memory.pages.reserve(k.memory.zero_pfn)
    for port, value in (
        (pic.COMMAND, 0x13),  # ICW1: one controller, edge triggered, ICW4 follows
        (pic.DATA, FIRST_EXTERNAL_VECTOR),
        (pic.DATA, 0x01),  # ICW4: 8086 mode
        (pic.DATA, 0xFE),  # only the timer's line
    ):
        k.machine.pic.write(port, 1, value)
    k.machine.timer.write(0x40, 4, k.time.cycles_per_tick)
    start_ticks(k)
    rest_init(k)


def rest_init(k: Kernel) -> None:
    """Make init, the first process with a user half. It forks and execs the program itself."""
    frame = dict.fromkeys(PT_REGS, 0)
    try:
        p = copy_process(k, CloneArgs(SIGCHLD, 0, frame))
        mm = mm_alloc(k)
        argv = [b"/init", *k.init_argv]
        image = parse_elf(k.host.images.init)
        entry, sp = load_elf_binary(k, mm, image, "/init", argv, k.init_envp)
    except Errno as error:
        short = error.number == ENOMEM
        panic(k, f"no memory for init ({error})" if short else f"init was refused: {error}")
    p.comm = "init"
    p.mm = p.active_mm = mm
    leave_group(k, p.signal)
    join_group(k, p.signal, p.pid_struct, p.pid_struct)
    p.signal.leader = True
    start_thread(k, k.task_pt_regs(p), entry, sp)
    p.flags &= ~PF_STARTING
    wake_up_new_task(k, p)
