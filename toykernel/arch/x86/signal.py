"""Signal frames on the user's stack, and the way back from them (arch/x86/kernel/signal.c).

    struct sigframe      pretcode sig sigcontext(88) fpstate(624, unused) extramask retcode(8)
    struct rt_sigframe   pretcode sig &info &uc siginfo(128) ucontext(116) retcode(8)

Above the frame lies the FPU state, if the task has any. The handler starts with the frame at %esp, as if
it had been called from `pretcode`: its `ret` leads to the restorer, which makes the system call that comes
back here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.eflags import EFLAGS_DF, EFLAGS_TF
from toykernel.arch.x86.asm_offsets import (
    TIF_NOTIFY_RESUME,
    TIF_RSEQ,
    TIF_SIGPENDING,
    TIF_SINGLESTEP,
    USER_CS,
    USER_DS,
)
from toykernel.arch.x86.i387 import FPSTATE_SIZE, clear_fpu, restore_fpstate, save_fpstate
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.arch.x86.step import user_disable_single_step
from toykernel.arch.x86.thread_info import clear_ti_flag, test_ti_flag
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.arch.x86.vdso import vdso_address
from toykernel.errno import (
    EFAULT,
    EINTR,
    EINVAL,
    ENOMEM,
    EPERM,
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    ERESTARTNOINTR,
    ERESTARTSYS,
    Errno,
)
from toykernel.kernel.exit import do_group_exit
from toykernel.kernel.jobctl import GroupExit, Handle, Stop, Tell, Trap, get_signal_to_deliver
from toykernel.kernel.ptrace_stop import do_jobctl_trap, ptrace_notify, ptrace_signal, syscall_exit
from toykernel.kernel.rseq import rseq_handle_notify_resume
from toykernel.kernel.siginfo import SIGINFO_SIZE, SIGSEGV, SIGTRAP, Siginfo, pack_siginfo, sigmask
from toykernel.kernel.signal import (
    force_sig_info,
    force_sigsegv,
    recalc_sigpending,
    set_current_blocked,
)
from toykernel.kernel.signal_types import (
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESTART,
    SA_RESTORER,
    SA_SIGINFO,
    SigAction,
)
from toykernel.kernel.wait import Wait
from toykernel.syscalls import syscall
from toykernel.task import TASK_STOPPED

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel
    from toykernel.task import Task

#: What sigreturn takes of EFLAGS: AC OF DF TF SF ZF AF PF CF RF. Nothing that ring 3 may not set.
FIX_EFLAGS = 1 << 18 | 1 << 11 | 1 << 10 | 1 << 8 | 1 << 7 | 1 << 6 | 1 << 4 | 1 << 2 | 1 | 1 << 16

SS_ONSTACK, SS_DISABLE = 1, 2
SS_AUTODISARM = 1 << 31
MINSIGSTKSZ = 2048
NR_restart_syscall = 0
INT_80_LENGTH = 2

#: popl %eax; movl $__NR_sigreturn, %eax; int $0x80
SIGRETURN_CODE = bytes.fromhex("58b877000000cd80")
#: movl $__NR_rt_sigreturn, %eax; int $0x80
RT_SIGRETURN_CODE = bytes.fromhex("b8ad000000cd8000")

#: struct sigcontext in the order of its words; the FPU's address, the mask and CR2 come last.
_SIGCONTEXT = (
    *("gs", "fs", "es", "ds", "di", "si", "bp", "sp", "bx", "dx", "cx", "ax"),
    *("trapno", "err", "ip", "cs", "flags", "sp_at_signal", "ss", "fpstate", "oldmask", "cr2"),
)
SIGCONTEXT_SIZE = 4 * len(_SIGCONTEXT)
UCONTEXT_SIZE = 20 + SIGCONTEXT_SIZE + 8
SIGFRAME_SIZE = 8 + SIGCONTEXT_SIZE + FPSTATE_SIZE + 4 + 8
RT_SIGFRAME_SIZE = 16 + SIGINFO_SIZE + UCONTEXT_SIZE + 8
SIGFRAME_SC = 8
SIGFRAME_EXTRAMASK = SIGFRAME_SC + SIGCONTEXT_SIZE + FPSTATE_SIZE
SIGFRAME_RETCODE = SIGFRAME_EXTRAMASK + 4
RT_SIGFRAME_INFO = 16
RT_SIGFRAME_UC = RT_SIGFRAME_INFO + SIGINFO_SIZE
RT_SIGFRAME_RETCODE = RT_SIGFRAME_UC + UCONTEXT_SIZE


def do_notify_resume(k: Kernel) -> Result:
    """The work flags name a signal: act on it (do_signal). entry.S has saved the FPU registers."""
    task = k.current
    if test_ti_flag(k.machine.ram, task.stack, TIF_RSEQ):
        clear_ti_flag(k.machine.ram, task.stack, TIF_RSEQ)
        if task.rseq:
            rseq_handle_notify_resume(k, task, k.task_pt_regs(task))
    if test_ti_flag(k.machine.ram, task.stack, TIF_NOTIFY_RESUME):
        clear_ti_flag(k.machine.ram, task.stack, TIF_NOTIFY_RESUME)
        return syscall_exit(k, _if_pending)  # before any signal
    return _if_pending(k)


def _if_pending(k: Kernel) -> Result:
    """Other work alone, such as rseq's, begins no call again: a tracer or a listener may have answered it."""
    task = k.current
    if task.saved_sigmask is None and not test_ti_flag(k.machine.ram, task.stack, TIF_SIGPENDING):
        return 0
    return do_signal(k, None)


def _go_on(k: Kernel, *_stop: object) -> Result:
    return do_signal(k, None)


def do_signal(k: Kernel, told: Siginfo | None) -> Result:
    """Signals, and stops for a tracer; `told` is a signal that a tracer lets through."""
    task = k.current
    regs = k.task_pt_regs(task)
    match get_signal_to_deliver(k, told):
        case Handle(action, info):
            return handle_signal(k, task, regs, action, info)
        case GroupExit(code):
            return do_group_exit(k, code)
        case Stop():
            return Wait((), do_signal, (None,), "stopped", TASK_STOPPED)
        case Trap():
            return do_jobctl_trap(k, _go_on)
        case Tell(info):
            return ptrace_signal(k, info, do_signal)
    restart_without_handler(regs)
    if task.saved_sigmask is not None:
        saved, task.saved_sigmask = task.saved_sigmask, None
        set_current_blocked(k, task, saved)
    return 0


# -- interrupted system calls ----------------------------------------------------------------------


def _syscall_error(regs: PtRegs) -> int:
    """The error that the interrupted call answered; 0 when the trap was not a system call."""
    if regs.orig_ax >> 31:
        return 0
    return -(regs.ax - (1 << 32)) if regs.ax >> 31 else 0


def restart_without_handler(regs: PtRegs) -> None:
    """No handler runs: ERESTART* answers make the call begin again,
    ERESTART_RESTARTBLOCK by restart_syscall.
    """
    error = _syscall_error(regs)
    if error in (ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND):
        regs.ax = regs.orig_ax
        regs.ip -= INT_80_LENGTH
    elif error == ERESTART_RESTARTBLOCK:
        regs.ax = NR_restart_syscall
        regs.ip -= INT_80_LENGTH


def _restart_with_handler(regs: PtRegs, action: SigAction) -> None:
    """A handler comes first: EINTR, or the call again when the handler returns."""
    error = _syscall_error(regs)
    if error in (ERESTART_RESTARTBLOCK, ERESTARTNOHAND) or (
        error == ERESTARTSYS and not action.flags & SA_RESTART
    ):
        regs.ax = -EINTR
    elif error in (ERESTARTSYS, ERESTARTNOINTR):
        regs.ax = regs.orig_ax
        regs.ip -= INT_80_LENGTH


# -- to the handler --------------------------------------------------------------------------------


def handle_signal(k: Kernel, task: Task, regs: PtRegs, action: SigAction, info: Siginfo) -> Result:
    """Build the frame, block what the action says, and point the registers to the handler; SIGSEGV
    when the frame cannot be stored. A task that is stepped stops at the handler's first instruction.
    """
    _restart_with_handler(regs, action)
    stepping = test_ti_flag(k.machine.ram, task.stack, TIF_SINGLESTEP)
    if stepping:
        user_disable_single_step(k, task)
    sig = info["si_signo"]
    if task.rseq:
        rseq_handle_notify_resume(k, task, regs)
    old = task.blocked if task.saved_sigmask is None else task.saved_sigmask
    try:
        setup = setup_rt_frame if action.flags & SA_SIGINFO else setup_frame
        setup(k, task, regs, action, info, old)
    except Errno:
        force_sigsegv(k, task, sig)
        return 0
    task.saved_sigmask = None
    if task.sas_ss_flags & SS_AUTODISARM:
        task.sas_ss_sp = task.sas_ss_size = task.sas_ss_flags = 0
    regs.flags &= ~(EFLAGS_DF | EFLAGS_TF)
    blocked = task.blocked | action.mask
    if not action.flags & SA_NODEFER:
        blocked |= sigmask(sig)
    set_current_blocked(k, task, blocked)
    return ptrace_notify(k, SIGTRAP, _in_handler) if stepping else 0


def _in_handler(_k: Kernel, _code: int, _info: Siginfo | None) -> Result:
    return 0


def on_sig_stack(task: Task, sp: int) -> bool:
    """Whether a stack pointer is on the alternate stack (on_sig_stack, linux/sched.h)."""
    if task.sas_ss_flags & SS_AUTODISARM:
        return False
    return bool(task.sas_ss_size) and 0 < sp - task.sas_ss_sp <= task.sas_ss_size


def sas_ss_flags(task: Task, sp: int) -> int:
    """ss_flags for sigaltstack: SS_DISABLE without one, SS_ONSTACK while `sp` is on it, else 0; and
    SS_AUTODISARM, when a handler on it takes it away for as long as it runs.
    """
    if not task.sas_ss_size:
        return SS_DISABLE
    return SS_ONSTACK if on_sig_stack(task, sp) else task.sas_ss_flags


def get_sigframe(
    k: Kernel, task: Task, regs: PtRegs, action: SigAction, size: int
) -> tuple[int, int]:
    """Where the frame goes, and the FPU state above it (0: none). Raises Errno(EFAULT)."""
    sp = regs.sp
    was_on_stack = on_sig_stack(task, sp)
    if action.flags & SA_ONSTACK:
        if sas_ss_flags(task, sp) & ~SS_AUTODISARM == 0:
            sp = task.sas_ss_sp + task.sas_ss_size
    elif regs.ss & 0xFFFF != USER_DS and not action.flags & SA_RESTORER and action.restorer:
        sp = action.restorer  # the legacy way to switch stacks
    fpstate = 0
    if task.thread.fpu:
        fpstate = sp = sp - FPSTATE_SIZE
        save_fpstate(k, task, fpstate)
    sp = ((sp - size + 4) & ~15 & 0xFFFFFFFF) - 4
    if was_on_stack and not on_sig_stack(task, sp):
        raise Errno(EFAULT)  # the alternate stack is full
    return sp, fpstate


def sigcontext(task: Task, regs: PtRegs, fpstate: int, mask: int) -> bytes:
    """struct sigcontext: the interrupted registers as the handler sees them;
    `mask` is the low 32 blocked signals.
    """
    words = regs.as_dict()
    thread = task.thread
    words |= {
        "trapno": thread.trap_no,
        "err": thread.error_code,
        "sp_at_signal": words["sp"],
        "fpstate": fpstate,
        "oldmask": mask & 0xFFFFFFFF,
        "cr2": thread.cr2,
    }
    for name in ("gs", "fs", "es", "ds", "cs", "ss"):
        words[name] &= 0xFFFF
    return struct.pack("<22I", *(words[name] for name in _SIGCONTEXT))


def _enter_handler(
    regs: PtRegs, action: SigAction, frame: int, registers: tuple[int, int, int]
) -> None:
    regs.sp, regs.ip = frame, action.handler
    regs.ax, regs.dx, regs.cx = registers
    regs.ds = regs.es = regs.ss = USER_DS
    regs.cs = USER_CS


def setup_frame(
    k: Kernel, task: Task, regs: PtRegs, action: SigAction, info: Siginfo, old_mask: int
) -> None:
    """The frame of a handler without SA_SIGINFO: handler(sig), struct sigcontext above.

    Raises Errno(EFAULT).
    """
    frame, fpstate = get_sigframe(k, task, regs, action, SIGFRAME_SIZE)
    sig = info["si_signo"]
    restorer = vdso_address(k, task.mm, "__kernel_sigreturn") or frame + SIGFRAME_RETCODE
    if action.flags & SA_RESTORER:
        restorer = action.restorer
    head = struct.pack("<2I", restorer, sig) + sigcontext(task, regs, fpstate, old_mask)
    copy_to_user(k, frame, head)
    tail = struct.pack("<I", old_mask >> 32) + SIGRETURN_CODE
    copy_to_user(k, frame + SIGFRAME_EXTRAMASK, tail)
    _enter_handler(regs, action, frame, (sig, 0, 0))


def setup_rt_frame(
    k: Kernel, task: Task, regs: PtRegs, action: SigAction, info: Siginfo, old_mask: int
) -> None:
    """The frame of a handler with SA_SIGINFO: handler(sig, &siginfo, &ucontext).

    Raises Errno(EFAULT).
    """
    frame, fpstate = get_sigframe(k, task, regs, action, RT_SIGFRAME_SIZE)
    sig = info["si_signo"]
    at_info, at_uc = frame + RT_SIGFRAME_INFO, frame + RT_SIGFRAME_UC
    restorer = vdso_address(k, task.mm, "__kernel_rt_sigreturn") or frame + RT_SIGFRAME_RETCODE
    if action.flags & SA_RESTORER:
        restorer = action.restorer
    stack = (task.sas_ss_sp, sas_ss_flags(task, regs.sp), task.sas_ss_size)
    data = (
        struct.pack("<4I", restorer, sig, at_info, at_uc)
        + pack_siginfo(info)
        + struct.pack("<5I", 0, 0, *stack)
        + sigcontext(task, regs, fpstate, old_mask)
        + struct.pack("<Q", old_mask)
        + RT_SIGRETURN_CODE
    )
    copy_to_user(k, frame, data)
    _enter_handler(regs, action, frame, (sig, at_info, at_uc))


# -- and back --------------------------------------------------------------------------------------


@syscall(119)
def sys_sigreturn(k: Kernel) -> int:
    """sigreturn: undo setup_frame. The restorer's `popl` has taken `sig` off the stack."""
    task = k.current
    regs = k.task_pt_regs(task)
    frame = regs.sp - 8
    try:
        context = copy_from_user(k, frame + SIGFRAME_SC, SIGCONTEXT_SIZE)
        extra = copy_from_user(k, frame + SIGFRAME_EXTRAMASK, 4)
        mask = struct.unpack_from("<I", context, 4 * _SIGCONTEXT.index("oldmask"))[0]
        mask |= int.from_bytes(extra, "little") << 32
        set_current_blocked(k, task, mask)
        return restore_sigcontext(k, task, regs, context)
    except Errno:
        return _bad_frame(k, task)


@syscall(173)
def sys_rt_sigreturn(k: Kernel) -> int:
    """rt_sigreturn: undo setup_rt_frame."""
    task = k.current
    regs = k.task_pt_regs(task)
    frame = regs.sp - 4
    try:
        context = copy_from_user(k, frame + RT_SIGFRAME_UC, UCONTEXT_SIZE)
        set_current_blocked(k, task, struct.unpack_from("<Q", context, 20 + SIGCONTEXT_SIZE)[0])
        result = restore_sigcontext(k, task, regs, context[20:])
        _set_altstack(task, struct.unpack_from("<3I", context, 8), regs.sp, quiet=True)
        return result
    except Errno:
        return _bad_frame(k, task)


def _bad_frame(k: Kernel, task: Task) -> int:
    force_sig_info(k, task, SIGSEGV, {})
    return 0


def restore_sigcontext(k: Kernel, task: Task, regs: PtRegs, data: bytes) -> int:
    """Registers from the frame; the value for %eax. Segments and flags only as ring 3 may have them.

    A selector that does not exist is found by the loads in entry.S, which have fix-ups. Raises
    Errno(EFAULT).
    """
    words = dict(zip(_SIGCONTEXT, struct.unpack_from("<22I", data), strict=True))
    task.restart_block = None
    for name in ("gs", "fs", "es", "ds"):
        setattr(regs, name, words[name] & 0xFFFF)
    for name in ("di", "si", "bp", "sp", "bx", "dx", "cx", "ip"):
        setattr(regs, name, words[name])
    for name in ("cs", "ss"):
        setattr(regs, name, words[name] & 0xFFFF | 3)
    regs.flags = regs.flags & ~FIX_EFLAGS | words["flags"] & FIX_EFLAGS
    regs.orig_ax = 0xFFFFFFFF  # this is no system call to restart
    if words["fpstate"]:
        restore_fpstate(k, task, words["fpstate"])
    else:
        clear_fpu(k, task)
    recalc_sigpending(k, task)
    ax: int = words["ax"]
    return ax - (1 << 32) if ax >> 31 else ax


# -- the alternate stack ---------------------------------------------------------------------------


@syscall(186, "ss:stack old_ss:stack_out")
def sys_sigaltstack(k: Kernel, uss: int, uoss: int) -> int:
    """sigaltstack: set and read the stack for SA_ONSTACK handlers."""
    task = k.current
    sp = k.task_pt_regs(task).sp
    old = struct.pack("<3I", task.sas_ss_sp, sas_ss_flags(task, sp), task.sas_ss_size)
    if uss:
        _set_altstack(task, struct.unpack("<3I", copy_from_user(k, uss, 12)), sp)
    if uoss:
        copy_to_user(k, uoss, old)
    return 0


def _set_altstack(task: Task, stack: tuple[int, ...], sp: int, *, quiet: bool = False) -> None:
    address, flags, size = stack
    error = 0
    if on_sig_stack(task, sp):
        error = EPERM
    elif flags & ~SS_AUTODISARM not in (0, SS_ONSTACK, SS_DISABLE):
        error = EINVAL
    elif not flags & SS_DISABLE and size < MINSIGSTKSZ:
        error = ENOMEM
    if error:
        if quiet:
            return
        raise Errno(error)
    if flags & SS_DISABLE:
        address = size = 0
    task.sas_ss_sp, task.sas_ss_size = address, size
    task.sas_ss_flags = flags & SS_AUTODISARM
