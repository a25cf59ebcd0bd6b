"""userfaultfd (fs/userfaultfd.c): a file that tells which pages threads miss, and takes pages for them.

Missing pages of anonymous and shared memory, writes to private anonymous pages, pages of shared memory that
are there but not mapped; no events of fork, mremap and munmap. A system call's own access to such a page is
EFAULT: only user mode waits, as with UFFD_USER_MODE_ONLY.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import (
    EAGAIN,
    EBUSY,
    EINVAL,
    EPERM,
    ERESTARTSYS,
    ESRCH,
    Errno,
)
from toykernel.fs.anon_inodes import anon_inode_getfile, noop_llseek
from toykernel.fs.file import O_CLOEXEC, O_NONBLOCK, O_RDONLY, File, fd_install, get_unused_fd
from toykernel.fs.operations import POLLERR, POLLIN, FileOperations
from toykernel.kernel.cred import CAP_SYS_PTRACE, capable
from toykernel.kernel.pid import task_pid_vnr
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up
from toykernel.mm.mm_types import (
    FEATURE_WP_ASYNC,
    FEATURE_WP_UNPOPULATED,
    UFFD_MODE_MINOR,
    UFFD_MODE_MISSING,
    UFFD_MODE_WP,
    VM_MAYWRITE,
)
from toykernel.mm.userfaultfd import (
    FEATURE_EXACT_ADDRESS,
    FEATURE_SIGBUS,
    FEATURE_THREAD_ID,
    UserfaultfdCtx,
    UserfaultfdWait,
    each_page,
    mcontinue_page,
    mfill_atomic,
    move_pages,
    mpoison_page,
    mwriteprotect,
    uffd_wp_range,
    wake_userfault,
)
from toykernel.mm.vma import isolate, merge
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct, VmArea
    from toykernel.state import Kernel
    from toykernel.task import Task

UFFD_USER_MODE_ONLY = 1
UFFD_API = 0xAA
UFFDIO_API, UFFDIO_REGISTER, UFFDIO_UNREGISTER = 0xC018AA3F, 0xC020AA00, 0x8010AA01
UFFDIO_WAKE, UFFDIO_COPY, UFFDIO_ZEROPAGE = 0x8010AA02, 0xC028AA03, 0xC020AA04
UFFDIO_MOVE, UFFDIO_WRITEPROTECT = 0xC028AA05, 0xC018AA06
UFFDIO_CONTINUE, UFFDIO_POISON = 0xC020AA07, 0xC020AA08
USERFAULTFD_IOC_NEW = 0xAA00
FEATURE_PAGEFAULT_FLAG_WP, FEATURE_MISSING_SHMEM, FEATURE_MINOR_SHMEM = 1, 1 << 5, 1 << 10
FEATURE_POISON, FEATURE_MOVE, FEATURE_WP_HUGETLBFS_SHMEM = 1 << 14, 1 << 16, 1 << 12
_FEATURES = FEATURE_MISSING_SHMEM | FEATURE_SIGBUS | FEATURE_THREAD_ID | FEATURE_EXACT_ADDRESS
_FEATURES |= FEATURE_PAGEFAULT_FLAG_WP | FEATURE_MINOR_SHMEM | FEATURE_POISON | FEATURE_MOVE
_FEATURES |= FEATURE_WP_HUGETLBFS_SHMEM | FEATURE_WP_UNPOPULATED | FEATURE_WP_ASYNC
_API_IOCTLS = 1 << 0x3F | 3
#: WAKE, COPY, ZEROPAGE, MOVE, POISON; and those of two modes.
_RANGE_IOCTLS, _IOCTL_WRITEPROTECT, _IOCTL_CONTINUE = 0x13C, 1 << 6, 1 << 7
_MODES = UFFD_MODE_MISSING | UFFD_MODE_WP | UFFD_MODE_MINOR
MODE_DONTWAKE, COPY_MODE_WP, CONTINUE_MODE_WP, MOVE_ALLOW_SRC_HOLES = 1, 2, 2, 2
WRITEPROTECT_WP, WRITEPROTECT_DONTWAKE = 1, 2
EVENT_PAGEFAULT, PAGEFAULT_FLAG_WRITE = 0x12, 1
_MSG = struct.Struct("<B7xQQI4x")


def _ctx(file: File) -> UserfaultfdCtx:
    assert isinstance(file.private, UserfaultfdCtx)
    return file.private


# -- a thread that misses a page -------------------------------------------------------------------


def handle_userfault(
    k: Kernel, task: Task, ctx: UserfaultfdCtx, address: int, write: bool, reason: int = 0
) -> Result:
    """Tell the file, and sleep until there is the page, or a signal; the access is made again then."""
    exact = (ctx.features or 0) & FEATURE_EXACT_ADDRESS
    shown = address if exact else address & -PAGE_SIZE
    waiting = UserfaultfdWait(task, shown, write, task_pid_vnr(k, task), reason)
    ctx.faults.append(waiting)
    wake_up(k, ctx.wait, key=POLLIN)
    return _sleep(ctx, waiting)


def _sleep(ctx: UserfaultfdCtx, waiting: UserfaultfdWait) -> Wait:
    return Wait((), _woken, (ctx, waiting), f"a page at {waiting.address:#010x} by userfaultfd")


def _woken(k: Kernel, ctx: UserfaultfdCtx, waiting: UserfaultfdWait) -> Result:
    if waiting.woken:
        return 0
    if signal_pending(k.current):
        ctx.faults.remove(waiting)
        return 0
    return _sleep(ctx, waiting)


# -- the file --------------------------------------------------------------------------------------


def userfaultfd_read(k: Kernel, file: File, buf: int, count: int) -> Result:
    """Messages of 32 bytes, as many as fit; waits for the first. EINVAL, EAGAIN with O_NONBLOCK."""
    ctx = _ctx(file)
    if ctx.features is None or count < _MSG.size:
        raise Errno(EINVAL)
    news = [one for one in ctx.faults if not one.told][: count // _MSG.size]
    if not news:
        if file.flags & O_NONBLOCK:
            raise Errno(EAGAIN)
        if signal_pending(k.current):
            raise Errno(ERESTARTSYS)
        args = (file, buf, count)
        return Wait((ctx.wait,), userfaultfd_read, args, "read of a userfaultfd", holds=(file,))
    threads = ctx.features & FEATURE_THREAD_ID
    data = b"".join(
        _MSG.pack(
            *(
                EVENT_PAGEFAULT,
                one.reason | (PAGEFAULT_FLAG_WRITE if one.write else 0),
                one.address,
            ),
            one.ptid if threads else 0,
        )
        for one in news
    )
    for one in news:
        one.told = True
    copy_to_user(k, buf, data)
    return len(data)


def userfaultfd_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """POLLIN while there is a message; POLLERR before UFFDIO_API, and for who would wait in read."""
    ctx = _ctx(file)
    pt.append(ctx.wait)
    if ctx.features is None or not file.flags & O_NONBLOCK:
        return POLLERR
    return POLLIN if any(not one.told for one in ctx.faults) else 0


def userfaultfd_release(k: Kernel, file: File) -> None:
    """Its areas are as any others; who waits gets zeros."""
    ctx = _ctx(file)
    for area in list(ctx.mm) if k.memory.mms.get(ctx.mm.ident) is ctx.mm else ():
        if area.uffd is ctx:
            uffd_wp_range(k, ctx.mm, area, area.vm_start, area.vm_end, on=False)
            area.uffd, area.uffd_mode = None, 0
    wake_userfault(k, ctx, 0, TASK_SIZE)
    k.memory.slabs.userfaultfd.free(k, ctx.slab)


def userfaultfd_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """UFFDIO_: first API. EINVAL for another, and for ranges that are no whole pages of the user's half."""
    ctx = _ctx(file)
    if request == UFFDIO_API:
        return _api(k, ctx, argp)
    if ctx.features is None:
        raise Errno(EINVAL)
    if request == UFFDIO_REGISTER:
        return _register(k, ctx, argp)
    if request == UFFDIO_UNREGISTER:
        return _unregister(k, ctx, argp)
    if request == UFFDIO_COPY:
        return _copy(k, ctx, argp)
    if request == UFFDIO_ZEROPAGE:
        return _zeropage(k, ctx, argp)
    if request == UFFDIO_MOVE:
        return _move(k, ctx, argp)
    if request == UFFDIO_WRITEPROTECT:
        return _writeprotect(k, ctx, argp)
    if request in (UFFDIO_CONTINUE, UFFDIO_POISON):
        return _mark(k, ctx, argp, resume=request == UFFDIO_CONTINUE)
    if request != UFFDIO_WAKE:
        raise Errno(EINVAL)
    start, end = _range(k, *struct.unpack("<2Q", copy_from_user(k, argp, 16)))
    wake_userfault(k, ctx, start, end)
    return 0


USERFAULTFD = FileOperations(
    "toykernel.fs.userfaultfd:USERFAULTFD",
    read=userfaultfd_read,
    llseek=noop_llseek,
    poll=userfaultfd_poll,
    ioctl=userfaultfd_ioctl,
    release=userfaultfd_release,
)


def _api(k: Kernel, ctx: UserfaultfdCtx, argp: int) -> int:
    api, features, _ = struct.unpack("<3Q", copy_from_user(k, argp, 24))
    if api != UFFD_API or features & ~_FEATURES or ctx.features is not None:
        copy_to_user(k, argp, bytes(24))
        raise Errno(EINVAL)
    copy_to_user(k, argp, struct.pack("<3Q", UFFD_API, _FEATURES, _API_IOCTLS))
    if features & FEATURE_WP_ASYNC:
        features |= FEATURE_WP_UNPOPULATED
    ctx.features = features
    return 0


def _range(k: Kernel, start: int, length: int) -> tuple[int, int]:
    """validate_range: first byte, and the one behind the last. Raises Errno(EINVAL)."""
    if (start | length) % PAGE_SIZE or not length:
        raise Errno(EINVAL)
    if not k.memory.mmap_min_addr <= start < TASK_SIZE or length > TASK_SIZE - start:
        raise Errno(EINVAL)
    return start, start + length


def _areas(
    mm: MmStruct, features: int, start: int, end: int, modes: int | None = None
) -> list[VmArea]:
    """What there is in the range, all of it memory that can be asked for (vma_can_userfault), in these modes
    or its own. Raises Errno(EINVAL)."""
    areas = mm.overlapping(start, end)
    if not areas:
        raise Errno(EINVAL)
    for area in areas:
        mode = area.uffd_mode if modes is None else modes
        if mode == UFFD_MODE_WP and features & FEATURE_WP_ASYNC:
            continue  # of any kind
        host = area.mapping.host if area.mapping is not None else None
        if host is not None and host.i_sb.s_type != "tmpfs":
            raise Errno(EINVAL)
        if mode & UFFD_MODE_MINOR and area.mapping is None:
            raise Errno(EINVAL)
    return areas


def _living(k: Kernel, ctx: UserfaultfdCtx) -> MmStruct:
    """The address space, while somebody runs in it. Raises Errno(ESRCH)."""
    if k.memory.mms.get(ctx.mm.ident) is not ctx.mm:
        raise Errno(ESRCH)
    return ctx.mm


def _set(
    k: Kernel, mm: MmStruct, start: int, end: int, ctx: UserfaultfdCtx | None, mode: int
) -> None:
    for area in mm.overlapping(start, end):
        if area.uffd is not ctx or area.uffd_mode != mode:
            part = isolate(k, mm, area, start, end)
            if not mode & UFFD_MODE_WP:
                uffd_wp_range(k, mm, part, part.vm_start, part.vm_end, on=False)
            part.uffd, part.uffd_mode = ctx, mode
    merge(k, mm, start, end)


def _register(k: Kernel, ctx: UserfaultfdCtx, argp: int) -> int:
    """UFFDIO_REGISTER. EINVAL, also for a mode that the memory does not have; EPERM, EBUSY for another's,
    ENOMEM."""
    first, length, mode, _ = struct.unpack("<4Q", copy_from_user(k, argp, 32))
    if not mode or mode & ~_MODES:
        raise Errno(EINVAL)
    start, end = _range(k, first, length)
    mm = _living(k, ctx)
    for area in _areas(mm, ctx.features or 0, start, end, mode):
        if not area.vm_flags & VM_MAYWRITE:
            raise Errno(EPERM)
        if area.uffd not in (None, ctx):
            raise Errno(EBUSY)
    _set(k, mm, start, end, ctx, mode)
    calls = _RANGE_IOCTLS | (_IOCTL_WRITEPROTECT if mode & UFFD_MODE_WP else 0)
    calls |= _IOCTL_CONTINUE if mode & UFFD_MODE_MINOR else 0
    copy_to_user(k, argp + 24, struct.pack("<Q", calls))
    return 0


def _unregister(k: Kernel, ctx: UserfaultfdCtx, argp: int) -> int:
    start, end = _range(k, *struct.unpack("<2Q", copy_from_user(k, argp, 16)))
    mm = _living(k, ctx)
    for area in _areas(mm, ctx.features or 0, start, end):
        if area.uffd not in (None, ctx):
            raise Errno(EINVAL)
    _set(k, mm, start, end, None, 0)
    wake_userfault(k, ctx, start, end)
    return 0


def _answer(k: Kernel, at: int, done: Callable[[], int]) -> int:
    """What a call has done, in bytes, which the caller hears at `at`, as an error, too."""
    try:
        count = done()
    except Errno as error:
        copy_to_user(k, at, struct.pack("<q", -error.number))
        raise
    copy_to_user(k, at, struct.pack("<q", count))
    return count


def _end(k: Kernel, ctx: UserfaultfdCtx, start: int, end: int, done: int, *, wake: bool) -> int:
    """Who waits for what there is now goes on. Raises Errno(EAGAIN) for a part."""
    if wake:
        wake_userfault(k, ctx, start, start + done)
    if done != end - start:
        raise Errno(EAGAIN)
    return 0


def _copy(k: Kernel, ctx: UserfaultfdCtx, argp: int) -> int:
    """UFFDIO_COPY. EINVAL, ENOENT where nothing is registered, EEXIST, EFAULT, EAGAIN, ESRCH."""
    dst, src, length, mode, _ = struct.unpack("<4Qq", copy_from_user(k, argp, 40))
    start, end = _range(k, dst, length)
    if mode & ~(MODE_DONTWAKE | COPY_MODE_WP) or src + length >> 64:
        raise Errno(EINVAL)
    try:
        pages: list[bytes | None] = [
            copy_from_user(k, src + at, PAGE_SIZE) for at in range(0, end - start, PAGE_SIZE)
        ]
    except Errno as error:
        copy_to_user(k, argp + 32, struct.pack("<q", -error.number))
        raise
    wp = bool(mode & COPY_MODE_WP)
    mm = _living(k, ctx)
    done = _answer(k, argp + 32, lambda: mfill_atomic(k, mm, start, pages, wp=wp))
    return _end(k, ctx, start, end, done, wake=not mode & MODE_DONTWAKE)


def _zeropage(k: Kernel, ctx: UserfaultfdCtx, argp: int) -> int:
    """UFFDIO_ZEROPAGE: as UFFDIO_COPY of zeros."""
    first, length, mode, _ = struct.unpack("<3Qq", copy_from_user(k, argp, 32))
    start, end = _range(k, first, length)
    if mode & ~MODE_DONTWAKE:
        raise Errno(EINVAL)
    pages: list[bytes | None] = [None] * ((end - start) // PAGE_SIZE)
    mm = _living(k, ctx)
    done = _answer(k, argp + 24, lambda: mfill_atomic(k, mm, start, pages))
    return _end(k, ctx, start, end, done, wake=not mode & MODE_DONTWAKE)


def _move(k: Kernel, ctx: UserfaultfdCtx, argp: int) -> int:
    """UFFDIO_MOVE. EINVAL, ENOENT, EEXIST, EBUSY, EAGAIN, ESRCH."""
    dst, src, length, mode, _ = struct.unpack("<4Qq", copy_from_user(k, argp, 40))
    if mode & ~(MODE_DONTWAKE | MOVE_ALLOW_SRC_HOLES):
        raise Errno(EINVAL)
    start, end = _range(k, dst, length)
    _range(k, src, length)
    mm, holes = _living(k, ctx), bool(mode & MOVE_ALLOW_SRC_HOLES)
    done = _answer(
        k, argp + 32, lambda: move_pages(k, mm, start, src, length, holes=holes, ctx=ctx)
    )
    return _end(k, ctx, start, end, done, wake=not mode & MODE_DONTWAKE)


def _writeprotect(k: Kernel, ctx: UserfaultfdCtx, argp: int) -> int:
    """UFFDIO_WRITEPROTECT. EINVAL, ENOENT, ESRCH."""
    first, length, mode = struct.unpack("<3Q", copy_from_user(k, argp, 24))
    start, end = _range(k, first, length)
    on, silent = mode & WRITEPROTECT_WP, mode & WRITEPROTECT_DONTWAKE
    if mode & ~(WRITEPROTECT_WP | WRITEPROTECT_DONTWAKE) or (on and silent):
        raise Errno(EINVAL)
    mwriteprotect(k, _living(k, ctx), start, end, on=bool(on))
    if not on and not silent:
        wake_userfault(k, ctx, start, end)
    return 0


def _mark(k: Kernel, ctx: UserfaultfdCtx, argp: int, *, resume: bool) -> int:
    """UFFDIO_CONTINUE and UFFDIO_POISON. EINVAL, ENOENT, EEXIST, EFAULT, EAGAIN, ESRCH."""
    first, length, mode, _ = struct.unpack("<3Qq", copy_from_user(k, argp, 32))
    start, end = _range(k, first, length)
    if mode & ~(MODE_DONTWAKE | (CONTINUE_MODE_WP if resume else 0)):
        raise Errno(EINVAL)
    mm, what = _living(k, ctx), mcontinue_page if resume else mpoison_page
    wp = bool(mode & CONTINUE_MODE_WP)
    done = _answer(k, argp + 24, lambda: each_page(k, mm, start, end, what, shared=resume, wp=wp))
    return _end(k, ctx, start, end, done, wake=not mode & MODE_DONTWAKE)


@syscall(374, "flags:hex")
def sys_userfaultfd(k: Kernel, flags: int) -> int:
    """userfaultfd: a descriptor for the caller's memory. EINVAL for a flag; EPERM without CAP_SYS_PTRACE,
    unless UFFD_USER_MODE_ONLY; EMFILE, ENOMEM.
    """
    if not flags & UFFD_USER_MODE_ONLY and not capable(k, CAP_SYS_PTRACE):
        raise Errno(EPERM)
    return new_userfaultfd(k, flags)


def new_userfaultfd(k: Kernel, flags: int) -> int:
    """The same for who may. Raises Errno(EINVAL), Errno(EMFILE), Errno(ENOMEM)."""
    if flags & ~(O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY):
        raise Errno(EINVAL)
    mm = k.current.mm
    assert mm is not None
    with ExitStack() as undo:
        slab = k.memory.slabs.userfaultfd.alloc(k)
        undo.callback(k.memory.slabs.userfaultfd.free, k, slab)
        fd = get_unused_fd(k)
        ctx = UserfaultfdCtx(slab, mm, WaitQueue("userfaultfd"))
        file = anon_inode_getfile(
            k, "[userfaultfd]", USERFAULTFD, ctx, O_RDONLY | flags & O_NONBLOCK
        )
        undo.pop_all()
    return fd_install(k, fd, file, cloexec=bool(flags & O_CLOEXEC))


def userfaultfd_dev_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """/dev/userfaultfd: USERFAULTFD_IOC_NEW, for who may open it. EINVAL for another request, or a flag."""
    if request != USERFAULTFD_IOC_NEW:
        raise Errno(EINVAL)
    return new_userfaultfd(k, argp)


USERFAULTFD_DEV = FileOperations(
    "toykernel.fs.userfaultfd:USERFAULTFD_DEV", llseek=noop_llseek, ioctl=userfaultfd_dev_ioctl
)
