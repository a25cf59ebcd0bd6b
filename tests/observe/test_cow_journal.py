"""The COW journal tells the life of a frame as the program's own lesson tells it."""

import json
from pathlib import Path

from toykernel.cli.group import call
from toykernel.harness.session import Session
from toykernel.observe.cow_journal import CowEvent, text
from toykernel.state import Config

USERLAND = Path(__file__).parents[2] / "userland"


def journal_of(program: str, *, eager: bool = False) -> tuple[Session, list[CowEvent]]:
    session = Session(USERLAND / program, config=Config(eager_fork=eager))
    journal = session.cow_journal
    session.run()
    return session, journal.events


def test_the_life_of_the_shared_frame() -> None:  # K2, K5, K6
    session, events = journal_of("cow_copy_reuse.S")
    page = session.address("shared") & ~0xFFF
    frame = next(e.frame for e in events if e.address == page)
    life = session.cow_journal.life(frame)
    assert [(e.event, e.pid, e.count) for e in life] == [
        ("allocated", 2, 1),
        ("shared", 2, 2),
        ("copied", 3, 1),
        ("reused", 2, 1),
        ("freed", 2, 0),
    ]
    shared, copied, reused = life[1:4]
    assert shared.child == 3
    assert shared.syscall == "fork"
    assert copied.source == "cow_copy_reuse.S:40: movl $2, shared"
    assert reused.source == "cow_copy_reuse.S:34: movl $3, shared"
    assert copied.syscall is None
    assert copied.eip == session.address("copy")
    assert copied.other is not None
    copy = [e for e in events if e.frame == copied.other and e.cycles >= copied.cycles]
    assert [e.event for e in copy] == ["allocated", "freed"]
    assert copy[0].reason == "a copy of frame"


def test_the_kernel_s_own_write_is_told_with_its_call() -> None:  # K8
    _, events = journal_of("cow_by_kernel.S")
    copied = [e for e in events if e.event == "copied" and e.syscall is not None]
    assert copied
    assert copied[0].source


def test_eager_fork_shares_nothing() -> None:  # K12
    _, events = journal_of("cow_copy_reuse.S", eager=True)
    assert not [e for e in events if e.event in ("shared", "copied", "reused")]
    assert [e for e in events if "its own copy" in e.reason]


def test_every_life_ends_once() -> None:
    session, events = journal_of("fork_isolation.S")
    for record in session.cow_journal.data():
        kinds = [event["event"] for event in record["events"]]
        assert kinds[0] == "allocated"
        assert kinds[-1] == "freed"
        assert kinds.count("allocated") == kinds.count("freed") == 1
    counts = session.stats.faults
    copied = [e for e in events if e.event == "copied"]
    assert len(copied) == counts["cow_copied"]
    assert len([e for e in events if e.event == "reused"]) == counts["cow_reused"]


def test_as_text() -> None:
    _, events = journal_of("cow_copy_reuse.S")
    lines = text(events).splitlines()
    assert len(lines) == len(events)
    assert any("copied to frame" in line and "movl $2, shared" in line for line in lines)


def test_the_command_writes_it(tmp_path: Path) -> None:
    output, report = tmp_path / "cow", tmp_path / "report"
    program = str(USERLAND / "cow_copy_reuse.S")
    assert call(["run", f"--cow={output}", "--report", str(report), program]) == 0
    assert "writable again" in output.read_text()
    frames = json.loads(report.read_text())["cow"]
    assert any(event["event"] == "copied" for frame in frames for event in frame["events"])
    assert call(["run", "--report", str(report), program]) == 0
    assert "cow" not in json.loads(report.read_text())


def life_with(program: str, event: str) -> list[tuple[str, int, int]]:
    """What happened to the first frame that has such an event: event, pid, references afterwards."""
    session, events = journal_of(program)
    frame = next(e for e in events if e.event == event)
    return [(e.event, e.pid, e.count) for e in session.cow_journal.life(frame.frame, frame.life)]


def test_a_frame_that_the_kernel_holds() -> None:  # K6
    """CVE-2020-29374's page: the child's vmsplice holds it, so the parent's store gets a copy."""
    assert life_with("history_held_page.S", "held") == [
        ("allocated", 2, 1),
        ("shared", 2, 2),
        ("held", 3, 3),
        ("unmapped", 3, 2),
        ("copied", 2, 1),
        ("released", 3, 0),
        ("freed", 3, 0),
    ]


def test_a_page_that_mremap_moves() -> None:
    session, events = journal_of("mremap_grow.S")
    moved = [e for e in events if e.event == "moved"]
    assert [e.reason for e in moved] == ["from 0x30000000", "from 0x30001000"]
    target = moved[0].address
    assert target is not None
    assert [e.address for e in moved] == [target, target + 0x1000]
    assert {e.syscall for e in moved} == {"mremap"}
    life = [e.event for e in session.cow_journal.life(moved[0].frame, moved[0].life)]
    assert life == ["allocated", "moved", *["shared", "unmapped"], *["shared", "copied"], "freed"]


def test_a_page_of_shared_memory_is_mapped_by_the_second(tmp_path: Path) -> None:
    source = tmp_path / "second.S"
    source.write_text(
        """
.include "linux.inc"
.include "mman.inc"
.globl _start
_start:
    sys_mmap $0x30000000, $PAGE_SIZE, $PROT_RW, $(ANON_SHARED | MAP_FIXED)
    run_child child
    movl 0x30000000, %ebx
    sys_exit %ebx
child:
    movl $7, 0x30000000
    sys_exit $0
.include "print.inc"
"""
    )
    session = Session(source)
    journal = session.cow_journal
    session.run()
    frame = next(e for e in journal.events if e.event == "mapped").frame
    told = [(e.event, e.pid, e.count) for e in journal.life(frame)]
    assert told == [
        ("allocated", 3, 2),  # the page cache's, and the child's entry
        ("unmapped", 3, 1),
        ("mapped", 2, 2),
        ("unmapped", 2, 1),
        ("freed", 2, 0),
    ]
