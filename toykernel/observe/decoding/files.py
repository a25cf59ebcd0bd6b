"""How strace writes the arguments of calls on files: flags, stat, locks, directories."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from toykernel.observe.decoding.basic import (
    dirfd_text,
    nonzero_tail,
    number_at,
    path_text,
    signed_text,
)
from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.names import hexadecimal
from toykernel.observe.decoding.names_files import FLAGS, VALUES
from toykernel.observe.decoding.text import (
    address,
    identifier,
    moment,
    octal,
    quote_hex,
    struct_text,
)

O_CREAT, _O_TMPFILE_BIT = 0o100, 0o20000000
_S_IFMT, _S_IFCHR, _S_IFBLK = 0o170000, 0o20000, 0o60000
_UTIME_NOW, _UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
_ST_VALID = 0x20
_EPOLL_CTL_DEL = 2
_MAX_HANDLE = 128
PAGE = 4096


def open_flags_text(word: int) -> str:
    """Access mode and flags of an open file."""
    access = VALUES["open_access"].find(word & 3)
    more = word & ~3 if access is not None else word
    if access is None:
        return FLAGS["open_more"].flags(word)
    if not more:
        return access
    found, left = FLAGS["open_more"].bits(more)
    return "|".join([access, *found, *([f"{left:#x}"] if left else [])])


def mode_text(mode: int) -> str:
    """Type and permissions of a file."""
    kind = VALUES["modetypes"].find(mode & _S_IFMT) if mode & _S_IFMT else ""
    if kind is None:
        return octal(mode)
    special = ((0o4000, "S_ISUID"), (0o2000, "S_ISGID"), (0o1000, "S_ISVTX"))
    named = [name for bit, name in special if mode & bit]
    return "|".join(([kind] if kind else []) + [*named, octal(mode & ~(_S_IFMT | 0o7000))])


def device_text(device: int) -> str:
    """A device's numbers."""
    major = device >> 8 & 0xFFF | device >> 32 & 0xFFFFF000
    minor = device & 0xFF | device >> 12 & 0xFFFFFF00
    return f"makedev({hexadecimal(major)}, {hexadecimal(minor)})"


def _stat(mode: int, size: int, device: int) -> str:
    what = (
        f"st_rdev={device_text(device)}"
        if mode & _S_IFMT in (_S_IFCHR, _S_IFBLK)
        else f"st_size={size}"
    )
    return f"{{st_mode={mode_text(mode)}, {what}, ...}}"


def _stat64_out(c: Call, i: int) -> str:
    layout = "16xI12xQ4xQ44x"  # mode, rdev, size
    return c.record(c.words[i], layout, lambda mode, device, size: _stat(mode, size, device))


def _stat_out(c: Call, i: int) -> str:
    layout = "8xH6xII40x"
    return c.record(c.words[i], layout, lambda mode, device, size: _stat(mode, size, device))


def _oldstat_out(c: Call, i: int) -> str:
    layout = "4xH6xH2xI12x"
    return c.record(c.words[i], layout, lambda mode, device, size: _stat(mode, size, device))


def _statx_flags(c: Call, i: int) -> str:
    word = c.words[i]
    sync = VALUES["at_statx_sync"].flags(word & 0x6000, "")
    rest = word & ~0x6000
    return sync + (f"|{FLAGS['at_flags'].flags(rest, '')}" if rest else "")


def _statx_out(c: Call, i: int) -> str:
    data = c.fetch(c.words[i], 256)
    if data is None:
        return address(c.words[i])
    mask, _, attributes = struct.unpack_from("<IIQ", data)
    mode, size = struct.unpack_from("<H", data, 28)[0], struct.unpack_from("<Q", data, 40)[0]
    fields = [f"stx_mask={FLAGS['statx_masks'].flags(mask)}"]
    fields.append(f"stx_attributes={FLAGS['statx_attrs'].flags(attributes)}")
    if mask & 3:
        fields.append(f"stx_mode={mode_text(mode)}")
    if mask & 0x200:
        fields.append(f"stx_size={size}")
    return struct_text([*fields, "..."])


def _statfs_fields(kind: int, *numbers: int) -> str:
    size, blocks, free, available, files, ffree, low, high, length, fragment, flags = numbers
    fields = [
        f"f_type={VALUES['fsmagic'].one(kind)}",
        *(f"f_bsize={size}", f"f_blocks={blocks}", f"f_bfree={free}", f"f_bavail={available}"),
        *(f"f_files={files}", f"f_ffree={ffree}"),
        f"f_fsid={{val=[{hexadecimal(low)}, {hexadecimal(high)}]}}",
        *(f"f_namelen={length}", f"f_frsize={fragment}"),
    ]
    if flags & _ST_VALID:
        fields.append(f"f_flags={FLAGS['statfs_flags'].flags(flags)}")
    return struct_text(fields)


def _statfs_out(c: Call, i: int) -> str:
    return c.record(c.words[i], "12I16x", _statfs_fields)


def _statfs64_out(c: Call, i: int) -> str:
    if c.words[i - 1] not in (84, 88):
        return address(c.words[i])
    return c.record(c.words[i], "II5Q5I16x", _statfs_fields)


def _flock(layout: str, *, told: bool) -> Printer:
    def show(c: Call, i: int) -> str:
        def fields(kind: int, whence: int, start: int, length: int, pid: int) -> str:
            return struct_text(
                [
                    f"l_type={VALUES['lockfcmds'].one(kind)}",
                    f"l_whence={VALUES['seek_whence'].one(whence)}",
                    f"l_start={start}",
                    f"l_len={length}",
                    *([f"l_pid={pid}"] if told else []),
                ]
            )

        return c.record(c.words[i], layout, fields)

    return show


def _owner(c: Call, i: int) -> str:
    return c.record(
        c.words[i],
        "Ii",
        lambda kind, pid: f"{{type={VALUES['f_owner_types'].one(kind)}, pid={pid}}}",
    )


def _open_how(c: Call, i: int) -> str:
    where, size = c.words[i], c.words[i + 1]
    data = c.fetch(where, 24) if size >= 24 else None
    if data is None:
        return address(where)
    flags, mode, resolve = struct.unpack("<3Q", data)
    fields = [f"flags={open_flags_text(flags)}"]
    if flags & (O_CREAT | _O_TMPFILE_BIT) or mode:
        fields.append(f"mode={octal(mode)}")
    fields.append(f"resolve={FLAGS['open_resolve'].flags(resolve)}")
    if size > 24 and (tail := nonzero_tail(c, where, 24, min(size, PAGE))):
        fields.append(tail)
    return struct_text(fields)


def _dirents(header: int, length_at: int) -> Printer:
    def show(c: Call, i: int) -> str:
        where, left = c.words[i], c.value
        if c.failed or left > c.words[i + 1]:
            return address(where)
        count, notes, at = 0, "", where
        while left >= header:
            data = c.fetch(at, header)
            if data is None:
                break
            count += 1
            length = int.from_bytes(data[length_at : length_at + 2], "little")
            if length > left:
                notes += f" /* d_reclen {length - left} bytes overflow */"
                left = 0
                break
            if length < header:
                notes += f" /* d_reclen {header - length} bytes underflow */"
                left -= header
                break
            at, left = at + length, left - length
            if not left:
                break
        return f"{address(where)}{notes} /* {count}{'+' if left else ''} entries */"

    return show


def _readdir(c: Call, i: int) -> str:
    data = c.fetch(c.words[i], 10) if c.value else None
    if data is None:
        return address(c.words[i])
    inode, offset, length = struct.unpack("<IIH", data)
    name = path_text(c, c.words[i] + 10, min(length, 256))
    return f"{{d_ino={inode}, d_off={offset}, d_reclen={length}, d_name={name}}}"


def _epoll_event_text(data: bytes) -> str:
    events, number = struct.unpack("<IQ", data)
    shown = FLAGS["epollevents"].flags(events)
    return f"{{events={shown}, data={{u32={number & 0xFFFFFFFF}, u64={number}}}}}"


def _epoll_event(c: Call, i: int) -> str:
    data = c.fetch(c.words[i], 12) if c.words[1] != _EPOLL_CTL_DEL else None
    return address(c.words[i]) if data is None else _epoll_event_text(data)


def _fanotify_mask(c: Call, i: int) -> str:
    return FLAGS["fan_event_flags"].flags(c.double(i) % (1 << 64))


def _fanotify_flags(c: Call, i: int) -> str:
    shown = VALUES["fan_classes"].one(c.words[i] & 12)
    rest = c.words[i] & ~12
    return shown + (f"|{FLAGS['fan_init_flags'].flags(rest)}" if rest else "")


def _fanotify_dirfd(c: Call, i: int) -> str:
    return "FAN_NOFD" if c.words[i] == 0xFFFFFFFF else dirfd_text(c.words[i])


def _swap_flags(c: Call, i: int) -> str:
    priority, flags = c.words[i] & 0x7FFF, c.words[i] & ~0x7FFF
    return (f"{FLAGS['swap_flags'].flags(flags)}|" if flags else "") + str(priority)


def _handle_text(c: Call, where: int, size: int) -> str:
    data = c.peek(where + 8, min(size, _MAX_HANDLE))
    if data is None:
        return "???"
    return quote_hex(data) + ("..." if size > _MAX_HANDLE else "")


def _handle(c: Call, i: int) -> str:
    """What name_to_handle_at fills: at the entry its size, at the end all of it."""
    where = c.words[i]
    if c.result is None:
        size = c.word(where) if c.peek(where, 8) is not None else None
        c.saved["handle"] = -1 if size is None else size
    size = c.saved["handle"]
    if size < 0:
        return address(where)
    text = f"{{handle_bytes={size}"
    if c.result is not None and (not c.failed or c.result == -75):
        data = c.peek(where, 8)
        if data is not None:
            now, kind = struct.unpack("<Ii", data)
            text += f" => {now}" if now != size else ""
            if not c.failed:
                text += f", handle_type={kind}, f_handle={_handle_text(c, where, now)}"
    return text + "}"


def _handle_in(c: Call, i: int) -> str:
    where = c.words[i]
    return c.record(
        where,
        "Ii",
        lambda size, kind: (
            f"{{handle_bytes={size}, handle_type={kind}, f_handle={_handle_text(c, where, size)}}}"
        ),
    )


def _mount_attr(c: Call, i: int) -> str:
    where, size = c.words[i], c.words[i + 1]
    data = c.fetch(where, 32) if size >= 32 else None
    if data is None:
        return address(where)
    to_set, to_clear, propagation, userns = struct.unpack("<4Q", data)
    fields = [
        f"attr_set={FLAGS['mount_attr'].flags(to_set)}",
        f"attr_clr={FLAGS['mount_attr'].flags(to_clear)}",
        f"propagation={VALUES['mount_attr_propagation'].one(propagation)}",
        f"userns_fd={userns}",
    ]
    if size > 32 and (tail := nonzero_tail(c, where, 32, min(size, PAGE))):
        fields.append(tail)
    return struct_text(fields)


def _landlock_attr(c: Call, i: int) -> str:
    where, size = c.words[i], c.words[i + 1]
    data = c.fetch(where, 8) if size >= 8 else None
    if data is None:
        return address(where)
    access = FLAGS["landlock_access"].flags(int.from_bytes(data, "little"))
    return f"{{handled_access_fs={access}{', ...' if size > 8 else ''}}}"


def _landlock_rule(c: Call, i: int) -> str:
    if c.words[1] != 1:
        return address(c.words[i])
    return c.record(
        c.words[i],
        "Qi",
        lambda access, fd: (
            f"{{allowed_access={FLAGS['landlock_access'].flags(access)}, parent_fd={fd}}}"
        ),
    )


def _ustat(c: Call, i: int) -> str:
    return c.record(
        c.words[i], "iI12x", lambda free, inodes: f"{{f_tfree={free}, f_tinode={inodes}}}"
    )


def timestamp_utime(data: bytes, layout: str) -> str:
    """A time of a file, which may be "now" or "as it is"."""
    seconds, ns = struct.unpack(layout, data)
    if ns in (_UTIME_NOW, _UTIME_OMIT):
        return "UTIME_NOW" if ns == _UTIME_NOW else "UTIME_OMIT"
    wide = 1 << 8 * len(data) // 2
    return f"{{tv_sec={seconds}, tv_nsec={ns % wide}}}{moment(seconds, ns, 9)}"


def _pair(size: int, show: Callable[[bytes], str]) -> Printer:
    def text(c: Call, i: int) -> str:
        data = c.fetch(c.words[i], 2 * size)
        if data is None:
            return address(c.words[i])
        return f"[{show(data[:size])}, {show(data[size:])}]"

    return text


def _timeval_utime(data: bytes) -> str:
    seconds, us = struct.unpack("<ii", data)
    return f"{{tv_sec={seconds}, tv_usec={us % (1 << 32)}}}{moment(seconds, us, 6)}"


def _utimbuf(c: Call, i: int) -> str:
    return c.record(
        c.words[i],
        "ii",
        lambda access, change: (
            f"{{actime={access}{moment(access)}, modtime={change}{moment(change)}}}"
        ),
    )


PRINTERS: Mapping[str, Printer] = {
    "open_flags": lambda c, i: open_flags_text(c.words[i]),
    "typed_mode": lambda c, i: mode_text(c.words[i] & 0xFFFF),
    "device": lambda c, i: device_text(c.words[i]),
    "stat_out": _stat_out,
    "stat64_out": _stat64_out,
    "oldstat_out": _oldstat_out,
    "statx_flags": _statx_flags,
    "statx_out": _statx_out,
    "statfs_out": _statfs_out,
    "statfs64_out": _statfs64_out,
    "flock": _flock("HHiii", told=False),
    "flock_out": _flock("HHiii", told=True),
    "flock64": _flock("HHqqi", told=False),
    "flock64_out": _flock("HHqqi", told=True),
    "owner_ex": _owner,
    "open_how": _open_how,
    "dirents": _dirents(10, 8),
    "dirents64": _dirents(19, 16),
    "readdir_out": _readdir,
    "epoll_event": _epoll_event,
    "epoll_events_out": lambda c, i: c.array(c.words[i], c.value, 12, _epoll_event_text),
    "fanotify_flags": _fanotify_flags,
    "fanotify_mask": _fanotify_mask,
    "fanotify_dirfd": _fanotify_dirfd,
    "swapflags": _swap_flags,
    "handle": _handle,
    "handle_mount": lambda c, i: (
        address(c.words[i]) if c.saved["handle"] < 0 else number_at(c, c.words[i])
    ),
    "handle_in": _handle_in,
    "mount_attrs": _mount_attr,
    "landlock_attr": _landlock_attr,
    "landlock_rule_attr": _landlock_rule,
    "ustat_out": _ustat,
    "utime_pair": _pair(8, lambda data: timestamp_utime(data, "<ii")),
    "utime_pair64": _pair(16, lambda data: timestamp_utime(data, "<qq")),
    "timeval_pair": _pair(8, _timeval_utime),
    "utimbuf": _utimbuf,
    "advice_low": lambda c, i: VALUES["advise"].one(c.words[i]),
    "seek_offset": lambda c, i: signed_text(c.words[i]),
    "llseek_offset": lambda c, i: str(
        (c.words[i] << 32 | c.words[i + 1]) - ((1 << 64) if c.words[i] >> 31 else 0)
    ),
    "identifier": lambda c, i: identifier(c.words[i]),
}
