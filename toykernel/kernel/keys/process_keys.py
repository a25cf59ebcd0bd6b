"""The keyrings of a task (security/keys/process_keys.c), and finding a key by its number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from toykernel.errno import (
    EAGAIN,
    EINVAL,
    EIO,
    ENOKEY,
    EPERM,
    Errno,
)
from toykernel.kernel.cred import commit_creds, prepare_creds, put_cred
from toykernel.kernel.keys.key import (
    ALL,
    LINK,
    OWNER,
    POSSESSOR,
    READ,
    SEARCH,
    SETATTR,
    UNINSTANTIATED,
    VIEW,
    Key,
    key_table,
    key_validate,
    keyring_alloc,
)
from toykernel.kernel.keys.keyring import (
    collect,
    key_link,
    key_permission,
    keyring_search,
    permitted,
    rings_below,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel

THREAD, PROCESS, SESSION, USER, USER_SESSION, GROUP, AUTH, REQUESTOR = range(-1, -9, -1)
OVERFLOWGID = 65534  # the group of a user's keyrings, which have none
#: Rights of new keyrings: of a thread or process, of a session, of one with a name, of a user.
_OWN = ALL << POSSESSOR | VIEW << OWNER
_SESSION = ALL << POSSESSOR | (VIEW | READ) << OWNER
_NAMED = ALL << POSSESSOR | (VIEW | READ | LINK) << OWNER
_USER = (ALL & ~SETATTR) << POSSESSOR | ALL << OWNER


def _owner(k: Kernel) -> tuple[int, int]:
    return k.current.cred.uid, k.current.cred.gid


def _install(k: Kernel, field: str, ring: Key) -> None:
    """Give the task's credentials a keyring; the reference is theirs. Raises Errno(ENOMEM)."""
    try:
        new = prepare_creds(k)
    except Errno:
        ring.put(k)
        raise
    old: Key | None = getattr(new, field)
    setattr(new, field, ring)
    commit_creds(k, new)
    if old is not None:
        old.put(k)


def user_keyrings(k: Kernel) -> tuple[Key, Key]:
    """The user's keyring and its session keyring, which holds the former. Raises Errno(EDQUOT), ENOMEM."""
    table, cred = key_table(k), k.current.cred
    uid = cred.user.uid
    if uid not in table.user_keyrings:
        rings: list[Key] = []
        try:
            for name in (f"_uid.{uid}", f"_uid_ses.{uid}"):
                rings.append(keyring_alloc(k, name, (uid, OVERFLOWGID), _USER))
                rings[-1].uid_keyring = True
            key_link(k, rings[1], rings[0])
        except Errno:
            for ring in reversed(rings):
                ring.put(k)
            raise
        table.user_keyrings[uid] = rings[0], rings[1]
    return table.user_keyrings[uid]


def install_own(k: Kernel, which: int) -> Key:
    """The thread's or the process's keyring, made when there is none. Raises Errno(ENOMEM)."""
    field, name = ("thread_keyring", "_tid") if which == THREAD else ("process_keyring", "_pid")
    ring: Key | None = getattr(k.current.cred, field)
    if ring is None:
        ring = keyring_alloc(k, name, _owner(k), _OWN, overrun=True)
        _install(k, field, ring)
    return ring


def join_session_keyring(k: Kernel, name: str | None) -> int:
    """A session keyring of one's own, or the one of a name that may be searched, or that is made; its number.

    Raises Errno(EACCES), Errno(EDQUOT), Errno(ENOMEM).
    """
    cred = k.current.cred
    if name is None:
        mine = cred.session_keyring
        ring = keyring_alloc(k, "_ses", _owner(k), _SESSION, overrun=mine is None)
        _install(k, "session_keyring", ring)
        return ring.serial
    found = find_keyring_by_name(k, name)
    if found is None:
        found = keyring_alloc(k, name, _owner(k), _NAMED)
    elif found is cred.session_keyring:
        return found.serial
    else:
        found.count += 1
    _install(k, "session_keyring", found)
    return found.serial


def find_keyring_by_name(k: Kernel, name: str) -> Key | None:
    """A keyring with a name that the task may search."""
    for key in key_table(k).keys.values():
        known = key.is_keyring and key.description == name and key.revoked_at is None
        if known and name and permitted(k, key, SEARCH, possessed=False):
            return key
    return None


def _session(k: Kernel, *, create: bool) -> Key:
    """The session keyring; there is always one after it has been asked for."""
    ring = k.current.cred.session_keyring
    if ring is None and not create:
        ring = user_keyrings(k)[1]
        ring.count += 1
        _install(k, "session_keyring", ring)
    elif ring is None or (ring.uid_keyring and create):
        user_keyrings(k)
        join_session_keyring(k, None)
        ring = k.current.cred.session_keyring
    assert ring is not None
    return ring


def process_keyrings(k: Kernel) -> Iterator[Key]:
    """Where a task's keys are looked for, in order: thread, process, session (or the user's session)."""
    cred = k.current.cred
    for ring in (cred.thread_keyring, cred.process_keyring):
        if ring is not None:
            yield ring
    if cred.session_keyring is not None:
        yield cred.session_keyring
    else:
        rings = key_table(k).user_keyrings.get(cred.user.uid)
        if rings is not None:
            yield rings[1]


def is_possessed(k: Kernel, key: Key) -> bool:
    """Whether the task can reach a key from its keyrings by searching."""

    def enter(ring: Key) -> bool:
        return permitted(k, ring, SEARCH, possessed=True)

    index = key.kind, key.description
    for root in process_keyrings(k):
        if enter(root):
            for depth, ring in rings_below(root, enter):
                if ring.links.get(index) is key or (not depth and ring is key):
                    return True
    return False


def search_process_keyrings(k: Kernel, kind: str, description: str) -> Key:
    """A key in the task's keyrings. Raises Errno(ENOKEY) for a negative one, Errno(EAGAIN), or when none
    could be searched what was in the way.
    """
    result, other = 0, EAGAIN
    for ring in process_keyrings(k):
        try:
            return keyring_search(k, ring, kind, description, possessed=True, expired=True)
        except Errno as error:
            if error.number == ENOKEY or (error.number == EAGAIN and not result):
                result = error.number
            elif error.number != EAGAIN:
                other = error.number
    raise Errno(result or other)


def lookup_user_key(
    k: Kernel,
    number: int,
    need: int,
    *,
    create: bool = False,
    partial: bool = False,
    unlink: bool = False,
    defer: bool = False,
) -> tuple[Key, bool]:
    """The key of a number, or a keyring of the task's own (below zero), and whether it is possessed.

    `create` makes the task's own, `partial` takes one without contents, `unlink` any, `defer` leaves
    rights to the caller. Raises Errno(EINVAL), Errno(ENOKEY), Errno(EACCES), EKEYREVOKED, EKEYEXPIRED, or a
    negative
    key's error.
    """
    collect(k)
    key, possessed = _by_number(k, number, create=create)
    if not unlink:
        try:
            if key.state < 0 and not partial:
                raise Errno(-key.state)
            if not partial or not defer:
                key_validate(k, key)
        except Errno:
            if not defer:
                raise
        if not partial and key.state == UNINSTANTIATED:
            raise Errno(EIO)
        if not defer:
            key_permission(k, key, need, possessed=possessed)
    return key, possessed


def _by_number(k: Kernel, number: int, *, create: bool) -> tuple[Key, bool]:
    cred = k.current.cred
    if number in (THREAD, PROCESS):
        ring = cred.thread_keyring if number == THREAD else cred.process_keyring
        if ring is None and not create:
            raise Errno(ENOKEY)
        return install_own(k, number), True
    if number == SESSION:
        return _session(k, create=create), True
    if number in (USER, USER_SESSION):
        return user_keyrings(k)[number == USER_SESSION], True
    if number in (AUTH, REQUESTOR):
        raise Errno(ENOKEY)  # only who makes a key that was requested has those
    if number < 1:
        raise Errno(EINVAL)
    key = key_table(k).keys.get(number)
    if key is None:
        raise Errno(ENOKEY)
    return key, is_possessed(k, key)


def session_to_parent(k: Kernel) -> None:
    """The parent gets the task's session keyring. Raises Errno(EPERM) for a parent that is another user's
    or has threads, Errno(ENOKEY), Errno(ENOMEM).
    """
    ring, _ = lookup_user_key(k, SESSION, LINK)
    parent = k.current.real_parent
    mine, its = k.current.cred, parent.cred
    if its is mine or its.session_keyring is ring:
        return
    if parent.pid <= 1 or parent.mm is None or len(parent.signal.threads) > 1:
        raise Errno(EPERM)
    if {its.uid, its.euid, its.suid} != {mine.euid} or {its.gid, its.egid, its.sgid} != {mine.egid}:
        raise Errno(EPERM)
    old = its.session_keyring
    for other in (old, ring):
        if other is not None and other.uid != mine.euid:
            raise Errno(EPERM)
    new = prepare_creds(k, its)
    if old is not None:
        old.put(k)
    ring.count += 1
    new.session_keyring = ring
    parent.cred = new
    put_cred(k, its)
