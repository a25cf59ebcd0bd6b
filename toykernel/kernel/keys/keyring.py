"""Keyrings (security/keys/keyring.c, gc.c): what they hold, and looking for a key in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from toykernel.errno import (
    EACCES,
    EAGAIN,
    EDEADLK,
    EKEYEXPIRED,
    EKEYREVOKED,
    ELOOP,
    ENOENT,
    ENOTDIR,
    EPERM,
    Errno,
)
from toykernel.kernel.keys.key import (
    ALL,
    GROUP,
    LINK_BYTES,
    OWNER,
    POSSESSOR,
    SEARCH,
    Key,
    key_payload_reserve,
    key_table,
    seconds,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel

MAX_DEPTH = 6  # KEYRING_SEARCH_MAX_DEPTH: keyrings below the one where a search begins


def key_permission(k: Kernel, key: Key, need: int, *, possessed: bool) -> None:
    """key_task_permission: by owner, group or others, and by possession. Raises Errno(EACCES)."""
    cred = k.current.cred
    if key.uid == cred.fsuid:
        rights = key.perm >> OWNER
    elif key.perm >> GROUP & ALL and (key.gid == cred.fsgid or key.gid in cred.groups):
        rights = key.perm >> GROUP
    else:
        rights = key.perm
    if possessed:
        rights |= key.perm >> POSSESSOR
    if need & ALL & ~rights:
        raise Errno(EACCES)


def permitted(k: Kernel, key: Key, need: int, *, possessed: bool) -> bool:
    """The same as a question."""
    try:
        key_permission(k, key, need, possessed=possessed)
    except Errno:
        return False
    return True


# -- searching -------------------------------------------------------------------------------------


def rings_below(
    ring: Key, may_enter: Callable[[Key], bool], depth: int = 0
) -> Iterator[tuple[int, Key]]:
    """A keyring and those in it that are alive and may be entered, with their depths."""
    if ring.invalidated or ring.revoked_at is not None:
        return
    yield depth, ring
    if depth >= MAX_DEPTH:
        return
    for key in ring.links.values():
        if key.is_keyring and may_enter(key):
            yield from rings_below(key, may_enter, depth + 1)


def keyring_search(
    k: Kernel, ring: Key, kind: str, description: str, *, possessed: bool, expired: bool = False
) -> Key:
    """The key of a type and description in a keyring or in those below. With `expired` a key that is past its
    time is as if it was not there.

    Raises Errno(ENOTDIR), Errno(EACCES), Errno(EAGAIN) when there is none, or what is wrong with the one that
    was found: EKEYREVOKED, EKEYEXPIRED, EACCES, or a negative key's own error.
    """
    if not ring.is_keyring:
        raise Errno(ENOTDIR)
    key_permission(k, ring, SEARCH, possessed=possessed)

    def enter(key: Key) -> bool:
        return permitted(k, key, SEARCH, possessed=possessed)

    problem = EAGAIN
    for depth, at in rings_below(ring, enter):
        itself = not depth and (ring.kind, ring.description) == (kind, description)
        key = at if itself else at.links.get((kind, description))
        if key is None:
            continue
        found = _usable(k, key, possessed=possessed, expired=expired)
        if not found:
            return key
        problem = found if found > 0 else problem
    raise Errno(problem)


def _usable(k: Kernel, key: Key, *, possessed: bool, expired: bool) -> int:
    """keyring_search_iterator: 0, what is wrong with it, or -1 for one that is passed over."""
    if key.invalidated or key.revoked_at is not None:
        return EKEYREVOKED
    if key.expiry is not None and seconds(k) >= key.expiry:
        return -1 if expired else EKEYEXPIRED
    if not permitted(k, key, SEARCH, possessed=possessed):
        return EACCES
    return max(-key.state, 0)


# -- links -----------------------------------------------------------------------------------------


def _check_cycle(ring: Key, key: Key) -> None:
    """keyring_detect_cycle. Raises Errno(EDEADLK), Errno(ELOOP) for keyrings nested too deep."""
    if key is ring:
        raise Errno(EDEADLK)
    for depth, at in rings_below(key, lambda _: True):
        if at is ring:
            raise Errno(EDEADLK)
        if depth == MAX_DEPTH and any(each.is_keyring for each in at.links.values()):
            raise Errno(ELOOP)


def check_link(ring: Key) -> None:
    """Whether a keyring takes a key. Raises Errno(ENOTDIR), Errno(EPERM) for one that was restricted."""
    if not ring.is_keyring:
        raise Errno(ENOTDIR)
    if ring.restricted:
        raise Errno(EPERM)


def key_link(k: Kernel, ring: Key, key: Key) -> None:
    """One more keyring that holds a key, in place of another of its type and description.

    Raises Errno(ENOTDIR), Errno(EPERM), Errno(EDEADLK), Errno(ELOOP), Errno(EDQUOT).
    """
    check_link(ring)
    if key.is_keyring:
        _check_cycle(ring, key)
    index = key.kind, key.description
    old = ring.links.get(index)
    if old is None:
        key_payload_reserve(k, ring, ring.datalen + LINK_BYTES)
    key.count += 1
    ring.links[index] = key
    if old is not None:
        old.put(k)


def key_unlink(k: Kernel, ring: Key, key: Key) -> None:
    """A keyring lets go of a key. Raises Errno(ENOTDIR), Errno(ENOENT)."""
    if not ring.is_keyring:
        raise Errno(ENOTDIR)
    index = key.kind, key.description
    if ring.links.get(index) is not key:
        raise Errno(ENOENT)
    del ring.links[index]
    key_payload_reserve(k, ring, ring.datalen - LINK_BYTES)
    key.put(k)


def keyring_clear(k: Kernel, ring: Key) -> None:
    """It holds nothing any more. Raises Errno(ENOTDIR)."""
    if not ring.is_keyring:
        raise Errno(ENOTDIR)
    for key in list(ring.links.values()):
        key_unlink(k, ring, key)


# -- the end of keys -------------------------------------------------------------------------------


def key_revoke(k: Kernel, key: Key) -> None:
    """Nobody may use it; what it held is gone."""
    if key.revoked_at is not None:
        return
    if key.is_keyring:
        keyring_clear(k, key)
    key.payload = b""
    key_payload_reserve(k, key, 0)
    key.revoked_at = seconds(k)
    schedule_gc(k, key.revoked_at)


def schedule_gc(k: Kernel, since: int) -> None:
    """A key is dead from a time on: keyrings let go of it a while later."""
    table = key_table(k)
    due = since + table.gc_delay
    table.next_gc = due if table.next_gc is None else min(due, table.next_gc)


def collect(k: Kernel, *, now: bool = False) -> None:
    """key_garbage_collector, whenever keys are used: links to keys that are invalid, or dead for long, go."""
    table = key_table(k)
    if not now and (table.next_gc is None or seconds(k) < table.next_gc):
        return
    before = seconds(k) - table.gc_delay
    for ring in [key for key in table.keys.values() if key.is_keyring]:
        for key in list(ring.links.values()):
            times = [at for at in (key.revoked_at, key.expiry) if at is not None]
            if key.invalidated or (times and min(times) <= before):
                del ring.links[key.kind, key.description]  # what the link counted stays counted
                key.put(k)
    dead = [at for key in table.keys.values() for at in (key.revoked_at, key.expiry) if at]
    later = [at for at in dead if at > before]
    table.next_gc = min(later) + table.gc_delay if later else None
