"""Numbers of ptrace and of job control (uapi/linux/ptrace.h, linux/ptrace.h, linux/sched/jobctl.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toykernel.task import Task

PTRACE_TRACEME, PTRACE_PEEKTEXT, PTRACE_PEEKDATA, PTRACE_PEEKUSR = range(4)
PTRACE_POKETEXT, PTRACE_POKEDATA, PTRACE_POKEUSR, PTRACE_CONT, PTRACE_KILL = range(4, 9)
PTRACE_SINGLESTEP, PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_GETFPREGS, PTRACE_SETFPREGS = (
    *(9, 12, 13, 14, 15),
)
PTRACE_ATTACH, PTRACE_DETACH, PTRACE_GETFPXREGS, PTRACE_SETFPXREGS = 16, 17, 18, 19
PTRACE_OLDSETOPTIONS, PTRACE_SYSCALL, PTRACE_GET_THREAD_AREA, PTRACE_SET_THREAD_AREA = (
    *(21, 24, 25, 26),
)
PTRACE_SETOPTIONS, PTRACE_GETEVENTMSG, PTRACE_GETSIGINFO, PTRACE_SETSIGINFO = range(0x4200, 0x4204)
PTRACE_SYSEMU, PTRACE_SYSEMU_SINGLESTEP, PTRACE_SINGLEBLOCK = 31, 32, 33
PTRACE_GETREGSET, PTRACE_SETREGSET, PTRACE_PEEKSIGINFO = 0x4204, 0x4205, 0x4209
PTRACE_SECCOMP_GET_FILTER, PTRACE_SECCOMP_GET_METADATA = 0x420C, 0x420D
PTRACE_GET_SYSCALL_INFO = 0x420E
PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG, PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG = 0x4210, 0x4211
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_LISTEN = 0x4206, 0x4207, 0x4208
PTRACE_GETSIGMASK, PTRACE_SETSIGMASK = 0x420A, 0x420B

REQUEST_NAMES = {
    value: name
    for name, value in list(globals().items())
    if name.startswith("PTRACE_") and isinstance(value, int)
}

PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK, PTRACE_EVENT_CLONE, PTRACE_EVENT_EXEC = 1, 2, 3, 4
PTRACE_EVENT_VFORK_DONE, PTRACE_EVENT_EXIT, PTRACE_EVENT_SECCOMP, PTRACE_EVENT_STOP = 5, 6, 7, 128
PTRACE_EVENTMSG_SYSCALL_ENTRY, PTRACE_EVENTMSG_SYSCALL_EXIT = 1, 2
EVENT_NAMES = {
    PTRACE_EVENT_FORK: "fork",
    PTRACE_EVENT_VFORK: "vfork",
    PTRACE_EVENT_CLONE: "clone",
    PTRACE_EVENT_EXEC: "exec",
    PTRACE_EVENT_VFORK_DONE: "vfork done",
    PTRACE_EVENT_EXIT: "exit",
    PTRACE_EVENT_SECCOMP: "seccomp",
    PTRACE_EVENT_STOP: "stop",
}

PTRACE_O_TRACESYSGOOD = 1
PTRACE_O_EXITKILL, PTRACE_O_SUSPEND_SECCOMP = 1 << 20, 1 << 21
#: Those that there are.
PTRACE_O_MASK = 0xFF | PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP

#: Of Task.ptrace: traced, how, and the options from bit 3 on.
PT_PTRACED, PT_SEIZED, PT_OPT_FLAG_SHIFT = 0x1, 0x10000, 3
PT_TRACESYSGOOD = PTRACE_O_TRACESYSGOOD << PT_OPT_FLAG_SHIFT
PT_EXITKILL = PTRACE_O_EXITKILL << PT_OPT_FLAG_SHIFT
PT_SUSPEND_SECCOMP = PTRACE_O_SUSPEND_SECCOMP << PT_OPT_FLAG_SHIFT

#: Of Task.jobctl: the signal of a group stop, and what is to happen or happens.
JOBCTL_STOP_SIGMASK = 0xFFFF
JOBCTL_STOP_DEQUEUED = 1 << 16  # a stop signal was taken and has not stopped anybody yet
JOBCTL_STOP_PENDING = 1 << 17  # the group stops, and this thread has not yet
JOBCTL_STOP_CONSUME = 1 << 18  # it counts in group_stop_count
JOBCTL_TRAP_STOP = 1 << 19  # it is to trap for its tracer
JOBCTL_TRAP_NOTIFY = 1 << 20  # its tracer has not seen the group's new state
JOBCTL_TRAPPING = 1 << 21  # its tracer waits in ATTACH until it has trapped
JOBCTL_LISTENING = 1 << 22  # stopped, and its tracer waits for what comes
JOBCTL_TRAP_MASK = JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY
JOBCTL_PENDING_MASK = JOBCTL_STOP_PENDING | JOBCTL_TRAP_MASK


def ptrace_event_enabled(task: Task, event: int) -> bool:
    """Whether the tracer has asked for an event."""
    return bool(task.ptrace & 1 << PT_OPT_FLAG_SHIFT + event)


def ptrace_reparented(child: Task) -> bool:
    """Whether somebody outside its real parent's group traces a task."""
    return child.real_parent.signal is not child.parent.signal
