"""Who asks for the time again and again waits for it to pass: under the profile `off` it does."""

from collections.abc import Callable
from pathlib import Path

import pytest

from toykernel.harness.session import Session
from toykernel.kernel.time import (
    sys_clock_gettime,
    sys_getrusage,
    sys_gettimeofday,
    sys_time,
    sys_times,
)
from toykernel.kernel.time64 import sys_clock_gettime64
from toykernel.mm.mmap import sys_mmap2
from toykernel.state import Config, Kernel

HELLO = Path(__file__).parents[2] / "userland" / "hello.S"
CALLS: dict[str, Callable[[Kernel, int], object]] = {
    "clock_gettime": lambda k, page: sys_clock_gettime(k, 1, page),
    "clock_gettime64": lambda k, page: sys_clock_gettime64(k, 1, page),
    "gettimeofday": lambda k, page: sys_gettimeofday(k, page, 0),
    "time": sys_time,
    "times": sys_times,
    "getrusage": lambda k, page: sys_getrusage(k, 0, page),
}


@pytest.mark.parametrize("timing", ["off", "i486-ideal"])
@pytest.mark.parametrize("name", CALLS)
def test_time_passes(name: str, timing: str) -> None:
    session = Session(HELLO, config=Config(timing=timing))
    session.break_at("_start")
    assert session.run().kind == "breakpoint"
    k = session.kernel
    page = sys_mmap2(k, 0, 4096, 3, 0x22, -1, 0)
    before = k.machine.clock.cycles
    for _ in range(900):
        CALLS[name](k, page)
    assert timing != "off" or k.machine.clock.cycles == before
    for _ in range(200):
        CALLS[name](k, page)
    if timing == "off":
        assert k.machine.clock.cycles > before
    else:  # the calls themselves take time
        assert k.time.clock_spins == 0
