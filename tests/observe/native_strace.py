"""The real strace, where there is one."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from native_linux import skip_if_linux_hangs, skip_unless_linux32

from toykernel.harness.build import build

_FLUSH = 0.02  # seconds between looks at what the tracer, which ends after the program, has written
_LONG = 0.4  # seconds after which a program without an end has said all


def skip_unless_strace(directory: Path) -> None:
    """Skips, saying why, where programs of 32 bits cannot be traced."""
    skip_unless_linux32(directory)
    if shutil.which("strace") is None:
        pytest.skip("no strace on this machine: its format cannot be compared")
    probe = subprocess.run(
        ["strace", "-f", "-o", str(directory / "out"), "true"], capture_output=True, check=False
    )
    if probe.returncode:
        pytest.skip(f"strace cannot trace here: {probe.stderr.decode().strip()}")


def _ended(text: str) -> bool:
    """Whether every process of a trace has its last line."""
    begun = {line.split()[0] for line in text.splitlines()}
    begun -= set(re.findall(r"superseded by execve in pid (\d+)", text))
    ends = [line for line in text.splitlines() if " +++ " in line and "superseded" not in line]
    return bool(begun) and begun == {line.split()[0] for line in ends}


def native_trace(
    source: Path,
    directory: Path,
    args: tuple[str, ...],
    env: dict[str, str],
    *,
    leads: bool,
    endless: bool,
    terminal: bool,
) -> str:
    """What strace -f writes of a program. `leads`: it leads a session of its own, with the tracer as a
    grandchild; `endless`: it is killed in the end; `terminal`: it writes to one, not to a file.
    """
    program, trace = directory / source.stem, directory / "native"
    if not program.exists():  # a process of an earlier run may still be at its end
        program.write_bytes(build(source)[0])
        program.chmod(0o755)
    command = [
        "strace",
        *(["-D"] if leads else []),
        "-f",
        "-o",
        str(trace),
        f"./{source.stem}",
        *args,
    ]
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(open(directory / "out", "wb")).fileno()
        if terminal:
            ours, out = pty.openpty()
            stack.callback(os.close, out)
            stack.callback(os.close, ours)
        process = subprocess.Popen(
            command, cwd=directory, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            env=env, start_new_session=leads,
        )  # fmt: skip
        if endless:
            time.sleep(_LONG)
            for pid in {int(line.split()[0]) for line in trace.read_text().splitlines()}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            skip_if_linux_hangs(process)
            raise
    deadline = time.monotonic() + 10
    while leads and not _ended(trace.read_text()) and time.monotonic() < deadline:
        time.sleep(_FLUSH)
    return trace.read_text()
