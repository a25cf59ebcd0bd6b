"""send, recv and their relatives as system calls, and socketcall, the old way to all (net/socket.c)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.uaccess import access_ok, copy_from_user, copy_to_user, put_user
from toykernel.errno import (
    EAGAIN,
    EFAULT,
    EINTR,
    EINVAL,
    EMSGSIZE,
    ENOBUFS,
    ERESTARTSYS,
    Errno,
)
from toykernel.fs.uio import UIO_MAXIOV, import_iovec
from toykernel.kernel.timekeeping import ktime_get, timespec64_from_user, timespec_from_user
from toykernel.kernel.wait import Result, Wait
from toykernel.net.scm import ScmCookie, scm_destroy, scm_inq, scm_nobody, scm_recv, scm_send
from toykernel.net.sendrecv import Receiving, start_recv
from toykernel.net.socket import (
    sockfd_lookup,
    store_address,
    sys_accept4,
    sys_bind,
    sys_connect,
    sys_getpeername,
    sys_getsockname,
    sys_listen,
    sys_shutdown,
    sys_socket,
    sys_socketpair,
    unix_name,
)
from toykernel.net.sockopt import sys_getsockopt, sys_setsockopt
from toykernel.net.unix_io import (
    MSG_CMSG_CLOEXEC,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_OOB,
    Received,
    check_size,
    gather,
    sock_of,
    unix_sendmsg,
)
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel

#: struct msghdr: name, its length, iovec, their number, control, its length, flags.
_MSGHDR = struct.Struct("<7I")
_MMSG_SIZE = _MSGHDR.size + 4
MSG_WAITFORONE = 0x10000
OPTMEM_MAX = 20480


# -- one message -----------------------------------------------------------------------------------


@syscall(369, "sockfd:fd buf:buffer_in len:size flags:hex addr:address addrlen:int")
def sys_sendto(
    k: Kernel, fd: int, buf: int, size: int, flags: int, address: int, length: int
) -> Result:
    """sendto: a message, to an address where there is one; the number of bytes.

    EAGAIN, ECONNREFUSED, EISCONN, EMSGSIZE, ENOTCONN, EPIPE, EINVAL, EFAULT.
    """
    if size > 0x7FFFFFFF or not access_ok(buf, size):
        raise Errno(EFAULT)
    file, sock = sockfd_lookup(k, fd)
    check_size(sock, size)
    dest = _dest(k, file, address, length) if address else None
    return unix_sendmsg(k, file, gather(k, ((buf, size),)), flags, ScmCookie(), dest)


def _dest(k: Kernel, file: File, address: int, length: int) -> bytes | None:
    """The name to send to, None for one without a byte; sockets that are connected do not look at it."""
    if not length:
        return None
    if sock_of(file).connects:
        if not 0 < length <= 128:
            raise Errno(EINVAL)
        return copy_from_user(k, address, length)
    return unix_name(k, address, length)


@syscall(371, "sockfd:fd buf:buffer_out len:size flags:hex addr:address addrlen:address")
def sys_recvfrom(
    k: Kernel, fd: int, buf: int, size: int, flags: int, address: int, length: int
) -> Result:
    """recvfrom: a message, and who sent it; the number of bytes. EAGAIN, EINTR, EINVAL, ENOTCONN, EFAULT."""
    if size > 0x7FFFFFFF or not access_ok(buf, size):
        raise Errno(EFAULT)
    file, _ = sockfd_lookup(k, fd)
    call = Receiving(file, ((buf, size),), flags, None, tell_sender, address, length)
    return start_recv(k, call)


def tell_sender(k: Kernel, call: Receiving, got: Received) -> None:
    """recvfrom's address."""
    if call.msg and not call.done:
        named = got.skb is not None and got.skb.name
        if named and got.skb is not None:
            store_address(k, got.skb.name, call.msg, call.extra)
        else:
            put_user(k, 0, call.extra)


@syscall(370, "sockfd:fd msg:address flags:hex")
def sys_sendmsg(k: Kernel, fd: int, msg: int, flags: int) -> Result:
    """sendmsg: a message in pieces, with open files or credentials. Errors as sendto, EBADF, EPERM."""
    file, _ = sockfd_lookup(k, fd)
    return _sendmsg(k, file, msg, flags)


def _sendmsg(k: Kernel, file: File, msg: int, flags: int) -> Result:
    name, namelen, iov, iovlen, control, controllen, _ = _MSGHDR.unpack(
        copy_from_user(k, msg, _MSGHDR.size)
    )
    if name and namelen >> 31:
        raise Errno(EINVAL)
    if iovlen > UIO_MAXIOV:
        raise Errno(EMSGSIZE)
    pieces = import_iovec(k, iov, iovlen)
    dest = _dest(k, file, name, min(namelen, 128)) if name and namelen else None
    if controllen > OPTMEM_MAX:
        raise Errno(ENOBUFS)
    scm = scm_send(k, copy_from_user(k, control, controllen)) if control else ScmCookie()
    try:
        data = gather(k, pieces)
    except Errno:
        scm_destroy(k, scm)
        raise
    return unix_sendmsg(k, file, data, flags, scm, dest)


@syscall(372, "sockfd:fd msg:address flags:hex")
def sys_recvmsg(k: Kernel, fd: int, msg: int, flags: int) -> Result:
    """recvmsg: a message into pieces, with what goes along with it. Errors as recvfrom, EMSGSIZE."""
    file, _ = sockfd_lookup(k, fd)
    return _recvmsg(k, file, msg, flags)


def _recvmsg(k: Kernel, file: File, msg: int, flags: int) -> Result:
    name, namelen, iov, iovlen, *_ = _MSGHDR.unpack(copy_from_user(k, msg, _MSGHDR.size))
    if name and namelen >> 31:
        raise Errno(EINVAL)
    if iovlen > UIO_MAXIOV:
        raise Errno(EMSGSIZE)
    return start_recv(k, Receiving(file, import_iovec(k, iov, iovlen), flags, None, tell_msg, msg))


def tell_msg(k: Kernel, call: Receiving, got: Received) -> None:
    """The sender's address, control messages and flags in the caller's struct msghdr."""
    if call.done:
        return
    name, namelen, _, _, control, controllen, _ = _MSGHDR.unpack(
        copy_from_user(k, call.msg, _MSGHDR.size)
    )
    flags, data, skb, sock = got.flags, b"", got.skb, sock_of(call.file)
    if name:
        sender = (1).to_bytes(2, "little") + skb.name if skb is not None and skb.name else b""
        copy_to_user(k, name, sender[:namelen])
        put_user(k, len(sender), call.msg + 4)
    if skb is not None:
        cloexec = bool(call.flags & MSG_CMSG_CLOEXEC)
        room = controllen if control else 0
        data, cut = scm_recv(k, skb, room, creds=sock.passcred, cloexec=cloexec, peek=got.peek)
        flags |= MSG_CTRUNC if cut else 0
    elif sock.is_stream and sock.passcred and not flags & MSG_OOB:
        data, cut = scm_nobody(controllen if control else 0)
        flags |= MSG_CTRUNC if cut else 0
    if sock.recvmsg_inq and not flags & MSG_OOB:
        left = controllen - len(data) if control else 0
        more, cut = scm_inq(sock, left)
        data += more
        flags |= MSG_CTRUNC if cut else 0
    if data:
        copy_to_user(k, control, data)
    put_user(k, len(data), call.msg + 20)
    put_user(k, flags | call.flags & MSG_CMSG_CLOEXEC, call.msg + 24)


# -- several ---------------------------------------------------------------------------------------


@dataclass(eq=False)
class Row:
    """A call that sends or receives several messages: the array, and how many of it are done."""

    file: File
    mmsg: int
    count: int
    flags: int
    deadline: int | None
    sends: bool
    done: int = 0


@syscall(345, "sockfd:fd msgvec:address vlen:uint flags:hex")
def sys_sendmmsg(k: Kernel, fd: int, mmsg: int, count: int, flags: int) -> Result:
    """sendmmsg: several messages; how many were sent. What stops it after the first is not told."""
    file, _ = sockfd_lookup(k, fd)
    return _next_message(k, Row(file, mmsg, min(count, UIO_MAXIOV), flags, None, sends=True))


def _recvmmsg(k: Kernel, fd: int, mmsg: int, count: int, flags: int, timeout: int | None) -> Result:
    file, _ = sockfd_lookup(k, fd)
    deadline = None if timeout is None else ktime_get(k) + timeout
    return _next_message(k, Row(file, mmsg, min(count, UIO_MAXIOV), flags, deadline, sends=False))


def _next_message(k: Kernel, row: Row) -> Result:
    """The messages that are not done yet."""
    while row.done < row.count:
        call = _sendmsg if row.sends else _recvmsg
        try:
            result = call(k, row.file, row.mmsg + row.done * _MMSG_SIZE, _flags_of_next(row))
        except Errno as error:
            return _stopped(row, error)
        if isinstance(result, Wait):
            return _message_waits(row, result)
        if _told_and_late(k, row, result):
            break
    return row.done


def _stopped(row: Row, error: Errno) -> int:
    """What an error comes to: nothing behind the first message, but the next to receive hears of it.

    That of a signal is forgotten (Linux keeps it too, and a program then reads an error 512).
    """
    if not row.done:
        raise error
    if not row.sends and error.number not in (EAGAIN, EINTR, ERESTARTSYS):
        sock_of(row.file).error = error.number
    return row.done


def _flags_of_next(row: Row) -> int:
    """Those behind the first do not wait: sent ones never, received ones with MSG_WAITFORONE."""
    if row.sends:
        return row.flags | MSG_DONTWAIT if row.done else row.flags
    later = row.done and row.flags & MSG_WAITFORONE
    return row.flags & ~MSG_WAITFORONE | (MSG_DONTWAIT if later else 0)


def _told_and_late(k: Kernel, row: Row, result: int) -> bool:
    """Store a message's size; whether the time is up. Raises Errno(EFAULT)."""
    put_user(k, result, row.mmsg + row.done * _MMSG_SIZE + _MSGHDR.size)
    row.done += 1
    return row.deadline is not None and ktime_get(k) >= row.deadline


def _message_waits(row: Row, wait: Wait) -> Wait:
    wait.args = (wait.resume, wait.args, row)
    wait.resume = message_woken
    return wait


def message_woken(
    k: Kernel, resume: object, args: tuple[object, ...], row: Row, *late: bool
) -> Result:
    """A message had to wait: now the others."""
    assert callable(resume)
    try:
        result: Result = resume(k, *args, *late)
    except Errno as error:
        return _stopped(row, error)
    if isinstance(result, Wait):
        return _message_waits(row, result)
    if result < 0:
        return row.done or result
    return row.done if _told_and_late(k, row, result) else _next_message(k, row)


@syscall(337, "sockfd:fd msgvec:address vlen:uint flags:hex timeout:timespec")
def sys_recvmmsg(k: Kernel, fd: int, mmsg: int, count: int, flags: int, tsp: int) -> Result:
    """recvmmsg: several messages, until a time is up; how many. Errors as recvmsg."""
    timeout = timespec_from_user(k, tsp) if tsp else None
    return _recvmmsg(k, fd, mmsg, count, flags, timeout)


@syscall(417, "sockfd:fd msgvec:address vlen:uint flags:hex timeout:timespec64")
def sys_recvmmsg_time64(k: Kernel, fd: int, mmsg: int, count: int, flags: int, tsp: int) -> Result:
    """recvmmsg_time64: recvmmsg with a 64-bit time."""
    timeout = timespec64_from_user(k, tsp) if tsp else None
    return _recvmmsg(k, fd, mmsg, count, flags, timeout)


# -- socketcall ------------------------------------------------------------------------------------

#: How many words each call has, by its number (nargs, net/socket.c).
_NARGS = (0, 3, 3, 3, 2, 3, 3, 3, 4, 4, 4, 6, 6, 2, 5, 5, 3, 3, 4, 5, 4)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


@syscall(102, "call:int args:address")
def sys_socketcall(k: Kernel, call: int, args: int) -> Result:
    """socketcall: the calls of sockets by number, their arguments in memory. EINVAL for another number."""
    if not 1 <= call < len(_NARGS):
        raise Errno(EINVAL)
    count = _NARGS[call]
    a = [*struct.unpack(f"<{count}I", copy_from_user(k, args, 4 * count)), 0, 0, 0, 0]
    fd = _signed(a[0])
    match call:
        case 1:
            return sys_socket(k, fd, a[1], _signed(a[2]))
        case 2:
            return sys_bind(k, fd, a[1], _signed(a[2]))
        case 3:
            return sys_connect(k, fd, a[1], _signed(a[2]))
        case 4:
            return sys_listen(k, fd, _signed(a[1]))
        case 5:
            return sys_accept4(k, fd, a[1], a[2], 0)
        case 6:
            return sys_getsockname(k, fd, a[1], a[2])
        case 7:
            return sys_getpeername(k, fd, a[1], a[2])
        case 8:
            return sys_socketpair(k, fd, a[1], _signed(a[2]), a[3])
        case 9:
            return sys_sendto(k, fd, a[1], a[2], a[3], 0, 0)
        case 10:
            return sys_recvfrom(k, fd, a[1], a[2], a[3], 0, 0)
        case 11:
            return sys_sendto(k, fd, a[1], a[2], a[3], a[4], _signed(a[5]))
        case 12:
            return sys_recvfrom(k, fd, a[1], a[2], a[3], a[4], a[5])
        case 13:
            return sys_shutdown(k, fd, _signed(a[1]))
        case 14:
            return sys_setsockopt(k, fd, _signed(a[1]), _signed(a[2]), a[3], _signed(a[4]))
        case 15:
            return sys_getsockopt(k, fd, _signed(a[1]), _signed(a[2]), a[3], a[4])
        case 16:
            return sys_sendmsg(k, fd, a[1], a[2])
        case 17:
            return sys_recvmsg(k, fd, a[1], a[2])
        case 18:
            return sys_accept4(k, fd, a[1], a[2], a[3])
        case 19:
            return sys_recvmmsg(k, fd, a[1], a[2], a[3], a[4])
    return sys_sendmmsg(k, fd, a[1], a[2], a[3])
