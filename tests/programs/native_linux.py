"""Running a program on this machine's own Linux, the independent source of truth."""

import os
import resource
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from toykernel.harness.expectations import Expectations

USERLAND = Path(__file__).parents[2] / "userland"
PROGRAMS = sorted(USERLAND.glob("*.S"))
TIMEOUT = 10  # seconds; every program ends within a few milliseconds
STACK_LIMIT = 8 << 20  # bytes; Linux's default, in which stack_overflow must end

EXIT_42 = ".globl _start\n_start: movl $1, %eax\nmovl $42, %ebx\nint $0x80\n"


def build(source: Path, directory: Path) -> Path:
    """Assemble and link `source` with GNU tools; the executable. Fails with the tool's words."""
    compiled = directory / "program.o"
    program = directory / source.stem
    for command in (
        ["as", "--32", "-I", str(USERLAND / "include"), str(source), "-o", str(compiled)],
        ["ld", "-m", "elf_i386", str(compiled), "-o", str(program)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
        assert done.stderr == "", f"{' '.join(command)}\n{done.stderr}"
    return program


def ask_linux(
    command: list[str], *, timeout: float = TIMEOUT, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """`subprocess.run`, with what it writes, for whoever asks something of this machine's Linux. Skips,
    saying why, when Linux does not come back from a call (see skip_if_linux_hangs)."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    ) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            skip_if_linux_hangs(process)
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def skip_if_linux_hangs(process: subprocess.Popen[bytes]) -> None:
    """Skips, saying why, when a process or one below it sleeps in a call so that not even SIGKILL ends it,
    as after an oops of the machine's kernel that has left a lock held. It is left behind.
    """
    below = {process.pid}
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        states = {pid: (parent, state) for pid, parent, state in _processes()}
        for pid in sorted(states):
            if states[pid][0] in below:
                below.add(pid)
        hanging = [pid for pid in sorted(below) if states.get(pid, (0, ""))[1] == "D"]
        if not hanging:
            return
        time.sleep(0.1)
    process.kill()
    process.returncode = -9  # nobody waits for what cannot end
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    pytest.skip(
        f"this machine's Linux does not come back from a call of {process.args!r}: reboot it"
    )


def _processes() -> list[tuple[int, int, str]]:
    """(pid, parent, state letter) of every process; none where there is no /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = stat.read_text(errors="replace").rpartition(")")[2].split()
            found.append((int(stat.parent.name), int(words[1]), words[0]))
    return found


def set_limits() -> None:
    """Between fork and exec: the limits that a program's fate may depend on."""
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (STACK_LIMIT, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(PermissionError):
        normal_niceness()


def normal_niceness() -> None:
    """Between fork and exec: nice 0, whatever the tests themselves run under. Raises PermissionError."""
    if os.getpriority(os.PRIO_PROCESS, 0) != 0:
        os.setpriority(os.PRIO_PROCESS, 0, 0)


def skip_unless_normal_niceness() -> None:
    """Skips, saying why, a test of priorities where the caller's niceness cannot be left behind."""
    try:
        subprocess.run(["true"], check=True, preexec_fn=normal_niceness)
    except subprocess.SubprocessError:
        pytest.skip("the tests run under `nice', and may not give a program the normal priority")


def run(
    program: Path,
    args: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
    *,
    session: bool = False,
) -> tuple[bytes, bytes, int, int | None]:
    """Run to the end of all output, with `session` in a session of its own; returns stdout, stderr,
    shell status, signal or None.
    """
    done = ask_linux(
        [str(program), *args],
        env=env or {},
        stdin=subprocess.DEVNULL,
        preexec_fn=set_limits,
        start_new_session=session,
    )
    signal = -done.returncode if done.returncode < 0 else None
    status = done.returncode if signal is None else 128 + signal
    return done.stdout, done.stderr, status, signal


def environment(expectations: Expectations) -> dict[str, str]:
    """The variables that `--env K=V` asks for; any other option means nothing to a real Linux."""
    variables: dict[str, str] = {}
    words = iter(expectations.options)
    for word in words:
        assert word == "--env", f"{expectations.path}: {word} has no native meaning: `native: no`?"
        name, equals, value = next(words, "").partition("=")
        assert equals, f"{expectations.path}: --env needs NAME=VALUE"
        variables[name] = value
    return variables


def skip_unless_linux32(directory: Path) -> None:
    """Skips, saying why, where 32-bit programs cannot be built or run."""
    for tool in ("as", "ld"):
        if shutil.which(tool) is None:
            pytest.skip(f"no `{tool}`: GNU binutils are not installed")
    source = directory / "probe.S"
    source.write_text(EXIT_42)
    probe = subprocess.run(
        ["as", "--32", str(source), "-o", str(directory / "probe.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode != 0:
        pytest.skip(f"`as --32` does not work here: {probe.stderr.strip()}")
    if os.uname().sysname != "Linux":
        pytest.skip("not a Linux: nothing to compare with")
    try:
        status = run(build(source, directory))[2]
    except OSError as error:
        pytest.skip(f"this machine does not run 32-bit x86 programs: {error}")
    if status != 42:
        pytest.skip(f"this machine does not run 32-bit x86 programs: probe ended with {status}")
