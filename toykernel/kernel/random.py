"""Random numbers (drivers/char/random.c): getrandom, and what reads from /dev/random.

They are the same ones after every boot: a run has to repeat itself to the bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_some_to_user
from toykernel.errno import EFAULT, EINVAL, Errno
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE = 1, 2, 4
_CHUNK = 4096


def get_random_bytes(k: Kernel, count: int) -> bytes:
    """The next bytes of the generator."""
    words = (k.get_random_int().to_bytes(4, "little") for _ in range(-(-count // 4)))
    return b"".join(words)[:count]


def get_random_bytes_user(k: Kernel, buf: int, count: int) -> int:
    """Random bytes as far as the buffer takes them. Raises Errno(EFAULT) if it takes none."""
    done = 0
    while done < count:
        part = min(count - done, _CHUNK)
        copied = copy_some_to_user(k, buf + done, get_random_bytes(k, part))
        done += copied
        if copied < part:
            break
    if count and not done:
        raise Errno(EFAULT)
    return done


@syscall(355, "buf:buffer_out buflen:size flags:random_flags")
def sys_getrandom(k: Kernel, buf: int, count: int, flags: int) -> int:
    """getrandom: as many bytes as were asked for; there are always enough. EINVAL for a flag, EFAULT."""
    if flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE):
        raise Errno(EINVAL)
    if flags & (GRND_INSECURE | GRND_RANDOM) == GRND_INSECURE | GRND_RANDOM:
        raise Errno(EINVAL)
    return get_random_bytes_user(k, buf, min(count, 0x7FFFFFFF))
