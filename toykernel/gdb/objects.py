"""qXfer: what gdb reads in pieces: the description, threads, the auxiliary vector and others."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from toykernel.arch.x86.i387 import has_fxsr
from toykernel.gdb.errors import RemoteError, no_task
from toykernel.gdb.libraries import libraries_xml
from toykernel.gdb.target_xml import target_xml
from toykernel.kernel.siginfo import SIGTRAP, TRAP_BRKPT, pack_siginfo
from toykernel.look.auxv import auxv
from toykernel.look.paths import path_of
from toykernel.look.task import TaskView

if TYPE_CHECKING:
    from toykernel.gdb.target import Target
    from toykernel.task import Task

#: The objects that qSupported names.
READABLE = (
    *("features", "exec-file", "auxv", "threads", "memory-map", "siginfo", "libraries-svr4"),
)
_MEMORY_MAP = (
    '<?xml version="1.0"?><!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" '
    '"http://sourceware.org/gdb/gdb-memory-map.dtd"><memory-map>'
    '<memory type="ram" start="0x0" length="0x100000000"/></memory-map>'
)


def read_object(target: Target, name: str, annex: str, multiprocess: bool) -> bytes | None:
    """A whole object that is no thread's; None for others. Raises RemoteError."""
    match name:
        case "features":
            if annex != "target.xml":
                raise RemoteError
            return target_xml(has_fxsr(target.k)).encode()
        case "threads":
            return threads_xml(target, multiprocess).encode()
        case "memory-map":
            return _MEMORY_MAP.encode()
    return None


def read_task_object(target: Target, task: Task, name: str, annex: str) -> bytes:
    """The whole object, as the selected thread has it. Raises RemoteError; LookupError for no such one."""
    match name:
        case "exec-file":
            return exec_file(target, int(annex, 16) if annex else task.tgid)
        case "auxv":
            found = auxv(TaskView(target.k, task))
            if not found:
                raise RemoteError
            return found
        case "siginfo":
            return siginfo(target, task)
        case "libraries-svr4":
            return libraries_xml(TaskView(target.k, task)).encode()
    raise LookupError(name)


def threads_xml(target: Target, multiprocess: bool) -> str:
    """Every thread, with its name and what it does."""
    rows = []
    for task in target.processes.tasks():
        ident = f"p{task.tgid:x}.{task.pid:x}" if multiprocess else f"{task.pid:x}"
        about = quoteattr(thread_text(target, task))
        rows.append(
            f'<thread id="{ident}" core="0" name={quoteattr(task.comm)}>{about[1:-1]}</thread>'
        )
    for tgid in sorted(target.processes.unborn if multiprocess else ()):
        rows.append(f'<thread id="p{tgid:x}.{tgid:x}" core="0">not born yet</thread>')
    return '<?xml version="1.0"?><threads>' + "".join(rows) + "</threads>"


def thread_text(target: Target, task: Task) -> str:
    """For `info threads`: running, or asleep on what."""
    if task is target.k.current:
        return "running"
    return task.wait.reason if task.wait is not None else f"state {task.state_letter}"


def exec_file(target: Target, tgid: int) -> bytes:
    """Absolute path of what a process executes. Raises RemoteError(ESRCH)."""
    for task in target.processes.tasks():
        if task.tgid == tgid and task.mm is not None:
            inode = target.k.memory.exe_files.get(task.mm.ident)
            path = path_of(target.k, inode) if inode is not None else ""
            return (path or f"/{task.comm}").encode(errors="surrogateescape")
    raise no_task()


def siginfo(target: Target, task: Task) -> bytes:
    """Of the signal that a thread stands in front of, or of the trap of a breakpoint."""
    sig = target.resumer.standing.get(task.pid)
    if sig is None:
        return pack_siginfo({"si_signo": SIGTRAP, "si_code": TRAP_BRKPT})
    for queue in (task.pending, task.signal.shared_pending):
        if sig in queue:
            return pack_siginfo(queue[sig][0])
    raise RemoteError
