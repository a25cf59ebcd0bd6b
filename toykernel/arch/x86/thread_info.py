"""struct thread_info: the part of a task that the entry code looks at, at the base of its kernel stack.

stack + 8192  ---------------------------
              8 bytes of room, pt_regs of the trap from user mode, the kernel's own calls
              ...                    grows down
              STACK_END_MAGIC
stack         thread_info
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT, Ram
from toykernel.arch.x86.asm_offsets import (
    PAGE_OFFSET,
    PT_SIZE,
    STACK_END_MAGIC,
    STACK_TOP_GAP,
    TASK_SIZE,
    THREAD_ORDER,
    THREAD_SIZE,
    TI_SIZE,
    TI_addr_limit,
    TI_flags,
    TI_task,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel


def alloc_thread_info(k: Kernel) -> int:
    """Virtual address of a kernel stack of 8 KiB, 8 KiB-aligned. Raises Errno(ENOMEM)."""
    return PAGE_OFFSET + (k.memory.pages.alloc_pages(k, THREAD_ORDER, "kernel stack") << PAGE_SHIFT)


def free_thread_info(k: Kernel, stack: int) -> None:
    """Give back a kernel stack by its virtual address."""
    k.memory.pages.put_page(k, (stack - PAGE_OFFSET) >> PAGE_SHIFT)


def init_thread_info(ram: Ram, stack: int, task_address: int) -> None:
    """A fresh thread_info for the first task, at the base of its stack,
    with the user's address limit.
    """
    ram.fill(stack - PAGE_OFFSET, TI_SIZE)
    ram.write32(stack - PAGE_OFFSET + TI_addr_limit, TASK_SIZE)
    set_task(ram, stack, task_address)


def copy_thread_info(ram: Ram, destination: int, source: int) -> None:
    """setup_thread_stack, first half: the parent's thread_info at the base of the child's stack."""
    ram.copy(destination - PAGE_OFFSET, source - PAGE_OFFSET, TI_SIZE)


def set_task(ram: Ram, stack: int, task_address: int) -> None:
    """Point thread_info to its task and mark the end of the stack (fork-path E3)."""
    ram.write32(stack - PAGE_OFFSET + TI_task, task_address)
    ram.write32(stack - PAGE_OFFSET + TI_SIZE, STACK_END_MAGIC)


def stack_end_intact(ram: Ram, stack: int) -> bool:
    """False once the kernel stack has grown over its end."""
    return ram.read32(stack - PAGE_OFFSET + TI_SIZE) == STACK_END_MAGIC


def set_ti_flag(ram: Ram, stack: int, flag: int) -> None:
    """set_ti_thread_flag: TIF_ number `flag`."""
    at = stack - PAGE_OFFSET + TI_flags
    ram.write32(at, ram.read32(at) | 1 << flag)


def clear_ti_flag(ram: Ram, stack: int, flag: int) -> None:
    """In the flags word of a task's stack (clear_ti_thread_flag, linux/thread_info.h)."""
    at = stack - PAGE_OFFSET + TI_flags
    flags = ram.read32(at)
    if flags & 1 << flag:
        ram.write32(at, flags & ~(1 << flag))


def clear_ti_flags(ram: Ram, stack: int, *flags: int) -> None:
    """clear_ti_flag for several, with one store."""
    at = stack - PAGE_OFFSET + TI_flags
    cleared = 0
    for flag in flags:
        cleared |= 1 << flag
    ram.write32(at, ram.read32(at) & ~cleared)


def test_ti_flag(ram: Ram, stack: int, flag: int) -> bool:
    """In the flags word of a task's stack (test_ti_thread_flag, linux/thread_info.h)."""
    return bool(ram.read32(stack - PAGE_OFFSET + TI_flags) & 1 << flag)


def task_pt_regs(stack: int) -> int:
    """Virtual address of the pt_regs of a trap from user mode on this stack."""
    return stack + THREAD_SIZE - STACK_TOP_GAP - PT_SIZE
