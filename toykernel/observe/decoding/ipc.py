"""How strace writes the arguments of System V IPC, of POSIX queues and of memory policies."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from toykernel.errno import NAMES
from toykernel.observe.decoding.basic import bounded_text, buffer_text
from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.names import Names, hexadecimal
from toykernel.observe.decoding.names_files import FLAGS as FILE_FLAGS
from toykernel.observe.decoding.names_memory import FLAGS, VALUES
from toykernel.observe.decoding.text import address, identifier, octal, struct_text

IPC_64, IPC_SET, IPC_STAT, IPC_INFO = 0x100, 1, 2, 3
_HUGE_SHIFT, _HUGE_MASK = 26, 0x3F << 26


def map_flags_text(word: int) -> str:
    """Kind and flags of a mapping, the size of huge pages last."""
    kind = FLAGS["mmap_more"].one(word & 15, "MAP_???")
    flags, huge = word & ~15 & ~_HUGE_MASK, word & _HUGE_MASK
    shown = [kind] + ([FLAGS["mmap_more"].flags(flags)] if flags else [])
    return "|".join(shown + ([f"{huge >> _HUGE_SHIFT}<<MAP_HUGE_SHIFT"] if huge else []))


def _memfd_flags(c: Call, i: int) -> str:
    word = c.words[i]
    flags, huge = word & ~_HUGE_MASK, word & _HUGE_MASK
    shown = [FLAGS["memfd_flags"].flags(flags)] if flags or not huge else []
    return "|".join(shown + ([f"{huge >> _HUGE_SHIFT}<<MFD_HUGE_SHIFT"] if huge else []))


def _resource_flags(c: Call, i: int) -> str:
    return _with_mode(FLAGS["resource_flags"], c.words[i] & ~0o777, "", c.words[i] & 0o777)


def _with_mode(table: Names, flags: int, huge: str, mode: int) -> str:
    """Flags and permissions; where no flag has a name, strace leaves the bar out."""
    found, left = table.bits(flags)
    named = [*found, *([f"{left:#x}"] if left and found else []), *([huge] if huge else [])]
    if left and not found:
        return "|".join([f"{left:#x}", *named]) + ("|" if huge else "") + octal(mode)
    return "|".join([*named, octal(mode)])


def _shm_flags(c: Call, i: int) -> str:
    word = c.words[i] & ~0o777
    flags, huge = word & ~_HUGE_MASK, word & _HUGE_MASK
    shown = [FLAGS["shm_resource_flags"].flags(flags)] if flags else []
    shown += [f"{huge >> _HUGE_SHIFT}<<SHM_HUGE_SHIFT"] if huge else []
    return "|".join([*shown, octal(c.words[i] & 0o777)])


def _command(table: str) -> Printer:
    def text(c: Call, i: int) -> str:
        word = c.words[i]
        names = VALUES[table]
        return ("IPC_64|" if word & IPC_64 else "") + names.one(word & ~IPC_64)

    return text


def _perm(data: bytes, *, setting: bool) -> str:
    key, uid, gid, cuid, cgid, mode = struct.unpack("<5IH", data[:22])
    fields = [f"uid={identifier(uid)}", f"gid={identifier(gid)}", f"mode={octal(mode)}"]
    if not setting:
        fields += [f"key={key}", f"cuid={identifier(cuid)}", f"cgid={identifier(cgid)}"]
    return struct_text(fields)


def _msqid(data: bytes, *, setting: bool) -> str:
    sent, _, received, _, changed, _, _, number, size, sender, receiver = struct.unpack(
        "<6I3I2i", data[36:80]
    )
    fields = [f"msg_perm={_perm(data, setting=setting)}"]
    if not setting:
        fields += [f"msg_stime={sent}", f"msg_rtime={received}", f"msg_ctime={changed}"]
        fields.append(f"msg_qnum={number}")
    fields.append(f"msg_qbytes={size}")
    if not setting:
        fields += [f"msg_lspid={sender}", f"msg_lrpid={receiver}"]
    return struct_text(fields)


def _shmid(data: bytes, *, setting: bool) -> str:
    size, attached, _, detached, _, changed, _, creator, last, count = struct.unpack(
        "<7I2iI", data[36:76]
    )
    fields = [f"shm_perm={_perm(data, setting=setting)}"]
    if not setting:
        fields += [f"shm_segsz={size}", f"shm_cpid={creator}", f"shm_lpid={last}"]
        fields += [f"shm_nattch={count}", f"shm_atime={attached}", f"shm_dtime={detached}"]
        fields.append(f"shm_ctime={changed}")
    return struct_text(fields)


def _semid(data: bytes, *, setting: bool) -> str:
    operated, _, changed, _, number = struct.unpack("<5I", data[36:56])
    fields = [f"sem_perm={_perm(data, setting=setting)}"]
    if not setting:
        fields += [f"sem_otime={operated}", f"sem_ctime={changed}", f"sem_nsems={number}"]
    return struct_text(fields)


_MSGINFO = "msgpool msgmap msgmax msgmnb msgmni msgssz msgtql"
_SEMINFO = "semmap semmni semmns semmnu semmsl semopm semume semusz semvmx semaem"
_SHMINFO = "shmmax shmmin shmmni shmseg shmall"
_SHM_INFO = "shm_tot shm_rss shm_swp swap_attempts swap_successes"


def _named(names: str, values: tuple[int, ...]) -> str:
    return struct_text(f"{n}={v}" for n, v in zip(names.split(), values, strict=True))


def control_text(c: Call, where: int, kind: str, command: int) -> str | None:
    """What the last argument of msgctl, semctl or shmctl points to; None for no such command."""
    setting = command == IPC_SET
    info = {"msg": 12, "sem": 19, "shm": 14}[kind]
    stats = {"msg": (11, 13), "sem": (18, 20), "shm": (13, 15)}[kind]
    if setting or command == IPC_STAT or command in stats:
        size, show = {"msg": (88, _msqid), "sem": (64, _semid), "shm": (84, _shmid)}[kind]
        data = c.fetch(where, size)
        return None if data is None else show(data, setting=setting)
    if command not in (IPC_INFO, info):
        return None
    if kind == "msg":
        found = c.unpack(where, "7iH")
        return None if found is None else _named(_MSGINFO + " msgseg", found)
    if kind == "sem":
        found = c.unpack(where, "10i")
        return None if found is None else _named(_SEMINFO, found)
    if command == IPC_INFO:
        found = c.unpack(where, "5I16x")
        return None if found is None else _named(_SHMINFO, found)
    found = c.unpack(where, "i5I")
    return None if found is None else _named("used_ids " + _SHM_INFO, found)


def _control(kind: str) -> Printer:
    def text(c: Call, i: int) -> str:
        where = c.words[i]
        command = c.words[2 if kind == "sem" else 1] & ~IPC_64
        through = kind == "sem" and c.indirect
        if through:  # ipc hands over the address of the union
            if c.result is None or "union" not in c.saved:
                found = c.word(where)
                if found is None:
                    return address(where)
                c.saved["union"] = found
            where = c.saved["union"]
        shown = control_text(c, where, kind, command)
        if shown is not None:
            return shown
        return f"[{address(where)}]" if through else address(where)

    return text


def controls_at_end(kind: str, command: int) -> bool:
    """Whether the end of the call fills in what its last argument points to."""
    info = {"msg": (12, 11, 13), "sem": (19, 18, 20), "shm": (14, 13, 15)}[kind]
    return command & ~IPC_64 in (IPC_STAT, IPC_INFO, *info)


def _operation(data: bytes) -> str:
    number, change, flags = struct.unpack("<HhH", data)
    return f"{{sem_num={number}, sem_op={change}, sem_flg={FLAGS['semop_flags'].flags(flags)}}}"


def _message(where_at: int, size_at: int) -> Printer:
    def text(c: Call, _i: int) -> str:
        return message_text(c, c.words[where_at], c.words[size_at])

    return text


def message_text(c: Call, where: int, size: int) -> str:
    """A struct msgbuf: type and text."""
    return c.record(
        where, "i4x", lambda kind: f"{{mtype={kind}, mtext={buffer_text(c, where + 4, size)}}}"
    )


def _old_receive(c: Call, i: int) -> str:
    """ipc's msgrcv: the address of a pair, buffer and type."""
    found = c.unpack(c.words[i], "Ii")
    if found is None:
        return f"{address(c.words[i])}, {c.words[1]}"
    return f"{message_text(c, found[0], c.words[1])}, {c.words[1]}, {found[1]}"


def _queue_attr(c: Call, i: int) -> str:
    named = c.name != "mq_open"

    def show(flags: int, most: int, size: int, now: int) -> str:
        shown = FILE_FLAGS["mq_attr_flags"].flags(flags) if named else hexadecimal(flags)
        return f"{{mq_flags={shown}, mq_maxmsg={most}, mq_msgsize={size}, mq_curmsgs={now}}}"

    return c.record(c.words[i], "I3i16x", show)


def nodemask(c: Call, where: int, most: int) -> str:
    """A set of nodes of a machine with several memories, in words."""
    words = ((most + 30) & 0xFFFFFFFFFFFFFFFF) // 32
    if words < most // 32 or (most and not words):
        return address(where)
    return c.array(where, words, 4, _node_word)


def _node_word(data: bytes) -> str:
    word = int.from_bytes(data, "little")
    return f"{word:#08x}" if word else "00000000"


def _policy_mode(c: Call, i: int) -> str:
    word = c.words[i]
    flags = word & 0xE000
    if not flags:
        return VALUES["mpol_modes"].one(word)
    mode = VALUES["mpol_modes"].find(word & ~0xE000)
    if mode is None:
        return FLAGS["mpol_mode_flags"].flags(word)
    return f"{mode}|{FLAGS['mpol_mode_flags'].flags(flags)}"


def _policy_out(c: Call, i: int) -> str:
    return c.record(c.words[i], "I", lambda mode: f"[{VALUES['mpol_modes'].one(mode)}]")


def _page_status(data: bytes) -> str:
    value = int.from_bytes(data, "little", signed=True)
    return f"-{NAMES[-value]}" if -value in NAMES else str(value)


def _mmap_offset(c: Call, i: int) -> str:
    return hexadecimal(c.words[i] << 12)


PRINTERS: Mapping[str, Printer] = {
    "map_flags": lambda c, i: map_flags_text(c.words[i]),
    "page_offset": _mmap_offset,
    "memfd_word": _memfd_flags,
    "ipc_key": lambda c, i: hexadecimal(c.words[i]) if c.words[i] else "IPC_PRIVATE",
    "resource_word": _resource_flags,
    "shm_word": _shm_flags,
    "msg_command": _command("msgctl"),
    "sem_command": _command("semctl"),
    "shm_command": _command("shmctl"),
    "msg_control": _control("msg"),
    "sem_control": _control("sem"),
    "shm_control": _control("shm"),
    "operations": lambda c, i: c.array(c.words[i], c.words[i + 1], 6, _operation),
    "operations_through": lambda c, i: c.array(c.words[i], c.words[1], 6, _operation),
    "message": _message(1, 2),
    "message_through": _message(3, 1),
    "receive_through": _old_receive,
    "queue_attr": _queue_attr,
    "policy_mode": _policy_mode,
    "policy_out": _policy_out,
    "nodes": lambda c, i: nodemask(c, c.words[i], c.words[i + 1]),
    "nodes_before": lambda c, i: nodemask(c, c.words[i], c.words[1]),
    "pages": lambda c, i: c.array(
        c.words[i], c.words[1], 4, lambda data: address(int.from_bytes(data, "little"))
    ),
    "page_nodes": lambda c, i: c.array(
        c.words[i], c.words[1], 4, lambda data: str(int.from_bytes(data, "little", signed=True))
    ),
    "page_status": lambda c, i: c.array(c.words[i], c.words[1], 4, _page_status),
    "memfd_name": lambda c, i: bounded_text(c, c.words[i], 250),
}
