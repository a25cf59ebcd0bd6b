"""`--sysctl NAME=VALUE`: settings of the kernel by their names under /proc/sys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.fs.fsnotify import fsnotify_table
from toykernel.ipc.ipc_sysctl import LIMITS, get_limit, get_sem, set_limit, set_sem
from toykernel.kernel.keys.key import key_table
from toykernel.kernel.pid import PID_MAX_LIMIT, PID_MAX_MIN, task_active_pid_ns
from toykernel.kernel.sched.runqueue import SchedTunables
from toykernel.kernel.syslog import printk_levels, set_printk_levels

if TYPE_CHECKING:
    from toykernel.state import Kernel

MIN_THREADS = 1


class SysctlError(ValueError):
    """No such setting, or a value it cannot have; the text says which it has."""


@dataclass(frozen=True)
class IntSetting:
    """A number with its bounds, and the two functions that read and set it."""

    low: int
    high: int
    get: Callable[[Kernel], int]
    set: Callable[[Kernel, int], None]


@dataclass(frozen=True)
class TextSetting:
    """A name of at most 64 bytes, and the two functions that read and set it."""

    get: Callable[[Kernel], str]
    set: Callable[[Kernel, str], None]


def _set_pid_max(k: Kernel, value: int) -> None:
    k.processes.pids.pid_max = value


def _set_threads_max(k: Kernel, value: int) -> None:
    k.processes.max_threads = value


def _set_pipe_max_size(k: Kernel, value: int) -> None:
    k.files.pipe_max_size = 4096 << (-(-value // 4096) - 1).bit_length()  # as the kernel rounds it


def _files(name: str, high: int = (1 << 32) - 1) -> IntSetting:
    def get(k: Kernel) -> int:
        value: int = getattr(k.files, name)
        return value

    def put(k: Kernel, value: int) -> None:
        setattr(k.files, name, value)

    return IntSetting(0, high, get, put)


def _memory(name: str, low: int, high: int) -> IntSetting:
    def get(k: Kernel) -> int:
        value: int = getattr(k.memory, name)
        return value

    def put(k: Kernel, value: int) -> None:
        setattr(k.memory, name, value)

    return IntSetting(low, high, get, put)


def _uts_field(name: str) -> TextSetting:
    def get(k: Kernel) -> str:
        text: str = getattr(k.sched.idle.nsproxy.uts_ns.name, name)
        return text

    def put(k: Kernel, value: str) -> None:
        uts = k.sched.idle.nsproxy.uts_ns
        uts.name = replace(uts.name, **{name: value})

    return TextSetting(get, put)


def _sched(name: str) -> IntSetting:
    def get(k: Kernel) -> int:
        value: int = getattr(k.sched.tunables, name)
        return value

    def put(k: Kernel, value: int) -> None:
        setattr(k.sched.tunables, name, value)

    return IntSetting(*_SCHED_BOUNDS[name], get, put)


#: kernel/sysctl.c of 2.6.39: min_sched_granularity_ns and its neighbours. Times of real-time bandwidth
#: also bound each other: sched_rt_global_constraints.
_SCHED_BOUNDS = {
    "sched_latency_ns": (100_000, 1_000_000_000),
    "sched_min_granularity_ns": (100_000, 1_000_000_000),
    "sched_wakeup_granularity_ns": (0, 1_000_000_000),
    "sched_child_runs_first": (-(1 << 31), (1 << 31) - 1),  # any number but 0 says yes
    "sched_rt_period_us": (1, 1_000_000_000),
    "sched_rt_runtime_us": (-1, 1_000_000_000),
}


def _ipc_limit(name: str) -> IntSetting:
    low, high = LIMITS[name][2:]

    def get(k: Kernel) -> int:
        return get_limit(k, name)

    def put(k: Kernel, value: int) -> None:
        set_limit(k, name, value)

    return IntSetting(low, high, get, put)


def _set_sem(k: Kernel, text: str) -> None:
    try:
        set_sem(k, text)
    except ValueError:
        raise SysctlError(f"kernel.sem: four numbers, not {text!r}") from None


def _set_printk(k: Kernel, text: str) -> None:
    try:
        set_printk_levels(k, text)
    except (ValueError, IndexError):
        raise SysctlError(f"kernel.printk: numbers, not {text!r}") from None


def _set_nr_open(k: Kernel, value: int) -> None:
    k.files.nr_open = value


def _keys(name: str, high: int = (1 << 31) - 1) -> IntSetting:
    def get(k: Kernel) -> int:
        value: int = getattr(key_table(k), name)
        return value

    def put(k: Kernel, value: int) -> None:
        setattr(key_table(k), name, value)

    return IntSetting(0, high, get, put)


_INOTIFY = "max_user_instances", "max_user_watches", "max_queued_events"


def _inotify(name: str) -> IntSetting:
    def get(k: Kernel) -> int:
        value: int = getattr(fsnotify_table(k), name)
        return value

    def put(k: Kernel, value: int) -> None:
        setattr(fsnotify_table(k), name, value)

    return IntSetting(0, (1 << 31) - 1, get, put)


def _set_dir_notify_enable(k: Kernel, value: int) -> None:
    fsnotify_table(k).dir_notify_enable = value


def _set_lease_break_time(k: Kernel, value: int) -> None:
    k.files.lease_break_time = value


def _set_ns_last_pid(k: Kernel, value: int) -> None:
    task_active_pid_ns(k.current).map.last = value


def settings() -> dict[str, IntSetting | TextSetting]:
    """Every setting, by name."""
    return {
        "kernel.pid_max": IntSetting(
            PID_MAX_MIN, PID_MAX_LIMIT, lambda k: k.processes.pids.pid_max, _set_pid_max
        ),
        "kernel.threads-max": IntSetting(
            MIN_THREADS, 1 << 20, lambda k: k.processes.max_threads, _set_threads_max
        ),
        "fs.pipe-max-size": IntSetting(
            4096, 1 << 31, lambda k: k.files.pipe_max_size, _set_pipe_max_size
        ),
        "fs.pipe-user-pages-soft": _files("pipe_user_pages_soft"),
        "fs.pipe-user-pages-hard": _files("pipe_user_pages_hard"),
        "fs.aio-max-nr": _files("aio_max_nr"),
        "dev.tty.legacy_tiocsti": _files("legacy_tiocsti", 1),
        "vm.overcommit_memory": _memory("overcommit_memory", 0, 2),
        "vm.vdso_enabled": _memory("vdso_enabled", 0, 1),
        "vm.overcommit_ratio": _memory("overcommit_ratio", 0, 100),
        "vm.max_map_count": _memory("max_map_count", 0, (1 << 31) - 1),
        "vm.mmap_min_addr": _memory("mmap_min_addr", 0, 1 << 20),
        "kernel.hostname": _uts_field("nodename"),
        "kernel.domainname": _uts_field("domainname"),
        "kernel.ns_last_pid": IntSetting(
            0, PID_MAX_LIMIT, lambda k: task_active_pid_ns(k.current).map.last, _set_ns_last_pid
        ),
        "fs.nr_open": IntSetting(64, 0x3FFFFFC0, lambda k: k.files.nr_open, _set_nr_open),
        "fs.lease-break-time": IntSetting(
            0, (1 << 31) - 1, lambda k: k.files.lease_break_time, _set_lease_break_time
        ),
        "fs.dir-notify-enable": IntSetting(
            0,
            (1 << 31) - 1,
            lambda k: fsnotify_table(k).dir_notify_enable,
            _set_dir_notify_enable,
        ),
        **{f"fs.inotify.{name}": _inotify(name) for name in _INOTIFY},
        "kernel.keys.gc_delay": _keys("gc_delay"),
        "kernel.keys.maxbytes": _keys("maxbytes"),
        "kernel.keys.maxkeys": _keys("maxkeys"),
        "kernel.keys.root_maxbytes": _keys("root_maxbytes"),
        "kernel.keys.root_maxkeys": _keys("root_maxkeys"),
        "kernel.printk": TextSetting(printk_levels, _set_printk),
        "kernel.sem": TextSetting(get_sem, _set_sem),
        **{name: _ipc_limit(name) for name in LIMITS},
        **{f"kernel.{f.name}": _sched(f.name) for f in fields(SchedTunables)},
    }


def set_sysctl(k: Kernel, name: str, text: str) -> None:
    """Raises SysctlError for a name that there is not, or a value that it does not take."""
    table = settings()
    setting = table.get(name)
    if setting is None:
        known = ", ".join(sorted(table))
        raise SysctlError(f"there is no sysctl {name!r}; there are {known}")
    if isinstance(setting, TextSetting):
        if len(text.encode()) > 64:
            raise SysctlError(f"{name}: at most 64 bytes")
        setting.set(k, text)
        return
    try:
        value = int(text, 0)
    except ValueError:
        raise SysctlError(f"{name}: {text!r} is not a number") from None
    if not setting.low <= value <= setting.high:
        raise SysctlError(f"{name}: {value} is not between {setting.low} and {setting.high}")
    before = setting.get(k)
    setting.set(k, value)
    runtime, period = k.sched.tunables.sched_rt_runtime_us, k.sched.tunables.sched_rt_period_us
    if runtime > period:
        setting.set(k, before)
        raise SysctlError(f"{name}: a runtime of {runtime} us is more than the period, {period} us")
