"""What a program puts into its signal frame never breaks the kernel on its way back to user mode."""

from pathlib import Path

import pytest
from native_linux import build
from native_linux import run as run_native

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


#: sigreturn where no frame is, and the signal that ends it: where the frame or its FPU state cannot be read,
#: SIGSEGV from the call itself; where they can, what IRET makes of CS and SS.
NO_FRAMES = {
    "rt, at the start": ("movl $173, %eax; int $0x80", 11),
    "at the start": ("movl $119, %eax; int $0x80", 11),
    "rt, unmapped": ("movl $0x10000000, %esp; movl $173, %eax; int $0x80", 11),
    "rt, an FPU state that is nowhere": ("movl $-1, 20 + SC_FPSTATE + zeros + 144; movl $zeros + 4, %esp\n"
                                         "movl $173, %eax; int $0x80", 11),
    "rt, all ones": ("movl $ones + 512, %esp; movl $173, %eax; int $0x80", 11),
    "rt, zeros": ("movl $zeros + 512, %esp; movl $173, %eax; int $0x80", 4),
    "zeros": ("movl $zeros + 512, %esp; movl $119, %eax; int $0x80", 4),
    "rt, in a frame that is none": ("set_handler $SIGUSR1, $wrong, $0; kill_self $SIGUSR1", 4),
}  # fmt: skip
NO_FRAME_PROGRAM = """
.include "linux.inc"
.include "signal.inc"
.text
.globl _start
_start:
    {}
    sys_exit $9
wrong: addl $4, %esp
    movl $173, %eax
    int $0x80
.data
zeros: .fill 4096, 1, 0
ones: .fill 4096, 1, 0xff
.include "print.inc"
"""


@pytest.mark.usefixtures("linux32")
@pytest.mark.parametrize("name", NO_FRAMES)
def test_a_frame_that_is_none(tmp_path: Path, name: str) -> None:
    """A 64-bit Linux says SIGSEGV of an IRET that is refused; an i386's says SIGILL (iret_error, traps.c)."""
    text, signal = NO_FRAMES[name]
    source = tmp_path / "frame.S"
    source.write_text(NO_FRAME_PROGRAM.format(text.replace("; ", "\n    ")))
    session = Session(source)
    assert session.run(10_000_000).kind == "finished"
    assert session.stats.program_status == signal
    assert run_native(build(source, tmp_path))[3] == 11
