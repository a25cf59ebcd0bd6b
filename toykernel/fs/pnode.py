"""Shared subtrees (fs/pnode.c): what is mounted or unmounted in one place, and elsewhere by that.

A mount is private, shared with the peers of its group, a slave of another group, or both. What happens on
a shared one happens on its peers and on the slaves below them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from toykernel.fs.dcache import is_ancestor
from toykernel.fs.mount import Mount, PeerGroup, all_mounts, copy_tree

if TYPE_CHECKING:
    from toykernel.fs.dcache import Dentry

MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20


def propagation_of(mnt: Mount) -> int:
    """The MS_ bits of what a mount is (mnt_to_propagation_flags)."""
    flags = MS_SHARED if mnt.group is not None else 0
    flags |= MS_SLAVE if mnt.master is not None else 0
    flags |= MS_UNBINDABLE if mnt.unbindable else 0
    return flags or MS_PRIVATE


def set_shared(mnt: Mount) -> None:
    """A group of its own, unless it is in one: the first number that is free."""
    if mnt.group is None:
        numbers = mnt.sb.numbers
        ident = next(n for n in range(1, 1 << 31) if n not in numbers.groups)
        numbers.groups.add(ident)
        mnt.group = PeerGroup(ident, [mnt])
    mnt.unbindable = False


def leave_group(mnt: Mount) -> None:
    """do_make_slave: not shared any more, but a slave of those it was shared with. Its own slaves go to
    them, or to its master."""
    group, mnt.group = mnt.group, None
    if group is None:
        return
    group.members.remove(mnt)
    if group.members:
        _follow(mnt, group)
        group.slaves.insert(0, group.slaves.pop())
        return
    mnt.sb.numbers.groups.discard(group.ident)
    for slave in list(group.slaves):
        _follow(slave, mnt.master)


def _follow(mnt: Mount, master: PeerGroup | None) -> None:
    if mnt.master is not None:
        mnt.master.slaves.remove(mnt)
    mnt.master = master
    if master is not None:
        master.slaves.append(mnt)


def change_propagation(mnt: Mount, kind: int) -> None:
    """MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE (change_mnt_propagation)."""
    if kind == MS_SHARED:
        set_shared(mnt)
        return
    leave_group(mnt)
    if kind != MS_SLAVE:
        _follow(mnt, None)
        mnt.unbindable = kind == MS_UNBINDABLE


def alone(mnt: Mount) -> None:
    """A mount goes: nobody is its peer, master or slave any more."""
    leave_group(mnt)
    _follow(mnt, None)


# -- where an event goes ---------------------------------------------------------------------------


def propagation(mnt: Mount) -> Iterator[Mount]:
    """The mounts to which what happens on `mnt` goes: its peers, then the slaves, with their peers and
    slaves; without itself."""
    if mnt.group is not None:
        yield from _peers(mnt)
        yield from _slaves(mnt.group)


def _peers(mnt: Mount) -> list[Mount]:
    """The others of a group, from the one behind a mount on, round to it."""
    members = mnt.group.members if mnt.group is not None else [mnt]
    at = members.index(mnt)
    return members[at + 1 :] + members[:at]


def _slaves(group: PeerGroup) -> Iterator[Mount]:
    seen: list[PeerGroup] = []
    for slave in group.slaves:
        if slave.group is None:
            yield slave
        elif slave.group not in seen:
            seen.append(slave.group)
            yield from slave.group.members
            yield from _slaves(slave.group)


def copies_for(dest: Mount, place: Dentry, source: Mount) -> Iterator[tuple[Mount, Mount]]:
    """propagate_mnt: for each mount that an event on `dest` goes to and that has `place`, a copy of the tree
    of `source`, all of which is shared by now. What has just been made is passed over."""
    if dest.group is None:
        return
    new = list(all_mounts(source))
    for peer in _peers(dest):
        if peer not in new and _seen_by(peer, place):
            yield peer, _peer(source)
    yield from _to_slaves(_settled(dest.group, new), place, source)


def _settled(group: PeerGroup, new: list[Mount]) -> list[tuple[Mount, ...]]:
    """The slaves of a group before anything is copied: one that is private, or peers of each other."""
    found: list[tuple[Mount, ...]] = []
    seen: list[PeerGroup] = []
    for slave in group.slaves:
        if slave in new:
            continue
        if slave.group is None:
            found.append((slave,))
        elif slave.group not in seen:
            seen.append(slave.group)
            found.append(tuple(slave.group.members))
    return found


def _to_slaves(
    slaves: list[tuple[Mount, ...]], place: Dentry, source: Mount
) -> Iterator[tuple[Mount, Mount]]:
    for peers in slaves:
        group = peers[0].group
        below_them = _settled(group, []) if group is not None else []
        last = source
        for member in peers:
            if _seen_by(member, place):
                shared = group is not None
                last = _slave(source, shared=shared) if last is source else _peer(last)
                yield member, last
        yield from _to_slaves(below_them, place, last)


def _seen_by(mnt: Mount, place: Dentry) -> bool:
    return is_ancestor(mnt.root, place)


def _bindable(mnt: Mount) -> bool:
    return not mnt.unbindable


def _peer(source: Mount) -> Mount:
    return copy_tree(source, keep=_bindable)


def _slave(source: Mount, *, shared: bool) -> Mount:
    copy = copy_tree(source, keep=_bindable)
    for mnt in all_mounts(copy):
        leave_group(mnt)
        if shared:
            set_shared(mnt)
    return copy


# -- taking away -----------------------------------------------------------------------------------


def also_unmounted(mounts: list[Mount]) -> list[Mount]:
    """propagate_umount: what is unmounted with `mounts` because it hangs in the same place of a peer or
    slave, where nothing is mounted on it but such mounts, or one thing on its root, which stays."""
    going = list(mounts)
    for mnt in reversed(mounts):
        if mnt.parent is None or mnt.mountpoint is None:
            continue
        for other in propagation(mnt.parent):
            child = other.mounts.get(mnt.mountpoint)
            if child is not None and child not in going and not _held(child, going):
                going.append(child)
    return going[len(mounts) :]


def _held(mnt: Mount, going: list[Mount]) -> bool:
    stay = [place for place, child in mnt.mounts.items() if child not in going]
    return bool(stay) and stay != [mnt.root]
