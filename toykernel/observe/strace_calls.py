"""Calls that strace writes otherwise than argument by argument, each by its kind alone: as strace 6 does."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from toykernel.kernel.clone_flags import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_PARENT_SETTID,
    CLONE_SETTLS,
)
from toykernel.kernel.sched.entity import POLICY_NAMES
from toykernel.kernel.siginfo import SIGNAL_NAMES
from toykernel.look.memory import peek, peek_word
from toykernel.observe.strace_memory import Memory, address_text
from toykernel.observe.strace_process import clone_flags_text, open_flags_text
from toykernel.observe.strace_signals import set_text

Words = Sequence[int]
_F_GETS = frozenset(
    (1, 3, 9, 11, 1032, 1034)
)  # F_GETFD, GETFL, GETOWN, GETSIG, GETPIPE_SZ, GET_SEALS
_F_DUPFD, _F_SETFD, _F_SETFL, _F_DUPFD_CLOEXEC, _F_SETPIPE_SZ = 0, 2, 4, 1030, 1031
_MREMAP_FIXED = 2
_FUTEX_WAIT, _FUTEX_WAKE, _PR_SET_CHILD_SUBREAPER = 0, 1, 36
_PRIO = ("PRIO_PROCESS", "PRIO_PGRP", "PRIO_USER")
_IOPRIO_WHO = {1: "IOPRIO_WHO_PROCESS", 2: "IOPRIO_WHO_PGRP", 3: "IOPRIO_WHO_USER"}
_IOPRIO_CLASS = ("NONE", "RT", "BE", "IDLE")
_RLIM_INFINITY = 0xFFFFFFFF
#: Of what the frame of a signal holds: the set of blocked signals, from the stack pointer of the call on.
_RT_MASK, _OLD_MASK, _EXTRA_MASK = 248, 80, 712


def count(name: str, words: Words, usual: int) -> int:
    """How many arguments are written."""
    if name in ("fcntl", "fcntl64") and words[1] in _F_GETS:
        return 2
    if name == "futex":
        return {_FUTEX_WAIT: 4, _FUTEX_WAKE: 3}.get(words[1] & 127, usual)
    if name == "prctl" and words[0] == _PR_SET_CHILD_SUBREAPER:
        return 2
    if name == "mremap" and not words[3] & _MREMAP_FIXED:
        return 4
    if name == "clone":
        return 2 + sum(bool(words[0] & bits) for bits in _CLONE_MORE)
    if name in ("sigreturn", "rt_sigreturn"):
        return 1
    return len(_IPC[words[0]][1]) if name == "ipc" and words[0] in _IPC else usual


def shown_name(name: str, words: Words) -> str:
    """What a call is called: ipc(2) is a way to make several."""
    return _IPC[words[0]][0] if name == "ipc" and words[0] in _IPC else name


def _key(_memory: Memory, word: int) -> str:
    return f"{word:#x}" if word else "IPC_PRIVATE"


def _number(_memory: Memory, word: int) -> str:
    return str(word - (1 << 32) if word >> 31 else word)


def _semget_flags(_memory: Memory, word: int) -> str:
    named = [name for bit, name in ((0o1000, "IPC_CREAT"), (0o2000, "IPC_EXCL")) if word & bit]
    return "|".join([*named, f"0{word & 0o777:o}" if word & 0o777 else "000"])


def _semctl_command(_memory: Memory, word: int) -> str:
    return _SEMCTL.get(word & ~0x100, f"{word:#x}")


def _through(memory: Memory, word: int) -> str:
    """The argument of semctl, which ipc is handed by its address."""
    found = peek_word(memory.k, memory.mm, word)
    return address_text(word) if found is None else f"[{found:#x}]"


def _operations(memory: Memory, word: int) -> str:
    data = peek(memory.k, memory.mm, word, 6)
    if data is None:
        return address_text(word)
    number, change, flags = struct.unpack("<HhH", data)
    named = "|".join(name for bit, name in _SEM_FLAGS.items() if flags & bit) or "0"
    return f"[{{sem_num={number}, sem_op={change}, sem_flg={named}}}]"


_SEM_FLAGS = {0x1000: "SEM_UNDO", 0o4000: "IPC_NOWAIT"}
_SEMCTL = {
    0: "IPC_RMID", 1: "IPC_SET", 2: "IPC_STAT", 11: "GETPID", 12: "GETVAL", 13: "GETALL",
    14: "GETNCNT", 15: "GETZCNT", 16: "SETVAL", 17: "SETALL",
}  # fmt: skip
#: By the first word of ipc: the call, and its arguments as (word of ipc, how it is written).
_IPC: Mapping[int, tuple[str, tuple[tuple[int, Callable[[Memory, int], str]], ...]]] = {
    1: ("semop", ((1, _number), (4, _operations), (2, _number))),
    2: ("semget", ((1, _key), (2, _number), (3, _semget_flags))),
    3: ("semctl", ((1, _number), (2, _number), (3, _semctl_command), (4, _through))),
}


def _ipc(index: int, memory: Memory, words: Words) -> str | None:
    if words[0] not in _IPC:
        return None
    word, show = _IPC[words[0]][1][index]
    return show(memory, words[word])


def at_entry(name: str, usual: int) -> int:
    """How many of them are written before the call is made."""
    return {
        "clone": 2,
        "sched_getparam": 1,
        "sigreturn": 1,
        "rt_sigreturn": 1,
        "getrlimit": 1,
        "ugetrlimit": 1,
    }.get(name, usual)


_CLONE_MORE = (CLONE_PARENT_SETTID, CLONE_SETTLS, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)


def argument(name: str, index: int, memory: Memory, words: Words) -> str | None:
    """One argument; None: as its kind says."""
    show = _CALLS.get(name)
    return show(index, memory, words) if show is not None else None


def _clone(index: int, memory: Memory, words: Words) -> str:
    flags, stack, parent, tls, child = words[:5]
    texts = [f"child_stack={address_text(stack)}", f"flags={clone_flags_text(flags)}"]
    if flags & CLONE_PARENT_SETTID:
        stored = peek_word(memory.k, memory.mm, parent) if (memory.result or 0) > 0 else None
        texts.append(f"parent_tid={address_text(parent) if stored is None else f'[{stored}]'}")
    if flags & CLONE_SETTLS:
        texts.append(f"tls={address_text(tls)}")
    if flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID):
        texts.append(f"child_tidptr={address_text(child)}")
    return texts[index]


def _fcntl(index: int, _memory: Memory, words: Words) -> str | None:
    command, value = words[1], words[2]
    if index != 2:
        return None
    if command == _F_SETFD and value <= 1:
        return "FD_CLOEXEC" if value else "0"
    if command == _F_SETFL:
        return open_flags_text(value)
    if command in (_F_DUPFD, _F_DUPFD_CLOEXEC, _F_SETPIPE_SZ):
        return str(value)
    return None


def _prctl(index: int, _memory: Memory, words: Words) -> str | None:
    return str(words[1]) if index == 1 and words[0] == _PR_SET_CHILD_SUBREAPER else None


def _priority(index: int, _memory: Memory, words: Words) -> str | None:
    if index:
        return None
    return _PRIO[words[0]] if words[0] < len(_PRIO) else f"{words[0]:#x} /* PRIO_??? */"


def _sched_param(which: int) -> Callable[[int, Memory, Words], str | None]:
    def show(index: int, memory: Memory, words: Words) -> str | None:
        if index != which or (memory.result or 0) < 0:
            return None
        found = peek_word(memory.k, memory.mm, words[which])
        return None if found is None else f"[{found}]"

    return show


def ioprio_text(value: int) -> str:
    """An I/O priority: class and level."""
    kind, level = value >> 13, value & 0x1FFF
    name = _IOPRIO_CLASS[kind] if kind < len(_IOPRIO_CLASS) else f"{kind:#x} /* IOPRIO_CLASS_??? */"
    return f"IOPRIO_PRIO_VALUE(IOPRIO_CLASS_{name}, {level})"


def _ioprio(index: int, _memory: Memory, words: Words) -> str | None:
    if index == 0:
        return _IOPRIO_WHO.get(words[0])
    return ioprio_text(words[2]) if index == 2 else None


def _rlimit(index: int, memory: Memory, words: Words) -> str | None:
    if index != 1:
        return None
    data = peek(memory.k, memory.mm, words[1], 8)
    if data is None or (memory.result or 0) < 0:
        return address_text(words[1])
    numbers = (int.from_bytes(data[at : at + 4], "little") for at in (0, 4))
    soft, hard = (_limit(number) for number in numbers)
    return f"{{rlim_cur={soft}, rlim_max={hard}}}"


def _limit(number: int) -> str:
    if number == _RLIM_INFINITY:
        return "RLIM_INFINITY"
    return f"{number // 1024}*1024" if number > 1024 and not number % 1024 else str(number)


def _sigreturn(_index: int, memory: Memory, words: Words) -> str:
    sp = memory.k.task_pt_regs(memory.k.current).sp
    low = peek_word(memory.k, memory.mm, sp + _OLD_MASK)
    high = peek_word(memory.k, memory.mm, sp + _EXTRA_MASK)
    return f"{{mask={set_text((low or 0) | (high or 0) << 32)}}}"


def _rt_sigreturn(_index: int, memory: Memory, words: Words) -> str:
    sp = memory.k.task_pt_regs(memory.k.current).sp
    data = peek(memory.k, memory.mm, sp + _RT_MASK, 8)
    return f"{{mask={set_text(int.from_bytes(data or b'', 'little'))}}}"


_CALLS: Mapping[str, Callable[[int, Memory, Words], str | None]] = {
    "clone": _clone,
    "fcntl": _fcntl,
    "fcntl64": _fcntl,
    "getpriority": _priority,
    "setpriority": _priority,
    "ioprio_get": _ioprio,
    "ioprio_set": _ioprio,
    "setrlimit": _rlimit,
    "getrlimit": _rlimit,
    "ugetrlimit": _rlimit,
    "ipc": _ipc,
    "prctl": _prctl,
    "sched_getparam": _sched_param(1),
    "sched_setparam": _sched_param(1),
    "sched_setscheduler": _sched_param(2),
    "sigreturn": _sigreturn,
    "rt_sigreturn": _rt_sigreturn,
}


def result(name: str, value: int) -> str | None:
    """What stands behind `= `, where it is no plain number."""
    if value < 0:
        return None
    if name == "sched_getscheduler":
        return f"{value} ({POLICY_NAMES[value]})" if value in POLICY_NAMES else None
    if name == "signal":
        return f"{value:#x}" if value > 1 else f"{value} ({('SIG_DFL', 'SIG_IGN')[value]})"
    if name == "rt_sigtimedwait" and value:
        return f"{value} ({SIGNAL_NAMES.get(value, value)})"
    if name == "umask":
        return f"0{value:o}" if value else "000"
    if name == "ioprio_get":
        return f"{value} ({ioprio_text(value)})"
    return None
