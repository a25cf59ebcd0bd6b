"""Completion of the command line, asked for as a shell asks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from command import COMMAND, ROOT, TIMEOUT, environment

from toykernel.cli.group import call


def offered(words: str, at: int) -> list[str]:
    """What is offered for the word number `at`, kind and value."""
    done = subprocess.run(
        COMMAND,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
        cwd=ROOT,
        env={
            **environment(),
            "_TOYKERNEL_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(at),
        },
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "at", "wanted"),
    [
        ("toykernel cy", 1, ["plain,cycles"]),
        ("toykernel samples sh", 2, ["plain,show"]),
        ("toykernel run --process", 2, ["plain,--process-tree"]),
        ("toykernel run --sysctl kernel.pid", 3, ["plain,kernel.pid_max="]),
        ("toykernel sysctl fs.pipe-m", 2, ["plain,fs.pipe-max-size"]),
        ("toykernel run --kernel 3", 3, ["plain,3.x"]),
        ("toykernel run --strace --timing i486", 4, ["plain,i486", "plain,i486-ideal"]),
        ("toykernel run --fail-nth for", 3, ["plain,fork:"]),
        ("toykernel run userland/he", 2, ["file,userland/he"]),
        ("toykernel run --report re", 3, ["file,re"]),
        ("toykernel build userland/fork_sample.S -e cou", 4, ["plain,counter"]),
        ("toykernel build -e cou userland/fork_sample.S", 3, ["plain,counter"]),
        ("toykernel samples show hello_", 3, ["plain,hello_intel"]),
        ("toykernel docs timi", 2, ["plain,timing"]),
    ],
)
def test_offers(words: str, at: int, wanted: list[str]) -> None:
    assert offered(words, at) == wanted


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script(capfd: pytest.CaptureFixture[str], shell: str) -> None:
    assert call(["completion", shell]) == 0
    assert "_TOYKERNEL_COMPLETE" in capfd.readouterr().out


def test_bash_takes_it(tmp_path: Path) -> None:
    wrapper = tmp_path / "toykernel"
    wrapper.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    wrapper.chmod(0o755)
    script = (
        'eval "$(toykernel completion bash)"\n'
        "COMP_WORDS=(toykernel run --kernel 2.6); COMP_CWORD=3\n"
        '_toykernel_completion toykernel 2.6 --kernel; echo "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True, text=True, timeout=TIMEOUT, check=False, cwd=ROOT,
        env={**environment(), "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("2.6.39\n", "")
