"""statmount and listmount (fs/namespace.c): what a mount is, by its number, and which there are."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.uaccess import access_ok, copy_to_user, get_user
from toykernel.errno import (
    E2BIG,
    EFAULT,
    EINVAL,
    ENOENT,
    EOVERFLOW,
    EPERM,
    Errno,
)
from toykernel.fs.file import fget
from toykernel.fs.mount import (
    MNT_UNIQUE_ID_OFFSET,
    Mount,
    PeerGroup,
    all_mounts,
    d_path,
    dentry_path,
)
from toykernel.fs.mount_calls import attributes_of
from toykernel.fs.namei import current_fs
from toykernel.fs.namespace import is_reachable
from toykernel.fs.nsfs import NsCommon
from toykernel.fs.pnode import propagation_of
from toykernel.fs.statfs import MAGIC
from toykernel.fs.super import SB_FLAGS
from toykernel.kernel.clone3 import copy_struct_from_user
from toykernel.kernel.cred import CAP_SYS_ADMIN, capable
from toykernel.kernel.nsproxy import MntNamespace, mnt_ns_root
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

LSMT_ROOT = (1 << 64) - 1
LISTMOUNT_REVERSE, _MOST = 1, 1_000_000
SB_BASIC, MNT_BASIC, PROPAGATE_FROM, MNT_ROOT = 1, 2, 4, 8
MNT_POINT, FS_TYPE, MNT_NS_ID, MNT_OPTS = 0x10, 0x20, 0x40, 0x80
FS_SUBTYPE, SB_SOURCE, OPT_ARRAY, OPT_SEC_ARRAY, SUPPORTED_MASK = 0x100, 0x200, 0x400, 0x800, 0x1000
_SUPPORTED = 0x1FFF
_TEXTS = (FS_TYPE, MNT_ROOT, MNT_POINT, MNT_OPTS, OPT_ARRAY, OPT_SEC_ARRAY, FS_SUBTYPE, SB_SOURCE)
#: struct statmount: its numbers, and spare room up to the strings.
_RECORD = struct.Struct("<2IQ2IQ2I2Q2I5Q2IQ6IQ")
_SIZE = 512
_MNT_ID_REQ = 32


def _request(k: Kernel, req: int) -> tuple[int, int, MntNamespace]:
    """struct mnt_id_req: a mount, a parameter, and the namespace. Raises Errno(EFAULT), Errno(E2BIG),
    Errno(EINVAL), Errno(EBADF), Errno(ENOENT)."""
    size = get_user(k, req)
    if size > PAGE_SIZE:
        raise Errno(E2BIG)
    if size < 24:
        raise Errno(EINVAL)
    data = copy_struct_from_user(k, req, size, _MNT_ID_REQ)
    _, fd, mount, what, namespace = struct.unpack("<IiQQQ", data)
    if mount <= MNT_UNIQUE_ID_OFFSET or (namespace and fd):
        raise Errno(EINVAL)
    mine = k.current.nsproxy.mnt_ns
    if fd:
        common = fget(k, fd).private
        if not isinstance(common, NsCommon) or not isinstance(common.ns, MntNamespace):
            raise Errno(EINVAL)
        return mount, what, common.ns
    if namespace:
        spaces = (task.nsproxy.mnt_ns for task in k.processes.tasks if not task.exit_state)
        found = next((ns for ns in spaces if ns.seq == namespace), None)
        if found is None or (found is not mine and not capable(k, CAP_SYS_ADMIN)):
            raise Errno(ENOENT)
        return mount, what, found
    return mount, what, mine


def _lookup(k: Kernel, ns: MntNamespace, ident: int) -> Mount:
    for mnt in all_mounts(mnt_ns_root(k, ns)):
        if mnt.unique_id == ident:
            return mnt
    raise Errno(ENOENT)


def _reachable(k: Kernel, mnt: Mount) -> bool:
    return is_reachable(mnt.root_path(), current_fs(k).root)


# -- one mount -------------------------------------------------------------------------------------


def _propagate_from(k: Kernel, mnt: Mount, ns: MntNamespace) -> int:
    """get_dominating_id: the nearest group above a slave of which the caller can see a member."""
    group: PeerGroup | None = mnt.master
    seen = list(all_mounts(mnt_ns_root(k, ns)))
    while group is not None:
        if any(peer in seen and _reachable(k, peer) for peer in group.members):
            return group.ident
        group = group.members[0].master if group.members else None
    return 0


def _strings(k: Kernel, mnt: Mount, mask: int) -> list[tuple[int, bytes]]:
    """The texts that are asked for and there, by their bits."""
    options = mnt.sb.options
    point = d_path(current_fs(k).root, mnt.root_path()) or ""
    texts = {
        FS_TYPE: mnt.sb.s_type,
        MNT_ROOT: dentry_path(mnt.root),
        MNT_POINT: point,
        MNT_OPTS: options,
        OPT_ARRAY: options.replace(",", "\0"),
        SB_SOURCE: mnt.source or mnt.sb.s_type,
    }
    return [
        (bit, text.encode(errors="surrogateescape"))
        for bit, text in texts.items()
        if mask & bit and text
    ]


def _packed(k: Kernel, mnt: Mount, mask: int, ns: MntNamespace, room: int) -> bytes:
    """struct statmount with its strings. Raises Errno(EOVERFLOW) where these do not fit."""
    there, offsets = 0, dict.fromkeys(_TEXTS, 0)
    data = b"\0" if mask & sum(_TEXTS) else b""  # what is not there begins here
    for bit, text in _strings(k, mnt, mask):
        if _SIZE + len(data) + len(text) >= room:
            raise Errno(EOVERFLOW)
        offsets[bit] = len(data)
        data += text + b"\0"
        there |= bit
    there |= mask & (SB_BASIC | MNT_BASIC | PROPAGATE_FROM | MNT_NS_ID | SUPPORTED_MASK)
    sb, parent = mnt.sb, mnt.parent or mnt
    basic = [0] * 4
    if mask & SB_BASIC:
        magic = MAGIC.get(sb.s_type, MAGIC["ramfs"])
        flags = int(sb.read_only) | sum(SB_FLAGS[word] for word in sb.words if word != "mand")
        basic = [sb.s_dev >> 8, sb.s_dev & 0xFF, magic, flags]
    mount = [0] * 8
    if mask & MNT_BASIC:
        ids = [mnt.unique_id, parent.unique_id, mnt.mnt_id, parent.mnt_id]
        mount = [*ids, attributes_of(mnt), propagation_of(mnt)]
        mount += [group.ident if group is not None else 0 for group in (mnt.group, mnt.master)]
    opt_num = mnt.sb.options.count(",") + 1 if there & OPT_ARRAY else 0
    head = _RECORD.pack(
        min(room, _SIZE) + len(data),
        offsets[MNT_OPTS],
        there,
        *basic,
        offsets[FS_TYPE],
        *mount,
        _propagate_from(k, mnt, ns) if mask & PROPAGATE_FROM else 0,
        offsets[MNT_ROOT],
        offsets[MNT_POINT],
        ns.seq if mask & MNT_NS_ID else 0,
        0,
        offsets[SB_SOURCE],
        opt_num,
        offsets[OPT_ARRAY],
        0,
        0,
        _SUPPORTED if mask & SUPPORTED_MASK else 0,
    )
    return head.ljust(_SIZE, b"\0")[:room] + data


@syscall(457, "req:address buf:address bufsize:size flags:hex")
def sys_statmount(k: Kernel, req: int, buf: int, bufsize: int, flags: int) -> int:
    """statmount: what is asked for of the mount with a number. EINVAL, EFAULT, E2BIG, EBADF, ENOENT for no
    such mount, EPERM for one below which the caller's root is not, EOVERFLOW for no room for strings.
    """
    if flags:
        raise Errno(EINVAL)
    ident, mask, ns = _request(k, req)
    if not access_ok(buf, bufsize):
        raise Errno(EFAULT)
    mnt = _lookup(k, ns, ident)
    if not _reachable(k, mnt) and not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    copy_to_user(k, buf, _packed(k, mnt, mask, ns, bufsize))
    return 0


# -- all of them -----------------------------------------------------------------------------------


@syscall(458, "req:address mnt_ids:address nr_mnt_ids:size flags:hex")
def sys_listmount(k: Kernel, req: int, mnt_ids: int, count: int, flags: int) -> int:
    """listmount: numbers of the mounts below one, or (LSMT_ROOT) below the caller's root, behind the one in
    `param`. EINVAL, EOVERFLOW, EFAULT, E2BIG, EBADF, ENOENT, EPERM.
    """
    if flags & ~LISTMOUNT_REVERSE:
        raise Errno(EINVAL)
    if count > _MOST:
        raise Errno(EOVERFLOW)
    if not access_ok(mnt_ids, count * 8):
        raise Errno(EFAULT)
    ident, last, ns = _request(k, req)
    if last and last <= MNT_UNIQUE_ID_OFFSET:
        raise Errno(EINVAL)
    root = current_fs(k).root
    above = root if ident == LSMT_ROOT else _lookup(k, ns, ident).root_path()
    if not is_reachable(above, root) and not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    found = sorted(
        mnt.unique_id
        for mnt in all_mounts(mnt_ns_root(k, ns))
        if mnt.unique_id != ident and is_reachable(mnt.root_path(), above)
    )
    if flags & LISTMOUNT_REVERSE:
        found = [number for number in reversed(found) if not last or number < last]
    else:
        found = [number for number in found if number > last]
    found = found[:count]
    if found:
        copy_to_user(k, mnt_ids, struct.pack(f"<{len(found)}Q", *found))
    return len(found)
