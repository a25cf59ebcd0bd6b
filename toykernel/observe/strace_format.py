"""How strace writes values: strings, addresses, flags, wait status, siginfo, results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toykernel.errno import MAX_ERRNO, NAMES
from toykernel.errno import name as errno_name
from toykernel.kernel.siginfo import SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGNAL_NAMES, SIGSEGV, SIGTRAP
from toykernel.look.memory import peek, peek_string, peek_word
from toykernel.observe import strace_calls
from toykernel.observe.strace_memory import Memory, address_text, quote
from toykernel.observe.strace_mm import MEMORY_PRINTERS
from toykernel.observe.strace_process import PROCESS_PRINTERS
from toykernel.observe.strace_signals import SIGNAL_PRINTERS
from toykernel.observe.strerror import strerror
from toykernel.syscalls import Kind

if TYPE_CHECKING:
    pass

STRING_LIMIT = 32  # strace -s
ARRAY_LIMIT = 32
PATH_MAX = 4096

_WAIT_OPTIONS = {
    1: "WNOHANG",
    2: "WSTOPPED",
    4: "WEXITED",
    8: "WCONTINUED",
    0x01000000: "WNOWAIT",
    0x80000000: "__WCLONE",
    0x40000000: "__WALL",
    0x20000000: "__WNOTHREAD",
}
_SI_CODES = {0: "SI_USER", 0x80: "SI_KERNEL", -1: "SI_QUEUE", -2: "SI_TIMER", -6: "SI_TKILL"}
_SIGNAL_CODES: Mapping[int, tuple[str, Sequence[str]]] = {
    SIGILL: (
        "ILL",
        ("ILLOPC", "ILLOPN", "ILLADR", "ILLTRP", "PRVOPC", "PRVREG", "COPROC", "BADSTK"),
    ),
    SIGFPE: (
        "FPE",
        ("INTDIV", "INTOVF", "FLTDIV", "FLTOVF", "FLTUND", "FLTRES", "FLTINV", "FLTSUB"),
    ),
    SIGSEGV: ("SEGV", ("MAPERR", "ACCERR")),
    SIGBUS: ("BUS", ("ADRALN", "ADRERR", "OBJERR")),
    SIGTRAP: ("TRAP", ("BRKPT", "TRACE")),
    SIGCHLD: ("CLD", ("EXITED", "KILLED", "DUMPED", "TRAPPED", "STOPPED", "CONTINUED")),
}
_RESTARTS = {
    512: "To be restarted if SA_RESTART is set",
    513: "To be restarted",
    514: "To be restarted if no handler",
    516: "Interrupted by signal",
}
_RETURN_ADDRESS = frozenset(("brk", "mmap", "mmap2", "mremap"))


def raw(word: int) -> str:
    """An argument of a call that nobody knows, in hexadecimal."""
    return f"{word:#x}" if word else "0"


def flags_text(value: int, names: Mapping[int, str], prefix: str) -> str:
    """Names joined by `|`; what has no name in hexadecimal."""
    if not value:
        return "0"
    known = [name for bit, name in names.items() if value & bit]
    left = value & ~sum(names)
    if not known:
        return f"{left:#x} /* {prefix}??? */"
    return "|".join([*known, *([f"{left:#x}"] if left else [])])


def signal_text(number: int) -> str:
    """SIGSEGV, or the number of one without a name, as strace names real-time ones."""
    if number in SIGNAL_NAMES:
        return SIGNAL_NAMES[number]
    return f"SIGRT_{number - 32}" if 32 <= number <= 64 else str(number)


def status_text(status: int) -> str:
    """A wait status, in the words of the macros that take it apart."""
    sig = status & 0x7F
    if status & 0xFFFF == 0xFFFF:
        return "{WIFCONTINUED(s)}"
    if sig == 0x7F:
        return f"{{WIFSTOPPED(s) && WSTOPSIG(s) == {signal_text(status >> 8 & 0xFF)}}}"
    if sig:
        core = " && WCOREDUMP(s)" if status & 0x80 else ""
        return f"{{WIFSIGNALED(s) && WTERMSIG(s) == {signal_text(sig)}{core}}}"
    return f"{{WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8 & 0xFF}}}"


def _clock_t(ticks: int) -> str:
    """Hundredths of a second, as strace has them."""
    return f"{ticks} /* {ticks / 100:.2f} s */" if ticks else "0"


def siginfo_text(sig: int, info: Mapping[str, Any]) -> str:
    """The braces of a `--- SIG... ---` line."""
    code: int = info.get("si_code", 0x80)
    status: int = info.get("si_status", 0)
    if sig == SIGCHLD and "si_code" not in info:  # the kernel gives the wait status as it is
        killed = status & 0x7F
        code = (3 if status & 0x80 else 2) if killed else 1
        status = killed or status >> 8 & 0xFF
    family, names = _SIGNAL_CODES.get(sig, ("", ()))
    if code in _SI_CODES:
        code_text = _SI_CODES[code]
    elif 1 <= code <= len(names):
        code_text = f"{family}_{names[code - 1]}"
    else:
        code_text = f"{code & 0xFFFFFFFF:#x}"
    fields = [f"si_signo={signal_text(sig)}", f"si_code={code_text}"]
    if "si_pid" in info:
        fields += [f"si_pid={info['si_pid']}", f"si_uid={info.get('si_uid', 0)}"]
    if sig == SIGCHLD and "si_pid" in info:
        shown = str(status) if code == 1 else signal_text(status)
        times = (f"{name}={_clock_t(info.get(name, 0))}" for name in ("si_utime", "si_stime"))
        fields += [f"si_status={shown}", *times]
    elif sig in _SIGNAL_CODES and "si_pid" not in info:
        fields.append(f"si_addr={address_text(info.get('si_addr', 0))}")
    return "{" + ", ".join(fields) + "}"


def result_text(name: str, result: int) -> str:
    """What stands behind `= `. `result` is signed."""
    if -MAX_ERRNO <= result < 0:
        number = -result
        if number in _RESTARTS:
            return f"? {errno_name(number)} ({_RESTARTS[number]})"
        if number not in NAMES:
            return f"-1 (errno {number})"
        return f"-1 {errno_name(number)} ({strerror(number)})"
    told = strace_calls.result(name, result)
    if told is not None:
        return told
    return raw(result & 0xFFFFFFFF) if name in _RETURN_ADDRESS else str(result)


# -- arguments, by their kinds ---------------------------------------------------------------------


def _signed(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return str(word - (1 << 32) if word >> 31 else word)


def _unsigned(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return str(word)


def _hex(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return raw(word)


def _address(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return address_text(word)


def _wait_options(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return flags_text(word, _WAIT_OPTIONS, "W")


def _path(memory: Memory, word: int, _following: Sequence[int]) -> str:
    return string_text(memory, word, PATH_MAX)


def string_text(memory: Memory, word: int, limit: int = STRING_LIMIT) -> str:
    """A NUL-terminated string in the task's memory."""
    found = peek_string(memory.k, memory.mm, word, limit + 1) if word else None
    if found is None:
        return address_text(word)
    text, ended = found
    return quote(text[:limit]) + ("" if ended else "...")


def _buffer_in(memory: Memory, word: int, following: Sequence[int]) -> str:
    """Bytes that the call reads; their number is the next argument."""
    size = following[0] if following else 0
    data = peek(memory.k, memory.mm, word, min(size, STRING_LIMIT))
    if data is None:
        return address_text(word)
    return quote(data) + ("..." if size > STRING_LIMIT else "")


def _vector(memory: Memory, word: int) -> list[int] | None:
    """The pointers of a NULL-terminated vector; None when it cannot be read."""
    pointers: list[int] = []
    while len(pointers) < PATH_MAX:
        pointer = peek_word(memory.k, memory.mm, word + 4 * len(pointers))
        if pointer is None:
            return None
        if not pointer:
            break
        pointers.append(pointer)
    return pointers


def _strings(memory: Memory, word: int, _following: Sequence[int]) -> str:
    pointers = _vector(memory, word) if word else None
    if pointers is None:
        return address_text(word)
    shown = [string_text(memory, pointer) for pointer in pointers[:ARRAY_LIMIT]]
    return "[" + ", ".join(shown + ["..."] * (len(pointers) > ARRAY_LIMIT)) + "]"


def _environment(memory: Memory, word: int, _following: Sequence[int]) -> str:
    pointers = _vector(memory, word) if word else None
    if pointers is None:
        return address_text(word)
    return f"{word:#x} /* {len(pointers)} var{'' if len(pointers) == 1 else 's'} */"


def _status(memory: Memory, word: int, _following: Sequence[int]) -> str:
    status = peek_word(memory.k, memory.mm, word) if word and (memory.result or 0) > 0 else None
    return address_text(word) if status is None else f"[{status_text(status)}]"


def _utsname(memory: Memory, word: int, _following: Sequence[int]) -> str:
    found = peek(memory.k, memory.mm, word, 130) if word and memory.result == 0 else None
    if found is None:
        return address_text(word)
    names = [quote(found[at : at + 65].partition(b"\0")[0]) for at in (0, 65)]
    return f"{{sysname={names[0]}, nodename={names[1]}, ...}}"


def _rusage(memory: Memory, word: int, _following: Sequence[int]) -> str:
    found = peek(memory.k, memory.mm, word, 16) if word and (memory.result or 0) > 0 else None
    if found is None:
        return address_text(word)
    numbers = [int.from_bytes(found[at : at + 4], "little", signed=True) for at in range(0, 16, 4)]
    user, system = (f"{{tv_sec={s}, tv_usec={u}}}" for s, u in (numbers[:2], numbers[2:]))
    return f"{{ru_utime={user}, ru_stime={system}, ...}}"


#: (memory, register, the registers after it) -> text. Each kind has one.
PRINTERS: Mapping[Kind, Callable[[Memory, int, Sequence[int]], str]] = {
    Kind.INT: _signed,
    Kind.FD: _signed,
    Kind.PID: _signed,
    Kind.WAIT_OPTIONS: _wait_options,
    Kind.UINT: _unsigned,
    Kind.SIZE: _unsigned,
    Kind.HEX: _hex,
    Kind.ADDRESS: _address,
    **MEMORY_PRINTERS,
    Kind.PATH: _path,
    Kind.BUFFER_IN: _buffer_in,
    Kind.STRINGS: _strings,
    Kind.ENVIRONMENT: _environment,
    Kind.STATUS: _status,
    Kind.UTSNAME: _utsname,
    Kind.RUSAGE: _rusage,
    **SIGNAL_PRINTERS,
    **PROCESS_PRINTERS,
}
