"""Every i386 system call of today's Linux: number, name, function, arguments. Tracers read it too.

The functions bring their rows themselves (`@syscall`, toykernel/syscalls.py); here is where they are, so
that a run loads only what it uses. A call without a function answers ENOSYS; its name is known all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

from toykernel.syscalls import Argument, Function, Syscall, rows_of

#: Where the functions with `@syscall` are: a module below toykernel, and the names of its calls. A module
#: is loaded when one of its calls is made, or asked about, for the first time.
_HOMES = """
arch.x86.ldt: modify_ldt
arch.x86.signal: sigreturn rt_sigreturn sigaltstack
arch.x86.tls: set_thread_area get_thread_area
fs.access: access chroot faccessat close_range faccessat2
fs.aio_calls: io_setup io_destroy io_getevents io_submit io_cancel io_pgetevents
    io_pgetevents_time64
fs.attr: chmod lchown fchmod fchown chown lchown32 fchown32 chown32 fchownat fchmodat fchmodat2
fs.epoll_calls: epoll_create epoll_ctl epoll_wait epoll_pwait epoll_create1 epoll_pwait2
fs.eventfd: eventfd eventfd2
fs.exec: execve execveat
fs.fcntl: dup fcntl dup2 fcntl64 dup3
fs.fhandle: name_to_handle_at open_by_handle_at
fs.file_attr: file_getattr file_setattr
fs.filesystems: sysfs
fs.fsopen: fsopen fsconfig fsmount fspick
fs.inotify: inotify_init inotify_add_watch inotify_rm_watch inotify_init1
fs.ioctl: ioctl
fs.landlock_calls: landlock_create_ruleset landlock_add_rule landlock_restrict_self
    lsm_list_modules
fs.locks: flock
fs.memfd: memfd_create
fs.mount_calls: open_tree move_mount mount_setattr open_tree_attr
fs.namei_calls: link unlink mknod rename mkdir rmdir symlink mkdirat mknodat unlinkat renameat
    linkat symlinkat renameat2
fs.namespace: mount umount umount2 pivot_root
fs.open: open close creat chdir umask fchdir getcwd openat
fs.openat2: openat2
fs.pipe: pipe pipe2
fs.read_write: read write lseek _llseek
fs.readdir: readdir getdents getdents64
fs.resize: truncate ftruncate truncate64 ftruncate64 fallocate
fs.select: select _newselect poll pselect6 ppoll pselect6_time64 ppoll_time64
fs.sendfile: sendfile sendfile64 copy_file_range
fs.signalfd: signalfd signalfd4
fs.splice: splice tee vmsplice
fs.stat: oldstat oldfstat oldlstat readlink stat lstat fstat stat64 lstat64 fstat64 fstatat64
    readlinkat statx
fs.statfs: ustat statfs fstatfs statfs64 fstatfs64
fs.statmount: statmount listmount
fs.sync: sync fsync fdatasync readahead fadvise64 fadvise64_64 sync_file_range syncfs
fs.timerfd: timerfd_create timerfd_settime timerfd_gettime timerfd_gettime64 timerfd_settime64
fs.uio: readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2
fs.userfaultfd: userfaultfd
fs.utimes: utime utimes futimesat utimensat utimensat_time64
fs.xattr: setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
    removexattr lremovexattr fremovexattr setxattrat getxattrat listxattrat removexattrat
ipc.mq_calls: mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
    mq_timedsend_time64 mq_timedreceive_time64
ipc.msg: msgget msgsnd msgrcv msgctl
ipc.semop: semget semctl semtimedop_time64
ipc.shm: shmget shmctl shmat shmdt
ipc.syscall: ipc
kernel.acct: acct
kernel.capability: capget capset
kernel.clone3: clone3
kernel.exit: exit exit_group
kernel.fork: fork clone vfork
kernel.futex2: futex_wake futex_wait futex_requeue
kernel.futex_calls: futex futex_time64 futex_waitv
kernel.futex_robust: set_robust_list
kernel.futex_syscalls: get_robust_list
kernel.itimer: alarm setitimer getitimer
kernel.kcmp: kcmp
kernel.keys.keyctl: keyctl
kernel.keys.request_key: add_key request_key
kernel.kill: kill rt_sigqueueinfo tkill tgkill rt_tgsigqueueinfo
kernel.ntp: adjtimex clock_adjtime clock_adjtime64
kernel.pidfd: pidfd_send_signal pidfd_open pidfd_getfd
kernel.posix_timers: timer_create timer_settime timer_gettime timer_getoverrun timer_delete
kernel.prctl: personality prctl
kernel.process_madvise: process_madvise process_mrelease
kernel.process_vm_access: process_vm_readv process_vm_writev
kernel.ptrace: ptrace
kernel.random: getrandom
kernel.resource: setrlimit getrlimit ugetrlimit prlimit64
kernel.rseq: rseq
kernel.sched.attr: sched_setattr sched_getattr
kernel.sched.membarrier: membarrier
kernel.sched.syscalls: nice getpriority setpriority sched_setparam sched_getparam
    sched_setscheduler sched_getscheduler sched_yield sched_get_priority_max sched_get_priority_min
    sched_rr_get_interval sched_setaffinity sched_getaffinity
kernel.seccomp: seccomp
kernel.session: setpgid getpgrp setsid getpgid getsid
kernel.setns: setns
kernel.sigcalls: restart_syscall pause signal sigaction sgetmask ssetmask sigsuspend sigpending
    sigprocmask rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigsuspend
kernel.sys: getpid oldolduname getppid sethostname olduname setdomainname uname gettid
    set_tid_address ioprio_set ioprio_get getcpu
kernel.sysinfo: sysinfo arch_prctl
kernel.syslog: syslog
kernel.time: time stime times getrusage gettimeofday settimeofday nanosleep clock_settime
    clock_gettime clock_getres clock_nanosleep
kernel.time64: clock_gettime64 clock_settime64 clock_getres_time64 clock_nanosleep_time64
    timer_gettime64 timer_settime64 rt_sigtimedwait_time64 sched_rr_get_interval_time64
kernel.uid: setreuid32 setregid32 setresuid32 setresgid32 setuid32 setgid32 setfsuid32 setfsgid32
kernel.uid_calls: setuid getuid setgid getgid geteuid getegid setreuid setregid getgroups setgroups
    setfsuid setfsgid setresuid getresuid setresgid getresgid getuid32 getgid32 geteuid32 getegid32
    getgroups32 setgroups32 getresuid32 getresgid32
kernel.unshare: unshare
kernel.wait4: waitpid wait4 waitid
mm.cachestat: cachestat
mm.heap: brk
mm.madvise: madvise
mm.mincore: msync mincore
mm.mlock: mlock munlock mlockall munlockall mlock2
mm.mmap: mmap munmap mmap2
mm.mprotect: mprotect pkey_mprotect pkey_alloc pkey_free
mm.mremap: mremap
mm.mseal: mseal
mm.remap_file_pages: remap_file_pages
net.msg_calls: socketcall recvmmsg sendmmsg sendto sendmsg recvfrom recvmsg recvmmsg_time64
net.socket: socket socketpair bind connect listen accept4 getsockname getpeername shutdown
net.sockopt: getsockopt setsockopt
tty.tty_io: vhangup
"""

#: The routine in entry.S that stands in sys_call_table for a call: `entry` of its `@syscall`.
_ENTRIES = {
    "fork": "ptregs_fork",
    "vfork": "ptregs_vfork",
    "clone": "ptregs_clone",
    "clone3": "ptregs_clone3",
}

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


class Call:
    """One number: the name, and what the function's own row says, which is looked up when it is needed.

    `home` is the module with the function, below toykernel; empty when the kernel does not have it.
    """

    def __init__(self, number: int, name: str, home: str = "", entry: str = "") -> None:
        self.number = number
        self.name = name
        self.home = home
        self.entry = entry

    @property
    def known(self) -> bool:
        """Whether the kernel has it: the others answer ENOSYS."""
        return bool(self.home)

    @property
    def label(self) -> str:
        """What sys_call_table holds for this number."""
        if not self.home:
            return "sys_ni_syscall"
        return self.entry or f"sys_{self.name}"

    @cached_property
    def row(self) -> Syscall:
        """What `@syscall` says of it; this loads the module. Raises LookupError when it is not there."""
        if not self.home:
            return Syscall(self.number, self.name)
        module = import_module(f"toykernel.{self.home}")
        for row in collect([module]):
            if (row.number, row.name, row.entry) == (self.number, self.name, self.entry):
                return row
        raise LookupError(f"{self.home} has no system call {self.number}, {self.name}")

    @property
    def function(self) -> Function | None:
        """What the call does; None when the kernel does not have it."""
        return self.row.function

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Its arguments, in the order of the registers."""
        return self.row.arguments


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


def homes(text: str) -> Iterator[tuple[str, str]]:
    """Names of calls, each with the module that has it, of the words `module: name name …`."""
    home = ""
    for word in text.split():
        if word.endswith(":"):
            home = word[:-1]
        else:
            yield word, home


def table(
    names: Iterable[str], places: Iterable[tuple[str, str]], entries: dict[str, str]
) -> tuple[Call, ...]:
    """A row for each number from 0, without gaps; `names` has "-" for a number that is no call.

    Raises ValueError for a name in two places, or one that no number has.
    """
    found: dict[str, str] = {}
    for name, home in places:
        if name in found:
            raise ValueError(f"system call {name} in {found[name]} and in {home}")
        found[name] = home
    calls = tuple(
        Call(number, "" if name == "-" else name, found.pop(name, ""), entries.get(name, ""))
        for number, name in enumerate(names)
    )
    if found:
        raise ValueError(f"no number for {', '.join(found)}")
    return calls


SYSCALLS: tuple[Call, ...] = table(_NAMES.split(), homes(_HOMES), _ENTRIES)
BY_NAME: dict[str, Call] = {row.name: row for row in SYSCALLS if row.name}


def load_modules() -> None:
    """Load every module that has system calls, as calling them does."""
    for home in sorted({call.home for call in SYSCALLS if call.home}):
        import_module(f"toykernel.{home}")


def name_of(number: int) -> str:
    """Name of a call, or syscall_0x…, as strace names an unknown one."""
    if 0 <= number < len(SYSCALLS) and SYSCALLS[number].name:
        return SYSCALLS[number].name
    return f"syscall_{number:#x}"


def decode(number: int, words: list[int]) -> list[Any]:
    """The argument registers as the function gets them."""
    row = SYSCALLS[number]
    return [a.decode(w) for a, w in zip(row.arguments, words, strict=False)]
