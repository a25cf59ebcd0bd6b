"""The invariants about contents notice what they are for."""

from pathlib import Path

import pytest

from toykernel.check.contents import SharedFrames, reverse_map_is_true, zero_page_is_never_written
from toykernel.check.invariants import CHECKS, InvariantError, check_all, install
from toykernel.kernel_state import Kernel
from toykernel.mm import memory
from toykernel.session import Session

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


def test_all_is_well(forked: tuple[Session, Kernel]) -> None:
    check_all(forked[1])
    assert reverse_map_is_true in CHECKS
    assert zero_page_is_never_written in CHECKS


def test_a_written_zero_page(forked: tuple[Session, Kernel]) -> None:  # K9
    _, k = forked
    k.machine.ram.write((k.zero_pfn << 12) + 0x123, b"\x07")
    with pytest.raises(InvariantError, match="holds 0x07 at offset 0x123"):
        check_all(k)


def test_an_entry_behind_the_reverse_map_s_back(forked: tuple[Session, Kernel]) -> None:
    session, k = forked
    walk = session.walk(3, session.address("shared"))
    assert walk.pte_address is not None
    k.rmap.remove(frame_of(session, 3), k.current.mm.ident, walk.linear)  # type: ignore[union-attr]
    assert "the reverse map says mm" in next(reverse_map_is_true(k))


def test_a_shared_frame_that_changes(forked: tuple[Session, Kernel]) -> None:  # K2
    session, k = forked
    watch = SharedFrames()
    assert not list(watch.shared_frames_do_not_change(k))
    assert not list(watch.shared_frames_do_not_change(k))
    k.machine.ram.write32(frame_of(session, 3) << 12, 99)
    assert "changed from 0x01 to 0x63" in next(watch.shared_frames_do_not_change(k))


def test_reuse_of_a_held_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rule of before CVE-2020-29374, which counted entries, the check speaks up."""
    session = Session(USERLAND / "history_held_page.S")
    k = session.kernel
    install(k)
    counted = k.pages.page_count
    original = memory.do_wp_page

    def by_entries(*args: object) -> None:
        monkeypatch.setattr(k.pages, "page_count", lambda pfn: counted(pfn) - k.pins.get(pfn, 0))
        try:
            original(*args)  # type: ignore[arg-type]
        finally:
            monkeypatch.setattr(k.pages, "page_count", counted)

    def late(task: object, kind: str, *_: object) -> None:
        monkeypatch.setattr(k.pages, "page_count", counted)

    k.trace.fault.insert(0, late)
    monkeypatch.setattr(memory, "do_wp_page", by_entries)
    with pytest.raises(InvariantError, match="reuse_needs_the_only_reference"):
        session.run(50_000_000)


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
    assert run_checked(program).kernel.program_status == 0 or program == "fork_tree.S"
