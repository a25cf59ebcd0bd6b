"""Building and switching tasks (arch/x86/kernel/process_32.c; fork-path E, H)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.descriptors import TSS_ESP0
from emu.eflags import EFLAGS_FIXED, EFLAGS_IF
from emu.paging import CR0_TS, CR4_OSFXSR, CR4_TSD
from toykernel.arch.x86.asm_offsets import (
    KERNEL_CS,
    PAGE_OFFSET,
    PT_REGS,
    STACK_TOP_GAP,
    THREAD_SIZE,
    USER_CS,
    USER_DS,
)
from toykernel.arch.x86.hw_breakpoint import (
    flush_ptrace_hw_breakpoint,
    switch_debug_registers,
)
from toykernel.arch.x86.ldt import load_mm_ldt
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.arch.x86.thread_info import stack_end_intact, task_pt_regs
from toykernel.arch.x86.tls import load_tls, set_tls_of_child
from toykernel.kernel.clone_flags import CLONE_SETTLS, CloneArgs
from toykernel.kernel.panic import panic

if TYPE_CHECKING:
    from toykernel.kernel.clone_flags import CloneArgs
    from toykernel.state import Kernel
    from toykernel.task import Task

FPU_AREA_SIZE = 512
FCW_INIT = 0x37F
MXCSR_INIT = 0x1F80


def copy_thread(k: Kernel, p: Task, args: CloneArgs) -> None:
    """The child's kernel stack and where it starts (fork-path H1-H3).

    Raises Errno(ENOMEM) for its FPU area, Errno(EFAULT) or Errno(EINVAL) for a bad TLS descriptor.
    """
    at = task_pt_regs(p.stack)
    if isinstance(args.regs, PtRegs):
        childregs = args.regs.copy_to(at)
    else:
        childregs = PtRegs(k.machine.ram, at)
        childregs.store(args.regs)
    childregs.ax = 0
    if args.stack_start:
        childregs.sp = args.stack_start
    p.thread.sp = at
    p.thread.sp0 = p.stack + THREAD_SIZE - STACK_TOP_GAP
    p.thread.ip = k.host.symbols["ret_from_fork"]
    flush_ptrace_hw_breakpoint(k, p)
    if args.flags & CLONE_SETTLS:
        set_tls_of_child(k, p, args.tls)
    parent_area = k.current.thread.fpu
    p.thread.fpu = 0
    if parent_area:
        # The entry stub has put the registers there: see unlazy_fpu in entry.S.
        area = k.memory.slabs.fpu.alloc(k)
        k.machine.ram.copy(area - PAGE_OFFSET, parent_area - PAGE_OFFSET, FPU_AREA_SIZE)
        p.thread.fpu = area


def kernel_thread_regs(k: Kernel, fn: int, argument: int) -> dict[str, int]:
    """The frame of a kernel thread: kernel_thread_helper finds the function in esi (fork-path B)."""
    regs = dict.fromkeys(PT_REGS, 0)
    return regs | {
        "si": fn,
        "di": argument,
        "ds": USER_DS,
        "es": USER_DS,
        "orig_ax": 0xFFFFFFFF,
        "ip": k.host.symbols["kernel_thread_helper"],
        "cs": KERNEL_CS,
        "flags": EFLAGS_IF | EFLAGS_FIXED,
    }


def exit_thread(k: Kernel, p: Task) -> None:
    """Give back the FPU save area of a task, and the FPU if it owns that: at exit and at exec."""
    if k.arch.fpu_owner is p:
        k.arch.fpu_owner = None
        cpu = k.machine.cpu
        cpu.set_cr(0, cpu.cr0 | CR0_TS)  # after exec, the first use is a first use again
    if p.thread.fpu:
        k.memory.slabs.fpu.free(k, p.thread.fpu)
        p.thread.fpu = 0


def start_thread(k: Kernel, regs: PtRegs, ip: int, sp: int) -> None:
    """exec: the registers with which the new program starts."""
    for name in ("bx", "cx", "dx", "si", "di", "bp", "ax", "fs", "gs"):
        setattr(regs, name, 0)
    regs.ds = regs.es = regs.ss = USER_DS
    regs.cs = USER_CS
    regs.ip, regs.sp = ip, sp
    regs.flags = EFLAGS_IF | EFLAGS_FIXED


def check_stack_end(k: Kernel, task: Task) -> None:
    """The word at the end of a kernel stack is still there (fork-path E3), or the kernel stops."""
    if not stack_end_intact(k.machine.ram, task.stack):
        panic(k, f"kernel stack overflow in task {task.pid} ({task.comm})")


def switch_to(k: Kernel, prev: Task, next_task: Task) -> None:
    """The one door for switching tasks (fork-path H5): stacks, esp0, CR3, segments, FPU."""
    machine = k.machine
    cpu = machine.cpu
    check_stack_end(k, prev)
    prev.thread.sp, prev.thread.ip = cpu.esp, cpu.eip
    k.charge("switch_to")
    account(k, prev)
    next_task.ran_since = prev.ran_since  # now
    mm = next_task.mm
    if mm is None:
        next_task.active_mm = k.memory.active_mm  # a kernel thread borrows what is there
    elif mm is not k.memory.active_mm:
        k.charge("load_cr3")
        machine.load_cr3(mm.pgd)
        if mm.ldt_entries or cpu.ldtr:
            load_mm_ldt(k, mm)
        k.memory.active_mm = mm
        mm.stale.clear()
    machine.ram.write32(k.arch.tss + TSS_ESP0, next_task.thread.sp0)
    if next_task.thread.tls_array is not prev.thread.tls_array:
        load_tls(k, next_task)
    for name in ("fs", "gs"):  # the last task's selectors may name nothing in this GDT
        cpu.null_segment(name)
    _lazy_fpu(k, next_task)
    switch_debug_registers(k, prev, next_task)
    if prev.thread.no_tsc != next_task.thread.no_tsc:
        load_tsc(k, next_task)
    k.current = next_task
    cpu.esp, cpu.eip = next_task.thread.sp, next_task.thread.ip
    cpu.eax = prev.slab  # what ret_from_fork hands to schedule_tail
    if k.host.trace.sched_switch:
        k.host.trace.sched_switch.emit(prev, next_task)


def load_tsc(k: Kernel, task: Task) -> None:
    """CR4.TSD: whether this task may read the time-stamp counter."""
    cpu = k.machine.cpu
    cpu.set_cr(4, cpu.cr4 | CR4_TSD if task.thread.no_tsc else cpu.cr4 & ~CR4_TSD)


def account(k: Kernel, task: Task) -> None:
    """Charge a task with the cycles and instructions since it was switched to."""
    clock = k.machine.clock
    cycles, instructions = clock.cycles, clock.instructions
    task.stats.cycles += cycles - task.ran_since[0]
    task.stats.instructions += instructions - task.ran_since[1]
    task.ran_since = (cycles, instructions)


def _lazy_fpu(k: Kernel, next_task: Task) -> None:
    """The FPU keeps its owner's registers; whoever else uses it traps (CR0.TS)."""
    cpu = k.machine.cpu
    wanted = cpu.cr0 & ~CR0_TS | (0 if k.arch.fpu_owner is next_task else CR0_TS)
    if wanted != cpu.cr0:
        cpu.set_cr(0, wanted)


def init_fpu(k: Kernel) -> int:
    """A save area as FNINIT leaves the FPU, all data registers zero. Raises Errno(ENOMEM).

    A task's first use loads it, so that nothing of the registers' last user comes through.
    """
    area = k.memory.slabs.fpu.alloc(k)
    ram, at = k.machine.ram, area - PAGE_OFFSET
    ram.fill(at, FPU_AREA_SIZE)
    ram.write32(at, FCW_INIT)
    if k.machine.cpu.cr4 & CR4_OSFXSR:  # FXRSTOR's form: every tag empty is 0
        ram.write32(at + 24, MXCSR_INIT)
    else:
        ram.write32(at + 8, 0xFFFF)  # FRSTOR's: two bits a register, all ones is empty
    return area


def fpu_area(k: Kernel) -> int:
    """Where unlazy_fpu saves the running task's FPU registers; 0 when the FPU holds another's.

    FNSAVE leaves the FPU empty, so the registers are nobody's from then on: the next use loads the area.
    """
    if k.arch.fpu_owner is not k.current:
        return 0
    k.arch.fpu_owner = None
    return k.current.thread.fpu
