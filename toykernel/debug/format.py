"""Views: the debugger's data as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from emu.microcode import EXTERNAL, SOFTWARE
from toykernel.arch.x86.asm_offsets import SYSCALL_VECTOR
from toykernel.debug.debugger import Debugger, Stopped
from toykernel.debug.looking import Location
from toykernel.debug.pages import PageInfo
from toykernel.harness.breakpoints import Breakpoint, ForkRecord, Hit
from toykernel.harness.points import TRAP, WatchRecord
from toykernel.look.entry_words import area_flags, entry_bits, entry_letters
from toykernel.look.image import Place
from toykernel.look.register_words import eflags_text, selector_text
from toykernel.look.task import TaskView
from toykernel.look.trap_words import page_fault_bits, selector_error_bits, trap_text, vector_text
from toykernel.observe.faultlog import FaultRecord
from toykernel.observe.trap_frames import FrameWord, TrapFrame
from toykernel.syscall_table import name_of

SEGMENT_NAMES = frozenset(("cs", "ss", "ds", "es", "fs", "gs"))
PAGE_FAULT = 14


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as they must be."""
    rows = [list(row) for row in rows]
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def address_text(address: int, symbol: str | None) -> str:
    """A linear address as `0x0804b000 <counter>`; without a symbol the number alone."""
    return f"{address:#010x}" + (f" <{symbol}>" if symbol else "")


def source_text(place: Place) -> str:
    """file:line and the line, and for a macro the line inside it."""
    text = f"{place.name}  {_squeezed(place.text)}"
    if place.inner is not None:
        text += f"    [{place.inner.name}: {_squeezed(place.inner.text)}]"
    return text


def _squeezed(text: str) -> str:
    code, hash_, comment = text.partition("#")
    return " ".join(code.split()) + (f"  # {comment.strip()}" if hash_ else "")


def location_lines(location: Location) -> list[str]:
    """Where the CPU is: task and ring with the source line, then the instruction."""
    lines = [f"pid {location.pid} ({location.comm}), ring {location.ring}"]
    if location.place is not None:
        lines[0] += f"  {source_text(location.place)}"
    where = address_text(location.eip, location.symbol)
    text = location.instruction.text if location.instruction else "(no code is mapped here)"
    return [*lines, f"=> {where}:\t{text}"]


def stop_lines(debugger: Debugger, stopped: Stopped) -> list[str]:
    """The lines that led to a stop, what was hit, and where the CPU is now."""
    lines = [f"  {line}" for line in stopped.lines]
    for hit in stopped.hits:
        lines += hit_lines(debugger, hit)
    match stopped.kind:
        case "interrupted":
            lines.append("Interrupted.")
        case "finished" | "deadlock":
            return [*lines, _sentence(stopped.detail)]
        case "oops":
            return [*lines, *stopped.detail.splitlines()]
        case "paused" | "limit":
            lines.append(_sentence(stopped.detail or stopped.kind))
    now = debugger.kernel.current.pid
    if stopped.switched_from is not None and not any(x.startswith("switch") for x in stopped.lines):
        lines.append(f"[switched from pid {stopped.switched_from} to pid {now}]")
    return lines + location_lines(debugger.location())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def hit_lines(debugger: Debugger, hit: Hit) -> list[str]:
    """The lines for a breakpoint that was reached; a fork or COW fault tells its record too."""
    point = hit.breakpoint
    kind = "Temporary breakpoint" if point.temporary else "Breakpoint"
    kind = "Watchpoint" if point.watch is not None else kind
    lines = [f"{kind} {point.number}, {what_text(point)}"]
    if isinstance(hit.record, ForkRecord):
        record = hit.record
        lines.append(
            f"  copy_process: parent {record.parent} ({record.comm}), child {record.child}; "
            f"{record.shared_frames} user frames are mapped by both"
        )
    elif point.kind == TRAP and debugger.journal.last_trap is not None:
        trap = debugger.journal.last_trap
        lines.append(f"  {trap_text(trap)}, eip {trap.eip:#010x}, ring {trap.cpl}")
    elif isinstance(hit.record, FaultRecord):
        lines += cow_lines(debugger, hit.record)
    elif isinstance(hit.record, WatchRecord):
        old, new = bytes_text(hit.record.old), bytes_text(hit.record.new)
        lines.append(f"  {old} -> {new}" if old != new else f"  {new}, as before")
    return lines


def bytes_text(data: bytes | None) -> str:
    """A value of memory: a number up to a word, else bytes."""
    if data is None:
        return "(not mapped)"
    if len(data) > 4:
        return data.hex(" ")
    return f"{int.from_bytes(data, 'little'):#0{2 * len(data) + 2}x}"


def what_text(point: Breakpoint) -> str:
    """What a breakpoint waits for, as `info breakpoints` says it."""
    return {
        "syscall": f"system call {point.what}".replace("system call any", "any"),
        "trap": f"trap {point.what}",
        "fork": "fork",
        "cow": "COW fault",
    }.get(point.kind, point.what)


def cow_lines(debugger: Debugger, record: FaultRecord) -> list[str]:
    """A COW fault that has been handled: who, where, which frames, how many references."""
    task = debugger.task(record.pid).task
    symbol = debugger.images.symbol_at(task, record.address)
    place = debugger.images.place_at(task, record.ip)
    who = f"pid {record.pid} ({record.comm})"
    lines = [f"  {who} wrote to {address_text(record.address, symbol)}"]
    if record.error_code is None:
        call = name_of(record.syscall) if record.syscall is not None else "a kernel function"
        lines[0] += f": the kernel did, in {call}"
    at = address_text(record.ip, debugger.images.symbol_at(task, record.ip))
    lines.append(f"  at {at}" + (f"  {source_text(place)}" if place else ""))
    old, new = record.old_frame or 0, record.new_frame or 0
    if record.kind == "cow_reused":
        lines.append(f"  reused frame {old:#x}: {_references(record.old_count)}, nobody else's")
    else:
        zero = " (the zero page)" if old == debugger.kernel.memory.zero_pfn else ""
        lines.append(
            f"  copied frame {old:#x}{zero} to frame {new:#x}: "
            f"{_references(record.old_count)} left to {old:#x}, "
            f"{_references(record.new_count)} to {new:#x}"
        )
    return lines


def _references(count: int) -> str:
    return f"{count} reference{'' if count == 1 else 's'}"


# -- frames --------------------------------------------------------------------------------------


def frame_title(frame: TrapFrame) -> str:
    """The heading of a trap frame: what trap it is of, and from which ring."""
    ring = "ring 3" if frame.from_user else "ring 0, so no ss and sp"
    if frame.vector is None:
        return f"frame {frame.origin or 'of a trap'}"
    kind = {SOFTWARE: "int ", EXTERNAL: "interrupt "}.get(frame.kind, "")
    return f"frame of {kind}{vector_text(frame.vector)} from {ring}"


def word_note(debugger: Debugger, view: TaskView, frame: TrapFrame, word: FrameWord) -> str:
    """What a word of a frame means: flags by name, an address by symbol, an error code in words."""
    value = word.value
    if value is None:
        return ""
    if word.name == "flags":
        return eflags_text(value)
    if word.name == "gs" and debugger.images.kernel.is_code(value):
        return f"{debugger.images.kernel.symbol_at(value)}: the handler, until gs takes its place"
    if word.name in SEGMENT_NAMES:
        return selector_text(value)
    if word.name == "orig_ax":
        return _orig_ax(frame, value, word.by_cpu)
    if word.name in ("ip", "sp"):
        symbol = debugger.images.symbol_at(view.task, value)
        place = debugger.images.place_at(view.task, value) if word.name == "ip" else None
        return (f"<{symbol}>" if symbol else "") + (f"  {source_text(place)}" if place else "")
    return ""


def _orig_ax(frame: TrapFrame, value: int, by_cpu: bool) -> str:
    if value == 0xFFFFFFFF:
        return "-1: not a system call"
    if frame.vector is None or frame.vector == SYSCALL_VECTOR:
        return f"system call {name_of(value)}"
    if by_cpu:
        bits = page_fault_bits if frame.vector == PAGE_FAULT else selector_error_bits
        return f"error code: {bits(value)}"
    if value > 0xFFFFFF00 - 1:
        return f"interrupt line {value - 0xFFFFFF00}"
    return "in place of an error code"


def frame_lines(debugger: Debugger, view: TaskView) -> list[str]:
    """The lines of `info frame`: each trap frame on the kernel stack, word by word."""
    stack, sp = view.task.stack, view.kernel_sp
    who = f"pid {view.pid} ({view.comm})"
    if sp is None:
        return [
            f"{who} is in user mode: no frame is on its kernel stack.",
            f"The next trap from here pushes it below {view.task.thread.sp0:#010x} (esp0 of the TSS).",
        ]
    lines = [f"{who}: kernel stack {stack:#010x} to {stack + 8192:#010x}, esp {sp:#010x}"]
    frames = debugger.frames.of(view)
    if not frames:
        return [*lines, "No trap's frame is on it."]
    for frame in frames:
        lines += ["", frame_title(frame)]
        rows = []
        for word in debugger.frames.words(view, frame):
            value = "(not on it)" if word.value is None else f"{word.value:#010x}"
            by = "CPU" if word.by_cpu and frame.vector is not None else ""
            if frame.vector is not None and not word.by_cpu:
                by = "entry.S"
            mark = "<-esp" if word.address == sp else ""
            note = word_note(debugger, view, frame, word)
            rows.append((f"{word.address:#010x}", word.name, value, by, mark, note))
        lines += table(rows)
    return lines


# -- memory --------------------------------------------------------------------------------------


def page_lines(view: TaskView, info: PageInfo, *, with_frame: bool) -> list[str]:
    """The lines of `info tab ADDR`; `with_frame` adds what `info page ADDR` has more."""
    walk = info.walk
    linear = walk.linear
    lines = [
        f"linear {linear:#010x} of pid {view.pid}: directory entry {linear >> 22}, "
        + (
            f"table entry {linear >> 12 & 0x3FF}, offset {linear & 0xFFF:#x}"
            if walk.pte_address is not None or walk.physical is None
            else f"offset {linear & 0x3FFFFF:#x}"
        )
    ]
    lines.append(
        f"PDE at physical {walk.pde_address:#010x}: {walk.pde:#010x}  "
        + ", ".join(entry_bits(walk.pde, table=walk.pte is not None or walk.physical is None))
    )
    if walk.pte_address is None or walk.pte is None:
        lines.append("a 4 MiB page" if walk.physical is not None else "no page table")
    else:
        lines.append(
            f"PTE at physical {walk.pte_address:#010x}: {walk.pte:#010x}  "
            + ", ".join(entry_bits(walk.pte, table=False))
        )
    if info.area is not None:
        area = info.area
        lines.append(
            f"area {area.vm_start:#010x}-{area.vm_end:#010x} {area.permissions()} "
            f"{area.name} ({area_flags(area)})"
        )
    elif linear < 0xC0000000:
        lines.append("no area: an access is SIGSEGV")
    if info.frame is None:
        return [*lines, "nothing is mapped here"]
    lines.append(f"frame {info.frame:#x}, physical {walk.physical or 0:#010x}")
    if with_frame:
        role = f"; {info.role}" if info.role else ""
        lines.append(f"{_references(info.count)} to the frame{role}")
        for mapper in info.mappers:
            pids = ", ".join(map(str, mapper.pids))
            lines.append(
                f"  mapped by pid {pids} at {mapper.linear:#010x}  {entry_letters(mapper.entry)}"
            )
        if info.next_write:
            lines.append(f"a write by the program {info.next_write}")
    return lines


def task_rows(debugger: Debugger) -> list[tuple[str, ...]]:
    """The rows of `info tasks`, the heading first;
    `*` marks the current task, `>` the selected one.
    """
    rows: list[tuple[str, ...]] = [("", "PID", "PPID", "S", "COMM", "WHERE")]
    for view in debugger.session.tasks:
        mark = "*" if view.is_current else ">" if view.pid == debugger.selected else ""
        rows.append(
            (mark, str(view.pid), str(view.ppid), view.state, view.comm, task_where(debugger, view))
        )
    return rows


def task_where(debugger: Debugger, view: TaskView) -> str:
    """Where a task is, in a few words."""
    if view.task.exit_state:
        return "dead, waits for its parent to look"
    eip = view.cpu_regs["eip"]
    if view.in_user_mode:
        return _at(debugger, view, eip)
    symbol = debugger.images.kernel.symbol_at(eip) or f"{eip:#010x}"
    where = f"kernel: {symbol}"
    if view.waits_on:
        where += f", sleeps in {view.waits_on}"
    if view.task.mm is not None and debugger.frames.of(view):
        where += f"; user: {_at(debugger, view, view.pt_regs['ip'])}"
    return where


def _at(debugger: Debugger, view: TaskView, address: int) -> str:
    place = debugger.images.place_at(view.task, address)
    symbol = debugger.images.symbol_at(view.task, address)
    return address_text(address, symbol) + (f" {place.name}" if place else "")


def source_window(lines: list[str], file: str, line: int, count: int) -> list[str]:
    """Source lines around one, which is marked."""
    first = max(1, line - count // 2)
    return [
        f"{'=>' if number == line else '  '} {number:4}  {text}"
        for number, text in enumerate(lines[first - 1 : first - 1 + count], first)
    ] or [f"{Path(file).name} has no line {line}"]
