"""The system calls of POSIX message queues (ipc/mqueue.c)."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, put_user
from toykernel.errno import (
    EACCES,
    EAGAIN,
    EBADF,
    EBUSY,
    EEXIST,
    EINVAL,
    EMSGSIZE,
    ENAMETOOLONG,
    ENOENT,
    ENOTSOCK,
    EOVERFLOW,
    EPERM,
    ERESTARTSYS,
    ETIMEDOUT,
    Errno,
)
from toykernel.fs.dcache import d_add, d_drop
from toykernel.fs.file import (
    O_ACCMODE,
    O_CREAT,
    O_EXCL,
    O_NONBLOCK,
    O_RDWR,
    O_WRONLY,
    File,
    fd_install,
    fget_open,
    get_empty_filp,
    get_unused_fd,
)
from toykernel.fs.inode import MAY_READ, MAY_WRITE, S_IFSOCK, Inode, drop_nlink, inode_permission
from toykernel.fs.namei import getname
from toykernel.ipc.mqueue import (
    HARD_MSGMAX,
    HARD_MSGSIZEMAX,
    MQ_PRIO_MAX,
    MQUEUE,
    SIGEV_NONE,
    SIGEV_SIGNAL,
    SIGEV_THREAD,
    ExtWait,
    MqIds,
    MqueueInfo,
    default_size,
    do_notify,
    insert,
    mqueue_create,
    mqueue_info,
    mqueue_root,
    pipelined_receive,
    pipelined_send,
    take,
    wq_add,
)
from toykernel.ipc.msg import MsgMsg
from toykernel.kernel.cred import CAP_FOWNER, CAP_SYS_RESOURCE, capable
from toykernel.kernel.siginfo import NSIG
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.timekeeping import (
    timespec64_from_user,
    timespec_from_user,
)
from toykernel.kernel.wait import Result, Wait
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

NAME_MAX = 255
_NOTIFY_COOKIE_LEN = 32


def _ids(k: Kernel) -> MqIds:
    return k.current.nsproxy.ipc_ns.mq_ids


def _name(k: Kernel, address: int) -> str:
    """A queue's name, which the library has taken the slash from. ENOENT, EACCES, ENAMETOOLONG, EFAULT."""
    name = getname(k, address)
    if "/" in name or name in (".", ".."):
        raise Errno(EACCES)
    if len(name.encode(errors="surrogateescape")) > NAME_MAX:
        raise Errno(ENAMETOOLONG)
    return name


def _attr(k: Kernel, ids: MqIds, address: int) -> tuple[int, int]:
    """Number and size of messages of a new queue. Raises Errno(EINVAL), Errno(EOVERFLOW), Errno(EFAULT)."""
    if not address:
        return default_size(ids)
    _, maxmsg, msgsize, _ = struct.unpack("<4i", copy_from_user(k, address, 32)[:16])
    privileged = capable(k, CAP_SYS_RESOURCE)
    most = HARD_MSGMAX if privileged else ids.msg_max
    largest = HARD_MSGSIZEMAX if privileged else ids.msgsize_max
    if not 0 < maxmsg <= most or not 0 < msgsize <= largest:
        raise Errno(EINVAL)
    if maxmsg * msgsize >> 32:
        raise Errno(EOVERFLOW)
    return maxmsg, msgsize


@syscall(277, "name:path oflag:open_flags mode:mode attr:address")
def sys_mq_open(k: Kernel, uname: int, oflag: int, mode: int, attr: int) -> int:
    """mq_open: a descriptor, closed by exec, of a queue, which is made with O_CREAT. EACCES, EEXIST,
    EINVAL, EMFILE, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC.
    """
    ids = _ids(k)
    if attr:
        copy_from_user(k, attr, 32)
    name = _name(k, uname)
    fs = k.current.fs
    assert fs is not None
    with ExitStack() as undo:
        fd = get_unused_fd(k)
        dentry = ids.queues.get(name)
        if dentry is None:
            if not oflag & O_CREAT:
                raise Errno(ENOENT)
            size = _attr(k, ids, attr)
            inode = mqueue_create(k, ids, mode & 0o7777 & ~fs.umask, *size)
            d_add(mqueue_root(k, ids), name, inode)
            undo.callback(_forget, k, ids, name)
        elif oflag & O_CREAT and oflag & O_EXCL:
            raise Errno(EEXIST)
        else:
            inode = dentry.inode
            inode_permission(k, inode, _access(oflag))
        flags = oflag & (O_ACCMODE | O_NONBLOCK)
        file = get_empty_filp(k, inode, MQUEUE, flags, f"/{name}")
        undo.pop_all()
    return fd_install(k, fd, file, cloexec=True)


def _access(oflag: int) -> int:
    """The rights that an open needs. Raises Errno(EINVAL) for both bits of the access mode."""
    access = oflag & O_ACCMODE
    if access == O_ACCMODE:
        raise Errno(EINVAL)
    return {O_WRONLY: MAY_WRITE, O_RDWR: MAY_READ | MAY_WRITE}.get(access, MAY_READ)


def _forget(k: Kernel, ids: MqIds, name: str) -> None:
    dentry = ids.queues[name]
    d_drop(dentry)
    drop_nlink(k, dentry.inode)


@syscall(278, "name:path")
def sys_mq_unlink(k: Kernel, uname: int) -> int:
    """mq_unlink: take a queue's name away; who has it open keeps it. ENOENT, EACCES, EPERM."""
    ids, name = _ids(k), _name(k, uname)
    if name not in ids.queues:
        raise Errno(ENOENT)
    inode = ids.queues[name].inode
    cred = k.current.cred  # the directory is everybody's, and sticky
    if cred.fsuid not in (inode.uid, 0) and not capable(k, CAP_FOWNER):
        raise Errno(EPERM)
    _forget(k, ids, name)
    return 0


def _open_queue(k: Kernel, mqdes: int, *, read: bool = False, write: bool = False) -> File:
    file = fget_open(k, mqdes)
    if mqueue_info(file.inode) is None:
        raise Errno(EBADF)
    if (read and not file.readable) or (write and not file.writable):
        raise Errno(EBADF)
    return file


def _info(inode: Inode) -> MqueueInfo:
    info = mqueue_info(inode)
    assert info is not None
    return info


def _deadline(k: Kernel, wall: int | None) -> int | None:
    return None if wall is None else wall - k.time.wall_offset


# -- sending ---------------------------------------------------------------------------------------


def _send(k: Kernel, mqdes: int, ptr: int, size: int, prio: int, wall: int | None) -> Result:
    """Put a message into a queue; `wall` is when to give up, in ns of CLOCK_REALTIME."""
    if prio >= MQ_PRIO_MAX:
        raise Errno(EINVAL)
    file = _open_queue(k, mqdes, write=True)
    info = _info(file.inode)
    if size > info.msgsize:
        raise Errno(EMSGSIZE)
    text = copy_from_user(k, ptr, size)
    full = len(info.messages) >= info.maxmsg
    if full and file.flags & O_NONBLOCK:
        raise Errno(EAGAIN)
    msg = MsgMsg(k.memory.slabs.msg_msg.alloc(k), prio, text)
    if not full:
        if not pipelined_send(k, info, msg):
            insert(info, msg)
            do_notify(k, info)
        return 0
    ewp = ExtWait(k.current, msg)
    wq_add(info.senders, ewp)
    return _sleep_to_send(k, file, ewp, _deadline(k, wall))


def _sleep_to_send(k: Kernel, file: File, ewp: ExtWait, deadline: int | None) -> Result:
    reason = "mq_timedsend to a full queue"
    args = (file, ewp, deadline)
    return Wait((), send_woken, args, reason, deadline=deadline, holds=(file,))


def send_woken(
    k: Kernel, file: File, ewp: ExtWait, deadline: int | None, late: bool = False
) -> Result:
    """A sleeping sender goes on: its message is in, or it is too late, or a signal came."""
    if ewp.done:
        return 0
    if not late and not signal_pending(k.current):
        return _sleep_to_send(k, file, ewp, deadline)
    _info(file.inode).senders.remove(ewp)
    assert ewp.msg is not None
    k.memory.slabs.msg_msg.free(k, ewp.msg.slab)
    raise Errno(ETIMEDOUT if late else ERESTARTSYS)


@syscall(279, "mqdes:fd msg_ptr:address msg_len:size msg_prio:uint abs_timeout:timespec")
def sys_mq_timedsend(k: Kernel, mqdes: int, ptr: int, size: int, prio: int, at: int) -> Result:
    """mq_timedsend: put a message into a queue, waiting for room until a point in time.

    EAGAIN, EBADF, EINTR, EINVAL, EMSGSIZE, ETIMEDOUT, EFAULT.
    """
    return _send(k, mqdes, ptr, size, prio, timespec_from_user(k, at) if at else None)


@syscall(418, "mqdes:fd msg_ptr:address msg_len:size msg_prio:uint abs_timeout:address")
def sys_mq_timedsend_time64(
    k: Kernel, mqdes: int, ptr: int, size: int, prio: int, at: int
) -> Result:
    """mq_timedsend_time64: mq_timedsend with a 64-bit time."""
    return _send(k, mqdes, ptr, size, prio, timespec64_from_user(k, at) if at else None)


# -- receiving -------------------------------------------------------------------------------------


def _receive(k: Kernel, mqdes: int, ptr: int, size: int, uprio: int, wall: int | None) -> Result:
    """Take the first message of the highest priority."""
    file = _open_queue(k, mqdes, read=True)
    info = _info(file.inode)
    if size < info.msgsize:
        raise Errno(EMSGSIZE)
    if info.messages:
        msg = take(info)
        pipelined_receive(k, info)
        return _deliver(k, msg, ptr, uprio)
    if file.flags & O_NONBLOCK:
        raise Errno(EAGAIN)
    ewp = ExtWait(k.current)
    wq_add(info.receivers, ewp)
    return _sleep_to_receive(k, file, ewp, ptr, uprio, _deadline(k, wall))


def _deliver(k: Kernel, msg: MsgMsg, ptr: int, uprio: int) -> int:
    k.memory.slabs.msg_msg.free(k, msg.slab)
    if uprio:
        put_user(k, msg.type, uprio)
    copy_to_user(k, ptr, msg.text)
    return len(msg.text)


def _sleep_to_receive(
    k: Kernel, file: File, ewp: ExtWait, ptr: int, uprio: int, deadline: int | None
) -> Result:
    reason = "mq_timedreceive from an empty queue"
    args = (file, ewp, ptr, uprio, deadline)
    return Wait((), receive_woken, args, reason, deadline=deadline, holds=(file,))


def receive_woken(
    k: Kernel,
    file: File,
    ewp: ExtWait,
    ptr: int,
    uprio: int,
    deadline: int | None,
    late: bool = False,
) -> Result:
    """A sleeping receiver goes on: with a message, too late, or because of a signal."""
    if ewp.msg is not None:
        return _deliver(k, ewp.msg, ptr, uprio)
    if not late and not signal_pending(k.current):
        return _sleep_to_receive(k, file, ewp, ptr, uprio, deadline)
    _info(file.inode).receivers.remove(ewp)
    raise Errno(ETIMEDOUT if late else ERESTARTSYS)


@syscall(280, "mqdes:fd msg_ptr:address msg_len:size msg_prio:address abs_timeout:timespec")
def sys_mq_timedreceive(k: Kernel, mqdes: int, ptr: int, size: int, prio: int, at: int) -> Result:
    """mq_timedreceive: take a message, waiting for one until a point in time; its size.

    EAGAIN, EBADF, EINTR, EINVAL, EMSGSIZE, ETIMEDOUT, EFAULT.
    """
    return _receive(k, mqdes, ptr, size, prio, timespec_from_user(k, at) if at else None)


@syscall(419, "mqdes:fd msg_ptr:address msg_len:size msg_prio:address abs_timeout:address")
def sys_mq_timedreceive_time64(
    k: Kernel, mqdes: int, ptr: int, size: int, prio: int, at: int
) -> Result:
    """mq_timedreceive_time64: mq_timedreceive with a 64-bit time."""
    return _receive(k, mqdes, ptr, size, prio, timespec64_from_user(k, at) if at else None)


# -- the rest --------------------------------------------------------------------------------------


@syscall(281, "mqdes:fd sevp:address")
def sys_mq_notify(k: Kernel, mqdes: int, event: int) -> int:
    """mq_notify: be told, once, of a message in the empty queue; without an event, no more.

    EBADF, EBUSY when somebody is already, EINVAL, EFAULT. SIGEV_THREAD needs a netlink socket, which there is
    not: EINVAL for another one, ENOTSOCK, EBADF.
    """
    value = signo = notify = 0
    if event:
        value, signo, notify = struct.unpack("<Iii", copy_from_user(k, event, 12))
        if notify not in (SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD):
            raise Errno(EINVAL)
        if notify == SIGEV_SIGNAL and not 0 <= signo <= NSIG:
            raise Errno(EINVAL)
        if notify == SIGEV_THREAD:
            copy_from_user(k, value, _NOTIFY_COOKIE_LEN)
            there = fget_open(k, signo)  # a netlink socket it is never
            raise Errno(EINVAL if there.inode.type == S_IFSOCK else ENOTSOCK)
    info = _info(_open_queue(k, mqdes).inode)
    leader = k.current.group_leader
    if not event:
        if info.notify_owner is leader:
            info.notify_owner = None
        return 0
    if info.notify_owner is not None and not info.notify_owner.exit_state:
        raise Errno(EBUSY)
    info.notify_owner = leader
    info.notify, info.notify_signo, info.notify_value = notify, signo, value
    return 0


@syscall(282, "mqdes:fd newattr:address oldattr:address")
def sys_mq_getsetattr(k: Kernel, mqdes: int, new: int, old: int) -> int:
    """mq_getsetattr: the queue's figures, and O_NONBLOCK of the open. EBADF, EINVAL, EFAULT."""
    flags = 0
    if new:
        flags = struct.unpack("<I", copy_from_user(k, new, 32)[:4])[0]
        if flags & ~O_NONBLOCK:
            raise Errno(EINVAL)
    file = _open_queue(k, mqdes)
    info = _info(file.inode)
    if old:
        words = (file.flags & O_NONBLOCK, info.maxmsg, info.msgsize, len(info.messages))
        copy_to_user(k, old, struct.pack("<8I", *words, 0, 0, 0, 0))
    if new:
        file.flags = file.flags & ~O_NONBLOCK | flags
    return 0
