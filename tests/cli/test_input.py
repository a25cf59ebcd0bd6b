"""Standard input: what reaches the guest, and that it can be had again to the bit."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command import COMMAND, ROOT, TIMEOUT, environment, toykernel, write

from toykernel.cli.input import Recorded
from toykernel.harness.session import Session
from toykernel.statehash import state_hash

#: Copies descriptor 0 to 1, at most eight bytes a read; exits with the number of reads that gave some.
CAT = """
.globl _start
_start:
    xorl %esi, %esi
again:
    movl $3, %eax
    xorl %ebx, %ebx
    movl $buffer, %ecx
    movl $8, %edx
    int $0x80
    testl %eax, %eax
    jle end
    incl %esi
    movl %eax, %edx
    movl $4, %eax
    movl $1, %ebx
    int $0x80
    jmp again
end:
    movl $1, %eax
    movl %esi, %ebx
    int $0x80
.bss
buffer: .skip 8
"""


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    return write(tmp_path, CAT, "cat.S")


def run(*args: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`toykernel run` with a pipe as standard input."""
    return subprocess.run(
        [*COMMAND, "run", *args],
        input=stdin,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        cwd=ROOT,
        env=environment(),
    )


def test_a_pipe_reaches_the_guest_to_its_end(cat: Path) -> None:
    data = bytes(range(256)) + b"odd"
    done = run(cat, stdin=data)
    assert (done.returncode, done.stdout, done.stderr) == (33, data, b"")


def test_a_file_reaches_the_guest(cat: Path, tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes(b"0123456789")
    done = run("--stdin", tmp_path / "words", cat, stdin=b"not this")
    assert (done.returncode, done.stdout) == (2, b"0123456789")


def test_closed_standard_input_is_at_its_end(cat: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" <&-', "sh", *COMMAND, "run", cat],
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        cwd=ROOT,
        env=environment(),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_no_more_is_taken_than_the_guest_reads(tmp_path: Path) -> None:
    once = CAT.replace("jmp again", "jmp end")
    done = subprocess.run(
        ["sh", "-c", '"$@"; cat', "sh", *COMMAND, "run", write(tmp_path, once)],
        input=b"12345678rest",
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        cwd=ROOT,
        env=environment(),
    )
    assert done.stdout == b"12345678rest"


def test_a_terminal_gives_lines_and_ctrl_d_ends(cat: Path) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "run", cat], stdin=slave, stdout=subprocess.PIPE, cwd=ROOT, env=environment()
    )
    os.close(slave)
    assert process.stdout is not None
    os.write(master, b"one\n")
    assert process.stdout.read(4) == b"one\n"
    os.write(master, b"two\n")
    assert process.stdout.read(4) == b"two\n"
    os.write(master, b"\x04")
    assert process.wait(TIMEOUT) == 2
    os.close(master)


#: Exits with 0 when descriptor 0 is a terminal of 24 rows of which it is the foreground group, after a read.
IS_TERMINAL = """
.globl _start
_start:
    movl $54, %eax          # ioctl(0, TIOCGWINSZ)
    xorl %ebx, %ebx
    movl $0x5413, %ecx
    movl $buffer, %edx
    int $0x80
    testl %eax, %eax
    jnz no
    cmpw $24, buffer
    jne no
    movl $54, %eax          # ioctl(0, TIOCGPGRP)
    movl $0x540f, %ecx
    int $0x80
    testl %eax, %eax
    jnz no
    movl $65, %eax          # getpgrp
    int $0x80
    cmpl %eax, buffer
    jne no
    movl $3, %eax
    movl $buffer, %ecx
    movl $8, %edx
    int $0x80
    movl $1, %eax
    int $0x80
no: movl $1, %eax
    movl $25, %ebx
    int $0x80
.bss
buffer: .skip 8
"""


def test_the_console_is_a_terminal_when_the_host_s_is(tmp_path: Path) -> None:
    program, record = write(tmp_path, IS_TERMINAL, "terminal.S"), tmp_path / "record"
    assert run(program).returncode == 25  # a pipe is none
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "run", "--record-input", record, program],
        stdin=slave,
        cwd=ROOT,
        env=environment(),
    )
    os.close(slave)
    os.write(master, b"line\n")
    assert process.wait(TIMEOUT) == 0
    os.close(master)
    assert record.read_text().splitlines() == ["toykernel input 1 tty", '[5, "line\\n"]']
    assert run("--input", record, program).returncode == 0  # and again, without any


def test_ctrl_c_ends_a_read_that_waits(cat: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "run", cat],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(b"here\n")
    process.stdin.flush()
    assert process.stdout.read(5) == b"here\n"  # now it waits for more
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT) == 130
    message = process.stderr.read()
    assert b"interrupted: pid 2 (cat)" in message
    assert b"Traceback" not in message


def test_a_recorded_run_is_had_again_to_the_bit(cat: Path, tmp_path: Path) -> None:
    record = tmp_path / "record"
    first = subprocess.Popen(
        [*COMMAND, "run", "--record-input", record, "--report", tmp_path / "1", cat],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
    )
    assert first.stdin is not None
    assert first.stdout is not None
    for piece in (b"abc", b"\xff\n", b"0123456789"):  # each arrives by itself
        first.stdin.write(piece)
        first.stdin.flush()
        assert first.stdout.read(len(piece)) == piece
    first.stdin.close()
    assert first.wait(TIMEOUT) == 4
    assert record.read_text().splitlines() == [
        "toykernel input 1",
        '[3, "abc"]',
        '[2, "\\u00ff\\n"]',
        '[8, "01234567"]',
        '[2, "89"]',
        '[0, ""]',
    ]
    again = run("--input", record, "--report", tmp_path / "2", cat)
    assert (again.returncode, again.stdout) == (4, b"abc\xff\n0123456789")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    other = run("--report", tmp_path / "3", cat, stdin=b"abc\xff\n0123456789")
    assert other.returncode == 2  # the same bytes in other pieces are another run
    assert (tmp_path / "3").read_bytes() != (tmp_path / "1").read_bytes()


def test_two_replays_end_in_the_same_state(cat: Path) -> None:
    record = b'toykernel input 1\n[3, "abc"]\n[12, "0123456789xy"]\n'
    sessions = [Session(cat, console_read=Recorded(record)) for _ in range(2)]
    for session in sessions:
        session.run()
        assert session.stdout == b"abc0123456789xy"
    assert state_hash(sessions[0].kernel) == state_hash(sessions[1].kernel)
    assert sessions[0].kernel.files.console_reads == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "was not written by --record-input"),
        ("toykernel input 1\nx\n", "line 2 is not [NUMBER, STRING]"),
        ('toykernel input 1\n[2, "abc"]\n', "line 2 has 3 bytes, not 2"),
        ('toykernel input 1\n[1, "\\u0100"]\n', "line 2 is not [NUMBER, STRING]"),
    ],
)
def test_a_record_that_is_none(cat: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "record").write_text(text)
    done = toykernel("run", "--input", tmp_path / "record", cat)
    assert done.returncode == 125
    assert message in done.stderr.decode()


def test_input_that_cannot_be_had(cat: Path, tmp_path: Path) -> None:
    done = toykernel("run", "--stdin", tmp_path / "none", cat)
    assert (done.returncode, b"cannot read" in done.stderr) == (125, True)
    done = toykernel("run", "--stdin", tmp_path, cat)  # a directory: open goes well, read does not
    assert (done.returncode, b"Is a directory" in done.stderr) == (125, True)
    done = toykernel("run", "--stdin", cat, "--input", cat, cat)
    assert (done.returncode, b"two sources" in done.stderr) == (125, True)
