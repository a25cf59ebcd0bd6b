"""How strace shows the arguments of calls on processes, files and identities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from toykernel.kernel.clone_flags import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_PARENT_SETTID,
    CLONE_SETTLS,
    CSIGNAL,
    FLAG_NAMES,
)
from toykernel.kernel.ptrace_flags import REQUEST_NAMES
from toykernel.kernel.siginfo import SIGNAL_NAMES
from toykernel.look.memory import peek, peek_word
from toykernel.observe.strace_memory import Memory, address_text, quote
from toykernel.syscalls import Kind

Printer = Callable[["Memory", int, Sequence[int]], str]
STRING_LIMIT = ARRAY_LIMIT = 32

_OPEN = {
    0o100: "O_CREAT", 0o200: "O_EXCL", 0o400: "O_NOCTTY", 0o1000: "O_TRUNC", 0o2000: "O_APPEND",
    0o4000: "O_NONBLOCK", 0o100000: "O_LARGEFILE", 0o200000: "O_DIRECTORY", 0o400000: "O_NOFOLLOW",
    0o2000000: "O_CLOEXEC", 0o1000000: "O_NOATIME", 0o10000000: "O_PATH",
}  # fmt: skip
_ACCESS_MODES = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")
_RLIMITS = (
    *("CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS"),
    *("SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"),
)
_FUTEX = {0: "WAIT", 1: "WAKE", 3: "REQUEUE", 4: "CMP_REQUEUE", 9: "WAIT_BITSET", 10: "WAKE_BITSET"}
_AT = {
    0x100: "AT_SYMLINK_NOFOLLOW", 0x200: "AT_REMOVEDIR", 0x400: "AT_SYMLINK_FOLLOW",
    0x800: "AT_NO_AUTOMOUNT", 0x1000: "AT_EMPTY_PATH", 0x2000: "AT_STATX_FORCE_SYNC",
    0x4000: "AT_STATX_DONT_SYNC",
}  # fmt: skip
_RESOLVE = {
    1: "RESOLVE_NO_XDEV", 2: "RESOLVE_NO_MAGICLINKS", 4: "RESOLVE_NO_SYMLINKS",
    8: "RESOLVE_BENEATH", 16: "RESOLVE_IN_ROOT", 32: "RESOLVE_CACHED",
}  # fmt: skip
_RWF = {1: "RWF_HIPRI", 2: "RWF_DSYNC", 4: "RWF_SYNC", 8: "RWF_NOWAIT", 16: "RWF_APPEND"}
_NAMES: Mapping[Kind, Mapping[int, str]] = {
    Kind.SEEK_WHENCE: {0: "SEEK_SET", 1: "SEEK_CUR", 2: "SEEK_END", 3: "SEEK_DATA", 4: "SEEK_HOLE"},
    Kind.FCNTL_CMD: {
        0: "F_DUPFD", 1: "F_GETFD", 2: "F_SETFD", 3: "F_GETFL", 4: "F_SETFL",
        5: "F_GETLK", 6: "F_SETLK", 7: "F_SETLKW", 8: "F_SETOWN", 9: "F_GETOWN", 10: "F_SETSIG",
        11: "F_GETSIG", 12: "F_GETLK64", 13: "F_SETLK64", 14: "F_SETLKW64", 15: "F_SETOWN_EX",
        16: "F_GETOWN_EX", 36: "F_OFD_GETLK", 37: "F_OFD_SETLK", 38: "F_OFD_SETLKW",
        1033: "F_ADD_SEALS", 1034: "F_GET_SEALS",
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
    return clone_flags_text(word)


def clone_flags_text(word: int) -> str:
    """Clone's flags, the signal last."""
    shown = _bits(word & ~CSIGNAL, FLAG_NAMES)
    if word & CSIGNAL:
        shown.append(SIGNAL_NAMES.get(word & CSIGNAL, str(word & CSIGNAL)))
    return "|".join(shown) or "0"


def _open_flags(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return open_flags_text(word)


def open_flags_text(word: int) -> str:
    """Access mode and flags of an open file."""
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


def _at_flags(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return "|".join(_bits(word, _AT)) or "0"


def _named_bits(names: Mapping[int, str]) -> Printer:
    def show(_memory: Memory, word: int, _following: Sequence[int]) -> str:
        return "|".join(_bits(word, names)) or "0"

    return show


def _iovec(memory: Memory, word: int, count: int, limit: int | None) -> str:
    """The pieces, with what the call reads or has stored there; `limit` bytes in all are shown."""
    if not count:
        return "[]"
    shown = []
    for n in range(min(count, ARRAY_LIMIT)):
        base, length = (peek_word(memory.k, memory.mm, word + 8 * n + at) for at in (0, 4))
        if base is None or length is None:
            return address_text(word)
        size = length if limit is None else min(length, limit)
        limit = None if limit is None else limit - size
        data = peek(memory.k, memory.mm, base, min(size, STRING_LIMIT)) if size else b""
        text = address_text(base) if data is None else quote(data)
        text += "..." if data is not None and size > STRING_LIMIT else ""
        shown.append(f"{{iov_base={text}, iov_len={length}}}")
    return "[" + ", ".join(shown + ["..."] * (count > ARRAY_LIMIT)) + "]"


def _iovec_in(memory: Memory, word: int, following: Sequence[int]) -> str:
    return _iovec(memory, word, following[0] if following else 0, None)


def _iovec_out(memory: Memory, word: int, following: Sequence[int]) -> str:
    if memory.result is None or memory.result < 0:
        return address_text(word)
    return _iovec(memory, word, following[0] if following else 0, memory.result)


def _clone_args(memory: Memory, word: int, following: Sequence[int]) -> str:
    size = min(following[0] if following else 0, 88)
    data = peek(memory.k, memory.mm, word, size) if size >= 64 else None
    if data is None:
        return address_text(word)
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, size, 8)]
    flags = "|".join(_bits(words[0], FLAG_NAMES)) or "0"
    fields = [f"flags={flags}"]
    if words[0] & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID):
        fields.append(f"child_tid={words[2]:#x}")
    if words[0] & CLONE_PARENT_SETTID:
        fields.append(f"parent_tid={words[3]:#x}")
    fields.append(f"exit_signal={SIGNAL_NAMES.get(words[4], str(words[4]))}")
    fields += [f"stack={address_text(words[5])}", f"stack_size={words[6]:#x}"]
    if words[0] & CLONE_SETTLS:
        fields.append(f"tls={words[7]:#x}")
    return "{" + ", ".join(fields) + "}"


def _open_how(memory: Memory, word: int, following: Sequence[int]) -> str:
    data = peek(memory.k, memory.mm, word, 24) if following and following[0] >= 24 else None
    if data is None:
        return address_text(word)
    flags, mode, resolve = (int.from_bytes(data[at : at + 8], "little") for at in (0, 8, 16))
    fields = [f"flags={_open_flags(memory, flags, ())}"]
    if flags & 0o20000100:
        fields.append(f"mode={_mode(memory, mode, ())}")
    fields.append("resolve=" + ("|".join(_bits(resolve, _RESOLVE)) or "0"))
    return "{" + ", ".join(fields) + "}"


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
    Kind.AT_FLAGS: _at_flags,
    Kind.FLOCK_OPERATION: _named_bits({1: "LOCK_SH", 2: "LOCK_EX", 8: "LOCK_UN", 4: "LOCK_NB"}),
    Kind.OPEN_HOW: _open_how,
    Kind.MOUNT_FLAGS: _named_bits(
        {
            1: "MS_RDONLY",
            2: "MS_NOSUID",
            4: "MS_NODEV",
            8: "MS_NOEXEC",
            32: "MS_REMOUNT",
            1024: "MS_NOATIME",
            4096: "MS_BIND",
            8192: "MS_MOVE",
            16384: "MS_REC",
            1 << 18: "MS_PRIVATE",
            1 << 20: "MS_SHARED",
            1 << 21: "MS_RELATIME",
        }
    ),
    Kind.UMOUNT_FLAGS: _named_bits(
        {1: "MNT_FORCE", 2: "MNT_DETACH", 4: "MNT_EXPIRE", 8: "UMOUNT_NOFOLLOW"}
    ),
    Kind.MEMFD_FLAGS: _named_bits(
        {1: "MFD_CLOEXEC", 2: "MFD_ALLOW_SEALING", 4: "MFD_HUGETLB", 8: "MFD_NOEXEC_SEAL"}
    ),
    Kind.SPLICE_FLAGS: _named_bits(
        {1: "SPLICE_F_MOVE", 2: "SPLICE_F_NONBLOCK", 4: "SPLICE_F_MORE", 8: "SPLICE_F_GIFT"}
    ),
    Kind.RENAME_FLAGS: _named_bits(
        {1: "RENAME_NOREPLACE", 2: "RENAME_EXCHANGE", 4: "RENAME_WHITEOUT"}
    ),
    Kind.XATTR_FLAGS: _named_bits({1: "XATTR_CREATE", 2: "XATTR_REPLACE"}),
    Kind.RWF_FLAGS: _named_bits(_RWF),
    Kind.RANDOM_FLAGS: _named_bits({1: "GRND_NONBLOCK", 2: "GRND_RANDOM", 4: "GRND_INSECURE"}),
    Kind.IOVEC_IN: _iovec_in,
    Kind.IOVEC_OUT: _iovec_out,
    Kind.CLONE_ARGS: _clone_args,
    Kind.BUFFER_OUT: _buffer_out,
    Kind.FD_PAIR: _fd_pair,
}
