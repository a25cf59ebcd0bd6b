"""Calls whose arguments depend on one of them: fcntl, prctl, ptrace, futex, keyctl, seccomp and their kin.

A form is the text that toykernel/observe/decoding/table.py reads: the printers of the arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from toykernel.observe.decoding import ioctl
from toykernel.observe.decoding.call import Call
from toykernel.observe.decoding.ipc import controls_at_end

_O_CREAT_BITS = 0o20000100
_FCNTL = {
    0: "int",
    2: "fdflags",
    4: "open_flags",
    6: "flock",
    7: "flock",
    8: "pid",
    10: "signal",
    15: "owner_ex",
    37: "flock64",
    38: "flock64",
    1024: "lockfcmds",
    1026: "notifyflags",
    1030: "int",
    1031: "int",
    1033: "f_seals",
    5: ">flock_out",
    36: ">flock64_out",
    16: ">owner_ex",
    1: "",
    3: "",
    9: "",
    11: "",
    1025: "",
    1032: "",
    1034: "",
}
_FCNTL64 = {**_FCNTL, 12: ">flock64_out", 13: "flock64", 14: "flock64"}


def _fcntl(c: Call) -> str:
    table = _FCNTL64 if c.name == "fcntl64" else _FCNTL
    return f"fd fcntl_cmd {table.get(c.words[1], 'hex')}"


def _open(c: Call) -> str:
    at = 1 if c.name == "openat" else 0
    mode = " mode" if c.words[at + 1] & _O_CREAT_BITS else ""
    return ("dirfd " if at else "") + f"path open_flags{mode}"


def _mq_open(c: Call) -> str:
    return "path open_flags" + (" mode queue_attr" if c.words[1] & 0o100 else "")


def _mknod(c: Call) -> str:
    at = 1 if c.name == "mknodat" else 0
    device = " device" if c.words[at + 1] & 0o170000 in (0o20000, 0o60000) else ""
    return ("dirfd " if at else "") + f"path typed_mode{device}"


def _mremap(c: Call) -> str:
    return "address uint uint mremap_flags" + (" address" if c.words[3] & 3 == 3 else "")


def _old_mmap(c: Call) -> str:
    return "address" if c.peek(c.words[0], 24) is None else "mmap_words"


def _clone(c: Call) -> str:
    flags = c.words[0]
    form = "clone_stack@1 clone_bits@0"
    form += " +clone_parent@2" if flags & 0x100000 else " +clone_pidfd@2" if flags & 0x1000 else ""
    form += " +clone_tls@3" if flags & 0x80000 else ""
    return form + (" +clone_child@4" if flags & 0x1200000 else "")


_FUTEX = {
    0: "uint {ts}",
    6: "{ts}@3",
    13: "{ts}@3",
    9: "uint {ts} futexbitset@5",
    10: "uint futexbitset@5",
    3: "uint uint address",
    4: "uint uint address uint",
    12: "uint uint address uint",
    5: "uint uint address wake_op",
    11: "uint {ts} address",
    1: "uint",
    2: "uint",
    7: "",
    8: "",
}


def _futex(c: Call) -> str:
    form = _FUTEX.get(c.words[1] & 127, "uint address address hex")
    time = "timespec64" if c.name == "futex_time64" else "timespec"
    return "address futexops " + form.replace("{ts}", time)


_NO_MORE = frozenset((7, 21, 30, 13, 31, 32, 3, 27, 46, 51, 64))
_PRCTL = {
    **dict.fromkeys((37, 19, 9, 11), ">uint_at"),
    **dict.fromkeys((36, 20, 10, 12, 8, 14), "uint"),
    16: ">comm_out",
    2: ">signal_at",
    40: ">hex_at",
    25: ">tsc_at",
    5: ">unalign_at",
    50: "sve",
    63: "sme",
    52: "pr_spec",
    4: "pr_dumpable",
    23: "cap",
    24: "cap",
    15: "comm_in",
    35: "pr_set_mm hex hex hex",
    1: "death_signal",
    0x59616D61: "ptracer",
    28: "secbits",
    29: "int",
    26: "pr_tsc",
    6: "pr_unalign",
    45: "pr_fp_mode",
    38: "uint hex hex hex",
    41: "uint hex hex hex",
    57: "uint hex hex hex",
    59: "pr_sud hex hex address",
    55: "tagged hex hex hex",
    54: "pac_all hex hex hex",
    60: "pac_enabled pac_enabled hex hex",
}


def _prctl(c: Call) -> str:
    option, second = c.words[:2]
    form = "hex hex hex hex"
    if option in _NO_MORE:
        form = ""
    elif option in _PRCTL:
        form = _PRCTL[option]
    elif option == 47:
        form = "pr_cap_ambient " + ("cap hex hex" if second in (1, 2, 3) else "hex hex hex")
    elif option == 33:
        form = "pr_mce_kill " + ("pr_mce_policy" if second == 1 else "hex") + " hex hex"
    elif option == 0x53564D41:
        form = "pr_set_vma " + ("hex hex hex" if second else "address uint string")
    elif option == 22:
        form = "seccomp_mode" + {1: "", 2: " filter_program"}.get(second, " hex hex hex")
    elif option == 53:
        form = "pr_spec " + ("spec_set" if second in (0, 1, 2) else "hex")
    elif option == 62:
        last = ">hex64_at" if second == 0 else "address"
        form = f"sched_core int core_pid {last}"
    return f"prctl_options {form}"


_PTRACE = {
    0: "",
    16: "pid",
    8: "pid",
    0x4207: "pid",
    0x4208: "pid",
    3: "pid user_offset >hex_at",
    2: "pid address >hex_at",
    1: "pid address >hex_at",
    6: "pid user_offset address",
    7: "pid address signal",
    17: "pid address signal",
    24: "pid address signal",
    9: "pid address signal",
    33: "pid address signal",
    31: "pid address signal",
    32: "pid address signal",
    0x4206: "pid address ptrace_options",
    0x4200: "pid address ptrace_options",
    21: "pid address ptrace_options",
    0x4203: "pid address siginfo",
    0x4202: "pid address >siginfo",
    0x4201: "pid address >uint_at",
    0x420B: "pid uint sigset_before",
    0x420A: "pid uint >sigset_before",
    0x4209: "pid peek_args >siginfos",
    0x4204: "pid nt_types >regset",
    0x4205: "pid nt_types >regset_in",
    13: "pid regs@3",
    12: "pid >regs@3",
    15: "pid fpregs@3",
    14: "pid >fpregs@3",
    0x420C: "pid uint >address",
    0x420E: "pid uint >syscall_info",
    0x420D: "pid uint >metadata",
}


def _ptrace(c: Call) -> str:
    return "ptrace_cmds " + _PTRACE.get(c.words[0], "pid address address")


def _seccomp(c: Call) -> str:
    forms = {1: "seccomp_filter_flags filter_program", 2: "hex action_at", 3: "hex >notif_sizes"}
    return "seccomp_ops " + forms.get(c.words[0], "hex address")


_KEYCTL = {
    0: "key int",
    1: "string",
    2: "key buffer uint",
    3: "key",
    7: "key",
    21: "key",
    16: "key",
    8: "key key",
    9: "key key",
    6: "key >key_text uint",
    11: "key >read_buffer uint",
    17: "key >key_text uint",
    10: "key string string key",
    4: "key id id",
    5: "key key_perms",
    12: "key buffer uint key",
    13: "key uint key",
    14: "reqkey",
    15: "key uint",
    18: "",
    19: "key uint error_word key",
    20: "key iovec uint key",
    22: "id key",
    29: "key string string",
    30: "key key key key_move",
}


def _keyctl(c: Call) -> str:
    return "keyctl_commands " + _KEYCTL.get(c.words[0], "hex hex hex hex")


_FSCONFIG = {
    0: "long_string address int",
    1: "long_string long_string int",
    2: "long_string binary int",
    3: "long_string path dirfd",
    4: "long_string path dirfd",
    5: "long_string address fd",
}


def _fsconfig(c: Call) -> str:
    return "fd fsconfig_cmds " + _FSCONFIG.get(c.words[1], "address address int")


#: What Q_GETQUOTA, Q_SETQUOTA and Q_GETNEXTQUOTA point to.
_QUOTAS = {0x800007: "quota", 0x800008: "quota", 0x800009: "next_quota"}


def _quotactl(c: Call) -> str:
    head = "fd quota_command@1" if c.name == "quotactl_fd" else "quota_command path@1"
    if c.name == "quotactl_fd":
        head = "fd quota_command"
    command = c.words[1 if c.name == "quotactl_fd" else 0] >> 8
    if command in (0x800001, 0x800003, 0x5807):
        return head
    if command == 0x800002:
        return f"{head} quota_formats@2 path"
    if command in (0x800007, 0x800009, 0x5803, 0x5809):
        return f"{head} id@2 >{_QUOTAS.get(command, 'address')}"
    return f"{head} id@2 {_QUOTAS.get(command, 'address')}"


def _kcmp(c: Call) -> str:
    forms = {0: " fd fd", 7: " fd epoll_slot", **dict.fromkeys(range(1, 7), "")}
    return "pid pid kcmp_types" + forms.get(c.words[2], " hex hex")


def _membarrier(c: Call) -> str:
    return "membarrier_cmd membarrier_flags" + (" int" if c.words[1] & 1 else "")


def _reboot(c: Call) -> str:
    return "reboot_magic1 reboot_magic2 reboot_cmd" + (
        " arg255" if c.words[2] == 0xA1B2C3D4 else ""
    )


def _mount(c: Call) -> str:
    flags = c.words[3]
    kind, data = "string", "string"
    if flags & 0xFFFF0000 == 0xC0ED0000:
        flags &= 0xFFFF
    if flags & 0x20:
        kind = "address"
    elif flags & 0x1E3000:
        kind = data = "address"
    return f"path path {kind} mount_word {data}"


def _syslog(c: Call) -> str:
    kind = c.words[0]
    if kind in (0, 1, 5, 6, 7, 9, 10):
        return "syslog_kind"
    if kind in (2, 3, 4):
        return "syslog_kind >read_buffer int"
    return "syslog_kind address " + ("syslog_word" if kind == 8 else "int")


def _readdir(c: Call) -> str:
    return "fd >readdir_out" + ("" if c.words[2] == 1 else " uint")


def _sendfile(c: Call) -> str:
    return f"fd fd {'long' if c.name.endswith('64') else 'word'}_moved +moved uint@3"


def _msgctl(c: Call) -> str:
    end = ">" if controls_at_end("msg", c.words[1]) else ""
    return f"int msg_command {end}msg_control@{3 if c.indirect else 2}"


def _shmctl(c: Call) -> str:
    end = ">" if controls_at_end("shm", c.words[1]) else ""
    return f"int shm_command {end}shm_control@{3 if c.indirect else 2}"


def _semctl(c: Call) -> str:
    end = ">" if controls_at_end("sem", c.words[2]) else ""
    return f"int int sem_command {end}sem_control@3"


def _semop(c: Call) -> str:
    return "int operations_through@3 uint@1" if c.indirect else "int operations uint"


def _semtimedop(c: Call) -> str:
    if c.indirect:
        return "int operations_through@3 uint@1 timespec@4"
    return "int operations uint timespec64"


def _msgsnd(c: Call) -> str:
    return (
        "int message_through uint@1 ipc_msg_flags@2"
        if c.indirect
        else "int message uint ipc_msg_flags"
    )


def _msgrcv(c: Call) -> str:
    if not c.indirect:
        return "int >message uint int ipc_msg_flags"
    if c.saved.get("version"):
        return "int >message_through uint@1 int@4 ipc_msg_flags@2"
    return "int >receive_through@3 ipc_msg_flags@2"


def _shmat(c: Call) -> str:
    return "int address@3 shm_flags@1" if c.indirect else "int address shm_flags"


def _arch_prctl(c: Call) -> str:
    option = c.words[0]
    if option in (0x1003, 0x1004):
        return "arch_prctl >hex_at"
    return "arch_prctl" + ("" if option == 0x1011 else " hex")


#: Calls by name: the form that their registers ask for.
FORMS: Mapping[str, Callable[[Call], str]] = {
    "fcntl": _fcntl,
    "fcntl64": _fcntl,
    "open": _open,
    "openat": _open,
    "mq_open": _mq_open,
    "mknod": _mknod,
    "mknodat": _mknod,
    "mremap": _mremap,
    "mmap": _old_mmap,
    "clone": _clone,
    "futex": _futex,
    "futex_time64": _futex,
    "prctl": _prctl,
    "ptrace": _ptrace,
    "seccomp": _seccomp,
    "keyctl": _keyctl,
    "fsconfig": _fsconfig,
    "quotactl": _quotactl,
    "quotactl_fd": _quotactl,
    "kcmp": _kcmp,
    "membarrier": _membarrier,
    "reboot": _reboot,
    "mount": _mount,
    "syslog": _syslog,
    "readdir": _readdir,
    "sendfile": _sendfile,
    "sendfile64": _sendfile,
    "msgctl": _msgctl,
    "shmctl": _shmctl,
    "semctl": _semctl,
    "semop": _semop,
    "semtimedop": _semtimedop,
    "semtimedop_time64": _semtimedop,
    "msgsnd": _msgsnd,
    "msgrcv": _msgrcv,
    "shmat": _shmat,
    "shmdt": lambda c: f"address@{3 if c.indirect else 0}",
    "arch_prctl": _arch_prctl,
    "ioctl": ioctl.form,
}
