"""Programs of several files: sources, objects and archives, linked here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from command import toykernel

MAIN = ".globl _start\n_start: pushl $N\ncall twice\nmovl %eax, %ebx\nmovl $1, %eax\nint $0x80\n"
TWICE = ".globl twice\ntwice: movl 4(%esp), %eax\naddl %eax, %eax\nret\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.S").write_text('#include "number.h"\n' + MAIN)
    (tmp_path / "lib.s").write_text(TWICE)
    (tmp_path / "inc").mkdir()
    (tmp_path / "inc" / "number.h").write_text("#ifndef N\n#define N 21\n#endif\n")
    return tmp_path


def test_run_links_what_stands_behind_with(folder: Path) -> None:
    done = toykernel("run", "--with", "lib.s", "-I", "inc", "main.S", cwd=folder)
    assert (done.returncode, done.stderr) == (42, b"")
    done = toykernel("run", "--with", "lib.s", "-I", "inc", "-D", "N=5", "main.S", cwd=folder)
    assert done.returncode == 10


def test_build_takes_sources_and_the_file_runs_on_linux(folder: Path) -> None:
    done = toykernel(
        "build", "-I", "inc", "main.S", "lib.s", "-o", "p", "--map", "p.map", cwd=folder
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert toykernel("run", "p", cwd=folder).returncode == 42
    assert "lib.s" in (folder / "p.map").read_text()
    try:
        assert subprocess.run([folder / "p"], check=False).returncode == 42
    except OSError:
        pytest.skip("this host does not run 32-bit programs")


def test_objects_and_archives(folder: Path) -> None:
    try:
        for command in (["as", "--32", "lib.s", "-o", "lib.o"], ["ar", "rcs", "libtwo.a", "lib.o"]):
            subprocess.run(command, cwd=folder, check=True)
    except OSError:
        pytest.skip("GNU binutils are not installed")
    for words in (["lib.o"], ["-L", ".", "-l", "two"]):
        done = toykernel("build", "-I", "inc", "main.S", *words, "-o", "q", cwd=folder)
        assert (done.returncode, done.stderr) == (0, b"")
        assert toykernel("run", "q", cwd=folder).returncode == 42


def test_a_header_names_what_lies_beside_its_file(folder: Path) -> None:
    source = "# options: --with lib.s -I inc\n# expect status: 42\n"
    (folder / "t.S").write_text(source + (folder / "main.S").read_text())
    done = toykernel("test", str(folder / "t.S"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_links_what_a_header_names(folder: Path, tmp_path: Path) -> None:
    (folder / "headed.S").write_text(f"# with: lib.s\n{MAIN.replace('$N', '$4')}")
    elsewhere = tmp_path / "inc"
    assert toykernel("run", "../headed.S", cwd=elsewhere).returncode == 8
    assert toykernel("run", "--with", "../lib.s", "../headed.S", cwd=elsewhere).returncode == 8
    assert b"lib.s:" in toykernel("cycles", "../headed.S", cwd=elsewhere).stdout
    assert toykernel("build", "../headed.S", "-o", "p", cwd=elsewhere).returncode == 0
    assert toykernel("run", "p", cwd=elsewhere).returncode == 8
    (folder / "headed.S").write_text("# with: 'lib.s\nnop\n")
    done = toykernel("run", "headed.S", cwd=folder)
    assert done.returncode != 0
    assert b"headed.S:1: `with`" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "-I", "inc", "main.S"], "undefined symbol `twice'"),
        (["run", "--with", "none.s", "-I", "inc", "main.S"], "none.s: No such file or directory"),
        (["run", "--with", "main.S", "-I", "inc", "main.S"], "`_start' is defined twice"),
        (["build", "main.S", "lib.s", "-o", "lib.s"], "lib.s is the source itself"),
        (["build", "main.S", "-l", "two", "-o", "p"], "there is no libtwo.a"),
        (["run", "-D", "1=2", "main.S"], "is not the name of a macro"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, words: list[str], said: str) -> None:
    done = toykernel(*words, cwd=folder)
    assert done.returncode == 125
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_an_output_never_replaces_an_input(folder: Path) -> None:
    toykernel("build", "main.S", "lib.s", "-o", "lib.s", cwd=folder)
    assert (folder / "lib.s").read_text() == TWICE
