"""What the calls of the i386 table answer to arguments that cannot be right, line by line as this machine's
strace writes it: bad descriptors and pids, bad and read-only pointers, names that lead nowhere.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from native_strace import skip_unless_strace
from strace_calls import Calls, build, line_of

from toykernel.harness.session import Session
from toykernel.observe.strace import Strace
from toykernel.profiles import PROFILES
from toykernel.state import Config
from toykernel.syscall_table import BY_NAME, SYSCALLS

LAST = BY_NAME["set_mempolicy_home_node"].number  # of the calls that strace 6.1 knows
NOBODY = 65534
#: A descriptor and pid that nobody has: above the largest pid, and what files may be open.
NONE = 5_000_000
AT_FDCWD, BAD, KERNEL = 0xFFFFFF9C, 0x10, 0x7FFFFFFF

#: Calls that are not made here, by what would come of them.
NOT_MADE = {
    "it ends, sleeps, or makes another": """exit exit_group fork vfork clone clone3 execve execveat pause
        sigsuspend rt_sigsuspend nanosleep clock_nanosleep clock_nanosleep_time64 rt_sigtimedwait
        rt_sigtimedwait_time64 select _newselect poll pselect6 pselect6_time64 ppoll ppoll_time64 epoll_wait
        epoll_pwait epoll_pwait2 futex futex_time64 wait4 waitpid waitid sigreturn rt_sigreturn
        restart_syscall reboot vhangup bdflush sync syncfs sched_yield""",
    "signals come of it": """kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal ptrace
        alarm setitimer timer_settime""",
    "other calls answer differently after it": """setsid personality prctl seccomp unshare setns umask nice
        setpriority mlockall setrlimit prlimit64 chroot fchdir close close_range set_robust_list rseq
        set_tid_address read write modify_ldt set_thread_area iopl ioperm vm86 vm86old""",
    "addresses are the process's": """brk mmap mmap2 munmap mremap mprotect remap_file_pages mlock munlock
        get_robust_list""",
    "the machine, or what runs on it, is in the answer": """getpid gettid getppid getpgrp getpgid getsid
        time times gettimeofday clock_gettime clock_gettime64 getrandom sysinfo uname olduname getcwd
        getdents getdents64 getcpu getrusage getrlimit ugetrlimit getpriority sched_getscheduler
        sched_getparam sched_rr_get_interval sched_rr_get_interval_time64 sched_getaffinity
        sched_setaffinity setfsuid setfsgid setfsuid32 setfsgid32 io_setup memfd_create mknod mknodat""",
    "it would be left on the machine": """msgget msgrcv msgsnd msgctl shmget shmat shmctl shmdt semget
        semctl semtimedop_time64 mq_open mq_unlink""",
    "Linux 6.18 looks at them in another order": """flock fsetxattr fgetxattr name_to_handle_at
        open_by_handle_at""",
    "newer kernels read what is pointed to first": "timer_create clock_adjtime socketpair",
    "newer kernels look at the descriptor first": "accept4",
    "a range that wraps is none for a kernel of 64 bits": """process_vm_readv process_vm_writev sendto
        recvfrom splice tee""",
}
#: What is not in the machine's memory: names, in memory that may not be written.
NAMES = '.section .rodata\nnowhere: .asciz "/no/such/file"\n.balign 4\n.data\n'


def records(symbols: dict[str, int]) -> Calls:
    """The calls, after those that give up all privileges."""
    name = symbols["nowhere"]
    patterns = [
        [0xFFFFFFFF] * 6,
        [KERNEL] * 6,
        [name] * 6,
        [NONE, 0, 0, 0, 0, 0],
        [NONE, BAD, BAD, BAD, BAD, BAD],
        [NONE, KERNEL, 0, 1, 2, 3],
        [NONE, name, name, name, 0, 0],
        [NONE, name, 16, 0, 0, 0],
        [name, 0, 0, 0, 0, 0],
        [name, BAD, BAD, BAD, BAD, BAD],
        [AT_FDCWD, name, 0, 0, 0, 0],
    ]
    groups, gids, uids = (
        BY_NAME[each].number for each in ("setgroups32", "setresgid32", "setresuid32")
    )
    drop = [(groups, [0] * 6), (gids, [NOBODY] * 6), (uids, [NOBODY] * 6)]
    left_out = {each for names in NOT_MADE.values() for each in names.split()}
    rows = [row for row in SYSCALLS[: LAST + 1] if row.name and row.function is not None]
    return drop + [
        (row.number, words) for row in rows if row.name not in left_out for words in patterns
    ]


def native_answers(path: Path) -> list[str]:
    """The lines of the calls."""
    trace = path.with_name("native")
    subprocess.run(
        ["strace", "-o", str(trace), "-e", "signal=none", f"./{path.name}"], cwd=path.parent,
        env={"TZ": "UTC"}, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    lines = trace.read_text(errors="surrogateescape").splitlines()[1:]
    return [line_of(line) for line in lines]


def our_answers(path: Path) -> list[str]:
    written: list[bytes] = []
    session = Session(path, config=Config(profile=PROFILES["6.x"]))
    Strace(session.kernel, written.append, every_line_has_pid=False)
    session.run(2_000_000_000)
    lines = [line.decode(errors="surrogateescape").rstrip("\n") for line in written[1:]]
    return [line_of(line) for line in lines if not line.startswith(("+++", "---"))]


def test_what_cannot_be_right_is_refused_in_the_same_words(tmp_path: Path) -> None:
    skip_unless_strace(tmp_path)
    version = subprocess.run(["strace", "-V"], capture_output=True, text=True, check=True).stdout
    if "version 6.1\n" not in version:
        pytest.skip(f"the forms are those of strace 6.1, not of {version.splitlines()[0]}")
    if tuple(int(each) for each in os.uname().release.split(".")[:2]) < (6, 0):
        pytest.skip("an older kernel refuses other things first")
    if "Seccomp:\t0\n" not in Path("/proc/self/status").read_text():
        pytest.skip("a filter of system calls answers instead of the kernel")
    path, calls = build(tmp_path, records, NAMES)
    tmp_path.chmod(0o755)
    theirs, ours = native_answers(path), our_answers(path)
    assert len(theirs) == len(ours) == len(calls)
    made = list(zip(ours, theirs, strict=True))[3:]  # without privileges, whoever runs this
    assert [pair for pair in made if pair[0] != pair[1]] == []


def test_what_is_not_made_are_calls() -> None:
    names = [each for names in NOT_MADE.values() for each in names.split()]
    assert {*names} <= set(BY_NAME)
    assert len(names) == len({*names})
