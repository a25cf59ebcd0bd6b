"""How strace writes calls that are newer than its release 6.1."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from toykernel.observe.decoding.basic import buffer_text, nonzero_tail
from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.names import hexadecimal, names
from toykernel.observe.decoding.names_files import FLAGS as FILE_FLAGS
from toykernel.observe.decoding.text import address, struct_text
from toykernel.observe.decoding.times import waiter_text

PAGE = 4096
_FUTEX2_SIZES = ("FUTEX2_SIZE_U8", "FUTEX2_SIZE_U16", "FUTEX2_SIZE_U32", "FUTEX2_SIZE_U64")
_FUTEX2 = names("", "FUTEX2_NUMA=4 FUTEX2_MPOL=8 FUTEX2_PRIVATE=0x80")
_SHADOW = names("SHADOW_STACK_???", "SHADOW_STACK_SET_TOKEN=1")
_LSM_ATTRIBUTES = names(
    "LSM_ATTR_???",
    """LSM_ATTR_UNDEF=0 LSM_ATTR_CURRENT=100 LSM_ATTR_EXEC=101 LSM_ATTR_FSCREATE=102
    LSM_ATTR_KEYCREATE=103 LSM_ATTR_PREV=104 LSM_ATTR_SOCKCREATE=105""",
)
_XFLAGS = names(
    "FS_XFLAG_???",
    """FS_XFLAG_REALTIME=1 FS_XFLAG_PREALLOC=2 FS_XFLAG_IMMUTABLE=8 FS_XFLAG_APPEND=0x10
    FS_XFLAG_SYNC=0x20 FS_XFLAG_NOATIME=0x40 FS_XFLAG_NODUMP=0x80 FS_XFLAG_RTINHERIT=0x100
    FS_XFLAG_PROJINHERIT=0x200 FS_XFLAG_NOSYMLINKS=0x400 FS_XFLAG_EXTSIZE=0x800
    FS_XFLAG_EXTSZINHERIT=0x1000 FS_XFLAG_NODEFRAG=0x2000 FS_XFLAG_FILESTREAM=0x4000
    FS_XFLAG_DAX=0x8000 FS_XFLAG_COWEXTSIZE=0x10000 FS_XFLAG_HASATTR=0x80000000""",
)


def _futex2(c: Call, i: int) -> str:
    size, more = c.words[i] & 3, c.words[i] & ~3
    return _FUTEX2_SIZES[size] + (f"|{_FUTEX2.flags(more)}" if more else "")


def _cachestat_range(c: Call, i: int) -> str:
    return c.record(
        c.words[i], "QQ", lambda off, length: f"{{off={hexadecimal(off)}, len={length}}}"
    )


def _cachestat(c: Call, i: int) -> str:
    members = ("nr_cache", "nr_dirty", "nr_writeback", "nr_evicted", "nr_recently_evicted")
    return c.record(
        c.words[i],
        "5Q",
        lambda *found: struct_text(f"{n}={v}" for n, v in zip(members, found, strict=True)),
    )


def _xattr_args(c: Call, i: int) -> str:
    where, size = c.words[i], c.words[i + 1]
    data = c.fetch(where, 16) if size >= 16 else None
    if data is None:
        return address(where)
    value, length, flags = struct.unpack("<QII", data)
    shown = length if c.result is None or c.name == "setxattrat" else c.value
    text = address(value) if shown > 65536 else buffer_text(c, value, shown, omit_nul=True)
    fields = [f"value={text}", f"size={length}", f"flags={FILE_FLAGS['xattrflags'].flags(flags)}"]
    if size > 16 and (tail := nonzero_tail(c, where, 16, min(size, PAGE))):
        fields.append(tail)
    return struct_text(fields)


def _file_attr(c: Call, i: int) -> str:
    where, size = c.words[i], c.words[i + 1]
    data = c.fetch(where, 24) if 24 <= size <= PAGE else None
    if data is None:
        return address(where)
    flags, extent, extents, project, cow = struct.unpack("<QIIII", data)
    fields = [f"fa_xflags={_XFLAGS.flags(flags)}", f"fa_extsize={extent}"]
    fields += [f"fa_nextents={extents}"] if c.name == "file_getattr" else []
    fields += [f"fa_projid={hexadecimal(project)}", f"fa_cowextsize={cow}"]
    if size > 24 and (tail := nonzero_tail(c, where, 24, size)):
        fields.append(tail)
    return struct_text(fields)


def _mount_request(c: Call, i: int) -> str:
    where = c.words[i]
    size = c.unpack(where, "I")
    if size is None:
        return address(where)
    fields = [f"size={size[0]}"]
    if size[0] < 24:
        return struct_text(fields)
    data = c.fetch(where, min(size[0], 32))
    if data is None:
        return struct_text([*fields, "???"])
    fd, mount, what, namespace = struct.unpack("<4xiQQQ", data.ljust(32, b"\0"))
    named = mount == (1 << 64) - 1 and c.name == "listmount"
    fields += [f"mnt_ns_fd={fd}", f"mnt_id={'LSMT_ROOT' if named else hexadecimal(mount)}"]
    fields.append(f"param={hexadecimal(what)}")
    fields += [f"mnt_ns_id={hexadecimal(namespace)}"] if size[0] >= 32 else []
    return struct_text(fields)


PRINTERS: Mapping[str, Printer] = {
    "futex2_flags": _futex2,
    "waiters2": lambda c, i: c.array(c.words[i], 2, 24, waiter_text),
    "cachestat_range": _cachestat_range,
    "cachestat_out": _cachestat,
    "shadow_flags": lambda c, i: _SHADOW.flags(c.words[i]),
    "lsm_attr": lambda c, i: _LSM_ATTRIBUTES.one(c.words[i]),
    "xattr_args": _xattr_args,
    "file_attr": _file_attr,
    "mount_request": _mount_request,
}
