"""What differs between the kernels that `--kernel` names, in one place (fork-path N).

The rest of the kernel asks its Profile; it never compares versions.
"""

from __future__ import annotations

from dataclasses import replace

from emu.record import dataclass
from toykernel.errno import ECHILD, ESRCH
from toykernel.task import TASK_NEW, TASK_RUNNING, TASK_UNINTERRUPTIBLE

#: UAPI_SA_FLAGS (uapi/asm-generic/signal-defs.h of 5.11), with i386's SA_RESTORER.
UAPI_SA_FLAGS = 0xDC000807
#: Functions of the vDSO: what there always was, those of 3.15, and those of 5.3 and later.
_VSYSCALL = ("__kernel_vsyscall", "__kernel_sigreturn", "__kernel_rt_sigreturn")
_CLOCKS = ("__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time")
_NEWER_CLOCKS = ("__vdso_clock_gettime64", "__vdso_clock_getres", "__vdso_getcpu")


@dataclass(frozen=True)
class Profile:
    """One column of table N."""

    name: str
    release: str  # what uname says
    state_at_birth: int  # of a child, until it is woken for the first time
    scheduler: str  # goodness (counters) or cfs
    clone_pid: bool  # CLONE_PID exists, for pid 0 only
    newuser_refusals: bool  # NEWUSER+FS, SIGHAND+NEWUSER, SIGHAND+NEWPID
    unmapped_ids: bool  # a user namespace has no ids until its maps are written
    clone_parent_keeps_leader_signal: bool  # D15 with CLONE_PARENT
    nproc_waits_for_exec: bool  # setuid beyond RLIMIT_NPROC works, and the next exec fails
    reserved_pids: int  # where numbers go on after pid_max
    last_cap: int  # CAP_LAST_CAP
    secure_bits: int  # of PR_SET_SECUREBITS, without those that lock them (linux/securebits.h)
    merges_cloned_areas: bool  # a new mapping joins an area that came from fork with pages
    wait_for_int_min: int  # what wait4 answers for the pid INT_MIN, an error number
    killed_clears_tid: bool  # clear_child_tid, of a task that a signal kills
    script_line: int  # bytes of a script's first line that exec reads
    refuses_cut_interpreter: bool  # whose name does not end in them
    memlock: int  # RLIMIT_MEMLOCK of the first task, bytes
    mlock_counts_once: bool  # what mlock finds locked is not counted again
    sa_flags: int  # those that sigaction keeps
    cgroup_namespaces: bool  # CLONE_NEWCGROUP takes CAP_SYS_ADMIN (and makes nothing)
    locks_mounts: bool  # in a mount namespace of another user namespace
    free_whiteouts: bool  # a character device 0:0 takes no CAP_MKNOD
    devpts_instances: bool  # every mount of devpts is one of its own
    fills_empty_argv: bool  # exec with no argv[0] gets an empty one
    vdso: tuple[str, ...]  # the functions of the vDSO
    vdso_enabled: bool  # vm.vdso_enabled at boot
    shares_program_pages: bool  # execve maps a file's read-only pages, in place of copies
    utimes_looks_first: bool  # utimensat looks for the file before it looks at the times
    stack_expand: int  # bytes that exec adds below the strings; 0: a page below all
    auxv: frozenset[str]  # the entries of the auxiliary vector that not all have


_2_6_39 = Profile(
    name="2.6.39",
    release="2.6.39",
    state_at_birth=TASK_RUNNING,
    scheduler="cfs",
    clone_pid=False,
    newuser_refusals=False,
    unmapped_ids=False,
    clone_parent_keeps_leader_signal=False,
    nproc_waits_for_exec=False,
    reserved_pids=300,
    last_cap=34,
    secure_bits=0x15,
    merges_cloned_areas=True,
    wait_for_int_min=ECHILD,
    killed_clears_tid=False,
    script_line=128,
    refuses_cut_interpreter=False,
    memlock=64 << 10,
    mlock_counts_once=False,
    sa_flags=0xFFFFFFFF,
    cgroup_namespaces=False,
    devpts_instances=False,
    free_whiteouts=False,
    locks_mounts=False,
    fills_empty_argv=False,
    vdso=_VSYSCALL,
    vdso_enabled=False,
    shares_program_pages=False,
    utimes_looks_first=False,
    stack_expand=0,
    auxv=frozenset(),
)
_2_4 = replace(
    _2_6_39,
    name="2.4",
    release="2.4.37",
    state_at_birth=TASK_UNINTERRUPTIBLE,
    scheduler="goodness",
    clone_pid=True,
    last_cap=28,
)
_3_X = replace(
    _2_6_39,
    name="3.x",
    release="3.18.0",
    newuser_refusals=True,
    unmapped_ids=True,
    clone_parent_keeps_leader_signal=True,
    nproc_waits_for_exec=True,
    locks_mounts=True,
    last_cap=37,
    merges_cloned_areas=False,
    vdso=(*_VSYSCALL, *_CLOCKS),
    vdso_enabled=True,
    shares_program_pages=True,
    stack_expand=131072,
)
_4_X = replace(
    _3_X,
    name="4.x",
    release="4.19.0",
    state_at_birth=TASK_NEW,
    wait_for_int_min=ESRCH,
    cgroup_namespaces=True,
    mlock_counts_once=True,
    devpts_instances=True,
    killed_clears_tid=True,
    auxv=frozenset(("AT_HWCAP2",)),
)
_6_X = replace(
    _4_X,
    name="6.x",
    release="6.12.0",
    free_whiteouts=True,
    last_cap=40,
    secure_bits=0x555,
    script_line=256,
    refuses_cut_interpreter=True,
    memlock=8 << 20,
    sa_flags=UAPI_SA_FLAGS,
    utimes_looks_first=True,
    fills_empty_argv=True,
    vdso=(*_VSYSCALL, *_CLOCKS, *_NEWER_CLOCKS),
    auxv=frozenset(("AT_HWCAP2", "AT_MINSIGSTKSZ", "AT_RSEQ_FEATURE_SIZE", "AT_RSEQ_ALIGN")),
)

PROFILES: dict[str, Profile] = {each.name: each for each in (_2_4, _2_6_39, _3_X, _4_X, _6_X)}
DEFAULT_PROFILE = _2_6_39
#: For an ELF file that asks for more than DEFAULT_PROFILE, and does not say by `--kernel` for what.
NEWEST_PROFILE = _6_X
