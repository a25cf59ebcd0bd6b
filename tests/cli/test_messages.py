"""What the command says of its own accord: options behind PROGRAM, processes that were killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import EXIT_7, USERLAND, write

from toykernel.cli.group import call

#: The child stores to address 0; the parent waits for it and exits with 5.
CHILD_DIES = """
.globl _start
_start:
    movl $2, %eax
    int $0x80
    testl %eax, %eax
    jnz parent
    movl $1, 0              # the child dies here
parent:
    movl $7, %eax
    movl $-1, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    int $0x80
    movl $1, %eax
    movl $5, %ebx
    int $0x80
"""


#: A thread stores to address 0 while the other one runs on.
THREAD_DIES = """
.globl _start
_start:
    movl $120, %eax
    movl $0x10900, %ebx     # CLONE_VM | CLONE_SIGHAND | CLONE_THREAD
    movl $stack, %ecx
    int $0x80
    testl %eax, %eax
    jnz runs_on
    movl $1, 0              # the thread dies here
runs_on:
    jmp runs_on
.bss
    .skip 64
stack:
"""


def said(capfd: pytest.CaptureFixture[str], *args: object) -> tuple[int, str]:
    status = call([*map(str, args)])
    return status, capfd.readouterr().err


def test_an_option_behind_the_program_is_told_of_once(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program = write(tmp_path, EXIT_7)
    status, err = said(capfd, "run", program, "--strace", "--memory=4M")
    assert status == 7
    assert err == (
        "toykernel: --strace goes to the program; options of toykernel run stand before PROGRAM "
        "(write -- before PROGRAM when this is meant)\n"
    )
    assert said(capfd, "run", program, "word", "--memory=4M")[1].count("--memory=4M goes to") == 1
    assert "options of toykernel cycles stand" in said(capfd, "cycles", program, "--json")[1]


def test_what_is_meant_for_the_program_is_not(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program = write(tmp_path, EXIT_7)
    assert said(capfd, "run", "--", program, "--strace") == (7, "")
    assert said(capfd, "run", "--check", "--", program, "--strace") == (7, "")
    assert said(capfd, "run", program, "--frobnicate", "-l") == (7, "")


def test_a_child_that_is_killed_is_told_of(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, err = said(capfd, "run", write(tmp_path, CHILD_DIES))
    assert status == 5
    assert err.startswith("toykernel: pid 3 (program) killed by SIGSEGV at eip 0x0804900b")
    assert "program.S:8: movl $1, 0" in err
    assert "address 0x00000000, nothing is mapped there" in err
    assert err.count(" killed by ") == 1


def test_the_summary_has_it(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, err = said(capfd, "run", "--summary", write(tmp_path, CHILD_DIES))
    lines = [line for line in err.splitlines() if "SIGSEGV" in line]
    assert len(lines) == 1
    assert lines[0].startswith("killed by a signal     pid 3 (program) SIGSEGV at eip 0x0804900b")
    assert "program.S:8:" in lines[0]


def test_the_program_itself_is_told_of_once(capfd: pytest.CaptureFixture[str]) -> None:
    status, err = said(capfd, "run", USERLAND / "null_write.S")
    assert status == 139
    assert err.count("SIGSEGV") == 1


def test_of_threads_the_one_that_did_it_is_named(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, err = said(capfd, "run", write(tmp_path, THREAD_DIES))
    assert status == 139
    assert "program.S:10: movl $1, 0" in err


def test_a_second_source_behind_the_program_is_told_of(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program, other = write(tmp_path, EXIT_7), write(tmp_path, "f: ret\n", "other.s")
    text = (
        f"{other} goes to the program; to link it, write --with {other} before PROGRAM "
        "(write -- before PROGRAM when this is meant)"
    )
    assert said(capfd, "run", program, "x", other) == (7, f"toykernel: {text}\n")
    assert said(capfd, "run", "--", program, other) == (7, "")
    assert said(capfd, "run", "--with", other, program, "no_such_file.s") == (7, "")


def test_a_value_that_stands_without_its_equals_sign_is_explained(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program = write(tmp_path, EXIT_7)
    for option in ("--strace", "--cow", "--ftrace", "--check"):
        status, err = said(capfd, "run", option, "trace.txt", program)
        assert status == 125
        assert (
            f"trace.txt is not there; {option} takes a value only behind =, as in {option}=trace.txt"
        ) in err
    assert said(capfd, "run", "--check", program, program)[0] == 7


def test_a_moment_with_injected_failures_is_refused_before_the_run(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program, report = write(tmp_path, EXIT_7), tmp_path / "report"
    options = ("--fail-nth", "fork:1", "--report", report)
    status, err = said(capfd, "run", *options, "--save", tmp_path / "moment", program)
    assert (status, report.exists()) == (125, False)
    assert "--save does not go with --fail-nth" in err
    assert said(capfd, "run", *options, program)[0] != 125
    assert report.exists()


def test_a_moment_has_its_own_machine(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    program, moment = write(tmp_path, EXIT_7), tmp_path / "moment"
    assert said(capfd, "run", "--save", moment, program)[0] == 7
    for option in (("--memory", "32M"), ("-D", "X=1"), ("--timing", "off")):
        status, err = said(capfd, "debug", "--from", moment, *option, "-ex", "quit")
        assert status == 125
        assert f"{option[0]} does not go with --from: the moment has its own machine" in err
    assert said(capfd, "debug", "--from", moment, "--history", "1M", "-ex", "quit")[0] == 0
