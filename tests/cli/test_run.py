"""`toykernel run` from outside: output, exit statuses, files, interruption."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import (
    CHATTER,
    COMMAND,
    EXIT_7,
    ROOT,
    SLEEP_FOR_EVER,
    SPIN,
    TIMEOUT,
    USERLAND,
    environment,
    toykernel,
    write,
)

from emu.engine_quirks import CPU_MODELS
from toykernel import gate
from toykernel.check import invariants
from toykernel.cli import option_types
from toykernel.cli.group import call
from toykernel.kernel.panic import panic
from toykernel.syscall_table import SYSCALLS, Call


def run(capfdbinary: pytest.CaptureFixture[bytes], *args: object) -> tuple[int, bytes, bytes]:
    """`toykernel run` in this process: status, standard output, standard error."""
    status = call(["run", *map(str, args)])
    out, err = capfdbinary.readouterr()
    assert b"Traceback" not in err
    return status, out, err


def test_the_guests_output_is_the_hosts() -> None:
    done = toykernel("run", "userland/hello.S")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Hello from ring 3\n", b"")


def test_an_exit_status_is_handed_on(tmp_path: Path) -> None:
    assert toykernel("run", write(tmp_path, EXIT_7)).returncode == 7


def test_a_signal_gives_128_and_its_number(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    status, out, err = run(capfdbinary, USERLAND / "null_write.S")
    assert status == 128 + signal.SIGSEGV
    assert out == b"about to write to address 0\n"
    assert b"SIGSEGV" in err
    assert b"null_write.S:27" in err
    assert b"0x00000000" in err


def test_both_streams_keep_their_bytes(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    every = "".join(f".byte {n}\n" for n in range(256))
    source = write(
        tmp_path,
        ".globl _start\n_start: movl $1, %ebx\nagain: movl $4, %eax\nmovl $text, %ecx\n"
        "movl $256, %edx\nint $0x80\nincl %ebx\ncmpl $3, %ebx\njnz again\n"
        f"movl $1, %eax\nxorl %ebx, %ebx\nint $0x80\n.data\ntext:\n{every}",
    )
    assert run(capfdbinary, source) == (0, bytes(range(256)), bytes(range(256)))


def test_the_limit_is_124(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    status, _, err = run(
        capfdbinary,
        *("--timing", "off", "--max-cycles", 12345, "--report", report),
        write(tmp_path, SPIN),
    )
    assert status == 124
    assert b"12345 cycles" in err
    figures = json.loads(report.read_text())
    assert figures["cycles"] == 12345
    assert figures["exit_status"] is None
    assert figures["tasks"][0]["exit_status"] is None


def test_a_limit_that_is_not_reached_changes_nothing(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    assert run(capfdbinary, "--max-cycles", "100_000_000", USERLAND / "hello.S")[0] == 0


def test_a_deadlock_is_75_and_says_who_sleeps_on_what(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    status, out, err = run(capfdbinary, write(tmp_path, SLEEP_FOR_EVER))
    assert (status, out) == (75, b"")
    assert re.search(rb"2 \(program\) in .*futex", err), err


def test_an_oops_is_70_with_registers_and_stack(
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(k: Any) -> int:
        panic(k, "out of coffee")

    break_getpid(monkeypatch, broken)
    status, _, err = run(capfdbinary, USERLAND / "fork_return.S")
    assert status == 70
    assert b"Kernel panic - not syncing: out of coffee" in err
    assert b"task: pid 2 (fork_return)" in err
    assert b"Stack: " in err


def test_a_bug_in_the_kernels_python_is_70_in_words(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(k: Any) -> int:
        return int({}["nothing"])

    break_getpid(monkeypatch, broken)
    status, _, err = run(capfdbinary, USERLAND / "fork_return.S")
    assert status == 70
    assert b"kernel bug: KeyError: 'nothing'" in err
    assert b"test_run.py:" in err
    assert b"pid 2 (fork_return)" in err


def test_a_broken_invariant_is_70_only_with_check(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaking(k: Any) -> int:
        k.memory.pages.alloc_pages(k, 0, "lost")
        return int(k.current.tgid)

    break_getpid(monkeypatch, leaking)
    status, _, err = run(capfdbinary, "--check", USERLAND / "fork_return.S")
    assert status == 70
    assert re.search(rb"invariant page_count_is_number_of_holders is broken: frame 0x", err)
    assert b"held by: nobody" in err
    assert b"pid 2 (fork_return)" in err
    assert run(capfdbinary, USERLAND / "fork_return.S")[0] == 0


def test_a_check_of_everything_is_asked_for_by_full(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    check_all = invariants.check_all

    def counted(*args: Any) -> None:
        looks.append(1)
        check_all(*args)

    monkeypatch.setattr(invariants, "check_all", counted)
    monkeypatch.setattr(invariants, "FIRST_CREDIT", 0)
    assert run(capfdbinary, "--check", USERLAND / "hello.S")[0] == 0
    assert len(looks) == 1  # at the end
    assert run(capfdbinary, "--check=full", USERLAND / "hello.S")[0] == 0
    assert len(looks) > 8
    assert run(capfdbinary, "--check=some", USERLAND / "hello.S")[0] == 125


def test_a_run_that_is_cut_off_is_checked_at_its_end(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def losing(k: Any) -> int:
        k.memory.slabs.mm.alloc(k)
        return 0

    monkeypatch.setattr(invariants, "FIRST_CREDIT", 0)
    break_getpid(monkeypatch, losing)
    source = write(tmp_path, ".globl _start\n_start: movl $20, %eax\nint $0x80\nhere: jmp here\n")
    status, _, err = run(capfdbinary, "--check", "--max-cycles", 200_000, source)
    assert status == 70
    assert b"invariant " in err


def break_getpid(monkeypatch: pytest.MonkeyPatch, function: Any) -> None:
    """Put another function behind system call 20."""
    rows = list(gate.SYSCALLS)
    rows[20] = Call(20, "getpid", rows[20].home)
    rows[20].row = replace(SYSCALLS[20].row, function=function)
    monkeypatch.setattr(gate, "SYSCALLS", tuple(rows))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], b"PROGRAM"),
        (["nope.S"], b"nope.S: No such file"),
        (["."], b"Is a directory"),
        (["/dev/zero"], b"a device"),
        (["/dev/null"], b"a device"),
        (["Makefile"], b"neither a source"),
        (["x" * 5000 + ".S"], b"File name too long"),
        (["--memory", "1", "hello.S"], b"out of range"),
        (["--memory", "4G", "hello.S"], b"out of range"),
        (["--memory", "1500001", "hello.S"], b"multiple of 4096"),
        (["--memory", "-5M", "hello.S"], b"not a size"),
        (["--memory", "9" * 400, "hello.S"], b"not a size"),
        (["--cpu", "8086", "hello.S"], b"8086"),
        (["--fork", "maybe", "hello.S"], b"maybe"),
        (["--max-cycles", "0", "hello.S"], b"positive"),
        (["--max-cycles", "-3", "hello.S"], b"positive"),
        (["--max-cycles", "1e6", "hello.S"], b"positive"),
        (["--max-cycles", "9" * 5000, "hello.S"], b"positive"),
        (["--env", "NOVALUE", "hello.S"], b"NAME=VALUE"),
        (["--env", "=x", "hello.S"], b"NAME=VALUE"),
        (["--file", "only", "hello.S"], b"HOST:GUEST"),
        (["--file", "host:relative", "hello.S"], b"HOST:GUEST"),
        (["--file", "/nonexistent:/x", "hello.S"], b"cannot read /nonexistent"),
        (["--file", "hello.S:/", "hello.S"], b"cannot put a file at /: "),
        (["--file", "hello.S:/dev", "hello.S"], b"cannot put a file at /dev: "),
        (["--file", "hello.S:/tmp/.", "hello.S"], b"cannot put a file at /tmp/.: "),
        (["--file", "hello.S:/dev/console", "hello.S"], b"cannot put a file at /dev/console: "),
        (["--file", "hello.S:/dev/null/x", "hello.S"], b"cannot put a file at /dev/null/x: "),
        (["--file", "hello.S:/bin/../x", "hello.S"], b"cannot put a file at /bin/../x: "),
        (["--file", "hello.S:/a", "--file", "hello.S:/a/b", "hello.S"], b"directory of another"),
        (["--file", "hello.S:/a", "--file", "hello.S://a", "hello.S"], b"two files want"),
        (["--rlimit", "stack", "hello.S"], b"NAME=SIZE"),
        (["--rlimit", "nofile=3", "hello.S"], b"NAME=SIZE"),
        (["--rlimit", "stack=1K", "hello.S"], b"out of range"),
        (["--report", "/nonexistent/dir/file", "hello.S"], b"cannot write /nonexistent/dir/file"),
        (["--report", ".", "hello.S"], b"cannot write ."),
        (["--strace=/nonexistent/dir/file", "hello.S"], b"cannot write /nonexistent/dir/file"),
        (["--no-such-option", "hello.S"], b"--no-such-option"),
        (["--report"], b"--report"),
    ],
)
def test_misuse_is_125_and_says_what(
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    words: bytes,
) -> None:
    monkeypatch.chdir(ROOT if "Makefile" in args else USERLAND)
    status, out, err = run(capfdbinary, *args)
    assert (status, out) == (125, b"")
    assert words in err


def test_a_source_that_does_not_assemble_is_125_with_its_line(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    source = write(tmp_path, ".globl _start\n_start:\n    movl $1, %eex\n")
    status, _, err = run(capfdbinary, source)
    assert status == 125
    assert f"{source}:3: ".encode() in err


def test_an_elf_of_another_kind_is_125(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    python = Path(sys.executable).resolve()
    assert run(capfdbinary, python)[0] == 125  # dynamic, and of another machine
    built = tmp_path / "hello"
    assert call(["build", str(USERLAND / "hello.S"), "-o", str(built)]) == 0
    image = bytearray(built.read_bytes())
    image[16] = 4  # ET_CORE
    built.write_bytes(image)
    status, _, err = run(capfdbinary, built)
    assert status == 125
    assert b"it is not an executable" in err


@pytest.mark.parametrize(
    ("offset", "byte", "words"),
    [
        (4, 2, b"of another machine"),
        (18, 40, b"of another machine"),
        (16, 4, b"not an executable"),
        (44, 0, b"program headers are wrong"),
    ],
)
def test_a_refused_elf_is_told_why(
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
    offset: int,
    byte: int,
    words: bytes,
) -> None:
    built = tmp_path / "hello"
    assert call(["build", str(USERLAND / "hello.S"), "-o", str(built)]) == 0
    image = bytearray(built.read_bytes())
    image[offset] = byte
    built.write_bytes(image)
    status, _, err = run(capfdbinary, built)
    assert status == 125
    assert words in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_program_is_125(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    source = write(tmp_path, EXIT_7)
    source.chmod(0)
    assert run(capfdbinary, source)[0] == 125


def test_a_program_too_large_for_the_machine_is_125(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    source = write(tmp_path, EXIT_7 + ".data\n.fill 1048576, 4, 1\n")
    status, _, err = run(capfdbinary, "--memory", "1M", source)
    assert status == 125
    assert b"cannot be loaded: ENOMEM" in err


def test_options_end_at_the_program(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    status, out, _ = run(
        capfdbinary, "--env", "LESSON=fork", USERLAND / "args_env.S", "--memory", "-k", "--"
    )
    assert b"argc: 4\n" in out
    assert b"argv[1]: --memory\n" in out
    assert b"argv[2]: -k\n" in out
    assert status in (0, 1)  # the program wants other arguments; it is not the point here


def test_arguments_that_are_not_utf8_arrive_as_bytes() -> None:
    done = toykernel(
        "run", "--env", "LESSON=fork", "userland/args_env.S", b"\xff\xfe", b"caf\xc3\xa9"
    )
    assert b"argv[1]: \xff\xfe\n" in done.stdout
    assert b"argv[2]: caf\xc3\xa9\n" in done.stdout
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("cpu", ["486", "pentium", "pentium3", "max"])
def test_every_cpu_runs(capfdbinary: pytest.CaptureFixture[bytes], cpu: str) -> None:
    assert cpu in CPU_MODELS
    assert len(CPU_MODELS) == 4
    assert run(capfdbinary, "--cpu", cpu, USERLAND / "fork_sample.S")[0] == 0


@pytest.mark.parametrize("memory", ["1M", "1048576", "17m", "1GiB", "3G"])
def test_sizes_of_memory(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, memory: str
) -> None:
    report = tmp_path / "report"
    status, _, _ = run(capfdbinary, "--memory", memory, "--report", report, USERLAND / "hello.S")
    assert status == 0
    frames = json.loads(report.read_text())["frames"]["total"]
    bounds = option_types.size(option_types.MIN_MEMORY, option_types.MAX_MEMORY)
    assert frames == bounds(memory) // 4096


def test_eager_fork_copies_at_fork(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    # K12
    figures = {}
    for kind in ("cow", "eager"):
        report = tmp_path / kind
        run(capfdbinary, "--fork", kind, "--report", report, USERLAND / "fork_sample.S")
        figures[kind] = json.loads(report.read_text())
    assert figures["cow"]["faults"]["cow_copied"] == 1
    assert figures["eager"]["faults"]["cow_copied"] == 0
    assert figures["eager"]["frames"]["peak"] > figures["cow"]["frames"]["peak"]


def test_a_stack_limit_is_kept(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(capfdbinary, USERLAND / "deep_stack.S")[0] == 0
    assert run(capfdbinary, "--rlimit", "stack=256K", USERLAND / "deep_stack.S")[0] == 139


def test_a_host_file_can_be_executed(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    built = tmp_path / "other"
    assert call(["build", str(write(tmp_path, EXIT_7, "other.S")), "-o", str(built)]) == 0
    source = write(
        tmp_path,
        ".globl _start\n_start: movl $11, %eax\nmovl $path, %ebx\nmovl $argv, %ecx\n"
        "xorl %edx, %edx\nint $0x80\nmovl $1, %eax\nmovl $99, %ebx\nint $0x80\n"
        '.data\npath: .asciz "/bin/other"\n.balign 4\nargv: .long path, 0\n',
    )
    assert run(capfdbinary, source)[0] == 99
    assert run(capfdbinary, "--file", f"{built}:/bin/other", source)[0] == 7


def test_the_report_goes_to_standard_output_after_the_guests(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    _, out, _ = run(capfdbinary, "--report", "-", USERLAND / "hello.S")
    guest, brace, rest = out.partition(b"{")
    assert guest == b"Hello from ring 3\n"
    assert json.loads(brace + rest)["schema"] == 1


def test_a_report_is_not_made_for_a_program_that_cannot_be_loaded(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    report, kept = tmp_path / "report", tmp_path / "kept"
    kept.write_text("old")
    assert run(capfdbinary, "--report", report, "nope.S")[0] == 125
    assert run(capfdbinary, "--report", kept, "nope.S")[0] == 125
    assert not report.exists()
    assert kept.read_text() == "old"


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "run", "--report", "/dev/full", "userland/hello.S"],
        capture_output=True,
        cwd=ROOT,
        timeout=TIMEOUT,
        check=False,
        env=environment(),
    )
    assert done.returncode == 125
    assert b"cannot write /dev/full: No space left" in done.stderr
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "run", "userland/hello.S"],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            timeout=TIMEOUT,
            check=False,
            env=environment(),
        )
    assert done.returncode == 125
    assert b"cannot write standard output: No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_that_leaves_ends_the_run_quietly(tmp_path: Path) -> None:
    command = subprocess.Popen(
        [*COMMAND, "run", str(write(tmp_path, CHATTER))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
    )
    assert command.stdout is not None
    assert command.stderr is not None
    assert command.stdout.read(10) == b"line\nline\n"
    command.stdout.close()
    assert command.wait(TIMEOUT) == 128 + signal.SIGPIPE
    assert command.stderr.read() == b""
    command.stderr.close()


@pytest.mark.parametrize("text", [SPIN, CHATTER], ids=["in the engine", "in the kernel"])
def test_ctrl_c_ends_at_once_and_cleanly(tmp_path: Path, text: str) -> None:
    trace = tmp_path / "trace"
    with open(tmp_path / "out", "wb") as out:
        command = subprocess.Popen(
            [*COMMAND, "run", f"--strace={trace}", str(write(tmp_path, text))],
            stdout=out,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=environment(),
        )
        deadline = time.monotonic() + TIMEOUT
        while not (trace.exists() and trace.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)  # the program has been started
        time.sleep(0.2)
        sent = time.monotonic()
        command.send_signal(signal.SIGINT)
        _, err = command.communicate(timeout=TIMEOUT)
    assert command.returncode == 130
    assert b"Traceback" not in err
    assert time.monotonic() - sent < 5


def test_equal_runs_give_equal_reports_and_traces(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    seen = []
    for n in range(2):
        report, trace = tmp_path / f"report{n}", tmp_path / f"trace{n}"
        run(capfdbinary, f"--strace={trace}", "--report", report, USERLAND / "fork_tree.S")
        seen.append((report.read_bytes(), trace.read_bytes()))
    assert seen[0] == seen[1]


def test_a_trace_file_is_written_line_by_line_over_an_old_one(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    trace.write_text("old\n" * 1000)
    _, out, err = run(capfdbinary, f"--strace={trace}", USERLAND / "hello.S")
    assert (out, err) == (b"Hello from ring 3\n", b"")
    lines = trace.read_text().splitlines()
    assert [line[6:12] for line in lines] == ["execve", "write(", "exit(0", "+++ ex"]


def test_the_summary_shows_what_copy_on_write_cost(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    _, out, err = run(capfdbinary, "--summary", USERLAND / "fork_sample.S")
    assert out.endswith(b"Child Complete\n")
    assert re.search(rb"pages copied on write +1\n", err)
    assert re.search(rb"pages reused on write +1\n", err)
    assert b"0 leaked" in err
