"""The line discipline (drivers/tty/n_tty.c): editing, echo, signals by key, reads by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.fs.operations import POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM
from toykernel.kernel.siginfo import SIGINT, SIGQUIT, SIGTSTP
from toykernel.kernel.signal import send_signal
from toykernel.kernel.wait import wake_up
from toykernel.tty import termios as t
from toykernel.tty.termios import TtyStruct

if TYPE_CHECKING:
    from toykernel.state import Kernel

N_TTY_BUF_SIZE = 4096
#: What a pseudo-terminal holds for its master to read.
PTY_BUF_SIZE = 65536
_DISABLED = 0  # _POSIX_VDISABLE
#: What a master in packet mode is told of its slave (TIOCPKT_).
PKT_FLUSHREAD, PKT_FLUSHWRITE, PKT_STOP, PKT_START, PKT_NOSTOP, PKT_DOSTOP = 1, 2, 4, 8, 16, 32


def kill_pgrp(k: Kernel, pgrp: int, sig: int) -> None:
    """A signal from the kernel for a process group."""
    for task in list(k.processes.tasks):
        if task is task.group_leader and pgrp and task.signal.pgrp == pgrp:
            send_signal(k, task, sig, {}, group=True)


# -- out -------------------------------------------------------------------------------------------


def opost(tty: TtyStruct, data: bytes) -> bytes:
    """Output as c_oflag changes it: newlines, tabs, capitals."""
    flags = tty.termios.oflag
    if not flags & t.OPOST:
        return data
    out = bytearray()
    for byte in data:
        if byte == 10:
            out += b"\r\n" if flags & t.ONLCR else b"\n"
            if flags & (t.ONLCR | t.ONLRET):
                tty.column = 0
        elif byte == 13:
            if flags & t.ONOCR and not tty.column:
                continue
            out.append(10 if flags & t.OCRNL else 13)
            tty.column = tty.column if flags & t.OCRNL and not flags & t.ONLRET else 0
        elif byte == 9:
            spaces = 8 - tty.column % 8
            out += b" " * spaces if flags & t.TABDLY == t.TABDLY else b"\t"
            tty.column += spaces
        elif byte == 8:
            tty.column = max(tty.column - 1, 0)
            out.append(8)
        else:
            if byte >= 32:
                tty.column += 1
            out += bytes((byte,)).upper() if flags & t.OLCUC else bytes((byte,))
    return bytes(out)


def put_output(k: Kernel, tty: TtyStruct, data: bytes) -> None:
    """Bytes on their way out of a slave: its master can read them."""
    master = tty.link
    if tty.kind == "slave" and master is not None and data:
        master.raw += data
        wake_up(k, master.wait, nr_exclusive=0, key=POLLIN | POLLRDNORM)


def tell_master(k: Kernel, tty: TtyStruct, status: int, instead_of: int = 0) -> None:
    """What has become of a slave, for a master in packet mode to read; it may undo what came before."""
    master = tty.link
    if tty.kind == "slave" and master is not None and master.packet:
        master.packet_status = master.packet_status & ~instead_of | status
        wake_up(k, master.wait, nr_exclusive=0, key=POLLIN | POLLPRI | POLLRDNORM)


def _hold(tty: TtyStruct, data: bytes) -> None:
    """What is echoed goes out when all that has come is looked at, or when output goes on."""
    tty.echoes += data


def _process_echoes(k: Kernel, tty: TtyStruct) -> None:
    if not tty.stopped:
        held = bytes(tty.echoes)
        tty.echoes.clear()
        put_output(k, tty, held)


def _echo(k: Kernel, tty: TtyStruct, byte: int) -> None:
    if not tty.has(t.ECHO) and not (byte == 10 and tty.has(t.ECHONL) and tty.has(t.ICANON)):
        return
    _hold(tty, opost(tty, _shown(tty, byte)))


def _shown(tty: TtyStruct, byte: int) -> bytes:
    control = byte < 32 or byte == 127
    if tty.has(t.ECHOCTL) and control and byte not in (9, 10):
        return bytes((94, byte ^ 64))
    return bytes((byte,))


# -- in --------------------------------------------------------------------------------------------


def receive_buf(k: Kernel, tty: TtyStruct, data: bytes) -> None:
    """Bytes from the keyboard, or from the master of a pseudo-terminal."""
    for byte in data:
        _receive(k, tty, byte)
    _process_echoes(k, tty)
    wake_up(k, tty.wait, nr_exclusive=0)


def _receive(k: Kernel, tty: TtyStruct, byte: int) -> None:
    flags, cc = tty.termios.iflag, tty.termios.cc
    if flags & t.ISTRIP:
        byte &= 0x7F
    if tty.lnext:
        tty.lnext = False
        _put(k, tty, byte)
        return
    if flags & t.IUCLC and tty.has(t.IEXTEN):
        byte = bytes((byte,)).lower()[0]
    if flags & t.IXON:
        if byte == cc[t.VSTART] != _DISABLED:
            start_tty(k, tty)
            return
        if byte == cc[t.VSTOP] != _DISABLED:
            stop_tty(k, tty)
            return
        if tty.stopped and flags & t.IXANY:
            start_tty(k, tty)
    if tty.has(t.ISIG) and _signal(k, tty, byte):
        return
    if byte == 13:
        if flags & t.IGNCR:
            return
        if flags & t.ICRNL:
            byte = 10
    elif byte == 10 and flags & t.INLCR:
        byte = 13
    if not tty.has(t.ICANON) or not _edit(k, tty, byte):
        _put(k, tty, byte)


def _signal(k: Kernel, tty: TtyStruct, byte: int) -> bool:
    """The keys that raise a signal: for the foreground group; what was typed before is forgotten."""
    cc = tty.termios.cc
    keys = {cc[t.VINTR]: SIGINT, cc[t.VQUIT]: SIGQUIT, cc[t.VSUSP]: SIGTSTP}
    keys.pop(_DISABLED, None)
    sig = keys.get(byte)
    if sig is None:
        return False
    if not tty.has(t.NOFLSH):
        flush_input(tty)
        tty.echoes.clear()
        tell_master(k, tty, PKT_FLUSHREAD | PKT_FLUSHWRITE)
    if tty.termios.iflag & t.IXON:
        start_tty(k, tty)
    if tty.has(t.ECHO):
        _hold(tty, opost(tty, _shown(tty, byte)))
    kill_pgrp(k, tty.pgrp, sig)
    return True


def _edit(k: Kernel, tty: TtyStruct, byte: int) -> bool:
    """The keys that edit a line or end it; False for one that is part of it."""
    cc = tty.termios.cc
    if byte == cc[t.VERASE] != _DISABLED:
        _erase(k, tty, 1)
    elif byte == cc[t.VKILL] != _DISABLED:
        _erase(k, tty, len(tty.partial), whole=True)
    elif byte == cc[t.VWERASE] != _DISABLED and tty.has(t.IEXTEN):
        _erase(k, tty, _last_word(tty.partial), word=True)
    elif byte == cc[t.VLNEXT] != _DISABLED and tty.has(t.IEXTEN):
        tty.lnext = True
        if tty.has(t.ECHO) and tty.has(t.ECHOCTL):
            _hold(tty, b"^\b")
    elif byte == cc[t.VREPRINT] != _DISABLED and tty.has(t.IEXTEN) and tty.has(t.ECHO):
        shown = b"".join(_shown(tty, one) for one in tty.partial)
        _hold(tty, opost(tty, _shown(tty, byte) + b"\n" + shown))
    elif byte == cc[t.VEOF] != _DISABLED:
        _end_line(tty)
    elif byte == 10 or (byte in (cc[t.VEOL], cc[t.VEOL2]) and byte != _DISABLED):
        _echo(k, tty, byte)
        tty.partial.append(byte)
        _end_line(tty)
    else:
        return False
    return True


def _last_word(text: bytearray) -> int:
    """How many bytes the last word has, with what is behind it."""
    at = len(text)
    while at and not _in_word(text[at - 1]):
        at -= 1
    while at and _in_word(text[at - 1]):
        at -= 1
    return len(text) - at


def _in_word(byte: int) -> bool:
    return chr(byte).isalnum() or byte == 95


def _width(tty: TtyStruct, byte: int) -> int:
    """How many columns an erased byte gives back; a tab as many as it had come forward, and a control
    character that is not shown as two none.
    """
    if byte != 9:
        shown = _shown(tty, byte)
        return 0 if len(shown) == 1 and (byte < 32 or byte == 127) else len(shown)
    since = bytes(tty.partial).rpartition(b"\t")[2]
    return 8 - sum(_width(tty, one) for one in since) % 8


def _end_line(tty: TtyStruct) -> None:
    tty.lines.append(bytes(tty.partial))
    tty.partial.clear()


def _erase(
    k: Kernel, tty: TtyStruct, count: int, *, whole: bool = False, word: bool = False
) -> None:
    """Take bytes off the line, and off the screen as c_lflag says."""
    if whole and not (tty.has(t.ECHOK) and tty.has(t.ECHOKE) and tty.has(t.ECHOE)):
        tty.partial.clear()
        if tty.has(t.ECHO):
            key = _shown(tty, tty.termios.cc[t.VKILL])
            _hold(tty, opost(tty, key + (b"\n" if tty.has(t.ECHOK) else b"")))
        return
    for _ in range(min(count, len(tty.partial))):
        byte = tty.partial.pop()
        if not tty.has(t.ECHO):
            continue
        if tty.has(t.ECHOE) or word:
            step = b"\b" if byte == 9 else b"\b \b"
            _hold(tty, opost(tty, step * _width(tty, byte)))
        else:
            _hold(tty, opost(tty, _shown(tty, tty.termios.cc[t.VERASE])))


def _put(k: Kernel, tty: TtyStruct, byte: int) -> None:
    """A byte that is input and nothing else; what does not fit is lost."""
    if tty.has(t.ICANON):
        if len(tty.partial) < N_TTY_BUF_SIZE - 1:
            _echo(k, tty, byte)
            tty.partial.append(byte)
    elif len(tty.raw) < N_TTY_BUF_SIZE - 1:
        _echo(k, tty, byte)
        tty.raw.append(byte)


def stop_tty(k: Kernel, tty: TtyStruct) -> None:
    """Output is held."""
    if not tty.stopped:
        tty.stopped = True
        tell_master(k, tty, PKT_STOP, instead_of=PKT_START)


def start_tty(k: Kernel, tty: TtyStruct) -> None:
    """Output goes on, unless a program (TCOOFF) holds it."""
    if tty.flow_stopped or not tty.stopped:
        return
    tty.stopped = False
    tell_master(k, tty, PKT_START, instead_of=PKT_STOP)
    _process_echoes(k, tty)
    wake_up(k, tty.wait, nr_exclusive=0, key=POLLOUT | POLLWRNORM)


def flush_input(tty: TtyStruct) -> None:
    """Forget what was typed."""
    tty.lines.clear()
    tty.partial.clear()
    tty.raw.clear()


def input_available(tty: TtyStruct) -> int:
    """Bytes that a read can have now; a VEOF by itself counts as one."""
    if tty.has(t.ICANON) and tty.kind != "master":
        return sum(max(len(line), 1) for line in tty.lines)
    return len(tty.raw)


def bytes_to_read(tty: TtyStruct) -> int:
    """FIONREAD: the same without what ended a line and is no part of it."""
    if tty.has(t.ICANON) and tty.kind != "master":
        return sum(map(len, tty.lines))
    return len(tty.raw)


def take_input(tty: TtyStruct, count: int) -> bytes:
    """What one read gets: of one line at most, or whatever there is."""
    if tty.has(t.ICANON) and tty.kind != "master":
        line = tty.lines.pop(0)
        if len(line) > count:
            tty.lines.insert(0, line[count:])
        return line[:count]
    data = bytes(tty.raw[:count])
    del tty.raw[:count]
    return data


def set_termios(k: Kernel, tty: TtyStruct, new: t.Termios) -> None:
    """Other modes; input that is there already is kept when lines begin or end to count."""
    new = t.with_locks(new, tty.termios, tty.termios_locked)
    old, tty.termios = tty.termios, new
    if (old.lflag ^ new.lflag) & t.ICANON:
        if new.lflag & t.ICANON:
            if tty.raw:
                tty.lines.append(bytes(tty.raw))
                tty.raw.clear()
        else:
            tty.raw[:0] = b"".join(tty.lines) + bytes(tty.partial)
            tty.lines.clear()
            tty.partial.clear()
    if not new.iflag & t.IXON:
        start_tty(k, tty)
    if _flow_is_usual(old) != _flow_is_usual(new):
        status = PKT_DOSTOP if _flow_is_usual(new) else PKT_NOSTOP
        tell_master(k, tty, status, instead_of=PKT_DOSTOP | PKT_NOSTOP)
    wake_up(k, tty.wait, nr_exclusive=0)


def _flow_is_usual(termios: t.Termios) -> bool:
    """Whether ^S and ^Q hold the output and let it go on: then a master can do that by itself."""
    cc = termios.cc
    return bool(termios.iflag & t.IXON) and (cc[t.VSTOP], cc[t.VSTART]) == (0x13, 0x11)
