"""The host as it may be: closed descriptors, pipes nobody reads, little memory, no /proc, no rights."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command import CHATTER, COMMAND, EXIT_7, TIMEOUT, USERLAND, environment, toykernel, write
from native_linux import ask_linux

HELLO = str(USERLAND / "hello.S")


def run(*args: str, shell: str = 'exec "$@"', **more: str) -> subprocess.CompletedProcess[bytes]:
    """The command under a shell, which can take away what the command has."""
    return subprocess.run(
        ["sh", "-c", shell, "sh", *COMMAND, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        env={**environment(), **more},
    )


# -- descriptors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option",
    [
        "--strace=",
        "--cow=",
        "--trace=sched=",
        "--trace=irq,syscalls=",
        "--ftrace=",
        "--record-input=",
    ],
)
def test_a_file_of_ours_never_is_standard_output(tmp_path: Path, option: str) -> None:
    out = tmp_path / "out"
    done = run("run", f"{option}{out}", HELLO, shell='exec "$@" >&-')
    assert done.returncode == 125
    assert done.stderr == b"toykernel: cannot write standard output: Bad file descriptor\n"
    assert not out.exists() or b"\nHello from ring 3" not in out.read_bytes()
    assert not out.exists() or not out.read_bytes().startswith(b"Hello")


@pytest.mark.parametrize(
    "args",
    [["run", HELLO], ["cycles", HELLO], ["test", HELLO], ["debug", HELLO], ["sysctl"], ["--help"],
     ["--version"], ["run", "--help"]],
)  # fmt: skip
def test_a_closed_standard_output_is_told_of(args: list[str]) -> None:
    done = run(*args, shell='exec "$@" >&-')
    assert done.returncode == 125
    assert done.stderr.endswith(b"toykernel: cannot write standard output: Bad file descriptor\n")


def test_a_closed_standard_error_costs_only_messages() -> None:
    done = run("run", HELLO, shell='exec "$@" 2>&-')
    assert (done.returncode, done.stdout) == (0, b"Hello from ring 3\n")
    done = run("run", "nope.S", shell='exec "$@" 2>&-')
    assert (done.returncode, done.stdout) == (125, b"")
    done = run("test", HELLO, shell='exec "$@" 2>&-')
    assert (done.returncode, done.stdout) == (0, b"1 passed, 0 failed\n")


def test_a_closed_standard_input_has_nothing_in_it(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        ".globl _start\n_start: movl $3, %eax\nxorl %ebx, %ebx\nmovl $word, %ecx\nmovl $4, %edx\n"
        "int $0x80\nmovl %eax, %ebx\naddl $5, %ebx\nmovl $1, %eax\nint $0x80\n.bss\nword: .long 0\n",
    )
    trace = tmp_path / "trace"
    done = run("run", f"--strace={trace}", str(source), shell='exec "$@" <&-')
    assert (done.returncode, done.stdout, done.stderr) == (5, b"", b"")
    assert b'read(0, "", 4)' in trace.read_bytes()


# -- pipes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ["run", HELLO], ["run", "--report", "-", HELLO], ["run", "--report", "/dev/stdout", "null_write.S"],
        ["run", "--strace=/dev/stdout", "fork_return.S"], ["run", "--timeline", "/dev/stdout", HELLO],
        ["build", HELLO, "-o", "/dev/stdout"], ["cycles", HELLO], ["cycles", "--json", "-", HELLO],
        ["debug", HELLO], ["test", "-v", HELLO], ["test", "-v", "-j", "2", HELLO, "fork_sample.S"],
        ["sysctl"], ["--help"], ["run", "--help"], ["--version"],
    ],
)  # fmt: skip
def test_a_pipe_that_nobody_reads_is_141(args: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*COMMAND, *args], stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE,
            timeout=TIMEOUT, check=False, cwd=USERLAND, env=environment(),
        )  # fmt: skip
    finally:
        os.close(writer)
    assert done.returncode == 128 + signal.SIGPIPE
    assert done.stderr in (b"", b"Hello from ring 3\n")  # the program's, of cycles


@pytest.mark.parametrize(
    "args", [["run", "--strace", HELLO], ["run", "nope.S"], ["run", "--x"], ["x"]]
)
def test_so_it_is_when_standard_error_is_the_pipe(args: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*COMMAND, *args], stdin=subprocess.DEVNULL, stderr=writer, timeout=TIMEOUT,
            stdout=subprocess.DEVNULL, check=False, env=environment(),
        )  # fmt: skip
    finally:
        os.close(writer)
    assert done.returncode == 128 + signal.SIGPIPE


def test_a_trace_whose_reader_leaves_ends_the_run(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    line = [*COMMAND, "run", f"--strace={pipe}", str(write(tmp_path, CHATTER))]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, env=environment()) as command:
        with pipe.open("rb") as trace:
            assert b"execve" in trace.readline()
        assert command.wait(TIMEOUT) == 128 + signal.SIGPIPE


# -- memory --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("megabytes", [80, 150, 600, 1000])
@pytest.mark.parametrize(
    "args",
    [
        ["run", HELLO],
        ["debug", HELLO],
        ["sysctl"],
        ["cycles", HELLO],
        ["test", "-j", "2", HELLO, str(USERLAND / "fork_sample.S")],
    ],
)
def test_too_little_memory_is_125_in_words(args: list[str], megabytes: int) -> None:
    limit = megabytes << 20
    done = subprocess.run(
        [*COMMAND, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        env=environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert done.returncode == 125, done.stderr
    assert done.stdout == b""
    assert done.stderr.startswith(b"toykernel: ")
    why = (b"memory", b"fail", b"the engine needs 1024 MiB of address space (see ulimit -v)")
    assert any(words in done.stderr for words in why)
    assert done.stderr.count(b"\n") == 1


# -- no /proc, no home, no rights ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def proc_can_be_hidden() -> None:
    line = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /proc"]
    if shutil.which("unshare") is None or ask_linux(line).returncode != 0:
        pytest.skip("/proc cannot be hidden without privileges")


@pytest.mark.usefixtures("proc_can_be_hidden")
@pytest.mark.parametrize(
    "args",
    [
        ["run", "fork_sample.S"], ["run", "--timing", "off", "--check", "fork_sample.S"],
        ["cycles", "fork_sample.S"], ["run", "--summary", "--report", "-", "fork_sample.S"],
        ["test", "hello.S"], ["build", "hello.S", "-o", "/dev/null"],
        ["run", "--report", "/dev/stdout", HELLO],
    ],
)  # fmt: skip
def test_without_proc_everything_is_the_same(args: list[str]) -> None:
    line = [*COMMAND, *args]
    hidden = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs none /proc && exec "$@"',
        "sh",
        *line,
    ]
    seen = [
        subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False,
            cwd=USERLAND, env=environment(),
        )
        for words in (line, hidden)
    ]  # fmt: skip
    assert seen[0].returncode == seen[1].returncode == 0
    assert (seen[0].stdout, seen[0].stderr) == (seen[1].stdout, seen[1].stderr)


@pytest.mark.parametrize("home", ["/dev/null", "/proc/none", ""])
def test_without_a_home_that_can_be_written(home: str) -> None:
    done = run("run", HELLO, HOME=home, XDG_CACHE_HOME="")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Hello from ring 3\n", b"")


#: What makes somebody of us who may write nothing; he may read as before, for the interpreter's sake.
NOBODY = [
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search", "--bounding-set=-all,+dac_read_search",
] if os.geteuid() == 0 else []  # fmt: skip


@pytest.mark.skipif(
    bool(NOBODY)
    and subprocess.run([*NOBODY, "true"], capture_output=True, check=False).returncode != 0,
    reason="root, and no setpriv",
)
@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["run", "--check", "program.S"], 7, b""),
        (["cycles", "program.S"], 7, b""),
        (["run", "--report", "new", "program.S"], 125, b"cannot write new: Permission denied"),
        (
            ["run", "--report", "report", "program.S"],
            125,
            b"cannot write report: Permission denied",
        ),
        (["run", "--strace=report", "program.S"], 125, b"cannot write report: Permission denied"),
        (["build", "program.S", "-o", "new"], 125, b"cannot write new: Permission denied"),
        (["build", "program.S", "-o", "/dev/null"], 0, b""),
    ],
)
def test_who_has_no_rights_is_told_so(
    tmp_path: Path, args: list[str], status: int, said: bytes
) -> None:
    write(tmp_path, EXIT_7)
    write(tmp_path, "old", "report").chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        done = subprocess.run(
            [*NOBODY, *COMMAND, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT,
            check=False, cwd=tmp_path, env={**environment(), "HOME": str(tmp_path), "XDG_CACHE_HOME": ""},
        )  # fmt: skip
    finally:
        tmp_path.chmod(0o755)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["program.S", "report"]
    assert (tmp_path / "report").read_text() == "old"


def test_a_terminal_that_is_hung_up_ends_a_run(tmp_path: Path) -> None:
    source = write(tmp_path, CHATTER)
    with subprocess.Popen(
        [*COMMAND, "run", str(source)], stdout=subprocess.PIPE, env=environment()
    ) as command:
        assert command.stdout is not None
        assert command.stdout.read(5) == b"line\n"
        sent = time.monotonic()
        command.send_signal(signal.SIGHUP)
        assert command.wait(TIMEOUT) == -signal.SIGHUP
        assert time.monotonic() - sent < 5


def test_the_command_still_is_what_it_was() -> None:
    done = toykernel("run", HELLO)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Hello from ring 3\n", b"")
