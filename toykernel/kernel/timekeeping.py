"""The kernel's clocks, all derived from the machine's cycles (kernel/time/timekeeping.c).

CLOCK_MONOTONIC starts at power-on; CLOCK_REALTIME is that plus an offset which starts at a fixed date and
which settimeofday moves. Nothing here knows the host's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel

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


def cycles_to_ns(k: Kernel, cycles: int) -> int:
    """Nanoseconds that so many cycles take, rounded down."""
    return cycles * NSEC_PER_SEC // k.cpu_hz


def ns_to_cycles(k: Kernel, ns: int) -> int:
    """The first cycle at which the clock shows `ns`."""
    return -(-ns * k.cpu_hz // NSEC_PER_SEC)


def ktime_get(k: Kernel) -> int:
    """CLOCK_MONOTONIC in ns."""
    return cycles_to_ns(k, k.machine.clock.cycles)


def ktime_get_real(k: Kernel) -> int:
    """CLOCK_REALTIME in ns."""
    return k.wall_offset + ktime_get(k)
