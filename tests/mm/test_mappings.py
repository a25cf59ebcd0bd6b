"""The memory calls one by one: what Linux answers, and what the areas are afterwards."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from toykernel.arch.x86.pgtable import get_pte, pte_present
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, put_user
from toykernel.check.invariants import check_all
from toykernel.errno import EAGAIN, EBADF, EFAULT, EINVAL, ENOMEM, EOVERFLOW, EPERM, Errno
from toykernel.fs.binfmt_elf import PT_GNU_STACK
from toykernel.fs.open import sys_open
from toykernel.harness.build import build
from toykernel.harness.session import Session
from toykernel.kernel.clone_flags import CloneArgs
from toykernel.kernel.cred import CAP_SYS_RAWIO
from toykernel.kernel.fork import do_fork
from toykernel.kernel.siginfo import SIGCHLD
from toykernel.kernel.signal_types import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, RLIMIT_STACK
from toykernel.look.program import PROGRAM_PID
from toykernel.mm import mman
from toykernel.mm.access import expand_stack
from toykernel.mm.heap import sys_brk
from toykernel.mm.madvise import sys_madvise
from toykernel.mm.mincore import sys_mincore, sys_msync
from toykernel.mm.mlock import sys_mlock, sys_mlockall, sys_munlock, sys_munlockall
from toykernel.mm.mm_types import VM_GROWSDOWN, VM_LOCKED, MmStruct
from toykernel.mm.mmap import sys_mmap2, sys_munmap, sys_old_mmap
from toykernel.mm.mprotect import sys_mprotect
from toykernel.mm.mremap import sys_mremap
from toykernel.state import Kernel

USERLAND = Path(__file__).parents[2] / "userland"
PAGE = 4096
AT = 0x30000000
RW = mman.PROT_READ | mman.PROT_WRITE
ANON = mman.MAP_PRIVATE | mman.MAP_ANONYMOUS
FIXED = ANON | mman.MAP_FIXED
PF_X, PF_W, PF_R = 1, 2, 4
SHARED = mman.MAP_SHARED | mman.MAP_ANONYMOUS


@pytest.fixture
def k() -> Iterator[Kernel]:
    """A kernel in whose first program's name calls can be made; sound afterwards, whatever they did."""
    session = Session(USERLAND / "hello.S")
    session.break_at("_start")
    assert session.run().kind == "breakpoint"
    yield session.kernel
    check_all(session.kernel)


def mm_of(k: Kernel) -> MmStruct:
    assert k.current.mm is not None
    return k.current.mm


def areas(k: Kernel) -> list[tuple[int, int, str]]:
    """First page, pages, rights of every area from AT on, below the mmap base."""
    return [
        ((a.vm_start - AT) // PAGE, a.pages, a.permissions())
        for a in mm_of(k)
        if AT <= a.vm_start < AT + (1 << 24)
    ]


def error(call: Callable[..., object], *args: object) -> int:
    with pytest.raises(Errno) as caught:
        call(*args)
    return caught.value.number


def map_at(k: Kernel, page: int, pages: int, prot: int = RW, flags: int = FIXED) -> int:
    return sys_mmap2(k, AT + page * PAGE, pages * PAGE, prot, flags, -1, 0)


def test_neighbours_merge_and_split(k: Kernel) -> None:  # K10
    map_at(k, 0, 2)
    map_at(k, 2, 2)
    assert areas(k) == [(0, 4, "rw-p")]
    sys_mprotect(k, AT + PAGE, PAGE, mman.PROT_READ)
    assert areas(k) == [(0, 1, "rw-p"), (1, 1, "r--p"), (2, 2, "rw-p")]
    sys_mprotect(k, AT + PAGE, PAGE, RW)
    assert areas(k) == [(0, 4, "rw-p")]
    sys_munmap(k, AT + 2 * PAGE, PAGE)
    assert areas(k) == [(0, 2, "rw-p"), (3, 1, "rw-p")]


def test_shared_mappings_of_two_objects_do_not_merge(k: Kernel) -> None:
    map_at(k, 0, 1, RW, SHARED | mman.MAP_FIXED)
    map_at(k, 1, 1, RW, SHARED | mman.MAP_FIXED)
    assert areas(k) == [(0, 1, "rw-s"), (1, 1, "rw-s")]


@pytest.mark.parametrize(
    ("addr", "length", "flags", "wanted"),
    [
        (0, 0, ANON, EINVAL),
        (AT + 1, PAGE, FIXED, EINVAL),
        (0, PAGE, mman.MAP_ANONYMOUS, EINVAL),
        (0, 0xC0001000, ANON, ENOMEM),
        (0xBFFFF000, 2 * PAGE, FIXED, ENOMEM),
        (0, PAGE, mman.MAP_PRIVATE, EBADF),
        (0, 1 << 30, ANON, ENOMEM),
    ],
)
def test_mmap_refuses(k: Kernel, addr: int, length: int, flags: int, wanted: int) -> None:
    assert error(sys_mmap2, k, addr, length, RW, flags, 77, 0) == wanted


def test_the_lowest_pages_are_for_who_has_cap_sys_rawio(k: Kernel) -> None:
    assert sys_mmap2(k, 0, PAGE, RW, FIXED, -1, 0) == 0
    k.current.cred.cap_effective &= ~(1 << CAP_SYS_RAWIO)
    assert error(sys_mmap2, k, 0, PAGE, RW, FIXED, -1, 0) == EPERM


def test_places_are_taken_from_the_top_down(k: Kernel) -> None:
    first = sys_mmap2(k, 0, PAGE, RW, SHARED, -1, 0)
    second = sys_mmap2(k, 0, 3 * PAGE, RW, SHARED, -1, 0)
    assert first == mm_of(k).mmap_base - PAGE
    assert second == first - 3 * PAGE
    sys_munmap(k, first, PAGE)
    assert sys_mmap2(k, 0, PAGE, RW, SHARED, -1, 0) == first
    assert sys_mmap2(k, AT + 5, PAGE, RW, ANON, -1, 0) == AT  # a hint is rounded
    assert sys_mmap2(k, AT, PAGE, RW, ANON, -1, 0) != AT  # and given up when it is taken


def test_the_old_mmap_takes_its_words_from_memory(k: Kernel) -> None:
    map_at(k, 0, 1)
    words = (AT + 4 * PAGE, PAGE, RW, FIXED, 0xFFFFFFFF, 0)
    for index, word in enumerate(words):
        put_user(k, word, AT + 4 * index)
    assert sys_old_mmap(k, AT) == AT + 4 * PAGE
    put_user(k, 5, AT + 20)
    assert error(sys_old_mmap, k, AT) == EINVAL
    assert error(sys_old_mmap, k, 0) == EFAULT


def test_address_space_limit(k: Kernel) -> None:
    total = mm_of(k).total_vm
    k.current.signal.rlim[RLIMIT_AS] = ((total + 4) * PAGE, 1 << 30)
    map_at(k, 0, 4)
    assert error(map_at, k, 10, 1) == ENOMEM
    assert error(sys_mremap, k, AT, 4 * PAGE, 5 * PAGE, 0, 0) == ENOMEM
    end = mm_of(k).brk
    assert sys_brk(k, end + PAGE) == end


def test_data_limit(k: Kernel) -> None:
    mm = mm_of(k)
    used = mm.end_data - mm.start_data
    k.current.signal.rlim[RLIMIT_DATA] = (used + 2 * PAGE, 1 << 30)
    assert sys_brk(k, mm.start_brk + 2 * PAGE) == mm.start_brk + 2 * PAGE
    assert sys_brk(k, mm.start_brk + 2 * PAGE + 1) == mm.start_brk + 2 * PAGE


def test_stack_limit_and_guard_gap(k: Kernel) -> None:
    mm = mm_of(k)
    stack = next(a for a in mm if a.vm_flags & VM_GROWSDOWN)
    k.current.signal.rlim[RLIMIT_STACK] = (64 * PAGE, 1 << 30)
    expand_stack(k, mm, stack, stack.vm_end - 64 * PAGE)
    assert stack.pages == 64
    assert error(expand_stack, k, mm, stack, stack.vm_end - 65 * PAGE) == ENOMEM
    k.current.signal.rlim[RLIMIT_STACK] = (8 << 20, 1 << 30)
    below = stack.vm_start - k.memory.stack_guard_gap - PAGE
    sys_mmap2(k, below, PAGE, RW, FIXED, -1, 0)
    assert error(expand_stack, k, mm, stack, stack.vm_start - PAGE) == ENOMEM


def test_protection_none_keeps_the_page(k: Kernel) -> None:
    map_at(k, 0, 1)
    put_user(k, 42, AT)
    sys_mprotect(k, AT, PAGE, mman.PROT_NONE)
    pte = get_pte(k, mm_of(k), AT)
    assert pte_present(pte)
    assert not pte & 1  # the CPU finds nothing
    assert error(copy_from_user, k, AT, 4) == EFAULT
    sys_mprotect(k, AT, PAGE, mman.PROT_READ)
    assert copy_from_user(k, AT, 4) == b"\x2a\0\0\0"


@pytest.mark.parametrize(
    ("start", "length", "prot", "wanted"),
    [
        (AT + 1, PAGE, 1, EINVAL),
        (AT, PAGE, 16, EINVAL),
        (AT, 3 * PAGE, 1, ENOMEM),
        (AT + 9 * PAGE, PAGE, 1, ENOMEM),
        (AT, PAGE, 0x03000001, EINVAL),
        (AT, PAGE, 0x01000001, EINVAL),  # does not grow down
    ],
)
def test_mprotect_refuses(k: Kernel, start: int, length: int, prot: int, wanted: int) -> None:
    map_at(k, 0, 2)
    assert error(sys_mprotect, k, start, length, prot) == wanted


def test_mlock_faults_in_and_counts(k: Kernel) -> None:
    mm = mm_of(k)
    map_at(k, 0, 4)
    assert sys_mlock(k, AT + PAGE + 5, 10) == 0
    assert areas(k) == [(0, 1, "rw-p"), (1, 1, "rw-p"), (2, 2, "rw-p")]
    assert mm.locked_vm == 1
    assert pte_present(get_pte(k, mm, AT + PAGE))
    assert not pte_present(get_pte(k, mm, AT))
    assert error(sys_madvise, k, AT, 4 * PAGE, mman.MADV_DONTNEED) == EINVAL
    assert error(sys_mlock, k, AT, 8 * PAGE) == ENOMEM  # a hole
    sys_munlock(k, AT, 4 * PAGE)
    assert mm.locked_vm == 0
    assert areas(k) == [(0, 4, "rw-p")]


def test_mlockall_and_the_future(k: Kernel) -> None:
    mm = mm_of(k)
    assert error(sys_mlockall, k, 0) == EINVAL
    sys_mlockall(k, mman.MCL_CURRENT | mman.MCL_FUTURE)
    assert mm.locked_vm == mm.total_vm
    map_at(k, 0, 2)
    assert pte_present(get_pte(k, mm, AT + PAGE))
    sys_munlockall(k)
    assert mm.locked_vm == 0
    assert not any(a.vm_flags & VM_LOCKED for a in mm)


def test_the_memlock_limit_binds_who_lacks_the_capability(k: Kernel) -> None:
    map_at(k, 0, 4)
    k.current.cred.cap_effective = 0
    k.current.signal.rlim[RLIMIT_MEMLOCK] = (2 * PAGE, 2 * PAGE)
    sys_mlock(k, AT, 2 * PAGE)
    assert error(sys_mlock, k, AT + 2 * PAGE, PAGE) == ENOMEM
    assert error(map_at, k, 8, 1, RW, FIXED | mman.MAP_LOCKED) == EAGAIN
    k.current.signal.rlim[RLIMIT_MEMLOCK] = (0, 0)
    assert error(sys_mlock, k, AT, PAGE) == EPERM
    assert error(sys_mlockall, k, mman.MCL_CURRENT) == EPERM


def test_mincore(k: Kernel) -> None:
    map_at(k, 0, 3)
    vector = map_at(k, 8, 1)
    put_user(k, 1, AT + PAGE)
    assert sys_mincore(k, AT, 3 * PAGE, vector) == 0
    assert copy_from_user(k, vector, 3) == b"\0\1\0"
    assert error(sys_mincore, k, AT + 1, PAGE, vector) == EINVAL
    assert error(sys_mincore, k, AT, 5 * PAGE, vector) == ENOMEM
    assert error(sys_mincore, k, AT, PAGE, 0x10) == EFAULT


def test_msync_and_madvise_refusals(k: Kernel) -> None:
    map_at(k, 0, 2)
    assert sys_msync(k, AT, 2 * PAGE, mman.MS_SYNC) == 0
    assert error(sys_msync, k, AT, PAGE, mman.MS_SYNC | mman.MS_ASYNC) == EINVAL
    assert error(sys_msync, k, AT, 4 * PAGE, mman.MS_ASYNC) == ENOMEM
    assert error(sys_madvise, k, AT, PAGE, 77) == EINVAL
    assert error(sys_madvise, k, AT, 4 * PAGE, mman.MADV_NORMAL) == ENOMEM
    assert sys_madvise(k, AT, PAGE, mman.MADV_WILLNEED) == 0


def test_mremap_in_place_and_away(k: Kernel) -> None:
    map_at(k, 0, 2)
    put_user(k, 7, AT + PAGE)
    assert sys_mremap(k, AT, 2 * PAGE, 4 * PAGE, 0, 0) == AT
    map_at(k, 4, 1, mman.PROT_READ)
    assert error(sys_mremap, k, AT, 4 * PAGE, 5 * PAGE, 0, 0) == ENOMEM
    moved = sys_mremap(k, AT, 4 * PAGE, 6 * PAGE, mman.MREMAP_MAYMOVE, 0)
    assert copy_from_user(k, moved + PAGE, 1) == b"\7"
    assert areas(k) == [(4, 1, "r--p")]
    fixed = mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED
    assert sys_mremap(k, moved, 6 * PAGE, 2 * PAGE, fixed, AT) == AT
    assert areas(k) == [(0, 2, "rw-p"), (4, 1, "r--p")]
    assert error(sys_mremap, k, AT, 2 * PAGE, PAGE, fixed, AT + PAGE) == EINVAL
    assert error(sys_mremap, k, AT, 9 * PAGE, 10 * PAGE, 0, 0) == EFAULT
    assert error(sys_mremap, k, AT, PAGE, 0, 0, 0) == EINVAL


def test_the_last_unmapping_frees_shared_frames(k: Kernel) -> None:
    free, program = k.memory.pages.free, dict(k.memory.mappings)
    map_at(k, 0, 4, RW, SHARED | mman.MAP_FIXED)
    put_user(k, 1, AT)
    sys_mprotect(k, AT + PAGE, PAGE, mman.PROT_READ)  # three areas, one object
    sys_munmap(k, AT, PAGE)
    assert len(k.memory.mappings) == len(program) + 1
    sys_munmap(k, AT, 4 * PAGE)
    assert k.memory.mappings == program
    assert k.memory.pages.free == free


def test_a_merged_area_remembers_that_it_has_pages(k: Kernel) -> None:  # K2
    map_at(k, 1, 1)
    put_user(k, 9, AT + PAGE)
    map_at(k, 0, 1)
    assert areas(k) == [(0, 2, "rw-p")]
    regs = k.task_pt_regs(k.current)
    do_fork(k, CloneArgs(SIGCHLD, regs.sp, regs))
    child = k.processes.tasks[-1].mm
    assert child is not None
    assert get_pte(k, child, AT + PAGE) >> 12 == get_pte(k, mm_of(k), AT + PAGE) >> 12 != 0


def test_a_private_write_to_a_file_stays_private() -> None:  # K9, do_fault
    session = Session(USERLAND / "hello.S", files={"/data": b"A" * PAGE})
    session.break_at("_start")
    assert session.run().kind == "breakpoint"
    k = session.kernel
    map_at(k, 0, 1)
    copy_to_user(k, AT, b"/data\0")
    fd = sys_open(k, AT, 2, 0)
    assert isinstance(fd, int)
    flags = mman.MAP_PRIVATE | mman.MAP_FIXED
    private = sys_mmap2(k, AT + PAGE, PAGE, RW, flags, fd, 0)
    put_user(k, 0x42424242, private)  # the first touch is the write
    shared = sys_mmap2(k, AT + 2 * PAGE, PAGE, RW, mman.MAP_SHARED | mman.MAP_FIXED, fd, 0)
    assert copy_from_user(k, shared, 4) == b"AAAA"
    assert copy_from_user(k, private, 8) == b"BBBBAAAA"
    put_user(k, 0x43434343, shared + 4)
    assert copy_from_user(k, private, 8) == b"BBBBAAAA"
    check_all(k)


def test_areas_with_pages_of_two_families_stay_two(k: Kernel) -> None:
    """As userland/area_merging.S, which a real Linux runs, too."""
    map_at(k, 0, 1)
    map_at(k, 2, 1)
    for page in (0, 2):
        put_user(k, page, AT + page * PAGE)
    map_at(k, 1, 1)
    assert areas(k) == [(0, 2, "rw-p"), (2, 1, "rw-p")]


def test_moved_memory_has_no_new_neighbours(k: Kernel) -> None:
    map_at(k, 8, 1)
    put_user(k, 1, AT + 8 * PAGE)
    map_at(k, 1, 1)
    moves = mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED
    assert sys_mremap(k, AT + 8 * PAGE, PAGE, PAGE, moves, AT) == AT
    assert areas(k) == [(0, 1, "rw-p"), (1, 1, "rw-p")]


def test_what_a_child_writes_is_of_another_family(k: Kernel) -> None:
    """anon_vma_fork of 2.6.39: each area of a child that has pages gets an anon_vma of its own."""
    map_at(k, 0, 1)
    map_at(k, 1, 1, RW | mman.PROT_EXEC)
    for page in range(2):
        put_user(k, page, AT + page * PAGE)
    regs = k.task_pt_regs(k.current)
    do_fork(k, CloneArgs(SIGCHLD, regs.sp, regs))
    family = [mm_of(k).areas[AT + page * PAGE].anon_vma for page in range(2)]
    child = k.processes.tasks[-1].mm
    assert child is not None
    inherited = [child.areas[AT + page * PAGE].anon_vma for page in range(2)]
    assert family[0] == family[1] != 0
    assert len({*family, *inherited}) == 3
    sys_mprotect(k, AT + PAGE, PAGE, RW)
    assert areas(k) == [(0, 2, "rw-p")]


@pytest.mark.parametrize(
    ("gnu_stack", "rights"), [(None, "rwxp"), (PF_R | PF_W, "rw-p"), (PF_R | PF_W | PF_X, "rwxp")]
)
def test_an_image_that_says_nothing_of_its_stack_may_execute_all(
    gnu_stack: int | None, rights: str, tmp_path: Path
) -> None:
    """elf_read_implies_exec: without PT_GNU_STACK, what can be read can be executed."""
    image = bytearray(build(USERLAND / "hello.S")[0])
    at = image.index(struct.pack("<I", PT_GNU_STACK))
    if gnu_stack is None:
        image[at : at + 4] = bytes(4)  # PT_NULL
    else:
        struct.pack_into("<I", image, at + 24, gnu_stack)
    path = tmp_path / "image"
    path.write_bytes(image)
    session = Session(path)
    session.break_at(struct.unpack_from("<I", image, 24)[0])
    while session.current.pid != PROGRAM_PID:  # init starts at the same address
        assert session.run().kind == "breakpoint"
    k = session.kernel
    brk = sys_brk(k, 0)
    sys_brk(k, brk + PAGE)
    address = sys_mmap2(k, 0, PAGE, mman.PROT_READ, ANON, -1, 0)
    mm = mm_of(k)
    named = {area.name: area.permissions() for area in mm}
    assert (named["[heap]"], named["[stack]"]) == (rights, rights)
    assert mm.areas[address].permissions()[2] == rights[2]
    sys_mprotect(k, address, PAGE, mman.PROT_READ | mman.PROT_WRITE)
    assert mm.areas[address].permissions() == rights
    sys_mprotect(k, address, PAGE, 0)
    assert mm.areas[address].permissions() == "---p"


def test_lengths_wrap_at_32_bits(k: Kernel) -> None:
    """PAGE_ALIGN of a length within a page of 4 GiB is 0, and each call says what it says of 0."""
    map_at(k, 0, 1)
    for length in (0xFFFFF001, 0xFFFFFFFF):
        assert error(sys_mremap, k, AT, PAGE, length, mman.MREMAP_MAYMOVE, 0) == EINVAL
        assert sys_mlock(k, AT, length) == 0
        assert sys_msync(k, AT, length, mman.MS_SYNC) == 0
        assert error(sys_mmap2, k, 0, length, RW, ANON, 0, 0) == ENOMEM
        assert error(sys_mprotect, k, AT, length, RW) == ENOMEM
        assert error(sys_munmap, k, AT, length) == EINVAL


def test_an_offset_whose_end_wraps_is_refused(k: Kernel) -> None:
    assert sys_mmap2(k, 0, PAGE, RW, ANON, 0, 0xFFFFFFFE) > 0
    assert error(sys_mmap2, k, 0, PAGE, RW, ANON, 0, 0xFFFFFFFF) == EOVERFLOW
