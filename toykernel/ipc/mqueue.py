"""POSIX message queues (ipc/mqueue.c): queues with names, each an inode, whose messages have priorities."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.errno import EACCES, EMFILE, ENOSPC, Errno
from toykernel.fs.anon_inodes import noop_llseek
from toykernel.fs.attr import current_time, touch_mtime
from toykernel.fs.dcache import Dentry, d_drop
from toykernel.fs.file import File
from toykernel.fs.inode import S_IFDIR, S_IFREG, S_ISVTX, Inode, drop_nlink
from toykernel.fs.libfs import SIMPLE_DIR, SPECIAL, simple_lookup, simple_unlink
from toykernel.fs.operations import (
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
    FileOperations,
    InodeOperations,
    SuperOperations,
    clear_inode,
)
from toykernel.fs.super import SuperBlock
from toykernel.ipc.msg import MsgMsg
from toykernel.kernel.cred import CAP_SYS_RESOURCE, capable, free_uid
from toykernel.kernel.kill import user_info
from toykernel.kernel.pid import pid_nr_ns, pid_vnr, task_active_pid_ns
from toykernel.kernel.siginfo import SI_MESGQ
from toykernel.kernel.signal import send_signal
from toykernel.kernel.signal_types import RLIMIT_MSGQUEUE
from toykernel.kernel.wait import WaitQueue, wake_up

if TYPE_CHECKING:
    from toykernel.kernel.cred import UserStruct
    from toykernel.state import Kernel
    from toykernel.task import Task

DFLT_QUEUESMAX, DFLT_MSGMAX, DFLT_MSG, DFLT_MSGSIZEMAX, DFLT_MSGSIZE = 256, 10, 10, 8192, 8192
HARD_MSGMAX, HARD_MSGSIZEMAX = 65536, 16 << 20
SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD = 0, 1, 2
#: What a queue costs besides its messages: struct msg_msg for each, and a node for each priority.
_MSG_SIZE, _NODE_SIZE, MQ_PRIO_MAX = 24, 24, 32768


@dataclass(eq=False)
class ExtWait:
    """struct ext_wait_queue: a sleeper, and what it was given or wants to send."""

    task: Task
    msg: MsgMsg | None = None
    done: bool = False


@dataclass(eq=False)
class MqueueInfo:
    """struct mqueue_inode_info: the messages by priority (`type` of each), and who waits.

    `notify_owner` is the leader of the group that is told of a message in an empty queue.
    """

    slab: int
    user: UserStruct
    maxmsg: int
    msgsize: int
    wait: WaitQueue
    messages: list[MsgMsg] = field(default_factory=list)  # in the order in which they are received
    qsize: int = 0
    senders: list[ExtWait] = field(default_factory=list)
    receivers: list[ExtWait] = field(default_factory=list)
    notify_owner: Task | None = None
    notify: int = 0
    notify_signo: int = 0
    notify_value: int = 0

    @property
    def bytes(self) -> int:
        """What it counts for its user (RLIMIT_MSGQUEUE)."""
        tree = self.maxmsg * _MSG_SIZE + min(self.maxmsg, MQ_PRIO_MAX) * _NODE_SIZE
        return tree + self.maxmsg * self.msgsize


@dataclass(eq=False)
class MqIds:
    """The queues of one namespace, which are the names in a file system of its own, and its limits."""

    root: Dentry | None = None  # until there is a queue, or it is mounted
    queues_max: int = DFLT_QUEUESMAX
    msg_max: int = DFLT_MSGMAX
    msgsize_max: int = DFLT_MSGSIZEMAX

    @property
    def queues(self) -> dict[str, Dentry]:
        """By name."""
        return {} if self.root is None else self.root.children


def mqueue_root(k: Kernel, ids: MqIds) -> Dentry:
    """The directory of a namespace's queues, which is everybody's, and sticky."""
    if ids.root is None:
        numbers = k.files.fs.pipefs.numbers
        sb = SuperBlock(k.files.fs.new_dev(), "mqueue", MQUEUE_SUPER, numbers)
        mode = S_IFDIR | S_ISVTX | 0o777
        inode = Inode(sb.next_ino(), mode, sb, MQUEUE_DIR, SIMPLE_DIR, nlink=2, private=ids)
        inode.atime = inode.mtime = inode.ctime = current_time(k)
        ids.root = Dentry("/", inode)
    return ids.root


def mqueue_info(inode: Inode) -> MqueueInfo | None:
    """The queue behind an inode; None for another file."""
    return inode.private if isinstance(inode.private, MqueueInfo) else None


def mqueue_create(k: Kernel, ids: MqIds, mode: int, maxmsg: int, msgsize: int) -> Inode:
    """A queue without a name yet. Raises Errno: ENOSPC, EMFILE beyond RLIMIT_MSGQUEUE, ENOMEM."""
    if len(ids.queues) >= ids.queues_max and not capable(k, CAP_SYS_RESOURCE):
        raise Errno(ENOSPC)
    cred = k.current.cred
    info = MqueueInfo(0, cred.user, maxmsg, msgsize, WaitQueue("mqueue"))
    limit = k.current.signal.rlim[RLIMIT_MSGQUEUE][0]
    if cred.user.mq_bytes + info.bytes > limit:
        raise Errno(EMFILE)
    info.slab = k.memory.slabs.mqueue.alloc(k)
    sb = mqueue_root(k, ids).inode.i_sb
    cred.user.mq_bytes += info.bytes
    cred.user.count += 1
    ino = sb.next_ino()
    return Inode(ino, S_IFREG | mode, sb, SPECIAL, MQUEUE, cred.fsuid, cred.fsgid, private=info)


def default_size(ids: MqIds) -> tuple[int, int]:
    """How many messages a queue holds, and of how many bytes, when nobody says it."""
    return min(ids.msg_max, DFLT_MSG), min(ids.msgsize_max, DFLT_MSGSIZE)


def mqueue_new_file(k: Kernel, parent: Inode, name: str, mode: int) -> Inode:
    """A queue that is made by open with O_CREAT. Raises Errno(EACCES) when the namespace is gone, and as
    mqueue_create.
    """
    if not isinstance(parent.private, MqIds):
        raise Errno(EACCES)
    inode = mqueue_create(k, parent.private, mode & 0o7777, *default_size(parent.private))
    inode.atime = inode.mtime = inode.ctime = current_time(k)
    touch_mtime(k, parent)
    return inode


def mqueue_evict_inode(k: Kernel, inode: Inode) -> None:
    """The last name and the last open are gone: so are the messages."""
    info = mqueue_info(inode)
    assert info is not None
    for msg in info.messages:
        k.memory.slabs.msg_msg.free(k, msg.slab)
    info.messages.clear()
    info.user.mq_bytes -= info.bytes
    k.memory.slabs.mqueue.free(k, info.slab)
    free_uid(k, info.user)
    inode.private = None
    clear_inode(k, inode)


def free_all_mqueues(k: Kernel, ids: MqIds) -> None:
    """The namespace is gone, and the names in it unless they are mounted; who has a queue open keeps it."""
    if ids.root is not None:
        ids.root.inode.private = None
        if not ids.root.inode.i_sb.s_active:
            mqueue_kill_sb(k, ids.root)


def mqueue_kill_sb(k: Kernel, root: Dentry) -> None:
    """The last mount has gone: so have the names, but for those of a namespace that there is."""
    while not root.is_root:
        root = root.parent
    if root.inode.private is None:
        for dentry in list(root.children.values()):
            d_drop(dentry)
            drop_nlink(k, dentry.inode)


def insert(info: MqueueInfo, msg: MsgMsg) -> None:
    """Behind those of the same or a higher priority."""
    at = next((i for i, one in enumerate(info.messages) if one.type < msg.type), None)
    info.messages.insert(len(info.messages) if at is None else at, msg)
    info.qsize += len(msg.text)


def take(info: MqueueInfo) -> MsgMsg:
    """The first of the highest priority."""
    msg = info.messages.pop(0)
    info.qsize -= len(msg.text)
    return msg


def wq_add(waiters: list[ExtWait], ewp: ExtWait) -> None:
    """Who waits is served by priority, and then in the order in which they came."""
    prio = ewp.task.se.prio
    at = next((i for i, one in enumerate(waiters) if one.task.se.prio > prio), len(waiters))
    waiters.insert(at, ewp)


def pipelined_send(k: Kernel, info: MqueueInfo, msg: MsgMsg) -> bool:
    """Give a message to the first who waits for one; False when nobody does."""
    if not info.receivers:
        return False
    ewp = info.receivers.pop(0)
    ewp.msg, ewp.done = msg, True
    k.try_to_wake_up(ewp.task)
    return True


def pipelined_receive(k: Kernel, info: MqueueInfo) -> None:
    """There is room: the first sender's message goes in; else who polls for room is told."""
    if not info.senders:
        wake_up(k, info.wait, key=POLLOUT | POLLWRNORM)
        return
    ewp = info.senders.pop(0)
    assert ewp.msg is not None
    insert(info, ewp.msg)
    ewp.msg, ewp.done = None, True
    k.try_to_wake_up(ewp.task)


def do_notify(k: Kernel, info: MqueueInfo) -> None:
    """A message has come into an empty queue, and nobody waits for it: the owner is told, once."""
    if info.notify_owner is not None and len(info.messages) == 1:
        owner = info.notify_owner
        if info.notify == SIGEV_SIGNAL and info.notify_signo:
            sender = user_info(k, SI_MESGQ) | {"si_value": info.notify_value}
            sender["si_pid"] = pid_nr_ns(
                k.current.group_leader.pid_struct, task_active_pid_ns(owner)
            )
            send_signal(k, owner, info.notify_signo, sender, group=True)
        info.notify_owner = None
    wake_up(k, info.wait, key=POLLIN | POLLRDNORM)


# -- as a file -------------------------------------------------------------------------------------


def mqueue_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """What the queue holds and who is told, as a line of text."""
    info = mqueue_info(file.inode)
    assert info is not None
    owner = pid_vnr(k, info.notify_owner.pid) if info.notify_owner is not None else 0
    notify = info.notify if info.notify_owner is not None else 0
    signo = info.notify_signo if owner and notify == SIGEV_SIGNAL else 0
    text = f"QSIZE:{info.qsize:<10d} NOTIFY:{notify:<5d} SIGNO:{signo:<5d} NOTIFY_PID:{owner:<6d}\n"
    data = text.encode()[file.pos : file.pos + count]
    copy_to_user(k, buf, data)
    file.pos += len(data)
    return len(data)


def mqueue_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """POLLIN with a message, POLLOUT with room for one."""
    info = mqueue_info(file.inode)
    assert info is not None
    pt.append(info.wait)
    mask = POLLIN | POLLRDNORM if info.messages else 0
    return mask | POLLOUT | POLLWRNORM if len(info.messages) < info.maxmsg else mask


def mqueue_flush(k: Kernel, file: File) -> None:
    """A descriptor is closed: whoever closes one is not told of messages any more."""
    info = mqueue_info(file.inode)
    if info is not None and info.notify_owner is k.current.group_leader:
        info.notify_owner = None


MQUEUE = FileOperations(
    "toykernel.ipc.mqueue:MQUEUE",
    read=mqueue_read,
    llseek=noop_llseek,
    poll=mqueue_poll,
    flush=mqueue_flush,
)
MQUEUE_DIR = InodeOperations(
    "toykernel.ipc.mqueue:MQUEUE_DIR",
    lookup=simple_lookup,
    create=mqueue_new_file,
    unlink=simple_unlink,
)
MQUEUE_SUPER = SuperOperations(
    "toykernel.ipc.mqueue:MQUEUE_SUPER", evict_inode=mqueue_evict_inode, kill_sb=mqueue_kill_sb
)
