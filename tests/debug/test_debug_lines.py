"""By source lines, over calls and out of functions, in user mode."""

from __future__ import annotations

from pathlib import Path

import pytest
from debug_tools import SAMPLE, Terminal

SOURCE = """.include "linux.inc"
.macro twice
    addl $1, %eax
    addl $1, %eax
.endm
.globl _start
_start:
    movl $3, %ebx
    call outer
    twice
    movl %eax, %ebx
1:  decl %ebx; jnz 1b
    movl $1, %eax
    int $0x80
outer:
    pushl %ebx
    call inner
    addl $1, %eax
    popl %ebx
    ret
inner:
    movl $20, %eax
    int $0x80
    ret
"""


def line_of(text: str) -> int:
    return SOURCE.split("\n").index(text) + 1


@pytest.fixture
def calls(tmp_path: Path) -> Terminal:
    source = tmp_path / "calls.S"
    source.write_text(SOURCE)
    return Terminal(source)


def at(terminal: Terminal, command: str) -> int:
    """The line where a command leads."""
    lines = terminal.do(command)
    place = next(line for line in lines if line.startswith("pid 2"))
    return int(place.partition("calls.S:")[2].split()[0])


def callers(terminal: Terminal) -> list[int]:
    return [int(line.partition("calls.S:")[2].split()[0]) for line in terminal.do("where")]


def test_step_goes_into_functions_and_over_traps(calls: Terminal) -> None:
    wanted = ["    call outer", "    pushl %ebx", "    call inner", "    movl $20, %eax"]
    assert [at(calls, "step") for _ in wanted] == [line_of(text) for text in wanted]
    inner = line_of("    movl $20, %eax")
    assert at(calls, "step") == inner + 1  # int $0x80
    assert at(calls, "step") == inner + 2


def test_next_goes_over_functions_and_macros(calls: Terminal) -> None:
    assert at(calls, "next") == line_of("    call outer")
    assert at(calls, "next") == line_of("    twice")
    assert at(calls, "next") == line_of("    movl %eax, %ebx")


def test_a_loop_in_one_line_is_a_line_each_turn(calls: Terminal) -> None:
    loop = line_of("1:  decl %ebx; jnz 1b")
    assert at(calls, "next 4") == loop
    assert at(calls, "next") == loop
    assert calls.debugger.machine.cpu.ebx == calls.debugger.machine.cpu.eax - 1


def test_nexti_goes_over_a_call_and_back(calls: Terminal) -> None:
    assert at(calls, "nexti") == line_of("    call outer")
    before = calls.debugger.history.position
    assert at(calls, "nexti") == line_of("    twice")
    assert at(calls, "reverse-nexti") == line_of("    call outer")
    assert calls.debugger.history.position == before


def test_where_and_finish(calls: Terminal) -> None:
    outer, twice = line_of("    call inner") + 1, line_of("    twice")
    assert at(calls, "step 4") == line_of("    movl $20, %eax")
    assert callers(calls) == [line_of("    movl $20, %eax"), outer, twice]
    assert at(calls, "finish") == outer
    assert callers(calls) == [outer, twice]
    assert at(calls, "finish") == twice
    assert callers(calls) == [twice]
    assert "no call is known" in calls.refused("finish")


def test_a_trap_that_is_stopped_at_tells_its_error_code_and_its_address() -> None:
    terminal = Terminal(SAMPLE)
    terminal.do("break trap 14")
    lines = terminal.do("continue")
    cr2 = f"{terminal.debugger.machine.cpu.cr2:#010x}"
    told = next(line for line in lines if "error code" in line)
    assert f"error code 0x7 (protection, write, user), cr2 {cr2}, eip 0x" in told
    assert told.endswith(", ring 3")


def test_iret_tells_where_it_led(calls: Terminal) -> None:
    calls.do("step 4")
    calls.do("stepi 2")  # into system_call
    cpu, lines = calls.debugger.machine.cpu, [""]
    while cpu.cpl == 0:
        assert not any("iret: " in line for line in lines)
        lines = calls.do("stepi")
    (told,) = (line for line in lines if "iret: " in line)
    assert told.strip() == (
        f"iret: ring 0 -> ring 3, eip {cpu.eip:#010x}, esp {cpu.esp:#010x}, eflags {cpu.eflags:#x}"
    )
