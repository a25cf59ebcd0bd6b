"""strace's format, piece by piece; against the real one: test_strace_native.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emu.paging import PTE_A, PTE_D, walk
from toykernel.harness.session import Session
from toykernel.kernel.siginfo import pack_siginfo
from toykernel.look.memory import peek, peek_string, peek_word
from toykernel.observe.decoding.call import Call
from toykernel.observe.decoding.names_processes import FLAGS
from toykernel.observe.decoding.processes import status_text
from toykernel.observe.decoding.results import result_text
from toykernel.observe.decoding.signals import siginfo_text
from toykernel.observe.decoding.text import quote
from toykernel.observe.strace import Strace, told_info

USERLAND = Path(__file__).parents[2] / "userland"


def trace(path: Path, *, to_file: bool = True, args: tuple[str, ...] = ()) -> str:
    """Our trace of a program."""
    lines: list[bytes] = []
    session = Session(path, args)
    strace = Strace(session.kernel, lines.append, every_line_has_pid=to_file)
    session.run(5_000_000)
    strace.close()
    return b"".join(lines).decode()


def source(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "program.S"
    path.write_text(text)
    return path


# -- lines -----------------------------------------------------------------------------------------


def test_columns_prefixes_and_interruptions() -> None:
    lines = trace(USERLAND / "fork_sample.S").splitlines()
    assert lines[0].startswith('2     execve("/fork_sample", ["/fork_sample"], 0xbf')
    assert lines[0].endswith(" /* 0 vars */) = 0")
    assert lines[1] == "2     fork()                            = 3"
    assert "2     waitpid(3,  <unfinished ...>" in lines
    assert "3     exit(0)                           = ?" in lines
    assert "3     +++ exited with 0 +++" in lines
    assert "2     <... waitpid resumed>NULL, 0)     = 3" in lines
    assert lines[-1] == "2     +++ exited with 0 +++"


def test_on_a_terminal_the_process_is_named_while_there_are_several() -> None:
    lines = trace(USERLAND / "fork_sample.S", to_file=False).splitlines()
    assert lines[0].startswith("execve(")
    assert lines[1:3] == [
        "fork(strace: Process 3 attached",
        ")                                  = 3",
    ]
    assert lines[3].startswith("[pid     2] write(1, ")
    assert "[pid     3] +++ exited with 0 +++" in lines
    assert lines[-1] == "+++ exited with 0 +++"


def test_a_signal_that_kills(tmp_path: Path) -> None:
    lines = trace(source(tmp_path, ".globl _start\n_start: movl 0xC0100000, %eax\n")).splitlines()
    assert lines[-2:] == [
        "2     --- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0xc0100000} ---",
        "2     +++ killed by SIGSEGV +++",
    ]


def test_a_run_that_stops_in_the_middle_of_a_call() -> None:
    lines: list[bytes] = []
    session = Session(USERLAND / "fork_sample.S")
    strace = Strace(session.kernel, lines.append, every_line_has_pid=True)
    while not strace._line:
        session.step()
    strace.close()
    strace.close()
    assert lines[-1].endswith(b" <detached ...>\n")


def test_init_is_not_part_of_the_trace() -> None:
    assert not [x for x in trace(USERLAND / "orphan.S").splitlines() if x.startswith("1 ")]


def test_tracing_changes_nothing(tmp_path: Path) -> None:
    """Not even an accessed bit: same output, cycles and RAM with and without."""
    plain, traced = Session(USERLAND / "fork_tree.S"), Session(USERLAND / "fork_tree.S")
    strace = Strace(traced.kernel, lambda data: None, every_line_has_pid=True)
    plain.run()
    traced.run()
    strace.close()
    assert traced.stdout == plain.stdout
    assert traced.kernel.machine.clock.cycles == plain.kernel.machine.clock.cycles
    assert traced.kernel.machine.ram.image() == plain.kernel.machine.ram.image()


def test_looking_at_memory_sets_no_bit_and_takes_no_fault(tmp_path: Path) -> None:
    session = Session(source(tmp_path, ".globl _start\n_start: jmp _start\n.bss\nx: .skip 40960\n"))
    session.run(20_000)
    k = session.kernel
    mm = k.current.mm
    assert mm is not None
    assert session.program is not None
    x = session.program.symbols["x"].value + 8192
    assert walk(k.machine.ram, mm.pgd, x).physical is None
    faults, before = dict(session.stats.faults), k.machine.ram.image()
    assert peek(k, mm, x, 4096) == bytes(4096)  # untouched: zeros, and still not there
    assert peek_word(k, mm, session.program.entry) is not None
    assert peek_string(k, mm, x, 10) == (b"", True)
    assert peek(k, mm, 0, 1) is None
    assert peek(k, mm, 0xBFFFFFFF, 2) is None
    assert peek(k, mm, 0xC0100000, 4) is None
    assert peek(k, mm, 0xFFFFFFFF, 4) is None
    assert peek(k, None, x, 1) is None
    assert walk(k.machine.ram, mm.pgd, x).physical is None
    assert (session.stats.faults, k.machine.ram.image()) == (faults, before)
    entry = walk(k.machine.ram, mm.pgd, session.program.entry).pte
    assert entry is not None
    assert not entry & PTE_D
    assert entry & PTE_A


# -- values ----------------------------------------------------------------------------------------


def test_strings_are_quoted_as_strace_quotes() -> None:
    assert quote(b'a\x01b\x012\x00\xff\t"\\\r\v\f~\x7f') == r'"a\1b\0012\0\377\t\"\\\r\v\f~\177"'
    assert quote(b"\x008") == r'"\08"'  # 8 is no octal digit


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0x0700, "{WIFEXITED(s) && WEXITSTATUS(s) == 7}"),
        (0x000B, "{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV}"),
        (0x008B, "{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}"),
        (0x137F, "{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}"),
        (0xFFFF, "{WIFCONTINUED(s)}"),
    ],
)
def test_wait_status(status: int, text: str) -> None:
    assert status_text(status) == text


@pytest.mark.parametrize(
    ("name", "result", "text"),
    [
        ("read", 5, "5"),
        ("brk", 0x804A000, "0x804a000"),
        ("brk", -0x50000000, "0xb0000000"),
        ("wait4", -10, "-1 ECHILD (No child processes)"),
        ("frob", -38, "-1 ENOSYS (Function not implemented)"),
        ("wait4", -512, "? ERESTARTSYS (To be restarted if SA_RESTART is set)"),
        ("getpid", -5000, "-5000"),
    ],
)
def test_results(name: str, result: int, text: str) -> None:
    session = Session(USERLAND / "hello.S")
    call = Call(session.kernel, None, name, [0] * 6, result)
    assert result_text(call) == text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (0, "0"),
        (3, "WNOHANG|WSTOPPED"),
        (0x40, "0x40 /* W??? */"),
        (0x49, "WNOHANG|WCONTINUED|0x40"),
        (0xE0000000, "__WCLONE|__WALL|__WNOTHREAD"),
    ],
)
def test_wait_options(word: int, text: str) -> None:
    assert FLAGS["wait_options"].flags(word) == text


@pytest.mark.parametrize(
    ("sig", "info", "text"),
    [
        (11, {"si_code": 2, "si_addr": 16}, "si_signo=SIGSEGV, si_code=SEGV_ACCERR, si_addr=0x10"),
        (11, {"si_code": 0x80}, "si_signo=SIGSEGV, si_code=SI_KERNEL, si_addr=NULL"),
        (8, {"si_code": 1, "si_addr": 0}, "si_signo=SIGFPE, si_code=FPE_INTDIV, si_addr=NULL"),
        (9, {}, "si_signo=SIGKILL, si_code=SI_KERNEL"),
        (15, {"si_code": 0, "si_pid": 4}, "si_signo=SIGTERM, si_code=SI_USER, si_pid=4, si_uid=0"),
        (
            17,
            {"si_pid": 3, "si_status": 0x8B},
            "si_signo=SIGCHLD, si_code=CLD_DUMPED, si_pid=3, si_uid=0, si_status=SIGSEGV, "
            "si_utime=0, si_stime=0",
        ),
    ],
)
def test_siginfo(sig: int, info: dict[str, int], text: str) -> None:
    assert siginfo_text(pack_siginfo(told_info(sig, info))) == "{" + text + "}"


def test_strings_and_vectors_in_calls(tmp_path: Path) -> None:
    """What the real one wrote for the same calls."""
    program = """
.globl _start
_start:
 movl $4,%eax; movl $-1,%ebx; movl $msg,%ecx; movl $60,%edx; int $0x80
 movl $4,%eax; movl $-1,%ebx; movl $msg,%ecx; movl $32,%edx; int $0x80
 movl $4,%eax; movl $-1,%ebx; movl $msg,%ecx; movl $-1,%edx; int $0x80
 movl $4,%eax; movl $1,%ebx; movl $msg,%ecx; movl $0,%edx; int $0x80
 movl $122,%eax; movl $16,%ebx; int $0x80
 movl $11,%eax; movl $path,%ebx; movl $0, %ecx; movl $0, %edx; int $0x80
 movl $11,%eax; movl $path,%ebx; movl $av, %ecx; movl $16, %edx; int $0x80
 movl $11,%eax; movl $0,%ebx; movl $16, %ecx; movl $av, %edx; int $0x80
 movl $252,%eax; movl $300,%ebx; int $0x80
.data
msg: .ascii "a\\001b\\0012\\000\\377\\t\\"\\\\\\r\\013\\f~\\177 01234567890abcdefghijklmnopqrstuvwxyz"
.asciz "abcdefghijklmnopqrstuvwxyz"
path: .asciz "/nonexistent/path/that/is/very/long/indeed/and/more"
.balign 4
av: .long msg, 16, path, 0
"""
    text = trace(source(tmp_path, program))
    av = int(re.findall(r"execve\(NULL, 0x10, (0x[0-9a-f]+) ", text)[0], 16)
    quoted = r'"a\1b\0012\0\377\t\"\\\r\v\f~\177 01234567890abcde"'
    path = '"/nonexistent/path/that/is/very/long/indeed/and/more"'
    vector = r'["a\1b\0012", 0x10, "/nonexistent/path/that/is/very/l"...]'
    bad, absent = "= -1 EBADF (Bad file descriptor)", "= -1 ENOENT (No such file or directory)"
    seen = [line[6:] for line in text.splitlines()[1:]]
    assert seen == [
        f"write(-1, {quoted}..., 60) {bad}",
        f"write(-1, {quoted}, 32) {bad}",
        f"write(-1, {quoted}..., 4294967295) {bad}",
        'write(1, "", 0)                   = 0',
        "uname(0x10)                       = -1 EFAULT (Bad address)",
        f"execve({path}, NULL, NULL) {absent}",
        f"execve({path}, {vector}, 0x10) {absent}",
        f"execve(NULL, 0x10, {av:#x} /* 3 vars */) = -1 EFAULT (Bad address)",
        "exit_group(300)                   = ?",
        "+++ exited with 44 +++",
    ]
