"""unshare (kernel/fork.c): take back what an earlier clone shared."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.errno import EINVAL, EPERM, Errno
from toykernel.fs.file import FsStruct, dup_fd, put_files_struct, put_fs
from toykernel.ipc.sem import exit_sem
from toykernel.kernel.clone_flags import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    CLONE_SIGHAND,
    CLONE_SYSVSEM,
    CLONE_THREAD,
    CLONE_VM,
)
from toykernel.kernel.cred import (
    CAP_SYS_ADMIN,
    commit_creds,
    create_user_ns,
    ns_capable,
    prepare_creds,
    put_cred,
)
from toykernel.kernel.nsproxy import create_new_namespaces, put_nsproxy
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

_NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID
_ALLOWED = _NAMESPACES | CLONE_NEWUSER | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM
_ALLOWED |= CLONE_THREAD | CLONE_SIGHAND | CLONE_VM


@syscall(310, "flags:clone_flags")
def sys_unshare(k: Kernel, flags: int) -> int:
    """unshare: everything that is asked for, or nothing.

    EINVAL for what cannot be parted, EPERM, ENOMEM.
    """
    task = k.current
    cgroups = CLONE_NEWCGROUP if k.host.profile.cgroup_namespaces else 0
    if flags & ~(_ALLOWED | cgroups):
        raise Errno(EINVAL)
    # What shares memory shares handlers, and threads share both: none of it can be parted.
    if flags & CLONE_THREAD and len(task.signal.threads) > 1:
        raise Errno(EINVAL)
    if flags & CLONE_SIGHAND and task.sighand.count > 1:
        raise Errno(EINVAL)
    if flags & CLONE_VM and task.mm is not None and task.mm.mm_users > 1:
        raise Errno(EINVAL)
    if flags & CLONE_NEWUSER and len(task.signal.threads) > 1:
        raise Errno(EINVAL)
    if flags & (CLONE_NEWNS | CLONE_NEWUSER):
        flags |= CLONE_FS
    fs, files = task.fs, task.files
    assert fs is not None
    assert files is not None
    new_fs = new_files = new_ns = new_cred = None
    with ExitStack() as undo:
        if flags & CLONE_FS and fs.users > 1:
            new_fs = FsStruct(k.memory.slabs.fs.alloc(k), fs.root, fs.pwd, fs.umask)
            undo.callback(put_fs, k, new_fs)
        if flags & CLONE_FILES and files.count > 1:
            new_files = dup_fd(k, files)
            undo.callback(put_files_struct, k, new_files)
        if flags & CLONE_NEWUSER:
            new_cred = prepare_creds(k)
            undo.callback(put_cred, k, new_cred)
            create_user_ns(k, new_cred)
        if flags & (_NAMESPACES | cgroups) and not ns_capable(
            k, (new_cred or task.cred).user.ns, CAP_SYS_ADMIN
        ):
            raise Errno(EPERM)
        if flags & _NAMESPACES:
            new_ns = create_new_namespaces(
                k, flags & _NAMESPACES, task.nsproxy, new_fs or fs, new_cred or task.cred
            )
            undo.callback(put_nsproxy, k, new_ns)
        undo.pop_all()
    if flags & (CLONE_SYSVSEM | CLONE_NEWIPC):
        exit_sem(k, task)
    if new_fs is not None:
        task.fs = new_fs
        put_fs(k, fs)
    if new_files is not None:
        task.files = new_files
        put_files_struct(k, files)
    if new_cred is not None:
        commit_creds(k, new_cred)
    if new_ns is not None:
        old, task.nsproxy = task.nsproxy, new_ns
        put_nsproxy(k, old)
    return 0
