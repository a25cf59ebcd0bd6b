"""docs/kernel-versions.md says what the profiles say (fork-path N)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from toykernel.profiles import PROFILES, Profile
from toykernel.task import TASK_NEW, TASK_RUNNING, TASK_UNINTERRUPTIBLE

DOCUMENT = Path(__file__).parents[2] / "docs" / "kernel-versions.md"
STATES = {TASK_RUNNING: "RUNNING", TASK_UNINTERRUPTIBLE: "UNINTERRUPTIBLE", TASK_NEW: "NEW"}


def yes(value: bool) -> str:
    return "yes" if value else "no"


ROWS: dict[str, Callable[[Profile], str]] = {
    "`uname -r`": lambda p: p.release,
    "entry": lambda p: p.entry,
    "state at birth": lambda p: STATES[p.state_at_birth],
    "scheduler": lambda p: p.scheduler,
    "fork splits the time slice": lambda p: yes(p.splits_time_slice),
    "CLONE_PID, for pid 0 only": lambda p: yes(p.clone_pid),
    "refuses NEWUSER+FS, SIGHAND+NEWUSER, SIGHAND+NEWPID": lambda p: yes(p.newuser_refusals),
    "CLONE_PARENT keeps the leader's exit signal": lambda p: yes(
        p.clone_parent_keeps_leader_signal
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_document(row: str) -> None:  # N
    cells = [ROWS[row](profile) for profile in PROFILES.values()]
    assert f"| {row} | {' | '.join(cells)} |" in DOCUMENT.read_text().splitlines()


def test_the_document_has_every_row() -> None:
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    assert len(lines) == len(ROWS) + 1
    assert lines[0] == "| | " + " | ".join(PROFILES) + " |"
