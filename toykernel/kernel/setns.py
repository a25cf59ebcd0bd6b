"""setns (kernel/nsproxy.c): enter a namespace that somebody else is in."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.errno import EINVAL, EPERM, ESRCH, Errno
from toykernel.fs.file import fget_open
from toykernel.fs.mount import Path, traverse_mounts
from toykernel.fs.nsfs import NAMES, NsCommon, namespace_of
from toykernel.ipc.sem import exit_sem
from toykernel.kernel.clone_flags import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
)
from toykernel.kernel.cred import (
    CAP_SYS_ADMIN,
    CAP_SYS_CHROOT,
    alloc_uid,
    commit_creds,
    free_uid,
    ns_capable,
    owner_of,
    prepare_creds,
    put_cred,
)
from toykernel.kernel.nsproxy import Nsproxy, mnt_ns_root, put_nsproxy
from toykernel.kernel.pid import Pid, pid_task, task_active_pid_ns
from toykernel.kernel.ptrace import ptrace_may_access
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.cred import UserNamespace
    from toykernel.kernel.pid import PidNamespace
    from toykernel.state import Kernel

_TYPES = CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS


#: Where a struct nsproxy has a namespace of a type.
_FIELDS = {
    CLONE_NEWUTS: "uts_ns",
    CLONE_NEWIPC: "ipc_ns",
    CLONE_NEWNS: "mnt_ns",
    CLONE_NEWNET: "net_ns",
    CLONE_NEWPID: "pid_ns",
}


@syscall(346, "fd:fd nstype:clone_flags")
def sys_setns(k: Kernel, fd: int, nstype: int) -> int:
    """setns: the namespace of a file in /proc/PID/ns, or those of a process by its pidfd that `nstype` names.

    EBADF, EINVAL for another file or type, EPERM, ESRCH for a process that is gone, ENOMEM.
    """
    file = fget_open(k, fd)
    if isinstance(file.private, NsCommon):
        if nstype and nstype != file.private.kind:
            raise Errno(EINVAL)
        wanted = [file.private]
    elif isinstance(file.private, Pid):
        if not nstype or nstype & ~_TYPES:
            raise Errno(EINVAL)
        task = pid_task(k, file.private)
        if task is None or task.exit_state:
            raise Errno(ESRCH)
        if not ptrace_may_access(k, task):
            raise Errno(EPERM)
        names = [name for name in NAMES if name != "pid_for_children"]
        wanted = [namespace_of(task, name) for name in names if NAMES[name][0] & nstype]
    else:
        raise Errno(EINVAL)
    target = next(
        (each.ns for each in wanted if each.kind == CLONE_NEWUSER), k.current.cred.user.ns
    )
    for common in wanted:
        _check(k, common, target)
    _enter(k, {common.kind: common for common in wanted})
    return 0


def _check(k: Kernel, common: NsCommon, target: UserNamespace) -> None:
    """Whether the caller may enter, whose user namespace is `target` then. Raises Errno(EPERM),
    Errno(EINVAL)."""
    task = k.current
    assert task.fs is not None
    if common.kind == CLONE_NEWUSER:
        alone = len(task.signal.threads) == 1 and task.fs.users == 1
        if common.ns is task.cred.user.ns or not alone:
            raise Errno(EINVAL)
        if not ns_capable(k, common.ns, CAP_SYS_ADMIN):
            raise Errno(EPERM)
        return
    owner = owner_of(k, common.ns.user_ns)
    if not ns_capable(k, owner, CAP_SYS_ADMIN) or not ns_capable(k, target, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    if common.kind == CLONE_NEWNS:
        if not ns_capable(k, target, CAP_SYS_CHROOT):
            raise Errno(EPERM)
        if task.fs.users != 1:
            raise Errno(EINVAL)
    if common.kind == CLONE_NEWPID:
        above: PidNamespace | None = common.ns
        while above is not None and above is not task_active_pid_ns(task):
            above = above.parent
        if above is None:
            raise Errno(EINVAL)


def _enter(k: Kernel, wanted: dict[int, NsCommon]) -> None:
    """All of them, or with Errno(ENOMEM) none."""
    task = k.current
    old = task.nsproxy
    with ExitStack() as undo:
        slab = k.memory.slabs.nsproxy.alloc(k)
        undo.callback(k.memory.slabs.nsproxy.free, k, slab)
        if CLONE_NEWUSER in wanted:
            cred = prepare_creds(k)
            undo.callback(put_cred, k, cred)
            ns: UserNamespace = wanted[CLONE_NEWUSER].ns
            user = alloc_uid(k, ns, cred.uid)
            free_uid(k, cred.user)
            cred.user = user
            commit_creds(k, cred)
        undo.pop_all()
    new = Nsproxy(slab, old.uts_ns, old.ipc_ns, old.mnt_ns, old.net_ns, old.pid_ns)
    for kind, name in _FIELDS.items():
        if kind in wanted:
            setattr(new, name, wanted[kind].ns)
    for each in (new.uts_ns, new.ipc_ns, new.mnt_ns, new.net_ns, new.pid_ns):
        each.count += 1
    if new.ipc_ns is not old.ipc_ns:
        exit_sem(k, task)
    if CLONE_NEWNS in wanted and task.fs is not None:
        root = mnt_ns_root(k, new.mnt_ns)
        task.fs.root = task.fs.pwd = traverse_mounts(Path(root, root.root))
    task.nsproxy = new
    put_nsproxy(k, old)
