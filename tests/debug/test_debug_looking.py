"""Commands that look: registers by name, FPU and SSE, TLB, PIC, files, signals, symbols, lines, RAM."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from debug_tools import SAMPLE, USERLAND, Terminal

from toykernel import Config, Session
from toykernel.debug.commands import COMMANDS
from toykernel.debug.commands.command import Console
from toykernel.debug.commands.processor import extended
from toykernel.debug.debugger import Debugger
from toykernel.debug.repl import Repl


@pytest.fixture(scope="module")
def terminal() -> Terminal:
    """Stopped at the program's first instruction."""
    return Terminal()


def program(tmp_path: Path, text: str) -> Terminal:
    path = tmp_path / "p.S"
    path.write_text(f'.include "linux.inc"\n.globl _start\n_start:\n{text}\nsys_exit $0\n')
    return Terminal(path)


# -- registers -------------------------------------------------------------------------------------


def test_one_register(terminal: Terminal) -> None:
    assert terminal.do("info registers eip") == ["eip  0x08049000  134516736  <_start>"]
    assert terminal.do("info regs $eax") == ["eax  0x00000000  0"]
    assert terminal.do("info regs cs") == ["cs  0x0073  __USER_CS, RPL 3"]
    assert "IF" in terminal.do("info regs eflags")[0]
    assert "PG" in terminal.do("info regs cr0")[0]
    assert terminal.do("info regs 1")[0].startswith("pid 1 (init)")
    assert "no register $xyz" in terminal.refused("info regs xyz")


FLOATS = """
    fninit
    fldl number
    fldz
    movups four, %xmm2
here:
    nop
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $0, $0
    sys_exit $0
child:
    fld1
in_child:
    nop
    sys_exit $0
.data
number: .double -2.5
four: .float 1.0, 2.0, 3.0, 4.0
.text
"""


def test_fpu_and_sse(tmp_path: Path) -> None:
    terminal = program(tmp_path, FLOATS)
    assert terminal.do("info fpu") == ["pid 2 (p) has not used the FPU."]
    terminal.do("break here")
    terminal.do("continue")
    lines = terminal.do("info fpu")
    assert lines[0] == "pid 2 (p), in the FPU"
    assert re.fullmatch(r"st0  0{20}  zero  0", lines[1])
    assert lines[2] == "st1  c000a000000000000000  valid  -2.5"
    assert all(re.fullmatch(r"st[2-7]  [0-9a-f]{20}  empty", line) for line in lines[3:9])
    assert lines[9].startswith(
        "control 037f  masked: IE DE ZE OE UE PE; rounds to nearest, precision 64"
    )
    assert "C3-C0 0000, TOP 6" in lines[10]
    words = terminal.do("info sse")
    assert words[3] == "xmm2  40800000 40400000 40000000 3f800000  ps: 1 2 3 4  pd: 2 512"
    assert words[9] == (
        "mxcsr 00001f80  raised: none; masked: IE DE ZE OE UE PE; rounds to nearest"
    )


def test_the_fpu_of_a_task_that_does_not_run(tmp_path: Path) -> None:
    terminal = program(tmp_path, FLOATS)
    terminal.do("break in_child")
    terminal.do("continue")
    assert terminal.do("info fpu")[0] == "pid 3 (p), in the FPU"
    assert terminal.do("info fpu")[1] == "st0  3fff8000000000000000  valid  1"
    terminal.do("task 2")
    lines = terminal.do("info fpu")
    assert "saved at 0xc" in lines[0]
    assert lines[2] == "st1  c000a000000000000000  valid  -2.5"
    assert terminal.do("info sse")[3].endswith("ps: 1 2 3 4  pd: 2 512")


@pytest.mark.parametrize(
    ("mantissa", "word", "shown"),
    [
        (0, 0, "0"),
        (1 << 63, 0x3FFF, "1"),
        (1 << 63, 0xBFFE, "-0.5"),
        (0xC90FDAA22168C235, 0x4000, "3.1415926535897931"),
        (1 << 63, 0x7FFF, "infinity"),
        (3 << 62, 0xFFFF, "-NaN"),
        (1 << 63, 0x7FFE, f"{1 << 63} * 2^16320"),
    ],
)
def test_extended_numbers(mantissa: int, word: int, shown: str) -> None:
    assert extended(struct.pack("<QH", mantissa, word)) == shown


def test_tlb(terminal: Terminal) -> None:
    assert terminal.do("info tlb")[1].startswith("Only the timing profile i486")
    session = Session(SAMPLE, config=Config(timing="i486"))
    output: list[str] = []
    console = Console(Debugger(session), output.append)
    repl = Repl(console)
    console.debugger.start()
    repl.execute("stepi")
    output.clear()
    repl.execute("info tlb")
    assert repl.failures == 0
    assert (
        output[0]
        == f"flushed {session.kernel.machine.tlb_flushes} times, CR3 {session.kernel.machine.cpu.cr3:#010x}"
    )
    rows = {line.split()[1]: line.split() for line in output[2:]}
    frame = session.walk(2, 0x0804B000).physical
    assert frame is not None
    entry = rows["0x0804b000"]  # the instruction wrote there
    assert int(entry[0]) == 0x0804B & 7
    assert int(entry[2], 16) == frame >> 12
    assert entry[3:] == ["written", "counter"]


def test_pic(terminal: Terminal) -> None:
    lines = terminal.do("info pic")
    assert lines[0] == "8259A at ports 0x20 and 0x21, vectors from 0x20"
    assert lines[1] == "line 0  vector 0x20  enabled  timer"
    assert lines[2:9] == [f"line {n}  vector {0x20 + n:#x}  masked" for n in range(1, 8)]
    assert any(line.startswith("timer: every ") for line in lines)


# -- files and signals -----------------------------------------------------------------------------


def test_files() -> None:
    terminal = Terminal(USERLAND / "pipe_talk.S")
    terminal.do("break fork")
    terminal.do("continue")
    lines = terminal.do("info files")
    assert lines[1].split() == ["FD", "ACCESS", "POS", "REFS", "EXEC", "PATH"]
    assert re.fullmatch(r"3   read +0    2     keeps  pipe:.*", lines[5])
    assert re.fullmatch(r"4   write +0    2     keeps  pipe:.*", lines[6])
    assert terminal.do("info files 1")[0] == "files of pid 1 (init)"


def test_signals() -> None:
    terminal = Terminal(USERLAND / "signal_mask.S")
    assert terminal.do("info signals")[1] == "every signal has its default action"
    terminal.do("break syscall kill")
    terminal.do("continue")
    lines = "\n".join(terminal.do("info signals"))
    assert re.search(r"SIGUSR1 +10 +0x[0-9a-f]{8} <\w+>", lines)
    assert "blocked: SIGUSR1" in lines
    assert "pending: none" in lines
    terminal.do("out")
    lines = "\n".join(terminal.do("info signals"))
    assert "for the whole group: SIGUSR1" in lines


# -- names and places ------------------------------------------------------------------------------


def test_symbols_of_addresses(terminal: Terminal) -> None:
    assert terminal.do("info symbol _start+5") == ["_start + 5 of program"]
    assert terminal.do("info symbol counter") == ["counter of program"]
    assert terminal.do("info symbol kernel:schedule") == ["schedule of kernel"]
    assert terminal.do("info symbol 0x123") == ["No symbol of pid 2 is at 0x00000123."]
    assert "needs an address" in terminal.refused("info symbol")


def test_lines_and_addresses_as_break_and_list_take_them(terminal: Terminal) -> None:
    by_address = terminal.do("info line *$eip")
    assert by_address == terminal.do("info line _start") == terminal.do("info line")
    assert by_address[0].startswith("0x08049000 <_start>  fork_sample.S:23  movl $1, counter")
    assert terminal.do("info line 23") == ["fork_sample.S:23 begins at 0x08049000 <_start>"]
    assert terminal.do("info line fork_sample.S:22") == [
        "fork_sample.S:23 begins at 0x08049000 <_start>"
    ]
    assert terminal.refused("info line 9999")


def test_list_of_another_file(terminal: Terminal) -> None:
    lines = terminal.do("list linux.inc:86")
    assert lines[0].endswith("userland/include/linux.inc:")
    marked = [line for line in lines if line.startswith("=>")]
    assert marked == ["=>   86      int $0x80"]
    assert terminal.do("list entry.S:106")[0].endswith("entry.S:")
    assert terminal.refused("list nowhere.S:3")


def test_physical_memory(terminal: Terminal) -> None:
    physical = terminal.session.walk(2, terminal.session.address("_start")).physical
    assert physical is not None
    (line,) = terminal.do(f"xp/4bx {physical:#x}")
    assert line == f"{physical:#010x}:\t0xc7\t0x05\t0x00\t0xb0"
    (entry,) = terminal.do("xp/wx $cr3+0x80")  # the directory's entry of 0x08000000
    assert int(entry.split("\t")[1], 16) & 7 == 7
    assert "beyond the RAM" in terminal.refused("xp/wx 0xf0000000")
    assert "needs a physical address" in terminal.refused("xp")


# -- help and files of commands --------------------------------------------------------------------


def test_help_fits_a_terminal_of_80_by_24(terminal: Terminal) -> None:
    assert len(terminal.do("help")) <= 23  # and the prompt
    for word in ("", "running", "breakpoints", "looking", "debugger", *(c.name for c in COMMANDS)):
        lines = terminal.do(f"help {word}")
        assert all(len(line) <= 80 for line in lines), word
        assert len(lines) <= 23, word
    shown = " ".join(terminal.do("help"))
    assert all(re.search(rf"\b{command.name}\b", shown) for command in COMMANDS)


def test_source(terminal: Terminal, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("# a comment\nprint 6*7\n\nnonsense\nprint 1\n")
    lines = terminal.attempt(f"source {script}")
    assert [line for line in lines if line.startswith("= ")] == [
        "= 42  0x0000002a",
        "= 1  0x00000001",
    ]
    assert "cannot read" in terminal.refused(f"source {tmp_path / 'none'}")
    script.write_text(f"source {script}\n")
    assert "nested too deeply" in "\n".join(terminal.attempt(f"source {script}"))
