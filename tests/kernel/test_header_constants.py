"""Every number that a Linux header names is here what it is there: flags, requests, options, limits.

The constants of the kernel's modules are looked up by their names in the headers of this machine, compiled
for i386; those that only the kernel's own headers and sources have are in tables below.
"""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import signal
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from toykernel.kernel.sched.entity import PRIO_TO_WEIGHT

ROOT = Path(__file__).parents[2]
FOLDERS = ("kernel", "arch", "ipc", "net", "tty", "fs", "mm")
#: Each its own translation unit: some do not go together. With "linux" and "asm" the kernel's own numbers.
UNITS = (
    "sys/socket.h sys/un.h sys/ipc.h sys/msg.h sys/sem.h sys/shm.h signal.h fcntl.h sys/wait.h sys/ptrace.h "
    "sched.h mqueue.h sys/mman.h sys/epoll.h sys/eventfd.h sys/signalfd.h sys/timerfd.h sys/inotify.h "
    "sys/resource.h sys/timex.h time.h poll.h limits.h sys/xattr.h elf.h sys/personality.h errno.h dirent.h "
    "unistd.h sys/uio.h sys/prctl.h sys/reboot.h termios.h sys/mount.h",
    "asm/termbits.h linux/types.h asm/ioctls.h linux/tty.h linux/sockios.h",
    "linux/types.h linux/fs.h linux/fcntl.h linux/stat.h linux/openat2.h linux/close_range.h linux/xattr.h "
    "linux/magic.h linux/falloc.h linux/memfd.h linux/mman.h linux/userfaultfd.h linux/mempolicy.h "
    "linux/aio_abi.h linux/inotify.h linux/eventpoll.h linux/limits.h linux/major.h linux/mount.h",
    "linux/sched.h linux/ptrace.h linux/seccomp.h linux/filter.h linux/audit.h linux/prctl.h linux/futex.h "
    "linux/capability.h linux/membarrier.h linux/rseq.h linux/kcmp.h linux/personality.h linux/wait.h "
    "linux/resource.h linux/ioprio.h linux/random.h linux/securebits.h linux/elf.h linux/time.h "
    "linux/utsname.h asm/auxvec.h linux/auxvec.h asm/ldt.h asm/processor-flags.h asm/ptrace-abi.h",
    "linux/types.h linux/ipc.h linux/msg.h linux/sem.h linux/mqueue.h linux/un.h linux/timex.h",
    "linux/types.h limits.h linux/shm.h",
    "linux/types.h linux/sched/types.h",
    "sys/statvfs.h",
    "stddef.h asm/signal.h asm/siginfo.h",
    "asm/mman.h linux/pidfd.h",
)  # fmt: skip
#: Where the names here leave out what all of a file have in common.
PREFIXES = {
    "seccomp": ("SECCOMP_", "SECCOMP_FILTER_"), "userfaultfd": ("UFFD_",),
    "ptrace_info": ("PTRACE_", "PTRACE_SYSCALL_INFO_"), "sys": ("__",),
}  # fmt: skip
#: What the headers call otherwise.
RENAMED = {
    "SECURE_KEEP_CAPS": "SECBIT_KEEP_CAPS", "SECURE_NO_SETUID_FIXUP": "SECBIT_NO_SETUID_FIXUP",
    "SECURE_NOROOT": "SECBIT_NOROOT",
    "SECURE_LOCKS": "SECURE_ALL_LOCKS", "SECURE_BITS": "SECURE_ALL_BITS", "WALL": "__WALL",
    "WCLONE": "__WCLONE", "WNOTHREAD": "__WNOTHREAD", "NPROTO": "PF_MAX",
    "OP_NONE": "NONE", "OP_ENTRY": "ENTRY", "OP_EXIT": "EXIT", "OP_SECCOMP": "SECCOMP",
}  # fmt: skip
#: Other than the headers of this machine say, and why.
OTHERWISE = {
    "NSIG": "64 signals; the library counts from 0",
    "CAP_LAST_CAP": "that of the kernel that is followed, which has fewer",
    "PTRACE_O_MASK": "without PTRACE_O_SUSPEND_SECCOMP",
    "SECURE_LOCKS": "those of the kernel that is followed, without NO_CAP_AMBIENT",
    "SECURE_BITS": "those of the kernel that is followed, without NO_CAP_AMBIENT",
    "MAXTC": "what the calls take, of kernel/time/ntp.c",
    "BLOCK_SIZE": "a page, of the file system in memory",
    "O_TMPFILE": "the bit alone, without O_DIRECTORY",
}  # fmt: skip


def signals(*names: str) -> int:
    """A set of signals as the kernel's mask."""
    return sum(1 << signal.Signals[f"SIG{name}"] - 1 for name in names)


#: By Linux's file, what no program can include.
OWN = {
    "include/linux/mm.h": {
        "VM_READ": 1, "VM_WRITE": 2, "VM_EXEC": 4, "VM_SHARED": 8, "VM_MAYREAD": 0x10, "VM_MAYWRITE": 0x20,
        "VM_MAYEXEC": 0x40, "VM_MAYSHARE": 0x80, "VM_GROWSDOWN": 0x100, "VM_LOCKED": 0x2000,
        "VM_SEQ_READ": 0x8000, "VM_RAND_READ": 0x10000, "VM_DONTCOPY": 0x20000, "VM_LOCKONFAULT": 0x80000,
        "VM_ACCOUNT": 0x100000, "VM_NORESERVE": 0x200000, "VM_WIPEONFORK": 0x2000000,
        "VM_DONTDUMP": 0x4000000,
    },
    "include/linux/mmzone.h": {"MAX_ORDER": 11},
    "include/linux/fs.h": {
        "MAY_EXEC": 1, "MAY_WRITE": 2, "MAY_READ": 4, "MAX_RW_COUNT": 0x7FFFF000, "MAX_NON_LFS": 0x7FFFFFFF,
        "MAX_LFS_FILESIZE": (4096 << 31) - 1,
    },
    "include/linux/namei.h": {"MAXSYMLINKS": 40},
    "include/linux/stat.h": {"S_IRUGO": 0o444, "S_IWUGO": 0o222},
    "include/linux/binfmts.h": {"MAX_ARG_STRLEN": 32 * 4096},
    "include/linux/pipe_fs_i.h": {"PIPE_DEF_BUFFERS": 16},
    "fs/eventpoll.c": {"EP_MAX_NESTS": 4, "EP_MAX_EVENTS": 0x7FFFFFFF // 12},
    "include/linux/sched/prio.h": {
        "MAX_NICE": 19, "MIN_NICE": -20, "MAX_RT_PRIO": 100, "MAX_USER_RT_PRIO": 100, "MAX_PRIO": 140,
        "DEFAULT_PRIO": 120,
    },
    "kernel/sched/sched.h": {"NICE_0_LOAD": 1024, "WEIGHT_IDLEPRIO": 3, "DEF_TIMESLICE_MS": 100},
    "include/linux/sched/jobctl.h": {
        "JOBCTL_STOP_SIGMASK": 0xFFFF, "JOBCTL_STOP_DEQUEUED": 1 << 16, "JOBCTL_STOP_PENDING": 1 << 17,
        "JOBCTL_STOP_CONSUME": 1 << 18, "JOBCTL_TRAP_STOP": 1 << 19, "JOBCTL_TRAP_NOTIFY": 1 << 20,
        "JOBCTL_TRAPPING": 1 << 21, "JOBCTL_LISTENING": 1 << 22, "JOBCTL_TRAP_MASK": 3 << 19,
        "JOBCTL_PENDING_MASK": 0b1101 << 17,
    },
    "include/linux/ptrace.h": {
        "PT_PTRACED": 1, "PT_SEIZED": 0x10000, "PT_OPT_FLAG_SHIFT": 3, "PT_TRACESYSGOOD": 8,
        "PT_EXITKILL": 1 << 23,
    },
    "include/linux/sched/signal.h": {
        "SIGNAL_CLD_STOPPED": 0x10, "SIGNAL_CLD_CONTINUED": 0x20, "SIGNAL_CLD_MASK": 0x30,
    },
    "include/linux/signal.h": {
        "SIGSET_SIZE": 8, "KERNEL_ONLY": signals("KILL", "STOP"),
        "KERNEL_STOP": signals("STOP", "TSTP", "TTIN", "TTOU"),
        "KERNEL_IGNORE": signals("CONT", "CHLD", "WINCH", "URG"),
        "KERNEL_COREDUMP": signals(
            *("QUIT", "ILL", "TRAP", "ABRT", "FPE", "SEGV", "BUS", "SYS", "XCPU", "XFSZ")
        ),
    },
    "include/linux/threads.h": {"PID_MAX_DEFAULT": 0x8000, "RESERVED_PIDS": 300, "PID_MAX_MIN": 301},
    "include/linux/pid_namespace.h": {"MAX_PID_NS_LEVEL": 32},
    "include/linux/ipc_namespace.h": {
        "DFLT_QUEUESMAX": 256, "DFLT_MSGMAX": 10, "DFLT_MSG": 10, "DFLT_MSGSIZEMAX": 8192,
        "DFLT_MSGSIZE": 8192, "HARD_MSGMAX": 65536, "HARD_MSGSIZEMAX": 16 << 20,
    },
    "ipc/util.h": {"SEQ_MULTIPLIER": 0x8000},
    "include/net/sock.h": {
        "RCV_SHUTDOWN": 1, "SEND_SHUTDOWN": 2, "SHUTDOWN_MASK": 3, "SOCK_MIN_SNDBUF": 4608,
        "SOCK_MIN_RCVBUF": 2304, "WMEM_DEFAULT": 212992, "WMEM_MAX": 212992, "MAX_DGRAM_QLEN": 10,
    },
    "include/net/scm.h": {"SCM_MAX_FD": 253},
    "include/linux/net.h": {"SOCK_MAX": 11, "SOCK_TYPE_MASK": 0xF},
    "include/linux/tty.h": {"N_TTY_BUF_SIZE": 4096},
    "Documentation/admin-guide/devices.txt": {
        "NULL_DEV": 0x103, "ZERO_DEV": 0x105, "FULL_DEV": 0x107, "RANDOM_DEV": 0x108, "URANDOM_DEV": 0x109,
        "TTY_DEV": 0x500, "CONSOLE_DEV": 0x501, "PTMX_DEV": 0x502, "PTS_MAJOR": 136,
    },
    "Documentation/admin-guide/mm/pagemap.rst": {
        "PM_PRESENT": 1 << 63, "PM_SWAP": 1 << 62, "PM_FILE": 1 << 61, "PM_UFFD_WP": 1 << 57,
        "PM_MMAP_EXCLUSIVE": 1 << 56,
    },
    "include/uapi of newer kernels": {
        "MFD_NOEXEC_SEAL": 8, "MFD_EXEC": 16, "F_SEAL_EXEC": 32, "PIDFD_THREAD": 0o200,
        "FUTEX2_SIZE_U32": 2, "FUTEX2_PRIVATE": 128, "SIGNAL_THREAD": 1, "SIGNAL_GROUP": 2,
        "SIGNAL_PROCESS_GROUP": 4,
        "PAGEMAP_SCAN": 0xC0606610, "PAGE_IS_WPALLOWED": 1, "PAGE_IS_WRITTEN": 2, "PAGE_IS_FILE": 4,
        "PAGE_IS_PRESENT": 8, "PAGE_IS_SWAPPED": 16, "PAGE_IS_PFNZERO": 32, "PAGE_IS_GUARD": 256,
        "PM_SCAN_WP_MATCHING": 1, "PM_SCAN_CHECK_WPASYNC": 2,
    },
    "kernel/time/ntp.c": {
        "ADJ_ADJTIME": 0x8000, "ADJ_OFFSET_READONLY": 0x2000, "MAXFREQ": 500 << 16, "MAX_TAI_OFFSET": 100000,
    },
    "include/linux/time64.h": {
        "NSEC_PER_SEC": 10**9, "NSEC_PER_MSEC": 10**6, "NSEC_PER_USEC": 1000, "USER_HZ": 100,
        "KTIME_MAX": (1 << 63) - 1,
    },
    "arch/x86/include/asm/segment.h": {
        "GDT_ENTRIES": 32, "GDT_TLS_MIN": 6, "GDT_TLS_ENTRIES": 3, "KERNEL_CS": 0x60, "KERNEL_DS": 0x68,
        "USER_CS": 0x73, "USER_DS": 0x7B, "TSS_SELECTOR": 0x80,
    },
    "arch/x86/include/asm/irq_vectors.h": {
        "FIRST_EXTERNAL_VECTOR": 0x20, "SYSCALL_VECTOR": 0x80, "PAGE_FAULT_VECTOR": 14,
    },
    "arch/x86/include/asm/page_32_types.h": {
        "PAGE_OFFSET": 0xC0000000, "TASK_SIZE": 0xC0000000, "THREAD_SIZE": 8192, "PT_SIZE": 68,
    },
    "arch/x86/include/asm/fpu": {
        "FCW_INIT": 0x37F, "MXCSR_INIT": 0x1F80, "FSAVE_SIZE": 108, "FXSAVE_SIZE": 512,
        "FPSTATE_SIZE": 112 + 512, "SIGCONTEXT_SIZE": 88, "UCONTEXT_SIZE": 20 + 88 + 8,
    },
    "include/linux/capability.h": {"CAP_FULL_SET": (1 << 35) - 1, "CAP_FS_MASK": 0x10800021F},
}  # fmt: skip


def constants() -> Iterator[tuple[str, str, int]]:
    """Name here, module, value."""
    for folder in FOLDERS:
        for path in sorted((ROOT / "toykernel" / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            values = vars(importlib.import_module(name))
            for node in ast.parse(path.read_text()).body:
                targets = node.targets if isinstance(node, ast.Assign) else []
                if isinstance(node, ast.AnnAssign):
                    targets = [node.target]
                for each in (part for target in targets for part in ast.walk(target)):
                    if isinstance(each, ast.Name) and re.fullmatch(r"_?[A-Z][A-Z0-9_]*", each.id):
                        value = values[each.id]
                        if isinstance(value, int) and not isinstance(value, bool):
                            yield each.id.lstrip("_"), name, value


def headers(unit: str) -> str:
    return "#define _GNU_SOURCE 1\n" + "".join(f"#include <{name}>\n" for name in unit.split())


def gcc(text: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["gcc", "-m32", "-w", "-xc", "-", *options]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def values_in(unit: str, wanted: set[str], directory: Path) -> dict[str, int]:
    """What a translation unit's headers say of these names, as 32 bits."""
    seen = gcc(headers(unit), "-E", "-dD")
    assert seen.returncode == 0, seen.stderr
    names = sorted(wanted & set(re.findall(r"\w+", seen.stdout)))
    lines = [f'    printf("{name} %u\\n", (unsigned)({name}));' for name in names]
    begin = f"{headers(unit)}int printf(const char *, ...);\nint main(void) {{\n"
    first = begin.count("\n") + 1
    program = directory / "values"
    for _ in range(3):  # a name of a type or of a macro with arguments is no number
        done = gcc(begin + "\n".join(lines) + "\n}\n", "-o", str(program))
        wrong = {int(n) - first for n in re.findall(r"<stdin>:(\d+):", done.stderr)}
        lines = [line for at, line in enumerate(lines) if at not in wrong]
        if not done.returncode:
            break
    assert done.returncode == 0, done.stderr
    told = subprocess.run([program], capture_output=True, text=True, check=False).stdout
    return {name: int(value) for name, value in (line.split() for line in told.splitlines())}


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.usefixtures("linux32")
def test_every_constant_is_that_of_the_headers(tmp_path: Path) -> None:
    here = list(constants())
    names = {
        (name, module): (
            RENAMED.get(name, name),
            *(prefix + RENAMED.get(name, name) for prefix in PREFIXES.get(module.rpartition(".")[2], ())),
        )
        for name, module, _ in here
    }  # fmt: skip
    wanted = {name for variants in names.values() for name in variants}
    there: dict[str, set[int]] = defaultdict(set)
    for unit in UNITS:
        for name, value in values_in(unit, wanted, tmp_path).items():
            there[name].add(value)
    found, differ = 0, []
    for name, module, value in here:
        known = set().union(*(there.get(variant, set()) for variant in names[name, module]))
        found += bool(known)
        if known and value & 0xFFFFFFFF not in known and name not in OTHERWISE:
            differ.append((module, name, hex(value), [hex(number) for number in known]))
    assert differ == []
    assert found > 850


def test_the_kernels_own_constants() -> None:
    here = defaultdict(set)
    for name, module, value in constants():
        here[name].add((value, module))
    for file, numbers in OWN.items():
        for name, number in numbers.items():
            assert here[name], name
            assert {value for value, _ in here[name]} == {number}, (file, name, here[name])


def test_the_weights_of_nice_levels() -> None:
    """prio_to_weight of kernel/sched/core.c."""
    assert (
        *(88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904),
        *(3906, 3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87),
        *(70, 56, 45, 36, 29, 23, 18, 15),
    ) == PRIO_TO_WEIGHT  # fmt: skip
    step = [a / b for a, b in pairwise(PRIO_TO_WEIGHT[:30])]
    assert all(1.2 < factor < 1.3 for factor in step)
