"""Programs under the cycle model: both drivers agree on every figure and on the machine at the end,
and neither steps nor slices change any of it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.cpu import load_native
from toykernel.harness import runner
from toykernel.harness.report import make_report
from toykernel.harness.session import Session
from toykernel.state import Config
from toykernel.statehash import state_hash

USERLAND = Path(__file__).parent.parent.parent / "userland"
SHORT = ["hello", "fork_sample", "cow_copy_reuse", "signal_handler", "wait_status"]
PROFILES = ["i486", "i486-ideal", "i386"]
#: Cycles after which two runs are compared although the program has not ended: the reference is slow.
LONGEST, SPINNING = 1_000_000, 100_000


def run(
    name: str, profile: str, *, native: bool = True, mode: str = "run", most: int = 20_000_000
) -> tuple[object, ...]:
    session = Session(USERLAND / f"{name}.S", config=Config(timing=profile, native=native))
    if mode == "slices":
        limit = 1009
        while session.run(limit).kind == "limit":
            limit += 1009
    elif mode == "step":
        while session.step() is None:
            pass
    result = runner.run(session, max_cycles=most)
    k = session.kernel
    clock = k.machine.clock
    assert sum(clock.by_rule().values()) == clock.cycles
    report = make_report(session, result)
    assert report["timing"].pop("driver") == ("native" if native and load_native() else "python")
    return report, session.stdout, state_hash(k)


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", sorted(path.stem for path in USERLAND.glob("*.S")))
def test_both_drivers_agree_on_every_program(name: str, profile: str) -> None:
    most = SPINNING if name == "infinite_loop" else LONGEST
    assert run(name, profile, most=most) == run(name, profile, native=False, most=most)


@pytest.mark.parametrize("mode", ["step", "slices"])
@pytest.mark.parametrize("name", SHORT)
def test_any_slicing_gives_the_same(name: str, mode: str) -> None:
    assert run(name, "i486", mode=mode) == run(name, "i486")


def test_eager_fork_costs_more_than_copy_on_write() -> None:
    cycles = {}
    for eager in (False, True):
        config = Config(timing="i486", eager_fork=eager)
        session = Session(USERLAND / "fork_sample.S", config=config)
        runner.run(session)
        rules = session.kernel.machine.clock.by_rule()
        cycles[eager] = rules["kernel copy_page"]
        assert rules["kernel copy_page"] % 3084 == 0
    assert cycles[True] > cycles[False]
