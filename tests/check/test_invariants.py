"""Each invariant notices what it is for: a fork in the middle, one thing broken by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emu.paging import PTE_P, PTE_RW, PTE_US
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, TI_SIZE
from toykernel.arch.x86.pgtable import PTE_PROTNONE, pte_offset
from toykernel.check import invariants
from toykernel.check.invariants import CHECKS, InvariantError, check_all
from toykernel.check.whole import Whole
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames, owners
from toykernel.look.page_tables import entries
from toykernel.mm.mm_types import VM_EXEC, VM_READ, VM_WRITE, MmStruct
from toykernel.state import Kernel

USERLAND = Path(__file__).parents[2] / "userland"


@pytest.fixture
def forked() -> Kernel:
    """Parent and child exist and share their pages; the running one is in user mode."""
    session = Session(USERLAND / "fork_sample.S")
    k = session.kernel
    forks: list[int] = []
    k.host.trace.process_fork.append(lambda parent, child, flags: forks.append(child.pid))
    while 3 not in forks:
        session.step()
    while k.machine.cpu.cpl != 3:
        session.step()
    check_all(k)
    assert [t.pid for t in k.processes.tasks] == [0, 1, 2, 3]
    return k


def mm_of(k: Kernel, pid: int = 2) -> MmStruct:
    mm = next(t for t in k.processes.tasks if t.pid == pid).mm
    assert mm is not None
    return mm


def data_entry(k: Kernel, pid: int = 2) -> tuple[int, int, int]:
    """(linear address, where its entry lies, entry) of a shared page of .data."""
    mm = mm_of(k, pid)
    found = next(
        e for e in entries(k, mm)
        if e.present and k.memory.pages.page_count(e.pfn) == 2 and e.pfn != k.memory.zero_pfn
        and (area := mm.find_exact(e.address)) is not None and area.vm_flags & 2
    )  # fmt: skip
    at = pte_offset(k, mm, found.address)
    assert at is not None
    return found.address, at, found.pte


def breach(k: Kernel) -> set[str]:
    """Names of the checks that have something to say."""
    return {check.__name__ for check in CHECKS if list(check(Whole(k)))}


def lost_reference(k: Kernel) -> None:
    k.memory.pages.put_page(k, data_entry(k)[2] >> 12)


def extra_reference(k: Kernel) -> None:
    k.memory.pages.get_page(data_entry(k)[2] >> 12)


def leaked_page(k: Kernel) -> None:
    k.memory.pages.alloc_pages(k, 0, "lost")


def writable_while_shared(k: Kernel) -> None:
    _, at, pte = data_entry(k)
    k.machine.ram.write32(at, pte | PTE_RW)


def free_frame_mapped(k: Kernel) -> None:
    _, at, pte = data_entry(k)
    pfn = k.memory.pages.alloc_pages(k, 0, "x")
    k.memory.pages.put_page(k, pfn)
    k.machine.ram.write32(at, pfn << 12 | pte & 0xFFF)


def kernel_memory_mapped(k: Kernel) -> None:
    _, at, pte = data_entry(k)
    k.machine.ram.write32(at, k.arch.gdt & ~0xFFF | pte & 0xFFF)


def frame_outside_ram(k: Kernel) -> None:
    _, at, pte = data_entry(k)
    k.machine.ram.write32(at, 0x7FFF0000 | pte & 0xFFF)


def supervisor_page_in_user_half(k: Kernel) -> None:
    _, at, pte = data_entry(k)
    k.machine.ram.write32(at, pte & ~PTE_US)


def page_without_area(k: Kernel) -> None:
    mm = mm_of(k)
    pfn = k.memory.pages.alloc_pages(k, 0, "x")
    address = next(a for a, _, _ in [data_entry(k)]) + 0x100000
    at = pte_offset(k, mm, address)
    assert at is not None
    k.machine.ram.write32(at, pfn << 12 | PTE_P | PTE_US)


def page_of_a_forbidden_area(k: Kernel) -> None:
    area = mm_of(k).find_exact(data_entry(k)[0])
    assert area is not None
    area.vm_flags &= ~(VM_READ | VM_WRITE | VM_EXEC)


def page_kept_from_its_area(k: Kernel) -> None:
    _, at, pte = data_entry(k)
    k.machine.ram.write32(at, pte & ~PTE_P | PTE_PROTNONE)


def locked_page_not_counted(k: Kernel) -> None:
    mm_of(k).locked_vm += 1


def used_frame_on_a_free_list(k: Kernel) -> None:
    normal, _ = k.memory.pages._zones
    normal[0][data_entry(k)[2] >> 12] = None


def free_block_lost(k: Kernel) -> None:
    normal, _ = k.memory.pages._zones
    next(blocks for blocks in normal if blocks).popitem()


def areas_overlap(k: Kernel) -> None:
    first, second = list(mm_of(k))[:2]
    first.vm_end = second.vm_start + 4096


def area_of_half_a_page(k: Kernel) -> None:
    next(iter(mm_of(k))).vm_end -= 100


def table_not_counted(k: Kernel) -> None:
    mm_of(k).nr_ptes += 1


def page_not_counted(k: Kernel) -> None:
    mm_of(k).rss -= 1


def kernel_half_differs(k: Kernel) -> None:
    k.machine.ram.write32(mm_of(k, 3).pgd + 0xC04, 0)


def flush_forgotten(k: Kernel) -> None:
    assert k.memory.active_mm is not None
    k.memory.active_mm.stale[0x08049000] = None


def wrong_directory(k: Kernel) -> None:
    k.current.mm = mm_of(k, 5 - k.current.pid)


def stack_overflow(k: Kernel) -> None:
    k.machine.ram.write32(k.processes.tasks[-1].stack - PAGE_OFFSET + TI_SIZE, 0)


def object_without_record(k: Kernel) -> None:
    k.memory.slabs.mm.alloc(k)


Break = Callable[[Kernel], None]
BREACHES: list[tuple[Break, str]] = [
    (lost_reference, "page_count_is_number_of_holders"),
    (extra_reference, "page_count_is_number_of_holders"),
    (leaked_page, "page_count_is_number_of_holders"),
    (writable_while_shared, "writable_frames_have_one_user"),
    (free_frame_mapped, "entries_point_to_user_frames"),
    (kernel_memory_mapped, "entries_point_to_user_frames"),
    (frame_outside_ram, "entries_point_to_user_frames"),
    (supervisor_page_in_user_half, "entries_point_to_user_frames"),
    (page_without_area, "entries_obey_areas"),
    (page_of_a_forbidden_area, "entries_obey_areas"),
    (page_kept_from_its_area, "entries_obey_areas"),
    (locked_page_not_counted, "areas_are_in_order"),
    (used_frame_on_a_free_list, "free_frames_add_up"),
    (free_block_lost, "free_frames_add_up"),
    (areas_overlap, "areas_are_in_order"),
    (area_of_half_a_page, "areas_are_in_order"),
    (table_not_counted, "tables_are_accounted_for"),
    (page_not_counted, "tables_are_accounted_for"),
    (kernel_half_differs, "tables_are_accounted_for"),
    (flush_forgotten, "tlb_owes_nothing"),
    (wrong_directory, "loaded_directory_is_the_task_s"),
    (stack_overflow, "kernel_stacks_are_whole"),
    (object_without_record, "slab_objects_have_records"),
]


@pytest.mark.parametrize(("damage", "name"), BREACHES, ids=[b.__name__ for b, _ in BREACHES])
def test_damage_is_noticed(forked: Kernel, damage: Break, name: str) -> None:
    damage(forked)
    assert name in breach(forked)
    with pytest.raises(InvariantError, match=r"invariant .* is broken: "):
        check_all(forked)


def test_a_breach_names_process_address_and_frame(forked: Kernel) -> None:
    address, at, pte = data_entry(forked)
    forked.machine.ram.write32(at, pte | PTE_RW)
    (text,) = list(invariants.writable_frames_have_one_user(Whole(forked)))
    assert "pid 2 (fork_sample)" in text
    assert f"{address:#010x}" in text
    assert f"frame {pte >> 12:#x}" in text


def test_shared_pages_have_an_owner_for_each_reference(forked: Kernel) -> None:
    # K2: one frame, two entries
    _, _, pte = data_entry(forked)
    held = owners(forked)[pte >> 12]
    assert len(held) == forked.memory.pages.page_count(pte >> 12) == 2


def test_a_leak_is_counted_in_frames(forked: Kernel) -> None:
    assert leaked_frames(forked) == 0
    forked.memory.pages.alloc_pages(forked, 3, "lost")
    assert leaked_frames(forked) == 8


def test_checking_changes_nothing(forked: Kernel) -> None:
    before = forked.machine.ram.image(), forked.machine.clock.cycles
    check_all(forked)
    assert (forked.machine.ram.image(), forked.machine.clock.cycles) == before


@pytest.mark.parametrize(
    "name", ["fork_sample", "fork_tree", "brk_heap", "cow_by_kernel", "orphan", "wait_errors"]
)
def test_programs_keep_the_invariants_at_every_trap(name: str) -> None:
    session = Session(USERLAND / f"{name}.S")
    seen: list[int] = []
    session.kernel.host.trace.to_user.append(lambda task: seen.append(task.pid))
    invariants.install(session.kernel)
    assert session.run().kind == "finished"
    assert len(seen) > 10
    assert leaked_frames(session.kernel) == 0
