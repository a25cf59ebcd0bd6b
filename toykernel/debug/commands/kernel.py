"""`info` about the kernel's records of a task, of time and of who shares what."""

from __future__ import annotations

from collections.abc import Iterator

from toykernel.arch.x86 import asm_offsets
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, STACK_END_MAGIC, THREAD_SIZE, TI_SIZE
from toykernel.debug.commands.command import Console, no_arguments
from toykernel.debug.errors import DebugError
from toykernel.debug.format import table
from toykernel.explain.codes import eflags as eflags_words
from toykernel.kernel.itimer import ITIMER_REAL, ItimerReal
from toykernel.kernel.sched.entity import POLICY_NAMES
from toykernel.kernel.siginfo import signal_name
from toykernel.kernel.timekeeping import ktime_get, ns_to_cycles
from toykernel.look.register_words import eflags_text
from toykernel.look.task import TaskView, frame_words
from toykernel.observe.task_tree import SHARED_PARTS, shared_with

_TI = {
    value: name.removeprefix("TI_")
    for name, value in vars(asm_offsets).items()
    if name.startswith("TI_") and name != "TI_SIZE"
}
_TIF = {
    value: name
    for name, value in vars(asm_offsets).items()
    if name.startswith("TIF_") and isinstance(value, int)
}
#: Words of a user stack that are shown.
_WORDS = 16
_ITIMERS = ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF")


def eflags(console: Console, text: str) -> None:
    """EFLAGS, flag by flag."""
    no_arguments(text)
    console.lines(eflags_words(console.debugger.register("eflags")))


def pt_regs(console: Console, text: str) -> None:
    """struct pt_regs of a task's last trap from user mode."""
    view = _with_user_half(console, text)
    here = "" if view.has_frame else ", of a trap that is over"
    console.write(f"pt_regs of pid {view.pid} ({view.comm}){here}")
    name = console.debugger.name(view)
    rows = []
    for address, word, value in frame_words(view):
        note = eflags_text(value) if word == "flags" else name(value) if value > 0xFFFF else ""
        rows.append((f"{address:#010x}", word, f"{value:#010x}", note or ""))
    console.lines(table(rows))


def _with_user_half(console: Console, text: str) -> TaskView:
    view = console.task(text)
    if view.task.mm is None:
        raise DebugError(f"pid {view.pid} ({view.comm}) has no user half")
    return view


def thread_info(console: Console, text: str) -> None:
    """struct thread_info, at the base of a task's kernel stack."""
    view = console.task(text)
    base = view.task.stack
    words = view.kernel.machine.ram.words(base - PAGE_OFFSET, TI_SIZE // 4 + 1)
    console.write(f"thread_info of pid {view.pid} ({view.comm}), at {base:#010x}")
    rows = []
    for offset, name in _TI.items():
        value, note = words[offset // 4], ""
        if name == "flags":
            note = " ".join(flag for bit, flag in _TIF.items() if value >> bit & 1) or "none"
        rows.append((f"+{offset}", name, f"{value:#010x}", note))
    magic = words[TI_SIZE // 4]
    state = "STACK_END_MAGIC" if magic == STACK_END_MAGIC else "overwritten: the stack ran over"
    rows.append((f"+{TI_SIZE}", "", f"{magic:#010x}", state))
    console.lines(table(rows))


def stack(console: Console, text: str) -> None:
    """In the kernel all words of the kernel stack; in user mode the first ones of the user's."""
    view = console.task(text)
    low = view.kernel_sp
    if low is None or not view.task.stack <= low < view.task.stack + THREAD_SIZE:
        _user_stack(console, view)
        return
    top = view.task.stack + THREAD_SIZE
    names = {at: word for at, word, _ in frame_words(view)} if view.has_frame else {}
    console.write(
        f"kernel stack of pid {view.pid} ({view.comm}), from esp {low:#010x} to {top:#010x}"
    )
    words = view.kernel.machine.ram.words(low - PAGE_OFFSET, (top - low) // 4)
    rows = []
    for index, value in enumerate(words):
        at = low + 4 * index
        symbol = console.debugger.images.kernel.symbol_at(value) if _is_text(console, value) else ""
        rows.append((f"{at:#010x}", f"{value:#010x}", names.get(at, ""), symbol or ""))
    console.lines(table(rows))


def _is_text(console: Console, value: int) -> bool:
    return console.debugger.images.kernel.is_code(value)


def _user_stack(console: Console, view: TaskView) -> None:
    if view.task.mm is None:
        raise DebugError(f"pid {view.pid} ({view.comm}) has no user half")
    esp = view.regs["esp"]
    console.write(f"user stack of pid {view.pid} ({view.comm}), from esp {esp:#010x}")
    data = view.read_upto(esp, 4 * _WORDS)
    name = console.debugger.name(view)
    rows = []
    for at in range(0, len(data) - 3, 4):
        value = int.from_bytes(data[at : at + 4], "little")
        symbol = name(value) if value > 0xFFFF else ""
        rows.append((f"{esp + at:#010x}", f"{value:#010x}", symbol or ""))
    console.lines(table(rows) or ["nothing is mapped there"])


def runqueue(console: Console, text: str) -> None:
    """Who may run, class by class, in the order in which they would be chosen."""
    no_arguments(text)
    k = console.debugger.kernel
    rq = k.sched.rq
    console.write(f"{rq.nr_running} may run; the CPU runs pid {k.current.pid} ({k.current.comm})")
    rows: list[tuple[str, ...]] = [("PID", "NAME", "CLASS", "POLICY", "PRIO", "NICE", "KEY")]
    queued = [(task, "rt", "") for queue in rq.rt.queues.values() for task in queue]
    queued += [(task, "fair", f"vruntime {task.se.vruntime}") for task in rq.cfs.timeline.tasks]
    queued += [(task, "2.4", f"counter {task.se.counter}") for task in rq.list24]
    for task, kind, key in queued:
        se = task.se
        policy = POLICY_NAMES.get(se.policy, str(se.policy))
        rows.append(
            (str(task.pid), task.comm, kind, policy, str(se.prio), str(se.nice), key)
        )  # fmt: skip
    console.lines(table(rows) if rows[1:] else ["nobody waits for it"])
    if rq.cfs.curr is not None:
        se = rq.cfs.curr.se
        console.write(f"running: vruntime {se.vruntime}, min_vruntime {rq.cfs.min_vruntime}")
    if rq.rt.throttled:
        console.write("real-time tasks have used up their time of this period")


def timers(console: Console, text: str) -> None:
    """Every timer that is to fire; a task's interval and POSIX timers."""
    k = console.debugger.kernel
    now = ktime_get(k)
    if not text:
        console.write(f"CLOCK_MONOTONIC {now} ns, tick {k.time.jiffies} of {k.time.hz} a second")
        rows: list[tuple[str, ...]] = [("EXPIRES", "IN CYCLES", "FUNCTION")]
        for (expires, _), timer in k.time.timers.items():
            left = max(ns_to_cycles(k, expires) - k.machine.clock.cycles, 0)
            rows.append((f"{expires} ns", str(left), timer.function.__name__))
        console.lines(table(rows) if rows[1:] else ["no timer is running"])
        return
    view = console.task(text)
    console.lines(list(_of_process(view)) or [f"pid {view.pid} ({view.comm}) has no timers"])


def _of_process(view: TaskView) -> Iterator[str]:
    signal = view.task.signal
    for which, timer in sorted(signal.itimers.items()):
        if isinstance(timer, ItimerReal):
            expires = timer.timer.expires if timer.timer.active else 0
        else:
            expires = timer.expires
        clock = "CLOCK_MONOTONIC" if which == ITIMER_REAL else "the group's CPU time"
        state = f"expires at {expires} ns of {clock}" if expires else "off"
        yield f"{_ITIMERS[which]}: {state}, interval {timer.interval} ns"
    for ident, posix in sorted(signal.posix_timers.items()):
        state = f"expires at {posix.timer.expires} ns" if posix.timer.active else "off"
        yield (
            f"timer {ident}: clock {posix.clock}, {state}, interval {posix.interval} ns, "
            f"{signal_name(posix.sig)} to pid {posix.target.pid}, overrun {posix.overrun}"
        )


def mm(console: Console, text: str) -> None:
    """struct mm_struct: the address space as a whole."""
    view = _with_user_half(console, text)
    one = view.task.mm
    assert one is not None
    console.write(f"mm {one.ident} of pid {view.pid} ({view.comm}), mm_users {one.mm_users}")
    console.lines(
        table(
            [
                ("pgd", f"{one.pgd:#010x} (physical), {one.nr_ptes} page tables"),
                ("code", f"{one.start_code:#010x}-{one.end_code:#010x}"),
                ("data", f"{one.start_data:#010x}-{one.end_data:#010x}"),
                ("brk", f"{one.start_brk:#010x}-{one.brk:#010x}"),
                ("mmap_base", f"{one.mmap_base:#010x}"),
                ("start_stack", f"{one.start_stack:#010x}"),
                ("arguments", f"{one.arg_start:#010x}-{one.arg_end:#010x}"),
                ("environment", f"{one.env_start:#010x}-{one.env_end:#010x}"),
                ("pages", f"{one.rss} present of {one.total_vm}, {one.locked_vm} locked"),
                ("areas", f"{len(one.areas)}; `info vma' lists them"),
            ]
        )
    )


def sharing(console: Console, text: str) -> None:
    """Which records tasks have in common, and the frames of the user half that others map, too."""
    view = console.task(text)
    k = view.kernel
    rows: list[tuple[str, ...]] = [("PART", "SHARED WITH")]
    parts = shared_with(k, view.task).items()
    for (name, others), (_, attribute) in zip(parts, SHARED_PARTS, strict=True):
        if getattr(view.task, attribute) is not None:
            pids = ", ".join(f"pid {pid}" for pid in others)
            rows.append((name, pids or "nobody"))
    console.write(f"pid {view.pid} ({view.comm})")
    console.lines(table(rows))
    if view.task.mm is not None:
        counts = [
            k.memory.pages.page_count(walk.physical >> 12)
            for walk in view.page_table()
            if walk.physical is not None
        ]
        alone = sum(count == 1 for count in counts)
        console.write(
            f"{len(counts)} pages: {alone} frames are its own, {len(counts) - alone} have more references"
        )
