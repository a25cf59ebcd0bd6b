"""How strace shows the arguments of calls on processes, files and identities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from toykernel.kernel.clone_flags import CSIGNAL, FLAG_NAMES
from toykernel.kernel.ptrace_flags import REQUEST_NAMES
from toykernel.kernel.siginfo import SIGNAL_NAMES
from toykernel.look.memory import peek, peek_word
from toykernel.observe.strace_memory import Memory, address_text, quote
from toykernel.syscalls import Kind

Printer = Callable[["Memory", int, Sequence[int]], str]
STRING_LIMIT = 32

_OPEN = {
    0o100: "O_CREAT", 0o200: "O_EXCL", 0o400: "O_NOCTTY", 0o1000: "O_TRUNC", 0o2000: "O_APPEND",
    0o4000: "O_NONBLOCK", 0o100000: "O_LARGEFILE", 0o200000: "O_DIRECTORY", 0o400000: "O_NOFOLLOW",
    0o2000000: "O_CLOEXEC",
}  # fmt: skip
_ACCESS_MODES = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")
_RLIMITS = (
    *("CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS"),
    *("SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"),
)
_FUTEX = {0: "WAIT", 1: "WAKE", 3: "REQUEUE", 4: "CMP_REQUEUE", 9: "WAIT_BITSET", 10: "WAKE_BITSET"}
_NAMES: Mapping[Kind, Mapping[int, str]] = {
    Kind.SEEK_WHENCE: {0: "SEEK_SET", 1: "SEEK_CUR", 2: "SEEK_END"},
    Kind.FCNTL_CMD: {
        0: "F_DUPFD", 1: "F_GETFD", 2: "F_SETFD", 3: "F_GETFL", 4: "F_SETFL",
        1030: "F_DUPFD_CLOEXEC", 1031: "F_SETPIPE_SZ", 1032: "F_GETPIPE_SZ",
    },
    Kind.PTRACE_REQUEST: REQUEST_NAMES,
    Kind.WAIT_WHICH: {0: "P_ALL", 1: "P_PID", 2: "P_PGID"},
    Kind.RLIMIT: {number: f"RLIMIT_{name}" for number, name in enumerate(_RLIMITS)},
    Kind.PRCTL_OPTION: {
        1: "PR_SET_PDEATHSIG", 2: "PR_GET_PDEATHSIG", 7: "PR_GET_KEEPCAPS", 8: "PR_SET_KEEPCAPS",
        15: "PR_SET_NAME", 16: "PR_GET_NAME", 23: "PR_CAPBSET_READ", 24: "PR_CAPBSET_DROP",
        29: "PR_SET_TIMERSLACK", 30: "PR_GET_TIMERSLACK", 36: "PR_SET_CHILD_SUBREAPER",
        37: "PR_GET_CHILD_SUBREAPER",
    },
}  # fmt: skip


def _named(names: Mapping[int, str]) -> Printer:
    def show(_memory: Memory, word: int, _following: Sequence[int]) -> str:
        return names.get(word, f"{word:#x}")

    return show


def _bits(word: int, names: Mapping[int, str]) -> list[str]:
    shown = [name for bit, name in names.items() if word & bit]
    rest = word & ~sum(bit for bit in names if word & bit)
    return shown + ([f"{rest:#x}"] if rest else [])


def _clone_flags(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    shown = _bits(word & ~CSIGNAL, FLAG_NAMES)
    if word & CSIGNAL:
        shown.append(SIGNAL_NAMES.get(word & CSIGNAL, str(word & CSIGNAL)))
    return "|".join(shown) or "0"


def _open_flags(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return "|".join([_ACCESS_MODES[word & 3], *_bits(word & ~3, _OPEN)])


def _mode(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return f"0{word:o}" if word else "000"


def _access_mode(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return "|".join(_bits(word, {4: "R_OK", 2: "W_OK", 1: "X_OK"})) or "F_OK"


def _dirfd(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    number = word - (1 << 32) if word >> 31 else word
    return "AT_FDCWD" if number == -100 else str(number)


def _id(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return "-1" if word == 0xFFFFFFFF else str(word)


def _futex_op(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    name = _FUTEX.get(word & 0x7F)
    if name is None:
        return f"{word:#x}"
    private = "_PRIVATE" if word & 128 else ""
    realtime = "|FUTEX_CLOCK_REALTIME" if word & 256 else ""
    return f"FUTEX_{name}{private}{realtime}"


def _buffer_out(memory: Memory, word: int, _following: Sequence[int]) -> str:
    """What the call has stored: as many bytes as it answers."""
    size = memory.result
    if size == 0:
        return '""'  # the end of a file
    size = size if size is not None and size > 0 else 0
    data = peek(memory.k, memory.mm, word, min(size, STRING_LIMIT)) if size else None
    if data is None:
        return address_text(word)
    return quote(data) + ("..." if size > STRING_LIMIT else "")


def _fd_pair(memory: Memory, word: int, _following: Sequence[int]) -> str:
    words = [peek_word(memory.k, memory.mm, word + at) for at in (0, 4)]
    if memory.result != 0 or None in words:
        return address_text(word)
    return f"[{words[0]}, {words[1]}]"


#: By kind of argument, for strace_format.
PROCESS_PRINTERS: Mapping[Kind, Printer] = {
    **{kind: _named(names) for kind, names in _NAMES.items()},
    Kind.CLONE_FLAGS: _clone_flags,
    Kind.OPEN_FLAGS: _open_flags,
    Kind.MODE: _mode,
    Kind.ACCESS_MODE: _access_mode,
    Kind.DIRFD: _dirfd,
    Kind.ID: _id,
    Kind.FUTEX_OP: _futex_op,
    Kind.BUFFER_OUT: _buffer_out,
    Kind.FD_PAIR: _fd_pair,
}
