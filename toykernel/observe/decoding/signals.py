"""How strace writes signals, sets of signals, siginfo, sigevent."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from toykernel.kernel.siginfo import NSIG, SIGINFO_SIZE, SIGNAL_NAMES, SIGRTMIN
from toykernel.observe.decoding.basic import error_text
from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.names import Names
from toykernel.observe.decoding.names_signals import FLAGS, VALUES
from toykernel.observe.decoding.text import address, identifier, struct_text
from toykernel.syscall_table import name_of

_HANDLERS = {0: "SIG_DFL", 1: "SIG_IGN"}
_SA_RESTORER = 0x04000000
_SIGTRAP, _SIGBUS, _SIGSEGV, _SIGCHLD, _SIGIO, _SIGSYS = 5, 7, 11, 17, 29, 31
_SI_USER, _SI_TIMER, _SI_SIGIO, _SI_TKILL, _CLD_EXITED = 0, -2, -5, -6, 1
_FAULTS = (4, _SIGTRAP, _SIGBUS, 8, _SIGSEGV)
_CODES = {
    4: "sigill_codes", _SIGTRAP: "sigtrap_codes", _SIGBUS: "sigbus_codes", 8: "sigfpe_codes",
    _SIGSEGV: "sigsegv_codes", _SIGCHLD: "sigchld_codes", _SIGIO: "sigpoll_codes",
    _SIGSYS: "sigsys_codes",
}  # fmt: skip
_AUDIT_ARCH = Names(
    ((0x40000003, "AUDIT_ARCH_I386"), (0xC000003E, "AUDIT_ARCH_X86_64")), "AUDIT_ARCH_???"
)
#: Of what the frame of a signal holds: the set of blocked signals, from the stack pointer of the call on.
_RT_MASK, _OLD_MASK, _EXTRA_MASK = 248, 80, 712
_SIGEV_SIGNAL, _SIGEV_THREAD, _SIGEV_THREAD_ID = 0, 2, 4


def signal_text(number: int) -> str:
    """SIGSEGV, or the number of what is no signal."""
    return "SIGRTMIN" if number == SIGRTMIN else SIGNAL_NAMES.get(number, str(number))


def _short(number: int) -> str:
    """A member of a set: without SIG."""
    if number < SIGRTMIN:
        return SIGNAL_NAMES[number].removeprefix("SIG")
    return "RTMIN" if number == SIGRTMIN else f"RT_{number - SIGRTMIN}"


def set_text(mask: int, width: int = NSIG) -> str:
    """[USR1 USR2], or ~[...] when that is shorter."""
    members = [n + 1 for n in range(width) if mask >> n & 1]
    if len(members) >= width * 2 // 3:
        missing = [n + 1 for n in range(width) if not mask >> n & 1]
        return "~[" + " ".join(map(_short, missing)) + "]"
    return "[" + " ".join(map(_short, members)) + "]"


def sigset_text(c: Call, where: int, size: int, least: int = 4) -> str:
    """A set of `size` bytes in memory."""
    data = c.fetch(where, size) if least <= size <= NSIG // 8 else None
    if data is None:
        return address(where)
    return set_text(int.from_bytes(data, "little"), 32 * -(-size // 4))


def _code_text(sig: int, code: int) -> str:
    names = [VALUES["siginfo_codes"]] + ([VALUES[_CODES[sig]]] if sig in _CODES else [])
    word = code & 0xFFFFFFFF
    found = (table.find(word) for table in names)
    return next((name for name in found if name), f"{word:#x}" if word else "0")


def clock_ticks(ticks: int) -> str:
    """Hundredths of a second."""
    ticks %= 1 << 64
    return f"{ticks} /* {ticks // 100}.{ticks % 100:02d} s */" if ticks else "0"


def siginfo_text(data: bytes) -> str:
    """A struct siginfo, in braces."""
    sig, error, code = struct.unpack_from("<3i", data)
    words = struct.unpack_from("<5I", data, 12)
    if not sig:
        return "{}"
    fields = [f"si_signo={signal_text(sig)}", f"si_code={_code_text(sig, code)}"]
    if error:
        fields.append(f"si_errno={error_text(error & 0xFFFFFFFF)}")
    source = [f"si_pid={_signed(words[0])}", f"si_uid={identifier(words[1])}"]
    value = [f"si_int={_signed(words[2])}", f"si_ptr={address(words[2])}"]
    if code == _SI_TIMER and sig:
        overrun = _signed(words[1])
        fields += [
            f"si_timerid={words[0]:#x}" if words[0] else "si_timerid=0",
            f"si_overrun={overrun}",
            *value,
        ]
    elif code == _SI_SIGIO or (code > 0 and sig == _SIGIO and code <= 6):
        fields += [f"si_band={_signed(words[0])}", f"si_fd={_signed(words[1])}"]
    elif code <= 0:
        fields += source + (value if words[2] and code not in (_SI_USER, _SI_TKILL) else [])
    elif sig == _SIGCHLD:
        status = _signed(words[2])
        shown = str(status) if code == _CLD_EXITED else signal_text(status)
        times = (
            f"si_{n}time={clock_ticks(_signed(w))}" for n, w in zip("us", words[3:5], strict=True)
        )
        fields += [*source, f"si_status={shown}", *times]
    elif sig in _FAULTS:
        fields += [f"si_addr={address(words[0])}", *_fault_fields(sig, code, data)]
    elif sig == _SIGSYS:
        fields += [
            f"si_call_addr={address(words[0])}",
            f"si_syscall=__NR_{name_of(words[1])}",
            f"si_arch={_AUDIT_ARCH.one(words[2])}",
        ]
    elif sig != _SIGIO:
        fields += source if words[0] or words[1] else []
        fields += value if words[2] else []
    return struct_text(fields)


def _fault_fields(sig: int, code: int, data: bytes) -> list[str]:
    """What stands behind the address of some faults."""
    lsb = int.from_bytes(data[16:18], "little")
    lower, upper = struct.unpack_from("<II", data, 20)
    if sig == _SIGBUS and code in (4, 5):
        return [f"si_addr_lsb={lsb:#x}" if lsb else "si_addr_lsb=0"]
    if sig == _SIGSEGV and code == 3:
        return [f"si_lower={address(lower)}", f"si_upper={address(upper)}"]
    if sig == _SIGSEGV and code == 4:
        return [f"si_pkey={lower}"]
    return []


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def _siginfo(c: Call, i: int) -> str:
    data = c.fetch(c.words[i], SIGINFO_SIZE)
    return address(c.words[i]) if data is None else siginfo_text(data)


def handler_text(word: int) -> str:
    """What catches a signal."""
    return _HANDLERS.get(word) or f"{word:#x}"


def _action(handler: int, flags: int, restorer: int, mask: str) -> str:
    fields = [f"sa_handler={handler_text(handler)}", f"sa_mask={mask}"]
    fields.append(f"sa_flags={FLAGS['sigact_flags'].flags(flags)}")
    if flags & _SA_RESTORER:
        fields.append(f"sa_restorer={address(restorer)}")
    return struct_text(fields)


def _rt_action(c: Call, i: int) -> str:
    return c.record(
        c.words[i],
        "3IQ",
        lambda handler, flags, restorer, mask: _action(handler, flags, restorer, set_text(mask)),
    )


def _old_action(c: Call, i: int) -> str:
    return c.record(
        c.words[i],
        "4I",
        lambda handler, mask, flags, restorer: _action(
            handler, flags, restorer, set_text(mask, 32)
        ),
    )


def _stack(c: Call, i: int) -> str:
    return c.record(
        c.words[i],
        "3I",
        lambda where, flags, size: (
            f"{{ss_sp={address(where)}, ss_flags={FLAGS['sigaltstack_flags'].flags(flags)}, "
            f"ss_size={size}}}"
        ),
    )


def _sigevent(c: Call, i: int) -> str:
    def show(value: int, sig: int, notify: int, first: int, second: int) -> str:
        fields = []
        if value:
            fields.append(f"sigev_value={{sival_int={_signed(value)}, sival_ptr={address(value)}}}")
        named = notify in (_SIGEV_SIGNAL, _SIGEV_THREAD, _SIGEV_THREAD_ID)
        fields.append(f"sigev_signo={signal_text(_signed(sig)) if named else sig}")
        fields.append(f"sigev_notify={VALUES['sigev_notify'].one(notify)}")
        if notify == _SIGEV_THREAD_ID:
            fields.append(f"sigev_notify_thread_id={_signed(first)}")
        if notify == _SIGEV_THREAD:
            fields.append(f"sigev_notify_function={address(first)}")
            fields.append(f"sigev_notify_attributes={address(second)}")
        return struct_text(fields)

    return c.record(c.words[i], "5I44x", show)


def kernel_sigset(c: Call, where: int) -> str:
    """The sixth argument of pselect6: a set by its address and size."""
    found = c.unpack(where, "II")
    if found is None:
        return address(where)
    return f"{{sigmask={sigset_text(c, *found)}, sigsetsize={found[1]}}}"


def _sigreturn(c: Call, _i: int) -> str:
    sp = c.k.task_pt_regs(c.k.current).sp
    low, high = c.word(sp + _OLD_MASK), c.word(sp + _EXTRA_MASK)
    return f"{{mask={set_text((low or 0) | (high or 0) << 32)}}}"


def _rt_sigreturn(c: Call, _i: int) -> str:
    sp = c.k.task_pt_regs(c.k.current).sp
    data = c.peek(sp + _RT_MASK, 8)
    if data is None:
        return f"{{mask={address(sp + _RT_MASK)}}}"
    return f"{{mask={set_text(int.from_bytes(data, 'little'))}}}"


PRINTERS: Mapping[str, Printer] = {
    "signal": lambda c, i: signal_text(c.signed(i)),
    "handler": lambda c, i: handler_text(c.words[i]),
    "sigset": lambda c, i: sigset_text(c, c.words[i], c.words[i + 1]),
    "sigset_by_last": lambda c, i: sigset_text(c, c.words[i], c.words[3]),
    "sigset_pending": lambda c, i: sigset_text(c, c.words[i], c.words[i + 1], 1),
    "old_sigset": lambda c, i: sigset_text(c, c.words[i], 4),
    "mask_word": lambda c, i: set_text(c.words[i], 32),
    "kernel_sigset": lambda c, i: kernel_sigset(c, c.words[i]),
    "sigaction": _rt_action,
    "old_sigaction": _old_action,
    "stack": _stack,
    "siginfo": _siginfo,
    "sigevent": _sigevent,
    "frame_mask": _sigreturn,
    "rt_frame_mask": _rt_sigreturn,
}
