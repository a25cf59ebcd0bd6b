"""The debugger on C: the call stack and local variables, from what the compiler left in the file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from debug_tools import Terminal

from toykernel.harness.recipe import Recipe

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
SOURCE = """#include <toykernel.h>
int depth(int n, char mark) {
  int twice = n * 2;
  int row[3] = {n, 7, 8};
  if (n == 0)
    return mark + row[1];
  return depth(n - 1, mark) + twice;
}
int main(void) {
  return depth(2, -3);
}
"""


def at_the_start(folder: Path, flags: str) -> Terminal:
    (folder / "deep.c").write_text(SOURCE)
    return Terminal(folder / "deep.c", recipe=Recipe(cflags=tuple(flags.split())))


@pytest.mark.parametrize("flags", ["-O0", "-O1", "-O1 -fomit-frame-pointer"])
def test_the_call_stack_has_every_call(tmp_path: Path, flags: str) -> None:
    terminal = at_the_start(tmp_path, flags)
    for command in ("break depth", *["continue"] * 3):
        terminal.do(command)
    for _ in range(6):  # wherever in the function: its pushes and its pops move the stack pointer
        output = terminal.do("where")
        names = [line.split("<")[1].split("+")[0].split(">")[0] for line in output]
        assert names[:4] == ["depth", "depth", "depth", "main"]
        assert names[-1] == "_start"  # by way of the C library that there is
        assert [line.split("  ")[2] for line in output[1:4]] == [
            "deep.c:7",
            "deep.c:7",
            "deep.c:10",
        ]
        terminal.do("stepi")


def test_local_variables_have_addresses_and_values(tmp_path: Path) -> None:
    terminal = at_the_start(tmp_path, "-O0")
    for command in ("break deep.c:6", "continue"):
        terminal.do(command)
    found = {line.split()[0]: line.split(None, 1)[1] for line in terminal.do("info locals")}
    assert list(found) == ["n", "mark", "twice", "row"]
    assert {name: text.partition(" = ")[2] for name, text in found.items()} == {
        "n": "0", "mark": "-3", "twice": "0", "row": "",
    }  # fmt: skip
    row = int(found["row"].split()[1], 16)
    assert terminal.do(f"x/3dw {row:#x}")[0].split()[-3:] == ["0", "7", "8"]


def test_where_no_c_is_no_local_variable_is(tmp_path: Path) -> None:
    assert "-g" in Terminal().refused("info locals")


def test_local_variables_in_expressions(tmp_path: Path) -> None:
    terminal = at_the_start(tmp_path, "-O0")
    terminal.do("break deep.c:5 if n == 0")
    assert any("deep.c:5" in line for line in terminal.do("continue"))
    assert terminal.do("print n") == ["= 0  0x00000000"]
    assert terminal.do("print mark")[0].split()[-1] == "0xfffffffd"
    assert terminal.do("print *(row + 4)") == ["= 7  0x00000007"]
    assert terminal.do("print *&twice") == terminal.do("print twice")
    assert terminal.do("display n + 1")
    assert 'no symbol "nothing"' in terminal.refused("print nothing")
