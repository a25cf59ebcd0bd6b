"""getsockopt and setsockopt (net/core/sock.c): what can be asked and set of a socket."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user, put_user
from toykernel.errno import EDOM, EINVAL, ENOPROTOOPT, EOPNOTSUPP, EPERM, Errno
from toykernel.kernel.cred import CAP_NET_ADMIN, capable
from toykernel.kernel.sched.core import tick_ns
from toykernel.kernel.timekeeping import NSEC_PER_SEC, NSEC_PER_USEC
from toykernel.net.af_unix import AF_UNIX, UnixSock
from toykernel.net.socket import sockfd_lookup
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

SOL_SOCKET = 1
SO_DEBUG, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF = range(
    1, 9
)
SO_KEEPALIVE, SO_OOBINLINE, SO_PRIORITY, SO_LINGER = 9, 10, 12, 13
SO_REUSEPORT, SO_PASSCRED, SO_PEERCRED, SO_RCVLOWAT, SO_SNDLOWAT = 15, 16, 17, 18, 19
SO_RCVTIMEO, SO_SNDTIMEO, SO_TIMESTAMP, SO_ACCEPTCONN = 20, 21, 29, 30
SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_PROTOCOL, SO_DOMAIN = 32, 33, 38, 39
SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW, SO_PASSRIGHTS, SO_INQ = 66, 67, 83, 84
SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF, WMEM_MAX = 4608, 2304, 212992
#: Settings that are only remembered: nothing of a local socket depends on them.
_KEPT = (
    SO_REUSEADDR,
    SO_DONTROUTE,
    SO_BROADCAST,
    SO_KEEPALIVE,
    SO_OOBINLINE,
    SO_REUSEPORT,
    SO_TIMESTAMP,
)
_TIMEOUTS = (SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW)


@syscall(366, "sockfd:fd level:int optname:int optval:address optlen:int")
def sys_setsockopt(k: Kernel, fd: int, level: int, name: int, value: int, length: int) -> int:
    """setsockopt: EOPNOTSUPP for another level, ENOPROTOOPT for another setting, EINVAL, EDOM,
    EPERM, EFAULT.
    """
    _, sock = sockfd_lookup(k, fd)
    if length < 0:
        raise Errno(EINVAL)
    if level != SOL_SOCKET:
        raise Errno(EOPNOTSUPP)
    if name in _TIMEOUTS:
        _set_timeout(k, sock, name, value, length)
        return 0
    if length < 4:
        raise Errno(EINVAL)
    word = get_user(k, value)
    if name == SO_INQ and sock.is_stream:
        if length != 4 or word > 1:
            raise Errno(EINVAL)
        sock.recvmsg_inq = bool(word)
    elif name == SO_LINGER:
        if length < 8:
            raise Errno(EINVAL)
        longest = 0x7FFFFFFF // k.time.hz  # MAX_SCHEDULE_TIMEOUT
        old = sock.options.get(SO_LINGER, 0) >> 32
        seconds = min(get_user(k, value + 4), longest) if word else old
        sock.options[SO_LINGER] = seconds << 32 | bool(word)
    elif name == SO_PASSCRED:
        sock.passcred = bool(word)
    elif name == SO_PASSRIGHTS:
        sock.passrights = bool(word)
    elif name in (SO_SNDBUF, SO_RCVBUF, SO_SNDBUFFORCE, SO_RCVBUFFORCE):
        _set_buffer(k, sock, name, word)
    elif name == SO_DEBUG:
        if word and not capable(k, CAP_NET_ADMIN):
            raise Errno(EPERM)
        sock.options[name] = int(bool(word))
    elif name == SO_PRIORITY:
        if word > 6 and not capable(k, CAP_NET_ADMIN):
            raise Errno(EPERM)
        sock.options[name] = word
    elif name == SO_RCVLOWAT:
        sock.rcvlowat = min(word, 0x7FFFFFFF) or 1
    elif name in _KEPT:
        sock.options[name] = int(bool(word))
    else:
        raise Errno(ENOPROTOOPT)
    return 0


def _set_buffer(k: Kernel, sock: UnixSock, name: int, word: int) -> None:
    forced = name in (SO_SNDBUFFORCE, SO_RCVBUFFORCE)
    if forced and not capable(k, CAP_NET_ADMIN):
        raise Errno(EPERM)
    size = 2 * (word if forced else min(word, WMEM_MAX))
    if name in (SO_SNDBUF, SO_SNDBUFFORCE):
        sock.sndbuf = max(size, SOCK_MIN_SNDBUF)
    else:
        sock.rcvbuf = max(size, SOCK_MIN_RCVBUF)


def _set_timeout(k: Kernel, sock: UnixSock, name: int, value: int, length: int) -> None:
    """A time in a struct timeval, or in one with 64-bit words; whole ticks are kept, rounded up."""
    wide = name in (SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW)
    size = 16 if wide else 8
    if length < size:
        raise Errno(EINVAL)
    seconds, usec = struct.unpack("<2q" if wide else "<2i", copy_from_user(k, value, size))
    if not 0 <= usec < 1_000_000:
        raise Errno(EDOM)
    part = -(-int(usec) * NSEC_PER_USEC // tick_ns(k)) * tick_ns(k)
    ns = max(int(seconds) * NSEC_PER_SEC + part, 0)
    if name in (SO_RCVTIMEO, SO_RCVTIMEO_NEW):
        sock.rcvtimeo = ns
    else:
        sock.sndtimeo = ns


def _value(sock: UnixSock, name: int) -> bytes:
    """What a setting is. Raises Errno(ENOPROTOOPT)."""
    if name in _TIMEOUTS:
        ns = sock.rcvtimeo if name in (SO_RCVTIMEO, SO_RCVTIMEO_NEW) else sock.sndtimeo
        form = "<2q" if name in (SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW) else "<2i"
        return struct.pack(form, ns // NSEC_PER_SEC, ns % NSEC_PER_SEC // NSEC_PER_USEC)
    if name == SO_PEERCRED:
        pid, uid, gid = sock.peer_cred
        return struct.pack("<iII", pid, uid, gid)
    if name == SO_LINGER:
        return sock.options.get(SO_LINGER, 0).to_bytes(8, "little")
    known = {
        SO_TYPE: sock.type,
        SO_DOMAIN: AF_UNIX,
        SO_PROTOCOL: 0,
        SO_SNDBUF: sock.sndbuf,
        SO_RCVBUF: sock.rcvbuf,
        SO_PASSCRED: int(sock.passcred),
        SO_PASSRIGHTS: int(sock.passrights),
        SO_ACCEPTCONN: int(sock.listening),
        SO_RCVLOWAT: sock.rcvlowat,
        SO_SNDLOWAT: 1,
    }
    if name == SO_ERROR:
        error, sock.error = sock.error, 0
        return struct.pack("<i", error)
    if name in known:
        return struct.pack("<i", known[name])
    if name in (*_KEPT, SO_DEBUG, SO_PRIORITY):
        return struct.pack("<I", sock.options.get(name, 0))
    raise Errno(ENOPROTOOPT)


@syscall(365, "sockfd:fd level:int optname:int optval:address optlen:address")
def sys_getsockopt(k: Kernel, fd: int, level: int, name: int, value: int, length: int) -> int:
    """getsockopt: a setting, cut to the caller's room. EOPNOTSUPP, ENOPROTOOPT, EINVAL, EFAULT."""
    _, sock = sockfd_lookup(k, fd)
    if level != SOL_SOCKET:
        raise Errno(EOPNOTSUPP)
    room = get_user(k, length)
    if room >> 31:
        raise Errno(EINVAL)
    data = _value(sock, name)[:room]
    copy_to_user(k, value, data)
    put_user(k, len(data), length)
    return 0
