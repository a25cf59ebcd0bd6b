"""The board: CPU, RAM, devices and clock; run until something happens.

The machine starts as a Multiboot loader leaves one: protected mode, flat ring-0 segments, paging
off, interrupts off. Everything the guest does goes through `advance`: one entry into the engine and
what came of it. `run` repeats that; `step` does it for one instruction. Both take the same path, so
a run and the same run in single steps give the same instructions, cycles and state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from emu import hooks
from emu import microcode as mc
from emu.clock import InstructionClock
from emu.cpu import EFLAGS_FIXED, EFLAGS_IF, Cpu
from emu.descriptors import SEG_ACCESSED, SEG_CODE, SEG_READABLE, SEG_WRITABLE, Segment
from emu.devices import Device
from emu.devices.pic import InterruptController
from emu.devices.power import PowerSwitch
from emu.devices.serial import SerialConsole
from emu.devices.timer import Timer
from emu.errors import SnapshotError
from emu.linear import LinearMemory
from emu.ram import Ram

SNAPSHOT_VERSION = 1
_FLAT = 0xFFFFFFFF


class Stop(Enum):
    """Why a run ended."""

    GATE = "gate"  # the guest wrote a gate port: `value`
    LIMIT = "limit"  # the clock reached the caller's limit
    STEP = "step"  # one step was asked for, and done
    BREAKPOINT = "breakpoint"  # before the instruction at `address`
    TRAP = "trap"  # a trap that was asked to stop has just been delivered: `value` = vector
    HALT = "halt"  # halted, and no device will ever wake it
    POWER_OFF = "power-off"  # `value` = status
    SHUTDOWN = "shutdown"  # triple fault
    BUS_ERROR = "bus error"  # the page tables lead outside RAM: `address` = EIP


@dataclass(frozen=True)
class Event:
    """One reason to stop, with its number: see Stop."""

    stop: Stop
    value: int = 0
    address: int = 0
    port: int = 0


@dataclass(frozen=True)
class Snapshot:
    """Everything a machine is: restore it anywhere with the same RAM size and CPU model."""

    version: int
    ram_size: int
    model: str
    ram: dict[int, bytes]
    cpu: bytes
    retired: int
    charged: dict[str, int]
    devices: dict[str, dict[str, Any]]
    halted: bool


class Machine:
    """An i386 computer. `memory` in bytes; `console` takes what the serial line sends."""

    def __init__(
        self,
        memory: int = 16 << 20,
        *,
        model: str = "max",
        console: Callable[[bytes], None] | None = None,
        native: bool = True,
    ) -> None:
        self.ram = Ram(memory)
        self.cpu = Cpu(self.ram, model, native=native)
        self.linear = LinearMemory(self.ram, self.cpu)
        self.microcode = mc.Microcode(self.cpu, self.linear)
        self.microcode.on_delivery = self._delivered
        self.clock = InstructionClock(lambda: int(self.cpu.state.retired))
        self.pic = InterruptController()
        self.timer = Timer(self.pic, lambda: self.clock.cycles)
        self.serial = SerialConsole(console or (lambda data: None))
        self.power = PowerSwitch()
        self.devices: tuple[Device, ...] = (self.pic, self.timer, self.serial, self.power)
        self._ports: dict[int, Device] = {p: d for d in self.devices for p in d.ports}
        self._gates: frozenset[int] = frozenset()
        self.halted = False
        self._allow_io = False
        #: Vectors whose delivery ends a run, for debuggers.
        self.trap_stops: frozenset[int] = frozenset()
        #: Hears of every trap that was delivered, in order of registration.
        self.trap_listeners: list[Callable[[mc.Delivery], None]] = []
        self._last_trap: mc.Delivery | None = None
        self._reset()

    def _reset(self) -> None:
        code = Segment(0, _FLAT, SEG_CODE | SEG_READABLE | SEG_ACCESSED, False, 0, True, True)
        data = Segment(0, _FLAT, SEG_WRITABLE | SEG_ACCESSED, False, 0, True, True)
        for name in ("ds", "es", "fs", "gs", "ss"):
            self.cpu.set_segment(name, 0x10, data)
        self.cpu.set_segment("cs", 0x08, code)
        self.cpu.eflags = EFLAGS_FIXED
        self.cpu.eip = 0

    # -- doors -----------------------------------------------------------------------------------

    def add_gate(self, port: int) -> None:
        """Make writes to this port end a run with Stop.GATE."""
        if port in self._ports:
            raise ValueError(f"port {port:#x} belongs to the {self._ports[port].name}")
        self._gates |= {port}

    def flush_tlb(self) -> None:
        """Forget cached translations, as a CR3 write does. Owed after any change to page tables."""
        self.cpu.flush_tlb()
        self.linear.flush()

    def load_cr3(self, directory: int) -> None:
        """Switch to the page directory at a physical address."""
        self.cpu.load_cr3(directory)
        self.linear.flush()

    def _delivered(self, delivery: mc.Delivery) -> None:
        self._last_trap = delivery
        for listener in self.trap_listeners:
            listener(delivery)

    # -- running ---------------------------------------------------------------------------------

    def run(self, until: int | None = None, *, pass_breakpoint: bool = False) -> Event:
        """Run until an event, or until the clock shows `until` cycles (exact to the instruction).

        `pass_breakpoint` lets the first instruction run although it has a breakpoint.
        """
        self.cpu.state.skip_break = pass_breakpoint
        while True:
            event = self.advance(until)
            if event is not None:
                self.cpu.state.skip_break = 0
                return event

    def step(self) -> Event:
        """One instruction, or one attempt that faults, or one interrupt taken; breakpoints pass."""
        self.cpu.state.skip_break = 1
        event = self.advance(None, single=True) or Event(Stop.STEP, address=self.cpu.eip)
        self.cpu.state.skip_break = 0
        return event

    def advance(self, until: int | None, *, single: bool = False) -> Event | None:
        """One entry into the engine, or one trap; None when there is nothing to tell the caller."""
        clock, cpu = self.clock, self.cpu
        now = clock.cycles
        if until is not None and now >= until:
            return Event(Stop.LIMIT, address=cpu.eip)
        wake = self._fire_devices(now)
        watch_if = False
        if self.pic.pending() is not None:
            if cpu.eflags & EFLAGS_IF:
                if not cpu.inhibited:
                    return self._take_interrupt()
                single = True  # the one instruction of the interrupt shadow
            else:
                watch_if = True
        if self.halted:
            return self._wait_halted(wake, until)
        limit = hooks.NO_LIMIT
        if until is not None:
            limit = clock.retired_at(until)
        if wake is not None:
            limit = min(limit, clock.retired_at(wake))
        if single:
            limit = min(limit, cpu.retired + 1)
        state = cpu.state
        state.watch_if = watch_if
        state.tsc_offset = clock.extra
        state.allow_io = self._allow_io
        self._allow_io = False
        return self._handle(cpu.run(limit))

    def _fire_devices(self, now: int) -> int | None:
        """Tick what is due; the next deadline of all devices."""
        wake: int | None = None
        for device in self.devices:
            deadline = device.deadline()
            if deadline is not None and deadline <= now:
                device.tick(now)
                deadline = device.deadline()
            if deadline is not None and (wake is None or deadline < wake):
                wake = deadline
        return wake

    def _take_interrupt(self) -> Event | None:
        self.halted = False
        vector = self.pic.acknowledge()
        return self._trap(lambda: self.microcode.interrupt(vector))

    def _wait_halted(self, wake: int | None, until: int | None) -> Event | None:
        """Let time pass to the next device event: a halted CPU executes nothing."""
        if wake is None or not self.cpu.eflags & EFLAGS_IF:
            return Event(Stop.HALT, address=self.cpu.eip)
        target = wake if until is None else min(wake, until)
        self.clock.charge("halted", target - self.clock.cycles)
        return None

    def _handle(self, event: int) -> Event | None:
        cpu, state = self.cpu, self.cpu.state
        match event:
            case hooks.EV_LIMIT:
                return None
            case hooks.EV_TRAP if cpu.is_int:
                at = state.in_flight
                return self._trap(lambda: self.microcode.software_interrupt(state.vector, at))
            case hooks.EV_TRAP:
                return self._trap(lambda: self._exception(state.vector))
            case hooks.EV_INVALID:
                if state.in_flight_valid and cpu.eip != state.in_flight:
                    cpu.eip = state.in_flight  # SYSENTER and SYSCALL are noticed behind themselves
                    cpu.uncount()
                return self._trap(lambda: self.microcode.exception(mc.UD))
            case hooks.EV_OUT:
                return self._out(state.port, state.size, state.value)
            case hooks.EV_IN:
                return self._in(state.port, state.size)
            case hooks.EV_IO:
                return self._check_io()
            case hooks.EV_BREAK:
                return Event(Stop.BREAKPOINT, address=cpu.eip)
            case _ if state.error:
                return Event(Stop.BUS_ERROR, value=state.error, address=cpu.eip)
            case _:
                self.halted = True
                return None

    def _exception(self, vector: int) -> None:
        cpu, state = self.cpu, self.cpu.state
        refused = state.in_flight_valid and state.in_flight == cpu.eip
        if refused and state.in_flight_kind & hooks.KIND_CARRY_ROTATE:
            cpu.eflags = cpu.eflags & ~1 | state.flags_before & 1
        self.microcode.exception(vector, cpu.error_code)

    def _trap(self, deliver: Callable[[], None]) -> Event | None:
        self._last_trap = None
        try:
            deliver()
        except mc.Shutdown:
            return Event(Stop.SHUTDOWN, address=self.cpu.eip)
        taken: mc.Delivery | None = self._last_trap
        if taken is not None and taken.vector in self.trap_stops:
            return Event(Stop.TRAP, value=taken.vector, address=taken.eip)
        return None

    # -- ports -----------------------------------------------------------------------------------

    def _out(self, port: int, size: int, value: int) -> Event | None:
        if port in self._gates:
            return Event(Stop.GATE, value=value, address=self.cpu.eip, port=port)
        device = self._ports.get(port)
        if device is not None:
            device.write(port, size, value)
            if self.power.status is not None:
                return Event(Stop.POWER_OFF, value=self.power.status, address=self.cpu.eip)
        return None

    def _in(self, port: int, size: int) -> Event | None:
        device = self._ports.get(port)
        mask = (1 << 8 * size) - 1
        value = (device.read(port, size) if device else mask) & mask
        cpu = self.cpu
        opcode = self._opcode(cpu.state.in_flight)
        if opcode in (
            0x6C,
            0x6D,
        ):  # INS has stored what the hook gave it: put the value in its place
            back = -size if not cpu.eflags & 0x400 else size
            self.linear.write((cpu.edi + back) & _FLAT, value.to_bytes(size, "little"))
        else:
            cpu.eax = cpu.eax & ~mask & _FLAT | value
        return None

    def _opcode(self, linear: int) -> int:
        for byte in self.linear.read(linear, 15 if linear & 0xFFF <= 0xFF1 else 1):
            if byte not in (0x66, 0x67, 0xF2, 0xF3, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65):
                return byte
        return 0

    def _check_io(self) -> Event | None:
        """An I/O instruction is about to run with CPL > IOPL: the bitmap decides."""
        cpu = self.cpu
        opcode = self._opcode(cpu.eip)
        wide = 2 if self.linear.read(cpu.eip, 1)[0] == 0x66 else 4
        size = wide if opcode & 1 else 1
        port = cpu.edx & 0xFFFF
        if 0xE4 <= opcode <= 0xE7:
            code = self.linear.read(cpu.eip, 3)
            port = code[code.index(opcode) + 1]
        if self.microcode.io_permitted(port, size):
            self._allow_io = True
            return None
        return self._trap(lambda: self.microcode.exception(mc.GP))

    # -- snapshots -------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """RAM, registers, devices and clock, as plain data."""
        return Snapshot(
            version=SNAPSHOT_VERSION,
            ram_size=self.ram.size,
            model=self.cpu.model,
            ram=self.ram.image(),
            cpu=self.cpu.save_state(),
            retired=self.cpu.retired,
            charged=self.clock.save(),
            devices={d.name: d.save() for d in self.devices},
            halted=self.halted,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot. Raises SnapshotError when it is another machine's."""
        if snapshot.version != SNAPSHOT_VERSION:
            raise SnapshotError(f"snapshot version {snapshot.version}, not {SNAPSHOT_VERSION}")
        if (snapshot.ram_size, snapshot.model) != (self.ram.size, self.cpu.model):
            raise SnapshotError(
                f"the snapshot is of {snapshot.ram_size} bytes and a {snapshot.model}, "
                f"the machine has {self.ram.size} and is a {self.cpu.model}"
            )
        self.ram.load_image(snapshot.ram)
        self.cpu.load_state(snapshot.cpu)
        self.linear.flush()
        self.cpu.state.retired = snapshot.retired
        self.clock.load(snapshot.charged)
        for device in self.devices:
            device.load(snapshot.devices[device.name])
        self.halted = snapshot.halted
