"""What semaphores, messages and shared memory have in common (ipc/util.c): keys, identifiers, rights."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from emu.record import dataclass
from toykernel.arch.x86.uaccess import copy_from_user
from toykernel.errno import EACCES, EEXIST, EINVAL, ENOENT, ENOSPC, EPERM, Errno
from toykernel.kernel.cred import CAP_IPC_OWNER, CAP_SYS_ADMIN, capable
from toykernel.kernel.timekeeping import NSEC_PER_SEC, ktime_get_real

if TYPE_CHECKING:
    from toykernel.state import Kernel

IPC_CREAT, IPC_EXCL, IPC_NOWAIT = 0o1000, 0o2000, 0o4000
IPC_PRIVATE = 0
IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO, IPC_64 = 0, 1, 2, 3, 0x100
#: An identifier is its index plus so many times the number of those given before.
SEQ_MULTIPLIER = 32768
S_IRUGO, S_IWUGO = 0o444, 0o222


@dataclass(eq=False)
class KernIpcPerm:
    """struct kern_ipc_perm: who made an object, whose it is, and what others may do with it."""

    slab: int
    ident: int
    key: int
    uid: int
    gid: int
    cuid: int
    cgid: int
    mode: int


#: The fields of a KernIpcPerm, in order.
Perm = tuple[int, int, int, int, int, int, int, int]

Object = TypeVar("Object", bound=KernIpcPerm)


def new_perm(k: Kernel, slab: int, ident: int, key: int, mode: int) -> Perm:
    """The fields of a KernIpcPerm for an object that the current task makes."""
    cred = k.current.cred
    return (slab, ident, key, cred.euid, cred.egid, cred.euid, cred.egid, mode & 0o777)


def seconds(k: Kernel) -> int:
    """Now, in seconds since 1970."""
    return ktime_get_real(k) // NSEC_PER_SEC


def ipcperms(k: Kernel, perm: KernIpcPerm, flag: int) -> None:
    """Whether the caller may do what the bits of `flag`, of whatever class, ask for. Raises Errno(EACCES)."""
    cred = k.current.cred
    wanted = flag >> 6 | flag >> 3 | flag
    granted = perm.mode
    if cred.euid in (perm.cuid, perm.uid):
        granted >>= 6
    elif {perm.cgid, perm.gid} & {cred.egid, *cred.groups}:
        granted >>= 3
    if wanted & ~granted & 7 and not capable(k, CAP_IPC_OWNER):
        raise Errno(EACCES)


def check_owner(k: Kernel, perm: KernIpcPerm) -> None:
    """IPC_SET and IPC_RMID are for the owner, the maker, and CAP_SYS_ADMIN. Raises Errno(EPERM)."""
    if k.current.cred.euid not in (perm.uid, perm.cuid) and not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)


def find(objects: Mapping[int, Object], ident: int) -> Object:
    """An object by its identifier. Raises Errno(EINVAL)."""
    found = objects.get(ident)
    if found is None:
        raise Errno(EINVAL)
    return found


def find_index(objects: Mapping[int, Object], index: int) -> Object:
    """An object by its index, as ipcs goes through them. Raises Errno(EINVAL)."""
    for found in objects.values():
        if found.ident % SEQ_MULTIPLIER == index:
            return found
    raise Errno(EINVAL)


def highest_index(objects: Mapping[int, Object]) -> int:
    """What IPC_INFO answers: the highest index in use, 0 when there is none."""
    return max((ident % SEQ_MULTIPLIER for ident in objects), default=0)


@dataclass(eq=False)
class IpcIds:
    """struct ipc_ids: the generation of the next identifier, or, unless it is -1, that identifier itself
    (kernel.sem_next_id and its like).
    """

    seq: int = 0
    next_id: int = -1


def new_ident(ids: IpcIds, objects: Mapping[int, Object], most: int) -> int:
    """An identifier for one more. Raises Errno(ENOSPC) when there are `most`."""
    if len(objects) >= most:
        raise Errno(ENOSPC)
    used = {ident % SEQ_MULTIPLIER for ident in objects}
    seq, first = (ids.seq, 0) if ids.next_id < 0 else divmod(ids.next_id, SEQ_MULTIPLIER)
    index = next(i for i in range(first, SEQ_MULTIPLIER) if i not in used)
    return seq * SEQ_MULTIPLIER + index


def ident_taken(ids: IpcIds) -> None:
    """The identifier is in use: the next one is of another generation."""
    if ids.next_id < 0:
        ids.seq = (ids.seq + 1) % (0x7FFFFFFF // SEQ_MULTIPLIER)
    ids.next_id = -1


def ipcget(
    k: Kernel,
    objects: Mapping[int, Object],
    key: int,
    flg: int,
    new: Callable[[], int],
    more_checks: Callable[[Object], None],
) -> int:
    """The identifier of a key's object, or of a new one. Raises Errno: ENOENT, EEXIST, EACCES, and what
    `new` and `more_checks` raise.
    """
    if key == IPC_PRIVATE:
        return new()
    for found in objects.values():
        if found.key == key:
            if flg & IPC_CREAT and flg & IPC_EXCL:
                raise Errno(EEXIST)
            more_checks(found)
            ipcperms(k, found, flg)
            return found.ident
    if not flg & IPC_CREAT:
        raise Errno(ENOENT)
    return new()


def pack_perm(perm: KernIpcPerm) -> bytes:
    """struct ipc64_perm, 36 bytes."""
    seq = perm.ident // SEQ_MULTIPLIER & 0xFFFF
    return struct.pack(
        *("<iIIIIHHHHII", perm.key, perm.uid, perm.gid, perm.cuid, perm.cgid),
        *(perm.mode, 0, seq, 0, 0, 0),
    )


def read_perm(k: Kernel, address: int) -> tuple[int, int, int]:
    """uid, gid and mode for IPC_SET. Raises Errno(EFAULT)."""
    _, uid, gid, _, _, mode = struct.unpack("<IIIIIH", copy_from_user(k, address, 22))
    return uid, gid, mode


def set_perm(perm: KernIpcPerm, values: tuple[int, int, int]) -> None:
    """IPC_SET: owner and permission bits. Raises Errno(EINVAL) for the id -1."""
    uid, gid, mode = values
    if 0xFFFFFFFF in (uid, gid):
        raise Errno(EINVAL)
    perm.uid, perm.gid, perm.mode = uid, gid, perm.mode & ~0o777 | mode & 0o777
