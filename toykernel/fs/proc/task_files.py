"""The smaller files of /proc/PID: what it was started with, its limits, its mounts (fs/proc/base.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import PT_REGS
from toykernel.arch.x86.uaccess import access_ok, copy_from_user
from toykernel.errno import EACCES, EINVAL, EIO, EPERM, Errno
from toykernel.fs.file import O_CLOEXEC, File
from toykernel.fs.mount import (
    MNT_NOATIME,
    MNT_NODEV,
    MNT_NODIRATIME,
    MNT_NOEXEC,
    MNT_NOSUID,
    MNT_NOSYMFOLLOW,
    MNT_READONLY,
    MNT_RELATIME,
    Mount,
    all_mounts,
    d_path,
    dentry_path,
)
from toykernel.fs.proc.node import seq_read, task_of
from toykernel.fs.super import SB_FLAGS
from toykernel.kernel.cred import CAP_SYS_RESOURCE, capable
from toykernel.kernel.nsproxy import mnt_ns_root
from toykernel.kernel.pid import task_pid_vnr
from toykernel.kernel.ptrace import ptrace_may_access
from toykernel.kernel.signal_types import RLIM_INFINITY
from toykernel.mm.gup import access_process_vm, write_process_vm
from toykernel.mm.memory import follow_page
from toykernel.task import TASK_COMM_LEN

if TYPE_CHECKING:
    from toykernel.fs.super import SuperBlock
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel
    from toykernel.task import Task

_LIMITS = (
    ("cpu time", "seconds"),
    ("file size", "bytes"),
    ("data size", "bytes"),
    ("stack size", "bytes"),
    ("core file size", "bytes"),
    ("resident set", "bytes"),
    ("processes", "processes"),
    ("open files", "files"),
    ("locked memory", "bytes"),
    ("address space", "bytes"),
    ("file locks", "locks"),
    ("pending signals", "signals"),
    ("msgqueue size", "bytes"),
    ("nice priority", ""),
    ("realtime priority", ""),
    ("realtime timeout", "us"),
)


def read_mm(k: Kernel, mm: MmStruct, start: int, end: int) -> bytes:
    """Bytes of an address space, as far as its pages are there."""
    parts = []
    while start < end:
        part = min(end - start, 4096 - (start & 4095))
        physical = follow_page(k, mm, start) if access_ok(start, part) else None
        if physical is None:
            break
        parts.append(k.machine.ram.read(physical, part))
        start += part
    return b"".join(parts)


def cmdline(k: Kernel, task: Task) -> bytes:
    """The arguments, each with a NUL behind it, as they are in the program's memory now."""
    mm = task.mm
    return read_mm(k, mm, mm.arg_start, mm.arg_end) if mm is not None else b""


def environ(k: Kernel, task: Task) -> bytes:
    """The environment that the program began with."""
    mm = task.mm
    return read_mm(k, mm, mm.env_start, mm.env_end) if mm is not None else b""


def auxv(k: Kernel, task: Task) -> bytes:
    """The auxiliary vector of its exec."""
    return task.mm.saved_auxv if task.mm is not None else b""


def comm(k: Kernel, task: Task) -> str:
    """The name."""
    return f"{task.comm}\n"


def store_comm(k: Kernel, task: Task, data: bytes) -> None:
    """Another name, for a thread of one's own group. Raises Errno(EINVAL)."""
    if task.signal is not k.current.signal:
        raise Errno(EINVAL)
    text = data.rstrip(b"\n").split(b"\0")[0].decode(errors="surrogateescape")
    task.comm = text[: TASK_COMM_LEN - 1]


def limits(k: Kernel, task: Task) -> str:
    """Soft and hard limits, in a table."""

    def show(value: int) -> str:
        return "unlimited" if value == RLIM_INFINITY else str(value)

    lines = [f"{'Limit':<25} {'Soft Limit':<20} {'Hard Limit':<20} {'Units':<10}\n"]
    for number, (name, unit) in enumerate(_LIMITS):
        soft, hard = task.signal.rlim[number]
        lines.append(f"{'Max ' + name:<25} {show(soft):<20} {show(hard):<20} {unit:<10}\n")
    return "".join(lines)


def wchan(k: Kernel, task: Task) -> str:
    """What it waits in, as a word; 0 when it does not."""
    return task.wait.resume.__name__ if task.wait is not None else "0"


def syscall(k: Kernel, task: Task) -> str:
    """The call that it is in, its arguments, stack pointer and place. Raises Errno(EPERM)."""
    if not ptrace_may_access(k, task):
        raise Errno(EPERM)
    if task is not k.current and task.wait is None:
        return "running\n"
    regs = k.task_pt_regs(task)
    if task.syscall is None:
        return f"-1 {regs.sp:#x} {regs.ip:#x}\n"
    arguments = " ".join(f"{getattr(regs, name):#x}" for name in PT_REGS[:6])
    return f"{task.syscall} {arguments} {regs.sp:#x} {regs.ip:#x}\n"


def cgroup(k: Kernel, task: Task) -> str:
    """There are no control groups but the root."""
    return "0::/\n"


def oom_score(k: Kernel, task: Task) -> str:
    """How much of memory it has, in thousandths, and what was added to that."""
    rss = task.mm.rss if task.mm is not None else 0
    managed = k.memory.pages.totals().managed
    return f"{max(rss * 1000 // managed + task.signal.oom_score_adj, 0)}\n"


def oom_score_adj(k: Kernel, task: Task) -> str:
    """What is added."""
    return f"{task.signal.oom_score_adj}\n"


def store_oom_score_adj(k: Kernel, task: Task, data: bytes) -> None:
    """From -1000 to 1000; less than it was needs CAP_SYS_RESOURCE. Raises Errno(EINVAL), Errno(EACCES)."""
    try:
        value = int(data.decode("ascii", "replace").strip(), 0)
    except ValueError:
        raise Errno(EINVAL) from None
    if not -1000 <= value <= 1000:
        raise Errno(EINVAL)
    if value < task.signal.oom_score_adj_min and not capable(k, CAP_SYS_RESOURCE):
        raise Errno(EACCES)
    task.signal.oom_score_adj = value
    if capable(k, CAP_SYS_RESOURCE):
        task.signal.oom_score_adj_min = value


def io(k: Kernel, task: Task) -> str:
    """Nothing is stored, so nothing is counted."""
    names = (
        "rchar",
        "wchar",
        "syscr",
        "syscw",
        "read_bytes",
        "write_bytes",
        "cancelled_write_bytes",
    )
    return "".join(f"{name}: 0\n" for name in names)


def personality(k: Kernel, task: Task) -> str:
    """The execution domain, in hexadecimal."""
    return f"{task.personality:08x}\n"


def sched(k: Kernel, task: Task) -> str:
    """What the scheduler knows."""
    se = task.se
    return (
        f"{task.comm} ({task_pid_vnr(k, task)}, #threads: {len(task.signal.threads)})\n"
        f"se.sum_exec_runtime : {se.sum_exec_runtime}\n"
        f"nr_switches : {se.nvcsw + se.nivcsw}\npolicy : {se.policy}\nprio : {se.static_prio}\n"
    )


def schedstat(k: Kernel, task: Task) -> str:
    """ns on the processor, ns waiting (not kept), turns."""
    return f"{task.se.sum_exec_runtime} 0 {task.se.nvcsw + task.se.nivcsw}\n"


# -- mounts ----------------------------------------------------------------------------------------


#: Words for a mount's flags, in Linux's order.
_WORDS = {
    MNT_NOSUID: "nosuid",
    MNT_NODEV: "nodev",
    MNT_NOEXEC: "noexec",
    MNT_NOATIME: "noatime",
    MNT_NODIRATIME: "nodiratime",
    MNT_RELATIME: "relatime",
    MNT_NOSYMFOLLOW: "nosymfollow",
}


def _flags(mnt: Mount) -> str:
    return "".join(f",{word}" for flag, word in _WORDS.items() if mnt.flags & flag)


def _escaped(text: str) -> str:
    return "".join(f"\\{ord(char):03o}" if char in " \t\n\\#" else char for char in text)


def mount_source(mnt: Mount) -> str:
    """What was mounted, as the tables name it."""
    return mnt.source or mnt.sb.s_type


def mount_options(sb: SuperBlock) -> str:
    """A file system's own options, each behind a comma."""
    words = [word for word in SB_FLAGS if word in sb.words]
    return "".join(f",{word}" for word in (*words, sb.options) if word)


def _places(k: Kernel, task: Task) -> list[tuple[Mount, str]]:
    assert k.current.fs is not None
    root = (task.fs or k.current.fs).root
    found = []
    seen = all_mounts(mnt_ns_root(k, task.nsproxy.mnt_ns))
    for mnt in sorted(seen, key=lambda mnt: mnt.unique_id):
        place = d_path(root, mnt.root_path())
        if place is not None:
            found.append((mnt, _escaped(place)))
    return found


def mounts(k: Kernel, task: Task) -> str:
    """As in /etc/mtab: device, place, type, options."""
    return "".join(
        f"{_escaped(mount_source(mnt))} {place} {mnt.sb.s_type} "
        f"{'ro' if mnt.read_only else 'rw'}{_flags(mnt)}{mount_options(mnt.sb)} 0 0\n"
        for mnt, place in _places(k, task)
    )


def mountinfo(k: Kernel, task: Task) -> str:
    """The same with numbers: of the mount, of its parent, of the device; what part of the file system it is,
    and whose peer or slave."""
    lines = []
    for mnt, place in _places(k, task):
        parent = mnt.parent.mnt_id if mnt.parent is not None else mnt.mnt_id
        device = f"{mnt.sb.s_dev >> 8}:{mnt.sb.s_dev & 0xFF}"
        options = ("ro" if mnt.flags & MNT_READONLY else "rw") + _flags(mnt)
        own = ("ro" if mnt.sb.read_only else "rw") + mount_options(mnt.sb)
        shared = f"shared:{mnt.group.ident} " if mnt.group is not None else ""
        shared += f"master:{mnt.master.ident} " if mnt.master is not None else ""
        shared += "unbindable " if mnt.unbindable else ""
        lines.append(
            f"{mnt.mnt_id} {parent} {device} {_escaped(dentry_path(mnt.root))} {place} {options} "
            f"{shared}- {mnt.sb.s_type} {_escaped(mount_source(mnt))} {own}\n"
        )
    return "".join(lines)


# -- descriptors -----------------------------------------------------------------------------------


def fdinfo(k: Kernel, task: Task, number: int) -> str:
    """Position and flags of an open file."""
    file = task.files.fd.get(number) if task.files is not None else None
    if file is None or task.files is None:
        return ""
    flags = file.flags | (O_CLOEXEC if number in task.files.close_on_exec else 0)
    mount = file.f_path.mnt.mnt_id if file.f_path is not None else 0
    text = f"pos:\t{file.pos}\nflags:\t0{flags:o}\nmnt_id:\t{mount}\nino:\t{file.inode.ino}\n"
    return text + file.op.show_fdinfo(k, file)


def mem_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """/proc/PID/mem: bytes of its memory at the file's position. Raises Errno(EPERM), Errno(EIO)."""
    task = task_of(k, file.inode)
    if task.mm is None:
        return 0
    count = min(count, max((1 << 32) - file.pos, 0))
    data = access_process_vm(k, task, file.pos, count)
    if not data and count:
        raise Errno(EIO)
    base, file.pos = file.pos, 0
    copied = seq_read(k, file, buf, len(data), data)
    file.pos = base + copied
    return copied


def mem_write(k: Kernel, file: File, buf: int, count: int) -> int:
    """Into a task's memory, that it may only read, too. Raises Errno(EIO) where nothing is, Errno(EFAULT)."""
    task = task_of(k, file.inode)
    if task.mm is None:
        return 0
    data = copy_from_user(k, buf, min(count, max((1 << 32) - file.pos, 0)))
    written = write_process_vm(k, task, file.pos, data)
    if count and not written:
        raise Errno(EIO)
    file.pos += written
    return written


def mem_open(k: Kernel, file: File) -> None:
    """Only who may trace the task. Raises Errno(EACCES)."""
    if not ptrace_may_access(k, task_of(k, file.inode)):
        raise Errno(EACCES)
