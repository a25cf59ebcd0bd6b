"""gdb's machine interface as VS Code's cppdbg speaks it: a session of its commands, in its order."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.gdb.client import USERLAND
from tests.gdb.scenario import GDB
from toykernel.harness.build import build

pytestmark = pytest.mark.skipif(
    GDB is None, reason="NO GDB ON THIS MACHINE: its machine interface is not tried"
)


class Interface:
    """One gdb. It is killed when it has not said what is waited for after a minute."""

    def __init__(self, folder: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._gdb = subprocess.Popen(
            [str(GDB), "-nx", "-q", "--interpreter=mi2"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "PATH": path, "LC_ALL": "C"},
        )
        self._limit = threading.Timer(60, self._gdb.kill)
        self._limit.start()
        self._number = 1000
        self.said: list[str] = []

    def _line(self, start: str) -> str:
        """The next line that begins so."""
        assert self._gdb.stdout is not None
        for line in self._gdb.stdout:
            self.said.append(line)
            if line.startswith(start):
                return line.rstrip("\n")
        raise AssertionError("".join(self.said[-20:]))

    def ask(self, command: str) -> str:
        """What it answers: ^done, ^running, ^connected."""
        self._number += 1
        assert self._gdb.stdin is not None
        self._gdb.stdin.write(f"{self._number}-{command}\n")
        self._gdb.stdin.flush()
        return self._line(f"{self._number}^").removeprefix(str(self._number))

    def run(self, command: str) -> str:
        """Why it has stopped."""
        assert self.ask(command) == "^running"
        return self._line("*stopped")

    def end(self) -> int:
        """Its exit status."""
        assert self.ask("gdb-exit") == "^exit"
        self._gdb.communicate()
        self._limit.cancel()
        return self._gdb.returncode


def test_a_session_of_cppdbg(tmp_path: Path) -> None:
    program = tmp_path / "fork_sample"
    program.write_bytes(build(USERLAND / "fork_sample.S")[0])
    mi = Interface(tmp_path)
    for command in (
        *("gdb-set target-async on", "gdb-set mi-async on", "gdb-set pagination off"),
        *("gdb-set auto-solib-add on", f"gdb-set solib-search-path {tmp_path}"),
        *(f"environment-cd {tmp_path}", "gdb-set disassembly-flavor intel"),
        *("gdb-set debuginfod enabled off", f"file-exec-and-symbols {program}"),
        'interpreter-exec console "set breakpoint pending on"',
        'interpreter-exec console "set detach-on-fork off"',
    ):
        assert mi.ask(command) == "^done"
    serve = f"toykernel gdb --stdio {USERLAND / 'fork_sample.S'}"
    assert mi.ask(f"target-select extended-remote | {serve}") == "^connected"
    bound = mi.ask("break-insert -f parent")
    assert 'type="breakpoint"' in bound
    assert 'line="30"' in bound
    stopped = mi.run("exec-continue")
    assert 'reason="breakpoint-hit"' in stopped
    assert 'thread-id="1"' in stopped
    assert mi.ask("thread-info").count('target-id="Thread ') == 2  # both sides of the fork
    assert 'func="parent"' in mi.ask("stack-list-frames 0 1000")
    assert '["eax","ecx","edx","ebx"' in mi.ask("data-list-register-names")
    assert '{number="0",value="0x3"}' in mi.ask("data-list-register-values x 0")
    assert mi.ask("stack-list-variables --thread 1 --frame 0 --simple-values").startswith("^done")
    assert 'type="int"' in mi.ask('var-create - * "*(int *)&counter"')
    assert 'value="1"' in mi.ask('data-evaluate-expression "*(int *)&counter"')
    assert 'contents="01000000"' in mi.ask("data-read-memory-bytes &counter 4")
    assert 'reason="end-stepping-range"' in mi.run("exec-next")
    assert 'reason="end-stepping-range"' in mi.run("exec-step-instruction")
    assert "mov    ecx," in mi.ask("data-disassemble -s $pc -e $pc+5 -- 0")
    assert 'line="76"' in mi.run("exec-next --reverse")
    assert mi.ask("list-target-features") == '^done,features=["async","reverse"]'
    assert mi.ask("break-delete 1") == "^done"
    assert mi.end() == 0
