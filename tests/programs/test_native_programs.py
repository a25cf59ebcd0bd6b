"""Programs that write down what calls answer: line by line the same here and on this machine's own Linux.

They are C without a library, so that nothing but the kernel answers. See calls/calls.h.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from native_linux import run, skip_unless_linux32

from toykernel.check.invariants import check_all
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames

CALLS = Path(__file__).parent / "calls"
SOURCES = sorted(CALLS.glob("*.c"))
FLAGS = ("-m32", "-static", "-nostdlib", "-ffreestanding", "-fno-pic", "-no-pie", "-O1", "-w")
MAX_CYCLES = 2_000_000_000

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_here_as_on_linux(source: Path, tmp_path: Path) -> None:
    skip_unless_linux32(tmp_path)
    if os.geteuid():
        pytest.skip("here the programs are root, and on this Linux they would not be")
    program = tmp_path / source.stem
    command = ["gcc", *FLAGS, "-fno-stack-protector", str(source), "-o", str(program)]
    subprocess.run(command, check=True)
    there, _, status, _ = run(program)
    session = Session(program)
    assert session.run(MAX_CYCLES).kind == "finished"
    assert session.stdout.decode().splitlines() == there.decode().splitlines()
    assert session.stats.program_status == status
    check_all(session.kernel)
    assert leaked_frames(session.kernel) == 0
