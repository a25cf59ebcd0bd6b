"""Who a task is, as system calls (kernel/sys.c, kernel/uid16.c, kernel/groups.c).

Each rule is written once, for 32-bit ids; the old calls with 16-bit ids translate (65535 is -1, an id
that does not fit is shown as 65534).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EAGAIN, EINVAL, EPERM, Errno
from toykernel.kernel.cred import (
    CAP_FS_MASK,
    CAP_SETGID,
    CAP_SETUID,
    Cred,
    alloc_uid,
    capable,
    commit_creds,
    free_uid,
    prepare_creds,
    put_cred,
)
from toykernel.kernel.signal_types import RLIMIT_NPROC
from toykernel.kernel.user_namespace import has_mapping, may_setgroups
from toykernel.security import security_task_fix_setuid
from toykernel.syscalls import syscall
from toykernel.task import PF_NPROC_EXCEEDED

if TYPE_CHECKING:
    from toykernel.state import Kernel

UNCHANGED = 0xFFFFFFFF
NGROUPS_MAX = 65536
SECURE_NOROOT = 1 << 0
SECURE_NO_SETUID_FIXUP = 1 << 2
SECURE_KEEP_CAPS = 1 << 4
OVERFLOWUID = 65534


def low2high(uid: int) -> int:
    """A 16-bit id as a 32-bit one; -1 stays "leave it as it is" (low2highuid)."""
    uid &= 0xFFFF
    return UNCHANGED if uid == 0xFFFF else uid


def high2low(uid: int) -> int:
    """A 32-bit id as a 16-bit one; OVERFLOWUID stands for what does not fit (high2lowuid)."""
    return uid if uid <= 0xFFFF else OVERFLOWUID


# -- user ids --------------------------------------------------------------------------------------


def _change(k: Kernel, change: Callable[[Cred, Cred], None], *, user: bool = True) -> int:
    """Copy, change, check, commit; nothing has changed when it raises."""
    old = k.current.cred
    with ExitStack() as undo:
        new = prepare_creds(k)
        undo.callback(put_cred, k, new)
        change(new, old)
        _have_names(k, new, old)
        if user:
            if new.uid != old.uid:
                _set_user(k, new)
            _fix_capabilities(new, old)
            security_task_fix_setuid(k, new, old)
        undo.pop_all()
    if (old.euid, old.egid, old.fsuid, old.fsgid) != (new.euid, new.egid, new.fsuid, new.fsgid):
        k.current.pdeath_signal = 0
        if k.current.mm is not None:
            k.current.mm.dumpable = 0  # what root has read must not be read by whom it becomes
    commit_creds(k, new)
    return 0


def _have_names(k: Kernel, new: Cred, old: Cred) -> None:
    """make_kuid, make_kgid: an id that is new must be one of the namespace. Raises Errno(EINVAL)."""
    if new.user.ns.parent is None:
        return
    users = {new.uid, new.euid, new.suid, new.fsuid} - {old.uid, old.euid, old.suid, old.fsuid}
    groups = {new.gid, new.egid, new.sgid, new.fsgid} - {old.gid, old.egid, old.sgid, old.fsgid}
    groups |= set(new.groups) - set(old.groups)
    if not all(has_mapping(k, new, uid) for uid in users):
        raise Errno(EINVAL)
    if not all(has_mapping(k, new, gid, group=True) for gid in groups):
        raise Errno(EINVAL)


def _set_user(k: Kernel, new: Cred) -> None:
    """The process will count for another user. Raises Errno(EAGAIN) beyond RLIMIT_NPROC, unless that is
    left to the next exec: too many programs do not look whether setuid failed."""
    user = alloc_uid(k, new.user.ns, new.uid)
    limit = k.current.signal.rlim[RLIMIT_NPROC][0]
    exceeded = user.processes >= limit and user is not k.processes.root_user
    if exceeded and not k.host.profile.nproc_waits_for_exec:
        free_uid(k, user)
        raise Errno(EAGAIN)
    k.current.flags &= ~PF_NPROC_EXCEEDED
    k.current.flags |= PF_NPROC_EXCEEDED if exceeded else 0
    free_uid(k, new.user)
    new.user = user


def _fix_capabilities(new: Cred, old: Cred) -> None:
    """cap_emulate_setxuid: root's capabilities come and go with the effective id."""
    if old.securebits & SECURE_NO_SETUID_FIXUP:
        return
    was_root = 0 in (old.uid, old.euid, old.suid)
    if was_root and 0 not in (new.uid, new.euid, new.suid):
        if not old.securebits & SECURE_KEEP_CAPS:
            new.cap_permitted = 0
        new.cap_effective = new.cap_ambient = 0
    if old.euid == 0 and new.euid != 0:
        new.cap_effective = 0
    if old.euid != 0 and new.euid == 0:
        new.cap_effective = new.cap_permitted


@syscall(213, "uid:id", name="setuid32")
def setuid(k: Kernel, uid: int) -> int:
    """setuid: all three with CAP_SETUID, else the effective one to the real or the saved one.

    EINVAL for -1, EPERM.
    """
    if uid == UNCHANGED:
        raise Errno(EINVAL)

    def change(new: Cred, old: Cred) -> None:
        if capable(k, CAP_SETUID):
            new.uid = new.suid = uid
        elif uid not in (old.uid, old.suid):
            raise Errno(EPERM)
        new.euid = new.fsuid = uid

    return _change(k, change)


@syscall(203, "ruid:id euid:id", name="setreuid32")
def setreuid(k: Kernel, ruid: int, euid: int) -> int:
    """setreuid: real and effective, each from what the task already has, or with CAP_SETUID. EPERM."""

    def change(new: Cred, old: Cred) -> None:
        privileged = capable(k, CAP_SETUID)
        if ruid != UNCHANGED:
            if ruid not in (old.uid, old.euid) and not privileged:
                raise Errno(EPERM)
            new.uid = ruid
        if euid != UNCHANGED:
            if euid not in (old.uid, old.euid, old.suid) and not privileged:
                raise Errno(EPERM)
            new.euid = euid
        if ruid != UNCHANGED or (euid != UNCHANGED and euid != old.uid):
            new.suid = new.euid
        new.fsuid = new.euid

    return _change(k, change)


@syscall(208, "ruid:id euid:id suid:id", name="setresuid32")
def setresuid(k: Kernel, ruid: int, euid: int, suid: int) -> int:
    """setresuid: all three, each from what the task has, or with CAP_SETUID. EPERM."""

    def change(new: Cred, old: Cred) -> None:
        mine = (UNCHANGED, old.uid, old.euid, old.suid)
        if not all(i in mine for i in (ruid, euid, suid)) and not capable(k, CAP_SETUID):
            raise Errno(EPERM)
        if ruid != UNCHANGED:
            new.uid = ruid
        if euid != UNCHANGED:
            new.euid = euid
        if suid != UNCHANGED:
            new.suid = suid
        new.fsuid = new.euid

    return _change(k, change)


@syscall(215, "fsuid:id", name="setfsuid32")
def setfsuid(k: Kernel, uid: int) -> int:
    """setfsuid: the old one, whether or not it was changed; -1 only asks."""
    old = k.current.cred
    if uid == UNCHANGED or not has_mapping(k, old, uid):
        return old.fsuid
    if uid in (old.uid, old.euid, old.suid, old.fsuid) or capable(k, CAP_SETUID):
        previous = old.fsuid

        def change(new: Cred, old: Cred) -> None:
            new.fsuid = uid
            if old.fsuid == 0 and uid != 0:
                new.cap_effective &= ~CAP_FS_MASK
            if old.fsuid != 0 and uid == 0:
                new.cap_effective |= new.cap_permitted & CAP_FS_MASK

        _change(k, change, user=False)
        return previous
    return old.fsuid


# -- group ids -------------------------------------------------------------------------------------


@syscall(214, "gid:id", name="setgid32")
def setgid(k: Kernel, gid: int) -> int:
    if gid == UNCHANGED:
        raise Errno(EINVAL)

    def change(new: Cred, old: Cred) -> None:
        if capable(k, CAP_SETGID):
            new.gid = new.sgid = gid
        elif gid not in (old.gid, old.sgid):
            raise Errno(EPERM)
        new.egid = new.fsgid = gid

    return _change(k, change, user=False)


@syscall(204, "rgid:id egid:id", name="setregid32")
def setregid(k: Kernel, rgid: int, egid: int) -> int:
    def change(new: Cred, old: Cred) -> None:
        privileged = capable(k, CAP_SETGID)
        if rgid != UNCHANGED:
            if rgid not in (old.gid, old.egid) and not privileged:
                raise Errno(EPERM)
            new.gid = rgid
        if egid != UNCHANGED:
            if egid not in (old.gid, old.egid, old.sgid) and not privileged:
                raise Errno(EPERM)
            new.egid = egid
        if rgid != UNCHANGED or (egid != UNCHANGED and egid != old.gid):
            new.sgid = new.egid
        new.fsgid = new.egid

    return _change(k, change, user=False)


@syscall(210, "rgid:id egid:id sgid:id", name="setresgid32")
def setresgid(k: Kernel, rgid: int, egid: int, sgid: int) -> int:
    def change(new: Cred, old: Cred) -> None:
        mine = (UNCHANGED, old.gid, old.egid, old.sgid)
        if not all(i in mine for i in (rgid, egid, sgid)) and not capable(k, CAP_SETGID):
            raise Errno(EPERM)
        if rgid != UNCHANGED:
            new.gid = rgid
        if egid != UNCHANGED:
            new.egid = egid
        if sgid != UNCHANGED:
            new.sgid = sgid
        new.fsgid = new.egid

    return _change(k, change, user=False)


@syscall(216, "fsgid:id", name="setfsgid32")
def setfsgid(k: Kernel, gid: int) -> int:
    """Answers with the group before, changed or not; -1 only asks."""
    old = k.current.cred
    previous = old.fsgid
    if gid == UNCHANGED or not has_mapping(k, old, gid, group=True):
        return previous
    if gid in (old.gid, old.egid, old.sgid, old.fsgid) or capable(k, CAP_SETGID):

        def change(new: Cred, old: Cred) -> None:
            new.fsgid = gid

        _change(k, change, user=False)
    return previous


def getgroups(k: Kernel, size: int, grouplist: int, *, width: int) -> int:
    """getgroups: how many there are; stored when `size` is not 0, then EINVAL if they do not fit.

    `width` is an id's bytes.
    """
    groups = k.current.cred.groups
    if size < 0 or (size and size < len(groups)):
        raise Errno(EINVAL)
    if size:
        shown = groups if width == 4 else tuple(high2low(g) for g in groups)
        copy_to_user(k, grouplist, struct.pack(f"<{len(shown)}{_FORMAT[width]}", *shown))
    return len(groups)


def setgroups(k: Kernel, size: int, grouplist: int, *, width: int) -> int:
    """setgroups: needs CAP_SETGID (EPERM). EINVAL above NGROUPS_MAX, EFAULT.

    `width` is an id's bytes.
    """
    if not capable(k, CAP_SETGID) or not may_setgroups(k):
        raise Errno(EPERM)
    if not 0 <= size <= NGROUPS_MAX:
        raise Errno(EINVAL)
    data = copy_from_user(k, grouplist, size * width)
    groups = struct.unpack(f"<{size}{_FORMAT[width]}", data)
    kept = tuple(sorted(groups if width == 4 else (low2high(g) for g in groups)))
    if k.host.profile.unmapped_ids and UNCHANGED in kept:
        raise Errno(EINVAL)

    def change(new: Cred, old: Cred) -> None:
        new.groups = kept

    return _change(k, change, user=False)


_FORMAT = {2: "H", 4: "I"}


def put_ids(k: Kernel, ids: tuple[int, ...], pointers: tuple[int, ...], *, width: int) -> int:
    """getresuid and getresgid: three ids of `width` bytes at three addresses; 0.

    Raises Errno(EFAULT).
    """
    for value, pointer in zip(ids, pointers, strict=True):
        shown = value if width == 4 else high2low(value)
        copy_to_user(k, pointer, struct.pack(f"<{_FORMAT[width]}", shown))
    return 0
