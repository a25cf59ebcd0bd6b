"""How strace writes the arguments of calls about signals, time and scheduling."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from toykernel.kernel.sched.entity import POLICY_NAMES, SCHED_RESET_ON_FORK
from toykernel.kernel.siginfo import NSIG, SIGNAL_NAMES, SIGRTMIN
from toykernel.look.memory import peek
from toykernel.observe.strace_memory import Memory
from toykernel.syscalls import Kind

Printer = Callable[["Memory", int, Sequence[int]], str]

_SA_FLAGS = {
    0x04000000: "SA_RESTORER",
    0x08000000: "SA_ONSTACK",
    0x10000000: "SA_RESTART",
    0x40000000: "SA_NODEFER",
    0x80000000: "SA_RESETHAND",
    0x4: "SA_SIGINFO",
    0x1: "SA_NOCLDSTOP",
    0x2: "SA_NOCLDWAIT",
}
_HOW = ("SIG_BLOCK", "SIG_UNBLOCK", "SIG_SETMASK")
_HANDLERS = {0: "SIG_DFL", 1: "SIG_IGN"}
_CLOCKS = (
    "CLOCK_REALTIME",
    "CLOCK_MONOTONIC",
    "CLOCK_PROCESS_CPUTIME_ID",
    "CLOCK_THREAD_CPUTIME_ID",
    "CLOCK_MONOTONIC_RAW",
    "CLOCK_REALTIME_COARSE",
    "CLOCK_MONOTONIC_COARSE",
    "CLOCK_BOOTTIME",
)
_ITIMERS = ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF")


def _pointer(word: int) -> str:
    return f"{word:#x}" if word else "NULL"


def signal_short(number: int) -> str:
    """A member of a set: without SIG."""
    if number < SIGRTMIN:
        return SIGNAL_NAMES[number].removeprefix("SIG")
    return "RTMIN" if number == SIGRTMIN else f"RT_{number - SIGRTMIN}"


def set_text(mask: int, width: int = NSIG) -> str:
    """[USR1 USR2], or ~[...] when that is shorter."""
    members = [n + 1 for n in range(width) if mask >> n & 1]
    if len(members) > width * 2 // 3:
        missing = [n + 1 for n in range(width) if not mask >> n & 1]
        return "~[" + " ".join(map(signal_short, missing)) + "]"
    return "[" + " ".join(map(signal_short, members)) + "]"


def _signal(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    if word in SIGNAL_NAMES:
        return SIGNAL_NAMES[word]
    return str(word - (1 << 32) if word >> 31 else word)


def _handler(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return _HANDLERS.get(word) or f"{word:#x}"


def _named(names: Sequence[str]) -> Printer:
    def text(_memory: Memory, word: int, _following: Sequence[int]) -> str:
        return names[word] if word < len(names) else f"{word:#x}"

    return text


def _policy(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    policy = word & ~SCHED_RESET_ON_FORK
    base = POLICY_NAMES.get(policy, f"{policy:#x} /* SCHED_??? */")
    return base + ("|SCHED_RESET_ON_FORK" if word & SCHED_RESET_ON_FORK else "")


def _record(size: int, show: Callable[[bytes], str], *, filled: bool = False) -> Printer:
    """A record in memory; a `filled` one is only there when the call has succeeded."""

    def text(memory: Memory, word: int, _following: Sequence[int]) -> str:
        if not word or (filled and (memory.result is None or memory.result < 0)):
            return _pointer(word)
        data = peek(memory.k, memory.mm, word, size)
        return _pointer(word) if data is None or len(data) < size else show(data)

    return text


def _set(data: bytes) -> str:
    return set_text(int.from_bytes(data, "little"), 8 * len(data))


def _action(handler: int, flags: int, restorer: int, mask: str) -> str:
    named = [name for bit, name in _SA_FLAGS.items() if flags & bit]
    left = flags & ~sum(_SA_FLAGS)
    text = "|".join([*named, *([f"{left:#x}"] if left else [])]) or "0"
    tail = f", sa_restorer={restorer:#x}" if flags & 0x04000000 else ""
    shown = _HANDLERS.get(handler) or f"{handler:#x}"
    return f"{{sa_handler={shown}, sa_mask={mask}, sa_flags={text}{tail}}}"


def _rt_action(data: bytes) -> str:
    handler, flags, restorer, mask = struct.unpack("<3IQ", data)
    return _action(handler, flags, restorer, set_text(mask))


def _old_action(data: bytes) -> str:
    handler, mask, flags, restorer = struct.unpack("<4I", data)
    return _action(handler, flags, restorer, set_text(mask, 32))


def _stack(data: bytes) -> str:
    address, flags, size = struct.unpack("<3I", data)
    named = {0: "0", 1: "SS_ONSTACK", 2: "SS_DISABLE"}.get(flags, f"{flags:#x}")
    return f"{{ss_sp={_pointer(address)}, ss_flags={named}, ss_size={size}}}"


def _timespec(data: bytes) -> str:
    seconds, ns = struct.unpack("<2i", data)
    return f"{{tv_sec={seconds}, tv_nsec={ns}}}"


def _timeval(data: bytes) -> str:
    seconds, usec = struct.unpack("<2i", data)
    return f"{{tv_sec={seconds}, tv_usec={usec}}}"


def _timespec64(data: bytes) -> str:
    seconds, ns = struct.unpack("<qI4x", data)
    return f"{{tv_sec={seconds}, tv_nsec={ns}}}"


def _pair64(data: bytes) -> str:
    return f"{{it_interval={_timespec64(data[:16])}, it_value={_timespec64(data[16:])}}}"


def _pair(show: Callable[[bytes], str]) -> Callable[[bytes], str]:
    return lambda data: f"{{it_interval={show(data[:8])}, it_value={show(data[8:])}}}"


_RECORDS: Mapping[Kind, tuple[int, Callable[[bytes], str]]] = {
    Kind.SIGSET: (8, _set),
    Kind.OLD_SIGSET: (4, _set),
    Kind.SIGACTION: (20, _rt_action),
    Kind.OLD_SIGACTION: (16, _old_action),
    Kind.STACK: (12, _stack),
    Kind.TIMESPEC: (8, _timespec),
    Kind.TIMEVAL: (8, _timeval),
    Kind.ITIMERVAL: (16, _pair(_timeval)),
    Kind.ITIMERSPEC: (16, _pair(_timespec)),
    Kind.TIMESPEC64: (16, _timespec64),
    Kind.ITIMERSPEC64: (32, _pair64),
}

SIGNAL_PRINTERS: Mapping[Kind, Printer] = {
    Kind.SIGNAL: _signal,
    Kind.HANDLER: _handler,
    Kind.HOW: _named(_HOW),
    Kind.CLOCK: _named(_CLOCKS),
    Kind.ITIMER: _named(_ITIMERS),
    Kind.POLICY: _policy,
    **{kind: _record(size, show) for kind, (size, show) in _RECORDS.items()},
    **{
        Kind(f"{kind.value}_out"): _record(size, show, filled=True)
        for kind, (size, show) in _RECORDS.items()
    },
}
