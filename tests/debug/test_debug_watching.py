"""Watchpoints under single steps, and what the prompt says when it cannot do what was meant."""

from __future__ import annotations

import pytest
from debug_tools import Terminal

COUNTER = 0x0804B000


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_a_step_that_writes_stops_at_the_watchpoint(terminal: Terminal) -> None:
    terminal.do("watch counter")
    lines = terminal.do("si 5")
    assert lines[0] == "Watchpoint 1, 4 bytes at 0x0804b000 of pid 2"
    assert lines[1] == "  0x00000000 -> 0x00000001"
    assert terminal.debugger.location().eip == 0x0804900A
    assert terminal.debugger.stops.all[1].hits == 1


def test_steps_stop_for_reads_too_and_nexti_as_stepi(terminal: Terminal) -> None:
    for line in ("break parent", "c", "rwatch counter", "awatch counter"):
        terminal.do(line)
    stops = []
    for _ in range(12):
        lines = terminal.do("ni")
        if any(line.startswith("Watchpoint 2") for line in lines):
            stops.append(terminal.debugger.location().eip)
            assert any(line.startswith("Watchpoint 3") for line in lines)
    instructions = terminal.do("disassemble parent, 12")
    readers = [i for i, line in enumerate(instructions) if "counter" in line]
    assert len(stops) == len(readers) == 2  # incl, movb


def test_a_fault_of_the_access_is_no_access(terminal: Terminal) -> None:
    for line in ("break work", "c", "watch counter"):
        terminal.do(line)
    assert not any("Watchpoint" in line for line in terminal.do("si"))  # the trap
    assert any("Watchpoint 2" in line for line in terminal.do("si 200"))
    assert terminal.debugger.location().symbol == "work+6"


def test_steps_take_the_same_cycles_with_a_watchpoint() -> None:
    ends = []
    for watched in (False, True):
        terminal = Terminal()
        if watched:
            terminal.do("watch phys 0x100000")
        terminal.do("si 400")
        ends.append(terminal.session.kernel.machine.position)
    assert ends[0] == ends[1]


def test_a_device_is_no_file_of_commands(terminal: Terminal) -> None:
    assert terminal.refused("source /dev/zero") == "cannot read /dev/zero: a device, not a file"


def test_beyond_the_end_of_the_run(terminal: Terminal) -> None:
    said = terminal.do("goto cycle 999999999")[0]
    end = terminal.session.kernel.machine.position
    assert said == (
        "The program has exited with status 0; there is no cycle 999999999: the run ends after "
        f"{end.instructions} instructions, at cycle {end.cycles}."
    )
    assert "there is no instruction 999999999" in terminal.do("goto instruction 999999999")[0]


def test_a_label_in_a_condition_is_its_address(terminal: Terminal) -> None:
    warning = "  (counter is its address, 0x0804b000; *counter is the word there)"
    assert warning in terminal.do("break work if counter == 2")
    assert warning not in terminal.do("break work if *counter == 2")
    assert warning not in terminal.do("break work if $eax == &counter")
    assert warning not in terminal.do("break work if *(counter + 0) == 2")
    assert warning in terminal.do("condition 2 counter")
