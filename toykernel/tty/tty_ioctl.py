"""What can be asked of a terminal (drivers/tty/tty_ioctl.c, tty_io.c, tty_jobctrl.c, pty.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user, put_user
from toykernel.errno import EINVAL, EIO, ENOTTY, EPERM, ESRCH, Errno
from toykernel.fs.file import File
from toykernel.kernel.cred import CAP_SYS_ADMIN, capable
from toykernel.kernel.pid import global_pid, pid_vnr
from toykernel.kernel.siginfo import SIGWINCH
from toykernel.tty.n_tty import (
    PKT_FLUSHREAD,
    PKT_FLUSHWRITE,
    bytes_to_read,
    flush_input,
    kill_pgrp,
    receive_buf,
    set_termios,
    start_tty,
    stop_tty,
    tell_master,
)
from toykernel.tty.termios import (
    TERMIO_SIZE,
    TERMIOS2_SIZE,
    TERMIOS_SIZE,
    VSTART,
    VSTOP,
    TtyStruct,
    of_slave,
    unpack_termio,
    unpack_termios,
)
from toykernel.tty.tty_io import disassociate_ctty, set_controlling, tty_check_change, tty_of

if TYPE_CHECKING:
    from toykernel.state import Kernel

TCGETS, TCSETS, TCSETSW, TCSETSF = range(0x5401, 0x5405)
TCGETA, TCSETA, TCSETAW, TCSETAF, TCSBRK, TCXONC, TCFLSH = range(0x5405, 0x540C)
TIOCEXCL, TIOCNXCL, TIOCSCTTY, TIOCGPGRP, TIOCSPGRP, TIOCOUTQ = range(0x540C, 0x5412)
TIOCSTI, TIOCGWINSZ, TIOCSWINSZ = range(0x5412, 0x5415)
FIONREAD, TIOCPKT, FIONBIO, TIOCNOTTY, TIOCSETD, TIOCGETD, TCSBRKP = 0x541B, *range(0x5420, 0x5426)
TIOCGSID = 0x5429
TCGETS2, TCSETS2, TCSETSW2, TCSETSF2 = 0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D
TIOCGPTN, TIOCSPTLCK = 0x80045430, 0x40045431
TIOCGPKT, TIOCGPTLCK, TIOCGEXCL = 0x80045438, 0x80045439, 0x80045440
TIOCGLCKTRMIOS, TIOCSLCKTRMIOS = 0x5456, 0x5457
_SET = (TCSETS, TCSETSW, TCSETSF, TCSETA, TCSETAW, TCSETAF, TCSETS2, TCSETSW2, TCSETSF2)
_GET = (TCGETS, TCGETA, TCGETS2)
TCIFLUSH, TCOFLUSH, TCIOFLUSH = range(3)
TCOOFF, TCOON, TCIOFF, TCION = range(4)


def tty_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """By request. Raises Errno: ENOTTY for one that there is not, EINVAL, EPERM, EIO, EFAULT."""
    tty = tty_of(file)
    real = tty.real
    if tty.kind == "slave" and tty.link is None:  # hung up: its master is closed
        raise Errno(ENOTTY if request == TIOCSPGRP else EIO)
    if request in _GET:
        copy_to_user(k, argp, _modes(real, request))
        return 0
    if request in _SET:
        return _set_modes(k, real, request, argp)
    if request in (TIOCSCTTY, TIOCNOTTY, TIOCGPGRP, TIOCSPGRP, TIOCGSID):
        return _job_control(k, tty, real, request, argp)
    if request in (TCSBRK, TCSBRKP, TCXONC, TCFLSH):
        return _line(k, tty, real, request, argp)
    if tty.kind == "master":
        answer = _master(k, tty, request, argp)
        if answer is not None:
            return answer
    if request == TIOCGWINSZ:
        copy_to_user(k, argp, real.winsize)
    elif request == TIOCSWINSZ:
        _set_winsize(k, real, copy_from_user(k, argp, 8))
    elif request in (FIONREAD, TIOCOUTQ):
        put_user(k, bytes_to_read(tty) if request == FIONREAD else 0, argp)
    elif request == TIOCSTI:
        if not k.files.legacy_tiocsti and not capable(k, CAP_SYS_ADMIN):
            raise Errno(EIO)
        if k.current.signal.tty is not tty and not capable(k, CAP_SYS_ADMIN):
            raise Errno(EPERM)
        receive_buf(k, real, copy_from_user(k, argp, 1))
    elif request == TIOCGLCKTRMIOS:
        copy_to_user(k, argp, real.termios_locked.pack())
    elif request == TIOCSLCKTRMIOS:
        if not capable(k, CAP_SYS_ADMIN):
            raise Errno(EPERM)
        locks = unpack_termios(copy_from_user(k, argp, TERMIOS_SIZE), real.termios)
        real.termios_locked = locks
    elif request in (TIOCEXCL, TIOCNXCL):
        tty.exclusive = request == TIOCEXCL
    elif request == TIOCGEXCL:
        put_user(k, int(tty.exclusive), argp)
    elif request == TIOCGETD:
        put_user(k, real.termios.line, argp)
    elif request == TIOCSETD:
        if get_user(k, argp):
            raise Errno(EINVAL)
    else:
        raise Errno(ENOTTY)
    return 0


def _modes(tty: TtyStruct, request: int) -> bytes:
    if request == TCGETA:
        return tty.termios.pack_termio()
    return tty.termios.pack(speeds=request == TCGETS2)


def _set_modes(k: Kernel, tty: TtyStruct, request: int, argp: int) -> int:
    """TCSETS and its relatives; those that end in F forget what was typed."""
    tty_check_change(k, tty)
    if request in (TCSETA, TCSETAW, TCSETAF):
        new = unpack_termio(copy_from_user(k, argp, TERMIO_SIZE), tty.termios)
    else:
        size = TERMIOS2_SIZE if request in (TCSETS2, TCSETSW2, TCSETSF2) else TERMIOS_SIZE
        new = unpack_termios(copy_from_user(k, argp, size), tty.termios)
    if request in (TCSETSF, TCSETAF, TCSETSF2):
        flush_input(tty)
        tell_master(k, tty, PKT_FLUSHREAD)
    set_termios(k, tty, of_slave(new) if tty.kind == "slave" else new)
    return 0


def _set_winsize(k: Kernel, tty: TtyStruct, size: bytes) -> None:
    if size == tty.winsize:
        return
    tty.winsize = size
    kill_pgrp(k, tty.pgrp, SIGWINCH)


def _line(k: Kernel, tty: TtyStruct, real: TtyStruct, request: int, arg: int) -> int:
    """Breaks, flow control, forgetting; there is nothing to wait for, and nobody sees a break."""
    tty_check_change(k, tty)
    if request == TCFLSH:
        if arg not in (TCIFLUSH, TCOFLUSH, TCIOFLUSH):
            raise Errno(EINVAL)
        if arg in (TCIFLUSH, TCIOFLUSH):
            flush_input(tty)
            tell_master(k, tty, PKT_FLUSHREAD)
        if arg in (TCOFLUSH, TCIOFLUSH):  # what was written is at the other end already
            tell_master(k, tty, PKT_FLUSHWRITE)
    elif request == TCXONC:
        if arg == TCOOFF:
            real.flow_stopped = True
            stop_tty(k, real)
        elif arg == TCOON:
            if real.flow_stopped:
                real.flow_stopped = False
                start_tty(k, real)
        elif arg in (TCIOFF, TCION):
            key = real.termios.cc[VSTOP if arg == TCIOFF else VSTART]
            if key and real.link is not None:
                receive_buf(k, real.link, bytes((key,)))
        else:
            raise Errno(EINVAL)
    return 0


def _job_control(k: Kernel, tty: TtyStruct, real: TtyStruct, request: int, argp: int) -> int:
    signal = k.current.signal
    if request == TIOCSCTTY:
        return _take_control(k, tty, argp)
    if request == TIOCNOTTY:
        if signal.tty is not tty:
            raise Errno(ENOTTY)
        disassociate_ctty(k, k.current)
        return 0
    if tty is real and signal.tty is not tty:
        raise Errno(ENOTTY)
    if request == TIOCGPGRP:
        put_user(k, pid_vnr(k, real.pgrp), argp)
        return 0
    if request == TIOCGSID:
        if not real.session:
            raise Errno(ENOTTY)
        put_user(k, pid_vnr(k, real.session), argp)
        return 0
    tty_check_change(k, real)
    if signal.tty is not real or real.session != signal.session:
        raise Errno(ENOTTY)
    wanted = get_user(k, argp)
    if wanted >> 31:
        raise Errno(EINVAL)
    pgrp = global_pid(k, wanted)
    members = [t for t in k.processes.tasks if t.signal.pgrp == pgrp] if pgrp else []
    if not members:
        raise Errno(ESRCH)
    if all(t.signal.session != signal.session for t in members):
        raise Errno(EPERM)
    real.pgrp = pgrp
    return 0


def _take_control(k: Kernel, tty: TtyStruct, force: int) -> int:
    signal = k.current.signal
    if signal.leader and tty.session == signal.session:
        return 0
    if not signal.leader or signal.tty is not None:
        raise Errno(EPERM)
    if tty.session:
        if force != 1 or not capable(k, CAP_SYS_ADMIN):
            raise Errno(EPERM)
        for task in k.processes.tasks:
            if task.signal.tty is tty:
                task.signal.tty = None
    set_controlling(k, tty)
    return 0


def _master(k: Kernel, tty: TtyStruct, request: int, argp: int) -> int | None:
    """The requests of a master alone; None for one of every terminal's."""
    slave = tty.link
    assert slave is not None
    if request == TIOCGPTN:
        put_user(k, tty.index, argp)
    elif request == TIOCSPTLCK:
        slave.locked = bool(get_user(k, argp))
    elif request == TIOCGPTLCK:
        put_user(k, int(slave.locked), argp)
    elif request == TIOCPKT:
        on = bool(get_user(k, argp))
        if on and not tty.packet:
            tty.packet_status = 0
        tty.packet = on
    elif request == TIOCGPKT:
        put_user(k, int(tty.packet), argp)
    else:
        return None
    return 0


def console_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """The console is a terminal when the host's standard input is; ENOTTY else."""
    tty = k.files.console_tty
    if tty is None:
        raise Errno(ENOTTY)
    before, file.private = file.private, tty
    try:
        return tty_ioctl(k, file, request, argp)
    finally:
        file.private = before
