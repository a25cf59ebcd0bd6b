"""add_key and request_key (security/keys/keyctl.c, request_key.c).

A key that is asked for and not found would be made by /sbin/request-key, which this kernel never starts: as
on a system without that program, it becomes a negative key for a minute, and the caller gets ENOENT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, strncpy_from_user
from toykernel.errno import (
    EAGAIN,
    EINVAL,
    ENAMETOOLONG,
    ENODEV,
    ENOENT,
    ENOKEY,
    ENOTDIR,
    EPERM,
    Errno,
)
from toykernel.kernel.keys.key import (
    KEY_TYPES,
    LINK,
    OWNER,
    POSSESSOR,
    READ,
    SEARCH,
    SETATTR,
    VIEW,
    WRITE,
    Key,
    find_type,
    instantiated,
    key_alloc,
    key_payload_reserve,
    key_validate,
    seconds,
)
from toykernel.kernel.keys.keyring import check_link, collect, key_link, key_permission, schedule_gc
from toykernel.kernel.keys.process_keys import (
    lookup_user_key,
    search_process_keyrings,
    user_keyrings,
)
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.keys.key import KeyType
    from toykernel.state import Kernel

_TYPE_SIZE, _DESCRIPTION_SIZE = 32, 4096
MAX_PAYLOAD = (1 << 20) - 1
NEGATIVE_TIMEOUT = 60  # seconds


def text_of(k: Kernel, address: int, size: int) -> str:
    """strndup_user: a string of less than `size` bytes. Raises Errno(EFAULT), Errno(EINVAL)."""
    try:
        data = strncpy_from_user(k, address, size)
    except Errno as error:
        raise Errno(EINVAL if error.number == ENAMETOOLONG else error.number) from None
    return data.decode(errors="surrogateescape")


def type_of(k: Kernel, address: int) -> str:
    """key_get_type_from_user. Raises Errno(EFAULT), Errno(EINVAL), Errno(EPERM) for one of the kernel's
    own.
    """
    name = text_of(k, address, _TYPE_SIZE)
    if not name:
        raise Errno(EINVAL)
    if name.startswith("."):
        raise Errno(EPERM)
    return name


def _default_perm(kind: KeyType) -> int:
    """key_create_or_update: what the possessor may do with a new key; its owner may see it."""
    rights = VIEW | SEARCH | LINK | SETATTR
    rights |= READ if kind.readable else 0
    rights |= WRITE if kind.updatable or kind.name == "keyring" else 0
    return rights << POSSESSOR | VIEW << OWNER


@syscall(286, "type:path description:path payload:buffer_in plen:size keyring:int")
def sys_add_key(k: Kernel, kind: int, description: int, payload: int, size: int, ring: int) -> int:
    """add_key: a key in a keyring, or other contents for the one that has its type and description; its
    number.

    EINVAL, EFAULT, ENODEV for another type, EPERM, EDQUOT, ENOTDIR, and as lookup_user_key.
    """
    if size > MAX_PAYLOAD:
        raise Errno(EINVAL)
    name = type_of(k, kind)
    text = text_of(k, description, _DESCRIPTION_SIZE) if description else ""
    if text.startswith(".") and name.startswith("keyring"):
        raise Errno(EPERM)
    data = copy_from_user(k, payload, size) if size else b""
    into, possessed = lookup_user_key(k, ring, WRITE, create=True)
    what = KEY_TYPES.get(name)
    if what is None:
        raise Errno(ENODEV)
    if not into.is_keyring:
        raise Errno(ENOTDIR)
    if len(data) not in what.sizes or not text:
        raise Errno(EINVAL)
    check_link(into)
    old = into.links.get((name, text)) if what.updatable else None
    if old is not None and not old.invalidated and old.revoked_at is None:
        key_permission(k, old, WRITE, possessed=possessed)
        key_payload_reserve(k, old, len(data))
        old.payload, old.expiry = data, None
        instantiated(k, old)
        return old.serial
    cred = k.current.cred
    key = key_alloc(k, name, text, (cred.fsuid, cred.fsgid), _default_perm(what))
    try:
        key_payload_reserve(k, key, len(data))
        key.payload = data
        instantiated(k, key)
        key_link(k, into, key)
    finally:
        key.put(k)
    return key.serial


@syscall(287, "type:path description:path callout_info:path keyring:int")
def sys_request_key(k: Kernel, kind: int, description: int, callout: int, ring: int) -> int:
    """request_key: a key in the task's keyrings, linked to one more keyring when `ring` says so; its number.

    ENOKEY when there is none, ENOENT when there is `callout` for the program that would make it, EFAULT,
    EPERM, EDQUOT, and as lookup_user_key.
    """
    name = type_of(k, kind)
    text = text_of(k, description, _DESCRIPTION_SIZE)
    if callout:
        text_of(k, callout, _DESCRIPTION_SIZE)
    into: Key | None = None
    if ring:
        into, _possessed = lookup_user_key(k, ring, WRITE, create=True)
    what = find_type(name)
    collect(k)
    try:
        key = search_process_keyrings(k, name, text)
    except Errno as error:
        if error.number != EAGAIN:
            raise
        if not callout:
            raise Errno(ENOKEY) from None
    else:
        if into is not None:
            key_permission(k, key, LINK, possessed=True)
            key_link(k, into, key)
        key_validate(k, key)
        return key.serial
    _construct(k, what, text, into)
    raise Errno(ENOENT)


def _construct(k: Kernel, kind: KeyType, description: str, into: Key | None) -> None:
    """construct_key_and_link, and that nobody could make it: a negative key stays, for a while. Raises
    Errno(EPERM) for a keyring, Errno(EACCES), Errno(EDQUOT).
    """
    if kind.name == "keyring":
        raise Errno(EPERM)
    if into is None:
        into = _default_keyring(k)
        key_permission(k, into, WRITE, possessed=True)
    perm = _default_perm(kind)
    cred = k.current.cred
    key = key_alloc(k, kind.name, description, (cred.fsuid, cred.fsgid), perm)
    try:
        key_link(k, into, key)
    finally:
        key.put(k)
    instantiated(k, key, -ENOKEY)
    key.expiry = seconds(k) + NEGATIVE_TIMEOUT
    schedule_gc(k, key.expiry)


def _default_keyring(k: Kernel) -> Key:
    """construct_get_dest_keyring: as KEYCTL_SET_REQKEY_KEYRING says, or the first that there is."""
    cred = k.current.cred
    where = cred.jit_keyring
    if where == 4:
        return user_keyrings(k)[0]
    if where in (0, 1, 2, 7):
        for ring in (cred.thread_keyring, cred.process_keyring)[where == 2 :]:
            if ring is not None:
                return ring
    if where != 5 and cred.session_keyring is not None:
        return cred.session_keyring
    return user_keyrings(k)[1]
