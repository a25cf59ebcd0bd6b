"""The invariants about contents notice what they are for."""

from pathlib import Path

import pytest

from emu.paging import PTE_RW
from toykernel.arch.x86 import uaccess
from toykernel.arch.x86.pgtable import set_pte
from toykernel.check.contents import SharedFrames, reverse_map_is_true, zero_page_is_never_written
from toykernel.check.invariants import CHECKS, InvariantError, check_all, install
from toykernel.check.moments import Moments
from toykernel.check.whole import Whole
from toykernel.harness.session import Session
from toykernel.kernel import fork_mm
from toykernel.mm import memory
from toykernel.state import Kernel

USERLAND = Path(__file__).parents[2] / "userland"


def run_checked(program: str) -> Session:
    session = Session(USERLAND / program)
    install(session.kernel)
    session.run(50_000_000)
    return session


@pytest.fixture
def forked() -> tuple[Session, Kernel]:
    session = Session(USERLAND / "cow_copy_reuse.S")
    session.break_at("copy")
    assert session.run().kind == "breakpoint"
    return session, session.kernel


def frame_of(session: Session, pid: int) -> int:
    physical = session.walk(pid, session.address("shared")).physical
    assert physical is not None
    return physical >> 12


def test_every_check_is_in_the_docs() -> None:
    text = (USERLAND.parent / "docs" / "testing.md").read_text()
    moments = [name for name in vars(Moments) if not name.startswith("_") and name != "settled"]
    assert len(moments) == 6
    for name in [*(check.__name__ for check in CHECKS), "shared_frames_do_not_change", *moments]:
        assert f"| `{name}` |" in text


def test_all_is_well(forked: tuple[Session, Kernel]) -> None:
    check_all(forked[1])
    assert reverse_map_is_true in CHECKS
    assert zero_page_is_never_written in CHECKS


def test_a_written_zero_page(forked: tuple[Session, Kernel]) -> None:  # K9
    _, k = forked
    k.machine.ram.write((k.memory.zero_pfn << 12) + 0x123, b"\x07")
    with pytest.raises(InvariantError, match="holds 0x07 at offset 0x123"):
        check_all(k)


def test_an_entry_behind_the_reverse_map_s_back(forked: tuple[Session, Kernel]) -> None:
    session, k = forked
    walk = session.walk(3, session.address("shared"))
    assert walk.pte_address is not None
    k.memory.rmap.remove(frame_of(session, 3), k.current.mm.ident, walk.linear)  # type: ignore[union-attr]
    assert "the reverse map says mm" in next(reverse_map_is_true(Whole(k)))


def test_a_shared_frame_that_changes(forked: tuple[Session, Kernel]) -> None:  # K2
    session, k = forked
    watch = SharedFrames()
    assert not list(watch.shared_frames_do_not_change(Whole(k)))
    assert not list(watch.shared_frames_do_not_change(Whole(k)))
    k.machine.ram.write32(frame_of(session, 3) << 12, 99)
    assert "changed from 0x01 to 0x63" in next(watch.shared_frames_do_not_change(Whole(k)))


def test_reuse_of_a_held_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rule of before CVE-2020-29374, which counted entries, the check speaks up."""
    session = Session(USERLAND / "history_held_page.S")
    k = session.kernel
    install(k)
    counted = k.memory.pages.page_count
    original = memory.do_wp_page

    def by_entries(*args: object) -> None:
        monkeypatch.setattr(
            k.memory.pages, "page_count", lambda pfn: counted(pfn) - k.memory.pins.get(pfn, 0)
        )
        try:
            original(*args)  # type: ignore[arg-type]
        finally:
            monkeypatch.setattr(k.memory.pages, "page_count", counted)

    def late(task: object, kind: str, *_: object) -> None:
        monkeypatch.setattr(k.memory.pages, "page_count", counted)

    k.host.trace.fault.insert(0, late)
    monkeypatch.setattr(memory, "do_wp_page", by_entries)
    with pytest.raises(InvariantError, match="reuse_needs_the_only_reference"):
        session.run(50_000_000)


def test_a_copy_without_contents(monkeypatch: pytest.MonkeyPatch) -> None:  # K6
    monkeypatch.setattr(memory, "copy_page", lambda *_: None)
    with pytest.raises(InvariantError, match="a_copy_is_its_source"):
        run_checked("cow_copy_reuse.S")


def test_a_fresh_page_with_somebody_s_bytes(monkeypatch: pytest.MonkeyPatch) -> None:  # K9
    session = Session(USERLAND / "deep_stack.S")
    k = session.kernel
    install(k)

    def dirty(_k: Kernel, name: str, *, highmem: bool = False) -> int:
        pfn = k.memory.pages.alloc_pages(k, 0, name, highmem=highmem)
        k.machine.ram.fill(pfn << 12, 4096)
        if name == "anonymous page":
            k.machine.ram.write32((pfn << 12) + 0x20, 0x55)
        return pfn

    while not session.stats.started:
        session.step()
    monkeypatch.setattr(k.memory.pages, "get_zeroed_page", dirty)
    with pytest.raises(InvariantError, match=r"a_fresh_page_is_zero.*with 0x55 at offset 0x20"):
        session.run(50_000_000)


def test_a_write_bit_for_two(forked: tuple[Session, Kernel]) -> None:  # K5
    """Behind the back of do_wp_page: no fault is reported, and the entry could be taken back in time."""
    session, k = forked
    install(k)
    walk = session.walk(3, session.address("shared"))
    mm = session.task(3).task.mm
    assert mm is not None
    assert walk.pte_address is not None
    assert walk.pte is not None
    with pytest.raises(InvariantError, match="write_is_given_to_one_user"):
        set_pte(k, mm, walk.linear, walk.pte_address, walk.pte | PTE_RW)


def test_a_flush_that_is_only_noted(monkeypatch: pytest.MonkeyPatch) -> None:  # K4
    """The kernel's own book says that nothing is owed; the machine has seen no flush."""
    session = Session(USERLAND / "cow_tlb_flush.S")
    k = session.kernel
    install(k)
    while not session.stats.started:
        session.step()
    monkeypatch.setattr(fork_mm, "flush_tlb_mm", lambda _k, mm: mm.stale.clear())
    with pytest.raises(InvariantError, match="tlb_holds_nothing_lost"):
        session.run(50_000_000)


def test_a_store_of_the_kernel_s_into_a_shared_frame(monkeypatch: pytest.MonkeyPatch) -> None:  # K8
    """As before CVE-2016-5195: the write goes through an entry that cannot be written."""
    monkeypatch.setattr(uaccess, "PTE_RW", 0)
    with pytest.raises(InvariantError, match="kernel_writes_break_sharing"):
        run_checked("cow_by_kernel.S")


@pytest.mark.parametrize(
    "program",
    [
        "mmap_file.S",
        "history_held_page.S",
        "history_write_race.S",
        "cow_mmap_split.S",
        "fork_tree.S",
    ],
)
def test_programs_pass(program: str) -> None:
    assert run_checked(program).stats.program_status == 0 or program == "fork_tree.S"
