"""The parts of a task that fork copies or shares (fork-path G), each with how it is given back.

One pattern throughout: with its CLONE_ flag, the same record with one more reference; without, a record
of its own. `copy_X(k, p, args)` leaves the child `p` with either, or raises Errno having taken nothing;
`exit_X(k, p)` gives it back, after a failed fork and at the end of a task alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EAGAIN, ENOMEM, Errno
from toykernel.fs import file as fs_file
from toykernel.fs.fs_types import FsStruct
from toykernel.ipc import sem
from toykernel.kernel import cred, nsproxy, pid
from toykernel.kernel.clone_flags import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_IO,
    CLONE_NEWUSER,
    CLONE_SIGHAND,
    CLONE_SYSVSEM,
    CLONE_THREAD,
    CloneArgs,
)
from toykernel.kernel.cred import CAP_SYS_ADMIN, CAP_SYS_RESOURCE, capable
from toykernel.kernel.pid import Pid, get_pid, put_pid
from toykernel.kernel.signal_types import (
    RLIM_INFINITY,
    RLIMIT_NPROC,
    SighandStruct,
    SignalStruct,
    copy_actions,
)
from toykernel.task import PF_NPROC_EXCEEDED, IoContext, Task

if TYPE_CHECKING:
    from toykernel.state import Kernel


# -- credentials and counts ------------------------------------------------------------------------


def check_nproc(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D4. Raises Errno(EAGAIN)."""
    limit = p.signal.rlim[RLIMIT_NPROC][0]
    user = p.cred.user
    exceeded = (
        limit != RLIM_INFINITY and user.processes >= limit and user is not k.processes.root_user
    )
    if exceeded and not capable(k, CAP_SYS_ADMIN) and not capable(k, CAP_SYS_RESOURCE):
        raise Errno(EAGAIN)
    k.current.flags &= ~PF_NPROC_EXCEEDED


def copy_creds(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D5. Raises Errno(ENOMEM)."""
    cred.copy_creds(k, p, thread=CLONE_THREAD in args, new_user_ns=CLONE_NEWUSER in args)


def exit_creds(k: Kernel, p: Task) -> None:
    """The process counts for its user no more."""
    cred.exit_creds(k, p)


def check_max_threads(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D6. Raises Errno(EAGAIN)."""
    if k.processes.nr_threads >= k.processes.max_threads:
        raise Errno(EAGAIN)


# -- semaphores, files, file system ----------------------------------------------------------------


def copy_semundo(k: Kernel, p: Task, args: CloneArgs) -> None:
    """A plain fork starts with no undo list. Raises Errno(ENOMEM)."""
    sem.copy_semundo(k, p, CLONE_SYSVSEM in args)


def uncopy_semundo(k: Kernel, p: Task) -> None:
    """No list, neither for the child nor, if it is the first, for the parent."""
    sem.uncopy_semundo(k, p)


def exit_sem(k: Kernel, p: Task) -> None:
    """The last user of an undo list applies it."""
    sem.exit_sem(k, p)


def copy_files(k: Kernel, p: Task, args: CloneArgs) -> None:
    """The descriptor table; offsets are shared either way. Raises Errno(ENOMEM)."""
    old = fs_file.current_files(k)
    if CLONE_FILES in args:
        old.count += 1
        p.files = old
    else:
        p.files = fs_file.dup_fd(k, old)


def exit_files(k: Kernel, p: Task) -> None:
    """The last user of a table closes what is open."""
    files, p.files = p.files, None
    if files is not None:
        fs_file.put_files_struct(k, files)


def copy_fs(k: Kernel, p: Task, args: CloneArgs) -> None:
    """Root, working directory, umask. Raises Errno(ENOMEM), Errno(EAGAIN) while a thread execs."""
    old = k.current.fs
    assert old is not None
    if CLONE_FS in args:
        if old.in_exec:
            raise Errno(EAGAIN)
        old.users += 1
        p.fs = old
    else:
        p.fs = FsStruct(k.memory.slabs.fs.alloc(k), old.root, old.pwd, old.umask)


def exit_fs(k: Kernel, p: Task) -> None:
    """One user less."""
    fs, p.fs = p.fs, None
    if fs is not None:
        put_fs(k, fs)


def put_fs(k: Kernel, fs: FsStruct) -> None:
    """Give a place back."""
    fs.users -= 1
    if not fs.users:
        k.memory.slabs.fs.free(k, fs.slab)


# -- signals ---------------------------------------------------------------------------------------


def copy_sighand(k: Kernel, p: Task, args: CloneArgs) -> None:
    """The handler table. Raises Errno(ENOMEM)."""
    old = k.current.sighand
    if CLONE_SIGHAND in args:
        old.count += 1
        p.sighand = old
    else:
        p.sighand = copy_actions(old, k.memory.slabs.sighand.alloc(k))


def cleanup_sighand(k: Kernel, p: Task) -> None:
    """One user less."""
    put_sighand(k, p.sighand)


def put_sighand(k: Kernel, sighand: SighandStruct) -> None:
    """Give a table back."""
    sighand.count -= 1
    if not sighand.count and sighand.slab:
        k.memory.slabs.sighand.free(k, sighand.slab)


def copy_signal(k: Kernel, p: Task, args: CloneArgs) -> None:
    """The thread group's record; a thread is counted in when it joins (D18). Raises Errno(ENOMEM)."""
    if CLONE_THREAD in args:
        return
    p.signal = k.current.signal.fork(k.memory.slabs.signal.alloc(k))


def cleanup_signal(k: Kernel, p: Task) -> None:
    """After a failed fork: a record that nobody else has."""
    if p.signal is not k.current.signal:
        free_signal_struct(k, p.signal)


def put_signal_struct(k: Kernel, signal: SignalStruct) -> None:
    """One task less that refers to a group's record."""
    signal.sigcnt -= 1
    if not signal.sigcnt:
        free_signal_struct(k, signal)


def free_signal_struct(k: Kernel, signal: SignalStruct) -> None:
    """Give the record back."""
    if signal.slab:
        k.memory.slabs.signal.free(k, signal.slab)


# -- namespaces, io, number ------------------------------------------------------------------------


def copy_namespaces(k: Kernel, p: Task, args: CloneArgs) -> None:
    """References, or new ones by CLONE_NEW*. Raises Errno."""
    nsproxy.copy_namespaces(k, p, args.flags)


def exit_task_namespaces(k: Kernel, p: Task) -> None:
    """Let go of them."""
    nsproxy.exit_task_namespaces(k, p)


def copy_io(k: Kernel, p: Task, args: CloneArgs) -> None:
    """None unless the parent has one. Raises Errno(ENOMEM)."""
    old = k.current.io_context
    p.io_context = None
    if old is None:
        return
    if CLONE_IO in args:
        old.nr_tasks += 1
        p.io_context = old
    elif old.ioprio:
        p.io_context = IoContext(k.memory.slabs.ioc.alloc(k), old.ioprio)


def exit_io_context(k: Kernel, p: Task) -> None:
    """One user less."""
    ioc, p.io_context = p.io_context, None
    if ioc is not None:
        ioc.nr_tasks -= 1
        if not ioc.nr_tasks:
            k.memory.slabs.ioc.free(k, ioc.slab)


def alloc_pid(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D11, and the numbers that follow from it (D15). Whatever is wrong, it is ENOMEM."""
    if not args.idle:
        try:
            p.pid_struct = pid.alloc_pid(k, p.nsproxy.pid_ns)
        except Errno:
            raise Errno(ENOMEM) from None
    p.pid = p.pid_struct.nr
    p.tgid = k.current.tgid if CLONE_THREAD in args else p.pid


def free_pid(k: Kernel, p: Task) -> None:
    """The numbers are free again."""
    put_pid(k, p.pid_struct)


def join_group(k: Kernel, signal: SignalStruct, pgrp: Pid, session: Pid) -> None:
    """Attach a thread group to a process group and a session, which hold their numbers."""
    signal.pgrp, signal.session = get_pid(pgrp).nr, get_pid(session).nr


def leave_group(k: Kernel, signal: SignalStruct) -> None:
    """Let go of both."""
    for number in (signal.pgrp, signal.session):
        put_pid(k, k.processes.init_pid_ns.pids[number])
