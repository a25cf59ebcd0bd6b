"""/proc/sysvipc (ipc/msg.c, sem.c, shm.c): the objects of the reader's namespace, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.kernel.pid import pid_vnr

if TYPE_CHECKING:
    from toykernel.ipc.util import KernIpcPerm
    from toykernel.state import Kernel
    from toykernel.task import Task


def _owners(perm: KernIpcPerm) -> str:
    return f"{perm.uid:5} {perm.gid:5} {perm.cuid:5} {perm.cgid:5}"


def msg(k: Kernel, task: Task) -> str:
    """Message queues: bytes and messages in each, who sent and received last."""
    head = "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid"
    lines = [f"{head}      stime      rtime      ctime\n"]
    for q in k.current.nsproxy.ipc_ns.msg_ids.queues.values():
        pids = f"{pid_vnr(k, q.lspid):5} {pid_vnr(k, q.lrpid):5}"
        lines.append(
            f"{q.key:10} {q.ident:10}  {q.mode:4o}  {q.cbytes:10} {len(q.messages):10} {pids} "
            f"{_owners(q)} {q.stime:10} {q.rtime:10} {q.ctime:10}\n"
        )
    return "".join(lines)


def sem(k: Kernel, task: Task) -> str:
    """Sets of semaphores."""
    head = "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n"
    lines = [head]
    for s in k.current.nsproxy.ipc_ns.sem_ids.sets.values():
        lines.append(
            f"{s.key:10} {s.ident:10}  {s.mode:4o} {len(s.values):10} {_owners(s)} "
            f"{s.otime:10} {s.ctime:10}\n"
        )
    return "".join(lines)


def shm(k: Kernel, task: Task) -> str:
    """Segments of shared memory: sizes in bytes, how often each is attached."""
    head = "       key      shmid perms       size  cpid  lpid nattch   uid   gid  cuid  cgid"
    lines = [f"{head}      atime      dtime      ctime        rss       swap\n"]
    for s in k.current.nsproxy.ipc_ns.shm_ids.segments.values():
        pids = f"{pid_vnr(k, s.cpid):5} {pid_vnr(k, s.lpid):5}"
        lines.append(
            f"{s.key:10} {s.ident:10}  {s.mode:4o} {s.segsz:10} {pids}  {s.nattch:5} {_owners(s)} "
            f"{s.atime:10} {s.dtime:10} {s.ctime:10} {len(s.mapping.pages) << 12:10} {0:10}\n"
        )
    return "".join(lines)
