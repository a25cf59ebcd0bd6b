"""/proc/PID/mounts and mountinfo (fs/proc_namespace.c): tables that tell by poll when they have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.fs.operations import (
    POLLERR,
    POLLIN,
    POLLPRI,
    POLLRDNORM,
    FileOperations,
)
from toykernel.fs.proc import task_files
from toykernel.fs.proc.node import node_of, proc_llseek, seq_read, task_of

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.kernel.nsproxy import MntNamespace
    from toykernel.kernel.wait import WaitQueue
    from toykernel.state import Kernel

MOUNT_TABLES = ("mounts", "mountinfo")


@dataclass(eq=False)
class ProcMounts:
    """struct proc_mounts: whose mounts an open table shows, its text since it was read from the start, and
    the change of the namespace that its poll told of last."""

    ns: MntNamespace
    event: int
    text: bytes = b""


def mounts_open(k: Kernel, file: File) -> None:
    """The namespace is that of the task then. Raises Errno(ESRCH) for one that is gone."""
    ns = task_of(k, file.inode).nsproxy.mnt_ns
    file.private = ProcMounts(ns, ns.event)


def mounts_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """As any text of /proc."""
    table: ProcMounts = file.private
    if not file.pos or not table.text:
        mountinfo = node_of(file.inode).path.endswith("mountinfo")
        show = task_files.mountinfo if mountinfo else task_files.mounts
        table.text = show(k, task_of(k, file.inode)).encode(errors="surrogateescape")
    return seq_read(k, file, buf, count, table.text)


def mounts_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """Always to be read; POLLERR and POLLPRI, once, after something was mounted or unmounted."""
    table: ProcMounts = file.private
    pt.append(table.ns.poll)
    if table.event == table.ns.event:
        return POLLIN | POLLRDNORM
    table.event = table.ns.event
    return POLLIN | POLLRDNORM | POLLERR | POLLPRI


MOUNTS = FileOperations(
    "toykernel.fs.proc.mounts:MOUNTS",
    read=mounts_read,
    llseek=proc_llseek,
    open=mounts_open,
    poll=mounts_poll,
)
