"""Messages in and out of sockets: what read and write do, and what sendmsg and recvmsg are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import put_user
from toykernel.errno import EAGAIN, EFAULT, EINVAL, ENOTTY, EOPNOTSUPP, Errno
from toykernel.fs.file import File, fput
from toykernel.fs.operations import FileOperations
from toykernel.fs.pieces import behind, length_of, store_some
from toykernel.kernel.timekeeping import ktime_get
from toykernel.kernel.wait import Result, WaitQueue
from toykernel.net.af_unix import SOCK_DGRAM, Skb, UnixSock, unix_poll, unix_release_sock
from toykernel.net.scm import ScmCookie
from toykernel.net.unix_io import (
    MSG_OOB,
    MSG_PEEK,
    MSG_WAITALL,
    Pieces,
    Received,
    check_recv,
    check_size,
    finish_recv,
    gather,
    nonblock,
    scatter,
    sock_of,
    unix_recv,
    unix_sendmsg,
    wait_for_data,
    whole_parts,
)
from toykernel.net.unix_oob import STOP, at_mark, manage_oob, recv_urg, start_reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from toykernel.state import Kernel

SIOCINQ, SIOCOUTQ, SIOCATMARK = 0x541B, 0x5411, 0x8905


@dataclass(eq=False)
class Receiving:
    """A call that receives: where to, and what it does with the rest of what it got.

    `told(k, call, got)` stores what belongs to a message besides its bytes.
    """

    file: File
    pieces: Pieces
    flags: int
    deadline: int | None
    told: Callable[[Kernel, Receiving, Received], None] | None = None
    msg: int = 0  # the caller's struct msghdr, or address
    extra: int = 0
    done: int = 0


def do_recv(k: Kernel, call: Receiving, late: bool = False) -> Result:
    """Receive what is there, or sleep until something is; the number of bytes."""
    sock = sock_of(call.file)
    if call.done and sock.queue and manage_oob(sock, sock.queue[0], copied=True) == STOP:
        return call.done
    size = sum(length for _, length in call.pieces) - call.done
    try:
        got = _take(k, sock, call, size)
    except Errno as error:
        if call.done and error.number == EFAULT:
            return call.done
        raise
    taking = sock.is_stream and not call.flags & MSG_PEEK
    ended_for_ever = got is not None and got.skb is None
    if ended_for_ever and sock.type == SOCK_DGRAM and nonblock(call.file, call.flags):
        raise Errno(EAGAIN)  # a datagram's end is told those who wait for it
    if got is None:
        if late:
            if call.done:
                return call.done
            raise Errno(EAGAIN)
        try:
            return wait_for_data(k, call.file, call.flags, call.deadline, do_recv, (call,))
        except Errno:
            if call.done:
                return call.done
            raise
    ended = got.skb is None or bool(got.skb.files)
    if call.told is not None:
        call.told(k, call, got)
    if got.skb is not None and not got.peek:
        drop_files(k, got.skb)
    finish_recv(k, sock, got)
    call.done += got.size
    asked = sum(length for _, length in call.pieces)
    least = asked if call.flags & MSG_WAITALL else min(sock.rcvlowat, asked)
    return do_recv(k, call) if taking and call.done < least and not ended else call.done


def _take(k: Kernel, sock: UnixSock, call: Receiving, size: int) -> Received | None:
    """Receive into the caller's memory. Of a stream a message that does not fit there stays where it is; a
    datagram is lost. Raises Errno.
    """
    pieces = behind(call.pieces, call.done)
    if not sock.is_stream:
        got = unix_recv(k, sock, size, call.flags)
        if got is None:
            return None
        try:
            scatter(k, pieces, got.data)
        except Errno:
            if got.skb is not None and not got.peek:
                drop_files(k, got.skb)
            finish_recv(k, sock, got)
            raise
        return got
    if not call.flags & MSG_PEEK and not call.done:
        start_reading(k, sock)
    seen = unix_recv(k, sock, size, call.flags | MSG_PEEK)
    if seen is None or seen.skb is None:
        return seen
    stored = store_some(k, pieces, seen.data)
    if stored < len(seen.data):
        stored = whole_parts(sock, stored)
        if not stored:
            raise Errno(EFAULT)
    return unix_recv(k, sock, stored, call.flags)


def drop_files(k: Kernel, skb: Skb) -> None:
    """The bytes that open files came with have been read, and nobody wanted the files."""
    files, skb.files = skb.files, []
    for file in files:
        fput(k, file)


def _urgent(k: Kernel, sock: UnixSock, call: Receiving) -> int:
    """The marked byte of a stream; nothing goes along with it, and without room it is lost. Raises
    Errno(EINVAL), Errno(EFAULT)."""
    peek = bool(call.flags & MSG_PEEK)
    data = recv_urg(k, sock, peek=peek)
    scatter(k, tuple(piece for piece in call.pieces if piece[1]), data)
    if call.told is not None:
        call.told(k, call, Received(data, 1, MSG_OOB, None, peek))
    return 1


def start_recv(k: Kernel, call: Receiving) -> Result:
    """The first try of a call. Raises Errno for a socket that cannot receive."""
    sock = sock_of(call.file)
    check_recv(sock, call.flags)
    if call.flags & MSG_OOB:
        return _urgent(k, sock, call)
    call.deadline = ktime_get(k) + sock.rcvtimeo if sock.rcvtimeo else None
    return do_recv(k, call)


# -- as a file -------------------------------------------------------------------------------------


def sock_read(k: Kernel, file: File, buf: int, count: int) -> Result:
    """read: recv without flags."""
    if not count:
        return 0
    return start_recv(k, Receiving(file, ((buf, count),), 0, None))


def sock_write(k: Kernel, file: File, buf: int, count: int) -> Result:
    """write: send without flags."""
    return sock_iter(k, file, ((buf, count),), True)


def sock_iter(k: Kernel, file: File, pieces: Pieces, write: bool) -> Result:
    """readv and writev: the pieces are one message."""
    if write:
        check_size(sock_of(file), length_of(pieces))  # before any of it is read
        return unix_sendmsg(k, file, gather(k, pieces), 0, ScmCookie(), None)
    return start_recv(k, Receiving(file, pieces, 0, None))


def sock_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """What may be done without waiting."""
    return unix_poll(k, sock_of(file), pt)


def sock_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """SIOCINQ, the bytes that can be read; SIOCOUTQ, those that nobody has read yet; SIOCATMARK.

    EINVAL for a listener, EOPNOTSUPP for the mark of what is no stream, ENOTTY for another request.
    """
    sock = sock_of(file)
    if request == SIOCOUTQ:
        put_user(k, sock.wmem, argp)
        return 0
    if request != SIOCINQ:
        if request != SIOCATMARK:
            raise Errno(ENOTTY)
        if not sock.is_stream:
            raise Errno(EOPNOTSUPP)
        put_user(k, int(at_mark(sock)), argp)
        return 0
    if sock.listening:
        raise Errno(EINVAL)
    waiting = sock.queue if sock.connects else sock.queue[:1]
    put_user(k, sum(len(skb.data) - skb.at for skb in waiting), argp)
    return 0


def sock_release(k: Kernel, file: File) -> None:
    """The last descriptor is closed."""
    unix_release_sock(k, sock_of(file))
    file.inode.private = None
    file.inode.i_sb.put_ino()


def sock_splice_write(k: Kernel, file: File, data: bytes) -> Result:
    """sendfile and splice into a socket: a message, or bytes of a stream."""
    return unix_sendmsg(k, file, data, 0, ScmCookie(), None)


def sock_splice_read(k: Kernel, file: File, pos: int, count: int) -> bytes | None:
    """splice out of a socket; None while there is nothing. Raises Errno for one that cannot receive."""
    sock = sock_of(file)
    check_recv(sock, 0)
    start_reading(k, sock)
    got = unix_recv(k, sock, count, 0)
    if got is None:
        return None
    if got.skb is not None:
        drop_files(k, got.skb)
    finish_recv(k, sock, got)
    return got.data


SOCKET = FileOperations(
    "toykernel.net.sendrecv:SOCKET",
    read=sock_read,
    write=sock_write,
    poll=sock_poll,
    ioctl=sock_ioctl,
    release=sock_release,
    iter=sock_iter,
    splice_read=sock_splice_read,
    splice_write=sock_splice_write,
)
