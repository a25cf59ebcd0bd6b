"""`info` about the processor beyond its tables: one register, the FPU and SSE, the TLB, the interrupt
controller."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from emu.devices.pic import COMMAND, DATA
from toykernel.arch.x86.i387 import has_fxsr
from toykernel.debug.commands.command import Console, no_arguments
from toykernel.debug.debugger import Debugger
from toykernel.debug.errors import DebugError
from toykernel.debug.format import address_text, table
from toykernel.look.frames import frame_role, mappers
from toykernel.look.register_words import cr0_text, eflags_text, selector_text
from toykernel.look.task import SEGMENTS, TaskView

#: Bits of the FPU's words (SDM vol. 1, 8.1): exceptions, then what the status word has besides.
_EXCEPTIONS = ("IE", "DE", "ZE", "OE", "UE", "PE")
_ROUNDING = ("to nearest", "down", "up", "toward zero")
_PRECISION = ("24 bits", "reserved", "53 bits", "64 bits")
_TAGS = ("valid", "zero", "special", "empty")
_LINES = {0: "timer"}


def one_register(console: Console, name: str) -> None:
    """`info registers NAME`: its value in hex and decimal, and what it means."""
    debugger = console.debugger
    name = name.lstrip("$").lower()
    value = debugger.register(name)
    signed = value - (1 << 32) if value >> 31 else value
    text = f"{name}  {value:#010x}  {signed}"
    if name in SEGMENTS:
        text = f"{name}  {value:#06x}  {selector_text(value)}"
    elif name == "eflags":
        text = f"{name}  {value:#010x}  {eflags_text(value)}"
    elif name == "cr0":
        text = f"{name}  {value:#010x}  {cr0_text(value)}"
    elif symbol := debugger.name()(value) if value > 0xFFFF else None:
        text += f"  <{symbol}>"
    console.write(text)


# -- FPU and SSE -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class FpuState:
    """What FXSAVE or FNSAVE would store: `tag` has two bits a register, `stack` is ST0 first."""

    control: int
    status: int
    tag: int
    mxcsr: int | None
    stack: tuple[bytes, ...]
    xmm: tuple[bytes, ...]

    @property
    def top(self) -> int:
        """Number of the physical register that is ST0 (SDM vol. 1, 8.1.3)."""
        return self.status >> 11 & 7


def fpu_state(debugger: Debugger, view: TaskView) -> tuple[FpuState, str] | None:
    """A task's FPU registers and where they are; None before it has used any."""
    k = debugger.kernel
    if k.arch.fpu_owner is view.task:
        return _of_cpu(debugger), "in the FPU"
    area = view.task.thread.fpu
    if not area:
        return None
    where = f"saved at {area:#010x}; the FPU loads them when the task next uses it"
    return _of_area(view.read(area, 512), fxsr=has_fxsr(k)), where


def _of_cpu(debugger: Debugger) -> FpuState:
    """From emu.cpu.Cpu.fpu_state: R0 to R7, XMM0 to XMM7, four words."""
    data = debugger.machine.cpu.fpu_state()
    control, status, tag, mxcsr = struct.unpack_from("<4I", data, 208)
    physical = [data[10 * n : 10 * n + 10] for n in range(8)]
    top = status >> 11 & 7
    return FpuState(
        control,
        status,
        tag & 0xFFFF,
        mxcsr if has_fxsr(debugger.kernel) else None,
        tuple(physical[(top + n) & 7] for n in range(8)),
        tuple(data[80 + 16 * n : 96 + 16 * n] for n in range(8)),
    )


def _of_area(data: bytes, *, fxsr: bool) -> FpuState:
    """From the kernel's save area: FXSAVE's 512 bytes, or FNSAVE's 108."""
    if not fxsr:
        control, status, tag = struct.unpack_from("<3I", data)
        stack = tuple(data[28 + 10 * n : 38 + 10 * n] for n in range(8))
        return FpuState(control & 0xFFFF, status & 0xFFFF, tag & 0xFFFF, None, stack, ())
    control, status, used = struct.unpack_from("<HHB", data)
    (mxcsr,) = struct.unpack_from("<I", data, 24)
    stack = tuple(data[32 + 16 * n : 42 + 16 * n] for n in range(8))
    top = status >> 11 & 7
    tag = 0
    for physical in range(8):
        held = stack[(physical - top) & 7]
        kind = _kind(held) if used >> physical & 1 else 3
        tag |= kind << 2 * physical
    xmm = tuple(data[160 + 16 * n : 176 + 16 * n] for n in range(8))
    return FpuState(control, status, tag, mxcsr, stack, xmm)


def _kind(value: bytes) -> int:
    """0 valid, 1 zero, 2 special: as FNSAVE's tags have it."""
    mantissa, exponent = struct.unpack("<QH", value)
    exponent &= 0x7FFF
    if exponent == 0 and mantissa == 0:
        return 1
    return 0 if 0 < exponent < 0x7FFF and mantissa >> 63 else 2


def extended(value: bytes) -> str:
    """An 80-bit number in decimal, to the 17 digits of a double."""
    mantissa, word = struct.unpack("<QH", value)
    sign, exponent = "-" if word >> 15 else "", word & 0x7FFF
    if exponent == 0x7FFF:
        return f"{sign}infinity" if not mantissa << 1 & (1 << 64) - 1 else f"{sign}NaN"
    power = (exponent or 1) - 16383 - 63
    try:
        number = float(mantissa * 2**power) if power >= 0 else mantissa / 2**-power
    except OverflowError:  # beyond a double
        return f"{sign}{mantissa} * 2^{power}"
    return f"{sign}{number:.17g}"


def _state(console: Console, text: str) -> FpuState | None:
    """Of the task that is looked at; None after saying that it has none."""
    no_arguments(text)
    view = console.debugger.view
    found = fpu_state(console.debugger, view)
    if found is None:
        console.write(f"pid {view.pid} ({view.comm}) has not used the FPU.")
        return None
    console.write(f"pid {view.pid} ({view.comm}), {found[1]}")
    return found[0]


def fpu(console: Console, text: str) -> None:
    """The x87 registers, from the top of the stack, and the words."""
    state = _state(console, text)
    if state is None:
        return
    for n, value in enumerate(state.stack):
        kind = _TAGS[state.tag >> 2 * ((state.top + n) & 7) & 3]
        number = "" if kind == "empty" else f"  {extended(value)}"
        console.write(f"st{n}  {value[::-1].hex()}  {kind}{number}")
    control, status = state.control, state.status
    masked = " ".join(name for bit, name in enumerate(_EXCEPTIONS) if control >> bit & 1)
    console.write(
        f"control {control:04x}  masked: {masked or 'none'}; rounds {_ROUNDING[control >> 10 & 3]}, "
        f"precision {_PRECISION[control >> 8 & 3]}"
    )
    raised = [name for bit, name in enumerate((*_EXCEPTIONS, "SF", "ES")) if status >> bit & 1]
    codes = "".join(str(status >> bit & 1) for bit in (14, 10, 9, 8))
    console.write(
        f"status  {status:04x}  raised: {' '.join(raised) or 'none'}; C3-C0 {codes}, TOP {state.top}"
    )
    console.write(f"tag     {state.tag:04x}")


def sse(console: Console, text: str) -> None:
    """XMM registers as words and as numbers, and MXCSR."""
    state = _state(console, text)
    if state is None:
        return
    if state.mxcsr is None:
        console.write(f"A {console.debugger.machine.cpu.model} has no SSE.")
        return
    for n, value in enumerate(state.xmm):
        words = " ".join(f"{word:08x}" for word in reversed(struct.unpack("<4I", value)))
        single = " ".join(f"{number:g}" for number in struct.unpack("<4f", value))
        double = " ".join(f"{number:g}" for number in struct.unpack("<2d", value))
        console.write(f"xmm{n}  {words}  ps: {single}  pd: {double}")
    mxcsr = state.mxcsr
    raised = " ".join(name for bit, name in enumerate(_EXCEPTIONS) if mxcsr >> bit & 1)
    masked = " ".join(name for bit, name in enumerate(_EXCEPTIONS) if mxcsr >> bit + 7 & 1)
    console.write(
        f"mxcsr {mxcsr:08x}  raised: {raised or 'none'}; masked: {masked or 'none'}; "
        f"rounds {_ROUNDING[mxcsr >> 13 & 3]}"
    )


# -- TLB and PIC -----------------------------------------------------------------------------------


def tlb(console: Console, text: str) -> None:
    """What the timing model's TLB holds: 8 sets of 4 entries, as an i486 has them."""
    no_arguments(text)
    debugger = console.debugger
    machine = debugger.machine
    console.write(f"flushed {machine.tlb_flushes} times, CR3 {machine.cpu.cr3:#010x}")
    timing = machine.cpu.timing
    saved = timing.save() if timing is not None else {}
    if "tlb_tags" not in saved or machine.clock.profile != "i486":
        console.write("Only the timing profile i486 has a TLB whose entries can be listed.")
        return
    name = debugger.name(debugger.session.current)
    rows: list[tuple[str, ...]] = [("SET", "PAGE", "FRAME", "", "WHAT")]
    entries = zip(saved["tlb_tags"], saved["tlb_frames"], saved["tlb_dirty"], strict=True)
    for index, (tag, frame, dirty) in enumerate(entries):
        if tag:
            page = (tag - 1) << 12
            what = name(page) or ("kernel" if page >= 0xC0000000 else "")
            written = "written" if dirty else ""
            rows.append((str(index // 4), f"{page:#010x}", f"{frame >> 12:#x}", written, what))
    console.lines(table(rows) if len(rows) > 1 else ["It is empty."])


def pic(console: Console, text: str) -> None:
    """The 8259A: its lines, their vectors, what is masked, requested and in service."""
    no_arguments(text)
    debugger = console.debugger
    controller, timer = debugger.machine.pic, debugger.machine.timer
    console.write(f"8259A at ports {COMMAND:#x} and {DATA:#x}, vectors from {controller.base:#x}")
    for line in range(8):
        words = [
            word
            for word, bits in (
                ("masked", controller.mask),
                ("requested", controller.requested),
                ("in service", controller.in_service),
            )
            if bits >> line & 1
        ]
        what = _LINES.get(line, "")
        state = ", ".join(words) or "enabled"
        console.write(f"line {line}  vector {controller.base + line:#x}  {state}  {what}".rstrip())
    if timer.period:
        console.write(f"timer: every {timer.period} cycles, {timer.ticks} ticks so far")
    handler = debugger.images.kernel.labels.get("irq0")
    if handler is not None:
        console.write(f"line 0 is handled at {address_text(handler, 'irq0')}")


def l1(console: Console, text: str) -> None:
    """Which lines the timing model's cache holds: 128 sets of 4, 16 bytes each, as an i486 has them."""
    no_arguments(text)
    debugger = console.debugger
    timing = debugger.machine.cpu.timing
    saved = timing.save() if timing is not None else {}
    if "l1_tags" not in saved or debugger.machine.clock.profile != "i486":
        console.write("Only the timing profile i486 has a cache whose lines can be listed.")
        return
    lines = [tag - 1 for tag in saved["l1_tags"] if tag]
    console.write(f"{len(lines)} of {len(saved['l1_tags'])} lines of 16 bytes are taken")
    by_frame: dict[int, list[int]] = {}
    for line in sorted(lines):
        by_frame.setdefault(line >> 8, []).append(line & 0xFF)
    rows: list[tuple[str, ...]] = [("FRAME", "LINES", "OFFSETS", "WHAT")]
    for frame, held in by_frame.items():
        role = frame_role(debugger.kernel, frame) or _mapped_at(debugger, frame)
        rows.append((f"{frame:#x}", str(len(held)), _runs(held), role))
    console.lines(table(rows) if rows[1:] else ["It is empty."])


def _runs(lines: list[int]) -> str:
    """Neighbouring lines of a frame as ranges of offsets in bytes."""
    runs: list[list[int]] = []
    for line in lines:
        if runs and runs[-1][1] == line:
            runs[-1][1] = line + 1
        else:
            runs.append([line, line + 1])
    shown = ", ".join(f"{first * 16:#x}-{last * 16:#x}" for first, last in runs[:3])
    return shown + (f" and {len(runs) - 3} more" if len(runs) > 3 else "")


def _mapped_at(debugger: Debugger, frame: int) -> str:
    found = next(mappers(debugger.kernel, frame), None)
    return (
        f"pid {found.pids[0]} at {found.linear:#010x}" if found is not None and found.pids else ""
    )


def devices(console: Console, text: str) -> None:
    """Every device: its ports, when it acts next, and what a snapshot keeps of it."""
    no_arguments(text)
    machine = console.debugger.machine
    for device in machine.devices:
        ports = ", ".join(f"{port:#x}" for port in device.ports)
        due = device.deadline()
        when = (
            f"acts next in {max(due - machine.clock.cycles, 0)} cycles" if due is not None else ""
        )
        console.write(f"{device.name:8} ports {ports}  {when}".rstrip())
        for name, value in device.save().items():
            console.write(f"  {name.strip('_'):16} {value}")


def registers(console: Console, text: str) -> bool:
    """Whether a register was meant, and then it has been shown; a number is a pid."""
    if not text or text.isdigit():
        return False
    if len(text.split()) != 1:
        raise DebugError(f'"{text[:40]}" is neither a register nor a pid')
    one_register(console, text)
    return True
