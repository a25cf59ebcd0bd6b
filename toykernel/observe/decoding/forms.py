"""Every call of the i386 table as strace writes it: a form, the printers of its arguments in their order.

`>` before a printer: it is written at the end of the call, and all behind it; `+` so too, and the comma with
it. `@N` behind one: it is the argument N (from 0), and the next is N + 1. Calls whose arguments depend on
one of them: options.py.
"""

from __future__ import annotations

from collections.abc import Mapping

_TABLE = """
restart_syscall restarted
exit int
read fd >read_buffer uint
write fd buffer uint
close fd
waitpid pid >status wait_options
creat path mode
link path path
unlink path
execve path strings environment
chdir path
time >dated
chmod path mode
lchown path id16 id16
oldstat path >oldstat_out
lseek fd int seek_whence
umount path
setuid id16
stime >dated
alarm uint
oldfstat fd >oldstat_out
utime path utimbuf
stty hex hex
gtty hex hex
access path access_modes
nice int
kill pid signal
rename path path
mkdir path mode
rmdir path
dup fd
pipe >fd_pair
times >tms
brk address
setgid id16
signal signal handler
acct path
umount2 path umount_flags
setpgid pid pid
ulimit hex hex
oldolduname hex
umask mode
chroot path
ustat device >address
dup2 fd fd
sigaction signal old_sigaction >old_sigaction
ssetmask mask_word
setreuid id16 id16
setregid id16 id16
sigsuspend mask_word@2
sigpending >old_sigset
sethostname hostname uint
setrlimit resource rlimit
getrlimit resource >rlimit
getrusage usagewho >rusage
gettimeofday >timeval timezone
settimeofday timeval timezone
getgroups int >groups16_out
setgroups int groups16
select old_select
symlink path path
oldlstat path >oldstat_out
readlink path >read_buffer uint
uselib path
swapon path swapflags
munmap address uint
truncate path uint
ftruncate fd uint
fchmod fd mode
fchown fd id16 id16
getpriority priority_which int
setpriority priority_which int int
profil hex hex hex hex
statfs path >statfs_out
fstatfs fd >statfs_out
ioperm hex hex int
setitimer itimer itimerval >itimerval
getitimer itimer >itimerval
stat path >stat_out
lstat path >stat_out
fstat fd >stat_out
olduname hex
iopl int
vm86old hex
wait4 pid >status wait_options wait_rusage
swapoff path
sysinfo >sysinfo
fsync fd
sigreturn frame_mask
setdomainname hostname uint
uname >utsname
modify_ldt int ldt uint
adjtimex >timex
mprotect address uint prot
sigprocmask sig_how old_sigset >old_sigset
create_module hex hex
init_module address uint string
delete_module string delete_module_flags
get_kernel_syms hex
getpgid pid
fchdir fd
bdflush hex hex
sysfs hex hex hex
personality personality_word
afs_syscall hex hex hex hex hex
setfsuid id16
setfsgid id16
_llseek fd llseek_offset >ulong_at@3 seek_whence
getdents fd >dirents uint
_newselect int fd_set fd_set fd_set timeval
flock fd flock_operation
msync address uint msync_flags
readv fd >iovec_out uint
writev fd iovec uint
getsid pid
fdatasync fd
_sysctl sysctl
mlock address uint
munlock address uint
mlockall mlockall_flags
sched_setparam pid int_at
sched_getparam pid >int_at
sched_setscheduler pid policy int_at
sched_getscheduler pid
sched_get_priority_max policy
sched_get_priority_min policy
sched_rr_get_interval pid >timespec
nanosleep timespec >remaining
setresuid id16 id16 id16
getresuid >id16_at id16_at id16_at
vm86 hex hex hex hex hex
query_module hex hex hex hex hex
poll pollfds uint int
nfsservctl hex hex hex
setresgid id16 id16 id16
getresgid >id16_at id16_at id16_at
rt_sigreturn rt_frame_mask
rt_sigaction signal sigaction >sigaction uint
rt_sigprocmask sig_how sigset_by_last >sigset uint
rt_sigpending >sigset_pending uint
rt_sigtimedwait sigset_by_last >siginfo timespec_read uint
rt_sigqueueinfo pid signal siginfo
rt_sigsuspend sigset uint
pread64 fd >read_buffer uint long
pwrite64 fd buffer uint long
chown path id16 id16
getcwd >cwd uint
capget cap_header >cap_data
capset cap_header cap_data
sigaltstack stack >stack
getpmsg hex hex hex hex hex
putpmsg hex hex hex hex hex
ugetrlimit resource >rlimit
mmap2 address uint prot map_flags fd page_offset
truncate64 path ulong
ftruncate64 fd ulong
stat64 path >stat64_out
lstat64 path >stat64_out
fstat64 fd >stat64_out
lchown32 path id id
setreuid32 id id
setregid32 id id
getgroups32 int >groups_out
setgroups32 int groups
fchown32 fd id id
setresuid32 id id id
getresuid32 >id_at id_at id_at
setresgid32 id id id
getresgid32 >id_at id_at id_at
chown32 path id id
setuid32 id
setgid32 id
setfsuid32 id
setfsgid32 id
pivot_root path path
mincore address uint >mincore
madvise address uint madvice
getdents64 fd >dirents64 uint
readahead fd long uint@3
setxattr path string xattr_value uint xattrflags
lsetxattr path string xattr_value uint xattrflags
fsetxattr fd string xattr_value uint xattrflags
getxattr path string >xattr_out uint
lgetxattr path string >xattr_out uint
fgetxattr fd string >xattr_out uint
listxattr path >xattr_list uint
llistxattr path >xattr_list uint
flistxattr fd >xattr_list uint
removexattr path string
lremovexattr path string
fremovexattr fd string
tkill pid signal
sched_setaffinity pid uint affinity
sched_getaffinity pid uint >affinity_out
set_thread_area user_desc
get_thread_area >thread_area
io_setup uint >hex_at
io_destroy address
io_getevents address int int >io_events timespec_read
io_submit address int iocbs
io_cancel address iocb >io_event
fadvise64 fd long uint@3 advise
exit_group int
lookup_dcookie >ulong read_buffer@2 uint
epoll_create int
epoll_ctl fd epoll_ctl fd epoll_event
epoll_wait fd >epoll_events_out int int
remap_file_pages address uint prot uint map_flags
set_tid_address hex
timer_create clock sigevent >int_at
timer_settime int clockflags itimerspec >itimerspec
timer_gettime int >itimerspec
timer_getoverrun int
timer_delete int
clock_settime clock timespec
clock_gettime clock >timespec
clock_getres clock >timespec
clock_nanosleep clock clockflags timespec >remaining
statfs64 path uint >statfs64_out
fstatfs64 fd uint >statfs64_out
tgkill pid pid signal
utimes path timeval_pair
fadvise64_64 fd long long@3 advise@5
vserver hex hex hex hex hex
mbind address uint policy_mode nodes uint mbind_flags
get_mempolicy >policy_out nodes uint address get_mempolicy_flags
set_mempolicy policy_mode nodes uint
mq_unlink path
mq_timedsend fd buffer uint uint timespec
mq_timedreceive fd >read_buffer uint uint_at timespec_read
mq_notify fd sigevent
mq_getsetattr fd queue_attr >queue_attr
kexec_load address uint kexec_segments kexec_word
waitid waitid_which int >siginfo wait_options rusage
add_key string string buffer uint key
request_key string string string key
ioprio_set ioprio_who int ioprio
ioprio_get ioprio_who int
inotify_init
inotify_add_watch fd path inotify_flags
inotify_rm_watch fd int
migrate_pages pid uint nodes_before nodes_before
mkdirat dirfd path mode
fchownat dirfd path id id at_flags
futimesat dirfd path timeval_pair
fstatat64 dirfd path >stat64_out at_flags
unlinkat dirfd path at_flags
renameat dirfd path dirfd path
linkat dirfd path dirfd path at_flags
symlinkat path dirfd path
readlinkat dirfd path >read_buffer uint
fchmodat dirfd path mode
faccessat dirfd path access_modes
pselect6 int fd_set fd_set fd_set timespec kernel_sigset
ppoll pollfds uint timespec sigset uint
unshare unshare_flags
set_robust_list address uint
get_robust_list pid >hex_at uint_at
splice fd long_at fd long_at uint splice_flags
sync_file_range fd long long@3 sync_file_range_flags@5
tee fd fd uint splice_flags
vmsplice fd iovec uint splice_flags
move_pages pid uint pages page_nodes >page_status move_pages_flags
getcpu >uint_at uint_at address
epoll_pwait fd >epoll_events_out int int sigset uint
utimensat dirfd path utime_pair at_flags
signalfd fd sigset uint
timerfd_create clock timerfd_flags
eventfd uint
fallocate fd falloc_flags long long@4
timerfd_settime fd timerfd_flags itimerspec >itimerspec
timerfd_gettime fd >itimerspec
signalfd4 fd sigset uint sfd_flags
eventfd2 uint efd_flags
epoll_create1 epollflags
dup3 fd fd open_more
pipe2 >fd_pair open_more
inotify_init1 inotify_init_flags
preadv fd >iovec_out uint long
pwritev fd iovec uint long
rt_tgsigqueueinfo pid pid signal siginfo
perf_event_open >perf_attr int int fd perf_open_flags
recvmmsg fd >messages_out uint msg_flags first_timeout
fanotify_init fanotify_flags open_flags
fanotify_mark fd fan_mark_flags fanotify_mask fanotify_dirfd@4 path
prlimit64 pid resource rlimit64 >rlimit64
name_to_handle_at dirfd path >handle handle_mount name_to_handle_flags
open_by_handle_at fd handle_in open_flags
clock_adjtime clock >timex
syncfs fd
sendmmsg fd >messages_in uint msg_flags
setns fd setns_types
process_vm_readv pid >iovec_out uint iovec_addresses uint uint
process_vm_writev pid iovec uint iovec_addresses uint uint
finit_module fd string module_init_flags
sched_setattr pid sched_attr +setattr_answer uint@2
sched_getattr pid >sched_attr_out uint uint
renameat2 dirfd path dirfd path rename_flags
getrandom >random_buffer uint random_flags
memfd_create memfd_name memfd_word
bpf bpf_commands >address uint
execveat dirfd path strings environment at_flags
socket addrfams socket_type protocol
socketpair addrfams socket_type uint >fd_pair
bind fd sockaddr int
connect fd sockaddr int
listen fd int
accept fd >name_out length_out
accept4 fd >name_out length_out sock_type_flags
getsockopt fd socketlayers option >get_option length_out
setsockopt fd socketlayers option set_option int
getsockname fd >name_out length_out
getpeername fd >name_out length_out
send fd buffer uint msg_flags
sendto fd buffer uint msg_flags sockaddr int
sendmsg fd message_in msg_flags
recv fd >received uint msg_flags
recvfrom fd >received uint msg_flags from_out from_length_out
recvmsg fd >message_out msg_flags
shutdown fd shutdown_how
userfaultfd uffd_flags
mlock2 address uint mlock2_flags
copy_file_range fd long_at fd long_at uint uint
preadv2 fd >iovec_out uint long rwf_flags@5
pwritev2 fd iovec uint long rwf_flags@5
pkey_mprotect address uint prot int
pkey_alloc hex pkey_access
pkey_free int
statx dirfd path statx_flags statx_masks >statx_out
io_pgetevents address int int >io_events timespec_read kernel_sigset_read
rseq hex hex hex hex
semget ipc_key int resource_word
shmget ipc_key uint shm_word
msgget ipc_key resource_word
clock_gettime64 clock >timespec64
clock_settime64 clock timespec64
clock_adjtime64 clock >timex64
clock_getres_time64 clock >timespec64
clock_nanosleep_time64 clock clockflags timespec64 >remaining64
timer_gettime64 int >itimerspec64
timer_settime64 int clockflags itimerspec64 >itimerspec64
timerfd_gettime64 fd >itimerspec64
timerfd_settime64 fd timerfd_flags itimerspec64 >itimerspec64
utimensat_time64 dirfd path utime_pair64 at_flags
pselect6_time64 int fd_set fd_set fd_set timespec64 kernel_sigset
ppoll_time64 pollfds uint timespec64 sigset uint
io_pgetevents_time64 address int int >io_events timespec64_read kernel_sigset_read
recvmmsg_time64 fd >messages_out uint msg_flags first_timeout
mq_timedsend_time64 fd buffer uint uint timespec64
mq_timedreceive_time64 fd >read_buffer uint uint_at timespec64_read
rt_sigtimedwait_time64 sigset_by_last >siginfo timespec64_read uint
sched_rr_get_interval_time64 pid >timespec64
pidfd_send_signal fd signal siginfo hex
io_uring_setup uint >uring_params
io_uring_enter fd uint uint uring_enter_flags sigset uint
io_uring_register fd uring_opcodes >address uint
open_tree dirfd path open_tree_flags
move_mount dirfd path dirfd path move_mount_flags
fsopen string fsopen_flags
fsmount fd fsmount_flags fsmount_attr
fspick dirfd path fspick_flags
pidfd_open pid pidfd_open_flags
clone3 clone_args +clone3_answer@0 uint@1
close_range uint uint close_range_flags
openat2 dirfd path open_how uint
pidfd_getfd fd int hex
faccessat2 dirfd path access_modes faccessat_flags
process_madvise fd iovec_addresses uint madvice hex
epoll_pwait2 fd >epoll_events_out int timespec64 sigset uint
mount_setattr dirfd path mount_setattr_flags mount_attrs uint
landlock_create_ruleset landlock_attr uint landlock_create
landlock_add_rule fd landlock_rule landlock_rule_attr hex
landlock_restrict_self fd hex
memfd_secret secret_flags
process_mrelease fd hex
futex_waitv waiters uint hex timespec64 clocks
set_mempolicy_home_node address uint uint hex
cachestat fd cachestat_range >cachestat_out hex
fchmodat2 dirfd path mode at_flags
map_shadow_stack address uint shadow_flags
futex_wake address futexbitset int futex2_flags
futex_wait address uint futexbitset futex2_flags timespec64 clocks
futex_requeue waiters2 hex int int
statmount mount_request >address uint hex
listmount mount_request >address uint hex
lsm_get_self_attr lsm_attr >address uint_at hex
lsm_set_self_attr lsm_attr address uint hex
lsm_list_modules >address uint_at hex
mseal address uint hex
setxattrat dirfd path at_flags string xattr_args uint
getxattrat dirfd path at_flags string >xattr_args uint
listxattrat dirfd path at_flags >xattr_list uint
removexattrat dirfd path at_flags string
open_tree_attr dirfd path open_tree_flags mount_attrs uint
file_getattr dirfd path >file_attr uint at_flags
file_setattr dirfd path file_attr uint at_flags
ipc ipc_call hex hex hex hex hex
socketcall socket_call address
"""
#: By name.
FIXED: Mapping[str, str] = {
    name: form for name, _, form in (line.partition(" ") for line in _TABLE.strip().splitlines())
}

_WITHOUT = """
fork break getpid getuid pause ftime sync prof getgid geteuid getegid lock mpx getppid getpgrp setsid
sgetmask vhangup idle munlockall sched_yield vfork getuid32 getgid32 geteuid32 getegid32 gettid
inotify_init
"""
#: Calls without arguments.
WITHOUT = frozenset(_WITHOUT.split())
