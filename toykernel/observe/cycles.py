"""Where a program's cycles went: by instruction, by function, by rule, and by what interrupted it.

`CycleProfile` is attached to a session before it runs; `data()` is what it saw, as plain data for
JSON. The ledger by rule adds up to the clock exactly. Needs a timing profile other than `off`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emu import microcode as mc
from emu.timing.engine import Timing
from emu.timing.insn import Insn
from emu.timing.rules import INSTRUCTION_RULES
from emu.timing.tables import number, rows
from emu.timing.traps import TrapCosts
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.collector import Collector
from toykernel.syscall_table import name_of
from toykernel.timing_costs import COSTS

if TYPE_CHECKING:
    from toykernel.harness.session import Session
    from toykernel.task import Task

SCHEMA = 1
#: Where the kernel's functions in Python are said to be, and what is charged before the first of them.
PYTHON, POWER_ON = "python", "power-on"
_SYSCALL_VECTOR = 0x80
_IRET_OUT = ("iret", "protected, to outer privilege (return to ring 3)")


@dataclass(frozen=True)
class _Mark:
    """The counters just before a trap from ring 3."""

    total: int
    user: int
    hardware: int
    kernel: int
    idle: int


@dataclass
class _Event:
    """All occurrences of one kind of trap from ring 3, until the next one."""

    count: int = 0
    cycles: int = 0
    hardware: int = 0
    entry: int = 0
    kernel: int = 0
    idle: int = 0
    least: int | None = None
    most: int = 0


@dataclass
class _Open:
    name: str
    mark: _Mark
    fault: str = ""


@dataclass
class CycleProfile(Collector):
    """Listens to one session. Create it before the session runs, call `data` afterwards."""

    collected = ("events", "switches", "_open", "_gates", "_gate", "_charged")

    session: Session
    events: dict[str, _Event] = field(default_factory=dict)
    switches: int = 0
    _open: _Open | None = None
    _gates: dict[str, list[int]] = field(default_factory=dict)  # by function: calls, cycles
    _gate: str = POWER_ON
    _charged: int = 0  # to all functions so far

    def __post_init__(self) -> None:
        k = self.session.kernel
        timing, costs = k.machine.cpu.timing, k.machine.microcode.on_cost
        if timing is None or not isinstance(costs, TrapCosts):
            raise ValueError("the timing profile off counts no cycles")
        self._timing: Timing = timing
        self._costs = costs
        self._iret = number(rows(timing.profile.cpu)[_IRET_OUT].clocks) or 0
        k.machine.trap_listeners.append(self._trap)
        k.host.trace.fault.append(self._fault)
        k.host.trace.sched_switch.append(self._switch)
        k.host.trace.gate.append(self._enter_gate)

    # -- listening -----------------------------------------------------------------------------------

    def _trap(self, delivery: mc.Delivery) -> None:
        if delivery.cpl != 3:
            return
        mark = self._mark(self._costs.last)
        self._close(mark, returned=True)
        self._open = _Open(self._name(delivery), mark)

    def _fault(self, _task: Task, kind: str, *_: object) -> None:
        if self._open is not None:
            self._open.fault = kind

    def _switch(self, _prev: Task, _next: Task) -> None:
        self.switches += 1

    def _enter_gate(self, _task: Task, name: str) -> None:
        """The kernel's function in Python begins; its call has been charged just before."""
        self._end_gate(COSTS["call"])
        self._gate = name
        self._gates.setdefault(name, [0, 0])[0] += 1

    def _end_gate(self, ahead: int) -> None:
        """What was charged since, without the last `ahead` clocks, was the function's that ends."""
        charged = self.session.kernel.machine.clock.charged
        now = sum(n for rule, n in charged.items() if rule.startswith("kernel ")) - ahead
        if now != self._charged:
            self._gates.setdefault(self._gate, [0, 0])[1] += now - self._charged
            self._charged = now

    def _name(self, delivery: mc.Delivery) -> str:
        if delivery.kind == mc.EXTERNAL:
            return f"interrupt {delivery.vector:#x}"
        if delivery.vector == _SYSCALL_VECTOR:
            return name_of(self.session.kernel.machine.cpu.eax)
        return mc.VECTOR_NAMES.get(delivery.vector, f"trap {delivery.vector:#x}")

    def _mark(self, gate: int) -> _Mark:
        """The counters without the last `gate` clocks, which a delivery has just charged."""
        clock = self.session.kernel.machine.clock
        charged = clock.charged
        hardware = sum(n for rule, n in charged.items() if rule.startswith("gate"))
        kernel = sum(n for rule, n in charged.items() if rule.startswith("kernel "))
        return _Mark(
            clock.cycles - gate,
            self._timing.user_cycles,
            hardware - gate,
            kernel,
            charged.get("halted", 0),
        )

    def _close(self, now: _Mark, *, returned: bool) -> None:
        if self._open is None:
            return
        was, name = self._open.mark, self._open.name
        if self._open.fault:
            name = f"{name} ({self._open.fault})"
        self._open = None
        event = self.events.setdefault(name, _Event())
        total = (now.total - was.total) - (now.user - was.user)
        hardware = now.hardware - was.hardware + (self._iret if returned else 0)
        kernel, idle = now.kernel - was.kernel, now.idle - was.idle
        event.count += 1
        event.cycles += total
        event.hardware += hardware
        event.kernel += kernel
        event.idle += idle
        event.entry += total - hardware - kernel - idle
        event.least = total if event.least is None else min(event.least, total)
        event.most = max(event.most, total)

    # -- what came of it -----------------------------------------------------------------------------

    def data(self) -> dict[str, Any]:
        """The whole profile as plain data, for JSON and the tables. Shares are of all cycles."""
        clock = self.session.kernel.machine.clock
        self._close(self._mark(0), returned=False)
        self._end_gate(0)
        total = clock.cycles
        lines = [self._line(insn, total) for insn in self._timing.insns() if insn.count]
        by_rule = clock.by_rule()
        return {
            "schema": SCHEMA,
            "program": self.session.path.name,
            "source": self._source(),
            "profile": clock.profile,
            "table": clock.table,
            "cycles": total,
            "instructions": clock.instructions,
            "by_rule": by_rule,
            "unknown": clock.unknown_instructions(),
            "events": {name: dict(vars(event)) for name, event in sorted(self.events.items())},
            "switches": self.switches,
            "functions": _functions(lines, self._gates, total),
            "lines": lines,
        }

    def _source(self) -> str | None:
        """The program's own source file, as its lines name it."""
        program = self.session.program
        return program.source if program is not None else None

    def _line(self, insn: Insn, total: int) -> dict[str, Any]:
        images = self.session.images
        image, found = "init", images.init
        if insn.address >= PAGE_OFFSET:
            image, found = "kernel", images.kernel
        elif self._in_program(insn):
            image, found = "program", images.program
        place = found.place_at(insn.address)
        inner = place.inner if place is not None else None
        spent = insn.by_rule()
        return {
            "image": image,
            "address": insn.address,
            "function": _function(found.symbol_at(insn.address)),
            "file": place.file if place is not None else None,
            "line": place.line if place is not None else None,
            "source": place.text if place is not None else None,
            "macro": None
            if inner is None
            else {"file": inner.file, "line": inner.line, "source": inner.text},
            "bytes": insn.code.hex(),
            "text": insn.text(),
            "known": insn.cost.known,
            "executions": insn.count,
            "cycles": sum(spent),
            "share": sum(spent) / total if total else 0.0,
            "by_rule": {rule: n for rule, n in zip(INSTRUCTION_RULES, spent, strict=True) if n},
        }

    def _in_program(self, insn: Insn) -> bool:
        """Whether the program has these bytes there: init and others run at the same addresses."""
        return any(
            at <= insn.address < at + len(data)
            and data[insn.address - at : insn.address - at + len(insn.code)] == insn.code
            for at, data in self._segments()
        )

    def _segments(self) -> list[tuple[int, bytes]]:
        known: list[tuple[int, bytes]] | None = self.__dict__.get("_loaded")
        if known is None:
            from elftools.elf.elffile import ELFFile

            elf = ELFFile(io.BytesIO(self.session.elf))
            known = [
                (int(s["p_vaddr"]), bytes(s.data()))
                for s in elf.iter_segments()
                if s["p_type"] == "PT_LOAD"
            ]
            self.__dict__["_loaded"] = known
        return known


def _function(symbol: str | None) -> str:
    return symbol.split("+")[0] if symbol else "?"


def _functions(
    lines: list[dict[str, Any]], gates: dict[str, list[int]], total: int
) -> list[dict[str, Any]]:
    """Cycles of instructions by label and of the kernel's work in Python by function, most first."""
    sums = {(PYTHON, name): counted for name, counted in gates.items() if any(counted)}
    for line in lines:
        entry = sums.setdefault((line["image"], line["function"]), [0, 0])
        entry[0] += line["executions"]
        entry[1] += line["cycles"]
    ordered = sorted(sums.items(), key=lambda item: (-item[1][1], item[0]))
    return [
        {
            "image": image,
            "function": name,
            "executions": executions,
            "cycles": cycles,
            "share": cycles / total if total else 0.0,
        }
        for (image, name), (executions, cycles) in ordered
    ]
