"""vm.overcommit_memory: what is promised, and what is refused (mm/util.c, __vm_enough_memory)."""

from __future__ import annotations

from pathlib import Path

import pytest

from toykernel.errno import ENOMEM, Errno
from toykernel.harness.session import Session
from toykernel.kernel.clone_flags import CloneArgs
from toykernel.kernel.fork import copy_process
from toykernel.mm.limits import commit_limit, committed
from toykernel.mm.mmap import sys_mmap2, sys_munmap
from toykernel.state import Config, Kernel

USERLAND = Path(__file__).parents[2] / "userland"
RW, ANON, NORESERVE = 3, 0x22, 0x4000


def booted(policy: str) -> Kernel:
    config = Config(memory=16 << 20, sysctl=(("vm.overcommit_memory", policy),))
    session = Session(USERLAND / "hello.S", config=config)
    session.break_at("_start")
    assert session.run().kind == "breakpoint"
    return session.kernel


def mmap(k: Kernel, size: int, flags: int = ANON) -> int:
    return sys_mmap2(k, 0, size, RW, flags, -1, 0)


def refused(k: Kernel, size: int, flags: int = ANON) -> bool:
    try:
        mmap(k, size, flags)
    except Errno as error:
        return error.number == ENOMEM
    return False


def test_by_guess_only_what_could_never_be_there_is_refused() -> None:
    k = booted("0")
    for _ in range(8):
        mmap(k, 12 << 20)
    assert refused(k, 16 << 20)
    assert not refused(k, 16 << 20, ANON | NORESERVE)


def test_always() -> None:
    assert not refused(booted("1"), 1 << 30)


def test_never_more_than_the_limit() -> None:
    k = booted("2")
    before, limit = committed(k), commit_limit(k)
    assert limit == k.memory.pages.totals().managed // 2
    at = mmap(k, 4 << 20)
    assert committed(k) == before + 1024
    assert refused(k, (limit - committed(k) + 1) << 12)
    assert refused(k, (limit - committed(k) + 1) << 12, ANON | NORESERVE)
    assert not refused(k, (limit - committed(k)) << 12)
    assert refused(k, 4096)
    sys_munmap(k, at, 4 << 20)
    assert not refused(k, 4096)


@pytest.mark.parametrize(("policy", "answer"), [("0", True), ("2", False)])
def test_a_fork_promises_again(policy: str, answer: bool) -> None:
    k = booted(policy)
    mmap(k, (commit_limit(k) - committed(k)) * 3 // 4 << 12)
    from_fork = True
    try:
        copy_process(k, CloneArgs(17, 0, k.task_pt_regs(k.current)))
    except Errno as error:
        from_fork = error.number != ENOMEM
    assert from_fork is answer


def test_no_more_areas_than_vm_max_map_count() -> None:
    """Linux lets mmap go one beyond it, and refuses a cut at it."""
    k = booted("1")
    mm = k.current.mm
    assert mm is not None
    k.memory.max_map_count = len(mm.areas) + 3
    last = 0
    for turn in range(4):
        last = mmap(k, 4 << 12, ANON | (NORESERVE if turn % 2 else 0))
    assert len(mm.areas) == k.memory.max_map_count + 1
    assert refused(k, 4 << 12)
    with pytest.raises(Errno) as error:
        sys_munmap(k, last + 4096, 4096)
    assert error.value.number == ENOMEM
    sys_munmap(k, last, 4096)  # cut to fit, for which there is one more for a moment
    k.memory.max_map_count += 2
    sys_munmap(k, last + 8192, 4096)
    assert len(mm.areas) == k.memory.max_map_count
