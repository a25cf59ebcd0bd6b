"""The full screen, driven by Textual's pilot: what its keys do, and what stands on 80 by 24."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toykernel.debug.debugger import Debugger
from toykernel.harness.session import Session
from toykernel.state import Config
from toykernel.statehash import state_hash

pytest.importorskip(
    "textual",
    reason="textual is not installed (pip install 'toykernel[tui]'): no full screen is tested",
)
from textual.widgets import Input

from toykernel.tui import panels
from toykernel.tui.app import DebuggerApp
from toykernel.tui.panels import Line, Seen

if TYPE_CHECKING:
    from textual.pilot import Pilot

USERLAND = Path(__file__).parents[2] / "userland"


def on_screen(
    name: str,
    act: Callable[[DebuggerApp, Pilot[None]], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
) -> None:
    """At the program's first instruction."""

    async def main() -> None:
        debugger = Debugger(Session(USERLAND / f"{name}.S", config=Config(timing="i486")))
        debugger.start()
        app = DebuggerApp(debugger)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await act(app, pilot)

    # In a thread of its own: a browser of other tests leaves its event loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, main()).result()


def screen(app: DebuggerApp) -> list[str]:
    """The lines that are seen."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


async def keys(pilot: Pilot[None], *names: str) -> None:
    for name in names:
        await pilot.press(name)
        await pilot.pause()


FIRST = """\
fork_sample.S  pid 2 (fork_sample) ring 3  cycle N  instruction N
=> 08049000 movl $1, 0x804b000 # counter       │ eax 00000000
   0804900a movl $2, %eax                      │ ebx 00000000
   0804900f int $0x80                          │ ecx 00000000
   08049011 testl %eax, %eax                   │ edx 00000000
   08049013 js 0x80490e2 <failed>              │ esi 00000000
   08049019 je 0x8049090 <child>               │ edi 00000000
   0804901b movl %eax, %esi                    │ ebp 00000000
   0804901d movl $1, %ebx                      │ esp bfffff20
   08049022 movl $0x804a000, %ecx              │ eip 08049000 _start
                                               │ flags IF
                                               │
[1 Processes] 2 Stack 3 Page 4 Frames 5 Events 6 Explain 7 Output 8 Answer"""


def test_the_first_screen_on_80_by_24() -> None:
    async def act(app: DebuggerApp, pilot: Pilot[None]) -> None:
        lines = screen(app)
        assert len(lines) == 24
        assert all(len(line) <= 80 for line in lines)
        time = lines.pop(1)
        assert (time.count("F"), time.count("E"), time[-1]) == (1, 1, "|")
        lines[0] = re.sub(r"(cycle|instruction) \d+", r"\1 N", lines[0])
        assert lines[:13] == FIRST.splitlines()
        assert lines[13].split() == ["pid", "1", ">pid", "2"]
        assert "q Quit" in lines[-1]

    on_screen("fork_sample", act)


def test_steps_back_and_forth_end_where_they_began() -> None:
    async def act(app: DebuggerApp, pilot: Pilot[None]) -> None:
        k = app.debugger.kernel
        before = state_hash(k)
        await keys(pilot, *"sss")
        assert app.debugger.machine.cpu.cpl == 0  # in the kernel, by int 0x80
        assert app.said.startswith("trap: int 0x80")
        assert any(line.marked and "eip" in line.text for line in registers_of(app))
        await keys(pilot, *"bbb")
        assert state_hash(k) == before
        await keys(pilot, *"nnn")
        assert app.debugger.location().eip == 0x08049011
        await keys(pilot, "p")
        assert app.debugger.location().eip == 0x0804900F

    on_screen("fork_sample", act)


def registers_of(app: DebuggerApp) -> list[Line]:
    return panels.registers(app.debugger, Seen({"eip": 0}))


def test_events_forth_and_back() -> None:
    async def act(app: DebuggerApp, pilot: Pilot[None]) -> None:
        log = app.debugger.history.events
        start = log.count
        positions = []
        for _ in range(6):
            await keys(pilot, "right_square_bracket")
            positions.append(app.debugger.history.position)
        assert positions == sorted(positions)
        assert app.seen.event == start + 5
        await keys(pilot, "left_square_bracket", "left_square_bracket")
        assert app.seen.event == start + 3
        assert app.debugger.history.position == positions[3]

    on_screen("fork_sample", act)


def test_every_panel_and_an_address() -> None:
    async def act(app: DebuggerApp, pilot: Pilot[None]) -> None:
        for _ in range(2):
            await keys(pilot, "colon", *"tbreak", "space", *"cow", "enter", "c")
        assert app.said == "COW fault"
        await keys(pilot, "2")
        assert "frame of #PF from ring 3" in "\n".join(screen(app))
        await keys(pilot, "4")
        assert any(line.split()[:2] == ["0x2b", "1"] for line in screen(app))
        await keys(pilot, "5")
        assert any(line.startswith(">") and "int 0x80" not in line for line in screen(app)[14:])
        await keys(pilot, "a", *"counter", "enter")
        assert "counter at 0x0804b000" in "\n".join(screen(app))
        await keys(pilot, "6")
        assert "do_page_fault" in "\n".join(screen(app))
        await keys(pilot, "a", *"nonsense", "enter")
        assert 'no symbol "nonsense"' in app.said
        await keys(pilot, "c", "7")
        assert "Child Complete" in "\n".join(screen(app))

    on_screen("fork_sample", act)


def test_the_time_line_takes_keys_and_clicks() -> None:
    async def act(app: DebuggerApp, pilot: Pilot[None]) -> None:
        await keys(pilot, "c")
        end = app.end
        assert screen(app)[1].endswith("|")
        await pilot.click("#time", offset=(40, 0))
        await pilot.pause()
        cycle = app.debugger.machine.clock.cycles
        assert cycle >= end * 40 / 79
        here = screen(app)[1].index("|")
        app.debugger.history.step_back()
        assert app.debugger.machine.clock.cycles < end * 40 / 79
        app.show()
        await keys(pilot, "right")
        assert screen(app)[1].index("|") == here
        await keys(pilot, "right", "right")
        assert screen(app)[1].index("|") >= here + 2
        await keys(pilot, *["left"] * 6)
        assert screen(app)[1].index("|") < here
        await pilot.click("#time", offset=(0, 0))
        await pilot.pause()
        assert app.debugger.history.position == app.debugger.history.start

    on_screen("fork_sample", act)


def test_the_time_line_is_dragged() -> None:
    async def act(app: DebuggerApp, pilot: Pilot[None]) -> None:
        await keys(pilot, "c")
        end, history = app.end, app.debugger.history

        async def at(column: int) -> None:
            """The first place at or behind the column; one instruction may take many cycles."""
            await pilot.pause()
            cycles, wanted = app.debugger.machine.clock.cycles, end * column / 79
            assert screen(app)[1].index("|") == panels.column(cycles, 80, end) >= column
            assert cycles >= wanted
            history.step_back()
            assert app.debugger.machine.clock.cycles < wanted
            app.debugger.stepi()

        await pilot.mouse_down("#time", offset=(60, 0))
        await at(60)
        for column, row in ((59, 0), (30, 0), (45, 7)):  # held, it follows off the line, too
            await pilot.hover("#head", offset=(column, 1 + row))
            await at(column)
        await pilot.mouse_up("#head", offset=(44, 8))
        await at(44)
        here = history.position
        await pilot.hover("#time", offset=(10, 0))  # let go: it stays
        assert history.position == here
        await pilot.mouse_down("#time", offset=(44, 0))
        await pilot.mouse_up("#time", offset=(44, 0))
        await at(44)

    on_screen("fork_sample", act)


def test_far_along_the_time_line_by_keys() -> None:
    async def act(app: DebuggerApp, pilot: Pilot[None]) -> None:
        await keys(pilot, "c", "g")
        history = app.debugger.history
        assert history.position == history.start
        await keys(pilot, "G")
        assert app.debugger.kernel.outcome is not None
        assert app.debugger.machine.clock.cycles == app.end
        await keys(pilot, "shift+left")
        here = screen(app)[1].index("|")
        assert 69 <= here < 79
        await keys(pilot, "shift+left")
        assert 59 <= screen(app)[1].index("|") < here
        await keys(pilot, "shift+right", "shift+right")
        assert screen(app)[1].index("|") == 79

    on_screen("fork_sample", act)


def test_a_command_that_fails_and_one_that_leaves() -> None:
    async def act(app: DebuggerApp, pilot: Pilot[None]) -> None:
        await keys(pilot, "colon", *"xyzzy", "enter")
        assert 'no command "xyzzy"' in "\n".join(screen(app))
        assert not app.query_one(Input).display
        await keys(pilot, "colon", *"quit", "enter")
        assert not app.is_running or app._exit

    on_screen("hello", act)


def test_a_run_that_does_not_end_comes_back() -> None:
    async def act(app: DebuggerApp, pilot: Pilot[None]) -> None:
        await keys(pilot, "c")
        assert app.said == "the run is long: c goes on"

    on_screen("infinite_loop", act)
