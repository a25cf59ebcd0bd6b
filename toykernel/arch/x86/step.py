"""Single steps of a traced task, by the trap flag (arch/x86/kernel/step.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.eflags import EFLAGS_TF
from toykernel.arch.x86.asm_offsets import TIF_FORCED_TF, TIF_SINGLESTEP
from toykernel.arch.x86.thread_info import clear_ti_flag, set_ti_flag, test_ti_flag
from toykernel.errno import Errno
from toykernel.mm.gup import access_process_vm

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

_PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3))
_POPF, _IRET = 0x9D, 0xCF


def is_setting_trap_flag(k: Kernel, task: Task) -> bool:
    """Whether the next instruction loads EFLAGS from the stack, TF included."""
    regs = k.task_pt_regs(task)
    try:
        code = access_process_vm(k, task, regs.ip, 15)
    except Errno:
        return False
    first = next((byte for byte in code if byte not in _PREFIXES), 0)
    return first in (_POPF, _IRET)


def user_enable_single_step(k: Kernel, task: Task) -> None:
    """One instruction more, then #DB. A TF that the program has set itself stays its own."""
    ram, stack = k.machine.ram, task.stack
    regs = k.task_pt_regs(task)
    set_ti_flag(ram, stack, TIF_SINGLESTEP)
    own = bool(regs.flags & EFLAGS_TF)
    regs.flags |= EFLAGS_TF
    if is_setting_trap_flag(k, task):
        clear_ti_flag(ram, stack, TIF_FORCED_TF)
    elif not own:
        set_ti_flag(ram, stack, TIF_FORCED_TF)


def user_disable_single_step(k: Kernel, task: Task) -> None:
    """No #DB any more, except the program's own."""
    ram, stack = k.machine.ram, task.stack
    clear_ti_flag(ram, stack, TIF_SINGLESTEP)
    if test_ti_flag(ram, stack, TIF_FORCED_TF):
        clear_ti_flag(ram, stack, TIF_FORCED_TF)
        k.task_pt_regs(task).flags &= ~EFLAGS_TF
