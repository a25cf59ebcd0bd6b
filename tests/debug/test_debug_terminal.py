"""The debugger at a terminal: completion by context, history that lasts, a help text that fits."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from debug_tools import ROOT, SAMPLE, Terminal, debug

from toykernel.debug.completion import candidates

pexpect = pytest.importorskip("pexpect", reason="pexpect is not installed: see the extra `test`")
PROMPT = r"\(toykernel\) "
TIMEOUT = 60


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], object]]:
    """A debugger on a terminal of 80 by 24, with a state folder of its own."""
    children = []

    def make() -> object:
        child = pexpect.spawn(
            sys.executable,
            ["-m", "toykernel.cli.main", "debug", str(SAMPLE)],
            cwd=str(ROOT),
            env={
                "PATH": "/usr/bin:/bin", "TERM": "dumb", "HOME": str(tmp_path),
                "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": str(ROOT),
                "INPUTRC": "/dev/null",
            },
            dimensions=(24, 80),
            timeout=TIMEOUT,
            encoding="utf-8",
        )  # fmt: skip
        children.append(child)
        child.expect(PROMPT)
        return child

    yield make
    for child in children:
        child.close(force=True)


def test_tab_completes_by_context(start: Callable[[], object]) -> None:
    child = start()
    child.send("info sig\t")
    child.expect("info signals")
    child.sendline("")
    child.expect("signals of pid 2")
    child.expect(PROMPT)
    child.send("break syscall waitp\t")
    child.expect("waitpid")
    child.sendline("")
    child.expect("Breakpoint 1: system call waitpid")
    child.expect(PROMPT)
    child.send("print $ei\t")
    child.expect(r"\$eip")
    child.sendline("")
    child.expect("= 134516736")


def test_history_outlasts_the_session(start: Callable[[], object], tmp_path: Path) -> None:
    child = start()
    child.sendline("print 6*7")
    child.expect("= 42")
    child.expect(PROMPT)
    child.sendline("quit")
    child.expect(pexpect.EOF)
    assert "print 6*7" in (tmp_path / "state" / "toykernel" / "history").read_text()
    again = start()
    again.send("\x10\x10")  # twice back: Ctrl-P
    again.expect(r"print 6\*7")
    again.sendline("")
    again.expect("= 42")


def test_help_stays_on_the_screen(start: Callable[[], object]) -> None:
    child = start()
    child.sendline("help")
    child.expect("Running:")
    child.expect(PROMPT)
    shown = "Running:" + child.before
    assert shown.count("\r\n") < 24
    assert max(map(len, shown.split("\r\n"))) <= 80


@pytest.mark.parametrize(
    ("before", "text", "wanted"),
    [
        ("", "disa", ["disassemble"]),
        ("info ", "sy", ["symbol", "symbols"]),
        ("info regs ", "es", ["es", "esi", "esp"]),
        ("info task ", "", ["0", "1", "2"]),
        ("info page ", "coun", ["counter"]),
        ("i files ", "", ["0", "1", "2"]),
        ("break ", "sys_wai", ["sys_wait4", "sys_waitid", "sys_waitpid"]),
        ("break ", "fork_s", ["fork_sample.S:"]),
        ("tbreak ", "tra", ["trap"]),
        ("break syscall ", "waitp", ["waitpid"]),
        ("break trap ", "#P", ["#PF"]),
        ("x/4i ", "_sta", ["_start"]),
        ("print $", "eip", ["eip"]),
        ("task ", "", ["0", "1", "2"]),
        ("list ", "linux", ["linux.inc:"]),
        ("help ", "loo", ["looking"]),
        ("nonsense ", "", []),
    ],
)
def test_candidates(before: str, text: str, wanted: list[str]) -> None:
    terminal = Terminal()
    assert candidates(terminal.console, before, text) == wanted


def test_breakpoints_and_files_are_offered(tmp_path: Path) -> None:
    terminal = Terminal()
    terminal.do("break child")
    assert candidates(terminal.console, "delete ", "") == ["1"]
    (tmp_path / "commands").write_text("")
    (tmp_path / "folder").mkdir()
    found = candidates(terminal.console, "source ", f"{tmp_path}/")
    assert found == [f"{tmp_path}/commands", f"{tmp_path}/folder/"]


def test_commands_of_the_command_line(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("print 1\n")
    done = debug("-ex", "print 2", "-x", str(script), "-ex", "print 3", commands="print 4\n")
    assert re.findall(r"^= (\d)", done.stdout, re.MULTILINE) == ["1", "2", "3"]
    assert done.returncode == 0
    assert debug("-ex", "nonsense", commands="").returncode == 1
    done = debug("-ex", "quit", "-ex", "print 3", commands="")
    assert "= 3" not in done.stdout


def test_a_full_screen_needs_a_terminal_and_textual() -> None:
    done = debug("--tui")
    assert done.returncode == 125
    assert done.stderr.rstrip().endswith(
        ("--tui needs a terminal", "--tui needs Textual: pip install 'toykernel[tui]'")
    )
