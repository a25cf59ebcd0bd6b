"""How many frames what the kernel asks for takes, and what /proc tells of them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.fs.proc import system
from toykernel.harness.session import Session
from toykernel.mm.slab import KmemCache
from toykernel.state import Kernel

USERLAND = Path(__file__).parents[2] / "userland"
#: Bytes of an object as the cache gives them: rounded up to its alignment.
SIZES = {
    "task_struct": 1024, "signal_struct": 512, "sighand_struct": 1312, "files_struct": 224, "filp": 128,
    "fs_struct": 32, "cred": 128, "user_struct": 64, "user_namespace": 64, "nsproxy": 32,
    "uts_namespace": 400, "ipc_namespace": 256, "mnt_namespace": 64, "net_namespace": 128,
    "pid_namespace": 128, "pid": 48,
    "io_context": 64, "sem_array": 128, "msg_queue": 128, "msg_msg": 32, "mqueue_inode_cache": 256,
    "shmid_kernel": 128, "sem_undo_list": 32, "pipe_inode_info": 96, "eventfd_ctx": 48, "timerfd_ctx": 128,
    "signalfd_ctx": 16, "userfaultfd_ctx_cache": 176, "eventpoll": 128, "eventpoll_epi": 96,
    "tty_struct": 704, "unix_sock": 512, "skbuff_head_cache": 192, "file_lock_cache": 112,
    "file_lease_cache": 112, "fasync_cache": 48, "mnt_cache": 128, "seccomp_filter": 32, "mm_struct": 448,
    "vm_area_struct": 88, "fpu": 512,
}  # fmt: skip


@pytest.fixture
def k() -> Kernel:
    """A kernel whose first program has just begun."""
    session = Session(USERLAND / "hello.S")
    session.break_at("_start")
    session.run()
    return session.kernel


def test_sizes_of_objects(k: Kernel) -> None:
    found = {cache.name: cache.size for cache in k.memory.slabs}
    assert {name: found[name] for name in SIZES} == SIZES
    assert len(k.memory.slabs) == len(found)
    assert [KmemCache("some", n).size for n in (1, 16, 17, PAGE_SIZE)] == [16, 16, 32, PAGE_SIZE]
    assert [KmemCache("some", n, 8).size for n in (1, 88, 89)] == [8, 88, 96]
    for size in (0, PAGE_SIZE + 1):
        with pytest.raises(ValueError, match="do not fit"):
            KmemCache("some", size)


def test_objects_share_a_page(k: Kernel) -> None:
    cache = KmemCache("some", 1000)
    free = _free(k)
    objects = [cache.alloc(k) for _ in range(cache.per_page)]
    assert cache.per_page == 4
    assert [b - a for a, b in pairwise(objects)] == [1008] * 3
    assert (_free(k), cache.active, len(cache.pages())) == (free - 1, 4, 1)
    another = cache.alloc(k)
    assert (_free(k), len(cache.pages())) == (free - 2, 2)
    cache.free(k, another)
    assert _free(k) == free - 1
    cache.free(k, objects[0])
    with pytest.raises(ValueError, match="freed twice"):
        cache.free(k, objects[0])
    cache = KmemCache("other", 1000)
    one = cache.alloc(k)
    cache.free(k, one)
    assert cache.pages() == []


def _free(k: Kernel) -> int:
    totals = k.memory.pages.totals()
    return totals.managed - totals.used


@pytest.mark.parametrize(("order", "frames"), [(0, 1), (1, 2), (3, 8)])
def test_an_order_is_a_power_of_two(k: Kernel, order: int, frames: int) -> None:
    free = _free(k)
    pfn = k.memory.pages.alloc_pages(k, order)
    assert pfn % frames == 0
    assert _free(k) == free - frames


def test_a_page_of_zeros_is_one(k: Kernel) -> None:
    free = _free(k)
    pages = k.memory.pages
    for _ in range(3):
        pfn = pages.alloc_pages(k, 0)
        k.machine.ram.fill(pfn << PAGE_SHIFT, PAGE_SIZE)
        k.machine.ram.write(pfn << PAGE_SHIFT, b"x" * PAGE_SIZE)
        pages.put_page(k, pfn)
        pfn = pages.get_zeroed_page(k)
        assert k.machine.ram.read(pfn << PAGE_SHIFT, PAGE_SIZE) == bytes(PAGE_SIZE)
        pages.put_page(k, pfn)
    pages.get_zeroed_page(k)
    assert _free(k) == free - 1


def numbers(text: str) -> dict[str, int]:
    return {name: int(n) for name, n in re.findall(r"^(\w+):? +(\d+)", text, re.MULTILINE)}


def test_meminfo_and_vmstat(k: Kernel) -> None:
    task = k.current
    mms = k.memory.mms.values()
    tables, resident = sum(mm.nr_ptes for mm in mms), sum(mm.rss for mm in mms)
    before, counted = numbers(system.meminfo(k, task)), numbers(system.vmstat(k, task))
    assert before["MemTotal"] - before["MemFree"] == 4 * k.memory.pages.totals().used
    assert before["MemAvailable"] == before["MemFree"] == 4 * counted["nr_free_pages"]
    assert before["PageTables"] == 4 * tables == 4 * counted["nr_page_table_pages"]
    assert before["KernelStack"] == 8 * k.processes.nr_threads
    assert before["Cached"] == before["Mapped"] == before["Inactive"]
    assert before["Active"] == before["AnonPages"]
    assert before["Cached"] + before["AnonPages"] == 4 * resident
    k.memory.pages.alloc_pages(k, 2)
    k.memory.slabs.mqueue.alloc(k)  # the first of its cache, which takes a page
    after = numbers(system.meminfo(k, task))
    assert before["MemFree"] - after["MemFree"] == 4 * 5
    assert after["Slab"] - before["Slab"] == 4
    assert {name for name in before if before[name] != after[name]} == {
        "MemFree",
        "MemAvailable",
        "Slab",
    }
    zero = ("Buffers", "SwapCached", "SwapTotal", "SwapFree", "Dirty", "Writeback", "VmallocUsed",
            "HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp")  # fmt: skip
    assert [before[name] for name in zero] == [0] * len(zero)
    assert (before["VmallocTotal"], before["Hugepagesize"]) == (
        122880,
        4096,
    )  # 120 MiB; pages of 4 MiB
    assert (counted["pgmajfault"], counted["pswpin"], counted["pswpout"]) == (0, 0, 0)
    assert counted["pgfault"] == task.min_flt


def test_a_shared_file_is_cached_by_its_pages(tmp_path: Path) -> None:
    text = """
    .globl _start
_start: movl $5, %eax
        movl $name, %ebx
        movl $0102, %ecx
        movl $0600, %edx
        int $0x80
        movl %eax, %edi
        movl $93, %eax
        movl %edi, %ebx
        movl $0x3000, %ecx
        int $0x80
        movl $192, %eax
        xorl %ebx, %ebx
        movl $0x3000, %ecx
        movl $3, %edx
        movl $1, %esi
        xorl %ebp, %ebp
touch:  int $0x80
        movl %eax, %ebp
        incl (%ebp)
        incl 0x1000(%ebp)
        incl 0x2000(%ebp)
end:    jmp end
        .data
name:   .asciz "/tmp/f"
"""
    source = tmp_path / "shared.S"
    source.write_text(text, encoding="ascii")
    session = Session(source)
    at = {}
    for place in ("touch", "end"):
        session.break_at(place)
        session.run()
        k = session.kernel
        at[place] = numbers(system.meminfo(k, k.current))
    for name in ("Cached", "Mapped", "Inactive"):
        assert at["end"][name] - at["touch"][name] == 12, name
    for name in ("Active", "AnonPages", "Slab"):
        assert at["end"][name] == at["touch"][name], name
