"""System V message queues (ipc/msg.c)."""

from __future__ import annotations

import struct
from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user, put_user
from toykernel.errno import (
    E2BIG,
    EAGAIN,
    EIDRM,
    EINVAL,
    ENOMSG,
    EPERM,
    ERESTARTNOHAND,
    Errno,
)
from toykernel.ipc.sem import own_tgid
from toykernel.ipc.util import (
    IPC_64,
    IPC_INFO,
    IPC_NOWAIT,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    S_IRUGO,
    S_IWUGO,
    IpcIds,
    KernIpcPerm,
    check_owner,
    find,
    find_index,
    highest_index,
    ident_taken,
    ipcget,
    ipcperms,
    new_ident,
    new_perm,
    pack_perm,
    read_perm,
    seconds,
    set_perm,
)
from toykernel.kernel.cred import CAP_SYS_RESOURCE, capable
from toykernel.kernel.signal import was_interrupted
from toykernel.kernel.wait import Result, Wait
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

MSGMNI, MSGMAX, MSGMNB = 32000, 8192, 16384
MSG_STAT, MSG_INFO, MSG_STAT_ANY = 11, 12, 13
MSG_NOERROR, MSG_EXCEPT, MSG_COPY = 0o10000, 0o20000, 0o40000


@dataclass(eq=False)
class MsgMsg:
    """struct msg_msg: a message on its way."""

    slab: int
    type: int
    text: bytes


@dataclass(eq=False)
class MsgReceiver:
    """struct msg_receiver: what a sleeper waits for, and what it was given: a message, or an error."""

    task: Task
    type: int
    flags: int
    size: int
    got: MsgMsg | None = None
    error: int = 0


@dataclass(eq=False)
class MsgSender:
    """struct msg_sender: who waits for room, or hears that the queue is gone."""

    task: Task
    removed: bool = False


@dataclass(eq=False)
class MsgQueue(KernIpcPerm):
    """struct msg_queue; times in seconds, sizes in bytes."""

    qbytes: int = MSGMNB
    stime: int = 0
    rtime: int = 0
    ctime: int = 0
    lspid: int = 0
    lrpid: int = 0
    cbytes: int = 0
    messages: list[MsgMsg] = field(default_factory=list)
    receivers: list[MsgReceiver] = field(default_factory=list)
    senders: list[MsgSender] = field(default_factory=list)


@dataclass(eq=False)
class MsgIds(IpcIds):
    """The queues of one namespace, by identifier, and its limits."""

    queues: dict[int, MsgQueue] = field(default_factory=dict)
    ctlmax: int = MSGMAX
    ctlmnb: int = MSGMNB
    ctlmni: int = MSGMNI


def _ids(k: Kernel) -> MsgIds:
    return k.current.nsproxy.ipc_ns.msg_ids


@syscall(399, "key:int msgflg:hex")
def sys_msgget(k: Kernel, key: int, msgflg: int) -> int:
    """msgget: the identifier of a key's queue. ENOENT, EEXIST, EACCES, ENOSPC, ENOMEM."""
    ids = _ids(k)

    def new() -> int:
        ident = new_ident(ids, ids.queues, ids.ctlmni)
        slab = k.memory.slabs.msg_queue.alloc(k)
        ident_taken(ids)
        perm = new_perm(k, slab, ident, key, msgflg)
        ids.queues[ident] = MsgQueue(*perm, qbytes=ids.ctlmnb, ctime=seconds(k))
        return ident

    return ipcget(k, ids.queues, key, msgflg, new, lambda _: None)


def freeque(k: Kernel, ids: MsgIds, msq: MsgQueue) -> None:
    """Remove a queue with what is in it; whoever sleeps on it gets EIDRM."""
    del ids.queues[msq.ident]
    for receiver in list(msq.receivers):
        receiver.error = EIDRM
        _serve(k, msq, receiver)
    for sender in msq.senders:
        sender.removed = True
        k.try_to_wake_up(sender.task)
    for msg in msq.messages:
        k.memory.slabs.msg_msg.free(k, msg.slab)
    k.memory.slabs.msg_queue.free(k, msq.slab)


def free_all_msgs(k: Kernel, ids: MsgIds) -> None:
    """The namespace is gone, and so are its queues."""
    for msq in list(ids.queues.values()):
        freeque(k, ids, msq)


def _serve(k: Kernel, msq: MsgQueue, receiver: MsgReceiver) -> None:
    msq.receivers.remove(receiver)
    k.try_to_wake_up(receiver.task)


# -- sending ---------------------------------------------------------------------------------------


@syscall(400, "msqid:int msgp:address msgsz:int msgflg:hex")
def sys_msgsnd(k: Kernel, msqid: int, msgp: int, msgsz: int, msgflg: int) -> Result:
    """msgsnd: put a message into a queue, waiting for room. EINVAL, EACCES, EAGAIN, EIDRM, EINTR, EFAULT."""
    mtype = get_user(k, msgp)
    mtype = mtype - (1 << 32) if mtype >> 31 else mtype
    ids = _ids(k)
    if not 0 <= msgsz <= ids.ctlmax or msqid < 0 or mtype < 1:
        raise Errno(EINVAL)
    text = copy_from_user(k, msgp + 4, msgsz)
    msq = find(ids.queues, msqid)
    ipcperms(k, msq, S_IWUGO)
    return _send(k, msq, mtype, text, msgflg)


def _fits(msq: MsgQueue, size: int) -> bool:
    return size + msq.cbytes <= msq.qbytes and 1 + len(msq.messages) <= msq.qbytes


def _send(k: Kernel, msq: MsgQueue, mtype: int, text: bytes, msgflg: int) -> Result:
    if not _fits(msq, len(text)):
        if msgflg & IPC_NOWAIT:
            raise Errno(EAGAIN)
        sender = MsgSender(k.current)
        msq.senders.append(sender)
        return _sleep_to_send(msq, sender, mtype, text, msgflg)
    msg = MsgMsg(k.memory.slabs.msg_msg.alloc(k), mtype, text)
    msq.lspid, msq.stime = own_tgid(k.current), seconds(k)
    if not _pipelined_send(k, msq, msg):
        msq.messages.append(msg)
        msq.cbytes += len(text)
    return 0


def _sleep_to_send(
    msq: MsgQueue, sender: MsgSender, mtype: int, text: bytes, msgflg: int
) -> Result:
    args = (msq, sender, mtype, text, msgflg)
    return Wait((), send_woken, args, f"msgsnd to the full queue {msq.ident}")


def send_woken(
    k: Kernel, msq: MsgQueue, sender: MsgSender, mtype: int, text: bytes, msgflg: int
) -> Result:
    """A sleeping sender goes on: the queue is gone, there may be room, or a signal came."""
    if sender.removed:
        raise Errno(EIDRM)
    msq.senders.remove(sender)
    ipcperms(k, msq, S_IWUGO)
    if _fits(msq, len(text)) or not was_interrupted(k):
        return _send(k, msq, mtype, text, msgflg)
    raise Errno(ERESTARTNOHAND)


def _pipelined_send(k: Kernel, msq: MsgQueue, msg: MsgMsg) -> bool:
    """Give a message to the first sleeper that wants it; one whose buffer is too small gets E2BIG."""
    for receiver in list(msq.receivers):
        if not _matches(msg, receiver.type, receiver.flags):
            continue
        if receiver.size < len(msg.text) and not receiver.flags & MSG_NOERROR:
            receiver.error = E2BIG
            _serve(k, msq, receiver)
            continue
        receiver.got = msg
        msq.lrpid, msq.rtime = own_tgid(receiver.task), seconds(k)
        _serve(k, msq, receiver)
        return True
    return False


# -- receiving -------------------------------------------------------------------------------------


def _matches(msg: MsgMsg, mtype: int, flags: int) -> bool:
    if mtype == 0:
        return True
    if mtype < 0:
        return msg.type <= -mtype
    return (msg.type == mtype) != bool(flags & MSG_EXCEPT)


def _find_msg(msq: MsgQueue, mtype: int, flags: int) -> MsgMsg | None:
    """The first that is wanted; with a negative type the first of the lowest."""
    wanted = [msg for msg in msq.messages if _matches(msg, mtype, flags)]
    if mtype < 0 and wanted:
        return min(wanted, key=lambda msg: msg.type)
    return wanted[0] if wanted else None


@syscall(401, "msqid:int msgp:address msgsz:int msgtyp:int msgflg:hex")
def sys_msgrcv(k: Kernel, msqid: int, msgp: int, msgsz: int, msgtyp: int, msgflg: int) -> Result:
    """msgrcv: take a message out of a queue, waiting for one; its size. EINVAL, EACCES, ENOMSG, E2BIG,
    EIDRM, EINTR, EFAULT.
    """
    if msqid < 0 or msgsz < 0:
        raise Errno(EINVAL)
    if msgflg & MSG_COPY and (msgflg & MSG_EXCEPT or not msgflg & IPC_NOWAIT):
        raise Errno(EINVAL)
    msq = find(_ids(k).queues, msqid)
    ipcperms(k, msq, S_IRUGO)
    if msgflg & MSG_COPY:
        if not 0 <= msgtyp < len(msq.messages):
            raise Errno(ENOMSG)
        copied = msq.messages[msgtyp]
        if msgsz < len(copied.text) and msgflg & MSG_NOERROR:  # a copy is never a part
            raise Errno(EINVAL)
        return _store(k, copied, msgp, msgsz, msgflg)
    msg = _find_msg(msq, msgtyp, msgflg)
    if msg is not None:
        if msgsz < len(msg.text) and not msgflg & MSG_NOERROR:
            raise Errno(E2BIG)
        msq.messages.remove(msg)
        msq.cbytes -= len(msg.text)
        msq.lrpid, msq.rtime = own_tgid(k.current), seconds(k)
        for sender in msq.senders:
            k.try_to_wake_up(sender.task)
        return _deliver(k, msg, msgp, msgsz, msgflg)
    if msgflg & IPC_NOWAIT:
        raise Errno(ENOMSG)
    receiver = MsgReceiver(k.current, msgtyp, msgflg, msgsz)
    msq.receivers.append(receiver)
    return _sleep_to_receive(msq, receiver, msgp)


def _sleep_to_receive(msq: MsgQueue, receiver: MsgReceiver, msgp: int) -> Result:
    reason = f"msgrcv from queue {msq.ident}"
    return Wait((), receive_woken, (msq, receiver, msgp), reason)


def receive_woken(k: Kernel, msq: MsgQueue, receiver: MsgReceiver, msgp: int) -> Result:
    """A sleeping receiver goes on: with a message, an error, or because of a signal."""
    if receiver.got is not None:
        return _deliver(k, receiver.got, msgp, receiver.size, receiver.flags)
    if receiver.error:
        raise Errno(receiver.error)
    msq.receivers.remove(receiver)
    if was_interrupted(k):
        raise Errno(ERESTARTNOHAND)
    ipcperms(k, msq, S_IRUGO)
    msq.receivers.append(receiver)
    return _sleep_to_receive(msq, receiver, msgp)


def _deliver(k: Kernel, msg: MsgMsg, msgp: int, msgsz: int, msgflg: int) -> int:
    k.memory.slabs.msg_msg.free(k, msg.slab)
    return _store(k, msg, msgp, msgsz, msgflg)


def _store(k: Kernel, msg: MsgMsg, msgp: int, msgsz: int, msgflg: int) -> int:
    if msgsz < len(msg.text) and not msgflg & MSG_NOERROR:
        raise Errno(E2BIG)
    text = msg.text[:msgsz]
    put_user(k, msg.type, msgp)
    copy_to_user(k, msgp + 4, text)
    return len(text)


# -- control ---------------------------------------------------------------------------------------


@syscall(402, "msqid:int cmd:int buf:address")
def sys_msgctl(k: Kernel, msqid: int, cmd: int, buf: int) -> int:
    """msgctl: look at a queue, change or remove it. EINVAL, EACCES, EPERM, EFAULT."""
    cmd &= ~IPC_64
    ids = _ids(k)
    if msqid < 0 or cmd < 0:
        raise Errno(EINVAL)
    if cmd in (IPC_INFO, MSG_INFO):
        return _info(k, ids, cmd, buf)
    if cmd in (IPC_STAT, MSG_STAT, MSG_STAT_ANY):
        by_index = cmd != IPC_STAT
        msq = find_index(ids.queues, msqid) if by_index else find(ids.queues, msqid)
        if cmd != MSG_STAT_ANY:
            ipcperms(k, msq, S_IRUGO)
        copy_to_user(k, buf, _msqid64_ds(msq))
        return msq.ident if by_index else 0
    if cmd == IPC_SET:
        values = read_perm(k, buf)
        qbytes = get_user(k, buf + 68)
        msq = find(ids.queues, msqid)
        check_owner(k, msq)
        if qbytes > ids.ctlmnb and not capable(k, CAP_SYS_RESOURCE):
            raise Errno(EPERM)
        set_perm(msq, values)
        msq.qbytes, msq.ctime = qbytes, seconds(k)
        sleepers = [one.task for one in msq.receivers] + [one.task for one in msq.senders]
        for task in sleepers:  # there may be room, or rights no more
            k.try_to_wake_up(task)
        return 0
    if cmd == IPC_RMID:
        msq = find(ids.queues, msqid)
        check_owner(k, msq)
        freeque(k, ids, msq)
        return 0
    raise Errno(EINVAL)


def _info(k: Kernel, ids: MsgIds, cmd: int, buf: int) -> int:
    pool, maps, tql = MSGMNI * MSGMNB // 1024, MSGMNB, MSGMNB
    if cmd == MSG_INFO:
        pool = len(ids.queues)
        maps = sum(len(msq.messages) for msq in ids.queues.values())
        tql = sum(msq.cbytes for msq in ids.queues.values())
    limits = (ids.ctlmax, ids.ctlmnb, ids.ctlmni)
    data = struct.pack("<7iHxx", pool, maps, *limits, 16, tql, 0xFFFF)
    copy_to_user(k, buf, data)
    return highest_index(ids.queues)


def _msqid64_ds(msq: MsgQueue) -> bytes:
    times = (msq.stime, 0, msq.rtime, 0, msq.ctime, 0)
    figures = (msq.cbytes, len(msq.messages), msq.qbytes, msq.lspid, msq.lrpid, 0, 0)
    return pack_perm(msq) + struct.pack("<13I", *times, *figures)
