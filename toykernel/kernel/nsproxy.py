"""Namespaces (kernel/nsproxy.c, kernel/utsname.c): what a set of tasks sees as the system.

A task refers to one nsproxy; those that CLONE_NEW* never touched all share the first.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import EINVAL, EPERM, Errno
from toykernel.fs.locked_mounts import part_from_above
from toykernel.fs.mount import Mount, Path, all_mounts, copy_tree, mount_root, put_mount_id
from toykernel.fs.pnode import alone
from toykernel.ipc.mqueue import MqIds, free_all_mqueues
from toykernel.ipc.msg import MsgIds, free_all_msgs
from toykernel.ipc.sem import SemIds, free_all_sems
from toykernel.ipc.shm import ShmIds, free_all_shms
from toykernel.kernel.clone_flags import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNAMESPACES,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    CLONE_PARENT,
    CLONE_SYSVSEM,
    CLONE_THREAD,
)
from toykernel.kernel.cred import CAP_SYS_ADMIN, capable, get_user_ns, owner_of
from toykernel.kernel.pid import (
    PidNamespace,
    create_pid_namespace,
    get_pid_ns,
    put_owner,
    put_pid_ns,
)
from toykernel.kernel.wait_queue import WaitQueue
from toykernel.net.net_namespace import NetNamespace, get_net, put_net

if TYPE_CHECKING:
    from toykernel.fs.file import FsStruct
    from toykernel.kernel.clone_flags import CloneArgs
    from toykernel.kernel.cred import Cred, UserNamespace
    from toykernel.state import Kernel
    from toykernel.task import Task


@dataclass(frozen=True)
class UtsName:
    """struct new_utsname: the six strings of uname."""

    sysname: str = "Linux"
    nodename: str = "toykernel"
    release: str = "2.6.39"
    version: str = "#1"
    machine: str = "i686"
    domainname: str = "(none)"


@dataclass(eq=False)
class UtsNamespace:
    """struct uts_namespace: names that sethostname changes."""

    slab: int
    name: UtsName
    count: int = 1
    user_ns: UserNamespace | None = None  # that owns it; None: the first


@dataclass(eq=False)
class IpcNamespace:
    """struct ipc_namespace: System V's semaphores, messages and shared memory, and POSIX's queues."""

    slab: int
    sem_ids: SemIds
    count: int = 1
    msg_ids: MsgIds = field(default_factory=MsgIds)
    shm_ids: ShmIds = field(default_factory=ShmIds)
    mq_ids: MqIds = field(default_factory=MqIds)
    user_ns: UserNamespace | None = None


@dataclass(eq=False)
class MntNamespace:
    """struct mnt_namespace: a tree of mounts of its own, by its root; None is the tree of the boot."""

    slab: int
    count: int = 1
    root: Mount | None = None
    user_ns: UserNamespace | None = None
    seq: int = 1  # its number for statmount, from 1 for the boot's
    event: int = 0  # changes so far, and who polls for the next
    poll: WaitQueue = field(default_factory=lambda: WaitQueue("mounts"))


@dataclass(eq=False)
class Nsproxy:
    """struct nsproxy: one of each."""

    slab: int
    uts_ns: UtsNamespace
    ipc_ns: IpcNamespace
    mnt_ns: MntNamespace
    net_ns: NetNamespace
    pid_ns: PidNamespace  # of the children that are made from now on
    count: int = 1


def get_nsproxy(ns: Nsproxy) -> Nsproxy:
    """One more reference to a set of namespaces; the set."""
    ns.count += 1
    return ns


def put_nsproxy(k: Kernel, ns: Nsproxy) -> None:
    """One less; the last gives back a reference to each namespace."""
    ns.count -= 1
    if not ns.count:
        put_uts_ns(k, ns.uts_ns)
        put_ipc_ns(k, ns.ipc_ns)
        put_mnt_ns(k, ns.mnt_ns)
        put_net(k, ns.net_ns)
        put_pid_ns(k, ns.pid_ns)
        k.memory.slabs.nsproxy.free(k, ns.slab)


def put_uts_ns(k: Kernel, ns: UtsNamespace) -> None:
    """One reference less; the last one frees the names' record."""
    ns.count -= 1
    if not ns.count:
        k.memory.slabs.uts_ns.free(k, ns.slab)
        put_owner(k, ns.user_ns)


def put_ipc_ns(k: Kernel, ns: IpcNamespace) -> None:
    """One reference less; the last one frees what is in it."""
    ns.count -= 1
    if not ns.count:
        free_all_sems(k, ns.sem_ids)
        free_all_msgs(k, ns.msg_ids)
        free_all_shms(k, ns.shm_ids)
        free_all_mqueues(k, ns.mq_ids)
        k.memory.slabs.ipc_ns.free(k, ns.slab)
        put_owner(k, ns.user_ns)


def put_mnt_ns(k: Kernel, ns: MntNamespace) -> None:
    """One reference less; the last one frees the record."""
    ns.count -= 1
    if not ns.count:
        for mnt in all_mounts(ns.root) if ns.root is not None else ():
            free_mnt(k, mnt)
        k.memory.slabs.mnt_ns.free(k, ns.slab)
        put_owner(k, ns.user_ns)


def free_mnt(k: Kernel, mnt: Mount) -> None:
    """A mount is gone: its number and its record are free, and it has no company any more."""
    alone(mnt)
    put_mount_id(mnt)
    if mnt.slab:
        k.memory.slabs.mnt.free(k, mnt.slab)
        mnt.slab = 0
        mnt.sb.s_active -= 1
        if not mnt.sb.s_active:
            mnt.sb.s_op.kill_sb(k, mnt.root)


def next_mnt_ns(k: Kernel) -> int:
    """The number of a new namespace of mounts (mnt_ns_id), each given once."""
    numbers = k.files.fs.pipefs.numbers
    numbers.last_mnt_ns += 1
    return numbers.last_mnt_ns


def mnt_ns_root(k: Kernel, ns: MntNamespace) -> Mount:
    """The mount at the root of a namespace."""
    return ns.root if ns.root is not None else k.files.fs.root.mnt


def mount_owner(k: Kernel, mnt: Mount) -> UserNamespace | None:
    """The user namespace that owns the tree a mount hangs in; None for a tree that hangs nowhere."""
    root = mount_root(mnt)
    if root is k.files.fs.root.mnt:
        return owner_of(k, None)
    if root.mnt_ns is None:
        return None
    return owner_of(k, root.mnt_ns.user_ns)


def mount_roots(k: Kernel) -> list[Mount]:
    """Of every tree of mounts there is, the boot's first."""
    alive = (task for task in k.processes.tasks if not task.exit_state)
    roots = (mnt_ns_root(k, task.nsproxy.mnt_ns) for task in alive)
    return list(dict.fromkeys((k.files.fs.root.mnt, *roots)))


def copy_mnt_ns(k: Kernel, old: MntNamespace) -> MntNamespace:
    """A namespace, which nobody holds yet, with a copy of the tree of mounts. Raises Errno(ENOMEM), leaving
    nothing."""
    with ExitStack() as undo:
        slab = k.memory.slabs.mnt_ns.alloc(k)
        undo.callback(k.memory.slabs.mnt_ns.free, k, slab)
        tree = copy_tree(mnt_ns_root(k, old))
        claim_tree(k, tree, undo)
        undo.pop_all()
    tree.mnt_ns = MntNamespace(slab, 0, tree, seq=next_mnt_ns(k))
    return tree.mnt_ns


def claim_tree(k: Kernel, tree: Mount, undo: ExitStack) -> None:
    """Records for the mounts of a new tree, which goes with what is undone. Raises Errno(ENOMEM)."""
    undo.callback(_free_tree, k, tree)
    for mnt in all_mounts(tree):
        mnt.slab = k.memory.slabs.mnt.alloc(k)
        mnt.sb.s_active += 1


def _free_tree(k: Kernel, tree: Mount) -> None:
    for mnt in all_mounts(tree):
        free_mnt(k, mnt)


def _follow(k: Kernel, fs: FsStruct, old: MntNamespace, new: MntNamespace) -> None:
    """Root and working directory are the same places, in the copy of the tree (copy_mnt_ns)."""
    trees = (all_mounts(mnt_ns_root(k, ns)) for ns in (old, new))
    copies = dict(zip(*trees, strict=True))
    for name in ("root", "pwd"):
        at: Path = getattr(fs, name)
        setattr(fs, name, Path(copies.get(at.mnt, at.mnt), at.dentry))


def create_new_namespaces(
    k: Kernel, flags: int, old: Nsproxy, fs: FsStruct | None, cred: Cred
) -> Nsproxy:
    """An nsproxy with a new namespace for each CLONE_NEW*, which the user namespace of `cred` owns, and the
    old one for the others. `fs` follows into a new tree of mounts.

    Raises Errno(ENOMEM), Errno(EINVAL), leaving nothing.
    """
    with ExitStack() as undo:
        slab = k.memory.slabs.nsproxy.alloc(k)
        undo.callback(k.memory.slabs.nsproxy.free, k, slab)
        uts, ipc, mnt = old.uts_ns, old.ipc_ns, old.mnt_ns
        net, pid = old.net_ns, old.pid_ns
        if flags & CLONE_NEWNS:
            mnt = copy_mnt_ns(k, mnt)
            mnt.user_ns = get_user_ns(cred)
            owner = mount_owner(k, mnt_ns_root(k, old.mnt_ns))
            if k.host.profile.locks_mounts and mnt.user_ns is not owner and mnt.root is not None:
                part_from_above(mnt.root)
        mnt.count += 1
        undo.callback(put_mnt_ns, k, mnt)
        if flags & CLONE_NEWUTS:
            slab_of_uts = k.memory.slabs.uts_ns.alloc(k)
            uts = UtsNamespace(slab_of_uts, uts.name, 0, get_user_ns(cred))
        uts.count += 1
        undo.callback(put_uts_ns, k, uts)
        if flags & CLONE_NEWIPC:
            slab_of_ipc = k.memory.slabs.ipc_ns.alloc(k)
            ipc = IpcNamespace(slab_of_ipc, SemIds(), 0, user_ns=get_user_ns(cred))
        ipc.count += 1
        undo.callback(put_ipc_ns, k, ipc)
        if flags & CLONE_NEWNET:
            slab_of_net = k.memory.slabs.net_ns.alloc(k)
            net = NetNamespace(slab_of_net, 0, get_user_ns(cred))
        undo.callback(put_net, k, get_net(net))
        if flags & CLONE_NEWPID:
            if flags & (CLONE_THREAD | CLONE_PARENT):
                raise Errno(EINVAL)
            pid = create_pid_namespace(k, pid)
            pid.user_ns = get_user_ns(cred)
        else:
            get_pid_ns(pid)
        undo.callback(put_pid_ns, k, pid)
        undo.pop_all()
    if fs is not None and mnt is not old.mnt_ns:
        _follow(k, fs, old.mnt_ns, mnt)
    return Nsproxy(slab, uts, ipc, mnt, net, pid)


def copy_namespaces(k: Kernel, p: Task, args: CloneArgs) -> None:
    """The caller's nsproxy, or one with new namespaces (fork-path G). Raises Errno(EPERM),
    Errno(EINVAL) with CLONE_SYSVSEM, Errno(ENOMEM).
    """
    flags, old = args.flags, k.current.nsproxy
    cgroup = flags & CLONE_NEWCGROUP if k.host.profile.cgroup_namespaces else 0
    if cgroup and not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    if not flags & CLONE_NEWNAMESPACES:
        p.nsproxy = get_nsproxy(old)
        return
    if not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    if flags & CLONE_NEWIPC and flags & CLONE_SYSVSEM:
        raise Errno(EINVAL)  # the undo list belongs to the old semaphores
    p.nsproxy = create_new_namespaces(k, flags, old, p.fs, p.cred)


def exit_task_namespaces(k: Kernel, p: Task) -> None:
    """Let go of the set of namespaces, and so of each if nobody else has the set."""
    put_nsproxy(k, p.nsproxy)
