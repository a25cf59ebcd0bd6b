"""What people see of an exploration that is long: progress on a terminal, and what was found until Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LETTERS = ROOT / "bench/letters.S"
COMMAND = [sys.executable, "-m", "toykernel.cli.main", "explore"]


def watched(options: list[str], until: re.Pattern[str]) -> tuple[int, str, str]:
    """Exit status, standard output, and what a terminal shows, of a command that gets Ctrl-C at a text
    there.
    """
    leader, follower = pty.openpty()
    # As a shell starts it: a process that was started in the background ignores SIGINT.
    with subprocess.Popen(
        [*COMMAND, *options, str(LETTERS)],
        stdout=subprocess.PIPE,
        stderr=follower,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as command:
        os.close(follower)
        shown, end, sent = "", time.monotonic() + 60, False
        while time.monotonic() < end:
            if select.select([leader], [], [], 0.2)[0]:
                try:
                    shown += os.read(leader, 4096).decode()
                except OSError:  # nobody writes any more
                    break
            if not sent and until.search(shown):
                command.send_signal(signal.SIGINT)
                sent = True
        assert command.stdout is not None
        output = command.stdout.read()
        status = command.wait(60)
    os.close(leader)
    return status, output, shown


def test_workers_end_with_a_command_that_is_killed() -> None:
    with subprocess.Popen(
        [*COMMAND, "-j", "2", str(LETTERS)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    ) as command:
        children = Path(f"/proc/{command.pid}/task/{command.pid}/children")
        end = time.monotonic() + 60
        while len(children.read_text().split()) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        workers = children.read_text().split()
        command.kill()
        command.wait()
        try:
            assert len(workers) == 2
            while time.monotonic() < end and any(map(_is_alive, workers)):
                time.sleep(0.05)
            assert not any(map(_is_alive, workers))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(command.pid, signal.SIGKILL)


def _is_alive(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_gives_what_was_found_and_says_that_it_is_not_all(jobs: str, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    seen = re.compile(r"\r([\d,]{3,}) states")
    status, output, shown = watched(["-j", jobs, "--json", str(file)], seen)
    assert status == 130
    assert "not complete, there may be more outcomes: stopped by Ctrl-C" in output
    assert "schedule: " in output
    assert shown.endswith("\r\x1b[K")  # nothing of the line is left
    assert "Traceback" not in shown
    data = json.loads(file.read_text())
    first = seen.search(shown)
    assert first is not None
    assert data["states"] >= int(first[1].replace(",", "")) - 1  # on the way to the last one
    assert not data["complete"]
    assert data["bounds"] == ["Ctrl-C"]
    assert all(row["schedules"] is None for row in data["outcomes"])


def test_where_no_terminal_is_there_is_no_progress() -> None:
    done = subprocess.run(
        [*COMMAND, "--max-states", "40", str(LETTERS)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert "stopped by --max-states 40" in done.stdout
