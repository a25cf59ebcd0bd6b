"""SECCOMP_RET_USER_NOTIF (kernel/seccomp.c): another process decides about a call, by an open file.

The task waits in front of its call; the listener reads which, and answers for it, gives it descriptors, or
lets it go on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_struct_from_user, copy_to_user
from toykernel.errno import (
    EBUSY,
    EFAULT,
    EINPROGRESS,
    EINVAL,
    ENOENT,
    ENOSYS,
    ERESTARTSYS,
    ESRCH,
    Errno,
)
from toykernel.fs.anon_inodes import anon_inode_getfile, noop_llseek
from toykernel.fs.fcntl import replace_fd
from toykernel.fs.file import O_CLOEXEC, O_RDWR, File, fd_install, fget, get_file, get_unused_fd
from toykernel.fs.operations import (
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
    FileOperations,
)
from toykernel.kernel.pid import task_pid_vnr
from toykernel.kernel.seccomp_filter import (
    NOTIFY_INIT,
    NOTIFY_REPLIED,
    NOTIFY_SENT,
    AddFd,
    Listener,
    Notification,
    SeccompFilter,
)
from toykernel.kernel.signal import fatal_signal_pending
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up
from toykernel.task import TASK_INTERRUPTIBLE, TASK_KILLABLE

if TYPE_CHECKING:
    from toykernel.state import Kernel

IOCTL_RECV, IOCTL_SEND, IOCTL_ID_VALID = 0xC0502100, 0xC0182101, 0x40082102
IOCTL_ID_VALID_WRONG_DIR, IOCTL_SET_FLAGS = 0x80082102, 0x40082104
#: SECCOMP_IOCTL_NOTIF_ADDFD without direction and size, which may grow.
_ADDFD, _SIZE_AND_DIRECTION = 0x2103, 0xFFFF0000
FLAG_CONTINUE, SYNC_WAKE_UP = 1, 1
ADDFD_SETFD, ADDFD_SEND = 1, 2
_NOTIF, _RESP, _ADDFD_RECORD = struct.Struct("<QII64s"), struct.Struct("<QqiI"), "<Q4I"


# -- the task whose call it is ---------------------------------------------------------------------


def do_user_notification(
    k: Kernel, match: SeccompFilter, data: bytes, call: Callable[[Kernel], Result]
) -> Result:
    """Ask the listener of a filter about the current task's call; `call` makes it, should that be the answer.

    ENOSYS without a listener.
    """
    listener = match.listener
    if listener is None:
        return -ENOSYS
    one = Notification(listener.next_id, k.current, data)
    listener.next_id += 1
    listener.notifications.append(one)
    listener.requests += 1
    wake_up(k, listener.wait, key=POLLIN | POLLRDNORM)
    return _answered(k, match, one, call)


def _answered(
    k: Kernel, match: SeccompFilter, one: Notification, call: Callable[[Kernel], Result]
) -> Result:
    while one.addfd:
        _receive(k, one, one.addfd.pop(0))
    if one.state != NOTIFY_REPLIED:
        killable = match.wait_killable and one.state == NOTIFY_SENT
        if fatal_signal_pending(k.current) or (signal_pending(k.current) and not killable):
            _forget(k, match, one)
            raise Errno(ERESTARTSYS)
        state = TASK_KILLABLE if killable else TASK_INTERRUPTIBLE
        return Wait((one.ready,), _answered, (match, one, call), "a listener of seccomp", state)
    _forget(k, match, one)
    if one.go_on:
        return call(k)
    value = (one.error or one.val) & 0xFFFFFFFF
    return value - (value >> 31 << 32)


def _forget(k: Kernel, match: SeccompFilter, one: Notification) -> None:
    for given in one.addfd:
        given.answer = -ESRCH
        wake_up(k, given.done)
    one.addfd.clear()
    if match.listener is not None:
        match.listener.notifications.remove(one)


def _receive(k: Kernel, one: Notification, given: AddFd) -> None:
    """seccomp_handle_addfd: the open file becomes the current task's, too."""
    try:
        if given.fd is None:
            fd = get_unused_fd(k)
            given.answer = fd_install(k, fd, get_file(given.file), cloexec=given.cloexec)
        else:
            given.answer = replace_fd(k, given.file, given.fd, cloexec=given.cloexec)
    except Errno as error:
        given.answer = -error.number
    if given.send:
        if given.answer < 0:
            one.state = NOTIFY_SENT
        else:
            one.go_on, one.error, one.val = False, 0, given.answer
    wake_up(k, given.done)


# -- the listener ----------------------------------------------------------------------------------


def _filter(file: File) -> SeccompFilter:
    assert isinstance(file.private, SeccompFilter)
    return file.private


def _listener(file: File) -> Listener:
    listener = _filter(file).listener
    assert listener is not None
    return listener


def _find(listener: Listener, ident: int) -> Notification:
    for one in listener.notifications:
        if one.ident == ident:
            return one
    raise Errno(ENOENT)


def notify_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """POLLIN while a call was not asked for, POLLOUT while one was not answered, POLLHUP when no task has the
    filter any more."""
    listener = _listener(file)
    pt.append(listener.wait)
    states = {one.state for one in listener.notifications}
    mask = 0 if _filter(file).count else POLLHUP
    if NOTIFY_INIT in states:
        mask |= POLLIN | POLLRDNORM
    if NOTIFY_SENT in states:
        mask |= POLLOUT | POLLWRNORM
    return mask


def notify_release(k: Kernel, file: File) -> None:
    """Nobody listens any more: the calls that wait are not there (ENOSYS)."""
    judge, listener = _filter(file), _listener(file)
    judge.listener = None
    for one in listener.notifications:
        if one.state != NOTIFY_REPLIED:
            one.state, one.error, one.val, one.go_on = NOTIFY_REPLIED, -ENOSYS, 0, False
            wake_up(k, one.ready)
    if not judge.count:
        k.memory.slabs.seccomp.free(k, judge.slab)


def notify_ioctl(k: Kernel, file: File, request: int, argp: int) -> Result:
    """SECCOMP_IOCTL_NOTIF_: RECV waits for a call. EINVAL for another, ENOENT for a call that is gone."""
    if request == IOCTL_RECV:
        if any(copy_from_user(k, argp, _NOTIF.size)):
            raise Errno(EINVAL)
        return _recv(k, file, argp)
    if request == IOCTL_SEND:
        return _send(k, file, argp)
    if request in (IOCTL_ID_VALID, IOCTL_ID_VALID_WRONG_DIR):
        one = _find(_listener(file), int.from_bytes(copy_from_user(k, argp, 8), "little"))
        if one.state != NOTIFY_SENT:
            raise Errno(ENOENT)
        return 0
    if request == IOCTL_SET_FLAGS:
        if argp & ~SYNC_WAKE_UP:
            raise Errno(EINVAL)
        return 0  # who is woken runs on this processor in any case
    if request & ~_SIZE_AND_DIRECTION == _ADDFD:
        return _addfd(k, file, argp, request >> 16 & 0x3FFF)
    raise Errno(EINVAL)


def _recv(k: Kernel, file: File, argp: int) -> Result:
    listener = _listener(file)
    if not listener.requests:
        if not _filter(file).count:
            raise Errno(ENOENT)
        if signal_pending(k.current):
            raise Errno(ERESTARTSYS)
        what = "the next call for a listener of seccomp"
        return Wait((listener.wait,), _recv, (file, argp), what, exclusive=True, holds=(file,))
    listener.requests -= 1
    one = next((one for one in listener.notifications if one.state == NOTIFY_INIT), None)
    if one is None:
        raise Errno(ENOENT)  # a signal took it away
    one.state = NOTIFY_SENT
    wake_up(k, listener.wait, key=POLLOUT | POLLWRNORM)
    try:
        copy_to_user(k, argp, _NOTIF.pack(one.ident, task_pid_vnr(k, one.task), 0, one.data))
    except Errno:
        one.state = NOTIFY_INIT
        listener.requests += 1
        wake_up(k, listener.wait, key=POLLIN | POLLRDNORM)
        raise Errno(EFAULT) from None
    return 0


def _send(k: Kernel, file: File, argp: int) -> int:
    ident, val, error, flags = _RESP.unpack(copy_from_user(k, argp, _RESP.size))
    if flags & ~FLAG_CONTINUE or (flags and (error or val)):
        raise Errno(EINVAL)
    one = _find(_listener(file), ident)
    if one.state != NOTIFY_SENT:
        raise Errno(EINPROGRESS)
    one.state, one.error, one.val, one.go_on = NOTIFY_REPLIED, error, val, bool(flags)
    wake_up(k, one.ready)
    return 0


def _addfd(k: Kernel, file: File, argp: int, size: int) -> Result:
    """Give the task a descriptor; the answer is its number there."""
    known = struct.calcsize(_ADDFD_RECORD)
    if not known <= size < 4096:
        raise Errno(EINVAL)
    record = copy_struct_from_user(k, argp, size, known)
    ident, flags, srcfd, newfd, newfd_flags = struct.unpack(_ADDFD_RECORD, record)
    wrong = newfd_flags & ~O_CLOEXEC or flags & ~(ADDFD_SETFD | ADDFD_SEND)
    if wrong or (newfd and not flags & ADDFD_SETFD):
        raise Errno(EINVAL)
    source = fget(k, srcfd)
    one = _find(_listener(file), ident)
    if one.state != NOTIFY_SENT:
        raise Errno(EINPROGRESS)
    if flags & ADDFD_SEND:
        if one.addfd:
            raise Errno(EBUSY)
        one.state = NOTIFY_REPLIED
    at = newfd if flags & ADDFD_SETFD else None
    given = AddFd(source, at, bool(newfd_flags & O_CLOEXEC), bool(flags & ADDFD_SEND))
    one.addfd.insert(0, given)
    wake_up(k, one.ready)
    return _given(k, file, one, given)


def _given(k: Kernel, file: File, one: Notification, given: AddFd) -> Result:
    if given.answer is not None:
        return given.answer
    if signal_pending(k.current):
        one.addfd.remove(given)
        raise Errno(ERESTARTSYS)
    holds = (file, given.file)
    what = "a descriptor to be taken"
    return Wait((given.done,), _given, (file, one, given), what, holds=holds)


NOTIFY = FileOperations(
    "toykernel.kernel.seccomp_notify:NOTIFY",
    llseek=noop_llseek,
    poll=notify_poll,
    ioctl=notify_ioctl,
    release=notify_release,
)


def init_listener(k: Kernel, judge: SeccompFilter) -> tuple[int, File]:
    """A free descriptor and an open file that listens to a filter. Raises Errno(EMFILE), Errno(ENOMEM)."""
    fd = get_unused_fd(k)
    judge.listener = Listener()
    with ExitStack() as undo:
        undo.callback(setattr, judge, "listener", None)
        file = anon_inode_getfile(k, "seccomp notify", NOTIFY, judge, O_RDWR)
        undo.pop_all()
    return fd, file
