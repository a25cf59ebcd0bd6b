"""What going back takes back, and what it refuses."""

from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_linux import PROGRAMS
from test_every_program import boot, plain, seen

from toykernel.debug.debugger import Debugger
from toykernel.harness import runner
from toykernel.harness.session import Session
from toykernel.history.errors import HistoryError
from toykernel.observe.process_tree import ProcessTree
from toykernel.observe.sched_trace import SchedTrace
from toykernel.observe.strace import Strace
from toykernel.observe.timeline import Timeline
from toykernel.statehash import state_hash
from toykernel.task import Task

BY_NAME = {path.stem: path for path in PROGRAMS}
SAMPLE = BY_NAME["fork_sample"]


@cache
def hashes(name: str) -> dict[int, str]:
    """The state at some cycles of an undisturbed run."""
    end = plain(BY_NAME[name], "off")[0]
    random = Random(name)
    session, _limit = boot(BY_NAME[name], "off")
    found = {}
    for cycle in sorted(random.sample(range(1, end), 12)):
        session.run(cycle)
        found[cycle] = state_hash(session.kernel)
    return found


@pytest.mark.parametrize("name", ["fork_sample", "pipe_talk", "cow_copy_reuse"])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_any_order_of_moments(name: str, data: st.DataObject) -> None:
    session, limit = boot(BY_NAME[name], "off")
    assert session.cow_journal.events == []
    wanted = hashes(name)
    kept = [(0, session.snapshot())]
    for _ in range(data.draw(st.integers(1, 6))):
        at, moment = data.draw(st.sampled_from(kept))
        session.restore(moment)
        later = [cycle for cycle in wanted if cycle > at]
        if later:
            cycle = data.draw(st.sampled_from(later))
            session.run(cycle)
            assert state_hash(session.kernel) == wanted[cycle]
            kept.append((cycle, session.snapshot()))
    outcome = session.run(limit)
    assert seen(session, outcome) == plain(BY_NAME[name], "off")[1]


def test_what_listeners_report_after_it_is_taken_back() -> None:
    session = Session(SAMPLE)
    k = session.kernel
    strace_lines: list[bytes] = []
    lines: list[bytes] = []
    Strace(k, strace_lines.append, every_line_has_pid=True)
    SchedTrace(k, lines.append)
    timeline, tree = Timeline(k), ProcessTree(k)
    session.break_at("fork")
    session.run(60_000)
    moment = session.snapshot()
    events, lives = list(timeline.events), len(tree.lives)
    written = [(len(strace_lines), len(lines))]
    ends = []
    for _ in range(2):
        while session.run().kind == "breakpoint":
            pass
        hits = [point.hits for point in session.breakpoints]
        ends.append((tree.svg(), timeline.finish(), hits, session.faults, session.stdout))
        written.append((len(strace_lines), len(lines)))
        session.restore(moment)
        assert (timeline.events, len(tree.lives)) == (events, lives)
    assert ends[0] == ends[1]
    assert ends[0][2][0] > 0
    one, two, three = written
    for which, told in enumerate((strace_lines, lines)):
        assert told[one[which] : two[which]] == told[two[which] : three[which]]


def test_a_breakpoint_that_was_set_later_has_not_been_reached() -> None:
    session = Session(SAMPLE)
    moment = session.snapshot()
    point = session.break_at("fork")
    session.run()
    assert point.hits == 1
    session.restore(moment)
    assert (point.hits, session.hit) == (0, [])
    assert session.run().kind == "breakpoint"
    assert point.hits == 1


def test_going_back_from_the_end_of_a_whole_run() -> None:
    session = Session(SAMPLE)
    moment = session.snapshot()
    first = runner.run(session)
    said = session.stdout
    session.restore(moment)
    assert (session.outcome, session.stdout, session.stats.started) == (None, b"", False)
    assert runner.run(session) == first
    assert session.stdout == said


def test_a_listener_that_nobody_knows_is_refused_by_name() -> None:
    session = Session(SAMPLE)
    faults: list[int] = []

    def count(_task: Task, address: int, _error: int, _ip: int) -> None:
        faults.append(address)

    session.kernel.host.trace.page_fault.append(count)
    with pytest.raises(HistoryError, match=r"tracepoint page_fault: .*count.* is no Collector"):
        session.snapshot()
    session.fork()  # which goes without it


def test_a_copy_without_a_hook_that_acts_is_refused() -> None:
    session = Session(SAMPLE)
    session.kernel.host.security.task_create.append(lambda k, flags: 0)
    with pytest.raises(HistoryError, match="security hook task_create"):
        session.fork()


def test_a_moment_of_another_machine_is_refused() -> None:
    from emu.errors import SnapshotError
    from toykernel.state import Config

    moment = Session(SAMPLE, config=Config(memory=8 << 20)).snapshot()
    with pytest.raises(SnapshotError, match="8388608 bytes"):
        Session(SAMPLE).restore(moment)


def test_what_cannot_change_is_in_no_pickle() -> None:
    session, _limit = boot(SAMPLE, "off")
    for pickled in (session.snapshot().pickled, session.snapshot().pickled):
        assert len(pickled) < 60_000
        assert {Task, "group_leader"} <= set(pickled.known.objects)
        assert b"group_leader" not in pickled.data
        assert b"root:x:0:0" not in pickled.data  # of /etc/passwd
    before = state_hash(session.kernel)
    for moment in (session.snapshot(), session.snapshot()):
        session.run()
        session.restore(moment)
        assert state_hash(session.kernel) == before


def test_frames_are_shared_between_moments() -> None:
    session = Session(SAMPLE)
    session.run(60_000)
    one = session.snapshot()
    session.run(session.kernel.machine.clock.cycles + 100)
    two = session.snapshot()
    own = sum(two.machine.ram[f] is not page for f, page in one.machine.ram.items())
    assert own < 10 < len(one.machine.ram)


def test_a_session_under_the_debugger_goes_back() -> None:
    session = Session(SAMPLE)
    debugger = Debugger(session)
    debugger.stops.add("_start")
    debugger.start()
    moment = session.snapshot()
    ends = []
    for _ in range(2):
        lines = [debugger.stepi().lines for _ in range(40)]
        ends.append((lines, list(debugger.cow_journal.events), state_hash(session.kernel)))
        session.restore(moment)
    assert ends[0] == ends[1]
    assert any(ends[0][0])
