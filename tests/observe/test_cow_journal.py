"""The COW journal tells the life of a frame as the program's own lesson tells it."""

import json
from pathlib import Path

from toykernel.cli.group import call
from toykernel.kernel_state import Config
from toykernel.observe.cow_journal import CowEvent, text
from toykernel.session import Session

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
    counts = session.kernel.stats.faults
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
