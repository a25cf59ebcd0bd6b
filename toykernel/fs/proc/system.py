"""The files of /proc that are about the whole system: meminfo, cpuinfo, stat and so on (fs/proc/*.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT
from toykernel.fs.filesystems import FILE_SYSTEMS
from toykernel.fs.proc.array import ticks
from toykernel.kernel.cputime import task_times
from toykernel.kernel.timekeeping import NSEC_PER_SEC, ktime_get
from toykernel.mm.limits import commit_limit, committed

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


def meminfo(k: Kernel, task: Task) -> str:
    """Kilobytes of memory by use."""
    totals = k.memory.pages.totals()
    page = 1 << PAGE_SHIFT - 10
    cached = sum(len(mapping.pages) for mapping in k.memory.mappings.values())
    stored = sum(sb.s_bytes for sb in k.files.fs.super_blocks()) >> 10
    slab = sum(len(cache.pages()) for cache in k.memory.slabs)
    anonymous = max(sum(mm.rss for mm in k.memory.mms.values()) - cached, 0)
    tables = sum(mm.nr_ptes for mm in k.memory.mms.values())
    free = totals.managed - totals.used
    limit = commit_limit(k)
    numbers = {
        "MemTotal": totals.managed * page,
        "MemFree": free * page,
        "MemAvailable": free * page,
        "Buffers": 0,
        "Cached": cached * page,
        "SwapCached": 0,
        "Active": anonymous * page,
        "Inactive": cached * page,
        "SwapTotal": 0,
        "SwapFree": 0,
        "Dirty": 0,
        "Writeback": 0,
        "AnonPages": anonymous * page,
        "Mapped": cached * page,
        "Shmem": stored,
        "Slab": slab * page,
        "KernelStack": 8 * k.processes.nr_threads,
        "PageTables": tables * page,
        "CommitLimit": limit * page,
        "Committed_AS": committed(k) * page,
        "VmallocTotal": 122880,
        "VmallocUsed": 0,
        "HugePages_Total": None,
        "HugePages_Free": None,
        "HugePages_Rsvd": None,
        "HugePages_Surp": None,
        "Hugepagesize": 4096,
    }
    return "".join(
        f"{name + ':':<16}{0 if size is None else size:8}{'' if size is None else ' kB'}\n"
        for name, size in numbers.items()
    )


_CPUS = {
    "486": ("4", "486", "fpu"),
    "pentium": ("5", "Pentium", "fpu de pse tsc msr cx8"),
    "pentium3": ("6", "Pentium III", "fpu de pse tsc msr cx8 cmov mmx fxsr sse"),
    "max": ("6", "i686", "fpu de pse tsc msr cx8 cmov mmx fxsr sse sse2"),
}


def cpuinfo(k: Kernel, task: Task) -> str:
    """The one processor."""
    family, name, flags = _CPUS.get(k.machine.cpu.model, _CPUS["max"])
    hz = k.time.cpu_hz
    fields = {
        "processor\t": "0",
        "vendor_id\t": "GenuineIntel",
        "cpu family\t": family,
        "model\t\t": "0",
        "model name\t": name,
        "stepping\t": "0",
        "cpu MHz\t\t": f"{hz // 1_000_000}.{hz % 1_000_000 // 1000:03}",
        "fpu\t\t": "yes",
        "wp\t\t": "yes",
        "flags\t\t": flags,
        "bogomips\t": f"{hz // 500_000}.{hz % 500_000 // 5000:02}",
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items()) + "\n"


def _busy(k: Kernel) -> tuple[int, int, int]:
    """User, system and idle time since boot, in hundredths of a second."""
    times = [task_times(k, task) for task in k.processes.tasks if task is not k.sched.idle]
    dead = [t.signal for t in k.processes.tasks if t.is_group_leader]
    user = sum(each[0] for each in times) + sum(s.cutime for s in dead)
    system = sum(each[1] for each in times) + sum(s.cstime for s in dead)
    idle = max(ktime_get(k) - user - system, 0)
    return ticks(user), ticks(system), ticks(idle)


def stat(k: Kernel, task: Task) -> str:
    """Times of the processor, switches, forks."""
    user, system, idle = _busy(k)
    line = f"{user} 0 {system} {idle} 0 0 0 0 0 0"
    running = sum(1 for t in k.processes.tasks if t.on_rq)
    blocked = sum(1 for t in k.processes.tasks if t.state_letter == "D")
    switches = sum(t.se.nvcsw + t.se.nivcsw for t in k.processes.tasks)
    return (
        f"cpu  {line}\ncpu0 {line}\nintr {k.time.jiffies} {k.time.jiffies}\nctxt {switches}\n"
        f"btime {k.time.wall_offset // NSEC_PER_SEC}\nprocesses {k.processes.total_forks}\n"
        f"procs_running {running}\nprocs_blocked {blocked}\n"
    )


def uptime(k: Kernel, task: Task) -> str:
    """Seconds since boot, and those of them that nobody ran."""
    up, idle = ticks(ktime_get(k)), _busy(k)[2]
    return f"{up // 100}.{up % 100:02} {idle // 100}.{idle % 100:02}\n"


def loadavg(k: Kernel, task: Task) -> str:
    """The load is not averaged over time: how many run, of how many, and the last number given."""
    running = sum(1 for t in k.processes.tasks if t.on_rq)
    return f"0.00 0.00 0.00 {running}/{k.processes.nr_threads} {k.processes.pids.last}\n"


def version(k: Kernel, task: Task) -> str:
    """What uname says, in a sentence."""
    uts = k.current.nsproxy.uts_ns.name
    return f"Linux version {uts.release} (toykernel) {uts.version}\n"


def filesystems(k: Kernel, task: Task) -> str:
    """The types there are; none needs a device."""
    return "".join(f"nodev\t{name}\n" for name in FILE_SYSTEMS)


def cmdline(k: Kernel, task: Task) -> str:
    """The kernel was given nothing."""
    return "\n"


def devices(k: Kernel, task: Task) -> str:
    """Character devices by major number."""
    return "Character devices:\n  1 mem\n  5 /dev/console\n\nBlock devices:\n"


def swaps(k: Kernel, task: Task) -> str:
    """There is no swap."""
    return "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def vmstat(k: Kernel, task: Task) -> str:
    """Counters of the memory manager."""
    totals = k.memory.pages.totals()
    faults = sum(t.min_flt for t in k.processes.tasks)
    tables = sum(mm.nr_ptes for mm in k.memory.mms.values())
    numbers = {
        "nr_free_pages": totals.managed - totals.used,
        "nr_page_table_pages": tables,
        "pgfault": faults,
        "pgmajfault": 0,
        "pswpin": 0,
        "pswpout": 0,
    }
    return "".join(f"{name} {value}\n" for name, value in numbers.items())


def interrupts(k: Kernel, task: Task) -> str:
    """Those of the timer."""
    return f"           CPU0\n  0: {k.time.jiffies:10}   i8259  timer\n"


def partitions(k: Kernel, task: Task) -> str:
    """There is no disk."""
    return "major minor  #blocks  name\n\n"
