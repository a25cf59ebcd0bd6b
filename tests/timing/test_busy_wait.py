"""Programs that wait by looking at the clock, and how many cycles a second has."""

from pathlib import Path

import pytest

from toykernel.harness import runner
from toykernel.harness.session import Session
from toykernel.state import Config

TWO_SECONDS = """
.globl _start
_start: movl $13, %eax
        xorl %ebx, %ebx
        int $0x80
        leal 2(%eax), %esi
1:      movl $13, %eax
        int $0x80
        cmpl %esi, %eax
        jl 1b
        movl $1, %eax
        int $0x80
"""


def ran(directory: Path, config: Config) -> Session:
    program = directory / "wait.S"
    program.write_text(TWO_SECONDS)
    session = Session(program, config=config)
    assert runner.run(session, max_cycles=20 * config.cpu_hz).status == 0
    return session


def test_who_only_reads_the_clock_makes_it_run(tmp_path: Path) -> None:
    clock = ran(tmp_path, Config(timing="off")).kernel.machine.clock
    assert 1 * 33_000_000 <= clock.cycles <= 2 * 33_000_000 + 100_000
    assert clock.instructions < 8_000_000  # and not one for each cycle
    assert clock.charged["kernel busy wait"] > 20_000_000


def test_a_timing_profile_prices_every_cycle(tmp_path: Path) -> None:
    clock = ran(tmp_path, Config(timing="i486", cpu_hz=200_000)).kernel.machine.clock
    assert "kernel busy wait" not in clock.charged


@pytest.mark.parametrize("cpu_hz", [100_000, 1_000_000])
def test_a_slower_cpu_takes_fewer_cycles_for_a_second(cpu_hz: int, tmp_path: Path) -> None:
    session = ran(tmp_path, Config(timing="off", cpu_hz=cpu_hz))
    assert cpu_hz <= session.kernel.machine.clock.cycles <= 2 * cpu_hz + 100_000
    assert session.kernel.time.cycles_per_tick == cpu_hz // 100


def test_a_second_has_at_least_a_hundred_cycles() -> None:
    with pytest.raises(ValueError, match="cycles a second"):
        Config(cpu_hz=99)
