"""Asynchronous I/O of the kernel (fs/aio.c): io_setup, io_submit, io_getevents.

As on Linux for what is not read or written directly from a disk, a request is done while it is submitted.
What has ended stands in a ring in the program's own memory, whose address is the context.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emu.record import dataclass
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user, put_user
from toykernel.errno import (
    EAGAIN,
    EBADF,
    EINTR,
    EINVAL,
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    ERESTARTNOINTR,
    ERESTARTSYS,
    Errno,
)
from toykernel.fs.eventfd import EventfdCtx, eventfd_signal
from toykernel.fs.file import fget
from toykernel.fs.fsnotify import ACCESS, MODIFY, fsnotify_transfer
from toykernel.fs.operations import no_llseek
from toykernel.fs.read_write import transfer_size
from toykernel.fs.select import restore_sigmask, set_user_sigmask
from toykernel.fs.uio import check_rwf, import_iovec, transfer_at
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.timekeeping import ktime_get, timespec64_from_user, timespec_from_user
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up
from toykernel.mm.mman import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from toykernel.mm.mmap import do_mmap_pgoff, do_munmap
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel

PREAD, PWRITE, FSYNC, FDSYNC, PREADV, PWRITEV = 0, 1, 2, 3, 7, 8
FLAG_RESFD = 1
AIO_MAX_NR = 65536
_TOO_MANY = 0x10000000 // 32
_MAGIC = 0xA10A10A1
_HEADER = struct.Struct("<8I")  # id, nr, head, tail, magic, compat, incompat, length of this
_EVENT = struct.Struct("<QQqq")  # data, obj, res, res2
_IOCB = struct.Struct("<QIIHhIQQqQII")
_RESTARTS = (ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK)
_PAGE = 4096


@dataclass(eq=False)
class Kioctx:
    """struct kioctx: a ring of `slots` events at `address`, and who waits for one."""

    slab: int
    address: int
    slots: int
    max_reqs: int
    wait: WaitQueue

    def head_and_tail(self, k: Kernel) -> tuple[int, int]:
        """What the program has taken, and what has been put there."""
        head, tail = struct.unpack("<2I", copy_from_user(k, self.address + 8, 8))
        return head % self.slots, tail % self.slots


@dataclass(frozen=True)
class Request:
    """struct aio_kiocb: of one iocb, and whom to tell when it has ended."""

    obj: int
    data: int
    eventfd: File | None


def _context(k: Kernel, address: int) -> Kioctx:
    mm = k.current.mm
    ctx = mm.ioctxs.get(address) if mm is not None else None
    if not isinstance(ctx, Kioctx):
        raise Errno(EINVAL)
    return ctx


# -- contexts --------------------------------------------------------------------------------------


def aio_nr(k: Kernel) -> int:
    """Requests that all contexts may have (fs.aio-nr)."""
    return sum(ctx.max_reqs for mm in k.memory.mms.values() for ctx in mm.ioctxs.values())


@syscall(245, "nr_events:uint ctxp:address")
def sys_io_setup(k: Kernel, nr_events: int, ctxp: int) -> int:
    """io_setup: a context for so many requests. EFAULT, EINVAL for none or where one is, EAGAIN beyond the
    limit, ENOMEM.
    """
    if get_user(k, ctxp) or not nr_events or nr_events > _TOO_MANY:
        raise Errno(EINVAL)
    if nr_events > AIO_MAX_NR - aio_nr(k):
        raise Errno(EAGAIN)
    size = _HEADER.size + _EVENT.size * (2 * max(nr_events, 4) + 2)
    size = (size + _PAGE - 1) // _PAGE * _PAGE
    slots = (size - _HEADER.size) // _EVENT.size
    mm = k.current.mm
    assert mm is not None
    slab = k.memory.slabs.kioctx.alloc(k)
    try:
        prot, flags = PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
        address = do_mmap_pgoff(k, None, 0, size, prot, flags, 0)
        try:
            header = _HEADER.pack(0, slots, 0, 0, _MAGIC, 1, 0, _HEADER.size)
            copy_to_user(k, address, header)
            put_user(k, address, ctxp)
        except Errno:
            do_munmap(k, mm, address, size)
            raise
    except Errno:
        k.memory.slabs.kioctx.free(k, slab)
        raise
    mm.ioctxs[address] = Kioctx(slab, address, slots, nr_events, WaitQueue("aio"))
    return 0


@syscall(246, "ctx_id:address")
def sys_io_destroy(k: Kernel, address: int) -> int:
    """io_destroy: the context is gone, and its ring. EINVAL."""
    ctx, mm = _context(k, address), k.current.mm
    assert mm is not None
    del mm.ioctxs[address]
    wake_up(k, ctx.wait)
    with suppress(Errno):  # the program may have unmapped it
        do_munmap(k, mm, address, _HEADER.size + ctx.slots * _EVENT.size)
    k.memory.slabs.kioctx.free(k, ctx.slab)
    return 0


# -- requests --------------------------------------------------------------------------------------


@syscall(248, "ctx_id:address nr:int iocbpp:address")
def sys_io_submit(k: Kernel, address: int, nr: int, iocbpp: int) -> Result:
    """io_submit: do what so many struct iocb say; how many were taken.

    EINVAL, EFAULT, EBADF, EAGAIN for a full ring: only when the first cannot be taken.
    """
    ctx = _context(k, address)
    if nr < 0:
        raise Errno(EINVAL)
    return _submit(k, ctx, iocbpp, nr, 0)


def _submit(k: Kernel, ctx: Kioctx, iocbpp: int, nr: int, done: int) -> Result:
    while done < nr:
        try:
            request, result = _start(k, ctx, get_user(k, iocbpp + 4 * done))
        except Errno:
            if done:
                return done
            raise
        if isinstance(result, Wait):
            args = (result.resume, result.args, request, ctx, iocbpp, nr, done)
            return replace(result, resume=_go_on, args=args, wants=None)
        _complete(k, ctx, request, result)
        done += 1
    return done


def _go_on(
    k: Kernel,
    resume: Any,
    args: tuple[Any, ...],
    request: Request,
    ctx: Kioctx,
    iocbpp: int,
    nr: int,
    done: int,
    *late: bool,
) -> Result:
    """A request that has kept who submitted it waiting goes on, and the next ones after it."""
    try:
        result: Result = resume(k, *args, *late)
    except Errno as error:
        result = -EINTR if error.number in _RESTARTS else -error.number
    if isinstance(result, Wait):
        state = (result.resume, result.args, request, ctx, iocbpp, nr, done)
        return replace(result, resume=_go_on, args=state, wants=None)
    _complete(k, ctx, request, result)
    return _submit(k, ctx, iocbpp, nr, done + 1)


def _start(k: Kernel, ctx: Kioctx, iocb: int) -> tuple[Request, Result]:
    """io_submit_one. What is wrong with the request is an Errno, what goes wrong in it a result below 0."""
    words = _IOCB.unpack(copy_from_user(k, iocb, _IOCB.size))
    data, _, rw_flags, opcode, _, fd, buf, size, offset, reserved, flags, resfd = words
    if reserved or buf >> 32 or size >> 31:
        raise Errno(EINVAL)
    head, tail = ctx.head_and_tail(k)
    if (tail + 1) % ctx.slots == head:
        raise Errno(EAGAIN)
    file = fget(k, fd)
    eventfd = None
    if flags & FLAG_RESFD:
        eventfd = fget(k, resfd)
        if not isinstance(eventfd.private, EventfdCtx):
            raise Errno(EINVAL)
    put_user(k, 0, iocb + 8)  # KIOCB_KEY
    request = Request(iocb, data, eventfd)
    if opcode in (FSYNC, FDSYNC):
        if buf or offset or size or rw_flags:
            raise Errno(EINVAL)
        return request, _result(lambda: file.op.fsync(k, file))
    if opcode not in (PREAD, PWRITE, PREADV, PWRITEV):
        raise Errno(EINVAL)
    write = opcode in (PWRITE, PWRITEV)
    if not (file.writable if write else file.readable):
        raise Errno(EBADF)
    check_rwf(rw_flags, write=write)
    if offset < 0 and file.op.llseek is not no_llseek:
        raise Errno(EINVAL)
    if opcode in (PREADV, PWRITEV):
        pieces = import_iovec(k, buf, size)
    else:
        length = transfer_size(buf, size)
        pieces = ((buf, length),) if length else ()

    def transfer() -> Result:
        return transfer_at(k, file, pieces, offset, rw_flags, write=write)

    return request, fsnotify_transfer(k, file, MODIFY if write else ACCESS, _result(transfer))


def _result(work: Any) -> Result:
    try:
        result: Result = work()
    except Errno as error:
        return -EINTR if error.number in _RESTARTS else -error.number
    return result


def _complete(k: Kernel, ctx: Kioctx, request: Request, result: int) -> None:
    """aio_complete: an event into the ring, which cannot be full."""
    with suppress(Errno):  # nobody sees it when the ring is unmapped
        _, tail = ctx.head_and_tail(k)
        event = _EVENT.pack(request.data, request.obj, result, 0)
        copy_to_user(k, ctx.address + _HEADER.size + tail * _EVENT.size, event)
        put_user(k, (tail + 1) % ctx.slots, ctx.address + 12)
    if request.eventfd is not None:
        eventfd_signal(k, request.eventfd)
    wake_up(k, ctx.wait)


@syscall(249, "ctx_id:address iocb:address result:address")
def sys_io_cancel(k: Kernel, address: int, iocb: int, result: int) -> int:
    """io_cancel: EFAULT, and EINVAL for a request that is not under way, which none ever is."""
    get_user(k, iocb + 8)
    _context(k, address)
    raise Errno(EINVAL)


# -- events ----------------------------------------------------------------------------------------


def _read_events(
    k: Kernel,
    ctx: Kioctx,
    least: int,
    most: int,
    events: int,
    deadline: int | None,
    got: int = 0,
    late: bool = False,
) -> Result:
    """Copy events out; wait for more until there are `least`, the time is up or a signal comes."""
    head, tail = ctx.head_and_tail(k)
    while got < most and head != tail:
        at = ctx.address + _HEADER.size + head * _EVENT.size
        copy_to_user(k, events + got * _EVENT.size, copy_from_user(k, at, _EVENT.size))
        head = (head + 1) % ctx.slots
        got += 1
    put_user(k, head, ctx.address + 8)
    over = deadline is not None and (late or ktime_get(k) >= deadline)
    if got >= least or over:
        return got
    if signal_pending(k.current):
        if got:
            return got
        raise Errno(EINTR)
    args = (ctx, least, most, events, deadline, got)
    return Wait((ctx.wait,), _read_events, args, "io_getevents", deadline=deadline)


def _getevents(
    k: Kernel, address: int, least: int, most: int, events: int, timeout: int | None
) -> Result:
    ctx = _context(k, address)
    if not 0 <= least <= most:
        raise Errno(EINVAL)
    deadline = None if timeout is None else ktime_get(k) + timeout
    return _read_events(k, ctx, least, most, events, deadline)


@syscall(247, "ctx_id:address min_nr:int nr:int events:address timeout:timespec")
def sys_io_getevents(k: Kernel, ctx: int, least: int, most: int, events: int, tsp: int) -> Result:
    """io_getevents: what has ended, at least `min_nr` unless the time is up. EINVAL, EFAULT, EINTR."""
    timeout = timespec_from_user(k, tsp) if tsp else None
    return _getevents(k, ctx, least, most, events, timeout)


def _pgetevents(
    k: Kernel,
    call: tuple[int, int, int, int],
    timeout: int | None,
    usig: int,
) -> Result:
    """The same with another mask of blocked signals meanwhile, which a struct __aio_sigset tells."""
    if usig:
        set_user_sigmask(k, *struct.unpack("<2I", copy_from_user(k, usig, 8)))
    try:
        result = _getevents(k, *call, timeout)
    except Errno as error:
        if error.number != EINTR:
            restore_sigmask(k)
        raise
    if not isinstance(result, Wait):
        restore_sigmask(k)
        return result
    return replace(result, resume=_pgo_on, args=(result.resume, result.args))


def _pgo_on(k: Kernel, resume: Any, args: tuple[Any, ...], *late: bool) -> Result:
    result: Result = resume(k, *args, *late)
    if isinstance(result, Wait):
        return replace(result, resume=_pgo_on, args=(result.resume, result.args))
    restore_sigmask(k)
    return result


@syscall(385, "ctx_id:address min_nr:int nr:int events:address timeout:timespec usig:address")
def sys_io_pgetevents(
    k: Kernel, ctx: int, least: int, most: int, events: int, tsp: int, usig: int
) -> Result:
    """io_pgetevents: io_getevents with a mask of signals. EINVAL, EFAULT, EINTR."""
    timeout = timespec_from_user(k, tsp) if tsp else None
    return _pgetevents(k, (ctx, least, most, events), timeout, usig)


@syscall(416, "ctx_id:address min_nr:int nr:int events:address timeout:address usig:address")
def sys_io_pgetevents_time64(
    k: Kernel, ctx: int, least: int, most: int, events: int, tsp: int, usig: int
) -> Result:
    """io_pgetevents_time64: io_pgetevents with 64-bit times."""
    timeout = timespec64_from_user(k, tsp) if tsp else None
    return _pgetevents(k, (ctx, least, most, events), timeout, usig)
