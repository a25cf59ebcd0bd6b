"""/proc/keys and /proc/key-users (security/keys/proc.c): what the reader may see of keys, and quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.kernel.keys.key import UNINSTANTIATED, VIEW, seconds
from toykernel.kernel.keys.keyring import permitted
from toykernel.kernel.keys.process_keys import is_possessed

if TYPE_CHECKING:
    from toykernel.kernel.keys.key import Key
    from toykernel.state import Kernel
    from toykernel.task import Task

_UNITS = ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h"), (604800, 86400, "d"))


def _timeout(k: Kernel, key: Key) -> str:
    if key.expiry is None:
        return "perm"
    left = key.expiry - seconds(k)
    if left <= 0:
        return "expd"
    for limit, size, unit in _UNITS:
        if left < limit:
            return f"{left // size}{unit}"
    return f"{left // 604800}w"


def _flags(key: Key) -> str:
    shown = (
        (key.state != UNINSTANTIATED, "I"),
        (key.revoked_at is not None, "R"),
        (False, "D"),  # dead: the type has gone, as a module can
        (key.in_quota, "Q"),
        (False, "U"),  # being made by a helper
        (key.state < 0, "N"),
        (key.invalidated, "i"),
    )
    return "".join(letter if there else "-" for there, letter in shown)


def _contents(key: Key) -> str:
    if key.is_keyring:
        return f": {len(key.links)}" if key.links else ": empty"
    return f": {key.datalen}" if key.state > 0 else ""


def keys(k: Kernel, task: Task) -> str:
    """A line for each key that the reader may view, by number."""
    table = k.processes.keys
    lines = []
    for serial, key in sorted(table.keys.items()) if table is not None else ():
        if permitted(k, key, VIEW, possessed=is_possessed(k, key)):
            lines.append(
                f"{serial:08x} {_flags(key)} {key.count:5} {_timeout(k, key):>4} {key.perm:08x} "
                f"{key.uid:5} {key.gid:5} {key.kind[:9]:<9} {key.description}{_contents(key)}\n"
            )
    return "".join(lines)


def key_users(k: Kernel, task: Task) -> str:
    """A line for each user who has keys: how many, instantiated, and what counts, with the limits."""
    table = k.processes.keys
    lines = []
    for uid, user in sorted(table.users.items()) if table is not None else ():
        maxkeys, maxbytes = table.limits(uid) if table is not None else (0, 0)
        lines.append(
            f"{uid:5}: {user.nkeys + 1:5} {user.nkeys}/{user.nikeys} "
            f"{user.qnkeys}/{maxkeys} {user.qnbytes}/{maxbytes}\n"
        )
    return "".join(lines)
