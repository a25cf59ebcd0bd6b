"""execve (fs/exec.c): a new program in the same task.

Everything that can fail comes first and changes nothing. Then the other threads of the group are killed
(de_thread), which may take a while; when the last of them is gone, the new program is put in place.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.hw_breakpoint import flush_ptrace_hw_breakpoint
from toykernel.arch.x86.mmu_context import activate_mm
from toykernel.arch.x86.process import account, exit_thread, start_thread
from toykernel.arch.x86.tls import clear_tls
from toykernel.arch.x86.uaccess import get_user, strncpy_from_user
from toykernel.errno import (
    E2BIG,
    EACCES,
    EAGAIN,
    EFAULT,
    EINVAL,
    ELIBBAD,
    ELOOP,
    ENOENT,
    ENOEXEC,
    ETXTBSY,
    Errno,
)
from toykernel.fs.binfmt_elf import ElfImage, Interpreter, load_elf_binary, parse_elf
from toykernel.fs.file import current_files, dup_fd, filp_close, put_files_struct
from toykernel.fs.fsnotify import fsnotify_exec
from toykernel.fs.inode import MAY_EXEC, S_IFREG, S_ISGID, S_ISUID, Inode, inode_permission
from toykernel.fs.landlock import landlock_exec
from toykernel.fs.mount import MNT_NOSUID, Path, d_path
from toykernel.fs.namei import AT_FDCWD, getname, getname_flags, path_at, path_lookup
from toykernel.fs.read_write import kernel_read
from toykernel.kernel.capability import cap_bprm_creds
from toykernel.kernel.cred import (
    CAP_SYS_PTRACE,
    Cred,
    commit_creds,
    drop_process_keyring,
    prepare_creds,
    put_cred,
)
from toykernel.kernel.exit import mm_release, release_task, signal_group_exit, zap_other_threads
from toykernel.kernel.fork_mm import mm_alloc, mmput, set_mm_exe_file
from toykernel.kernel.pid import attach_pid, detach_pid, task_pid_vnr
from toykernel.kernel.posix_timers import delete_posix_timers
from toykernel.kernel.ptrace_flags import PTRACE_EVENT_EXEC
from toykernel.kernel.ptrace_stop import ptrace_event
from toykernel.kernel.sched.core import activate_task, deactivate_task
from toykernel.kernel.siginfo import SIGCHLD, SIGKILL
from toykernel.kernel.signal_types import (
    RLIMIT_NPROC,
    copy_actions,
    flush_signal_handlers,
    put_sighand,
)
from toykernel.kernel.wait import Result, Wait
from toykernel.mm.mdwe import inherited_mdwe
from toykernel.mm.mm_types import VM_MAYWRITE, VM_SHARED
from toykernel.security import security_bprm_check
from toykernel.syscalls import syscall
from toykernel.task import (
    EXIT_DEAD,
    PF_FORKNOEXEC,
    PF_NPROC_EXCEEDED,
    TASK_COMM_LEN,
    TASK_KILLABLE,
    Task,
    TaskStats,
)

if TYPE_CHECKING:
    from toykernel.fs.file import FilesStruct
    from toykernel.kernel.signal_types import SighandStruct
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel

MAX_ARG_STRINGS = 0x7FFF
MAX_ARG_STRLEN = 32 * 4096
MAX_INTERPRETERS = 4
AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_EXECVE_CHECK = 0x100, 0x1000, 0x10000


@dataclass(eq=False)
class Binprm:
    """struct linux_binprm: the new program, complete, while the old one still runs."""

    path: str  # as given: what comm and AT_EXECFN come from
    image: ElfImage
    mm: MmStruct
    entry: int
    sp: int
    cred: Cred
    files: FilesStruct | None  # a table of its own, when the old one is shared
    sighand: SighandStruct | None  # the same for the handlers
    old_pid: int  # which a thread may lose


@syscall(11, "pathname:path argv:strings envp:environment")
def sys_execve(k: Kernel, filename: int, argv: int, envp: int) -> Result:
    """Replace the program; on success the caller's registers are the new program's."""
    path = getname(k, filename)
    check_nproc_exceeded(k.current)
    open_exec(k, path)  # what is wrong with the file is said before what is wrong with arguments
    return do_execve(k, path, _strings(k, argv), _strings(k, envp))


def _strings(k: Kernel, vector: int) -> list[bytes]:
    """A NULL-terminated vector of strings from user memory; NULL counts as an empty one. Raises
    Errno(E2BIG), Errno(EFAULT).
    """
    strings: list[bytes] = []
    total = 0
    while vector:
        pointer = get_user(k, vector + 4 * len(strings))
        if not pointer:
            break
        try:
            text = strncpy_from_user(k, pointer, MAX_ARG_STRLEN)
        except Errno as error:
            raise Errno(EFAULT if error.number == EFAULT else E2BIG) from None
        strings.append(text)
        total += len(text) + 1
        if len(strings) > MAX_ARG_STRINGS or total > MAX_ARG_STRLEN:
            raise Errno(E2BIG)
    return strings


def load_interpreter(k: Kernel, image: ElfImage) -> Interpreter | None:
    """What a dynamic program names. Raises Errno(ENOENT) where it is not there, Errno(ELIBBAD) for what is
    no interpreter, or what open_exec answers.
    """
    if not image.interp:
        return None
    found = open_exec(k, image.interp)
    inode = found.dentry.inode
    fs = k.current.fs
    name = (d_path(fs.root, found) if fs is not None else None) or image.interp
    try:
        loaded = parse_elf(kernel_read(k, inode, 0, inode.size))
    except Errno:
        raise Errno(ELIBBAD) from None
    return Interpreter(loaded, inode.i_mapping, name)


def open_exec(k: Kernel, path: str) -> Path:
    """The file, if it may be executed: as may_exec, or what the walk answers."""
    return may_exec(k, path_lookup(k, path).found(), path)


def may_exec(k: Kernel, found: Path, path: str) -> Path:
    """Raises Errno(EACCES), Errno(ETXTBSY) while it is open for writing."""
    inode = found.dentry.inode
    if inode.type != S_IFREG or found.noexec:
        raise Errno(EACCES)
    inode_permission(k, inode, MAY_EXEC)
    landlock_exec(k, found)
    if inode.i_writecount > 0 or _mapped_for_writing(k, inode):
        raise Errno(ETXTBSY)
    security_bprm_check(k, path)
    inode.i_op.fill(k, inode)
    return found


def _mapped_for_writing(k: Kernel, inode: Inode) -> bool:
    """A shared mapping of an open for writing keeps that open alive, whoever closes the descriptor."""
    mapping = inode.i_mapping
    return mapping is not None and any(
        area.mapping is mapping and area.vm_flags & VM_SHARED and area.vm_flags & VM_MAYWRITE
        for mm in k.memory.mms.values()
        for area in mm
    )


def _interpreter(
    k: Kernel, inode: Inode, path: str, argv: list[bytes]
) -> tuple[str, list[bytes]] | None:
    """For a script: its interpreter, and the arguments that this one gets (binfmt_script); else
    None. Raises Errno(ENOEXEC).
    """
    size = k.host.profile.script_line
    data = bytes(kernel_read(k, inode, 0, size))
    if not data.startswith(b"#!"):
        return None
    line, newline, _ = data[2:].partition(b"\n")
    cut = not newline and len(data) == size
    line = (line[:-1] if cut else line).strip(b" \t")
    if not line:
        raise Errno(ENOEXEC)
    if cut and k.host.profile.refuses_cut_interpreter and not re.search(rb"[ \t\0]", line):
        raise Errno(ENOEXEC)  # it may be the beginning of another one's name
    name, *rest = line.split(None, 1)
    argument = [rest[0].strip(b" \t")] if rest else []
    encoded = path.encode(errors="surrogateescape")
    return name.decode(errors="surrogateescape"), [name, *argument, encoded, *argv[1:]]


@syscall(358, "dirfd:dirfd pathname:path argv:strings envp:environment flags:at_flags")
def sys_execveat(k: Kernel, dirfd: int, filename: int, argv: int, envp: int, flags: int) -> Result:
    """execveat: execve from a directory on; with AT_EMPTY_PATH and "" what `dirfd` has open. EINVAL for a
    flag, ELOOP for a link with AT_SYMLINK_NOFOLLOW, or as execve. AT_EXECVE_CHECK only asks whether the
    file may be executed.
    """
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EXECVE_CHECK):
        raise Errno(EINVAL)
    name = getname_flags(k, filename, empty=bool(flags & AT_EMPTY_PATH))
    check_nproc_exceeded(k.current)
    at = path_at(k, name, dirfd, follow=not flags & AT_SYMLINK_NOFOLLOW)
    if at.dentry.inode.is_link:
        raise Errno(ELOOP)
    shown = name
    if not name.startswith("/") and dirfd != AT_FDCWD:
        shown = f"/dev/fd/{dirfd}/{name}" if name else f"/dev/fd/{dirfd}"
        if dirfd in current_files(k).close_on_exec and _is_script(k, may_exec(k, at, name)):
            raise Errno(ENOENT)  # its interpreter would not find it
    may_exec(k, at, name)
    if flags & AT_EXECVE_CHECK:
        _strings(k, argv), _strings(k, envp)
        return 0
    return do_execve(k, shown, _strings(k, argv), _strings(k, envp), at)


def _is_script(k: Kernel, at: Path) -> bool:
    return kernel_read(k, at.dentry.inode, 0, 2) == b"#!"


def do_execve(
    k: Kernel, path: str, argv: list[bytes], envp: list[bytes], at: Path | None = None
) -> Result:
    """The old address space stays until the new one is complete. Raises Errno, changing nothing:
    ELOOP for too many interpreters, EAGAIN while another thread execs, or what the steps answer.
    """
    task = k.current
    if not argv and k.host.profile.fills_empty_argv:
        argv = [b""]
    found = open_exec(k, path) if at is None else may_exec(k, at, path)
    fsnotify_exec(k, found, opened=True)
    inode, file = found.dentry.inode, path
    for _ in range(MAX_INTERPRETERS):
        script = _interpreter(k, inode, file, argv)
        if script is None:
            break
        file, argv = script
        text, found = found, open_exec(k, file)
        fsnotify_exec(k, found, opened=True)
        fsnotify_exec(k, text, opened=False)
        inode = found.dentry.inode
    else:
        raise Errno(ELOOP)
    try:
        image = parse_elf(kernel_read(k, inode, 0, inode.size))
        interpreter = load_interpreter(k, image)
    except Errno:
        fsnotify_exec(k, found, opened=False)
        raise
    with ExitStack() as undo:
        cred = prepare_exec_creds(k, inode, nosuid=bool(found.mnt.flags & MNT_NOSUID))
        undo.callback(put_cred, k, cred)
        files = sighand = None
        if task.files is not None and task.files.count > 1:
            files = dup_fd(k, task.files)
            undo.callback(put_files_struct, k, files)
        if task.sighand.count > 1:
            sighand = copy_actions(task.sighand, k.memory.slabs.sighand.alloc(k))
            undo.callback(put_sighand, k, sighand)
        mm = mm_alloc(k)
        undo.callback(mmput, k, mm)
        mm.mdwe = inherited_mdwe(task.mm) if task.mm is not None else 0
        set_mm_exe_file(k, mm, inode)
        mm.exe_path = found
        assert task.fs is not None
        mm.exe_name = d_path(task.fs.root, mm.exe_path) or file
        old = task.cred
        secure = (cred.euid, cred.egid) != (old.euid, old.egid) or cred.euid != cred.uid
        entry, sp = load_elf_binary(
            *(k, mm, image, path, argv, envp, inode.i_mapping),
            interpreter=interpreter,
            bprm_cred=cred,
            secure=secure or cred.egid != cred.gid,
        )
        if signal_group_exit(task.signal):
            raise Errno(EAGAIN)  # another thread execs or ends the group: it wins
        undo.pop_all()
    bprm = Binprm(path, image, mm, entry, sp, cred, files, sighand, task_pid_vnr(k, task))
    return de_thread(k, bprm)


def check_nproc_exceeded(task: Task) -> None:
    """A setuid went beyond RLIMIT_NPROC (3.x and later). Raises Errno(EAGAIN) while that is still so."""
    limit = task.signal.rlim[RLIMIT_NPROC][0]
    if task.flags & PF_NPROC_EXCEEDED and task.cred.user.processes > limit:
        raise Errno(EAGAIN)
    task.flags &= ~PF_NPROC_EXCEEDED


def prepare_exec_creds(k: Kernel, inode: Inode, *, nosuid: bool = False) -> Cred:
    """Credentials after exec: set-id bits, and capabilities by root's old rule. Under a tracer without
    CAP_SYS_PTRACE, with PR_SET_NO_NEW_PRIVS, and on a mount with `nosuid`, the bits do nothing.

    Raises Errno(ENOMEM).
    """
    new = prepare_creds(k)
    traced = k.current.ptrace and not k.current.parent.cred.cap_effective >> CAP_SYS_PTRACE & 1
    plain = nosuid or traced or k.current.no_new_privs
    if inode.mode & S_ISUID and not plain:
        new.euid = inode.uid
    if not plain and inode.mode & (S_ISGID | 0o010) == S_ISGID | 0o010:
        new.egid = inode.gid
    new.suid = new.fsuid = new.euid
    new.sgid = new.fsgid = new.egid
    if new.thread_keyring is not None:
        new.thread_keyring.put(k)
        new.thread_keyring = None
    drop_process_keyring(k, new)
    cap_bprm_creds(new, k.current.cred)
    return new


# -- the other threads -----------------------------------------------------------------------------


def de_thread(k: Kernel, bprm: Binprm) -> Result:
    """Kill the other threads; the leader's place is taken when it is a zombie and alone."""
    task = k.current
    signal = task.signal
    others = zap_other_threads(k, task)
    if not others:
        return install(k, bprm)
    signal.group_exit_task = task
    # The leader is not released by itself: it counts by its death (notify_count -1).
    signal.notify_count = others if task.is_group_leader else others - 1
    return _wait_for_threads(k, bprm)


def _wait_for_threads(k: Kernel, bprm: Binprm) -> Result:
    task = k.current
    task.bprm = None
    signal = task.signal
    if len(signal.threads) > (1 if task.is_group_leader else 2):
        return _sleep_in_exec(k, bprm)
    leader = task.group_leader
    if leader is not task:
        if not leader.exit_state:
            signal.notify_count = -1
            return _sleep_in_exec(k, bprm)
        _take_leaders_place(k, task, leader)
    signal.group_exit_task, signal.notify_count = None, 0
    return install(k, bprm)


def _sleep_in_exec(k: Kernel, bprm: Binprm) -> Result:
    task = k.current
    if SIGKILL in task.pending:
        task.signal.group_exit_task, task.signal.notify_count = None, 0
        _drop(k, bprm)
        raise Errno(EAGAIN)
    task.bprm = bprm
    reason = f"execve: {len(task.signal.threads) - 1} other threads are to end"
    return Wait((), _wait_for_threads, (bprm,), reason, TASK_KILLABLE)


def _drop(k: Kernel, bprm: Binprm) -> None:
    mmput(k, bprm.mm)
    put_cred(k, bprm.cred)
    if bprm.files is not None:
        put_files_struct(k, bprm.files)
    if bprm.sighand is not None:
        put_sighand(k, bprm.sighand)


def _take_leaders_place(k: Kernel, task: Task, leader: Task) -> None:
    """The thread becomes the leader: with its number, its parent's list, its birth."""
    deactivate_task(k, task)
    for each in (task, leader):
        detach_pid(each, each.pid_struct)
    task.pid_struct, leader.pid_struct = leader.pid_struct, task.pid_struct
    task.pid, leader.pid = leader.pid, task.pid
    for each in (task, leader):
        attach_pid(each, each.pid_struct)
    siblings = leader.real_parent.children
    siblings[siblings.index(leader)] = task
    task.group_leader = leader.group_leader = task
    task.start_time = leader.start_time
    task.exit_signal, leader.exit_signal = SIGCHLD, -1
    leader.exit_state = EXIT_DEAD
    activate_task(k, task)
    release_task(k, leader)


# -- the point of no return ------------------------------------------------------------------------


def install(k: Kernel, bprm: Binprm) -> Result:
    """flush_old_exec and what follows it: nothing here fails. A tracer hears of it."""
    task = k.current
    old_files, old_sighand = task.files, task.sighand
    if bprm.files is not None and old_files is not None:
        task.files = bprm.files
        put_files_struct(k, old_files)
    if bprm.sighand is not None:
        task.sighand = bprm.sighand
        put_sighand(k, old_sighand)

    mm_release(k, task)  # vfork's parent goes on
    exit_thread(k, task)
    old = task.mm
    task.mm = task.active_mm = bprm.mm
    activate_mm(k, bprm.mm)
    if old is not None:
        task.signal.maxrss = max(task.signal.maxrss, old.hiwater_rss)
        mmput(k, old)

    clear_tls(k, task)
    flush_ptrace_hw_breakpoint(k, task)
    delete_posix_timers(k, task)  # interval timers go on
    flush_signal_handlers(task.sighand)
    task.personality = bprm.image.personality(task.personality)
    task.sas_ss_sp = task.sas_ss_size = task.sas_ss_flags = 0
    task.rseq = ()
    task.user_dispatch = None
    task.robust_list = 0
    if task.files is not None:
        for fd in sorted(task.files.close_on_exec):
            filp_close(k, task.files, fd)
    old_ids = (task.cred.euid, task.cred.egid)
    commit_creds(k, bprm.cred)
    if old_ids != (task.cred.euid, task.cred.egid):
        task.pdeath_signal = 0
    task.comm = bprm.path.rsplit("/", 1)[-1][: TASK_COMM_LEN - 1]
    task.did_exec = True
    task.flags &= ~PF_FORKNOEXEC
    task.self_exec_id += 1
    account(k, task)
    task.stats = TaskStats()
    start_thread(k, k.task_pt_regs(task), bprm.entry, bprm.sp)
    if k.host.trace.process_exec:
        k.host.trace.process_exec.emit(task, bprm.path)
    return ptrace_event(k, PTRACE_EVENT_EXEC, bprm.old_pid, _done)


def _done(_k: Kernel) -> Result:
    return 0
