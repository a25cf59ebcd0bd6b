"""Sockets as files, and the system calls that make, name and connect them (net/socket.c).

AF_UNIX is the only family: of every other one a program is told that it is not there (EAFNOSUPPORT).
"""

from __future__ import annotations

import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user, put_user
from toykernel.errno import (
    EAFNOSUPPORT,
    EAGAIN,
    ECONNREFUSED,
    EINVAL,
    EISCONN,
    ENOTCONN,
    ENOTSOCK,
    EOPNOTSUPP,
    EPERM,
    EPROTONOSUPPORT,
    ERESTARTSYS,
    ESOCKTNOSUPPORT,
    Errno,
)
from toykernel.fs.file import (
    O_CLOEXEC,
    O_NONBLOCK,
    O_RDWR,
    File,
    fd_install,
    fget_open,
    fput,
    get_empty_filp,
    get_unused_fd,
)
from toykernel.fs.inode import S_IFSOCK, Inode
from toykernel.fs.libfs import NO_FILE, SPECIAL
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.timekeeping import ktime_get
from toykernel.kernel.wait import Result, Wait
from toykernel.net.af_unix import (
    AF_UNIX,
    AF_UNSPEC,
    NPROTO,
    POLL_READ,
    RCV_SHUTDOWN,
    SEND_SHUTDOWN,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOMAXCONN,
    UNIX_PATH_MAX,
    UnixSock,
    autobind,
    bind_abstract,
    bind_path,
    find_other,
    landlock_may_reach,
    state_change,
    unix_create,
    unix_release_sock,
)
from toykernel.net.scm import effective_ucred
from toykernel.net.sendrecv import SOCKET
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

SOCK_MAX, SOCK_TYPE_MASK = 11, 0xF
SHUT_RDWR = 2
SOCK_SIZE = 2 + UNIX_PATH_MAX


def sockfd_lookup(k: Kernel, fd: int) -> tuple[File, UnixSock]:
    """The socket behind a descriptor. Raises Errno(EBADF), Errno(ENOTSOCK)."""
    file = fget_open(k, fd)
    if not isinstance(file.inode.private, UnixSock):
        raise Errno(ENOTSOCK)
    return file, file.inode.private


def sock_map_fd(k: Kernel, sock: UnixSock, flags: int) -> File:
    """An open file for a socket. Raises Errno(ENOMEM)."""
    sb = k.files.fs.pipefs
    ino = sb.next_ino()
    cred = k.current.cred
    inode = Inode(ino, S_IFSOCK | 0o777, sb, SPECIAL, NO_FILE, cred.fsuid, cred.fsgid, private=sock)
    try:
        return get_empty_filp(k, inode, SOCKET, O_RDWR | flags & O_NONBLOCK, f"socket:[{ino}]")
    except Errno:
        sb.put_ino()
        raise


def _type(family: int, kind: int, protocol: int) -> int:
    """The type of a new socket. Raises Errno: EINVAL, EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT."""
    if kind & ~(SOCK_TYPE_MASK | O_CLOEXEC | O_NONBLOCK):
        raise Errno(EINVAL)
    kind &= SOCK_TYPE_MASK
    if not 0 <= family < NPROTO:
        raise Errno(EAFNOSUPPORT)
    if kind >= SOCK_MAX:
        raise Errno(EINVAL)
    if family != AF_UNIX:
        raise Errno(EAFNOSUPPORT)
    if protocol not in (0, AF_UNIX):
        raise Errno(EPROTONOSUPPORT)
    if kind not in (SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET):
        raise Errno(ESOCKTNOSUPPORT)
    return SOCK_DGRAM if kind == SOCK_RAW else kind


@syscall(359, "domain:int type:hex protocol:int")
def sys_socket(k: Kernel, family: int, kind: int, protocol: int) -> int:
    """socket: a descriptor of a new one. EAFNOSUPPORT for all but AF_UNIX, EINVAL, EMFILE, ENOMEM."""
    real = _type(family, kind, protocol)
    with ExitStack() as undo:
        sock = unix_create(k, real)
        undo.callback(unix_release_sock, k, sock)
        fd = get_unused_fd(k)
        file = sock_map_fd(k, sock, kind)
        undo.pop_all()
    return fd_install(k, fd, file, cloexec=bool(kind & O_CLOEXEC))


@syscall(360, "domain:int type:hex protocol:int sv:address")
def sys_socketpair(k: Kernel, family: int, kind: int, protocol: int, usockvec: int) -> int:
    """socketpair: two that are connected. Errors as socket, and EFAULT."""
    real = _type(family, kind, protocol)
    with ExitStack() as undo:
        pair, files = [], []
        for _ in range(2):
            sock = unix_create(k, real)
            undo.callback(unix_release_sock, k, sock)
            pair.append(sock)
        first = get_unused_fd(k)
        second = get_unused_fd(k, first + 1)
        copy_to_user(k, usockvec, struct.pack("<2i", first, second))
        for sock in pair:
            file = sock_map_fd(k, sock, kind)
            undo.callback(k.memory.slabs.filp.free, k, file.slab)
            undo.callback(file.inode.i_sb.put_ino)
            files.append(file)
        undo.pop_all()
    _join(pair[0], pair[1])
    pair[0].peer_cred = pair[1].peer_cred = effective_ucred(k)
    for fd, file in zip((first, second), files, strict=True):
        fd_install(k, fd, file, cloexec=bool(kind & O_CLOEXEC))
    return 0


def _join(one: UnixSock, other: UnixSock) -> None:
    one.peer, other.peer = other, one
    one.connected = other.connected = True


# -- addresses -------------------------------------------------------------------------------------


def read_address(k: Kernel, address: int, length: int) -> tuple[int, bytes]:
    """Family and name of a struct sockaddr_un. Raises Errno(EINVAL), Errno(EFAULT)."""
    if not 0 <= length <= 128:
        raise Errno(EINVAL)
    data = copy_from_user(k, address, length)
    if length < 2:
        raise Errno(EINVAL)
    return int.from_bytes(data[:2], "little"), data[2:]


def unix_name(k: Kernel, address: int, length: int) -> bytes:
    """The name in an address of the right family. Raises Errno(EINVAL), Errno(EFAULT)."""
    family, name = read_address(k, address, length)
    if family != AF_UNIX or not 0 < len(name) <= UNIX_PATH_MAX:
        raise Errno(EINVAL)
    return name


def store_address(k: Kernel, name: bytes, address: int, length: int) -> None:
    """A socket's address where the caller wants it, cut to its room. Raises Errno(EINVAL), Errno(EFAULT)."""
    room = get_user(k, length)
    if room >> 31:
        raise Errno(EINVAL)
    data = AF_UNIX.to_bytes(2, "little") + name
    copy_to_user(k, address, data[:room])
    put_user(k, len(data), length)


@syscall(361, "sockfd:fd addr:address addrlen:int")
def sys_bind(k: Kernel, fd: int, address: int, length: int) -> int:
    """bind: give a socket a name: a path, an abstract one, or any (only a family).

    EADDRINUSE, EINVAL, and what mknod answers.
    """
    _, sock = sockfd_lookup(k, fd)
    family, name = read_address(k, address, length)
    if family != AF_UNIX or len(name) > UNIX_PATH_MAX:
        raise Errno(EINVAL)
    if name and name[0]:
        bind_path(k, sock, name)
    elif not name:
        if not sock.name:
            autobind(k, sock)
    elif sock.name:
        raise Errno(EINVAL)
    else:
        bind_abstract(k, sock, name)
    return 0


@syscall(367, "sockfd:fd addr:address addrlen:address")
def sys_getsockname(k: Kernel, fd: int, address: int, length: int) -> int:
    """getsockname: a socket's own address. EBADF, ENOTSOCK, EINVAL, EFAULT."""
    _, sock = sockfd_lookup(k, fd)
    store_address(k, sock.name, address, length)
    return 0


@syscall(368, "sockfd:fd addr:address addrlen:address")
def sys_getpeername(k: Kernel, fd: int, address: int, length: int) -> int:
    """getpeername: the address of whom it is connected with. ENOTCONN, EBADF, ENOTSOCK, EINVAL, EFAULT."""
    _, sock = sockfd_lookup(k, fd)
    if sock.peer is None:
        raise Errno(ENOTCONN)
    store_address(k, sock.peer.name, address, length)
    return 0


# -- connecting ------------------------------------------------------------------------------------


@syscall(363, "sockfd:fd backlog:int")
def sys_listen(k: Kernel, fd: int, backlog: int) -> int:
    """listen: take connections. EOPNOTSUPP for datagrams, EINVAL without a name, EBADF, ENOTSOCK."""
    _, sock = sockfd_lookup(k, fd)
    if not sock.connects:
        raise Errno(EOPNOTSUPP)
    if not sock.name or (sock.connected and not sock.listening):
        raise Errno(EINVAL)
    sock.listening = True
    sock.backlog = SOMAXCONN if not 0 <= backlog <= SOMAXCONN else backlog
    sock.peer_cred = effective_ucred(k)
    state_change(k, sock)
    return 0


@syscall(362, "sockfd:fd addr:address addrlen:int")
def sys_connect(k: Kernel, fd: int, address: int, length: int) -> Result:
    """connect: find a listener, or (datagrams) choose whom to talk to.

    ECONNREFUSED, EISCONN, EAGAIN, EPROTOTYPE, EINVAL, and what the walk along a path answers.
    """
    file, sock = sockfd_lookup(k, fd)
    if sock.connects:
        name = unix_name(k, address, length)
        deadline = ktime_get(k) + sock.sndtimeo if sock.sndtimeo else None
        return connect_stream(k, file, name, deadline)
    family, _ = read_address(k, address, length)
    if family == AF_UNSPEC:
        sock.peer, sock.connected = None, False
        return 0
    other = find_other(k, sock, unix_name(k, address, length))
    if other.peer is not None and other.peer is not sock:
        raise Errno(EPERM)
    landlock_may_reach(k, other)
    sock.peer, sock.connected = other, True
    state_change(k, sock)
    return 0


def connect_stream(
    k: Kernel, file: File, name: bytes, deadline: int | None, late: bool = False
) -> Result:
    """Into the queue of a listener; sleeps while that is full. EAGAIN, ECONNREFUSED, EISCONN, EINVAL."""
    sock = file.inode.private
    assert isinstance(sock, UnixSock)
    other = find_other(k, sock, name)
    if not other.listening or other.shutdown & RCV_SHUTDOWN:
        raise Errno(ECONNREFUSED)
    if sock.listening:
        raise Errno(EINVAL)
    if sock.connected:
        raise Errno(EISCONN)
    if len(other.pending) > other.backlog:
        if late or file.flags & O_NONBLOCK:
            raise Errno(EAGAIN)
        if signal_pending(k.current):
            raise Errno(ERESTARTSYS)
        args = (file, name, deadline)
        reason = "connect to a socket that accepts nobody"
        return Wait((other.wait,), connect_stream, args, reason, deadline=deadline, holds=(file,))
    landlock_may_reach(k, other)
    new = unix_create(k, sock.type, sock.net)
    new.name, new.passcred, new.passrights = other.name, other.passcred, other.passrights
    new.peer_cred, sock.peer_cred = effective_ucred(k), other.peer_cred
    _join(sock, new)
    other.pending.append(new)
    state_change(k, other, POLL_READ)
    return 0


@syscall(364, "sockfd:fd addr:address addrlen:address flags:hex")
def sys_accept4(k: Kernel, fd: int, address: int, length: int, flags: int) -> Result:
    """accept4: a descriptor for the first who has connected; waits for one.

    EAGAIN, EBADF, EINVAL, EMFILE, ENOTSOCK, EOPNOTSUPP, EINTR, EFAULT.
    """
    if flags & ~(O_CLOEXEC | O_NONBLOCK):
        raise Errno(EINVAL)
    file, sock = sockfd_lookup(k, fd)
    get_unused_fd(k)
    if not sock.connects:
        raise Errno(EOPNOTSUPP)
    if not sock.listening:
        raise Errno(EINVAL)
    deadline = ktime_get(k) + sock.rcvtimeo if sock.rcvtimeo else None
    return do_accept(k, file, address, length, flags, deadline)


def do_accept(
    k: Kernel,
    file: File,
    address: int,
    length: int,
    flags: int,
    deadline: int | None,
    late: bool = False,
) -> Result:
    """Take who waits in a listener's queue, or sleep."""
    sock = file.inode.private
    assert isinstance(sock, UnixSock)
    if not sock.pending:
        if sock.shutdown & RCV_SHUTDOWN:
            raise Errno(EINVAL)
        if late or file.flags & O_NONBLOCK:
            raise Errno(EAGAIN)
        if signal_pending(k.current):
            raise Errno(ERESTARTSYS)
        args = (file, address, length, flags, deadline)
        return Wait((sock.wait,), do_accept, args, "accept", deadline=deadline, holds=(file,))
    fd = get_unused_fd(k)
    new = sock.pending[0]
    opened = sock_map_fd(k, new, flags)  # who is not accepted for want of memory stays in the queue
    sock.pending.pop(0)
    if address:
        peer = new.peer
        try:
            store_address(k, peer.name if peer is not None else b"", address, length)
        except Errno:
            fput(k, opened)
            raise
    state_change(k, sock)
    return fd_install(k, fd, opened, cloexec=bool(flags & O_CLOEXEC))


@syscall(373, "sockfd:fd how:int")
def sys_shutdown(k: Kernel, fd: int, how: int) -> int:
    """shutdown: no more receiving (0), sending (1), or both (2). EINVAL, EBADF, ENOTSOCK."""
    _, sock = sockfd_lookup(k, fd)
    if not 0 <= how <= SHUT_RDWR:
        raise Errno(EINVAL)
    mode = how + 1
    sock.shutdown |= mode
    peer = sock.peer
    state_change(k, sock)
    if peer is not None and sock.connects:
        peer.shutdown |= (SEND_SHUTDOWN if mode & RCV_SHUTDOWN else 0) | (
            RCV_SHUTDOWN if mode & SEND_SHUTDOWN else 0
        )
        state_change(k, peer)
    return 0
