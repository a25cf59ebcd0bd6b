"""Every open file of a kernel, whoever holds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from toykernel.look.spaces import address_spaces
from toykernel.net.af_unix import UnixSock

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel


def _holders(k: Kernel) -> Iterator[File]:
    for task in k.processes.tasks:
        for files in (task.files, task.bprm.files if task.bprm is not None else None):
            if files is not None:
                yield from files.fd.values()
        if task.wait is not None:
            yield from task.wait.holds
    for mm in address_spaces(k):
        for req in (req for ctx in mm.ioctx for req in ctx.active):
            yield req.file
            if req.eventfd is not None:
                yield req.eventfd
    for sock in k.files.unix.sockets if k.files.unix is not None else ():
        for skb in sock.queue:
            yield from skb.files


def open_files(k: Kernel) -> list[File]:
    """Each once: in tables of descriptors, held by a sleeping call or by a request of asynchronous I/O,
    on their way in a message of a socket."""
    return list(dict.fromkeys(_holders(k)))


def sockets(k: Kernel) -> list[UnixSock]:
    """Every socket, in the order in which they were made."""
    return list(k.files.unix.sockets) if k.files.unix is not None else []
