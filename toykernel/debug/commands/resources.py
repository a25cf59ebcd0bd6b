"""`info` about what a task has: open files, and signals."""

from __future__ import annotations

from toykernel.debug.commands.command import Console
from toykernel.debug.errors import DebugError
from toykernel.debug.format import address_text, table
from toykernel.kernel.siginfo import signal_name
from toykernel.kernel.signal_types import SIG_DFL, SIG_IGN, SigAction

_ACCESS = ("read", "write", "read, write", "")
#: include/asm-generic/fcntl.h
_FLAGS = ((0o2000, "append"), (0o4000, "nonblock"))
#: include/asm/signal.h
_SA = (
    *((0x1, "NOCLDSTOP"), (0x2, "NOCLDWAIT"), (0x4, "SIGINFO"), (0x08000000, "ONSTACK")),
    *((0x10000000, "RESTART"), (0x40000000, "NODEFER"), (0x80000000, "RESETHAND")),
)
SIGNALS = 64


def files(console: Console, text: str) -> None:
    """Descriptors: what they lead to, where they stand, who else has the same open file."""
    view = console.task(text)
    opened = view.task.files
    if opened is None:
        console.write(f"pid {view.pid} ({view.comm}) has no files.")
        return
    sharing = "" if opened.count == 1 else f", a table that {opened.count} tasks share"
    console.write(f"files of pid {view.pid} ({view.comm}){sharing}")
    rows: list[tuple[str, ...]] = [("FD", "ACCESS", "POS", "REFS", "EXEC", "PATH")]
    for number, file in sorted(opened.fd.items()):
        access = ", ".join(
            [_ACCESS[file.flags & 3], *(word for bit, word in _FLAGS if file.flags & bit)]
        )
        closes = "closes" if number in opened.close_on_exec else "keeps"
        rows.append((str(number), access, str(file.pos), str(file.count), closes, file.path))
    console.lines(table(rows) if len(rows) > 1 else ["none is open"])


def signals(console: Console, text: str) -> None:
    """Handlers that are not the default, and what is pending and blocked."""
    view = console.task(text)
    task = view.task
    name = console.debugger.name(view)
    console.write(f"signals of pid {view.pid} ({view.comm})")
    rows: list[tuple[str, ...]] = [("SIGNAL", "", "HANDLER", "FLAGS", "BLOCKS MEANWHILE")]
    for number in range(1, SIGNALS + 1):
        action = task.sighand.action.get(number, SigAction())
        if action.handler == SIG_DFL:
            continue
        handler = address_text(action.handler, name(action.handler))
        if action.handler == SIG_IGN:
            handler = "ignored"
        flags = " ".join(word for bit, word in _SA if action.flags & bit)
        rows.append((signal_name(number), str(number), handler, flags, names(action.mask)))
    console.lines(table(rows) if len(rows) > 1 else ["every signal has its default action"])
    console.write(f"blocked: {names(task.blocked) or 'none'}")
    pending = " ".join(signal_name(number) for number in sorted(task.pending))
    group = " ".join(signal_name(number) for number in sorted(task.signal.shared_pending))
    console.write(f"pending: {pending or 'none'}; for the whole group: {group or 'none'}")
    if task.sas_ss_size:
        console.write(f"alternate stack: {task.sas_ss_size} bytes at {task.sas_ss_sp:#010x}")


def names(mask: int) -> str:
    """A set of signals, bit 0 being signal 1."""
    found = [number for number in range(1, SIGNALS + 1) if mask >> number - 1 & 1]
    if len(found) > SIGNALS // 2:
        missing = [signal_name(n) for n in range(1, SIGNALS + 1) if n not in found]
        return "all" + (f" but {' '.join(missing)}" if missing else "")
    return " ".join(signal_name(number) for number in found)


def symbol(console: Console, text: str) -> None:
    """The label at or before an address, and in which program."""
    if not text:
        raise DebugError("info symbol needs an address")
    debugger = console.debugger
    address = debugger.evaluate(text)
    task = debugger.view.task
    image = debugger.images.of_address(task, address)
    found = debugger.images.symbol_at(task, address)
    if image is None or found is None:
        console.write(f"No symbol of pid {debugger.view.pid} is at {address:#010x}.")
        return
    label, _, offset = found.partition("+")
    console.write(f"{label}{f' + {offset}' if offset else ''} of {image.name}")
