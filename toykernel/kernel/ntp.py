"""adjtimex and clock_adjtime (kernel/time/ntp.c): what a time daemon tells the kernel's clock.

Its settings are kept and told again, and steps of the wall clock (ADJ_SETOFFSET, ADJ_OFFSET_SINGLESHOT) are
taken at once; but the clock's rate is the machine's, whatever ADJ_FREQUENCY and ADJ_TICK say.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EINVAL, EOPNOTSUPP, EPERM, Errno
from toykernel.kernel.cred import CAP_SYS_TIME, capable
from toykernel.kernel.time import clock_get
from toykernel.kernel.timekeeping import (
    CLOCK_REALTIME,
    NSEC_PER_SEC,
    NSEC_PER_USEC,
    ktime_get_real,
)
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

ADJ_OFFSET, ADJ_FREQUENCY, ADJ_MAXERROR, ADJ_ESTERROR, ADJ_STATUS = 1, 2, 4, 8, 0x10
ADJ_TIMECONST, ADJ_TAI, ADJ_SETOFFSET, ADJ_MICRO, ADJ_NANO = 0x20, 0x80, 0x100, 0x1000, 0x2000
ADJ_TICK, ADJ_ADJTIME, ADJ_OFFSET_READONLY = 0x4000, 0x8000, 0x2000
STA_PLL, STA_UNSYNC, STA_NANO, STA_RONLY = 0x1, 0x40, 0x2000, 0xFF00
TIME_OK, TIME_ERROR = 0, 5
NTP_PHASE_LIMIT = 16_000_000  # us
MAXTC = 10
MAX_TAI_OFFSET = 100_000
CLOCKFD, CLOCKFD_MASK = 3, 7  # of the number of a clock that an open file of a device is
_MAXFREQ = 32_768_000  # 500 parts per million, of 2**16 each
_TICKS = (9000, 11000)  # us, between which ADJ_TICK may set a tick
#: struct timex, of 32 and of 64 bits a long: the fields in the order of _FIELDS.
_TIMEX, _TIMEX64 = "<I20i44x", "<I4x4qi4x6q2qi4x5qi44x"
_FIELDS = (
    *("modes", "offset", "freq", "maxerror", "esterror", "status", "constant", "precision"),
    *("tolerance", "seconds", "usec", "tick", "ppsfreq", "jitter", "shift", "stabil", "jitcnt"),
    *("calcnt", "errcnt", "stbcnt", "tai"),
)


@dataclass
class Ntp:
    """What adjtimex sets: errors in us, frequency in 2**-16 parts per million, a tick in us."""

    offset: int = 0
    freq: int = 0
    maxerror: int = NTP_PHASE_LIMIT
    esterror: int = NTP_PHASE_LIMIT
    status: int = STA_UNSYNC
    constant: int = 2
    tick: int = 10_000
    tai: int = 0


def _validate(k: Kernel, t: dict[str, int]) -> None:
    """timekeeping_validate_timex. Raises Errno(EPERM) without CAP_SYS_TIME, Errno(EINVAL)."""
    modes, privileged = t["modes"], capable(k, CAP_SYS_TIME)
    if modes & ADJ_ADJTIME:
        if not modes & ADJ_OFFSET:
            raise Errno(EINVAL)
        if not modes & ADJ_OFFSET_READONLY and not privileged:
            raise Errno(EPERM)
    else:
        if modes and not privileged:
            raise Errno(EPERM)
        if modes & ADJ_TICK and not _TICKS[0] <= t["tick"] <= _TICKS[1]:
            raise Errno(EINVAL)
    if modes & ADJ_SETOFFSET:
        if not privileged:
            raise Errno(EPERM)
        if not 0 <= t["usec"] < (NSEC_PER_SEC if modes & ADJ_NANO else 1_000_000):
            raise Errno(EINVAL)


def _modes(ntp: Ntp, t: dict[str, int]) -> None:
    """process_adjtimex_modes."""
    modes = t["modes"]
    if modes & ADJ_STATUS:
        ntp.status = ntp.status & STA_RONLY | t["status"] & ~STA_RONLY
    if modes & ADJ_NANO:
        ntp.status |= STA_NANO
    if modes & ADJ_MICRO:
        ntp.status &= ~STA_NANO
    if modes & ADJ_FREQUENCY:
        ntp.freq = max(-_MAXFREQ, min(_MAXFREQ, t["freq"]))
    if modes & ADJ_MAXERROR:
        ntp.maxerror = max(0, min(NTP_PHASE_LIMIT, t["maxerror"]))
    if modes & ADJ_ESTERROR:
        ntp.esterror = max(0, min(NTP_PHASE_LIMIT, t["esterror"]))
    if modes & ADJ_TIMECONST:
        wanted = max(0, min(MAXTC, t["constant"]))
        ntp.constant = min(MAXTC, wanted + (0 if ntp.status & STA_NANO else 4))
    if modes & ADJ_TAI and 0 <= t["constant"] <= MAX_TAI_OFFSET:
        ntp.tai = t["constant"]
    if modes & ADJ_OFFSET and ntp.status & STA_PLL:
        limit = 500_000 * (1000 if ntp.status & STA_NANO else 1)
        ntp.offset = max(-limit, min(limit, t["offset"]))
    if modes & ADJ_TICK:
        ntp.tick = t["tick"]


def do_adjtimex(k: Kernel, t: dict[str, int]) -> int:
    """Change what `modes` says, fill in the rest; TIME_ERROR while nothing has synchronised it, TIME_OK.

    Raises Errno(EPERM), Errno(EINVAL).
    """
    _validate(k, t)
    if k.time.ntp is None:
        k.time.ntp = Ntp()
    ntp, modes = k.time.ntp, t["modes"]
    if modes & ADJ_SETOFFSET:
        unit = 1 if modes & ADJ_NANO else NSEC_PER_USEC
        k.time.wall_offset += t["seconds"] * NSEC_PER_SEC + t["usec"] * unit
    offset = ntp.offset
    if modes & ADJ_ADJTIME:
        if not modes & ADJ_OFFSET_READONLY:
            k.time.wall_offset += t["offset"] * NSEC_PER_USEC
        offset = 0  # of the last step nothing is ever left
    else:
        _modes(ntp, t)
        offset = ntp.offset
    seconds, ns = divmod(ktime_get_real(k), NSEC_PER_SEC)
    t.update(
        offset=offset,
        freq=ntp.freq,
        maxerror=ntp.maxerror,
        esterror=ntp.esterror,
        status=ntp.status,
        constant=ntp.constant,
        precision=1,
        tolerance=_MAXFREQ,
        seconds=seconds,
        usec=ns if ntp.status & STA_NANO else ns // NSEC_PER_USEC,
        tick=ntp.tick,
        tai=ntp.tai,
        **dict.fromkeys(_FIELDS[12:20], 0),
    )
    return TIME_ERROR if ntp.status & STA_UNSYNC else TIME_OK


def _read(k: Kernel, address: int, layout: str) -> dict[str, int]:
    data = copy_from_user(k, address, struct.calcsize(layout))
    return dict(zip(_FIELDS, struct.unpack(layout, data), strict=True))


def _write(k: Kernel, address: int, layout: str, t: dict[str, int]) -> None:
    copy_to_user(k, address, struct.pack(layout, *(t[name] for name in _FIELDS)))


@syscall(124, "buf:address")
def sys_adjtimex(k: Kernel, address: int) -> int:
    """adjtimex: the state of the clock, and with CAP_SYS_TIME its settings. EPERM, EINVAL, EFAULT."""
    t = _read(k, address, _TIMEX)
    try:
        return do_adjtimex(k, t)
    finally:  # even when it was refused: EFAULT
        _write(k, address, _TIMEX, t)


def _adjustable(k: Kernel, clock: int) -> None:
    """Raises Errno(EOPNOTSUPP) for a clock that only shows the time, Errno(EINVAL) for none.

    Every number below 0 that is no device's is a clock of CPU time, of whatever process.
    """
    if clock != CLOCK_REALTIME:
        if clock >= 0 or clock & CLOCKFD_MASK == CLOCKFD:
            clock_get(k, clock)
        raise Errno(EOPNOTSUPP)


@syscall(343, "clockid:clock tx:address")
def sys_clock_adjtime(k: Kernel, clock: int, address: int) -> int:
    """clock_adjtime: adjtimex of CLOCK_REALTIME; EOPNOTSUPP for other clocks, after the record is read."""
    t = _read(k, address, _TIMEX)
    _adjustable(k, clock)
    answer = do_adjtimex(k, t)
    _write(k, address, _TIMEX, t)
    return answer


@syscall(405, "clockid:clock tx:address")
def sys_clock_adjtime64(k: Kernel, clock: int, address: int) -> int:
    """clock_adjtime64: the same with 64-bit fields."""
    t = _read(k, address, _TIMEX64)
    _adjustable(k, clock)
    answer = do_adjtimex(k, t)
    _write(k, address, _TIMEX64, t)
    return answer
