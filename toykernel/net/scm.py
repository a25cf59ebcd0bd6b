"""What goes along with a message (net/core/scm.c): open files and credentials."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toykernel.errno import EBADF, EINVAL, EPERM, ESRCH, Errno
from toykernel.fs.file import File, current_files, fd_install, fput, get_file, get_unused_fd
from toykernel.kernel.cred import CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, capable
from toykernel.kernel.pid import find_task_by_vpid, task_pid_vnr
from toykernel.net.af_unix import Skb, Ucred, UnixSock

if TYPE_CHECKING:
    from toykernel.state import Kernel

SOL_SOCKET, SCM_RIGHTS, SCM_CREDENTIALS, SCM_INQ = 1, 1, 2, 84
SCM_MAX_FD = 253
_HEADER = struct.Struct("<Iii")


@dataclass(eq=False)
class ScmCookie:
    """struct scm_cookie: files, each with a reference of its own, and credentials where they were given."""

    files: list[File] = field(default_factory=list)
    creds: Ucred | None = None


def current_ucred(k: Kernel) -> Ucred:
    """Who the current task is, as a message says."""
    cred = k.current.cred
    return task_pid_vnr(k, k.current.group_leader), cred.uid, cred.gid


def effective_ucred(k: Kernel) -> Ucred:
    """Who connects or listens (SO_PEERCRED)."""
    cred = k.current.cred
    return task_pid_vnr(k, k.current.group_leader), cred.euid, cred.egid


def scm_send(k: Kernel, control: bytes) -> ScmCookie:
    """Read control messages. Raises Errno: EINVAL, EBADF, EPERM, ESRCH, holding nothing."""
    scm = ScmCookie()
    try:
        _parse(k, scm, control)
    except Errno:
        scm_destroy(k, scm)
        raise
    return scm


def _parse(k: Kernel, scm: ScmCookie, control: bytes) -> None:
    at = 0
    while at + _HEADER.size <= len(control):
        length, level, kind = _HEADER.unpack_from(control, at)
        if length < _HEADER.size or length > len(control) - at:
            raise Errno(EINVAL)
        data = control[at + _HEADER.size : at + length]
        at += (length + 3) & ~3
        if level != SOL_SOCKET:
            continue
        if kind == SCM_RIGHTS:
            _take_files(k, scm, data)
        elif kind == SCM_CREDENTIALS and len(data) == 12:
            scm.creds = _check_creds(k, struct.unpack("<iII", data))
        else:
            raise Errno(EINVAL)


def _take_files(k: Kernel, scm: ScmCookie, data: bytes) -> None:
    count = len(data) // 4
    if len(scm.files) + count > SCM_MAX_FD:
        raise Errno(EINVAL)
    for (fd,) in struct.iter_unpack("<i", data[: 4 * count]):
        file = current_files(k).fd.get(fd)
        if file is None:
            raise Errno(EBADF)
        scm.files.append(get_file(file))


def _check_creds(k: Kernel, creds: Ucred) -> Ucred:
    pid, uid, gid = creds
    cred = k.current.cred
    own = task_pid_vnr(k, k.current.group_leader)
    allowed = (
        (pid == own or capable(k, CAP_SYS_ADMIN))
        and (uid in (cred.uid, cred.euid, cred.suid) or capable(k, CAP_SETUID))
        and (gid in (cred.gid, cred.egid, cred.sgid) or capable(k, CAP_SETGID))
    )
    if not allowed:
        raise Errno(EPERM)
    if pid != own and find_task_by_vpid(k, pid) is None:
        raise Errno(ESRCH)
    return creds


def scm_destroy(k: Kernel, scm: ScmCookie) -> None:
    """The message was not sent: the files are let go of."""
    files, scm.files = scm.files, []
    for file in files:
        fput(k, file)


def scm_recv(
    k: Kernel, skb: Skb, room: int, *, creds: bool, cloexec: bool, peek: bool
) -> tuple[bytes, bool]:
    """Control messages for who reads a message, `room` bytes at most; whether something did not fit.

    Files become descriptors of the reader's.
    """
    out, truncated = b"", False
    if creds:
        out, truncated = put_cmsg(SCM_CREDENTIALS, struct.pack("<iII", *skb.creds), room)
        room -= len(out)
    if not skb.files:
        return out, truncated
    files = [get_file(file) for file in skb.files] if peek else skb.files
    if not peek:
        skb.files = []
    fds: list[int] = []
    most = max(room - _HEADER.size, 0) // 4
    for file in files[:most]:
        try:
            fds.append(fd_install(k, get_unused_fd(k), file, cloexec=cloexec))
        except Errno:
            break
    for file in files[len(fds) :]:
        fput(k, file)
    if fds:
        out += _HEADER.pack(_HEADER.size + 4 * len(fds), SOL_SOCKET, SCM_RIGHTS)
        out += struct.pack(f"<{len(fds)}i", *fds)
    return out, truncated or len(fds) < len(files)


def put_cmsg(kind: int, data: bytes, room: int) -> tuple[bytes, bool]:
    """A control message, cut to the room for it; whether it was."""
    if room < _HEADER.size:  # not even to say what it is
        return b"", True
    size = _HEADER.size + len(data)
    message = _HEADER.pack(min(size, room), SOL_SOCKET, kind) + data
    return message[:room], size > room


def scm_nobody(room: int) -> tuple[bytes, bool]:
    """SCM_CREDENTIALS at the end of a stream: nobody's."""
    return put_cmsg(SCM_CREDENTIALS, bytes(12), room)


def scm_inq(sock: UnixSock, room: int) -> tuple[bytes, bool]:
    """SCM_INQ: the bytes that are there still; whether that did not fit."""
    left = sum(len(skb.data) - skb.at for skb in sock.queue)
    return put_cmsg(SCM_INQ, struct.pack("<i", left), room)
