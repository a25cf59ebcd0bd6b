"""Out-of-band data of AF_UNIX streams (net/unix/af_unix.c of 6.12): one byte of the stream is marked.

The marked message stays in its place in the queue. Reading stops before it; a reader that begins there jumps
over it, unless SO_OOBINLINE. When MSG_OOB has read it, it stays as an empty message: reading stops there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EINVAL, Errno
from toykernel.net.af_unix import Skb, UnixSock, free_skb

if TYPE_CHECKING:
    from toykernel.state import Kernel

SO_OOBINLINE = 10
#: What a reader does at a message.
TAKE, PASS, STOP = range(3)


def is_empty(skb: Skb) -> bool:
    """Whether nothing of a message is left but its place."""
    return skb.at == len(skb.data)


def manage_oob(sock: UnixSock, skb: Skb, *, copied: bool) -> int:
    """TAKE a message, PASS over it, or STOP before it; `copied`: something was read already."""
    if is_empty(skb):
        return STOP if copied and sock.oob is None else PASS
    if skb is not sock.oob:
        return TAKE
    if copied:
        return STOP
    return TAKE if sock.options.get(SO_OOBINLINE) else PASS


def pass_over(k: Kernel, sock: UnixSock, skb: Skb) -> None:
    """A message that nobody read goes."""
    sock.queue.remove(skb)
    free_skb(k, skb)
    if sock.oob is skb:
        sock.oob = None


def start_reading(k: Kernel, sock: UnixSock) -> None:
    """A reader jumps over what lies before the first byte of the stream for it."""
    while sock.queue and manage_oob(sock, sock.queue[0], copied=False) == PASS:
        pass_over(k, sock, sock.queue[0])
    if sock.queue and sock.queue[0] is sock.oob:
        sock.oob = None  # read as any other, with SO_OOBINLINE


def recv_urg(k: Kernel, sock: UnixSock, *, peek: bool) -> bytes:
    """MSG_OOB: the marked byte. Raises Errno(EINVAL) without one, or with SO_OOBINLINE."""
    skb = sock.oob
    if skb is None or sock.options.get(SO_OOBINLINE):
        raise Errno(EINVAL)
    data = skb.data
    if not peek:
        sock.oob = None
        skb.at = len(data)
        before = sock.queue.index(skb) - 1
        if before >= 0 and is_empty(sock.queue[before]):
            pass_over(k, sock, sock.queue[before])
    return data


def at_mark(sock: UnixSock) -> bool:
    """SIOCATMARK: whether the next byte is the marked one."""
    if not sock.queue:
        return False
    first, second = sock.queue[0], sock.queue[1] if len(sock.queue) > 1 else None
    return first is sock.oob or (is_empty(first) and (sock.oob is None or second is sock.oob))
