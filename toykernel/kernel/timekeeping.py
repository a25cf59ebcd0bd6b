"""The kernel's clocks, all derived from the machine's cycles (kernel/time/timekeeping.c).

CLOCK_MONOTONIC starts at power-on; CLOCK_REALTIME is that plus an offset which starts at a fixed date and
which settimeofday moves. Nothing here knows the host's time.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user
from toykernel.errno import EINVAL, Errno

if TYPE_CHECKING:
    from toykernel.state import Kernel

NSEC_PER_SEC = 1_000_000_000
NSEC_PER_USEC = 1000

#: CLOCK_REALTIME at power-on: 2011-05-19 00:00:00 UTC, the day of 2.6.39.
BOOT_EPOCH = 1_305_763_200 * NSEC_PER_SEC

CLOCK_REALTIME = 0
CLOCK_MONOTONIC = 1
CLOCK_PROCESS_CPUTIME_ID = 2
CLOCK_THREAD_CPUTIME_ID = 3
CLOCK_MONOTONIC_RAW = 4
CLOCK_REALTIME_COARSE = 5
CLOCK_MONOTONIC_COARSE = 6
CLOCK_BOOTTIME = 7
CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM = 8, 9  # they need a clock that wakes the machine
CLOCK_TAI = 11
KTIME_MAX = (1 << 63) - 1  # ns
_SPIN_INSTRUCTIONS, _SPINS, _SPINS_PER_SEC = 400, 1000, 50_000
TIMER_ABSTIME = 1  # a flag of clock_nanosleep and timer_settime


def cycles_to_ns(k: Kernel, cycles: int) -> int:
    """Nanoseconds that so many cycles take, rounded down."""
    return cycles * NSEC_PER_SEC // k.time.cpu_hz


def ns_to_cycles(k: Kernel, ns: int) -> int:
    """The first cycle at which the clock shows `ns`."""
    return -(-ns * k.time.cpu_hz // NSEC_PER_SEC)


def ktime_get(k: Kernel) -> int:
    """CLOCK_MONOTONIC in ns: 0 at power-on."""
    time = k.time
    if time.stands is not None:
        return time.stands
    return k.machine.clock.cycles * NSEC_PER_SEC // time.cpu_hz  # cycles_to_ns


def ktime_get_real(k: Kernel) -> int:
    """CLOCK_REALTIME in ns since 1970."""
    return k.time.wall_offset + ktime_get(k)


def clock_offset(k: Kernel, clock: int) -> int:
    """How far a clock that can be slept on is ahead of CLOCK_MONOTONIC, ns."""
    if clock not in (CLOCK_REALTIME, CLOCK_TAI):
        return 0
    leap = k.time.ntp.tai if clock == CLOCK_TAI and k.time.ntp is not None else 0
    return k.time.wall_offset + leap * NSEC_PER_SEC


def clock_was_read(k: Kernel) -> None:
    """A program asks for the time. One that does nothing else waits for it to pass: from the thousandth time
    on that a few hundred instructions lie between two readings, each takes 20 us of it more.

    Only under the timing profile `off`, where nothing says what a system call costs.
    """
    clock, t = k.machine.clock, k.time
    if clock.counts_cycles:
        return
    now = clock.instructions
    t.clock_spins = t.clock_spins + 1 if now - t.last_reading < _SPIN_INSTRUCTIONS else 0
    t.last_reading = now
    if t.clock_spins > _SPINS:
        clock.charge("kernel busy wait", t.cpu_hz // _SPINS_PER_SEC)


def timespec_from_user(k: Kernel, address: int) -> int:
    """A struct timespec as ns. Raises Errno(EFAULT), or Errno(EINVAL) for one that is not a time."""
    seconds, ns = struct.unpack("<2i", copy_from_user(k, address, 8))
    if seconds < 0 or not 0 <= ns < NSEC_PER_SEC:
        raise Errno(EINVAL)
    return int(seconds * NSEC_PER_SEC + ns)


def pack_timespec(ns: int) -> bytes:
    """ns as a struct timespec of a 32-bit program."""
    seconds, rest = divmod(ns, NSEC_PER_SEC)
    return struct.pack("<2I", seconds & 0xFFFFFFFF, rest)


def pack_timeval(ns: int) -> bytes:
    """ns as a struct timeval, rounded down."""
    seconds, rest = divmod(ns, NSEC_PER_SEC)
    return struct.pack("<2I", seconds & 0xFFFFFFFF, rest // NSEC_PER_USEC)


def timeval_from_user(k: Kernel, address: int) -> int:
    """A struct timeval as ns. Raises Errno(EFAULT) or Errno(EINVAL)."""
    seconds, usec = struct.unpack("<2i", copy_from_user(k, address, 8))
    if seconds < 0 or not 0 <= usec < 1_000_000:
        raise Errno(EINVAL)
    return int(seconds * NSEC_PER_SEC + usec * NSEC_PER_USEC)


def timespec64_from_user(k: Kernel, address: int) -> int:
    """A struct __kernel_timespec as ns, at most what a ktime holds. Raises Errno(EFAULT), Errno(EINVAL).

    Of its 64-bit nanoseconds a 32-bit program sets only the low half (get_timespec64).
    """
    seconds, ns = struct.unpack("<qI4x", copy_from_user(k, address, 16))
    if seconds < 0 or ns >= NSEC_PER_SEC:
        raise Errno(EINVAL)
    return min(int(seconds) * NSEC_PER_SEC + int(ns), KTIME_MAX)


def pack_timespec64(ns: int) -> bytes:
    """ns as a struct __kernel_timespec: seconds and ns of 64 bits each."""
    return struct.pack("<qq", *divmod(ns, NSEC_PER_SEC))
