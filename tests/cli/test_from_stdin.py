"""PROGRAM `-`: source and finished programs from standard input."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from command import COMMAND, EXIT_7, ROOT, TIMEOUT, USERLAND, environment, toykernel


def piped(data: bytes, *args: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        input=data,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        cwd=cwd,
        env=environment(),
    )


def test_source_from_standard_input() -> None:
    done = piped((USERLAND / "hello.S").read_bytes(), "run", "-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Hello from ring 3\n", b"")


def test_what_is_wrong_is_told_of_standard_input() -> None:
    done = piped(b"\n\nmovx $1, %eax\n", "run", "-")
    assert done.returncode == 125
    assert done.stderr.startswith(b"<stdin>:3: no such instruction: `movx'")


def test_a_death_names_the_line_of_standard_input() -> None:
    done = piped(b".globl _start\n_start:\n  movl 0, %eax\n", "run", "-")
    assert done.returncode == 128 + 11
    assert b"(<stdin>:3: movl 0, %eax)" in done.stderr


def test_the_program_is_the_same_as_from_a_file(tmp_path: Path) -> None:
    source = (USERLAND / "fork_sample.S").read_bytes()
    (tmp_path / "stdin.S").write_bytes(source)
    piped_in = piped(source, "run", "--report", "-", "-", cwd=tmp_path)
    from_file = toykernel("run", "--report", "-", "stdin.S", cwd=tmp_path)
    assert piped_in.stdout.replace(b"<stdin>", b"stdin.S") == from_file.stdout


def test_a_finished_program_and_its_includes(tmp_path: Path) -> None:
    (tmp_path / "seven.inc").write_text(EXIT_7)
    built = piped(b'.include "seven.inc"\n', "build", "-", "-o", "seven", cwd=tmp_path)
    assert (built.returncode, built.stderr) == (0, b"")
    again = piped((tmp_path / "seven").read_bytes(), "run", "-", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (7, b"")
    assert piped(b"", "build", "-", "-o", "x", "--map", "y", cwd=tmp_path).returncode == 125


def test_the_preprocessor_and_the_linker_take_it(tmp_path: Path) -> None:
    (tmp_path / "seven.S").write_text(".globl seven\nseven: movl $7, %ebx\nret\n")
    source = b"#define CALL call seven\n.globl _start\n_start: CALL\nmovl $1, %eax\nint $0x80\n"
    assert piped(source, "run", "--with", "seven.S", "-", cwd=tmp_path).returncode == 7


def test_the_guest_finds_the_input_at_its_end() -> None:
    read = (
        b".globl _start\n_start: movl $3, %eax\nxorl %ebx, %ebx\nmovl $buf, %ecx\nmovl $9, %edx\n"
        b"int $0x80\nleal 20(%eax), %ebx\nmovl $1, %eax\nint $0x80\n.bss\nbuf: .skip 9\n"
    )
    assert piped(read, "run", "-").returncode == 20
    assert piped(read, "run", "--stdin", "/dev/zero", "-").returncode == 29


def test_the_debugger_shows_its_source(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("list 1\n")
    done = piped(b"# first\n" + EXIT_7.encode(), "debug", "-x", script, "-")
    assert done.returncode == 0, done.stderr
    assert b"# first" in done.stdout
    assert b"<stdin>:3" in done.stdout


@pytest.mark.parametrize("args", [["run", "-"], ["cycles", "-"], ["build", "-", "-o", "x"]])
def test_a_closed_standard_input_is_misuse(args: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" <&-', "sh", *COMMAND, *args],
        capture_output=True, timeout=TIMEOUT, check=False, cwd=tmp_path, env=environment(),
    )  # fmt: skip
    assert done.returncode == 125
    assert b"Traceback" not in done.stderr
