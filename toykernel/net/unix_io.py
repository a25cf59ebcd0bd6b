"""Sending and receiving on AF_UNIX sockets (net/unix/af_unix.c)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import (
    EAGAIN,
    ECONNREFUSED,
    EINTR,
    EINVAL,
    EISCONN,
    EMSGSIZE,
    ENOTCONN,
    EOPNOTSUPP,
    EPERM,
    EPIPE,
    ERESTARTSYS,
    Errno,
)
from toykernel.fs.file import O_NONBLOCK, File
from toykernel.fs.operations import POLLPRI
from toykernel.kernel.siginfo import SIGPIPE
from toykernel.kernel.signal import send_sig
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.timekeeping import ktime_get
from toykernel.kernel.wait import Result, Wait, WaitQueue
from toykernel.net.af_unix import (
    POLL_READ,
    POLL_WRITE,
    RCV_SHUTDOWN,
    SEND_SHUTDOWN,
    SKB_OVERHEAD,
    Skb,
    UnixSock,
    find_other,
    free_skb,
    landlock_may_reach,
    recvq_full,
    state_change,
)
from toykernel.net.scm import ScmCookie, current_ucred, scm_destroy
from toykernel.net.unix_oob import PASS, STOP, manage_oob, pass_over

if TYPE_CHECKING:
    from toykernel.state import Kernel

MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_CTRUNC, MSG_TRUNC = 1, 2, 4, 8, 0x20
MSG_DONTWAIT, MSG_EOR, MSG_WAITALL, MSG_NOSIGNAL = 0x40, 0x80, 0x100, 0x4000
MSG_ERRQUEUE, MSG_MORE, MSG_CMSG_CLOEXEC = 0x2000, 0x8000, 0x40000000
#: The most that one piece of a stream holds.
STREAM_PIECE = 32768

Pieces = tuple[tuple[int, int], ...]


def sock_of(file: File) -> UnixSock:
    """The socket behind an open file."""
    assert isinstance(file.inode.private, UnixSock)
    return file.inode.private


def gather(k: Kernel, pieces: Pieces) -> bytes:
    """The bytes of pieces of user memory. Raises Errno(EFAULT)."""
    return b"".join(copy_from_user(k, base, length) for base, length in pieces)


def scatter(k: Kernel, pieces: Pieces, data: bytes) -> None:
    """Store bytes in pieces of user memory. Raises Errno(EFAULT)."""
    for base, length in pieces:
        copy_to_user(k, base, data[:length])
        data = data[length:]


def whole_parts(sock: UnixSock, size: int) -> int:
    """The bytes of the first messages of a stream that end within so many, and all of these if they do."""
    total = 0
    for skb in sock.queue:
        part = len(skb.data) - skb.at
        if total + part > size:
            break
        total += part
    return total


def nonblock(file: File, flags: int) -> bool:
    """Whether a call may not wait."""
    return bool(file.flags & O_NONBLOCK or flags & MSG_DONTWAIT)


def _deadline(k: Kernel, timeout: int) -> int | None:
    return ktime_get(k) + timeout if timeout else None


def _interrupted(deadline: int | None) -> Errno:
    """A call with a time is not made again (sock_intr_errno)."""
    return Errno(ERESTARTSYS if deadline is None else EINTR)


def check_size(sock: UnixSock, size: int) -> None:
    """Whether a message fits the buffer. Raises Errno(EMSGSIZE)."""
    if not sock.is_stream and size > sock.sndbuf - 32:
        raise Errno(EMSGSIZE)


def _broken_pipe(k: Kernel, flags: int, sock: UnixSock) -> Errno:
    if sock.is_stream and not flags & MSG_NOSIGNAL:
        send_sig(k, SIGPIPE, k.current)
    return Errno(EPIPE)


# -- sending ---------------------------------------------------------------------------------------


@dataclass(eq=False)
class Sending:
    """A call that sends: what is left of it, and until when it may wait."""

    file: File
    data: bytes
    flags: int
    scm: ScmCookie
    dest: bytes | None
    deadline: int | None
    done: int = 0


def unix_sendmsg(
    k: Kernel, file: File, data: bytes, flags: int, scm: ScmCookie, dest: bytes | None
) -> Result:
    """Send; the number of bytes. `dest` is the name that the caller gives, None without one.

    The files of `scm` go with the message, or are let go of.
    """
    sock = sock_of(file)
    sending = Sending(file, data, flags, scm, dest, _deadline(k, sock.sndtimeo))
    try:
        _check(sock, data, flags, dest)
        return _send(k, sending)
    except Errno:
        scm_destroy(k, scm)
        raise


def _check(sock: UnixSock, data: bytes, flags: int, dest: bytes | None) -> None:
    if flags & MSG_OOB and not (sock.is_stream and data):
        raise Errno(EOPNOTSUPP)
    if sock.is_stream and dest is not None:
        raise Errno(EISCONN if sock.connected else EOPNOTSUPP)
    if sock.connects and not sock.connected:
        raise Errno(ENOTCONN)


def _send(k: Kernel, sending: Sending) -> Result:
    sock = sock_of(sending.file)
    if sock.error:
        error, sock.error = sock.error, 0
        raise Errno(error)
    return _send_stream(k, sending) if sock.is_stream else _send_packet(k, sending)


def _queue(
    k: Kernel,
    sock: UnixSock,
    other: UnixSock,
    sending: Sending,
    data: bytes,
    *,
    urgent: bool = False,
) -> None:
    creds = sending.scm.creds or current_ucred(k)
    slab = k.memory.slabs.skb.alloc(k)
    files, sending.scm.files = sending.scm.files, []
    skb = Skb(slab, sock, data, creds, True, sock.name, files)
    sock.wmem += len(data) + SKB_OVERHEAD
    other.queue.append(skb)
    if urgent:
        other.oob = skb
    state_change(k, other, POLL_READ | POLLPRI if urgent else POLL_READ)


def _send_stream(k: Kernel, sending: Sending) -> Result:
    sock = sock_of(sending.file)
    marked = len(sending.data) - 1 if sending.flags & MSG_OOB else len(sending.data)
    while sending.done < len(sending.data):
        other = sock.peer
        if sock.shutdown & SEND_SHUTDOWN or other is None or other.shutdown & RCV_SHUTDOWN:
            return _stream_ends(k, sending, _broken_pipe(k, sending.flags, sock))
        if sending.scm.files and not other.passrights:
            return _stream_ends(k, sending, Errno(EPERM))
        if sock.wmem + SKB_OVERHEAD < sock.sndbuf:
            urgent = sending.done == marked
            end = sending.done + 1 if urgent else min(sending.done + STREAM_PIECE, marked)
            part = sending.data[sending.done : end]
            try:
                _queue(k, sock, other, sending, part, urgent=urgent)
            except Errno as error:
                return _stream_ends(k, sending, error)
            sending.done += len(part)
            continue
        waiting = _wait_to_send(k, sending, sock.wait)
        return _stream_ends(k, sending, waiting) if isinstance(waiting, Errno) else waiting
    scm_destroy(k, sending.scm)
    return sending.done


def _stream_ends(k: Kernel, sending: Sending, error: Errno) -> int:
    """What has been sent counts more than an error."""
    if sending.done:
        scm_destroy(k, sending.scm)
        return sending.done
    raise error


def _wait_to_send(k: Kernel, sending: Sending, queue: WaitQueue) -> Wait | Errno:
    if nonblock(sending.file, sending.flags):
        return Errno(EAGAIN)
    if signal_pending(k.current):
        return _interrupted(sending.deadline)
    return Wait(
        *((queue,), send_woken, (sending,), "send to a full socket"),
        deadline=sending.deadline,
        holds=(sending.file,),
    )


def send_woken(k: Kernel, sending: Sending, late: bool = False) -> Result:
    """A sender goes on: there may be room, or the time is up."""
    try:
        if late:
            return _stream_ends(k, sending, Errno(EAGAIN))
        return _send(k, sending)
    except Errno:
        scm_destroy(k, sending.scm)
        raise


def _send_packet(k: Kernel, sending: Sending) -> Result:
    sock = sock_of(sending.file)
    check_size(sock, len(sending.data))
    if sock.shutdown & SEND_SHUTDOWN:
        raise Errno(EPIPE)
    named = sending.dest is not None and not sock.connects
    other = find_other(k, sock, sending.dest or b"") if named else sock.peer
    if other is None:
        raise Errno(ECONNREFUSED if sock.connects else ENOTCONN)
    if other.dead:
        if not named:
            sock.peer, sock.connected = None, False
        raise Errno(ECONNREFUSED)
    if other.peer is not None and other.peer is not sock and not sock.connects:
        raise Errno(EPERM)
    if other.shutdown & RCV_SHUTDOWN:
        raise Errno(EPIPE)
    if sending.scm.files and not other.passrights:
        raise Errno(EPERM)
    if other is not sock.peer:
        landlock_may_reach(k, other)
    full = other.peer is not sock and recvq_full(other)
    if full or sock.wmem >= sock.sndbuf:  # sock_alloc_send_pskb
        waiting = _wait_to_send(k, sending, other.wait if full else sock.wait)
        if isinstance(waiting, Errno):
            raise waiting
        return waiting
    _queue(k, sock, other, sending, sending.data)
    return len(sending.data)


# -- receiving -------------------------------------------------------------------------------------


@dataclass(eq=False)
class Received:
    """What a call has received: bytes, its flags for the caller, and the first message of it."""

    data: bytes
    size: int
    flags: int
    skb: Skb | None
    peek: bool


def unix_recv(k: Kernel, sock: UnixSock, size: int, flags: int) -> Received | None:
    """What is there for a call that wants `size` bytes; None when it has to wait. Raises Errno.

    The message stays in the queue's account until `finish_recv`, for its files are still to be given.
    """
    peek = bool(flags & MSG_PEEK)
    if sock.is_stream:
        return _recv_stream(k, sock, size, flags, peek)
    if sock.error:  # before any message, where a stream has it behind what is there
        error, sock.error = sock.error, 0
        raise Errno(error)
    if not sock.queue:
        return Received(b"", 0, 0, None, peek) if sock.shutdown & RCV_SHUTDOWN else None
    skb = sock.queue[0]
    data = skb.data[:size]
    cut = MSG_TRUNC if len(skb.data) > size else 0
    if not peek:
        sock.queue.pop(0)
        state_change(k, sock, POLL_WRITE)  # a datagram's sender may wait here
    told = len(skb.data) if flags & MSG_TRUNC else len(data)
    return Received(data, told, cut, skb, peek)


def _recv_stream(k: Kernel, sock: UnixSock, size: int, flags: int, peek: bool) -> Received | None:
    """Bytes of messages that belong together: of one sender, and of none behind open files."""
    data, first = b"", None
    at = 0
    while at < len(sock.queue) and len(data) < size:
        skb = sock.queue[at]
        step = manage_oob(sock, skb, copied=first is not None)
        if step == STOP:
            break
        if step == PASS:
            if peek:
                at += 1
            else:
                pass_over(k, sock, skb)
            continue
        if first is not None and (
            (sock.passcred and skb.creds != first.creds) or skb.files or first.files
        ):
            break
        first = first or skb
        part = skb.data[skb.at : skb.at + size - len(data)]
        data += part
        if peek:
            at += 1
            continue
        skb.at += len(part)
        if skb.at < len(skb.data):
            break
        sock.queue.pop(0)
        if skb is not first:
            free_skb(k, skb)
    if first is not None:
        return Received(data, len(data), 0, first, peek)
    if not size and sock.queue:  # what goes along with the next byte comes now
        return Received(b"", 0, 0, sock.queue[0], peek)
    if sock.error:
        error, sock.error = sock.error, 0
        raise Errno(error)
    return Received(b"", 0, 0, None, peek) if sock.shutdown & RCV_SHUTDOWN else None


def finish_recv(k: Kernel, sock: UnixSock, got: Received) -> None:
    """The message has been given: unless some of it is still there, it goes."""
    skb = got.skb
    if skb is not None and not got.peek and skb not in sock.queue:
        free_skb(k, skb)


def check_recv(sock: UnixSock, flags: int) -> None:
    """Whether it can receive at all. Raises Errno: EOPNOTSUPP, EINVAL, ENOTCONN."""
    if flags & MSG_OOB and not sock.is_stream:
        raise Errno(EOPNOTSUPP)
    if sock.is_stream and not sock.connected:
        raise Errno(EINVAL)
    if sock.connects and not sock.connected:
        raise Errno(ENOTCONN)


def wait_for_data(
    k: Kernel,
    file: File,
    flags: int,
    deadline: int | None,
    resume: object,
    args: tuple[object, ...],
) -> Wait:
    """Sleep until something comes. Raises Errno(EAGAIN), or that of a signal."""
    sock = sock_of(file)
    if nonblock(file, flags):
        raise Errno(EAGAIN)
    if signal_pending(k.current):
        raise _interrupted(deadline)
    assert callable(resume)
    reason = "receive from an empty socket"
    return Wait((sock.wait,), resume, args, reason, deadline=deadline, holds=(file,))
