"""Ranges that end beyond user space or wrap around, as i386 has them; a 64-bit Linux has room there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.errno import EINVAL, ENOMEM, EOVERFLOW, Errno
from toykernel.harness.session import Session
from toykernel.mm.madvise import sys_madvise
from toykernel.mm.mincore import sys_msync
from toykernel.mm.mlock import sys_mlock, sys_munlock
from toykernel.mm.mmap import sys_mmap2, sys_munmap
from toykernel.mm.mprotect import sys_mprotect
from toykernel.mm.mremap import sys_mremap
from toykernel.mm.remap_file_pages import sys_remap_file_pages
from toykernel.state import Kernel

USERLAND = Path(__file__).parents[2] / "userland"
PAGE, AT = 4096, 0x50000000
FIXED, SHARED = 0x32, 0x31


@pytest.fixture(scope="module")
def k() -> Kernel:
    """A kernel whose program has two pages at AT, and two shared ones behind them."""
    session = Session(USERLAND / "hello.S")
    session.break_at("_start")
    assert session.run().kind == "breakpoint"
    sys_mmap2(session.kernel, AT, 2 * PAGE, 3, FIXED, -1, 0)
    sys_mmap2(session.kernel, AT + 2 * PAGE, 2 * PAGE, 3, SHARED, -1, 0)
    return session.kernel


def anon(k: Kernel, at: int, size: int, flags: int = FIXED, page: int = 0) -> int:
    return sys_mmap2(k, at, size, 3, flags, -1, page)


#: The call, and its error.
REFUSED: dict[str, tuple[Callable[[Kernel], int], int]] = {
    "mmap, a page over the end": (lambda k: anon(k, TASK_SIZE - PAGE, 2 * PAGE), ENOMEM),
    "mmap at the end": (lambda k: anon(k, TASK_SIZE, PAGE), ENOMEM),
    "mmap of more than there is": (lambda k: anon(k, 0, TASK_SIZE + PAGE, 0x22), ENOMEM),
    "mmap of all but a byte": (lambda k: anon(k, 0, 0xFFFFFFFF, 0x22), ENOMEM),
    "mmap beyond the last page": (lambda k: anon(k, AT, 2 * PAGE, page=0xFFFFFFFF), EOVERFLOW),
    "munmap over the end": (lambda k: sys_munmap(k, TASK_SIZE - PAGE, 2 * PAGE), EINVAL),
    "munmap behind the end": (lambda k: sys_munmap(k, TASK_SIZE + PAGE, PAGE), EINVAL),
    "munmap around": (lambda k: sys_munmap(k, AT, 0xFFFFF000), EINVAL),
    "mprotect around": (lambda k: sys_mprotect(k, AT, 0xFFFFF000, 1), ENOMEM),
    "madvise around": (lambda k: sys_madvise(k, AT, 0xFFFFF000, 4), EINVAL),
    "msync around": (lambda k: sys_msync(k, AT, 0xFFFFF000 - PAGE, 4), ENOMEM),
    "mremap to the end": (
        lambda k: sys_mremap(k, AT, PAGE, 2 * PAGE, 3, TASK_SIZE - PAGE), EINVAL,
    ),
    "mremap to more than there is": (
        lambda k: sys_mremap(k, AT, PAGE, TASK_SIZE + PAGE, 3, 0), EINVAL,
    ),
    "remap_file_pages around": (
        lambda k: sys_remap_file_pages(k, AT + 2 * PAGE, 0xFFFFF000, 0, 0, 0), EINVAL,
    ),
    "remap_file_pages beyond the last page": (
        lambda k: sys_remap_file_pages(k, AT + 2 * PAGE, 2 * PAGE, 0, 0xFFFFFFFF, 0), EINVAL,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(k: Kernel, name: str) -> None:
    call, error = REFUSED[name]
    with pytest.raises(Errno) as refusal:
        call(k)
    assert refusal.value.number == error


def test_up_to_the_very_end(k: Kernel) -> None:
    """A wish that does not fit is another place; who insists gets the last page."""
    elsewhere = anon(k, TASK_SIZE - PAGE, 2 * PAGE, 0x22)
    assert 0 < elsewhere <= TASK_SIZE - 2 * PAGE
    sys_munmap(k, elsewhere, 2 * PAGE)
    assert anon(k, AT + 0x100000, PAGE, 0x22) == AT + 0x100000
    sys_munmap(k, AT + 0x100000, PAGE)
    sys_munmap(k, AT + 0x100000, TASK_SIZE - AT - 0x100000)  # the stack goes, too
    assert anon(k, TASK_SIZE - PAGE, PAGE) == TASK_SIZE - PAGE
    assert sys_mprotect(k, TASK_SIZE - PAGE, PAGE, 1) == 0
    assert sys_mlock(k, TASK_SIZE - PAGE, PAGE) == 0
    assert sys_munlock(k, TASK_SIZE - PAGE, PAGE) == 0
    assert sys_munmap(k, TASK_SIZE - PAGE, PAGE) == 0
    assert anon(k, TASK_SIZE - PAGE, PAGE, 0x22) == TASK_SIZE - PAGE  # by a wish
