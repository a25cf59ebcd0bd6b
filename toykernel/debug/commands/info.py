"""`info`: what there is to see. Each subcommand is a row of one table."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from emu.eflags import EFLAGS_IF
from toykernel.debug.commands import kernel
from toykernel.debug.commands.back import events
from toykernel.debug.commands.breaks import place_text, terms
from toykernel.debug.commands.change import displays
from toykernel.debug.commands.command import Command, Console, count_of, no_arguments
from toykernel.debug.commands.processor import devices, fpu, l1, pic, registers, sse, tlb
from toykernel.debug.commands.resources import files, signals, symbol
from toykernel.debug.debugger import Debugger
from toykernel.debug.errors import DebugError
from toykernel.debug.format import (
    address_text,
    frame_lines,
    page_lines,
    source_text,
    table,
    task_rows,
    task_where,
    what_text,
)
from toykernel.debug.pages import mapped_ranges, page_info
from toykernel.debug.tables import gdt, idt, tss
from toykernel.look.entry_words import area_flags
from toykernel.look.register_words import cr0_text, eflags_text, selector_text
from toykernel.look.task import SEGMENTS
from toykernel.observe.task_tree import task_fields, task_tree, tree_text

GENERAL = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp")


@dataclass(frozen=True)
class Topic:
    """A subcommand of info: its name, its arguments, its summary, and the function that prints it."""

    name: str
    usage: str
    summary: str
    run: Callable[[Console, str], None]


def breakpoints(console: Console, text: str) -> None:
    no_arguments(text)
    points = list(console.debugger.stops.all.values())
    if not points:
        console.write("No breakpoints.")
        return
    rows: list[tuple[str, ...]] = [("NUM", "HITS", "", "WHAT")]
    for point in points:
        once = "once" if point.temporary else ""
        what = what_text(point) + place_text(point) + terms(point)
        rows.append((str(point.number), str(point.hits), once, what))
    lines = table(rows)
    console.write(lines[0])
    for line, point in zip(lines[1:], points, strict=True):
        console.lines([line, *(f"        {command}" for command in point.commands)])


def checkpoints(console: Console, text: str) -> None:
    """Places that `restart` goes to."""
    no_arguments(text)
    rows: list[tuple[str, ...]] = [("NUM", "CYCLE", "WHERE")]
    for number, point in console.traveller.checkpoints.items():
        rows.append((str(number), str(point.position.cycles), point.where))
    console.lines(table(rows) if rows[1:] else ["No checkpoints."])


def regs(console: Console, text: str) -> None:
    """The CPU's registers, or those that a task's trap has saved."""
    if registers(console, text):
        return
    view = console.task(text)
    debugger = console.debugger
    cpu = debugger.machine.cpu
    if view.is_current:
        values = view.cpu_regs
        console.write(f"CPU, running pid {view.pid} ({view.comm}) in ring {cpu.cpl}")
    else:
        values = debugger.saved_registers(view)
        console.write(f"pid {view.pid} ({view.comm}), user registers in its pt_regs")
    name = debugger.name(view)
    for pair in (GENERAL[:4], GENERAL[4:]):
        console.write("  ".join(f"{r} {values[r]:08x}" for r in pair))
    flags = values["eflags"]
    console.write(f"eip {address_text(values['eip'], name(values['eip']))}")
    console.write(f"eflags {flags:08x}  {eflags_text(flags)}")
    for segment in SEGMENTS:
        value = values[segment] & 0xFFFF
        console.write(f"{segment}  {value:04x}  {selector_text(value)}")
    if view.is_current:
        console.write(f"cr0 {cpu.cr0:08x}  {cr0_text(cpu.cr0)}")
        console.write(f"cr2 {cpu.cr2:08x}  cr3 {cpu.cr3:08x}  cr4 {cpu.cr4:08x}")
    else:
        thread = view.task.thread
        where = address_text(thread.ip, debugger.images.kernel.symbol_at(thread.ip))
        console.write(f"goes on in the kernel at {where}, esp {thread.sp:08x}")


def tasks(console: Console, text: str) -> None:
    """A line for each task; with --tree as the tree of parents."""
    if text == "--tree":
        console.lines(tree_text(task_tree(console.debugger.kernel)).splitlines())
        return
    no_arguments(text)
    console.lines(table(task_rows(console.debugger)))


def task(console: Console, text: str) -> None:
    view = console.task(text)
    debugger = console.debugger
    one = view.task
    console.write(f"pid {one.pid} ({one.comm}), parent {view.ppid}, state {view.state}")
    console.write(f"where: {task_where(debugger, view)}")
    children = ", ".join(str(child.pid) for child in one.children) or "none"
    console.write(f"children: {children}")
    console.write(
        f"kernel stack {one.stack:#010x}-{one.stack + 8192:#010x}, thread.sp0 {one.thread.sp0:#010x}"
    )
    if one.mm is not None:
        mm = one.mm
        console.write(
            f"address space {mm.ident}: page directory at physical {mm.pgd:#010x}, "
            f"{mm.nr_ptes} page tables, {mm.rss} pages present of {mm.total_vm}"
        )
    faults = ", ".join(f"{kind} {count}" for kind, count in one.stats.faults.items())
    console.write(f"faults since exec or fork: {faults}")
    console.lines(table(task_fields(debugger.kernel, one).items()))


def frame(console: Console, text: str) -> None:
    """The trap frames on a task's kernel stack, word by word."""
    console.lines(frame_lines(console.debugger, console.task(text)))


def tab(console: Console, text: str) -> None:
    """Page-table entries of an address; without one, everything that is mapped."""
    view = console.debugger.view
    if text:
        address = console.debugger.evaluate(text)
        console.lines(page_lines(view, page_info(view, address), with_frame=False))
        return
    if view.task.mm is None:
        console.write(f"pid {view.pid} ({view.comm}) has no user half.")
        return
    console.write(f"user pages of pid {view.pid}; page directory at {view.directory:#010x}")
    rows = [
        (f"{r.start:#010x}-{r.end:#010x}", f"{(r.end - r.start) >> 12} pages", r.letters)
        for r in mapped_ranges(view)
    ]
    console.lines(table(rows) or ["none is present"])


def page(console: Console, text: str) -> None:
    """Page-table entries of an address, the frame, its references and who else maps it."""
    if not text:
        raise DebugError("info page needs an address")
    view = console.debugger.view
    address = console.debugger.evaluate(text)
    console.lines(page_lines(view, page_info(view, address), with_frame=True))


def cow(console: Console, text: str) -> None:
    """The life of a frame, or of the page at an address of the task that is looked at."""
    if not text:
        raise DebugError("info cow needs an address, or a frame's number")
    debugger = console.debugger
    view, value = debugger.view, debugger.evaluate(text)
    journal = debugger.cow_journal
    info = page_info(view, value)
    if info.frame is None and value < debugger.kernel.memory.pages.frames:
        events, what = journal.life(value), f"frame {value:#x}"
    else:
        frame = info.frame
        events = journal.of_page(view.pid, value, frame)
        now = f"frame {frame:#x} now" if frame is not None else "not present now"
        what = f"{address_text(value, debugger.name(view)(value))} of pid {view.pid}, {now}"
    console.write(f"{what}:")
    console.lines([str(event) for event in events] or ["nothing has happened to it"])


def idt_(console: Console, text: str) -> None:
    """The present gates of the IDT, each with the symbol of its handler."""
    no_arguments(text)
    kernel = console.debugger.images.kernel
    rows: list[tuple[str, ...]] = [("VECTOR", "WHAT", "GATE", "DPL", "HANDLER")]
    for row in idt(console.debugger.kernel, kernel.symbol_at):
        handler = f"{row.selector:04x}:{address_text(row.offset, row.symbol)}"
        rows.append((f"{row.vector:#04x}", row.what, row.kind, str(row.dpl), handler))
    console.lines(table(rows))
    console.write("All other entries are not present.")


def gdt_(console: Console, text: str) -> None:
    """The entries of the GDT that are not empty."""
    no_arguments(text)
    rows: list[tuple[str, ...]] = [("SELECTOR", "", "TYPE", "DPL", "BASE", "LIMIT")]
    for row in gdt(console.debugger.kernel):
        s = row.segment
        rows.append(
            (f"{row.selector:#06x}", row.what, row.kind, str(s.dpl), f"{s.base:#010x}",
             f"{s.limit:#x}")
        )  # fmt: skip
    console.lines(table(rows))


def tss_(console: Console, text: str) -> None:
    """The task-state segment in RAM: where the CPU finds the kernel's stack."""
    no_arguments(text)
    debugger = console.debugger
    current = debugger.kernel.current
    for offset, name, value in tss(debugger.kernel):
        note = ""
        if name == "esp0" and value == current.thread.sp0:
            note = f"top of the kernel stack of pid {current.pid} ({current.comm})"
        elif name == "ss0":
            note = selector_text(value)
        elif name == "I/O map base" and value >= 104:
            note = "no bitmap: every port is refused in ring 3"
        elif not value:
            continue
        console.write(f"+{offset:#04x}  {name:12}  {value:#010x}  {note}".rstrip())


def vma(console: Console, text: str) -> None:
    """A line for each area of a task's address space."""
    view = console.task(text)
    if not view.areas:
        console.write(f"pid {view.pid} ({view.comm}) has no user half.")
        return
    rows: list[tuple[str, ...]] = [("START", "END", "PERM", "PAGES", "", "NAME")]
    for area in view.areas:
        pages = str((area.vm_end - area.vm_start) >> 12)
        start, end = f"{area.vm_start:#010x}", f"{area.vm_end:#010x}"
        rows.append((start, end, area.permissions(), pages, area_flags(area), area.name))
    console.lines(table(rows))


def symbols(console: Console, text: str) -> None:
    """Labels, by address; of those that match a pattern."""
    pattern = text if any(c in text for c in "*?[") else f"*{text}*"
    found = False
    for image in console.debugger.images.all():
        rows = sorted(
            (value, label) for label, value in image.labels.items() if fnmatchcase(label, pattern)
        )
        if rows:
            found = True
            console.write(f"{image.name}:")
            console.lines([f"  {value:#010x}  {label}" for value, label in rows])
    if not found:
        console.write(f"No label matches {text}.")


def line(console: Console, text: str) -> None:
    """The source line of a label or an address (*ADDR, too); the addresses of LINE or FILE:LINE."""
    debugger = console.debugger
    if re.fullmatch(r"(?:[^:*]+:)?[0-9]{1,9}", text):
        code = debugger.images.code(text)
        starts = ", ".join(
            address_text(address, code.image.symbol_at(address)) for address in code.addresses
        )
        console.write(f"{code.what} begins at {starts}")
        return
    text = text.removeprefix("*")
    address = debugger.where(text) if text else debugger.register("eip")
    task_ = debugger.view.task
    place = debugger.images.place_at(task_, address)
    where = address_text(address, debugger.images.symbol_at(task_, address))
    console.write(f"{where}  {source_text(place) if place else 'has no source line'}")


def log(console: Console, text: str) -> None:
    """What the kernel has logged."""
    lines = console.debugger.kernel.log
    shown = lines[-count_of(text) :] if text else lines
    console.lines([f"[{cycles:>12}] {message}" for cycles, message in shown] or ["Nothing."])


def time(console: Console, text: str) -> None:
    """Cycles, instructions, and the clock's ledger by rule."""
    no_arguments(text)
    debugger = console.debugger
    clock, k = debugger.machine.clock, debugger.kernel
    console.write(
        f"{clock.cycles} cycles, {clock.instructions} instructions, {k.time.jiffies} ticks"
    )
    for rule, cycles in clock.by_rule().items():
        console.write(f"  {rule:24} {cycles}")
    timer = debugger.machine.timer
    if timer.next is not None:
        enabled = "on" if debugger.machine.cpu.eflags & EFLAGS_IF else "off"
        left = timer.next - clock.cycles
        console.write(f"timer interrupt in {left} cycles; interrupts are {enabled}")


def locals_(console: Console, text: str) -> None:
    """Parameters and local variables of a function of C."""
    no_arguments(text)
    debugger = console.debugger
    found = debugger.callers.variables(debugger.view)
    if not found:
        raise DebugError("no local variables are known here: compiled code has them, with -g")
    for variable in found:
        if variable.address is not None:
            value = f"at {variable.address:#010x}"
            if 0 < variable.size <= 4:
                value += _read(debugger, variable.address, variable.size)
        elif variable.register is not None:
            word = debugger.register(variable.register) & (1 << 8 * (variable.size or 4)) - 1
            value = f"in ${variable.register} = {signed(word, variable.size or 4)}"
        elif variable.value is not None:
            value = f"= {variable.value} (a constant here)"
        else:
            value = "no place of its own here (optimised)"
        console.write(f"{variable.name:12} {value}")


def _read(debugger: Debugger, address: int, size: int) -> str:
    try:
        return f" = {int.from_bytes(debugger.read(address, size), 'little', signed=True)}"
    except DebugError:
        return ", where no memory is"


def signed(value: int, size: int) -> int:
    """A number of `size` bytes in two's complement."""
    return value - (1 << 8 * size) if value >> (8 * size - 1) & 1 else value


TOPICS = (
    Topic("breakpoints", "", "numbers, hits, places", breakpoints),
    Topic("checkpoints", "", "places in time that `restart' goes to", checkpoints),
    Topic("display", "", "what is shown at every stop", displays),
    Topic("regs", "[NAME|PID]", "registers, one of them, a task's saved ones", regs),
    Topic("eflags", "", "EFLAGS, flag by flag", kernel.eflags),
    Topic("fpu", "", "the present task's x87 registers and words", fpu),
    Topic("sse", "", "its XMM registers and MXCSR", sse),
    Topic("tasks", "[--tree]", "every task: state, place, what it waits for", tasks),
    Topic("task", "[PID]", "one task in full, and what it shares with whom", task),
    Topic("frame", "[PID]", "what the trap pushed, and pt_regs", frame),
    Topic("pt_regs", "[PID]", "the user's registers that the last trap has saved", kernel.pt_regs),
    Topic("stack", "[PID]", "the stack, word by word", kernel.stack),
    Topic(
        "thread_info", "[PID]", "what the entry code looks at: flags, end mark", kernel.thread_info
    ),
    Topic("tab", "[ADDR]", "page-table entries, bit by bit; or all mapped ranges", tab),
    Topic("page", "ADDR", "the same, the frame and who else maps it", page),
    Topic("cow", "ADDR|FRAME", "a page's or frame's life: shared, copied, freed", cow),
    Topic("idt", "", "interrupt descriptor table", idt_),
    Topic("gdt", "", "global descriptor table", gdt_),
    Topic("tss", "", "task-state segment", tss_),
    Topic("tlb", "", "what the i486's TLB holds, how often it was flushed", tlb),
    Topic("l1", "", "lines that the i486's cache holds, by frame", l1),
    Topic("pic", "", "the interrupt controller: lines, vectors, masks", pic),
    Topic("devices", "", "every device: ports, registers, when it acts next", devices),
    Topic("runqueue", "", "who may run, in the order of choice", kernel.runqueue),
    Topic("timers", "[PID]", "timers that are to fire; a process's own", kernel.timers),
    Topic("files", "[PID]", "open descriptors", files),
    Topic("signals", "[PID]", "handlers, blocked and pending signals", signals),
    Topic("mm", "[PID]", "the address space: bounds, counts", kernel.mm),
    Topic("sharing", "[PID]", "records and frames shared with others", kernel.sharing),
    Topic("vma", "[PID]", "areas of the address space", vma),
    Topic("symbols", "[PATTERN]", "labels of the program, the kernel and init", symbols),
    Topic("locals", "", "parameters and local variables of a C function", locals_),
    Topic("symbol", "ADDR", "the label at or before an address", symbol),
    Topic("line", "[WHERE]", "a place's source line; where [FILE:]LINE begins", line),
    Topic("events", "[KIND...] [N]", "what happened so far, numbered", events),
    Topic("log", "[N]", "the kernel's log", log),
    Topic("time", "", "cycles, instructions, what they were spent on", time),
)
_ALIASES = {
    "b": "breakpoints",
    "break": "breakpoints",
    "r": "regs",
    "registers": "regs",
    "t": "tasks",
}


def _find(word: str) -> Topic:
    word = _ALIASES.get(word, word)
    exact = [topic for topic in TOPICS if topic.name == word]
    matches = exact or [topic for topic in TOPICS if word and topic.name.startswith(word)]
    if len(matches) != 1:
        names = ", ".join(topic.name for topic in (matches or TOPICS))
        problem = f'info "{word[:40]}" is ambiguous' if matches else "info about what"
        raise DebugError(f"{problem}? One of: {names}")
    return matches[0]


def tell_topic(console: Console, word: str) -> None:
    """`help info TOPIC`. Raises DebugError."""
    topic = _find(word)
    console.write(f"info {topic.name} {topic.usage}".rstrip() + f": {topic.summary}")


def info(console: Console, text: str) -> None:
    word, _, rest = text.partition(" ")
    _find(word).run(console, rest.strip())


INFO = (
    Command(
        "info", "TOPIC", "show registers, tasks, frames, pages, tables, ...", info,
        "TOPIC: " + ", ".join(t.name for t in TOPICS) + ".\n\n"
        "`help info TOPIC' tells of one. [PID] is another task than the one that is looked at.", ("i",),
    ),
)  # fmt: skip
