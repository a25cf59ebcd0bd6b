"""Terminals as files (drivers/tty/tty_io.c, tty_jobctrl.c): reading, writing, job control, hanging up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EAGAIN, EIO, EPERM, ERESTARTSYS, Errno
from toykernel.fs.file import O_NOCTTY, O_NONBLOCK, File
from toykernel.fs.operations import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLPRI,
    POLLRDNORM,
    POLLWRNORM,
)
from toykernel.kernel.cred import CAP_SYS_TTY_CONFIG, capable
from toykernel.kernel.jobctl import is_current_pgrp_orphaned
from toykernel.kernel.siginfo import SIGCONT, SIGHUP, SIGTTIN, SIGTTOU
from toykernel.kernel.signal import action_of, send_signal
from toykernel.kernel.signal_types import SIG_IGN, signal_pending
from toykernel.kernel.timekeeping import ktime_get
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up
from toykernel.syscalls import syscall
from toykernel.tty.n_tty import (
    PTY_BUF_SIZE,
    input_available,
    kill_pgrp,
    opost,
    put_output,
    receive_buf,
    take_input,
)
from toykernel.tty.termios import ICANON, TOSTOP, VMIN, VTIME, TtyStruct

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

DECISECOND = 100_000_000  # ns
_CHUNK = 2048


def tty_of(file: File) -> TtyStruct:
    """The terminal behind an open file."""
    assert isinstance(file.private, TtyStruct)
    return file.private


# -- job control -----------------------------------------------------------------------------------


def _in_background(k: Kernel, tty: TtyStruct) -> bool:
    signal = k.current.signal
    return signal.tty is tty and tty.pgrp != 0 and signal.pgrp != tty.pgrp


def _is_ignored(task: Task, sig: int) -> bool:
    return bool(task.blocked >> (sig - 1) & 1) or action_of(task, sig).handler == SIG_IGN


def check_read(k: Kernel, tty: TtyStruct) -> None:
    """A background job that reads is stopped (job_control). Raises Errno: EIO, ERESTARTSYS."""
    if not _in_background(k, tty):
        return
    if _is_ignored(k.current, SIGTTIN) or is_current_pgrp_orphaned(k):
        raise Errno(EIO)
    kill_pgrp(k, k.current.signal.pgrp, SIGTTIN)
    raise Errno(ERESTARTSYS)


def tty_check_change(k: Kernel, tty: TtyStruct) -> None:
    """A background job that changes the terminal, or writes to it with TOSTOP, is stopped.

    Raises Errno: EIO, ERESTARTSYS.
    """
    if not _in_background(k, tty) or _is_ignored(k.current, SIGTTOU):
        return
    if is_current_pgrp_orphaned(k):
        raise Errno(EIO)
    kill_pgrp(k, k.current.signal.pgrp, SIGTTOU)
    raise Errno(ERESTARTSYS)


def set_controlling(k: Kernel, tty: TtyStruct) -> None:
    """The terminal controls the caller's session from now on."""
    signal = k.current.signal
    tty.session, tty.pgrp = signal.session, signal.pgrp
    signal.tty, signal.tty_old_pgrp = tty, 0


def maybe_control(k: Kernel, file: File, tty: TtyStruct) -> None:
    """Opening a terminal: a leader of a session without one gets it, unless it says O_NOCTTY."""
    signal = k.current.signal
    if file.flags & O_NOCTTY or not signal.leader or signal.tty is not None or tty.session:
        return
    set_controlling(k, tty)


def disassociate_ctty(k: Kernel, task: Task, *, on_exit: bool = False) -> None:
    """The leader of a session ends, or lets go of its terminal: the session has none any more.

    The foreground hears of it; when the terminal has hung up before, from the leader's end.
    """
    tty = task.signal.tty
    if not task.signal.leader:
        task.signal.tty = None
        return
    if tty is None:
        if on_exit:
            for sig in (SIGHUP, SIGCONT):
                kill_pgrp(k, task.signal.tty_old_pgrp, sig)
        return
    if tty.session == task.signal.session:
        kill_pgrp(k, tty.pgrp, SIGHUP)
        if not on_exit:
            kill_pgrp(k, tty.pgrp, SIGCONT)
        tty.session = tty.pgrp = 0
    for other in k.processes.tasks:
        if other.signal.session == task.signal.session:
            other.signal.tty = None


def hang_up(k: Kernel, tty: TtyStruct) -> None:
    """The line is gone: the session's leader hears of it, and the foreground when that ends."""
    for task in list(k.processes.tasks):
        if task is task.group_leader and tty.session and task.signal.session == tty.session:
            if task.signal.leader:
                for sig in (SIGHUP, SIGCONT):
                    send_signal(k, task, sig, {}, group=True)
                task.signal.tty_old_pgrp = tty.pgrp
            if task.signal.tty is tty:
                task.signal.tty = None
    tty.session = tty.pgrp = 0
    wake_up(k, tty.wait, nr_exclusive=0, key=POLLHUP)


# -- reading ---------------------------------------------------------------------------------------


def tty_read(k: Kernel, file: File, buf: int, count: int) -> Result:
    """A line, or with VMIN and VTIME what has come. EIO in the background or at a gone master, EAGAIN."""
    tty = tty_of(file)
    if tty.kind != "master":
        check_read(k, tty)
    if not count:
        return 0
    return read_more(k, file, buf, count, 0, None)


def read_more(
    k: Kernel, file: File, buf: int, count: int, had: int, deadline: int | None, late: bool = False
) -> Result:
    """What is there, or a sleep; `had` is how much was there before it, for the time between bytes."""
    tty = tty_of(file)
    if tty.packet and tty.packet_status:
        status, tty.packet_status = tty.packet_status, 0
        copy_to_user(k, buf, bytes((status,)))
        return 1
    there = input_available(tty)
    by_line = tty.kind == "master" or tty.has(ICANON)
    least, tenths = (1, 0) if by_line else (tty.termios.cc[VMIN], tty.termios.cc[VTIME])
    hurry = late or tty.other_closed or file.flags & O_NONBLOCK or signal_pending(k.current)
    if there and (by_line or hurry or there >= min(least or 1, count)):
        if tty.packet:
            return _read_packet(k, tty, buf, count)
        data = take_input(tty, count)
        if tty.kind == "master" and tty.link is not None:
            wake_up(k, tty.link.wait, nr_exclusive=0, key=POLLOUT | POLLWRNORM)
        copy_to_user(k, buf, data)
        return len(data)
    if late or (not least and not tenths):
        return 0
    if tty.other_closed:
        if tty.kind == "master":
            raise Errno(EIO)
        return 0
    if file.flags & O_NONBLOCK:
        raise Errno(EAGAIN)
    if signal_pending(k.current):
        raise Errno(ERESTARTSYS)
    if tenths and (not least or there > had or deadline is None):
        deadline = ktime_get(k) + tenths * DECISECOND if there or not least else None
    args = (file, buf, count, there, deadline)
    return Wait(
        *((tty.wait,), read_more, args, f"read of terminal {tty.index}"),
        deadline=deadline,
        holds=(file,),
    )


def _read_packet(k: Kernel, tty: TtyStruct, buf: int, count: int) -> int:
    """TIOCPKT: a zero byte before data."""
    data = b"\0" + take_input(tty, count - 1)
    copy_to_user(k, buf, data)
    return len(data)


# -- writing ---------------------------------------------------------------------------------------


def tty_write(k: Kernel, file: File, buf: int, count: int) -> Result:
    """To the other end. EIO when that is gone, EAGAIN; a background job may be stopped (TOSTOP)."""
    tty = tty_of(file)
    if tty.kind == "slave" and tty.has(TOSTOP):
        tty_check_change(k, tty)
    return write_more(k, file, buf, count, 0)


def _room(tty: TtyStruct) -> int:
    """How many bytes may be written now."""
    other = tty.link
    if tty.kind == "slave" and other is not None:
        return 0 if tty.stopped else max(PTY_BUF_SIZE - len(other.raw), 0)
    return _CHUNK


def write_more(k: Kernel, file: File, buf: int, count: int, done: int) -> Result:
    """What is left of a write, as far as there is room."""
    tty = tty_of(file)
    while done < count:
        other = tty.link
        if tty.other_closed or other is None:
            if done:
                return done
            raise Errno(EIO)
        room = _room(tty)
        if not room:
            if file.flags & O_NONBLOCK:
                if done:
                    return done
                raise Errno(EAGAIN)
            if signal_pending(k.current):
                if done:
                    return done
                raise Errno(ERESTARTSYS)
            args = (file, buf, count, done)
            reason = f"write to terminal {tty.index}"
            return Wait((tty.wait, other.wait), write_more, args, reason, holds=(file,))
        part = min(count - done, room, _CHUNK)
        try:
            data = copy_from_user(k, buf + done, part)
        except Errno:
            if done:
                return done
            raise
        if tty.kind == "master":
            receive_buf(k, other, data)
        else:
            put_output(k, tty, opost(tty, data))
        done += part
    return done


def tty_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """POLL bits of a terminal."""
    tty = tty_of(file)
    pt.append(tty.wait)
    if tty.link is not None:
        pt.append(tty.link.wait)
    needed = 1
    if tty.kind != "master" and not tty.has(ICANON) and not tty.termios.cc[VTIME]:
        needed = max(tty.termios.cc[VMIN], 1)
    mask = 0
    if input_available(tty) >= needed:
        mask |= POLLIN | POLLRDNORM
    if tty.packet and tty.packet_status:
        mask |= POLLIN | POLLPRI | POLLRDNORM
    if tty.other_closed and tty.kind == "slave":
        return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLERR | POLLHUP
    if tty.other_closed:
        mask |= POLLHUP
    return mask | POLLOUT | POLLWRNORM if _room(tty) else mask


@syscall(111)
def sys_vhangup(k: Kernel) -> int:
    """vhangup: hang up the session's own terminal, if it has one. EPERM without CAP_SYS_TTY_CONFIG."""
    if not capable(k, CAP_SYS_TTY_CONFIG):
        raise Errno(EPERM)
    if k.current.signal.tty is not None:
        hang_up(k, k.current.signal.tty)
    return 0
