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


def test_bounds_are_linux_s() -> None:
    """kernel/sysctl.c and sched_rt_global_constraints of 2.6.39."""
    for setting, said in (
        ("kernel.sched_latency_ns=99999", "100000"),
        ("kernel.sched_min_granularity_ns=1000000001", "1000000000"),
        ("kernel.sched_wakeup_granularity_ns=-1", "0 and"),
        ("kernel.sched_rt_period_us=0", "1 and"),
        ("kernel.sched_rt_runtime_us=1000001", "more than the period, 1000000 us"),
        ("kernel.sched_rt_period_us=949999", "a runtime of 950000 us"),
    ):
        done = sysctl("--sysctl", setting)
        assert (done.returncode, done.stdout) == (125, "")
        assert said in done.stderr
    for name, value in (("sched_wakeup_granularity_ns", 0), ("sched_child_runs_first", 7)):
        done = sysctl("--sysctl", f"kernel.{name}={value}", f"kernel.{name}")
        assert done.stdout == f"kernel.{name} = {value}\n"


def test_every_number_is_kept() -> None:
    """What was set is what is in force, for each setting there is."""
    for line in sysctl().stdout.splitlines():
        name, _, text = line.partition(" = ")
        if not text.lstrip("-").isdigit():
            continue
        wanted = {"kernel.sched_rt_runtime_us": int(text) - 1}.get(name, int(text) + 1)
        if name == "fs.pipe-max-size":
            wanted = 2 * int(text)  # a power of two
        elif name in ("kernel.pid_max", "dev.tty.legacy_tiocsti"):
            wanted = int(text) - 1
        assert sysctl("--sysctl", f"{name}={wanted}", name).stdout == f"{name} = {wanted}\n"
