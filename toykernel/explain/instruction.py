"""The next instruction in words: what it reads and writes, whether the CPU lets it, and what it leads to."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.descriptors import Gate
from emu.operand_address import linear_of, operands
from emu.paging import PF_P, PF_U, PF_W, Walk
from emu.ram import PAGE_SIZE
from emu.timing.decode import decode as decode_form
from emu.timing.x87 import READ, RMW, WRITE
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, SYSCALL_VECTOR
from toykernel.debug.disassembly import LONGEST, decode, registers_read
from toykernel.explain import trial
from toykernel.explain.codes import error_code
from toykernel.explain.memory import (
    address_name,
    decide,
    plural,
    refused,
    walk_text,
    why_read_only,
)
from toykernel.look.register_words import eflags_text
from toykernel.look.task import UnreadableError
from toykernel.look.trap_words import trap_text
from toykernel.syscall_table import SYSCALLS, name_of

if TYPE_CHECKING:
    from emu.microcode import Delivery
    from toykernel.explain.trial import Trial
    from toykernel.harness.session import Session

_USES = {READ: "reads", WRITE: "writes", RMW: "reads and writes"}
_PAGE_FAULT = 14
_WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class Operand:
    """One memory operand: linear address, bytes, use, what the tables say of its first page, and (address,
    error code) of the first page that refuses it."""

    address: int
    size: int
    use: int
    walk: Walk
    refusal: tuple[int, int] | None

    @property
    def write(self) -> bool:
        """Whether the CPU asks to write."""
        return bool(self.use & WRITE)


def memory_operands(session: Session) -> list[Operand]:
    """Those of the instruction that comes next, in the order in which the CPU asks for them."""
    view, cpu = session.current, session.kernel.machine.cpu
    code = view.read_upto(cpu.eip + cpu.cs_base & _WORD, LONGEST)
    form = decode_form(code)
    if form is None or (form.rep and not cpu.ecx):
        return []
    found = []
    for access, segment, offset in operands(code, cpu):
        if not access.use or not access.size:
            continue
        at = linear_of(segment, offset, cpu)
        walk = view.walk(at)
        found.append(
            Operand(
                at, access.size, access.use, walk, _refusal(session, at, access.size, access.use)
            )
        )
    return found


def _refusal(session: Session, at: int, size: int, use: int) -> tuple[int, int] | None:
    view, cpu = session.current, session.kernel.machine.cpu
    if not cpu.paging:
        return None
    end = at + size - 1 & _WORD
    for page in [at] if at >> 12 == end >> 12 else [at, end & -PAGE_SIZE]:
        write = bool(use & WRITE)
        code = refused(view.walk(page), write=write, user=cpu.cpl == 3, wp=cpu.wp)
        if code is not None:
            return page, code
    return None


def fetch_refusal(session: Session) -> tuple[int, int] | None:
    """(address, error code) when the instruction itself cannot be fetched."""
    cpu = session.kernel.machine.cpu
    return _refusal(session, cpu.eip + cpu.cs_base & _WORD, 1, READ)


def next_instruction(session: Session) -> list[str]:
    """What the CPU does next, and why."""
    view, cpu = session.current, session.kernel.machine.cpu
    address = cpu.eip + cpu.cs_base & _WORD
    named = address if cpu.paging else address + PAGE_OFFSET
    place = session.images.place_at(view.task, named)
    code = view.read_upto(address, LONGEST)
    found = decode(code, address, lambda at: session.images.symbol_at(view.task, at))
    where = address_name(session.images, view, named)
    head = f"pid {view.pid} ({view.comm}), ring {cpu.cpl}, {where}"
    if found is None:
        return [
            f"{head}: no code is mapped there.",
            *_refused_lines(session, fetch_refusal(session)),
        ]
    source = f", {place.name}" if place is not None else ""
    lines = [f"{head}{source}: {' '.join(found.text.split())}"]
    if session.kernel.outcome is not None:
        return [*lines, "The run is over: it is not executed any more."]
    gate = session.kernel.host.gates.get(address + found.size)
    if gate is not None:
        return [*lines, f"It is the gate: the kernel's {gate[0]} runs, in Python."]
    reads = [f"{name} = {cpu_value(session, name)}" for name in registers_read(code)]
    if reads:
        lines.append(f"It reads {', '.join(reads)}.")
    asked = memory_operands(session)
    for operand in asked:
        lines += _operand_lines(session, operand)
    if found.mnemonic == "hlt" and cpu.cpl == 0:
        return [*lines, "The CPU stands still until an interrupt comes."]
    tried = trial.step(session, [(one.address, one.size) for one in asked if one.write])
    refusal = next((one.refusal for one in asked if one.refusal is not None), None)
    if tried is None:
        return [*lines, *_refused_lines(session, refusal)]
    return lines + _effect(session, tried, refusal, address + found.size & _WORD)


def cpu_value(session: Session, name: str) -> str:
    """A register's value; flags by their names."""
    value = session.current.cpu_regs.get(name, 0)
    return f"{value:#x} ({eflags_text(value)})" if name == "eflags" else f"{value:#x}"


def _operand_lines(session: Session, operand: Operand) -> list[str]:
    view = session.current
    try:
        data = view.read(operand.address, operand.size)
        now = f", now {_value(data)}"
    except UnreadableError:
        now = ""
    name = address_name(session.images, view, operand.address)
    lines = [f"It {_USES[operand.use]} {plural(operand.size, 'byte')}, {name}{now}."]
    if session.kernel.machine.cpu.paging and (operand.walk.user or operand.refusal):
        lines.append(f"  {walk_text(operand.walk, view.directory)}")
    return lines


def _value(data: bytes) -> str:
    if len(data) > 4:
        return data.hex(" ", 4)
    return f"{int.from_bytes(data, 'little'):#x}"


def _refused_lines(session: Session, refusal: tuple[int, int] | None) -> list[str]:
    """Why the CPU refuses an access, and what the kernel will do about it."""
    if refusal is None:
        return []
    view, cpu = session.current, session.kernel.machine.cpu
    at, code = refusal
    what = "write" if code & PF_W else "read"
    ring = "ring 3" if code & PF_U else f"ring {cpu.cpl}"
    walk = view.walk(at)
    if not code & PF_P:
        reason = "no page is present"
    elif code & PF_U and not walk.user:
        reason = "the page is the supervisor's alone"
    else:
        reason = "the entry is present and read-only"
    lines = [f"A {what} from {ring} at {at:#010x}: {reason}."]
    why = why_read_only(view, walk)
    if why and code & PF_W and (walk.user or not code & PF_U):
        lines.append(f"Read-only: {why}")
    decision = decide(view, at, code, user=cpu.cpl == 3, sp=cpu.esp)
    return [*lines, f"The kernel's answer, by {decision.function}: {decision.text}"]


def _effect(
    session: Session, tried: Trial, refusal: tuple[int, int] | None, following: int
) -> list[str]:
    lines: list[str] = []
    for trap in tried.traps:
        lines += _trap_lines(session, trap, tried)
        if trap.vector == _PAGE_FAULT and trap.error_code is not None:
            lines += _refused_lines(session, (trap.cr2, trap.error_code))
    if tried.traps and not tried.completed:
        return lines
    changes = {name: values for name, values in tried.changed.items() if name != "eip"}
    for at, old, new in tried.memory:
        if old != new and old:
            name = address_name(session.images, session.current, at)
            lines.append(f"{name} becomes {_value(new)} (was {_value(old)}).")
    if tried.traps:
        return lines
    texts = [_change(name, old, new) for name, (old, new) in changes.items()]
    if texts:
        lines.append(f"Afterwards {', '.join(texts)}.")
    if tried.ring_after != tried.ring_before:
        lines.append(f"The CPU goes from ring {tried.ring_before} to ring {tried.ring_after}.")
    eip = tried.after["eip"]
    if eip == following:
        lines.append(f"Then the next instruction, at {eip:#010x}.")
    else:
        lines.append(f"It goes on at {address_name(session.images, session.current, eip)}.")
    return lines


def _change(name: str, old: int, new: int) -> str:
    if name != "eflags":
        return f"{name} is {new:#x} (was {old:#x})"
    return f"eflags is {eflags_text(new) or 'empty'} (was {eflags_text(old) or 'empty'})"


def _trap_lines(session: Session, trap: Delivery, tried: Trial) -> list[str]:
    """A trap's delivery: gate, handler, stack; the number and arguments of a system call."""
    k = session.kernel
    cpu = k.machine.cpu
    lines = [f"The CPU delivers {trap_text(trap)}."]
    if trap.error_code is not None:
        lines += error_code(trap.error_code, trap.vector)
    data = session.current.read(cpu.idt_base + 8 * trap.vector, 8)
    gate = Gate.unpack(*struct.unpack("<II", data))
    handler = session.images.kernel.symbol_at(gate.offset) or f"{gate.offset:#010x}"
    stack = f"esp {tried.after['esp']:#010x}"
    if trap.cpl != tried.ring_after:
        stack = f"the stack of the TSS, {stack} with the frame on it"
    lines.append(
        f"Gate {trap.vector:#x} of the IDT (DPL {gate.dpl}) leads to {handler}; ring {trap.cpl} -> ring "
        f"{tried.ring_after}, {stack}; the frame goes back to eip {trap.eip:#010x}."
    )
    if trap.vector == SYSCALL_VECTOR and trap.cpl == 3:
        lines.append(f"System call {tried.before['eax']}, {call_text(tried.before)}.")
    return lines


def call_text(registers: dict[str, int]) -> str:
    """A system call by the registers: name and as many words as it takes."""
    number = registers["eax"]
    words = [registers[name] for name in ("ebx", "ecx", "edx", "esi", "edi", "ebp")]
    row = SYSCALLS[number] if number < len(SYSCALLS) else None
    if row is None or row.function is None:
        return f"{name_of(number)}: the table has none (ENOSYS)"
    named = zip(row.arguments, words, strict=False)
    return f"{row.name}({', '.join(f'{a.name} = {word:#x}' for a, word in named)})"
