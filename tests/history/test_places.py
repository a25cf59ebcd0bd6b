"""Going to places by their numbers, who wrote what, what is kept, and what the console hears."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from native_linux import PROGRAMS

from emu.events import Position
from toykernel.harness.session import Session
from toykernel.history.errors import HistoryError
from toykernel.history.history import History
from toykernel.history.moments import Kept, Moments
from toykernel.history.pace import Counts
from toykernel.observe.events import EventLog
from toykernel.state import Config
from toykernel.statehash import state_hash

BY_NAME = {path.stem: path for path in PROGRAMS}
SAMPLE = BY_NAME["fork_sample"]
COUNTER = 0x0804B000


def ended(name: str = "fork_sample", timing: str = "off") -> History:
    history = History(Session(BY_NAME[name], config=Config(timing=timing)))
    history.session.run()
    return history


@pytest.mark.parametrize("timing", ["off", "i486"])
def test_a_cycle_and_an_instruction_are_where_a_run_to_them_stops(timing: str) -> None:
    history = ended(timing=timing)
    k = history.session.kernel
    cycles, instructions = k.machine.clock.cycles, k.machine.clock.instructions
    for part in (0.9, 0.2, 0.5):
        plain = Session(SAMPLE, config=Config(timing=timing))
        plain.run(int(cycles * part))
        history.goto(cycle=int(cycles * part))
        assert state_hash(k) == state_hash(plain.kernel)
        history.goto(instruction=int(instructions * part))
        assert k.machine.clock.instructions == int(instructions * part)


@pytest.mark.parametrize("timing", ["off", "i486"])
def test_a_run_with_a_history_stops_at_the_same_cycle(timing: str, tmp_path: Path) -> None:
    """Though it pauses to keep moments: after so many cycles, and after so many traps."""
    source = tmp_path / "traps.S"
    source.write_text(".globl _start\n_start:\n    movl $20, %eax\n    int $0x80\n    jmp _start\n")
    kept = 0
    for until in (150_000, 4_000_000):
        plain = Session(source, config=Config(timing=timing))
        plain.run(until)
        history = History(Session(source, config=Config(timing=timing)))
        history.session.run(until)
        assert state_hash(history.session.kernel) == state_hash(plain.kernel)
        history.step_back(20)
        history.goto(cycle=until)
        assert state_hash(history.session.kernel) == state_hash(plain.kernel)
        kept = history.size[0]
    assert kept > 3


def test_there_is_nothing_outside_of_a_run() -> None:
    history = ended()
    end = history.position
    assert history.goto(cycle=10**9) == end
    with pytest.raises(HistoryError, match="no event 999"):
        history.goto(event=999)
    with pytest.raises(HistoryError, match="one of them"):
        history.goto()
    with pytest.raises(HistoryError, match="begins later"):
        history.goto(position=Position(-1, 0, 0))
    with pytest.raises(HistoryError, match="no events of kind fish"):
        history.run_back("fish")
    assert not history.step_back(10**6)
    assert history.position == history.start == Position(0, 0, 0)
    assert history.run_back().why == "start"


@pytest.mark.parametrize("name", ["fork_sample", "signal_handler", "brk_heap", "pipe_talk"])
def test_every_event_is_right_behind_what_it_tells(name: str) -> None:
    history = ended(name)
    session = history.session
    total = history.events.count
    for number in range(0, total, 7):
        event = history.events[number]
        history.goto(event=number)
        if event.kind == "trap":
            assert history.position.deliveries == event.position.deliveries
            cpu = session.kernel.machine.cpu
            assert cpu.cpl == 0
            history.step_back()
            assert history.position.deliveries == event.position.deliveries - 1
        else:
            assert history.events.count > number
            assert history.position[:2] == event.position[:2]
            history.step_back()
            assert history.events.count <= number
    assert history.events.known == total


def test_the_list_is_the_same_when_it_is_made_late() -> None:
    early = Session(SAMPLE)
    log = EventLog(early.kernel, early.images)
    early.run()
    late = ended().events
    assert list(late.happened()) == list(log.happened())
    assert {event.kind for _, event in late.happened()} >= {"trap", "call", "cow", "fork", "exit"}


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("timing", ["off", "i486"])
def test_the_writers_of_a_word(timing: str, native: bool) -> None:
    """Of `counter` in the child: its three increments, the first one after its fault, and the parent's 1."""
    history = History(Session(SAMPLE, config=Config(timing=timing, native=native)))
    session = history.session
    session.break_at("syscall exit")
    while session.run().kind == "breakpoint" and session.current.pid != 3:
        pass
    assert session.current.pid == 3
    session.delete(1)
    found = []
    while (write := history.back_to_write(COUNTER)) is not None and len(found) < 4:
        symbol = session.images.symbol_at(session.kernel.current, session.kernel.machine.cpu.eip)
        found.append((write.pid, write.old[0], write.new[0], symbol))
        assert session.kernel.machine.ram.read(write.physical, 4) == write.old
    assert found == [
        (3, 3, 4, "work"),
        (3, 2, 3, "work"),
        (3, 1, 2, "work"),
        (2, 0, 1, "_start"),
    ]


def test_the_console_hears_everything_once() -> None:
    heard: list[bytes] = []
    session = Session(SAMPLE, console=lambda _fd, data: heard.append(data))
    history = History(session)
    session.run()
    for place in (300, 600, 10**6):
        history.goto(instruction=place)
    history.step_back(50)
    session.run()
    assert b"".join(heard) == session.stdout


def test_a_changed_guest_is_heard_and_listed_anew() -> None:
    heard: list[bytes] = []
    session = Session(SAMPLE, console=lambda _fd, data: heard.append(data))
    history = History(session)
    session.run()
    end = history.events.count
    session.break_at("child")
    history.goto(instruction=250)
    session.run()
    session.kernel.machine.ram.write(session.walk(3, COUNTER).physical or 0, b"\x04")
    history.changed()
    session.run()
    assert b"counter in the child: 7\n" in b"".join(heard)
    assert session.stdout.count(b"Complete") == 1
    assert history.events.count == end
    history.goto(instruction=250)
    session.run()
    session.run()
    assert b"counter in the child: 4\n" in session.stdout


def test_old_moments_are_thinned_and_the_first_one_stays() -> None:
    snapshot = Session(SAMPLE).snapshot()
    size = 30 * (len(snapshot.pickled) + 100_000)
    moments = Moments(size)
    for number in range(200):
        counts = Counts(number * 1000, *[0] * 6)
        moments.add(Kept(Position(number * 1000, 0, 0), counts, number * 1000, snapshot, {}, 0))
    places = [kept.position.instructions for kept in moments]
    assert 2 < len(places) < 200
    assert (places[0], places[-1]) == (0, 199_000)
    assert moments.bytes <= size
    gaps = [later - earlier for earlier, later in pairwise(places)]
    assert max(gaps[: len(gaps) // 2]) > max(gaps[-3:])


def test_a_small_history_leads_to_the_same_places() -> None:
    small = History(Session(BY_NAME["fork_tree"]), size=200_000)
    small.session.run()
    count, used = small.size
    assert used <= 200_000 or count <= 2
    for _ in range(5):
        small.step_back(40)
    plain = Session(BY_NAME["fork_tree"])
    plain.run(small.position.cycles)
    assert small.position == plain.kernel.machine.position
    assert state_hash(small.session.kernel) == state_hash(plain.kernel)


def test_a_place_to_save_that_is_never_reached_is_said(tmp_path: Path) -> None:
    moment = tmp_path / "moment"
    moment.write_bytes(b"old")
    run = [sys.executable, "-m", "toykernel.cli.main", "run", "--save"]
    done = subprocess.run([*run, f"{moment}@9000000000", SAMPLE], capture_output=True, text=True)
    assert f"{moment} is not written: the run was over at cycle " in done.stderr
    assert (done.returncode, moment.read_bytes()) == (0, b"old")
    for options in ([f"{moment}@soon"], [str(moment), "--fail-nth", "fork:1"]):
        done = subprocess.run([*run, *options, SAMPLE], capture_output=True, text=True)
        assert done.returncode == 125
        assert done.stdout == ""
        assert moment.read_bytes() == b"old"
    named = tmp_path / "class@home"
    subprocess.run([*run, f"{named}@end", SAMPLE], capture_output=True, check=True)
    assert Session.load(named).outcome is not None


def test_who_died_before_the_moment_that_is_saved_is_said_once(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "toykernel.cli.main", "run"]
    moment = tmp_path / "moment"
    plain, saved = (
        subprocess.run([*run, *more, BY_NAME["signal_traps"]], capture_output=True, text=True)
        for more in ([], ["--save", f"{moment}@115000"])
    )
    assert [task.pid for task in Session.load(moment).tasks] == [0, 1, 2, 4]
    assert plain.stderr.count("killed by SIGSEGV") == 2
    assert saved.stderr == plain.stderr


def test_a_trap_ahead_is_met_right_after_its_delivery() -> None:
    ahead, behind = History(Session(SAMPLE)), History(Session(SAMPLE))
    behind.session.run()
    traps = [n for n, event in behind.events.happened() if event.kind == "trap"]
    for number in traps[:6]:
        assert ahead.goto(event=number) == behind.goto(event=number)


def test_events_and_moments_from_the_command_line(tmp_path: Path) -> None:
    events, moment = tmp_path / "events", tmp_path / "moment"
    run = [sys.executable, "-m", "toykernel.cli.main", "run", "--events", str(events)]
    subprocess.run([*run, "--save", f"{moment}@80000", SAMPLE], check=True, capture_output=True)
    every = [json.loads(line) for line in events.read_text().splitlines()]
    assert (every[0]["format"], every[0]["version"]) == ("toykernel-events", 1)
    assert every[-1]["end"] == "finished"
    lines = [line for line in every if "number" in line]
    assert [line["number"] for line in lines] == list(range(len(lines)))
    fork = next(line for line in lines if line.get("child") == 3)
    assert (fork["kind"], fork["pid"], fork["source"]) == ("fork", 2, "fork_sample.S:25")
    call = next(
        line
        for line in lines
        if line["kind"] == "call" and line["pid"] == 2 and line["call"] == "fork"
    )
    assert call["result"] == 3
    session = Session.load(moment)
    assert session.kernel.machine.clock.cycles >= 80_000
    assert [task.pid for task in session.tasks] == [0, 1, 2, 3]
    assert session.run().kind == "finished"
