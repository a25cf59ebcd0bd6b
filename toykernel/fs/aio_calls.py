"""The system calls of asynchronous I/O (fs/aio.c): contexts, requests, and waiting for their events."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user, put_user
from toykernel.errno import (
    EBADF,
    EINPROGRESS,
    EINTR,
    EINVAL,
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    ERESTARTNOINTR,
    ERESTARTSYS,
    Errno,
)
from toykernel.fs.aio import (
    AioKiocb,
    Kioctx,
    aio_complete,
    aio_get_req,
    aio_poll,
    iocb_destroy,
    ioctx_alloc,
    kill_ioctx,
    lookup_ioctx,
    read_ring,
    take_events,
)
from toykernel.fs.eventfd import EventfdCtx
from toykernel.fs.file import fget_open
from toykernel.fs.operations import POLLERR, POLLHUP, bad_transfer, no_fsync, no_llseek
from toykernel.fs.read_write import transfer_size
from toykernel.fs.select import restore_sigmask, set_user_sigmask
from toykernel.fs.uio import (
    check_rwf,
    import_iovec,
    rwf_flags,
    transfer,
    transfer_at,
)
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.timekeeping import NSEC_PER_SEC, ktime_get
from toykernel.kernel.wait import Result, Wait
from toykernel.mm.mmap import do_munmap, user_mm
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC = range(4)
IOCB_CMD_POLL, IOCB_CMD_NOOP, IOCB_CMD_PREADV, IOCB_CMD_PWRITEV = range(5, 9)
IOCB_FLAG_RESFD = 1
_WRITES = (IOCB_CMD_PWRITE, IOCB_CMD_PWRITEV)
_TRANSFERS = (IOCB_CMD_PREAD, IOCB_CMD_PREADV, *_WRITES)
_RESTARTS = (ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK)
#: struct iocb: data, key, rw_flags, opcode, reqprio, fildes, buf, nbytes, offset, reserved2, flags, resfd.
_IOCB = struct.Struct("<QIIHhIQQqQII")
_KEY = 8  # where the key stands; the kernel's is 0
_LONG = 1 << 32


@syscall(245, "nr_events:uint ctxp:address")
def sys_io_setup(k: Kernel, nr_events: int, ctxp: int) -> int:
    """io_setup: a context for so many requests, whose number is stored where a 0 stands.

    EFAULT, EINVAL, EAGAIN for more than aio-max-nr leaves, ENOMEM.
    """
    if get_user(k, ctxp) or not nr_events:
        raise Errno(EINVAL)
    address = ioctx_alloc(k, nr_events)
    try:
        put_user(k, address, ctxp)
    except Errno:
        sys_io_destroy(k, address)
        raise
    return 0


@syscall(246, "ctx_id:address")
def sys_io_destroy(k: Kernel, ctx_id: int) -> int:
    """io_destroy: the context and what it waits for are gone. EINVAL where none is."""
    ctx, mm = lookup_ioctx(k, ctx_id), user_mm(k)
    length = ctx.mapping.size
    kill_ioctx(k, mm, ctx)
    do_munmap(k, mm, ctx_id, length)
    return 0


# -- submitting ------------------------------------------------------------------------------------


@syscall(248, "ctx_id:address nr:int iocbpp:address")
def sys_io_submit(k: Kernel, ctx_id: int, nr: int, iocbpp: int) -> Result:
    """io_submit: how many requests were taken; an error is that of the first.

    EINVAL, EFAULT, EBADF, EAGAIN when there is no room for another event, EOPNOTSUPP, ENOMEM.
    """
    nr = nr - _LONG if nr >> 31 else nr
    if nr < 0:
        raise Errno(EINVAL)
    ctx = lookup_ioctx(k, ctx_id)
    return submit_from(k, ctx, min(nr, ctx.nr_events), iocbpp, 0)


def submit_from(k: Kernel, ctx: Kioctx, nr: int, iocbpp: int, done: int) -> Result:
    """The requests from one on; a read or write that has to wait keeps those behind it waiting."""
    while done < nr:
        try:
            iocb = get_user(k, iocbpp + 4 * done)
            waits = _submit_one(k, ctx, iocb)
        except Errno:
            if done:
                return done
            raise
        if waits is not None:
            req, wait = waits
            return _go_on(req, wait, (nr, iocbpp, done))
        done += 1
    return done


def _go_on(req: AioKiocb, wait: Wait, rest: tuple[int, int, int]) -> Wait:
    args = (req, wait.resume, wait.args, *rest)
    return replace(wait, resume=submitted, args=args, wants=None)


def submitted(
    k: Kernel,
    req: AioKiocb,
    resume: object,
    args: tuple[object, ...],
    nr: int,
    iocbpp: int,
    done: int,
    *late: bool,
) -> Result:
    """A read or write has waited."""
    assert callable(resume)
    try:
        result: Result = resume(k, *args, *late)
    except Errno as error:
        result = -error.number
    if isinstance(result, Wait):
        return _go_on(req, result, (nr, iocbpp, done))
    ctx = req.ctx
    _rw_done(k, req, result)
    return done + 1 if ctx.dead else submit_from(k, ctx, nr, iocbpp, done + 1)


def _rw_done(k: Kernel, req: AioKiocb, result: int) -> None:
    """aio_rw_done: nobody can do an interrupted request again."""
    aio_complete(k, req, -EINTR if -result in _RESTARTS else result)


def _submit_one(k: Kernel, ctx: Kioctx, iocb: int) -> tuple[AioKiocb, Wait] | None:
    """A request of a program: done, left behind, or one that waits."""
    words = _IOCB.unpack(copy_from_user(k, iocb, _IOCB.size))
    data, _, rw_flags, opcode, _, fildes, buf, nbytes, offset, reserved, flags, resfd = words
    if reserved or buf >= _LONG or nbytes >= _LONG >> 1:
        raise Errno(EINVAL)
    file = fget_open(k, _signed(fildes))
    eventfd = None
    if flags & IOCB_FLAG_RESFD:
        eventfd = fget_open(k, _signed(resfd))
        if not isinstance(eventfd.private, EventfdCtx):
            raise Errno(EINVAL)
    req = aio_get_req(k, ctx, file, iocb, data, eventfd)
    try:
        put_user(k, 0, iocb + _KEY)
        if opcode in _TRANSFERS:
            return _transfer(k, req, opcode, rw_flags, (buf, nbytes, offset))
        if opcode in (IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC):
            if buf or offset or nbytes or rw_flags or file.op.fsync is no_fsync:
                raise Errno(EINVAL)
            aio_complete(k, req, file.op.fsync(k, file))
        elif opcode == IOCB_CMD_POLL and not (buf >> 16 or offset or nbytes or rw_flags):
            aio_poll(k, req, buf | POLLERR | POLLHUP)
        else:
            raise Errno(EINVAL)
    except Errno:
        iocb_destroy(k, req)
        raise
    return None


def _signed(word: int) -> int:
    return word - _LONG if word >> 31 else word


def _transfer(
    k: Kernel, req: AioKiocb, opcode: int, rw_flags: int, place: tuple[int, int, int]
) -> tuple[AioKiocb, Wait] | None:
    """aio_read and aio_write; from here on an error is the event's."""
    file, write = req.file, opcode in _WRITES
    buf, nbytes, offset = place
    check_rwf(rw_flags)
    if not (file.writable if write else file.readable):
        raise Errno(EBADF)
    if file.inode.is_dir or (file.op.write if write else file.op.read) is bad_transfer:
        raise Errno(EINVAL)
    if opcode in (IOCB_CMD_PREADV, IOCB_CMD_PWRITEV):
        pieces = import_iovec(k, buf, nbytes)
    else:
        pieces = ((buf, transfer_size(buf, nbytes)),)
    if offset < 0:
        raise Errno(EINVAL)
    try:
        with rwf_flags(file, rw_flags):
            if file.op.llseek is no_llseek:
                result = transfer(k, file, pieces, write=write)
            else:
                result = transfer_at(k, file, pieces, offset, write=write)
    except Errno as error:
        result = -error.number
    if isinstance(result, Wait):
        return req, result
    _rw_done(k, req, result)
    return None


@syscall(249, "ctx_id:address iocb:address result:address")
def sys_io_cancel(k: Kernel, ctx_id: int, iocb: int, result: int) -> int:
    """io_cancel: a poll that waits is given up; its event says 0.

    EINPROGRESS then, EFAULT, EINVAL where there is no such request.
    """
    if get_user(k, iocb + _KEY):
        raise Errno(EINVAL)
    ctx = lookup_ioctx(k, ctx_id)
    for req in ctx.active:
        if req.iocb == iocb and req.callbacks:
            aio_complete(k, req, 0)
            raise Errno(EINPROGRESS)
    raise Errno(EINVAL)


# -- waiting ---------------------------------------------------------------------------------------


def read_events(
    k: Kernel,
    ctx: Kioctx,
    least: int,
    most: int,
    events: int,
    got: int,
    deadline: int | None,
    late: bool = False,
) -> Result:
    """Events into the program's memory, until there are enough, the time is up or a signal has come."""
    error = 0
    while got < most and not ctx.dead:
        found = read_ring(k, ctx, most - got)
        if not found:
            break
        try:
            copy_to_user(k, events + len(found[0]) * got, b"".join(found))
        except Errno as bad:
            error = bad.number
            break
        take_events(k, ctx, len(found))
        got += len(found)
    if ctx.dead:
        error = EINVAL
    up = late or (deadline is not None and deadline <= ktime_get(k))
    if got >= least or error or up or signal_pending(k.current):
        if not got and error:
            raise Errno(error)
        if not got and signal_pending(k.current):
            raise Errno(EINTR)
        return got
    args = (ctx, least, most, events, got, deadline)
    return Wait((ctx.wait,), read_events, args, "io_getevents", deadline=deadline)


def _getevents(
    k: Kernel, ctx_id: int, least: int, most: int, events: int, timeout: int | None
) -> Result:
    ctx = lookup_ioctx(k, ctx_id)
    least, most = _signed(least), _signed(most)
    if not 0 <= least <= most:
        raise Errno(EINVAL)
    deadline = None if timeout is None else ktime_get(k) + timeout
    return read_events(k, ctx, least, most, events, 0, deadline)


def _time(k: Kernel, address: int, layout: str) -> int | None:
    """A time as ns, however many ns it says; None to wait for ever, as below 0 it is: the time to come
    would be past, which counts as an overflow (ktime_add_safe). Raises Errno(EFAULT).
    """
    if not address:
        return None
    raw = copy_from_user(k, address, struct.calcsize(layout))
    seconds, ns = struct.unpack(layout, raw)
    total = int(seconds * NSEC_PER_SEC + ns)
    return total if total >= 0 else None


@syscall(247, "ctx_id:address min_nr:int nr:int events:address timeout:timespec")
def sys_io_getevents(
    k: Kernel, ctx_id: int, least: int, most: int, events: int, timeout: int
) -> Result:
    """io_getevents: how many events were stored, at least so many unless the time is up.

    EFAULT, EINTR, EINVAL.
    """
    return _getevents(k, ctx_id, least, most, events, _time(k, timeout, "<ii"))


def masked(k: Kernel, resume: object, args: tuple[object, ...], *late: bool) -> Result:
    """io_pgetevents with its mask of signals: the one before comes back, unless a signal has come."""
    assert callable(resume)
    try:
        result: Result = resume(k, *args, *late)
    except Errno as error:
        if not signal_pending(k.current):
            restore_sigmask(k)
        raise Errno(ERESTARTNOHAND if error.number == EINTR else error.number) from None
    if isinstance(result, Wait):
        return replace(result, resume=masked, args=(result.resume, result.args))
    if not signal_pending(k.current):
        restore_sigmask(k)
    return result


def _pgetevents(
    k: Kernel, words: tuple[int, int, int, int], timeout: int | None, usig: int
) -> Result:
    if usig:
        set_user_sigmask(k, *struct.unpack("<II", copy_from_user(k, usig, 8)))
    return masked(k, _getevents, (*words, timeout))


@syscall(385, "ctx_id:address min_nr:int nr:int events:address timeout:timespec usig:address")
def sys_io_pgetevents(
    k: Kernel, ctx_id: int, least: int, most: int, events: int, timeout: int, usig: int
) -> Result:
    """io_pgetevents: io_getevents with another mask of blocked signals meanwhile."""
    ns = _time(k, timeout, "<ii")
    return _pgetevents(k, (ctx_id, least, most, events), ns, usig)


@syscall(416, "ctx_id:address min_nr:int nr:int events:address timeout:timespec64 usig:address")
def sys_io_pgetevents_time64(
    k: Kernel, ctx_id: int, least: int, most: int, events: int, timeout: int, usig: int
) -> Result:
    """io_pgetevents_time64: io_pgetevents with 64-bit times."""
    ns = _time(k, timeout, "<qi4x")
    return _pgetevents(k, (ctx_id, least, most, events), ns, usig)
