"""`info` about the kernel's records, the cache and the devices: what it prints is what is there."""

from __future__ import annotations

import re

import pytest
from debug_tools import USERLAND, Terminal

from toykernel import Session
from toykernel.debug.debugger import Debugger
from toykernel.state import Config


@pytest.fixture(scope="module")
def terminal() -> Terminal:
    """Right behind the trap of a copy-on-write fault."""
    made = Terminal(USERLAND / "cow_copy_reuse.S")
    for line in ("break copy", "c", "si"):
        made.do(line)
    return made


def test_the_stack_and_what_the_trap_pushed(terminal: Terminal) -> None:
    lines = terminal.do("info stack")
    assert lines[0] == "kernel stack of pid 3 (cow_copy_reuse), from esp 0xc0025fe0 to 0xc0026000"
    assert lines[1:4] == [
        "0xc0025fe0  0x00000007  orig_ax",
        "0xc0025fe4  0x08049069  ip",
        "0xc0025fe8  0x00000073  cs",
    ]
    asleep = terminal.do("info stack 2")
    assert "kernel stack of pid 2" in asleep[0]
    assert any("orig_ax" in line and "0x00000007" in line for line in asleep)  # waitpid


def test_pt_regs_and_thread_info(terminal: Terminal) -> None:
    saved = dict(re.findall(r"\S+ +(\w+) +(0x\w+)", "\n".join(terminal.do("info pt_regs 2")[1:])))
    assert int(saved["orig_ax"], 16) == 7
    assert int(saved["bx"], 16) == 3
    assert next(iter(saved)) == "bx"
    assert list(saved)[-1] == "ss"
    info = terminal.do("info thread_info")
    assert info[0] == "thread_info of pid 3 (cow_copy_reuse), at 0xc0024000"
    assert info[-1].endswith("STACK_END_MAGIC")
    assert terminal.refused("info pt_regs 0") == "pid 0 (swapper) has no user half"


def test_eflags_flag_by_flag(terminal: Terminal) -> None:
    lines = terminal.do("info eflags")
    value = int(lines[0].split()[1].rstrip("."), 16)
    assert value == terminal.debugger.register("eflags")
    assert ("  IF: external interrupts are taken" in lines) == bool(value & 0x200)


def test_the_address_space_and_who_shares(terminal: Terminal) -> None:
    lines = terminal.do("info mm")
    assert lines[0] == "mm 4 of pid 3 (cow_copy_reuse), mm_users 1"
    assert any(line.split() == ["brk", "0x0804c000-0x0804c000"] for line in lines)
    shared = terminal.do("info sharing 3")
    assert any(line.startswith("memory ") and line.endswith("nobody") for line in shared)
    assert shared[-1] == "5 pages: 0 frames are its own, 5 have more references"
    thread = Terminal(USERLAND / "clone_sharing.S", start=False)
    thread.do("break fork")
    thread.do("c")
    thread.do("c")
    assert any("pid" in line for line in thread.do("info sharing")[2:])


def test_the_run_queue() -> None:
    terminal = Terminal(USERLAND / "yield_pingpong.S")
    for line in ("break syscall sched_yield", "c", "c"):
        terminal.do(line)
    lines = terminal.do("info runqueue")
    rq = terminal.session.kernel.sched.rq
    assert lines[0].startswith(f"{rq.nr_running} may run")
    waiting = [str(task.pid) for task in rq.cfs.timeline.tasks]
    assert waiting
    assert [line.split()[0] for line in lines[2 : 2 + len(waiting)]] == waiting


def test_timers() -> None:
    terminal = Terminal(USERLAND / "timers.S")
    terminal.do("break syscall setitimer")
    terminal.do("c")
    assert terminal.do("info timers 2") == ["pid 2 (timers) has no timers"]
    while not any("ITIMER_REAL" in line for line in terminal.do("info timers 2")):
        terminal.do("c")
        terminal.do("out")
    assert re.search(
        r"ITIMER_REAL: expires at \d+ ns of CLOCK_MONOTONIC",
        "\n".join(terminal.do("info timers 2")),
    )
    assert "it_real_fn" in terminal.do("info timers")[-1]


def test_the_cache_and_the_devices() -> None:
    terminal = Terminal()
    assert terminal.do("info l1") == [
        "Only the timing profile i486 has a cache whose lines can be listed."
    ] or terminal.do("info l1")[0].endswith("are taken")
    session = Session(USERLAND / "hello.S", config=Config(timing="i486"))
    session.run()
    terminal.session, terminal.debugger = session, Debugger(session)
    terminal.console.debugger = terminal.debugger
    timing = session.kernel.machine.cpu.timing
    assert timing is not None
    taken = sum(map(bool, timing.save()["l1_tags"]))
    lines = terminal.do("info l1")
    assert lines[0] == f"{taken} of 512 lines of 16 bytes are taken"
    assert sum(int(line.split()[1]) for line in lines[2:]) == taken
    devices = terminal.do("info devices")
    assert [line.split()[0] for line in devices if "ports" in line] == [
        device.name for device in session.kernel.machine.devices
    ]


def test_events_and_commands(terminal: Terminal) -> None:
    assert terminal.do("info events 2") == terminal.do("events 2")
    terminal.do("commands 1")
    terminal.attempt("info regs")
    terminal.attempt("end")
    assert terminal.do("info breakpoints")[1:] == [
        "1    1       copy at 0x08049069",
        "        info regs",
    ]


def test_the_tlb_s_flushes_are_the_run_s() -> None:
    """Going back and running again is no flush of the guest's."""
    terminal = Terminal()
    for line in ("break child", "c"):
        terminal.do(line)
    flushed = terminal.do("info tlb")[0]
    for line in ("events", "rsi 200", "goto start", "goto event 12", "c"):
        terminal.attempt(line)
    assert terminal.debugger.location().symbol == "child"
    assert terminal.do("info tlb")[0] == flushed
