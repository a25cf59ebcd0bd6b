"""`toykernel sysctl` reads what `--sysctl` sets."""

import subprocess

from command import COMMAND, ROOT, TIMEOUT


def sysctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "sysctl", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def test_every_setting_has_a_line() -> None:
    done = sysctl()
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert "kernel.sched_latency_ns = 6000000" in lines
    assert "kernel.sched_child_runs_first = 0" in lines
    assert lines == sorted(lines)


def test_what_is_set_is_read() -> None:
    done = sysctl("--sysctl", "kernel.sched_rt_runtime_us=-1", "kernel.sched_rt_runtime_us")
    assert done.stdout == "kernel.sched_rt_runtime_us = -1\n"


def test_a_wrong_name_or_value_is_misuse() -> None:
    for words in (["nope"], ["--sysctl", "kernel.pid_max=many"], ["--sysctl", "nope=1"]):
        done = sysctl(*words)
        assert done.returncode == 125
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert "sysctl" in done.stderr or "pid_max" in done.stderr
