"""What stands behind `= `: the number or the error, and in parentheses what it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from toykernel.errno import MAX_ERRNO, NAMES
from toykernel.errno import name as errno_name
from toykernel.observe.decoding.call import Call
from toykernel.observe.decoding.files import open_flags_text
from toykernel.observe.decoding.names import hexadecimal
from toykernel.observe.decoding.names_files import FLAGS as FILE_FLAGS
from toykernel.observe.decoding.names_files import VALUES as FILE_VALUES
from toykernel.observe.decoding.names_processes import FLAGS, VALUES
from toykernel.observe.decoding.names_signals import VALUES as SIGNAL_VALUES
from toykernel.observe.decoding.option_printers import vector_length_text
from toykernel.observe.decoding.polls import found_text
from toykernel.observe.decoding.processes import ioprio_text, personality_text
from toykernel.observe.decoding.signals import handler_text, set_text, signal_text
from toykernel.observe.decoding.text import moment, octal
from toykernel.observe.decoding.times import timespec_text
from toykernel.observe.strerror import strerror

_RESTARTS = {
    512: "To be restarted if SA_RESTART is set",
    513: "To be restarted",
    514: "To be restarted if no handler",
    516: "Interrupted by signal",
}
_NUMBERS = """
fork vfork clone clone3 getpid getppid gettid getpgrp getpgid getsid setsid waitpid wait4 open openat
openat2 creat dup dup2 dup3 socket accept accept4 epoll_create epoll_create1 eventfd eventfd2 signalfd
signalfd4 timerfd_create memfd_create memfd_secret mq_open inotify_init inotify_init1 fanotify_init
pidfd_open pidfd_getfd userfaultfd perf_event_open io_uring_setup open_tree fsopen fsmount fspick
landlock_create_ruleset mount_setattr
"""
#: Calls whose result is a number of a process or a descriptor, and may be less than 0.
_SIGNED = frozenset(_NUMBERS.split())
_ADDRESSES = frozenset(("brk", "mmap", "mmap2", "mremap", "shmat"))
Answer = tuple[str | None, str | None]  # the number where it is not decimal; what it means


def error_text(result: int) -> str:
    """-1, the error's name and what it means; `?` when the call is to be made again."""
    number = -result
    if number in _RESTARTS:
        return f"? {errno_name(number)} ({_RESTARTS[number]})"
    if number not in NAMES:
        return f"-1 (errno {number})"
    return f"-1 {errno_name(number)} ({strerror(number)})"


def result_text(c: Call) -> str:
    """What stands behind `= `."""
    result = c.result
    if result is None:
        return "?"
    if -MAX_ERRNO <= result < 0:
        return error_text(result)
    show = _ANSWERS.get(c.name)
    number, meaning = show(c) if show is not None else (None, found_text(c))
    if number is None:
        number = str(result if c.name in _SIGNED else c.value)
    return number + (f" ({meaning})" if meaning is not None else "")


def _address(c: Call) -> Answer:
    value = c.value
    if c.name == "shmat" and c.indirect:  # ipc stores where the segment is
        found = c.word(c.words[2])
        if found is None:
            return "?", None
        value = found
    return hexadecimal(value), None


def _named(find: Callable[[int], str | None]) -> Callable[[Call], Answer]:
    return lambda c: (None, find(c.value))


def _fcntl(c: Call) -> Answer:
    command, value = c.words[1], c.value
    if command == 3:  # F_GETFL
        return hexadecimal(value), f"flags {open_flags_text(value)}"
    if command == 1 and value:  # F_GETFD
        return hexadecimal(value), f"flags {FILE_FLAGS['fdflags'].flags(value)}"
    if command == 1025:  # F_GETLEASE
        return hexadecimal(value), FILE_VALUES["lockfcmds"].find(value)
    if command == 1034 and value:  # F_GET_SEALS
        return hexadecimal(value), f"seals {FILE_FLAGS['f_seals'].flags(value)}"
    if command == 11 and value:  # F_GETSIG
        named = signal_text(value)
        return None, None if named.isdigit() else named
    return (str(c.result) if command in (0, 9, 1030) else None), None


def _prctl(c: Call) -> Answer:
    option, value = c.words[0], c.value
    if option == 3:  # PR_GET_DUMPABLE
        return None, VALUES["pr_dumpable"].find(value)
    if option == 27 and value:  # PR_GET_SECUREBITS
        return hexadecimal(value), _auxiliary("secbits", value)
    if option == 46 and value:  # PR_GET_FP_MODE
        return hexadecimal(value), _auxiliary("pr_fp_mode", value)
    if option in (50, 51, 63, 64) and value:  # PR_SVE_SET_VL and its kin
        table = "sve_flags" if option < 60 else "sme_flags"
        shown = vector_length_text(value, table) if value & ~0xFFFF else None
        return hexadecimal(value), shown
    if option == 34:  # PR_MCE_KILL_GET
        return None, VALUES["pr_mce_policy"].find(value)
    if option == 52 and c.words[1] in (0, 1, 2):  # PR_GET_SPECULATION_CTRL
        return hexadecimal(value), _auxiliary("spec_get", value)
    if option == 56:  # PR_GET_TAGGED_ADDR_CTRL
        enabled = "PR_TAGGED_ADDR_ENABLE" if value & 1 else "!PR_TAGGED_ADDR_ENABLE"
        text = f"{enabled}|{VALUES['tagged_mte'].one(value & 6)}"
        text += f"|{value >> 3 & 0xFFFF:#x}<<PR_MTE_TAG_SHIFT" if value >> 3 & 0xFFFF else ""
        rest = value & ~0x7FFFF
        return hexadecimal(value), text + (f"|{rest:#x}" if rest else "")
    if option == 61:  # PR_PAC_GET_ENABLED_KEYS
        return hexadecimal(value), _auxiliary("pac_enabled", value)
    return None, None


def _auxiliary(table: str, value: int) -> str | None:
    """Flags as they stand in parentheses: nothing when none of them is known."""
    names = FLAGS[table]
    if not value:
        return names.values[0][1] if not names.values[0][0] else None
    found, left = names.bits(value)
    return "|".join([*found, f"{left:#x}"] if left else found) if found else None


def _timex(c: Call) -> Answer:
    where = c.words[0 if c.name == "adjtimex" else 1]
    size = 208 if c.name == "clock_adjtime64" else 128
    if c.fetch(where, size) is None:
        return None, None
    return None, SIGNAL_VALUES["adjtimex_state"].find(c.value)


def _set_thread_area(c: Call) -> Answer:
    data = c.peek(c.words[0], 16)
    if data is None:
        return None, None
    return None, f"entry_number={int.from_bytes(data[:4], 'little')}"


def _received(c: Call) -> Answer:
    if not c.value:
        return None, "Timeout"
    if not c.words[4]:
        return None, None
    data = c.peek(c.words[4], 16 if c.name.endswith("64") else 8)
    return None, "left " + (f"{c.words[4]:#x}" if data is None else timespec_text(data))


def _waited(c: Call) -> Answer:
    named = signal_text(c.value)
    return None, named if c.value and not named.isdigit() else None


def _membarrier(c: Call) -> Answer:
    if c.words[0] or not c.value:
        return None, None
    return hexadecimal(c.value), FLAGS["membarrier_cmd_bits"].flags(c.value, None)


_ANSWERS: Mapping[str, Callable[[Call], Answer]] = {
    **dict.fromkeys(_ADDRESSES, _address),
    "fcntl": _fcntl,
    "fcntl64": _fcntl,
    "prctl": _prctl,
    "umask": lambda c: (octal(c.value), None),
    "stime": lambda c: (None, moment(c.result or 0)[4:-3] or None),
    "time": lambda c: (None, moment(c.result or 0)[4:-3] or None),
    "signal": lambda c: (
        hexadecimal(c.value),
        None if handler_text(c.value).startswith("0x") else handler_text(c.value),
    ),
    "sgetmask": lambda c: (hexadecimal(c.value), f"mask {set_text(c.value, 32)}"),
    "ssetmask": lambda c: (hexadecimal(c.value), f"old mask {set_text(c.value, 32)}"),
    "personality": lambda c: (hexadecimal(c.value), personality_text(c.value)),
    "sched_getscheduler": _named(VALUES["policy"].find),
    "ioprio_get": lambda c: (None, ioprio_text(c.value)),
    "rt_sigtimedwait": _waited,
    "rt_sigtimedwait_time64": _waited,
    "adjtimex": _timex,
    "clock_adjtime": _timex,
    "clock_adjtime64": _timex,
    "set_thread_area": _set_thread_area,
    "recvmmsg": _received,
    "recvmmsg_time64": _received,
    "membarrier": _membarrier,
}
