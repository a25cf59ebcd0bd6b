"""How strace writes the arguments of calls on processes: wait, clone, limits, scheduling, capabilities."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from toykernel.observe.decoding.basic import nonzero_tail, number_at
from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.names import Names, hexadecimal
from toykernel.observe.decoding.names_processes import FLAGS, VALUES
from toykernel.observe.decoding.names_signals import VALUES as SIGNAL_VALUES
from toykernel.observe.decoding.signals import signal_text
from toykernel.observe.decoding.text import address, identifier, quote, struct_text
from toykernel.observe.decoding.times import timeval_text

CSIGNAL = 0xFF
CLONE_PIDFD, CLONE_SETTLS, CLONE_PARENT_SETTID = 0x1000, 0x80000, 0x100000
CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, _CLONE_INTO_CGROUP = 0x200000, 0x1000000, 0x200000000
CHILD_TID = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID
_SHARE = FLAGS["clone_flags"]
_ALL_CLONE = Names(_SHARE.values + FLAGS["clone3_more"].values, _SHARE.unknown)
_CLONE_ARGS, _CLONE_ARGS_LEAST = 88, 64
_E2BIG = -7
PAGE = 4096


def status_text(status: int) -> str:
    """A wait status, in the words of the macros that take it apart."""
    sig, code = status & 0x7F, status >> 8 & 0xFF
    if status == 0xFFFF:
        return "{WIFCONTINUED(s)}"
    if status & 0xFF == 0x7F:
        trap = " | 0x80" if code & 0x80 else ""
        text = f"{{WIFSTOPPED(s) && WSTOPSIG(s) == {signal_text(code & 0x7F)}{trap}}}"
        left = status & ~0xFFFF
    elif sig == 0x7F:
        return hexadecimal(status)
    elif sig:
        core = " && WCOREDUMP(s)" if status & 0x80 else ""
        text = f"{{WIFSIGNALED(s) && WTERMSIG(s) == {signal_text(sig)}{core}}}"
        left = status & ~0xFF
    else:
        text = f"{{WIFEXITED(s) && WEXITSTATUS(s) == {code}}}"
        left = status & ~0xFF00
    if event := left >> 16:
        text += f"|{SIGNAL_VALUES['ptrace_events'].one(event)}<<16"
        left &= 0xFFFF
    return text + (f"|{left:#x}" if left else "")


def _status(c: Call, i: int) -> str:
    status = c.word(c.words[i]) if not c.failed and c.value else None
    return address(c.words[i]) if status is None else f"[{status_text(status)}]"


def rusage_text(c: Call, where: int) -> str:
    """A struct rusage, or its address."""
    data = c.fetch(where, 72)
    if data is None:
        return address(where)
    return f"{{ru_utime={timeval_text(data[:8])}, ru_stime={timeval_text(data[8:16])}, ...}}"


def _wait_rusage(c: Call, i: int) -> str:
    return rusage_text(c, c.words[i]) if not c.failed and c.value else address(c.words[i])


def _limit(number: int, infinity: str, width: int) -> str:
    if number == (1 << width) - 1:
        return infinity
    return f"{number // 1024}*1024" if number > 1024 and not number % 1024 else str(number)


def _rlimit(layout: str, infinity: str, width: int) -> Printer:
    def text(c: Call, i: int) -> str:
        return c.record(
            c.words[i],
            layout,
            lambda soft, hard: (
                f"{{rlim_cur={_limit(soft, infinity, width)}, rlim_max={_limit(hard, infinity, width)}}}"
            ),
        )

    return text


def clone_flags_text(word: int) -> str:
    """Clone's flags, the signal last."""
    sig, flags = word & CSIGNAL, word & ~CSIGNAL
    if not flags:
        return signal_text(sig)
    return _SHARE.flags(flags) + (f"|{signal_text(sig)}" if sig else "")


def user_desc_fields(data: bytes) -> list[str]:
    """A struct user_desc behind its number: what a segment descriptor is made of."""
    base, limit, bits = struct.unpack("<3I", data[4:16])
    members = ("seg_32bit", "contents", "read_exec_only", "limit_in_pages", "seg_not_present")
    fields = [f"base_addr={_wide(base)}", f"limit={_wide(limit)}"]
    at = 0
    for name in (*members, "useable"):
        size = 2 if name == "contents" else 1
        fields.append(f"{name}={bits >> at & (1 << size) - 1}")
        at += size
    return fields


def _wide(word: int) -> str:
    return f"{word:#08x}" if word else "00000000"


def user_desc_text(c: Call, where: int) -> str:
    """A whole struct user_desc, or its address."""
    data = c.fetch(where, 16)
    if data is None:
        return address(where)
    number = int.from_bytes(data[:4], "little")
    return struct_text([f"entry_number={identifier(number)}", *user_desc_fields(data)])


def _get_thread_area(c: Call, i: int) -> str:
    where = c.words[i]
    if c.result is None:
        number = c.word(where)
        c.saved["entry"] = -1 if number is None else number
        c.saved["there"] = number is not None
    if not c.saved["there"]:
        return address(where)
    text = f"{{entry_number={identifier(c.saved['entry'])}"
    data = c.fetch(where, 16)
    if data is None:
        return text + ", ...}"
    now = int.from_bytes(data[:4], "little")
    changed = f" => {identifier(now)}" if now != c.saved["entry"] else ""
    return text + changed + ", " + ", ".join(user_desc_fields(data)) + "}"


def _modify_ldt(c: Call, i: int) -> str:
    return user_desc_text(c, c.words[i]) if c.words[2] == 16 else address(c.words[i])


def _clone_args(c: Call, i: int) -> str:
    where, size = c.words[i], c.words[i + 1]
    known = min(size, _CLONE_ARGS)
    data = c.peek(where, known) if known >= _CLONE_ARGS_LEAST else None
    if data is None:
        return address(where)
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, _CLONE_ARGS, 8)]
    flags, pidfd, child, parent, sig, stack, stack_size, tls, tids, count, cgroup = words
    fields = [f"flags={_ALL_CLONE.flags(flags)}"]
    fields += [f"pidfd={address(pidfd)}"] if flags & CLONE_PIDFD else []
    fields += [f"child_tid={address(child)}"] if flags & CHILD_TID else []
    fields += [f"parent_tid={address(parent)}"] if flags & CLONE_PARENT_SETTID else []
    fields.append(f"exit_signal={signal_text(sig) if sig < 0x7FFFFFFF else sig}")
    fields += [f"stack={address(stack)}", f"stack_size={hexadecimal(stack_size)}"]
    if flags & CLONE_SETTLS:
        fields.append(f"tls={user_desc_text(c, tls)}")
    if tids or count:
        fields.append(f"set_tid={_tids(c, tids, count)}")
        fields.append(f"set_tid_size={count}")
    if known > 80 and (cgroup or flags & _CLONE_INTO_CGROUP):
        fields.append(f"cgroup={cgroup}")
    if size > known and (tail := nonzero_tail(c, where, known, min(size, PAGE))):
        fields.append(tail)
    return struct_text(fields)


def _tids(c: Call, where: int, count: int) -> str:
    if not where or not count or count > 32:
        return address(where)
    return c.array(where, count, 4, lambda data: str(int.from_bytes(data, "little", signed=True)))


def _clone3_answer(c: Call, _i: int) -> str:
    where, size = c.words[:2]
    known = min(size, _CLONE_ARGS)
    data = c.peek(where, known) if known >= _CLONE_ARGS_LEAST and not c.failed else None
    if data is None:
        return ""
    flags, pidfd, _, parent = struct.unpack_from("<4Q", data)
    fields = [f"pidfd={number_at(c, pidfd)}"] if flags & CLONE_PIDFD else []
    fields += [f"parent_tid={number_at(c, parent)}"] if flags & CLONE_PARENT_SETTID else []
    if size > known and (tail := nonzero_tail(c, where, known, min(size, PAGE))):
        fields.append(tail)
    return f" => {struct_text(fields)}" if fields else ""


def _affinity(c: Call, where: int, length: int) -> str:
    size = min(length, 128)
    if c.failed or not where:
        return address(where)
    if not length:
        return "[]"
    data = c.fetch(where, size)
    if data is None:
        return address(where)
    bits = int.from_bytes(data, "little")
    shown = [str(cpu) for cpu in range(8 * len(data)) if bits >> cpu & 1]
    return "[" + " ".join(shown + (["..."] if size < length else [])) + "]"


_ATTR_LEAST, _ATTR_SIZE, _ATTR_VERSION1 = 48, 56, 56
_KEEP_POLICY, _KEEP_PARAMS = 8, 16


def _sched_attr(c: Call, where: int, user_size: int, *, setting: bool) -> str:
    stated = c.word(where) if setting else None
    if (setting and stated is None) or not where or c.failed:
        return address(where)
    size = min((stated or _ATTR_LEAST) if setting else user_size, _ATTR_SIZE)
    data = c.peek(where, size) if not setting or size >= _ATTR_LEAST else b""
    if data is None:
        return address(where)
    data = data.ljust(_ATTR_SIZE, b"\0")
    told, policy, flags, nice, priority, runtime, deadline, period, low, high = struct.unpack(
        "<IIQiIQQQII", data
    )
    told = (stated or 0) if setting else told
    whole = (told or _ATTR_LEAST) if setting else told
    fields = [f"size={told}"]
    shown = min(size, whole) if setting else told
    if shown >= _ATTR_LEAST:
        if not setting or policy >> 31 or not flags & (_KEEP_POLICY | _KEEP_PARAMS):
            fields.append(f"sched_policy={VALUES['policy'].one(policy)}")
        fields.append(f"sched_flags={FLAGS['sched_flags'].flags(flags)}")
        if not setting or not flags & _KEEP_PARAMS:
            fields += [f"sched_nice={nice}", f"sched_priority={priority}"]
            fields += [f"sched_runtime={runtime}", f"sched_deadline={deadline}"]
            fields.append(f"sched_period={period}")
        if shown >= _ATTR_VERSION1:
            fields += [f"sched_util_min={low}", f"sched_util_max={high}"]
    return struct_text([*fields, *(["..."] if whole > shown else [])])


def _setattr_answer(c: Call, _i: int) -> str:
    size = c.word(c.words[1]) if c.result == _E2BIG else None
    return "" if size is None else f" => {{size={size}}}"


def _getattr_out(c: Call, i: int) -> str:
    size = c.words[i + 1]
    return _sched_attr(c, c.words[i], size, setting=False) if size else address(c.words[i])


def ioprio_text(value: int) -> str:
    """An I/O priority: class and level."""
    kind = VALUES["ioprio_class"].one(value >> 13)
    return f"IOPRIO_PRIO_VALUE({kind}, {value & 0x1FFF})"


def _cap_header(c: Call, i: int) -> str:
    data = c.peek(c.words[i], 8)
    if data is None:
        return address(c.words[i])
    version, pid = struct.unpack("<Ii", data)
    return f"{{version={VALUES['cap_version'].one(version)}, pid={pid}}}"


def cap_bits_text(low: int, high: int) -> str:
    """A set of capabilities."""
    shown = [FLAGS["cap_mask0"].flags(low)] if low or not high else []
    return "|".join(shown + ([FLAGS["cap_mask1"].flags(high)] if high else []))


def _cap_data(c: Call, i: int) -> str:
    header = None if c.failed else c.peek(c.words[0], 8)
    if header is None:
        return address(c.words[i])
    version = int.from_bytes(header[:4], "little")
    count = 2 if version in (0x20071026, 0x20080522) else 1
    data = c.fetch(c.words[i], 12 * count)
    if data is None:
        return address(c.words[i])
    words = struct.unpack("<6I", data.ljust(24, b"\0"))
    names = ("effective", "permitted", "inheritable")
    return struct_text(
        f"{name}={cap_bits_text(words[n], words[n + 3])}" for n, name in enumerate(names)
    )


def _utsname(c: Call, i: int) -> str:
    data = c.fetch(c.words[i], 390)
    if data is None:
        return address(c.words[i])
    names = [quote(data[at : at + 65].partition(b"\0")[0]) for at in (0, 65)]
    return f"{{sysname={names[0]}, nodename={names[1]}, ...}}"


_SYSINFO = ("totalram", "freeram", "sharedram", "bufferram", "totalswap", "freeswap")


def _sysinfo(c: Call, i: int) -> str:
    def show(uptime: int, first: int, second: int, third: int, *more: int) -> str:
        fields = [f"uptime={uptime}", f"loads=[{first}, {second}, {third}]"]
        fields += [f"{name}={value}" for name, value in zip(_SYSINFO, more[:6], strict=True)]
        fields += [f"procs={more[6]}", f"totalhigh={more[7]}", f"freehigh={more[8]}"]
        return struct_text([*fields, f"mem_unit={more[9]}"])

    return c.record(c.words[i], "10IH2xIII8x", show)


def _personality(c: Call, i: int) -> str:
    word = c.words[i]
    if word == 0xFFFFFFFF:
        return "0xffffffff"
    return personality_text(word)


def personality_text(word: int) -> str:
    """A personality: its base and its flags."""
    more = word & ~0xFF
    base = VALUES["personality_types"].one(word & 0xFF)
    return base + (f"|{FLAGS['personality_flags'].flags(more)}" if more else "")


def _kexec(c: Call, i: int) -> str:
    if c.words[i - 1] > 16:
        return address(c.words[i])

    def show(data: bytes) -> str:
        buf, size, memory, length = struct.unpack("<4I", data)
        return f"{{buf={address(buf)}, bufsz={size}, mem={address(memory)}, memsz={length}}}"

    return c.array(c.words[i], c.words[i - 1], 16, show)


def _kexec_flags(c: Call, i: int) -> str:
    word = c.words[i]
    flags = word & 0xFFFF
    return VALUES["kexec_arch"].one(word & ~0xFFFF) + (
        f"|{FLAGS['kexec_flags'].flags(flags)}" if flags else ""
    )


PRINTERS: Mapping[str, Printer] = {
    "status": _status,
    "rusage": lambda c, i: rusage_text(c, c.words[i]),
    "wait_rusage": _wait_rusage,
    "rlimit": _rlimit("II", "RLIM_INFINITY", 32),
    "rlimit64": _rlimit("QQ", "RLIM64_INFINITY", 64),
    "clone_stack": lambda c, i: f"child_stack={address(c.words[i])}",
    "clone_bits": lambda c, i: f"flags={clone_flags_text(c.words[i])}",
    "clone_parent": lambda c, i: f"parent_tid={number_at(c, c.words[i])}",
    "clone_tls": lambda c, i: f"tls={user_desc_text(c, c.words[i])}",
    "clone_child": lambda c, i: f"child_tidptr={address(c.words[i])}",
    "clone_args": _clone_args,
    "clone3_answer": _clone3_answer,
    "user_desc": lambda c, i: user_desc_text(c, c.words[i]),
    "thread_area": _get_thread_area,
    "ldt": _modify_ldt,
    "affinity": lambda c, i: _affinity(c, c.words[i], c.words[i - 1]),
    "affinity_out": lambda c, i: _affinity(c, c.words[i], c.value),
    "sched_attr": lambda c, i: _sched_attr(c, c.words[i], 0, setting=True),
    "setattr_answer": _setattr_answer,
    "sched_attr_out": _getattr_out,
    "ioprio": lambda c, i: ioprio_text(c.words[i]),
    "cap_header": _cap_header,
    "cap_data": _cap_data,
    "utsname": _utsname,
    "sysinfo": _sysinfo,
    "personality_word": _personality,
    "kexec_segments": _kexec,
    "kexec_word": _kexec_flags,
    "key": lambda c, i: VALUES["key_spec"].find(c.words[i]) or str(c.signed(i)),
}
