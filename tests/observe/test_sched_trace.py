"""The scheduler's trace events and the timeline: their format, and that they tell one story."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from toykernel.harness.session import Session
from toykernel.observe.sched_trace import SchedTrace
from toykernel.observe.timeline import CPU_PID, Timeline
from toykernel.syscall_table import name_of

USERLAND = Path(__file__).parents[2] / "userland"
LINE = re.compile(
    r" *(?P<comm>\S+)-(?P<pid>\d+) +\[000\] +(?P<time>\d+\.\d{6}): (?P<event>\w+): (?P<rest>.*)"
)
SWITCH = re.compile(
    r"prev_comm=\S+ prev_pid=(\d+) prev_prio=\d+ prev_state=([RSDTx]) ==> "
    r"next_comm=\S+ next_pid=(\d+) next_prio=\d+"
)
PROGRAMS = ("fork_tree", "signal_stop", "sleep", "yield_pingpong")


def traced(name: str) -> tuple[Session, list[re.Match[str]]]:
    session = Session(USERLAND / f"{name}.S")
    lines: list[bytes] = []
    clocks: list[int] = []
    k = session.kernel
    SchedTrace(k, lines.append)
    k.host.trace.sched_switch.append(
        lambda *_: clocks.append(k.machine.clock.cycles * 1_000_000 // k.time.cpu_hz)
    )
    assert session.run(1_000_000_000).kind == "finished"
    text = b"".join(lines).decode().splitlines()
    assert text[0] == "# tracer: nop"
    matches = [LINE.fullmatch(line) for line in text if not line.startswith("#")]
    assert all(matches)
    switches = [m["time"] for m in matches if m and m["event"] == "sched_switch"]
    assert [int(time.replace(".", "")) for time in switches] == clocks  # microseconds
    return session, [m for m in matches if m]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_switch_begins_where_the_last_one_ended(name: str) -> None:
    _, events = traced(name)
    switches = [SWITCH.fullmatch(m["rest"]) for m in events if m["event"] == "sched_switch"]
    assert len(switches) > 3
    for one, following in pairwise(switches):
        assert one is not None
        assert following is not None
        assert one[3] == following[1]
    times = [float(m["time"]) for m in events]
    assert times == sorted(times)


@pytest.mark.parametrize("name", PROGRAMS)
def test_who_sleeps_is_woken_before_he_runs(name: str) -> None:
    _, events = traced(name)
    asleep: set[str] = set()
    for event in events:
        if event["event"].startswith("sched_wakeup"):
            asleep.discard(re.search(r" pid=(\d+)", event["rest"])[1])  # type: ignore[index]
        switch = SWITCH.fullmatch(event["rest"])
        if switch:
            assert switch[3] not in asleep
            if switch[2] != "R":
                asleep.add(switch[1])


def test_a_stop_and_an_end_have_their_letters() -> None:
    _, events = traced("signal_stop")
    states = {m[2] for e in events if (m := SWITCH.fullmatch(e["rest"]))}
    assert {"S", "T", "x"} <= states


def timeline(name: str) -> tuple[Session, list[dict[str, Any]]]:
    session = Session(USERLAND / f"{name}.S")
    listener = Timeline(session.kernel)
    session.run(1_000_000_000)
    document = json.loads(listener.finish())
    return session, document["traceEvents"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_cpu_is_always_somebodys(name: str) -> None:
    session, events = timeline(name)
    turns = [e for e in events if e["pid"] == CPU_PID and e["ph"] == "X"]
    assert sum(t["args"]["cycles"] for t in turns) == session.kernel.machine.clock.cycles
    for one, following in pairwise(turns):
        assert one["ts"] + one["dur"] == pytest.approx(following["ts"])
    # The same figures as the kernel's own accounts.
    dead = session.stats.dead
    for record in dead:
        mine = sum(t["args"]["cycles"] for t in turns if t["args"]["pid"] == record.pid)
        assert mine >= record.cycles


@pytest.mark.parametrize("name", PROGRAMS)
def test_calls_on_a_track_do_not_overlap_and_arrows_have_two_ends(name: str) -> None:
    _, events = timeline(name)
    tracks: dict[int, list[tuple[float, float]]] = {}
    for event in events:
        if event.get("cat") == "syscall":
            span = event["ts"], event["ts"] + event["dur"]
            tracks.setdefault(event["tid"], []).append(span)
    assert tracks
    for spans in tracks.values():
        for one, following in pairwise(sorted(spans)):
            assert one[1] <= following[0] + 1e-6
    starts = [e["id"] for e in events if e["ph"] == "s"]
    ends = [e["id"] for e in events if e["ph"] == "f"]
    assert len(set(starts)) == len(starts)
    assert set(ends) <= set(starts)
    assert len(ends) == len(set(ends)) > 0


def test_listening_changes_nothing() -> None:
    quiet = Session(USERLAND / "signal_stop.S")
    quiet.run(1_000_000_000)
    loud, _ = timeline("signal_stop")
    assert quiet.kernel.machine.clock.cycles == loud.kernel.machine.clock.cycles
    assert quiet.stdout == loud.stdout


NICE = """
.include "linux.inc"
.globl _start
_start:
    movl $34, %eax              # nice(7)
    movl $7, %ebx
    int $0x80
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $0, $0
    incl word                   # nobody shares it any more
child:
    incl word
    sys_exit $0
.data
word: .long 0
.include "print.inc"
"""


def nice_session(tmp_path: Path) -> Session:
    source = tmp_path / "nice.S"
    source.write_text(NICE)
    return Session(source)


def test_fields_say_what_linux_s_would(tmp_path: Path) -> None:
    """Priorities are 120 + nice (sched(7)); include/trace/events/sched.h has the order of the fields."""
    session = nice_session(tmp_path)
    k = session.kernel
    lines: list[bytes] = []
    clocks: list[int] = []
    SchedTrace(k, lines.append)
    k.host.trace.sched_switch.append(
        lambda *_: clocks.append(k.machine.clock.cycles * 1_000_000 // k.time.cpu_hz)
    )
    session.run(1_000_000_000)
    events = [m for line in lines[1:] if (m := LINE.fullmatch(line.decode().rstrip("\n")))]
    said = [f"{m['event']}: {m['rest']}" for m in events]
    assert "sched_process_fork: comm=nice pid=2 child_comm=nice child_pid=3" in said
    assert "sched_wakeup_new: comm=nice pid=3 prio=127 success=1 target_cpu=000" in said
    assert (
        "sched_switch: prev_comm=nice prev_pid=2 prev_prio=127 prev_state=S ==> "
        "next_comm=nice next_pid=3 next_prio=127"
    ) in said
    assert "sched_wakeup: comm=nice pid=2 prio=127 success=1 target_cpu=000" in said
    assert "sched_process_exit: comm=nice pid=3 prio=127" in said
    times = [int(m["time"].replace(".", "")) for m in events if m["event"] == "sched_switch"]
    assert times == clocks  # whole microseconds that have passed


def test_the_timeline_leaves_nothing_out(tmp_path: Path) -> None:
    """Every call with its result, every fault, fork and wake-up that the tracepoints tell of."""
    session = nice_session(tmp_path)
    k = session.kernel
    listener = Timeline(k)
    calls: list[tuple[int, str, object]] = []
    faults: list[tuple[int, str]] = []
    arrows: list[int] = []
    k.host.trace.sys_exit.append(
        lambda task, number, result: calls.append((task.pid, name_of(number), result))
    )
    k.host.trace.fault.append(lambda task, kind, *_: faults.append((task.pid, f"fault: {kind}")))
    k.host.trace.process_fork.append(lambda _parent, child, _flags: arrows.append(child.pid))
    k.host.trace.sched_wakeup.append(lambda task: arrows.append(task.pid))
    session.run(1_000_000_000)
    events = json.loads(listener.finish())["traceEvents"]
    shown = [
        (e["tid"], e["name"], e["args"]["result"])
        for e in events
        if e.get("cat") == "syscall" and "result" in e["args"]
    ]
    assert sorted(shown) == sorted((pid, name, result) for pid, name, result in calls)
    assert (2, "fork", 3) in shown
    assert (2, "nice", 0) in shown
    instants = [(e["tid"], e["name"]) for e in events if e["ph"] == "i"]
    assert [i for i in instants if i[1].startswith("fault")] == faults
    assert (3, "fault: cow_copied") in faults
    assert (2, "fault: cow_reused") in faults
    assert (2, "fork 3") in instants
    assert len([e for e in events if e["ph"] == "s"]) == len(arrows)
