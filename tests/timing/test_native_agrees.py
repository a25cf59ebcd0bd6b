"""The native model is the reference to the cycle: every ledger entry, every cache line, any slicing."""

from __future__ import annotations

import hashlib
from array import array
from typing import Any

import pytest
from bare import DATA, TABLE, UCODE_AT, USTACK, Bare
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emu.machine import Stop
from emu.paging import PTE_A

PROFILES = ["i486", "i486-ideal", "i386"]
SETTINGS = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

#: Instructions that compilers and people write, as bytes; registers are set up so that most succeed.
_TEXT = """
    01d8 0303 0103 830304 0fafc3 0faf03 6bc305 69c300010000 f7e3 f6e3 f7eb f7f9 f723 40 4b fe03
    8b03 8b4304 8b4c9e08 8903 894301 668b03 6689430f 8a03 8807 88e0 b004 89c1 8d448b04 8d4304
    50 53 58 5b 60 61 9c 9d 6a05 6800100000 ff33 8f03 83ec10 83c410 c8100000 c9 c8080001
    e800000000 c3 eb00 7402 7500 e302 e2fc 0f94c0 0f9503 0f44c3
    d1e0 c1e004 d3e0 c0c805 d3d0 c1d003 c12303 0fa4d004 0fadd0 d113
    a4 a5 aa ab ac ad ae af a6 a7 f3a4 f3a5 f3aa f3ab f3ac f3a6 f2ae f3af 66f3a5
    0fbc03 0fbcc3 0fbdc3 0fbdd0 0fa303 0fab03 0fba2b05 0fbae007
    87c3 8703 93 0fc103 0fb10b 0fc8 f00103 d7 98 99 6698 86e0 91
    648b03 3e8b03 678b07 66ab 6605ff7f a100000300 a304000300
    8ed8 8ec0 8cd8 1e 1f 06 07 0fb203
    d9e8 d9ee dd03 dd1b d903 d91b dec1 dec9 d9c0 d9c9 dbe3 9b dfe0 db03 db1b df2b dd33
    0fa2 0f31 cd80 cc ce 0f0b f4 fa e400 ec 6c f36d 27 37 d40a d50a 9e 9f f5 fc fd
    0f3f 0f1f4000 0f6f03 f30f1efb 62030303 63c3 8b0500000f00 c7050000100011223344
    0f20d8 0f22d8 0f0138 cf cb
"""
PHRASES = [bytes.fromhex(text) for text in _TEXT.split()]
REGISTERS = st.fixed_dictionaries(
    {
        "eax": st.sampled_from([0, 1, 5, 0x80, 0xFFFFFFFF, 0x12345678]) | st.integers(0, 2**32 - 1),
        "ecx": st.integers(0, 40),
        "edx": st.sampled_from([0, 3, 0xFFFFFFFF]),
        "ebx": st.integers(DATA, DATA + 0x2010),
        "esi": st.integers(DATA, DATA + 0x2010) | st.just(DATA + 0x2FF8),
        "edi": st.integers(DATA + 0x1000, DATA + 0x3010),
        "ebp": st.integers(USTACK - 0x100, USTACK - 0x40),
    }
)
PROGRAMS = st.lists(st.sampled_from(PHRASES), min_size=1, max_size=40).map(b"".join)
#: Writes EAX's low byte over its own first byte, for ever.
PATCHING = bytes.fromhex("908803ebfb")
#: Goes on among zeros (ADD to (EAX)) in the page directory, in ring 0.
UNMAPPING = bytes.fromhex("0f20d840")
JUNK = st.binary(min_size=1, max_size=60)


def build(code: bytes, registers: dict[str, int], profile: str, native: bool, ring: int) -> Bare:
    b = Bare(native=native, timing=profile)
    if ring == 0:
        b.ring0()
        b.cpu.esp = USTACK
        b.cpu.eip = UCODE_AT
    b.code(code)
    for name, value in registers.items():
        setattr(b.cpu, name, value)
    b.ram.write(DATA, bytes((n * 7 + 3) & 0xFF for n in range(0x3000)))
    b.ram.write32(0x11000 + 4 * (DATA + 0x2000 >> 12), (DATA + 0x2000) | 0x27)  # clean page
    b.page(DATA + 0x3000, 0)  # and one that is not there
    return b


def skip(b: Bare, address: int, registers: dict[str, int], ring: int) -> None:
    """After a trap: on behind the instruction's first byte, with the registers of the start."""
    b.ring3()
    if ring == 0:
        b.ring0()
    for name, value in registers.items():
        setattr(b.cpu, name, value)
    b.cpu.esp = USTACK
    b.cpu.eip = address + 1 if UCODE_AT <= address < UCODE_AT + 600 else UCODE_AT


def go(b: Bare, mode: str, registers: dict[str, int], ring: int, until: int = 6000) -> Bare:
    m = b.machine
    ends = (Stop.LIMIT, Stop.HALT, Stop.SHUTDOWN, Stop.BUS_ERROR)
    limits = iter((*range(7, until, 311), until)) if mode == "slices" else iter((until,))
    limit = next(limits)
    while m.clock.cycles < until:
        event = m.step() if mode == "step" else m.run(limit)
        if event.stop is Stop.TRAP:
            skip(b, event.address, registers, ring)
        elif event.stop is Stop.LIMIT and limit < until:
            limit = next(limits)
        elif event.stop in ends:
            break
    return b


def contents(b: Bare) -> str:
    """RAM, less the Accessed bits: the engine sets those of code that it translates ahead."""
    ram = array("I", bytes(b.ram.view))
    for at in range(TABLE // 4, TABLE // 4 + 1024):
        ram[at] &= ~PTE_A
    return hashlib.sha256(ram).hexdigest()


def outcome(b: Bare) -> dict[str, Any]:
    m = b.machine
    assert sum(m.clock.by_rule().values()) == m.clock.cycles
    timing = m.cpu.timing
    assert timing is not None
    insns = [
        (i.address, i.code, i.count, i.taken, i.by_rule())
        for i in timing.insns()
        if any(i.by_rule())
    ]
    return {
        "cycles": m.clock.cycles,
        "rules": m.clock.by_rule(),
        "retired": m.cpu.retired,
        "registers": m.cpu.general_registers(),
        "ram": contents(b),
        "model": timing.save(),
        "insns": insns,
        "unknown": m.clock.unknown_instructions(),
    }


@pytest.mark.parametrize("ring", [3, 0])
@pytest.mark.parametrize("profile", PROFILES)
@SETTINGS
@given(code=PROGRAMS, registers=REGISTERS)
@example(code=bytes.fromhex("f3a4") * 2, registers={"ecx": 0x30, "esi": DATA, "edi": DATA + 0x2FF0})
@example(code=PATCHING, registers={"eax": 0x40, "ebx": UCODE_AT})
@example(code=UNMAPPING, registers={"eax": 0})
def test_programs(profile: str, ring: int, code: bytes, registers: dict[str, int]) -> None:
    native = outcome(go(build(code, registers, profile, True, ring), "run", registers, ring))
    assert native == outcome(
        go(build(code, registers, profile, False, ring), "run", registers, ring)
    )


@pytest.mark.parametrize("profile", PROFILES)
@SETTINGS
@given(code=JUNK, registers=REGISTERS)
def test_any_bytes(profile: str, code: bytes, registers: dict[str, int]) -> None:
    native = outcome(go(build(code, registers, profile, True, 3), "run", registers, 3))
    assert native == outcome(go(build(code, registers, profile, False, 3), "run", registers, 3))


@pytest.mark.parametrize(
    ("native", "profile"),
    [(True, "i486"), (True, "i486-ideal"), (False, "i486")],
    ids=["native", "native-ideal", "python"],
)
@pytest.mark.parametrize("mode", ["step", "slices"])
@SETTINGS
@given(code=PROGRAMS, registers=REGISTERS)
def test_slicing_changes_nothing(
    mode: str, profile: str, native: bool, code: bytes, registers: dict[str, int]
) -> None:
    whole = outcome(go(build(code, registers, profile, native, 3), "run", registers, 3))
    assert outcome(go(build(code, registers, profile, native, 3), mode, registers, 3)) == whole
