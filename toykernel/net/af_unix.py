"""AF_UNIX (net/unix/af_unix.c): sockets of one machine, their names, and how they find each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toykernel.errno import (
    EADDRINUSE,
    ECONNREFUSED,
    ECONNRESET,
    EEXIST,
    EINVAL,
    EPERM,
    EPROTOTYPE,
    Errno,
)
from toykernel.fs.file import File, fput
from toykernel.fs.inode import MAY_WRITE, S_IFMT, S_IFSOCK, Inode, inode_permission
from toykernel.fs.namei import do_mknod, do_unlink, path_lookup
from toykernel.fs.operations import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLPRI,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from toykernel.kernel.landlock import SCOPE_ABSTRACT_UNIX_SOCKET, is_scoped
from toykernel.kernel.wait import WaitQueue, wake_up
from toykernel.net.net_namespace import NetNamespace, get_net, put_net

if TYPE_CHECKING:
    from toykernel.kernel.landlock import LandlockDomain
    from toykernel.state import Kernel

AF_UNSPEC, AF_UNIX, NPROTO = 0, 1, 46
SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET = 1, 2, 3, 5
RCV_SHUTDOWN, SEND_SHUTDOWN, SHUTDOWN_MASK = 1, 2, 3
UNIX_PATH_MAX = 108
#: net.core.wmem_default, net.unix.max_dgram_qlen, net.core.somaxconn.
WMEM_DEFAULT, MAX_DGRAM_QLEN, SOMAXCONN = 212992, 10, 4096
#: What a message takes besides its bytes.
SKB_OVERHEAD = 256
POLL_READ, POLL_WRITE = POLLIN | POLLRDNORM, POLLOUT | POLLWRNORM | POLLWRBAND

#: pid, user and group of who sends or connects.
Ucred = tuple[int, int, int]


@dataclass(eq=False)
class Skb:
    """struct sk_buff: a message, what is left of it, who sent it, and open files on their way."""

    slab: int
    sender: UnixSock
    data: bytes
    creds: Ucred
    has_creds: bool
    name: bytes  # of the sender
    files: list[File] = field(default_factory=list)
    at: int = 0  # bytes that were read


@dataclass(eq=False)
class UnixSock:
    """struct unix_sock. `name` is what bind gave: a path, or an abstract name that begins with a zero.

    A listening socket's queue holds the sockets that nobody has accepted yet.
    """

    slab: int
    type: int
    wait: WaitQueue
    net: NetNamespace  # whose abstract names it sees
    peer_cred: Ucred = (0, 0xFFFFFFFF, 0xFFFFFFFF)
    name: bytes = b""
    inode: Inode | None = None  # of a path
    peer: UnixSock | None = None
    connected: bool = False
    listening: bool = False
    backlog: int = 0
    pending: list[UnixSock] = field(default_factory=list)
    queue: list[Skb] = field(default_factory=list)
    oob: Skb | None = None  # the message in the queue that is the marked byte of a stream
    shutdown: int = 0
    error: int = 0
    dead: bool = False
    sndbuf: int = WMEM_DEFAULT
    rcvbuf: int = WMEM_DEFAULT
    wmem: int = 0  # bytes that it has sent and nobody has read
    rcvlowat: int = 1  # bytes that a stream's reader waits for
    passcred: bool = False
    passrights: bool = True  # open files may come with messages
    recvmsg_inq: bool = False  # a stream's reader hears how much there is still
    options: dict[int, int] = field(default_factory=dict)
    rcvtimeo: int = 0  # ns; 0 is for ever
    sndtimeo: int = 0
    landlock: LandlockDomain | None = None  # of who made it

    @property
    def is_stream(self) -> bool:
        return self.type == SOCK_STREAM

    @property
    def connects(self) -> bool:
        """Whether it needs a connection: all but datagrams do."""
        return self.type != SOCK_DGRAM


@dataclass(eq=False)
class UnixTable:
    """Every socket, and those with a name, in the order in which they were made."""

    sockets: dict[UnixSock, None] = field(default_factory=dict)
    #: By network, type and name.
    abstract: dict[tuple[int, int, bytes], UnixSock] = field(default_factory=dict)
    bound: dict[Inode, UnixSock] = field(default_factory=dict)
    last_auto: int = 0


def unix_table(k: Kernel) -> UnixTable:
    """The machine's sockets."""
    if k.files.unix is None:
        k.files.unix = UnixTable()
    return k.files.unix


def unix_create(k: Kernel, kind: int, net: NetNamespace | None = None) -> UnixSock:
    """A socket without a name or a peer, of a network (None: the caller's). Raises Errno(ENOMEM)."""
    slab = k.memory.slabs.unix_sock.alloc(k)
    sock = UnixSock(
        *(slab, kind, WaitQueue("unix socket"), get_net(net or k.current.nsproxy.net_ns)),
        landlock=k.current.cred.landlock,
    )
    unix_table(k).sockets[sock] = None
    return sock


# -- names -----------------------------------------------------------------------------------------


def bind_abstract(k: Kernel, sock: UnixSock, name: bytes) -> None:
    """Give a socket a name that begins with a zero. Raises Errno(EADDRINUSE)."""
    table = unix_table(k)
    if (sock.net.slab, sock.type, name) in table.abstract:
        raise Errno(EADDRINUSE)
    table.abstract[sock.net.slab, sock.type, name] = sock
    sock.name = name


def autobind(k: Kernel, sock: UnixSock) -> None:
    """An abstract name of five hexadecimal digits that nobody has."""
    table = unix_table(k)
    while True:
        table.last_auto += 1
        name = b"\0" + f"{table.last_auto & 0xFFFFF:05x}".encode()
        if (sock.net.slab, sock.type, name) not in table.abstract:
            bind_abstract(k, sock, name)
            return


def bind_path(k: Kernel, sock: UnixSock, name: bytes) -> None:
    """Give a socket a name in the file system. Raises Errno: EADDRINUSE, EINVAL, and what mknod does."""
    path = name.split(b"\0")[0].decode(errors="surrogateescape")
    try:
        do_mknod(k, path, S_IFSOCK | 0o777, 0)
    except Errno as error:
        raise Errno(EADDRINUSE) if error.number == EEXIST else error from None
    if sock.name:
        do_unlink(k, path)
        raise Errno(EINVAL)
    inode = path_lookup(k, path).found().dentry.inode
    inode.i_count += 1
    sock.name, sock.inode = path.encode(errors="surrogateescape") + b"\0", inode
    unix_table(k).bound[inode] = sock


def find_other(k: Kernel, sock: UnixSock, name: bytes) -> UnixSock:
    """The socket of a name that another looks for. Raises Errno: ECONNREFUSED, EPROTOTYPE for one of another
    type, and what the walk along a path does.
    """
    if not name:
        raise Errno(ECONNREFUSED)
    if name[0]:
        path = name.split(b"\0")[0].decode(errors="surrogateescape")
        inode = path_lookup(k, path).found().dentry.inode
        inode_permission(k, inode, MAY_WRITE)
        if inode.mode & S_IFMT != S_IFSOCK:
            raise Errno(ECONNREFUSED)
        other = unix_table(k).bound.get(inode)
    else:
        other = unix_table(k).abstract.get((sock.net.slab, sock.type, name))
    if other is None or other.dead:
        raise Errno(ECONNREFUSED)
    if other.type != sock.type:
        raise Errno(EPROTOTYPE)
    return other


def landlock_may_reach(k: Kernel, other: UnixSock) -> None:
    """hook_unix_stream_connect, hook_unix_may_send: an abstract name may be out of reach. Errno(EPERM)."""
    mine = k.current.cred.landlock
    if mine is None or other.name[:1] != b"\0":
        return
    if is_scoped(mine, other.landlock, SCOPE_ABSTRACT_UNIX_SOCKET):
        raise Errno(EPERM)


# -- state -----------------------------------------------------------------------------------------


def state_change(k: Kernel, sock: UnixSock, key: int | None = None) -> None:
    """Whoever waits for a socket looks again."""
    wake_up(k, sock.wait, nr_exclusive=0, key=key)


def recvq_full(sock: UnixSock) -> bool:
    """Whether no more datagrams fit."""
    return len(sock.queue) > MAX_DGRAM_QLEN


def writable(sock: UnixSock) -> bool:
    """Whether a stream takes more (unix_writable)."""
    return sock.wmem * 4 <= sock.sndbuf


def unix_poll(k: Kernel, sock: UnixSock, pt: list[WaitQueue]) -> int:
    """POLL bits of a socket."""
    pt.append(sock.wait)
    mask = POLLERR if sock.error else 0
    if sock.shutdown == SHUTDOWN_MASK:
        mask |= POLLHUP
    if sock.shutdown & RCV_SHUTDOWN:
        mask |= POLLRDHUP | POLL_READ
    if sock.queue or sock.pending:
        mask |= POLL_READ
    if sock.oob is not None:
        mask |= POLLPRI
    if sock.connects and not sock.connected and not sock.listening:
        mask |= POLLHUP
    room = writable(sock)
    peer = sock.peer
    if not sock.connects and peer is not None and peer.peer is not sock:
        pt.append(peer.wait)
        room = room and not recvq_full(peer)
    return mask | POLL_WRITE if room and not sock.listening else mask


def free_skb(k: Kernel, skb: Skb) -> None:
    """A message has been read, or nobody will read it."""
    files, skb.files = skb.files, []
    skb.sender.wmem -= len(skb.data) + SKB_OVERHEAD
    state_change(k, skb.sender, POLL_WRITE)
    k.memory.slabs.skb.free(k, skb.slab)
    for file in files:
        fput(k, file)


def unix_release_sock(k: Kernel, sock: UnixSock, *, embryo: bool = False) -> None:
    """The last open is gone: the name, what was not read, and the peer's peer; or nobody will accept it."""
    table = unix_table(k)
    sock.dead = True
    if sock.inode is not None:
        table.bound.pop(sock.inode, None)
        inode, sock.inode = sock.inode, None
        inode.i_count -= 1
        if not inode.i_count and not inode.nlink:
            inode.i_sb.s_op.evict_inode(k, inode)
    elif table.abstract.get((sock.net.slab, sock.type, sock.name)) is sock:
        del table.abstract[sock.net.slab, sock.type, sock.name]
    peer, sock.peer = sock.peer, None
    if peer is not None:
        if sock.connects and not peer.dead:
            peer.shutdown = SHUTDOWN_MASK
            unread = any(skb.at < len(skb.data) for skb in sock.queue)
            if embryo or unread or sock.pending:
                peer.error = ECONNRESET
        state_change(k, peer)
    for waiting in list(sock.pending):
        unix_release_sock(k, waiting, embryo=True)
    sock.pending.clear()
    queue, sock.queue, sock.oob = sock.queue, [], None
    for skb in queue:
        free_skb(k, skb)
    del table.sockets[sock]
    for other in table.sockets:  # datagrams may have it as their peer from one side only
        if other.peer is sock and not sock.connects:
            state_change(k, other)
    state_change(k, sock)
    k.memory.slabs.unix_sock.free(k, sock.slab)
    put_net(k, sock.net)
    unix_gc(k)


# -- sockets in flight -----------------------------------------------------------------------------


def _queued(sock: UnixSock) -> Iterator[File]:
    for skb in sock.queue:
        yield from skb.files
    for waiting in sock.pending:
        yield from _queued(waiting)


def unix_gc(k: Kernel) -> None:
    """Open sockets that only messages of each other hold are closed (net/unix/garbage.c)."""
    table = unix_table(k)
    inflight: dict[File, int] = {}
    for sock in table.sockets:
        for file in _queued(sock):
            if isinstance(file.inode.private, UnixSock):
                inflight[file] = inflight.get(file, 0) + 1
    candidates: dict[UnixSock, None] = {}
    for file, count in inflight.items():
        if file.count == count and isinstance(file.inode.private, UnixSock):
            candidates[file.inode.private] = None
    if not candidates:
        return
    alive = [sock for sock in table.sockets if sock not in candidates]
    while alive:
        for file in _queued(alive.pop()):
            held = file.inode.private
            if isinstance(held, UnixSock) and held in candidates:
                del candidates[held]
                alive.append(held)
    for sock in candidates:
        for skb in list(sock.queue):
            if skb.files:
                sock.queue.remove(skb)
                sock.oob = None if sock.oob is skb else sock.oob
                free_skb(k, skb)
