"""Keys (security/keys/key.c): a few bytes under a type and a description, with an owner, rights and a quota.

A keyring is a key that holds others. A key lives for as long as a keyring or a task's credentials refer to
it.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import EDQUOT, EINVAL, EKEYEXPIRED, EKEYREVOKED, ENOKEY, Errno
from toykernel.kernel.timekeeping import NSEC_PER_SEC, ktime_get_real

if TYPE_CHECKING:
    from toykernel.kernel.cred import Cred
    from toykernel.state import Kernel

#: Rights, for the possessor (bits 24 to 29), the owner (16), the group (8) and others (0).
VIEW, READ, WRITE, SEARCH, LINK, SETATTR, ALL = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x3F
POSSESSOR, OWNER, GROUP = 24, 16, 8
LINK_BYTES = 4  # KEYQUOTA_LINK_BYTES: what a link counts
UNINSTANTIATED, POSITIVE = 0, 1  # below zero: the error that a negative key answers with


@dataclass(frozen=True)
class KeyType:
    """struct key_type: how many bytes it takes, and whether they can be read and replaced."""

    name: str
    sizes: range
    readable: bool = True
    updatable: bool = True


KEY_TYPES = {
    kind.name: kind
    for kind in (
        KeyType("keyring", range(1), updatable=False),
        KeyType("user", range(1, 32768)),
        KeyType("logon", range(1, 32768), readable=False),
        KeyType("big_key", range(1, 1 << 20)),
    )
}


@dataclass(eq=False)
class KeyUser:
    """struct key_user: what a user has in keys, all and those that count."""

    uid: int
    nkeys: int = 0
    nikeys: int = 0  # instantiated
    qnkeys: int = 0
    qnbytes: int = 0


@dataclass(eq=False)
class KeyTable:
    """Every key by number, the keyrings of users, and limits (sysctl kernel.keys.…)."""

    keys: dict[int, Key] = field(default_factory=dict)
    users: dict[int, KeyUser] = field(default_factory=dict)
    #: By user id: the user's keyring and the session keyring of who has none.
    user_keyrings: dict[int, tuple[Key, Key]] = field(default_factory=dict)
    maxkeys: int = 200
    maxbytes: int = 20000
    root_maxkeys: int = 1000000
    root_maxbytes: int = 25000000
    gc_delay: int = 300  # seconds that a dead key can still be found
    next_gc: int | None = None  # when links to dead keys go, in seconds of CLOCK_REALTIME

    def limits(self, uid: int) -> tuple[int, int]:
        """How many keys and bytes a user may have."""
        return (self.root_maxkeys, self.root_maxbytes) if not uid else (self.maxkeys, self.maxbytes)


@dataclass(eq=False)
class Key:
    """struct key. `expiry` and `revoked_at` are seconds of CLOCK_REALTIME."""

    slab: int
    serial: int
    kind: str
    description: str
    uid: int
    gid: int
    perm: int
    user: int  # for whom it counts
    count: int = 1
    quotalen: int = 0
    datalen: int = 0
    in_quota: bool = True
    state: int = UNINSTANTIATED
    expiry: int | None = None
    revoked_at: int | None = None
    invalidated: bool = False
    uid_keyring: bool = False  # a user's, not one that only has such a name
    restricted: bool = False  # a keyring that takes no more
    payload: bytes = b""
    links: dict[tuple[str, str], Key] = field(default_factory=dict)

    @property
    def is_keyring(self) -> bool:
        return self.kind == "keyring"

    def put(self, k: Kernel) -> None:
        """One reference less; the last one ends the key, and lets go of what a keyring holds."""
        self.count -= 1
        if self.count:
            return
        table = key_table(k)
        for key in self.links.values():
            key.put(k)
        self.links.clear()
        user = table.users[self.user]
        user.nkeys -= 1
        user.nikeys -= self.state != UNINSTANTIATED
        if self.in_quota:
            user.qnkeys -= 1
            user.qnbytes -= self.quotalen
        _forget(table, user)
        del table.keys[self.serial]
        k.memory.slabs.key.free(k, self.slab)

    def follow(self, cred: Cred) -> None:
        """A thread keyring is its task's: so are its owner and group (key_fsuid_changed). It goes on to count
        for whom it was made.
        """
        self.uid, self.gid = cred.fsuid, cred.fsgid

    def of_another_thread(self, k: Kernel, cred: Cred) -> Key:
        """A thread keyring for a thread that is made by one that has this. Raises Errno(ENOMEM)."""
        return keyring_alloc(k, "_tid", (cred.uid, cred.gid), self.perm, overrun=True)


def key_table(k: Kernel) -> KeyTable:
    """The keys of the system; the table is made when it is first needed."""
    if k.processes.keys is None:
        k.processes.keys = KeyTable()
    return k.processes.keys


def seconds(k: Kernel) -> int:
    """CLOCK_REALTIME in seconds, in which keys expire."""
    return ktime_get_real(k) // NSEC_PER_SEC


def find_type(name: str) -> KeyType:
    """key_type_lookup. Raises Errno(ENOKEY)."""
    kind = KEY_TYPES.get(name)
    if kind is None:
        raise Errno(ENOKEY)
    return kind


def _forget(table: KeyTable, user: KeyUser) -> None:
    if not user.nkeys:
        del table.users[user.uid]


def key_alloc(
    k: Kernel,
    kind: str,
    description: str,
    owner: tuple[int, int],
    perm: int,
    *,
    overrun: bool = False,
) -> Key:
    """A key without contents, the caller's, of a user and group. Raises Errno(EDQUOT) beyond the user's
    quota, but with `overrun`; Errno(EINVAL) for a description that its type does not take, Errno(ENOMEM).
    """
    if kind == "logon" and description.find(":") < 1:
        raise Errno(EINVAL)
    table = key_table(k)
    uid, gid = owner
    size = len(description.encode(errors="surrogateescape")) + 1
    user = table.users.get(uid) or KeyUser(uid)
    keys, limit = table.limits(uid)
    if not overrun and (user.qnkeys + 1 > keys or user.qnbytes + size > limit):
        raise Errno(EDQUOT)
    slab = k.memory.slabs.key.alloc(k)
    serial = k.get_random_int() >> 1
    while serial < 3 or serial in table.keys:
        serial = serial + 1 & 0x7FFFFFFF
    table.users[uid] = user
    user.nkeys += 1
    user.qnkeys += 1
    user.qnbytes += size
    key = Key(slab, serial, kind, description, uid, gid, perm, uid, quotalen=size)
    table.keys[serial] = key
    return key


def keyring_alloc(
    k: Kernel, description: str, owner: tuple[int, int], perm: int, *, overrun: bool = False
) -> Key:
    """An empty keyring, the caller's. Raises Errno(EDQUOT), Errno(ENOMEM)."""
    ring = key_alloc(k, "keyring", description, owner, perm, overrun=overrun)
    instantiated(k, ring)
    return ring


def instantiated(k: Kernel, key: Key, state: int = POSITIVE) -> None:
    """It has contents now, or an error that stands for them."""
    if key.state == UNINSTANTIATED:
        key_table(k).users[key.user].nikeys += 1
    key.state = state


def key_payload_reserve(k: Kernel, key: Key, datalen: int) -> None:
    """Its contents take so many bytes from now on. Raises Errno(EDQUOT)."""
    delta = datalen - key.datalen
    if key.in_quota and delta:
        table = key_table(k)
        user = table.users[key.user]
        if delta > 0 and user.qnbytes + delta > table.limits(key.user)[1]:
            raise Errno(EDQUOT)
        user.qnbytes += delta
        key.quotalen += delta
    key.datalen = datalen


def key_chown_user(k: Kernel, key: Key, uid: int) -> None:
    """It is another user's, for whom it counts. Raises Errno(EDQUOT)."""
    if uid == key.uid:
        return
    table = key_table(k)
    old, new = table.users[key.user], table.users.get(uid) or KeyUser(uid)
    if key.in_quota:
        keys, limit = table.limits(uid)
        if new.qnkeys + 1 > keys or new.qnbytes + key.quotalen > limit:
            raise Errno(EDQUOT)
        for user, sign in ((old, -1), (new, 1)):
            user.qnkeys += sign
            user.qnbytes += sign * key.quotalen
    for user, sign in ((old, -1), (new, 1)):
        user.nkeys += sign
        user.nikeys += sign * (key.state != UNINSTANTIATED)
    table.users[uid] = new
    key.uid = key.user = uid
    _forget(table, old)


def key_validate(k: Kernel, key: Key) -> None:
    """Whether it is still good. Raises Errno(ENOKEY), Errno(EKEYREVOKED), Errno(EKEYEXPIRED)."""
    if key.invalidated:
        raise Errno(ENOKEY)
    if key.revoked_at is not None:
        raise Errno(EKEYREVOKED)
    if key.expiry is not None and seconds(k) >= key.expiry:
        raise Errno(EKEYEXPIRED)
