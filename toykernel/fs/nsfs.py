"""Namespaces as files (fs/nsfs.c): what /proc/PID/ns/… leads to, and setns enters.

An open file holds the namespace. Its number is that of the first namespaces of Linux, or made of where the
record lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emu.record import dataclass
from toykernel.arch.x86.uaccess import put_user
from toykernel.errno import EINVAL, ENOENT, ENOTTY, EPERM, ESRCH, Errno
from toykernel.fs.dcache import Dentry
from toykernel.fs.file import O_RDONLY, fd_install, get_unused_fd
from toykernel.fs.inode import S_IFREG, Inode
from toykernel.fs.libfs import SPECIAL
from toykernel.fs.mount import Mount, Path, put_mount_id
from toykernel.fs.open import open_path
from toykernel.fs.operations import FileOperations, SuperOperations
from toykernel.fs.super import SuperBlock
from toykernel.kernel.clone_flags import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
)
from toykernel.kernel.cred import UserNamespace, owner_of, put_user_ns
from toykernel.kernel.nsproxy import (
    IpcNamespace,
    MntNamespace,
    UtsNamespace,
    put_ipc_ns,
    put_mnt_ns,
    put_uts_ns,
)
from toykernel.kernel.pid import PidNamespace, pid_nr_ns, put_pid_ns, task_active_pid_ns
from toykernel.net.net_namespace import NetNamespace, put_net

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel
    from toykernel.task import Task

#: The names in /proc/PID/ns: type of the namespace, and the number of the first one (PROC_*_INIT_INO).
NAMES = {
    "ipc": (CLONE_NEWIPC, 0xEFFFFFFF),
    "mnt": (CLONE_NEWNS, 0xEFFFFFF8),
    "net": (CLONE_NEWNET, 0xEFFFFFF9),
    "pid": (CLONE_NEWPID, 0xEFFFFFFC),
    "pid_for_children": (CLONE_NEWPID, 0xEFFFFFFC),
    "user": (CLONE_NEWUSER, 0xEFFFFFFD),
    "uts": (CLONE_NEWUTS, 0xEFFFFFFE),
}
NS_GET_USERNS, NS_GET_PARENT, NS_GET_NSTYPE, NS_GET_OWNER_UID = range(0xB701, 0xB705)
#: A process's number, in the caller's namespace or in that of the file.
NS_GET_PID_FROM_PIDNS, NS_GET_TGID_FROM_PIDNS = 0x8004B706, 0x8004B707
NS_GET_PID_IN_PIDNS, NS_GET_TGID_IN_PIDNS = 0x8004B708, 0x8004B709
_NUMBERS = (
    NS_GET_PID_FROM_PIDNS,
    NS_GET_TGID_FROM_PIDNS,
    NS_GET_PID_IN_PIDNS,
    NS_GET_TGID_IN_PIDNS,
)


@dataclass(eq=False)
class NsCommon:
    """struct ns_common: a namespace, its type (CLONE_NEW), and its name in /proc."""

    kind: int
    name: str
    ns: Any


def namespace_of(task: Task, name: str) -> NsCommon:
    """What a name in a task's `ns` directory stands for. Raises Errno(ENOENT)."""
    proxy = task.nsproxy
    found = {
        "ipc": proxy.ipc_ns,
        "mnt": proxy.mnt_ns,
        "net": proxy.net_ns,
        "pid": task_active_pid_ns(task),
        "pid_for_children": proxy.pid_ns,
        "user": task.cred.user.ns,
        "uts": proxy.uts_ns,
    }
    if name not in found or task.exit_state:
        raise Errno(ENOENT)
    return NsCommon(NAMES[name][0], name, found[name])


def ns_number(common: NsCommon) -> int:
    """The inode number, by which programs tell namespaces apart."""
    slab: int = common.ns.slab
    return 0xF0000000 | slab >> 4 & 0xFFFFFFF if slab else NAMES[common.name][1]


def ns_get_name(common: NsCommon) -> str:
    """What readlink says: uts:[4026531838]."""
    return f"{common.name.removesuffix('_for_children')}:[{ns_number(common)}]"


def ns_get_path(k: Kernel, common: NsCommon) -> Path:
    """Where a link to a namespace leads: a file that is in no tree."""
    if k.files.nsfs is None:
        fs = k.files.fs
        k.files.nsfs = SuperBlock(fs.new_dev(), "nsfs", NSFS, fs.pipefs.numbers)
    sb = k.files.nsfs
    inode = Inode(ns_number(common), S_IFREG | 0o444, sb, SPECIAL, NS_FILE, private=common)
    inode.atime = inode.mtime = inode.ctime = k.time.wall_offset
    dentry = Dentry(ns_get_name(common), inode)
    mnt = Mount(sb, dentry)
    put_mount_id(mnt)  # in Linux it is the one mount of nsfs
    return Path(mnt, dentry)


def ns_open(k: Kernel, file: File) -> None:
    """The namespace stays for as long as it is open."""
    common = file.inode.private
    assert isinstance(common, NsCommon)
    common.ns.count += 1
    file.private = common


def open_namespace(k: Kernel, common: NsCommon) -> int:
    """A descriptor, closed by exec, of a namespace. Raises Errno(EMFILE), Errno(ENOMEM)."""
    fd = get_unused_fd(k)
    file = open_path(k, ns_get_path(k, common), ns_get_name(common), O_RDONLY)
    return fd_install(k, fd, file, cloexec=True)


def _owner(k: Kernel, common: NsCommon) -> UserNamespace:
    """The user namespace that owns it (of one of users: the one above), which must be the caller's or below.

    Raises Errno(EPERM).
    """
    ns = common.ns
    owner = ns.parent if isinstance(ns, UserNamespace) else owner_of(k, ns.user_ns)
    at = owner
    while at is not None and at is not k.current.cred.user.ns:
        at = at.parent
    if owner is None or at is None:
        raise Errno(EPERM)
    return owner


def _parent(k: Kernel, common: NsCommon) -> NsCommon:
    """NS_GET_PARENT: of a kind that has one. EINVAL for another kind, EPERM for one out of sight."""
    if isinstance(common.ns, UserNamespace):
        return NsCommon(CLONE_NEWUSER, "user", _owner(k, common))
    if not isinstance(common.ns, PidNamespace):
        raise Errno(EINVAL)
    parent = at = common.ns.parent
    while at is not None and at is not task_active_pid_ns(k.current):
        at = at.parent
    if parent is None or at is None:
        raise Errno(EPERM)
    return NsCommon(CLONE_NEWPID, "pid", parent)


def _number_between(k: Kernel, request: int, ns: object, number: int) -> int:
    """NS_GET_PID_FROM_PIDNS and its three kin: a process's number in another pid namespace. EINVAL, ESRCH."""
    if not isinstance(ns, PidNamespace):
        raise Errno(EINVAL)
    here = task_active_pid_ns(k.current)
    inward = request in (NS_GET_PID_IN_PIDNS, NS_GET_TGID_IN_PIDNS)
    known, wanted = (here, ns) if inward else (ns, here)
    task = known.map.tasks.get(number)
    if task is None:
        raise Errno(ESRCH)
    if request in (NS_GET_TGID_FROM_PIDNS, NS_GET_TGID_IN_PIDNS):
        task = task.group_leader
    found = pid_nr_ns(task.pid_struct, wanted)
    if not found:
        raise Errno(ESRCH)
    return found


def ns_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """Its owner, its parent, its type, and numbers in it (ioctl_nsfs(2)). ENOTTY for another request."""
    common = file.private
    assert isinstance(common, NsCommon)
    if request == NS_GET_USERNS:
        return open_namespace(k, NsCommon(CLONE_NEWUSER, "user", _owner(k, common)))
    if request == NS_GET_PARENT:
        return open_namespace(k, _parent(k, common))
    if request == NS_GET_NSTYPE:
        return common.kind
    if request == NS_GET_OWNER_UID:
        if not isinstance(common.ns, UserNamespace):
            raise Errno(EINVAL)
        put_user(k, common.ns.owner, argp)
        return 0
    if request in _NUMBERS:
        return _number_between(k, request, common.ns, argp)
    raise Errno(ENOTTY)


def ns_release(k: Kernel, file: File) -> None:
    """It may go."""
    put_ns(k, file.private)


def put_ns(k: Kernel, common: NsCommon) -> None:
    """One reference to a namespace less."""
    ns = common.ns
    if isinstance(ns, UtsNamespace):
        put_uts_ns(k, ns)
    elif isinstance(ns, IpcNamespace):
        put_ipc_ns(k, ns)
    elif isinstance(ns, MntNamespace):
        put_mnt_ns(k, ns)
    elif isinstance(ns, NetNamespace):
        put_net(k, ns)
    elif isinstance(ns, PidNamespace):
        put_pid_ns(k, ns)
    elif isinstance(ns, UserNamespace):
        put_user_ns(k, ns)


def ns_evict_inode(k: Kernel, inode: Inode) -> None:
    """An inode of a namespace has taken nothing."""


NS_FILE = FileOperations(
    "toykernel.fs.nsfs:NS_FILE", open=ns_open, release=ns_release, ioctl=ns_ioctl
)
NSFS = SuperOperations("toykernel.fs.nsfs:NSFS", evict_inode=ns_evict_inode)
