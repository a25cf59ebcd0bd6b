"""C on the command line: which compiler, its words, several files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from command import toykernel, write

from toykernel.cli.group import call
from toykernel.harness.compiler import find_compiler

needs_gcc = pytest.mark.skipif(
    find_compiler({"PATH": "/usr/bin:/bin"}) is None, reason="no C compiler"
)
SEVEN = '#include <stdio.h>\nint seven(void);\nint main(void) { puts("x"); return seven(); }\n'


@needs_gcc
def test_a_program_of_c_and_assembly(tmp_path: Path) -> None:
    write(tmp_path, SEVEN, "main.c")

    write(tmp_path, "int seven(void) { return N; }\n", "seven.c")
    done = toykernel("run", "--with", "seven.c", "-D", "N=7", "main.c", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (7, b"x\n")
    assert toykernel(
        "build", "main.c", "seven.c", "-D", "N=9", "-o", "p", "--map", "p.map", cwd=tmp_path
    ).returncode == 0  # fmt: skip
    assert subprocess.run([tmp_path / "p"], check=False, stdout=subprocess.DEVNULL).returncode == 9
    assert "seven" in (tmp_path / "p.map").read_text()


@needs_gcc
def test_a_start_of_ones_own_needs_no_main(tmp_path: Path) -> None:
    write(tmp_path, "int work(void) { return 9; }\n", "work.c")
    write(tmp_path, ".globl _start\n_start: call work\nmovl %eax, %ebx\nmovl $1, %eax\nint $0x80\n")
    assert toykernel("run", "--with", "work.c", "program.S", cwd=tmp_path).returncode == 9


@needs_gcc
def test_the_compilers_words_are_shown_as_they_are(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = write(tmp_path, "int main(void) { return x; }\n", "bad.c")
    assert call(["run", str(source)]) == 125
    err = capfd.readouterr().err
    assert err.startswith(f"{source}: In function")
    assert f"{source}:1:25: error:" in err
    source = write(tmp_path, "int main(void) { int x; return 0; }\n", "unused.c")
    assert call(["run", "--cflags", "-Wall", str(source)]) == 0
    assert "warning: unused variable" in capfd.readouterr().err
    assert call(["run", "--cflags", "-Werror -Wall", str(source)]) == 125


@needs_gcc
def test_a_death_names_the_line_of_c(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = "int *volatile p;\nint main(void) {\n  *p = 1;\n  return 0;\n}\n"
    assert call(["run", str(write(tmp_path, text, "null.c"))]) == 139
    assert "null.c:3: *p = 1;" in capfd.readouterr().err


def test_no_compiler_says_how_to_get_one(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TOYKERNEL_CC", raising=False)
    monkeypatch.setattr("toykernel.harness.compiler.find_spec", lambda _: None)
    assert call(["run", str(write(tmp_path, SEVEN, "main.c"))]) == 125
    err = capfd.readouterr().err
    assert "pip install 'toykernel[c]'" in err
    assert len(err.splitlines()) == 1


def test_the_compiler_that_is_named_comes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "cc"
    fake.write_text("#!/bin/sh\nexit 0\n")
    fake.chmod(0o755)
    found = find_compiler({"TOYKERNEL_CC": f"{fake} -x 'a b'", "PATH": "/usr/bin"})
    assert found is not None
    assert found.words == (str(fake), "-x", "a b")
    fake.write_text("#!/bin/sh\nexit 1\n")
    found = find_compiler({"TOYKERNEL_CC": str(fake), "PATH": "/usr/bin"})
    assert found is not None
    assert not found.hosted


@needs_gcc
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("-o x", "--cflags: -o is ours; `toykernel build -o FILE` names the program's file"),
        ("-ox", "--cflags: -o is ours; `toykernel build -o FILE` names the program's file"),
        ("-O2 -S", "--cflags: with -S the compiler makes no program"),
    ],
)
def test_flags_without_a_program_are_named(
    flags: str, message: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = write(tmp_path, "int main(void) { return 0; }\n", "main.c")
    assert call(["run", "--cflags", flags, str(source)]) == 125
    assert message in capfd.readouterr().err
