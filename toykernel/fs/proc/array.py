"""What /proc/PID says of a task: stat, status, statm (fs/proc/array.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.fs.proc.task_mmu import area_frames
from toykernel.kernel.cputime import children_times, group_times, task_times
from toykernel.kernel.pid import pid_vnr, task_pid_vnr
from toykernel.kernel.sched.entity import rt_policy
from toykernel.kernel.signal_types import RLIMIT_RSS, RLIMIT_SIGPENDING, SIG_IGN
from toykernel.kernel.timekeeping import NSEC_PER_SEC, cycles_to_ns
from toykernel.mm.mm_types import VM_EXEC, VM_GROWSDOWN, VM_SHARED, VM_WRITE, MmStruct

if TYPE_CHECKING:
    from toykernel.kernel.signal_types import Pending
    from toykernel.state import Kernel
    from toykernel.task import Task

USER_HZ = 100
_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "disk sleep",
    "T": "stopped",
    "t": "tracing stop",
    "Z": "zombie",
    "X": "dead",
    "N": "new",
}


def ticks(ns: int) -> int:
    """A time in ns as hundredths of a second (nsec_to_clock_t)."""
    return ns * USER_HZ // NSEC_PER_SEC


def signal_set(pending: Pending) -> int:
    """Pending signals as a bit set."""
    return sum(1 << number - 1 for number in pending)


def _handled(task: Task) -> tuple[int, int]:
    """Signals that are ignored, and those that have a handler, as bit sets."""
    ignored = caught = 0
    for number, action in task.sighand.action.items():
        if action.handler == SIG_IGN:
            ignored |= 1 << number - 1
        elif action.handler:
            caught |= 1 << number - 1
    return ignored, caught


def sizes(mm: MmStruct) -> dict[str, int]:
    """Pages by kind of area: data, stack, program, libraries, file and shared memory."""
    data = stack = text = shared = 0
    for area in mm:
        private = not area.vm_flags & VM_SHARED
        if area.vm_flags & VM_GROWSDOWN:
            stack += area.pages
        elif private and area.vm_flags & VM_WRITE:
            data += area.pages
        if area.vm_flags & VM_EXEC and not area.vm_flags & VM_WRITE and area.mapping is not None:
            text += area.pages
        if area.mapping is not None:
            shared += area.pages
    exe = (mm.end_code - 1 >> 12) - (mm.start_code >> 12) + 1 if mm.end_code else 0
    return {"data": data, "stack": stack, "exe": exe, "lib": max(text - exe, 0), "shared": shared}


def proc_pid_stat(k: Kernel, task: Task) -> str:
    """52 numbers in a line, the name in brackets."""
    return _stat(k, task, whole=True)


def proc_tid_stat(k: Kernel, task: Task) -> str:
    """The same of one thread."""
    return _stat(k, task, whole=False)


def _stat(k: Kernel, task: Task, *, whole: bool) -> str:
    signal, mm = task.signal, task.mm
    user, system = group_times(k, task) if whole else task_times(k, task)
    dead_user, dead_system = children_times(k, task)
    faults = signal.min_flt + sum(t.min_flt for t in signal.threads) if whole else task.min_flt
    ignored, caught = _handled(task)
    realtime = rt_policy(task.se.policy)
    leader = task.group_leader
    regs = k.task_pt_regs(task) if mm is not None else None
    fields: list[object] = [
        task_pid_vnr(k, task),
        f"({task.comm})",
        task.state_letter,
        pid_vnr(k, leader.real_parent.tgid),
        pid_vnr(k, signal.pgrp),
        pid_vnr(k, signal.session),
        0,  # terminal
        -1,
        task.flags,
        faults,
        signal.cmin_flt,
        *(0, 0),
        *map(ticks, (user, system, dead_user, dead_system)),
        -1 - task.se.rt_priority if realtime else task.se.static_prio - 100,
        task.se.static_prio - 120,
        len(signal.threads),
        0,
        ticks(cycles_to_ns(k, task.start_time)),
        mm.total_vm << 12 if mm else 0,
        mm.rss if mm else 0,
        min(signal.rlim[RLIMIT_RSS][0], 0xFFFFFFFF),
        mm.start_code if mm else 0,
        mm.end_code if mm else 0,
        mm.start_stack if mm else 0,
        regs.sp if regs else 0,
        regs.ip if regs else 0,
        signal_set(task.pending) & 0x7FFFFFFF,
        task.blocked & 0x7FFFFFFF,
        ignored & 0x7FFFFFFF,
        caught & 0x7FFFFFFF,
        1 if task.wait is not None else 0,
        *(0, 0),
        task.exit_signal,
        0,
        task.se.rt_priority,
        task.se.policy,
        *(0, 0, 0),
        *((mm.start_data, mm.end_data, mm.start_brk) if mm else (0, 0, 0)),
        *((mm.arg_start, mm.arg_end, mm.env_start, mm.env_end) if mm else (0, 0, 0, 0)),
        task.exit_code,
    ]
    return " ".join(map(str, fields)) + "\n"


def proc_pid_statm(k: Kernel, task: Task) -> str:
    """Pages: size, resident, shared, text, 0, data and stack, 0."""
    if task.mm is None:
        return "0 0 0 0 0 0 0\n"
    size = sizes(task.mm)
    resident = min(size["shared"], task.mm.rss)
    numbers = (
        task.mm.total_vm,
        task.mm.rss,
        resident,
        size["exe"],
        0,
        size["data"] + size["stack"],
        0,
    )
    return " ".join(map(str, numbers)) + "\n"


def _memory_lines(k: Kernel, mm: MmStruct) -> list[str]:
    size = sizes(mm)
    anonymous = sum(1 for _ in _anonymous_pages(k, mm))
    numbers = {
        "VmPeak": mm.total_vm,
        "VmSize": mm.total_vm,
        "VmLck": mm.locked_vm,
        "VmPin": 0,
        "VmHWM": max(mm.hiwater_rss, mm.rss),
        "VmRSS": mm.rss,
        "RssAnon": anonymous,
        "RssFile": mm.rss - anonymous,
        "RssShmem": 0,
        "VmData": size["data"],
        "VmStk": size["stack"],
        "VmExe": size["exe"],
        "VmLib": size["lib"],
        "VmPTE": mm.nr_ptes,
        "VmSwap": 0,
    }
    return [f"{name}:\t{4 * pages:8} kB" for name, pages in numbers.items()]


def _anonymous_pages(k: Kernel, mm: MmStruct) -> list[int]:
    """Frames of a process that belong to no file."""
    cached = {pfn for area in mm if area.mapping is not None for pfn in area.mapping.pages.values()}
    return [pfn for area in mm for _, pfn in area_frames(k, mm, area) if pfn not in cached]


def proc_pid_status(k: Kernel, task: Task) -> str:
    """A line for each thing, in words."""
    cred, signal = task.cred, task.signal
    ignored, caught = _handled(task)
    letter = task.state_letter
    numbers = [number for _, number in task.pid_struct.numbers]
    lines = [f"Name:\t{task.comm}"]
    if task.fs is not None:
        lines.append(f"Umask:\t{task.fs.umask:04o}")
    lines += [
        f"State:\t{letter} ({_STATES.get(letter, 'unknown')})",
        f"Tgid:\t{pid_vnr(k, task.tgid)}",
        "Ngid:\t0",
        f"Pid:\t{task_pid_vnr(k, task)}",
        f"PPid:\t{pid_vnr(k, task.real_parent.tgid)}",
        f"TracerPid:\t{pid_vnr(k, task.parent.tgid) if task.ptrace else 0}",
        f"Uid:\t{cred.uid}\t{cred.euid}\t{cred.suid}\t{cred.fsuid}",
        f"Gid:\t{cred.gid}\t{cred.egid}\t{cred.sgid}\t{cred.fsgid}",
        f"FDSize:\t{_fd_size(task)}",
        "Groups:\t" + "".join(f"{gid} " for gid in cred.groups),
        "NStgid:\t" + "\t".join(map(str, numbers)),
        "NSpid:\t" + "\t".join(map(str, numbers)),
        f"NSpgid:\t{pid_vnr(k, signal.pgrp)}",
        f"NSsid:\t{pid_vnr(k, signal.session)}",
        *(_memory_lines(k, task.mm) if task.mm is not None else ()),
        "CoreDumping:\t0",
        f"Threads:\t{len(signal.threads)}",
        f"SigQ:\t{len(task.pending) + len(signal.shared_pending)}/{signal.rlim[RLIMIT_SIGPENDING][0]}",
        f"SigPnd:\t{signal_set(task.pending):016x}",
        f"ShdPnd:\t{signal_set(signal.shared_pending):016x}",
        f"SigBlk:\t{task.blocked:016x}",
        f"SigIgn:\t{ignored:016x}",
        f"SigCgt:\t{caught:016x}",
        f"CapInh:\t{cred.cap_inheritable:016x}",
        f"CapPrm:\t{cred.cap_permitted:016x}",
        f"CapEff:\t{cred.cap_effective:016x}",
        f"CapBnd:\t{cred.cap_bset:016x}",
        f"CapAmb:\t{cred.cap_ambient:016x}",
        f"NoNewPrivs:\t{task.no_new_privs:d}",
        f"Seccomp:\t{task.seccomp_mode}",
        f"Seccomp_filters:\t{_filters(task)}",
        "Cpus_allowed:\t1",
        "Cpus_allowed_list:\t0",
        "Mems_allowed:\t1",
        "Mems_allowed_list:\t0",
        f"voluntary_ctxt_switches:\t{task.se.nvcsw}",
        f"nonvoluntary_ctxt_switches:\t{task.se.nivcsw}",
    ]
    return "\n".join(lines) + "\n"


def _filters(task: Task) -> int:
    count, judge = 0, task.seccomp_filter
    while judge is not None:
        count, judge = count + 1, judge.prev
    return count


def _fd_size(task: Task) -> int:
    """Room in the descriptor table, which doubles from 64 up."""
    most = max(task.files.fd, default=0) if task.files is not None else -1
    size = 64 if most >= 0 else 0
    while size and size <= most:
        size *= 2
    return size


def proc_pid_children(k: Kernel, task: Task) -> str:
    """The numbers of a task's children."""
    return "".join(f"{pid_vnr(k, child.tgid)} " for child in task.children)
