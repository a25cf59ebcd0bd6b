"""Between the kernel and the host: the console, mounted directories, machine events, the report of an oops,
the hash of all that there is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from guest import HEAD, boot, run_to

from emu.machine import Event, Stop
from toykernel import run_loop
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.harness.build import build
from toykernel.harness.images import boot_images
from toykernel.host_mount import HostDirectory
from toykernel.oops import KernelOops, oops_report, symbol_for
from toykernel.power_on import power_on
from toykernel.state import Config, Kernel, OutcomeKind
from toykernel.statehash import state_hash, state_parts

SPIN = "there: jmp there\n"
ECHO = """
    movl $3, %eax               # read(0)
    xorl %ebx, %ebx
    movl $buf, %ecx
    movl $9, %edx
    int $0x80
    movl %eax, %edx
    movl $4, %eax               # write(2)
    movl $2, %ebx
    movl $buf, %ecx
    int $0x80
    sys_exit $0
.bss
buf: .space 16
"""


def test_the_console_is_the_caller_s(tmp_path: Path) -> None:
    """What is typed comes by console_read, asked with how often it was before and for how much at most."""
    source = tmp_path / "echo.S"
    source.write_text(HEAD + ECHO)
    asked: list[tuple[int, int]] = []
    written: list[tuple[int, bytes]] = []

    def typed(read: int, count: int) -> bytes:
        asked.append((read, count))
        return b"typed"

    config = Config()
    k = power_on(
        {"/echo": build(source)[0]}, "/echo", [b"/echo"], images=boot_images(config), config=config,
        console=lambda fd, data: written.append((fd, data)), console_read=typed,
    )  # fmt: skip
    assert run_loop.run(k).kind == OutcomeKind.FINISHED
    assert written == [(2, b"typed")]
    assert [read for read, _ in asked] == [0]
    plain = power_on(
        {"/echo": build(source)[0]}, "/echo", [b"/echo"], images=boot_images(config), config=config
    )
    assert run_loop.run(plain).kind == OutcomeKind.FINISHED
    assert plain.files.console_reads == 1


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_a_mounted_directory_leaves_no_descriptor_open(tmp_path: Path) -> None:
    inner = tmp_path / "one" / "two"
    inner.mkdir(parents=True)
    (inner / "file").write_bytes(b"text")
    (inner / "link").symlink_to("file")
    (tmp_path / "out").symlink_to("one")
    os.mkfifo(inner / "pipe")
    before = descriptors()
    host = HostDirectory(str(tmp_path))
    entry = host.entry("one/two/file")
    assert entry is not None
    assert (entry.size, entry.uid) == (4, os.getuid())
    assert host.names("one/two") == ("file", "link", "pipe")
    assert host.contents("one/two/file") == b"text"
    assert host.link("one/two/link") == "file"
    assert host.link("one/two/file") == ""
    for path in ("one/two/pipe", "one/none", "one/two/file/x", "out/two/file", "none/none", "x\0y"):
        assert host.entry(path) is None
        assert host.contents(path) is None if "\0" not in path else True
        assert host.names(path) == () if "\0" not in path else True
    assert host.contents("one/two/link") is None
    assert host.names("one/two/file") == ()
    assert host.entry("") is not None
    assert descriptors() == before


def test_what_has_been_told_once_is_told_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("old")
    host = HostDirectory(str(tmp_path))
    first = (
        host.entry("file"),
        host.names(""),
        host.contents("file"),
        host.link("link"),
        host.entry("new"),
    )
    (tmp_path / "file").write_bytes(b"newer")
    (tmp_path / "new").write_bytes(b"")
    (tmp_path / "link").unlink()
    assert first == (
        host.entry("file"), host.names(""), host.contents("file"), host.link("link"), host.entry("new"),
    )  # fmt: skip
    with pytest.raises(NotADirectoryError):
        HostDirectory(str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("stop", "kind"),
    [(Stop.STEP, None), (Stop.LIMIT, OutcomeKind.LIMIT), (Stop.BREAKPOINT, OutcomeKind.EVENT),
     (Stop.TRAP, OutcomeKind.EVENT), (Stop.WATCH, OutcomeKind.EVENT)],
)  # fmt: skip
def test_what_becomes_of_a_machine_s_event(stop: Stop, kind: OutcomeKind | None) -> None:
    k = boot(SPIN).kernel
    event = Event(stop, address=0x1234)
    outcome = run_loop.handle(k, event)
    assert (None if outcome is None else (outcome.kind, outcome.event)) == (kind and (kind, event))


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (Stop.SHUTDOWN, "triple fault at 0x00001234"),
        (Stop.BUS_ERROR, "page tables lead outside RAM at 0x00001234"),
        (Stop.HALT, "the machine stopped: halt at 0x00001234"),
    ],
)
def test_events_after_which_nothing_goes_on(stop: Stop, words: str) -> None:
    with pytest.raises(KernelOops, match=words):
        run_loop.handle(boot(SPIN).kernel, Event(stop, address=0x1234))


def test_a_run_that_is_over_stays_so() -> None:
    """Who listens is told once by each call that finds it so."""
    session = boot("sys_exit $3\n")
    k = session.kernel
    heard: list[str] = []
    k.host.trace.run_over.append(lambda: heard.append("over"))
    outcome = run_loop.run(k)
    assert outcome.kind == OutcomeKind.FINISHED
    assert len(heard) == 1
    cycles = k.machine.clock.cycles
    assert run_loop.step(k) is run_loop.run(k) is outcome
    assert k.machine.clock.cycles == cycles


def test_a_run_step_by_step_ends_as_a_whole_one() -> None:
    whole, stepped = boot("sys_exit $3\n"), boot("sys_exit $3\n")
    heard: list[str] = []
    stepped.kernel.host.trace.run_over.append(lambda: heard.append("over"))
    run_loop.run(whole.kernel)
    outcome = None
    while outcome is None:
        outcome = run_loop.step(stepped.kernel)
    assert outcome.kind == OutcomeKind.FINISHED
    assert heard == ["over"]
    assert stepped.kernel.machine.clock.cycles == whole.kernel.machine.clock.cycles


def test_addresses_have_the_kernel_s_names() -> None:
    k = boot(SPIN).kernel
    k.host.symbols = {"low": 0x1000, "one": 0xC0001000, "two": 0xC0001010}
    for address, name in (
        (0xC0001000, "one+0x0"), (0xC000100F, "one+0xf"), (0xC0001010, "two+0x0"), (0xC0005010, "two+0x4000"),
        (0xC0005011, "0xc0005011"), (0xC0000FFF, "0xc0000fff"), (0x1000, "0x00001000"),
    ):  # fmt: skip
        assert symbol_for(k, address) == name


def test_the_report_of_an_oops() -> None:
    """Up to 24 words of the stack, from the aligned stack pointer to the top; none of another place."""
    session = boot(SPIN)
    task = run_to(session, "there")
    k = session.kernel
    top, cpu = task.stack + 8192, k.machine.cpu
    regs = k.task_pt_regs(task)
    for esp, count in (
        (task.stack, 24),
        (top - 96, 24),
        (top - 92, 23),
        (top - 89, 23),
        (top - 4, 1),
    ):
        cpu.esp = esp
        line = oops_report(k, "why", regs, None).splitlines()[-1]
        words = [int(word, 16) for word in line.removeprefix("Stack: ").split()]
        assert words == list(k.machine.ram.words((esp & ~3) - 0xC0000000, count))
    for esp in (task.stack - 1, top, 0xBFFFF000):
        cpu.esp = esp
        text = oops_report(k, "why", regs, None)
        assert text.endswith(
            f"Stack: esp {esp:08x} is not on the task's stack {task.stack:08x}-{top:08x}"
        )
    with_code = oops_report(k, "why", regs, 6).splitlines()
    assert with_code[0] == "Oops: why, error code 0x0006"
    assert f"pid {task.pid} (guest)" in with_code[1]
    assert with_code[2].startswith(f"EIP: 0073:{regs.ip:#010x}  EFLAGS: ")
    assert with_code[3].startswith("EAX: ")
    assert oops_report(k, "why", regs, None).splitlines()[0] == "why"
    assert "EAX" not in oops_report(k, "why", regs, None)
    nowhere = PtRegs(k.machine.ram, 0xB0000000)
    assert "EAX" not in oops_report(k, "why", nowhere, 6)


def change_ram(k: Kernel) -> None:
    k.machine.ram.write(k.machine.ram.size - 1, b"\1")


CHANGES: dict[str, Callable[[Kernel], Any]] = {
    "ram": change_ram,
    "cpu.eax": lambda k: setattr(k.machine.cpu, "eax", k.machine.cpu.eax ^ 1),
    "kernel.log": lambda k: k.log.append((0, "line")),
    "kernel.random_state": lambda k: k.get_random_int(),
    "kernel.time": lambda k: setattr(k.time, "jiffies", k.time.jiffies + 1),
    "kernel.files": lambda k: setattr(k.files, "aio_nr", 1),
    "kernel.memory": lambda k: k.memory.pins.update({1: 1}),
    "kernel.init_envp": lambda k: k.init_envp.append(b"A=1"),
    "halted": lambda k: setattr(k.machine, "halted", not k.machine.halted),
    "device.timer": lambda k: k.machine.timer.write(0x40, 4, 1234),
}


@pytest.mark.parametrize("part", CHANGES)
def test_the_hash_of_a_state_is_of_all_of_it(part: str) -> None:
    k = boot(SPIN).kernel
    before, hash_before = dict(state_parts(k)), state_hash(k)
    assert state_hash(k) == hash_before
    assert dict(state_parts(boot(SPIN).kernel)) == before
    CHANGES[part](k)
    after = dict(state_parts(k))
    assert {name for name in before if before[name] != after[name]} == {part}
    assert state_hash(k) != hash_before
