"""The command line as its users meet it: a process with arguments, output and an exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
USERLAND = ROOT / "userland"
COMMAND = [sys.executable, "-m", "toykernel.cli.main"]
TIMEOUT = 60  # seconds, for a loaded machine

EXIT_7 = ".globl _start\n_start: movl $1, %eax\nmovl $7, %ebx\nint $0x80\n"
SPIN = ".globl _start\n_start: jmp _start\n"
#: Writes "line\n" for ever.
CHATTER = """
.globl _start
_start:
    movl $4, %eax
    movl $1, %ebx
    movl $text, %ecx
    movl $5, %edx
    int $0x80
    jmp _start
.data
text: .ascii "line\\n"
"""
#: FUTEX_WAIT on a word that has the expected value, with nobody left to wake it.
SLEEP_FOR_EVER = """
.globl _start
_start:
    movl $240, %eax
    movl $word, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    int $0x80
    jmp _start
.data
word: .long 0
"""


def environment() -> dict[str, str]:
    """The tests' own tree comes first, whatever is installed."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def toykernel(
    *args: str | bytes | Path, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        cwd=cwd or ROOT,
        env=environment(),
    )


def write(directory: Path, text: str, name: str = "program.S") -> Path:
    """A source file."""
    path = directory / name
    path.write_text(text)
    return path
