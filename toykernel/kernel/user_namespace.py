"""uid_map, gid_map and setgroups of a user namespace (kernel/user_namespace.c).

Credentials hold the ids that their own namespace has. What a map says changes those of the tasks in it;
owners of files are numbers that all namespaces share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EACCES, EINVAL, EPERM, Errno
from toykernel.kernel.cred import (
    CAP_SETGID,
    CAP_SETUID,
    CAP_SYS_ADMIN,
    OVERFLOW_ID,
    Cred,
    Extent,
    UserNamespace,
    capable,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

MAX_EXTENTS, _IDS = 340, 1 << 32
_WIDEST = _IDS - 1


def has_mapping(k: Kernel, cred: Cred, ident: int, *, group: bool = False) -> bool:
    """Whether an id is one of the namespace of some credentials."""
    ns = cred.user.ns
    if ns.parent is None or not k.host.profile.unmapped_ids:
        return True
    return any(first <= ident < first + count for first, _, count in _extents(ns, group))


def may_setgroups(k: Kernel) -> bool:
    """userns_may_setgroups: not before groups have ids, and not where that was denied."""
    ns = k.current.cred.user.ns
    if ns.parent is None or not k.host.profile.unmapped_ids:
        return True
    return bool(ns.gid_map) and not ns.setgroups_denied


def _extents(ns: UserNamespace, group: bool) -> tuple[Extent, ...]:
    return ns.gid_map if group else ns.uid_map


def _upwards(ns: UserNamespace, ident: int, group: bool) -> int | None:
    """What an id of a namespace is in the first one of all; None for one without a mapping."""
    while ns.parent is not None:
        extent = next((e for e in _extents(ns, group) if e[0] <= ident < e[0] + e[2]), None)
        if extent is None:
            return None
        ident += extent[1] - extent[0]
        ns = ns.parent
    return ident


def _downwards(ns: UserNamespace, ident: int | None, group: bool) -> int | None:
    """What a namespace calls an id of the first one."""
    if ns.parent is None or ident is None:
        return ident
    above = _downwards(ns.parent, ident, group)
    if above is None:
        return None
    extent = next((e for e in _extents(ns, group) if e[1] <= above < e[1] + e[2]), None)
    return None if extent is None else above + extent[0] - extent[1]


def _show(k: Kernel, task: Task, group: bool) -> str:
    ns, reader = task.cred.user.ns, k.current.cred.user.ns
    if ns.parent is None:
        return f"{0:>10} {0:>10} {_WIDEST:>10}\n"
    text = ""
    for first, lower, count in _extents(ns, group):
        seen: int | None = lower  # by who is in it: what the namespace above calls it
        if reader is not ns:
            seen = _downwards(reader, _upwards(ns.parent, lower, group), group)
        text += f"{first:>10} {_WIDEST if seen is None else seen:>10} {count:>10}\n"
    return text


def uid_map(k: Kernel, task: Task) -> str:
    """A line for each extent: first id in the task's namespace; the same id in the reader's, or for who is
    in that namespace, too, in the one above it, 4294967295 for none; how many.
    """
    return _show(k, task, group=False)


def gid_map(k: Kernel, task: Task) -> str:
    """As uid_map."""
    return _show(k, task, group=True)


def setgroups(k: Kernel, task: Task) -> str:
    """Whether setgroups may be called."""
    return "deny\n" if task.cred.user.ns.setgroups_denied else "allow\n"


# -- writing ---------------------------------------------------------------------------------------


def store_uid_map(k: Kernel, task: Task, data: bytes) -> None:
    """Once, for a namespace that has none. Raises Errno(EPERM), Errno(EINVAL)."""
    _store(k, task, data, group=False)


def store_gid_map(k: Kernel, task: Task, data: bytes) -> None:
    """As uid_map; who may not set any group of the namespace above must have given up setgroups first."""
    _store(k, task, data, group=True)


def store_setgroups(k: Kernel, task: Task, data: bytes) -> None:
    """`deny` for ever, before gid_map is written, or `allow`. Raises Errno: EINVAL, EPERM, EACCES."""
    ns = task.cred.user.ns
    if not capable(k, CAP_SYS_ADMIN):
        raise Errno(EACCES)
    word = data.rstrip(b" \t\n\v\f\r\0")
    if len(data) >= 8 or word not in (b"allow", b"deny"):
        raise Errno(EINVAL)
    if word == b"allow":
        if ns.setgroups_denied:
            raise Errno(EPERM)
    elif ns.gid_map or ns.parent is None:
        raise Errno(EPERM)
    else:
        ns.setgroups_denied = True


def _store(k: Kernel, task: Task, data: bytes, *, group: bool) -> None:
    ns, writer = task.cred.user.ns, k.current.cred
    if ns.parent is None or writer.user.ns not in (ns, ns.parent):
        raise Errno(EPERM)
    if _extents(ns, group) or not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    extents = _parse(data)
    inside = writer.user.ns is ns
    if not _permitted(k, ns, extents, group, inside=inside):
        raise Errno(EPERM)
    above = ns.parent
    if above.parent is not None and not all(
        any(f <= low and low + count <= f + n for f, _, n in _extents(above, group))
        for _, low, count in extents
    ):
        raise Errno(EPERM)
    _apply(k, ns, extents, group)


def _parse(data: bytes) -> tuple[Extent, ...]:
    """Lines of three numbers. Raises Errno(EINVAL) for anything else, and for ids that two lines have."""
    extents: list[Extent] = []
    for line in data.decode("ascii", "replace").split("\0")[0].removesuffix("\n").split("\n"):
        words = line.split()
        if len(words) != 3 or not all(word.isdigit() and int(word) < _IDS for word in words):
            raise Errno(EINVAL)
        first, lower, count = (int(word) for word in words)
        if not count or first + count > _WIDEST or lower + count > _WIDEST:
            raise Errno(EINVAL)
        for f, low, n in extents:
            if (f < first + count and first < f + n) or (low < lower + count and lower < low + n):
                raise Errno(EINVAL)
        extents.append((first, lower, count))
    if len(extents) > MAX_EXTENTS:
        raise Errno(EINVAL)
    return tuple(extents)


def _permitted(
    k: Kernel, ns: UserNamespace, extents: tuple[Extent, ...], group: bool, *, inside: bool
) -> bool:
    """new_idmap_permitted: one's own id, or what a capability in the namespace above allows."""
    cred = k.current.cred
    uid, gid = (ns.owner, ns.group) if inside else (cred.euid, cred.egid)
    if len(extents) == 1 and extents[0][2] == 1 and uid == ns.owner:
        if not group and extents[0][1] == uid:
            return True
        if group and ns.setgroups_denied and extents[0][1] == gid:
            return True
    return not inside and capable(k, CAP_SETGID if group else CAP_SETUID)


def _apply(k: Kernel, ns: UserNamespace, extents: tuple[Extent, ...], group: bool) -> None:
    """The ids above of who is in the namespace get their names in it."""
    outer = ns.group if group else ns.owner
    mine = next((f + outer - low for f, low, n in extents if low <= outer < low + n), OVERFLOW_ID)
    if group:
        ns.gid_map = extents
    else:
        ns.uid_map = extents
        for user in list(ns.users.values()):
            if user.uid != mine:
                del ns.users[user.uid]
                user.uid = mine
                ns.users[mine] = user
    for task in k.processes.tasks:
        cred = task.cred
        if cred.user.ns is ns and group:
            cred.gid = cred.egid = cred.sgid = cred.fsgid = mine
        elif cred.user.ns is ns:
            cred.uid = cred.euid = cred.suid = cred.fsuid = mine
