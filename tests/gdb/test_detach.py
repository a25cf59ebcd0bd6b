"""Letting go of processes, limits, and the end: what becomes of the guest, and what the command answers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.gdb.client import ROOT, Client, Wire, talk
from tests.gdb.scenario import GDB
from toykernel.gdb.packets import frame
from toykernel.kernel.sched.core import TASK_RUNNING
from toykernel.state import OutcomeKind

EXIT_7 = ".globl _start\n_start: movl $1, %eax\nmovl $7, %ebx\nint $0x80\n"
SPIN = ".globl _start\n_start: jmp _start\n"


def command(
    *options: str | Path, packets: tuple[bytes, ...] = ()
) -> subprocess.CompletedProcess[bytes]:
    """`toykernel gdb --stdio` with packets on its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "toykernel.cli.main", "gdb", "--stdio", *map(str, options)],
        input=b"".join(frame(packet) for packet in packets),
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )


def held_child() -> Client:
    """The parent goes on while its child, which gdb holds, stands still, until nothing can run."""
    client = Client("fork_sample.S")
    assert client.ask("vCont;c:p2.-1").startswith("T05fork:p3.3;")
    assert client.ask("vCont;c:p2.-1").startswith("T02")
    assert b"standing still: 3" in client.printed
    return client


def test_who_is_let_go_of_does_not_stand_still() -> None:
    client = held_child()
    assert client.ask("D;3") == "OK"
    assert [t.state for t in client.target.k.processes.tasks if t.pid == 3] == [TASK_RUNNING]
    assert client.ask("vCont;c:p2.-1") == "W00;process:2"
    assert client.target.k.outcome is None or client.target.k.outcome.kind is OutcomeKind.FINISHED


def test_after_the_last_detach_the_guest_runs_to_its_end() -> None:
    supported = b"qSupported:multiprocess+;fork-events+"
    packets = (supported, b"vCont;c:p2.-1", b"vCont;c:p2.-1", b"D;2", b"D;3")
    done = command("userland/fork_sample.S", packets=packets)
    assert done.returncode == 0
    assert done.stderr.endswith(b"Child Complete\n")


def test_in_extended_remote_it_runs_on_while_the_client_thinks() -> None:
    wire = Wire("fork_sample.S")
    with wire.connect() as client:
        for packet in (b"qSupported:multiprocess+", b"!", b"D;2"):
            talk(client, packet)
        for _ in range(200):
            if wire.server.target.k.outcome is not None:
                break
            wire.thread.join(0.02)
        assert wire.server.target.k.outcome is not None
        assert talk(client, b"qC") == b"E03"
    wire.thread.join(10)
    assert not wire.thread.is_alive()  # nobody need come any more


def test_a_server_waits_for_the_next_client_only_while_there_is_something_to_see() -> None:
    wire = Wire("hello.S")
    with wire.connect() as client:
        talk(client, b"qSupported:multiprocess+")
        assert talk(client, b"vCont;c") == b"W00;process:2"
    wire.thread.join(10)
    assert not wire.thread.is_alive()


def test_a_kick_is_no_message_of_the_kernel(tmp_path: Path) -> None:
    client = held_child()
    client.ask("vCont;c:p3.-1")
    assert client.target.k.log == []


@pytest.mark.parametrize("packet", ["vCont;s:p9.9", "vCont;c:p2.7", "vCont;C0a:9"])
def test_a_thread_that_is_not_there_does_not_go_on(packet: str) -> None:
    assert Client("hello.S").ask(packet) == "E03"


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        ("Z0,8049000,4", "E16"),
        ("Z1,8049000,0", "E16"),
        ("Z2,8049000,0", "E16"),
        ("Z2,8049000,11", "E16"),
        ("Z3,8049000,ffffffff", "E16"),
        ("Z4,fffffffc,8", "E16"),
        ("Z0,108049000,1", "E16"),
        ("Z2,804a000,10", "OK"),
    ],
)
def test_points_of_a_size_that_i386_has_not(packet: str, answer: str) -> None:
    assert Client("hello.S").ask(packet) == answer


def test_monitor_alone_is_help() -> None:
    client = Client("hello.S")
    assert client.ask("qRcmd,") == "OK"
    assert client.printed.startswith(b"Commands of the stub:\n")


def test_denormals_are_zero_can_be_set() -> None:
    client = Client("fpu_sse.S")
    number = next(n for n, r in enumerate(client.target.registers.list) if r.name == "mxcsr")
    assert client.ask(f"P{number:x}=c01f0000") == "OK"
    assert client.ask(f"p{number:x}") == "c01f0000"


def test_a_report_is_that_of_a_run(tmp_path: Path) -> None:
    source = tmp_path / "exit.S"
    source.write_text(EXIT_7)
    packets = (b"qSupported:multiprocess+", b"vCont;c")
    done = command("--report", tmp_path / "here", source, packets=packets)
    assert done.returncode == 7
    line = [sys.executable, "-m", "toykernel.cli.main", "run", "--report"]
    subprocess.run([*line, str(tmp_path / "there"), str(source)], cwd=ROOT, check=False, timeout=60)
    here, there = (json.loads((tmp_path / name).read_text()) for name in ("here", "there"))
    assert here["exit_status"] == 7
    assert here == there


def test_after_a_second_run_status_and_report_are_its_own(tmp_path: Path) -> None:
    source = tmp_path / "count.S"
    source.write_text(".globl _start\n_start: movl $1, %eax\nmovl (%esp), %ebx\nint $0x80\n")
    packets = (b"qSupported:multiprocess+", b"!", b"vCont;c", b"vRun;;61;62", b"vCont;c")
    done = command("--report", tmp_path / "here", source, packets=packets)
    assert (done.returncode, done.stderr) == (3, b"")
    here = json.loads((tmp_path / "here").read_text())
    line = [sys.executable, "-m", "toykernel.cli.main", "run", "--report", str(tmp_path / "there")]
    subprocess.run([*line, str(source), "a", "b"], cwd=ROOT, check=False, timeout=60)
    assert here == json.loads((tmp_path / "there").read_text())
    assert here["exit_status"] == 3


def test_the_limit_of_cycles_is_the_commands_status(tmp_path: Path) -> None:
    source = tmp_path / "spin.S"
    source.write_text(SPIN)
    packets = (b"qSupported:multiprocess+", b"vCont;c")
    done = command("--max-cycles", "300000", source, packets=packets)
    assert done.returncode == 124
    assert done.stderr.startswith(b"toykernel: ")
    assert command("--max-cycles", "300000", source, packets=(*packets, b"k")).returncode == 0


def test_max_cycles_ends_the_run(tmp_path: Path) -> None:
    source = tmp_path / "spin.S"
    source.write_text(SPIN)
    client = Client(str(source))
    client.target.resumer.max_cycles = 2_000_000
    for packet in ("vCont;c", "vCont;c", "vCont;s:p2.2"):
        assert client.ask(packet) == "T18thread:p2.2;core:0;"  # SIGXCPU
    assert client.target.k.machine.clock.cycles == 2_000_000
    assert client.printed.startswith(b"the limit of 2000000 cycles is reached (--max-cycles)\n")
    wire = Wire(str(source))
    wire.server.target.resumer.max_cycles = 2_000_000
    with wire.connect() as one:
        talk(one, b"qSupported:multiprocess+")
        talk(one, b"!")
        talk(one, b"D;2")  # it runs free, up to the limit
        assert talk(one, b"qC") == b"E03"
    wire.thread.join(20)
    assert wire.server.target.k.machine.clock.cycles <= 2_000_000


@pytest.mark.skipif(GDB is None, reason="gdb is not installed")
def test_gdb_detaches_in_extended_remote(tmp_path: Path) -> None:
    # gdb reads the standard error of what it has started, and is gone before the guest is.
    serve = f"{sys.executable} -m toykernel.cli.main gdb --stdio userland/fork_sample.S"
    serve += f" 2>{tmp_path / 'err'}; echo status $? >>{tmp_path / 'err'}"
    commands = (f"target extended-remote | {serve}", "detach", "info inferiors")
    line = [str(GDB), "-nx", "-q", "-batch", "-ex", "set debuginfod enabled off"]
    for text in commands:
        line += ["-ex", text]
    done = subprocess.run(
        line, stdin=subprocess.DEVNULL, capture_output=True, cwd=ROOT, timeout=60, check=False
    )
    assert b"[Inferior 1 (process 2) detached]" in done.stdout
    err = tmp_path / "err"
    for _ in range(200):
        if "status" in err.read_text():
            break
        time.sleep(0.05)
    assert err.read_text().endswith("counter in the child: 4\nChild Complete\nstatus 0\n")
