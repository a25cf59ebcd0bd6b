"""Every i386 system call of 2.6.39: number, name, function, arguments. Tracers read it too.

A call without a function answers ENOSYS; its name and arguments are known all the same. Argument kinds
say how a 32-bit register becomes a Python value and how a tracer shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toykernel.arch.x86.signal import sys_rt_sigreturn, sys_sigaltstack, sys_sigreturn
from toykernel.arch.x86.tls import sys_get_thread_area, sys_set_thread_area
from toykernel.fs.exec import sys_execve
from toykernel.fs.splice import sys_vmsplice
from toykernel.kernel.exit import sys_exit, sys_exit_group
from toykernel.kernel.fork import sys_clone, sys_fork, sys_vfork
from toykernel.kernel.futex import sys_futex, sys_set_robust_list
from toykernel.kernel.itimer import sys_alarm, sys_getitimer, sys_setitimer
from toykernel.kernel.posix_timers import (
    sys_timer_create,
    sys_timer_delete,
    sys_timer_getoverrun,
    sys_timer_gettime,
    sys_timer_settime,
)
from toykernel.kernel.sched.syscalls import (
    sys_getpriority,
    sys_nice,
    sys_sched_get_priority_max,
    sys_sched_get_priority_min,
    sys_sched_getaffinity,
    sys_sched_getparam,
    sys_sched_getscheduler,
    sys_sched_rr_get_interval,
    sys_sched_setaffinity,
    sys_sched_setparam,
    sys_sched_setscheduler,
    sys_sched_yield,
    sys_setpriority,
)
from toykernel.kernel.sigcalls import (
    sys_kill,
    sys_pause,
    sys_restart_syscall,
    sys_rt_sigaction,
    sys_rt_sigpending,
    sys_rt_sigprocmask,
    sys_rt_sigqueueinfo,
    sys_rt_sigsuspend,
    sys_rt_sigtimedwait,
    sys_rt_tgsigqueueinfo,
    sys_sgetmask,
    sys_sigaction,
    sys_signal,
    sys_sigpending,
    sys_sigprocmask,
    sys_sigsuspend,
    sys_ssetmask,
    sys_tgkill,
    sys_tkill,
)
from toykernel.kernel.sys import (
    sys_getpid,
    sys_getppid,
    sys_gettid,
    sys_ni_syscall,
    sys_uname,
)
from toykernel.kernel.time import (
    sys_clock_getres,
    sys_clock_gettime,
    sys_clock_nanosleep,
    sys_clock_settime,
    sys_getrusage,
    sys_gettimeofday,
    sys_nanosleep,
    sys_settimeofday,
    sys_stime,
    sys_time,
    sys_times,
)
from toykernel.kernel.wait4 import sys_wait4, sys_waitid, sys_waitpid
from toykernel.mm.heap import sys_brk
from toykernel.mm.madvise import sys_madvise
from toykernel.mm.mincore import sys_mincore, sys_msync
from toykernel.mm.mlock import sys_mlock, sys_mlockall, sys_munlock, sys_munlockall
from toykernel.mm.mmap import sys_mmap2, sys_munmap, sys_old_mmap
from toykernel.mm.mprotect import sys_mprotect
from toykernel.mm.mremap import sys_mremap
from toykernel.syscall_rows import ROWS

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result

# Argument kinds. INT, FD, PID and OPTIONS are signed; the others are unsigned 32-bit values.
INT, FD, PID, WAIT_OPTIONS = "int", "fd", "pid", "wait_options"
UINT, HEX, SIZE, ADDRESS = "uint", "hex", "size", "address"
PATH, BUFFER_IN, STRINGS = "path", "buffer_in", "strings"
STATUS, UTSNAME, RUSAGE, ENVIRONMENT = "status", "utsname", "rusage", "environment"
PROT, MMAP_FLAGS, MREMAP_FLAGS, MADVICE = "prot", "mmap_flags", "mremap_flags", "madvice"
MSYNC_FLAGS, MLOCKALL_FLAGS = "msync_flags", "mlockall_flags"
CLONE_FLAGS, FUTEX_OP, WAIT_WHICH = "clone_flags", "futex_op", "wait_which"
OPEN_FLAGS, MODE, SEEK_WHENCE, ACCESS_MODE = "open_flags", "mode", "seek_whence", "access_mode"
FD_PAIR, FCNTL_CMD, DIRFD, BUFFER_OUT = "fd_pair", "fcntl_cmd", "dirfd", "buffer_out"
ID, RLIMIT, PRCTL_OPTION = "id", "rlimit", "prctl_option"
SIGNAL, HANDLER, HOW, SIGSET, OLD_SIGSET = "signal", "handler", "how", "sigset", "old_sigset"
SIGACTION, OLD_SIGACTION, STACK = "sigaction", "old_sigaction", "stack"
CLOCK, TIMESPEC, TIMEVAL, POLICY = "clock", "timespec", "timeval", "policy"
ITIMER, ITIMERVAL, ITIMERSPEC = "itimer", "itimerval", "itimerspec"
SIGNED = frozenset((INT, FD, PID, WAIT_OPTIONS, SIGNAL, HOW, CLOCK, POLICY, ITIMER, DIRFD))

Function = Callable[..., "Result"]


@dataclass(frozen=True)
class Argument:
    """One argument: its name in the manual, and its kind."""

    name: str
    kind: str

    def decode(self, word: int) -> int:
        """The register's value as the function gets it."""
        return word - (1 << 32) if self.kind in SIGNED and word >> 31 else word


@dataclass(frozen=True)
class Syscall:
    """One row. `function` is None when the kernel does not have it; `entry` overrides the thunk."""

    number: int
    name: str
    function: Function | None = None
    arguments: tuple[Argument, ...] = ()
    entry: str = ""

    @property
    def label(self) -> str:
        """What sys_call_table holds for this number."""
        if self.function is None:
            return "sys_ni_syscall"
        return self.entry or f"sys_{self.name}"


def _arguments(text: str) -> tuple[Argument, ...]:
    pairs = (item.split(":") for item in text.split())
    return tuple(Argument(name, kind) for name, kind in pairs)


def _call(
    number: int, name: str, function: Function, arguments: str = "", entry: str = ""
) -> Syscall:
    return Syscall(number, name, function, _arguments(arguments), entry)


_IMPLEMENTED = (
    _call(1, "exit", sys_exit, "status:int"),
    _call(2, "fork", sys_fork, entry="ptregs_fork"),
    _call(7, "waitpid", sys_waitpid, "pid:pid wstatus:status options:wait_options"),
    _call(11, "execve", sys_execve, "pathname:path argv:strings envp:environment"),
    _call(20, "getpid", sys_getpid),
    _call(45, "brk", sys_brk, "addr:address"),
    _call(64, "getppid", sys_getppid),
    _call(90, "mmap", sys_old_mmap, "arg:address"),
    _call(91, "munmap", sys_munmap, "addr:address length:size"),
    _call(114, "wait4", sys_wait4, "pid:pid wstatus:status options:wait_options rusage:rusage"),
    _call(
        *(120, "clone", sys_clone),
        "flags:clone_flags child_stack:address parent_tid:address tls:address child_tid:address",
        "ptregs_clone",
    ),
    _call(122, "uname", sys_uname, "buf:utsname"),
    _call(125, "mprotect", sys_mprotect, "addr:address len:size prot:prot"),
    _call(144, "msync", sys_msync, "addr:address length:size flags:msync_flags"),
    _call(150, "mlock", sys_mlock, "addr:address len:size"),
    _call(151, "munlock", sys_munlock, "addr:address len:size"),
    _call(152, "mlockall", sys_mlockall, "flags:mlockall_flags"),
    _call(153, "munlockall", sys_munlockall),
    _call(
        163,
        "mremap",
        sys_mremap,
        "old_address:address old_size:size new_size:size flags:mremap_flags new_address:address",
    ),
    _call(
        192,
        "mmap2",
        sys_mmap2,
        "addr:address length:size prot:prot flags:mmap_flags fd:fd pgoffset:hex",
    ),
    _call(218, "mincore", sys_mincore, "addr:address length:size vec:address"),
    _call(316, "vmsplice", sys_vmsplice, "fd:fd iov:address nr_segs:size flags:hex"),
    _call(219, "madvise", sys_madvise, "addr:address length:size advice:madvice"),
    _call(190, "vfork", sys_vfork, entry="ptregs_vfork"),
    _call(224, "gettid", sys_gettid),
    _call(
        *(240, "futex", sys_futex),
        "uaddr:address op:futex_op val:uint timeout:address uaddr2:address val3:uint",
    ),
    _call(243, "set_thread_area", sys_set_thread_area, "u_info:address"),
    _call(244, "get_thread_area", sys_get_thread_area, "u_info:address"),
    _call(252, "exit_group", sys_exit_group, "status:int"),
    _call(
        *(284, "waitid", sys_waitid),
        "which:wait_which pid:pid infop:address options:wait_options rusage:address",
    ),
    _call(311, "set_robust_list", sys_set_robust_list, "head:address len:size"),
    *(_call(*row) for row in ROWS),
)

_SIGNALS = (
    _call(0, "restart_syscall", sys_restart_syscall),
    _call(29, "pause", sys_pause),
    _call(37, "kill", sys_kill, "pid:pid sig:signal"),
    _call(48, "signal", sys_signal, "signum:signal handler:handler"),
    _call(
        67, "sigaction", sys_sigaction, "signum:signal act:old_sigaction oldact:old_sigaction_out"
    ),
    _call(68, "sgetmask", sys_sgetmask),
    _call(69, "ssetmask", sys_ssetmask, "newmask:hex"),
    _call(72, "sigsuspend", sys_sigsuspend, "unused:int unused:int mask:hex"),
    _call(73, "sigpending", sys_sigpending, "set:old_sigset_out"),
    _call(119, "sigreturn", sys_sigreturn),
    _call(126, "sigprocmask", sys_sigprocmask, "how:how set:old_sigset oldset:old_sigset_out"),
    _call(173, "rt_sigreturn", sys_rt_sigreturn),
    _call(
        *(174, "rt_sigaction", sys_rt_sigaction),
        "signum:signal act:sigaction oldact:sigaction_out sigsetsize:size",
    ),
    _call(
        *(175, "rt_sigprocmask", sys_rt_sigprocmask),
        "how:how set:sigset oldset:sigset_out sigsetsize:size",
    ),
    _call(176, "rt_sigpending", sys_rt_sigpending, "set:sigset_out sigsetsize:size"),
    _call(
        *(177, "rt_sigtimedwait", sys_rt_sigtimedwait),
        "set:sigset info:address timeout:timespec sigsetsize:size",
    ),
    _call(178, "rt_sigqueueinfo", sys_rt_sigqueueinfo, "tgid:pid sig:signal info:address"),
    _call(179, "rt_sigsuspend", sys_rt_sigsuspend, "mask:sigset sigsetsize:size"),
    _call(186, "sigaltstack", sys_sigaltstack, "ss:stack old_ss:stack_out"),
    _call(238, "tkill", sys_tkill, "tid:pid sig:signal"),
    _call(270, "tgkill", sys_tgkill, "tgid:pid tid:pid sig:signal"),
    _call(
        *(335, "rt_tgsigqueueinfo", sys_rt_tgsigqueueinfo),
        "tgid:pid tid:pid sig:signal info:address",
    ),
)

_TIME = (
    _call(13, "time", sys_time, "tloc:address"),
    _call(25, "stime", sys_stime, "t:address"),
    _call(27, "alarm", sys_alarm, "seconds:uint"),
    _call(43, "times", sys_times, "buf:address"),
    _call(77, "getrusage", sys_getrusage, "who:int usage:rusage"),
    _call(78, "gettimeofday", sys_gettimeofday, "tv:timeval_out tz:address"),
    _call(79, "settimeofday", sys_settimeofday, "tv:timeval tz:address"),
    _call(104, "setitimer", sys_setitimer, "which:itimer new:itimerval old:itimerval_out"),
    _call(105, "getitimer", sys_getitimer, "which:itimer curr_value:itimerval_out"),
    _call(162, "nanosleep", sys_nanosleep, "req:timespec rem:timespec_out"),
    _call(259, "timer_create", sys_timer_create, "clockid:clock sevp:address timerid:address"),
    _call(
        *(260, "timer_settime", sys_timer_settime),
        "timerid:int flags:hex new_value:itimerspec old_value:itimerspec_out",
    ),
    _call(261, "timer_gettime", sys_timer_gettime, "timerid:int curr_value:itimerspec_out"),
    _call(262, "timer_getoverrun", sys_timer_getoverrun, "timerid:int"),
    _call(263, "timer_delete", sys_timer_delete, "timerid:int"),
    _call(264, "clock_settime", sys_clock_settime, "clockid:clock tp:timespec"),
    _call(265, "clock_gettime", sys_clock_gettime, "clockid:clock tp:timespec_out"),
    _call(266, "clock_getres", sys_clock_getres, "clockid:clock res:timespec_out"),
    _call(
        *(267, "clock_nanosleep", sys_clock_nanosleep),
        "clockid:clock flags:hex request:timespec remain:timespec_out",
    ),
)

_SCHEDULING = (
    _call(34, "nice", sys_nice, "inc:int"),
    _call(96, "getpriority", sys_getpriority, "which:int who:int"),
    _call(97, "setpriority", sys_setpriority, "which:int who:int prio:int"),
    _call(154, "sched_setparam", sys_sched_setparam, "pid:pid param:address"),
    _call(155, "sched_getparam", sys_sched_getparam, "pid:pid param:address"),
    _call(
        *(156, "sched_setscheduler", sys_sched_setscheduler),
        "pid:pid policy:policy param:address",
    ),
    _call(157, "sched_getscheduler", sys_sched_getscheduler, "pid:pid"),
    _call(158, "sched_yield", sys_sched_yield),
    _call(159, "sched_get_priority_max", sys_sched_get_priority_max, "policy:policy"),
    _call(160, "sched_get_priority_min", sys_sched_get_priority_min, "policy:policy"),
    _call(161, "sched_rr_get_interval", sys_sched_rr_get_interval, "pid:pid tp:timespec_out"),
    _call(
        *(241, "sched_setaffinity", sys_sched_setaffinity),
        "pid:pid cpusetsize:size mask:address",
    ),
    _call(
        *(242, "sched_getaffinity", sys_sched_getaffinity),
        "pid:pid cpusetsize:size mask:address",
    ),
)

#: Names by number, from 0, as in the i386 unistd.h of 2.6.39; "" where there is no call.
_NAMES = """
restart_syscall exit fork read write open close waitpid creat link unlink execve chdir time mknod
chmod lchown break oldstat lseek getpid mount umount setuid getuid stime ptrace alarm oldfstat pause
utime stty gtty access nice ftime sync kill rename mkdir rmdir dup pipe times prof brk setgid getgid
signal geteuid getegid acct umount2 lock ioctl fcntl mpx setpgid ulimit oldolduname umask chroot
ustat dup2 getppid getpgrp setsid sigaction sgetmask ssetmask setreuid setregid sigsuspend
sigpending sethostname setrlimit getrlimit getrusage gettimeofday settimeofday getgroups setgroups
select symlink oldlstat readlink uselib swapon reboot readdir mmap munmap truncate ftruncate fchmod
fchown getpriority setpriority profil statfs fstatfs ioperm socketcall syslog setitimer getitimer
stat lstat fstat olduname iopl vhangup idle vm86old wait4 swapoff sysinfo ipc fsync sigreturn clone
setdomainname uname modify_ldt adjtimex mprotect sigprocmask create_module init_module delete_module
get_kernel_syms quotactl getpgid fchdir bdflush sysfs personality afs_syscall setfsuid setfsgid
_llseek getdents _newselect flock msync readv writev getsid fdatasync _sysctl mlock munlock mlockall
munlockall sched_setparam sched_getparam sched_setscheduler sched_getscheduler sched_yield
sched_get_priority_max sched_get_priority_min sched_rr_get_interval nanosleep mremap setresuid
getresuid vm86 query_module poll nfsservctl setresgid getresgid prctl rt_sigreturn rt_sigaction
rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend pread64 pwrite64 chown
getcwd capget capset sigaltstack sendfile getpmsg putpmsg vfork ugetrlimit mmap2 truncate64
ftruncate64 stat64 lstat64 fstat64 lchown32 getuid32 getgid32 geteuid32 getegid32 setreuid32
setregid32 getgroups32 setgroups32 fchown32 setresuid32 getresuid32 setresgid32 getresgid32 chown32
setuid32 setgid32 setfsuid32 setfsgid32 pivot_root mincore madvise getdents64 fcntl64 - - gettid
readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
removexattr lremovexattr fremovexattr tkill sendfile64 futex sched_setaffinity sched_getaffinity
set_thread_area get_thread_area io_setup io_destroy io_getevents io_submit io_cancel fadvise64 -
exit_group lookup_dcookie epoll_create epoll_ctl epoll_wait remap_file_pages set_tid_address
timer_create timer_settime timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime
clock_getres clock_nanosleep statfs64 fstatfs64 tgkill utimes fadvise64_64 vserver mbind
get_mempolicy set_mempolicy mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
kexec_load waitid - add_key request_key keyctl ioprio_set ioprio_get inotify_init inotify_add_watch
inotify_rm_watch migrate_pages openat mkdirat mknodat fchownat futimesat fstatat64 unlinkat renameat
linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll unshare set_robust_list
get_robust_list splice sync_file_range tee vmsplice move_pages getcpu epoll_pwait utimensat signalfd
timerfd_create eventfd fallocate timerfd_settime timerfd_gettime signalfd4 eventfd2 epoll_create1
dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init
fanotify_mark prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs
"""


def _table() -> tuple[Syscall, ...]:
    rows = [
        Syscall(number, "" if name == "-" else name) for number, name in enumerate(_NAMES.split())
    ]
    for row in (*_IMPLEMENTED, *_SIGNALS, *_TIME, *_SCHEDULING):
        if rows[row.number].name != row.name:
            raise ValueError(f"system call {row.number} is {rows[row.number].name}, not {row.name}")
        rows[row.number] = row
    return tuple(rows)


SYSCALLS: tuple[Syscall, ...] = _table()
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
