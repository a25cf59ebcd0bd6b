"""Debugging changes nothing: the same end with and without, whatever was looked at."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from debug_tools import USERLAND, Terminal

from toykernel import Session
from toykernel.debug.commands.info import TOPICS

NAMES = ["fork_sample", "fork_tree", "cow_by_kernel", "orphan", "wait_status", "zero_page"]


def state(session: Session) -> tuple[object, ...]:
    """RAM, registers, clock, output."""
    k = session.kernel
    image = hashlib.sha256()
    for frame, data in k.machine.ram.image().items():
        image.update(frame.to_bytes(4, "little") + data)
    return (
        *(session.stdout, session.stderr, session.stats.program_status, image.hexdigest()),
        *(k.machine.clock.cycles, k.machine.clock.instructions),
        tuple(k.machine.cpu.general_registers().items()),
    )


def plain(path: Path) -> tuple[object, ...]:
    session = Session(path)
    assert session.run(300_000).kind == "finished"
    return state(session)


def drive(terminal: Terminal, moves: list[str], looks: list[str]) -> None:
    """Move on and look around, in turn, to the end."""
    for count in range(20_000):
        if terminal.session.kernel.outcome is not None:
            return
        terminal.attempt(moves[count % len(moves)])
        terminal.attempt(looks[count % len(looks)])
    raise AssertionError("the program does not end")


@pytest.mark.parametrize("name", NAMES)
def test_the_end_is_the_same(name: str) -> None:
    path = USERLAND / f"{name}.S"
    terminal = Terminal(path)
    for place in ("_start", "cow", "fork", "trap #PF", "syscall", "kernel:ret_from_fork"):
        terminal.do(f"break {place}")
    looks = [f"info {topic.name}" for topic in TOPICS]
    looks += ["info page $esp", "info tab $eip", "x/8wx $esp", "x/s $eip", "where", "list"]
    looks += ["disassemble", "task 1", "info frame 1", "print *$esp"]
    moves = ["c", "si", "nexti", "si 17", "out", "c", "nexti 3"]
    drive(terminal, moves, looks)
    assert not terminal.debugger.dead
    assert state(terminal.session) == plain(path)


def test_every_single_step(tmp_path: Path) -> None:
    path = USERLAND / "fork_sample.S"
    terminal = Terminal(path, start=False)
    terminal.do("break cow")
    drive(terminal, ["si"], ["info frame"])
    assert state(terminal.session) == plain(path)


def test_a_closed_debugger_leaves_nothing_behind() -> None:
    session = Session(USERLAND / "fork_sample.S")

    def listeners() -> int:
        trace = session.kernel.host.trace
        return sum(map(len, vars(trace).values())) + len(session.kernel.machine.trap_listeners)

    from toykernel.debug.debugger import Debugger

    images, stops = session.images, session.stops
    before = listeners()
    debugger = Debugger(session)
    assert listeners() > before
    debugger.close()
    assert listeners() == before
    stops.close()
    images.close()
    assert listeners() < before
