"""`toykernel test`: verdicts, explanations with file and line, totals, exit statuses."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command import COMMAND, EXIT_7, ROOT, SPIN, TIMEOUT, USERLAND, environment, write

from toykernel.cli.attach import ATTACHED
from toykernel.cli.group import call
from toykernel.cli.judge import HOST_OPTIONS
from toykernel.cli.options import INJECT, OBSERVE
from toykernel.cli.run import command as run_command


def outcome(capfd: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    status = call(["test", *map(str, args)])
    captured = capfd.readouterr()
    return status, captured.out, captured.err


def test_the_programs_keep_their_promises(capfd: pytest.CaptureFixture[str]) -> None:
    count = len(list(USERLAND.glob("*.S")))
    status, out, _ = outcome(capfd, "-j", 2, USERLAND)
    assert (status, out) == (0, f"{count} passed, 0 failed\n")


def test_each_difference_has_its_line(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    header = (
        "# title: x\n# expect stdout: hi\n# expect status: 3\n# expect stderr: e\n"
        "# expect report forks.fork: 2\n"
    )
    source = write(tmp_path, header + EXIT_7)
    status, out, _ = outcome(capfd, source)
    assert status == 1
    assert out.splitlines() == [
        f"{source}: failed",
        f"  {source}:2: stdout line 1: expected `hi`, output ended",
        f"  {source}:4: stderr line 1: expected `e`, output ended",
        f"  {source}:3: end: expected exit status 3, got exit status 7",
        f"  {source}:5: report forks.fork: expected 2, got 0 (header line 5)",
        "0 passed, 1 failed",
    ]


def test_every_kind_of_verdict(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write(tmp_path, "# expect status: 7\n" + EXIT_7, "a_good.S")
    write(tmp_path, "# nothing is promised\n" + EXIT_7, "b_silent.S")
    write(tmp_path, "# expct status: 7\n" + EXIT_7, "c_slip.S")
    write(tmp_path, "# expect status: 7\n# options: --memory 1\n" + EXIT_7, "d_options.S")
    write(tmp_path, "# expect status: 7\n# options: --report x\n" + EXIT_7, "e_host.S")
    write(tmp_path, "# expect status: 7\nfrobnicate\n" + EXIT_7, "f_source.S")
    write(tmp_path, "# expect status: 7\n" + SPIN, "g_endless.S")
    (tmp_path / "inner").mkdir()
    write(tmp_path / "inner", "# expect status: 7\n# args: one\n" + EXIT_7, "h_deep.S")
    status, out, _ = outcome(capfd, "-v", "-j", 1, "--max-cycles", 500_000, tmp_path)
    text = out.replace(str(tmp_path) + "/", "")
    assert status == 1
    assert "a_good.S: passed\n" in text
    assert "b_silent.S: without expectations\n" in text
    assert "c_slip.S:1: unknown key `expct`" in text
    assert "d_options.S:2: options: " in text
    assert "out of range" in text
    assert "e_host.S:2: options: --report has no place in a header" in text
    assert "f_source.S:2: " in text
    assert "g_endless.S:1: end: expected exit status 7, got exit status 124" in text
    assert "the test's limit held" in text
    assert "inner/h_deep.S: passed\n" in text
    assert text.endswith("2 passed, 5 failed, 1 without expectations\n")


def test_options_and_arguments_of_the_header_are_honoured(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write(tmp_path, "# expect status: 124\n# options: --max-cycles 9000\n" + SPIN)
    assert outcome(capfd, tmp_path)[0] == 0


def test_failure_injection_of_the_header_is_honoured(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # J: the third point of fork is its first allocation; the error number becomes the exit status
    fork = (
        ".globl _start\n_start: movl $2, %eax\nint $0x80\nmovl %eax, %ebx\n"
        "negl %ebx\nmovl $1, %eax\nint $0x80\n"
    )
    header = "# expect status: 12\n# options: --fail-nth 3 --check\n"
    header += "# expect report forks.failed.ENOMEM: 1\n"
    assert outcome(capfd, write(tmp_path, header + fork))[:2] == (0, "1 passed, 0 failed\n")


def test_k_chooses(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = outcome(capfd, "-k", "hello", "-k", "null", "-v", USERLAND)
    assert status == 0
    assert [line.rsplit("/")[-1] for line in out.splitlines()] == [
        "hello.S: passed",
        "hello_intel.S: passed",
        "null_write.S: passed",
        "3 passed, 0 failed",
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_order_of_the_output_does_not_depend_on_processes(
    capfd: pytest.CaptureFixture[str], jobs: int
) -> None:
    _, out, _ = outcome(capfd, "-v", "-j", jobs, USERLAND / "zombie.S", USERLAND / "hello.S")
    assert [line.split(":")[0].rsplit("/")[-1] for line in out.splitlines()[:2]] == [
        "zombie.S",
        "hello.S",
    ]


@pytest.mark.parametrize(
    "args", [[], ["/nonexistent"], ["-k", "zzz", "userland"], ["-j", "0", "userland"], ["-j", "x"]]
)
def test_misuse_is_125(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, args: list[str]
) -> None:
    monkeypatch.chdir(ROOT)
    status, out, err = outcome(capfd, *args)
    assert (status, out) == (125, "")
    assert "Error: " in err


def test_nothing_promised_is_nothing_tested(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write(tmp_path, EXIT_7)
    status, out, err = outcome(capfd, tmp_path)
    assert status == 125
    assert "without expectations" in out
    assert "nothing was tested" in err


def test_no_option_of_a_run_is_silently_ignored_in_a_header() -> None:
    """Whoever adds an option says whether a header may ask for it."""
    names = {p.name for p in run_command.params}
    known = {*ATTACHED, *HOST_OPTIONS}
    observed = {
        p.name for option in (*OBSERVE, *INJECT) for p in option(lambda: 0).__click_params__
    }
    assert observed <= names
    assert observed == known


def test_ctrl_c_ends_the_workers_too(tmp_path: Path) -> None:
    for n in range(4):
        write(tmp_path, "# expect status: 0\n" + SPIN, f"spin{n}.S")
    command = subprocess.Popen(
        [*COMMAND, "test", "-j", "2", "--max-cycles", "1_000_000_000_000", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
        start_new_session=True,
    )
    time.sleep(2.5)
    os.killpg(command.pid, signal.SIGINT)
    _, err = command.communicate(timeout=TIMEOUT)
    assert command.returncode == 130
    assert b"Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.killpg(command.pid, 0)
