"""The system calls of epoll (fs/eventpoll.c): making a set, changing it, waiting for it."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import access_ok, copy_from_user, copy_to_user
from toykernel.errno import (
    EEXIST,
    EFAULT,
    EINTR,
    EINVAL,
    ENOENT,
    EPERM,
    Errno,
)
from toykernel.fs.anon_inodes import anon_inode_getfile
from toykernel.fs.eventpoll import (
    EPOLLEXCLUSIVE,
    EVENTPOLL,
    EventPoll,
    check_events,
    ep_find,
    ep_insert,
    ep_loop_check,
    ep_modify,
    ep_remove,
    ep_send_events,
    is_file_epoll,
)
from toykernel.fs.file import O_CLOEXEC, O_RDWR, File, fd_install, fget_open, get_unused_fd
from toykernel.fs.operations import POLLERR, POLLHUP, always_ready
from toykernel.fs.select import NSEC_PER_MSEC, restore_sigmask, set_user_sigmask
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.timekeeping import ktime_get, timespec64_from_user
from toykernel.kernel.wait import Result, Wait, WaitQueue
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD = 1, 2, 3
#: struct epoll_event of i386: a word of bits and 64 bits of data, without padding.
_EVENT = struct.Struct("<IQ")
EP_MAX_EVENTS = 0x7FFFFFFF // _EVENT.size


@syscall(329, "flags:hex")
def sys_epoll_create1(k: Kernel, flags: int) -> int:
    """epoll_create1: a descriptor of an empty set. EINVAL for another flag, EMFILE, ENOMEM."""
    if flags & ~O_CLOEXEC:
        raise Errno(EINVAL)
    with ExitStack() as undo:
        slab = k.memory.slabs.eventpoll.alloc(k)
        undo.callback(k.memory.slabs.eventpoll.free, k, slab)
        fd = get_unused_fd(k)
        ep = EventPoll(slab, WaitQueue("epoll"), WaitQueue("poll of an epoll"))
        file = anon_inode_getfile(k, "[eventpoll]", EVENTPOLL, ep, O_RDWR)
        undo.pop_all()
    return fd_install(k, fd, file, cloexec=bool(flags & O_CLOEXEC))


@syscall(254, "size:int")
def sys_epoll_create(k: Kernel, size: int) -> int:
    """epoll_create: epoll_create1 without flags; the size says nothing. EINVAL below 1."""
    if size <= 0:
        raise Errno(EINVAL)
    return sys_epoll_create1(k, 0)


@syscall(255, "epfd:fd op:int fd:fd event:address")
def sys_epoll_ctl(k: Kernel, epfd: int, op: int, fd: int, event: int) -> int:
    """epoll_ctl: watch a file, watch it for something else, or no more.

    EBADF, EEXIST, ENOENT, EPERM for a file that is always ready, EINVAL, ELOOP for sets that watch each
    other, EFAULT, ENOMEM.
    """
    events = data = 0
    if op != EPOLL_CTL_DEL:
        events, data = _EVENT.unpack(copy_from_user(k, event, _EVENT.size))
    set_file, target = fget_open(k, epfd), fget_open(k, fd)
    if target.op.poll is always_ready:
        raise Errno(EPERM)
    if set_file is target or not is_file_epoll(set_file):
        raise Errno(EINVAL)
    nested = is_file_epoll(target)
    if op == EPOLL_CTL_MOD and events & EPOLLEXCLUSIVE:
        raise Errno(EINVAL)
    if op != EPOLL_CTL_DEL:
        events = check_events(events, nested=nested)
    ep: EventPoll = set_file.private
    if op == EPOLL_CTL_ADD and nested:
        ep_loop_check(ep, target)
    item = ep_find(ep, target, fd)
    if op == EPOLL_CTL_ADD:
        if item is not None:
            raise Errno(EEXIST)
        ep_insert(k, ep, target, fd, events, data)
        return 0
    if op not in (EPOLL_CTL_DEL, EPOLL_CTL_MOD):
        raise Errno(EINVAL)
    if item is None:
        raise Errno(ENOENT)
    if op == EPOLL_CTL_DEL:
        ep_remove(k, item)
    else:
        if item.events & EPOLLEXCLUSIVE:
            raise Errno(EINVAL)
        ep_modify(k, item, events | POLLERR | POLLHUP, data)
    return 0


def do_epoll_wait(
    k: Kernel, file: File, events: int, most: int, deadline: int | None, late: bool = False
) -> Result:
    """The events that are there, or a sleep until there are some; restores the mask of signals."""
    ep: EventPoll = file.private
    found = ep_send_events(k, ep, most)
    if found:
        restore_sigmask(k)
        copy_to_user(k, events, b"".join(_EVENT.pack(*one) for one in found))
        return len(found)
    if late or (deadline is not None and deadline <= ktime_get(k)):
        restore_sigmask(k)
        return 0
    if signal_pending(k.current):
        raise Errno(EINTR)
    args = (file, events, most, deadline)
    return Wait(
        *((ep.wait,), do_epoll_wait, args, "epoll_wait"),
        deadline=deadline,
        exclusive=True,
        holds=(file,),
    )


def _epoll_wait(
    k: Kernel, epfd: int, events: int, most: int, timeout: int | None, mask: tuple[int, int]
) -> Result:
    deadline = None if timeout is None else ktime_get(k) + timeout
    set_user_sigmask(k, *mask)
    try:
        if not 0 < most <= EP_MAX_EVENTS:
            raise Errno(EINVAL)
        if not access_ok(events, most * _EVENT.size):
            raise Errno(EFAULT)
        file = fget_open(k, epfd)
        if not is_file_epoll(file):
            raise Errno(EINVAL)
        return do_epoll_wait(k, file, events, most, deadline)
    except Errno as error:
        if error.number != EINTR:
            restore_sigmask(k)
        raise


def _milliseconds(timeout: int) -> int | None:
    return None if timeout < 0 else timeout * NSEC_PER_MSEC


@syscall(256, "epfd:fd events:address maxevents:int timeout:int")
def sys_epoll_wait(k: Kernel, epfd: int, events: int, most: int, timeout: int) -> Result:
    """epoll_wait: how many events were stored, within so many milliseconds (below 0: however long).

    EBADF, EFAULT, EINTR, EINVAL.
    """
    return _epoll_wait(k, epfd, events, most, _milliseconds(timeout), (0, 0))


@syscall(319, "epfd:fd events:address maxevents:int timeout:int sigmask:sigset sigsetsize:size")
def sys_epoll_pwait(
    k: Kernel, epfd: int, events: int, most: int, timeout: int, mask: int, size: int
) -> Result:
    """epoll_pwait: epoll_wait with another mask of blocked signals meanwhile."""
    return _epoll_wait(k, epfd, events, most, _milliseconds(timeout), (mask, size))


@syscall(441, "epfd:fd events:address maxevents:int timeout:address sigmask:sigset sigsetsize:size")
def sys_epoll_pwait2(
    k: Kernel, epfd: int, events: int, most: int, tsp: int, mask: int, size: int
) -> Result:
    """epoll_pwait2: epoll_pwait with a time in ns; none is for ever."""
    timeout = timespec64_from_user(k, tsp) if tsp else None
    return _epoll_wait(k, epfd, events, most, timeout, (mask, size))
