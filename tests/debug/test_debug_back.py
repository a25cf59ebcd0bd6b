"""The debugger's commands for going back, watching and changing: what they print, and that it is true."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from debug_tools import COMMAND, Terminal, debug

from toykernel.statehash import state_hash

COUNTER = 0x0804B000


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def word(terminal: Terminal, pid: int) -> int:
    return int.from_bytes(terminal.session.read(pid, COUNTER, 4), "little")


def test_a_step_back_shows_where_it_was(terminal: Terminal) -> None:
    before = state_hash(terminal.session.kernel)
    terminal.do("si 7")
    assert terminal.do("reverse-stepi 6")[-1] == "=> 0x0804900a <_start+10>:\tmovl   $2, %eax"
    terminal.do("rsi")
    assert state_hash(terminal.session.kernel) == before


def test_before_power_on_there_is_nothing() -> None:
    terminal = Terminal(start=False)
    terminal.do("si 3")
    assert terminal.do("rsi 4")[0] == "This is where history begins."
    assert terminal.debugger.location().eip == 0x1000


def test_back_over_a_system_call(terminal: Terminal) -> None:
    """The mirror image of nexti, though other tasks have run meanwhile."""
    for line in ("break parent", "c", "delete", "ni 5"):
        terminal.do(line)
    places = []
    for _ in range(5):
        places.append(terminal.debugger.location().eip)
        terminal.do("reverse-nexti")
    for eip in reversed(places):
        terminal.do("ni")
        assert terminal.debugger.location().eip == eip


def test_back_over_a_wait_in_which_the_child_has_lived(terminal: Terminal) -> None:
    while not terminal.session.stats.dead:
        terminal.do("ni")
    assert terminal.debugger.location().pid == 2
    terminal.do("rni")
    assert terminal.debugger.location().instruction.text.split() == ["int", "$0x80"]  # type: ignore[union-attr]
    assert not terminal.session.stats.dead
    assert terminal.session.task(3).comm == "fork_sample"


def test_back_over_a_call_in_ring_0(terminal: Terminal) -> None:
    terminal.do("si 3")
    while not terminal.debugger.location().instruction.is_call:  # type: ignore[union-attr]
        terminal.do("si")
    at = terminal.debugger.history.position
    terminal.do("ni")
    assert terminal.debugger.location().symbol == "syscall_done"
    terminal.do("rni")
    assert terminal.debugger.history.position == at


def test_out_of_the_kernel_backwards(terminal: Terminal) -> None:
    terminal.do("si 20")
    assert terminal.debugger.location().ring == 0
    assert terminal.do("reverse-out")[-1] == "=> 0x0804900f <_start+15>:\tint    $0x80"
    assert "user mode already" in terminal.refused("reverse-out")


def test_back_to_the_breakpoint_before(terminal: Terminal) -> None:
    terminal.do("break cow")
    first = terminal.do("c")
    hits = terminal.debugger.history.position
    terminal.do("c")
    assert terminal.debugger.location().pid == 3
    lines = terminal.do("reverse-continue")
    assert lines[0] == "Breakpoint 1, COW fault"
    assert "[switched from pid 3 to pid 2]" in lines
    assert lines[-1] == first[-1]
    assert terminal.debugger.history.position == hits
    assert terminal.do("info breakpoints")[1].split()[:2] == ["1", "1"]


def test_back_to_events_by_kind(terminal: Terminal) -> None:
    terminal.do("c")
    assert terminal.do("rc exit")[0] == "Back behind the last exit."
    assert [task.pid for task in terminal.session.tasks] == [0, 1, 2]  # 2's is what ended the run
    terminal.do("rc fork")
    assert [task.pid for task in terminal.session.tasks] == [0, 1, 2, 3]
    assert "no events of kind fish" in terminal.refused("rc fish")


def test_the_list_of_events_leads_to_places(terminal: Terminal) -> None:
    terminal.do("c")
    rows = terminal.do("events fork 1")
    number = rows[1].split()[0]
    assert rows[1].split()[3:] == ["fork", "child", "3", "fork_sample.S:25"]
    lines = terminal.do(f"goto event {number}")
    assert "<sys_fork+2>" in lines[-1]
    rows = terminal.do("events call 2")
    assert "execve(" in rows[1]
    assert "no events of kind" in terminal.refused("events fish")


def test_goto_by_number(terminal: Terminal) -> None:
    terminal.do("goto instruction 300")
    assert terminal.session.kernel.machine.clock.instructions == 300
    terminal.do("goto cycle 7_00")
    assert terminal.session.kernel.machine.clock.cycles == 700
    terminal.do("goto start")
    assert terminal.session.kernel.machine.clock.cycles == 0
    assert "goto" in terminal.refused("goto 7")
    terminal.do("goto instruction 300")
    assert "no event 9999: there are 38" in terminal.refused("goto event 9999")
    assert terminal.session.kernel.machine.clock.instructions == 300  # and nobody has moved


def test_checkpoints(terminal: Terminal) -> None:
    assert terminal.do("checkpoint") == ["Checkpoint 1: pid 2 (fork_sample) at _start"]
    terminal.do("c")
    assert terminal.do("restart 1")[-1].startswith("=> 0x08049000")
    assert terminal.do("info checkpoints")[1].startswith("1 ")
    assert "no checkpoint number 2" in terminal.refused("restart 2")


def test_who_wrote_this(terminal: Terminal) -> None:
    terminal.do("break work if *counter == 3")
    terminal.do("c")
    lines = terminal.do("back-to-write counter")
    assert re.match(r"Physical 0x000\w+ is about to be written: 0x00000002 -> 0x00000003", lines[0])
    assert lines[-1] == "=> 0x080490ab <work>:\tincl   0x804b000    # counter"
    terminal.do("goto start")
    assert "no page" in terminal.refused("btw 0x08049000")
    assert terminal.do("btw phys 0xfff000") == ["Nobody has written there since history began."]


def test_a_watchpoint_stops_behind_each_change_and_costs_no_cycle(terminal: Terminal) -> None:
    plain = Terminal()
    plain.do("c")
    terminal.do("watch counter")
    values = []
    while terminal.session.outcome is None:
        lines = terminal.do("c")
        values += [line.strip() for line in lines if "->" in line]
    assert values == [
        "0x00000000 -> 0x00000001",
        "0x00000001 -> 0x00000002",
        "0x00000002 -> (not mapped)",
    ]
    assert state_hash(terminal.session.kernel) == state_hash(plain.session.kernel)
    back = [" ".join(terminal.do("rc")) for _ in range(3)]
    assert ["(not mapped)" in back[0], "0x00000001 -> 0x00000002" in back[1]] == [True, True]
    assert "0x00000000 -> 0x00000001" in back[2]
    assert terminal.debugger.location().symbol == "_start"


def test_reads_are_watched_too(terminal: Terminal) -> None:
    terminal.do("rwatch counter")
    terminal.do("c")
    assert terminal.debugger.location().symbol == "parent+30"  # incl has read it
    assert word(terminal, 2) == 2
    terminal.do("c")
    assert terminal.debugger.location().symbol == "parent+35"


def test_a_breakpoint_with_terms(terminal: Terminal) -> None:
    assert terminal.do("break work pid 2 if *counter == 2")[0] == (
        "Breakpoint 1: work at 0x080490ab, pid 2, if *counter == 2"
    )
    terminal.do("condition 1")
    terminal.do("c")
    assert terminal.session.outcome is not None  # work is the child's
    terminal.do("goto start")
    terminal.do("delete")
    terminal.do("break work")
    terminal.do("ignore 2 2")
    terminal.do("c")
    assert word(terminal, 3) == 3
    assert terminal.debugger.stops.all[2].hits == 3
    assert "no breakpoint number 7" in terminal.refused("ignore 7 1")
    assert 'no symbol "nothing"' in terminal.refused("break work if nothing")


def test_commands_at_a_breakpoint(terminal: Terminal) -> None:
    for line in ("break work", "commands", "silent", "p *counter", "c", "end"):
        terminal.do(line)
    lines = terminal.do("c")
    assert [line for line in lines if line.startswith("=")] == [
        f"= {value}  {value:#010x}" for value in (1, 2, 3)
    ]
    assert lines[-1] == "The program has exited with status 0."


def test_values_at_every_stop(terminal: Terminal) -> None:
    assert terminal.do("display/x *counter") == ["Display 1: print/x *counter", "= 0x00000000"]
    assert terminal.do("si")[-1] == "= 0x00000001"
    terminal.do("undisplay 1")
    assert "unknown letter" in terminal.refused("display/z 3")
    assert terminal.do("info display") == ["No displays."]


def test_until_leaves_a_loop(terminal: Terminal) -> None:
    terminal.do("break work")
    terminal.do("c")
    terminal.do("delete")
    for _ in range(3):
        terminal.do("until")
    assert terminal.debugger.location().symbol == "work+9"
    assert word(terminal, 3) == 4


def test_a_change_makes_a_branch_and_is_taken_back(terminal: Terminal) -> None:
    terminal.do("si")
    lines = terminal.do("set {int}counter = 40")
    assert lines == [
        "A new branch of history begins here; going back before it takes the change back."
    ]
    terminal.do("set $ecx = 0x1234")
    assert (word(terminal, 2), terminal.debugger.register("ecx")) == (40, 0x1234)
    terminal.do("si 2")
    terminal.do("rsi 2")
    assert (word(terminal, 2), terminal.debugger.register("ecx")) == (40, 0x1234)
    terminal.do("checkpoint")
    terminal.do("rsi")
    terminal.do("si")
    assert word(terminal, 2) == 1
    assert "was taken back" in terminal.refused("restart 1")
    assert "cannot be set" in terminal.refused("set $cr3 = 0")
    assert "no page is mapped" in terminal.refused("set {char}0 = 1")


def test_a_changed_run_is_another_run(terminal: Terminal) -> None:
    terminal.do("break work")
    terminal.do("c")
    terminal.do("set {int}counter = 6")
    terminal.do("delete")
    terminal.do("c")
    assert b"counter in the child: 9" in terminal.session.stdout


def test_a_moment_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "moment"
    first = debug(commands=f"break work\nc\nrecord save {file}\n")
    assert first.returncode == 0
    second = debug_from(file, "p *counter\nc\nrc\nrsi\n")
    assert "= 1  0x00000001" in second
    assert "counter in the child: 4" in second
    assert second.count("This is where history begins.") == 2
    assert debug("--from", str(file)).returncode == 125  # and a program


def test_a_moment_is_not_written_over_what_the_session_reads(tmp_path: Path) -> None:
    program = tmp_path / "program.S"
    program.write_text('.include "part.inc"\n_start: int $0x80\n.globl _start\n')
    part, script, host = (tmp_path / name for name in ("part.inc", "script", "host"))
    part.write_text("nop\n")
    host.write_text("host\n")
    files = (program, part, script, host)
    script.write_text("".join(f"record save {file}\n" for file in files))
    before = [file.read_bytes() for file in files]
    done = subprocess.run(
        [*COMMAND, "-x", script, "--file", f"{host}:/guest", program],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert [file.read_bytes() for file in files] == before
    assert f"{program} is the program itself; name another file" in done.stdout + done.stderr


def debug_from(file: Path, commands: str) -> str:
    done = subprocess.run(
        [*COMMAND, "--from", file], input=commands, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_an_oops_can_be_gone_back_from(terminal: Terminal) -> None:
    terminal.do("si 3")
    terminal.do("set $esp = 0x10")
    lines = terminal.attempt("c")
    assert any("Oops" in line or "fault" in line or "stopped" in line for line in lines)
    assert terminal.debugger.dead
    terminal.do("rsi")
    assert not terminal.debugger.dead
