"""Every i386 system call of today's Linux: number, name, function, arguments. Tracers read it too.

The functions bring their rows themselves (`@syscall`, toykernel/syscalls.py); they are only collected
here. A call without a function answers ENOSYS; its name is known all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from toykernel.arch.x86 import signal as x86_signal
from toykernel.arch.x86 import tls
from toykernel.fs import (
    access,
    attr,
    epoll_calls,
    eventfd,
    exec,
    fcntl,
    fhandle,
    filesystems,
    ioctl,
    locks,
    memfd,
    namei_calls,
    namespace,
    open,
    openat2,
    pipe,
    read_write,
    readdir,
    resize,
    select,
    sendfile,
    signalfd,
    splice,
    stat,
    statfs,
    sync,
    timerfd,
    uio,
    utimes,
    xattr,
)
from toykernel.ipc import mq_calls, msg, semop, shm
from toykernel.ipc import syscall as ipc_syscall
from toykernel.kernel import (
    capability,
    clone3,
    exit,
    fork,
    futex_calls,
    futex_robust,
    futex_syscalls,
    itimer,
    kcmp,
    kill,
    ntp,
    pidfd,
    posix_timers,
    prctl,
    process_vm_access,
    ptrace,
    random,
    resource,
    rseq,
    seccomp,
    session,
    sigcalls,
    sys,
    sysinfo,
    time,
    time64,
    uid,
    uid_calls,
    unshare,
    wait4,
)
from toykernel.kernel.sched import attr as sched_attr
from toykernel.kernel.sched import membarrier
from toykernel.kernel.sched import syscalls as sched_syscalls
from toykernel.kernel.sys import sys_ni_syscall
from toykernel.mm import (
    heap,
    madvise,
    mincore,
    mlock,
    mmap,
    mprotect,
    mremap,
    remap_file_pages,
)
from toykernel.net import msg_calls, socket, sockopt
from toykernel.syscalls import Argument, Syscall, rows_of
from toykernel.tty import tty_io

#: Where functions with `@syscall` are.
MODULES: tuple[ModuleType, ...] = (
    *(x86_signal, tls),
    *(attr, exec, fcntl, namei_calls, open, pipe, read_write, splice, stat, uio),
    *(
        access,
        locks,
        memfd,
        namespace,
        openat2,
        sendfile,
        readdir,
        resize,
        statfs,
        sync,
        utimes,
        xattr,
    ),
    *(ipc_syscall, mq_calls, msg, semop, shm),
    *(
        capability,
        exit,
        fork,
        futex_calls,
        futex_robust,
        itimer,
        kill,
        pidfd,
        posix_timers,
        prctl,
        ptrace,
        process_vm_access,
        resource,
        session,
        sigcalls,
    ),
    *(filesystems, fhandle, ioctl, kcmp, ntp, sysinfo, sched_attr, membarrier),
    *(clone3, futex_syscalls, random, rseq, seccomp, time64),
    *(sys, time, uid, uid_calls, unshare, wait4, sched_syscalls),
    *(heap, madvise, mincore, mlock, mmap, mprotect, mremap, remap_file_pages),
    *(msg_calls, socket, sockopt, tty_io),
    *(epoll_calls, eventfd, select, signalfd, timerfd),
)

#: Names by number, from 0, as in the i386 unistd.h of 2.6.39; "" where there is no call.
_NAMES = """
restart_syscall exit fork read write open close waitpid creat link unlink execve chdir time mknod
chmod lchown break oldstat lseek getpid mount umount setuid getuid stime ptrace alarm oldfstat
pause utime stty gtty access nice ftime sync kill rename mkdir rmdir dup pipe times prof brk setgid
getgid signal geteuid getegid acct umount2 lock ioctl fcntl mpx setpgid ulimit oldolduname umask
chroot ustat dup2 getppid getpgrp setsid sigaction sgetmask ssetmask setreuid setregid sigsuspend
sigpending sethostname setrlimit getrlimit getrusage gettimeofday settimeofday getgroups setgroups
select symlink oldlstat readlink uselib swapon reboot readdir mmap munmap truncate ftruncate fchmod
fchown getpriority setpriority profil statfs fstatfs ioperm socketcall syslog setitimer getitimer
stat lstat fstat olduname iopl vhangup idle vm86old wait4 swapoff sysinfo ipc fsync sigreturn clone
setdomainname uname modify_ldt adjtimex mprotect sigprocmask create_module init_module
delete_module get_kernel_syms quotactl getpgid fchdir bdflush sysfs personality afs_syscall
setfsuid setfsgid _llseek getdents _newselect flock msync readv writev getsid fdatasync _sysctl
mlock munlock mlockall munlockall sched_setparam sched_getparam sched_setscheduler
sched_getscheduler sched_yield sched_get_priority_max sched_get_priority_min sched_rr_get_interval
nanosleep mremap setresuid getresuid vm86 query_module poll nfsservctl setresgid getresgid prctl
rt_sigreturn rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo
rt_sigsuspend pread64 pwrite64 chown getcwd capget capset sigaltstack sendfile getpmsg putpmsg
vfork ugetrlimit mmap2 truncate64 ftruncate64 stat64 lstat64 fstat64 lchown32 getuid32 getgid32
geteuid32 getegid32 setreuid32 setregid32 getgroups32 setgroups32 fchown32 setresuid32 getresuid32
setresgid32 getresgid32 chown32 setuid32 setgid32 setfsuid32 setfsgid32 pivot_root mincore madvise
getdents64 fcntl64 - - gettid readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr
listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr tkill sendfile64 futex
sched_setaffinity sched_getaffinity set_thread_area get_thread_area io_setup io_destroy
io_getevents io_submit io_cancel fadvise64 - exit_group lookup_dcookie epoll_create epoll_ctl
epoll_wait remap_file_pages set_tid_address timer_create timer_settime timer_gettime
timer_getoverrun timer_delete clock_settime clock_gettime clock_getres clock_nanosleep statfs64
fstatfs64 tgkill utimes fadvise64_64 vserver mbind get_mempolicy set_mempolicy mq_open mq_unlink
mq_timedsend mq_timedreceive mq_notify mq_getsetattr kexec_load waitid - add_key request_key keyctl
ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat
mknodat fchownat futimesat fstatat64 unlinkat renameat linkat symlinkat readlinkat fchmodat
faccessat pselect6 ppoll unshare set_robust_list get_robust_list splice sync_file_range tee
vmsplice move_pages getcpu epoll_pwait utimensat signalfd timerfd_create eventfd fallocate
timerfd_settime timerfd_gettime signalfd4 eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv
pwritev rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init fanotify_mark prlimit64
name_to_handle_at open_by_handle_at clock_adjtime syncfs sendmmsg setns process_vm_readv
process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom
memfd_create bpf execveat socket socketpair bind connect listen accept4 getsockopt setsockopt
getsockname getpeername sendto sendmsg recvfrom recvmsg shutdown userfaultfd membarrier mlock2
copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx arch_prctl io_pgetevents
rseq - - - - - - semget semctl shmget shmctl shmat shmdt msgget msgsnd msgrcv msgctl
clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64 clock_nanosleep_time64
timer_gettime64 timer_settime64 timerfd_gettime64 timerfd_settime64 utimensat_time64
pselect6_time64 ppoll_time64 - io_pgetevents_time64 recvmmsg_time64 mq_timedsend_time64
mq_timedreceive_time64 semtimedop_time64 rt_sigtimedwait_time64 futex_time64
sched_rr_get_interval_time64 pidfd_send_signal io_uring_setup io_uring_enter io_uring_register
open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2
pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd
landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret process_mrelease
futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait
futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal
setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr
"""


def collect(modules: Iterable[ModuleType]) -> list[Syscall]:
    """The rows of the functions that modules define (not of those that they import), by number."""
    rows = [
        row
        for module in modules
        for thing in vars(module).values()
        if getattr(thing, "__module__", None) == module.__name__
        for row in rows_of(thing)
    ]
    return sorted(rows, key=lambda row: row.number)


def table(names: Iterable[str], rows: Iterable[Syscall]) -> tuple[Syscall, ...]:
    """A row for each number from 0, without gaps; `names` has "-" for a number that is no call.

    Raises ValueError for a number twice, beyond the names, or with another name.
    """
    found = [Syscall(number, "" if n == "-" else n) for number, n in enumerate(names)]
    for row in rows:
        if row.number >= len(found) or found[row.number].name != row.name:
            there = found[row.number].name if row.number < len(found) else "beyond the last"
            raise ValueError(f"system call {row.number} is {there or 'none'}, not {row.name}")
        if found[row.number].function is not None:
            raise ValueError(f"two functions for system call {row.number}, {row.name}")
        found[row.number] = row
    return tuple(found)


SYSCALLS: tuple[Syscall, ...] = table(_NAMES.split(), collect(MODULES))
BY_NAME: dict[str, Syscall] = {row.name: row for row in SYSCALLS if row.name}


def name_of(number: int) -> str:
    """Name of a call, or syscall_0x…, as strace names an unknown one."""
    if 0 <= number < len(SYSCALLS) and SYSCALLS[number].name:
        return SYSCALLS[number].name
    return f"syscall_{number:#x}"


def decode(number: int, words: list[int]) -> list[Any]:
    """The argument registers as the function gets them."""
    row = SYSCALLS[number]
    return [a.decode(w) for a, w in zip(row.arguments, words, strict=False)]


__all__ = ["BY_NAME", "SYSCALLS", "Argument", "Syscall", "decode", "name_of", "sys_ni_syscall"]
