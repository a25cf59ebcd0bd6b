"""LLDB's gdb-remote, for one process: Debian's lldb in batch mode."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.gdb.client import Wire
from toykernel.harness.build import build

LLDB = shutil.which("lldb")
PROGRAM = Path(__file__).parent / "programs/signals.S"


@pytest.mark.skipif(LLDB is None, reason="NO LLDB ON THIS MACHINE: gdb-remote is not tried with it")
def test_lldb_steps_looks_and_changes(tmp_path: Path) -> None:
    program = tmp_path / "signals"
    program.write_bytes(build(PROGRAM)[0])
    wire = Wire("signals.S")
    handler, count = (wire.server.target.session.address(name) for name in ("handler", "count"))
    commands = (
        f"gdb-remote {wire.address[0]}:{wire.address[1]}",
        "process handle SIGUSR1 -s false -p true",
        f"breakpoint set -a {handler:#x}",
        "continue",
        "thread step-inst",
        f"memory read -s 4 -f d -c 1 {count:#x}",
        "register write eax 7",
        "register read eax",
        "breakpoint delete 1",
        f"memory write -s 4 {count:#x} 41",
        f"memory read -s 4 -f d -c 1 {count:#x}",
        "thread list",
        "process kill",
    )
    line = [str(LLDB), "-b", "-x", "-o", f"target create {program}"]
    for command in commands:
        line += ["-o", command]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    wire.thread.join(10)
    assert not wire.thread.is_alive()
    said = done.stdout
    assert "signals`_start at signals.S" in said
    assert "stop reason = breakpoint 1.1" in said
    assert "stop reason = instruction step into" in said
    assert f"{count:#010x}: 1\n" in said
    assert "eax = 0x00000007" in said
    assert f"{count:#010x}: 65\n" in said  # 0x41
    assert "tid = 0x0002" in said
    assert "Process 2 exited with status = 9 (0x00000009)" in said
