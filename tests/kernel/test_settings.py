"""`--sysctl` in the kernel itself: every setting's name, default and bounds, and what is refused in words."""

from __future__ import annotations

import pytest
from guest import boot

from toykernel.state import Kernel
from toykernel.sysctl import IntSetting, SysctlError, TextSetting, set_sysctl, settings

INT_MAX, ULONG_MAX = (1 << 31) - 1, (1 << 32) - 1
#: Name: default, lowest, highest; kernel/sysctl.c and others of 2.6.39 for i386 with 16 MiB. Those
#: of pipes (4.5), queues (3.5), next_id (3.7), root's keys (3.19) and TIOCSTI (6.2) are the first they had.
NUMBERS = {
    "kernel.pid_max": (32768, 301, 32768),
    "kernel.threads-max": (256, 1, 1 << 20),
    "fs.pipe-max-size": (1 << 20, 4096, 1 << 31),
    "fs.pipe-user-pages-soft": (16384, 0, ULONG_MAX),
    "fs.pipe-user-pages-hard": (0, 0, ULONG_MAX),
    "fs.aio-max-nr": (65536, 0, ULONG_MAX),
    "dev.tty.legacy_tiocsti": (1, 0, 1),
    "vm.overcommit_memory": (0, 0, 2),
    "vm.vdso_enabled": (0, 0, 1),
    "vm.overcommit_ratio": (50, 0, 100),
    "vm.mmap_min_addr": (4096, 0, 1 << 20),
    "vm.max_map_count": (65530, 0, INT_MAX),
    "fs.nr_open": (1 << 20, 64, 0x3FFFFFC0),
    "fs.lease-break-time": (45, 0, INT_MAX),
    "fs.dir-notify-enable": (1, 0, INT_MAX),
    "fs.inotify.max_user_instances": (128, 0, INT_MAX),
    "fs.inotify.max_user_watches": (8192, 0, INT_MAX),
    "fs.inotify.max_queued_events": (16384, 0, INT_MAX),
    "kernel.keys.gc_delay": (300, 0, INT_MAX),
    "kernel.keys.maxbytes": (20000, 0, INT_MAX),
    "kernel.keys.maxkeys": (200, 0, INT_MAX),
    "kernel.keys.root_maxbytes": (25_000_000, 0, INT_MAX),
    "kernel.keys.root_maxkeys": (1_000_000, 0, INT_MAX),
    "kernel.msgmax": (8192, 0, INT_MAX),
    "kernel.msgmnb": (16384, 0, INT_MAX),
    "kernel.msgmni": (32000, 0, 32768),
    "kernel.msg_next_id": (-1, 0, INT_MAX),
    "kernel.shmmax": (ULONG_MAX - (1 << 24), 0, ULONG_MAX),
    "kernel.shmall": (ULONG_MAX - (1 << 24), 0, ULONG_MAX),
    "kernel.shmmni": (4096, 0, 32768),
    "kernel.shm_next_id": (-1, 0, INT_MAX),
    "kernel.sem_next_id": (-1, 0, INT_MAX),
    "fs.mqueue.queues_max": (256, 0, INT_MAX),
    "fs.mqueue.msg_max": (10, 1, 65536),
    "fs.mqueue.msgsize_max": (8192, 128, 16 << 20),
    "kernel.sched_latency_ns": (6_000_000, 100_000, 1_000_000_000),
    "kernel.sched_min_granularity_ns": (750_000, 100_000, 1_000_000_000),
    "kernel.sched_wakeup_granularity_ns": (1_000_000, 0, 1_000_000_000),
    "kernel.sched_child_runs_first": (0, -1 << 31, INT_MAX),
    "kernel.sched_rt_period_us": (1_000_000, 1, 1_000_000_000),
    "kernel.sched_rt_runtime_us": (950_000, -1, 1_000_000_000),
    "kernel.ns_last_pid": (0, 0, 32768),
}
#: Text, with what it is at first.
TEXTS = {
    "kernel.hostname": "toykernel", "kernel.domainname": "(none)", "kernel.printk": "7\t4\t1\t7",
    "kernel.sem": "250\t32000\t32\t128",
}  # fmt: skip


@pytest.fixture(scope="module")
def k() -> Kernel:
    return boot("spin: jmp spin\n").kernel


def number(k: Kernel, name: str) -> int:
    setting = settings()[name]
    assert isinstance(setting, IntSetting)
    return setting.get(k)


def test_there_are_these_and_no_others() -> None:
    assert set(settings()) == {*NUMBERS, *TEXTS}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_and_its_bounds(name: str, k: Kernel) -> None:
    default, low, high = NUMBERS[name]
    assert number(k, name) == default
    tied = name.startswith("kernel.sched_rt_")  # see below
    for value in (low, high) if not tied else ():
        set_sysctl(k, name, str(value))
        assert number(k, name) == value
    for value in (low - 1, high + 1):
        before = number(k, name)
        with pytest.raises(SysctlError, match=f"{value} is not between {low} and {high}"):
            set_sysctl(k, name, str(value))
        assert number(k, name) == before
    middle = max(low, min(default, high))
    set_sysctl(k, name, hex(middle))
    assert number(k, name) == middle
    for text in ("", "many", "1.5", "0x", "7 8"):
        with pytest.raises(SysctlError, match="is not a number"):
            set_sysctl(k, name, text)
    assert number(k, name) == middle


def test_runtime_and_period_bound_each_other(k: Kernel) -> None:
    """sched_rt_global_constraints: a refused value leaves the old one."""
    runtime, period = "kernel.sched_rt_runtime_us", "kernel.sched_rt_period_us"
    for name, value, works in (
        (runtime, 1_000_000, True), (runtime, 1_000_001, False), (period, 999_999, False),
        (period, 1_000_000_000, True), (runtime, 1_000_000_000, True), (runtime, -1, True), (period, 1, True),
        (runtime, 1, True), (runtime, 2, False), (period, 1_000_000, True), (runtime, 950_000, True),
    ):  # fmt: skip
        before = number(k, name)
        if works:
            set_sysctl(k, name, str(value))
        else:
            with pytest.raises(SysctlError, match="more than the period"):
                set_sysctl(k, name, str(value))
        assert number(k, name) == (value if works else before)


def test_a_pipe_s_size_is_a_power_of_two_of_pages(k: Kernel) -> None:
    """round_pipe_size."""
    for value, kept in (
        (4096, 4096), (4097, 8192), (8192, 8192), (8193, 16384), (65536, 65536), (65537, 131072),
        ((1 << 20) - 1, 1 << 20), ((1 << 20) + 1, 2 << 20),
    ):  # fmt: skip
        set_sysctl(k, "fs.pipe-max-size", str(value))
        assert number(k, "fs.pipe-max-size") == kept


@pytest.mark.parametrize("name", TEXTS)
def test_a_text(name: str, k: Kernel) -> None:
    setting = settings()[name]
    assert isinstance(setting, TextSetting)
    first = setting.get(k)
    assert first == TEXTS[name]
    if name in ("kernel.hostname", "kernel.domainname"):
        for text in ("x", "y" * 64, "\u00e9" * 32):
            set_sysctl(k, name, text)
            assert setting.get(k) == text
        for text in ("y" * 65, "\u00e9" * 33):
            with pytest.raises(SysctlError, match="at most 64 bytes"):
                set_sysctl(k, name, text)
    else:
        for text in ("x", "1 x" if name == "kernel.sem" else ""):
            with pytest.raises(SysctlError, match="numbers, not"):
                set_sysctl(k, name, text)
    set_sysctl(k, name, first)
    assert setting.get(k) == first


def test_semaphores_settings_come_in_their_order(k: Kernel) -> None:
    """proc_ipc_sem_dointvec: the first so many; of sets no more than numbers have room for."""
    sem = "kernel.sem"
    ids = k.current.nsproxy.ipc_ns.sem_ids
    for text, now in (
        ("1", (1, 32000, 32, 128)), ("2 3", (2, 3, 32, 128)), ("4 5 6 32768", (4, 5, 6, 32768)),
        ("0 0 0 0", (0, 0, 0, 0)),
    ):  # fmt: skip
        set_sysctl(k, sem, text)
        assert (ids.semmsl, ids.semmns, ids.semopm, ids.semmni) == now
    for text in ("-1", "1 -1", "1 2 3 32769", "1 2 3 4 5"):
        with pytest.raises(SysctlError, match="four numbers"):
            set_sysctl(k, sem, text)
        assert (ids.semmsl, ids.semmns, ids.semopm, ids.semmni) == (0, 0, 0, 0)
    set_sysctl(k, sem, TEXTS[sem])


def test_a_name_that_there_is_not(k: Kernel) -> None:
    with pytest.raises(
        SysctlError, match=r"there is no sysctl 'vm\.nope'; there are dev\.tty\.legacy_tiocsti, "
    ):
        set_sysctl(k, "vm.nope", "1")
