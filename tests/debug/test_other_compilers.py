"""C by clang and by zig: it runs, it forks, and the debugger knows its lines, callers and variables."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from debug_tools import Terminal

from toykernel.cli.group import call
from toykernel.harness.recipe import Recipe

ZIG = " cc -target x86-linux-musl -fno-sanitize=undefined"
COMPILERS = {
    "clang": "clang --target=i386-linux-gnu" if shutil.which("clang") else "",
    "zig": "zig" + ZIG if shutil.which("zig") else f"{sys.executable} -m ziglang{ZIG}"
    if find_spec("ziglang") else "",
}  # fmt: skip
FORKS = """#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int counter = 5;
int twice(int n, const char *word) {
  int row[3] = {n, 7, 8};
  char mark = -3;
  if (n == 0)
    return counter + row[1] + mark;
  return twice(n - 1, word) + 1;
}
int main(void) {
  int ends[2], status;
  char text[8];
  if (pipe(ends))
    return 1;
  pid_t child = fork();
  if (child == 0) {
    write(ends[1], "abc", 4);
    exit(twice(2, "word"));
  }
  waitpid(child, &status, 0);
  read(ends[0], text, sizeof text);
  char *copy = malloc(8);
  strcpy(copy, text);
  printf("%s %d\\n", copy, WEXITSTATUS(status));
  return 0;
}
"""


@pytest.fixture(params=sorted(COMPILERS))
def compiler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    if not COMPILERS[name]:
        pytest.skip(
            f"{name} is not installed, so C by {name} is NOT TESTED (pip install ziglang, apt install clang)"
        )
    monkeypatch.setenv("TOYKERNEL_CC", COMPILERS[name])
    return name


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_program_that_forks(
    compiler: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path, "forks.c", FORKS)
    for flags in ("-O1", "-O0 -gdwarf-5", "-O3"):
        assert call(["run", "--cflags", flags, str(source)]) == 0
        said = capfd.readouterr()
        assert said.out == "abc 11\n"
        assert "warning" not in said.err


def test_c_beside_assembly_with_and_without_main(compiler: str, tmp_path: Path) -> None:
    work = write(tmp_path, "work.c", "int work(int x) { return x + 2; }\n")
    start = (
        ".globl _start\n_start: pushl $7\ncall work\nmovl %eax, %ebx\nmovl $1, %eax\nint $0x80\n"
    )
    assert call(["run", "--with", str(work), str(write(tmp_path, "start.S", start))]) == 9
    main = write(tmp_path, "main.c", "int half(int); int main(void) { return half(6); }\n")
    half = write(tmp_path, "half.S", ".globl half\nhalf: movl 4(%esp), %eax\nshrl $1, %eax\nret\n")
    assert call(["run", "--with", str(half), str(main)]) == 3


@pytest.mark.parametrize("flags", ["-O0 -gdwarf-5", "-O0 -gdwarf-4"])
def test_the_debugger_knows_callers_and_variables(
    compiler: str, tmp_path: Path, flags: str
) -> None:
    source = write(tmp_path, "forks.c", FORKS)
    terminal = Terminal(source, recipe=Recipe(cflags=tuple(flags.split())))
    for command in ("break twice", *["continue"] * 3):
        terminal.do(command)

    def variables() -> dict[str, str]:
        return {line.split()[0]: line.split(None, 1)[1] for line in terminal.do("info locals")}

    at_entry = variables()  # the frame is not set up yet: what %ebp will be is what counts
    assert list(at_entry) == ["n", "word", "row", "mark"]
    assert at_entry["n"].endswith(" = 0")
    lines = terminal.do("where")
    assert [line.split("<")[1].split("+")[0].split(">")[0] for line in lines[:4]] == [
        "twice", "twice", "twice", "main",
    ]  # fmt: skip
    assert [line.split("  ")[2] for line in lines[1:4]] == [
        "forks.c:12",
        "forks.c:12",
        "forks.c:22",
    ]
    terminal.do("break forks.c:11")
    terminal.do("continue")
    found = variables()
    assert found["mark"].endswith(" = -3")
    assert {name: found[name].split()[1] for name in ("n", "word")} == {
        name: at_entry[name].split()[1] for name in ("n", "word")
    }
    word = int(found["word"].rpartition(" = ")[2]) & 0xFFFFFFFF
    assert '"word"' in terminal.do(f"x/s {word:#x}")[0]
    assert terminal.do("print *(row + 4)") == ["= 7  0x00000007"]
    assert terminal.do("print *&counter") == ["= 5  0x00000005"]


def test_what_zig_cannot_do_is_said(
    compiler: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path, "main.c", "int main(void) { return 4; }\n")
    build = ["build", str(source), "-o", str(tmp_path / "program")]
    made = call([*build, "--map", str(tmp_path / "map")])
    said = capfd.readouterr().err
    if compiler == "zig":
        assert (made, said.count("\n")) == (125, 1)
        assert "--map: zig's linker has nothing like it" in said
    else:
        assert (made, said) == (0, "")
        assert "main" in (tmp_path / "map").read_text()
