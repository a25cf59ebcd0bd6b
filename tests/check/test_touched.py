"""The look at what a trap has touched finds what the look at everything finds, at a cost that stays flat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_invariants as everything

from emu.paging import PTE_P, PTE_RW
from toykernel.arch.x86.pgtable import pte_offset, set_pte
from toykernel.check import invariants
from toykernel.check.invariants import InvariantError, Looker, install
from toykernel.check.touched import Touched
from toykernel.harness.session import Session
from toykernel.mm import mmap, mprotect
from toykernel.mm.mm_types import MmStruct
from toykernel.mm.page_alloc import PageAllocator
from toykernel.mm.rmap import ReverseMap
from toykernel.state import Kernel
from toykernel.task import Task

USERLAND = Path(__file__).parents[2] / "userland"
Break = Callable[[Kernel], None]

#: What no trap shows in what it touches: found by the next look at everything.
LATER = ("used_frame_on_a_free_list", "free_block_lost", "object_without_record")
#: Damage to what is pid 3's.
CHILDS = ("kernel_half_differs", "stack_overflow")


@pytest.fixture
def only_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look at everything before the run is over."""
    monkeypatch.setattr(invariants, "CREDIT", 0)
    monkeypatch.setattr(invariants, "FIRST_CREDIT", -1)


def damaged(damage: Break, pid: int) -> tuple[Session, list[int]]:
    """A session in which a process's first call after the fork does damage; the traps dealt with since."""
    session = Session(USERLAND / "fork_sample.S")
    k = session.kernel
    traps: list[int] = []
    done: list[bool] = []

    def on_call(task: Task, _number: int, _words: list[int]) -> None:
        if task.pid == pid and not done and {2, 3} <= {t.pid for t in k.processes.tasks}:
            done.append(True)
            damage(k)

    k.host.trace.sys_enter.append(on_call)
    k.host.trace.to_user.append(lambda task: traps.append(task.pid) if done else None)
    install(k)
    return session, traps


@pytest.mark.usefixtures("only_touched")
@pytest.mark.parametrize(
    ("damage", "name"),
    [b for b in everything.BREACHES if b[0].__name__ not in LATER],
    ids=[b.__name__ for b, _ in everything.BREACHES if b.__name__ not in LATER],
)
def test_damage_is_noticed_when_its_trap_is_over(damage: Break, name: str) -> None:
    session, traps = damaged(damage, 3 if damage.__name__ in CHILDS else 2)
    with pytest.raises(InvariantError) as caught:
        session.run()
    assert caught.value.name == name
    assert len(traps) == 1
    assert "not any more" not in caught.value.detail


@pytest.mark.usefixtures("only_touched")
@pytest.mark.parametrize(
    ("damage", "name"),
    [b for b in everything.BREACHES if b[0].__name__ in LATER],
    ids=[b.__name__ for b, _ in everything.BREACHES if b.__name__ in LATER],
)
def test_the_rest_is_noticed_at_the_end(damage: Break, name: str) -> None:
    session, traps = damaged(damage, 2)
    with pytest.raises(InvariantError) as caught:
        session.run()
    # of a page lost from a cache the first check to say so is another
    first = {"object_without_record": "page_count_is_number_of_holders",
             "used_frame_on_a_free_list": "entries_point_to_user_frames"}  # fmt: skip
    assert caught.value.name == first.get(damage.__name__, name)
    assert len(traps) > 1


@pytest.mark.usefixtures("only_touched")
def test_the_end_by_single_steps_is_an_end() -> None:
    session, _ = damaged(everything.free_block_lost, 2)

    def run() -> None:
        while session.step() is None:
            pass

    with pytest.raises(InvariantError, match="free_frames_add_up"):
        run()


def entry_that_is_not_in_the_reverse_map(k: Kernel) -> None:
    mm = everything.mm_of(k)
    address, at, pte = everything.data_entry(k)
    k.memory.rmap.remove(pte >> 12, mm.ident, address)
    k.memory.rmap.add(pte >> 12, mm.ident, address + 4096)
    k.machine.ram.write32(at, pte ^ 0x40)  # the entry has changed, too


def mapped_twice(k: Kernel) -> None:
    mm = everything.mm_of(k)
    address, _, pte = everything.data_entry(k)
    at = pte_offset(k, mm, address + 4096)
    assert at is not None
    k.machine.ram.write32(at, pte)


def area_that_loses_its_right(k: Kernel) -> None:
    mm = everything.mm_of(k)
    address, at, pte = everything.data_entry(k)
    pfn = k.memory.pages.get_zeroed_page(k)
    k.memory.pages.put_page(k, pte >> 12)
    set_pte(k, mm, address, at, pfn << 12 | pte & 0xFFF | PTE_RW)
    mm.stale.clear()
    area = mm.find_exact(address)
    assert area is not None
    area.vm_flags &= ~2


def area_that_vanishes(k: Kernel) -> None:
    mm = everything.mm_of(k)
    area = mm.find_exact(everything.data_entry(k)[0])
    assert area is not None
    mm.remove(area)


def area_cut_short(k: Kernel) -> None:
    mm = everything.mm_of(k)
    stack = [area for area in mm if area.name == "[stack]"][-1]
    mm.resize(stack, stack.vm_start, stack.vm_end - 4096)


def byte_of_a_shared_frame(k: Kernel) -> None:
    k.machine.ram.write(everything.data_entry(k)[2] & ~0xFFF, b"\xa5")


def byte_of_the_zero_page(k: Kernel) -> None:
    k.machine.ram.write(k.memory.zero_pfn << 12, b"\x01")


def pin_without_reference(k: Kernel) -> None:
    pfn = everything.data_entry(k)[2] >> 12
    k.memory.pins[pfn] = 1
    k.host.trace.page_pin.emit(pfn, True)


def directory_entry_that_leads_nowhere(k: Kernel) -> None:
    k.machine.ram.write32(everything.mm_of(k).pgd + 4 * 0x100, 0x7FFF0000 | PTE_P)


@pytest.mark.usefixtures("only_touched")
@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (entry_that_is_not_in_the_reverse_map, ["reverse_map_is_true"]),
        (mapped_twice, ["reverse_map_is_true", "entries_obey_areas", "tables_are_accounted_for"]),
        (area_that_loses_its_right, ["entries_obey_areas"]),
        (area_that_vanishes, ["entries_obey_areas"]),
        (area_cut_short, ["entries_obey_areas"]),
        (byte_of_a_shared_frame, ["shared_frames_do_not_change"]),
        (byte_of_the_zero_page, ["zero_page_is_never_written"]),
        (pin_without_reference, ["page_count_is_number_of_holders"]),
        (directory_entry_that_leads_nowhere, ["tables_are_accounted_for"]),
    ],
)
def test_other_damage(damage: Break, names: list[str]) -> None:
    session, traps = damaged(damage, 2)
    with pytest.raises(InvariantError) as caught:
        session.run()
    assert caught.value.name in names
    assert len(traps) == 1
    assert "not any more" not in caught.value.detail


#: Writes to a page, makes it read-only, forks, waits, unmaps it.
PROTECT = """
#include <asm/unistd.h>
.globl _start
_start:
    movl $__NR_mmap2, %eax
    xorl %ebx, %ebx
    movl $8192, %ecx
    movl $3, %edx
    movl $0x22, %esi
    movl $-1, %edi
    xorl %ebp, %ebp
    int $0x80
    movl %eax, %ebx
    movl $1, (%ebx)
    movl $__NR_mprotect, %eax
    movl $4096, %ecx
    movl $1, %edx
    int $0x80
    movl $__NR_fork, %eax
    int $0x80
    testl %eax, %eax
    jz done
    movl %ebx, %esi
    movl $__NR_waitpid, %eax
    movl $-1, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    int $0x80
    movl $__NR_munmap, %eax
    movl %esi, %ebx
    movl $8192, %ecx
    int $0x80
done:
    movl $__NR_exit, %eax
    xorl %ebx, %ebx
    int $0x80
"""


def nothing(*_: object) -> None:
    """What a function does whose body is gone."""


@pytest.mark.usefixtures("only_touched")
@pytest.mark.parametrize(
    ("owner", "name", "check"),
    [
        (mprotect, "change_protection", "entries_obey_areas"),
        (mmap, "unmap_vmas", "reverse_map_is_true"),
        (ReverseMap, "remove_all", "reverse_map_is_true"),
        (ReverseMap, "add", "reverse_map_is_true"),
        (MmStruct, "remove", "areas_are_in_order"),
        (PageAllocator, "get_pages", "page_count_is_number_of_holders"),
    ],
)
def test_code_that_forgets_something(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, owner: Any, name: str, check: str
) -> None:
    source = tmp_path / "protect.S"
    source.write_text(PROTECT)
    session = Session(source)
    k = session.kernel
    install(k)

    def forget(_task: Task, _path: str) -> None:
        monkeypatch.setattr(owner, name, nothing)

    k.host.trace.process_exec.append(forget)
    with pytest.raises(InvariantError) as caught:
        session.run(100_000_000)
    assert caught.value.name == check
    assert "not any more" not in caught.value.detail


# -- what it costs -------------------------------------------------------------------------------------

STACK = """
.globl _start
_start: movl ${}, %ecx
1:  subl $4096, %esp
    movl %ecx, (%esp)
    loop 1b
    movl $1, %eax
    xorl %ebx, %ebx
    int $0x80
"""


def work(monkeypatch: pytest.MonkeyPatch, source: Path) -> Counter[str]:
    """How often each kind of look was taken at something in a run."""
    counts: Counter[str] = Counter()
    session = Session(source)
    install(session.kernel)
    with monkeypatch.context() as patch:
        for owner, name in ((Touched, "_entry"), (Touched, "_changed_entries"), (Looker, "look")):
            original = getattr(owner, name)

            def counted(*args: Any, name: str = name, original: Any = original) -> Any:
                counts[name] += 1
                return original(*args)

            patch.setattr(owner, name, counted)
        assert session.run().kind == "finished"
    return counts


def test_a_fault_costs_the_same_however_much_is_mapped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []
    for pages in (400, 1600):
        source = tmp_path / f"stack{pages}.S"
        source.write_text(STACK.format(pages))
        seen.append(work(monkeypatch, source))
    few, many = seen
    assert few["_entry"] >= 400
    assert many["_entry"] - few["_entry"] <= 1200 * 1.1
    assert many["_changed_entries"] - few["_changed_entries"] <= 1200 * 1.1
    assert many["look"] <= few["look"] + 20


def test_areas_that_are_many_are_looked_at_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toykernel.check.touched.AREAS_AT_ONCE", 1)
    monkeypatch.setattr(invariants, "CREDIT", 0)
    session, traps = damaged(everything.area_of_half_a_page, 2)
    with pytest.raises(InvariantError, match="areas_are_in_order"):
        session.run()
    assert len(traps) < 20
