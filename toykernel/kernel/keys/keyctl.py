"""keyctl (security/keys/keyctl.c): the commands, by number. Each takes four arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import (
    EACCES,
    EAGAIN,
    EEXIST,
    EINVAL,
    ENOENT,
    ENOKEY,
    ENOTDIR,
    EOPNOTSUPP,
    EPERM,
    Errno,
)
from toykernel.kernel.cred import CAP_SYS_ADMIN, capable, commit_creds, prepare_creds
from toykernel.kernel.keys.key import (
    ALL,
    KEY_TYPES,
    LINK,
    READ,
    SEARCH,
    SETATTR,
    VIEW,
    WRITE,
    Key,
    find_type,
    instantiated,
    key_chown_user,
    key_payload_reserve,
    key_validate,
    seconds,
)
from toykernel.kernel.keys.keyring import (
    collect,
    key_link,
    key_permission,
    key_revoke,
    key_unlink,
    keyring_clear,
    keyring_search,
    permitted,
    schedule_gc,
)
from toykernel.kernel.keys.process_keys import (
    PROCESS,
    THREAD,
    install_own,
    is_possessed,
    join_session_keyring,
    lookup_user_key,
    session_to_parent,
)
from toykernel.kernel.keys.request_key import text_of, type_of
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

_NOBODY = 0xFFFFFFFF
_MOVE_EXCL = 1
_EVERYBODY = ALL << 24 | ALL << 16 | ALL << 8 | ALL
#: KEYCTL_CAPS0_: the command itself, big_key, KEYCTL_INVALIDATE, KEYCTL_RESTRICT_KEYRING, KEYCTL_MOVE.
_CAPABILITIES = bytes((0x01 | 0x10 | 0x20 | 0x40 | 0x80, 0))
_PAGE = 4096


def _signed(number: int) -> int:
    return number - (1 << 32) if number & 0x80000000 else number


def _get_keyring_id(k: Kernel, ring: int, create: int, *_: int) -> int:
    return lookup_user_key(k, _signed(ring), SEARCH, create=bool(create))[0].serial


def _join_session_keyring(k: Kernel, name: int, *_: int) -> int:
    text = text_of(k, name, _PAGE) if name else None
    if text is not None and text.startswith("."):
        raise Errno(EPERM)
    collect(k)
    return join_session_keyring(k, text)


def _update(k: Kernel, number: int, payload: int, size: int, *_: int) -> int:
    if size > _PAGE:
        raise Errno(EINVAL)
    data = copy_from_user(k, payload, size) if payload and size else b""
    key, _possessed = lookup_user_key(k, _signed(number), WRITE)
    key_update(k, key, data)
    return 0


def key_update(k: Kernel, key: Key, data: bytes) -> None:
    """Other contents. Raises Errno(EOPNOTSUPP) for a type that never changes, Errno(EINVAL),
    Errno(EDQUOT).
    """
    kind = KEY_TYPES[key.kind]
    if not kind.updatable:
        raise Errno(EOPNOTSUPP)
    if len(data) not in kind.sizes:
        raise Errno(EINVAL)
    key_payload_reserve(k, key, len(data))
    key.payload = data
    key.expiry = None
    instantiated(k, key)


def _revoke(k: Kernel, number: int, *_: int) -> int:
    try:
        key, _possessed = lookup_user_key(k, _signed(number), WRITE)
    except Errno as error:
        if error.number != EACCES:
            raise
        key, _possessed = lookup_user_key(k, _signed(number), SETATTR)
    key_revoke(k, key)
    return 0


def _chown(k: Kernel, number: int, uid: int, gid: int, *_: int) -> int:
    if uid == gid == _NOBODY:
        return 0
    key, _possessed = lookup_user_key(k, _signed(number), SETATTR, create=True, partial=True)
    cred = k.current.cred
    if not capable(k, CAP_SYS_ADMIN):
        if uid not in (_NOBODY, key.uid):
            raise Errno(EACCES)
        if gid not in (_NOBODY, key.gid, cred.fsgid, *cred.groups):
            raise Errno(EACCES)
    if uid not in (_NOBODY, key.uid):
        key_chown_user(k, key, uid)
    if gid != _NOBODY:
        key.gid = gid
    return 0


def _setperm(k: Kernel, number: int, perm: int, *_: int) -> int:
    if perm & ~_EVERYBODY:
        raise Errno(EINVAL)
    key, _possessed = lookup_user_key(k, _signed(number), SETATTR, create=True, partial=True)
    if key.uid != k.current.cred.fsuid and not capable(k, CAP_SYS_ADMIN):
        raise Errno(EACCES)
    key.perm = perm
    return 0


def _give(k: Kernel, data: bytes, buf: int, size: int) -> int:
    """All of it or nothing, and how much it is."""
    if buf and size >= len(data):
        copy_to_user(k, buf, data)
    return len(data)


def _describe(k: Kernel, number: int, buf: int, size: int, *_: int) -> int:
    key, _possessed = lookup_user_key(k, _signed(number), VIEW, partial=True)
    text = f"{key.kind};{key.uid};{key.gid};{key.perm:08x};{key.description}"
    return _give(k, text.encode(errors="surrogateescape") + b"\0", buf, size)


def _clear(k: Kernel, number: int, *_: int) -> int:
    ring, _possessed = lookup_user_key(k, _signed(number), WRITE, create=True)
    keyring_clear(k, ring)
    return 0


def _link(k: Kernel, number: int, ring: int, *_: int) -> int:
    into, _possessed = lookup_user_key(k, _signed(ring), WRITE, create=True)
    key, _possessed = lookup_user_key(k, _signed(number), LINK, create=True)
    key_link(k, into, key)
    return 0


def _unlink(k: Kernel, number: int, ring: int, *_: int) -> int:
    out_of, _possessed = lookup_user_key(k, _signed(ring), WRITE)
    key, _possessed = lookup_user_key(k, _signed(number), 0, partial=True, unlink=True)
    key_unlink(k, out_of, key)
    return 0


def _search(k: Kernel, ring: int, kind: int, description: int, into: int) -> int:
    name, text = type_of(k, kind), text_of(k, description, _PAGE)
    where, possessed = lookup_user_key(k, _signed(ring), SEARCH)
    destination = None
    if into:
        destination, _possessed = lookup_user_key(k, _signed(into), WRITE, create=True)
    find_type(name)
    try:
        key = keyring_search(k, where, name, text, possessed=possessed)
    except Errno as error:
        raise Errno(ENOKEY if error.number == EAGAIN else error.number) from None
    if destination is not None:
        key_permission(k, key, LINK, possessed=possessed)
        key_link(k, destination, key)
    return key.serial


def _read(k: Kernel, number: int, buf: int, size: int, *_: int) -> int:
    try:
        key, possessed = lookup_user_key(k, _signed(number), 0, defer=True)
    except Errno:
        raise Errno(ENOKEY) from None
    if key.state < 0:
        raise Errno(-key.state)
    if not permitted(k, key, READ, possessed=possessed) and not is_possessed(k, key):
        raise Errno(EACCES)
    if not KEY_TYPES[key.kind].readable:
        raise Errno(EOPNOTSUPP)
    key_validate(k, key)
    data = key.payload
    if key.is_keyring:
        data = b"".join(each.serial.to_bytes(4, "little") for each in key.links.values())
    return _give(k, data, buf, size)


def _without_authority(k: Kernel, *_: int) -> int:
    """Only who was started to make a key may (there is no such helper). Raises Errno(EPERM)."""
    raise Errno(EPERM)


def _reject(k: Kernel, number: int, timeout: int, error: int, ring: int) -> int:
    if not 0 < error < 4095 or error in (512, 513, 514, 516):
        raise Errno(EINVAL)
    return _without_authority(k)


def _set_reqkey_keyring(k: Kernel, where: int, *_: int) -> int:
    cred = k.current.cred
    old, number = cred.jit_keyring, _signed(where)
    if number == -1:
        return old
    if number in (1, 2):
        install_own(k, THREAD if number == 1 else PROCESS)
    elif number not in (0, 3, 4, 5, 7):
        raise Errno(EINVAL)
    new = prepare_creds(k)
    new.jit_keyring = number
    commit_creds(k, new)
    return old


def _set_timeout(k: Kernel, number: int, timeout: int, *_: int) -> int:
    key, _possessed = lookup_user_key(k, _signed(number), SETATTR, create=True, partial=True)
    key.expiry = seconds(k) + timeout if timeout else None
    if key.expiry is not None:
        schedule_gc(k, key.expiry)
    return 0


def _assume_authority(k: Kernel, number: int, *_: int) -> int:
    if _signed(number) < 0:
        raise Errno(EINVAL)
    if number:
        raise Errno(ENOKEY)
    return 0


def _get_security(k: Kernel, number: int, buf: int, size: int, *_: int) -> int:
    lookup_user_key(k, _signed(number), VIEW, partial=True)
    return _give(k, b"\0", buf, size)


def _session_to_parent(k: Kernel, *_: int) -> int:
    session_to_parent(k)
    return 0


def _invalidate(k: Kernel, number: int, *_: int) -> int:
    key, _possessed = lookup_user_key(k, _signed(number), SEARCH)
    key.invalidated = True
    collect(k, now=True)
    return 0


def _restrict_keyring(k: Kernel, number: int, kind: int, restriction: int, *_: int) -> int:
    ring, _possessed = lookup_user_key(k, _signed(number), SETATTR)
    if not kind and restriction:
        raise Errno(EINVAL)
    if kind:
        name = type_of(k, kind)
        text_of(k, restriction, _PAGE)
        find_type(name)
        raise Errno(ENOENT)  # no type here has restrictions to offer
    if not ring.is_keyring:
        raise Errno(ENOTDIR)
    if ring.restricted:
        raise Errno(EEXIST)
    ring.restricted = True
    return 0


def _move(k: Kernel, number: int, source: int, destination: int, flags: int) -> int:
    if flags & ~_MOVE_EXCL:
        raise Errno(EINVAL)
    key, _possessed = lookup_user_key(k, _signed(number), LINK, create=True)
    old, _possessed = lookup_user_key(k, _signed(source), WRITE)
    new, _possessed = lookup_user_key(k, _signed(destination), WRITE, create=True)
    if old is new:
        return 0
    if not old.is_keyring or not new.is_keyring:
        raise Errno(ENOTDIR)
    index = key.kind, key.description
    if old.links.get(index) is not key:
        raise Errno(ENOENT)
    if flags & _MOVE_EXCL and index in new.links:
        raise Errno(EEXIST)
    key_link(k, new, key)
    key_unlink(k, old, key)
    return 0


def _capabilities(k: Kernel, buf: int, size: int, *_: int) -> int:
    if size:
        copy_to_user(k, buf, _CAPABILITIES[:size].ljust(size, b"\0"))
    return len(_CAPABILITIES)


_COMMANDS: dict[int, Callable[[Kernel, int, int, int, int], int]] = {
    0: _get_keyring_id,
    1: _join_session_keyring,
    2: _update,
    3: _revoke,
    4: _chown,
    5: _setperm,
    6: _describe,
    7: _clear,
    8: _link,
    9: _unlink,
    10: _search,
    11: _read,
    12: _without_authority,  # KEYCTL_INSTANTIATE
    13: _without_authority,  # KEYCTL_NEGATE
    14: _set_reqkey_keyring,
    15: _set_timeout,
    16: _assume_authority,
    17: _get_security,
    18: _session_to_parent,
    19: _reject,
    20: _without_authority,  # KEYCTL_INSTANTIATE_IOV
    21: _invalidate,
    29: _restrict_keyring,
    30: _move,
    31: _capabilities,
}


@syscall(288, "operation:int arg2:hex arg3:hex arg4:hex arg5:hex")
def sys_keyctl(k: Kernel, command: int, a: int, b: int, c: int, d: int) -> int:
    """keyctl: what KEYCTL_… says. EOPNOTSUPP for another, and for what Diffie-Hellman, public keys, watches
    and persistent keyrings take; EACCES, ENOKEY, EKEYREVOKED, EKEYEXPIRED, EDQUOT, EFAULT.
    """
    function = _COMMANDS.get(command)
    if function is None:
        raise Errno(EOPNOTSUPP)
    return function(k, a, b, c, d)
