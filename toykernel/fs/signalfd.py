"""signalfd (fs/signalfd.c): signals that are read from a file instead of being handled."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EAGAIN, EINVAL, ERESTARTSYS, Errno
from toykernel.fs.anon_inodes import anon_inode_getfile, noop_llseek
from toykernel.fs.file import (
    O_CLOEXEC,
    O_NONBLOCK,
    O_RDWR,
    File,
    fd_install,
    fget_open,
    get_unused_fd,
)
from toykernel.fs.operations import POLLIN, FileOperations
from toykernel.kernel.dequeue import dequeue_signal
from toykernel.kernel.siginfo import KERNEL_ONLY, NSIG, Siginfo
from toykernel.kernel.signal import next_signal
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait, WaitQueue
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

SIGNALFD_SIGINFO_SIZE = 128
_ALL = (1 << NSIG) - 1


@dataclass(eq=False)
class SignalfdCtx:
    """struct signalfd_ctx: the signals that are read here."""

    slab: int
    signals: int


def _context(file: File) -> SignalfdCtx:
    if not isinstance(file.private, SignalfdCtx):
        raise Errno(EINVAL)
    return file.private


def signalfd_queue(k: Kernel) -> WaitQueue:
    """Where the readers of the caller's signals wait."""
    sighand = k.current.sighand
    if sighand.signalfd_wqh is None:
        sighand.signalfd_wqh = WaitQueue(f"signals of {k.current.tgid}")
    return sighand.signalfd_wqh


def pack_signalfd_siginfo(info: Siginfo) -> bytes:
    """struct signalfd_siginfo, 128 bytes."""
    value = info.get("si_value", 0) & 0xFFFFFFFF
    signed = value - (1 << 32) if value >> 31 else value
    head = struct.pack(
        "<IiiIIiIIIIii",
        info["si_signo"],
        info.get("si_errno", 0),
        info.get("si_code", 0),
        info.get("si_pid", 0) & 0xFFFFFFFF,
        info.get("si_uid", 0),
        info.get("si_fd", 0),
        info.get("si_timerid", 0),
        info.get("si_band", 0),
        info.get("si_overrun", 0),
        info.get("si_trapno", 0),
        info.get("si_status", 0),
        signed,
    )
    tail = struct.pack(
        "<4Q",
        value,
        info.get("si_utime", 0),
        info.get("si_stime", 0),
        info.get("si_addr", 0),
    )
    return (head + tail).ljust(SIGNALFD_SIGINFO_SIZE, b"\0")


def signalfd_read(k: Kernel, file: File, buf: int, count: int) -> Result:
    """As many pending signals as fit, 128 bytes each; waits for the first.

    EINVAL for less room than one takes, EAGAIN with O_NONBLOCK.
    """
    ctx = _context(file)
    room = count // SIGNALFD_SIGINFO_SIZE
    if not room:
        raise Errno(EINVAL)
    done = 0
    while done < room:
        info = dequeue_signal(k, k.current, _ALL & ~ctx.signals)
        if info is None:
            break
        copy_to_user(k, buf + done * SIGNALFD_SIGINFO_SIZE, pack_signalfd_siginfo(info))
        done += 1
    if done:
        return done * SIGNALFD_SIGINFO_SIZE
    if file.flags & O_NONBLOCK:
        raise Errno(EAGAIN)
    if signal_pending(k.current):
        raise Errno(ERESTARTSYS)
    args = (file, buf, count)
    return Wait((signalfd_queue(k),), signalfd_read, args, "read of a signalfd", holds=(file,))


def signalfd_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """POLLIN while one of the signals is pending for the caller or its group."""
    ctx = _context(file)
    pt.append(signalfd_queue(k))
    task, blocked = k.current, _ALL & ~ctx.signals
    found = next_signal(task.pending, blocked) or next_signal(task.signal.shared_pending, blocked)
    return POLLIN if found else 0


def signalfd_release(k: Kernel, file: File) -> None:
    """The last open is gone."""
    k.memory.slabs.signalfd.free(k, _context(file).slab)


def signalfd_fdinfo(k: Kernel, file: File) -> str:
    """Which signals are read here, as a set."""
    return f"sigmask:\t{_context(file).signals:016x}\n"


SIGNALFD = FileOperations(
    "toykernel.fs.signalfd:SIGNALFD",
    read=signalfd_read,
    llseek=noop_llseek,
    poll=signalfd_poll,
    release=signalfd_release,
    show_fdinfo=signalfd_fdinfo,
)


@syscall(327, "fd:fd mask:sigset sizemask:size flags:hex")
def sys_signalfd4(k: Kernel, ufd: int, mask: int, size: int, flags: int) -> int:
    """signalfd4: a descriptor for signals, or (`ufd` not -1) other signals for one that is there.

    EINVAL for a flag, a size other than 8, or what is no signalfd; EBADF, EFAULT, EMFILE, ENOMEM.
    """
    if flags & ~(O_CLOEXEC | O_NONBLOCK) or size != 8:
        raise Errno(EINVAL)
    signals = int.from_bytes(copy_from_user(k, mask, 8), "little") & ~KERNEL_ONLY
    if ufd != -1:
        ctx = _context(fget_open(k, ufd))
        ctx.signals = signals
        return ufd
    with ExitStack() as undo:
        slab = k.memory.slabs.signalfd.alloc(k)
        undo.callback(k.memory.slabs.signalfd.free, k, slab)
        fd = get_unused_fd(k)
        ctx = SignalfdCtx(slab, signals)
        file = anon_inode_getfile(k, "[signalfd]", SIGNALFD, ctx, O_RDWR | flags & O_NONBLOCK)
        undo.pop_all()
    return fd_install(k, fd, file, cloexec=bool(flags & O_CLOEXEC))


@syscall(321, "fd:fd mask:sigset sizemask:size")
def sys_signalfd(k: Kernel, ufd: int, mask: int, size: int) -> int:
    """signalfd: signalfd4 without flags."""
    return sys_signalfd4(k, ufd, mask, size, 0)
