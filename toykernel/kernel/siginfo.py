"""Signal numbers, codes, sets, and struct siginfo as i386 programs see it (asm-generic/siginfo.h).

Inside the kernel a siginfo is a dict of its fields by name; here it becomes 128 bytes and comes back.
A signal set is an int: bit 0 is signal 1.
"""

from __future__ import annotations

import struct
from typing import Any

SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL = range(1, 10)
SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGCHLD = range(10, 18)
SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGXCPU, SIGXFSZ = range(18, 26)
SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGPWR, SIGSYS = range(26, 32)
SIGRTMIN, SIGRTMAX = 32, 64
NSIG = 64

SIGNAL_NAMES: dict[int, str] = {
    number: name
    for name, number in list(globals().items())
    if name.startswith("SIG") and isinstance(number, int) and not name.startswith("SIGRT")
} | {number: f"SIGRT_{number - SIGRTMIN}" for number in range(SIGRTMIN, SIGRTMAX + 1)}

SI_USER, SI_KERNEL, SI_QUEUE, SI_TIMER, SI_MESGQ, SI_ASYNCIO, SI_SIGIO, SI_TKILL = (
    *(0, 0x80, -1, -2, -3, -4, -5, -6),
)
ILL_ILLOPN, ILL_BADSTK = 2, 8
FPE_INTDIV, FPE_INTOVF = 1, 2
FPE_FLTDIV, FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES, FPE_FLTINV = 3, 4, 5, 6, 7
SEGV_MAPERR, SEGV_ACCERR = 1, 2
BUS_ADRALN, BUS_ADRERR, BUS_OBJERR = 1, 2, 3
TRAP_BRKPT, TRAP_TRACE, TRAP_HWBKPT = 1, 2, 4
CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED = range(1, 7)

Siginfo = dict[str, Any]

SIGINFO_SIZE = 128
_FAULTS = frozenset((SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP))


def sigmask(*signals: int) -> int:
    """The set of these signals: bit n - 1 for signal n."""
    mask = 0
    for sig in signals:
        mask |= 1 << (sig - 1)
    return mask


#: Signals that a program's own instruction raises: they come before all others.
SYNCHRONOUS = (SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS)
KERNEL_ONLY = sigmask(SIGKILL, SIGSTOP)
KERNEL_STOP = sigmask(SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU)
KERNEL_IGNORE = sigmask(SIGCONT, SIGCHLD, SIGWINCH, SIGURG)
KERNEL_COREDUMP = sigmask(
    *(SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGXCPU, SIGXFSZ)
)


def pack_siginfo(info: Siginfo) -> bytes:
    """The 128 bytes that a program gets. Which union member is meant follows from the code."""
    sig, code = info["si_signo"], info.get("si_code", SI_USER)
    head = struct.pack("<3i", sig, info.get("si_errno", 0), code)
    raw = info.get("raw")
    if raw is not None:
        return (head + bytes(raw))[:SIGINFO_SIZE].ljust(SIGINFO_SIZE, b"\0")
    pid, uid = info.get("si_pid", 0), info.get("si_uid", 0)
    if code == SI_TIMER:
        words = (info["si_timerid"], info.get("si_overrun", 0), info.get("si_value", 0))
    elif "si_band" in info:
        words = (info["si_band"], info["si_fd"], 0)
    elif code < 0:
        words = (pid, uid, info.get("si_value", 0))
    elif sig == SIGSYS and "si_syscall" in info:
        words = (info["si_call_addr"], info["si_syscall"], info["si_arch"])
    elif code in (SI_USER, SI_KERNEL) and sig not in _FAULTS:
        words = (pid, uid, 0)
    elif sig == SIGCHLD:
        words = (pid, uid, info.get("si_status", 0))
        head += struct.pack("<3I", *(word & 0xFFFFFFFF for word in words))
        times = info.get("si_utime", 0), info.get("si_stime", 0)
        return (head + struct.pack("<2I", *times)).ljust(SIGINFO_SIZE, b"\0")
    else:
        words = (info.get("si_addr", pid), uid, 0)
    return (head + struct.pack("<3I", *(word & 0xFFFFFFFF for word in words))).ljust(
        SIGINFO_SIZE, b"\0"
    )


def unpack_siginfo(data: bytes) -> Siginfo:
    """What rt_sigqueueinfo was given: the head, the usual fields, and the rest as it is."""
    sig, errno, code, pid, uid, value = struct.unpack_from("<3iiII", data)
    return {
        "si_signo": sig,
        "si_errno": errno,
        "si_code": code,
        "si_pid": pid,
        "si_uid": uid,
        "si_value": value,
        "raw": bytes(data[12:SIGINFO_SIZE]),
    }


def signal_name(sig: int) -> str:
    """SIGINT, SIGRT_3, or the number."""
    return SIGNAL_NAMES.get(sig, str(sig))
