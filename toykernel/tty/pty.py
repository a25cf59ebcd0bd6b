"""Pseudo-terminals (drivers/tty/pty.c): /dev/ptmx makes a pair, a node of a devpts is its other end."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.errno import EBUSY, EIO, ENOSPC, ENXIO, Errno
from toykernel.fs.file import File
from toykernel.fs.operations import POLLHUP, FileOperations
from toykernel.kernel.cred import CAP_SYS_ADMIN, capable
from toykernel.kernel.wait import WaitQueue, wake_up
from toykernel.tty.devpts import devpts_of, devpts_pty_kill, devpts_pty_new
from toykernel.tty.n_tty import flush_input
from toykernel.tty.termios import MASTER_TERMIOS, Termios, TtyStruct
from toykernel.tty.tty_io import (
    hang_up,
    maybe_control,
    tty_of,
    tty_poll,
    tty_read,
    tty_write,
)
from toykernel.tty.tty_ioctl import tty_ioctl

if TYPE_CHECKING:
    from toykernel.state import Kernel

NR_PTYS = 256  # those whose number fits the minor


def ptmx_open(k: Kernel, file: File) -> None:
    """A new pair: the file is its master, the slave appears in /dev/pts, locked. ENOSPC, ENOMEM, or without a
    devpts beside ptmx ENOENT or ENODEV."""
    sb = devpts_of(k, file.f_path)
    ptys = k.files.ptys
    index = next((n for n in range(NR_PTYS) if (sb.s_dev, n) not in ptys), None)
    if index is None:
        raise Errno(ENOSPC)
    with ExitStack() as undo:
        pair = []
        for kind in ("master", "slave"):
            slab = k.memory.slabs.tty.alloc(k)
            undo.callback(k.memory.slabs.tty.free, k, slab)
            termios = MASTER_TERMIOS if kind == "master" else Termios()
            pair.append(TtyStruct(slab, kind, index, WaitQueue(f"pty {index} {kind}"), termios))
        node = devpts_pty_new(k, sb, index)
        undo.pop_all()
    master, slave = pair
    master.link, slave.link = slave, master
    master.node = slave.node = node
    slave.locked = True
    master.count = 1
    ptys[sb.s_dev, index] = slave
    file.op, file.private = MASTER, master


def master_release(k: Kernel, file: File) -> None:
    """The master is closed: its slave hangs up, and has no name any more."""
    master = tty_of(file)
    slave, node = master.link, master.node
    assert slave is not None
    assert node is not None
    del k.files.ptys[node.inode.i_sb.s_dev, master.index]
    devpts_pty_kill(k, node)
    master.count = 0
    slave.other_closed = True
    hang_up(k, slave)
    if not slave.count:
        _free(k, slave)
    k.memory.slabs.tty.free(k, master.slab)
    slave.link = None


def pts_open(k: Kernel, file: File) -> None:
    """A slave by its node. EIO when there is none (a node elsewhere is none's) or it is locked, EBUSY for an
    exclusive one."""
    slave = k.files.ptys.get((file.inode.i_sb.s_dev, file.inode.rdev & 0xFF))
    if slave is None:
        raise Errno(EIO)
    if slave.locked:
        raise Errno(EIO)
    if slave.exclusive and not capable(k, CAP_SYS_ADMIN):
        raise Errno(EBUSY)
    slave.count += 1
    if slave.link is not None:
        slave.link.other_closed = False
    file.op, file.private = SLAVE, slave
    maybe_control(k, file, slave)


def slave_release(k: Kernel, file: File) -> None:
    """The last open of a slave is gone: the master reads EIO from then on."""
    slave = tty_of(file)
    slave.count -= 1
    if slave.count:
        return
    if slave.link is None:
        _free(k, slave)
        return
    slave.link.other_closed = True
    wake_up(k, slave.link.wait, nr_exclusive=0, key=POLLHUP)
    slave.exclusive = False
    flush_input(slave)


def _free(k: Kernel, slave: TtyStruct) -> None:
    for task in k.processes.tasks:
        if task.signal.tty is slave:
            task.signal.tty = None
    k.memory.slabs.tty.free(k, slave.slab)


def current_tty_open(k: Kernel, file: File) -> None:
    """/dev/tty: the caller's controlling terminal. ENXIO without one."""
    tty = k.current.signal.tty
    if tty is None:
        raise Errno(ENXIO)
    if tty.kind == "console":
        file.op = k.files.console_error.op
        return
    if tty.link is None:
        raise Errno(EIO)
    tty.count += 1
    file.op, file.private = SLAVE, tty


MASTER = FileOperations(
    "toykernel.tty.pty:MASTER",
    read=tty_read,
    write=tty_write,
    poll=tty_poll,
    ioctl=tty_ioctl,
    release=master_release,
)
SLAVE = FileOperations(
    "toykernel.tty.pty:SLAVE",
    read=tty_read,
    write=tty_write,
    poll=tty_poll,
    ioctl=tty_ioctl,
    release=slave_release,
)
PTMX = FileOperations("toykernel.tty.pty:PTMX", open=ptmx_open)
PTS = FileOperations("toykernel.tty.pty:PTS", open=pts_open)
CURRENT_TTY = FileOperations("toykernel.tty.pty:CURRENT_TTY", open=current_tty_open)
