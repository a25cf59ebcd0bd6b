"""The board: CPU, RAM, devices and clock; run until something happens.

The machine starts as a Multiboot loader leaves one: protected mode, flat ring-0 segments, paging
off, interrupts off. Everything the guest does goes through `advance`: one entry into the engine and
what came of it. `run` repeats that; `step` does it for one instruction. Both take the same path, so
a run and the same run in single steps give the same instructions, cycles and state.
"""

from __future__ import annotations

from collections.abc import Callable

from emu import exits, hooks
from emu import microcode as mc
from emu import snapshot as snapshots
from emu.clock import CycleClock, InstructionClock
from emu.cpu import Cpu
from emu.devices import Device
from emu.devices.pic import InterruptController
from emu.devices.power import PowerSwitch
from emu.devices.serial import SerialConsole
from emu.devices.timer import LINE as TIMER_LINE
from emu.devices.timer import Timer
from emu.eflags import EFLAGS_IF, EFLAGS_RF
from emu.errors import BusError
from emu.events import DR6_BS, Event, Position, Stop
from emu.hooks import EV_OUT, EV_TRAP
from emu.linear import LinearMemory
from emu.page_end import needs_next_page, rest_of_page
from emu.page_fault import page_fault
from emu.port_io import code_bytes, split_prefixes
from emu.port_unit import PortUnit
from emu.ram import Ram
from emu.refusals import refusal
from emu.snapshot import Snapshot
from emu.timing.profiles import OFF, PROFILE_NAMES, PROFILES
from emu.timing.traps import TrapCosts

_FLAT = 0xFFFFFFFF
#: Instructions in one entry into the engine, so that Ctrl-C is noticed while a guest loops.
SLICE = 1_000_000
_ICEBP = 0xF1
_INT_6 = b"\xcd\x06"


__all__ = ["Event", "Machine", "Snapshot", "Stop"]


class Machine:
    """An i386 computer. `memory` in bytes; `console` takes what the serial line sends."""

    def __init__(
        self,
        memory: int = 16 << 20,
        *,
        model: str = "max",
        console: Callable[[bytes], None] | None = None,
        native: bool = True,
        timing: str = OFF,
    ) -> None:
        """Raises EngineContractError where cycle timing has nothing to read the engine's state by."""
        if timing not in PROFILE_NAMES:
            raise ValueError(f"no timing profile {timing!r}; there are {', '.join(PROFILE_NAMES)}")
        self.ram = Ram(memory)
        self.cpu = Cpu(self.ram, model, native=native, profile=PROFILES.get(timing))
        self.linear = LinearMemory(self.ram, self.cpu)
        self.microcode = mc.Microcode(self.cpu, self.linear)
        self.clock = self._make_clock()
        self.pic = InterruptController()
        self.timer = Timer(self.pic, lambda: self.clock.cycles)
        self.serial = SerialConsole(console or (lambda data: None))
        self.power = PowerSwitch()
        self.devices: tuple[Device, ...] = (self.pic, self.timer, self.serial, self.power)
        self._clocked: tuple[Device, ...] = (self.timer,)  # the only one with deadlines
        self.ports = PortUnit(self, self.devices)
        self.halted = False
        #: The next instruction may reach its port: it has been checked.
        self.allow_io = False
        #: Vectors whose delivery ends a run, for debuggers.
        self.trap_stops: frozenset[int] = frozenset()
        #: Debug registers (bits of DR6) that are a debugger's: a hit ends the run, and is no #DB.
        self.watched = 0
        #: Hears of every trap that was delivered, in order of registration.
        self.trap_listeners: list[Callable[[mc.Delivery], None]] = []
        #: How often the TLB was flushed through the doors below.
        self.tlb_flushes = 0
        self._sooner = 0  # see end_sooner
        self._last_trap: mc.Delivery | None = None
        self._at_gate: Callable[[], bool] | None = None  # of the present run
        self._wake: int | None = None  # the devices' next deadline when the engine was entered last
        # A delivery that nobody hears of needs no Python.
        native = self.cpu.driver.name == hooks.NativeHooks.name
        self._plans_at = self.microcode.plans.address if native else 0
        self.cpu.reset()

    def _make_clock(self) -> InstructionClock:
        timing = self.cpu.timing
        if timing is None:
            return InstructionClock(self.cpu.state)
        clock = CycleClock(self.cpu.state, timing)
        self.microcode.on_cost = TrapCosts(self.cpu, clock, timing)
        return clock

    # -- doors -----------------------------------------------------------------------------------

    def add_gate(self, port: int) -> None:
        """Make writes to this port end a run with Stop.GATE. ValueError when a device has the port."""
        self.ports.add_gate(port)

    def flush_tlb(self) -> None:
        """Forget cached translations, as a CR3 write does. Owed after any change to page tables."""
        self.tlb_flushes += 1
        self.cpu.flush_tlb()
        self.linear.flush()
        if self.cpu.timing is not None:
            self.cpu.timing.flush_tlb()

    def load_cr3(self, directory: int) -> None:
        """Switch to the page directory at a physical address; cached translations are forgotten."""
        self.tlb_flushes += 1
        self.cpu.load_cr3(directory)
        self.linear.flush()
        if self.cpu.timing is not None:
            self.cpu.timing.flush_tlb()

    def _delivered(self, delivery: mc.Delivery) -> None:
        self._last_trap = delivery
        for listener in self.trap_listeners:
            listener(delivery)

    # -- running ---------------------------------------------------------------------------------

    @property
    def position(self) -> Position:
        """How far the run is."""
        state = self.cpu.state
        return Position(state.retired, state.deliveries, self.clock.cycles)

    def run(
        self,
        until: int | None = None,
        *,
        pass_breakpoint: bool = False,
        instructions: int = hooks.NO_LIMIT,
        deliveries: int = hooks.NO_LIMIT,
        at_gate: Callable[[], bool] | None = None,
    ) -> Event:
        """Run until an event, until the clock shows `until` cycles (exact to the instruction), or until
        so many instructions have completed or traps been delivered since power-on.

        `pass_breakpoint` lets the first instruction run although it has a breakpoint. `at_gate` is
        called at the gate instead of ending the run, where nobody listens or watches; it answers
        whether the run goes on, and if not it ends with Stop.STEP.
        """
        state = self.cpu.state
        self._at_gate = at_gate
        if pass_breakpoint:
            state.skip_break = 1
        bounded = instructions != hooks.NO_LIMIT or deliveries != hooks.NO_LIMIT
        if bounded:
            state.delivery_limit = max(deliveries - self._sooner, 0)
        event = None
        try:
            while event is None:
                event = self._advance(until, False, instructions if bounded else None)
        except BusError:  # as in advance
            if state.event == hooks.EV_GATE:
                raise
            event = Event(Stop.BUS_ERROR, address=self.cpu.eip)
        if pass_breakpoint:
            state.skip_break = 0
        if bounded:
            state.delivery_limit = hooks.NO_LIMIT
        if event.stop is Stop.LIMIT:
            self._sooner = 0
        return event

    def end_sooner(self, deliveries: int) -> None:
        """From a gate: a run that ends after some number of deliveries ends so many sooner; if it ends for
        another reason, the next one does."""
        state = self.cpu.state
        self._sooner += deliveries
        if state.delivery_limit != hooks.NO_LIMIT:
            state.delivery_limit = max(state.delivery_limit - deliveries, state.deliveries)

    @property
    def unchanged(self) -> bool:
        """Behind a gate, whether a run can go on as it began: no interrupt has come up, no deadline has
        moved, nobody has begun to listen, and no code was changed.
        """
        return not (
            self.pic.requested
            or self.ram.code_stale
            or self.trap_listeners
            or self.trap_stops
            or self.cpu.watching
            or self.timer.next != self._wake
            or self.timer.at_instruction is not None
        )

    def step(self) -> Event:
        """One instruction, or one attempt that faults, or one interrupt taken; breakpoints pass."""
        self.cpu.state.skip_break = 1
        event = self.advance(None, single=True) or Event(Stop.STEP, address=self.cpu.eip)
        self.cpu.state.skip_break = 0
        return event

    def finish_instruction(self) -> Event | None:
        """The instruction that was stopped at, past its check, and nothing else."""
        return self.handle(self.attempt())

    def attempt(self) -> int:
        """Run the instruction that was stopped at, past its check: an EV_ number for `handle`."""
        state = self.cpu.state
        state.allow_io, self.allow_io = 1, False
        state.traps = state.gate = 0
        return self.cpu.run(state.retired + 1)

    def advance(self, until: int | None, *, single: bool = False) -> Event | None:
        """One entry into the engine, or one trap; None when there is nothing to tell the caller."""
        try:
            return self._advance(until, single)
        except BusError:  # descriptor tables, stacks or page tables that are not in RAM
            return Event(Stop.BUS_ERROR, address=self.cpu.eip)

    def _advance(
        self, until: int | None, single: bool, instructions: int | None = None
    ) -> Event | None:
        # `instructions`: of a run that ends by its instructions or deliveries, too.
        clock, cpu, state = self.clock, self.cpu, self.cpu.state
        now = clock.cycles
        over = until is not None and now >= until
        if instructions is not None:
            over = over or state.retired >= instructions or state.deliveries >= state.delivery_limit
        if over:
            return Event(Stop.LIMIT, address=cpu.eip)
        wake = self._fire_devices(now)
        counted = self.timer.count_instructions(state.retired)
        watch_if = False
        if self.pic.requested and self.pic.pending() is not None:
            if cpu.eflags & EFLAGS_IF:
                if not cpu.inhibited:
                    return self._take_interrupt()
                single = True  # the one instruction of the interrupt shadow
            else:
                watch_if = True
        if self.halted:
            return self._wait_halted(wake, until)
        limit = min(state.retired + (1 if single else SLICE), counted)
        if instructions is not None:
            limit = min(limit, instructions)
        if wake is not None and (until is None or wake < until):
            until = wake
        deadline = hooks.NO_LIMIT if until is None else until
        if watch_if or state.watch_if:
            state.watch_if = watch_if
        if self.allow_io:
            state.allow_io, self.allow_io = 1, False
        alone = not (single or self.trap_listeners or self.trap_stops or cpu.watching)
        state.traps = self._plans_at if alone else 0
        self._wake = wake
        state.gate = id(self._at_gate) if alone and self._at_gate is not None else 0
        happened = cpu.run(limit, deadline)
        if state.system_changed:
            self.linear.flush()
            state.system_changed = 0
        return self.handle(happened)

    def _fire_devices(self, now: int) -> int | None:
        """Tick what is due; the next deadline of all devices."""
        wake: int | None = None
        for device in self._clocked:
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
        return self.trap(self.microcode.interrupt, vector)

    def _wait_halted(self, wake: int | None, until: int | None) -> Event | None:
        """Let time pass to the next device event: a halted CPU executes nothing."""
        if wake is None or not self.cpu.eflags & EFLAGS_IF or not self.pic.accepts(TIMER_LINE):
            return Event(Stop.HALT, address=self.cpu.eip)
        target = wake if until is None else min(wake, until)
        self.clock.charge("halted", target - self.clock.cycles)
        return None

    def handle(self, event: int) -> Event | None:
        """What a run of the CPU has ended with; None when there is nothing to tell the caller."""
        cpu = self.cpu
        state = cpu.state
        if event == EV_OUT:  # this and the next are nearly all there is
            stop = self.ports.write(state.port, state.size, state.value)
            return self.debug(DR6_BS) or stop if state.debug_pending else stop
        if event == EV_TRAP and cpu.is_int:
            at = state.in_flight - cpu.cs_base & _FLAT
            return self.trap(self.microcode.software_interrupt, state.vector, at)
        match event:
            case hooks.EV_LIMIT:
                return None
            case hooks.EV_GATE:
                return Event(Stop.STEP, address=cpu.eip)
            case hooks.EV_TRAP if state.vector == mc.DB:
                return self.debug(state.debug_hits)
            case hooks.EV_TRAP if state.vector == mc.PF and self._ends_block_early():
                return self.go_on()
            case hooks.EV_TRAP:
                return self.trap(self._exception, state.vector)
            case hooks.EV_INVALID:
                return self._invalid()
            case hooks.EV_DEBUG:
                return self.debug(state.debug_hits)
            case hooks.EV_IN:
                self.ports.read(state.port, state.size)
                return self._stepped_port()
            case hooks.EV_IO:
                return self.ports.instruction()
            case hooks.EV_BREAK:
                return Event(Stop.BREAKPOINT, address=cpu.eip)
            case hooks.EV_ABORT:
                exits.engine_gave_up(cpu, self.linear)
                return self.go_on()
            case _ if exits.reached(cpu, self.linear):
                return exits.untranslatable(self)
            case _ if state.error:
                return Event(Stop.BUS_ERROR, value=state.error, address=cpu.eip)
            case _:
                self.halted = True
                return None

    def go_on(self) -> Event | None:
        """The run that came to nothing, once more."""
        state = self.cpu.state
        return self.handle(self.cpu.run(state.limit, state.deadline))

    def _ends_block_early(self) -> bool:
        """See emu/page_end.py: a page fault for code ahead; the block now ends in front of that page."""
        cpu = self.cpu
        start = cpu.eip + cpu.cs_base & _FLAT
        if self._at_in_flight or cpu.cr2 != (start | 0xFFF) + 1 & _FLAT:
            return False
        end = start + needs_next_page(rest_of_page(cpu.state, self.ram, self.linear, start))
        if end == start or end in cpu.page_ends:
            return False
        cpu.set_exits(cpu.exits, cpu.page_ends | {end})
        return True

    @property
    def _at_in_flight(self) -> bool:
        """EIP is still at the instruction that was begun last."""
        cpu, state = self.cpu, self.cpu.state
        return bool(state.in_flight_valid) and state.in_flight == cpu.eip + cpu.cs_base & _FLAT

    def _exception(self, vector: int) -> None:
        code = self.cpu.error_code
        if vector == mc.PF:
            vector, code = page_fault(self.cpu, self.linear, self.ram, code)
        self.microcode.exception(vector, code)

    def _invalid(self) -> Event | None:
        """An opcode that the engine does not know, or one that this machine does not have."""
        cpu, state = self.cpu, self.cpu.state
        if state.value:  # the hooks refused it: nothing has been begun
            return self.trap(self.microcode.exception, *refusal(cpu, self.linear, self.ram))
        if state.in_flight_valid and not self._at_in_flight:
            cpu.eip = state.in_flight - cpu.cs_base & _FLAT
            cpu.uncount()  # SYSENTER and SYSCALL are noticed behind themselves
        code = code_bytes(self.linear, cpu.eip + cpu.cs_base & _FLAT)
        at = split_prefixes(code)[2]
        if code[at : at + 1] == bytes((_ICEBP,)):  # INT1: a trap, which no gate's DPL refuses
            self.completed(at + 1)
            return self.trap(self.microcode.exception, mc.DB)
        if code[at : at + 2] == _INT_6:  # which the engine takes for #UD itself
            start = cpu.eip
            self.completed(at + 2)
            return self.trap(self.microcode.software_interrupt, mc.UD, start)
        return self.trap(self.microcode.exception, mc.UD)

    def completed(self, length: int) -> None:
        """An instruction of so many bytes, done outside the engine, is over."""
        cpu = self.cpu
        cpu.eip = cpu.eip + length & _FLAT
        cpu.eflags &= ~EFLAGS_RF
        cpu.clear_inhibit()
        cpu.count()
        cpu.state.skip_break = 0

    def debug(self, reasons: int) -> Event | None:
        """#DB, for these bits of DR6 and those that are set already."""
        cpu = self.cpu
        hits = reasons & self.watched
        if hits and hits == reasons:
            return Event(Stop.WATCH, value=hits, address=cpu.eip)
        reasons &= ~hits
        cpu.dr6 |= reasons
        if self._at_in_flight and cpu.state.in_flight_kind & hooks.KIND_REP:
            cpu.eflags |= EFLAGS_RF  # SDM vol. 3, 17.3.1.1: a string instruction goes on
        return self.trap(self.microcode.exception, mc.DB)

    def _stepped_port(self) -> Event | None:
        """The single-step trap behind a port access that stopped the engine."""
        return self.debug(DR6_BS) if self.cpu.state.debug_pending else None

    def trap(self, deliver: Callable[..., None], *args: int) -> Event | None:
        """Deliver a trap by `deliver(*args)`, a method of the microcode, and tell the listeners.

        Stop.TRAP for a vector of `trap_stops`, Stop.SHUTDOWN for a triple fault, else None.
        """
        self._last_trap = None
        self.cpu.state.skip_break = 0  # it was for the instruction at the old EIP
        self.cpu.state.deliveries += 1
        heard = self.trap_stops or self.trap_listeners
        self.microcode.on_delivery = self._delivered if heard else None
        try:
            deliver(*args)
        except mc.Shutdown:
            return Event(Stop.SHUTDOWN, address=self.cpu.eip)
        taken: mc.Delivery | None = self._last_trap
        if taken is not None and taken.vector in self.trap_stops:
            return Event(Stop.TRAP, value=taken.vector, address=taken.eip)
        return None

    # -- snapshots -------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """RAM, registers, devices and clock, as plain data."""
        return snapshots.take(self)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot.

        SnapshotError when RAM size, CPU model or format version are another's.
        """
        snapshots.put_back(self, snapshot)
