"""How strace writes what io_uring_register registers."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from toykernel.observe.decoding.basic import iovec_text, nonzero_tail
from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.names import Names, hexadecimal, names
from toykernel.observe.decoding.names_processes import VALUES
from toykernel.observe.decoding.text import ARRAY_LIMIT, address, struct_text

(BUFFERS, FILES, EVENTFD, FILES_UPDATE, EVENTFD_ASYNC, PROBE) = (0, 2, 4, 6, 7, 8)
(RESTRICTIONS, FILES2, FILES_UPDATE2, BUFFERS2, BUFFERS_UPDATE) = (11, 13, 14, 15, 16)
(IOWQ_AFF, IOWQ_MAX_WORKERS, RING_FDS, NO_RING_FDS, PBUF_RING, NO_PBUF_RING) = (17, *range(19, 24))
_MOST_OPS = 256  # of which a probe tells
_PAGE = 4096
_OPS = """NOP READV WRITEV FSYNC READ_FIXED WRITE_FIXED POLL_ADD POLL_REMOVE SYNC_FILE_RANGE
    SENDMSG RECVMSG TIMEOUT TIMEOUT_REMOVE ACCEPT ASYNC_CANCEL LINK_TIMEOUT CONNECT
    FALLOCATE OPENAT CLOSE FILES_UPDATE STATX READ WRITE FADVISE MADVISE SEND RECV OPENAT2
    EPOLL_CTL SPLICE PROVIDE_BUFFERS REMOVE_BUFFERS TEE SHUTDOWN RENAMEAT UNLINKAT MKDIRAT
    SYMLINKAT LINKAT MSG_RING FSETXATTR SETXATTR FGETXATTR GETXATTR SOCKET URING_CMD"""
_OP = Names(tuple((n, f"IORING_OP_{name}") for n, name in enumerate(_OPS.split())), "IORING_OP_???")
_OP_FLAGS = names("IO_URING_OP_???", "IO_URING_OP_SUPPORTED=1")
_RESTRICTION = names(
    "IORING_RESTRICTION_???",
    """IORING_RESTRICTION_REGISTER_OP=0 IORING_RESTRICTION_SQE_OP=1
    IORING_RESTRICTION_SQE_FLAGS_ALLOWED=2 IORING_RESTRICTION_SQE_FLAGS_REQUIRED=3""",
)
_SQE_FLAGS = names(
    "IOSQE_???",
    """IOSQE_FIXED_FILE=1 IOSQE_IO_DRAIN=2 IOSQE_IO_LINK=4 IOSQE_IO_HARDLINK=8 IOSQE_ASYNC=0x10
    IOSQE_BUFFER_SELECT=0x20 IOSQE_CQE_SKIP_SUCCESS=0x40""",
)
_RSRC_FLAGS = names("IORING_RSRC_REGISTER_???", "IORING_RSRC_REGISTER_SPARSE=1")
_WORKERS = ("IO_WQ_BOUND", "IO_WQ_UNBOUND")


def _int(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _hex_array(numbers: tuple[int, ...]) -> str:
    return "[" + ", ".join(map(hexadecimal, numbers)) + "]"


def _decimal(table: Names, value: int) -> str:
    """A name, or the number in decimal with its comment."""
    return table.find(value) or f"{value} /* {table.unknown} */"


def _descriptors(c: Call, where: int, count: int) -> str:
    return c.array(where, count, 4, lambda data: str(_int(data)))


def _updated(c: Call, where: int, count: int) -> str:
    """Descriptors, and of those that stay as they are the name for that."""
    return c.array(
        where,
        count,
        4,
        lambda data: "IORING_REGISTER_FILES_SKIP" if _int(data) == -2 else str(_int(data)),
    )


def _files_update(c: Call, where: int, count: int) -> str:
    def show(offset: int, reserved: int, fds: int) -> str:
        fields = [f"offset={offset}"] + ([f"resv={reserved:#x}"] if reserved else [])
        return struct_text([*fields, f"fds={_updated(c, fds, count)}"])

    return c.record(where, "IIQ", show)


def _restriction(data: bytes) -> str:
    opcode, op, reserved, *more = struct.unpack("<HBB3I", data)
    text = f"opcode={_RESTRICTION.one(opcode)}"
    if opcode == 0:
        text += f", register_op={VALUES['uring_opcodes'].one(op)}"
    elif opcode == 1:
        text += f", sqe_op={_OP.one(op)}"
    elif opcode in (2, 3):
        text += f", sqe_flags={_SQE_FLAGS.flags(op)}"
    else:
        text += f" /* op: {hexadecimal(op)} */"
    fields = [text] + ([f"resv={reserved:#x}"] if reserved else [])
    return struct_text([*fields, *([f"resv2={_hex_array(tuple(more))}"] if any(more) else [])])


def _resources(c: Call, opcode: int, data: int, tags: int, count: int) -> list[str]:
    """What is registered, and the tags of each."""
    if opcode == FILES2:
        shown = _descriptors(c, data, count)
    elif opcode == FILES_UPDATE2:
        shown = _updated(c, data, count)
    else:
        shown = iovec_text(c, data, count, addresses=True)
    tag = c.array(tags, count, 8, lambda found: hexadecimal(int.from_bytes(found, "little")))
    return [f"data={shown}", f"tags={tag}"]


def _rsrc(c: Call, where: int, size: int) -> str:
    """struct io_uring_rsrc_register, or of an update io_uring_rsrc_update2."""
    opcode = c.words[1]
    found = c.unpack(where, "IIQQQ" if opcode in (FILES2, BUFFERS2) else "IIQQII")
    if size < 32 or found is None:
        return address(where)
    if opcode in (FILES2, BUFFERS2):
        count, flags, reserved, data, tags = found
        fields = [f"nr={count}", f"flags={_RSRC_FLAGS.flags(flags)}"]
        fields += [f"resv2={reserved:#x}"] if reserved else []
        fields += _resources(c, opcode, data, tags, count)
    else:
        offset, reserved, data, tags, count, more = found
        fields = [f"offset={offset}"] + ([f"resv={reserved:#x}"] if reserved else [])
        fields += [*_resources(c, opcode, data, tags, count), f"nr={count}"]
        fields += [f"resv2={more:#x}"] if more else []
    if size > 32 and (tail := nonzero_tail(c, where, 32, min(size, _PAGE))):
        fields.append(tail)
    return struct_text(fields)


def _ring_fd(data: bytes, *, registers: bool) -> str:
    offset, reserved, value = struct.unpack("<IIQ", data)
    first_free = registers and offset == 0xFFFFFFFF
    fields = [f"offset={-1 if first_free else offset}"]
    fields += [f"resv={reserved:#x}"] if reserved else []
    if registers:
        fields.append(f"data={_int(data[8:12])}")
    elif value:
        fields.append(f"data={value:#x}")
    return struct_text(fields)


def _buffer_ring(c: Call, where: int) -> str:
    def show(ring: int, entries: int, group: int, pad: int, *reserved: int) -> str:
        fields = [f"ring_addr={address(ring)}", f"ring_entries={entries}", f"bgid={group}"]
        fields += [f"pad={pad:#x}"] if pad else []
        return struct_text([*fields, *([f"resv={_hex_array(reserved)}"] if any(reserved) else [])])

    return c.record(where, "QIHH3Q", show)


def _register(c: Call, i: int) -> str:
    """What is told once, at the entry."""
    opcode, where, count = c.words[1:4]
    if opcode == BUFFERS:
        return iovec_text(c, where, count, addresses=True)
    if opcode in (FILES, EVENTFD, EVENTFD_ASYNC):
        return _descriptors(c, where, count)
    if opcode == FILES_UPDATE:
        return _files_update(c, where, count)
    if opcode == RESTRICTIONS:
        return c.array(where, count, 16, _restriction)
    if opcode in (FILES2, FILES_UPDATE2, BUFFERS2, BUFFERS_UPDATE):
        return _rsrc(c, where, count)
    if opcode in (RING_FDS, NO_RING_FDS):
        registers = opcode == RING_FDS
        return c.array(where, count, 16, lambda data: _ring_fd(data, registers=registers))
    return _buffer_ring(c, where) if opcode in (PBUF_RING, NO_PBUF_RING) else address(where)


# -- those that tell something at their end ---------------------------------------------------------


def _probe_text(c: Call, where: int, count: int) -> str:
    """struct io_uring_probe: which operations there are; as many as there is room for."""
    data = c.peek(where, 16 + 8 * count)
    if data is None:
        return address(where)
    last, length, reserved, *more = struct.unpack_from("<BBH3I", data)
    fields = [f"last_op={_decimal(_OP, last)}", f"ops_len={length}"]
    fields += [f"resv={reserved:#x}"] if reserved else []
    fields += [f"resv2={_hex_array(tuple(more))}"] if any(more) else []
    room = count if c.result is None else min(length, count)
    ops = []
    for n in range(min(room, ARRAY_LIMIT)):
        op, pad, flags, rest = struct.unpack_from("<BBHI", data, 16 + 8 * n)
        text = [f"op={_decimal(_OP, op)}"] + ([f"resv={pad:#x}"] if pad else [])
        text.append(f"flags={_OP_FLAGS.flags(flags)}")
        ops.append(struct_text([*text, *([f"resv2={rest:#x}"] if rest else [])]))
    if room > ARRAY_LIMIT or (c.result is not None and count < length):
        ops.append("...")
    return struct_text([*fields, f"ops=[{', '.join(ops)}]"])


def _workers_text(c: Call, where: int, count: int) -> tuple[str, bool]:
    """How many workers of each kind, and whether all of them could be read."""
    if not where or not count:
        return ("[]" if where else "NULL"), False
    shown: list[str] = []
    for n in range(count):
        data = c.fetch(where + 4 * n, 4)
        if data is None:
            more = f"... /* {where + 4 * n:#x} */"
            return f"[{', '.join([*shown, more])}]" if n else address(where), False
        if n == ARRAY_LIMIT:
            return f"[{', '.join([*shown, '...'])}]", True
        kind = _WORKERS[n] if n < len(_WORKERS) else f"{n} /* IO_WQ_??? */"
        shown.append(f"[{kind}]={int.from_bytes(data, 'little')}")
    return f"[{', '.join(shown)}]", True


def save(c: Call) -> None:
    """At the entry: whether there is something to tell now, and something at the end."""
    opcode, where, count = c.words[1:4]
    if opcode == PROBE and count <= _MOST_OPS:
        data = c.peek(where, 16 + 8 * count)
        if data is not None:
            c.saved["shown"] = any(data)
    if opcode == IOWQ_MAX_WORKERS and _workers_text(c, where, count)[1]:
        c.saved["shown"] = 1


def form(c: Call) -> str:
    """The printers of the arguments, by what is registered."""
    what = {PROBE: "probe", IOWQ_MAX_WORKERS: "workers"}.get(c.words[1], "")
    if c.words[1] == IOWQ_AFF:
        return "fd uring_opcodes uring_affinity uint"
    if "shown" not in c.saved:
        return f"fd uring_opcodes {'uring_workers' if what == 'workers' else 'uring_register'} uint"
    if not c.saved["shown"]:
        return "fd uring_opcodes >uring_probe_out uint"
    return f"fd uring_opcodes uring_{what} +uring_{what}_answer@2 uint@3"


def _probe_out(c: Call, i: int) -> str:
    return address(c.words[i]) if c.failed else _probe_text(c, c.words[i], c.words[i + 1])


def _probe_answer(c: Call, i: int) -> str:
    return "" if c.failed else f" => {_probe_text(c, c.words[i], c.words[i + 1])}"


PRINTERS: Mapping[str, Printer] = {
    "uring_register": _register,
    "uring_probe": lambda c, i: _probe_text(c, c.words[i], c.words[i + 1]),
    "uring_probe_out": _probe_out,
    "uring_probe_answer": _probe_answer,
    "uring_workers": lambda c, i: _workers_text(c, c.words[i], c.words[i + 1])[0],
    "uring_workers_answer": lambda c, i: f" => {_workers_text(c, c.words[i], c.words[i + 1])[0]}",
}
