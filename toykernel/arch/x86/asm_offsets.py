"""Numbers that entry.S and the Python side share: Linux's names, i386 values.

`DEFINES` is what the assembler is given.
"""

from __future__ import annotations

from toykernel.errno import ENOSYS

PAGE_OFFSET = 0xC0000000
TASK_SIZE = PAGE_OFFSET
#: Lowmem that the kernel maps at PAGE_OFFSET (Linux's 896 MiB).
MAXMEM = 896 << 20

THREAD_SIZE = 8192
THREAD_ORDER = 1
STACK_END_MAGIC = 0x57AC6E9D
#: Room above pt_regs, for the ss and esp that a trap from ring 0 does not push.
STACK_TOP_GAP = 8

# GDT, as in arch/x86/include/asm/segment.h.
GDT_ENTRIES = 32
GDT_TLS_MIN = 6
GDT_TLS_ENTRIES = 3
GDT_LDT = 17
KERNEL_CS = 12 * 8
KERNEL_DS = 13 * 8
USER_CS = 14 * 8 + 3
USER_DS = 15 * 8 + 3
TSS_SELECTOR = 16 * 8
SYSCALL_VECTOR = 0x80
FIRST_EXTERNAL_VECTOR = 0x20
TIMER_IRQ = 0
#: The cascade's line, which no device has: a kick, as smp_reschedule_interrupt; nothing is to be done.
RESCHEDULE_IRQ = 2

# struct pt_regs, byte offsets.
PT_REGS = (
    *("bx", "cx", "dx", "si", "di", "bp", "ax", "ds", "es", "fs", "gs"),
    *("orig_ax", "ip", "cs", "flags", "sp", "ss"),
)
PT_OFFSET = {name: 4 * index for index, name in enumerate(PT_REGS)}
PT_SIZE = 4 * len(PT_REGS)

# struct thread_info, byte offsets from the base of the kernel stack.
TI_task = 0
TI_exec_domain = 4
TI_flags = 8
TI_status = 12
TI_cpu = 16
TI_preempt_count = 20
TI_addr_limit = 24
TI_SIZE = 32

# thread_info.flags
TIF_SYSCALL_TRACE = 0
TIF_NOTIFY_RESUME = 1
TIF_SIGPENDING = 2
TIF_NEED_RESCHED = 3
TIF_SINGLESTEP = 4
TIF_SYSCALL_EMU = 6
TIF_RSEQ = 11
TIF_FORCED_TF = 24
_TIF_WORK_MASK = (
    1 << TIF_NOTIFY_RESUME | 1 << TIF_SIGPENDING | 1 << TIF_NEED_RESCHED | 1 << TIF_RSEQ
)

#: OUT to this port leaves the guest for Python; the address behind it says for which function.
GATE_PORT = 0xE9

DEFINES: dict[str, int] = {
    "PAGE_OFFSET": PAGE_OFFSET,
    "THREAD_SIZE": THREAD_SIZE,
    "KERNEL_CS": KERNEL_CS,
    "KERNEL_DS": KERNEL_DS,
    "USER_DS": USER_DS,
    "TSS_SELECTOR": TSS_SELECTOR,
    "TI_flags": TI_flags,
    "_TIF_WORK_MASK": _TIF_WORK_MASK,
    "_TIF_NEED_RESCHED": 1 << TIF_NEED_RESCHED,
    "GATE_PORT": GATE_PORT,
    "ENOSYS": ENOSYS,
    "PT_EAX": PT_OFFSET["ax"],
    "PT_GS": PT_OFFSET["gs"],
    "PT_ORIG_EAX": PT_OFFSET["orig_ax"],
    "PT_CS": PT_OFFSET["cs"],
    "PT_EFLAGS": PT_OFFSET["flags"],
}
