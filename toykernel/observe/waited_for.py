"""For whom a sleeping task waits, where the kernel's own records say it: semaphores, pipes, children."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.fs.pipe_fs_i import Pipe
from toykernel.ipc.sem import SemArray, SemQueue

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel
    from toykernel.task import Task


def waited_for(k: Kernel, task: Task) -> str:
    """Who could wake a task that sleeps for ever, in words; empty where nobody is known."""
    wait = task.wait
    if wait is None:
        return ""
    if len(wait.args) > 1 and isinstance(wait.args[0], SemArray):
        return _semaphore(k, wait.args[0], wait.args[1])
    if wait.holds and isinstance(wait.holds[0].inode.private, Pipe):
        return _other_end(k, task, wait.holds[0])
    children = task.signal.wait_chldexit
    if children is not None and any(queue is children for queue in wait.queues):
        return _list("children", [c for t in task.signal.threads for c in t.children])
    return ""


def _semaphore(k: Kernel, sma: SemArray, queue: SemQueue) -> str:
    """Who was at the semaphores last that its operations would bring below zero."""
    last = {
        sma.pids[number]: None
        for number, change, _ in queue.sops
        if change < 0 and sma.values[number] + change < 0
    }
    found = [task for task in k.processes.tasks if task.is_group_leader and task.pid in last]
    return _list("changed last by", found)


def _other_end(k: Kernel, task: Task, file: File) -> str:
    """Who has the other end of a pipe open; the sleeper itself, too: that is why no end of file comes."""
    writers = file.readable
    found = [
        one
        for one in k.processes.tasks
        if one.is_group_leader
        and one.files is not None
        and any(
            other.inode is file.inode and (other.writable if writers else other.readable)
            for other in one.files.fd.values()
        )
    ]
    end = "writing" if writers else "reading"
    if found == [task]:
        return f"the end for {end} is open in itself alone"
    return _list(f"the end for {end} is open in", found)


def _list(what: str, tasks: list[Task]) -> str:
    return f"{what} {' and '.join(f'{t.pid} ({t.comm})' for t in tasks)}" if tasks else ""
