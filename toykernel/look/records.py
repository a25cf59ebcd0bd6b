"""Every slab object that a record of the kernel stands for: what the caches are checked against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from toykernel.fs.dnotify import DnotifyGroup
from toykernel.fs.eventfd import EventfdCtx
from toykernel.fs.eventpoll import EventPoll
from toykernel.fs.fs_context import FsContext
from toykernel.fs.inotify import InotifyGroup
from toykernel.fs.mount import all_mounts, mount_root
from toykernel.fs.mount_calls import DETACHED
from toykernel.fs.nsfs import NsCommon
from toykernel.fs.pipe_fs_i import Pipe
from toykernel.fs.signalfd import SignalfdCtx
from toykernel.fs.timerfd import TimerfdCtx
from toykernel.ipc.mqueue import ExtWait, MqueueInfo
from toykernel.ipc.msg import MsgMsg, MsgReceiver
from toykernel.kernel.cred import UserNamespace
from toykernel.kernel.landlock import LandlockRuleset
from toykernel.kernel.nsproxy import IpcNamespace, MntNamespace, UtsNamespace, mount_roots
from toykernel.kernel.pid import PidNamespace
from toykernel.kernel.seccomp_filter import SeccompFilter
from toykernel.look.spaces import address_spaces
from toykernel.mm.userfaultfd import UserfaultfdCtx
from toykernel.net.af_unix import UnixSock
from toykernel.net.net_namespace import NetNamespace
from toykernel.tty.termios import TtyStruct

if TYPE_CHECKING:
    from toykernel.fs.file import File, FilesStruct
    from toykernel.fs.inode import Inode
    from toykernel.kernel.nsproxy import Nsproxy
    from toykernel.state import Kernel
    from toykernel.task import Task

Record = tuple[str, int]  # cache, address


def _of_task(k: Kernel, task: Task) -> Iterator[Record]:
    yield "task_struct", task.slab
    yield "signal_struct", task.signal.slab
    yield "sighand_struct", task.sighand.slab
    yield "cred", task.cred.slab
    for layer in task.cred.landlock.layers if task.cred.landlock is not None else ():
        yield "landlock_ruleset", layer.slab
    yield "user_struct", task.cred.user.slab
    yield from _of_users(task.cred.user.ns)
    yield "fpu", task.thread.fpu
    judge = task.seccomp_filter
    while judge is not None:
        yield "seccomp_filter", judge.slab
        judge = judge.prev
    if task.files is not None:
        yield from _of_files(task.files)
    if task.fs is not None:
        yield "fs_struct", task.fs.slab
    if task.io_context is not None:
        yield "io_context", task.io_context.slab
    if task.undo_list is not None:
        yield "sem_undo_list", task.undo_list.slab
    for file in task.wait.holds if task.wait is not None else ():
        yield from _of_file(file)
    for arg in task.wait.args if task.wait is not None else ():
        match arg:  # a message that has been handed over, or is to be sent
            case ExtWait(msg=MsgMsg(slab=slab)) | MsgReceiver(got=MsgMsg(slab=slab)):
                yield "msg_msg", slab
    if task.bprm is not None:
        yield "cred", task.bprm.cred.slab
        if task.bprm.files is not None:
            yield from _of_files(task.bprm.files)
        if task.bprm.sighand is not None:
            yield "sighand_struct", task.bprm.sighand.slab
    if not task.exit_state:
        yield from _of_namespaces(task.nsproxy)
    ns: PidNamespace | None = task.pid_struct.ns
    while ns is not None:
        yield "pid_namespace", ns.slab
        if ns.bacct is not None:
            yield from _of_file(ns.bacct.file)
        ns = ns.parent


def _of_users(ns: UserNamespace | None) -> Iterator[Record]:
    """A user namespace and those above it."""
    while ns is not None:
        yield "user_namespace", ns.slab
        ns = ns.parent


def _of_files(files: FilesStruct) -> Iterator[Record]:
    yield "files_struct", files.slab
    for file in files.fd.values():
        yield from _of_file(file)


def _of_file(file: File) -> Iterator[Record]:
    yield "filp", file.slab
    yield from _of_inode(file.inode)
    if file.f_async is not None:
        yield "fasync_cache", file.f_async.slab
    if file.op is DETACHED and file.f_path is not None:
        for mnt in all_mounts(mount_root(file.f_path.mnt)):
            yield "mnt_cache", mnt.slab
    match file.private:
        case NsCommon(ns=ns):
            yield from _of_namespace(ns)
        case SeccompFilter(slab=slab):
            yield "seccomp_filter", slab
        case EventfdCtx(slab=slab):
            yield "eventfd_ctx", slab
        case LandlockRuleset(slab=slab):
            yield "landlock_ruleset", slab
        case FsContext(slab=slab):
            yield "fs_context", slab
        case TimerfdCtx(slab=slab):
            yield "timerfd_ctx", slab
        case UserfaultfdCtx(slab=slab):
            yield "userfaultfd_ctx_cache", slab
        case SignalfdCtx(slab=slab):
            yield "signalfd_ctx", slab
        case TtyStruct(slab=slab, link=link):
            yield "tty_struct", slab
            if link is not None:
                yield "tty_struct", link.slab
        case InotifyGroup(slab=slab, marks=marks):
            yield "fsnotify_group", slab
            for mark in marks.values():
                yield "inotify_inode_mark", mark.slab
        case EventPoll(slab=slab, items=items):
            yield "eventpoll", slab
            for item in items:
                yield "eventpoll_epi", item.slab


def _of_inode(inode: Inode) -> Iterator[Record]:
    for mark in inode.i_marks or ():
        if isinstance(mark.group, DnotifyGroup):
            yield "dnotify_struct", mark.slab
    if inode.i_flctx is not None:
        for slab in inode.i_flctx.slabs:
            yield "file_lock_cache", slab
        for lease in inode.i_flctx.leases:
            yield "file_lease_cache", lease.slab
    match inode.private:
        case Pipe(slab=slab, user=user):
            yield "pipe_inode_info", slab
            yield "user_struct", user.slab
            yield "user_namespace", user.ns.slab
        case UnixSock() as sock:
            yield from _of_socket(sock)
        case MqueueInfo(slab=slab, messages=messages, user=user):
            yield "mqueue_inode_cache", slab
            yield "user_struct", user.slab
            yield "user_namespace", user.ns.slab
            for msg in messages:
                yield "msg_msg", msg.slab


def _of_socket(sock: UnixSock) -> Iterator[Record]:
    """A socket with what is on its way to it; who is only waiting to be accepted has no file yet."""
    yield "unix_sock", sock.slab
    for skb in sock.queue:
        yield "skbuff_head_cache", skb.slab
        for file in skb.files:
            yield "filp", file.slab
            if not isinstance(file.inode.private, UnixSock):
                yield from _of_file(file)
    for waiting in sock.pending:
        yield from _of_socket(waiting)


def _of_namespaces(nsproxy: Nsproxy) -> Iterator[Record]:
    yield "nsproxy", nsproxy.slab
    for ns in (nsproxy.uts_ns, nsproxy.mnt_ns, nsproxy.ipc_ns, nsproxy.net_ns, nsproxy.pid_ns):
        yield from _of_namespace(ns)


def _of_namespace(ns: Any) -> Iterator[Record]:
    match ns:
        case UtsNamespace():
            yield "uts_namespace", ns.slab
        case MntNamespace():
            yield "mnt_namespace", ns.slab
            for mnt in all_mounts(ns.root) if ns.root is not None else ():
                yield "mnt_cache", mnt.slab
        case NetNamespace():
            yield "net_namespace", ns.slab
        case PidNamespace():
            yield "pid_namespace", ns.slab
        case UserNamespace():
            yield from _of_users(ns)
            return
        case IpcNamespace():
            yield "ipc_namespace", ns.slab
            yield from _of_ipc(ns)
    yield from _of_users(ns.user_ns)


def _of_ipc(ns: IpcNamespace) -> Iterator[Record]:
    for sma in ns.sem_ids.sets.values():
        yield "sem_array", sma.slab
    for msq in ns.msg_ids.queues.values():
        yield "msg_queue", msq.slab
        for msg in msq.messages:
            yield "msg_msg", msg.slab
    for dentry in ns.mq_ids.queues.values():
        yield from _of_inode(dentry.inode)
    for shp in ns.shm_ids.segments.values():
        yield "shmid_kernel", shp.slab


def records(k: Kernel) -> Iterator[Record]:
    """Each once, whoever shares it; what boot made (address 0) is in no cache."""
    seen: dict[Record, None] = {}
    if k.files.unix is not None:  # in messages, too
        for sock in k.files.unix.sockets:
            seen.update(dict.fromkeys(_of_socket(sock)))
    for task in k.processes.tasks:
        seen.update(dict.fromkeys(_of_task(k, task)))
    for root in mount_roots(k):
        seen.update(dict.fromkeys(("mnt_cache", mnt.slab) for mnt in all_mounts(root)))
        for mnt in all_mounts(root):  # a namespace's queues stay while they are mounted
            for dentry in mnt.root.children.values() if mnt.sb.s_type == "mqueue" else ():
                seen.update(dict.fromkeys(_of_inode(dentry.inode)))
    for pid in k.processes.init_pid_ns.pids.values():
        seen["pid", pid.slab] = None
    if k.processes.keys is not None:
        seen.update(dict.fromkeys(("key_jar", key.slab) for key in k.processes.keys.keys.values()))
    for mm in address_spaces(k):
        seen["mm_struct", mm.slab] = None
        for ctx in mm.ioctx:
            seen["kioctx", ctx.slab] = None
            for req in ctx.active:
                seen["aio_kiocb", req.slab] = None
                for file in (req.file, req.eventfd):
                    if file is not None:
                        seen.update(dict.fromkeys(_of_file(file)))
        for area in mm:
            seen["vm_area_struct", area.slab] = None
    for kind, address in seen:
        if address:
            yield kind, address
