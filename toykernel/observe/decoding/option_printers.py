"""How strace writes the arguments of prctl, ptrace, seccomp and other calls of many uses."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace

from toykernel.observe.decoding import ioctl
from toykernel.observe.decoding.basic import (
    bounded_text,
    buffer_text,
    error_text,
    hex_text,
    iovec_text,
    number_at,
    signed_text,
)
from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.ipc import map_flags_text
from toykernel.observe.decoding.names import Names, hexadecimal, names
from toykernel.observe.decoding.names_files import FLAGS as FILE_FLAGS
from toykernel.observe.decoding.names_files import VALUES as FILE_VALUES
from toykernel.observe.decoding.names_memory import FLAGS as MEMORY_FLAGS
from toykernel.observe.decoding.names_memory import VALUES as MEMORY_VALUES
from toykernel.observe.decoding.names_processes import FLAGS, VALUES
from toykernel.observe.decoding.names_signals import FLAGS as SIGNAL_FLAGS
from toykernel.observe.decoding.names_sockets import VALUES as SOCKET_VALUES
from toykernel.observe.decoding.processes import ioprio_text
from toykernel.observe.decoding.signals import kernel_sigset, siginfo_text, signal_text, sigset_text
from toykernel.observe.decoding.text import address, struct_text

_MS_MGC_VAL = 0xC0ED0000
_ACTIONS = names(
    "SECCOMP_RET_???",
    """SECCOMP_RET_KILL_PROCESS=0x80000000 SECCOMP_RET_KILL_THREAD=0 SECCOMP_RET_TRAP=0x30000
    SECCOMP_RET_ERRNO=0x50000 SECCOMP_RET_USER_NOTIF=0x7fc00000 SECCOMP_RET_TRACE=0x7ff00000
    SECCOMP_RET_LOG=0x7ffc0000 SECCOMP_RET_ALLOW=0x7fff0000""",
)
_PAC = Names(FLAGS["pac_enabled"].values + FLAGS["pac_keys"].values, "PR_PAC_???")
#: struct user_regs_struct of i386 at its offsets, and the debug registers.
_USER_REGS = [
    "ebx",
    "ecx",
    "edx",
    "esi",
    "edi",
    "ebp",
    "eax",
    "xds",
    "xes",
    "xfs",
    "xgs",
    "orig_eax",
    "eip",
    "xcs",
    "eflags",
    "esp",
    "xss",
]


def _mount_word(c: Call, i: int) -> str:
    word = c.words[i]
    magic = word & 0xFFFF0000 == _MS_MGC_VAL
    flags = word & 0xFFFF if magic else word
    shown = ["MS_MGC_VAL"] if magic else []
    return "|".join(
        shown + ([FILE_FLAGS["mount_flags"].flags(flags)] if flags or not magic else [])
    )


def _at(table: Names, *, flags: bool = False) -> Printer:
    def text(c: Call, i: int) -> str:
        return c.record(c.words[i], "I", lambda n: f"[{table.flags(n) if flags else table.one(n)}]")

    return text


def _mmap_words(c: Call, i: int) -> str:
    data = c.peek(c.words[i], 24) or bytes(24)
    where, length, prot, flags, fd, offset = struct.unpack("<4IiI", data)
    shown = MEMORY_FLAGS["prot"].flags(prot)
    return ", ".join(
        [address(where), str(length), shown, map_flags_text(flags), str(fd), hexadecimal(offset)]
    )


def _tagged(c: Call, i: int) -> str:
    word = c.words[i]
    text = "PR_TAGGED_ADDR_ENABLE" if word & 1 else "!PR_TAGGED_ADDR_ENABLE"
    text += f"|{VALUES['tagged_mte'].one(word & 6)}"
    text += f"|{word >> 3 & 0xFFFF:#x}<<PR_MTE_TAG_SHIFT" if word >> 3 & 0xFFFF else ""
    rest = word & ~0x7FFFF
    return text + (f"|{rest:#x}" if rest else "")


def vector_length_text(word: int, table: str) -> str:
    """The length of a vector register, and how it is kept."""
    flags = word & ~0xFFFF
    return (f"{FLAGS[table].flags(flags)}|" if flags else "") + hexadecimal(word & 0xFFFF)


def _user_offset(c: Call, i: int) -> str:
    word = c.words[i]
    if word < 68:
        name = f"4*{_USER_REGS[word // 4].removeprefix('x').upper()}"
        name = _OFFSET_NAMES[word // 4]
        return name + (f"+{word % 4}" if word % 4 else "")
    for base, name in reversed(_OFFSETS):
        if word >= base:
            if base == _OFFSETS[-1][0] and word > base:
                break
            return name + (f"+{word - base}" if word > base else "")
    return address(word)


_OFFSET_NAMES = (
    *(
        "4*EBX",
        "4*ECX",
        "4*EDX",
        "4*ESI",
        "4*EDI",
        "4*EBP",
        "4*EAX",
        "4*DS",
        "4*ES",
        "4*FS",
        "4*GS",
    ),
    *("4*ORIG_EAX", "4*EIP", "4*CS", "4*EFL", "4*UESP", "4*SS"),
)
_OFFSETS = (
    (68, "offsetof(struct user, u_fpvalid)"), (72, "offsetof(struct user, i387)"),
    (180, "offsetof(struct user, u_tsize)"), (184, "offsetof(struct user, u_dsize)"),
    (188, "offsetof(struct user, u_ssize)"), (192, "offsetof(struct user, start_code)"),
    (196, "offsetof(struct user, start_stack)"), (200, "offsetof(struct user, signal)"),
    (204, "offsetof(struct user, reserved)"), (208, "offsetof(struct user, u_ar0)"),
    (212, "offsetof(struct user, u_fpstate)"), (216, "offsetof(struct user, magic)"),
    (220, "offsetof(struct user, u_comm)"),
    *((252 + 4 * n, f"offsetof(struct user, u_debugreg) + {4 * n}") for n in range(8)),
    (284, "sizeof(struct user)"),
)  # fmt: skip


def _regs(c: Call, i: int) -> str:
    data = c.fetch(c.words[i], 68)
    if data is None:
        return address(c.words[i])
    words = struct.unpack("<17I", data)
    fields = [f"{name}={hexadecimal(word)}" for name, word in zip(_USER_REGS, words, strict=True)]
    return struct_text(fields)


def _fpregs(c: Call, i: int) -> str:
    data = c.fetch(c.words[i], 108)
    if data is None:
        return address(c.words[i])
    words = [hexadecimal(word) for word in struct.unpack("<27I", data)]
    members = ("cwd", "swd", "twd", "fip", "fcs", "foo", "fos")
    fields = [f"{name}={word}" for name, word in zip(members, words[:7], strict=True)]
    return struct_text([*fields, f"st_space=[{', '.join(words[7:])}]"])


def _peek_args(c: Call, i: int) -> str:
    return c.record(
        c.words[i],
        "QII",
        lambda off, flags, count: (
            f"{{off={off}, flags={SIGNAL_FLAGS['ptrace_peeksiginfo'].flags(flags)}, nr={count}}}"
        ),
    )


def _quota_command(c: Call, i: int) -> str:
    word = c.words[i]
    command, kind = (
        FILE_VALUES["quotacmds"].one(word >> 8),
        FILE_VALUES["quotatypes"].one(word & 0xFF),
    )
    return f"QCMD({command}, {kind})"


def _quota(*, with_id: bool) -> Printer:
    members = ("bhardlimit", "bsoftlimit", "curspace", "ihardlimit", "isoftlimit", "curinodes")

    def text(c: Call, i: int) -> str:
        data = c.fetch(c.words[i], 72 if with_id else 68)
        if data is None:
            return address(c.words[i])
        found = zip(members, struct.unpack_from("<6Q", data), strict=True)
        fields = [f"dqb_{name}={value}" for name, value in found]
        fields += [f"dqb_id={int.from_bytes(data[68:72], 'little')}"] if with_id else []
        return struct_text([*fields, "..."])

    return text


def _epoll_slot(c: Call, i: int) -> str:
    return c.record(c.words[i], "iiI", lambda e, t, off: f"{{efd={e}, tfd={t}, toff={off}}}")


def _moved(size: int) -> Printer:
    return lambda c, i: number_at(c, c.words[i], size, signed=False)


def _moved_to(c: Call, _i: int) -> str:
    wide = c.name.endswith("64")
    where = c.words[2]
    there = c.peek(where, 8 if wide else 4) is not None
    if c.failed or not c.value or not there or (not wide and not c.words[3]):
        return ""
    return f" => {number_at(c, where, 8 if wide else 4, signed=False)}"


def _sysctl(c: Call, i: int) -> str:
    return c.record(
        c.words[i],
        "IiIIII16x",
        lambda name, count, old, old_length, new, length: (
            f"{{name={address(name)}, nlen={count}, oldval={address(old)}, "
            f"oldlenp={address(old_length)}, newval={address(new)}, newlen={length}}}"
        ),
    )


def _io_event(data: bytes) -> str:
    given, control, first, second = struct.unpack("<QQqq", data)
    return f"{{data={hexadecimal(given)}, obj={hexadecimal(control)}, res={first}, res2={second}}}"


_IOCB_DATA, _IOCB_VECTOR, _IOCB_POLL = (0, 1), (7, 8), 5


def _iocb_text(c: Call, where: int, *, whole: bool) -> str:
    """A struct iocb; its header alone, or also what its operation needs."""
    found = c.unpack(where, "QIIHhIQQqQII")
    if found is None:
        return address(where)
    given, key, how, operation, priority, fd, buf, count, offset, _, flags, event = found
    fields = [f"aio_data={hexadecimal(given)}"]
    fields += [f"aio_key={key}"] if key else []
    fields += [f"aio_rw_flags={FILE_FLAGS['rwf_flags'].flags(how)}"] if how else []
    named = VALUES["aio_cmds"].find(operation) or f"{operation} /* IOCB_CMD_??? */"
    fields.append(f"aio_lio_opcode={named}")
    if flags & 2:
        fields.append(f"aio_reqprio={ioprio_text(priority & 0xFFFF)}")
    elif priority:
        fields.append(f"aio_reqprio={priority}")
    fields.append(f"aio_fildes={signed_text(fd)}")
    valid = buf < 1 << 32 and count < 1 << 31
    if not whole or operation not in (*_IOCB_DATA, *_IOCB_VECTOR, _IOCB_POLL):
        return struct_text(fields)
    if operation in _IOCB_DATA:
        shown = buffer_text(c, buf, count) if operation and valid else hexadecimal(buf)
        fields += [f"aio_buf={shown}", f"aio_nbytes={count}", f"aio_offset={offset}"]
    elif operation in _IOCB_VECTOR:
        if valid:
            fields.append(f"aio_buf={iovec_text(c, buf, count, addresses=operation == 7)}")
        else:
            fields += [f"aio_buf={hexadecimal(buf)}", f"aio_nbytes={count}"]
        fields.append(f"aio_offset={offset}")
    else:
        fields.append(f"aio_buf={FILE_FLAGS['pollflags'].flags(buf)}")
    names_of_flags = names("IOCB_FLAG_???", "IOCB_FLAG_RESFD=1 IOCB_FLAG_IOPRIO=2")
    fields += [f"aio_flags={names_of_flags.flags(flags)}"] if flags else []
    if flags & 1:
        fields.append(f"aio_resfd={signed_text(event)}")
    elif event:
        fields.append(f"aio_resfd={event:#x}")
    return struct_text(fields)


def _iocbs(c: Call, i: int) -> str:
    if c.words[1] >> 31:
        return address(c.words[i])
    return c.array(
        c.words[i],
        c.words[1],
        4,
        lambda data: _iocb_text(c, int.from_bytes(data, "little"), whole=True),
    )


def _uring_params(c: Call, i: int) -> str:
    """struct io_uring_params: what is asked at the entry, what was granted at the end."""
    where = c.words[i]
    data = c.peek(where, 120)
    if c.result is None:
        c.saved["there"] = data is not None
        if data is not None:
            words = struct.unpack_from("<10I", data)
            c.saved.update((f"asked{n}", word) for n, word in enumerate(words))
    if not c.saved["there"]:
        return address(where)
    asked = [c.saved[f"asked{n}"] for n in range(10)]
    fields = [f"flags={FLAGS['uring_setup_flags'].flags(asked[2])}"]
    fields += [f"sq_thread_cpu={hexadecimal(asked[3])}", f"sq_thread_idle={asked[4]}"]
    fields += [f"wq_fd={signed_text(asked[6])}"] if asked[2] & 0x20 else []
    if any(asked[7:]):
        fields.append(f"resv=[{', '.join(map(hexadecimal, asked[7:]))}]")
    if data is not None and not c.failed and c.result is not None:
        entries, completions, *_ = struct.unpack_from("<2I", data)
        fields += [f"sq_entries={entries}", f"cq_entries={completions}"]
        features = int.from_bytes(data[20:24], "little")
        fields.append(f"features={FLAGS['uring_features'].flags(features)}")
        fields.append(f"sq_off={_ring(data[40:80], 'dropped array')}")
        fields.append(f"cq_off={_ring(data[80:120], 'overflow cqes')}")
    return struct_text(fields)


def _ring(data: bytes, two: str) -> str:
    """Where the members of a ring are."""
    words = struct.unpack("<8IQ", data)
    first, second = two.split()
    names_of = ["head", "tail", "ring_mask", "ring_entries", "flags", first, second]
    if first == "overflow":
        names_of = ["head", "tail", "ring_mask", "ring_entries", first, second, "flags"]
    fields = [f"{name}={word}" for name, word in zip(names_of, words[:7], strict=True)]
    fields += [f"resv{n}={word:#x}" for n, word in enumerate(words[7:], 1) if word]
    return struct_text(fields)


def _verbose(table: Names, word: int, number: str) -> str:
    found = table.find(word)
    return f"{number} /* {found or table.unknown} */"


PRINTERS: Mapping[str, Printer] = {
    "mount_word": _mount_word,
    "mmap_words": _mmap_words,
    "clone_pidfd": lambda c, i: f"parent_tid={number_at(c, c.words[i])}",
    "comm_out": lambda c, i: address(c.words[i]) if c.failed else bounded_text(c, c.words[i], 16),
    "comm_in": lambda c, i: bounded_text(c, c.words[i], 15),
    "signal_at": lambda c, i: c.record(c.words[i], "i", lambda n: f"[{signal_text(n)}]"),
    "death_signal": lambda c, i: str(c.words[i]) if c.words[i] > 128 else signal_text(c.signed(i)),
    "tsc_at": _at(VALUES["pr_tsc"]),
    "unalign_at": _at(FLAGS["pr_unalign"], flags=True),
    "action_at": _at(_ACTIONS),
    "ptracer": lambda c, i: "PR_SET_PTRACER_ANY" if c.words[i] == 0xFFFFFFFF else str(c.signed(i)),
    "sve": lambda c, i: vector_length_text(c.words[i], "sve_flags"),
    "sme": lambda c, i: vector_length_text(c.words[i], "sme_flags"),
    "tagged": _tagged,
    "pac_all": lambda c, i: _PAC.flags(c.words[i]),
    "core_pid": lambda c, i: _verbose(
        VALUES["sched_core_pid"], c.words[i], hexadecimal(c.words[i])
    ),
    "hex64_at": lambda c, i: c.record(c.words[i], "Q", lambda n: f"[{hexadecimal(n)}]"),
    "user_offset": _user_offset,
    "regs": _regs,
    "fpregs": _fpregs,
    "regset": lambda c, i: address(c.words[i]),
    "regset_in": lambda c, i: address(c.words[i]),
    "syscall_info": lambda c, i: address(c.words[i]),
    "metadata": lambda c, i: address(c.words[i]),
    "sigset_before": lambda c, i: sigset_text(c, c.words[i], c.words[i - 1]),
    "siginfos": lambda c, i: c.array(c.words[i], c.value, 128, siginfo_text),
    "peek_args": _peek_args,
    "notif_sizes": lambda c, i: c.record(
        c.words[i],
        "3H",
        lambda a, b, d: f"{{seccomp_notif={a}, seccomp_notif_resp={b}, seccomp_data={d}}}",
    ),
    "key_text": lambda c, i: (
        address(c.words[i])
        if c.failed
        else buffer_text(c, c.words[i], min(c.value, c.words[i + 1]), omit_nul=True)
    ),
    "reqkey": lambda c, i: (
        VALUES["key_reqkeys"].find(c.words[i]) or f"{c.signed(i)} /* KEY_REQKEY_DEFL_??? */"
    ),
    "secret_flags": lambda c, i: MEMORY_FLAGS["memfd_secret_flags"].flags(c.words[i]) or "0",
    "key_move": lambda c, i: names("KEYCTL_MOVE_???", "KEYCTL_MOVE_EXCL=1").flags(c.words[i]),
    "error_word": lambda c, i: error_text(c.words[i]),
    "long_string": lambda c, i: bounded_text(c, c.words[i], 256),
    "binary": lambda c, i: (
        hex_text(c, c.words[i], c.words[i + 1])
        if c.words[i + 1] <= 1 << 20
        else address(c.words[i])
    ),
    "arg255": lambda c, i: bounded_text(c, c.words[i], 255),
    "quota_command": _quota_command,
    "quota": _quota(with_id=False),
    "next_quota": _quota(with_id=True),
    "epoll_slot": _epoll_slot,
    "syslog_kind": lambda c, i: _verbose(VALUES["syslog_action"], c.words[i], str(c.signed(i))),
    "syslog_word": lambda c, i: _verbose(VALUES["syslog_level"], c.words[i], str(c.signed(i))),
    "word_moved": _moved(4),
    "long_moved": _moved(8),
    "moved": _moved_to,
    "sysctl": _sysctl,
    "ipc_call": lambda c, i: _ipc_call(c.words[i]),
    "socket_call": lambda c, i: SOCKET_VALUES["socketcalls"].find(c.words[i]) or str(c.signed(i)),
    "restarted": lambda c, _i: f"<... resuming interrupted {c.previous or 'system call'} ...>",
    "kernel_sigset_read": lambda c, i: kernel_sigset(replace(c, result=None), c.words[i]),
    "ioctl_request": lambda c, i: ioctl.request_text(c.words[i]),
    "ioctl_argument": ioctl.argument_text,
    "iocbs": _iocbs,
    "iocb": lambda c, i: _iocb_text(c, c.words[i], whole=False),
    "uring_params": _uring_params,
    "io_event": lambda c, i: c.record(c.words[i], "32s", _io_event),
    "io_events": lambda c, i: c.array(c.words[i], c.value, 32, _io_event),
}


def _ipc_call(word: int) -> str:
    version, call = word >> 16, word & 0xFFFF
    shown = MEMORY_VALUES["ipccalls"].find(call) or str(call)
    return (f"{version}<<16|" if version else "") + shown
