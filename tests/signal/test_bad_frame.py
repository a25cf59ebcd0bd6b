"""What a program puts into its signal frame never breaks the kernel on its way back to user mode."""

from pathlib import Path

import pytest

from toykernel.harness.session import Session

PROGRAM = """
.include "linux.inc"
.include "signal.inc"
.text
.globl _start
_start:
    set_handler $SIGUSR1, $handler, $0
    kill_self $SIGUSR1
    movl $0x1234, %ecx
    movw %{register}, %ax
    movzwl %ax, %ebx
    movl $__NR_exit, %eax
    int $0x80
handler:
    movl $({value}), 8 + {offset}(%esp)
    ret
.include "print.inc"
"""


def run(tmp_path: Path, **parts: str) -> Session:
    source = tmp_path / "frame.S"
    source.write_text(PROGRAM.format(**parts))
    session = Session(source)
    assert session.run(10_000_000).kind == "finished"
    return session


@pytest.mark.parametrize("register", ["ds", "es", "fs", "gs"])
@pytest.mark.parametrize("selector", ["0xfff3", "0x60", "0x68", "0x80", "7"])
def test_a_selector_that_cannot_be_loaded_becomes_null(
    tmp_path: Path, register: str, selector: str
) -> None:
    offset = {"gs": 0, "fs": 4, "es": 8, "ds": 12}[register]
    session = run(tmp_path, register=register, value=selector, offset=str(offset))
    assert session.stats.program_status == 0  # exit(0): the register reads as null


@pytest.mark.parametrize(("offset", "value"), [("SC_CS", "0x63"), ("SC_CS", "0"), ("72", "0x60")])
def test_a_frame_that_iret_refuses_is_a_signal(tmp_path: Path, offset: str, value: str) -> None:
    session = run(tmp_path, register="ds", value=value, offset=offset)
    assert session.stats.program_status == 4  # SIGILL, as do_iret_error of 2.6.39


@pytest.mark.parametrize("value", ["0x0", "0x7000", "0x20000", "0x3f7000"])
def test_flags_that_ring_3_may_not_have_are_left_out(tmp_path: Path, value: str) -> None:
    # IF stays on; IOPL, NT and VM stay off: seen by the program itself, as pushf reads them.
    look = "    pushfl\n    popl %eax\n    shrl $9, %eax\n    andl $0x129, %eax\n    jmp 1f\n"
    source = PROGRAM.replace("    movl $0x1234, %ecx\n", look)
    source = source.replace("    movl $__NR_exit", "1:  movl %eax, %ebx\n    movl $__NR_exit")
    path = tmp_path / "flags.S"
    path.write_text(source.format(register="ds", value=value, offset="SC_EFLAGS"))
    session = Session(path)
    assert session.run(10_000_000).kind == "finished"
    # Bits 9 (IF), 12 and 14 (IOPL's low bit, NT), 17 (VM), moved down: 1, 0x28, 0x100.
    assert session.stats.program_status == 1 << 8
