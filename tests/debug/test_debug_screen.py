"""The debugger's lines on a terminal: colours and pages, there alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from debug_tools import ROOT, SAMPLE

from toykernel.debug.screen import MORE, Screen, coloured, wants_colour

CODES = re.compile(r"\x1b\[[\d;]*m")


@pytest.mark.parametrize(
    ("when", "environment", "terminal", "wanted"),
    [
        ("auto", {"TERM": "xterm"}, True, True),
        ("auto", {"TERM": "xterm"}, False, False),
        ("auto", {"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ("auto", {"TERM": "xterm", "NO_COLOR": ""}, True, True),  # no-color.org: when not empty
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"TERM": "xterm"}, True, False),
    ],
)
def test_when_there_are_colours(
    when: str, environment: dict[str, str], terminal: bool, wanted: bool
) -> None:
    assert bool(wants_colour(when, environment, terminal=terminal)) == wanted


def test_what_is_coloured() -> None:
    line = "=> 0x08049000 <_start>:\tmovl   $1, 0x804b000    # counter"
    assert coloured(line) == (
        "\x1b[1;32m=>\x1b[0m \x1b[33m0x08049000\x1b[0m \x1b[36m<_start>\x1b[0m:\tmovl   $1, 0x804b000   "
        "\x1b[2m # counter\x1b[0m"
    )
    assert coloured("counter in the child: 4") == "counter in the child: 4"
    assert coloured("Breakpoint 1, COW fault") == "\x1b[1mBreakpoint 1\x1b[0m, COW fault"


def run(*options: str, **environment: str) -> str:
    command = [sys.executable, "-m", "toykernel.cli.main", "debug"]
    done = subprocess.run(
        [*command, *options, "-ex", "break cow", "-ex", "c", SAMPLE],
        cwd=ROOT, env={**os.environ, "TERM": "xterm", **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_colours_are_asked_for_in_a_pipe() -> None:
    plain, shown = run(), run("--color", "always", NO_COLOR="1")
    assert not CODES.search(plain)
    assert "\x1b[1mBreakpoint 1\x1b[0m, COW fault" in shown
    assert CODES.sub("", shown) == plain


def test_a_screenful_at_a_time() -> None:
    shown: list[str] = []
    answers = iter(["\n", "q\n"])

    def ask() -> str:
        shown.append(MORE)
        return next(answers)

    screen = Screen(shown.append, size=lambda: (10, 4), ask=ask)
    for n in range(9):
        screen(f"{n}")
    assert MORE not in shown  # nobody has typed this
    shown.clear()
    screen.begin()
    for n in range(99):
        screen(f"{n}")
    screen.end()
    assert shown == ["0", "1", "2", MORE, "3", "4", "5", MORE]
    screen("after it")
    assert shown[-1] == "after it"
    shown.clear()
    answers = iter(["\n"])
    screen.begin()
    screen("x" * 21)  # three rows
    screen("y")
    assert shown == ["x" * 21, MORE, "y"]


def test_long_answers_at_a_terminal(tmp_path: Path) -> None:
    pexpect = pytest.importorskip(
        "pexpect", reason="pexpect is not installed: see the extra `test`"
    )
    child = pexpect.spawn(
        sys.executable, ["-m", "toykernel.cli.main", "debug", str(SAMPLE)], cwd=str(ROOT),
        env={"PATH": "/usr/bin:/bin", "TERM": "dumb", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        dimensions=(24, 80), timeout=60, encoding="utf-8",
    )  # fmt: skip
    try:
        child.expect(r"\(toykernel\) ")
        lengths = []
        for answer in ("q", ""):
            child.sendline("info idt")
            child.expect(MORE)
            assert 12 < child.before.count("\n") <= 24  # 23 rows: long lines take two
            child.sendline(answer)
            child.expect(r"\(toykernel\) ")
            lengths.append(child.before.count("\n"))
        assert lengths[0] == 1
        assert lengths[1] > 1
        child.sendline("info tasks")
        child.expect("fork_sample")
        child.expect(r"\(toykernel\) ")
    finally:
        child.close(force=True)
