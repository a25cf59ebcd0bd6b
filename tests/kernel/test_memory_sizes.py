"""From 1 MiB to 3 GiB of RAM: the kernel's own memory has linear addresses, a user's need not."""

import random
from types import SimpleNamespace
from typing import Any

import pytest
from guest import boot, finish, frame, run_to, status_of

from emu.paging import PDE_PS, walk
from emu.ram import PAGE_SHIFT
from toykernel.arch.x86.asm_offsets import MAXMEM, PAGE_OFFSET
from toykernel.errno import ENOMEM, Errno
from toykernel.mm.page_alloc import PageAllocator
from toykernel.trace import Tracepoints

LOWMEM_END = MAXMEM >> PAGE_SHIFT

FORK = """
    movl $7, word
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $status, $0
    cmpl $0, status
    jne bad
    cmpl $7, word
    jne bad
    sys_exit $0
child:
    movl $8, word
written:
    sys_exit $0
bad:
    sys_exit $1
    .data
word: .long 1
status: .long 0
"""


@pytest.mark.parametrize("mebibytes", [1, 2, 5, 16, 895, 896, 897, 1024, 3072])
def test_a_fork_in_any_amount_of_memory(mebibytes: int) -> None:
    session = boot(FORK, memory=mebibytes << 20)
    k = session.kernel
    child = run_to(session, "written")
    assert child.mm is not None
    assert session.program is not None
    word = session.program.symbols["word"].value
    assert (frame(k, child, word) >= LOWMEM_END) == (mebibytes > 896)
    records = [child.slab, child.stack, child.mm.slab, child.signal.slab]
    assert all(PAGE_OFFSET <= record < PAGE_OFFSET + MAXMEM for record in records)
    assert child.mm.pgd < MAXMEM
    assert finish(session) == 0


def test_a_size_that_is_no_megabyte() -> None:
    assert status_of(FORK, memory=(3 << 20) + 4096) == 0


def test_the_zones_do_not_mix() -> None:
    """Frames without a linear address go only to those who can do without one; nobody gets one twice."""
    frames = LOWMEM_END + 5000
    pages = PageAllocator(frames)
    k: Any = SimpleNamespace(
        host=SimpleNamespace(may_fail=None, trace=Tracepoints()),
        memory=SimpleNamespace(kept={}),
        trace=Tracepoints(),
        charge=lambda _work: None,
    )
    first = LOWMEM_END - 3000
    pages.release_range(first, frames)
    rng = random.Random(5)
    held: dict[int, int] = {}
    for _ in range(20_000):
        if held and rng.random() < 0.45:
            pfn = rng.choice(list(held))
            del held[pfn]
            pages.put_page(k, pfn)
            continue
        order, high = rng.choice((0, 0, 0, 1, 2, 5)), rng.random() < 0.6
        try:
            pfn = pages.alloc_pages(k, order, highmem=high)
        except Errno as error:
            assert error.number == ENOMEM  # noqa: PT017
            continue
        assert pfn % (1 << order) == 0
        assert high or pfn < LOWMEM_END
        assert (pfn < LOWMEM_END) == (pfn + (1 << order) <= LOWMEM_END)
        held[pfn] = order
    owned = [frame for pfn, order in held.items() for frame in range(pfn, pfn + (1 << order))]
    assert len(owned) == len(set(owned)) == pages.totals().used
    assert min(owned) >= first
    for pfn in list(held):
        pages.put_page(k, pfn)
    assert pages.free == frames - first
    # Everything has merged again: the largest blocks can be had.
    assert all(pages.alloc_pages(k, 10, highmem=True) for _ in range(4))
    assert pages.alloc_pages(k, 10) + 1024 <= LOWMEM_END


@pytest.mark.parametrize("cpu", ["486", "pentium", "max"])
@pytest.mark.parametrize("mebibytes", [1, 4, 6, 16])
def test_the_kernels_mapping_is_of_large_pages_where_there_are_such(
    cpu: str, mebibytes: int
) -> None:
    """SDM vol. 3, 4.3: with CR4.PSE, a directory entry with PS maps 4 MiB. A 486 has no CR4."""
    session = boot(FORK, memory=mebibytes << 20, cpu=cpu)
    k = session.kernel
    run_to(session, "written")
    ram, size = k.machine.ram, mebibytes << 20
    entries = ram.words(k.arch.swapper_pg_dir + 4 * (PAGE_OFFSET >> 22), -(-size >> 22))
    large = [bool(entry & PDE_PS) for entry in entries]
    assert large == [cpu != "486" and (n + 1) << 22 <= size for n in range(len(entries))]
    assert k.machine.cpu.pse == (cpu != "486")
    for linear in range(0, size, 4096):
        found = walk(ram, k.arch.swapper_pg_dir, PAGE_OFFSET + linear, pse=k.machine.cpu.pse)
        assert (found.physical, found.user, found.writable) == (linear, False, True)
    assert finish(session) == 0
