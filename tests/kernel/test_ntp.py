"""What adjtimex keeps of what it is told: each mode, at and beyond its limits (process_adjtimex_modes).

On a real Linux this would set the clock of the machine that runs the tests.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from guest import boot, run_to

from toykernel.errno import EINVAL, EPERM, Errno
from toykernel.kernel.ntp import _FIELDS, do_adjtimex
from toykernel.kernel.timekeeping import ktime_get_real
from toykernel.state import Kernel

#: Mode, the field it sets, what is given, what is kept.
SETTINGS = [
    (0x2, "freq", 32_768_000, 32_768_000), (0x2, "freq", 32_768_001, 32_768_000),
    (0x2, "freq", -32_768_000, -32_768_000), (0x2, "freq", -32_768_001, -32_768_000),
    (0x4, "maxerror", 16_000_000, 16_000_000), (0x4, "maxerror", 16_000_001, 16_000_000),
    (0x4, "maxerror", 5, 5), (0x4, "maxerror", -1, 0), (0x8, "esterror", 6, 6),
    (0x8, "esterror", 16_000_001, 16_000_000), (0x8, "esterror", -1, 0),
    (0x10, "status", 0x11, 0x11), (0x10, "status", 0xFF40, 0x40), (0x10, "status", 0x0, 0x0),
    (0x20, "constant", 3, 7), (0x20, "constant", 6, 10), (0x20, "constant", 7, 10),
    (0x20, "constant", 11, 10), (0x20, "constant", -1, 4), (0x80, "tai", 37, 37),
    (0x80, "tai", 100_000, 100_000), (0x80, "tai", 0, 0), (0x4000, "tick", 9000, 9000),
    (0x4000, "tick", 11000, 11000), (0x4000, "tick", 10001, 10001),
]  # fmt: skip
START = {
    "offset": 0, "freq": 0, "maxerror": 16_000_000, "esterror": 16_000_000, "status": 0x40, "constant": 2,
    "tick": 10_000, "tai": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def booted() -> Kernel:
    session = boot("spin: jmp spin\n")
    run_to(session, "spin")
    return session.kernel


@pytest.fixture
def k(booted: Kernel) -> Iterator[Kernel]:
    """A kernel that nobody has told the time yet."""
    caps, offset = booted.current.cred.cap_effective, booted.time.wall_offset
    yield booted
    booted.time.ntp, booted.time.wall_offset = None, offset
    booted.current.cred.cap_effective = caps


def adjust(k: Kernel, modes: int = 0, **fields: int) -> tuple[int, dict[str, int]]:
    """The answer, and the record as it is given back."""
    t = dict.fromkeys(_FIELDS, 0) | fields | {"modes": modes}
    return do_adjtimex(k, t), t


def kept(t: dict[str, int]) -> dict[str, int]:
    return {name: t[name] for name in START}


def test_what_it_says_before_anybody_has_set_it(k: Kernel) -> None:
    answer, t = adjust(k)
    assert (answer, kept(t)) == (5, START)  # TIME_ERROR: not synchronised
    assert (t["precision"], t["tolerance"]) == (1, 32_768_000)
    assert [t[name] for name in _FIELDS[12:20]] == [0] * 8
    assert t["seconds"] == ktime_get_real(k) // 10**9
    assert t["usec"] == ktime_get_real(k) % 10**9 // 1000


@pytest.mark.parametrize(("mode", "field", "given", "told"), SETTINGS)
def test_each_mode_sets_its_own(k: Kernel, mode: int, field: str, given: int, told: int) -> None:
    name = "constant" if field == "tai" else field
    answer, t = adjust(k, mode, **{name: given})
    assert kept(t) == START | {field: told}
    assert answer == (5 if kept(t)["status"] & 0x40 else 0)
    assert kept(adjust(k)[1]) == kept(t)


def test_nothing_is_set_without_its_mode(k: Kernel) -> None:
    fields = {"offset": 7, "freq": 7, "maxerror": 7, "esterror": 7, "status": 1, "constant": 7}
    assert kept(adjust(k, **fields, tick=10_007)[1]) == START
    for tai in (-1, 100_001):
        assert kept(adjust(k, 0x80, constant=tai)[1]) == START


def test_the_offset_is_taken_while_locked_to_a_phase(k: Kernel) -> None:
    assert adjust(k, 0x1, offset=100)[1]["offset"] == 0
    adjust(k, 0x10, status=0x1)
    for given, told in ((100, 100), (500_001, 500_000), (-500_001, -500_000), (500_000, 500_000)):
        assert adjust(k, 0x1, offset=given)[1]["offset"] == told
    adjust(k, 0x2000)  # nanoseconds
    for given, told in ((500_000_001, 500_000_000), (-500_000_001, -500_000_000)):
        assert adjust(k, 0x1, offset=given)[1]["offset"] == told


def test_nanoseconds_and_microseconds(k: Kernel) -> None:
    assert adjust(k, 0x2000)[1]["status"] == 0x2040
    t = adjust(k, 0x20, constant=3)[1]
    assert (t["constant"], t["usec"]) == (3, ktime_get_real(k) % 10**9)
    assert adjust(k, 0x10, status=0)[1]["status"] == 0x2000  # cannot be cleared so
    assert adjust(k, 0x1000)[1]["status"] == 0
    assert adjust(k)[0] == 0


@pytest.mark.parametrize(
    ("modes", "part", "step"),
    [(0x100, 999_999, 999_999_000), (0x2100, 999_999_999, 999_999_999), (0x100, 0, 0)],
)
def test_a_step_of_the_clock(k: Kernel, modes: int, part: int, step: int) -> None:
    before = ktime_get_real(k)
    adjust(k, modes, seconds=3, usec=part)
    assert ktime_get_real(k) - before == 3 * 10**9 + step


def test_the_old_way_to_step_by_an_offset(k: Kernel) -> None:
    before = ktime_get_real(k)
    assert adjust(k, 0x8001, offset=1500)[1]["offset"] == 0
    assert ktime_get_real(k) - before == 1_500_000
    assert adjust(k, 0xA001, offset=1500)[1]["offset"] == 0  # only asks
    assert ktime_get_real(k) - before == 1_500_000


@pytest.mark.parametrize(
    ("modes", "fields"),
    [
        (0x4000, {"tick": 8999}), (0x4000, {"tick": 11001}), (0x100, {"usec": 1_000_000}),
        (0x100, {"usec": -1}), (0x2100, {"usec": 10**9}), (0x8000, {}), (0xA000, {}),
    ],
)  # fmt: skip
def test_what_is_refused_changes_nothing(k: Kernel, modes: int, fields: dict[str, int]) -> None:
    before = ktime_get_real(k)
    with pytest.raises(Errno) as caught:
        adjust(k, modes, **fields)
    assert caught.value.number == EINVAL
    assert kept(adjust(k)[1]) == START
    assert ktime_get_real(k) == before


@pytest.mark.parametrize("modes", [0x1, 0x2, 0x80, 0x100, 0x4000, 0x8001, 0x8101])
def test_only_the_privileged_set_it(k: Kernel, modes: int) -> None:
    k.current.cred.cap_effective = 0
    with pytest.raises(Errno) as caught:
        adjust(k, modes, tick=10_000)
    assert caught.value.number == EPERM
    assert adjust(k)[0] == 5
    assert adjust(k, 0xA001)[0] == 5
