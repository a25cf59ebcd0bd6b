"""The engine's live registers: found on any POSIX system, and what is done where they are not."""

from __future__ import annotations

import ctypes
import mmap
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from unicorn import x86_const as x86

import emu.cpu
from emu import engine_quirks, live_registers
from emu.live_registers import Peek, locate_env, safe_reads
from emu.ram import Ram
from toykernel import Config, Session

PROGRAMS = Path(__file__).parents[2] / "userland"


def test_reads_through_a_pipe_are_those_of_proc() -> None:
    page = mmap.PAGESIZE
    area = mmap.mmap(-1, 2 * page, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area[:] = random.Random(1).randbytes(2 * page)
    at = ctypes.addressof(ctypes.c_char.from_buffer(area))
    with safe_reads() as usual, safe_reads("/nonexistent") as other:
        for start, length in ((0, 1), (5, page), (page - 1, 2), (0, 2 * page), (3, 0)):
            assert other(at + start, length) == usual(at + start, length)
            assert other(at + start, length) == area[start : start + length]
        assert other(0, 16) == usual(0, 16) == b""
        assert len(other(at, 1 << 24)) >= 2 * page


@pytest.mark.parametrize("known", [live_registers.KNOWN, (55, 8), (1 << 20, 0)])
@pytest.mark.parametrize("reads", [safe_reads, partial(safe_reads, "/nonexistent")])
def test_the_registers_are_found_by_either_reads_and_without_the_known_place(
    monkeypatch: pytest.MonkeyPatch,
    reads: Callable[[], AbstractContextManager[Peek]],
    known: tuple[int, int],
) -> None:
    uc = engine_quirks.open_engine(Ram(1 << 20), "max")
    usual = locate_env(uc)
    monkeypatch.setattr(live_registers, "safe_reads", reads)
    monkeypatch.setattr(live_registers, "KNOWN", known)
    assert locate_env(uc) == usual != 0
    uc.reg_write(x86.UC_X86_REG_EDI, 0x1234567)
    assert (ctypes.c_uint64 * 8).from_address(usual)[7] == 0x1234567


def test_the_known_place_is_that_of_this_wheel() -> None:
    uc = engine_quirks.open_engine(Ram(1 << 20), "max")
    word, behind = live_registers.KNOWN
    assert ctypes.c_uint64.from_address(uc._uch.value + 8 * word).value + behind == locate_env(uc)


@pytest.mark.parametrize("profile", ["i486", "i486-ideal", "i386"])
def test_without_them_the_reference_times_a_run(
    monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    def run() -> tuple[str, int, int, bytes, dict[str, int]]:
        session = Session(PROGRAMS / "fork_sample.S", config=Config(timing=profile))
        session.run()
        machine = session.kernel.machine
        clock = machine.clock
        ledger = {name: clocks for name, clocks in clock.by_rule().items() if clocks}
        return machine.cpu.driver.name, clock.cycles, clock.instructions, session.stdout, ledger

    usual = run()
    monkeypatch.setattr(emu.cpu, "locate_env", lambda _uc: 0)
    without = run()
    assert (usual[0], without[0]) == ("native", "python")
    assert usual[1:] == without[1:]


def test_without_them_an_untimed_run_is_native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emu.cpu, "locate_env", lambda _uc: 0)
    session = Session(PROGRAMS / "fork_sample.S", config=Config(timing="off"))
    session.run()
    assert session.kernel.machine.cpu.driver.name == "native"
    assert b"Child Complete" in session.stdout
