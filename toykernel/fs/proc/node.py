"""What an inode of /proc stands for (include/linux/proc_fs.h), and what its files do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.uaccess import copy_from_user, copy_some_to_user
from toykernel.errno import EFAULT, EINVAL, ESRCH, Errno
from toykernel.fs.file import File
from toykernel.fs.inode import Inode

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

_LINE = 4096

ROOT_INO = 1


@dataclass(frozen=True)
class ProcNode:
    """A place in /proc: `path` below it, with `{pid}` and `{tid}` in place of numbers; the task that it is
    about, by its number everywhere and its birth, 0 where it is about none; and a number of its own, as
    a descriptor's.
    """

    path: str
    pid: int = 0
    born: int = 0
    number: int = 0


Text = Callable[["Kernel", "Task"], str | bytes]
Store = Callable[["Kernel", "Task", bytes], None]


@dataclass(frozen=True)
class ProcFile:
    """A file: what reading it tells, and what writing to it does, of the task that it is about."""

    mode: int
    text: Text
    store: Store | None = None


def node_of(inode: Inode) -> ProcNode:
    """The place that an inode of /proc stands for."""
    assert isinstance(inode.private, ProcNode)
    return inode.private


def find_task(k: Kernel, node: ProcNode) -> Task | None:
    """The task that a place is about, while it is the same one."""
    task = k.processes.pids.tasks.get(node.pid)
    return task if task is not None and task.start_time == node.born else None


def task_of(k: Kernel, inode: Inode) -> Task:
    """The task that a place is about; the current one where it is about none. Raises Errno(ESRCH)."""
    node = node_of(inode)
    if not node.pid:
        return k.current
    task = find_task(k, node)
    if task is None:
        raise Errno(ESRCH)
    return task


def seq_read(k: Kernel, file: File, buf: int, count: int, data: bytes) -> int:
    """Bytes of a text from the file's position on. Raises Errno(EFAULT)."""
    part = data[file.pos : file.pos + count]
    copied = copy_some_to_user(k, buf, part)
    if part and not copied:
        raise Errno(EFAULT)
    file.pos += copied
    return copied


def line_written(k: Kernel, buf: int, count: int) -> bytes:
    """What a program writes to a setting: at most a page. Raises Errno(EFAULT), Errno(EINVAL)."""
    if count > _LINE:
        raise Errno(EINVAL)
    return copy_from_user(k, buf, count)


def proc_llseek(k: Kernel, file: File, offset: int, whence: int) -> int:
    """From the start or from where it is. Raises Errno(EINVAL) for another place."""
    if whence not in (0, 1):
        raise Errno(EINVAL)
    at = offset + (file.pos if whence else 0)
    if at < 0:
        raise Errno(EINVAL)
    file.pos = at
    return at


def inode_number(node: ProcNode) -> int:
    """A number that is the same whenever the place is looked up: FNV-1a of what it stands for."""
    if not node.path:
        return ROOT_INO
    number = 0x811C9DC5
    for byte in f"{node.path} {node.pid} {node.born} {node.number}".encode():
        number = (number ^ byte) * 0x01000193 & 0xFFFFFFFF
    return number or ROOT_INO + 1
