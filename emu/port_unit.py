"""IN, OUT, INS, OUTS, RDTSC and IRET: the instructions that the engine cannot finish by itself.

And those that it gets right when it is shown another form of them: emu/shown_code.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu import microcode as mc
from emu.devices import Device
from emu.eflags import EFLAGS_DF, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM
from emu.engine_quirks import FIELD, HF_SS32
from emu.events import DR6_BS, Event, Stop
from emu.paging import CR4_TSD, PageFault
from emu.port_io import IoInstruction, code_bytes, decode_io, split_prefixes
from emu.shown_code import shown_form

if TYPE_CHECKING:
    from emu.machine import Machine

_FLAT = 0xFFFFFFFF
_RDTSC = b"\x0f\x31"
_RDPMC = b"\x0f\x33"
_IRET = b"\xcf"


class PortUnit:
    """The I/O ports of one machine, and the instructions that reach them."""

    def __init__(self, machine: Machine, devices: tuple[Device, ...]) -> None:
        self._machine = machine
        self._devices: dict[int, Device] = {p: d for d in devices for p in d.ports}
        #: Ports whose writes end a run with Stop.GATE.
        self.gates: frozenset[int] = frozenset()

    def add_gate(self, port: int) -> None:
        """Make a port a gate. Raises ValueError when a device has it."""
        if port in self._devices:
            raise ValueError(f"port {port:#x} belongs to the {self._devices[port].name}")
        self.gates |= {port}
        self._machine.cpu.state.gate_port = port

    def write(self, port: int, size: int, value: int) -> Event | None:
        """OUT: to a gate, to a device, or to nobody."""
        m = self._machine
        if port in self.gates:
            return Event(Stop.GATE, value, m.cpu.eip, port)
        device = self._devices.get(port)
        if device is not None:
            device.write(port, size, value)
            if m.power.status is not None:
                return Event(Stop.POWER_OFF, value=m.power.status, address=m.cpu.eip)
        return None

    def _value(self, port: int, size: int) -> int:
        device = self._devices.get(port)
        mask = (1 << 8 * size) - 1
        return (device.read(port, size) if device else mask) & mask

    def read(self, port: int, size: int) -> None:
        """IN: the device's value, or all ones where there is none, into AL, AX or EAX."""
        m = self._machine
        cpu = m.cpu
        mask = (1 << 8 * size) - 1
        cpu.eax = cpu.eax & ~mask & _FLAT | self._value(port, size)

    def instruction(self) -> Event | None:
        """An instruction that the engine does wrong is about to run."""
        m = self._machine
        cpu = m.cpu
        code = code_bytes(m.linear, cpu.eip + cpu.cs_base & _FLAT)
        at = split_prefixes(code)[2]
        if code[at : at + 2] == _RDTSC:
            return self._rdtsc(at + 2)
        if code[at : at + 2] == _RDPMC:
            return self._rdpmc()
        if code[at : at + 1] == _IRET:
            return self._iret(wide=cpu.code32 != (0x66 in code[:at]))
        form = shown_form(code)
        if form is not None:
            return self._show(form)
        instruction = decode_io(code, wide=cpu.code32)
        port = cpu.edx & 0xFFFF if instruction.immediate is None else instruction.immediate
        try:
            privileged = cpu.cpl <= cpu.iopl and not cpu.eflags & EFLAGS_VM
            if not privileged and not m.microcode.io_permitted(port, instruction.size):
                return m.trap(m.microcode.exception, mc.GP)
            if instruction.is_string:
                return self._string_io(instruction, port)
        except PageFault as fault:
            return self._page_fault(fault)
        m.allow_io = True
        return None

    def _rdtsc(self, length: int) -> Event | None:
        """RDTSC: the clock before this instruction (SDM vol. 2)."""
        m = self._machine
        cpu = m.cpu
        if cpu.model == "486":
            return m.trap(m.microcode.exception, mc.UD)
        if cpu.cr4 & CR4_TSD and cpu.cpl:
            return m.trap(m.microcode.exception, mc.GP)
        now = m.clock.cycles
        cpu.eax, cpu.edx = now & _FLAT, now >> 32 & _FLAT
        m.completed(length)
        m.clock.charge_unknown("rdtsc")
        return m.debug(DR6_BS) if cpu.eflags & EFLAGS_TF else None

    def _rdpmc(self) -> Event | None:
        """RDPMC (SDM vol. 2): no index names a counter, since this machine has none."""
        m = self._machine
        known = m.cpu.model not in ("486", "pentium")
        return m.trap(m.microcode.exception, mc.GP if known else mc.UD)

    def _show(self, form: bytes) -> Event | None:
        """Run one instruction with this in place of its first bytes."""
        m = self._machine
        cpu = m.cpu
        start = cpu.eip + cpu.cs_base & _FLAT
        spans = m.linear.spans(start, len(form), write=False, user=cpu.cpl == 3)
        code = b"".join(m.ram.read(*span) for span in spans)
        self._store(spans, form)
        try:
            happened = m.attempt()
        finally:
            self._store(spans, code)
        return m.handle(happened)

    def _iret(self, *, wide: bool) -> Event | None:
        """IRET outside ring 0: it leaves VM alone (SDM vol. 2), but the engine would load it.

        So the engine is shown an image of EFLAGS without VM, for as long as the instruction takes.
        """
        m = self._machine
        cpu = m.cpu
        mask = _FLAT if cpu.hflags & HF_SS32 else 0xFFFF
        at = cpu.regs[FIELD["ss_base"]] + (cpu.esp + 8 & mask) & _FLAT
        image = b""
        try:
            spans = m.linear.spans(at, 4, write=False, user=cpu.cpl == 3) if wide else []
            image = b"".join(m.ram.read(*span) for span in spans)
        except PageFault:
            spans = []  # so it will be for the engine
        flags = int.from_bytes(image, "little")
        if not flags & EFLAGS_VM:
            return m.finish_instruction()
        self._store(spans, (flags & ~EFLAGS_VM).to_bytes(4, "little"))
        try:
            return m.finish_instruction()
        finally:
            self._store(spans, image)

    def _store(self, spans: list[tuple[int, int]], data: bytes) -> None:
        for physical, length in spans:
            self._machine.ram.write(physical, data[:length])
            data = data[length:]

    def _page_fault(self, fault: PageFault) -> Event | None:
        m = self._machine
        m.cpu.cr2 = fault.linear
        return m.trap(lambda: m.microcode.exception(mc.PF, fault.error_code))

    def _string_io(self, instruction: IoInstruction, port: int) -> Event | None:
        """INS or OUTS, done here;
        what the elements that it moved cost is charged even if a fault cuts it short.
        """
        m = self._machine
        cpu = m.cpu
        mask = 0xFFFF if instruction.address16 else _FLAT
        before, retired, outer = cpu.ecx, cpu.retired, cpu.cpl > cpu.iopl
        try:
            return self._string_elements(instruction, port)
        finally:
            done = cpu.retired != retired
            n = before - cpu.ecx & mask if instruction.repeated else int(done)
            if n or done:
                m.clock.charge_string_io(
                    n, output=not instruction.is_input, repeated=instruction.repeated, outer=outer
                )

    def _string_elements(self, instruction: IoInstruction, port: int) -> Event | None:
        """INS and OUTS, which the engine cannot be stopped in: done here, element by element."""
        m = self._machine
        cpu, size = m.cpu, instruction.size
        mask = 0xFFFF if instruction.address16 else _FLAT
        segment = "es" if instruction.is_input else instruction.segment
        index = FIELD["edi" if instruction.is_input else "esi"]
        event: Event | None = None
        while not instruction.repeated or cpu.ecx & mask:
            pointer = cpu.regs[index]
            linear = cpu.regs[FIELD[f"{segment}_base"]] + (pointer & mask) & _FLAT
            write = instruction.is_input
            spans = m.linear.spans(linear, size, write=write, user=cpu.cpl == 3)
            step = -size if cpu.eflags & EFLAGS_DF else size
            cpu.regs[index] = pointer & ~mask & _FLAT | pointer + step & mask
            if instruction.repeated:
                cpu.ecx = cpu.ecx & ~mask & _FLAT | cpu.ecx - 1 & mask
            if instruction.is_input:
                self._store(spans, self._value(port, size).to_bytes(size, "little"))
            else:
                data = b"".join(m.ram.read(*span) for span in spans)
                event = self.write(port, size, int.from_bytes(data, "little"))
            unfinished = instruction.repeated and cpu.ecx & mask
            if not unfinished:
                break
            if cpu.eflags & EFLAGS_TF:
                cpu.eflags |= EFLAGS_RF
                return m.debug(DR6_BS) or event
            if event is not None:
                return event
        m.completed(instruction.length)
        if cpu.eflags & EFLAGS_TF:
            return m.debug(DR6_BS) or event
        return event
