"""/proc/PID/net (fs/proc/proc_net.c): what there is of a task's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.fs.proc.node import ProcFile
from toykernel.net.af_unix import SOCK_STREAM, unix_table

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

_HEAD = (
    "protocol  size sockets  memory press maxhdr  slab module     "
    "cl co di ac io in de sh ss gs se re bi br ha uh gp em\n"
)


def protocols(k: Kernel, task: Task) -> str:
    """The protocols, and how many sockets of the task's network each has (proto_seq_show)."""
    size = k.memory.slabs.unix_sock.size
    kinds = [
        sock.type == SOCK_STREAM
        for sock in unix_table(k).sockets
        if sock.net is task.nsproxy.net_ns
    ]
    rows = (("UNIX-STREAM", sum(kinds)), ("UNIX", len(kinds) - sum(kinds)))
    calls = "  ".join("y" + "n" * 17)
    return _HEAD + "".join(
        f"{name:<9} {size:4} {count:6}  {-1:6}   {'NI':<3} {0:6}   {'yes':<3}  {'kernel':<10}  {calls}\n"
        for name, count in rows
    )


NET = {"protocols": ProcFile(0o444, protocols)}
