"""Terminals as records, and struct termios as i386 programs see it (asm-generic/termbits.h)."""

from __future__ import annotations

import struct
from dataclasses import field, replace
from typing import TYPE_CHECKING

from emu.record import dataclass

if TYPE_CHECKING:
    from toykernel.fs.dcache import Dentry
    from toykernel.kernel.wait import WaitQueue

INLCR, IGNCR, ICRNL, IUCLC, IXON, IXANY = 0x40, 0x80, 0x100, 0x200, 0x400, 0x800
ISTRIP, PARMRK, IMAXBEL, IUTF8 = 0x20, 0x8, 0x2000, 0x4000
OPOST, OLCUC, ONLCR, OCRNL, ONOCR, ONLRET, TABDLY = 1, 2, 4, 8, 0x10, 0x20, 0x1800
B38400, CBAUD, CS8, CREAD, HUPCL = 0xF, 0x100F, 0x30, 0x80, 0x400
CSIZE, PARENB, CBAUDEX, BOTHER, IBSHIFT = 0x30, 0x100, 0x1000, 0x1000, 16
ISIG, ICANON, ECHO, ECHOE, ECHOK, ECHONL, NOFLSH, TOSTOP = 1, 2, 8, 0x10, 0x20, 0x40, 0x80, 0x100
ECHOCTL, ECHOPRT, ECHOKE, FLUSHO, IEXTEN = 0x200, 0x400, 0x800, 0x1000, 0x8000
VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSWTC, VSTART, VSTOP = range(10)
VSUSP, VEOL, VREPRINT, VDISCARD, VWERASE, VLNEXT, VEOL2 = range(10, 17)
NCCS, NCC = 19, 8
INIT_CC = bytes((3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0))
#: Bits a second of B0 to B38400, and of those with CBAUDEX, from 1.
_SPEEDS = (0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400)
_FAST = (
    *(57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000),
    *(2500000, 3000000, 3500000, 4000000),
)
_STD_LFLAG = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN
_TERMIOS = struct.Struct(f"<4IB{NCCS}s")
_TERMIO = struct.Struct(f"<4HB{NCC}sx")
TERMIOS_SIZE, TERMIOS2_SIZE, TERMIO_SIZE = _TERMIOS.size, _TERMIOS.size + 8, _TERMIO.size


@dataclass(frozen=True)
class Termios:
    """struct ktermios: how a terminal treats what goes in and out."""

    iflag: int = ICRNL | IXON
    oflag: int = OPOST | ONLCR
    cflag: int = B38400 | CS8 | CREAD
    lflag: int = _STD_LFLAG
    line: int = 0
    cc: bytes = INIT_CC
    ispeed: int = 38400
    ospeed: int = 38400

    def pack(self, *, speeds: bool = False) -> bytes:
        """struct termios, or with the speeds termios2."""
        data = _TERMIOS.pack(self.iflag, self.oflag, self.cflag, self.lflag, self.line, self.cc)
        return data + struct.pack("<2I", self.ispeed, self.ospeed) if speeds else data

    def pack_termio(self) -> bytes:
        """struct termio, System V's."""
        flags = (self.iflag, self.oflag, self.cflag, self.lflag)
        return _TERMIO.pack(*(flag & 0xFFFF for flag in flags), self.line, self.cc[:NCC])


def _speed(code: int, other: int) -> int:
    """What a field of c_cflag says; BOTHER: the other word."""
    if code == BOTHER:
        return other
    return _FAST[(code & ~CBAUDEX) - 1] if code & CBAUDEX else _SPEEDS[code]


def unpack_termios(data: bytes, old: Termios) -> Termios:
    """struct termios or termios2 from a program; speeds in numbers stay where it has none."""
    iflag, oflag, cflag, lflag, line, cc = _TERMIOS.unpack_from(data)
    ispeed, ospeed = old.ispeed, old.ospeed
    if len(data) >= TERMIOS2_SIZE:
        ispeed, ospeed = struct.unpack_from("<2I", data, _TERMIOS.size)
    return _with_speeds(Termios(iflag, oflag, cflag, lflag, line, cc, ispeed, ospeed))


def _with_speeds(termios: Termios) -> Termios:
    """The speeds that c_cflag means (tty_baudrate.c); an input speed of B0 is that of the output."""
    cflag, given = termios.cflag, termios.ospeed
    output = _speed(cflag & CBAUD, given)
    code = cflag >> IBSHIFT & CBAUD
    return replace(termios, ispeed=_speed(code, termios.ispeed) if code else output, ospeed=output)


def of_slave(termios: Termios) -> Termios:
    """A pseudo-terminal always has 8 bits without parity, and receives."""
    return replace(termios, cflag=termios.cflag & ~(CSIZE | PARENB) | CS8 | CREAD)


def unpack_termio(data: bytes, old: Termios) -> Termios:
    """struct termio from a program: the upper halves stay."""
    iflag, oflag, cflag, lflag, line, cc = _TERMIO.unpack(data)
    high = 0xFFFF0000
    return _with_speeds(
        Termios(
            old.iflag & high | iflag,
            old.oflag & high | oflag,
            old.cflag & high | cflag,
            old.lflag & high | lflag,
            line,
            cc + old.cc[NCC:],
            old.ispeed,
            old.ospeed,
        )
    )


def with_locks(new: Termios, old: Termios, locked: Termios) -> Termios:
    """unset_locked_termios: bits and characters that are locked stay as they are."""

    def keep(to: int, was: int, mask: int) -> int:
        return to & ~mask | was & mask

    cc = zip(new.cc, old.cc, locked.cc, strict=True)
    return replace(
        new,
        iflag=keep(new.iflag, old.iflag, locked.iflag),
        oflag=keep(new.oflag, old.oflag, locked.oflag),
        cflag=keep(new.cflag, old.cflag, locked.cflag),
        lflag=keep(new.lflag, old.lflag, locked.lflag),
        line=old.line if locked.line else new.line,
        cc=bytes(was if lock else to for to, was, lock in cc),
    )


#: Nothing is locked.
NO_LOCKS = Termios(0, 0, 0, 0, 0, bytes(NCCS))
#: What a pseudo-terminal's master has: it passes everything on.
MASTER_TERMIOS = Termios(0, 0, B38400 | CS8 | CREAD, 0)


@dataclass(eq=False)
class TtyStruct:
    """struct tty_struct, with what the line discipline keeps.

    `lines` are what can be read by lines: each a whole one, or what a VEOF ended; `partial` is the line
    that is being typed. Without ICANON everything is in `raw`. Session and group are global numbers.
    """

    slab: int
    kind: str  # "console", "master" or "slave"
    index: int
    wait: WaitQueue
    termios: Termios = field(default_factory=Termios)
    termios_locked: Termios = NO_LOCKS  # what TCSETS leaves as it is, where a bit is set
    winsize: bytes = bytes(8)
    link: TtyStruct | None = None
    node: Dentry | None = None  # of a pair: the slave's name
    count: int = 0
    session: int = 0
    pgrp: int = 0
    lines: list[bytes] = field(default_factory=list)
    partial: bytearray = field(default_factory=bytearray)
    raw: bytearray = field(default_factory=bytearray)
    echoes: bytearray = field(default_factory=bytearray)  # on their way out
    stopped: bool = False
    flow_stopped: bool = False  # by TCOOFF: only TCOON undoes it
    lnext: bool = False
    column: int = 0
    locked: bool = False  # a slave that nobody may open yet
    other_closed: bool = False
    exclusive: bool = False
    packet: bool = False
    packet_status: int = 0  # of a master: what it has not read yet (TIOCPKT_)

    def has(self, flag: int) -> bool:
        """A flag of c_lflag."""
        return bool(self.termios.lflag & flag)

    @property
    def real(self) -> TtyStruct:
        """The terminal itself: of a master, the other end."""
        return self.link if self.kind == "master" and self.link is not None else self
